"""The floor of our library: the daemon's two links on picows and uvloop, nothing between them.

For each frame of market data one frame of an order's size is written. Run as a process of its
own: ``python -m tests.bench.harness_peer PORT spin|sleep BYTES``.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from hftd.drivers import machine


class _Market(WSListener):
    def __init__(self, order: WSTransport, answer: bytes) -> None:
        self._order, self._answer = order, answer

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        frame.get_payload_as_bytes()  # The daemon must have the bytes as well.
        self._order.send(WSMsgType.TEXT, self._answer)


def _spin() -> None:
    asyncio.get_running_loop().call_soon(_spin)


async def _main(port: int, spins: bool, size: int) -> None:
    machine.wake_at_once()  # As the daemon and the floor in C.
    answer = b'{"method":"order.echo"}'.ljust(size)
    base = f"ws://127.0.0.1:{port}"
    order, _ = await ws_connect(WSListener, f"{base}/ws-api/v3?peer=picows")
    market, _ = await ws_connect(lambda: _Market(order, answer), f"{base}/stream?peer=picows")
    if spins:
        _spin()
    await market.wait_disconnected()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_main(int(sys.argv[1]), sys.argv[2] == "spin", int(sys.argv[3])))
