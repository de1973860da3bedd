"""The projection on a real SQLite file and a real Postgres server, from a real journal."""

import sqlite3

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from hftd.domain.facts import FactKind
from hftd.domain.order import OrderEvent, OrderState, client_order_id, order_key
from hftd.errors import JournalDamaged, UsageError
from hftd.journal.reader import JournalReader
from hftd.journal.record import RecordType
from hftd.store import tables
from hftd.store.bulk import ROWS_AT_ONCE
from hftd.store.database import is_current, migrate, open_database
from hftd.store.projector import LedgerMoved, Projector, rebuild
from hftd.store.words import utc_text
from tests.store.days_work import BEGIN_NS, EPOCH, DaysWork, header, whole_day


def contents(engine):
    """Return all rows of all tables."""
    with engine.connect() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.c))]
            for table in tables.METADATA.sorted_tables
        }


def rows(engine, table, *columns):
    """Return some columns of a table as dictionaries, in the order of their records."""
    wanted = [table.c[name] for name in columns] or [table]
    with engine.connect() as connection:
        found = connection.execute(select(*wanted).order_by(table.c.seq))
        return [dict(row._mapping) for row in found]


def project_all(engine, folder, batch=1000):
    """Project a journal from the cursor on, in batches of a size."""
    projector = Projector(engine)
    tail = JournalReader(folder).tail(projector.seq + 1)
    count = 0
    while records := tail.read(batch):
        count += projector.project(records)
    return count


def test_fill_reads_as_the_venue_would_print_it(ledger, tmp_path):
    """A fill's row has exact integers and the text that a person would write."""
    whole_day(tmp_path / "journal")
    project_all(ledger, tmp_path / "journal")
    first = rows(ledger, tables.FILLS)[0]
    assert first | {
        "instrument": "BTC-USDT", "trade_id": 1, "side": "BUY", "price": "60000",
        "price_ticks": 6000, "qty": "0.004", "qty_lots": 400, "notional_quote": "240",
        "notional_atoms": 240_00000000, "fee": "0.000004", "fee_asset": "BTC",
        "liquidity": "MAKER", "mid": "60005",
        "client_order_id": client_order_id("abc123", order_key(EPOCH, 1)),
        "ts": "2026-11-22T09:30:01.502000Z", "exch_ts": "2026-11-22T09:30:01.501000Z",
        "venue_order_id": 901,
    } == first  # fmt: skip
    assert len(rows(ledger, tables.FILLS)) == 12


def test_order_keeps_its_beginning_and_shows_its_end(ledger, tmp_path):
    """An order has one row, from its creation to its latest state; its events have each one."""
    whole_day(tmp_path / "journal")
    project_all(ledger, tmp_path / "journal", batch=2)
    order = rows(ledger, tables.ORDERS)[0]
    assert (order["state"], order["cum_qty"], order["leaves_qty"]) == ("FILLED", "0.01", "0")
    assert order["created_ts"] == "2026-11-22T09:30:01.000000Z"
    assert order["updated_ts"] == "2026-11-22T09:30:01.502000Z"
    assert (order["post_only"], order["venue_order_id"]) == (1, 901)
    events = [
        row["event"]
        for row in rows(ledger, tables.ORDER_EVENTS)
        if row["client_order_id"] == order["client_order_id"]
    ]
    assert events == ["SUBMITTED", "ACCEPTED", "FILL_PARTIAL", "FILL_FULL"]


def test_position_is_shown_less_commissions_in_base(ledger, tmp_path):
    """A position's row is the run's latest: base less fees, average price, PnL."""
    whole_day(tmp_path / "journal")
    project_all(ledger, tmp_path / "journal")
    first, second = rows(ledger, tables.POSITIONS)
    assert first["position_base"] == "0.04995"
    assert first["avg_price"] == "60000"
    assert (first["unrealized_quote"], first["fees_quote"]) == ("5", "0.6")
    assert first["total_quote"] == "4.4"
    assert second["position_lots"] == 1000


