"""A deep book that changes all the time, a hundred clients that follow it, and how old frames are.

``python -m tests.bench.exchange_crowd serve LEVELS CHANGES`` serves a book of ``LEVELS`` a side
in which ``CHANGES`` levels change every 100 ms, a tenth of them at the touch.
``... floor BYTES`` serves frames of that size every 100 ms from a bare picows server: the floor.
``... follow URL CLIENTS SECONDS`` connects to either, takes every frame, and prints one JSON line.

The age of a frame is the wall clock when a client has it whole, less the event time in it: the
100 ms boundary on which the exchange cut the event. Both clocks are of the one host. So the age
holds the timer's lateness, rendering, the queue of the 99 others, and the client's own loop,
which is one process for all hundred.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import uvloop
from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    ws_connect,
    ws_create_server,
)

from hftd.runtime.exchange_markets import ExchangeWish, build_venue
from hftd.runtime.exchange_server import ExchangeServer, venue_clock
from hftd.simex.flow_noise import Noise
from hftd.simex.late_venue import LateVenue
from hftd.simex.limits import Limits
from hftd.simex.market import BookView, State, SymbolSpec
from hftd.simex.matching import MatchingMarket
from hftd.simex.requests import Cancel, Place, Report, Side

SPEC = SymbolSpec("BTCUSDT", "BTC", "USDT", "0.01", "0.00001")
MID_TICKS = 6_000_000
CUT_S = 0.1
BEAT_NS = 100_000_000
STREAMS = "btcusdt@depth@100ms"
TOUCH_SHARE, TOUCH_LEVELS = 10, 5
WARM_UP_S = 3.0


class Deep:
    """An agent with one order on each of many levels, which it replaces at random."""

    account = -5

    def __init__(self, levels: int, changes: int) -> None:
        self._levels, self._changes = levels, changes
        self._noise = Noise(11)
        self._next_ns = 0
        self._orders: dict[tuple[Side, int], int] = {}

    def start(self, ts_ns: int) -> None:
        """Begin at once."""
        self._next_ns = ts_ns

    def next_ns(self) -> int:
        """Return the next beat, half a cut away from the cuts."""
        return self._next_ns

    def act(self, ts_ns: int, book: BookView) -> Sequence[Place | Cancel]:
        """Build the book, then change some levels of it."""
        self._next_ns = (ts_ns // BEAT_NS + 1) * BEAT_NS + BEAT_NS // 2
        if not self._orders:
            places = [(side, away) for side in Side for away in range(1, self._levels + 1)]
            return [self._place(side, away, book) for side, away in places]
        wishes: list[Place | Cancel] = []
        for number in range(self._changes):
            deep = number % TOUCH_SHARE != 0
            away = 1 + self._noise.below(self._levels if deep else TOUCH_LEVELS)
            side = Side.BUY if self._noise.below(2) else Side.SELL
            wishes.append(Cancel(self._orders[side, away]))
            wishes.append(self._place(side, away, book))
        return wishes

    def _place(self, side: Side, away: int, book: BookView) -> Place:
        number = self._orders[side, away] = book.next_order_id()
        price_ticks = MID_TICKS - away if side is Side.BUY else MID_TICKS + away
        return Place(number, self.account, side, price_ticks, 1_000 + self._noise.below(99_000))

    def observe(self, report: Report) -> None:
        """Nobody trades here."""

    def dump(self) -> State:
        """Return nothing: this market is not kept."""
        return {}

    def load(self, state: State, shift_ns: int) -> None:
        """Take nothing back."""


async def serve(levels: int, changes: int) -> None:
    """Serve the deep book until SIGTERM."""
    wish = ExchangeWish(limits=Limits(weight_per_minute=10**9, raw_requests_per_5min=10**9))
    config = build_venue(wish).config
    venue = LateVenue(config, lambda: [MatchingMarket(SPEC, [Deep(levels, changes)])])
    server = ExchangeServer(venue, None, venue_clock())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.stop)
    await server.run("127.0.0.1", 0, _listening)


def _listening(port: int) -> None:
    print(f"listens on ws://127.0.0.1:{port}", flush=True)


class Everyone(WSListener):
    """One connection of the floor: it is only kept."""

    all: list[WSTransport] = []  # noqa: RUF012 - one list for the process.

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Keep the connection."""
        self.all.append(transport)


async def floor(size: int) -> None:
    """Send frames of a size to all, on the 100 ms boundaries of the wall clock."""

    def factory(request: WSUpgradeRequest) -> WSListener:
        return Everyone()

    server = await ws_create_server(factory, "127.0.0.1", 0)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    _listening(server.sockets[0].getsockname()[1])
    while not stop.is_set():
        now_s = time.time()
        due_s = (now_s // CUT_S + 1) * CUT_S
        await asyncio.sleep(due_s - now_s)
        frame = b'{"e":"depthUpdate","E":%d,"x":"' % round(due_s * 1000)
        frame += b"x" * (size - len(frame) - 2) + b'"}'
        for transport in Everyone.all:
            transport.send(WSMsgType.TEXT, frame)


class Follower(WSListener):
    """Notes the age of every frame."""

    def __init__(self, ages: list[float]) -> None:
        self._ages = ages
        self.frames = self.bytes = self.lost = 0
        self._reached = 0

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take a frame; update ids must follow each other."""
        if frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
            return
        payload = frame.get_payload_as_bytes()
        at = payload.find(b'"E":') + 4
        self._ages.append(time.time() * 1000 - int(payload[at : payload.index(b",", at)]))
        self.frames += 1
        self.bytes += len(payload)
        first = payload.find(b'"U":')
        if first >= 0:
            last = payload.index(b'"u":', first)
            begins = int(payload[first + 4 : payload.index(b",", first)])
            self.lost += self._reached not in (0, begins - 1)
            self._reached = int(payload[last + 4 : payload.index(b",", last)])


async def follow(url: str, clients: int, seconds: float) -> None:
    """Follow with many connections; print what was measured."""
    ages: list[float] = []
    target = f"{url.replace('http://', 'ws://')}/ws/{STREAMS}"
    followers = [Follower(ages) for _ in range(clients)]
    for follower in followers:
        await ws_connect(partial(_itself, follower), target)
    await asyncio.sleep(WARM_UP_S)
    before = [each.frames for each in followers]
    ages.clear()
    await asyncio.sleep(seconds)
    frames = [each.frames - was for each, was in zip(followers, before, strict=True)]
    print(json.dumps(_row(followers, sorted(ages), frames, seconds)), flush=True)


def _itself(follower: Follower) -> Follower:
    return follower


def _row(
    followers: list[Follower], ordered: list[float], frames: list[int], seconds: float
) -> dict[str, Any]:
    total = sum(each.bytes for each in followers) / sum(each.frames for each in followers)
    marks = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
    ages = {
        name: round(ordered[int(share * (len(ordered) - 1))], 1) for name, share in marks.items()
    }
    return {
        "clients": len(followers),
        "seconds": seconds,
        "frames": sum(frames),
        "frames_least_and_most": [min(frames), max(frames)],
        "gaps": sum(each.lost for each in followers),
        "bytes_a_frame": round(total),
        "age_ms": {**ages, "max": round(ordered[-1], 1)},
        "cpu_s": round(time.process_time(), 2),
    }


def main() -> None:
    """Serve, or follow."""
    verb, *words = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if verb == "serve":
            runner.run(serve(int(words[0]), int(words[1])))
        elif verb == "floor":
            runner.run(floor(int(words[0])))
        else:
            runner.run(follow(words[0], int(words[1]), float(words[2])))


if __name__ == "__main__":
    main()
