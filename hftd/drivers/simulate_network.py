"""The simulated network: one calendar of what happens next, sockets and requests that take time.

Owns virtual time, and how long bytes travel between the daemon and the exchange, if they
arrive. Must not know what the bytes say. Frames of one direction of one socket never overtake
each other.
"""

# long: what a message meets on its way, from one end to the other, is read in one place.

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, NamedTuple, Protocol

from hftd.runtime.transport import HANDSHAKE_S, SILENT_PINGS, STABLE_S, LinkUser, WebSocketLink
from hftd.simex.dialect_rest import Response
from hftd.simex.fault_requests import LATER, NO_REPLY, ticket_of
from hftd.simex.faulty_venue import FaultyVenue
from hftd.simex.flow_noise import Noise

PING_EVERY_NS = 1_000_000_000
REST_TIMEOUT_NS = 10_000_000_000
HANDSHAKE_NS = int(HANDSHAKE_S * 1e9)
NO_ANSWER = 0
UP, DOWN = 0, 1

# Called with status, body and the seconds of Retry-After; status 0 where no answer came.
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


class Time(Protocol):
    """Whoever keeps time and lets things happen later: the world, or a process in it."""

    @property
    def now_ns(self) -> int:
        """Return the time, which stands still while something happens."""
        ...

    def at(self, ts_ns: int, actor: Callable[..., None], *event: Any) -> None:
        """Let something happen at a time that has not passed."""
        ...

    def take(self, actor: Callable[..., None], *event: Any) -> None:
        """Let something happen that has just come in."""
        ...


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

    def take(self, actor: Callable[..., None], *event: Any) -> None:
        """Let something happen that has just come in: the world itself is never busy."""
        actor(*event)

    def next_ns(self) -> int:
        """Return when the next thing happens."""
        return self._heap[0][0]

    def turn(self) -> None:
        """Let the next thing happen."""
        self.now_ns, _, actor, event = heappop(self._heap)
        actor(*event)


class Weather:
    """What befalls one road now: messages that wait, up or down, and doors that are shut.

    TCP repeats what is lost: a partition that passes is a wait, whose end may come too late
    for whoever waits; one that takes the connection with it is a drop.
    """

    def __init__(self) -> None:
        self.held_ns = [0, 0]  # Until when messages wait, UP and DOWN.
        self.shut_ns = 0  # Until when nobody can connect.
        self.slower = Delay(0)

    def clear(self) -> None:
        """Let everything pass from now on."""
        self.held_ns, self.shut_ns, self.slower = [0, 0], 0, Delay(0)


class Wire:
    """One direction of one link: each message takes its time, none overtakes another."""

    def __init__(
        self,
        calendar: Calendar,
        delay: Delay,
        noise: Noise,
        deliver: Callable[..., None],
        weather: Weather | None = None,
        way: int = UP,
    ) -> None:
        self._calendar = calendar
        self._delay = delay
        self._noise = noise
        self._deliver = deliver
        self._weather = weather
        self._way = way
        self._last_ns = 0

    def send(self, *message: Any) -> None:
        """Let a message arrive after its time."""
        delay, calendar = self._delay, self._calendar
        arrival_ns = calendar.now_ns + delay.least_ns
        if delay.jitter_ns:
            arrival_ns += self._noise.below(delay.jitter_ns + 1)
        if self._weather is not None:
            slower = self._weather.slower
            if slower.least_ns:
                arrival_ns += slower.least_ns + self._noise.below(slower.jitter_ns + 1)
            arrival_ns = max(arrival_ns, self._weather.held_ns[self._way])
        self._last_ns = arrival_ns = max(arrival_ns, self._last_ns)
        calendar.at(arrival_ns, self._deliver, *message)


