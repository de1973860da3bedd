"""The projection of journal records into the ledger's tables, a batch in one transaction.

The cursor (run and seq) moves in the same transaction as the rows, so a record is projected
once however often the recorder dies; and every row is made so that projecting it again would
change nothing. Reads no file: records are handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import Connection, Dialect, Engine, Table, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from hftd.errors import JournalDamaged
from hftd.journal.record import Record, RecordType, decode_json
from hftd.store import tables
from hftd.store.rows import Origin, Row, rows_of
from hftd.store.words import RunWords, utc_text

# By the key of a row: what a later record changes of it. Everything else appends.
# What an order's first fact says of it and none after: when, by whom and on what it was decided.
_KEPT_OF_ORDERS = (
    "client_order_id",
    "created_ts",
    "created_ts_ns",
    "decision_seq",
    "strategy",
    "config_hash",
    "book_update_id",
    "book_ts",
)
_LATEST = (tables.ORDERS, tables.POSITIONS, tables.BALANCES)
MakeUpsert = Callable[[str, Table], Any]  # Of a dialect's name and a table.
_UPSERTS = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class Projector:
    """Turn records into rows; ``seq`` is the last that the ledger holds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._words: RunWords | None = None
        with engine.connect() as connection:
            self.seq = _load_cursor(connection)
            header = connection.scalar(
                select(tables.RUNS.c.header).order_by(tables.RUNS.c.seq.desc()).limit(1)
            )
        if header is not None:
            self._words = RunWords(msgspec.json.decode(header))

    @property
    def words(self) -> RunWords | None:
        """The words of the run that the last record was of, None before the first."""
        return self._words

    def project(self, records: Iterable[Record]) -> int:
        """Project records in one transaction; return how many were new.

        Raises: JournalDamaged where facts come before any HEADER; sqlalchemy's errors, after
            which nothing of the batch is in the ledger and the batch can be projected again.
        """
        batch = _Batch(self._words)
        new = [record for record in records if record.seq > self.seq]
        if not new:
            return 0
        for record in new:
            batch.add(record)
        with self._engine.begin() as connection:
            batch.write(connection)
            connection.execute(
                update(tables.CURSOR).values(seq=new[-1].seq, run=batch.words and batch.words.run)
            )
        self.seq, self._words = new[-1].seq, batch.words
        return len(new)

    def clear(self) -> None:
        """Empty all tables, for a rebuild from the journal's beginning."""
        with self._engine.begin() as connection:
            for table in reversed(tables.METADATA.sorted_tables):
                connection.execute(delete(table))
            connection.execute(insert(tables.CURSOR).values(id=1, seq=0))
        self.seq, self._words = 0, None


def rebuild(engine: Engine, records: Iterable[Record], batch_records: int = 5000) -> int:
    """Make the ledger anew from a journal's records; return how many there were."""
    projector = Projector(engine)
    projector.clear()
    count, batch = 0, []
    for record in records:
        batch.append(record)
        if len(batch) == batch_records:
            count += projector.project(batch)
            batch = []
    return count + projector.project(batch)


def _load_cursor(connection: Connection) -> int:
    seq = connection.scalar(select(tables.CURSOR.c.seq))
    if seq is None:
        connection.execute(insert(tables.CURSOR).values(id=1, seq=0))
        connection.commit()
    return seq or 0


