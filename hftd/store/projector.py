"""The projection of journal records into the ledger's tables, a batch in one transaction.

The cursor (run and seq) moves in the same transaction as the rows, so a record is projected
once however often the recorder dies; and every row is made so that projecting it again would
change nothing. Reads no file: records are handed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple

import msgspec
import numpy as np
from sqlalchemy import Connection, Engine, Table, delete, func, insert, select, update

from hftd.errors import JournalDamaged
from hftd.journal.record import Record, RecordType, decode_json
from hftd.store import bulk, tables
from hftd.store.blocks import Block, blocks_of
from hftd.store.rows import columns_of
from hftd.store.words import RunWords, utc_text

Row = dict[str, Any]

_LATEST = (tables.ORDERS, tables.POSITIONS, tables.BALANCES)  # The rest appends.


class LedgerMoved(Exception):
    """The database is not where the last batch left it: a copy of before, or another writer."""


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

        Raises: JournalDamaged where facts come before any HEADER; LedgerMoved where the cursor
            in the database is not ours; sqlalchemy's errors, after which nothing of the batch is in
            the ledger and the batch can be projected again.
        """
        batch = _Batch(self._words)
        new = [record for record in records if record.seq > self.seq]
        if not new:
            return 0
        for record in new:
            batch.add(record)
        with self._engine.begin() as connection:
            batch.write(connection)
            moved = connection.execute(
                update(tables.CURSOR)
                .where(tables.CURSOR.c.seq == self.seq)
                .values(seq=new[-1].seq, run=batch.words and batch.words.run)
            )
            if moved.rowcount != 1:
                raise LedgerMoved(f"its cursor is not at seq {self.seq} any more")
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


class _RunFacts(NamedTuple):
    """The FACT records of one run in a batch."""

    words: RunWords
    payloads: list[memoryview]
    seqs: list[int]

    def blocks(self) -> Iterator[Block]:
        """Give out their facts, by kind and instrument."""
        size = self.words.fact_bytes
        for payload, seq in zip(self.payloads, self.seqs, strict=True):
            if len(payload) % size:
                raise JournalDamaged(
                    f"record {seq} holds facts of {size} bytes each, was {len(payload)} bytes"
                )
        counts = [len(payload) // size for payload in self.payloads]
        parts = np.fromiter(chain.from_iterable(map(range, counts)), np.int64)
        facts = self.words.fact_array(b"".join(self.payloads))
        return blocks_of(self.words, facts, np.repeat(self.seqs, counts), parts)


class _Batch:
    """What a batch of records brings: the facts of each run, and what is no fact."""

    def __init__(self, words: RunWords | None) -> None:
        self.words = words
        self._facts: list[_RunFacts] = []
        self._runs: list[Row] = []
        self._run_ends: list[Row] = []
        self._commands: list[Row] = []
        self._latency: list[Row] = []

    def add(self, record: Record) -> None:
        if record.record_type == RecordType.FACT:
            self._add_facts(record)
        elif record.record_type == RecordType.HEADER:
            self._add_header(record)
        elif record.record_type == RecordType.COMMAND:
            self._add_command(record)
        elif record.record_type == RecordType.TELEMETRY:
            self._add_latency(record)
        elif record.record_type == RecordType.RUN_END:
            self._add_end(record)

    def write(self, connection: Connection) -> None:
        _each(connection, bulk.ignoring_twins, tables.RUNS, self._runs)
        _each(connection, bulk.ignoring_twins, tables.COMMANDS, self._commands)
        for of_run in self._facts:
            _write_facts(connection, of_run)
        _each(connection, bulk.adding_seconds, tables.LATENCY, self._latency)
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
        if not self._facts or self._facts[-1].words is not words:
            self._facts.append(_RunFacts(words, [], []))
        self._facts[-1].payloads.append(record.payload)
        self._facts[-1].seqs.append(record.seq)

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


def _write_facts(connection: Connection, of_run: _RunFacts) -> None:
    found: dict[Table, list[tuple[Any, ...]]] = {}
    for block in of_run.blocks():
        for table, columns in columns_of(block):
            found.setdefault(table, []).extend(bulk.rows_of(table, columns))
    names = tables.COMMANDS.columns.keys()
    done = [dict(zip(names, row, strict=True)) for row in found.pop(tables.COMMANDS, [])]
    for outcome in sorted(done, key=lambda row: (row["seq"], row["part"])):
        _write_outcome(connection, outcome)
    for table, rows in found.items():
        make = bulk.replacing_older if table in _LATEST else bulk.ignoring_twins
        bulk.write(connection, make, table, rows)


# A few rows by one statement each.
def _each(connection: Connection, make: bulk.MakeUpsert, table: Table, rows: list[Row]) -> None:
    if rows:
        connection.execute(make(connection.dialect.name, table), rows)


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
