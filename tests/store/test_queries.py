"""The questions to a ledger that a journal was projected into."""

import pytest

from hftd.control.shapes import Fill, OrderEvent, OrderJourney
from hftd.domain.order import client_order_id, order_key
from hftd.journal.reader import JournalReader
from hftd.store import queries
from hftd.store.projector import Projector
from tests.store.days_work import BEGIN_NS, EPOCH, SECOND_NS, whole_day


@pytest.fixture
def connection(ledger, tmp_path):
    """Return a connection to the ledger of a whole day."""
    whole_day(tmp_path / "journal")
    Projector(ledger).project(JournalReader(tmp_path / "journal").records())
    with ledger.connect() as connection:
        yield connection


def test_journey_of_an_order_is_told_from_submission_to_end(connection):
    """An order's journey has its events in order with times since the first, and its fills."""
    wanted = client_order_id("abc123", order_key(EPOCH, 5))
    journey = queries.order_journey(connection, wanted)
    assert set(journey) == set(OrderJourney.__annotations__)
    assert (journey["state"], journey["cum_qty"], journey["venue_order_id"]) == (
        "FILLED", "0.01", "905",
    )  # fmt: skip
    told = [(e["event"], e["state"], e["latency_us"], e["detail"]) for e in journey["events"]]
    assert told == [
        ("submitted", "PENDING_NEW", 0.0, None),
        ("accepted", "NEW", 2000.0, None),
        ("fill_partial", "PARTIALLY_FILLED", 502000.0, None),
        ("fill_full", "FILLED", 502000.0, None),
        ("refused_by_venue", None, 502000.0, "venue code -1013"),
    ]
    assert set(journey["events"][0]) == set(OrderEvent.__annotations__)
    assert [fill["exec_id"] for fill in journey["fills"]] == ["9", "10"]
    assert queries.order_journey(connection, "h1-abc123-0-0") is None


def test_newest_fills_and_orders_come_last(connection):
    """Lists end with what happened last, over runs."""
    fills = queries.newest_fills(connection, 3)
    assert [fill["exec_id"] for fill in fills] == ["10", "11", "12"]
    assert set(fills[0]) == set(Fill.__annotations__)
    orders = queries.newest_orders(connection, 2)
    assert [order["order_key"] for order in orders] == [
        order_key(EPOCH, 5), order_key(EPOCH + 100, 1),
    ]  # fmt: skip


def test_history_of_pnl_and_latency(connection):
    """Equity comes by time, latency by the minute."""
    history = queries.pnl_history(connection, BEGIN_NS + 5 * SECOND_NS, 10)
    assert [row["equity_quote"] for row in history] == ["10000.12345678"] * 3
    assert [row["ts_ns"] for row in history] == sorted(row["ts_ns"] for row in history)
    assert [row["count"] for row in queries.latency_history(connection, "risk", 5)] == [50, 10]
    assert queries.latency_history(connection, "venue", 5) == []
