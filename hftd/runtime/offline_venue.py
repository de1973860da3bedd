"""Our orders off the market by REST alone, in a bounded time, whatever the venue does meanwhile.

Owns the requests of the offline kill: which orders of ours are open, their cancels, and the proof
that none is left. Must not know whose orders they are beyond the tag, nor what happens after.
It stands on the standard library and on the signatures: it shares no HTTP client, no event loop
and no state with the daemon, whose fault may be why it is needed. Failures are values. No query
string ever stands in a message: it holds a signature.
"""

from __future__ import annotations

import json
import queue
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, NamedTuple

from hftd.domain.order import parse_client_order_id
from hftd.runtime.tls import connection_fault
from hftd.venues.binance.signing import Signer, signed_query

Address = tuple[str, int]

# All that one request may take, name, connection and body included; doubled after each that
# brought no answer, up to a little more than the venue allows itself before it answers -1007.
REQUEST_SECONDS = 3.0
LONGEST_SECONDS = 12.0
# The venue's greatest. A cancel or a question that comes late does no harm.
RECV_WINDOW_MS = 60_000
MAX_BODY_BYTES = 16 * 1024 * 1024
WORKERS = 64  # Cancels at once: a slow venue must not make a hundred wait for each other.
LOOK_SECONDS = 0.2
LIMIT_STATUSES = (403, 418, 429)
DEFAULT_WAIT_S = 10.0  # Where the venue did not say for how long.
BAD_TIMESTAMP = -1021
UNKNOWN_SYMBOL = -1121  # A symbol that the venue does not know holds no order.


class Answer(NamedTuple):
    """What came of a request; status 0 where no answer came, and ``fault`` says why.

    ``is_late`` where it was not there in the time given to it.
    """

    status: int
    body: Any = None
    fault: str = ""
    is_late: bool = False

    @property
    def code(self) -> int:
        """The venue's own error code, 0 where there is none."""
        code = self.body.get("code", 0) if isinstance(self.body, dict) else 0
        return code if isinstance(code, int) else 0

    def told(self) -> str:
        """Return what went wrong in a few words."""
        return self.fault or f"the venue answered {self.status} (code {self.code})"


class Request(NamedTuple):
    """A request to sign and send."""

    method: str
    path: str
    params: dict[str, str | int]


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


