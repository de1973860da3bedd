"""One WebSocket link to the venue: connect, deliver, notice silence, reconnect.

Owns a socket. Must not know messages: bytes go up, bytes go down. A frame goes from the
socket to ``on_frame`` in one synchronous call; no queue, task or thread stands between.

- Whatever the link says comes from the event loop, never from inside `send` or `drop`.
- A connection that does not stand after `HANDSHAKE_S` is given up, whatever it waits for: names,
  the first packet (for which the system alone would wait two minutes), TLS or the peer's consent.
- A ping goes out each `PING_EVERY_S`; nothing heard over `SILENT_PINGS` of them means the
  socket is half open: it is dropped. Pings are counted, not seconds, so that a stall of our
  own loop is not taken for the peer's. The peer's pings are answered by the library.
- Messages in fragments are joined, up to `MAX_MESSAGE_BYTES`; a longer one drops the link.
- Nothing waits behind a socket that does not drain: with over `MAX_UNSENT_BYTES` unsent,
  `send` refuses, and nothing of the frame was written.
- After a loss the link connects again by the caller's back-off, from its first step where
  the link had stood for `STABLE_S`; never before the time that its user was told to hold back to.
- An exception out of ``on_frame`` is a bug of ours: it ends `run` with that exception.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Protocol

from picows import (
    WSError,
    WSFrame,
    WSHandshakeError,
    WSListener,
    WSMsgType,
    WSTransport,
    ws_connect,
)

from hftd.runtime.tls import connection_fault

PING_EVERY_S = 1.0
SILENT_PINGS = 5
STABLE_S = 30.0
HANDSHAKE_S = 5.0
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
MAX_UNSENT_BYTES = 256 * 1024

# Looked up once: a member of an Enum by its name costs 0.1 µs, and each frame asks for some.
TEXT, CONTINUATION = WSMsgType.TEXT, WSMsgType.CONTINUATION
PONG, CLOSE = WSMsgType.PONG, WSMsgType.CLOSE

# What the library would log comes to us as callbacks and exceptions all the same.
_quiet = logging.getLogger("hftd.picows")
_quiet.addHandler(logging.NullHandler())
_quiet.propagate = False


class LinkUser(Protocol):
    """Who uses a link."""

    def on_open(self) -> None:
        """Hear that the socket is open."""

    def on_frame(self, data: bytes, ts_ns: int, more: bool = False) -> None:
        """Take one whole text message, with the time its last byte was read.

        ``more``: another frame was read along with it and follows at once.
        """

    def on_alive(self) -> None:
        """Hear that the peer answered a ping."""

    def on_down(self) -> None:
        """Hear that the socket, once open, is closed."""

    def on_refused(self, status: int, retry_after: str) -> None:
        """Hear that the handshake was refused, with its Retry-After ("" where none was named)."""


class WebSocketLink:
    """A link that stays up; see the module for its rules."""

    def __init__(
        self,
        url: str,
        user: LinkUser,
        now_ns: Callable[[], int],
        backoff_s: Callable[[int], float],
        ping_every_s: float = PING_EVERY_S,
        tls: ssl.SSLContext | None = None,
        handshake_s: float = HANDSHAKE_S,
    ) -> None:
        self.fault = ""  # Why the link was lost last, for people; never holds a query.
        self._url = url
        self._user = user
        self._now_ns = now_ns
        self._backoff_s = backoff_s
        self._ping_every_s = ping_every_s
        self._handshake_s = handshake_s
        self._tls = tls  # None: the system's certificates, where the address is wss.
        self._transport: WSTransport | None = None
        self._silent_pings = 0
        self._ping_timer: asyncio.TimerHandle | None = None
        self._running = False
        self._hold_until_ns = 0

    async def run(self) -> None:
        """Keep the link up until canceled, then say no more; raise what ``on_frame`` raised."""
        self._running = True
        try:
            await self._keep_up()
        finally:
            self._running = False
            self.drop(self.fault)

    async def _keep_up(self) -> None:
        attempt = 0
        while True:
            while (held_ns := self._hold_until_ns - self._now_ns()) > 0:
                await asyncio.sleep(held_ns / 1e9)
            since_ns = self._now_ns()
            try:
                transport = await self._connect()
                await transport.wait_disconnected()
            except (OSError, TimeoutError, WSError) as fault:
                self.fault = self.fault or connection_fault(fault)
                response = fault.response if isinstance(fault, WSHandshakeError) else None
                if response is not None:
                    retry_after = response.headers.get("Retry-After", "")
                    self._user.on_refused(int(response.status), retry_after)
            stood_ns = self._now_ns() - since_ns
            attempt = 0 if stood_ns > STABLE_S * 1e9 else attempt + 1
            await asyncio.sleep(self._backoff_s(attempt))

    async def _connect(self) -> WSTransport:
        listener = _Listener(self)
        try:
            async with asyncio.timeout(self._handshake_s):
                transport, _ = await ws_connect(
                    lambda: listener,
                    self._url,
                    ssl_context=self._tls,
                    websocket_handshake_timeout=self._handshake_s,
                    max_frame_size=MAX_MESSAGE_BYTES,
                    max_redirects=0,
                    logger_name=_quiet,
                )
        except TimeoutError as fault:
            # The library goes on until its own limit; what it opens then is nobody's.
            listener.given_up = True
            self.drop(connection_fault(fault))
            raise
        return transport

    def send(self, frame: bytes) -> bool:
        """Write a text frame; False where nothing of it was written (down or not draining)."""
        transport = self._transport
        if transport is None or transport.is_disconnected:
            return False
        if transport.underlying_transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            return False
        transport.send(TEXT, frame)
        return True

    def hold_back(self, until_ns: int) -> None:
        """Open no connection before a time by the link's clock; one that stands is kept."""
        self._hold_until_ns = max(self._hold_until_ns, until_ns)

    def drop(self, fault: str) -> None:
        """Close the socket at once; `run` connects again."""
        self.fault = fault
        transport, self._transport = self._transport, None
        if self._ping_timer is not None:
            self._ping_timer.cancel()
            self._ping_timer = None
        if transport is not None:
            transport.underlying_transport.abort()

    def opened(self, transport: WSTransport) -> None:
        """Take the listener's word that the socket is open."""
        if not self._running:  # Canceled while it connected: nobody listens any more.
            transport.underlying_transport.abort()
            return
        self.fault = ""
        self._transport, self._silent_pings = transport, 0
        self._ping_timer = asyncio.get_running_loop().call_later(self._ping_every_s, self._ping)
        self._user.on_open()

    def received(self, data: bytes, ts_ns: int, more: bool = False) -> None:
        """Take a whole message from the listener."""
        self._silent_pings = 0
        if self._transport is not None:  # What was read along with the cause of a drop is late.
            self._user.on_frame(data, ts_ns, more)

    def alive(self) -> None:
        """Take a pong from the listener."""
        self._silent_pings = 0
        if self._transport is not None:
            self._user.on_alive()

    def closed(self) -> None:
        """Take the listener's word that the socket is closed."""
        self.drop(self.fault or "closed by the peer")
        if self._running:
            self._user.on_down()

    def _ping(self) -> None:
        if self._transport is None:
            return
        if self._silent_pings >= SILENT_PINGS:
            self.drop("silent")
            return
        self._silent_pings += 1
        self._transport.send_ping()
        self._ping_timer = asyncio.get_running_loop().call_later(self._ping_every_s, self._ping)