class _Batch:
    """The rows of a batch of records, by table, later ones over earlier ones."""

    def __init__(self, words: RunWords | None) -> None:
        self.words = words
        self._appended: dict[Table, list[Row]] = {}
        self._latest: dict[tuple[Table, tuple[Any, ...]], Row] = {}
        self._runs: list[Row] = []
        self._run_ends: list[Row] = []
        self._commands: list[Row] = []
        self._outcomes: list[Row] = []
        self._latency: list[Row] = []

    def add(self, record: Record) -> None:
        if record.record_type == RecordType.HEADER:
            self._add_header(record)
        elif record.record_type == RecordType.FACT:
            self._add_facts(record)
        elif record.record_type == RecordType.COMMAND:
            self._add_command(record)
        elif record.record_type == RecordType.TELEMETRY:
            self._add_latency(record)
        elif record.record_type == RecordType.RUN_END:
            self._add_end(record)

    def write(self, connection: Connection) -> None:
        _execute(connection, _ignoring_twins, tables.RUNS, self._runs)
        for table, rows in self._appended.items():
            _execute(connection, _ignoring_twins, table, rows)
        for table in _LATEST:
            rows = [row for (of, _), row in self._latest.items() if of is table]
            _execute(connection, _replacing_older, table, rows)
        _execute(connection, _ignoring_twins, tables.COMMANDS, self._commands)
        for outcome in self._outcomes:
            _write_outcome(connection, outcome)
        _execute(connection, _adding_seconds, tables.LATENCY, self._latency)
        for row in self._run_ends:
            connection.execute(
                update(tables.RUNS).where(tables.RUNS.c.run == row["run"]).values(row)
            )

    def _known(self, record: Record) -> RunWords:
        if self.words is None:
            raise JournalDamaged(f"record {record.seq} stands before the HEADER of any run")
        return self.words

    def _add_header(self, record: Record) -> None:
        self.words = RunWords(decode_json(record.payload))
        header = self.words.header
        self._runs.append(
            {
                "run": self.words.run,
                "seq": record.seq,
                "started_ts": utc_text(record.ts_ns),
                "started_ts_ns": record.ts_ns,
                "header": bytes(record.payload).decode(),
                "profile": header.profile_name,
                **{
                    name: getattr(header, name)
                    for name in ("mode", "version", "config_hash", "epoch")
                },
            }
        )

    def _add_facts(self, record: Record) -> None:
        words = self._known(record)
        for part, fact in enumerate(words.facts(record.payload)):
            for table, row in rows_of(words, fact, Origin(words.run, record.seq, part)):
                if table is tables.COMMANDS:
                    self._outcomes.append(row)
                elif table in _LATEST:
                    self._keep_latest(table, row)
                else:
                    self._appended.setdefault(table, []).append(row)

    def _keep_latest(self, table: Table, row: Row) -> None:
        key = tuple(row[column.name] for column in table.primary_key)
        before = self._latest.get((table, key))
        if before and table is tables.ORDERS:
            row = row | {name: before[name] for name in _KEPT_OF_ORDERS}
        self._latest[table, key] = row

    def _add_command(self, record: Record) -> None:
        said = decode_json(record.payload)
        self._commands.append(
            {
                "run": self._known(record).run,
                "seq": record.seq,
                "part": 0,
                "ts": utc_text(record.ts_ns),
                "ts_ns": record.ts_ns,
                "command": str(said.get("command", ""))[:64].upper().replace("-", "_"),
                "uid": said.get("uid"),
                "reason": said.get("reason"),
                "outcome": None,
                "outcome_seq": None,
                "state": None,
            }
        )

    def _add_latency(self, record: Record) -> None:
        for stage, times in decode_json(record.payload).items():
            self._latency.append(
                {
                    "run": self._known(record).run,
                    "minute": utc_text(record.ts_ns)[:16] + "Z",
                    "stage": stage,
                    "seq": record.seq,
                    "count": times["count"],
                    "sum_ns": times["count"] * times["mean_ns"],
                    "p50_ns_worst_second": times["p50_ns"],
                    "p99_ns_worst_second": times["p99_ns"],
                    "max_ns": times["max_ns"],
                    "target_ns": times["target_ns"],
                }
            )

    def _add_end(self, record: Record) -> None:
        said = decode_json(record.payload)
        self._run_ends.append(
            {
                "run": self._known(record).run,
                "ended_ts": utc_text(record.ts_ns),
                "ended_ts_ns": record.ts_ns,
                "end_reason": said.get("reason") or f"exit {said.get('code', 0)}",
            }
        )


# Many rows by one statement, handed to the driver as they are: what SQLAlchemy does for each
# row of an `execute` costs twice what SQLite takes for it.
def _execute(connection: Connection, make: MakeUpsert, table: Table, rows: list[Row]) -> None:
    if rows:
        sql, order = _compiled(make, table, connection.dialect, tuple(rows[0]))
        pick = itemgetter(*order) if order else None
        connection.exec_driver_sql(sql, [pick(row) for row in rows] if pick else rows)


@lru_cache(maxsize=64)
def _compiled(
    make: MakeUpsert, table: Table, dialect: Dialect, columns: tuple[str, ...]
) -> tuple[str, tuple[str, ...]]:
    compiled: Any = make(dialect.name, table).compile(dialect=dialect, column_keys=columns)
    return str(compiled), tuple(compiled.positiontup or ())


def _upsert(dialect: str, table: Table) -> Any:
    return _UPSERTS[dialect](table)


def _ignoring_twins(dialect: str, table: Table) -> Any:
    return _upsert(dialect, table).on_conflict_do_nothing()


def _replacing_older(dialect: str, table: Table) -> Any:
    statement = _upsert(dialect, table)
    keys = [column.name for column in table.primary_key]
    changed = {
        column.name: statement.excluded[column.name]
        for column in table.columns
        if column.name not in keys and column.name not in _KEPT_OF_ORDERS
    }
    return statement.on_conflict_do_update(
        index_elements=keys, set_=changed, where=table.c.seq < statement.excluded.seq
    )


# What a command came to is a fact after its COMMAND record; a command that the engine gave
# itself has no such record and gets a row of its own.
def _write_outcome(connection: Connection, row: Row) -> None:
    commands = tables.COMMANDS.c
    mine = (commands.run == row["run"], commands.command == row["command"])
    known = select(commands.seq).where(*mine, commands.outcome_seq == row["seq"])
    if connection.scalar(known) is not None:
        return
    waiting = select(func.max(commands.seq)).where(
        *mine, commands.seq < row["seq"], commands.outcome.is_(None)
    )
    said_seq = connection.scalar(waiting)
    if said_seq is None:
        connection.execute(insert(tables.COMMANDS), row)
        return
    outcome = {name: row[name] for name in ("outcome", "outcome_seq", "state")}
    connection.execute(
        update(tables.COMMANDS).where(*mine, commands.seq == said_seq).values(outcome)
    )


# A minute of a stage is the sum of its seconds and the worst of them.
def _adding_seconds(dialect: str, table: Table) -> Any:
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
