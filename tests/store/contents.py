"""All that a ledger holds, and what it should hold by its journal, to be compared row by row."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from hftd.journal.reader import JournalReader
from hftd.journal.record import Stream
from hftd.store import tables
from hftd.store.database import migrate, open_database
from hftd.store.projector import rebuild

Contents = dict[str, list[tuple[object, ...]]]


def contents(url: str) -> Contents:
    """Return all rows of all tables, each in one order."""
    engine = open_database(url)
    with engine.connect() as connection:
        found: Contents = {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.c))]
            for table in tables.METADATA.sorted_tables
        }
    engine.dispose()
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


def rebuilt(state: Path) -> Contents:
    """Return what a ledger holds that is made anew from an instance's journal."""
    url = f"sqlite:///{state / 'rebuilt.db'}"
    engine = open_database(url)
    migrate(engine)
    rebuild(engine, JournalReader(state / "journal").records(streams=(Stream.ORDERS,)))
    engine.dispose()
    return contents(url)
