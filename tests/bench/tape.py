"""Both recorded files at speed 50, over real sockets, to a client that sees the streams alone.

    scripts/bench tape [--speed 50] [FILE ...]

The exchange's clock stands still until the client is connected, so that it hears every event.
Exit 1 where the client's book differs from the recorded bookTicker at more than the two events
that were cut inside a burst, for whose ids no bookTicker was ever sent.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp

from hftd.runtime.exchange_markets import ExchangeWish, build_venue
from hftd.runtime.exchange_server import ExchangeServer
from tests.bench.oracle import STREAMS, Client, Counts, book_tickers

RECORDED = Path(__file__).parents[3] / "shared" / "data" / "binance-spot"
CUT_IN_A_BURST = 2
QUIET_S = 2.0
"""So long after the last frame the tape is taken to be at its end."""


class StandingClock:
    """Wall time that begins to pass when somebody says so."""

    def __init__(self) -> None:
        self._at_ns = time.time_ns()
        self._since_ns: int | None = None

    def __call__(self) -> int:
        """Return the time."""
        if self._since_ns is None:
            return self._at_ns
        return self._at_ns + time.monotonic_ns() - self._since_ns

    def go(self) -> None:
        """Let time pass."""
        self._since_ns = time.monotonic_ns()


async def follow(url: str, client: Client, clock: StandingClock) -> None:
    """Subscribe, take the snapshot, let time pass, and listen until nothing comes any more."""
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect(f"{url}/stream?streams={STREAMS}", max_msg_size=0)
        async with session.get(f"{url}/api/v3/depth?symbol=BTCUSDT&limit=5000") as reply:
            client.snapshot(await reply.json())
        clock.go()
        try:
            while True:
                async with asyncio.timeout(QUIET_S):
                    client.hear(await socket.receive_str())
        except TimeoutError:
            await socket.close()


async def measure(paths: list[Path], speed: str) -> tuple[Counts, float]:
    """Return the comparison's counts and how long the tape took."""
    clock, ready = StandingClock(), asyncio.Event()
    listening: Callable[[int], None] = lambda _: ready.set()  # noqa: E731 - one word of it.
    market = "tape:" + ",".join(map(str, paths))
    server = ExchangeServer(build_venue(ExchangeWish(market=market, speed=speed)), None, clock)
    running = asyncio.create_task(server.run("127.0.0.1", 0, listening))
    await ready.wait()
    client = Client(list(book_tickers(paths)))
    begun = time.monotonic()
    await follow(f"http://127.0.0.1:{server.port}", client, clock)
    took_s = time.monotonic() - begun - QUIET_S
    server.stop()
    await running
    return client.counts, took_s


def main() -> int:
    """Serve the files once and print the counts."""
    parser = argparse.ArgumentParser(prog="scripts/bench tape", description=__doc__)
    parser.add_argument("--speed", default="50")
    parser.add_argument("paths", nargs="*", type=Path, metavar="FILE")
    args = parser.parse_args()
    recorded = [RECORDED / f"btcusdt_202408{day}.gz" for day in ("08", "09")]
    paths = args.paths or recorded
    missing = [path for path in paths if not path.is_file()]
    if missing:
        print(f"scripts/bench tape: there is no {missing[0]}", file=sys.stderr)
        return 64
    counts, took_s = asyncio.run(measure(paths, args.speed))
    print(f"depth events {counts.events}, of them equal to the bookTicker {counts.agree}")
    print(f"bookTickers  {counts.tickers}, of them as recorded {counts.tickers_agree}")
    print(f"trades       {counts.trades}, without a gap")
    print(f"took         {took_s:.1f} s at speed {args.speed}")
    if counts.differ_at:
        print(f"differ at    {', '.join(map(str, counts.differ_at))}")
    right = counts.events - counts.agree <= CUT_IN_A_BURST and counts.events > 0
    return int(not right or counts.tickers != counts.tickers_agree)


if __name__ == "__main__":
    sys.exit(main())
