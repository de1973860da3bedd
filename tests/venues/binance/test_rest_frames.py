"""REST answers as the journal holds them: snapshots, touches and failures."""

from __future__ import annotations

import json

import pytest

from hftd.domain.events import EventKind, Link
from hftd.venues.binance.rest_frames import RestKind, rest_frame
from tests.venues.binance.fixtures import NOW_NS, Wire

SNAPSHOT = {
    "lastUpdateId": 1027024, "bids": [["3000.05", "1.5"], ["3000.00", "2"]],
    "asks": [["3000.10", "0.00012345"]],
}  # fmt: skip
TOUCH = {
    "symbol": "ETHUSDT", "bidPrice": "3000.05", "bidQty": "1.50001", "askPrice": "3000.10",
    "askQty": "0.00001",
}  # fmt: skip


def answer(kind, body, status=200, retry_after_s=0, instrument=1):
    """Return the events of a REST answer, and the wire that decoded it."""
    wire = Wire()
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    frame = rest_frame(kind, instrument, status, retry_after_s, raw)
    return wire.decode(Link.REST, frame), wire


def test_the_header_is_laid_out_as_written():
    """Kind, zero, instrument, status, zeros and retry-after stand at their offsets."""
    frame = rest_frame(RestKind.TOUCH, 0x0102, 429, 7, b"{}")
    assert frame == bytes((2, 0, 2, 1, 0xAD, 1, 0, 0, 7, 0, 0, 0)) + b"{}"


def test_a_snapshot_is_the_whole_book():
    """Both sides in ticks and lots with the id they stand at."""
    (event,), wire = answer(RestKind.DEPTH, SNAPSHOT)
    assert event == {
        "kind": EventKind.SNAPSHOT, "instrument": 1, "last_update_id": 1027024, "levels_end": 3,
    }  # fmt: skip
    assert wire.rows(event) == [(0, 60_001, 15_000), (0, 60_000, 20_000), (1, 60_002, 1)]


def test_a_touch_answer_has_both_sides():
    """REST bookTicker answers the question whether silence is news."""
    (event,), _ = answer(RestKind.TOUCH, TOUCH)
    assert event == {
        "kind": EventKind.TOUCH_ANSWER, "instrument": 1, "bid_ticks": 60_001, "bid_lots": 15_000,
        "ask_ticks": 60_002, "ask_lots": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (RestKind.DEPTH, b""),
        (RestKind.DEPTH, b"<html>"),
        (RestKind.DEPTH, SNAPSHOT | {"bids": None}),
        (RestKind.DEPTH, SNAPSHOT | {"asks": [["3000.01", "1"]]}),
        (RestKind.DEPTH, {"bids": [], "asks": []}),
        (RestKind.DEPTH, json.dumps(SNAPSHOT).encode()[:-1]),
        (RestKind.DEPTH, json.dumps(SNAPSHOT).encode() + b"]"),
        (RestKind.TOUCH, TOUCH | {"symbol": "BTCUSDT"}),
        (RestKind.TOUCH, TOUCH | {"bidPrice": "3000.01"}),
        (RestKind.TOUCH, TOUCH | {"bidQty": "-1"}),
        (RestKind.TOUCH, b'{"symbol":"\xff"}'),
        (RestKind.TOUCH, []),
    ],
)
def test_an_unreadable_answer_is_a_failed_query(kind, body):
    """Nothing of it is delivered."""
    events, _ = answer(kind, body)
    assert events == [{"kind": EventKind.QUERY_FAILED, "instrument": 1, "code": 200}]


def test_an_error_carries_the_venue_code_or_the_status():
    """The venue's own code where it gave one, else the HTTP status, 0 where nobody answered."""
    for body, status, code in (
        ({"code": -1121, "msg": "x"}, 400, -1121),
        (b"<html>", 502, 502),
        (b'{"code":-1121,"msg":"\xff"}', 400, 400),
    ):
        events, _ = answer(RestKind.DEPTH, body, status)
        assert events == [{"kind": EventKind.QUERY_FAILED, "instrument": 1, "code": code}]
    events, _ = answer(RestKind.TOUCH, b"", 0)
    assert events == [{"kind": EventKind.QUERY_FAILED, "instrument": 1}]


@pytest.mark.parametrize(("retry_after_s", "wait_ns"), [(7, 7 * 10**9), (0, 120 * 10**9)])
def test_a_ban_says_how_long(retry_after_s, wait_ns):
    """Retry-After is obeyed; without it a ban is taken at its shortest."""
    events, _ = answer(RestKind.DEPTH, {"code": -1003, "msg": "x"}, 418, retry_after_s)
    limited = {"kind": EventKind.RATE_LIMITED, "code": 418, "until_ns": NOW_NS + wait_ns}
    assert events[1] == limited


def test_a_frame_that_is_none_of_ours_gives_nothing():
    """A header cut short or of an unknown instrument is counted."""
    wire = Wire()
    assert wire.decode(Link.REST, b"\x01\x00") == []
    assert wire.decode(Link.REST, rest_frame(RestKind.DEPTH, 9, 200, 0, b"{}")) == []
    assert wire.codec.broken == 2
