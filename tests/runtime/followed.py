"""Exchanges in this process for tests of those who follow them, and what a client sees of each."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp

from hftd.runtime.exchange_live import build_live
from hftd.runtime.exchange_markets import ExchangeWish, build_venue
from hftd.runtime.exchange_roads import Beside, Roads
from hftd.runtime.exchange_server import ExchangeServer
from hftd.simex.late_venue import LateVenue
from tests.bench.oracle import Side, Touch

WITHIN_S = 20.0
PACE = 20


def fast_clock(pace: int) -> Callable[[], int]:
    """Return a clock that runs several times as fast as the real one."""
    wall_ns, started_ns = time.time_ns(), time.monotonic_ns()
    return lambda: wall_ns + (time.monotonic_ns() - started_ns) * pace


class Served:
    """A running exchange."""

    def __init__(self, venue: LateVenue, server: ExchangeServer) -> None:
        self.venue = venue
        self.server = server

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server.port}"


@asynccontextmanager
async def serving(
    venue: LateVenue, pace: int = 1, port: int = 0, beside: Beside | None = None
) -> AsyncIterator[Served]:
    """Serve a venue on a free port; it is gone afterwards."""
    server, ready = ExchangeServer(venue, None, fast_clock(pace)), asyncio.Event()
    roads = Roads(beside=beside)
    running = asyncio.create_task(server.run("127.0.0.1", port, lambda _: ready.set(), roads))
    try:
        await asyncio.wait_for(ready.wait(), WITHIN_S)
        yield Served(venue, server)
    finally:
        server.stop()
        await running


@asynccontextmanager
async def agents(pace: int = PACE, port: int = 0, seed: int = 7) -> AsyncIterator[Served]:
    """Serve a busy market at a fast pace."""
    async with serving(build_venue(ExchangeWish(preset="busy", seed=seed)), pace, port) as served:
        yield served


@asynccontextmanager
async def following(url: str, **wish: object) -> AsyncIterator[Served]:
    """Serve a market that follows another exchange, and is open."""
    asked = ExchangeWish(market=f"live:{url}", **wish)  # type: ignore[arg-type]
    # The listing is asked for as at a start: in a thread, as the other server is in this one.
    venue, beside = await asyncio.to_thread(build_live, asked, url)
    async with serving(venue, beside=beside) as served:
        await until(lambda: venue.exchange.listings["BTCUSDT"].market.best() is not None)
        yield served


class Watcher:
    """A client of the streams: the touch after each depth event, by its update id."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.touches: dict[int, Touch] = {}
        self.trades: list[int] = []
        self._changed = asyncio.Event()

    async def watch(self) -> None:
        """Watch until canceled, by the documented rule."""
        ws = self._url.replace("http", "ws")
        async with aiohttp.ClientSession() as session:
            streams = "btcusdt@depth@100ms/btcusdt@trade"
            socket = await session.ws_connect(f"{ws}/stream?streams={streams}")
            async with session.get(f"{self._url}/api/v3/depth?symbol=BTCUSDT&limit=5000") as reply:
                snapshot = await reply.json()
            sides = {"b": Side(snapshot["bids"]), "a": Side(snapshot["asks"])}
            reached = snapshot["lastUpdateId"]
            while True:
                data = json.loads(await socket.receive_str())["data"]
                if data["e"] == "trade":
                    self.trades.append(data["t"])
                elif data["u"] > reached:
                    assert data["U"] <= reached + 1, f"gap after {reached}: {data['U']}"
                    reached = data["u"]
                    for key, side in sides.items():
                        for price, quantity in data[key]:
                            side.put(*(int(text.replace(".", "")) for text in (price, quantity)))
                    self.touches[reached] = (*sides["b"].at(-1), *sides["a"].at(0))
                self._changed.set()

    async def saw(self, events: int) -> None:
        """Wait until so many depth events were seen."""
        async with asyncio.timeout(WITHIN_S):
            while len(self.touches) < events:
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def watching(url: str) -> AsyncIterator[Watcher]:
    """Watch an exchange in the background."""
    watcher = Watcher(url)
    task = asyncio.create_task(watcher.watch())
    try:
        yield watcher
    finally:
        if task.done() and not task.cancelled():
            task.result()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(WITHIN_S):
        while not condition():
            await asyncio.sleep(0.01)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run a scenario."""

    async def whole() -> None:
        await scenario()

    asyncio.run(whole())
