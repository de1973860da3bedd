"""unicorn-binance-websocket-api 2.16 against an exchange, unmodified: the book of its events.

python -m tests.bench.client_unicorn book URL EVENTS
"""

from __future__ import annotations

import json
import sys
import time

from unicorn_binance_websocket_api import BinanceWebSocketApiManager

from tests.bench.client_book import LocalBook

WITHIN_S = 20.0


def book(url: str, events: int) -> None:
    """Follow the book over some events, and hear of trades and candles beside it."""
    manager = BinanceWebSocketApiManager(
        exchange="binance.com", websocket_base_uri=url.replace("http", "ws") + "/"
    )
    manager.create_stream(["depth@100ms", "aggTrade", "kline_1m", "miniTicker"], ["btcusdt"])
    local, kinds, heard_s = LocalBook(url), dict[str, int](), time.monotonic()
    while local.events < events:
        text = manager.pop_stream_data_from_stream_buffer()
        if not text:
            assert time.monotonic() - heard_s < WITHIN_S, "the stream is silent"
            continue
        heard_s = time.monotonic()
        event = json.loads(text).get("data")
        if event is not None:
            kinds[event["e"]] = kinds.get(event["e"], 0) + 1
            if event["e"] == "depthUpdate":
                local.take(event)
    manager.stop_manager()
    assert set(kinds) == {"depthUpdate", "aggTrade", "kline", "24hrMiniTicker"}, kinds
    print(f"book: {local.events} events, compared whole at {local.compared}; {kinds}")


if __name__ == "__main__":
    book(sys.argv[2], int(sys.argv[3]))
