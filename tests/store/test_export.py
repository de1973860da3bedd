"""Fills and orders as CSV and JSON lines, from both databases."""

import csv
import io
import json

import pytest
from sqlalchemy import select

from hftd.journal.reader import JournalReader
from hftd.store.export import EXPORTS, export
from hftd.store.projector import Projector
from tests.store.days_work import whole_day


@pytest.fixture
def connection(ledger, tmp_path):
    """Return a connection to the ledger of a whole day."""
    whole_day(tmp_path / "journal")
    Projector(ledger).project(JournalReader(tmp_path / "journal").records())
    with ledger.connect() as connection:
        yield connection


@pytest.mark.parametrize("what", EXPORTS)
def test_every_row_is_exported_in_order(connection, what):
    """CSV and JSON lines hold each row of the table with each column, oldest first."""
    table, when = EXPORTS[what]
    stood = [dict(row._mapping) for row in connection.execute(select(table))]
    lines, sheet = io.StringIO(), io.StringIO()
    assert export(connection, what, "jsonl", 0, lines) == len(stood)
    assert export(connection, what, "csv", 0, sheet) == len(stood)
    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [row[when] for row in found] == sorted(row[when] for row in stood)
    assert sorted(found, key=str) == sorted(stood, key=str)
    rows = list(csv.DictReader(io.StringIO(sheet.getvalue())))
    assert rows == [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in found
    ]


def test_since_leaves_out_what_was_before(connection):
    """What is as old as --since is in, what is older is not; nothing is a header alone."""
    out = io.StringIO()
    export(connection, "fills", "jsonl", 0, out)
    times = [json.loads(line)["ts_ns"] for line in out.getvalue().splitlines()]
    middle = times[len(times) // 2]
    out = io.StringIO()
    count = export(connection, "fills", "jsonl", middle, out)
    assert count == sum(ts_ns >= middle for ts_ns in times) < len(times)
    out = io.StringIO()
    assert export(connection, "fills", "csv", times[-1] + 1, out) == 0
    assert out.getvalue().count("\n") == 1