class Exchange:
    """The venue on the far side: takes what arrives, sends what it has to say, keeps time."""

    def __init__(
        self, calendar: Calendar, venue: FaultyVenue, latency: Latency, noise: Noise
    ) -> None:
        self.venue = venue
        self.latency = latency
        self.calendar = calendar
        self.noise = noise
        # What a link that ends has sent before still arrives, in so many cases of a hundred.
        self.arrives_percent = 0
        self._sockets: dict[int, Socket] = {}
        # By ticket: who waits for an answer that is late, and since when.
        self._waiting: dict[int, tuple[int, Wire]] = {}
        self._armed_ns: int | None = None

    def start(self) -> None:
        """Open the venue for the first time."""
        self.venue.start(self.calendar.now_ns)
        self.flush()

    def open(self, path: str, socket: Socket) -> int:
        """Take a connection and return its number; a path without a server is a bug of ours.

        ``flush`` once the handshake is answered: the venue may end the connection at once.
        """
        number = self.venue.open(path, self.calendar.now_ns)
        assert number is not None, f"the exchange serves nothing at {path}"
        self._sockets[number] = socket
        return number

    def receive(self, number: int, frame: bytes | None) -> None:
        """Take a frame of a connection that still stands; None is its end."""
        if number in self._sockets:
            if frame is None:
                self.close(number)
                return
            self.venue.receive(number, frame, self.calendar.now_ns)
            self.flush()

    def close(self, number: int) -> None:
        """Forget a connection; orders stay."""
        if self._sockets.pop(number, None) is not None:
            self.venue.close(number)

    def answer(self, target: str, sent_ns: int, answers: Wire) -> None:
        """Answer a GET, too late for whoever asked where the road held it for too long."""
        response = self.venue.http("GET", target, {}, b"", self.calendar.now_ns)
        if response[0] == LATER:
            ticket, end_ns = ticket_of(response), sent_ns + REST_TIMEOUT_NS
            self._waiting[ticket] = sent_ns, answers
            self.calendar.at(max(end_ns, self.calendar.now_ns), self._give_up, ticket)
        self.flush()
        if response[0] != LATER:
            self._tell(sent_ns, answers, response)

    def _tell(self, sent_ns: int, answers: Wire, response: Response) -> None:
        status, headers, body = response
        if status == NO_REPLY or self.calendar.now_ns - sent_ns > REST_TIMEOUT_NS:
            answers.send(NO_ANSWER, b"", 0)
        else:
            answers.send(status, body, int(headers.get("Retry-After", "0")))

    def _give_up(self, ticket: int) -> None:
        if ticket in self._waiting:
            self._tell(*self._waiting.pop(ticket), (NO_REPLY, {}, b""))

    def flush(self) -> None:
        """Send what the venue has to say, and be there when it next wants to act."""
        venue = self.venue
        venue.take_log()
        for number, frame in venue.take():
            socket = self._sockets.get(number)
            if socket is not None:
                socket.downlink.send(number, frame)
        for ticket, response in venue.take_answers():
            if ticket in self._waiting:
                self._tell(*self._waiting.pop(ticket), response)
        for number in (*venue.take_hung_up(), *venue.take_cut()):
            socket = self._sockets.pop(number, None)
            if socket is not None:
                socket.downlink.send(number, END)
                venue.close(number)
        due_ns = venue.next_ns()
        if due_ns is not None and (self._armed_ns is None or due_ns < self._armed_ns):
            self._armed_ns = max(due_ns, self.calendar.now_ns)
            self.calendar.at(self._armed_ns, self._tick, self._armed_ns)

    def heal(self) -> None:
        """Break what carries nothing any more: what is left carries everything."""
        for number, socket in list(self._sockets.items()):
            if socket.half_open:
                self.close(number)

    def _tick(self, armed_ns: int) -> None:
        if armed_ns == self._armed_ns:
            self._armed_ns = None
        self.venue.advance(self.calendar.now_ns)
        self.flush()


OPENED = None
END = b""
"""What a downlink carries besides frames: the handshake's answer, and the connection's end."""


