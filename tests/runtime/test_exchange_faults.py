"""Faults over real sockets: what a client's kernel and its patience really see."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hftd.runtime.exchange_ask import ask
from tests.runtime.exchange_process import WITHIN_S, Process, Rest, WsApi, exchange, now_ms

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
BID = {**ORDER, "price": "50000", "quantity": "0.01"}


class Bare:
    """A WebSocket client that sees every byte and answers nothing by itself."""

    def __init__(self, process: Process, path: str) -> None:
        host, port = process.url.removeprefix("http://").split(":")
        self.socket = socket.create_connection((host, int(port)), WITHIN_S)
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )

    def __enter__(self) -> Bare:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def until_the_end(self) -> tuple[bytes, bool]:
        """Read on; return what came, and whether the end was a reset."""
        came = b""
        while True:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                return came, True
            if not data:
                return came, False
            came += data

    def ping(self, payload: bytes) -> None:
        """Send a ping, with a mask of zeros."""
        self.socket.sendall(bytes([0x89, 0x80 | len(payload)]) + bytes(4) + payload)


async def _arm(admin: Path, *faults: dict[str, Any]) -> None:
    await asyncio.to_thread(ask, admin, {"op": "arm", "faults": list(faults)}, WITHIN_S)


async def _all_met(admin: Path) -> None:
    async with asyncio.timeout(WITHIN_S):
        while await asyncio.to_thread(ask, admin, {"op": "faults"}, WITHIN_S):
            pass


def test_a_reset_in_the_middle_of_a_frame(tmp_path: Path) -> None:
    """The client has the head of a frame and the first of its bytes, then ECONNRESET."""
    admin = tmp_path / "a"

    async def run() -> None:
        async with exchange(None, "--admin", str(admin)) as process:
            await _arm(admin, {"fault": "reset", "match": {"event": "depthUpdate"}, "after": 1})
            with Bare(process, "/ws/btcusdt@depth@100ms") as bare:
                came, was_reset = await asyncio.to_thread(bare.until_the_end)
            assert was_reset
            head = came.rindex(b"\x81\x7e\x10\x00")
            assert 0 < len(came) - head - 4 < 4096

    asyncio.run(run())


def test_answers_that_are_late_cut_or_never_come(tmp_path: Path) -> None:
    """Over HTTP: one waits, one breaks half way, one ends without a byte, one waits in vain."""
    admin = tmp_path / "a"

    async def run() -> None:
        async with (
            exchange(None, "--admin", str(admin)) as process,
            aiohttp.ClientSession() as http,
        ):
            rest = Rest(http, process.url)
            answer, late = {"event": "answer", "request": "openOrders.status"}, {"for_ms": 300}
            await _arm(admin, {"fault": "answer_late", "match": {"request": "order.place"}, **late})
            placing = asyncio.create_task(rest.ask("POST", "order", **BID))
            while not (await rest.ask("GET", "openOrders"))[1]:
                pass
            assert not placing.done()
            async with asyncio.timeout(WITHIN_S):
                assert (await placing)[0] == 200
            await _arm(admin, {"fault": "reset", "match": answer})
            with pytest.raises(aiohttp.ClientPayloadError):
                await rest.ask("GET", "openOrders")
            # A GET would be asked again by the client itself.
            await _arm(admin, {"fault": "ack_lost", "match": {"request": "order.place"}})
            with pytest.raises(aiohttp.ClientError):
                await rest.ask("POST", "order", **BID)
            assert len((await rest.ask("GET", "openOrders"))[1]) == 2
            await _arm(admin, {"fault": "drop", "match": answer})
            asking = asyncio.create_task(rest.ask("GET", "openOrders"))
            await _all_met(admin)
            assert (await rest.ask("GET", "account"))[0] == 200
            assert not asking.done()
            asking.cancel()
            await _arm(admin, {"fault": "truncate", "match": answer})
            with pytest.raises(json.JSONDecodeError):
                await rest.ask("GET", "openOrders")
            assert (await rest.ask("GET", "openOrders"))[0] == 200
            # A program that still waits does not keep the exchange from ending.
            await _arm(admin, {"fault": "drop", "match": answer})
            waiting = asyncio.create_task(rest.ask("GET", "openOrders"))
            await _all_met(admin)
            assert (await rest.ask("GET", "account"))[0] == 200
            assert await process.end(signal.SIGTERM) == 0
            with pytest.raises(aiohttp.ClientError):
                await waiting

    asyncio.run(run())


def test_a_peer_that_is_gone_answers_no_ping(tmp_path: Path) -> None:
    """Half open, a ping has its pong and nothing else comes; gone, not even that."""
    admin = tmp_path / "a"

    async def run() -> None:
        async with exchange(None, "--admin", str(admin)) as process:
            path = "/ws/btcusdt@depth@100ms"
            with Bare(process, path) as half, Bare(process, path) as gone:
                match = {"event": "depthUpdate"}
                await _arm(
                    admin,
                    {"fault": "half_open", "match": {**match, "connection": 1}},
                    {"fault": "black_hole", "match": {**match, "connection": 2}},
                )
                while await asyncio.to_thread(ask, admin, {"op": "faults"}, WITHIN_S):
                    pass
                for bare in (half, gone):
                    bare.ping(b"are you there")
                # Whatever came before the fault, the pong is the last thing.
                came = b""
                while not came.endswith(b"are you there"):
                    came += await asyncio.to_thread(half.socket.recv, 65536)
                await process.end(signal.SIGTERM)
                came, _ = await asyncio.to_thread(gone.until_the_end)
                assert b"are you there" not in came

    asyncio.run(run())


async def _restart(process: Process, rest: Rest, http: aiohttp.ClientSession, **how: Any) -> Any:
    # Restart under a connection's eyes; return the open orders once somebody is let in again.
    api = WsApi(await http.ws_connect(process.url + "/ws-api/v3"))
    await api.log_on()
    order = {"op": "restart", "for_ms": 300, **how["order"]}
    await asyncio.to_thread(ask, how["admin"], order, WITHIN_S)
    with pytest.raises((aiohttp.ClientError, TypeError)):
        await api.next_frame()
    refused = 0
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                _, orders = await rest.ask("GET", "openOrders")
            except aiohttp.ClientError:
                refused += 1
            else:
                assert refused > 0
                return orders


def test_a_restart_keeps_the_port(tmp_path: Path) -> None:
    """Sockets are cut, nobody is let in for a while, then it goes on; so does its disk."""

    async def run() -> None:
        async with exchange(tmp_path) as process, aiohttp.ClientSession() as http:
            rest, admin = Rest(http, process.url), tmp_path / "admin.sock"
            assert (await rest.ask("POST", "order", **BID))[0] == 200
            orders = await _restart(process, rest, http, admin=admin, order={})
            assert len(orders) == 1
            orders = await _restart(process, rest, http, admin=admin, order={"forget": True})
            assert orders == []
            api = WsApi(await http.ws_connect(process.url + "/ws-api/v3"))
            await api.log_on()
            for price in ("50000", "50010"):
                wish = {**BID, "price": price, "timestamp": now_ms()}
                assert (await api.call("order.place", **wish))["status"] == 200
            await process.end(signal.SIGKILL)
        async with exchange(tmp_path) as process, aiohttp.ClientSession() as http:
            assert len((await Rest(http, process.url).ask("GET", "openOrders"))[1]) == 2

    asyncio.run(run())


def test_a_storm_of_reconnects(tmp_path: Path) -> None:
    """Every handshake succeeds and every connection breaks, until the storm is over."""

    async def run() -> None:
        async with exchange(tmp_path) as process, aiohttp.ClientSession() as http:
            await _arm(tmp_path / "admin.sock", {"fault": "reconnect_storm", "for_ms": 600})
            broken = 0
            async with asyncio.timeout(WITHIN_S):
                while True:
                    stream = await http.ws_connect(process.url + "/ws/btcusdt@depth@100ms")
                    if (await stream.receive()).type is aiohttp.WSMsgType.TEXT:
                        break
                    broken += 1
            assert broken > 1
            await stream.close()

    asyncio.run(run())
