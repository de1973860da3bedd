"""ccxt.pro's way from a depth message to its book: its own client and handler, no socket."""

from __future__ import annotations

import asyncio

import ccxt.pro as ccxtpro

from tests.bench.decode_frames import SYMBOL, Touch, imbalance, snapshot, take_part


async def main() -> None:
    """Build the exchange object without a network and take part."""
    exchange = ccxtpro.binance({"options": {"defaultType": "spot"}})
    exchange.set_markets([MARKET])
    url = exchange.urls["api"]["ws"]["spot"] + "/0"
    client = exchange.client(url)
    book = exchange.order_book({})
    exchange.orderbooks["BTC/USDT"] = book
    first = snapshot()
    book.reset(
        {
            "bids": [[float(price), float(qty)] for price, qty in first["bids"]],
            "asks": [[float(price), float(qty)] for price, qty in first["asks"]],
            "nonce": first["lastUpdateId"],
        }
    )

    def apply(frame: str) -> Touch:
        # It listens to a raw stream: the same data without the words around it.
        client.handle_text_or_binary_message(frame[frame.index("{", 1) : -1])
        bids, asks = book["bids"], book["asks"]
        sizes = [[level[1] for level in side[:5]] for side in (bids, asks)]
        return Touch(bids[0][0], asks[0][0], imbalance(*sizes))

    take_part(apply)
    await exchange.close()


MARKET = {
    "id": SYMBOL, "lowercaseId": SYMBOL.lower(), "symbol": "BTC/USDT", "base": "BTC",
    "quote": "USDT", "baseId": "BTC", "quoteId": "USDT", "type": "spot", "spot": True,
    "swap": False, "future": False, "option": False, "contract": False, "active": True,
    "precision": {"price": 0.01, "amount": 0.00001}, "limits": {},
}  # fmt: skip

if __name__ == "__main__":
    asyncio.run(main())