class VenueRoad:
    """Signed requests to one venue, each with an end.

    ``address`` is asked before each request, since an exchange that restarts may move.
    """

    def __init__(
        self,
        address: Callable[[], Address | None],
        signer: Signer,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._address = address
        self._tls = tls  # None: in plain text, to a process of ours on loopback.
        self._signer = signer
        self._offset_ms = 0
        self._quiet_until = 0.0

    @property
    def quiet_s(self) -> float:
        """How long the venue wants to hear nothing from us, in seconds from now."""
        return max(0.0, self._quiet_until - time.monotonic())

    def ask(self, requests: Sequence[Request], limit_s: float) -> list[Answer]:
        """Send signed requests at once and return their answers, in their order.

        One that is not answered within ``limit_s`` is a fault: a timeout of a socket would begin
        again with each byte. The threads are daemons; one that still reads ends with the process,
        which nothing may hold up.
        """
        done: queue.SimpleQueue[tuple[int, Answer]] = queue.SimpleQueue()

        def run(index: int, request: Request) -> None:
            answer = Answer(0, fault="the request failed by a bug of ours")
            try:
                answer = self._answer(request)
            except (ValueError, TypeError, LookupError, ArithmeticError, RuntimeError) as error:
                # Only its kind: the text may hold a header, and so the key.
                answer = Answer(0, fault=f"the request failed ({type(error).__name__})")
            finally:
                done.put((index, answer))

        for numbered in enumerate(requests):
            threading.Thread(target=run, args=numbered, daemon=True).start()
        late = Answer(0, fault=f"no answer in {limit_s:.1f} s", is_late=True)
        answers = [late] * len(requests)
        deadline = time.monotonic() + limit_s
        for _ in requests:
            try:
                index, answer = done.get(timeout=max(0.001, deadline - time.monotonic()))
            except queue.Empty:
                break
            answers[index] = answer
        return answers

    def _answer(self, request: Request) -> Answer:
        # Unless the venue told us to wait.
        if self.quiet_s:
            return Answer(429, fault=f"the venue wants {self.quiet_s:.0f} s without requests")
        now_ms = time.time_ns() // 1_000_000 + self._offset_ms
        stamped = request.params | {"recvWindow": RECV_WINDOW_MS, "timestamp": now_ms}
        query = signed_query(self._signer, stamped)
        answer = self._send(request.method, f"{request.path}?{query}")
        if answer.code == BAD_TIMESTAMP:
            self._set_clock()
        return answer

    def _set_clock(self) -> None:
        answer = self._send("GET", "/api/v3/time")
        told = answer.body.get("serverTime") if isinstance(answer.body, dict) else None
        if answer.status == 200 and isinstance(told, int):
            self._offset_ms = told - time.time_ns() // 1_000_000

    def _send(self, method: str, target: str) -> Answer:
        address = self._address()
        if address is None:
            return Answer(0, fault="the exchange says nowhere that it listens")
        connection = self._connection(address)
        headers = {"X-MBX-APIKEY": self._signer.api_key}
        try:
            connection.request(method, target, headers=headers)
            response = connection.getresponse()
            text = response.read(MAX_BODY_BYTES)
        except (OSError, HTTPException) as error:
            return Answer(0, fault=f"{address[0]}:{address[1]}: {connection_fault(error)}")
        finally:
            connection.close()
        if response.status in LIMIT_STATUSES:
            self._hold_back(response.getheader("Retry-After", ""))
        try:
            return Answer(response.status, json.loads(text))
        except (ValueError, RecursionError):
            told = f"the venue answered {response.status} without JSON"
            return Answer(response.status, fault=told)

    def _connection(self, address: Address) -> HTTPConnection:
        if self._tls is None:
            return HTTPConnection(*address, timeout=LONGEST_SECONDS)
        return HTTPSConnection(*address, timeout=LONGEST_SECONDS, context=self._tls)

    def _hold_back(self, retry_after: str) -> None:
        wait_s = float(retry_after) if retry_after.isdecimal() else DEFAULT_WAIT_S
        self._quiet_until = max(self._quiet_until, time.monotonic() + wait_s)


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

    An order that left before its sender died may still be under way: the venue takes it until
    its recvWindow has passed. So the answer that counts is one to a question asked after
    ``settle_s``; what rests by then is canceled at once all the same. ``request_s`` is what the
    first request of a symbol may take. ``is_gone`` says of a simulated exchange that nobody will
    answer any more.
    """
    began = time.monotonic()
    span = _Span(began + settle_s, began + bound_s, is_gone)
    parts = [_Part(road, symbol, tag, span, request_s) for symbol in symbols]
    threads = [threading.Thread(target=part.run, daemon=True) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        # Each ends by itself at the deadline; one that does not is a part that was not cleared.
        thread.join(max(0.0, span.deadline - time.monotonic()) + LOOK_SECONDS)
    left = [order for part in parts for order in list((part.left or {}).values())]
    canceled, foreign = sum(part.canceled for part in parts), sum(part.foreign for part in parts)
    if all(part.checked_ns for part in parts):
        checked_ns = min((part.checked_ns for part in parts), default=time.time_ns())
        return Swept(True, checked_ns, canceled, foreign, [], "")
    unseen = tuple(part.symbol for part in parts if part.left is None)
    return Swept(False, 0, canceled, foreign, left, _why(parts, unseen), unseen)


def _why(parts: Sequence[_Part], unseen: tuple[str, ...]) -> str:
    """Return what stood in the way of each symbol, symbols with the same reason together."""
    reasons: dict[str, list[str]] = {}
    for part in parts:
        if not part.checked_ns:
            reasons.setdefault(part.why, []).append(part.symbol)
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

    ``left`` is what the venue showed last, less what it has confirmed as canceled since; None
    until it showed anything. ``checked_ns`` is when the question was asked whose answer cleared
    the symbol, 0 while none has.
    """

    def __init__(
        self, road: VenueRoad, symbol: str, tag: str, span: _Span, request_s: float
    ) -> None:
        self.symbol = symbol
        self.left: dict[str, dict[str, Any]] | None = None
        self.canceled = 0
        self.foreign = 0
        self.checked_ns = 0
        self.why = "it was not looked at"
        self._road = road
        self._tag = tag
        self._span = span
        self._limit_s = request_s
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
            time.sleep(max(0.0, min(pause_s, self._span.deadline - time.monotonic())))

    def _turn(self) -> float:
        """Look once and cancel what is seen; return how long to wait before the next look."""
        asked, asked_ns = time.monotonic(), time.time_ns()
        (answer,) = self._ask([Request("GET", "/api/v3/openOrders", {"symbol": self.symbol})])
        if not self._seen(answer):
            return LOOK_SECONDS
        if self.left:
            self._cancel()
        elif self._strange:
            self.why = f"the venue lists {self._strange} that are no orders"
        elif asked >= self._span.settled:
            self.checked_ns = asked_ns
        else:
            self.why = "an order under way could still arrive"
            return max(LOOK_SECONDS, self._span.settled - time.monotonic())
        return LOOK_SECONDS

    def _ask(self, requests: Sequence[Request]) -> list[Answer]:
        left_s = max(0.001, self._span.deadline - time.monotonic())
        answers = self._road.ask(requests, min(self._limit_s, left_s))
        if any(answer.is_late for answer in answers):
            self._limit_s = min(2 * self._limit_s, LONGEST_SECONDS)
        return answers

    def _seen(self, answer: Answer) -> bool:
        """Take what the venue shows; say whether it showed the symbol's orders."""
        if answer.code == UNKNOWN_SYMBOL:
            self.left = {}
            return True
        if answer.status != 200 or not isinstance(answer.body, list):
            no_list = answer.status == 200 and not answer.fault
            self.why = "the venue answered no list" if no_list else answer.told()
            return False
        orders = [order for order in answer.body if _is_order(order)]
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
        self.why = "orders of ours are still shown"
        names = list(self.left)
        for first in range(0, len(names), WORKERS):
            batch = names[first : first + WORKERS]
            answers = self._ask([self._cancel_of(name) for name in batch])
            for name, answer in zip(batch, answers, strict=True):
                if answer.status == 200:
                    self.canceled += 1
                    del self.left[name]
                elif answer.status != 400:
                    self.why = answer.told()

    def _cancel_of(self, name: str) -> Request:
        named = {"symbol": self.symbol, "origClientOrderId": name}
        return Request("DELETE", "/api/v3/order", dict(named))


def _is_order(listed: object) -> bool:
    return isinstance(listed, dict) and isinstance(listed.get("clientOrderId"), str)


def _is_ours(order: dict[str, Any], tag: str) -> bool:
    return parse_client_order_id(tag, order["clientOrderId"]) != 0
