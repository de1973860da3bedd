"""cryptofeed 2.4 against an exchange over TLS, unmodified but for its addresses: its book.

python -m tests.bench.client_cryptofeed book URL EVENTS FILE

It insists on ``wss://``; SSL_CERT_FILE names the certificate to trust. It asks for no key here:
version 2.4 hears of a user's orders by listen key alone, and places none on Binance over sockets.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

from cryptofeed import FeedHandler
from cryptofeed.connection import RestEndpoint, Routes, WebsocketEndpoint
from cryptofeed.defines import L2_BOOK, TRADES
from cryptofeed.exchanges import Binance

from tests.bench.client_book import Notes

SYMBOL = "BTC-USDT"


def book(url: str, events: int, file: Path) -> None:
    """Load instruments, follow the book over some events, hear of trades beside it."""
    Binance.websocket_endpoints = [WebsocketEndpoint(url.replace("https", "wss", 1))]
    routes = Routes(
        "/api/v3/exchangeInfo",
        l2book="/api/v3/depth?symbol={}&limit={}",
        authentication="/api/v3/userDataStream",
    )
    Binance.rest_endpoints = [RestEndpoint(url, routes=routes)]
    handler, trades = FeedHandler(config={"log": {"disabled": True}}), 0
    with Notes(file) as notes:

        async def take_book(update: Any, received_s: float) -> None:
            sides = (update.book.bids.to_dict(), update.book.asks.to_dict())
            notes.note(update.sequence_number, *(side.items() for side in sides))
            if notes.count >= events:
                signal.raise_signal(signal.SIGTERM)  # As a user ends it.

        async def take_trade(trade: Any, received_s: float) -> None:
            nonlocal trades
            trades += 1

        handler.add_feed(
            Binance(
                symbols=[SYMBOL],
                channels=[L2_BOOK, TRADES],
                callbacks={L2_BOOK: take_book, TRADES: take_trade},
            )
        )
        handler.run()
        assert notes.count >= events, f"it stopped at {notes.count} events"
    assert trades, "no trade was heard"
    print(f"cryptofeed: {notes.count} events, {trades} trades", flush=True)


if __name__ == "__main__":
    book(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
