"""The order link: logon, user stream, requests in flight, the venue's clock.

Owns one WebSocket to the WS API and everything that must happen when it comes, goes or stays
silent. Must not know the engine: frames and events go to the loop. Replies to the session's
own requests end here, since they may hold the API key.

| what happens | what the loop hears |
| --- | --- |
| logged on; user stream subscribed | LINK ORDER up; LINK USER up |
| the peer answers a ping while the user stream stands | LINK USER up again: it is alive |
| a request has no answer in time | it is in doubt: OUTCOME_UNKNOWN, CANCEL_UNKNOWN, QUERY_FAILED |
| the handshake, or a request of the session, is refused with 403, 418 or 429 | RATE_LIMITED |
| the socket closes | LINK USER down, LINK ORDER down, then every request in flight is in doubt |
| a request cannot be sent: link down, not draining, table full | as refused, code NOT_SENT |
| the venue's clock was sampled `SAMPLES_PER_CLOCK` times | CLOCK by the shortest round trip |
| a request was refused for its timestamp (-1021) | CLOCK by the next sample alone |

A link may be followed by another (`succession`): both bring events until the old one is dropped,
each told once; links, clock and life are told by the one that leads.

A logon that was refused for its timestamp is preceded by a question for the venue's time.

A frame that cannot be read, serverShutdown, or a request of the session (logon, subscription,
time) without answer over `SILENT_SWEEPS` drops the socket, and the link connects again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from hftd.domain.events import EventKind, Link
from hftd.domain.layout import Records
from hftd.runtime.clock import Clock
from hftd.runtime.in_flight import InFlight
from hftd.runtime.rest import ClockSample, clock_sample, retry_after_s_of
from hftd.runtime.transport import LinkUser, WebSocketLink
from hftd.venues.binance.replies import limit_told, refusal_told
from hftd.venues.binance.session import (
    BAD_TIMESTAMP,
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

OnEvent = Callable[[Records], None]
# How a link is made, and what calls back from the event loop: simulated time has its own.
MakeLink = Callable[[str, LinkUser, Callable[[], int], Callable[[int], float]], WebSocketLink]
Soon = Callable[..., object]

SWEEP_EVERY_S = 0.1
TIME_EVERY_NS = 2_000_000_000
SAMPLES_PER_CLOCK = 5  # So that CLOCK comes each ten seconds.
# Eight seconds: a venue that takes five to answer is slow, not gone. Counted, so that a stall of
# our own loop is not the venue's.
SILENT_SWEEPS = 80
NOTICE_BYTES = 512  # Notices of the venue are short; longer frames are not searched for one.
WRONG_TIME = b'"code":%d' % BAD_TIMESTAMP
LINGER_S = 5.0  # Answers to what was asked on a link come on that link.
MAX_TOLD = 512  # Some seconds of our own events: longer than two connections overlap.
NS_PER_MS = 1_000_000
_READY = (SessionState.LIVE, SessionState.SUBSCRIBING)


class OnFrame(Protocol):
    """Who takes a link's frames; see `Loop.on_frame`."""

    def __call__(self, link: Link, data: bytes, ts_ns: int, more: bool = False) -> None:
        """Take one frame."""


class ToldOnce:
    """The newest events of our account, so that one that comes on two connections is told once."""

    def __init__(self) -> None:
        self._newest: dict[bytes, None] = {}

    def is_first(self, data: bytes) -> bool:
        """Tell whether this event was not told before; its subscription does not count."""
        at = data.find(b'"event"')
        event = data[max(at, 0) :]
        if event in self._newest:
            return False
        self._newest[event] = None
        if len(self._newest) > MAX_TOLD:
            del self._newest[next(iter(self._newest))]
        return True


