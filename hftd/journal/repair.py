"""A damaged journal made startable again: what verifies is kept, what does not is named.

Owns the search for records behind damage, the decision how much of them may be used, and the
new folder. Must not know what records mean beyond snapshots; what the venue has to say of the
lost time is asked by the next start, which reconciles by our ids and trades.

A state is restored from the newest whole snapshot and what follows it. So damage before that
snapshot costs those records and nothing else: all others are kept, chained anew. Damage behind
it ends the journal there, since inputs with a hole among them make a state that never was.
Market data before the snapshot is needed by replay alone; a damaged segment of it goes, with
those before it, as it would by size.

The damaged folder is kept as it is, aside. The next seq is far behind every seq that ever was,
so that no ledger takes a new record for one that it knows.
"""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from hftd.errors import JournalDamaged
from hftd.journal import segment
from hftd.journal.cursor import RecorderCursor, durable, publish, published
from hftd.journal.disk import MACHINE
from hftd.journal.pen import Pen
from hftd.journal.record import (
    ALIGN,
    BODY,
    HEAD_BYTES,
    MAGIC,
    MARK,
    PART,
    SEGMENT_HEAD_BYTES,
    Record,
    RecordType,
    Stream,
    decode_segment_head,
    encode_json,
    encode_record,
    read_record,
    record_bytes,
    torn_or_damaged,
    verified,
    written_end,
)

SEQ_MARGIN = 1_000_000  # More than a loss of power or a hole at the end can hide.


class Hole(NamedTuple):
    """Records that do not verify: where, and the good ones around them (seq 0: none)."""

    path: Path
    offset: int
    after_seq: int
    before_seq: int = 0
    resumed: Path | None = None  # The file in which good records go on.

    def told(self) -> str:
        """Return it in words."""
        until = f"and before {self.before_seq}" if self.before_seq else "to the end"
        return f"{self.path.name}: offset {self.offset}: records after seq {self.after_seq} {until}"


class Plan(NamedTuple):
    """What a repair will do; ``holes`` is empty where nothing is damaged."""

    holes: list[Hole]
    cut_seq: int  # Nothing behind it is used; 0: nothing is cut.
    kept: int
    unused: int  # Good records behind the cut.
    market_from: int  # The first market segment that is kept.
    snapshot_seq: int
    last_seq: int
    last_ts_ns: int


def salvage(folder: Path, stream: Stream) -> Iterator[Record | Hole]:
    """Iterate over all records of a stream that verify, in order, and over the holes between.

    What a crash or a loss of power may leave at the very end is no hole.
    """
    chain, last_seq, before = 0, 0, 0
    hole: Hole | None = None
    numbers = _begun(folder, stream)
    for number in numbers:
        path = segment.segment_path(folder, stream, number)
        view = memoryview(segment.map_file(path, writable=False))
        head = decode_segment_head(view[:SEGMENT_HEAD_BYTES])
        if before and number != before + 1:
            missing = segment.segment_path(folder, stream, before + 1)
            hole = hole or Hole(missing, 0, last_seq)
        if head is None or (before and head.chain != chain):
            hole = hole or Hole(path, 0, last_seq)
        before, pos = number, SEGMENT_HEAD_BYTES
        chain = chain if head is None else head.chain
        while True:
            found = read_record(view, pos, chain, stream)
            if found is not None and found.record.seq > last_seq:
                if hole is not None:
                    yield hole._replace(before_seq=found.record.seq, resumed=path)
                    hole = None
                pos, chain, last_seq = found.end, found.chain, found.record.seq
                yield found.record
                continue
            if written_end(view, pos) == pos:
                break
            if number == numbers[-1] and not torn_or_damaged(view, pos, chain, stream):
                break  # Half a record, or pages that a loss of power took: nothing was promised.
            hole = hole or Hole(path, pos, last_seq)
            later = _next_good(view, pos, chain, stream)
            if later is None:
                break
            pos, chain = later
    if hole is None and last_seq < durable(folder, stream):
        hole = Hole(segment.segment_path(folder, stream, before), 0, last_seq)
    if hole is not None:
        yield hole


def _begun(folder: Path, stream: Stream) -> list[int]:
    """Return the numbers of the segments that hold anything: no spares."""
    found = []
    for number in segment.numbers(folder, stream):
        path = segment.segment_path(folder, stream, number)
        if not path.stat().st_size:
            continue
        if written_end(memoryview(segment.map_file(path, writable=False)), 0) > 0:
            found.append(number)
    return found


def _next_good(view: memoryview, pos: int, chain: int, stream: Stream) -> tuple[int, int] | None:
    """Return place and chain of the first record behind ``pos`` that can be vouched for.

    A record's checksum begins with that of the one before: the broken one's, stored or
    computed, may still do. Else the first that looks like a record lends its stored checksum
    to the next; it is itself not proven, and lost.
    """
    rest = bytes(view[pos : written_end(view, pos)])
    begun = []
    if len(rest) >= HEAD_BYTES:
        length = min(BODY.unpack_from(rest, MARK.size)[0], len(view))
        begun = [
            MARK.unpack_from(rest)[1],
            zlib.crc32(view[pos + MARK.size : pos + HEAD_BYTES + length], chain),
        ]
    at = rest.find(MAGIC, 1)
    while at >= 0:
        if at % ALIGN == 0 and pos + at + HEAD_BYTES <= len(view):
            for crc in begun:
                if read_record(view, pos + at, crc, stream) is not None:
                    return pos + at, crc
            crc = MARK.unpack_from(view, pos + at)[1]
            next_pos = pos + at + record_bytes(BODY.unpack_from(view, pos + at + MARK.size)[0])
            if read_record(view, next_pos, crc, stream) is not None:
                return next_pos, crc
        at = rest.find(MAGIC, at + 1)
    return None


