"""Invariants of what the journal becomes: the ledger, the log lines, and what never stands in it.

Owns I12, I13, I25 and I26. Replay, ledger and lines are made at the end, from the very records that
the journal took, by the recorder's own parts; that is dear, so that only every so many seeds do.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from sqlalchemy import func, select

from hftd.domain.events import EventKind, Link
from hftd.drivers.checkers_told import Told
from hftd.drivers.replay import ReplayDiffers, replay
from hftd.drivers.watch import Checker, Watch, World
from hftd.errors import JournalDamaged
from hftd.journal import segment
from hftd.journal.reader import JournalReader
from hftd.journal.record import Record, RecordType, Stream, written_end
from hftd.runtime.logs import Logs, LogSettings
from hftd.runtime.recorder_lines import LineMaker
from hftd.store import tables
from hftd.store.database import open_database
from hftd.store.projector import Projector
from hftd.store.words import RunWords

SEEDS_PER_PROJECTION = 8
SEEDS_PER_REPLAY = 8
BATCH = 200


class SecretsKept(Checker):
    """I25."""

    ID = "I25"
    SAYS = "no secret, key or signature stands in the journal, nor a secret on the wire"
    READS = (
        RecordType.HEADER, RecordType.COMMAND, RecordType.FRAME_OUT, RecordType.TELEMETRY,
        RecordType.RUN_END,
        # The public market's frames have none to hide, and a timer is two numbers.
        *((RecordType.FRAME_IN, link) for link in Link if link != Link.MARKET),
        *((RecordType.EVENT, kind) for kind in EventKind if kind != EventKind.TIMER),
    )  # fmt: skip

    def __init__(self, world: World, watch: Watch) -> None:
        super().__init__(world, watch)
        accounts = world.venue.config.accounts
        self._secrets = [account.secret.encode() for account in accounts]
        self._hidden = [*self._secrets, *(account.key.encode() for account in accounts)]
        self._hidden.append(b'"signature"')

    def on_record(self, record: Record) -> None:
        """Search a record."""
        payload = bytes(record.payload)
        for hidden in self._hidden:
            if hidden in payload:
                name = RecordType(record.record_type).name
                self.break_off("none", f"in a {name}", f"record {record.seq}")

    def at_quiescence(self, world: World) -> None:
        """Search the journal's files too: headers and snapshots are told to nobody."""
        for path in sorted(getattr(world, "journal_folder", Path("/none")).glob("*")):
            if path.stat().st_size == 0:
                continue
            with segment.map_file(path, writable=False) as mapped:
                with memoryview(mapped) as view:
                    end = written_end(view, 0)  # Zeros behind, most of a segment.
                for hidden in self._hidden:
                    if (at := mapped.find(hidden, 0, end)) >= 0:
                        self.break_off("none", f"in {path.name}", f"offset {at}")

    def on_sent(self, link: Link, frame: bytes, ts_ns: int) -> None:
        """The secret itself never leaves; the key and a signature must."""
        for secret in self._secrets:
            if secret in frame:
                self.break_off("none", f"in a frame on {link.name}")


def judge_damage(judge: Checker, damage: JournalDamaged, about: str = "") -> None:
    """Break off over a journal that does not read, where its disk kept what it took.

    One that refused a sync has lost what it had, and a loss of power shows that later.
    """
    if not judge.watch.counts.get("fsync failed"):
        judge.break_off("a journal that reads", damage, about)


class ReplayTrue(Checker):
    """I12."""

    ID = "I12"
    SAYS = "a replay of the journal gives the same facts, frames and state, crashes and all"

    def __init__(self, world: World, watch: Watch) -> None:
        super().__init__(world, watch)
        self._wanted = watch.seed % SEEDS_PER_REPLAY == 1

    def at_quiescence(self, world: World) -> None:
        """Replay each life; the last one ends in the state that is in memory now."""
        folder = getattr(world, "journal_folder", None)
        if folder is None or not self._wanted:
            return
        state_hash = ""
        for run in JournalReader(folder).runs():
            try:
                state_hash = replay(folder, run.name, world.build).state_hash
            except JournalDamaged as damage:
                judge_damage(self, damage, run.name)
            except ReplayDiffers as differs:
                self.break_off("the journal's own outputs", differs, run.name)
        if state_hash != world.engine.state_hash():
            self.break_off(world.engine.state_hash(), state_hash, "state hash of the last run")


class LedgerTrue(Checker):
    """I13 and I26."""

    ID = "I13"
    SAYS = "the ledger is what the journal says, each row once, however often it is projected"

    def __init__(self, world: World, watch: Watch, told: Told) -> None:
        super().__init__(world, watch)
        self._told = told
        self._wanted = watch.seed % SEEDS_PER_PROJECTION == 0

    def at_quiescence(self, world: World) -> None:
        """Project in batches, some of them twice, and compare with the facts."""
        folder = getattr(world, "journal_folder", None)
        if folder is None or not self._wanted:
            return
        try:
            records = [
                record._replace(payload=memoryview(bytes(record.payload)))
                for record in JournalReader(folder).records(streams=(Stream.ORDERS,))
            ]
        except JournalDamaged as damage:
            judge_damage(self, damage)
            return
        self._project(world, records)
        self._write_lines(records)

    def _project(self, world: World, records: list[Record]) -> None:
        database = open_database("sqlite://")
        tables.METADATA.create_all(database)
        projector = Projector(database)
        for begin in range(0, len(records), BATCH):
            batch = records[begin : begin + BATCH]
            projector.project(batch)
            Projector(database).project(records[max(0, begin - BATCH) : begin + BATCH])
        fills, position = tables.FILLS.c, tables.POSITIONS.c
        with database.connect() as connection:
            rows = connection.execute(select(fills.instrument, fills.trade_id)).all()
            newest = (
                select(position.instrument, func.max(position.seq))
                .group_by(position.instrument)
                .subquery()
            )
            held = connection.execute(
                select(position.instrument, position.position_lots).join(
                    newest,
                    (newest.c[0] == position.instrument) & (newest.c[1] == position.seq),
                )
            ).all()
        database.dispose()
        names = [instrument.name for instrument in world.instruments]
        wanted = sorted((names[index], trade_id) for index, trade_id in self._told.fills)
        if sorted((row[0], row[1]) for row in rows) != wanted:
            self.break_off(f"{len(wanted)} fills", len(rows), "rows of fills")
        rows_of = {row[0]: row[1] for row in held}
        for index, name in enumerate(names):
            ours = int(world.engine.state.instruments[index]["position_lots"])
            lots = rows_of.get(name, 0)
            if lots != ours:
                self.break_off(ours, lots, f"position_lots of {name}")

    def _write_lines(self, records: list[Record]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "log.json")
            logs, maker, words = Logs(LogSettings(path)), LineMaker(), None
            for record in records:
                if record.record_type == RecordType.HEADER:
                    words = RunWords(json.loads(bytes(record.payload)))
                if words is not None:
                    for line in maker.lines(words, record):
                        logs.write(line, {"run": words.run, "seq": record.seq})
            logs.close()
            for number, text in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
                if not (text[:1] == b"{" and isinstance(json.loads(text), dict)):
                    words_of = f"every log line is one JSON object: line {number}"
                    self.watch.violate("I26", f"{words_of}: expected an object, was {text[:80]!r}")
