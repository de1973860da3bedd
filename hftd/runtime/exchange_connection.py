"""One WebSocket connection of the simulated exchange: its send queue and its pings.

Owns the limits of a connection, how one is broken off, and who waits for an answer that is
late. Knows no protocol above frames and no venue.

Policy: what a client does not read is kept up to ``MAX_QUEUED_BYTES``, here and in the
transport's buffer together; a client that falls behind further is disconnected, because a gap in
the middle of a stream would be a lie. The server pings every 20 s; without a pong for 60 s the
connection ends.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections import deque
from collections.abc import Callable

from aiohttp import web
from aiohttp.http import HttpProcessingError

from hftd.simex.dialect_rest import Response
from hftd.simex.fault_requests import NO_REPLY

PING_EVERY_S = 20.0
PONG_WITHIN_S = 60.0
ANSWER_WITHIN_S = 120.0
MAX_QUEUED_BYTES = 4_000_000
MAX_FRAME_BYTES = 1_000_000
_CLOSE_WITHIN_S = 1.0
_LOOK_EVERY_S = 0.01
_HALF_A_FRAME = b'\x81\x7e\x10\x00{"e":"dep'
"""The head of a text frame of 4,096 bytes, and the first ten of them."""


class Connection:
    """Frames on their way to one client."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport) -> None:
        self._socket = socket
        self._transport = transport
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._closing = False
        self._pong_s = 0.0
        self._breaking: asyncio.Future[None] | None = None

    def push(self, frame: bytes) -> None:
        """Queue a frame; a reader that is too far behind is cut off."""
        if self._closing:
            return
        self._queued_bytes += len(frame)
        if self._queued_bytes + self._transport.get_write_buffer_size() > MAX_QUEUED_BYTES:
            self.abort()
            return
        self._queue.append(frame)
        self._wake.set()

    def abort(self) -> None:
        """Cut the connection without a close frame."""
        self._closing = True
        self._queue.clear()
        self._wake.set()
        self._transport.abort()

    def break_off(self) -> None:
        """Send the beginning of a frame, then reset the connection in the middle of it."""
        if not self._closing:
            self._closing = True
            self._queue.clear()
            self._breaking = asyncio.ensure_future(break_off(self._transport, _HALF_A_FRAME))
            self._breaking.add_done_callback(lambda _: self._wake.set())

    def finish(self) -> None:
        """Send what is queued, then close."""
        self._closing = True
        self._wake.set()

    def heard_pong(self, now_s: float) -> None:
        """Note a pong, or any sign of life at the start."""
        self._pong_s = now_s

    async def write(self) -> None:
        """Send frames until the connection ends."""
        try:
            while True:
                self._send_queued()
                if self._breaking is not None:
                    await self._breaking
                    return
                if self._closing:
                    await self._drain()
                    async with asyncio.timeout(_CLOSE_WITHIN_S):
                        await self._socket.close()
                    return
                self._wake.clear()
                await self._wake.wait()
        except (ConnectionError, TimeoutError):
            self.abort()

    def _send_queued(self) -> None:
        # All that waits goes out in one write: a call to the kernel costs more than a frame.
        if not self._queue:
            return
        if self._transport.is_closing():
            raise ConnectionResetError
        parts: list[bytes] = []
        for frame in self._queue:
            parts.append(text_head(len(frame)))
            parts.append(frame)
        self._queue.clear()
        self._queued_bytes = 0
        self._transport.write(b"".join(parts))

    async def _drain(self) -> None:
        # A client that reads slowly, but reads, gets what was sent before the goodbye.
        async with asyncio.timeout(PONG_WITHIN_S):
            while self._transport.get_write_buffer_size() and not self._transport.is_closing():
                await asyncio.sleep(_LOOK_EVERY_S)

    async def ping(
        self,
        every_s: float = PING_EVERY_S,
        within_s: float = PONG_WITHIN_S,
        is_gone: Callable[[], bool] = lambda: False,
    ) -> None:
        """Ping for ever; end the connection when nobody answered within ``within_s``.

        While ``is_gone`` says so no ping is sent: a fault has taken the peer away.
        """
        loop = asyncio.get_running_loop()
        self.heard_pong(loop.time())
        try:
            while not self._closing:
                await asyncio.sleep(every_s)
                if loop.time() - self._pong_s > within_s:
                    self.abort()
                    return
                if not is_gone():
                    await self._socket.ping(str(int(loop.time() * 1000)).encode())
        except ConnectionError:
            self.abort()


def text_head(length: int) -> bytes:
    """Return the head of a whole text frame from a server: RFC 6455, section 5.2."""
    if length < 126:
        return bytes((0x81, length))
    if length < 1 << 16:
        return b"\x81\x7e" + length.to_bytes(2, "big")
    return b"\x81\x7f" + length.to_bytes(8, "big")


def quiet_logger() -> logging.Logger:
    """Return a logger for the HTTP server that says nothing of requests that are no HTTP.

    Their senders are told; a traceback for each would bury our own bugs.
    """
    logger = logging.getLogger("hftd.exchange.http")
    logger.addFilter(_is_ours)
    return logger


def _is_ours(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError | ConnectionError)


async def break_off(transport: asyncio.Transport, last_words: bytes) -> None:
    """Send some bytes, then reset the connection without a goodbye."""
    transport.write(last_words)
    # The loop hands its writes to the kernel at the end of a round.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    bare = transport.get_extra_info("socket")
    if bare is not None and not transport.is_closing():
        # With no time to linger the kernel ends a connection by a reset.
        bare.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class LateAnswers:
    """Who waits for a REST answer that comes later, or never, by ticket."""

    def __init__(self) -> None:
        self._waiting: dict[int, asyncio.Future[Response]] = {}

    async def wait(self, ticket: int, within_s: float = ANSWER_WITHIN_S) -> Response:
        """Return the answer once it is given; NO_REPLY where none is in time."""
        waiting = self._waiting[ticket] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(within_s):
                return await waiting
        except TimeoutError:
            return NO_REPLY, {}, b""
        finally:
            del self._waiting[ticket]

    def give(self, ticket: int, response: Response) -> None:
        """Give an answer to whoever still waits."""
        waiting = self._waiting.get(ticket)
        if waiting is not None and not waiting.done():
            waiting.set_result(response)

    def end(self) -> None:
        """Let nobody wait any longer."""
        for ticket in self._waiting:
            self.give(ticket, (NO_REPLY, {}, b""))
