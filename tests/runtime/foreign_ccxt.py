"""ccxt.pro against the simulated exchange: unmodified but for its addresses.

What is compared is whole books: the one that ccxt keeps, after each event it took, against one
that is kept here from the same stream by the documented rule.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import urlparse

import aiohttp
import ccxt.pro

from hftd.runtime.exchange_markets import (
    DEFAULT_KEY,
    DEFAULT_SECRET,
    ExchangeWish,
    build_venue,
)
from hftd.runtime.exchange_server import ExchangeServer

Book = tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]
ZERO = Decimal(0)


class Watching(ccxt.pro.binance):  # type: ignore[misc]
    """Notes the book after each event, and changes nothing."""

    def handle_order_book(self, client: Any, message: Any) -> None:
        """Let ccxt take the event, then look at its book."""
        super().handle_order_book(client, message)
        book = self.orderbooks.get("BTC/USDT")
        if book is not None and book.get("nonce") is not None:
            self.seen[book["nonce"]] = (_levels(book["bids"]), _levels(book["asks"]))


def _levels(side: Any) -> dict[Decimal, Decimal]:
    return {Decimal(str(price)): Decimal(str(quantity)) for price, quantity, *_ in side}


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    """Run ccxt against an exchange; everything it opened is closed afterwards."""
    ws_url = url.replace("http", "ws")
    options = {
        "defaultType": "spot",
        "fetchMarkets": {"types": ["spot"]},
        "fetchMargins": False,
        "fetchCurrencies": False,
    }
    client = Watching({"apiKey": DEFAULT_KEY, "secret": DEFAULT_SECRET, "options": options})
    client.seen = {}
    addresses = client.urls["api"]
    for name, value in list(addresses.items()):
        if isinstance(value, str):
            addresses[name] = url + urlparse(value).path
    for name, value in list(addresses["ws"].items()):
        if isinstance(value, str):
            addresses["ws"][name] = ws_url + "/ws"
    addresses["ws"]["ws-api"] = {
        "spot": ws_url + "/ws-api/v3",
        "linear": ws_url + "/x",
        "inverse": ws_url + "/x",
    }
    try:
        yield client
    finally:
        await client.close()


def fast_clock(pace: int) -> Callable[[], int]:
    """Return a clock that runs several times as fast as the real one."""
    wall_ns, started_ns = time.time_ns(), time.monotonic_ns()
    return lambda: wall_ns + (time.monotonic_ns() - started_ns) * pace


@asynccontextmanager
async def served(pace: int) -> AsyncIterator[str]:
    """Serve the busy agents market from this very loop, and yield its address."""
    server = ExchangeServer(build_venue(ExchangeWish()), None, fast_clock(pace))
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(server.run("127.0.0.1", 0, port.set_result))
    try:
        yield f"http://127.0.0.1:{await port}"
    finally:
        server.stop()
        await running


async def follow(url: str, events: int, within_s: float) -> tuple[dict[int, Book], dict[int, Book]]:
    """Return the books of ccxt and the books by the rule, each by update id."""
    truth: dict[int, Book] = {}
    ws_url = url.replace("http", "ws")
    async with connected(url) as client, aiohttp.ClientSession() as session:
        stream = await session.ws_connect(f"{ws_url}/ws/btcusdt@depth@100ms")
        async with session.get(f"{url}/api/v3/depth?symbol=BTCUSDT&limit=5000") as reply:
            snapshot = await reply.json()
        keeping = asyncio.create_task(_keep(stream, snapshot, truth))
        watching = asyncio.create_task(_watch(client))
        async with asyncio.timeout(within_s):
            while len(client.seen) < events:
                await asyncio.wait([watching, keeping], timeout=0.05)
                for task in (watching, keeping):
                    if task.done():
                        task.result()
            last = max(client.seen)
            while max(truth, default=0) < last:
                await asyncio.wait([keeping], timeout=0.05)
        for task in (watching, keeping):
            task.cancel()
        await asyncio.gather(watching, keeping, return_exceptions=True)
        seen = dict(client.seen)
        await stream.close()
    return seen, truth


async def _watch(client: Any) -> None:
    while True:
        await client.watch_order_book("BTC/USDT")


async def _keep(
    stream: aiohttp.ClientWebSocketResponse, snapshot: Any, truth: dict[int, Book]
) -> None:
    bids = {Decimal(price): Decimal(quantity) for price, quantity in snapshot["bids"]}
    asks = {Decimal(price): Decimal(quantity) for price, quantity in snapshot["asks"]}
    reached = snapshot["lastUpdateId"]
    truth[reached] = (dict(bids), dict(asks))
    while True:
        event = json.loads(await stream.receive_str())
        if event["u"] <= reached:
            continue
        assert event["U"] <= reached + 1
        for side, changes in ((bids, event["b"]), (asks, event["a"])):
            for price, quantity in changes:
                side[Decimal(price)] = Decimal(quantity)
                if Decimal(quantity) == ZERO:
                    del side[Decimal(price)]
        reached = event["u"]
        truth[reached] = (dict(bids), dict(asks))
