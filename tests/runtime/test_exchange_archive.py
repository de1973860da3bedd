"""What the exchange no longer remembers stands in its archive file; told over real sockets."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import msgspec

from hftd.runtime.exchange_markets import DEFAULT_KEY, DEFAULT_SECRET
from hftd.runtime.exchange_server import ExchangeServer, venue_clock
from hftd.runtime.exchange_state import StateFolder
from hftd.simex.events import Fees
from hftd.simex.late_venue import LateVenue
from hftd.simex.limits import Limits
from hftd.simex.matching import MatchingMarket
from hftd.simex.memory import ArchivedOrder, ArchivedTrade
from hftd.simex.orders import History
from hftd.simex.venue import AccountConfig, VenueConfig
from tests.runtime.exchange_process import WITHIN_S, Rest
from tests.simex.quiet import SPEC, QuietFlow

KEPT = History(final_orders=5, trades=3)
ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.001"}


def _venue() -> LateVenue:
    account = AccountConfig(DEFAULT_KEY, DEFAULT_SECRET, {"USDT": "100000", "BTC": "1"})
    config = VenueConfig([account], Fees(), Limits(), "quiet", KEPT)
    return LateVenue(config, lambda: [MatchingMarket(SPEC, [QuietFlow()])])


async def _session(folder: Path, *, fresh: bool) -> None:
    with StateFolder(folder) as state:
        server = ExchangeServer(_venue(), state, venue_clock())
        listening = asyncio.Event()
        task = asyncio.create_task(server.run("127.0.0.1", 0, lambda _: listening.set()))
        try:
            async with asyncio.timeout(WITHIN_S), aiohttp.ClientSession() as session:
                await listening.wait()
                rest = Rest(session, f"http://127.0.0.1:{server.port}")
                await (_trade(rest) if fresh else _look_back(rest))
        finally:
            server.stop()
            await task


async def _trade(rest: Rest) -> None:
    # Eight orders that are canceled (5 to 12), and seven that are filled (13 to 19).
    for _ in range(8):
        _, order = await rest.ask("POST", "order", **ORDER, price="50000", quantity="0.01")
        asked = {"symbol": "BTCUSDT", "orderId": order["orderId"]}
        assert (await rest.ask("DELETE", "order", **asked))[0] == 200
    for _ in range(7):
        assert (await rest.ask("POST", "order", **MARKET))[0] == 200
    await _look_back(rest)


async def _look_back(rest: Rest) -> None:
    for order_id in range(5, 15):
        status, reply = await rest.ask("GET", "order", symbol="BTCUSDT", orderId=order_id)
        assert (status, reply["code"]) == (400, -2026)
        assert reply["msg"].endswith("over 90 days ago and has been archived.")
    for order_id in range(15, 20):
        status, reply = await rest.ask("GET", "order", symbol="BTCUSDT", orderId=order_id)
        assert (status, reply["status"]) == (200, "FILLED")
    status, reply = await rest.ask("GET", "order", symbol="BTCUSDT", orderId=20)
    assert (status, reply["code"]) == (400, -2013)


def test_archived_orders_are_in_the_file_and_nowhere_else(tmp_path: Path) -> None:
    """Past the bounds of history a query answers -2026, also after a restart; the file has it."""
    asyncio.run(_session(tmp_path, fresh=True))
    read = msgspec.json.Decoder(ArchivedOrder | ArchivedTrade).decode
    lines = (tmp_path / "archive.jsonl").read_bytes().splitlines()
    records = [read(line) for line in lines]
    orders = [each.order for each in records if isinstance(each, ArchivedOrder)]
    trades = [each.trade for each in records if isinstance(each, ArchivedTrade)]
    assert [order.order_id for order in orders] == list(range(5, 15))
    assert [order.status.value for order in orders] == ["CANCELED"] * 8 + ["FILLED"] * 2
    assert [trade.order_id for trade in trades] == [13, 14, 15]
    asyncio.run(_session(tmp_path, fresh=False))
    assert (tmp_path / "archive.jsonl").read_bytes().splitlines() == lines
