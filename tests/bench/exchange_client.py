"""One WS-API connection that sends orders as fast as replies come, as a process of its own.

``python -m tests.bench.exchange_client URL SECONDS WINDOW [user]`` prints one JSON line. With
``WINDOW`` requests under way it sends one more for each reply. Every hundredth request cancels
all that is open, so that every order is placed and, later, canceled. With ``user`` it hears of
its own orders on the same connection. Against a server that echoes (``echo://``) it sends the
same frames and takes what comes back for the replies.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from hftd.runtime.exchange_markets import DEFAULT_KEY
from tests.runtime.exchange_process import now_ms, sign

BATCH = 100
WARM_UP_S = 0.5


class Sender(WSListener):
    """Sends and counts."""

    def __init__(self, *, echo: bool, window: int) -> None:
        self._echo, self._window = echo, window
        self._transport: WSTransport | None = None
        self._sent = 0
        self.replies = self.events = self.refused = 0
        self.last_refusal = b""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._setup: list[bytes] = []
        self.going = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Keep the transport."""
        self._transport = transport

    def send(self, frame: bytes) -> None:
        """Send a text frame."""
        assert self._transport is not None
        self._transport.send(WSMsgType.TEXT, frame)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Count a reply and send the next request."""
        if frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
            return
        payload = frame.get_payload_as_bytes()
        if not self._echo and not payload.startswith(b'{"id":'):
            self.events += 1
            return
        if not self.going:
            assert b'"status":200' in payload, payload
            if not self.ready.done():
                self.ready.set_result(None)
            return
        self.replies += 1
        if not self._echo and b'"status":200' not in payload:
            self.refused += 1
            self.last_refusal = payload
        self.request()

    def request(self) -> None:
        """Send the next order, or the cancel of all."""
        self._sent += 1
        number = self._sent
        if number % BATCH == 0:
            text = (
                f'{{"id":{number},"method":"openOrders.cancelAll","params":'
                f'{{"symbol":"BTCUSDT","timestamp":{now_ms()}}}}}'
            )
        else:
            price = 40_000 + 10 * (number % 40)
            text = (
                f'{{"id":{number},"method":"order.place","params":{{"symbol":"BTCUSDT",'
                f'"side":"BUY","type":"LIMIT","timeInForce":"GTC","price":"{price}.00",'
                f'"quantity":"0.00020","newClientOrderId":"n{number}","timestamp":{now_ms()}}}}}'
            )
        self.send(text.encode())

    def begin(self) -> None:
        """Put the window under way."""
        self.going = True
        for _ in range(self._window):
            self.request()


async def _ask(sender: Sender, method: str, params: dict[str, Any]) -> None:
    sender.ready = asyncio.get_running_loop().create_future()
    sender.send(json.dumps({"id": 0, "method": method, "params": params}).encode())
    await sender.ready


async def main() -> None:
    """Measure, and print."""
    url, seconds, window = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    echo = url.startswith("echo://")
    target = url.replace("echo://", "ws://").replace("http://", "ws://")
    path = "" if echo else "/ws-api/v3?returnRateLimits=false"
    sender = Sender(echo=echo, window=window)
    await ws_connect(lambda: sender, target + path)
    if not echo:
        params: dict[str, Any] = {"apiKey": DEFAULT_KEY, "timestamp": now_ms()}
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
        await _ask(sender, "session.logon", {**params, "signature": sign(payload)})
        if "user" in sys.argv[4:]:
            await _ask(sender, "userDataStream.subscribe", {})
    sender.begin()
    await asyncio.sleep(WARM_UP_S)
    replies, begun_s = sender.replies, time.perf_counter()
    await asyncio.sleep(seconds)
    took_s = time.perf_counter() - begun_s
    row = {
        "requests": sender.replies - replies,
        "requests_in_all": sender.replies,
        "took_s": took_s,
        "refused": sender.refused,
        "events": sender.events,
    }
    assert sender.refused == 0, sender.last_refusal
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
