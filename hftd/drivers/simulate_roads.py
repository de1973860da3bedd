"""All roads to one venue in virtual time: what `runtime.connector` is to the live driver.

Opens and keeps the links in the connector's order and tells the loop what the connector
would: the venue's clock and listing over REST, then the order link until our own reports come
in, then market data. Session, request table and dialect are the connector's own parts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from urllib.parse import quote

import msgspec

from hftd.domain.actions import Action, ActionKind
from hftd.domain.codes import VenueCode
from hftd.domain.events import EventKind, Link
from hftd.domain.instrument import Instrument
from hftd.domain.layout import Records
from hftd.drivers.simulate_network import Calendar, Exchange, Rest, Socket
from hftd.runtime.connector import MAX_REST_REQUESTS
from hftd.runtime.connector_orders import (
    NOTICE_BYTES,
    NS_PER_MS,
    SAMPLES_PER_CLOCK,
    TIME_EVERY_NS,
    OnEvent,
    OnFrame,
)
from hftd.runtime.in_flight import InFlight
from hftd.runtime.rest import ClockSample, clock_sample
from hftd.venues.binance.endpoints import Endpoints, market_stream_url
from hftd.venues.binance.exchange_info import parse_exchange_info
from hftd.venues.binance.rest_frames import RestKind, rest_frame
from hftd.venues.binance.session import (
    Session,
    SessionState,
    backoff_s,
    is_session_id,
    reply_id,
    request_id_of,
    time_reply,
    time_request,
)
from hftd.venues.binance.signing import Signer
from hftd.venues.port import Codec, new_event

SWEEP_EVERY_NS = 100_000_000
WS_API_PATH = "/ws-api/v3"
TIME_TARGET = "/api/v3/time"

_REST_KINDS: dict[int, RestKind] = {
    ActionKind.RESYNC: RestKind.DEPTH,
    ActionKind.ASK_TOUCH: RestKind.TOUCH,
}


def listing_target(instruments: Sequence[str]) -> str:
    """Return the request for the listing of these instruments, by our names."""
    symbols = json.dumps([name.replace("-", "") for name in instruments], separators=(",", ":"))
    return f"/api/v3/exchangeInfo?symbols={quote(symbols, safe='')}"


class Roads:
    """The daemon's end of all links."""

    def __init__(
        self,
        exchange: Exchange,
        signer: Signer,
        instruments: Sequence[Instrument],
        codec: Codec,
        on_frame: OnFrame,
        on_event: OnEvent,
        recv_window_ms: int,
    ) -> None:
        self._calendar = exchange.calendar
        self._instruments = instruments
        self._on_frame = on_frame
        self._on_event = on_event
        self._rest = Rest(exchange)
        self._rest_open = 0
        in_flight = InFlight(recv_window_ms, len(instruments))
        self.market = MarketRoad(exchange, instruments, on_frame, on_event)
        self.orders = OrderRoad(
            exchange, Session(signer, recv_window_ms), in_flight, codec, on_frame, on_event,
            self.market.socket.connect,
        )  # fmt: skip
        self._samples: list[ClockSample] = []

    def connect(self) -> None:
        """Begin to open all roads."""
        sent_ns = self._calendar.now_ns
        self._rest.get(TIME_TARGET, partial(self._take_time, sent_ns))

    def perform(self, action: Action, frame: bytes | None) -> None:
        """Send the frame of an ACTION by its road, or do what has no frame; never call back."""
        if frame is None:
            if action.kind == ActionKind.RECONNECT:
                road = self.market if action.link == Link.MARKET else self.orders
                road.socket.drop("asked to reconnect")
        elif kind := _REST_KINDS.get(action.kind):
            self._ask(kind, action.instrument, frame)
        else:
            self.orders.send(frame)

    def _ask(self, kind: RestKind, instrument: int, frame: bytes) -> None:
        if self._rest_open >= MAX_REST_REQUESTS:
            fields = {"instrument": instrument, "code": VenueCode.NOT_SENT}
            self._calendar.at(self._calendar.now_ns, self._emit, EventKind.QUERY_FAILED, fields)
            return
        self._rest_open += 1
        target = frame.decode().removeprefix("GET ")
        self._rest.get(target, partial(self._take_answer, kind, instrument))

    def _take_answer(
        self, kind: RestKind, instrument: int, status: int, body: bytes, retry_after_s: int
    ) -> None:
        self._rest_open -= 1
        frame = rest_frame(kind, instrument, status, retry_after_s, body)
        self._on_frame(Link.REST, frame, self._calendar.now_ns)

    def _take_time(self, sent_ns: int, status: int, body: bytes, _retry_after_s: int) -> None:
        assert status == 200, f"the exchange must tell its time, was {status}"
        server_time_ms = msgspec.json.decode(body)["serverTime"]
        self._samples.append(clock_sample(server_time_ms, sent_ns, self._calendar.now_ns))
        if len(self._samples) < SAMPLES_PER_CLOCK:
            self.connect()
            return
        self._emit(EventKind.LINK, {"link": Link.REST, "up": 1})
        self.orders.take_clock(min(self._samples, key=lambda taken: taken.round_trip_ns))
        self._samples.clear()
        names = [instrument.name for instrument in self._instruments]
        self._rest.get(listing_target(names), self._take_listing)

    def _take_listing(self, status: int, body: bytes, _retry_after_s: int) -> None:
        assert status == 200, f"the exchange must list its symbols, was {status}"
        listing = parse_exchange_info(body, [found.name for found in self._instruments])
        for index, found in enumerate(listing.statuses):
            self._emit(EventKind.INSTRUMENT_STATUS, {"instrument": index, "status": found})
        self.orders.socket.connect()
        self.orders.sweep()

    def _emit(self, kind: EventKind, fields: dict[str, int]) -> None:
        self._on_event(new_event(kind, self._calendar.now_ns, **fields))