class _Listener(WSListener):
    # One per connection: what is left of a fragmented message dies with it.

    def __init__(self, link: WebSocketLink) -> None:
        self._link = link
        self._now_ns, self._received = link._now_ns, link.received
        self._parts = bytearray()
        self._opened = self.given_up = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        if self.given_up:
            transport.underlying_transport.abort()
        else:
            self._opened = True
            self._link.opened(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if not self._opened:  # Read along with a consent that came too late.
            return
        ts_ns = self._now_ns()
        kind = frame.msg_type
        if kind == TEXT and frame.fin:
            self._received(frame.get_payload_as_bytes(), ts_ns, not frame.last_in_buffer)
        elif kind in (TEXT, CONTINUATION):
            self._join(frame, ts_ns)
        elif kind == PONG:
            self._link.alive()
        elif kind == CLOSE:
            self._link.drop("closed by the peer")
        else:
            self._link.drop("a binary message, where text is spoken")

    def _join(self, frame: WSFrame, ts_ns: int) -> None:
        self._parts += frame.get_payload_as_bytes()
        if len(self._parts) > MAX_MESSAGE_BYTES:
            self._link.drop(f"a message of over {MAX_MESSAGE_BYTES} bytes")
        elif frame.fin:
            data = bytes(self._parts)
            self._parts.clear()
            self._link.received(data, ts_ns)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self._opened:
            self._link.closed()

    def pause_writing(self) -> None:
        """Nothing to do: `WebSocketLink.send` looks at the buffer itself."""

    def resume_writing(self) -> None:
        """See `pause_writing`."""
