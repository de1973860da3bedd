from __future__ import annotations

from hftd.config.load import load_profile
from hftd.drivers.simulate import START_NS, venue_of
from hftd.drivers.simulate_network import (
    Calendar,
    Delay,
    Exchange,
    Latency,
    Rest,
    Socket,
    Weather,
    Wire,
)
from hftd.simex.faults import Fault
from hftd.simex.flow_noise import Noise

MS = 1_000_000


class Listener:
    """A link user that writes down what it hears."""

    def __init__(self, calendar: Calendar) -> None:
        self.calendar = calendar
        self.heard: list[tuple[int, str]] = []
        self.frames: list[bytes] = []

    def _hear(self, word: str) -> None:
        self.heard.append(((self.calendar.now_ns - START_NS) // MS, word))

    def on_open(self) -> None:
        self._hear("open")

    def on_frame(self, data: bytes, ts_ns: int, more: bool = False) -> None:
        assert ts_ns == self.calendar.now_ns
        self.frames.append(data)

    def on_alive(self) -> None:
        self._hear("alive")

    def on_refused(self, status: int, retry_after: str) -> None:
        self._hear("refused")

    def on_down(self) -> None:
        self._hear("down")


def exchange_in(calendar: Calendar) -> Exchange:
    """Return the calm exchange, started."""
    loaded = load_profile("market-making", environ={})
    exchange = Exchange(calendar, venue_of(loaded.profile), Latency(), Noise(1))
    exchange.start()
    return exchange


def run_until(calendar: Calendar, ts_ns: int) -> None:
    """Turn a calendar up to a time, and be there."""
    while calendar.next_ns() <= ts_ns:
        calendar.turn()
    calendar.now_ns = ts_ns


def test_a_calendar_keeps_order_of_time_then_of_asking() -> None:
    """Earlier comes first; at one time, what was asked for first."""
    calendar, seen = Calendar(0), []
    for ts_ns, word in ((5, "c"), (3, "a"), (5, "d"), (3, "b")):
        calendar.at(ts_ns, seen.append, word)
    for _ in range(4):
        calendar.turn()
    assert seen == ["a", "b", "c", "d"]
    assert calendar.now_ns == 5


def test_a_wire_delays_and_never_lets_frames_overtake() -> None:
    """With a jitter of ten times the distance between frames, all come late and in order."""
    calendar, seen = Calendar(0), []
    wire = Wire(calendar, Delay(5, 100), Noise(3), lambda number: seen.append(number))
    arrivals = []
    for number in range(50):
        calendar.at(number * 10, wire.send, number)
    while len(seen) < 50:
        calendar.turn()
        if len(arrivals) < len(seen):
            arrivals.append(calendar.now_ns)
    assert seen == list(range(50))
    assert all(arrival >= 10 * number + 5 for number, arrival in enumerate(arrivals))


def test_a_socket_opens_after_a_round_trip_and_brings_the_stream() -> None:
    """Nothing is heard before the handshake came back; then frames and pongs."""
    calendar = Calendar(START_NS)
    exchange, user = exchange_in(calendar), Listener(calendar)
    socket = Socket(exchange, "/ws/btcusdt@bookTicker", Delay(3 * MS), user, lambda _: 0.1)
    socket.connect()
    assert not socket.send(b"{}")
    run_until(calendar, START_NS + 20_000 * MS)
    assert user.heard[:3] == [(6, "open"), (1012, "alive"), (2012, "alive")]
    assert user.frames and all(b'"u":' in frame for frame in user.frames)


def test_a_dropped_socket_loses_what_travels_and_opens_again() -> None:
    """After a drop nothing of the old connection arrives; the back-off leads to a new one."""
    calendar = Calendar(START_NS)
    exchange, user = exchange_in(calendar), Listener(calendar)
    waits: list[int] = []

    def backoff_s(attempt: int) -> float:
        waits.append(attempt)
        return 0.1

    socket = Socket(exchange, "/ws/btcusdt@trade", Delay(3 * MS), user, backoff_s)
    socket.connect()
    run_until(calendar, START_NS + 10 * MS)
    assert socket.send(b'{"method":"LIST_SUBSCRIPTIONS","id":1}')
    run_until(calendar, START_NS + 14 * MS)
    socket.drop("cut")
    assert not socket.send(b"{}")
    run_until(calendar, START_NS + 200 * MS)
    assert user.heard == [(6, "open"), (14, "down"), (120, "open")]
    assert user.frames == [] and waits == [1]
    run_until(calendar, START_NS + 40_000 * MS)
    socket.drop("cut after it stood for long")
    assert waits == [1, 0]


def test_a_handshake_without_answer_is_given_up_as_the_real_link_does() -> None:
    """Dead before it was answered, or held back for longer: after five seconds it begins anew."""
    calendar = Calendar(START_NS)
    exchange, user, weather = exchange_in(calendar), Listener(calendar), Weather()
    path, delay = "/ws/btcusdt@trade", Delay(3 * MS)
    socket = Socket(exchange, path, delay, user, lambda _: 0.1, weather=weather)
    socket.connect()
    run_until(calendar, START_NS + 4 * MS)
    socket.half_open = True
    run_until(calendar, START_NS + 5_000 * MS)
    assert user.heard == []
    run_until(calendar, START_NS + 5_110 * MS)
    assert user.heard == [(5106, "open")]
    socket.drop("cut")
    weather.held_ns = [START_NS + 9_000 * MS, START_NS + 10_300 * MS]
    run_until(calendar, START_NS + 10_320 * MS)
    assert user.heard[1:] == [(5110, "down"), (10316, "open")], "the late answer opens nothing"
    assert socket.send(b'{"method":"LIST_SUBSCRIPTIONS","id":1}')


def test_a_rest_answer_takes_a_round_trip() -> None:
    """Status and body come back after the way there and the way back."""
    calendar = Calendar(START_NS)
    exchange, seen = exchange_in(calendar), []
    Rest(exchange).get(
        "/api/v3/time", lambda *answer: seen.append((calendar.now_ns - START_NS, *answer))
    )
    run_until(calendar, START_NS + 10 * MS)
    ((took_ns, status, body, retry_after_s),) = seen
    assert (took_ns, status, retry_after_s) == (4 * MS, 200, 0)
    assert body == b'{"serverTime":%d}' % ((START_NS + 2 * MS) // MS)


def test_answers_of_the_venue_that_are_late_or_never_come() -> None:
    """A late answer has its time on top; one that never comes is given up after ten seconds."""
    calendar = Calendar(START_NS)
    exchange, seen = exchange_in(calendar), []
    time = {"request": "time"}
    for fault in (
        Fault("answer_late", match=time, for_ms=300),
        Fault("drop", match={"event": "answer", **time}),
        Fault("ack_lost", match=time, after=1),
        Fault("too_many_requests", match={"request": "ping"}, for_ms=2000),
    ):
        exchange.venue.arm(fault, calendar.now_ns)

    def take(status: int, _: bytes, retry_after_s: int) -> None:
        seen.append(((calendar.now_ns - START_NS) // MS, status, retry_after_s))

    rest = Rest(exchange)
    for path in ("time", "time", "time", "ping"):
        rest.get(f"/api/v3/{path}", take)
    run_until(calendar, START_NS + 20_000 * MS)
    assert sorted(seen) == [(4, 0, 0), (4, 429, 2), (304, 200, 0), (10_002, 0, 0)]


def test_connections_that_the_venue_breaks() -> None:
    """In a storm each ends with its handshake; a black hole is noticed by silent pings."""
    calendar = Calendar(START_NS)
    exchange, user = exchange_in(calendar), Listener(calendar)
    exchange.venue.arm(Fault("reconnect_storm", for_ms=400), calendar.now_ns)
    socket = Socket(exchange, "/ws/btcusdt@depth@100ms", Delay(3 * MS), user, lambda _: 0.1)
    socket.connect()
    run_until(calendar, START_NS + 500 * MS)
    words = [word for _, word in user.heard]
    assert words == ["open", "down"] * (len(words) // 2) + ["open"] * (len(words) % 2)
    assert words.count("down") > 2
    run_until(calendar, START_NS + 5000 * MS)
    assert user.frames
    exchange.venue.arm(Fault("black_hole", match={"event": "depthUpdate"}), calendar.now_ns)
    user.heard.clear()
    run_until(calendar, START_NS + 15_000 * MS)
    assert [word for _, word in user.heard if word != "alive"] == ["down", "open"]
