"""A connection of the exchange: pings, and the end of those who do not answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from socket import SO_SNDBUF, SOL_SOCKET
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from hftd.runtime.exchange_connection import MAX_QUEUED_BYTES, Connection, LateAnswers
from hftd.simex.fault_requests import NO_REPLY
from tests.runtime.exchange_process import WITHIN_S

Scenario = Callable[[Connection, web.WebSocketResponse], Coroutine[Any, Any, None]]


@asynccontextmanager
async def served(scenario: Scenario) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """Connect a client that answers nothing by itself to a server that plays a scenario."""

    async def answer(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        assert request.transport is not None
        await scenario(Connection(socket, request.transport), socket)
        return socket

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        async with aiohttp.ClientSession() as session, asyncio.timeout(WITHIN_S):
            yield await session.ws_connect(f"http://127.0.0.1:{port}/", autoping=False)
    finally:
        await runner.cleanup()


def test_a_client_that_answers_stays() -> None:
    """Every ping carries a payload; who sends it back is pinged again."""

    async def scenario(connection: Connection, socket: web.WebSocketResponse) -> None:
        pinging = asyncio.create_task(connection.ping(0.02, 5.0))
        for _ in range(3):
            message = await socket.receive()
            assert message.type is WSMsgType.PONG
            connection.heard_pong(asyncio.get_running_loop().time())
        pinging.cancel()

    async def run() -> None:
        async with served(scenario) as client:
            for _ in range(3):
                message = await client.receive()
                assert message.type is WSMsgType.PING
                assert message.data
                await client.pong(message.data)

    asyncio.run(run())


def test_a_client_that_is_mute_is_cut_off() -> None:
    """Without a pong in time the connection ends, and so does the pinging."""

    async def scenario(connection: Connection, socket: web.WebSocketResponse) -> None:
        await connection.ping(0.02, 0.05)

    async def run() -> None:
        async with served(scenario) as client:
            message = await client.receive()
            while message.type is WSMsgType.PING:
                message = await client.receive()
            assert message.type in (WSMsgType.CLOSED, WSMsgType.ERROR)

    asyncio.run(run())


@pytest.mark.parametrize("frames", [0, 3])
def test_finish_sends_what_waits_and_closes(frames: int) -> None:
    """A polite end loses no frame that was queued before it."""

    async def scenario(connection: Connection, socket: web.WebSocketResponse) -> None:
        for number in range(frames):
            connection.push(b"%d" % number)
        connection.finish()
        connection.push(b"too late")
        writing = asyncio.create_task(connection.write())
        async for _ in socket:
            pass
        await writing

    async def run() -> None:
        async with served(scenario) as client:
            heard = [await client.receive_str() for _ in range(frames)]
            assert heard == [str(number) for number in range(frames)]
            assert (await client.receive()).type is WSMsgType.CLOSE

    asyncio.run(run())


def test_frames_of_every_length_arrive_whole() -> None:
    """The head of a frame has three forms, by its length; many frames leave in one write."""
    lengths = [0, 1, 125, 126, 65_535, 65_536, 300_000]

    async def scenario(connection: Connection, socket: web.WebSocketResponse) -> None:
        for length in lengths:
            connection.push(b"x" * length)
        connection.finish()
        await connection.write()

    async def run() -> None:
        async with served(scenario) as client:
            assert [len(await client.receive_str()) for _ in lengths] == lengths

    asyncio.run(run())


def test_who_reads_slowly_gets_all_before_the_goodbye() -> None:
    """What the kernel does not take at once waits, and the goodbye begins only after it."""
    frames, length = 30, 100_000
    reads = asyncio.Event()

    async def scenario(connection: Connection, socket: web.WebSocketResponse) -> None:
        # A small buffer in the kernel, so that the transport's own is used.
        bare = socket.get_extra_info("socket")
        bare.setsockopt(SOL_SOCKET, SO_SNDBUF, 4096)
        for _ in range(frames):
            connection.push(b"x" * length)
        connection.finish()
        writing = asyncio.create_task(connection.write())
        await asyncio.wait([writing], timeout=0.05)
        assert not socket.closed
        reads.set()
        async for _ in socket:
            pass
        await writing

    async def run() -> None:
        async with served(scenario) as client:
            await reads.wait()
            assert [len(await client.receive_str()) for _ in range(frames)] == [length] * frames
            assert (await client.receive()).type is WSMsgType.CLOSE

    asyncio.run(run())


def test_too_much_in_the_queue_cuts_off() -> None:
    """The bound is in bytes, and the last frame that fits is the last that is kept."""

    async def scenario(connection: Connection, socket: web.WebSocketResponse) -> None:
        connection.push(b"x" * MAX_QUEUED_BYTES)
        connection.push(b"x")
        await connection.write()

    async def run() -> None:
        async with served(scenario) as client:
            message = await client.receive()
            assert message.type in (WSMsgType.CLOSED, WSMsgType.ERROR)

    asyncio.run(run())


def test_an_answer_that_is_late_is_given_once() -> None:
    """Who waits gets it; who waited too long, or at the end, gets no reply; others disturb none."""

    async def run() -> None:
        answers = LateAnswers()
        waiting = [asyncio.create_task(answers.wait(ticket)) for ticket in (1, 2)]
        hasty = asyncio.create_task(answers.wait(3, 0.01))
        assert (await hasty)[0] == NO_REPLY
        answers.give(1, (200, {}, b"{}"))
        answers.give(1, (500, {}, b""))
        answers.give(9, (500, {}, b""))
        assert await waiting[0] == (200, {}, b"{}")
        answers.give(1, (500, {}, b""))
        answers.end()
        assert (await waiting[1])[0] == NO_REPLY

    asyncio.run(run())
