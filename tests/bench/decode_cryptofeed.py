"""cryptofeed's way from a depth message to its book: its own handler, no socket."""

from __future__ import annotations

import asyncio
import contextlib
from decimal import Decimal

from cryptofeed.defines import L2_BOOK
from cryptofeed.exchanges import Binance
from cryptofeed.symbols import Symbol, Symbols
from cryptofeed.types import OrderBook

from tests.bench.decode_frames import SYMBOL, Touch, imbalance, snapshot, take_part


async def main() -> None:
    """Build the feed without a network and take part."""
    symbol = Symbol("BTC", "USDT")
    Symbols.set(Binance.id, {symbol.normalized: SYMBOL}, {"instrument_type": {}})
    feed = Binance(symbols=[symbol.normalized], channels=[L2_BOOK], callbacks={})
    first = snapshot()
    name = symbol.normalized
    feed._l2_book[name] = OrderBook(
        feed.id,
        name,
        bids={Decimal(price): Decimal(qty) for price, qty in first["bids"]},
        asks={Decimal(price): Decimal(qty) for price, qty in first["asks"]},
    )
    feed.last_update_id[name] = first["lastUpdateId"]
    book = feed._l2_book[name].book

    def apply(frame: str) -> Touch:
        with contextlib.suppress(StopIteration):  # It awaits nothing: one turn is all.
            feed.message_handler(frame, None, 0.0).send(None)
        sides = [book.bids, book.asks]
        sizes = [[float(side.index(at)[1]) for at in range(5)] for side in sides]
        best = [side.index(0)[0] for side in sides]
        return Touch(best[0], best[1], imbalance(*sizes))

    take_part(apply)


if __name__ == "__main__":
    asyncio.run(main())
