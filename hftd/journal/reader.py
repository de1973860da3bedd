"""Reading a journal, finished or still being written; verifies every record it gives out.

Knows nothing of the writer but the format: a record that is half written does not verify and
is simply not there yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hftd.errors import RecordsDamaged
from hftd.journal import segment
from hftd.journal.cursor import durable
from hftd.journal.record import (
    MAGIC,
    PART,
    SEGMENT_HEAD_BYTES,
    Found,
    Record,
    RecordType,
    Stream,
    decode_json,
    hops,
    read_record,
    torn_or_damaged,
    written_end,
)

BOTH = (Stream.ORDERS, Stream.MARKET)


class Run(NamedTuple):
    """One start of the daemon: from its HEADER record to before the next run's."""

    name: str
    seq: int
    end_seq: int  # 0 for the last run: it has no end yet.
    ts_ns: int
    header: dict[str, Any]


class Snapshot(NamedTuple):
    """The state's bytes as of ``seq``: what follows it is the tail to replay."""

    first_seq: int  # Of its first part; ``seq`` is the last one's.
    seq: int
    ts_ns: int
    state: bytes


class JournalReader:
    """Read the journal of one folder, with or without a writer beside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def records(self, from_seq: int = 1, streams: tuple[Stream, ...] = BOTH) -> Iterator[Record]:
        """Iterate over the records from a seq on, both streams in one order, to the end.

        A seq that is passed over belongs to market data dropped by size, or to what a loss of
        power took from one of the streams.

        Raises: JournalDamaged with file and offset.
        """
        tail = self.tail(from_seq, streams)
        while record := tail.next_record(at_rest=True):
            yield record

    def tail(self, from_seq: int = 1, streams: tuple[Stream, ...] = BOTH) -> Tail:
        """Return a place in the journal that can be asked again and again for what is new."""
        return Tail(self.folder, from_seq, streams)

    def runs(self) -> list[Run]:
        """Return all runs, oldest first."""
        return list(self.runs_back())[::-1]

    def runs_back(self) -> Iterator[Run]:
        """Iterate over the runs, newest first; a segment in which none begins is not looked at.

        Nothing of orders is ever dropped: a start that looked at it all would take longer with
        every day.

        Raises: JournalDamaged where a segment says that a run began, and its HEADER is not there.
        """
        parts = segment.segments(self.folder, Stream.ORDERS)
        end_seq = wanted_seq = 0
        while parts:
            part = parts.pop()
            if part.head.first_seq > wanted_seq > 0:
                continue
            headers = list(_hop(part, RecordType.HEADER))
            if wanted_seq and (not headers or headers[-1].seq != wanted_seq):
                raise RecordsDamaged(f"{part.path}: the HEADER of seq {wanted_seq} is not there")
            for record in reversed(headers):
                header = decode_json(record.payload)
                yield Run(header["run"], record.seq, end_seq, record.ts_ns, header)
                end_seq = record.seq
            wanted_seq = part.head.run_seq

    def run_at(self, seq: int) -> Run:
        """Return the run that a record belongs to.

        Raises: JournalDamaged where no HEADER stands before it.
        """
        for run in self.runs_back():
            if run.seq <= seq:
                return run
        raise RecordsDamaged(
            f"{self.folder}: no segment that is there has the HEADER of the run of seq {seq}"
        )

    def run_records(self, run: Run) -> Iterator[Record]:
        """Iterate over the records of one run, its HEADER first."""
        for record in self.records(run.seq):
            if run.end_seq and record.seq >= run.end_seq:
                return
            yield record

    def last_snapshot(self) -> Snapshot | None:
        """Return the newest whole snapshot, or None where there is none."""
        parts: list[Record] = []
        for part in reversed(segment.segments(self.folder, Stream.ORDERS)):
            parts = list(_hop(part, RecordType.SNAPSHOT)) + parts
            if snapshot := _join_last(parts):
                return snapshot
        return None


class Tail:
    """A place in the journal; never blocks, gives out each record once and in order."""

    def __init__(self, folder: Path, from_seq: int, streams: tuple[Stream, ...]) -> None:
        self._places = [_Place(folder, stream, from_seq) for stream in streams]
        self._next_seq = from_seq

    def read(self, limit: int) -> list[Record]:
        """Return up to ``limit`` records that are there now.

        Raises: JournalDamaged with file and offset.
        """
        found: list[Record] = []
        while len(found) < limit and (record := self.next_record()):
            found.append(record)
        return found

    def next_record(self, *, at_rest: bool = False) -> Record | None:
        """Return the next record, or None where there is none now.

        ``at_rest`` says that nobody is writing: then zeros are searched for what may follow
        them, which is too slow to do at each poll of a living journal.

        Raises: JournalDamaged with file and offset.
        """
        place = self._next_place()
        if place is None:
            if at_rest:
                for at_end in self._places:
                    at_end.judge()
            return None
        record = place.take()
        self._places.sort(key=lambda other: other is not place)
        self._next_seq = record.seq + 1
        return record

    # The place that gave the last record is asked first: where it has the next seq too, nobody
    # else needs to be asked.
    def _next_place(self) -> _Place | None:
        for place in self._places:
            place.fill()
            if place.seq() == self._next_seq:
                return place
        waiting = [place for place in self._places if place.head]
        if waiting and len(waiting) < len(self._places):
            # The writer writes in the order of seq: what is smaller than a record that we see
            # is there by now, even if its stream was asked a moment too early.
            for place in self._places:
                place.fill()
            waiting = [place for place in self._places if place.head]
        return min(waiting, key=_Place.seq) if waiting else None


class _Place:
    """A place in one stream, and the record that stands there."""

    def __init__(self, folder: Path, stream: Stream, from_seq: int) -> None:
        self.head: Found | None = None
        self._folder, self._stream, self._from_seq = folder, stream, from_seq
        self._number = 0
        self._path = folder
        self._view = memoryview(b"")
        self._pos = 0
        self._chain = 0
        self._last_seq = 0

    def seq(self) -> int:
        """Return the seq of the record that stands here, 0 where there is none."""
        return self.head.record.seq if self.head else 0

    def take(self) -> Record:
        assert self.head is not None
        record, self._pos, self._chain = self.head.record, self.head.end, self.head.chain
        self.head = None
        self._last_seq = record.seq
        return record

    def fill(self) -> None:
        """Find the record at this place, passing over those before ``from_seq``."""
        while self.head is None:
            self.head = read_record(self._view, self._pos, self._chain, self._stream)
            if self.head is None and not self._turn_page():
                return
            if self.head is not None and self.head.record.seq < self._from_seq:
                self.take()

    # Whether it is worth looking again: at the next segment, or at a record that was half
    # written a moment ago.
    def _turn_page(self) -> bool:
        coming = self._next_segment()
        if read_record(self._view, self._pos, self._chain, self._stream):
            return True
        if coming is None:
            if self._view[self._pos : self._pos + len(MAGIC)] != bytes(len(MAGIC)):
                self.judge()
            return False
        if self._number and written_end(self._view, self._pos) > self._pos:
            raise self._damage("record does not verify, but a segment follows")
        dropped = self._number and coming.head.number != self._number + 1
        if self._number and not dropped and coming.head.chain != self._chain:
            raise self._damage(f"the segment ends here, but {coming.path.name} follows another")
        self._view = memoryview(segment.map_file(coming.path, writable=False))
        self._path, self._number = coming.path, coming.head.number
        self._pos, self._chain = SEGMENT_HEAD_BYTES, coming.head.chain
        self._last_seq = coming.head.first_seq - 1
        self._pass_over()
        return True

    # To the last record before ``from_seq``, by lengths: to verify a full segment's takes a
    # second. Where that one does not follow the one before it, all are, and the damage is found.
    def _pass_over(self) -> None:
        last, before, chain = self._pos, self._chain, self._chain
        for begin, _, _, seq, crc in hops(self._view, self._pos):
            if seq >= self._from_seq:
                break
            last, before, chain = begin, chain, crc
        if read_record(self._view, last, before, self._stream):
            self._pos, self._chain = last, before

    def _next_segment(self) -> segment.Segment | None:
        if self._number:
            path = segment.segment_path(self._folder, self._stream, self._number + 1)
            if head := segment.read_head(path):
                return segment.Segment(path, head)
            if self._stream is Stream.ORDERS or self._path.exists():
                return None  # Only old market segments are ever dropped, ours before the next.
        found = [
            part
            for part in segment.segments(self._folder, self._stream)
            if part.head.number > self._number
        ]
        begun = [part for part in found if part.head.first_seq <= self._from_seq]
        if self._number or not begun:
            return found[0] if found else None
        return begun[-1]

    def judge(self) -> None:
        """Raise JournalDamaged where this cannot be the end, be it a torn one."""
        later = torn_or_damaged(self._view, self._pos, self._chain, self._stream)
        durable_seq = durable(self._folder, self._stream)
        if read_record(self._view, self._pos, self._chain, self._stream):
            return  # It was half written a moment ago.
        if later:
            raise self._damage(f"record does not verify, but records go on at offset {later}")
        if self._last_seq < durable_seq:
            raise self._damage(f"ends at seq {self._last_seq}, but {durable_seq} was on the disk")

    def _damage(self, what: str) -> RecordsDamaged:
        return RecordsDamaged(f"{self._path}: offset {self._pos}: {what}")


# The records of one type in a segment; the others are passed over by their length.
def _hop(part: segment.Segment, record_type: RecordType) -> Iterator[Record]:
    view = memoryview(segment.map_file(part.path, writable=False))
    chain = part.head.chain
    for begin, _, found_type, _, crc in hops(view, SEGMENT_HEAD_BYTES):
        if found_type == record_type:
            found = read_record(view, begin, chain, Stream.ORDERS)
            if found is None:
                return
            yield found.record
        chain = crc


def _join_last(parts: list[Record]) -> Snapshot | None:
    for last in range(len(parts) - 1, -1, -1):
        number, count = PART.unpack_from(parts[last].payload)
        begin = last - number
        if number != count - 1 or begin < 0:
            continue
        whole = parts[begin : last + 1]
        if [PART.unpack_from(part.payload)[0] for part in whole] == list(range(count)):
            state = b"".join(part.payload[PART.size :] for part in whole)
            return Snapshot(whole[0].seq, whole[-1].seq, whole[-1].ts_ns, state)
    return None
