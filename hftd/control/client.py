"""The caller's side of the control socket: blocking, standard library only, typed errors.

Owns one connection and its deadline; knows nothing of what the results mean. Every wait has
an end, so that a daemon that is stopped or hangs is an answer too (TimedOut).
"""

from __future__ import annotations

import errno
import json
import os
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from hftd.control.faults import ControlError, DaemonFault, NotPermitted, NotRunning, TimedOut
from hftd.control.protocol import (
    MAX_REPLY_BYTES,
    MAX_RESULT_CHARS,
    Reply,
    encode_request,
    parse_reply,
)

_READ_BYTES = 64 * 1024


class Client:
    """One connection to a control socket; use it as a context manager.

    Raises: NotRunning where nobody listens, NotPermitted where the socket's mode forbids it,
    TimedOut where the daemon accepts nobody in time.
    """

    def __init__(self, path: Path, timeout_s: float = 5.0) -> None:
        self.path = path
        self._bytes = bytearray()
        self._last_id = 0
        self._socket = _connect(path, timeout_s)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def call(
        self, method: str, params: dict[str, Any] | None = None, timeout_s: float = 5.0
    ) -> Any:
        """Return a command's result, its pages joined; raises as ``begin`` and ``finish``."""
        deadline = time.monotonic() + timeout_s
        return self.finish(self.begin(method, params, timeout_s), _left(deadline))

    def begin(
        self, method: str, params: dict[str, Any] | None = None, timeout_s: float = 5.0
    ) -> int:
        """Give a command and return its id, by which ``finish`` has the answer.

        Raises: TimedOut where the daemon takes no request in time.
        """
        return self._send(method, params or {}, time.monotonic() + timeout_s)

    def finish(self, request_id: int, timeout_s: float) -> Any:
        """Return the result of a command that was given, its pages joined.

        Raises: the ControlError that the daemon answered, TimedOut, after which it may be asked
        for again unless a page had come, or NotRunning where the daemon hung up before.
        """
        deadline = time.monotonic() + timeout_s
        result = self._result_of(request_id, deadline)
        if not (isinstance(result, dict) and "page" in result and "text" in result):
            return result
        texts = [result["text"]]
        while result["next"] is not None:
            page_id = self._send("page", {"next": result["next"]}, deadline)
            result = self._result_of(page_id, deadline)
            texts.append(result["text"])
            if sum(map(len, texts)) > MAX_RESULT_CHARS:
                raise DaemonFault(f"a result has more than {MAX_RESULT_CHARS} characters")
        try:
            return json.loads("".join(texts))
        except ValueError:
            raise DaemonFault("the pages of the result are not JSON") from None

    def stream(self, method: str, params: dict[str, Any] | None = None) -> Iterator[Any]:
        """Yield a stream's items until it ends; waits for the next one without a deadline."""
        request_id = self._send(method, params or {}, time.monotonic() + 5.0)
        while True:
            reply = self._reply_to(request_id, None)
            if not reply.is_item:
                return
            yield reply.value

    def _result_of(self, request_id: int, deadline: float) -> Any:
        while True:
            reply = self._reply_to(request_id, deadline)
            if not reply.is_item:
                return reply.value

    def _send(self, method: str, params: dict[str, Any], deadline: float) -> int:
        self._last_id += 1
        self._socket.settimeout(_left(deadline))
        try:
            self._socket.sendall(encode_request(self._last_id, method, params))
        except TimeoutError:
            raise TimedOut(f"{self.path} takes no request") from None
        except OSError:
            pass  # It hung up; what it said before that is still to be read.
        return self._last_id

    def _reply_to(self, request_id: int, deadline: float | None) -> Reply:
        while True:
            reply = parse_reply(self._line(deadline))
            # Without an id the daemon speaks of the connection itself.
            if reply.fault is not None and reply.id in (request_id, None):
                raise reply.fault
            if reply.id == request_id:
                return reply

    def _daemon_pid(self) -> int:
        # Who listens, as the kernel noted it: what a person needs when the daemon hangs.
        credentials = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        pid: int = struct.unpack("iII", credentials)[0]
        return pid

    def _line(self, deadline: float | None) -> bytes:
        searched = 0
        while (end := self._bytes.find(b"\n", searched)) < 0:
            searched = len(self._bytes)
            if searched > MAX_REPLY_BYTES:
                raise DaemonFault(f"a reply has more than {MAX_REPLY_BYTES} bytes")
            self._socket.settimeout(None if deadline is None else _left(deadline))
            try:
                chunk = self._socket.recv(_READ_BYTES)
            except TimeoutError:
                text = "no answer in time; the request may have been carried out"
                raise TimedOut(text, {"pid": self._daemon_pid()}) from None
            except OSError:
                chunk = b""
            if not chunk:
                raise NotRunning("the daemon hung up before it answered")
            self._bytes += chunk
        line = bytes(self._bytes[:end])
        del self._bytes[: end + 1]
        return line


def call(
    path: Path, method: str, params: dict[str, Any] | None = None, timeout_s: float = 5.0
) -> Any:
    """Connect, ask one thing, return the result; raises as ``Client`` and ``Client.call``."""
    deadline = time.monotonic() + timeout_s
    with Client(path, timeout_s) as client:
        return client.call(method, params, _left(deadline))


def _left(deadline: float) -> float:
    # Never 0, which would mean "do not wait" and raise BlockingIOError instead of TimeoutError.
    return max(deadline - time.monotonic(), 0.001)


def _connect(path: Path, timeout_s: float) -> socket.socket:
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # A non-blocking connect to a Unix socket whose queue is full fails at once; a blocking one
    # with a send timeout waits for its place.
    seconds, fraction = divmod(max(timeout_s, 0.001), 1)
    timeout = struct.pack("ll", int(seconds), int(fraction * 1_000_000))
    link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)
    try:
        link.connect(os.fsencode(path))
    except OSError as error:
        link.close()
        raise _connect_fault(path, error) from None
    return link


def _connect_fault(path: Path, error: OSError) -> ControlError:
    if error.errno in (errno.EACCES, errno.EPERM):
        return NotPermitted(f"{path} may not be opened by uid {os.geteuid()}")
    if error.errno == errno.EAGAIN:
        return TimedOut(f"{path} accepts nobody")
    if error.errno in (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR):
        return NotRunning(f"nobody listens on {path}")
    return NotRunning(f"{path} cannot be reached: {error.strerror or error}")
