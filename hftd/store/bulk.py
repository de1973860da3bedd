"""Many rows of one table at once, each database by the way that it is fastest at.

Owns the statements that pass over a row's twin or replace an older row. Knows no fact.

SQLite takes many rows by one prepared statement, some dozens at a time: its driver lets go of the
interpreter once a statement, and to get it back from a thread that is busy (the recorder's, with
its log lines) takes up to 5 ms, which for each row would be most of the time: a recorder that
catches up was two to five times as fast, measured in turns on one machine. Postgres takes rows by
COPY into a temporary table, and from there by one INSERT … SELECT: 13 µs a row of 23 columns where
rows of an executemany took 48, and a tenth of our own processor time. The temporary table lives as
long as the connection, so that a recorder which writes often does not fill the database's catalog,
and is emptied by each commit: what an earlier write of the same transaction left in it is passed
over as any twin is. What SQLAlchemy does for each row of an ``execute`` costs twice what SQLite
takes for it, so rows are handed to the drivers as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect, MetaData, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

Columns = dict[str, list[Any]]  # By name, all of one length.
MakeUpsert = Callable[[str, Table], Any]  # Of a dialect's name and a table.
_UPSERTS = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
ROWS_AT_ONCE = 64  # Of the widest table 1,500 values; SQLite takes 32,766.

# What an order's first fact says of it and none after: when, by whom and on what it was decided.
KEPT_OF_ORDERS = (
    "client_order_id",
    "created_ts",
    "created_ts_ns",
    "decision_seq",
    "strategy",
    "config_hash",
    "book_update_id",
    "book_ts",
)


class _Inserts(NamedTuple):
    """The statements that insert one row, and ``ROWS_AT_ONCE`` of them."""

    one: str
    many: str


class _Staging(NamedTuple):
    """The statements that bring rows into a table through a temporary one."""

    create: str
    copy: str
    insert: str


def write(
    connection: Connection, make: MakeUpsert, table: Table, rows: Sequence[tuple[Any, ...]]
) -> None:
    """Write rows, each with all columns in the table's order.

    Raises: sqlalchemy's errors, whichever way it went.
    """
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        _copy(connection, _staging(make, table, connection.dialect), rows)
    else:
        _insert(connection, _insert_texts(make, table, connection.dialect), rows)


def rows_of(table: Table, columns: Columns) -> list[tuple[Any, ...]]:
    """Return columns as rows in the table's order."""
    return list(zip(*(columns[column.name] for column in table.columns), strict=True))


def ignoring_twins(dialect: str, table: Table) -> Any:
    """Return the insert that leaves a row with the same key as it is."""
    return _upsert(dialect, table).on_conflict_do_nothing()


def replacing_older(dialect: str, table: Table) -> Any:
    """Return the insert that replaces a row with the same key and a smaller seq."""
    statement = _upsert(dialect, table)
    keys = [column.name for column in table.primary_key]
    changed = {
        column.name: statement.excluded[column.name]
        for column in table.columns
        if column.name not in keys and column.name not in KEPT_OF_ORDERS
    }
    return statement.on_conflict_do_update(
        index_elements=keys, set_=changed, where=table.c.seq < statement.excluded.seq
    )


def adding_seconds(dialect: str, table: Table) -> Any:
    """Return the insert that adds a second to its minute: sums, and the worst of them."""
    statement = _upsert(dialect, table)
    mine, new = table.c, statement.excluded
    worse = {
        name: func.max(mine[name], new[name])
        if dialect == "sqlite"
        else func.greatest(mine[name], new[name])
        for name in ("p50_ns_worst_second", "p99_ns_worst_second", "max_ns")
    }
    return statement.on_conflict_do_update(
        index_elements=["run", "minute", "stage"],
        set_=worse
        | {
            "count": mine["count"] + new["count"],
            "sum_ns": mine["sum_ns"] + new["sum_ns"],
            "seq": new["seq"],
            "target_ns": new["target_ns"],
        },
        where=mine["seq"] < new["seq"],
    )


def _upsert(dialect: str, table: Table) -> Any:
    return _UPSERTS[dialect](table)


# Text is made once: in a turn of a few rows SQLAlchemy would take longer to write it than SQLite to
# do it.
@lru_cache(maxsize=64)
def _insert_texts(make: MakeUpsert, table: Table, dialect: Dialect) -> _Inserts:
    one = str(make(dialect.name, table).compile(dialect=dialect))
    row = f"({', '.join('?' * len(table.columns))})"
    before, after = one.split(row)
    return _Inserts(one, before + ", ".join([row] * ROWS_AT_ONCE) + after)


def _insert(connection: Connection, texts: _Inserts, rows: Sequence[tuple[Any, ...]]) -> None:
    whole = len(rows) - len(rows) % ROWS_AT_ONCE
    for begin in range(0, whole, ROWS_AT_ONCE):
        values = chain.from_iterable(rows[begin : begin + ROWS_AT_ONCE])
        connection.exec_driver_sql(texts.many, tuple(values))
    if rest := list(rows[whole:]):
        connection.exec_driver_sql(texts.one, rest)


@lru_cache(maxsize=64)
def _staging(make: MakeUpsert, table: Table, dialect: Dialect) -> _Staging:
    staged = table.to_metadata(MetaData(), name=f"staged_{table.name}")
    names = [column.name for column in table.columns]
    insert = make("postgresql", table).from_select(names, select(staged))
    return _Staging(
        f"CREATE TEMPORARY TABLE IF NOT EXISTS {staged.name} (LIKE {table.name}) "
        "ON COMMIT DELETE ROWS",
        f"COPY {staged.name} ({', '.join(names)}) FROM STDIN",
        str(insert.compile(dialect=dialect)),
    )


def _copy(connection: Connection, staging: _Staging, rows: Sequence[tuple[Any, ...]]) -> None:
    import psycopg  # The driver of Postgres, which a ledger in SQLite never loads.

    connection.exec_driver_sql(staging.create)
    driver: Any = connection.connection.driver_connection
    try:
        with driver.cursor() as cursor, cursor.copy(staging.copy) as copy:
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:
        # The driver was asked past SQLAlchemy, which has to learn what became of it.
        if driver.closed:
            connection.invalidate(error)
        raise DBAPIError.instance(
            staging.copy, None, error, psycopg.Error, dialect=connection.dialect
        ) from error
    connection.exec_driver_sql(staging.insert)