class Socket(WebSocketLink):
    """One WebSocket of the daemon: a `WebSocketLink` whose socket is simulated.

    What travels down when the socket is dropped is lost; what travels up, see
    ``Exchange.arrives_percent``. ``time`` is the daemon's, by which it is told and waits.
    """

    def __init__(
        self,
        exchange: Exchange,
        path: str,
        delay: Delay,
        user: LinkUser,
        backoff_s: Callable[[int], float],
        time: Time | None = None,
        weather: Weather | None = None,
        on_sent: Callable[[bytes], None] | None = None,
    ) -> None:
        self.fault = ""
        self._exchange = exchange
        self._world = exchange.calendar
        self._time: Time = time or exchange.calendar
        self._path = path
        self._delay = delay
        self._user = user
        self._backoff_s = backoff_s
        self._weather = weather or Weather()
        self._on_sent = on_sent
        self._number = 0  # Of the connection as we know it; 0 while there is none.
        self._accepted = 0  # As the exchange knows it.
        self._over = False
        self._opens = False  # The handshake is on its way.
        self._attempt = 0
        self._since_ns = 0
        self._silent_pings = 0
        self._hold_until_ns = 0
        self.half_open = False  # Nothing of this connection arrives any more, either way.

    def connect(self) -> None:
        """Open the connection; ``on_open`` is heard after a round trip."""
        exchange, world = self._exchange, self._world
        if self._time.now_ns < self._hold_until_ns:
            self._time.at(self._hold_until_ns, self.connect)
            return
        self._since_ns = world.now_ns
        self.half_open, self._silent_pings = False, 0
        weather, delay, noise = self._weather, self._delay, exchange.noise
        if weather.shut_ns > world.now_ns:
            self._again(world.now_ns + delay.least_ns)
            return
        self._opens = True
        self.uplink = Wire(world, delay, noise, exchange.receive, weather, UP)
        self.downlink = Wire(world, delay, noise, self._arrive, weather, DOWN)
        Wire(world, delay, noise, self._open, weather, UP).send(self.downlink, self._since_ns)
        self._time.at(self._time.now_ns + HANDSHAKE_NS, self._give_up, self._since_ns)

    def send(self, frame: bytes) -> bool:
        """Send a frame; False where the socket is closed."""
        if self._number == 0:
            return False
        if self._on_sent is not None:
            self._on_sent(frame)
        if not self.half_open:
            self.uplink.send(self._number, frame)
        return True

    def drop(self, fault: str) -> None:
        """Close the connection at once and open a new one after the back-off."""
        if self._number == 0:
            return
        self.fault = fault
        self._end(lost=self._exchange.noise.below(100) >= self._exchange.arrives_percent)
        self._time.at(self._time.now_ns, self._user.on_down)
        self._again(self._world.now_ns)

    def die(self, silent_ns: int = 0) -> None:
        """End with the process: what it sent arrives, then the end, which power loss delays."""
        self._over = True
        if silent_ns and self._accepted:
            world = self._world
            world.at(world.now_ns + silent_ns, self._exchange.close, self._accepted)
            self._number = self._accepted = 0
        self._end(lost=False)

    def _end(self, *, lost: bool) -> None:
        number, self._number, self._accepted = self._accepted, 0, 0
        if number and (lost or self.half_open):
            self._exchange.close(number)
        elif number:
            self.uplink.send(number, None)

    def _again(self, ended_ns: int) -> None:
        stood_ns = ended_ns - self._since_ns
        self._attempt = 0 if stood_ns > STABLE_S * 1e9 else self._attempt + 1
        wait_ns = ended_ns - self._world.now_ns + int(self._backoff_s(self._attempt) * 1e9)
        self._time.at(self._time.now_ns + wait_ns, self.connect)

    def _give_up(self, since_ns: int) -> None:
        # The answer of the handshake is lost or too late: nobody waits for it any more.
        if self._over or not self._opens or since_ns != self._since_ns:
            return
        number, self._accepted, self._opens = self._accepted, 0, False
        self._exchange.close(number)
        self._again(self._world.now_ns)

    def _open(self, downlink: Wire, since_ns: int) -> None:
        if self._over or not self._opens or since_ns != self._since_ns:
            return
        self._accepted = number = self._exchange.open(self._path, self)
        downlink.send(number, OPENED)
        self._exchange.flush()

    def _arrive(self, number: int, frame: bytes | None) -> None:
        if not self.half_open:
            self._time.take(self._deliver, number, frame)

    def _deliver(self, number: int, frame: bytes | None) -> None:
        if frame is OPENED:
            if number != self._accepted:
                return  # Given up meanwhile.
            self._number, self._opens = number, False
            self._time.at(self._time.now_ns + PING_EVERY_NS, self._beat, number)
            self._user.on_open()
        elif number != self._number:
            return
        elif frame == END:
            self.drop("closed by the peer")
        else:
            self._silent_pings = 0
            self._user.on_frame(frame, self._time.now_ns)

    def _beat(self, number: int) -> None:
        if number != self._number:
            return
        if self._silent_pings >= SILENT_PINGS:
            self.drop("silent")
            return
        self._silent_pings += 1
        self._time.at(self._time.now_ns + PING_EVERY_NS, self._beat, number)
        if not (self.half_open or self._exchange.venue.is_gone(number)):
            held_ns = max(self._weather.held_ns) - self._world.now_ns
            trip_ns = max(2 * self._delay.least_ns, held_ns)
            self._time.at(self._time.now_ns + trip_ns, self._pong, number)

    def _pong(self, number: int) -> None:
        if number == self._number and not self.half_open:
            self._silent_pings = 0
            self._user.on_alive()


class Rest:
    """REST requests of the daemon, each answered on its own."""

    def __init__(
        self, exchange: Exchange, time: Time | None = None, weather: Weather | None = None
    ) -> None:
        self._exchange = exchange
        self._time: Time = time or exchange.calendar
        self._weather = weather or Weather()

    def get(self, target: str, take: TakeAnswer) -> None:
        """Ask for a target; ``take`` hears the answer after a round trip."""
        exchange, weather, world = self._exchange, self._weather, self._exchange.calendar
        delay, noise = exchange.latency.rest, exchange.noise
        answers = Wire(world, delay, noise, partial_at(self._time, take), weather, DOWN)
        if weather.shut_ns > world.now_ns:
            answers.send(NO_ANSWER, b"", 0)
            return
        asked = Wire(world, delay, noise, exchange.answer, weather, UP)
        asked.send(target, world.now_ns, answers)


def partial_at(time: Time, take: TakeAnswer) -> TakeAnswer:
    """Return what hands an answer to a process by its own time."""

    def arrive(status: int, body: bytes, retry_after_s: int) -> None:
        time.take(take, status, body, retry_after_s)

    return arrive
