"""binance-connector 3.13 against an exchange, unmodified: the book, or an order's whole life.

python -m tests.bench.client_connector book URL EVENTS FILE | trade URL KEY SECRET
"""

from __future__ import annotations

import json
import queue
import sys
from pathlib import Path
from typing import Any

from binance.error import ClientError
from binance.spot import Spot
from binance.websocket.spot.websocket_api import SpotWebsocketAPIClient
from binance.websocket.spot.websocket_stream import SpotWebsocketStreamClient

from tests.bench.client_book import LocalBook, Notes

WITHIN_S = 20
SYMBOL = "BTCUSDT"
BID = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}


def book(url: str, events: int, file: Path) -> None:
    """Follow the book over some events."""
    frames: queue.Queue[str] = queue.Queue()
    stream = SpotWebsocketStreamClient(
        stream_url=url.replace("http", "ws", 1), on_message=lambda _, text: frames.put(text)
    )
    stream.diff_book_depth(symbol=SYMBOL, speed=100)
    with Notes(file) as notes:
        local = LocalBook(url, notes)
        while notes.count < events:
            event = json.loads(frames.get(timeout=WITHIN_S))
            if event.get("e") == "depthUpdate":
                local.take(event)
    stream.stop()
    print(f"binance-connector: {notes.count} events", flush=True)


def by_rest(client: Spot) -> None:
    """Load instruments, place, query, cancel, fill; read fills and balances; be refused."""
    assert [each["symbol"] for each in client.exchange_info()["symbols"]] == [SYMBOL]
    assert client.depth(SYMBOL)["bids"]
    placed = client.new_order(**BID, quantity=0.01, price=50000)
    assert client.get_order(SYMBOL, orderId=placed["orderId"])["status"] == "NEW"
    assert [each["orderId"] for each in client.get_open_orders(SYMBOL)] == [placed["orderId"]]
    assert _balance(client, "USDT")["locked"] == "500.00000000"
    canceled = client.cancel_order(SYMBOL, orderId=placed["orderId"])
    assert canceled["status"] == "CANCELED"
    market = {"symbol": SYMBOL, "side": "BUY", "type": "MARKET", "quantity": 0.01}
    assert client.new_order(**market)["status"] == "FILLED"
    assert sum(float(each["qty"]) for each in client.my_trades(SYMBOL)) == 0.01
    assert _balance(client, "BTC")["free"] == "1.00999500"
    refused = None
    try:
        client.new_order(**BID, quantity=100, price=50000)
    except ClientError as error:
        refused = (error.status_code, error.error_code)
    assert refused == (400, -2010)


def _balance(client: Spot, asset: str) -> Any:
    return next(each for each in client.account()["balances"] if each["asset"] == asset)


def by_sockets(url: str, key: str, secret: str) -> None:
    """Place, query and cancel over the WS API, with JSON numbers as this client sends them."""
    replies: queue.Queue[Any] = queue.Queue()
    api = SpotWebsocketAPIClient(
        stream_url=url.replace("http", "ws", 1) + "/ws-api/v3",
        api_key=key,
        api_secret=secret,
        on_message=lambda _, text: replies.put(json.loads(text)),
    )
    api.exchange_info(symbol=SYMBOL)
    assert replies.get(timeout=WITHIN_S)["result"]["symbols"][0]["symbol"] == SYMBOL
    api.new_order(**BID, quantity=0.01, price=50000)
    placed = replies.get(timeout=WITHIN_S)["result"]
    assert placed["status"] == "NEW"
    api.get_order(symbol=SYMBOL, orderId=placed["orderId"])
    assert replies.get(timeout=WITHIN_S)["result"]["status"] == "NEW"
    api.cancel_order(symbol=SYMBOL, orderId=placed["orderId"])
    assert replies.get(timeout=WITHIN_S)["result"]["status"] == "CANCELED"
    api.stop()


def trade(url: str, key: str, secret: str) -> None:
    """Trade by REST and by the WS API, and hear of it by listen key, the retired way."""
    client = Spot(key, secret, base_url=url)
    events: queue.Queue[Any] = queue.Queue()
    stream = SpotWebsocketStreamClient(
        stream_url=url.replace("http", "ws", 1),
        on_message=lambda _, text: events.put(json.loads(text)),
    )
    stream.user_data(listen_key=client.new_listen_key()["listenKey"])
    assert events.get(timeout=WITHIN_S)["result"] is None
    by_rest(client)
    heard: list[str] = []
    while "TRADE" not in heard or heard[-1] != "outboundAccountPosition":
        event = events.get(timeout=WITHIN_S)
        heard.append(event.get("x", event["e"]))
    reports = [each for each in heard if each != "outboundAccountPosition"]
    assert reports[:4] == ["NEW", "CANCELED", "NEW", "TRADE"], heard
    by_sockets(url, key, secret)
    stream.stop()
    print("binance-connector: placed, queried, canceled and filled by REST and by the WS API")


if __name__ == "__main__":
    if sys.argv[1] == "book":
        book(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
    else:
        trade(*sys.argv[2:5])
