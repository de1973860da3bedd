"""Our orders off the market by REST alone, in a bounded time.

Owns which orders of ours are open, their cancels, and the proof that none is left. Must not know
whose orders they are beyond the tag, how a request is sent, nor what happens after. Failures are
values.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from hftd.domain.order import parse_client_order_id
from hftd.runtime.offline_venue import (
    LONGEST_SECONDS,
    REQUEST_SECONDS,
    Answer,
    Request,
    VenueRoad,
)

UNKNOWN_SYMBOL = -1121  # A symbol that the venue does not know holds no order.
WORKERS = 64  # Cancels at once: a slow venue must not make a hundred wait for each other.
LOOK_SECONDS = 0.2
# The list without a symbol weighs 80 of the 6,000 a minute that an address has: its looks are
# further and further apart, up to this.
LOOK_EVERYWHERE_SECONDS = 2.0
FIRST_LOOK_SECONDS = 1.0  # For so long it waits for what the symbols' own lists show.
EVERYWHERE = "any other symbol"


class Swept(NamedTuple):
    """What a sweep found and left; ``left`` holds the venue's own words for each order.

    ``is_clear`` is true where the venue showed none of ours, asked at ``checked_ns`` or later;
    else ``why`` says what stood in the way, and ``unseen`` names the symbols whose orders were
    never shown.
    """

    is_clear: bool
    checked_ns: int
    canceled: int
    foreign: int
    left: list[dict[str, Any]]
    why: str
    unseen: tuple[str, ...] = ()


def sweep(
    road: VenueRoad,
    symbols: Sequence[str],
    tag: str,
    *,
    settle_s: float,
    bound_s: float,
    request_s: float = REQUEST_SECONDS,
    is_gone: Callable[[], bool] = lambda: False,
) -> Swept:
    """Cancel all that bears our tag until the venue shows none, or the time is up.

    ``symbols`` are those of the last run; one before it may have left orders in others. So the
    venue is asked for all symbols' orders at once as well, and it is this answer that clears.
    The symbols' own lists are faster and lighter, and stand where that one does not come.

    An order that left before its sender died may still be under way: the venue takes it until
    its recvWindow has passed. So the answer that counts is one to a question asked after
    ``settle_s``; what rests by then is canceled at once all the same. ``request_s`` is what the
    first request of a symbol may take. ``is_gone`` says of a simulated exchange that nobody will
    answer any more.
    """
    began = time.monotonic()
    span = _Span(began + settle_s, began + bound_s, is_gone)
    parts = [_Part(road, symbol, tag, span, request_s) for symbol in symbols]
    tended = dict(zip(symbols, parts, strict=True))
    everywhere = _Part(road, "", tag, span, request_s, tended)

    def look_everywhere() -> None:
        # What they cancel at their first look is not canceled twice.
        first_s = min(began + FIRST_LOOK_SECONDS, span.deadline)
        for part in parts:
            part.has_looked.wait(max(0.0, first_s - time.monotonic()))
        everywhere.run()

    threads = [threading.Thread(target=part.run, daemon=True) for part in parts]
    whole = threading.Thread(target=look_everywhere, daemon=True)
    for thread in (*threads, whole):
        thread.start()
    # Each ends by itself at the deadline; one that does not is a part that was not cleared.
    whole.join(max(0.0, span.deadline - time.monotonic()) + LOOK_SECONDS)
    for part, thread in zip(parts, threads, strict=True):
        while not everywhere.checked_ns or part.left:
            thread.join(LOOK_SECONDS)
            if not thread.is_alive() or time.monotonic() > span.deadline + LOOK_SECONDS:
                break
    return _judged(parts, everywhere)


def _judged(parts: Sequence[_Part], everywhere: _Part) -> Swept:
    every = (*parts, everywhere)
    # By name, since one that is left stands in the list of its symbol and in that of all.
    left = {name: order for part in every for name, order in dict(part.left or {}).items()}
    canceled = sum(part.canceled for part in every)
    foreign = max(everywhere.foreign, sum(part.foreign for part in parts))
    if everywhere.checked_ns and not any(part.left for part in parts):
        return Swept(True, everywhere.checked_ns, canceled, foreign, [], "")
    unseen: tuple[str, ...] = ()
    if everywhere.left is None:
        unseen = tuple(part.name for part in every if part.left is None)
    return Swept(False, 0, canceled, foreign, list(left.values()), _why(every, unseen), unseen)


def _why(parts: Sequence[_Part], unseen: tuple[str, ...]) -> str:
    """Return what stood in the way of each symbol, symbols with the same reason together."""
    reasons: dict[str, list[str]] = {}
    for part in parts:
        if not part.checked_ns:
            reasons.setdefault(part.why, []).append(part.name)
    told = [f"{', '.join(names)}: {reason}" for reason, names in reasons.items()]
    if unseen:
        told.append(f"what is open in {', '.join(unseen)} was never seen")
    return "; ".join(told)


class _Span(NamedTuple):
    settled: float  # From when on an empty list counts, by the monotonic clock.
    deadline: float
    is_gone: Callable[[], bool]


class _Part:
    """The sweep of one symbol, in a thread of its own: no other's silence may delay it.

    Without a symbol it is the sweep of all; it cancels where none of ``tended`` does, since that
    was not known to be ours or is not answered.

    ``left`` is what the venue showed last, less what it has confirmed as canceled since; None
    until it showed anything. ``checked_ns`` is when the question was asked whose answer cleared
    the symbol, 0 while none has.
    """

    def __init__(
        self,
        road: VenueRoad,
        symbol: str,
        tag: str,
        span: _Span,
        request_s: float,
        tended: Mapping[str, _Part] | None = None,
    ) -> None:
        self.name = symbol or EVERYWHERE
        self.has_looked = threading.Event()
        self.is_heard = False  # Whether the last look was answered.
        self.left: dict[str, dict[str, Any]] | None = None
        self.canceled = 0
        self.foreign = 0
        self.checked_ns = 0
        self.why = "it was not looked at"
        self._road = road
        self._symbol = symbol
        self._tag = tag
        self._span = span
        self._limit_s = request_s
        self._tended = tended or {}
        self._pause_s = LOOK_SECONDS
        self._strange = 0  # What of the last list was no order, and might hide one of ours.

    def run(self) -> None:
        """Look and cancel until the symbol is clear, the time is up, or nobody can answer."""
        while not self.checked_ns and (now := time.monotonic()) < self._span.deadline:
            quiet_s = self._road.quiet_s
            if quiet_s and now + quiet_s >= self._span.deadline:
                self.why = f"the venue wants {quiet_s:.0f} s without requests (429), too long"
                return
            if self._span.is_gone():
                self.why = "the exchange has ended"
                return
            pause_s = quiet_s or self._turn()
            self.has_looked.set()
            time.sleep(max(0.0, min(pause_s, self._span.deadline - time.monotonic())))

    def _turn(self) -> float:
        """Look once and cancel what is seen; return how long to wait before the next look."""
        asked, asked_ns = time.monotonic(), time.time_ns()
        of: dict[str, str | int] = {"symbol": self._symbol} if self._symbol else {}
        (answer,) = self._ask([Request("GET", "/api/v3/openOrders", of)])
        pause_s = self._pause_s
        if not self._symbol:
            self._pause_s = min(2 * pause_s, LOOK_EVERYWHERE_SECONDS)
        self.is_heard = self._seen(answer)
        if not self.is_heard:
            return pause_s
        if self.left:
            self._cancel()
        elif self._strange:
            self.why = f"the venue lists {self._strange} that are no orders"
        elif asked >= self._span.settled:
            self.checked_ns = asked_ns
        else:
            self.why = "an order under way could still arrive"
            return max(LOOK_SECONDS, self._span.settled - time.monotonic())
        return pause_s

    def _ask(self, requests: Sequence[Request]) -> list[Answer]:
        left_s = max(0.001, self._span.deadline - time.monotonic())
        answers = self._road.ask(requests, min(self._limit_s, left_s))
        if any(answer.is_late for answer in answers):
            self._limit_s = min(2 * self._limit_s, LONGEST_SECONDS)
        return answers

    def _seen(self, answer: Answer) -> bool:
        """Take what the venue shows; say whether it showed the symbol's orders."""
        if self._symbol and answer.code == UNKNOWN_SYMBOL:
            self.left = {}
            return True
        if answer.status != 200 or not isinstance(answer.body, list):
            no_list = answer.status == 200 and not answer.fault
            self.why = "the venue answered no list" if no_list else self._words_of(answer)
            return False
        orders = [order for order in answer.body if self._is_order(order)]
        ours = [order for order in orders if _is_ours(order, self._tag)]
        self.foreign = len(orders) - len(ours)
        self.left = {order["clientOrderId"]: order for order in ours}
        self._strange = len(answer.body) - len(orders)
        return True

    def _cancel(self) -> None:
        """Cancel each by its client order id, and keep what the venue did not confirm.

        One that the venue knows no longer is no fault: the next look tells.
        """
        assert self.left is not None
        why = "orders of ours are still shown"
        names = [name for name, order in self.left.items() if not self._is_tended(order)]
        for first in range(0, len(names), WORKERS):
            batch = names[first : first + WORKERS]
            answers = self._ask([self._cancel_of(self.left[name]) for name in batch])
            for name, answer in zip(batch, answers, strict=True):
                if answer.status == 200:
                    self.canceled += 1
                    del self.left[name]
                elif answer.status != 400:
                    why = self._words_of(answer)
        self.why = why

    def _words_of(self, answer: Answer) -> str:
        """Return what an answer says; for one that our own time ran out for, what stood before."""
        ran_out = answer.is_late and self._span.deadline - time.monotonic() < LOOK_SECONDS
        return self.why if ran_out and self.left is not None else answer.told()

    def _cancel_of(self, order: dict[str, Any]) -> Request:
        named = {
            "symbol": self._symbol or order["symbol"],
            "origClientOrderId": order["clientOrderId"],
        }
        return Request("DELETE", "/api/v3/order", named)

    def _is_tended(self, order: dict[str, Any]) -> bool:
        part = self._tended.get(str(order.get("symbol")))
        return part is not None and part.is_heard

    def _is_order(self, listed: object) -> bool:
        """Say whether it can be canceled: by its id, in the symbol that it names or was asked."""
        return (
            isinstance(listed, dict)
            and isinstance(listed.get("clientOrderId"), str)
            and bool(self._symbol or isinstance(listed.get("symbol"), str))
        )


def _is_ours(order: dict[str, Any], tag: str) -> bool:
    return parse_client_order_id(tag, order["clientOrderId"]) != 0
