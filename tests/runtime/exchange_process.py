"""Starts ``hftd exchange`` as a process of its own, and speaks to it over real sockets."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from hftd.runtime.exchange_markets import DEFAULT_KEY, DEFAULT_SECRET

WITHIN_S = 20.0


class Process:
    """A running exchange."""

    def __init__(self, child: asyncio.subprocess.Process, line: str) -> None:
        self.child = child
        self.line = line
        self.url = line.split()[3]

    async def end(self, number: signal.Signals) -> int:
        """Send a signal and wait for the end; return the exit code."""
        self.child.send_signal(number)
        async with asyncio.timeout(WITHIN_S):
            return await self.child.wait()


@asynccontextmanager
async def exchange(state: Path | None, *options: str) -> AsyncIterator[Process]:
    """Run an exchange on a free port; it is gone afterwards."""
    kept = ["--state", str(state)] if state is not None else []
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "hftd.cli.hftd", "exchange", *kept, *options),
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert child.stdout is not None
    try:
        async with asyncio.timeout(WITHIN_S):
            line = (await child.stdout.readline()).decode()
        assert line.startswith("exchange listens on http"), line
        yield Process(child, line)
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


def sign(payload: str) -> str:
    """Return the signature of the default account."""
    return hmac.new(DEFAULT_SECRET.encode(), payload.encode(), hashlib.sha256).hexdigest()


def now_ms() -> int:
    """Return the wall clock."""
    return time.time_ns() // 1_000_000


class Rest:
    """Signed REST requests of the default account."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url

    async def ask(self, method: str, path: str, **params: object) -> tuple[int, Any]:
        """Send a request, signed; return status and body."""
        full = {**params, "timestamp": now_ms()}
        payload = "&".join(f"{name}={value}" for name, value in full.items())
        target = f"{self._url}/api/v3/{path}?{payload}&signature={sign(payload)}"
        headers = {"X-MBX-APIKEY": DEFAULT_KEY}
        url = URL(target, encoded=True)
        async with self._session.request(method, url, headers=headers) as reply:
            return reply.status, await reply.json()


class WsApi:
    """A WS-API connection; frames that are not replies are kept."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.events: list[Any] = []
        self._id = 0

    async def call(self, method: str, **params: object) -> Any:
        """Send a request and return its reply."""
        self._id += 1
        await self.socket.send_str(json.dumps({"id": self._id, "method": method, "params": params}))
        while True:
            frame = await self.next_frame()
            if frame.get("id") == self._id:
                return frame
            self.events.append(frame)

    async def log_on(self) -> None:
        """Log on and subscribe to user data."""
        params = {"apiKey": DEFAULT_KEY, "timestamp": now_ms()}
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
        reply = await self.call("session.logon", **params, signature=sign(payload))
        assert reply["status"] == 200, reply
        reply = await self.call("userDataStream.subscribe")
        assert reply["status"] == 200, reply

    async def event(self, exec_type: str) -> Any:
        """Wait for an executionReport of that type."""
        while True:
            frame = self.events.pop(0) if self.events else await self.next_frame()
            event = frame["event"]
            if event["e"] == "executionReport" and event["x"] == exec_type:
                return event

    async def next_frame(self) -> Any:
        """Return the next frame."""
        async with asyncio.timeout(WITHIN_S):
            return json.loads(await self.socket.receive_str())
