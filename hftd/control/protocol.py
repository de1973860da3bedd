"""The language on the control socket: JSON-RPC 2.0, one object a line, and its bounds.

Owns framing, parsing, replies and paging as pure functions of bytes; knows neither sockets nor
what a method does. Any language, and ``nc -U``, can speak it:

    -> {"jsonrpc": "2.0", "id": 1, "method": "status", "params": {}}
    <- {"jsonrpc": "2.0", "id": 1, "result": {...}}
    <- {"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "...", "data": {...}}}

- A request line is at most 4 KiB, ends within 100 ms of its first byte, nests at most 4 deep,
  and gives its parameters by name. Requests on one connection may overlap; replies carry the
  request's id, in the order in which they are ready.
- A request without an id is carried out like any other and answered with ``"id": null``, where
  JSON-RPC would keep silent: nobody shall send a kill and hear nothing.
- A reply line is at most 64 KiB. A larger result is cut: the reply is
  ``{"page": 1, "pages": 3, "next": "7.2", "text": "..."}``, and method ``page`` with
  ``{"next": "7.2"}`` brings the following one; the last has ``"next": null``. The texts joined
  are the JSON of the result. A connection holds the pages of one result at a time.
- A stream's items come as ``{"jsonrpc": "2.0", "method": "item", "params": {"id": 1, "item":
  {...}}}``, and its end as the reply ``{"items": 42}`` to the request. Method ``end`` with
  ``{"stream": 1}`` ends it from the caller's side.
- ``PROTOCOL`` is a number and only grows: fields and methods are added, never changed.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple, NoReturn

from hftd.control.faults import (
    ControlError,
    DaemonFault,
    InvalidRequest,
    MalformedLine,
    TooBusy,
    fault_of,
)

PROTOCOL = 1
MAX_LINE_BYTES = 4096
LINE_DEADLINE_S = 0.1
MAX_DEPTH = 4
MAX_ID_CHARS = 64
MAX_REPLY_BYTES = 64 * 1024
# Text in a page is JSON inside JSON: each quote and backslash doubles, so that half is safe.
PAGE_CHARS = 30 * 1024
MAX_RESULT_CHARS = 1024 * 1024

RequestId = str | int | None
_QUOTE, _BACKSLASH = b'"'[0], b"\\"[0]


class Request(NamedTuple):
    """One well-formed request; whether its method exists is not known here."""

    id: RequestId
    method: str
    params: dict[str, Any]


class RequestFault(Exception):
    """A line that is no request: the typed fault, and the id where one could be read."""

    def __init__(self, fault: ControlError, request_id: RequestId = None) -> None:
        super().__init__(fault.message)
        self.fault = fault
        self.id = request_id


class LineBuffer:
    """Bytes as they come, lines as they are complete; holds one read and one line at most."""

    __slots__ = ("_bytes", "_searched")

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._searched = 0

    def feed(self, chunk: bytes) -> None:
        """Append what the socket brought."""
        self._bytes += chunk

    def take(self) -> bytes | None:
        """Return the next complete line without its end, or None; raises MalformedLine."""
        end = self._bytes.find(b"\n", self._searched)
        length = len(self._bytes) if end < 0 else end
        if length > MAX_LINE_BYTES:
            self._bytes.clear()
            self._searched = 0
            raise MalformedLine(f"a line has at most {MAX_LINE_BYTES} bytes, was longer")
        if end < 0:
            self._searched = len(self._bytes)
            return None
        line = bytes(self._bytes[:end])
        del self._bytes[: end + 1]
        self._searched = 0
        return line

    @property
    def ready(self) -> bool:
        """Whether a whole line, or one that is already too long, is held."""
        return b"\n" in self._bytes or len(self._bytes) > MAX_LINE_BYTES

    @property
    def partial(self) -> bool:
        """Whether the beginning of a line is held that has not ended."""
        return bool(self._bytes) and not self.ready


def parse_request(line: bytes) -> Request:
    """Return the request that a line holds.

    Raises: RequestFault with MalformedLine (-32700) or InvalidRequest (-32600).
    """
    message = _object_of(line)
    request_id = message.get("id")
    if not _is_id(request_id):
        raise RequestFault(InvalidRequest("id must be text, a whole number or null"))
    method, params = message.get("method"), message.get("params", {})
    if message.get("jsonrpc") != "2.0":
        raise RequestFault(InvalidRequest('"jsonrpc" must be "2.0"'), request_id)
    if not isinstance(method, str):
        raise RequestFault(InvalidRequest("method must be text"), request_id)
    if params is not None and not isinstance(params, dict):
        raise RequestFault(InvalidRequest("params must be an object of names"), request_id)
    unknown = message.keys() - {"jsonrpc", "id", "method", "params"}
    if unknown:
        raise RequestFault(InvalidRequest(f"unknown member {min(unknown)[:40]!r}"), request_id)
    return Request(request_id, method, params or {})


def _is_id(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_ID_CHARS
    if isinstance(value, int) and not isinstance(value, bool):
        return value.bit_length() < 64
    return value is None


def _object_of(line: bytes) -> dict[str, Any]:
    if _depth(line) > MAX_DEPTH:
        raise RequestFault(MalformedLine(f"a request nests at most {MAX_DEPTH} deep"))
    try:
        message = json.loads(
            line.decode("utf-8"), object_pairs_hook=_without_twins, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as error:
        # UnicodeDecodeError and JSONDecodeError are ValueErrors, as is a number that is too long.
        raise RequestFault(MalformedLine(f"not JSON in UTF-8: {str(error)[:80]}")) from None
    if not isinstance(message, dict):
        raise RequestFault(InvalidRequest("a request is one JSON object"))
    return message


def _depth(line: bytes) -> int:
    # The parser must never see real depth. Brackets in a text are none: a kill's reason is free.
    depth = deepest = 0
    within_text = escaped = False
    for byte in line:
        if within_text:
            within_text = escaped or byte != _QUOTE
            escaped = not escaped and byte == _BACKSLASH
        elif byte == _QUOTE:
            within_text = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def encode_request(request_id: RequestId, method: str, params: dict[str, Any]) -> bytes:
    """Return the line of a request, its end included."""
    message = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
    return _dump(message).encode("ascii") + b"\n"


def encode_result(request_id: RequestId, text: str) -> bytes:
    """Return the reply line around the JSON text of a result."""
    return f'{{"jsonrpc":"2.0","id":{_dump(request_id)},"result":{text}}}\n'.encode("ascii")


def encode_error(request_id: RequestId, fault: ControlError) -> bytes:
    """Return the reply line of a fault; detail that does not fit the line is left out."""
    error: dict[str, Any] = {"code": fault.code, "message": fault.message[:1000]}
    if fault.detail is not None:
        text = result_text(fault.detail)
        if len(text) <= PAGE_CHARS:
            error["data"] = fault.detail
    return (_dump({"jsonrpc": "2.0", "id": request_id, "error": error}) + "\n").encode("ascii")


def encode_item(request_id: RequestId, item: object) -> bytes:
    """Return the line of one item of a stream; raises DaemonFault where it does not fit."""
    params = {"id": request_id, "item": item}
    line = result_text({"jsonrpc": "2.0", "method": "item", "params": params})
    if len(line) >= MAX_REPLY_BYTES:
        raise DaemonFault(f"an item has at most {MAX_REPLY_BYTES} bytes, was {len(line)}")
    return (line + "\n").encode("ascii")


def result_text(result: object) -> str:
    """Return the JSON of a result, in ASCII: no control character can reach a terminal.

    Raises: DaemonFault where it holds what JSON cannot; TooBusy where it is beyond all paging.
    """
    try:
        text = _dump(result)
    except (TypeError, ValueError, RecursionError) as error:
        raise DaemonFault(f"the result is not JSON: {str(error)[:80]}") from None
    if len(text) > MAX_RESULT_CHARS:
        raise TooBusy(f"a result has at most {MAX_RESULT_CHARS} characters, was {len(text)}")
    return text


def pages_of(text: str) -> list[str]:
    """Return the text cut into pages whose replies fit a line; one page where it fits whole."""
    if len(text) <= MAX_REPLY_BYTES - 512:
        return [text]
    return [text[at : at + PAGE_CHARS] for at in range(0, len(text), PAGE_CHARS)]


class Reply(NamedTuple):
    """One line from the server: an item of a stream, a result, or a fault."""

    id: RequestId
    is_item: bool = False
    value: Any = None
    fault: ControlError | None = None


def parse_reply(line: bytes) -> Reply:
    """Return what a line from the server says; raises DaemonFault where it is no reply."""
    try:
        message = json.loads(line)
        if message.get("method") == "item":
            return Reply(message["params"]["id"], is_item=True, value=message["params"]["item"])
        error = message.get("error")
        if error is None:
            return Reply(message["id"], value=message["result"])
        fault = fault_of(error["code"], error["message"], error.get("data"))
        return Reply(message["id"], fault=fault)
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        raise DaemonFault(f"the answer is no JSON-RPC reply, was {line[:60]!r}") from None


def _dump(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
