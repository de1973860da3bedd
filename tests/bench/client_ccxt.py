"""ccxt, REST and pro, against an exchange: unmodified but for its addresses.

python -m tests.bench.client_ccxt book URL EVENTS FILE | trade URL KEY SECRET

Needs ccxt alone. For ``book`` over many events ccxt 4.5 wants an aiohttp before 3.14: see
``clients``.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import ccxt
import ccxt.pro

from tests.bench.client_book import Notes

WITHIN_S = 20.0
SYMBOL = "BTC/USDT"
OPTIONS = {
    "defaultType": "spot",
    "fetchMarkets": {"types": ["spot"]},
    "fetchMargins": False,
    "fetchCurrencies": False,
}


class Noting(ccxt.pro.binance):  # type: ignore[misc]
    """Notes the book after each event, and changes nothing."""

    notes: Notes

    def handle_order_book(self, client: Any, message: Any) -> None:
        """Let ccxt take the event, then look at its book."""
        super().handle_order_book(client, message)
        book = self.orderbooks.get(SYMBOL)
        if book is not None and book.get("nonce") is not None:
            self.notes.note(book["nonce"], _levels(book["bids"]), _levels(book["asks"]))


def _levels(side: Any) -> list[tuple[float, float]]:
    return [(price, quantity) for price, quantity, *_ in side]


def point_at(client: Any, url: str) -> None:
    """Give a client other addresses."""
    ws_url = url.replace("http", "ws", 1)
    addresses = client.urls["api"]
    for name, value in list(addresses.items()):
        if isinstance(value, str):
            addresses[name] = url + urlparse(value).path
    sockets = addresses.get("ws")
    if sockets is None:
        return  # The REST client knows no sockets.
    for name, value in list(sockets.items()):
        if isinstance(value, str):
            sockets[name] = ws_url + "/ws"
    sockets["ws-api"] = {
        "spot": ws_url + "/ws-api/v3",
        "linear": ws_url + "/x",
        "inverse": ws_url + "/x",
    }


@asynccontextmanager
async def connected(client: Any, url: str) -> AsyncIterator[Any]:
    """Point a client at an exchange; everything it opened is closed afterwards."""
    point_at(client, url)
    try:
        yield client
    finally:
        await client.close()


async def book(url: str, events: int, file: Path) -> None:
    """Follow the book; each event that ccxt takes in is noted."""
    with Notes(file) as notes:
        async with connected(Noting({"options": OPTIONS}), url) as client:
            client.notes = notes
            while notes.count < events:
                async with asyncio.timeout(WITHIN_S):
                    await client.watch_order_book(SYMBOL)
    print(f"ccxt.pro {ccxt.__version__}: {notes.count} events", flush=True)


def trade_by_rest(url: str, key: str, secret: str) -> None:
    """Load instruments, look at the market, place, query, cancel, fill: all by REST."""
    client = ccxt.binance({"apiKey": key, "secret": secret, "options": OPTIONS})
    point_at(client, url)
    assert list(client.load_markets()) == [SYMBOL]
    market = client.market(SYMBOL)
    assert (market["precision"]["price"], market["limits"]["cost"]["min"]) == (10.0, 5.0)
    assert client.fetch_order_book(SYMBOL)["bids"]
    assert client.fetch_trading_fees()[SYMBOL]["taker"] == 0.0005
    bid = client.create_order(SYMBOL, "limit", "buy", 0.01, 50000)
    assert client.fetch_order(bid["id"], SYMBOL)["status"] == "open"
    assert [each["id"] for each in client.fetch_open_orders(SYMBOL)] == [bid["id"]]
    assert client.fetch_balance()["USDT"]["used"] == 500.0
    assert client.cancel_order(bid["id"], SYMBOL)["status"] == "canceled"
    bought = client.create_order(SYMBOL, "market", "buy", 0.01)
    assert (bought["status"], bought["fee"]["currency"]) == ("closed", "BTC")
    assert sum(each["amount"] for each in client.fetch_my_trades(SYMBOL)) == 0.01
    assert client.fetch_balance()["BTC"]["total"] == 1.009995
    sold = client.create_order(SYMBOL, "market", "sell", 0.01)
    assert (sold["status"], sold["fee"]["currency"]) == ("closed", "USDT")
    assert client.fetch_ticker(SYMBOL)["last"] > 0
    assert client.fetch_ohlcv(SYMBOL, "1m")
    assert client.fetch_trades(SYMBOL)
    try:
        client.create_order(SYMBOL, "limit", "buy", 100, 50000)
    except ccxt.InsufficientFunds:
        return
    raise AssertionError("ccxt should have read a refusal as InsufficientFunds")


async def trade_by_sockets(url: str, key: str, secret: str) -> None:
    """Hear of orders, fills and balances while orders go over the WS API."""
    wish = {"apiKey": key, "secret": secret, "options": OPTIONS}
    async with connected(ccxt.pro.binance(wish), url) as client, asyncio.timeout(3 * WITHIN_S):
        await client.load_markets()
        orders = asyncio.create_task(client.watch_orders(SYMBOL))
        fills = asyncio.create_task(client.watch_my_trades(SYMBOL))
        balances = asyncio.create_task(client.watch_balance())
        while not all(_waits_for(client, each) for each in ("order", "Trades", "balance")):
            await asyncio.wait([orders, fills, balances], timeout=0.02)
        bid = await client.create_order_ws(SYMBOL, "limit", "buy", 0.01, 50000)
        assert bid["status"] == "open"
        assert (await orders)[-1]["id"] == bid["id"]
        assert (await balances)["USDT"]["used"] == 500.0
        assert (await client.fetch_order_ws(bid["id"], SYMBOL))["status"] == "open"
        canceled = await client.cancel_order_ws(bid["id"], SYMBOL)
        assert canceled["status"] == "canceled"
        bought = await client.create_order_ws(SYMBOL, "market", "buy", 0.01)
        assert bought["status"] == "closed"
        assert (await fills)[-1]["order"] == bought["id"]
        assert (await client.watch_ticker(SYMBOL))["symbol"] == SYMBOL


def _waits_for(client: Any, word: str) -> bool:
    # Whether ccxt has subscribed to its user's data and waits for such an event.
    sockets = client.clients.values()
    return any(word in name for socket in sockets for name in socket.futures)


def trade(url: str, key: str, secret: str) -> None:
    """Trade by both roads."""
    trade_by_rest(url, key, secret)
    asyncio.run(trade_by_sockets(url, key, secret))
    print(f"ccxt {ccxt.__version__}: placed, queried, canceled and filled by REST and sockets")


if __name__ == "__main__":
    if sys.argv[1] == "book":
        asyncio.run(book(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])))
    else:
        trade(*sys.argv[2:5])