def test_trouble_is_told_in_words_with_units(ledger, tmp_path):
    """Refusals and state changes say value and bound with units; commands say who and what."""
    whole_day(tmp_path / "journal")
    project_all(ledger, tmp_path / "journal")
    assert rows(ledger, tables.REFUSALS, "code", "reason", "side", "price", "qty") == [
        {"code": "ORDER_SIZE", "reason": "ORDER_SIZE: qty=0.03 BTC, max=0.02 BTC",
         "side": "SELL", "price": "60100", "qty": "0.03"}
    ]  # fmt: skip
    assert rows(ledger, tables.STATE_CHANGES, "subject", "state_from", "state_to", "reason") == [
        {"subject": "STATE", "state_from": "RUNNING", "state_to": "HALTED",
         "reason": "DAILY_LOSS: loss=251 USDT, max=250 USDT"},
        {"subject": "BOOK", "state_from": "SYNCED", "state_to": "STALE",
         "reason": "FEED_STALE: age=2500 ms, max=2000 ms"},
        {"subject": "QUOTING_BUY", "state_from": None, "state_to": "OFF",
         "reason": "SPREAD_TOO_NARROW: spread=3.21 bps, min=5 bps"},
    ]  # fmt: skip
    said = rows(ledger, tables.COMMANDS, "command", "uid", "reason", "outcome", "state")
    assert said == [
        {"command": "RESET", "uid": 1000, "reason": "looked at it", "outcome": "DONE",
         "state": "PAUSED"},
        {"command": "CANCEL_ALL", "uid": None, "reason": None, "outcome": "DONE",
         "state": "PAUSED"},
    ]  # fmt: skip
    assert rows(ledger, tables.FLOWS, "asset", "delta") == [{"asset": "USDT", "delta": "-1.5"}]
    assert rows(ledger, tables.DIFFERENCES, "asset", "ours", "venues") == [
        {"asset": "BTC", "ours": 5, "venues": 6}
    ]
    rejects = [r for r in rows(ledger, tables.ORDER_EVENTS) if r["venue_code"] is not None]
    assert [(r["event"], r["venue_code"]) for r in rejects] == [("REFUSED_BY_VENUE", -1013)]


def test_run_has_its_beginning_end_and_header(ledger, tmp_path):
    """The ended run has its reason, the running one none; both keep their header."""
    whole_day(tmp_path / "journal")
    project_all(ledger, tmp_path / "journal")
    first, second = rows(ledger, tables.RUNS)
    assert (first["profile"], first["end_reason"]) == ("canary", "stop")
    assert first["run"] == "paper-20261122T093000Z-1795339800"
    assert '"max_position_base":"0.10"' in first["header"]
    assert second["ended_ts"] is None


def test_latency_is_kept_by_the_minute(ledger, tmp_path):
    """A minute of a stage counts all its seconds and keeps the worst."""
    whole_day(tmp_path / "journal")
    project_all(ledger, tmp_path / "journal", batch=3)
    minute = rows(ledger, tables.LATENCY)[0]
    assert (minute["minute"], minute["stage"]) == ("2026-11-22T09:30Z", "risk")
    assert (minute["count"], minute["sum_ns"], minute["max_ns"]) == (50, 100_000, 3205)


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(1, 20), min_size=1, max_size=8))
def test_projecting_twice_changes_nothing(make_ledger, tmp_path_factory, cuts):
    """However the records are cut into batches, and projected again, the ledger is the same."""
    folder = tmp_path_factory.mktemp("day")
    whole_day(folder / "journal")
    records = list(JournalReader(folder / "journal").records())
    engine = make_ledger(folder)
    assert Projector(engine).project(records) == len(records)
    once = contents(engine)
    assert Projector(engine).project(records) == 0
    # The cursor forgotten: the rows alone have to see that they are there already.
    with engine.begin() as connection:
        connection.execute(text("update cursor set seq = 0"))
    projector = Projector(engine)
    at = 0
    for cut in (*cuts, len(records)):
        projector.project(records[at : at + cut])
        at += cut
        assert contents(engine) | {"cursor": once["cursor"]} == once
    assert contents(engine) == once
    engine.dispose()


