"""binance-connector 3.13 against an exchange, unmodified: the book, or an order's whole life.

python -m tests.bench.client_connector book URL EVENTS | trade URL KEY SECRET
"""

from __future__ import annotations

import json
import queue
import sys
from typing import Any

from binance.spot import Spot
from binance.websocket.spot.websocket_api import SpotWebsocketAPIClient
from binance.websocket.spot.websocket_stream import SpotWebsocketStreamClient

from tests.bench.client_book import LocalBook

WITHIN_S = 20
BID = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}


def book(url: str, events: int) -> None:
    """Follow the book over some events."""
    frames: queue.Queue[str] = queue.Queue()
    stream = SpotWebsocketStreamClient(
        stream_url=url.replace("http", "ws"), on_message=lambda _, text: frames.put(text)
    )
    stream.diff_book_depth(symbol="BTCUSDT", speed=100)
    local = LocalBook(url)
    while local.events < events:
        event = json.loads(frames.get(timeout=WITHIN_S))
        if event.get("e") == "depthUpdate":
            local.take(event)
    stream.stop()
    print(f"book: {local.events} events, compared whole at {local.compared}")


def trade(url: str, key: str, secret: str) -> None:
    """Place, query, cancel, fill; hear of all of it by listen key and over the WS API."""
    client = Spot(key, secret, base_url=url)
    assert [each["symbol"] for each in client.exchange_info()["symbols"]] == ["BTCUSDT"]
    events: queue.Queue[Any] = queue.Queue()
    stream = SpotWebsocketStreamClient(
        stream_url=url.replace("http", "ws"),
        on_message=lambda _, text: events.put(json.loads(text)),
    )
    listen_key = client.new_listen_key()["listenKey"]
    stream.user_data(listen_key=listen_key)
    assert events.get(timeout=WITHIN_S)["result"] is None
    placed = client.new_order(**BID, quantity=0.01, price=50000)
    assert client.get_order("BTCUSDT", orderId=placed["orderId"])["status"] == "NEW"
    canceled = client.cancel_order("BTCUSDT", orderId=placed["orderId"])
    assert canceled["status"] == "CANCELED"
    market = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": 0.01}
    assert client.new_order(**market)["status"] == "FILLED"
    assert len(client.my_trades("BTCUSDT")) >= 1
    heard: list[str] = []
    while "TRADE" not in heard:
        event = events.get(timeout=WITHIN_S)
        heard.append(event.get("x", event["e"]))
    assert [each for each in heard if each != "outboundAccountPosition"][:4] == [
        "NEW",
        "CANCELED",
        "NEW",
        "TRADE",
    ]
    replies: queue.Queue[Any] = queue.Queue()
    api = SpotWebsocketAPIClient(
        stream_url=url.replace("http", "ws") + "/ws-api/v3",
        api_key=key,
        api_secret=secret,
        on_message=lambda _, text: replies.put(json.loads(text)),
    )
    api.new_order(**BID, quantity=0.01, price=50000)
    assert replies.get(timeout=WITHIN_S)["result"]["status"] == "NEW"
    api.cancel_open_orders(symbol="BTCUSDT")
    assert replies.get(timeout=WITHIN_S)["status"] == 200
    api.stop()
    stream.stop()
    print("trade: placed, queried, canceled and filled by REST and by the WS API; heard of all")


if __name__ == "__main__":
    if sys.argv[1] == "book":
        book(sys.argv[2], int(sys.argv[3]))
    else:
        trade(*sys.argv[2:5])
