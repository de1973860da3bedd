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
from typing import Any, NamedTuple, TypeVar

from hftd.domain.order import parse_client_order_id
from hftd.runtime.tls import connection_fault
from hftd.venues.binance.signing import Signer, signed_query

Item = TypeVar("Item")
Address = tuple[str, int]

REQUEST_SECONDS = 10.0  # What the venue allows itself before it answers -1007.
# The venue's greatest. A cancel or a question that comes late does no harm.
RECV_WINDOW_MS = 60_000
MAX_BODY_BYTES = 16 * 1024 * 1024
WORKERS = 64  # One slow venue must not make a hundred cancels wait for each other.
LOOK_SECONDS = 0.2
LIMIT_STATUSES = (403, 418, 429)
DEFAULT_WAIT_S = 10.0  # Where the venue did not say for how long.
BAD_TIMESTAMP = -1021
UNKNOWN_SYMBOL = -1121  # A symbol that the venue does not know holds no order.


class Answer(NamedTuple):
    """What came of a request; status 0 where no answer came, and ``fault`` says why."""

    status: int
    body: Any = None
    fault: str = ""

    @property
    def code(self) -> int:
        """The venue's own error code, 0 where there is none."""
        code = self.body.get("code", 0) if isinstance(self.body, dict) else 0
        return code if isinstance(code, int) else 0

    def told(self) -> str:
        """Return what went wrong in a few words."""
        return self.fault or f"the venue answered {self.status} (code {self.code})"


class Swept(NamedTuple):
    """What a sweep found and left; ``left`` holds the venue's own words for each order.

    ``is_clear`` is true where the venue showed none of ours, asked at ``checked_ns``; else
    ``why`` says what stood in the way.
    """

    is_clear: bool
    checked_ns: int
    canceled: int
    foreign: int
    left: list[dict[str, Any]]
    why: str


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

    def ask(self, method: str, path: str, params: dict[str, str | int]) -> Answer:
        """Send one signed request, unless the venue told us to wait."""
        if self.quiet_s:
            return Answer(429, fault=f"the venue wants {self.quiet_s:.0f} s without requests")
        now_ms = time.time_ns() // 1_000_000 + self._offset_ms
        query = signed_query(
            self._signer, params | {"recvWindow": RECV_WINDOW_MS, "timestamp": now_ms}
        )
        answer = self._send(method, f"{path}?{query}")
        if answer.code == BAD_TIMESTAMP:
            self._set_clock()
        return answer

    def _set_clock(self) -> None:
        answer = self._send("GET", "/api/v3/time")
        if answer.status == 200 and isinstance(answer.body, dict):
            self._offset_ms = int(answer.body["serverTime"]) - time.time_ns() // 1_000_000

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
        except ValueError:
            return Answer(response.status, fault=f"{response.status} without JSON")

    def _connection(self, address: Address) -> HTTPConnection:
        if self._tls is None:
            return HTTPConnection(*address, timeout=REQUEST_SECONDS)
        return HTTPSConnection(*address, timeout=REQUEST_SECONDS, context=self._tls)

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
    is_gone: Callable[[], bool] = lambda: False,
) -> Swept:
    """Cancel all that bears our tag until the venue shows none, or the time is up.

    An order that left before its sender died may still be under way: the venue takes it until
    its recvWindow has passed. So the answer that counts is one to a question asked after
    ``settle_s``; what rests by then is canceled at once all the same. ``is_gone`` says of a
    simulated exchange that nobody will answer any more.
    """
    began = time.monotonic()
    settled, deadline = began + settle_s, began + bound_s
    left: list[dict[str, Any]] | None = None
    canceled, why, foreign = 0, "", 0
    while (now := time.monotonic()) < deadline:
        if road.quiet_s and now + road.quiet_s >= deadline:
            why = f"the venue wants {road.quiet_s:.0f} s without requests (429), which is too long"
            break
        if is_gone():
            why = "the exchange has ended"
            break
        pause_s = road.quiet_s
        if not pause_s:
            asked_ns = time.time_ns()
            found, foreign, why = _open_orders(road, symbols, tag, deadline)
            left = left if why else found
            if not why and not found and now >= settled:
                return Swept(True, asked_ns, canceled, foreign, [], "")
            done, fault = _cancel(road, found, deadline)
            canceled, why = canceled + done, why or fault
            waits = not why and not found
            pause_s = max(LOOK_SECONDS, settled - time.monotonic()) if waits else LOOK_SECONDS
        time.sleep(max(0.0, min(pause_s, deadline - time.monotonic())))
    why = why or f"orders of ours are still shown after {bound_s:g} s"
    unseen = "" if left is not None else "; what is open was never seen"
    return Swept(False, 0, canceled, foreign, left or [], why + unseen)


def _open_orders(
    road: VenueRoad, symbols: Sequence[str], tag: str, deadline: float
) -> tuple[list[dict[str, Any]], int, str]:
    """Return our open orders, the number of others, and why the list is not whole."""
    found: list[dict[str, Any]] = []
    foreign, why = 0, ""
    answers = in_parallel(
        lambda symbol: road.ask("GET", "/api/v3/openOrders", {"symbol": symbol}), symbols, deadline
    )
    for answer in answers:
        if answer.status == 200 and isinstance(answer.body, list):
            ours = [one for one in answer.body if _is_ours(one, tag)]
            found += ours
            foreign += len(answer.body) - len(ours)
        elif answer.code != UNKNOWN_SYMBOL:
            why = answer.told()
    return found, foreign, why


def _is_ours(order: dict[str, Any], tag: str) -> bool:
    return parse_client_order_id(tag, str(order.get("clientOrderId"))) != 0


def _cancel(road: VenueRoad, orders: list[dict[str, Any]], deadline: float) -> tuple[int, str]:
    """Cancel each by its client order id; return how many the venue confirmed, and a fault.

    One that the venue knows no longer is no fault: the next look tells.
    """

    def cancel(order: dict[str, Any]) -> Answer:
        named = {"symbol": order["symbol"], "origClientOrderId": order["clientOrderId"]}
        return road.ask("DELETE", "/api/v3/order", named)

    answers = in_parallel(cancel, orders, deadline)
    faults = [one.told() for one in answers if one.status != 200 and one.status != 400]
    return sum(one.status == 200 for one in answers), faults[0] if faults else ""


def in_parallel(
    work: Callable[[Item], Answer], items: Sequence[Item], deadline: float
) -> list[Answer]:
    """Return the work's answer for each item; one that is not there at the deadline is a fault.

    The threads are daemons: one that hangs in a read of a dead connection ends with the process,
    which nothing may hold up.
    """
    waiting: queue.SimpleQueue[tuple[int, Item]] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, Answer]] = queue.SimpleQueue()
    for numbered in enumerate(items):
        waiting.put(numbered)

    def run() -> None:
        while time.monotonic() < deadline:
            try:
                index, item = waiting.get_nowait()
            except queue.Empty:
                return
            done.put((index, work(item)))

    for _ in range(min(len(items), WORKERS)):
        threading.Thread(target=run, daemon=True).start()
    answers = [Answer(0, fault="no answer in time")] * len(items)
    for _ in items:
        try:
            index, answer = done.get(timeout=max(0.001, deadline - time.monotonic()))
        except queue.Empty:
            break
        answers[index] = answer
    return answers
