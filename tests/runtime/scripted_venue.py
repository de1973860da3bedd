"""A small venue on loopback that misbehaves on demand, and the loop's side of a connector.

The real counterpart is the simulated exchange (see test_connector_exchange.py); this one
answers what a test wants to see handled.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import uvloop
from aiohttp import WSMsgType, web

from hftd.domain.events import EVENT, EventKind, Link
from hftd.domain.layout import Records
from hftd.venues.port import Codec, new_event_buffers
from tests.venues.binance.test_exchange_info import SYMBOL

T = TypeVar("T")
WITHIN_S = 10.0


def run(work: Callable[[], Awaitable[T]]) -> T:
    """Run a test's coroutine on the loop of the live driver, with a deadline."""

    async def limited() -> T:
        return await asyncio.wait_for(work(), 60.0)

    return uvloop.run(limited())


class Heard:
    """What the loop heard: frames and events, in order, with a way to wait for more."""

    def __init__(self, codec: Codec | None = None) -> None:
        self.codec = codec
        self.frames: list[tuple[Link, bytes]] = []
        self.events: list[dict[str, int]] = []
        self.bug: Exception | None = None  # Raised at the next frame, as a broken loop would.
        self._buffers = new_event_buffers()
        self._changed = asyncio.Event()

    def on_frame(self, link: Link, data: bytes, ts_ns: int, more: bool = False) -> None:
        """Take a frame as the live loop does: decode it on the spot."""
        if self.bug is not None:
            raise self.bug
        self.frames.append((link, data))
        if self.codec is not None:
            events, levels = self._buffers
            for at in range(self.codec.decode(link, data, ts_ns, events, levels)):
                self._take(events[at])
        self._changed.set()

    def on_event(self, event: Records) -> None:
        """Take an event that the connector made."""
        assert event.shape == (1,)
        assert event["ts_ns"][0] > 0
        self._take(event[0])

    def _take(self, event: Any) -> None:
        fields = {name: int(event[name]) for name in EVENT.names or () if event[name]}
        self.events.append(fields | {"kind": EventKind(int(event["kind"]))})
        self._changed.set()

    def kinds(self, *wanted: EventKind) -> list[dict[str, int]]:
        """Return the events of these kinds without their times."""
        return [
            {name: value for name, value in event.items() if name != "ts_ns"}
            for event in self.events
            if event["kind"] in wanted
        ]

    async def until(self, condition: Callable[[], Any]) -> None:
        """Wait until a condition holds; it is looked at whenever something was heard."""

        async def wait() -> None:
            while not condition():
                self._changed.clear()
                await self._changed.wait()

        await asyncio.wait_for(wait(), WITHIN_S)

    async def until_kind(self, kind: EventKind, count: int = 1, **fields: int) -> dict[str, int]:
        """Wait for so many events of a kind with these fields; return the last."""

        def found() -> list[dict[str, int]]:
            return [e for e in self.kinds(kind) if all(e.get(k, 0) == v for k, v in fields.items())]

        await self.until(lambda: len(found()) >= count)
        return found()[-1]


class ScriptedVenue:
    """Answers time, exchangeInfo, logon and subscription; the rest is up to the test."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[dict[str, Any]] = []
        self.rest_targets: list[str] = []
        self.session_limit: dict[str, Any] | None = None  # Whatever the session asks.
        self.logon_error: dict[str, Any] | None = None
        self.rest_answer: Callable[[web.Request], web.Response] | None = None
        self.answer: Callable[[dict[str, Any]], Any] = lambda _: None
        self.order_socket: web.WebSocketResponse | None = None
        self.market_socket: web.WebSocketResponse | None = None
        self.symbols: list[dict[str, Any]] = [SYMBOL]
        self.limits: list[dict[str, Any]] = []
        self.logons = 0
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[ScriptedVenue]:
        """Serve on a free loopback port."""
        app = web.Application()
        app.router.add_get("/ws-api/v3", self._orders)
        app.router.add_get("/stream", self._market)
        app.router.add_get("/{path:.*}", self._rest)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            await runner.cleanup()

    async def until_asked(self, method: str, count: int = 1) -> dict[str, Any]:
        """Wait for so many requests of a method; return the last."""

        async def wait() -> dict[str, Any]:
            while len(found := [r for r in self.requests if r["method"] == method]) < count:
                self._changed.clear()
                await self._changed.wait()
            return found[-1]

        return await asyncio.wait_for(wait(), WITHIN_S)

    async def say(self, message: Any) -> None:
        """Send a message, or bytes as they are, on the order link."""
        assert self.order_socket is not None
        text = message.decode() if isinstance(message, bytes) else json.dumps(message)
        await self.order_socket.send_str(text)

    async def hang_up(self) -> None:
        """Cut the order link without a goodbye."""
        assert self.order_socket is not None
        transport = self.order_socket._req.transport
        assert transport is not None
        transport.abort()

    async def _rest(self, request: web.Request) -> web.Response:
        self.rest_targets.append(request.raw_path)
        if request.path == "/api/v3/time":
            return web.json_response({"serverTime": 1_700_000_000_000})
        if request.path == "/api/v3/exchangeInfo":
            return web.json_response({"symbols": self.symbols, "rateLimits": self.limits})
        assert self.rest_answer is not None
        return self.rest_answer(request)

    async def _market(self, request: web.Request) -> web.WebSocketResponse:
        self.market_socket = socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for _ in socket:
            pass
        return socket

    async def _orders(self, request: web.Request) -> web.WebSocketResponse:
        self.order_socket = socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            assert message.type is WSMsgType.TEXT
            asked = json.loads(message.data)
            self.requests.append(asked)
            self._changed.set()
            reply = self._session_reply(asked) or self.answer(asked)
            if reply is not None:
                await socket.send_json({"id": asked["id"], "status": 200} | reply)
        return socket

    def _session_reply(self, asked: dict[str, Any]) -> dict[str, Any] | None:
        if self.session_limit is not None and asked["id"].startswith("s"):
            return self.session_limit
        if asked["method"] == "session.logon":
            self.logons += 1
            if self.logon_error is not None:
                return {"status": 400, "error": self.logon_error}
            return {"result": {"apiKey": asked["params"]["apiKey"], "serverTime": 1}}
        if asked["method"] == "userDataStream.subscribe":
            return {"result": {"subscriptionId": 0}}
        if asked["method"] == "time":
            return {"result": {"serverTime": 1_700_000_000_000}}
        return None