class OrderLink:
    """The order link of a connector; ``live`` is set while reports come in."""

    linger_s = LINGER_S

    def __init__(
        self,
        url: str,
        signer: Signer,
        codec: Codec,
        in_flight: InFlight,
        clock: Clock,
        recv_window_ms: int,
        on_frame: OnFrame,
        on_event: OnEvent,
        make_link: MakeLink = WebSocketLink,
        soon: Soon | None = None,
        logs_on: bool = True,
        follows: OrderLink | None = None,
    ) -> None:
        self.session = Session(signer, recv_window_ms, logs_on)
        self.ready = self.live = asyncio.Event()
        self.leads = follows is None
        self.on_shutdown: Callable[[], None] | None = None  # None: the link is dropped then.
        # While two connections overlap: the other one, and what either has told.
        self._other, self._told = follows, ToldOnce() if follows is not None else None
        if follows is not None:
            follows._other, follows._told = self, self._told
        self.refused = asyncio.Event()
        self.link = make_link(url, self, clock.ts_ns, backoff_s)
        self.venue_offset_ns: int = 0 if follows is None else follows.venue_offset_ns
        self._soon = soon or asyncio.get_running_loop().call_soon
        self._codec = codec
        self._in_flight = in_flight
        self._clock = clock
        self._on_loop_frame = on_frame
        self._on_event = on_event
        self._up: list[Link] = []
        self._samples: list[ClockSample] = []
        self._time_number = 0
        self._time_sent_ns = 0
        self._hold_until_ns: int = 0 if follows is None else follows._hold_until_ns
        self._time_answered, self._clock_wanted = True, False
        self._silent_sweeps = 0
        self.link.hold_back(self._hold_until_ns)

    async def run(self) -> None:
        """Keep the link up and swept until canceled; raise what was a bug of ours."""
        work = [asyncio.create_task(self.link.run()), asyncio.create_task(self.sweep())]
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            if not self.leads:
                self._lose_all()
            if self._other is not None:
                self._other._other, self._other._told = None, None

    def lead_after(self, old: OrderLink) -> None:
        """Be the order link from now on; the old one only brings what is still on its way."""
        old.leads, self.leads = False, True
        self._hold_until_ns = old._hold_until_ns
        for link in self._up:
            if link not in old._up:  # It was lost before this one took over, and told so.
                self._tell_link(link, up=1)

    def send(self, frame: bytes) -> None:
        """Send a request of the loop; what cannot be sent is told from the event loop."""
        # Sent first and noted then, 2 µs sooner: an answer cannot come before this returns.
        ready = self.session.state in _READY and not self._in_flight.is_full
        if ready and self.link.send(self.session.sealed(frame)):
            self._in_flight.add(request_id_of(frame), self._clock.ts_ns())
        else:
            self._soon(self._tell_unsent, request_id_of(frame))

    def refuse(self, frame: bytes) -> None:
        """Tell the loop, from the event loop, that a request was never sent."""
        self._soon(self._tell_unsent, request_id_of(frame))

    def hold_back(self, until_ns: int) -> None:
        """Ask nothing for the session, and open nothing, before a time that the venue named."""
        self._hold_until_ns = until_ns
        self.link.hold_back(until_ns)
        if self._other is not None:
            self._other.link.hold_back(until_ns)

    def take_clock(self, sample: ClockSample) -> None:
        """Tell the loop of a clock sample, and use it for the session's own timestamps."""
        self.venue_offset_ns = sample.venue_offset_ns
        if self.leads:
            self._emit(
                EventKind.CLOCK,
                wall_offset_ns=self._clock.wall_offset_ns(),
                venue_offset_ns=sample.venue_offset_ns,
                round_trip_ns=sample.round_trip_ns,
            )

    def on_open(self) -> None:
        """Log on."""
        self._time_answered, self._silent_sweeps = True, 0
        self._samples.clear()
        if self.session.error_code == BAD_TIMESTAMP:
            # Our idea of the venue's clock is no good any more: the logon waits for its answer.
            self._ask_time(self._clock.ts_ns())
        else:
            self.link.send(self.session.opened(self._venue_ms()))

    def on_frame(self, data: bytes, ts_ns: int, more: bool = False) -> None:
        """Take a frame: the session's own end here, all others go to the loop."""
        identity = reply_id(data)
        if identity is not None and is_session_id(identity):
            self._take_session_reply(data, ts_ns)
            return
        state = self.session.state
        logging_on = state is SessionState.LOGGING_ON
        if logging_on or (identity is None and state is not SessionState.LIVE):
            # The reply to the logon holds the key, also where its id cannot be read.
            self.link.drop("an unreadable reply to the logon")
            return
        if identity:
            self._in_flight.answered(identity)
        if self._told is not None and not identity and not self._is_news(data, self._told):
            return
        broken = self._codec.broken
        self._on_loop_frame(Link.ORDER, data, ts_ns)
        if self._codec.broken != broken:
            self.link.drop("a frame that cannot be read")
        elif len(data) < NOTICE_BYTES:
            self._take_notice(data)

    def _is_news(self, data: bytes, told: ToldOnce) -> bool:
        # Each event comes on both connections, and which one brings it first is chance; one that
        # ends must not end the other's stream.
        if not self.leads and b"eventStreamTerminated" in data:
            self.link.drop("its stream ended")
            return False
        return told.is_first(data)

    def on_alive(self) -> None:
        """Tell the loop that the user stream's socket is alive."""
        if self.leads and Link.USER in self._up:
            self._emit(EventKind.LINK, link=Link.USER, up=1)

    def on_refused(self, status: int, retry_after: str) -> None:
        """Come back when the venue wants it, and tell the loop."""
        self._obey(refusal_told(status, retry_after_s_of(retry_after), self._clock.ts_ns()))

    def _obey(self, limited: Records | None) -> None:
        if limited is not None:
            self.hold_back(int(limited["until_ns"][0]))
            self._on_event(limited)

    def on_down(self) -> None:
        """Tell the loop what is lost with the socket."""
        self.session.closed()
        self._time_answered = True  # What was asked on this socket has no answer to come.
        self.live.clear()
        if self.session.state is SessionState.REFUSED:
            self.refused.set()
        while self._up:
            self._tell_link(self._up.pop(), up=0)
        self._lose_all()

    def _lose_all(self) -> None:
        for identity in self._in_flight.take_all():
            self._tell(self._in_flight.lost_events(identity, self._clock.ts_ns()))

    def _take_session_reply(self, data: bytes, ts_ns: int) -> None:
        self._silent_sweeps = 0
        limited = limit_told(data, ts_ns)
        if limited is not None:
            self._time_answered = True  # Whatever was asked: no answer but this one comes.
            self._obey(limited)
            if self.session.state is SessionState.CLOSED:  # Its logon waited for the time.
                self.link.drop("the venue wants no requests now")
        answer = time_reply(data)
        if answer is not None:
            if answer[0] == self._time_number:
                self._take_sample(clock_sample(answer[1], self._time_sent_ns, ts_ns))
            if self.session.state is SessionState.CLOSED:
                self.link.send(self.session.opened(self._venue_ms()))
            return
        step = self.session.replied(data, self._venue_ms())
        if step.close:
            self.link.drop(f"the session was refused, code {self.session.error_code}")
            return
        for link in step.up:
            if link not in self._up:
                self._up.append(link)
                self._tell_link(link, up=1)
        if Link.USER in step.up:
            self.live.set()
        if step.send is not None:
            self.link.send(step.send)

    def _venue_ms(self) -> int:
        return (self._clock.ts_ns() + self.venue_offset_ns) // NS_PER_MS

    def _take_sample(self, sample: ClockSample) -> None:
        self._time_answered = True
        self._samples.append(sample)
        wanted = self._clock_wanted or self.session.state is SessionState.CLOSED
        if wanted or len(self._samples) == SAMPLES_PER_CLOCK:
            self._clock_wanted = False
            samples = self._samples[-1:] if wanted else self._samples
            self.take_clock(min(samples, key=lambda taken: taken.round_trip_ns))
            self._samples.clear()

    def _take_notice(self, data: bytes) -> None:
        if b"serverShutdown" in data:
            if self.on_shutdown is not None and self.leads:
                self.on_shutdown()
            else:
                self.link.drop("the venue shuts this server down")
        elif WRONG_TIME in data:
            # The next sample is told at once: an order that comes too late is the clock's fault.
            self._clock_wanted = True
            if self._time_answered:
                self._ask_time(self._clock.ts_ns())
        elif b"eventStreamTerminated" in data and self.session.state is SessionState.LIVE:
            # The loop has decoded USER_STREAM_ENDED from this frame already.
            self.live.clear()
            self._up.remove(Link.USER)
            self.link.send(self.session.terminated(self._venue_ms()))

    async def sweep(self) -> None:
        """Give up on requests without answer and sample the venue's clock, until canceled."""
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            self.sweep_once()

    def sweep_once(self) -> None:
        """Give up on what has no answer by now; ask for the venue's time where that is due."""
        now_ns = self._clock.ts_ns()
        for identity in self._in_flight.take_late(now_ns):
            self._tell(self._in_flight.lost_events(identity, now_ns))
        self._watch_session(now_ns)

    def _watch_session(self, now_ns: int) -> None:
        down = self.session.state in (SessionState.CLOSED, SessionState.REFUSED)
        if down and self._time_answered:  # No socket, or one whose logon waits for the time.
            return
        live = self.session.state is SessionState.LIVE
        if not live or not self._time_answered:
            self._silent_sweeps += 1
            if self._silent_sweeps >= SILENT_SWEEPS:
                self.link.drop("no answer to a request of the session")
        elif now_ns - self._time_sent_ns >= TIME_EVERY_NS and now_ns >= self._hold_until_ns:
            self._ask_time(now_ns)

    def _ask_time(self, now_ns: int) -> None:
        self._time_number += 1
        self._time_sent_ns, self._time_answered, self._silent_sweeps = now_ns, False, 0
        self.link.send(time_request(self._time_number))

    def _tell_link(self, link: Link, up: int) -> None:
        if self.leads:
            self._emit(EventKind.LINK, link=link, up=up)

    def _tell_unsent(self, identity: str) -> None:
        self._tell(self._in_flight.unsent_events(identity, self._clock.ts_ns()))

    def _tell(self, events: Records) -> None:
        for at in range(len(events)):
            self._on_event(events[at : at + 1])

    def _emit(self, kind: EventKind, **fields: int) -> None:
        self._on_event(new_event(kind, self._clock.ts_ns(), **fields))
