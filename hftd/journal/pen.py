"""One stream's current segment, mapped for writing, and the spare after it.

Owns where the next record of the stream goes; knows neither the sequence counter nor limits.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from hftd.errors import RecordsDamaged
from hftd.journal import segment
from hftd.journal.cursor import durable
from hftd.journal.disk import Ahead, Disk
from hftd.journal.pages import address_of
from hftd.journal.record import (
    FORMAT,
    PAGE,
    SEGMENT_HEAD_BYTES,
    RecordType,
    SegmentHead,
    Stream,
    encode_segment_head,
    torn_or_damaged,
    verified,
    written_end,
)

# The last part of a segment: from there on the next one may begin, wherever all is on the disk.
NEARLY_USED_UP = 8
AHEAD_BYTES = 1 << 20  # A smaller segment leaves too little to sync for it to be done ahead.


class Pen:
    """Where a stream is written: ``map`` at ``pos``, up to ``size``, after the crc ``chain``.

    ``map`` is mapped at ``address``; beyond ``ready_to`` its pages may not be ready for writing.
    """

    def __init__(self, folder: Path, stream: Stream, segment_bytes: int, disk: Disk) -> None:
        self.segments: list[segment.Segment] = []
        self.map: mmap.mmap | None = None
        self.pos = 0
        self.size = 0
        self.address = 0
        self.ready_to = 0
        self.chain = 0
        self.run_seq = 0  # Of the newest HEADER; whoever writes one says so.
        self.ahead = Ahead()
        self._folder, self._stream, self._segment_bytes = folder, stream, segment_bytes
        self._disk = disk
        self._spare: mmap.mmap | None = None
        self._synced = 0  # Up to here ``map`` is on the disk.
        self._cut_to = 0  # And up to here it is to be: a torn tail was made zeros again.
        self._bytes: list[int] = []  # The sizes of ``segments``.
        self._outgoing: list[tuple[mmap.mmap, int]] = []  # Used up, and from where not synced.

    @property
    def spare_path(self) -> Path:
        """The file that the next segment will be."""
        last = self.segments[-1].head.number if self.segments else 0
        return segment.segment_path(self._folder, self._stream, last + 1)

    @property
    def spare_ready(self) -> bool:
        """Whether the next segment's room is already made."""
        return self._spare is not None

    def recover(self) -> int:
        """Go on where the stream's last valid record ends; return its seq (or one like it).

        Raises: JournalDamaged where something that once was good follows the end.
        """
        self.segments = segment.segments(self._folder, self._stream)
        numbers = segment.numbers(self._folder, self._stream)
        durable_seq = durable(self._folder, self._stream)
        if numbers and not self.segments and durable_seq:
            raise RecordsDamaged(
                f"{segment.segment_path(self._folder, self._stream, numbers[0])}: offset 0: "
                f"no valid header, but seq {durable_seq} was on the disk"
            )
        # A spare may hold pages of a segment whose header a loss of power took: make it anew.
        for number in numbers:
            if not self.segments or number > self.segments[-1].head.number:
                segment.segment_path(self._folder, self._stream, number).unlink()
        self._bytes = [part.path.stat().st_size for part in self.segments]
        if not self.segments:
            return 0
        path, head = self.segments[-1]
        self.map = self._disk.map(path)
        self.size, self.address = len(self.map), address_of(self.map)
        self.pos, self.chain, seq = SEGMENT_HEAD_BYTES, head.chain, head.first_seq - 1
        self.run_seq = head.run_seq
        with memoryview(self.map) as view:
            for end, record_type, seq, crc in verified(view, self.pos, self.chain):
                self.pos, self.chain = end, crc
                if record_type == RecordType.HEADER:
                    self.run_seq = seq
            if later := torn_or_damaged(view, self.pos, self.chain, self._stream):
                raise RecordsDamaged(
                    f"{path}: offset {self.pos}: record does not verify, "
                    f"but records go on at offset {later}"
                )
            if seq < durable_seq:
                raise RecordsDamaged(
                    f"{path}: offset {self.pos}: ends at seq {seq}, "
                    f"but {durable_seq} was on the disk"
                )
            torn_end = written_end(view, self.pos)
            view[self.pos : torn_end] = bytes(torn_end - self.pos)
            self._cut_to = torn_end
        return seq

    def make_spare(self) -> None:
        """Make room for the segment after this one.

        Raises: OSError where there is none.
        """
        path = self.spare_path
        self._disk.make(path, self._segment_bytes)
        self._spare = self._disk.map(path)

    def begin(self, first_seq: int) -> None:
        """Turn the page: the spare becomes the segment that is written."""
        assert self._spare is not None
        if self.map is not None:
            is_there = self.ahead.at == self.pos
            self._outgoing.append((self.map, self.size if is_there else self._synced))
        self.ahead = Ahead()
        path = self.spare_path
        number = self.segments[-1].head.number + 1 if self.segments else 1
        head = encode_segment_head(self._stream, number, first_seq, self.run_seq, self.chain)
        self.map, self.size, self._spare = self._spare, len(self._spare), None
        self.address, self.ready_to = address_of(self.map), 0
        self.map[:SEGMENT_HEAD_BYTES] = head
        self.pos, self._synced, self._cut_to = SEGMENT_HEAD_BYTES, 0, 0
        known = SegmentHead(FORMAT, self._stream, number, first_seq, self.run_seq, self.chain)
        self.segments.append(segment.Segment(path, known))
        self._bytes.append(self.size)

    def total_bytes(self) -> int:
        """Return what the stream's files take, the spare included."""
        return sum(self._bytes) + (len(self._spare) if self._spare else 0)

    def drop_oldest(self) -> int:
        """Delete the oldest segment and return the bytes this freed."""
        self.segments.pop(0).path.unlink()
        return self._bytes.pop(0)

    def sync_outgoing(self) -> None:
        """Wait for the disk to hold the segments that were used up, and let go of them.

        Raises: OSError where the disk refuses.
        """
        while self._outgoing:
            used_up, synced = self._outgoing.pop(0)
            if synced < len(used_up):
                used_up.flush(synced, len(used_up) - synced)
            used_up.close()

    def sync_ahead(self) -> None:
        """Have a segment that is nearly used up synced while it is written on.

        Raises: OSError where the last time failed.
        """
        ahead, from_bytes = self.ahead, self.size - self.size // NEARLY_USED_UP
        if ahead.errno:
            raise OSError(ahead.errno, os.strerror(ahead.errno))
        if self.size < AHEAD_BYTES or self.pos < from_bytes or ahead.is_busy:
            return
        path = self.segments[-1].path
        self._disk.sync_ahead(path, lambda: self.pos if self.ahead is ahead else -1, ahead)

    def sync(self) -> None:
        """Wait for the disk to hold all that was written. Raises: OSError where it refuses.

        And what a boot cut off as torn: should its bytes outlive the cut, and a later page be
        there after the next loss of power, they would pass for damage.
        """
        self.sync_outgoing()
        end = max(self.pos, self._cut_to)
        if self.map is not None and end > self._synced:
            self.map.flush(self._synced, end - self._synced)
            self._synced, self._cut_to = self.pos // PAGE * PAGE, 0

    def close(self) -> None:
        """Let go of the files."""
        self.address = 0
        for mapped in (self.map, self._spare):
            if mapped is not None:
                mapped.close()
        self.map = self._spare = None
