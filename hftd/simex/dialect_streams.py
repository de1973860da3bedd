"""Market streams: who is subscribed to what, and what is sent to whom.

Owns stream names, subscriptions and the shape of stream events. Knows no accounts and no
sockets.

Names of streams that do not exist are taken and stay silent, as on the venue. Of a path
``/ws/<token>`` a token without ``@`` is a path of the client's own and no stream.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec

from hftd.simex import render, render_public
from hftd.simex.dialect_seconds import SECOND_NS, SecondStreams, speaks_by_the_second
from hftd.simex.endpoint import Desk
from hftd.simex.events import MarketEvent
from hftd.simex.listing import Listing
from hftd.simex.params import UNREADABLE, check_id
from hftd.simex.prints import Aggregate
from hftd.simex.requests import DepthChanged, TouchChanged, Trade
from hftd.simex.time_unit import MICROSECOND, in_microseconds

MAX_STREAMS = 1024
PARTIAL_DEPTHS = (5, 10, 20)
_NULL = msgspec.Raw(b"null")


class Control(msgspec.Struct):
    """A control frame of a stream connection."""

    method: str
    params: list[Any] | None = None
    id: msgspec.Raw = _NULL


class Subscriber(msgspec.Struct):
    """One stream connection: its streams in order, and whether events come wrapped."""

    combined: bool
    micro: bool = False
    streams: dict[str, None] = {}
    second: int = 0
    messages: int = 0


class Slow(msgspec.Struct):
    """Changes of one symbol gathered for the stream that speaks once a second."""

    first_update_id: int
    due_ns: int
    last_update_id: int = 0
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}


class StreamDialect:
    """All stream connections."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._subscribers: dict[int, Subscriber] = {}
        self._streams: dict[str, dict[int, None]] = {}
        self._slow: dict[str, Slow] = {}
        self._seconds = SecondStreams(desk, self._send)
        self._out: list[tuple[int, bytes]] = []

    # --- connections ----------------------------------------------------------------------

    def open(self, connection: int, path: str, ts_ns: int) -> bool:
        """Take a connection on its path; False where no stream is served."""
        route, _, query = path.partition("?")
        values = parse_qs(query)
        micro = values.get("timeUnit", [""])[0].upper() == MICROSECOND
        if route == "/stream":
            names = values.get("streams", [""])[0].split("/")
            subscriber = Subscriber(combined=True, micro=micro)
        elif route == "/ws" or route.startswith("/ws/"):
            names = unquote(route.removeprefix("/ws")).split("/")
            subscriber = Subscriber(combined=False, micro=micro)
        else:
            return False
        self._subscribers[connection] = subscriber
        for name in names[: MAX_STREAMS + 1]:
            if "@" in name or self._desk.listen_keys.knows(name):
                self._add(connection, subscriber, name, ts_ns)
        return True

    def close(self, connection: int) -> None:
        """Forget a connection."""
        subscriber = self._subscribers.pop(connection, None)
        if subscriber is not None:
            for name in list(subscriber.streams):
                self._drop(connection, subscriber, name)

    def receive(self, connection: int, text: bytes, ts_ns: int) -> bytes | None:
        """Answer one control frame; None for one too many in a second: the venue hangs up."""
        subscriber = self._subscribers[connection]
        if ts_ns // SECOND_NS != subscriber.second:
            subscriber.second, subscriber.messages = ts_ns // SECOND_NS, 0
        subscriber.messages += 1
        if subscriber.messages > self._desk.limits.limits.stream_messages_per_second:
            return None
        try:
            control = msgspec.json.decode(text, type=Control)
            check_id(control.id)
        except msgspec.ValidationError as error:
            return _control_error(2, f"Invalid request: {error}")
        except UNREADABLE as error:
            deep = isinstance(error, RecursionError)
            return _control_error(
                3, f"Invalid JSON: {'recursion limit exceeded' if deep else error}"
            )
        return self._control(connection, subscriber, control, ts_ns)

    def _control(
        self, connection: int, subscriber: Subscriber, control: Control, ts_ns: int
    ) -> bytes:
        params = control.params or []
        result: Any = None
        if control.method in ("SUBSCRIBE", "UNSUBSCRIBE"):
            if not params or not all(isinstance(name, str) for name in params):
                return _control_error(2, "Invalid request: params must be stream names", control)
            if control.method == "SUBSCRIBE" and len(params) > MAX_STREAMS:
                return _control_error(2, "Invalid request: too many streams", control)
            for name in params:
                if control.method == "SUBSCRIBE":
                    self._add(connection, subscriber, name, ts_ns)
                else:
                    self._drop(connection, subscriber, name)
        elif control.method == "LIST_SUBSCRIPTIONS":
            result = list(subscriber.streams)
        elif control.method in ("SET_PROPERTY", "GET_PROPERTY"):
            if not params or params[0] != "combined":
                return _control_error(0, "Unknown property", control)
            if control.method == "SET_PROPERTY":
                if len(params) != 2 or not isinstance(params[1], bool):
                    return _control_error(1, "Invalid value type: expected Boolean", control)
                subscriber.combined = params[1]
            else:
                result = subscriber.combined
        else:
            return _control_error(2, f"Invalid request: unknown variant `{control.method}`")
        return msgspec.json.encode({"result": result, "id": control.id})

    def _add(self, connection: int, subscriber: Subscriber, name: str, ts_ns: int) -> None:
        # Beyond the limit a name is not taken; the reply stays the same.
        if len(subscriber.streams) < MAX_STREAMS or name in subscriber.streams:
            subscriber.streams[name] = None
            self._streams.setdefault(name, {})[connection] = None
            if speaks_by_the_second(name):
                self._seconds.read(name, ts_ns)

    def _drop(self, connection: int, subscriber: Subscriber, name: str) -> None:
        subscriber.streams.pop(name, None)
        readers = self._streams.get(name)
        if readers is not None:
            readers.pop(connection, None)
            if not readers:
                del self._streams[name]
                self._seconds.unread(name)

    # --- events ---------------------------------------------------------------------------

    def next_ns(self) -> int | None:
        """Return when the streams of one second are next due."""
        due_ns = self._seconds.next_ns()
        for slow in self._slow.values():
            if due_ns is None or slow.due_ns < due_ns:
                due_ns = slow.due_ns
        return due_ns

    def advance(self, ts_ns: int) -> None:
        """Send what is due of the streams of one second."""
        for slow in self._slow.values():
            if slow.due_ns <= ts_ns:
                self._flush_due(ts_ns)
                break
        self._seconds.advance(ts_ns)

    def _flush_due(self, ts_ns: int) -> None:
        for symbol in [symbol for symbol, slow in self._slow.items() if slow.due_ns <= ts_ns]:
            self._flush(symbol)

    def take(self) -> list[tuple[int, bytes]]:
        """Return what is to be sent since the last call."""
        out, self._out = self._out, []
        return out

    def publish(self, event: MarketEvent) -> None:
        """Send one public report to all who subscribed to it."""
        listing = self._desk.exchange.listings[event.symbol]
        report, name = event.report, event.symbol.lower()
        if not isinstance(report, DepthChanged):
            self._seconds.changed(event.symbol, report.ts_ns)
        if isinstance(report, Trade):
            stream = f"{name}@trade"
            if stream in self._streams:
                self._send(stream, render.trade_event(listing, report))
        elif isinstance(report, TouchChanged):
            stream = f"{name}@bookTicker"
            if stream in self._streams:
                self._send(stream, render.book_ticker_event(listing, report))
        else:
            self._publish_depth(listing, name, report)

    def publish_aggregate(self, symbol: str, aggregate: Aggregate) -> None:
        """Send an aggregate that is closed."""
        stream = f"{symbol.lower()}@aggTrade"
        if stream in self._streams:
            listing = self._desk.exchange.listings[symbol]
            self._send(stream, render_public.agg_trade_event(listing, aggregate))

    def reads(self, stream: str | None) -> bool:
        """Return whether somebody reads a stream."""
        return stream in self._streams

    def send_encoded(self, stream: str, plain: bytes) -> None:
        """Send an event that is JSON already to all who read a stream."""
        # Each form is made once, however many read it.
        frames: dict[tuple[bool, bool], bytes] = {}
        for connection in self._streams[stream]:
            subscriber = self._subscribers[connection]
            form = (subscriber.combined, subscriber.micro)
            frame = frames.get(form)
            if frame is None:
                frame = frames[form] = _frame(stream, plain, *form)
            self._out.append((connection, frame))

    def _publish_depth(self, listing: Listing, name: str, report: DepthChanged) -> None:
        stream = f"{name}@depth@100ms"
        if stream in self._streams:
            self._send(stream, _depth_event(listing, report))
        self._send_partial(listing, name, "@100ms")
        self._gather(listing.spec.symbol, report)

    def _send_partial(self, listing: Listing, name: str, pace: str) -> None:
        for depth in PARTIAL_DEPTHS:
            stream = f"{name}@depth{depth}{pace}"
            if stream in self._streams:
                snapshot = listing.market.snapshot(depth)
                event = {
                    "lastUpdateId": snapshot.update_id,
                    "bids": render.levels(listing, snapshot.bids),
                    "asks": render.levels(listing, snapshot.asks),
                }
                self._send(stream, event)

    def _gather(self, symbol: str, report: DepthChanged) -> None:
        slow = self._slow.get(symbol)
        if slow is not None and slow.due_ns < report.ts_ns:
            self._flush(symbol)
            slow = None
        if slow is None:
            due_ns = -(-report.ts_ns // SECOND_NS) * SECOND_NS
            slow = self._slow[symbol] = Slow(report.first_update_id, due_ns)
        slow.last_update_id = report.last_update_id
        slow.bids.update(report.bids)
        slow.asks.update(report.asks)
        if slow.due_ns == report.ts_ns:
            self._flush(symbol)

    def _flush(self, symbol: str) -> None:
        slow = self._slow.pop(symbol)
        listing = self._desk.exchange.listings[symbol]
        name = symbol.lower()
        stream = f"{name}@depth"
        if stream in self._streams:
            report = DepthChanged(
                slow.first_update_id,
                slow.last_update_id,
                slow.due_ns,
                list(slow.bids.items()),
                list(slow.asks.items()),
            )
            self._send(stream, _depth_event(listing, report))
        self._send_partial(listing, name, "")

    def _send(self, stream: str, event: object) -> None:
        self.send_encoded(stream, msgspec.json.encode(event))


def _frame(stream: str, plain: bytes, combined: bool, micro: bool) -> bytes:
    if combined:
        plain = b'{"stream":%b,"data":%b}' % (msgspec.json.encode(stream), plain)
    return in_microseconds(plain) if micro else plain


def _depth_event(listing: Listing, report: DepthChanged) -> dict[str, Any]:
    return {
        "e": "depthUpdate",
        "E": render.ms(report.ts_ns),
        "s": listing.spec.symbol,
        "U": report.first_update_id,
        "u": report.last_update_id,
        "b": render.levels(listing, report.bids),
        "a": render.levels(listing, report.asks),
    }


def _control_error(code: int, msg: str, control: Control | None = None) -> bytes:
    error: dict[str, Any] = {"code": code, "msg": msg}
    if control is not None:
        error["id"] = control.id
    return msgspec.json.encode(error)
