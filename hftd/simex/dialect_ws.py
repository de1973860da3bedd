"""The WS API: requests over a WebSocket, its logon, and the user's own events.

Owns the request frame, the session of a connection and user-data subscriptions. Endpoints are
the ones REST has. Knows no sockets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from hftd.simex import refusals
from hftd.simex.endpoint import PUBLIC, SIGNED, Answer, Call, Desk
from hftd.simex.endpoints import METHODS, answer
from hftd.simex.params import UNREADABLE, Params, check_id, from_json
from hftd.simex.refusals import Refusal, Refused
from hftd.simex.render import ms
from hftd.simex.signing import (
    Credential,
    Keyring,
    check_signature,
    check_timing,
    sorted_payload,
)
from hftd.simex.time_unit import MICROSECOND, in_microseconds

CONNECT_WEIGHT = 2
MAX_SUBSCRIPTIONS = 1000
_NULL = msgspec.Raw(b"null")


class Request(msgspec.Struct):
    """The frame of a request; the id is echoed as it came."""

    method: str
    id: msgspec.Raw = _NULL
    params: dict[str, msgspec.Raw] = {}


_request = msgspec.json.Decoder(Request)
_encoder = msgspec.json.Encoder()


class Session(msgspec.Struct):
    """What one connection has said so far."""

    connected_ns: int
    show_limits: bool = True
    micro: bool = False
    credential: Credential | None = None
    authorized_ns: int = 0
    next_subscription: int = 0
    subscriptions: dict[int, int] = {}
    """Subscription id -> account."""


class WsDialect:
    """Answers WS-API frames and knows who hears of which account."""

    def __init__(self, desk: Desk, keyring: Keyring) -> None:
        self._desk = desk
        self._keyring = keyring
        self._sessions: dict[int, Session] = {}
        # Who hears of an account, until a subscription begins or ends.
        self._readers: dict[int, list[tuple[int, int, bool]]] = {}
        self._methods: dict[str, Callable[[Session, dict[str, str], int], Answer]] = {
            "session.logon": self._logon,
            "session.status": self._status,
            "session.logout": self._logout,
            "session.subscriptions": self._list_subscriptions,
            "userDataStream.subscribe": self._subscribe,
            "userDataStream.subscribe.signature": self._subscribe_signed,
            "userDataStream.unsubscribe": self._unsubscribe,
        }

    def open(self, connection: int, query: str, ts_ns: int) -> None:
        """Begin a session."""
        self._desk.limits.spend(CONNECT_WEIGHT, ts_ns)
        session = Session(ts_ns)
        session.show_limits = "returnRateLimits=false" not in query
        session.micro = f"timeunit={MICROSECOND.lower()}" in query.lower()
        self._sessions[connection] = session

    def close(self, connection: int) -> None:
        """End a session with all its subscriptions."""
        self._readers.clear()
        self._sessions.pop(connection, None)

    def account(self, connection: int) -> int:
        """Return whose session a connection is; 0 before its logon."""
        session = self._sessions.get(connection)
        return 0 if session is None or session.credential is None else session.credential.account

    def subscribers(self, account: int) -> list[tuple[int, int, bool]]:
        """Return (connection, subscription id, in microseconds?) of who hears of an account."""
        readers = self._readers.get(account)
        if readers is None:
            readers = self._readers[account] = [
                (connection, subscription, session.micro)
                for connection, session in self._sessions.items()
                for subscription, owner in session.subscriptions.items()
                if owner == account
            ]
        return readers

    def receive(self, connection: int, text: bytes, ts_ns: int) -> list[bytes]:
        """Answer one frame; an unsubscribe is followed by the end of its stream."""
        session = self._sessions[connection]
        try:
            request = _request.decode(text)
            check_id(request.id)
        except UNREADABLE:
            return [encode_reply(_NULL, refusals.BAD_JSON, None)]
        had = dict(session.subscriptions)
        show_limits = session.show_limits
        account = 0
        try:
            values = from_json(request.params)
            # It stays among the parameters, because clients sign it with the others.
            if values.get("returnRateLimits") == "false":
                show_limits = False
            result, account = self._answer(session, request.method, values, ts_ns)
        except Refused as refused:
            result = refused.refusal
        except UNREADABLE:
            # A parameter's text is read only here; the frame around it was sound.
            result = refusals.BAD_JSON
        limits = self._limits(request.method, account, ts_ns) if show_limits else None
        ended = [each for each in had if each not in session.subscriptions]
        frames = [
            encode_reply(request.id, result, limits, ts_ns),
            *(_terminated(subscription, ts_ns) for subscription in ended),
        ]
        return [in_microseconds(frame) for frame in frames] if session.micro else frames

    def _answer(
        self, session: Session, method: str, values: dict[str, str], ts_ns: int
    ) -> tuple[Answer, int]:
        name = method.removeprefix("v3/")
        own = self._methods.get(name)
        endpoint = METHODS.get(name)
        if endpoint is None and own is None:
            raise Refused(refusals.UNSUPPORTED)
        limited = self._desk.limits.spend(2 if endpoint is None else endpoint.weigh(values), ts_ns)
        if limited is not None:
            raise Refused(limited)
        if own is not None:
            return own(session, values, ts_ns), 0
        assert endpoint is not None
        account = 0
        if endpoint.security != PUBLIC:
            signed = endpoint.security == SIGNED
            account = self._authenticate(session, values, ts_ns, signed=signed).account
        return answer(endpoint, Call(self._desk, Params(values), account, ts_ns)), account

    def _authenticate(
        self, session: Session, values: dict[str, str], ts_ns: int, *, signed: bool
    ) -> Credential:
        # After a logon key and signature may be left out; sent, they are verified all the same.
        if session.credential is not None and "apiKey" not in values:
            if signed:
                check_timing(values, ts_ns + self._desk.skew_ns)
            return session.credential
        credential = self._keyring.find(values.get("apiKey"))
        if signed:
            check_timing(values, ts_ns + self._desk.skew_ns)
            check_signature(credential, sorted_payload(values), values.get("signature"))
        return credential

    def _limits(self, method: str, account: int, ts_ns: int) -> list[dict[str, Any]]:
        endpoint = METHODS.get(method.removeprefix("v3/"))
        rules = [self._desk.limits.render_weight(ts_ns)]
        if endpoint is not None and endpoint.places_order and account:
            rules = [*self._desk.limits.render_orders(account, ts_ns), *rules]
        return rules

    # --- session --------------------------------------------------------------------------

    def _logon(self, session: Session, values: dict[str, str], ts_ns: int) -> Answer:
        credential = self._keyring.find(values.get("apiKey"))
        check_timing(values, ts_ns + self._desk.skew_ns)
        check_signature(credential, sorted_payload(values), values.get("signature"))
        session.credential, session.authorized_ns = credential, ts_ns
        return self._describe(session, ts_ns)

    def _status(self, session: Session, values: dict[str, str], ts_ns: int) -> Answer:
        return self._describe(session, ts_ns)

    def _logout(self, session: Session, values: dict[str, str], ts_ns: int) -> Answer:
        session.credential, session.authorized_ns = None, 0
        return self._describe(session, ts_ns)

    def _describe(self, session: Session, ts_ns: int) -> Answer:
        credential = session.credential
        return {
            "apiKey": None if credential is None else credential.key,
            "authorizedSince": None if credential is None else ms(session.authorized_ns),
            "connectedSince": ms(session.connected_ns),
            "returnRateLimits": session.show_limits,
            "serverTime": ms(ts_ns),
            "userDataStream": bool(session.subscriptions),
        }

    # --- user data ------------------------------------------------------------------------

    def _subscribe(self, session: Session, values: dict[str, str], ts_ns: int) -> Answer:
        if session.credential is None:
            return refusals.BAD_KEY_FORMAT
        return self._add_subscription(session, session.credential.account)

    def _subscribe_signed(self, session: Session, values: dict[str, str], ts_ns: int) -> Answer:
        credential = self._keyring.find(values.get("apiKey"))
        check_timing(values, ts_ns + self._desk.skew_ns)
        check_signature(credential, sorted_payload(values), values.get("signature"))
        return self._add_subscription(session, credential.account)

    def _add_subscription(self, session: Session, account: int) -> Answer:
        if account in session.subscriptions.values():
            return refusals.ALREADY_SUBSCRIBED
        if session.next_subscription >= MAX_SUBSCRIPTIONS:
            return refusals.TOO_MANY_SUBSCRIPTIONS
        subscription = session.next_subscription
        session.next_subscription += 1
        session.subscriptions[subscription] = account
        self._readers.clear()
        return {"subscriptionId": subscription}

    def _unsubscribe(self, session: Session, values: dict[str, str], ts_ns: int) -> Answer:
        params = Params(values)
        subscription = params.integer("subscriptionId", -1)
        params.done()
        self._readers.clear()
        if subscription < 0:
            if not session.subscriptions:
                return refusals.NOT_SUBSCRIBED
            session.subscriptions = {}
        elif session.subscriptions.pop(subscription, None) is None:
            return refusals.NOT_SUBSCRIBED
        return {}

    def _list_subscriptions(self, session: Session, values: dict[str, str], ts_ns: int) -> Answer:
        return [{"subscriptionId": subscription} for subscription in session.subscriptions]


def user_event(subscription: int, event: bytes) -> bytes:
    """Return a user's event as its subscription carries it."""
    return b'{"subscriptionId":%d,"event":%b}' % (subscription, event)


def _terminated(subscription: int, ts_ns: int) -> bytes:
    event = {"e": "eventStreamTerminated", "E": ms(ts_ns)}
    return user_event(subscription, msgspec.json.encode(event))


def encode_reply(
    request_id: msgspec.Raw,
    result: Answer,
    limits: list[dict[str, Any]] | None,
    ts_ns: int = 0,
) -> bytes:
    """Return the frame of an answer."""
    reply: dict[str, Any] = {"id": request_id}
    if isinstance(result, Refusal):
        error: dict[str, Any] = {"code": result.code, "msg": result.msg}
        if result.data is not None:
            error["data"] = result.data
        elif result.retry_after_s:
            retry_ms = ms(ts_ns) + result.retry_after_s * 1000
            error["data"] = {"serverTime": ms(ts_ns), "retryAfter": retry_ms}
        reply["status"], reply["error"] = result.status, error
    else:
        reply["status"], reply["result"] = 200, result
    if limits is not None:
        reply["rateLimits"] = limits
    return _encoder.encode(reply)
