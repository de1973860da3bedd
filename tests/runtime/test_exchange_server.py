"""The exchange as a process: real sockets, real files, real signals."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

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
            # Clients of the first come back by themselves: the port is the same.
            assert second.url == first.url
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


async def _bid(rest: Rest, price: str) -> None:
    status, _ = await rest.ask("POST", "order", **ORDER, price=price, quantity="0.01")
    assert status == 200


async def _ask_for_lists(slow: aiohttp.ClientWebSocketResponse, rest: Rest) -> None:
    # Each request of the other client gives the slow one's replies time to pile up.
    for number in range(1000):
        await slow.send_json({"method": "LIST_SUBSCRIPTIONS", "id": number})
        status, _ = await rest.ask("GET", "account")
        assert status in (200, 429)


def test_a_reader_that_does_not_read_is_cut_off() -> None:
    """What waits for one client is bounded: it is disconnected, and the others go on."""

    async def run() -> None:
        async with exchange(None) as process, aiohttp.ClientSession() as session:
            slow = await session.ws_connect(process.url.replace("http", "ws") + "/ws")
            names = [f"{'x' * 60}{number}@trade" for number in range(1000)]
            await slow.send_json({"method": "SUBSCRIBE", "params": names, "id": 0})
            # 1,000 lists of 70 kB each would wait for it, were there no bound.
            with pytest.raises(aiohttp.ClientConnectionResetError):
                await _ask_for_lists(slow, Rest(session, process.url))

    asyncio.run(run())


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--host", "0.0.0.0"], "loopback"), (["--market", "tape:no-such-file"], "no-such-file")],
)
def test_wrong_options_are_one_line(options: list[str], message: str) -> None:
    """A wish that cannot be fulfilled exits with 64 and says what there is, on one line."""

    async def run() -> None:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hftd.cli.hftd", "exchange", *options),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(WITHIN_S):
            out, errors = await child.communicate()
        assert (child.returncode, out) == (64, b"")
        assert errors.decode().count("\n") == 1
        assert message in errors.decode()

    asyncio.run(run())


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    """A port that somebody has is a usage error with the address in it."""

    async def run() -> None:
        async with exchange(None) as first:
            port = first.url.rpartition(":")[2]
            child = await asyncio.create_subprocess_exec(
                *command_for(tmp_path),
                *("--port", port),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
            async with asyncio.timeout(WITHIN_S):
                _, errors = await child.communicate()
            assert child.returncode == 64
            assert port in errors.decode()

    asyncio.run(run())


def test_a_log_that_cannot_be_written_ends_the_exchange(tmp_path: Path) -> None:
    """Nobody hears of what was not written down: the process ends with 70, and the truth stays."""

    async def run() -> None:
        async with exchange(tmp_path) as first, aiohttp.ClientSession() as session:
            rest = Rest(session, first.url)
            assert (await rest.ask("POST", "order", **ORDER, price="50000", quantity="0.01"))[
                0
            ] == 200
            # A limit on the size of files is a disk that is full, for this process alone.
            limit = (tmp_path / "accounts.1.log").stat().st_size + 10
            resource.prlimit(first.child.pid, resource.RLIMIT_FSIZE, (limit, limit))
            with pytest.raises((aiohttp.ClientError, AssertionError)):
                await _bid(rest, "50010")
            async with asyncio.timeout(WITHIN_S):
                assert await first.child.wait() == 70
        async with exchange(tmp_path) as second, aiohttp.ClientSession() as session:
            _, orders = await Rest(session, second.url).ask("GET", "openOrders")
            assert [order["price"] for order in orders] == ["50000.00000000"]

    asyncio.run(run())


@pytest.mark.parametrize("kill_after", [1, 17, 60])
def test_kill_9_in_the_middle_of_a_burst(tmp_path: Path, kill_after: int) -> None:
    """Of a burst that a kill cuts off, every order that was acknowledged stands afterwards."""
    acknowledged: list[int] = []

    async def burst(process: Process, session: aiohttp.ClientSession) -> None:
        api = WsApi(await session.ws_connect(process.url.replace("http", "ws") + "/ws-api/v3"))
        await api.log_on()
        for number in range(90):
            kind = {"type": "MARKET"} if number % 3 == 0 else {**ORDER, "price": "50000"}
            wish = {**ORDER, **kind, "quantity": "0.001", **_stamp()}
            if kind["type"] == "MARKET":
                del wish["timeInForce"]
            await api.socket.send_json({"id": number, "method": "order.place", "params": wish})
        while len(acknowledged) < kill_after:
            frame = await api.next_frame()
            if "result" in frame:
                acknowledged.append(frame["result"]["orderId"])
        await process.end(signal.SIGKILL)

    async def run() -> None:
        async with exchange(tmp_path) as first, aiohttp.ClientSession() as session:
            await burst(first, session)
        async with exchange(tmp_path) as second, aiohttp.ClientSession() as session:
            rest = Rest(session, second.url)
            _, orders = await rest.ask("GET", "allOrders", symbol="BTCUSDT")
            assert {order["orderId"] for order in orders} >= set(acknowledged)
            balances, open_orders, trades = await _truth(rest)
            locked = {each["asset"]: Decimal(each["locked"]) for each in balances}
            assert locked["USDT"] == len(open_orders) * Decimal(50)
            paid = sum(Decimal(trade["quoteQty"]) for trade in trades)
            free = next(Decimal(each["free"]) for each in balances if each["asset"] == "USDT")
            assert free + locked["USDT"] + paid == 100_000

    asyncio.run(run())
