"""Requests that never left or were never answered, and refusals of a session: what is told."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from hftd.domain.codes import VenueCode
from hftd.domain.events import EVENT, EventKind
from hftd.venues.binance.replies import (
    DEFAULT_WAIT_NS,
    LONGEST_WAIT_MS,
    limit_told,
    refusal_told,
    write_in_doubt,
    write_not_sent,
)
from hftd.venues.binance.request_id import Asked, RequestId
from hftd.venues.binance.rows import Rows

NOW_NS = 1_700_000_000_000_000_000
NEW, OLD = 11, 7
QUESTIONS = (Asked.QUERY, Asked.FIND, Asked.OPEN_ORDERS, Asked.TRADES, Asked.BALANCES)


def asked(kind: Asked) -> RequestId:
    """Return a request for the second instrument, of a new order, an old one, or both."""
    made = RequestId(kind, 1, target_key=OLD)
    if kind is Asked.PLACE:
        return made._replace(order_key=NEW, target_key=0)
    return made._replace(order_key=NEW) if kind is Asked.CANCEL_REPLACE else made


def told(write: Any, *words: Any) -> list[tuple[EventKind, int, int]]:
    """Return what was written: kind, order, code; each event is of that instrument and now."""
    rows, events = Rows(), np.zeros(2, EVENT)
    rows.begin(events, NOW_NS)
    write(*words, rows)
    written = events[: rows.count]
    assert all(event["instrument"] == 1 and event["ts_ns"] == NOW_NS for event in written)
    return [
        (EventKind(event["kind"]), int(event["order_key"]), int(event["code"])) for event in written
    ]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Asked.PLACE, [(EventKind.OUTCOME_UNKNOWN, NEW, 5)]),
        (Asked.CANCEL, [(EventKind.CANCEL_UNKNOWN, OLD, 5)]),
        (
            Asked.CANCEL_REPLACE,
            [(EventKind.CANCEL_UNKNOWN, OLD, 5), (EventKind.OUTCOME_UNKNOWN, NEW, 5)],
        ),
        *((kind, [(EventKind.QUERY_FAILED, OLD, 5)]) for kind in QUESTIONS),
    ],
)
def test_without_an_answer_nobody_knows_what_came_of_an_order(
    kind: Asked, expected: list[tuple[EventKind, int, int]]
) -> None:
    """Each leg is in doubt by itself; a question has merely failed."""
    assert told(write_in_doubt, asked(kind), 5) == expected


NOT_SENT = VenueCode.NOT_SENT


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Asked.PLACE, [(EventKind.REJECTED, NEW, NOT_SENT)]),
        (Asked.CANCEL, [(EventKind.CANCEL_REJECTED, OLD, NOT_SENT)]),
        (
            Asked.CANCEL_REPLACE,
            [(EventKind.CANCEL_REJECTED, OLD, NOT_SENT), (EventKind.REJECTED, NEW, NOT_SENT)],
        ),
        *((kind, [(EventKind.QUERY_FAILED, OLD, NOT_SENT)]) for kind in QUESTIONS),
    ],
)
def test_what_never_left_is_definite(
    kind: Asked, expected: list[tuple[EventKind, int, int]]
) -> None:
    """The venue cannot know of it: nothing is in doubt, and the old order stands."""
    assert told(write_not_sent, asked(kind)) == expected


def reply(status: int, code: int, **data: int) -> bytes:
    """Return a reply of the session's own as it comes over the wire."""
    return json.dumps(
        {"id": "s1", "status": status, "error": {"code": code, "msg": "", "data": data}}
    ).encode()


def test_a_reply_of_the_sessions_own_may_say_to_hold_back() -> None:
    """By its status or by its code, until when it says."""
    for status, code, shown in ((429, -1003, 429), (418, -1003, 418), (400, -1003, 429)):
        limited = limit_told(reply(status, code, serverTime=1_000, retryAfter=3_500), NOW_NS)
        assert limited is not None
        assert (limited[0]["kind"], limited[0]["code"]) == (EventKind.RATE_LIMITED, shown)
        assert limited[0]["until_ns"] == NOW_NS + 2_500_000_000


def test_a_reply_of_the_sessions_own_holds_back_where_it_cannot_be_read() -> None:
    """Its status and its times are obeyed as far as they stand there."""
    whole = reply(429, -1003, serverTime=1_700_000_000_000, retryAfter=1_700_000_036_000)
    for data in (whole[:-1], whole.replace(b'"data":', b'"deep":' + b"[" * 99 + b',"data":')):
        limited = limit_told(data, NOW_NS)
        assert limited is not None
        assert limited[0]["until_ns"] == NOW_NS + 36_000_000_000


@pytest.mark.parametrize("data", [reply(400, -2015), b'{"id":"s1","status":200}', b"[[", b"{}"])
def test_any_other_reply_of_the_sessions_own_holds_nothing_back(data: bytes) -> None:
    """A refusal, a good reply, and what cannot be read."""
    assert limit_told(data, NOW_NS) is None


@pytest.mark.parametrize(
    ("status", "retry_after_s", "wait_ns"),
    [
        (429, 0, DEFAULT_WAIT_NS[429]),
        (418, 0, DEFAULT_WAIT_NS[418]),
        (403, 30, 30_000_000_000),
        (429, 10**12, LONGEST_WAIT_MS * 1_000_000),
    ],
)
def test_a_handshake_may_be_refused_by_a_limit(
    status: int, retry_after_s: int, wait_ns: int
) -> None:
    """Whatever the server names, no wait is longer than the longest; none named is the usual."""
    limited = refusal_told(status, retry_after_s, NOW_NS)
    assert limited is not None
    assert (limited[0]["kind"], limited[0]["code"]) == (EventKind.RATE_LIMITED, status)
    assert limited[0]["until_ns"] == NOW_NS + wait_ns


@pytest.mark.parametrize("status", [400, 401, 404, 500, 503])
def test_a_handshake_refused_for_another_reason_is_tried_again(status: int) -> None:
    """Nothing is held back but by the statuses that say so."""
    assert refusal_told(status, 30, NOW_NS) is None
