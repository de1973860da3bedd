"""The replay driver: a journal's inputs through the same loop body, every output compared.

Facts, intents and unsigned frames must come out as they stand in the journal, byte for byte,
and the state's hash at the end must be the one that the run wrote. The first record that
differs ends the replay, with both sides named. So does a gap in seq: a loss of power takes the
newest records of one stream and may leave those of the other, and market data goes by size. What
stands behind a gap was decided on inputs that are gone; no boot goes on from it either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hftd.domain.actions import ACTION
from hftd.domain.facts import FACT
from hftd.drivers.loop import Loop
from hftd.drivers.memory import Builders, build_from_header, feed, perform_nothing
from hftd.drivers.stamps import NoStamps
from hftd.engine.engine import Engine
from hftd.errors import HftdError, JournalDamaged, UsageError
from hftd.journal.reader import JournalReader, Run
from hftd.journal.record import PART, Record, RecordType, decode_json

OUTPUTS = (RecordType.FACT, RecordType.INTENT, RecordType.FRAME_OUT)
LAYOUTS = {RecordType.FACT: FACT, RecordType.INTENT: ACTION}
PROGRESS_RECORDS = 100_000

Output = tuple[int, bytes]


class ReplayDiffers(HftdError):
    """The replay parted from the journal; the message names the record and both sides."""

    exit_code = 1


@dataclass
class Replayed:
    """What a replay went through."""

    run: str
    records: int = 0
    inputs: int = 0
    outputs: int = 0
    state_hash: str = ""
    hash_compared: bool = False
    gap_after_seq: int = 0  # The record behind which one is missing; 0: none is.


class Collected:
    """An ink that keeps outputs for comparison, and lets inputs pass."""

    def __init__(self) -> None:
        self.outputs: list[Output] = []

    def append(self, record_type: RecordType, ts_ns: int, payload: Any) -> int:
        """Keep an output."""
        if record_type in OUTPUTS:
            self.outputs.append((int(record_type), bytes(payload)))
        return 0

    def append_frame(self, ts_ns: int, link: int, frame: Any) -> int:
        """Keep nothing of an input."""
        return 0

    def append_market(self, ts_ns: int, link: int, frame: Any) -> int:
        """Keep nothing of an input."""
        return 0


def find_run(reader: JournalReader, name: str) -> Run:
    """Return a run by name, or the last one for ``last``.

    Raises: UsageError that names the runs there are.
    """
    newest: list[str] = []
    for run in reader.runs_back():
        if name in ("last", run.name):
            return run
        newest.append(run.name)
    if not newest:
        raise UsageError(f"{reader.folder} holds no run")
    there = ", ".join(newest[4::-1])
    raise UsageError(f"run must be one of the journal's, the last of which are {there}, was {name}")


def replay(
    folder: Path, name: str, build: Builders, tell: Callable[[int], None] = lambda _count: None
) -> Replayed:
    """Run one run of a journal again and compare every output.

    Raises: ReplayDiffers at the first difference; UsageError for an unknown run;
    JournalDamaged where the journal cannot be read, or its beginning is gone.
    """
    reader = JournalReader(folder)
    run = find_run(reader, name)
    engine, codec = build_from_header(run.header, build)
    ink = Collected()
    loop = Loop(engine, codec, ink, perform_nothing, NoStamps())
    done = Replayed(run.name)
    records = up_to_gap(reader.run_records(run), done)
    if not restore_beginning(engine, run, records):
        return done
    pending: list[Record] = []
    source: Record | None = None
    for record in records:
        done.records += 1
        if done.records % PROGRESS_RECORDS == 0:
            tell(done.records)
        if record.record_type in OUTPUTS:
            pending.append(copied(record))
        elif record.record_type in (RecordType.FRAME_IN, RecordType.EVENT):
            compare(source, ink.outputs, pending, done)
            source = copied(record)
            feed(loop, source)
            done.inputs += 1
        elif record.record_type == RecordType.STATE_HASH:
            compare(source, ink.outputs, pending, done)
            compare_hash(engine, record, done)
    compare(source, as_a_crash_left(ink.outputs, pending), pending, done)
    done.state_hash = engine.state_hash()
    return done


def up_to_gap(records: Iterator[Record], done: Replayed) -> Iterator[Record]:
    """Iterate over records while their seq has no gap; keep where it has one."""
    last_seq = 0
    for record in records:
        if last_seq and record.seq != last_seq + 1:
            done.gap_after_seq = last_seq
            return
        last_seq = record.seq
        yield record


def copied(record: Record) -> Record:
    """Return a record whose payload outlives the reader's segment."""
    return record._replace(payload=memoryview(bytes(record.payload)))


