"""unicorn-binance-websocket-api 2.16 against an exchange, unmodified: its book, its orders.

python -m tests.bench.client_unicorn book URL EVENTS FILE | trade URL KEY SECRET
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unicorn_binance_websocket_api import BinanceWebSocketApiManager

from tests.bench.client_book import LocalBook, Notes

WITHIN_S = 20.0
SYMBOL = "BTCUSDT"


@contextmanager
def connected(url: str) -> Iterator[Any]:
    """Yield a manager with other addresses; its threads end with the block."""
    ws_url = url.replace("http", "ws", 1)
    manager = BinanceWebSocketApiManager(
        exchange="binance.com",
        websocket_base_uri=ws_url + "/",
        websocket_api_base_uri=ws_url + "/ws-api/v3",
        restful_base_uri=url + "/",
        warn_on_update=False,
    )
    try:
        yield manager
    finally:
        manager.stop_manager()


def next_text(manager: Any, buffer: str | None = None) -> Any:
    """Wait for what a stream received next, decoded."""
    until_s = time.monotonic() + WITHIN_S
    while time.monotonic() < until_s:
        text = manager.pop_stream_data_from_stream_buffer(buffer)
        if text:
            return json.loads(text)
        time.sleep(0.001)  # Its buffer is polled; it has no wait.
    raise TimeoutError("the stream is silent")


def book(url: str, events: int, file: Path) -> None:
    """Follow the book over some events, and hear of trades and candles beside it."""
    kinds: dict[str, int] = {}
    with Notes(file) as notes, connected(url) as manager:
        manager.create_stream(["depth@100ms", "aggTrade", "kline_1m", "miniTicker"], ["btcusdt"])
        local = LocalBook(url, notes)
        while notes.count < events:
            event = next_text(manager).get("data")
            if event is not None:
                kinds[event["e"]] = kinds.get(event["e"], 0) + 1
                if event["e"] == "depthUpdate":
                    local.take(event)
    assert set(kinds) == {"depthUpdate", "aggTrade", "kline", "24hrMiniTicker"}, kinds
    print(f"unicorn: {notes.count} events; heard {kinds}", flush=True)


class Asking:
    """Asks over the WS API and reads the replies from the stream's buffer.

    Its own ``return_response`` begins to listen only after it has sent, and waits for ever for
    a reply that was faster than that, as on loopback.
    """

    def __init__(self, manager: Any, stream: str) -> None:
        self._manager, self._stream, self._count = manager, stream, 0

    def __call__(self, method: str, **params: Any) -> Any:
        """Return the result of a request, which must not be refused."""
        self._count += 1
        ask = getattr(self._manager.api.spot, method)
        ask(stream_id=self._stream, request_id=f"request-{self._count}", **params)
        while True:
            reply = next_text(self._manager, "api")
            if reply.get("id") == f"request-{self._count}":
                assert reply["status"] == 200, (method, params, reply)
                return reply["result"]


def trade(url: str, key: str, secret: str) -> None:
    """Trade with one manager."""
    with connected(url) as manager:
        trade_with(manager, {"api_key": key, "api_secret": secret})
    print("unicorn: placed, queried, canceled and filled by the WS API; heard of all", flush=True)


def trade_with(manager: Any, keys: dict[str, str]) -> None:
    """Load instruments, place, query, cancel, fill over the WS API; hear of fills and balances."""
    user = manager.create_stream(["arr"], ["!userData"], stream_buffer_name="user", **keys)
    stream = manager.create_stream(api=True, stream_buffer_name="api", **keys)
    for each in (user, stream):
        assert manager.wait_till_stream_has_started(each, timeout=WITHIN_S)
    ask = Asking(manager, stream)
    info = ask("get_exchange_info", symbols=[SYMBOL])
    assert info["symbols"][0]["symbol"] == SYMBOL
    assert ask("get_order_book", symbol=SYMBOL, limit=5)["bids"]
    buy = {"side": "BUY", "symbol": SYMBOL, "quantity": 0.01}
    placed = ask("create_order", order_type="LIMIT", time_in_force="GTC", price=50000.0, **buy)
    assert placed["status"] == "NEW"
    named = {"symbol": SYMBOL, "order_id": placed["orderId"]}
    assert ask("get_order", **named)["status"] == "NEW"
    assert len(ask("get_open_orders", symbol=SYMBOL)) == 1
    assert ask("cancel_order", **named)["status"] == "CANCELED"
    assert ask("create_order", order_type="MARKET", **buy)["status"] == "FILLED"
    balances = ask("get_account_status")["balances"]
    assert next(each for each in balances if each["asset"] == "BTC")["free"] > "1"
    heard: list[str] = []
    while "TRADE" not in heard or heard[-1] != "outboundAccountPosition":
        event = next_text(manager, "user").get("event", {})
        heard.append(event.get("x", event.get("e", "")))
    assert {"NEW", "CANCELED", "TRADE"} <= set(heard), heard


if __name__ == "__main__":
    if sys.argv[1] == "book":
        book(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
    else:
        trade(*sys.argv[2:5])