def plan(folder: Path) -> Plan:
    """Look through the whole journal and return what a repair would keep and lose.

    Raises: JournalDamaged where no whole snapshot is left to begin from.
    """
    holes: list[Hole] = []
    snapshot_seq, whole, seqs = 0, 0, []
    last_ts_ns = 0
    for item in salvage(folder, Stream.ORDERS):
        if isinstance(item, Hole):
            holes.append(item)
            whole = 0
            continue
        seqs.append(item.seq)
        last_ts_ns = item.ts_ns
        if item.record_type == RecordType.SNAPSHOT:
            number, count = PART.unpack_from(item.payload)
            whole = number + 1 if number in (0, whole) else 0
            if whole == count:
                snapshot_seq, whole = item.seq, 0
    if not snapshot_seq:
        raise JournalDamaged(
            f"{folder}: no whole snapshot is left, so nothing can be restored: the venue knows "
            "balances and trades; hftd start --fresh begins a new ledger and keeps this one aside"
        )
    cuts = [hole.after_seq for hole in holes if hole.after_seq >= snapshot_seq]
    market_from = 0
    market_seqs = [0]
    for item in salvage(folder, Stream.MARKET):
        if not isinstance(item, Hole):
            market_seqs.append(item.seq)
            continue
        holes.append(item)
        if item.resumed is not None and item.before_seq <= snapshot_seq:
            market_from = _number(item.resumed) + 1
        else:
            cuts.append(max(snapshot_seq, item.after_seq))
    cut_seq = min(cuts, default=0)
    unused = sum(seq > cut_seq for seq in seqs) if cut_seq else 0
    last_seq = max(seqs[-1], market_seqs[-1])
    return Plan(
        holes, cut_seq, len(seqs) - unused, unused, market_from, snapshot_seq, last_seq, last_ts_ns
    )


def _number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def repair(
    folder: Path, aside: Path, found: Plan, ts_ns: int, judge: Callable[[Path], None]
) -> int:
    """Put a journal without the holes in the folder's place; return the seq of its REPAIR record.

    ``aside`` is where the damaged folder goes; it must not exist. ``judge`` is given the new
    folder before it takes the place, and raises where no start should go on from it: then
    everything is as it was.
    """
    fresh = folder.with_name(folder.name + ".repaired")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    cut_seq = found.cut_seq or found.last_seq
    _copy_market(folder, fresh, cut_seq, found.market_from)
    seq = _copy_orders(folder, fresh, cut_seq, found, ts_ns)
    read = published(folder)
    publish(fresh, RecorderCursor(read.seq, seq, ts_ns, logged_seq=read.logged_seq or read.seq))
    try:
        judge(fresh)
    except JournalDamaged:
        shutil.rmtree(fresh)
        raise
    for path in [*fresh.iterdir(), fresh]:
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
    aside.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.rename(aside)
    fresh.rename(folder)
    return seq


def _copy_orders(folder: Path, fresh: Path, cut_seq: int, found: Plan, ts_ns: int) -> int:
    sizes = [path.stat().st_size for path in folder.glob("orders-*.hj")]
    pen = Pen(fresh, Stream.ORDERS, max(sizes), MACHINE)
    for item in salvage(folder, Stream.ORDERS):
        if isinstance(item, Record) and item.seq <= cut_seq:
            _put(pen, item.record_type, item.seq, item.ts_ns, item.payload)
    seq = max(found.last_seq, published(folder).seq, durable(folder, Stream.ORDERS)) + SEQ_MARGIN
    words = {"lost": [hole.told() for hole in found.holes], "unused": found.unused}
    _put(pen, RecordType.REPAIR, seq, ts_ns, encode_json(words))
    pen.sync()
    pen.close()
    return seq


def _put(pen: Pen, record_type: int, seq: int, ts_ns: int, payload: bytes | memoryview) -> None:
    if pen.map is None or pen.pos + HEAD_BYTES + len(payload) > pen.size:
        pen.make_spare()
        pen.begin(seq)
    assert pen.map is not None
    data, pen.chain = encode_record(record_type, seq, ts_ns, payload, pen.chain)
    pen.map[pen.pos : pen.pos + len(data)] = data
    pen.pos = (pen.pos + len(data) + ALIGN - 1) & -ALIGN
    if record_type == RecordType.HEADER:
        pen.run_seq = seq


def _copy_market(folder: Path, fresh: Path, cut_seq: int, first: int) -> None:
    """Copy the market segments that are used; what is behind the cut becomes zeros."""
    for number in _begun(folder, Stream.MARKET):
        damaged = segment.segment_path(folder, Stream.MARKET, number)
        head = segment.read_head(damaged)
        if head is None or number < first or head.first_seq > cut_seq:
            continue
        path = fresh / damaged.name
        shutil.copyfile(damaged, path)
        mapped = segment.map_file(path, writable=True)
        with memoryview(mapped) as view:
            pos = SEGMENT_HEAD_BYTES
            for record_end, _, seq, _ in verified(view, pos, head.chain):
                if seq > cut_seq:
                    break
                pos = record_end
            end = written_end(view, pos)
            view[pos:end] = bytes(end - pos)
        mapped.flush()
        mapped.close()
