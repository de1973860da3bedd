"""One WebSocket link against a real server: fragments, closes, silence, a peer that is stuck."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    ws_create_server,
)

from hftd.errors import InvariantBroken
from hftd.runtime import transport as rules
from hftd.runtime.transport import WebSocketLink
from tests.runtime.scripted_venue import WITHIN_S, run
from tests.tls_exchange import certificate

WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: "
)


class Peer(WSListener):
    """The server's end of a link: does something when connected, keeps what it hears."""

    def __init__(self, greet: Callable[[WSTransport], None]) -> None:
        self._greet = greet
        self.heard: list[bytes] = []

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Greet."""
        self.transport = transport
        self._greet(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Keep a text."""
        if frame.msg_type == WSMsgType.TEXT:
            self.heard.append(frame.get_payload_as_bytes())


class User:
    """Who uses the link: keeps what it was told, in order."""

    def __init__(self) -> None:
        self.told: list[str | bytes] = []
        self.more: list[bool] = []
        self.times: list[int] = []
        self._changed = asyncio.Event()

    def _tell(self, what: str | bytes) -> None:
        self.told.append(what)
        self._changed.set()

    def on_open(self) -> None:
        """Keep."""
        self._tell("open")

    def on_frame(self, data: bytes, ts_ns: int, more: bool = False) -> None:
        """Keep, with its time."""
        self.times.append(ts_ns)
        self.more.append(more)
        self._tell(data)

    def on_alive(self) -> None:
        """Keep."""
        self._tell("alive")

    def on_refused(self, status: int, retry_after: str) -> None:
        """Keep."""
        self._tell(f"refused {status} {retry_after}")

    def on_down(self) -> None:
        """Keep."""
        self._tell("down")

    async def until(self, *what: str | bytes) -> None:
        """Wait until exactly this was told, pings aside."""

        async def wait() -> None:
            while [told for told in self.told if told != "alive"][: len(what)] != list(what):
                self._changed.clear()
                await self._changed.wait()

        await asyncio.wait_for(wait(), WITHIN_S)


@asynccontextmanager
async def linked(
    *greetings: Callable[[WSTransport], None],
    user: User | None = None,
    pong: bool = True,
    **options: float,
) -> AsyncIterator[tuple[WebSocketLink, User, list[Peer], asyncio.Task[None]]]:
    """Serve one greeting per connection, the last for ever, and keep a link to it."""
    peers: list[Peer] = []

    def accept(request: WSUpgradeRequest) -> Peer:
        peers.append(Peer(greetings[min(len(peers), len(greetings) - 1)]))
        return peers[-1]

    server = await ws_create_server(accept, "127.0.0.1", 0, enable_auto_pong=pong)
    port = server.sockets[0].getsockname()[1]
    user = user or User()
    link = WebSocketLink(
        f"ws://127.0.0.1:{port}/", user, time.monotonic_ns, lambda _: 0.01, **options
    )
    task = asyncio.create_task(link.run())
    try:
        yield link, user, peers, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        server.close()
        for peer in peers:
            peer.transport.underlying_transport.abort()
            await peer.transport.wait_disconnected()


def quiet(transport: WSTransport) -> None:
    """Say nothing."""


def test_texts_arrive_in_order_with_rising_times():
    """Each text is one call with its bytes and the time it was read."""

    def greet(transport: WSTransport) -> None:
        transport.send(WSMsgType.TEXT, b"one")
        transport.send(WSMsgType.TEXT, "zwei µ".encode())

    async def work() -> None:
        async with linked(greet) as (_, user, _, _):
            await user.until("open", b"one", "zwei µ".encode())
            assert user.times == sorted(user.times)

    run(work)


def test_a_text_that_another_was_read_along_with_says_so():
    """Three frames in one segment: the user hears at the first two that more is here."""

    def greet(transport: WSTransport) -> None:
        frames = b"".join(bytes([0x81, len(text)]) + text for text in (b"one", b"two", b"three"))
        transport.underlying_transport.write(frames)

    async def work() -> None:
        async with linked(greet) as (_, user, _, _):
            await user.until("open", b"one", b"two", b"three")
            assert user.more == [True, True, False]

    run(work)


def test_fragments_are_joined():
    """A message in three parts, with a ping between them, arrives as one; the next starts anew."""

    def greet(transport: WSTransport) -> None:
        transport.send(WSMsgType.TEXT, b"a", fin=False)
        transport.send(WSMsgType.CONTINUATION, b"b", fin=False)
        transport.send_ping(b"still there?")
        transport.send(WSMsgType.CONTINUATION, b"c")
        transport.send(WSMsgType.TEXT, b"next")
        transport.send(WSMsgType.TEXT, b"d", fin=False)
        transport.send(WSMsgType.CONTINUATION, b"e")

    async def work() -> None:
        async with linked(greet) as (_, user, _, _):
            await user.until("open", b"abc", b"next", b"de")

    run(work)