class OrderRoad:
    """The order link; the table in `runtime.connector_orders` says what the loop hears."""

    def __init__(
        self,
        exchange: Exchange,
        session: Session,
        in_flight: InFlight,
        codec: Codec,
        on_frame: OnFrame,
        on_event: OnEvent,
        on_live: Callable[[], None],
    ) -> None:
        self.socket = Socket(exchange, WS_API_PATH, exchange.latency.order, self, backoff_s)
        self._calendar: Calendar = exchange.calendar
        self._session = session
        self._in_flight = in_flight
        self._codec = codec
        self._on_loop_frame = on_frame
        self._on_event = on_event
        self._on_live: Callable[[], None] | None = on_live  # Called the first time alone.
        self._venue_offset_ns = 0
        self._up: list[Link] = []
        self._samples: list[ClockSample] = []
        self._time_number = 0
        self._time_sent_ns = 0

    def send(self, frame: bytes) -> None:
        """Send a request of the loop; what cannot be sent is told afterwards."""
        identity = request_id_of(frame)
        ready = self._session.state in (SessionState.SUBSCRIBING, SessionState.LIVE)
        if ready and self._in_flight.add(identity, self._calendar.now_ns):
            if self.socket.send(frame):
                return
            self._in_flight.answered(identity)
        self._calendar.at(self._calendar.now_ns, self._tell_unsent, identity)

    def take_clock(self, sample: ClockSample) -> None:
        """Tell the loop of a clock sample, and use it for the session's own timestamps."""
        self._venue_offset_ns = sample.venue_offset_ns
        self._emit(
            EventKind.CLOCK,
            venue_offset_ns=sample.venue_offset_ns,
            round_trip_ns=sample.round_trip_ns,
        )

    def on_open(self) -> None:
        """Log on."""
        timestamp_ms = (self._calendar.now_ns + self._venue_offset_ns) // NS_PER_MS
        self.socket.send(self._session.opened(timestamp_ms))

    def on_frame(self, data: bytes, ts_ns: int) -> None:
        """Take a frame: the session's own end here, all others go to the loop."""
        identity = reply_id(data)
        if identity is not None and is_session_id(identity):
            self._take_session_reply(data, ts_ns)
            return
        if identity:
            self._in_flight.answered(identity)
        broken = self._codec.broken
        self._on_loop_frame(Link.ORDER, data, ts_ns)
        if self._codec.broken != broken:
            self.socket.drop("a frame that cannot be read")
        elif len(data) < NOTICE_BYTES and b"serverShutdown" in data:
            self.socket.drop("the venue shuts this server down")

    def on_alive(self) -> None:
        """Tell the loop that the user stream's socket is alive."""
        if Link.USER in self._up:
            self._emit(EventKind.LINK, link=Link.USER, up=1)

    def on_down(self) -> None:
        """Tell the loop what is lost with the socket."""
        self._session.closed()
        while self._up:
            self._emit(EventKind.LINK, link=self._up.pop(), up=0)
        for identity in self._in_flight.take_all():
            self._tell(self._in_flight.lost_events(identity, self._calendar.now_ns))

    def sweep(self) -> None:
        """Give up on requests without answer, and sample the venue's clock; ten times a second."""
        now_ns = self._calendar.now_ns
        for identity in self._in_flight.take_late(now_ns):
            self._tell(self._in_flight.lost_events(identity, now_ns))
        due = now_ns - self._time_sent_ns >= TIME_EVERY_NS
        if due and self._session.state is SessionState.LIVE:
            self._time_number += 1
            self._time_sent_ns = now_ns
            self.socket.send(time_request(self._time_number))
        self._calendar.at(now_ns + SWEEP_EVERY_NS, self.sweep)

    def _take_session_reply(self, data: bytes, ts_ns: int) -> None:
        answer = time_reply(data)
        if answer is not None:
            if answer[0] == self._time_number:
                self._take_sample(clock_sample(answer[1], self._time_sent_ns, ts_ns))
            return
        step = self._session.replied(data)
        if step.close:
            self.socket.drop(f"the session was refused, code {self._session.error_code}")
            return
        if step.up is not None and step.up not in self._up:
            self._up.append(step.up)
            self._emit(EventKind.LINK, link=step.up, up=1)
        if step.up is Link.USER and self._on_live is not None:
            self._on_live()
            self._on_live = None
        if step.send is not None:
            self.socket.send(step.send)

    def _take_sample(self, sample: ClockSample) -> None:
        self._samples.append(sample)
        if len(self._samples) == SAMPLES_PER_CLOCK:
            self.take_clock(min(self._samples, key=lambda taken: taken.round_trip_ns))
            self._samples.clear()

    def _tell_unsent(self, identity: str) -> None:
        self._tell(self._in_flight.unsent_events(identity, self._calendar.now_ns))

    def _tell(self, events: Records) -> None:
        for at in range(len(events)):
            self._on_event(events[at : at + 1])

    def _emit(self, kind: EventKind, **fields: int) -> None:
        self._on_event(new_event(kind, self._calendar.now_ns, **fields))


class MarketRoad:
    """The combined market streams of all instruments."""

    def __init__(
        self,
        exchange: Exchange,
        instruments: Sequence[Instrument],
        on_frame: OnFrame,
        on_event: OnEvent,
    ) -> None:
        path = market_stream_url(Endpoints("", "", ""), instruments)
        self.socket = Socket(exchange, path, exchange.latency.market, self, backoff_s)
        self._calendar = exchange.calendar
        self._on_loop_frame = on_frame
        self._on_event = on_event

    def on_open(self) -> None:
        """Tell the loop that market data comes in."""
        self._tell(1)

    def on_frame(self, data: bytes, ts_ns: int) -> None:
        """Hand a frame to the loop."""
        self._on_loop_frame(Link.MARKET, data, ts_ns)

    def on_alive(self) -> None:
        """A book's age counts its own frames; a ping says nothing of them."""

    def on_down(self) -> None:
        """Tell the loop that market data ended."""
        self._tell(0)

    def _tell(self, up: int) -> None:
        self._on_event(new_event(EventKind.LINK, self._calendar.now_ns, link=Link.MARKET, up=up))
