"""Broken bytes over real sockets: nobody else notices, and no traceback ever comes back."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from random import Random

import aiohttp

from tests.runtime.exchange_process import WITHIN_S, Process, Rest, exchange
from tests.simex.fuzz_traffic import Fuzzer

REQUESTS, FRAMES = 2000, 3000
REQUESTS_A_CONNECTION, FRAMES_A_CONNECTION = 5, 50


class Witness:
    """Another client: it follows the book, which must go on without a gap."""

    def __init__(self, stream: aiohttp.ClientWebSocketResponse) -> None:
        self._stream = stream
        self.events = 0

    async def follow(self) -> None:
        """Read on for ever."""
        last_id = 0
        async for message in self._stream:
            event = json.loads(message.data)
            assert last_id in (0, event["U"] - 1)
            last_id = event["u"]
            self.events += 1


async def _send_requests(process: Process, fuzzer: Fuzzer) -> None:
    # As bytes, so that what no client library would send is sent as well.
    host, port = process.url.removeprefix("http://").split(":")
    random = fuzzer.random
    for _ in range(REQUESTS // REQUESTS_A_CONNECTION):
        reader, writer = await asyncio.open_connection(host, int(port))
        wishes = []
        for _ in range(REQUESTS_A_CONNECTION):
            method, target, headers, body = fuzzer.request()
            lines = [f"{method} {target} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}"]
            lines += [f"{name}: {value}" for name, value in headers.items()]
            whole = "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body
            wishes.append(fuzzer.mutate(whole) if random.random() < 0.1 else whole)
        writer.write(b"".join(wishes))
        with contextlib.suppress(OSError):  # It may have had enough by then, and hung up.
            writer.write_eof()
        try:
            async with asyncio.timeout(WITHIN_S):
                assert b"Traceback" not in await reader.read()
        except ConnectionError:
            pass
        writer.close()


def _as_websocket(random: Random, payload: bytes) -> bytes:
    # A client's frame with a mask of zeros; one in ten has an opcode or flags of its own.
    first = 0x81 if random.random() < 0.9 else random.randrange(256)
    size = len(payload)
    head = (
        bytes([first, 0x80 | size]) if size < 126 else bytes([first, 0xFE, size >> 8, size & 255])
    )
    return head + bytes(4) + payload


async def _send_frames(process: Process, fuzzer: Fuzzer) -> None:
    host, port = process.url.removeprefix("http://").split(":")
    for number in range(FRAMES // FRAMES_A_CONNECTION):
        reader, writer = await asyncio.open_connection(host, int(port))
        path = "/ws" if number % 3 == 0 else "/ws-api/v3"
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        for _ in range(FRAMES_A_CONNECTION):
            writer.write(_as_websocket(fuzzer.random, fuzzer.frame()))
        writer.write(_as_websocket(fuzzer.random, fuzzer.frame())[:5])
        with contextlib.suppress(OSError):  # It may have had enough by then, and hung up.
            writer.write_eof()
        try:
            async with asyncio.timeout(WITHIN_S):
                assert b"Traceback" not in await reader.read()
        except ConnectionError:
            pass
        writer.close()


def test_five_thousand_broken_messages(tmp_path: Path) -> None:
    """Spoiled HTTP and spoiled frames, while others follow the book and trade undisturbed."""
    config = tmp_path / "no-limits.yaml"
    names = ("weight_per_minute", "orders_per_10s", "orders_per_day", "stream_messages_per_second")
    config.write_text("limits: {" + ", ".join(f"{name}: 1000000000" for name in names) + "}\n")

    async def run() -> None:
        options = ("--config", str(config))
        async with exchange(None, *options) as process, aiohttp.ClientSession() as http:
            witness = Witness(await http.ws_connect(process.url + "/ws/btcusdt@depth@100ms"))
            following = asyncio.create_task(witness.follow())
            fuzzer = Fuzzer(3)
            await asyncio.gather(_send_requests(process, fuzzer), _send_frames(process, Fuzzer(4)))
            seen = witness.events
            async with asyncio.timeout(WITHIN_S):
                while witness.events <= seen:
                    status, _ = await Rest(http, process.url).ask("GET", "account")
                    assert status == 200
            assert not following.done()
            assert process.child.returncode is None
            following.cancel()

    asyncio.run(run())
