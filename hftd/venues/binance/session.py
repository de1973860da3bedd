"""The session of the order link: logon, then the subscription to our own reports; back-off.

Owns the table below and the session's requests, whose ids begin with ``s``. Must not know
sockets or clocks: it is told what happened and answers what to do. Its replies may hold the
API key and are for nobody else: neither loop nor journal sees them.

| state | what happened | then |
| --- | --- | --- |
| CLOSED | the socket is open | send session.logon; LOGGING_ON |
| LOGGING_ON | good reply | ORDER is up; send userDataStream.subscribe; SUBSCRIBING |
| LOGGING_ON | the key is refused (`KEY_REFUSED`) | close; REFUSED, see the connector |
| LOGGING_ON | any other error, or silence | close, reconnect after back-off |
| SUBSCRIBING | good reply, or already subscribed (-2035) | USER is up; LIVE |
| SUBSCRIBING | any other error, or silence | close, reconnect after back-off |
| LIVE | eventStreamTerminated | USER is down; send userDataStream.subscribe; SUBSCRIBING |
| LIVE | an unreadable frame, serverShutdown | close, reconnect |
| any | the socket closed | ORDER and USER are down; CLOSED |

Where the key may not log on (HMAC at Binance) the subscription is signed, so is each request
(`sealed`), and the table begins in SUBSCRIBING: its good reply brings ORDER and USER up, and a
refused key ends it as above.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import msgspec

from hftd.domain.events import Link
from hftd.venues.binance.messages import Id, Millis, Status, VenueError
from hftd.venues.binance.request_id import SESSION
from hftd.venues.binance.signing import Signer, signed_params

BACKOFF_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
KEY_REFUSED = frozenset({-1002, -1022, -2014, -2015})
_REFUSALS = {
    -1002: "it may not do this (code -1002)",
    -1022: "the signature is wrong: the secret is not that of the key (code -1022)",
    -2014: "it has not the form of a key (code -2014)",
    -2015: "no such key, or not from this address, or without permission (code -2015)",
}
BAD_TIMESTAMP = -1021
ALREADY_SUBSCRIBED = -2035
LOGON_ID, SUBSCRIBE_ID, TIME_ID = "slogon", "ssubscribe", "stime"


class SessionState(IntEnum):
    """How far the session has come."""

    CLOSED = 0
    LOGGING_ON = 1
    SUBSCRIBING = 2
    LIVE = 3
    REFUSED = 4


class Step(NamedTuple):
    """What to do: the links that came up, the frame to send, whether to close the socket."""

    up: tuple[Link, ...] = ()
    send: bytes | None = None
    close: bool = False


class SessionResult(msgspec.Struct, rename="camel"):
    """The parts of session results that we use."""

    server_time: Millis = 0


class SessionReply(msgspec.Struct):
    """A reply to one of the session's own requests, or the head of any other frame."""

    id: str | int | None = None
    status: Status = 0
    result: SessionResult | None = None
    error: VenueError | None = None


class _Head(msgspec.Struct):
    id: str | Id | None = None


class _Request(msgspec.Struct):
    id: str
    method: str
    params: dict[str, str | int]


_unsealed = msgspec.json.Decoder(_Request)
_head = msgspec.json.Decoder(_Head)
_reply = msgspec.json.Decoder(SessionReply)


def backoff_s(attempt: int) -> float:
    """Return how long to wait before a connection attempt, the first being number 0."""
    return BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)]


def reply_id(data: bytes) -> str | None:
    """Return the request id of a frame of the order link, "" where it has none.

    None where the frame is no JSON object, so that nobody can tell whose it is.
    """
    try:
        identity = _head.decode(data).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return identity if isinstance(identity, str) else ""


def is_session_id(identity: str) -> bool:
    """Return whether a request id is the session's own."""
    return identity.startswith(SESSION)


def request_id_of(frame: bytes) -> str:
    """Return the request id of a frame that `Encoder` wrote: it stands first."""
    return frame[7 : frame.index(b'"', 7)].decode()


class Session:
    """The state of one order link; see the table above."""

    def __init__(self, signer: Signer, recv_window_ms: int, logs_on: bool = True) -> None:
        self.state = SessionState.CLOSED
        self.error_code = 0
        self._logs_on = logs_on
        self._signer = signer
        self._recv_window_ms = recv_window_ms

    def opened(self, timestamp_ms: int) -> bytes:
        """Return the first request on a socket that has just opened."""
        self.error_code = 0
        if not self._logs_on:
            return self.terminated(timestamp_ms)
        self.state = SessionState.LOGGING_ON
        params = {"recvWindow": self._recv_window_ms, "timestamp": timestamp_ms}
        return _request(LOGON_ID, "session.logon", signed_params(self._signer, params))

    def closed(self) -> None:
        """Note that the socket has closed; REFUSED stays until the next one opens."""
        if self.state is not SessionState.REFUSED:
            self.state = SessionState.CLOSED

    def terminated(self, timestamp_ms: int) -> bytes:
        """Return the request that subscribes to our reports, the first time or again."""
        self.state = SessionState.SUBSCRIBING
        if self._logs_on:
            return _request(SUBSCRIBE_ID, "userDataStream.subscribe", {})
        params = {"recvWindow": self._recv_window_ms, "timestamp": timestamp_ms}
        signed = signed_params(self._signer, params)
        return _request(SUBSCRIBE_ID, "userDataStream.subscribe.signature", signed)

    def sealed(self, frame: bytes) -> bytes:
        """Return a request of the loop as it may leave: signed, where no logon speaks for it."""
        if self._logs_on:
            return frame
        request = _unsealed.decode(frame)
        return _request(request.id, request.method, signed_params(self._signer, request.params))

    def replied(self, data: bytes, timestamp_ms: int) -> Step:
        """Return what to do about a reply to logon or subscription."""
        try:
            reply = _reply.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Step(close=True)
        self.error_code = reply.error.code if reply.error else 0
        good = reply.status == 200
        if reply.id == LOGON_ID and self.state is SessionState.LOGGING_ON:
            if good:
                return Step(up=(Link.ORDER,), send=self.terminated(timestamp_ms))
            return self._turned_away()
        if reply.id == SUBSCRIBE_ID and self.state is SessionState.SUBSCRIBING:
            if good or self.error_code == ALREADY_SUBSCRIBED:
                self.state = SessionState.LIVE
                return Step(up=(Link.ORDER, Link.USER))
            return Step(close=True) if self._logs_on else self._turned_away()
        return Step()  # A late reply to what was asked before the state changed.

    def _turned_away(self) -> Step:
        if self.error_code in KEY_REFUSED:
            self.state = SessionState.REFUSED
        return Step(close=True)


def time_request(number: int) -> bytes:
    """Return a request for the venue's time; the number tells the samples apart."""
    return _request(f"{TIME_ID}{number}", "time", {})


def time_reply(data: bytes) -> tuple[int, int] | None:
    """Return (number, server time in ms) of a reply to `time_request`, None where it is none."""
    try:
        reply = _reply.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(reply.id, str) or not reply.id.startswith(TIME_ID) or not reply.result:
        return None
    number = reply.id[len(TIME_ID) :]
    return (int(number), reply.result.server_time) if number.isdecimal() else None


def refusal_text(code: int) -> str:
    """Return in words why the venue refused a key."""
    return _REFUSALS.get(code, f"code {code}")


def _request(identity: str, method: str, params: dict[str, str | int]) -> bytes:
    return msgspec.json.encode({"id": identity, "method": method, "params": params})
