"""The ways in which a request on the control socket can fail, each with both of its numbers.

``code`` is the JSON-RPC error code on the wire, ``exit_code`` what hftctl ends with. Knows
nothing of sockets. The tree, with code and exit code:

ControlError
├── MalformedLine     -32700  2  the line is no JSON object of the allowed form
├── InvalidRequest    -32600  2  JSON, but not a JSON-RPC 2.0 request
├── UnknownMethod     -32601  2  no such command on this socket
├── InvalidParams     -32602  2  a parameter is missing, unknown or out of bounds
├── DaemonFault       -32603  1  the daemon failed while it answered: a bug of ours
├── Refused           -32000  1  understood and permitted, and the answer is no
├── NotComplete       -32001  6  begun, but something is left; ``detail`` names it
├── TimedOut          -32002  5  no answer, or the condition did not come true in time
├── NotPermitted      -32003  4  the caller's role, or the socket's mode, forbids it
├── TooBusy           -32004  1  a bound on connections, requests or size is reached
└── NotRunning        -32005  3  nobody listens on the socket (made by the caller's side)
"""

from __future__ import annotations

from typing import Any

from hftd.errors import HftdError


class ControlError(HftdError):
    """A request failed; ``detail`` is a JSON object with the numbers, or None."""

    code = -32603
    exit_code = 1

    def __init__(self, message: str, detail: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class MalformedLine(ControlError):
    """The line is too long, too slow, too deep or no JSON object at all."""

    code = -32700
    exit_code = 2


class InvalidRequest(ControlError):
    """The line is a JSON object, but not a JSON-RPC 2.0 request."""

    code = -32600
    exit_code = 2


class UnknownMethod(ControlError):
    """This socket serves no such command; the message offers the nearest one."""

    code = -32601
    exit_code = 2


class InvalidParams(ControlError):
    """A parameter is missing, unknown, of another type or out of bounds."""

    code = -32602
    exit_code = 2


class DaemonFault(ControlError):
    """The daemon failed while it answered: a bug of ours, reported to the daemon's loop."""


class Refused(ControlError):
    """The command was understood and permitted, and is refused for a stated reason."""

    code = -32000


class NotComplete(ControlError):
    """The command was begun and not confirmed in time; ``detail`` says what is left."""

    code = -32001
    exit_code = 6


class TimedOut(ControlError):
    """No answer came, or a condition did not come true, within the time given."""

    code = -32002
    exit_code = 5


class NotPermitted(ControlError):
    """The caller may not do this; the message says which role may."""

    code = -32003
    exit_code = 4


class TooBusy(ControlError):
    """A bound on connections, requests, streams or reply size is reached."""

    code = -32004


class NotRunning(ControlError):
    """Nobody listens on the instance's socket."""

    code = -32005
    exit_code = 3


_FAULTS: tuple[type[ControlError], ...] = (
    MalformedLine,
    InvalidRequest,
    UnknownMethod,
    InvalidParams,
    DaemonFault,
    Refused,
    NotComplete,
    TimedOut,
    NotPermitted,
    TooBusy,
    NotRunning,
)


def fault_of(code: int, message: str, detail: dict[str, Any] | None) -> ControlError:
    """Return the error that a code on the wire stands for; an unknown code is a DaemonFault."""
    for kind in _FAULTS:
        if kind.code == code:
            return kind(message, detail)
    return DaemonFault(f"{message} (code {code})", detail)
