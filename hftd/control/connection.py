"""One caller's connection to the control socket: lines in, replies and streams out.

Owns the connection's buffers, timers and tasks; knows nothing of what a command does. A
complete line is dispatched inside the read callback, so that a kill closes the gate in the
same turn of the loop that read it. Nothing here waits, and everything has a bound (``Bounds``):
what a caller sends and does not end, what it asks and does not read, how long it is silent.
"""

from __future__ import annotations

import asyncio
import inspect
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast

from hftd.control.commands import COMMANDS, Command, Role, Server, command_on, validate
from hftd.control.faults import (
    ControlError,
    DaemonFault,
    InvalidParams,
    MalformedLine,
    NotComplete,
    NotPermitted,
    TimedOut,
    TooBusy,
)
from hftd.control.lobby import Bounds, Lobby
from hftd.control.protocol import (
    MAX_REPLY_BYTES,
    LineBuffer,
    Request,
    RequestFault,
    RequestId,
    encode_error,
    encode_item,
    encode_result,
    pages_of,
    parse_request,
    result_text,
)


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end, as the kernel says; the pid may have been reused since."""

    uid: int
    gid: int
    pid: int
    role: Role


# What answers: a result, an awaitable of one, or an async iterator of a stream's items. It is
# called inside the read callback and must not block; what must happen at once (the gate of a
# kill) it does before it returns, for an ``async def`` would only begin in a later turn.
Dispatch = Callable[[str, dict[str, Any], Peer], object]


@dataclass(slots=True)
class Service:
    """What all connections of one socket share."""

    server: Server
    dispatch: Dispatch
    owner_uid: int
    bounds: Bounds
    lobby: Lobby
    loop: asyncio.AbstractEventLoop
    # Requests that wait are nobody's connection: a kill goes on when its caller hangs up.
    waiting: set[asyncio.Task[None]] = field(default_factory=set)


def role_of(uid: int, owner_uid: int) -> Role:
    """Return a caller's role: root and the daemon's own user are admins, others observe."""
    return Role.ADMIN if uid in (0, owner_uid) else Role.OBSERVER


class Connection(asyncio.Protocol):
    """The server's side of one connection."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lines = LineBuffer()
        self._bad_lines = 0
        self._pages: list[str] = []
        self._pages_serial = 0
        self._waiting = 0
        self._streams: dict[RequestId, asyncio.Task[None]] = {}
        self._writable = asyncio.Event()
        self._writable.set()
        self._ended = False
        self._turn_due: asyncio.Handle | None = None
        self._line_timer: asyncio.TimerHandle | None = None
        self._close_timer: asyncio.TimerHandle | None = None
        self._quiet_timer: asyncio.TimerHandle | None = None
        self._asked = False
        self.quiet_since = service.loop.time()

    # --- what the lobby asks -------------------------------------------------------------

    @property
    def role(self) -> Role:
        """The caller's role."""
        return self._peer.role

    @property
    def busy(self) -> bool:
        """Whether a request waits for its answer or a stream runs."""
        return bool(self._waiting or self._streams)

    def dismiss(self, fault: ControlError) -> None:
        """Tell the caller why, and close; a caller that does not read is cut off."""
        self._write(encode_error(None, fault))
        self._close()

    # --- the transport's callbacks -------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Read the caller's credentials from the kernel and enter the lobby."""
        # Under uvloop it is a class of its own with the same methods, so no isinstance here.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=2 * MAX_REPLY_BYTES)
        link = self._transport.get_extra_info("socket")
        credentials = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        pid, uid, gid = struct.unpack("iII", credentials)
        self._peer = Peer(uid, gid, pid, role_of(uid, self._service.owner_uid))
        self._after(self._service.bounds.stranger_s)
        self._service.lobby.arrive(self)

    def data_received(self, data: bytes) -> None:
        """Take bytes and answer the lines that they complete."""
        self._lines.feed(data)
        self._turn()

    def eof_received(self) -> bool:
        """Keep the connection until what was asked is answered."""
        self._ended = True
        if self._lines.partial:
            self._write(encode_error(None, MalformedLine("the last line did not end")))
        return self.busy or self._lines.ready

    def pause_writing(self) -> None:
        """Stop reading from a caller that does not read; cut it off when that lasts."""
        self._writable.clear()
        self._transport.pause_reading()
        self._arm_close()

    def resume_writing(self) -> None:
        """Go on where the caller's slowness stopped us."""
        self._writable.set()
        if not self._transport.is_closing():
            self._disarm_close()
            self._turn()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the streams and leave the lobby; what waits for an answer goes on unheard."""
        self._service.lobby.leave(self)
        for handle in (self._turn_due, self._line_timer, self._close_timer, self._quiet_timer):
            if handle is not None:
                handle.cancel()
        for task in list(self._streams.values()):
            task.cancel()
        self._writable.set()

    # --- lines ---------------------------------------------------------------------------

    def _turn(self) -> None:
        self._turn_due = None
        for _ in range(self._service.bounds.lines_per_turn):
            if self._transport.is_closing() or not self._writable.is_set():
                return
            try:
                line = self._lines.take()
            except MalformedLine as fault:
                self.dismiss(fault)
                return
            if line is None:
                break
            if line.strip():
                self._serve(line)
        if self._transport.is_closing():
            return
        if self._lines.ready:
            self._transport.pause_reading()
            self._turn_due = self._service.loop.call_soon(self._turn)
            return
        if not self._ended:
            self._transport.resume_reading()
        self._time_line()
        self._close_if_done()

    def _time_line(self) -> None:
        if not self._lines.partial:
            if self._line_timer is not None:
                self._line_timer.cancel()
                self._line_timer = None
        elif self._line_timer is None:
            bound_s = self._service.bounds.line_s
            fault = MalformedLine(f"a line ends within {bound_s * 1000:g} ms of its first byte")
            self._line_timer = self._service.loop.call_later(bound_s, self.dismiss, fault)

    def _serve(self, line: bytes) -> None:
        # The next line's time begins with its own first byte.
        if self._line_timer is not None:
            self._line_timer.cancel()
            self._line_timer = None
        try:
            request = parse_request(line)
        except RequestFault as bad:
            self._bad_lines += 1
            self._write(encode_error(bad.id, bad.fault))
            if self._bad_lines >= self._service.bounds.bad_lines:
                self._close()
            return
        self._bad_lines = 0
        try:
            self._answer(request)
        except ControlError as fault:
            self._write(encode_error(request.id, fault))
        except Exception as error:  # noqa: BLE001 one control request: answered, and reported
            self._report(request, error)

    def _answer(self, request: Request) -> None:
        if request.method == "page":
            self._write_page(request)
            return
        if request.method == "end":
            self._end_stream(request)
            return
        command = command_on(self._service.server, request.method)
        if self._peer.role < command.role:
            need, role = command.role.name.lower(), self._peer.role.name.lower()
            who = f"uid {self._service.owner_uid} or root"
            raise NotPermitted(f"{command.name} needs role {need} ({who}), was {role}")
        params = validate(command, request.params)
        self._service.lobby.admit(self, command)
        self.quiet_since, self._asked = self._service.loop.time(), True
        if command.streams:
            self._check_stream(request)
        self._service.lobby.begin(command)
        try:
            outcome = self._service.dispatch(command.name, params, self._peer)
        except BaseException:
            self._service.lobby.end()
            raise
        if isinstance(outcome, AsyncIterator):
            self._service.lobby.end()
            assert command.streams, f"{command.name} streams, but the table says otherwise"
            task = self._service.loop.create_task(self._stream(request, outcome))
            self._streams[request.id] = task
        elif inspect.isawaitable(outcome):
            self._waiting += 1
            waiting = self._service.loop.create_task(self._wait(request, command, outcome))
            self._service.waiting.add(waiting)
            waiting.add_done_callback(self._service.waiting.discard)
        else:
            self._service.lobby.end()
            self._reply(request.id, outcome)

    async def _wait(self, request: Request, command: Command, outcome: Awaitable[object]) -> None:
        try:
            self._reply(request.id, await outcome)
        except asyncio.CancelledError:
            fault = NotComplete(f"the daemon ended before {command.name} was answered")
            self._write(encode_error(request.id, fault))
        except ControlError as fault:
            self._write(encode_error(request.id, fault))
        except Exception as error:  # noqa: BLE001 one control request: answered, and reported
            self._report(request, error)
        finally:
            self._waiting -= 1
            self._service.lobby.end()
            self._close_if_done()

    # --- streams -------------------------------------------------------------------------

    def _check_stream(self, request: Request) -> None:
        if request.id is None or request.id in self._streams:
            raise InvalidParams("a stream needs an id that no other stream here has")
        most = self._service.bounds.streams
        if len(self._streams) >= most:
            raise TooBusy(f"a connection has at most {most} streams")

    async def _stream(self, request: Request, items: AsyncIterator[object]) -> None:
        count = 0
        try:
            async for item in items:
                # Items are asked for only as fast as the caller reads: the source conflates.
                await self._writable.wait()
                self._write(encode_item(request.id, item))
                count += 1
                # A source that always has one more item must not keep the loop to itself.
                await asyncio.sleep(0)
            self._reply(request.id, {"items": count})
        except asyncio.CancelledError:
            # Ended by the caller, or nobody is there any more: no failure either way.
            self._reply(request.id, {"items": count})
        except ControlError as fault:
            self._write(encode_error(request.id, fault))
        except Exception as error:  # noqa: BLE001 one control request: answered, and reported
            self._report(request, error)
        finally:
            self._streams.pop(request.id, None)
            close = getattr(items, "aclose", None)
            if close is not None:
                await close()
            self._close_if_done()

    def _end_stream(self, request: Request) -> None:
        stream = request.params.get("stream")
        task = self._streams.get(stream) if isinstance(stream, str | int) else None
        if task is None:
            raise InvalidParams("no such stream on this connection")
        task.cancel()
        self._reply(request.id, {"ended": True})

    # --- replies -------------------------------------------------------------------------

    def _reply(self, request_id: RequestId, result: object) -> None:
        text = result_text(result)
        pages = pages_of(text)
        if len(pages) == 1:
            self._write(encode_result(request_id, text))
            return
        self._pages, self._pages_serial = pages, self._pages_serial + 1
        self._write(encode_result(request_id, self._page_text(1)))

    def _page_text(self, page: int) -> str:
        count = len(self._pages)
        following = f"{self._pages_serial}.{page + 1}" if page < count else None
        text = self._pages[page - 1]
        return result_text({"page": page, "pages": count, "next": following, "text": text})

    def _write_page(self, request: Request) -> None:
        serial, _, page = str(request.params.get("next")).partition(".")
        known = serial == str(self._pages_serial) and page.isdecimal() and len(page) <= 4
        if not known or not 1 <= int(page) <= len(self._pages):
            raise InvalidParams("no such page; a connection holds those of its last long result")
        text = self._page_text(int(page))
        if int(page) == len(self._pages):
            self._pages = []
        self._write(encode_result(request.id, text))

    def _write(self, line: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(line)

    def _report(self, request: Request, error: Exception) -> None:
        fault = DaemonFault(f"{type(error).__name__} while answering {request.method}")
        self._write(encode_error(request.id, fault))
        message = f"control: {request.method} from uid {self._peer.uid} failed"
        context: dict[str, Any] = {"message": message, "exception": error}
        command = COMMANDS.get(request.method)
        # Whoever takes the report must know that a mere question failed, which changed nothing.
        if command is None or command.role is Role.OBSERVER:
            context["question"] = request.method
        self._service.loop.call_exception_handler(context)

    # --- the end -------------------------------------------------------------------------

    def _close_if_done(self) -> None:
        if self._ended and not self.busy and not self._lines.ready:
            self._close()

    def _close(self) -> None:
        self._transport.close()
        self._arm_close()

    def _arm_close(self) -> None:
        if self._close_timer is None:
            bound_s = self._service.bounds.slow_reader_s
            self._close_timer = self._service.loop.call_later(bound_s, self._transport.abort)

    def _disarm_close(self) -> None:
        if self._close_timer is not None:
            self._close_timer.cancel()
            self._close_timer = None

    def _after(self, wait_s: float) -> None:
        self._quiet_timer = self._service.loop.call_later(wait_s, self._check_quiet)

    def _check_quiet(self) -> None:
        bound_s = self._service.bounds.quiet_s
        left_s = self.quiet_since + bound_s - self._service.loop.time()
        if self.busy:
            self._after(bound_s)
        elif left_s > 0 and self._asked:
            self._after(left_s)
        else:
            self.dismiss(TimedOut("no request came, the connection is closed"))
