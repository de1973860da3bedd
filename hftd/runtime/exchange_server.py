"""Puts a ``Venue`` on TCP: REST and WebSocket on one port, timers, and its state on disk.

Owns sockets, the clock and the files of the simulated exchange. Knows nothing of the protocol
and nothing of the engine.

The order of one call, always: the venue decides, its log line is appended, then replies and
events go out. When the log cannot be written the process ends before anybody hears of it. A
bug of ours ends it too (exit 70): a venue that contradicts itself is worth nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import WSMsgType, web

from hftd.errors import InvariantBroken, UsageError
from hftd.runtime.exchange_admin import MAX_PATH_BYTES, AdminSocket
from hftd.runtime.exchange_ask import SOCKET_NAME
from hftd.runtime.exchange_connection import (
    MAX_FRAME_BYTES,
    Connection,
    LateAnswers,
    break_off,
    quiet_logger,
)
from hftd.runtime.exchange_roads import Beside, Roads
from hftd.runtime.exchange_state import StateFolder
from hftd.simex.dialect_rest import Response
from hftd.simex.doubt_worth import doubtful_worth
from hftd.simex.fault_requests import LATER, NO_REPLY, ticket_of
from hftd.simex.late_venue import LateVenue
from hftd.simex.memory import read_accounts

MARKETS_EVERY_S = 5.0
MAX_CONNECTIONS = 500
"""WebSocket connections at one time; each may hold its queue's bound of memory."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")
_MAX_BODY_BYTES = 1_000_000
_CLOSE_WITHIN_S = 2.0
_TOO_MANY = {"code": -1034, "msg": "Too many connections."}
_INTERNAL = {"code": -1000, "msg": "An unknown error occurred while processing the request."}


def venue_clock() -> Callable[[], int]:
    """Return a clock of wall time in ns that never steps back."""
    offset_ns = time.time_ns() - time.monotonic_ns()
    return lambda: offset_ns + time.monotonic_ns()


