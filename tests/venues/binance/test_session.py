"""The order link's session: every row of its table."""

from __future__ import annotations

import json

import pytest

from hftd.domain.events import Link
from hftd.venues.binance.session import (
    BACKOFF_S,
    Session,
    SessionState,
    Step,
    backoff_s,
    is_session_id,
    reply_id,
    time_reply,
    time_request,
)
from hftd.venues.binance.signing import signer_of

LOGON_OK = b'{"id":"slogon","status":200,"result":{"apiKey":"k","serverTime":5}}'
SUBSCRIBE_OK = b'{"id":"ssubscribe","status":200,"result":{"subscriptionId":0}}'


NOW_MS = 1_000


def error(identity: str, code: int, status: int = 400) -> bytes:
    """Return an error reply."""
    return json.dumps(
        {"id": identity, "status": status, "error": {"code": code, "msg": ""}}
    ).encode()


def opened() -> Session:
    """Return a session whose socket has just opened."""
    session = Session(signer_of("key", "secret"), 2_000)
    session.opened(1_000)
    return session


def live() -> Session:
    """Return a session that is logged on and subscribed."""
    session = opened()
    session.replied(LOGON_OK, NOW_MS)
    session.replied(SUBSCRIBE_OK, NOW_MS)
    return session


def test_an_open_socket_logs_on_with_a_signature():
    """The first frame is session.logon, signed, and its id begins with s."""
    session = Session(signer_of("key", "secret"), 2_000)
    request = json.loads(session.opened(1_000))
    assert request["method"] == "session.logon"
    assert set(request["params"]) == {"apiKey", "recvWindow", "timestamp", "signature"}
    assert request["params"]["timestamp"] == 1_000
    assert is_session_id(request["id"])
    assert session.state is SessionState.LOGGING_ON


def test_logon_then_subscription_brings_both_links_up():
    """ORDER is up after the logon, USER after the subscription."""
    session = opened()
    step = session.replied(LOGON_OK, NOW_MS)
    assert step.up == (Link.ORDER,)
    assert step.send is not None
    assert json.loads(step.send)["method"] == "userDataStream.subscribe"
    assert session.state is SessionState.SUBSCRIBING
    assert session.replied(SUBSCRIBE_OK, NOW_MS) == Step(up=(Link.ORDER, Link.USER))
    assert session.state is SessionState.LIVE


@pytest.mark.parametrize("code", [-2014, -2015, -1022, -1002])
def test_a_refused_key_is_remembered_until_the_next_attempt(code):
    """REFUSED outlives the close, so that whoever connects can say why."""
    session = opened()
    assert session.replied(error("slogon", code), NOW_MS) == Step(close=True)
    session.closed()
    assert (session.state, session.error_code) == (SessionState.REFUSED, code)
    session.opened(1)
    assert session.state is SessionState.LOGGING_ON


@pytest.mark.parametrize("data", [error("slogon", -1021), error("slogon", -1000, 500), b"{"])
def test_any_other_failure_of_the_logon_closes(data):
    """A clock that is off, an error of the venue, garbage: try again later."""
    session = opened()
    assert session.replied(data, NOW_MS) == Step(close=True)
    session.closed()
    assert session.state is SessionState.CLOSED


def test_a_failed_subscription_closes_unless_it_stands_already():
    """-2035 says that the subscription is there; any other error does not."""
    session = opened()
    session.replied(LOGON_OK, NOW_MS)
    assert session.replied(error("ssubscribe", -1000), NOW_MS) == Step(close=True)
    assert session.replied(error("ssubscribe", -2035), NOW_MS) == Step(up=(Link.ORDER, Link.USER))


def test_an_ended_stream_is_subscribed_again():
    """The session asks again without a new logon."""
    session = live()
    assert json.loads(session.terminated(NOW_MS))["method"] == "userDataStream.subscribe"
    assert session.state is SessionState.SUBSCRIBING
    assert session.replied(SUBSCRIBE_OK, NOW_MS).up == (Link.ORDER, Link.USER)


def signing() -> Session:
    """Return an open session of a key that may not log on."""
    session = Session(signer_of("key", "secret"), 2_000, logs_on=False)
    session.opened(NOW_MS)
    return session


def test_a_key_that_may_not_log_on_signs_its_subscription():
    """One signed request brings both links up, first and again after the stream's end."""
    session = Session(signer_of("key", "secret"), 2_000, logs_on=False)
    request = json.loads(session.opened(NOW_MS))
    assert request["method"] == "userDataStream.subscribe.signature"
    assert set(request["params"]) == {"apiKey", "recvWindow", "timestamp", "signature"}
    assert session.replied(SUBSCRIBE_OK, NOW_MS) == Step(up=(Link.ORDER, Link.USER))
    assert session.state is SessionState.LIVE
    assert b"subscribe.signature" in session.terminated(NOW_MS)


def test_a_refused_key_that_may_not_log_on_is_told_by_its_subscription():
    """-2015 ends it as it ends a logon; another error is tried again."""
    session = signing()
    assert session.replied(error("ssubscribe", -2015), NOW_MS) == Step(close=True)
    assert session.state is SessionState.REFUSED
    assert signing().replied(error("ssubscribe", -1021), NOW_MS) == Step(close=True)


def test_a_request_is_sealed_by_the_published_vector():
    """The request of the venue's own example carries the signature printed there."""
    key = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
    secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
    params = {
        "symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC",
        "quantity": "0.01000000", "price": "52000.00", "recvWindow": 100,
        "timestamp": 1645423376532,
    }  # fmt: skip
    frame = json.dumps({"id": "p0.1-1", "method": "order.place", "params": params}).encode()
    sealed = json.loads(Session(signer_of(key, secret), 2_000, logs_on=False).sealed(frame))
    signed = {
        "apiKey": key,
        "signature": "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
    }
    assert sealed == {"id": "p0.1-1", "method": "order.place", "params": params | signed}
    assert Session(signer_of(key, secret), 2_000).sealed(frame) is frame


def test_late_replies_change_nothing():
    """A reply to what the state no longer waits for is dropped."""
    session = live()
    assert session.replied(LOGON_OK, NOW_MS) == Step()
    assert session.replied(SUBSCRIBE_OK, NOW_MS) == Step()
    assert session.state is SessionState.LIVE


def test_backoff_grows_to_a_bound():
    """The same steps each time, the last for ever."""
    assert [backoff_s(attempt) for attempt in range(10)] == [*BACKOFF_S, 30.0, 30.0]


@pytest.mark.parametrize(
    ("frame", "identity"),
    [
        (b'{"id":"p0.1-1","status":200}', "p0.1-1"),
        (b'{"status":200,"id":"slogon"}', "slogon"),
        (b'{"subscriptionId":0,"event":{}}', ""),
        (b'{"id":7}', ""),
        (b'{"id":null}', ""),
        (b'{"id":"slogon","result":{"apiKey":"k', None),
        (b"[]", None),
    ],
)
def test_the_id_of_a_frame_is_read_wherever_it_stands(frame, identity):
    """None tells that nobody can say whose the frame is, so that it may hold a key."""
    assert reply_id(frame) == identity


def test_time_samples_are_told_apart_by_number():
    """A late answer is matched with its own request."""
    number = json.loads(time_request(17))["id"]
    assert time_reply(f'{{"id":"{number}","status":200,"result":{{"serverTime":9}}}}'.encode()) == (
        17, 9,
    )  # fmt: skip
    assert time_reply(LOGON_OK) is None
    assert time_reply(error("stime3", -1000)) is None
    assert time_reply(b"{") is None
