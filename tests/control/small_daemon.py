"""A real control server with a small dispatch, on a loop of its own in a thread."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import uvloop

from hftd.control.commands import Server
from hftd.control.connection import Peer
from hftd.control.faults import NotComplete, Refused
from hftd.control.lobby import Bounds
from hftd.control.server import ControlServer

NOBODY = 65534
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


class SmallDispatch:
    """Answers as a daemon would, and remembers what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.peers: list[Peer] = []
        self.gate_open = True
        self.kill_was_in_a_task: bool | None = None
        self.confirm = asyncio.Event()
        self.confirmed = threading.Event()
        self.stream_closed = threading.Event()
        self.page_items = 0
        self.items_given = 0

    def __call__(self, method: str, params: dict[str, Any], peer: Peer) -> object:
        self.asked.append(method)
        self.peers.append(peer)
        return getattr(self, method.replace("-", "_"))(**params)

    def status(self) -> object:
        return {"state": "RUNNING" if self.gate_open else "KILLED"}

    def book(self, instrument: str | None, depth: int) -> object:
        return {"instrument": instrument, "depth": depth}

    def orders(self) -> object:
        return {
            "orders": [{"n": n, "text": 'a "quoted" \\ é text'} for n in range(self.page_items)]
        }

    def health(self) -> object:
        raise ZeroDivisionError("secret words")

    def pnl(self) -> object:
        return {"bad": float("nan")}

    def pause(self, reason: str | None) -> object:
        raise Refused("already paused", {"state": "PAUSED"})

    async def flatten(self) -> object:
        raise NotComplete("0.3 left", {"left": "0.3"})

    async def stop(self, reason: str | None) -> object:
        raise ZeroDivisionError("secret words")

    def kill(self, reason: str | None) -> object:
        self.gate_open = False
        self.kill_was_in_a_task = asyncio.current_task() is not None
        return self._confirm_kill()

    async def _confirm_kill(self) -> object:
        await self.confirm.wait()
        self.confirmed.set()
        return {"ok": True, "line": "KILLED"}

    async def logs(
        self, follow: bool, stage: str | None, level: str | None, lines: int
    ) -> AsyncIterator[object]:
        count = 0
        try:
            while follow or count < lines:
                count += 1
                self.items_given += 1
                yield {"n": count, "event": "x" * 2000}
                if stage == "refused":
                    raise Refused("no more")
                if stage == "broken":
                    raise ZeroDivisionError("secret words")
        finally:
            self.stream_closed.set()


class SmallDaemon:
    """Runs one ControlServer in a thread until the with block ends."""

    def __init__(
        self,
        path: Path,
        dispatch: Callable[[str, dict[str, Any], Peer], object],
        *,
        loop_kind: str = "asyncio",
        server: Server = Server.ENGINE,
        mode: int | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        self.path = path
        self.dispatch = dispatch
        self.faults: list[BaseException] = []
        self.loop = LOOPS[loop_kind]()
        self.loop.set_exception_handler(
            lambda _, context: self.faults.append(
                context.get("exception") or AssertionError(context)
            )
        )
        self.server = ControlServer(path, dispatch, server=server, mode=mode, bounds=bounds)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _note_fault(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.faults.append(context.get("exception") or AssertionError(context["message"]))

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def run(self, coroutine: Any) -> Any:
        """Run a coroutine on the daemon's loop and return its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    def soon(self, action: Callable[[], object]) -> None:
        """Do something on the daemon's loop."""
        self.loop.call_soon_threadsafe(action)

    def __enter__(self) -> SmallDaemon:
        self._thread.start()
        self.run(self.server.start())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.run(self.server.close(grace_s=0.1))
        self.run(_settle())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()


async def _settle() -> None:
    # Transports say goodbye in the turns after their close.
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    for _ in range(5):
        await asyncio.sleep(0)


class Wire:
    """A raw connection, for what no well-behaved client would send."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        # Blocking, so that a full queue is waited for.
        self.socket.connect(str(path))
        self.socket.settimeout(10)
        self._reader = self.socket.makefile("rb")

    def send(self, *lines: bytes) -> None:
        """Send bytes; a daemon that hangs up meanwhile is an answer too."""
        try:
            self.socket.sendall(b"".join(lines))
        except (BrokenPipeError, ConnectionResetError):
            pass

    def ask(self, method: str, **params: object) -> Any:
        """Send one request with id 1 and return the next line."""
        self.send(request(method, 1, **params))
        return self.line()

    def line(self) -> Any:
        """Return the next line's object, or None where the connection is closed."""
        try:
            text = self._reader.readline()
        except ConnectionResetError:
            return None
        return json.loads(text) if text else None

    def lines_to_end(self) -> list[Any]:
        """Return all that comes until the daemon closes."""
        return list(iter(self.line, None))

    def close(self) -> None:
        """Hang up."""
        self._reader.close()
        self.socket.close()

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def request(method: str, request_id: object = 1, **params: object) -> bytes:
    """Return the line of one request."""
    message = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
    return json.dumps(message).encode() + b"\n"


@contextmanager
def as_nobody() -> Iterator[None]:
    """Be another user for a moment; the kernel notes the caller's at connect."""
    before = os.geteuid()
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)
