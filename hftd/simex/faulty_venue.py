"""A venue that commits the faults of a script, and is a plain venue while none is armed.

Owns what a fault does to requests, orders, symbols, the clock and the whole process; what it
does to frames is in ``fault_frames``. The truth is never faulty: accounts and orders are what
the exchange behind it did, and nothing is told of them that did not happen, save by a frame
fault. Deterministic like ``Venue``: seed, script and calls give the bytes.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from hftd.simex import memory, refusals
from hftd.simex.dialect_rest import Response
from hftd.simex.dialect_ws import encode_reply
from hftd.simex.endpoints import METHODS, ROUTES
from hftd.simex.fault_frames import FrameFaults, Frames
from hftd.simex.faults import REQUEST, Fault, FaultScript
from hftd.simex.market import Market
from hftd.simex.matching import MatchingMarket
from hftd.simex.orders import Order
from hftd.simex.params import from_form
from hftd.simex.refusals import Refusal, Refused
from hftd.simex.requests import Kind, Place, Side, TimeInForce
from hftd.simex.venue import Venue, VenueConfig

NO_REPLY = 0
"""The status of a response that must never be sent: the connection breaks instead."""

STRANGER_ACCOUNT = -999_999
_MS_NS = 1_000_000


class FaultyVenue(Venue):
    """One simulated exchange with a script of faults; ``make_markets`` serves its restarts."""

    def __init__(
        self,
        config: VenueConfig,
        make_markets: Callable[[], Iterable[Market]],
        seed: int = 0,
        faults: Sequence[Fault] = (),
    ) -> None:
        super().__init__(config, make_markets())
        self._make_markets = make_markets
        self.script = FaultScript(seed)
        self._frames = FrameFaults(self.script)
        self._late: list[tuple[int, int, Callable[[int], object]]] = []
        self._late_count = 0
        self._answers: dict[tuple[str, ...], Any] = {}
        self._cut: list[int] = []
        self._restarted = False
        self._script_of_start = list(faults)

    # --- life -----------------------------------------------------------------------------

    def start(self, ts_ns: int) -> None:
        """Open a new venue; the script's times count from here."""
        self._arm(ts_ns)
        super().start(ts_ns)

    def restore(
        self, accounts: memory.AccountSnapshot, log: bytes, markets: bytes, ts_ns: int
    ) -> None:
        """Open a venue from its state; the script's times count from here."""
        self._arm(ts_ns)
        super().restore(accounts, log, markets, ts_ns)

    def _arm(self, ts_ns: int) -> None:
        # Once: a restart that is a fault does not begin the script again.
        faults, self._script_of_start = self._script_of_start, []
        for fault in faults:
            self.script.arm(fault, ts_ns)

    # --- time and output ------------------------------------------------------------------

    def next_ns(self) -> int | None:
        """Return when ``advance`` is next due, faults included."""
        late_ns = self._late[0][0] if self._late else None
        times = (super().next_ns(), self.script.next_ns(), late_ns, self._frames.next_ns())
        return min((ns for ns in times if ns is not None), default=None)

    def advance(self, ts_ns: int) -> None:
        """Do all that is due, faults of their moment and what was put off included."""
        while True:
            moment_ns = self.script.next_ns()
            late_ns = self._late[0][0] if self._late else None
            due_ns = min((ns for ns in (moment_ns, late_ns) if ns is not None), default=None)
            if due_ns is None or due_ns > ts_ns:
                break
            super().advance(due_ns)
            if late_ns == due_ns:
                self._late.pop(0)[2](due_ns)
            else:
                for fault in self.script.moments(due_ns):
                    self._happen(fault, max(due_ns, self._now_ns))
            self._publish()
        super().advance(ts_ns)

    def take(self) -> Frames:
        """Return (connection, frame) of all that is to be sent, as the faults left it."""
        return self._frames.pass_on(super().take(), self._now_ns)

    def take_cut(self) -> list[int]:
        """Return the connections to break without a close; each is named once."""
        cut, self._cut = self._cut, []
        return cut + self._frames.take_broken()

    def take_restarted(self) -> bool:
        """Return whether accounts began anew since the last call: store them as a whole."""
        restarted, self._restarted = self._restarted, False
        return restarted

    # --- input ----------------------------------------------------------------------------

    def http(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, ts_ns: int
    ) -> Response:
        """Answer one REST request; status ``NO_REPLY`` means that no answer may go out."""
        self.advance(ts_ns)

        def plain(at_ns: int) -> Response:
            return Venue.http(self, method, target, headers, body, at_ns)

        if not self.script.expects(REQUEST):
            return plain(ts_ns)
        occasion = _rest_occasion(method, target, body)
        fault = self.script.choose(REQUEST, occasion, self._now_ns)
        key = (str(headers.get("X-MBX-APIKEY")), occasion["request"], occasion.get("symbol", ""))
        if fault is None:
            return self._remember(key, plain(ts_ns))
        if fault.fault in ("stale_answer", "stale_snapshot"):
            stale: Response | None = self._answers.get(key)
            return plain(ts_ns) if stale is None else stale
        if fault.fault == "ack_lost":
            plain(ts_ns)
            return NO_REPLY, {}, b""
        refusal = self._befall(fault, occasion, headers.get("X-MBX-APIKEY"), plain)
        return plain(ts_ns) if refusal is None else _response(refusal)

    def receive(self, connection: int, text: bytes, ts_ns: int) -> None:
        """Take one text frame of a connection; of one that is mute or cut nothing is heard."""
        self.advance(ts_ns)
        if connection not in self._is_api or self._frames.is_mute(connection):
            return

        def plain(at_ns: int) -> None:
            if connection in self._is_api:
                Venue.receive(self, connection, text, at_ns)

        occasion = self._ws_occasion(connection, text)
        fault = None
        if occasion is not None:
            fault = self.script.choose(REQUEST, occasion, self._now_ns)
        if occasion is None or fault is None:
            plain(ts_ns)
        elif fault.fault == "ack_lost":
            self._without_reply(connection, plain, ts_ns)
        elif fault.fault in ("stale_answer", "stale_snapshot"):
            self._reply_stale(connection, occasion, plain, ts_ns)
        else:
            refusal = self._befall(fault, occasion, occasion.get("apiKey"), plain)
            if refusal is None:
                plain(ts_ns)
            else:
                raw = msgspec.Raw(msgspec.json.encode(occasion["id"]))
                self._out.append((connection, encode_reply(raw, refusal, None, self._now_ns)))

    def close(self, connection: int) -> None:
        """Forget a connection; one that a restart has cut is forgotten already."""
        self._frames.forget(connection)
        if connection in self._is_api:
            super().close(connection)

    # --- faults of requests ---------------------------------------------------------------

    def _ws_occasion(self, connection: int, text: bytes) -> dict[str, Any] | None:
        if not self._is_api[connection] or not self.script.expects(REQUEST):
            return None
        try:
            frame = msgspec.json.decode(text)
            method, params = str(frame["method"]), frame.get("params") or {}
            return {**params, "request": method.removeprefix("v3/"), "id": frame.get("id")}
        except (msgspec.DecodeError, UnicodeDecodeError, TypeError, KeyError, AttributeError):
            return None

    def _remember(self, key: tuple[str, ...], response: Response) -> Response:
        # Bounded: who asks under ever new names begins again.
        if len(self._answers) >= 100:
            self._answers.clear()
        self._answers[key] = response
        return response

    def _without_reply(
        self, connection: int, plain: Callable[[int], None], ts_ns: int
    ) -> bytes | None:
        # Returns the reply that is not to be sent; the events that go with it stay.
        begun = len(self._out)
        plain(ts_ns)
        for index in range(begun, len(self._out)):
            number, frame = self._out[index]
            if number == connection and frame.startswith(b'{"id":'):
                del self._out[index]
                return frame
        return None

    def _reply_stale(
        self, connection: int, occasion: Mapping[str, Any], plain: Callable[[int], None], ts_ns: int
    ) -> None:
        frame = self._without_reply(connection, plain, ts_ns)
        if frame is None:
            return
        key = (str(connection), occasion["request"], str(occasion.get("symbol", "")))
        reply = msgspec.json.decode(frame)
        stale = self._answers.get(key)
        self._answers[key] = reply.get("result")
        if stale is not None and "result" in reply:
            reply["result"] = stale
        self._out.append((connection, msgspec.json.encode(reply)))

    def _befall(
        self,
        fault: Fault,
        occasion: Mapping[str, Any],
        key: str | None,
        plain: Callable[[int], object],
    ) -> Refusal | None:
        # Returns what to answer instead; None: go on as if nothing had been.
        kind, wait_s = fault.fault, -(-fault.for_ms // 1000)
        if kind == "error_accepted":
            out = list(self._out)
            plain(self._now_ns)
            # Its reply is the one frame that is not told; events are.
            self._out = [
                each for each in self._out if each in out or not each[1].startswith(b'{"id":')
            ]
        elif kind == "accept_late":
            self._later(self._now_ns + fault.for_ms * _MS_NS, plain)
        elif kind == "fill_before_cancel":
            self._fill_named(occasion)
            return None
        elif kind == "not_found":
            return refusals.NO_SUCH_ORDER
        elif kind == "too_many_requests":
            return refusals.too_much_weight(self.config.limits.weight_per_minute, wait_s)
        elif kind == "ban":
            return refusals.banned(self._now_ns // _MS_NS + fault.for_ms, wait_s)
        elif kind == "firewall":
            return refusals.FIREWALL
        return refusals.STATUS_UNKNOWN

    def _fill_named(self, occasion: Mapping[str, Any]) -> None:
        for book in self.exchange.books.values():
            for order in book.open_orders(str(occasion.get("symbol"))):
                ids = (str(order.order_id), order.client_order_id)
                named = (str(occasion.get("orderId")), str(occasion.get("origClientOrderId")))
                if ids[0] == named[0] or ids[1] == named[1]:
                    self._fill(order, order.leaves_lots)
                    return

    # --- faults of a moment ---------------------------------------------------------------

    def _later(self, due_ns: int, act: Callable[[int], object]) -> None:
        self._late_count += 1
        insort(self._late, (due_ns, self._late_count, act))

    def _happen(self, fault: Fault, ts_ns: int) -> None:
        kind = fault.fault
        if kind in ("restart", "restart_without_memory"):
            self._restart(ts_ns, with_memory=kind == "restart")
            return
        listing = self.exchange.listings.get(fault.symbol)
        end_ns = ts_ns + fault.for_ms * _MS_NS
        if kind == "clock_skew":
            self._desk.skew_ns = fault.skew_ms * _MS_NS
            if fault.for_ms:
                self._later(end_ns, lambda _: setattr(self._desk, "skew_ns", 0))
        elif listing is None:
            return
        elif kind == "halt":
            listing.status = "HALT"
            if fault.for_ms:
                self._later(end_ns, lambda _: setattr(listing, "status", "TRADING"))
        elif kind == "tick_size":
            step = listing.filters.tick * max(1, fault.size)
            listing.filters = replace(listing.filters, price_step=step)
        else:
            order = self._oldest(fault.symbol)
            if order is not None and kind == "partial_fill":
                self._fill(order, min(fault.size, order.leaves_lots))
            elif order is not None:
                self.exchange.cancel(order, self._desk.mint_client_id(ts_ns), ts_ns)

    def _oldest(self, symbol: str) -> Order | None:
        orders = [
            order for book in self.exchange.books.values() for order in book.open_orders(symbol)
        ]
        return min(orders, key=_order_id, default=None)

    def _fill(self, order: Order, lots: int) -> None:
        # A stranger takes what stands before the order, and then of it. A tape has no room for
        # strangers: there nothing happens.
        market = self.exchange.listings[order.symbol].market
        if not isinstance(market, MatchingMarket):
            return
        side = Side.SELL if order.side is Side.BUY else Side.BUY
        lots += market.lots_before(order.order_id)
        place = Place(
            market.next_order_id(),
            STRANGER_ACCOUNT,
            side,
            order.price_ticks,
            lots,
            Kind.LIMIT,
            TimeInForce.IOC,
        )
        self.exchange.strike(order.symbol, place, self._now_ns)

    def _restart(self, ts_ns: int, *, with_memory: bool) -> None:
        cut, last = list(self._is_api), self._last_connection
        accounts = memory.read_accounts(self.dump_accounts(0))
        markets = self.dump_markets(ts_ns)
        Venue.__init__(self, self.config, self._make_markets())
        self._now_ns, self._last_connection = ts_ns, last
        self._late.clear()
        if with_memory:
            self.restore(accounts, b"", markets, ts_ns)
        else:
            self.start(ts_ns)
        self._cut += cut
        self._restarted = True


def _rest_occasion(method: str, target: str, body: bytes) -> dict[str, Any]:
    path, _, query = target.partition("?")
    endpoint = ROUTES.get((method, path))
    names = [name for name, each in METHODS.items() if each is endpoint]
    try:
        values = from_form(query, body.decode("utf-8", "replace"))
    except Refused:
        values = {}
    return {**values, "request": names[0] if names else f"{method} {path}"}


def _response(refusal: Refusal) -> Response:
    if refusal is refusals.FIREWALL:
        return refusal.status, {"Content-Type": "text/html"}, b"<html>403 Forbidden</html>"
    headers = {"Content-Type": "application/json;charset=UTF-8"}
    if refusal.retry_after_s:
        headers["Retry-After"] = str(refusal.retry_after_s)
    body = msgspec.json.encode({"code": refusal.code, "msg": refusal.msg})
    return refusal.status, headers, body


def _order_id(order: Order) -> int:
    return order.order_id
