"""All roads to one venue in virtual time: what `runtime.connector` is to the live driver.

Opens and keeps the links in the connector's order: the venue's clock and listing over REST,
then the order link until our own reports come in, then market data. Order link and market link
are the connector's own, given sockets of the simulated network; only what the connector awaits
is done here by the calendar.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from hftd.domain.actions import Action, ActionKind
from hftd.domain.codes import VenueCode
from hftd.domain.events import EventKind, Link
from hftd.domain.instrument import Instrument
from hftd.drivers.simulate_network import Exchange, Rest, Socket, Weather
from hftd.drivers.simulate_process import Process
from hftd.errors import ProfileError, VenueProtocolError
from hftd.runtime.connector import MAX_REST_REQUESTS, STATUS_EVERY_S
from hftd.runtime.connector_market import MarketLink
from hftd.runtime.connector_orders import SWEEP_EVERY_S, OnEvent, OnFrame, OrderLink
from hftd.runtime.in_flight import InFlight
from hftd.runtime.rest import CLOCK_SAMPLES, ClockSample, clock_sample, listing_target
from hftd.runtime.rest import server_time_ms as server_time_ms_of
from hftd.runtime.transport import LinkUser
from hftd.venues.binance.endpoints import Endpoints, market_stream_url
from hftd.venues.binance.exchange_info import parse_exchange_info
from hftd.venues.binance.rest_frames import RestKind, rest_frame
from hftd.venues.binance.session import backoff_s
from hftd.venues.binance.signing import Signer
from hftd.venues.port import Codec, new_event

SWEEP_EVERY_NS = int(SWEEP_EVERY_S * 1e9)
SECOND_NS = 1_000_000_000
WS_API_PATH = "/ws-api/v3"
TIME_TARGET = "/api/v3/time"

# Hears of each frame that leaves: the link, its bytes.
OnSent = Callable[[Link, bytes], None]

_REST_KINDS: dict[int, RestKind] = {
    ActionKind.RESYNC: RestKind.DEPTH,
    ActionKind.ASK_TOUCH: RestKind.TOUCH,
}


def _tell_nobody(_link: Link, _frame: bytes) -> None:
    pass


class Skies:
    """The weather over each road; it outlives the processes that use them."""

    def __init__(self) -> None:
        self.market, self.order, self.rest = Weather(), Weather(), Weather()

    def all(self) -> tuple[Weather, Weather, Weather]:
        """Return the weather of every road."""
        return self.market, self.order, self.rest


class Roads:
    """The daemon's end of all links."""

    def __init__(
        self,
        exchange: Exchange,
        process: Process,
        signer: Signer,
        instruments: Sequence[Instrument],
        codec: Codec,
        on_frame: OnFrame,
        on_event: OnEvent,
        recv_window_ms: int,
        skies: Skies | None = None,
        on_sent: OnSent = _tell_nobody,
    ) -> None:
        self._exchange = exchange
        self._process = process
        self._instruments = instruments
        self._on_frame = on_frame
        self._on_event = on_event
        self._on_sent = on_sent
        self._skies = skies or Skies()
        self._rest = Rest(exchange, process, self._skies.rest)
        self._rest_open = 0
        self._rest_up = False
        self._rest_wait_s = 0
        self._attempt = 0
        self._samples: list[ClockSample] = []
        self.sockets: list[Socket] = []
        latency = exchange.latency
        self.orders = OrderLink(
            WS_API_PATH, signer, codec, InFlight(recv_window_ms, len(instruments)), process,
            recv_window_ms, on_frame, on_event,
            partial(self._make_socket, Link.ORDER, self._skies.order, latency.order), self._soon,
        )  # fmt: skip
        self.market = MarketLink(
            market_stream_url(Endpoints("", "", ""), instruments), process, on_frame, on_event,
            partial(self._make_socket, Link.MARKET, self._skies.market, latency.market),
        )  # fmt: skip
        self._market_asked = False

    def _make_socket(
        self,
        link: Link,
        weather: Weather,
        delay: Any,
        url: str,
        user: LinkUser,
        _now_ns: Callable[[], int],
        back_off: Callable[[int], float],
    ) -> Socket:
        on_sent = partial(self._on_sent, link)
        socket = Socket(self._exchange, url, delay, user, back_off, self._process, weather, on_sent)
        self.sockets.append(socket)
        return socket

    def _soon(self, actor: Callable[..., None], *event: Any) -> None:
        self._process.at(self._process.now_ns, actor, *event)

    def connect(self) -> None:
        """Begin to open all roads."""
        self._ask_time()

    def die(self, silent_ns: int = 0) -> None:
        """End with the process; the exchange hears of it, or only after a silence."""
        for socket in self.sockets:
            socket.die(silent_ns)

    def perform(self, action: Action, frame: bytes | None) -> None:
        """Send the frame of an ACTION by its road, or do what has no frame; never call back."""
        if frame is None:
            if action.kind == ActionKind.RECONNECT:
                road = self.market if action.link == Link.MARKET else self.orders
                road.link.drop("asked to reconnect")
            elif action.kind == ActionKind.HOLD_BACK:
                self.orders.hold_back(action.until_ns)
                self.market.hold_back(action.until_ns)
        elif kind := _REST_KINDS.get(action.kind):
            self._ask(kind, action.instrument, frame)
        else:
            self.orders.send(frame)

    # --- REST -----------------------------------------------------------------------------

    def _ask(self, kind: RestKind, instrument: int, frame: bytes) -> None:
        if self._rest_open >= MAX_REST_REQUESTS:
            fields = {"instrument": instrument, "code": VenueCode.NOT_SENT}
            self._soon(self._emit, EventKind.QUERY_FAILED, fields)
            return
        self._rest_open += 1
        self._on_sent(Link.REST, frame)
        target = frame.decode().removeprefix("GET ")
        self._rest.get(target, partial(self._take_answer, kind, instrument))

    def _take_answer(
        self, kind: RestKind, instrument: int, status: int, body: bytes, retry_after_s: int
    ) -> None:
        self._rest_open -= 1
        self._note_rest(status != 0)
        frame = rest_frame(kind, instrument, status, retry_after_s, body)
        self._on_frame(Link.REST, frame, self._process.now_ns)

    def _note_rest(self, up: bool) -> None:
        if up is not self._rest_up:
            self._rest_up = up
            self._emit(EventKind.LINK, {"link": Link.REST, "up": int(up)})

    # --- the way up, as `Connector.connect` goes it ---------------------------------------

    def _ask_time(self) -> None:
        self._get(TIME_TARGET, partial(self._take_time, self._process.now_ns))

    def _get(self, target: str, take: Callable[[int, bytes, int], None]) -> None:
        self._on_sent(Link.REST, f"GET {target}".encode())
        self._rest.get(target, take)

    def _take_time(self, sent_ns: int, status: int, body: bytes, _retry_after_s: int) -> None:
        server_time_ms = server_time_ms_of(body)
        if server_time_ms is None:
            self._samples.clear()
            self._try_again()
            return
        self._samples.append(clock_sample(server_time_ms, sent_ns, self._process.now_ns))
        if len(self._samples) < CLOCK_SAMPLES:
            self._ask_time()
            return
        self._note_rest(True)
        self.orders.take_clock(min(self._samples, key=lambda taken: taken.round_trip_ns))
        self._samples.clear()
        self._get(self._listing(), self._take_first_listing)

    def _try_again(self) -> None:
        self._attempt += 1
        wait_ns = int(backoff_s(self._attempt) * SECOND_NS)
        self._process.at(self._process.now_ns + wait_ns, self._ask_time)

    def _listing(self) -> str:
        return listing_target([instrument.name for instrument in self._instruments])

    def _take_first_listing(self, status: int, body: bytes, retry_after_s: int) -> None:
        if not self._take_listing(status, body, retry_after_s):
            self._try_again()
            return
        self._connect_orders()
        self._sweep()
        self._process.at(self._process.now_ns + int(STATUS_EVERY_S * SECOND_NS), self._poll)

    def _take_listing(self, status: int, body: bytes, retry_after_s: int) -> bool:
        self._note_rest(status != 0)
        self._rest_wait_s = retry_after_s
        if status != 200:
            return False
        try:
            listing = parse_exchange_info(body, [found.name for found in self._instruments])
        except (ProfileError, VenueProtocolError):
            return False  # It was listed when we started: the status that we know stays.
        for index, found in enumerate(listing.statuses):
            self._emit(EventKind.INSTRUMENT_STATUS, {"instrument": index, "status": found})
        return True

    def _poll(self) -> None:
        self._get(self._listing(), self._take_later_listing)

    def _take_later_listing(self, status: int, body: bytes, retry_after_s: int) -> None:
        self._take_listing(status, body, retry_after_s)
        wait_s = max(STATUS_EVERY_S, self._rest_wait_s)
        self._process.at(self._process.now_ns + int(wait_s * SECOND_NS), self._poll)

    def _connect_orders(self) -> None:
        self.sockets[0].connect()

    def _sweep(self) -> None:
        self.orders.sweep_once()
        if not self._market_asked and self.orders.live.is_set():
            self._market_asked = True
            self.sockets[1].connect()
        self._process.at(self._process.now_ns + SWEEP_EVERY_NS, self._sweep)

    def _emit(self, kind: EventKind, fields: dict[str, int]) -> None:
        self._on_event(new_event(kind, self._process.now_ns, **fields))