class ExchangeServer:
    """A venue, its connections, its timer and its folder (None: nothing is kept)."""

    def __init__(
        self, venue: LateVenue, state: StateFolder | None, clock: Callable[[], int]
    ) -> None:
        self._venue = venue
        self._state = state
        self._clock = clock
        self._connections: dict[int, Connection] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = 0
        self._stop = asyncio.Event()
        self._failure: BaseException | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._cut_early: set[int] = set()  # Before their handshake was done.
        self._late_answers = LateAnswers()
        self.port = 0

    async def run(
        self,
        host: str,
        port: int,
        listening: Callable[[int], None],
        roads: Roads = Roads(),  # noqa: B008 - it is frozen.
    ) -> None:
        """Serve until ``stop``; ``listening`` is called with the port once it is bound.

        Raises UsageError for an address that cannot be bound, InvariantBroken after a bug.
        """
        if host not in LOOPBACK and not roads.beyond_loopback:
            raise UsageError(
                f"the simulated exchange listens on loopback only, was {host}; "
                "--beyond-loopback lets everybody in who reaches it"
            )
        self._open_venue()
        app = web.Application(client_max_size=_MAX_BODY_BYTES)
        app.router.add_route("*", "/{tail:.*}", self._answer)
        runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=_CLOSE_WITHIN_S, logger=quiet_logger()
        )
        await runner.setup()
        admin = None
        try:
            await self._bind(runner, host, port, roads.tls)
            if roads.admin is not None:
                admin = AdminSocket(roads.admin, self._venue, self._clock, self._flush)
                await admin.start()
            self.port = runner.addresses[0][1]
            if self._state is not None:
                self._state.announce(host, self.port)
            self._flush()
            helpers = [self._task(self._keep_markets())]
            if roads.beside is not None:
                helpers.append(self._task(self._run_beside(roads.beside)))
            listening(self.port)
            await self._stop.wait()
            for helper in helpers:
                helper.cancel()
            await self._say_goodbye()
        finally:
            if self._timer is not None:
                self._timer.cancel()
            if admin is not None:
                await admin.stop()
            await runner.cleanup()
            if self._state is not None and self._failure is None:
                self._snapshot()
                self._state.withdraw()
        if self._failure is not None:
            raise InvariantBroken("the simulated exchange stopped") from self._failure

    async def _bind(
        self, runner: web.AppRunner, host: str, port: int, tls: ssl.SSLContext | None
    ) -> None:
        # Clients of the process before this one come back to its port by themselves.
        last_port = 0 if self._state is None else self._state.last_port()
        if port == 0 and last_port != 0:
            try:
                await web.TCPSite(runner, host, last_port, ssl_context=tls).start()
                return
            except OSError:
                pass  # Somebody else has it by now, and any other port will do.
        try:
            await web.TCPSite(runner, host, port, ssl_context=tls).start()
        except OSError as error:
            raise UsageError(f"cannot listen on {host} port {port}: {error}") from error

    def stop(self) -> None:
        """End ``run``; safe from a signal handler of the loop."""
        self._stop.set()

    # --- state ----------------------------------------------------------------------------

    def _open_venue(self) -> None:
        now_ns = self._clock()
        stored = None if self._state is None else self._state.read_accounts()
        if stored is None:
            self._venue.start(now_ns)
        else:
            assert self._state is not None
            accounts = read_accounts(stored)
            self._state.generation = accounts.generation
            log = self._state.read_log(accounts.generation)
            self._venue.restore(accounts, log, self._state.read_markets(), now_ns)
        # The snapshot that follows holds all that opening did.
        self._venue.take_log()
        self._snapshot()

    def _snapshot(self) -> None:
        if self._state is not None:
            generation = self._state.generation + 1
            accounts = self._venue.dump_accounts(generation)
            self._state.begin(generation, accounts, self._venue.dump_markets(self._clock()))

    async def _keep_markets(self) -> None:
        while self._state is not None:
            await asyncio.sleep(MARKETS_EVERY_S)
            with self._guard():
                await self._state.keep_markets(self._venue.dump_markets(self._clock()))
                self._state.write_doubt(doubtful_worth(self._venue, self._clock()))
                if self._state.is_full:
                    self._snapshot()

    async def _run_beside(self, beside: Beside) -> None:
        with self._guard():
            await beside(self._at_once)

    def _at_once(self, act: Callable[[int], None]) -> None:
        with self._guard():
            now_ns = self._clock()
            act(now_ns)
            self._venue.advance(now_ns)
            self._flush()

    # --- time and output ------------------------------------------------------------------

    def _flush(self) -> None:
        # What happened is written down before anybody hears of it; after a failure nobody does.
        if self._failure is not None:
            return
        if self._venue.take_restarted():
            # The log so far belongs to accounts that are no more.
            self._snapshot()
        log, archived = self._venue.take_log(), self._venue.take_archive()
        if self._state is not None:
            self._state.append(log, archived)
        for number, frame in self._venue.take():
            connection = self._connections.get(number)
            if connection is not None:
                connection.push(frame)
        for ticket, response in self._venue.take_answers():
            self._late_answers.give(ticket, response)
        for number in self._venue.take_hung_up():
            connection = self._connections.get(number)
            if connection is not None:
                connection.finish()
        for number in self._venue.take_cut():
            connection = self._connections.get(number)
            if connection is not None:
                connection.break_off()
            else:
                self._cut_early.add(number)
        for fired in self._venue.script.take_log():
            sys.stderr.write(json.dumps(fired) + "\n")
        self._arm()

    def _arm(self) -> None:
        due_ns = self._venue.next_ns()
        if due_ns is None or (self._timer is not None and self._timer_ns <= due_ns):
            return
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        wait_s = max(0, due_ns - self._clock()) / 1e9
        self._timer, self._timer_ns = loop.call_later(wait_s, self._tick), due_ns

    def _tick(self) -> None:
        self._timer = None
        with self._guard():
            self._venue.advance(self._clock())
            self._flush()

    def _guard(self) -> _Guard:
        return _Guard(self._fail)

    def _fail(self, error: BaseException) -> None:
        self._failure = error
        self._stop.set()
        traceback.print_exception(error, file=sys.stderr)

    # --- connections ----------------------------------------------------------------------

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        upgrade = request.headers.get("Upgrade", "").lower()
        if upgrade == "websocket":
            return await self._serve_socket(request)
        body = await request.read()
        entry_ns, response_ns = self._venue.rest_delays_ns(request.headers)
        if entry_ns:
            await asyncio.sleep(entry_ns / 1e9)
        response: Response | None = None
        with self._guard():
            response = self._venue.http(
                request.method, request.raw_path, request.headers, body, self._clock()
            )
            self._flush()
        if response is not None and response[0] == LATER:
            response = await self._late_answers.wait(ticket_of(response))
        if response is None or self._failure is not None:
            return web.json_response(_INTERNAL, status=500)
        status, headers, content = response
        if status == NO_REPLY and request.transport is not None:
            await break_off(request.transport, content)
            return web.Response()
        if response_ns:
            await asyncio.sleep(response_ns / 1e9)
        return web.Response(status=status, headers=headers, body=content)

    async def _serve_socket(self, request: web.Request) -> web.StreamResponse:
        if len(self._connections) >= MAX_CONNECTIONS:
            return web.json_response(_TOO_MANY, status=429)
        number = None
        with self._guard():
            number = self._venue.open(request.raw_path, self._clock())
            self._flush()
        if number is None:
            return web.Response(status=404)
        socket = web.WebSocketResponse(autoping=False, max_msg_size=MAX_FRAME_BYTES, compress=False)
        try:
            await socket.prepare(request)
            transport = request.transport
            if transport is not None:
                connection = self._connections[number] = Connection(socket, transport)
                if number in self._cut_early:
                    connection.break_off()
                await self._read(number, connection, socket)
        finally:
            self._connections.pop(number, None)
            self._cut_early.discard(number)
            with self._guard():
                self._venue.close(number)
        return socket

    async def _read(
        self, number: int, connection: Connection, socket: web.WebSocketResponse
    ) -> None:
        loop = asyncio.get_running_loop()

        def is_gone() -> bool:
            return self._venue.is_gone(number)

        tasks = [self._task(connection.write()), self._task(connection.ping(is_gone=is_gone))]
        try:
            async for message in socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    data = message.data
                    text = data.encode() if isinstance(data, str) else data
                    with self._guard():
                        self._venue.receive(number, text, self._clock())
                        self._flush()
                elif message.type is WSMsgType.PING and not is_gone():
                    await socket.pong(message.data)
                elif message.type is WSMsgType.PONG:
                    connection.heard_pong(loop.time())
        except ConnectionError:
            connection.abort()
        finally:
            connection.finish()
            for task in tasks[1:]:
                task.cancel()

    def _task(self, work: Awaitable[None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _say_goodbye(self) -> None:
        if self._failure is None:
            self._venue.shut_down(self._clock())
            self._flush()
        self._late_answers.end()
        for connection in list(self._connections.values()):
            connection.finish()
        writers = [task for task in self._tasks if not task.done()]
        if writers:
            await asyncio.wait(writers, timeout=_CLOSE_WITHIN_S)
        for connection in list(self._connections.values()):
            connection.abort()


class _Guard:
    """Ends the server at a bug of ours, and keeps the traceback from the client."""

    def __init__(self, fail: Callable[[BaseException], None]) -> None:
        self._fail = fail

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> bool:
        if isinstance(error, Exception):
            self._fail(error)
            return True
        return False


async def serve(
    venue: LateVenue,
    folder: Path | None,
    host: str,
    port: int,
    listening: Callable[[int], None],
    roads: Roads = Roads(),  # noqa: B008 - it is frozen.
) -> None:
    """Serve a venue until SIGTERM or SIGINT, with its state in ``folder`` if there is one.

    The admin socket is in the folder unless another path is given. Raises InstanceLocked where
    another exchange holds the folder.
    """
    loop = asyncio.get_running_loop()
    if folder is None:
        server = ExchangeServer(venue, None, venue_clock())
        _stop_on_signals(loop, server)
        await server.run(host, port, listening, roads)
        return
    with StateFolder(folder) as state:
        server = ExchangeServer(venue, state, venue_clock())
        _stop_on_signals(loop, server)
        path = folder / SOCKET_NAME
        if roads.admin is None and len(os.fsencode(path)) <= MAX_PATH_BYTES:
            # A folder too deep for a socket has none; --admin names a shorter path.
            roads = roads._replace(admin=path)
        await server.run(host, port, listening, roads)


def _stop_on_signals(loop: asyncio.AbstractEventLoop, server: ExchangeServer) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
