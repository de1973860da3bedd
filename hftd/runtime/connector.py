"""The connector: all roads to one venue, opened in the right order and kept.

Owns the links and REST requests of a live driver, and performs actions on them. Must not
know the engine. `perform` never calls back: whatever comes of an action comes later, from the
event loop, as a frame or an event.

Order of opening: the venue's clock and listing over REST, then the order link until our own
reports come in, then market data. So no fill can be missed by looking at the market first.
Either link is followed by a new one before the venue ends it, or when it says that it will
(`succession`).

| link | what the loop hears |
| --- | --- |
| MARKET | LINK up and down; frames of combined streams |
| ORDER, USER | see `connector_orders` |
| REST | LINK down when a request had no answer, up when one has again; one frame per answer |
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from hftd.domain.actions import Action, ActionKind
from hftd.domain.codes import VenueCode
from hftd.domain.events import EventKind, Link
from hftd.domain.instrument import Instrument, InstrumentStatus
from hftd.errors import CredentialsError, ProfileError, VenueProtocolError
from hftd.runtime.clock import Clock
from hftd.runtime.connector_market import MarketLink
from hftd.runtime.connector_orders import OnEvent, OnFrame, OrderLink
from hftd.runtime.in_flight import InFlight
from hftd.runtime.rest import RestAnswer, RestClient
from hftd.runtime.succession import Road, Succession, renew_after_s
from hftd.runtime.tls import client_context
from hftd.runtime.transport import WebSocketLink
from hftd.venues.binance.endpoints import Endpoints, market_stream_url
from hftd.venues.binance.rest_frames import RestKind, rest_frame
from hftd.venues.binance.session import SessionState, backoff_s, refusal_text
from hftd.venues.binance.signing import Signer
from hftd.venues.port import Codec, new_event

MAX_REST_REQUESTS = 16
STATUS_EVERY_S = 60.0
STATUS_SOON_S = 5.0  # While an instrument does not trade: its return is not to be missed.

_REST_KINDS: dict[int, RestKind] = {
    int(ActionKind.RESYNC): RestKind.DEPTH,
    int(ActionKind.ASK_TOUCH): RestKind.TOUCH,
}


class Connector:
    """All links of one venue; make it inside a running event loop."""

    def __init__(
        self,
        endpoints: Endpoints,
        signer: Signer,
        instruments: Sequence[Instrument],
        codec: Codec,
        on_frame: OnFrame,
        on_event: OnEvent,
        clock: Clock,
        recv_window_ms: int,
        after_s: Callable[[], float] = renew_after_s,
    ) -> None:
        tls = client_context(endpoints)
        make_link = partial(WebSocketLink, tls=tls)
        self.rest = RestClient(endpoints.rest_url, signer, clock, tls=tls)
        self._instruments = tuple(instruments)
        self._on_frame = on_frame
        self._on_event = on_event
        self._clock = clock
        market_url = market_stream_url(endpoints, instruments)
        logs_on = endpoints.hmac_logon or signer.may_log_on

        def order_link(follows: OrderLink | None = None) -> OrderLink:
            in_flight = InFlight(recv_window_ms, len(instruments))
            made = OrderLink(
                endpoints.order_url, signer, codec, in_flight, clock, recv_window_ms, on_frame,
                on_event, make_link, logs_on=logs_on, follows=follows,
            )  # fmt: skip
            made.on_shutdown = lambda: self.order_succession.ask()
            return made

        def market_link(follows: MarketLink | None = None) -> MarketLink:
            made = MarketLink(market_url, clock, on_frame, on_event, make_link, follows)
            made.on_shutdown = lambda: self.market_succession.ask()
            return made

        self.orders, self.market = order_link(), market_link()
        self.order_succession = Succession(
            self.orders, lambda: order_link(self.orders), self._lead_orders, after_s
        )
        self.market_succession = Succession(
            self.market, lambda: market_link(self.market), self._lead_market, after_s
        )
        self._statuses: dict[int, InstrumentStatus] = {}
        self._rest_up = False
        self._rest_wait_s = 0
        self._hold_until_ns = 0  # The venue told us to ask nothing before.
        self._links: list[asyncio.Task[None]] = []
        self._requests: set[asyncio.Task[None]] = set()

    async def connect(self) -> None:
        """Open all roads; return once reports and market data come in.

        A venue that does not answer is asked again, with back-off, for as long as it takes.
        Raises: CredentialsError where it refuses the key; ProfileError where it does not list an
        instrument; VenueProtocolError where its listing cannot be read; what a link raised (a
        bug of ours).
        """
        await self._wait_for_rest()
        self._start(self.order_succession.run())
        await self._first(self.orders.live, self.orders.refused)
        if self.orders.refused.is_set():
            why = refusal_text(self.orders.session.error_code)
            raise CredentialsError(f"the venue refused the key: {why}")
        self._start(self.market_succession.run())
        await self._first(self.market.up)
        self._start(self._watch_statuses())

    async def run(self) -> None:
        """Wait for as long as all is well; raise what a link raised (a bug of ours)."""
        done, _ = await asyncio.wait(self._links, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def close(self) -> None:
        """Close every link; nothing is told to the loop any more about requests in flight."""
        tasks = [*self._links, *self._requests]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.rest.close()

    def _lead_orders(self, road: Road) -> None:
        assert isinstance(road, OrderLink)
        road.lead_after(self.orders)
        self.orders = road

    def _lead_market(self, road: Road) -> None:
        assert isinstance(road, MarketLink)
        old, self.market = self.market, road
        road.lead_after(old)

    def _start(self, *work: Coroutine[Any, Any, None]) -> None:
        self._links += [asyncio.create_task(each) for each in work]

    def perform(self, action: Action, frame: bytes | None) -> None:
        """Send the frame of an action by its road, or do what has no frame; never call back.

        What could not be sent is told from a plain callback of the event loop: a bug of the
        loop found there goes to the event loop's exception handler, not to `run`.
        """
        if frame is None:
            if action.kind == ActionKind.RECONNECT:
                link = self.market.link if action.link == Link.MARKET else self.orders.link
                link.drop("asked to reconnect")
            elif action.kind == ActionKind.HOLD_BACK:
                self.orders.hold_back(action.until_ns)
                self.market.hold_back(action.until_ns)
                self._hold_until_ns = action.until_ns
        elif kind := _REST_KINDS.get(action.kind):
            self._ask(kind, action.instrument, frame)
        else:
            self.orders.send(frame)

    @property
    def may_send(self) -> bool:
        """Whether the order link is logged on, so that a cancel would leave now."""
        return self.orders.session.state in (SessionState.LIVE, SessionState.SUBSCRIBING)

    def sealed(self, frame: bytes) -> bytes:
        """Return an order's frame as it would leave now; nothing is sent."""
        return self.orders.session.sealed(frame)

    def refuse(self, frame: bytes) -> None:
        """Tell the loop, from a plain callback, that an order's frame was not sent."""
        self.orders.refuse(frame)

    def _ask(self, kind: RestKind, instrument: int, frame: bytes) -> None:
        spent = self._clock.ts_ns() < self.rest.spent_until_ns
        if spent or len(self._requests) >= MAX_REST_REQUESTS:
            asyncio.get_running_loop().call_soon(self._tell_unsent, instrument)
            return
        task = asyncio.create_task(self._fetch(kind, instrument, frame))
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    async def _fetch(self, kind: RestKind, instrument: int, frame: bytes) -> None:
        answer = await self.rest.get(frame.decode().removeprefix("GET "))
        self._note_rest(answer.status != 0)
        self._on_frame(
            Link.REST,
            rest_frame(kind, instrument, answer.status, answer.retry_after_s, answer.body),
            self._clock.ts_ns(),
        )

    async def _wait_for_rest(self) -> None:
        attempt = 0
        while True:
            sample = await self.rest.sample_clock()
            if not isinstance(sample, RestAnswer):
                self._note_rest(True)
                self.orders.take_clock(sample)
                if await self._poll_statuses():
                    return
            else:
                self._rest_wait_s = sample.retry_after_s
            attempt += 1
            await asyncio.sleep(max(backoff_s(attempt), self._rest_wait_s))

    async def _watch_statuses(self) -> None:
        # Asking on while told to hold back would turn a limit into a ban.
        while True:
            trading = {InstrumentStatus.TRADING} >= {*self._statuses.values()}
            every_s = STATUS_EVERY_S if trading else STATUS_SOON_S
            await asyncio.sleep(max(every_s, self._rest_wait_s))
            if self._clock.ts_ns() < max(self._hold_until_ns, self.rest.spent_until_ns):
                continue
            try:
                await self._poll_statuses()
            except (ProfileError, VenueProtocolError):
                # It was listed when we connected: this will pass, or show as rejects; until
                # then the status that we know stays.
                continue

    async def _poll_statuses(self) -> bool:
        listing = await self.rest.listing([found.name for found in self._instruments])
        if isinstance(listing, RestAnswer):
            self._note_rest(listing.status != 0)
            self._rest_wait_s = listing.retry_after_s
            return False
        self._rest_wait_s = 0
        self._note_rest(True)
        for index, status in enumerate(listing.statuses):
            # Told each time: the engine may know of a halt from an order that was refused, and
            # a halt that came and went between two listings would last for ever.
            self._statuses[index] = status
            self._emit(EventKind.INSTRUMENT_STATUS, instrument=index, status=status)
        return True

    async def _first(self, *events: asyncio.Event) -> None:
        # Wait for one of the events, or for a link to fail of a bug.
        waits = [asyncio.create_task(event.wait()) for event in events]
        try:
            await asyncio.wait([*self._links, *waits], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        for task in self._links:
            if task.done():
                task.result()

    def _note_rest(self, up: bool) -> None:
        if up is not self._rest_up:
            self._rest_up = up
            self._emit(EventKind.LINK, link=Link.REST, up=int(up))

    def _tell_unsent(self, instrument: int) -> None:
        self._emit(EventKind.QUERY_FAILED, instrument=instrument, code=VenueCode.NOT_SENT)

    def _emit(self, kind: EventKind, **fields: int) -> None:
        self._on_event(new_event(kind, self._clock.ts_ns(), **fields))
