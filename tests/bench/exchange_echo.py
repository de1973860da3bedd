"""Servers that send every frame back, the floor of ``exchange_client``: aiohttp's and picows'.

``python -m tests.bench.exchange_echo aiohttp|picows`` prints its address and runs until SIGTERM.
"""

from __future__ import annotations

import asyncio
import signal
import sys

import uvloop
from aiohttp import WSMsgType, web
from picows import (
    WSFrame,
    WSListener,
    WSTransport,
    WSUpgradeRequest,
    ws_create_server,
)


async def _answer(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
    return socket


async def by_aiohttp() -> int:
    """Serve with aiohttp; return the port."""
    app = web.Application()
    app.router.add_get("/", _answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return int(runner.addresses[0][1])


class _Echo(WSListener):
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        transport.send(frame.msg_type, frame.get_payload_as_bytes())


def _listener(request: WSUpgradeRequest) -> WSListener:
    return _Echo()


async def by_picows() -> int:
    """Serve with picows; return the port."""
    server = await ws_create_server(_listener, "127.0.0.1", 0)
    return int(server.sockets[0].getsockname()[1])


async def main() -> None:
    """Serve."""
    port = await (by_aiohttp() if sys.argv[1] == "aiohttp" else by_picows())
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print(f"listens on echo://127.0.0.1:{port}/", flush=True)
    await stop.wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