def restore_beginning(engine: Engine, run: Run, records: Iterator[Record]) -> bool:
    """Load the snapshot that a run begins with; False where a crash came before it was whole.

    Raises: JournalDamaged where other records stand in its place.
    """
    parts: list[bytes] = []
    for record in records:
        if record.record_type in (RecordType.HEADER, RecordType.FACT):
            continue  # Facts here, by older versions, are the run's before it: it died over them.
        if record.record_type != RecordType.SNAPSHOT:
            raise JournalDamaged(
                f"run {run.name}: its first snapshot is not whole at record {record.seq}"
            )
        number, count = PART.unpack_from(record.payload)
        parts.append(bytes(record.payload[PART.size :]))
        if number == count - 1:
            engine.restore(b"".join(parts))
            return True
    return False


def as_a_crash_left(made: list[Output], stood: list[Record]) -> list[Output]:
    """Return what may stand of the last input's outputs: a crash ends a run between any two.

    What is there agrees as far as it was written by the run itself. Behind that stand the facts
    that the boot after it told late, and nothing else of what was missing: see memory.recall.
    """
    written = 0
    for new, old in zip(made, stood, strict=False):
        if new != (old.record_type, bytes(old.payload)):
            break
        written += 1
    late = [output for output in made[written:] if output[0] == RecordType.FACT]
    return (made[:written] + late)[: len(stood)]


def compare(source: Record | None, made: list[Output], stood: list[Record], done: Replayed) -> None:
    """Compare what the replay made of an input with what stands in the journal."""
    for at in range(max(len(made), len(stood))):
        new = made[at] if at < len(made) else None
        old = stood[at] if at < len(stood) else None
        if new is None or old is None or new != (old.record_type, bytes(old.payload)):
            seq = old.seq if old is not None else (source.seq if source is not None else 0)
            raise ReplayDiffers(
                f"run {done.run} differs at record {seq}: journal {describe_record(old)}, "
                f"replay {describe(new)}"
            )
    done.outputs += len(stood)
    made.clear()
    stood.clear()


def compare_hash(engine: Engine, record: Record, done: Replayed) -> None:
    """Compare the state's hash with the one that the run wrote."""
    stood = decode_json(record.payload)["state_hash"]
    made = engine.state_hash()
    if stood != made:
        raise ReplayDiffers(
            f"run {done.run} differs at record {record.seq}: journal state_hash {stood}, "
            f"replay {made}"
        )
    done.hash_compared = True


def describe_record(record: Record | None) -> str:
    """Return a journal's output in words."""
    return describe(None if record is None else (record.record_type, bytes(record.payload)))


def describe(output: Output | None) -> str:
    """Return an output in words: its type and its first record's fields that are not zero."""
    if output is None:
        return "nothing"
    kind, payload = RecordType(output[0]), output[1]
    if kind == RecordType.FRAME_OUT:
        return f"FRAME_OUT {payload[:120].decode(errors='replace')}"
    rows = np.frombuffer(payload, LAYOUTS[kind])
    words = []
    for row in rows[:4]:
        fields = {name: int(row[name]) for name in rows.dtype.names or () if row[name]}
        words.append(str(fields))
    return f"{kind.name} x{len(rows)} {' '.join(words)}"
