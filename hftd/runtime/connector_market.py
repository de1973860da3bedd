"""The market link: the combined streams of all instruments, and how another takes over.

Owns one WebSocket of market data. Must not know what a frame says beyond its place in its stream.
A link that follows another holds what it hears until the other has come to where it began; then
it leads: what the other has not brought is told, and the loop hears of no change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hftd.domain.events import EventKind, Link
from hftd.runtime.clock import Clock
from hftd.runtime.connector_orders import NOTICE_BYTES, MakeLink, OnEvent, OnFrame
from hftd.runtime.rest import retry_after_s_of
from hftd.runtime.transport import WebSocketLink
from hftd.venues.binance.replies import refusal_told
from hftd.venues.binance.session import backoff_s
from hftd.venues.binance.stream_position import StreamPositions
from hftd.venues.port import new_event

SETTLE_S = 2.0  # What a stream of a tenth of a second has begun by then, or is quiet.
MAX_HELD = 50_000  # Frames of some minutes; one that holds more never leads.


class MarketLink:
    """The combined market streams of all instruments; ``ready`` once it may lead."""

    linger_s = 0.0

    def __init__(
        self,
        url: str,
        clock: Clock,
        on_frame: OnFrame,
        on_event: OnEvent,
        make_link: MakeLink = WebSocketLink,
        follows: MarketLink | None = None,
    ) -> None:
        self.up, self.ready = asyncio.Event(), asyncio.Event()
        self.link = make_link(url, self, clock.ts_ns, backoff_s)
        self.on_shutdown: Callable[[], None] | None = None  # None: the link is dropped then.
        self._clock = clock
        self._on_loop_frame = on_frame
        self._on_event = on_event
        self._follows = follows
        self._follower: MarketLink | None = None
        self._places = StreamPositions()
        self._held: list[bytes] = []
        self._settled = self._is_over = False
        self._hold_until_ns = 0
        if follows is not None:
            follows._follower, follows._places = self, StreamPositions()
            self.hold_back(follows._hold_until_ns)

    async def run(self) -> None:
        """Keep it up until canceled; raise what was a bug of ours."""
        try:
            await self.link.run()
        finally:
            if self._follows is not None:
                self._follows._follower = None

    def lead_after(self, old: MarketLink) -> None:
        """Be the market link from now on; tell what the old one has not brought."""
        assert self._follows is old, "it followed another"
        held, self._held, self._follows = self._held, [], None
        old._follower, old._is_over = None, True
        if not old.up.is_set():  # It was lost before this one took over, and told so.
            self._tell_link(1)
        for data in held:
            if not old._places.has(data):
                self._on_loop_frame(Link.MARKET, data, self._clock.ts_ns())

    def on_open(self) -> None:
        """Tell the loop that market data comes in; a follower keeps that to itself."""
        self.up.set()
        if self._follows is None:
            self._tell_link(1)
            return
        self._held.clear()
        self._places, self._settled = StreamPositions(), False
        asyncio.get_running_loop().call_later(SETTLE_S, self._settle)

    def on_frame(self, data: bytes, ts_ns: int, more: bool = False) -> None:
        """Hand a frame to the loop, or hold it."""
        if self._follows is not None:
            if len(self._held) < MAX_HELD:
                self._held.append(data)
                self._places.note(data)
                self._look()
            return
        if self._is_over:
            return
        self._on_loop_frame(Link.MARKET, data, ts_ns, more)
        if self._follower is not None:
            self._places.note(data)
            self._follower._look()
        if len(data) < NOTICE_BYTES and b"serverShutdown" in data:
            if self.on_shutdown is not None:
                self.on_shutdown()
            else:
                self.link.drop("the venue shuts this server down")

    def on_alive(self) -> None:
        """A book's age counts its own frames; a ping says nothing of them."""

    def hold_back(self, until_ns: int) -> None:
        """Open nothing before a time that the venue named."""
        self._hold_until_ns = until_ns
        self.link.hold_back(until_ns)
        if self._follower is not None:
            self._follower.link.hold_back(until_ns)

    def on_refused(self, status: int, retry_after: str) -> None:
        """Come back when the venue wants it, and tell the loop."""
        limited = refusal_told(status, retry_after_s_of(retry_after), self._clock.ts_ns())
        if limited is not None:
            self.hold_back(int(limited["until_ns"][0]))
            self._on_event(limited)

    def on_down(self) -> None:
        """Tell the loop that market data ended."""
        self.up.clear()
        if self._follows is not None:
            self.ready.clear()
        else:
            self._tell_link(0)

    def _settle(self) -> None:
        self._settled = True
        self._look()

    def _look(self) -> None:
        """Say that this one may lead, once the link before it has come to where it began."""
        before = self._follows
        may_lead = before is not None and self._settled and len(self._held) < MAX_HELD
        if may_lead and before is not None and self._places.joins(before._places):
            self.ready.set()

    def _tell_link(self, up: int) -> None:
        if not self._is_over:
            event = new_event(EventKind.LINK, self._clock.ts_ns(), link=Link.MARKET, up=up)
            self._on_event(event)
