"""The questions to a ledger that a journal was projected into."""

import pytest
from sqlalchemy import select

from hftd.control.shapes import (
    Fill,
    OrderEvent,
    OrderJourney,
    PastLatency,
    PastOrder,
    PastPnl,
)
from hftd.domain.facts import FactKind
from hftd.domain.order import client_order_id, order_key
from hftd.journal.reader import JournalReader
from hftd.store import queries
from hftd.store.projector import Projector
from hftd.store.tables import EQUITY
from tests.store.days_work import BEGIN_NS, EPOCH, DaysWork, whole_day


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
    orders = queries.orders_history(connection, 2)
    keys = order_key(EPOCH, 5), order_key(EPOCH + 100, 1)
    ids = [client_order_id("abc123", key) for key in keys]
    assert [order["client_order_id"] for order in orders] == ids
    assert set(orders[0]) == set(PastOrder.__annotations__)


def test_a_minute_that_ends_with_two_values_is_told_once(ledger, tmp_path):
    """A day that begins values the account twice at a moment; a minute without a value is none."""
    day = DaysWork(tmp_path / "journal")
    day.begin()
    for minutes in (0, 3):
        day.ts_ns = BEGIN_NS + minutes * queries.MINUTE_NS
        day.append_facts(
            *({"kind": FactKind.EQUITY, "instrument": -1, "equity_atoms": atoms * 10**8}
              for atoms in (7 + minutes, 8 + minutes))
        )  # fmt: skip
    Projector(ledger).project(JournalReader(tmp_path / "journal").records())
    with ledger.connect() as connection:
        assert [row["equity_quote"] for row in queries.pnl_history(connection, 9)] == ["8", "11"]


def test_history_of_pnl_and_latency(connection):
    """One row a minute: the last equity of it; latency by minute and stage."""
    history = queries.pnl_history(connection, 10)
    everything = connection.execute(select(EQUITY.c.ts).order_by(EQUITY.c.ts_ns)).scalars().all()
    last = {ts[:16]: ts for ts in everything}
    assert [row["ts"] for row in history] == list(last.values())
    assert set(history[0]) == set(PastPnl.__annotations__)
    assert queries.pnl_history(connection, 1) == history[-1:]
    latency = queries.latency_history(connection, 5)
    assert [(row["stage"], row["count"]) for row in latency] == [("risk", 50), ("risk", 10)]
    assert latency[0]["mean_us"] == 2.0 and set(latency[0]) == set(PastLatency.__annotations__)
