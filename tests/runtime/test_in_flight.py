"""The table of requests without answer: its limit, its times, and what a loss means."""

from __future__ import annotations

import pytest

from hftd.domain.codes import VenueCode
from hftd.domain.events import EventKind
from hftd.runtime.in_flight import CAPACITY, QUERY_TIMEOUT_NS, InFlight
from tests.venues.binance.fixtures import KEY, OLD, OLD_TAIL, TAIL

PLACE, CANCEL, REPLACE = f"p1.{TAIL}", f"c1.{OLD_TAIL}", f"r1.{TAIL}.{OLD_TAIL}"
QUERY = f"q1.{TAIL}.rs"
UNKNOWN, CANCEL_UNKNOWN = EventKind.OUTCOME_UNKNOWN, EventKind.CANCEL_UNKNOWN
FAILED = EventKind.QUERY_FAILED


def table() -> InFlight:
    """Return a table with a recvWindow of two seconds."""
    return InFlight(recv_window_ms=2_000, instruments=2)


@pytest.mark.parametrize(
    ("identity", "timeout_ns"),
    [(PLACE, 3_000_000_000), (CANCEL, 3_000_000_000), (REPLACE, 3_000_000_000),
     (QUERY, QUERY_TIMEOUT_NS), ("o1.rs", QUERY_TIMEOUT_NS)],
)  # fmt: skip
def test_a_request_is_late_when_its_time_is_over_and_only_once(identity, timeout_ns):
    """Orders may take recvWindow and a second, queries five."""
    in_flight = table()
    in_flight.add(identity, 100)
    assert in_flight.take_late(100 + timeout_ns - 1) == []
    assert in_flight.take_late(100 + timeout_ns) == [identity]
    assert in_flight.take_late(10**18) == []


def test_an_answered_request_is_never_late():
    """The answer takes it out; an answer to nothing is no fault."""
    in_flight = table()
    in_flight.add(PLACE, 0)
    in_flight.answered(PLACE)
    in_flight.answered(PLACE)
    assert in_flight.take_late(10**18) == []
    assert in_flight.take_all() == []


def test_the_table_has_a_limit():
    """What does not fit is refused, and fits again after an answer."""
    in_flight = table()
    for seq in range(CAPACITY):
        assert not in_flight.is_full
        in_flight.add(f"q0.a-{seq}", 0)
    assert in_flight.is_full
    assert len(in_flight) == CAPACITY
    in_flight.answered("q0.a-5")
    assert not in_flight.is_full
    in_flight.add(PLACE, 0)
    assert len(in_flight.take_all()) == CAPACITY
    assert len(in_flight) == 0


def told(events):
    """Return (kind, key, code) of each event, after checking instrument and time."""
    assert events["instrument"].tolist() == [1] * len(events)
    assert events["ts_ns"].tolist() == [9] * len(events)
    return [(event["kind"], event["order_key"], event["code"]) for event in events]


def test_a_lost_request_is_in_doubt():
    """A create is unknown, a cancel too, a query has failed."""
    in_flight = table()
    assert told(in_flight.lost_events(PLACE, 9)) == [(UNKNOWN, KEY, 0)]
    assert told(in_flight.lost_events(CANCEL, 9)) == [(CANCEL_UNKNOWN, OLD, 0)]
    assert told(in_flight.lost_events(REPLACE, 9)) == [(CANCEL_UNKNOWN, OLD, 0), (UNKNOWN, KEY, 0)]
    assert told(in_flight.lost_events(QUERY, 9)) == [(FAILED, KEY, 0)]
    assert told(in_flight.lost_events("o1.rs", 9)) == [(FAILED, 0, 0)]


def test_an_unsent_request_is_refused_for_certain():
    """What never left is no doubt: it is rejected with our own code."""
    in_flight, code = table(), VenueCode.NOT_SENT
    rejected, cancel_rejected = EventKind.REJECTED, EventKind.CANCEL_REJECTED
    assert told(in_flight.unsent_events(PLACE, 9)) == [(rejected, KEY, code)]
    assert told(in_flight.unsent_events(CANCEL, 9)) == [(cancel_rejected, OLD, code)]
    assert told(in_flight.unsent_events(REPLACE, 9)) == [
        (cancel_rejected, OLD, code), (rejected, KEY, code),
    ]  # fmt: skip
    assert told(in_flight.unsent_events(QUERY, 9)) == [(FAILED, KEY, code)]
    assert told(in_flight.unsent_events("t1.rs", 9)) == [(FAILED, 0, code)]
