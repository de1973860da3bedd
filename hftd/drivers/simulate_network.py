"""The simulated network: one calendar of what happens next, sockets and requests that take time.

Owns virtual time, and how long bytes travel between the daemon and the exchange. Must not know
what the bytes say. Frames of one direction of one socket never overtake each other.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, NamedTuple

from hftd.runtime.transport import STABLE_S, LinkUser
from hftd.simex.flow_noise import Noise
from hftd.simex.venue import Venue

PING_EVERY_NS = 1_000_000_000

# Called with status, body and the seconds of Retry-After.
TakeAnswer = Callable[[int, bytes, int], None]


class Delay(NamedTuple):
    """How long one way takes: at least ``least_ns``, up to ``jitter_ns`` more."""

    least_ns: int
    jitter_ns: int = 0


class Latency(NamedTuple):
    """One way of each link."""

    market: Delay = Delay(1_000_000)
    order: Delay = Delay(2_000_000)
    rest: Delay = Delay(2_000_000)


class Calendar:
    """All that is going to happen, in order of time, then in the order in which it was put in.

    ``now_ns`` is the world's time; it stands still while something happens.
    """

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._ties = 0

    def at(self, ts_ns: int, actor: Callable[..., None], *event: Any) -> None:
        """Let something happen at a time that has not passed."""
        assert ts_ns >= self.now_ns, f"{ts_ns} ns has passed, now {self.now_ns}"
        self._ties += 1
        heappush(self._heap, (ts_ns, self._ties, actor, event))

    def next_ns(self) -> int:
        """Return when the next thing happens."""
        return self._heap[0][0]

    def turn(self) -> None:
        """Let the next thing happen."""
        self.now_ns, _, actor, event = heappop(self._heap)
        actor(*event)


class Wire:
    """One direction of one link: each message takes its time, none overtakes another."""

    def __init__(
        self, calendar: Calendar, delay: Delay, noise: Noise, deliver: Callable[..., None]
    ) -> None:
        self._calendar = calendar
        self._delay = delay
        self._noise = noise
        self._deliver = deliver
        self._last_ns = 0

    def send(self, *message: Any) -> None:
        """Let a message arrive after its time."""
        delay = self._delay
        arrival_ns = self._calendar.now_ns + delay.least_ns
        if delay.jitter_ns:
            arrival_ns += self._noise.below(delay.jitter_ns + 1)
        self._last_ns = arrival_ns = max(arrival_ns, self._last_ns)
        self._calendar.at(arrival_ns, self._deliver, *message)


class Exchange:
    """The venue on the far side: takes what arrives, sends what it has to say, keeps time."""

    def __init__(self, calendar: Calendar, venue: Venue, latency: Latency, noise: Noise) -> None:
        self.venue = venue
        self.latency = latency
        self.calendar = calendar
        self.noise = noise
        self._sockets: dict[int, Socket] = {}
        self._armed_ns: int | None = None

    def start(self) -> None:
        """Open the venue for the first time."""
        self.venue.start(self.calendar.now_ns)
        self.flush()

    def open(self, path: str, socket: Socket) -> int:
        """Take a connection and return its number; a path without a server is a bug of ours."""
        number = self.venue.open(path, self.calendar.now_ns)
        assert number is not None, f"the exchange serves nothing at {path}"
        self._sockets[number] = socket
        self.flush()
        return number

    def receive(self, number: int, frame: bytes) -> None:
        """Take a frame of a connection that still stands."""
        if number in self._sockets:
            self.venue.receive(number, frame, self.calendar.now_ns)
            self.flush()

    def close(self, number: int) -> None:
        """Forget a connection; orders stay."""
        if self._sockets.pop(number, None) is not None:
            self.venue.close(number)

    def answer(self, target: str, answers: Wire) -> None:
        """Answer a GET."""
        status, headers, body = self.venue.http("GET", target, {}, b"", self.calendar.now_ns)
        self.flush()
        answers.send(status, body, int(headers.get("Retry-After", "0")))

    def flush(self) -> None:
        """Send what the venue has to say, and be there when it next wants to act."""
        self.venue.take_log()
        for number, frame in self.venue.take():
            socket = self._sockets.get(number)
            if socket is not None:
                socket.downlink.send(number, frame)
        due_ns = self.venue.next_ns()
        if due_ns is not None and (self._armed_ns is None or due_ns < self._armed_ns):
            self._armed_ns = max(due_ns, self.calendar.now_ns)
            self.calendar.at(self._armed_ns, self._tick, self._armed_ns)

    def _tick(self, armed_ns: int) -> None:
        if armed_ns == self._armed_ns:
            self._armed_ns = None
        self.venue.advance(self.calendar.now_ns)
        self.flush()


class Socket:
    """One WebSocket of the daemon, with the manners of `runtime.transport.WebSocketLink`.

    What travels when the socket is dropped is lost, both ways.
    """

    def __init__(
        self,
        exchange: Exchange,
        path: str,
        delay: Delay,
        user: LinkUser,
        backoff_s: Callable[[int], float],
    ) -> None:
        self._exchange = exchange
        self._calendar = exchange.calendar
        self._path = path
        self._delay = delay
        self._user = user
        self._backoff_s = backoff_s
        self._number = 0  # Of the connection; 0 while there is none.
        self._attempt = 0
        self._since_ns = 0

    def connect(self) -> None:
        """Open the connection; ``on_open`` is heard after a round trip."""
        exchange, calendar = self._exchange, self._calendar
        self._since_ns = calendar.now_ns
        self.uplink = Wire(calendar, self._delay, exchange.noise, exchange.receive)
        self.downlink = Wire(calendar, self._delay, exchange.noise, self._deliver)
        self._handshakes = Wire(calendar, self._delay, exchange.noise, self._open)
        self._handshakes.send()

    def send(self, frame: bytes) -> bool:
        """Send a frame; False where the socket is closed."""
        if self._number == 0:
            return False
        self.uplink.send(self._number, frame)
        return True

    def drop(self, _fault: str) -> None:
        """Close the connection at once and open a new one after the back-off."""
        if self._number == 0:
            return
        self._exchange.close(self._number)
        self._number = 0
        self._calendar.at(self._calendar.now_ns, self._user.on_down)
        stood_ns = self._calendar.now_ns - self._since_ns
        self._attempt = 0 if stood_ns > STABLE_S * 1e9 else self._attempt + 1
        wait_ns = int(self._backoff_s(self._attempt) * 1e9)
        self._calendar.at(self._calendar.now_ns + wait_ns, self.connect)

    def _open(self) -> None:
        number = self._exchange.open(self._path, self)
        self.downlink.send(number, None)

    def _deliver(self, number: int, frame: bytes | None) -> None:
        if frame is None:
            self._number = number
            self._calendar.at(self._calendar.now_ns + PING_EVERY_NS, self._ping, number)
            self._user.on_open()
        elif number == self._number:
            self._user.on_frame(frame, self._calendar.now_ns)

    def _ping(self, number: int) -> None:
        if number == self._number:
            self._calendar.at(self._calendar.now_ns + 2 * self._delay.least_ns, self._pong, number)
            self._calendar.at(self._calendar.now_ns + PING_EVERY_NS, self._ping, number)

    def _pong(self, number: int) -> None:
        if number == self._number:
            self._user.on_alive()


class Rest:
    """REST requests of the daemon, each answered on its own."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def get(self, target: str, take: TakeAnswer) -> None:
        """Ask for a target; ``take`` hears the answer after a round trip."""
        exchange = self._exchange
        delay, noise = exchange.latency.rest, exchange.noise
        answers = Wire(exchange.calendar, delay, noise, take)
        Wire(exchange.calendar, delay, noise, exchange.answer).send(target, answers)