def test_a_batch_of_many_rows_equals_as_many_of_a_few(make_ledger, tmp_path_factory):
    """A day that fills several statements of many rows, whole and in crumbs, twice each."""
    folder = tmp_path_factory.mktemp("journal")
    day = DaysWork(folder)
    day.begin()
    for _ in range(2 * ROWS_AT_ONCE + 7):
        day.quote()
    day.end()
    ledgers = []
    for batch in (10_000, 11):
        engine = make_ledger(tmp_path_factory.mktemp("ledger"))
        project_all(engine, folder, batch)
        with engine.begin() as connection:
            connection.execute(text("UPDATE cursor SET seq = 0"))
        project_all(engine, folder, batch)
        ledgers.append(contents(engine))
    assert ledgers[0] == ledgers[1]
    assert len(ledgers[0]["orders"]) == 2 * ROWS_AT_ONCE + 7


def test_rebuild_equals_the_live_tables(ledger, tmp_path):
    """A ledger made anew from the journal is the one that grew with it."""
    day = DaysWork(tmp_path / "journal")
    day.begin()
    for _ in range(10):
        day.quote()
        project_all(ledger, tmp_path / "journal", batch=3)
    day.trouble()
    project_all(ledger, tmp_path / "journal")
    live = contents(ledger)
    with ledger.begin() as connection:
        connection.execute(text("update fills set price = 'spoiled'"))
    rebuild(ledger, JournalReader(tmp_path / "journal").records(), batch_records=7)
    assert contents(ledger) == live


def test_failed_batch_leaves_nothing_behind(ledger, tmp_path):
    """A batch that the database refuses is wholly absent and can be projected again."""
    whole_day(tmp_path / "journal")
    records = list(JournalReader(tmp_path / "journal").records())
    empty = contents(ledger)
    with ledger.begin() as connection:
        connection.execute(text("alter table equity rename to elsewhere"))
    projector = Projector(ledger)
    with pytest.raises(DBAPIError):
        projector.project(records)
    with ledger.begin() as connection:
        connection.execute(text("alter table elsewhere rename to equity"))
    assert contents(ledger) == empty | {"cursor": [(1, None, 0)]}
    assert projector.project(records) == len(records)


def test_order_that_two_runs_tell_of_is_one_row(ledger, tmp_path):
    """An order that a crash left open and the next run cancels is one row, in one batch as well."""
    work = DaysWork(tmp_path / "journal")
    work.begin()
    work.orders = 1
    pending = OrderState.PENDING_NEW
    work.append_facts(work.order_fact(OrderEvent.SUBMITTED, OrderState.NONE, pending))
    work.writer.close()  # Without its end.
    again = DaysWork(tmp_path / "journal")
    again.ts_ns += 1
    again.begin(EPOCH + 100)
    again.orders, again.epoch = 1, EPOCH
    gone = again.order_fact(OrderEvent.CANCELED, pending, OrderState.CANCELED, ts_ns=BEGIN_NS + 1)
    again.append_facts(gone)
    again.writer.close()
    assert Projector(ledger).project(JournalReader(tmp_path / "journal").records()) == 4
    (order,) = rows(ledger, tables.ORDERS)
    assert (order["state"], order["created_ts"]) == ("CANCELED", utc_text(BEGIN_NS))
    assert order["run"] == rows(ledger, tables.RUNS)[1]["run"]
    assert len(rows(ledger, tables.ORDER_EVENTS)) == 2


