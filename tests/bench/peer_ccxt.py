"""A bare ccxt.pro loop that quotes by our rule: watch, and cancel-replace both sides on a move.

``python -m tests.bench.peer_ccxt PORT touch|depth``. It watches the touch (``watch_bids_asks``) or
the book (``watch_order_book``), and quotes as the daemon's profile does: both sides at the
touch while the spread is over 5 bps. It has no risk gate, journal or ledger. ccxt's
own throttle, 50 ms between two requests, is off: it would be all that is seen.

It watches in a task of its own: ``watch_…`` returns what comes after it was called, so a loop that
watches and orders by turns does not hear of a move that comes while its orders are on their way,
and stays on the old price until the next one.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import ccxt.pro

from tests.bench.client_ccxt import OPTIONS, SYMBOL, point_at

MIN_SPREAD_BPS = 5.0
QTY = 0.01


class Quoter:
    """Both quotes, moved together."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._ids: list[str] = []
        self._prices = (0.0, 0.0)

    async def on_touch(self, bid: float, ask: float) -> None:
        """Quote at the touch, or leave the quotes where they are."""
        if (bid, ask) == self._prices or (ask - bid) / (ask + bid) * 20_000 <= MIN_SPREAD_BPS:
            return
        self._prices = (bid, ask)
        client, sides = self._client, (("buy", bid), ("sell", ask))
        if self._ids:
            moves = [
                client.edit_order_ws(order_id, SYMBOL, "limit", side, QTY, price)
                for order_id, (side, price) in zip(self._ids, sides, strict=True)
            ]
        else:
            moves = [
                client.create_order_ws(SYMBOL, "limit", side, QTY, price, {"postOnly": True})
                for side, price in sides
            ]
        self._ids = [order["id"] for order in await asyncio.gather(*moves)]


class Newest:
    """The newest touch, for whoever waits for a newer one."""

    def __init__(self) -> None:
        self._touch = (0.0, 0.0)
        self._is_new = asyncio.Event()

    async def watch(self, client: Any, stream: str) -> None:
        """Follow the market until the end."""
        while True:
            if stream == "touch":
                ticker = (await client.watch_bids_asks([SYMBOL]))[SYMBOL]
                self._touch = ticker["bid"], ticker["ask"]
            else:
                book = await client.watch_order_book(SYMBOL)
                self._touch = book["bids"][0][0], book["asks"][0][0]
            self._is_new.set()

    async def next(self) -> tuple[float, float]:
        """Return the newest touch that was not returned yet."""
        await self._is_new.wait()
        self._is_new.clear()
        return self._touch


async def main(port: int, stream: str) -> None:
    """Trade until the end."""
    wish = {"apiKey": "key", "secret": "secret", "options": OPTIONS}
    client = ccxt.pro.binance({**wish, "enableRateLimit": False})
    point_at(client, f"http://127.0.0.1:{port}/ccxt")
    await client.load_markets()
    quoter, newest = Quoter(client), Newest()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(newest.watch(client, stream))
        while True:
            await quoter.on_touch(*await newest.next())


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