def too_long(transport: WSTransport) -> None:
    """Send fragments beyond the limit, then a text that must not count any more."""
    part = b"x" * (rules.MAX_MESSAGE_BYTES // 2 + 1)
    transport.send(WSMsgType.TEXT, part, fin=False)
    transport.send(WSMsgType.CONTINUATION, part)
    transport.send(WSMsgType.TEXT, b"late")


def binary(transport: WSTransport) -> None:
    """Send what is not text, then a text that must not count any more."""
    transport.send(WSMsgType.BINARY, b"x")
    transport.send(WSMsgType.TEXT, b"late")


def goodbye(transport: WSTransport) -> None:
    """Close in good order."""
    transport.send_close()
    transport.disconnect()


def cut(transport: WSTransport) -> None:
    """Close without a word."""
    transport.underlying_transport.abort()


@pytest.mark.parametrize("greet", [too_long, binary, goodbye, cut])
def test_a_lost_link_is_told_once_and_comes_back(greet):
    """Whatever ended the socket: down, then open again, with nothing delivered between."""

    def second(transport: WSTransport) -> None:
        transport.send(WSMsgType.TEXT, b"here")

    async def work() -> None:
        async with linked(greet, second) as (_, user, _, _):
            await user.until("open", "down", "open", b"here")

    run(work)


def test_a_peer_that_answers_no_ping_is_dropped():
    """Half open: the socket stands, nothing is heard, so the link goes and comes back."""

    async def work() -> None:
        async with linked(quiet, pong=False, ping_every_s=0.02) as (
            _, user, _, _,
        ):  # fmt: skip
            await user.until("open", "down", "open")
            assert "alive" not in user.told

    run(work)


def test_a_peer_that_answers_pings_is_alive_without_a_word():
    """Answered pings keep a silent link up, and are told."""

    async def work() -> None:
        async with linked(quiet, ping_every_s=0.02) as (_, user, _, _):
            while user.told.count("alive") < 10:
                user._changed.clear()
                await asyncio.wait_for(user._changed.wait(), WITHIN_S)
            assert "down" not in user.told

    run(work)


def test_frames_are_sent_while_up_and_refused_while_down():
    """True means handed to the socket, False means that nothing of it was."""

    async def work() -> None:
        async with linked(quiet) as (link, user, peers, _):
            assert not link.send(b"too early")
            await user.until("open")
            assert link.send(b"hello")
            link.drop("for the test")
            assert not link.send(b"too late")
            await user.until("open", "down", "open")
            assert link.send(b"again")
            while len(peers) < 2 or not peers[1].heard:
                await asyncio.sleep(0)
            assert (peers[0].heard, peers[1].heard) == ([b"hello"], [b"again"])

    run(work)


def test_a_peer_that_does_not_read_makes_send_refuse():
    """What is unsent is bounded: the frame that finds too much before it is not written."""

    def deaf(transport: WSTransport) -> None:
        transport.underlying_transport.pause_reading()

    async def work() -> None:
        async with linked(deaf) as (link, user, _, _):
            await user.until("open")
            sent = 0
            while link.send(b"x" * 65_536):
                sent += 65_536
                assert sent < 100_000_000
            assert "down" not in user.told

    run(work)


def test_a_bug_in_the_user_ends_the_link_with_its_own_exception():
    """An exception out of on_frame is not swallowed, and the link does not come back."""

    class Broken(User):
        def on_frame(self, data: bytes, ts_ns: int, more: bool = False) -> None:
            raise InvariantBroken("for the test")

    def greet(transport: WSTransport) -> None:
        transport.send(WSMsgType.TEXT, b"x")

    async def work() -> None:
        async with linked(greet, user=Broken()) as (_, _, peers, task):
            with pytest.raises(InvariantBroken, match="for the test"):
                await asyncio.wait_for(asyncio.shield(task), WITHIN_S)
            assert len(peers) == 1

    run(work)


def test_a_server_that_is_not_there_is_tried_again_by_the_backoff():
    """Attempts are counted from 0 and the user hears of none of them."""
    attempts: list[int] = []
    enough = asyncio.Event()

    def backoff_s(attempt: int) -> float:
        attempts.append(attempt)
        if attempt >= 3:
            enough.set()
        return 0.0

    async def work() -> None:
        user = User()
        link = WebSocketLink("ws://127.0.0.1:1/", user, time.monotonic_ns, backoff_s)
        task = asyncio.create_task(link.run())
        await asyncio.wait_for(enough.wait(), WITHIN_S)
        task.cancel()
        assert attempts[:3] == [1, 2, 3]
        assert link.fault == "connection refused"
        assert user.told == []

    run(work)


def test_a_refused_handshake_is_told_and_no_other_begins_before_the_hold_is_over():
    """What the server said is told with its Retry-After; the user then says until when to wait."""

    class Patient(User):
        def on_refused(self, status: int, retry_after: str) -> None:
            super().on_refused(status, retry_after)
            self.until_ns = time.monotonic_ns() + 300_000_000
            self.link.hold_back(self.until_ns)

    async def work() -> None:
        asked: list[int] = []

        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(time.monotonic_ns())
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 418 no\r\nRetry-After: 120\r\nContent-Length: 2\r\n\r\n{}")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        user = Patient()
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        user.link = WebSocketLink(url, user, time.monotonic_ns, lambda _: 0.0)
        task = asyncio.create_task(user.link.run())
        await user.until("refused 418 120")
        first_until_ns = user.until_ns
        await user.until("refused 418 120", "refused 418 120")
        assert asked[1] >= first_until_ns
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        server.close()

    run(work)


@contextlib.contextmanager
def full_house() -> Iterator[socket.socket]:
    """Listen with no room left: first packets of further connections are not answered."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as house,
        socket.create_connection(house.getsockname()),
    ):
        yield house


def waiting_for_an_answer(port: int) -> bool:
    """Tell whether a first packet was sent to a port of loopback, and nothing came back."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(line.split()[2:4] == [f"0100007F:{port:04X}", "02"] for line in lines)


def test_a_connection_whose_first_packet_is_lost_is_given_up():
    """The system would go on for two minutes; the back-off leads to another attempt."""
    attempts: list[int] = []
    twice = asyncio.Event()

    def backoff_s(attempt: int) -> float:
        attempts.append(attempt)
        if attempt >= 2:
            twice.set()
        return 0.0

    async def work() -> None:
        with full_house() as house:
            user = User()
            url = f"ws://127.0.0.1:{house.getsockname()[1]}/"
            link = WebSocketLink(url, user, time.monotonic_ns, backoff_s, handshake_s=0.2)
            task = asyncio.create_task(link.run())
            await asyncio.wait_for(twice.wait(), WITHIN_S)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert attempts[:2] == [1, 2]
            assert link.fault == "no answer in time"
            assert user.told == []

    run(work)


def test_a_consent_to_a_connection_that_was_given_up_opens_nothing():
    """The first packet arrives late, and the consent when the next connection is there already."""

    async def consent(connection: socket.socket, request: bytes, more: bytes = b"") -> None:
        key = re.findall(rb"(?i)sec-websocket-key: (.*?)\r\n", request)[0]
        accept = base64.b64encode(hashlib.sha1(key + WEBSOCKET_GUID).digest())
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(connection, SWITCHING + accept + b"\r\n\r\n" + more)

    async def met(house: socket.socket) -> tuple[socket.socket, bytes]:
        loop = asyncio.get_running_loop()
        connection, _ = await loop.sock_accept(house)
        connection.setblocking(False)
        return connection, await loop.sock_recv(connection, 4096)

    async def work() -> None:
        with full_house() as house:
            house.setblocking(False)
            port = house.getsockname()[1]
            user = User()
            url = f"ws://127.0.0.1:{port}/"
            link = WebSocketLink(url, user, time.monotonic_ns, lambda _: 0.0, handshake_s=1.5)
            task = asyncio.create_task(link.run())
            async with asyncio.timeout(WITHIN_S):
                while not waiting_for_an_answer(port):
                    await asyncio.sleep(0.01)
                filler, _ = await asyncio.get_running_loop().sock_accept(house)
                (first, asked), (second, again) = await met(house), await met(house)
                await consent(first, asked, b"\x81\x04late")
                with contextlib.suppress(ConnectionError):
                    while await asyncio.get_running_loop().sock_recv(first, 4096):
                        pass
                await consent(second, again, b"\x81\x04news")
            await user.until("open", b"news")
            assert user.told[:2] == ["open", b"news"]
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for each in (filler, first, second):
                each.close()

    run(work)


def test_a_canceled_link_closes_and_says_no_more():
    """Who stops a link does not want to hear that it is down."""

    async def work() -> None:
        async with linked(quiet) as (link, user, _, task):
            await user.until("open")
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert not link.send(b"x")
        assert user.told == ["open"]

    run(work)


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_link_canceled_while_it_connects_never_opens(scheme: str, tmp_path: Path):
    """The venue's consent comes late: the user hears nothing, and the socket is closed."""
    server_tls = client_tls = None
    if scheme == "wss":
        cert, key = certificate(tmp_path)
        server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server_tls.load_cert_chain(cert, key)
        client_tls = ssl.create_default_context(cafile=str(cert))

    async def work() -> None:
        asked, ended = asyncio.Event(), asyncio.Event()

        async def consent_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            request = await reader.readuntil(b"\r\n\r\n")
            asked.set()
            await asyncio.gather(task, return_exceptions=True)
            key = re.findall(rb"(?i)sec-websocket-key: (.*?)\r\n", request)[0]
            accept = base64.b64encode(hashlib.sha1(key + WEBSOCKET_GUID).digest())
            writer.write(SWITCHING + accept + b"\r\n\r\n" + b"\x81\x04late")
            with contextlib.suppress(ConnectionError):
                await reader.read()
            ended.set()
            writer.close()

        server = await asyncio.start_server(consent_late, "127.0.0.1", 0, ssl=server_tls)
        url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        user = User()
        link = WebSocketLink(url, user, time.monotonic_ns, lambda _: 0.01, tls=client_tls)
        task = asyncio.create_task(link.run())
        await asyncio.wait_for(asked.wait(), WITHIN_S)
        task.cancel()
        try:
            await asyncio.wait_for(ended.wait(), WITHIN_S)
        finally:
            link.drop("the test ends")
            server.close()
        assert user.told == []

    run(work)