def test_ledger_that_was_set_back_takes_no_batch_with_a_hole_before_it(ledger, tmp_path):
    """Where the cursor in the database is another than was left there, nothing is written."""
    day = whole_day(tmp_path / "journal")
    projector = Projector(ledger)
    records = list(JournalReader(tmp_path / "journal").records())
    projector.project(records[:-5])
    with ledger.begin() as connection:
        connection.execute(text("update cursor set seq = seq - 5"))
    before = contents(ledger)
    with pytest.raises(LedgerMoved):
        projector.project(records[-5:])
    assert contents(ledger) == before
    again = Projector(ledger)
    assert again.project(records) == 10
    assert again.seq == day.writer.seq


def test_strategy_is_named_by_a_path_of_any_length(ledger, tmp_path):
    """A strategy of a user's own stands in a file, whose folders may have long names."""
    kind = "/home/somebody/.config/hftd/strategies/of/long/standing/and/good/repute.py:Skewed"
    day = DaysWork(tmp_path / "journal")
    day.epoch = EPOCH
    day.writer.open(header() | {"profile": {"strategy": {"kind": kind}}}, day.ts_ns)
    day.quote()
    project_all(ledger, tmp_path / "journal")
    assert rows(ledger, tables.ORDERS, "strategy") == [{"strategy": kind}]


def test_fact_before_any_header_is_damage(ledger, tmp_path):
    """Facts whose run is unknown are refused, not guessed."""
    whole_day(tmp_path / "journal")
    facts = [
        record
        for record in JournalReader(tmp_path / "journal").records()
        if record.record_type == RecordType.FACT
    ]
    with pytest.raises(JournalDamaged, match="before the HEADER"):
        Projector(ledger).project(facts[:1])


def test_migrations_make_the_tables_that_the_code_names(ledger):
    """After all migrations from nothing, the database and tables.py do not differ."""
    with ledger.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, tables.METADATA) == []
    assert is_current(ledger)
    migrate(ledger)


def test_ledger_of_a_newer_version_is_refused(ledger):
    """Tables that a newer version made are not touched; the message names the revision."""
    with ledger.begin() as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    with pytest.raises(UsageError, match=r"newer version of hftd.*was 9999"):
        migrate(ledger)


def test_sqlite_writes_ahead(tmp_path):
    """The file is in WAL mode, so that readers do not wait for the recorder."""
    engine = open_database(f"sqlite:///{tmp_path / 'hftd.db'}")
    migrate(engine)
    engine.dispose()
    with sqlite3.connect(tmp_path / "hftd.db") as plain:
        assert plain.execute("pragma journal_mode").fetchone() == ("wal",)
    plain.close()


def test_c40_an_order_names_who_decided_it_and_on_what(ledger, tmp_path):
    """Strategy, configuration, decision, book update and its time, of the submission for ever."""
    work = DaysWork(tmp_path / "journal")
    work.begin()
    order = {"order_key": order_key(EPOCH, 9), "instrument": 0, "price_ticks": 5990, "qty_lots": 9}
    book = {"book_update_id": 777, "book_ns": BEGIN_NS}
    submitted = {"order_event": OrderEvent.SUBMITTED, "state_to": OrderState.PENDING_NEW}
    work.fact(FactKind.ORDER, decision_seq=41, ts_ns=BEGIN_NS, **order, **book, **submitted)
    project_all(ledger, tmp_path / "journal")
    accepted = {"order_event": OrderEvent.ACCEPTED, "state_to": OrderState.NEW}
    work.fact(FactKind.ORDER, decision_seq=44, ts_ns=BEGIN_NS + 1, **order, **accepted)
    work.writer.close()
    project_all(ledger, tmp_path / "journal")
    names = ("strategy", "config_hash", "decision_seq", "book_update_id", "book_ts", "state")
    assert rows(ledger, tables.ORDERS, *names) == [
        {"strategy": "market_making", "config_hash": "c0ffee", "decision_seq": 41,
         "book_update_id": 777, "book_ts": utc_text(BEGIN_NS), "state": "NEW"}
    ]  # fmt: skip
