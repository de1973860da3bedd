"""A bare ccxt.pro loop that quotes by our rule: watch, and cancel-replace both sides on a move.

``python -m tests.bench.peer_ccxt PORT touch|depth``. It watches the touch (``watch_bids_asks``) or
the book (``watch_order_book``), and quotes as the daemon's profile does: both sides at the
touch while the spread is over 5 bps. It has no risk gate, journal or ledger. ccxt's
own throttle, 50 ms between two requests, is off: it would be all that is seen.
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


async def _touch(client: Any, stream: str) -> tuple[float, float]:
    if stream == "touch":
        ticker = (await client.watch_bids_asks([SYMBOL]))[SYMBOL]
        return ticker["bid"], ticker["ask"]
    book = await client.watch_order_book(SYMBOL)
    return book["bids"][0][0], book["asks"][0][0]


async def main(port: int, stream: str) -> None:
    """Trade until the end."""
    wish = {"apiKey": "key", "secret": "secret", "options": OPTIONS}
    client = ccxt.pro.binance({**wish, "enableRateLimit": False})
    point_at(client, f"http://127.0.0.1:{port}/ccxt")
    await client.load_markets()
    quoter = Quoter(client)
    while True:
        await quoter.on_touch(*await _touch(client, stream))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
