"""The exchange as a process: real sockets, real files, real signals."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp

from hftd.runtime.exchange_state import read_listening
from tests.runtime.exchange_process import WITHIN_S, Process, Rest, WsApi, exchange, now_ms

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}


async def _truth(rest: Rest) -> tuple[Any, Any, Any]:
    # Balances, open orders and trades: what must not depend on the life of a process.
    account = await rest.ask("GET", "account")
    orders = await rest.ask("GET", "openOrders")
    trades = await rest.ask("GET", "myTrades", symbol="BTCUSDT")
    assert (account[0], orders[0], trades[0]) == (200, 200, 200)
    return account[1]["balances"], orders[1], trades[1]


def test_rest_streams_and_user_data_over_one_port() -> None:
    """REST, a market stream and the WS API are one venue: an order shows in all three."""

    async def scenario(process: Process) -> None:
        ws_url = process.url.replace("http", "ws")
        async with aiohttp.ClientSession() as session:
            stream = await session.ws_connect(f"{ws_url}/stream?streams=btcusdt@trade")
            api = WsApi(await session.ws_connect(f"{ws_url}/ws-api/v3"))
            await api.log_on()
            bid = await api.call(
                "order.place", **ORDER, price="50000.00", quantity="0.001", **_stamp()
            )
            assert bid["result"]["status"] == "NEW"
            assert (await api.event("NEW"))["i"] == bid["result"]["orderId"]
            rest = Rest(session, process.url)
            market = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.001"}
            status, bought = await rest.ask("POST", "order", **market)
            assert (status, bought["status"]) == (200, "FILLED")
            fill = await api.event("TRADE")
            assert fill["t"] == bought["fills"][0]["tradeId"]
            async with asyncio.timeout(WITHIN_S):
                while True:
                    printed = json.loads(await stream.receive_str())
                    if printed["data"]["t"] == fill["t"]:
                        break
            assert printed["stream"] == "btcusdt@trade"
            assert printed["data"]["p"] == fill["L"]
            await stream.close()
            await api.socket.close()

    async def run() -> None:
        async with exchange(None) as process:
            await scenario(process)
            assert await process.end(signal.SIGTERM) == 0

    asyncio.run(run())


def _stamp() -> dict[str, object]:
    return {"timestamp": now_ms()}


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """After kill -9 the same balances, open orders and trades stand, and trading goes on."""

    async def run() -> None:
        async with exchange(tmp_path) as first, aiohttp.ClientSession() as session:
            rest = Rest(session, first.url)
            for price in ("50000.00", "50010.00"):
                status, _ = await rest.ask("POST", "order", **ORDER, price=price, quantity="0.01")
                assert status == 200
            status, _ = await rest.ask(
                "POST", "order", symbol="BTCUSDT", side="SELL", type="MARKET", quantity="0.02"
            )
            assert status == 200
            before = await _truth(rest)
            await first.end(signal.SIGKILL)
            listening = read_listening(tmp_path)
            assert listening is not None
            assert listening.pid == first.child.pid
        async with exchange(tmp_path) as second, aiohttp.ClientSession() as session:
            rest = Rest(session, second.url)
            assert await _truth(rest) == before
            old_ids = [order["orderId"] for order in before[1]]
            status, placed = await rest.ask(
                "POST", "order", **ORDER, price="50020.00", quantity="0.01"
            )
            assert status == 200
            assert placed["orderId"] > max(old_ids)
            for order_id in old_ids:
                status, _ = await rest.ask("DELETE", "order", symbol="BTCUSDT", orderId=order_id)
                assert status == 200
            after = await _truth(rest)
            assert await second.end(signal.SIGTERM) == 0
        assert read_listening(tmp_path) is None
        async with exchange(tmp_path) as third, aiohttp.ClientSession() as session:
            assert await _truth(Rest(session, third.url)) == after

    asyncio.run(run())


def test_sigterm_says_so_to_every_connection() -> None:
    """Each connection hears serverShutdown before it is closed."""

    async def run() -> None:
        async with exchange(None) as process, aiohttp.ClientSession() as session:
            ws_url = process.url.replace("http", "ws")
            sockets = [
                await session.ws_connect(ws_url + path) for path in ("/ws", "/stream", "/ws-api/v3")
            ]
            ending = asyncio.create_task(process.end(signal.SIGTERM))
            for socket in sockets:
                async with asyncio.timeout(WITHIN_S):
                    assert json.loads(await socket.receive_str())["e"] == "serverShutdown"
                    assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
            assert await ending == 0

    asyncio.run(run())


def test_a_second_exchange_is_refused_its_folder(tmp_path: Path) -> None:
    """Two processes cannot keep one account: the second exits with 75 and names the first."""

    async def run() -> None:
        async with exchange(tmp_path) as first:
            second = await asyncio.create_subprocess_exec(
                *command_for(tmp_path),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
            async with asyncio.timeout(WITHIN_S):
                _, errors = await second.communicate()
            assert second.returncode == 75
            assert str(first.child.pid) in errors.decode()

    asyncio.run(run())


def command_for(state: Path) -> list[str]:
    """Return the command that serves a folder."""
    return [sys.executable, "-m", "hftd.cli.hftd", "exchange", "--state", str(state)]


def test_junk_disturbs_nobody(tmp_path: Path) -> None:
    """Broken frames and requests get the protocol's errors; other clients go on."""

    async def run() -> None:
        async with exchange(tmp_path) as process, aiohttp.ClientSession() as session:
            ws_url = process.url.replace("http", "ws")
            api = await session.ws_connect(f"{ws_url}/ws-api/v3")
            stream = await session.ws_connect(f"{ws_url}/ws/x")
            for frame in ('{"id":1', "[]", "null", '{"id":1,"method":7}', "\x00"):
                await api.send_str(frame)
                await stream.send_str(frame)
                async with asyncio.timeout(WITHIN_S):
                    assert json.loads(await api.receive_str())["status"] == 400
                    assert "code" in json.loads(await stream.receive_str())
            await api.send_bytes(b"\xff\xfe")
            async with asyncio.timeout(WITHIN_S):
                assert json.loads(await api.receive_str())["status"] == 400
            async with session.get(f"{process.url}/api/v3/nothing") as reply:
                assert (reply.status, (await reply.json())["code"]) == (404, -5000)
            host, port = process.url.removeprefix("http://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"\x16\x03\x01 not http\r\n\r\n")
            async with asyncio.timeout(WITHIN_S):
                assert b"400" in await reader.read(200)
            writer.close()
            status, _ = await Rest(session, process.url).ask("GET", "account")
            assert status == 200

    asyncio.run(run())
