"""ccxt, a program that nobody here wrote, follows the book and trades; only addresses differ."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.runtime.exchange_process import WITHIN_S, exchange
from tests.runtime.foreign_ccxt import connected, follow, served

EVENTS = 1000
PACE = 50


def test_the_book_of_ccxt_is_the_exchanges() -> None:
    """After each of many events the book that ccxt keeps is the one by the documented rule."""

    async def run() -> None:
        async with served(PACE) as url:
            seen, truth = await follow(url, EVENTS, 60)
        shared = [update_id for update_id in seen if update_id in truth]
        assert len(shared) >= EVENTS - 10
        different = [update_id for update_id in shared if seen[update_id] != truth[update_id]]
        assert different == []

    asyncio.run(run())


def waits_for(client: Any, word: str) -> bool:
    """Return whether ccxt has subscribed to its user's data and waits for such an event."""
    sockets = client.clients.values()
    return any(word in name for socket in sockets for name in socket.futures)


def test_ccxt_trades() -> None:
    """Instruments, prices, orders both ways, fills, fees and balances, by REST and by WebSocket."""

    async def run() -> None:
        async with exchange(None) as process, connected(process.url) as client:
            assert list(await client.load_markets()) == ["BTC/USDT"]
            market = client.market("BTC/USDT")
            assert (market["precision"]["price"], market["limits"]["cost"]["min"]) == (10.0, 5.0)
            assert (await client.fetch_trading_fees())["BTC/USDT"]["taker"] == 0.0005
            orders = asyncio.create_task(client.watch_orders("BTC/USDT"))
            fills = asyncio.create_task(client.watch_my_trades("BTC/USDT"))
            balances = asyncio.create_task(client.watch_balance())
            async with asyncio.timeout(WITHIN_S):
                while not all(waits_for(client, each) for each in ("order", "Trades", "balance")):
                    await asyncio.wait([orders, fills, balances], timeout=0.02)
            bid = await client.create_order("BTC/USDT", "limit", "buy", 0.01, 50000)
            async with asyncio.timeout(WITHIN_S):
                assert (await orders)[-1]["id"] == bid["id"]
                assert (await balances)["USDT"]["used"] == 500.0
            assert (await client.fetch_order(bid["id"], "BTC/USDT"))["status"] == "open"
            assert [each["id"] for each in await client.fetch_open_orders("BTC/USDT")] == [
                bid["id"]
            ]
            canceled = await client.cancel_order(bid["id"], "BTC/USDT")
            assert canceled["status"] == "canceled"
            bought = await client.create_order("BTC/USDT", "market", "buy", 0.01)
            assert (bought["status"], bought["fee"]["currency"]) == ("closed", "BTC")
            async with asyncio.timeout(WITHIN_S):
                assert (await fills)[-1]["order"] == bought["id"]
            again = await client.create_order_ws("BTC/USDT", "limit", "buy", 0.01, 50000)
            assert again["status"] == "open"
            assert (await client.cancel_order_ws(again["id"], "BTC/USDT"))["status"] == "canceled"
            trades = await client.fetch_my_trades("BTC/USDT")
            assert sum(each["amount"] for each in trades) == 0.01
            assert (await client.fetch_balance())["BTC"]["total"] == 1.009995
            assert (await client.fetch_ticker("BTC/USDT"))["last"] > 0
            assert await client.fetch_ohlcv("BTC/USDT", "1m")
            assert await client.fetch_trades("BTC/USDT")

    asyncio.run(run())
