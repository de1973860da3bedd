"""The engine's pen: appends records to mapped segments; must not know what they mean.

A record is in the page cache when ``append`` returns, so the death of the process loses
nothing. ``sync`` waits for the disk; the recorder does so for the rest, every few milliseconds.

Room is made one segment ahead by ``maintain``, once a second. Where it cannot be made, ``full``
says why from that moment on, while what is left of the current segments still takes the
records of an orderly HALT; only when that is used up too does ``append`` raise it.

No segment has a record before all of the one before it is on the disk. So that no append waits for
that, ``maintain`` has a segment's last part synced while it is written on, and where nothing came
meanwhile the next record begins the next segment, with some room left behind it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from errno import ENOENT
from pathlib import Path
from typing import Any

import msgspec

from hftd.journal.cursor import WRITERS_DRAFT, RecorderCursor, publish, published
from hftd.journal.disk import MACHINE, READY_BYTES, Disk
from hftd.journal.pen import Pen
from hftd.journal.record import (
    ALIGN,
    HEAD_BYTES,
    PAGE,
    SEGMENT_HEAD_BYTES,
    Bytes,
    RecordType,
    Stream,
    encode_json,
    encode_record,
    snapshot_parts,
)

SEGMENT_BYTES = 64 << 20
MAX_BYTES = 5 << 30
DISK_FLOOR_BYTES = 256 << 20
_LINKS = [bytes([link]) for link in range(256)]


class JournalFull(Exception):
    """No room can be made: a fault of the world that control C26 turns into a HALT.

    ``reason`` is one of no_space (the disk or a quota), floor (free space under the floor),
    unread (the recorder is too far behind for old market segments to go) and io (the disk
    refuses a write or a sync, or its file was removed); ``errno`` is 0 where the system told none.
    """

    def __init__(self, reason: str, detail: str, errno: int = 0) -> None:
        super().__init__(f"journal {reason}: {detail}")
        self.reason, self.detail, self.errno = reason, detail, errno


class JournalWriter:
    """Append to the journal of one folder; whoever makes one holds the instance's lock."""

    def __init__(
        self,
        folder: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        max_bytes: int = MAX_BYTES,
        disk_floor_bytes: int = DISK_FLOOR_BYTES,
        disk: Disk = MACHINE,
    ) -> None:
        assert segment_bytes % PAGE == 0 and segment_bytes > 0
        self.folder = folder
        self.seq = 0
        self.full: JournalFull | None = None
        self._broken: JournalFull | None = None
        self._max_bytes = max_bytes
        self._segment_bytes = segment_bytes
        self._floor_bytes = disk_floor_bytes
        self._disk = disk
        self._failed_path = folder / "sync_failed"  # Until the next run: a segment is given up.
        self._orders = Pen(folder, Stream.ORDERS, segment_bytes, disk)
        self._market = Pen(folder, Stream.MARKET, segment_bytes, disk)
        self._make_ready: Callable[[bool], None] = lambda _goes_on: None

    def open(self, header: dict[str, Any], ts_ns: int, untold: Sequence[Bytes] = ()) -> int:
        """Cut torn tails, begin a run with its HEADER record on the disk, return its seq.

        ``header["run"]`` names the run (record.run_id); the rest is what replay needs. ``untold``
        are facts that the run before died over: they end it, and are read by its own header.

        Raises: JournalDamaged where records before the tail do not verify; JournalFull.
        """
        assert "run" in header
        self.folder.mkdir(parents=True, exist_ok=True)
        self.seq = max(self._orders.recover(), self._market.recover())
        # Where the disk refused a sync, nobody knows what it holds: nothing is written on there.
        failed = published(self.folder).sync_errno != 0 or self._failed_path.exists()
        for pen in (self._orders, self._market):
            if failed or not pen.segments:
                self._begin(pen)
        # A journal without records has not been read, whatever was said of one before it.
        read = published(self.folder) if self.seq else RecorderCursor()
        publish(self.folder, msgspec.structs.replace(read, sync_errno=0), WRITERS_DRAFT)
        self._make_ready = self._disk.make_ready((self._orders, self._market))
        for facts in untold:
            self.append(RecordType.FACT, ts_ns, facts)
        seq = self.append(RecordType.HEADER, ts_ns, encode_json(header))
        self._orders.run_seq = seq
        if full := self.maintain():
            raise full
        self.sync()
        self._failed_path.unlink(missing_ok=True)
        return seq

    def append(self, record_type: RecordType, ts_ns: int, payload: Bytes) -> int:
        """Append to the orders stream and return the record's seq.

        Raises: JournalFull where there is no room left at all.
        """
        return self._put(self._orders, record_type, ts_ns, payload, b"")

    def append_frame(self, ts_ns: int, link: int, frame: Bytes) -> int:
        """Append a raw frame of a link to the orders stream, see append."""
        return self._put(self._orders, RecordType.FRAME_IN, ts_ns, frame, _LINKS[link])

    def append_market(self, ts_ns: int, link: int, frame: Bytes) -> int:
        """Append a raw frame of market data to the market stream, see append."""
        return self._put(self._market, RecordType.FRAME_IN, ts_ns, frame, _LINKS[link])

    def append_snapshot(self, ts_ns: int, state: Bytes) -> int:
        """Append the state's bytes in as many parts as they need; return the last one's seq."""
        seq = 0
        for part in snapshot_parts(state, self._segment_bytes // 4):
            seq = self.append(RecordType.SNAPSHOT, ts_ns, part)
        return seq

    def maintain(self) -> JournalFull | None:
        """Make room one segment ahead, drop old market segments; return ``full``.

        Called once a second; takes some milliseconds when a segment was used up.
        """
        for pen in (self._orders, self._market):
            self._guard_io(pen.sync_outgoing)
            self._guard_io(pen.sync_ahead)
        if self._broken is None and (errno := published(self.folder).sync_errno):
            self._broken = JournalFull("io", f"the recorder's sync: {os.strerror(errno)}", errno)
        room = self._gone() or self._drop_old() or self._floor()
        for pen in (self._orders, self._market):
            room = room or self._spare(pen)
        self.full = self._broken or room
        return self.full

    def sync(self) -> None:
        """Wait until all that was appended is on the disk.

        Raises: JournalFull with reason io. The kernel tells of a lost write once and forgets
            it: there is no retry.
        """
        for pen in (self._orders, self._market):
            self._guard_io(pen.sync)
        if self._broken is not None:
            raise self._broken

    def sync_orders(self) -> None:
        """Wait until what was appended to the orders stream is on the disk, see ``sync``."""
        self._guard_io(self._orders.sync)
        if self._broken is not None:
            raise self._broken

    def close(self) -> None:
        """Sync and let go of the files; nothing is shortened, the next run writes on."""
        self.sync()
        self._make_ready(False)
        for pen in (self._orders, self._market):
            pen.close()

    def _put(
        self, pen: Pen, record_type: RecordType, ts_ns: int, payload: Bytes, prefix: bytes
    ) -> int:
        seq = self.seq + 1
        pos = pen.pos
        is_full = pos + HEAD_BYTES + len(prefix) + len(payload) > pen.size
        if is_full or (pos == pen.ahead.at and pen.spare_ready):
            assert HEAD_BYTES + 1 + len(payload) <= self._segment_bytes - SEGMENT_HEAD_BYTES
            self._begin(pen)
            pos = pen.pos
        data, pen.chain = encode_record(record_type, seq, ts_ns, payload, pen.chain, prefix)
        end = pos + len(data)
        pen.map[pos:end] = data  # type: ignore[index]  # open() has begun a segment.
        pen.pos = (end + ALIGN - 1) & -ALIGN
        if end > pen.ready_to:
            pen.ready_to = end + READY_BYTES // 2
            self._make_ready(True)
        self.seq = seq
        return seq

    def _begin(self, pen: Pen) -> None:
        if not pen.spare_ready:
            self.full = self._drop_old() or self._spare(pen)
            if not pen.spare_ready:
                assert self.full is not None
                raise self.full
        # A loss of power may keep the next segment and not this one's end, which no boot would
        # tell from damage: so this one is on the disk before the next has a record. An append waits
        # for that only where a segment was used up before a sync ahead had found it at rest.
        if pen.ahead.at != pen.pos:
            self._guard_io(pen.sync)
        pen.begin(self.seq + 1)

    def _spare(self, pen: Pen) -> JournalFull | None:
        if pen.spare_ready:
            return None
        try:
            pen.make_spare()
        except OSError as error:
            return JournalFull("no_space", f"{pen.spare_path}: {error.strerror}", error.errno or 0)
        return None

    def free_bytes(self) -> int:
        """Return the room on the journal's disk."""
        return self._disk.free_bytes(self.folder)

    def _gone(self) -> JournalFull | None:
        # What is mapped would be written on, and no start would find it.
        for pen in (self._orders, self._market):
            if not os.path.lexists(path := pen.segments[-1].path):
                return JournalFull("io", f"{path} was removed", ENOENT)
        return None

    def _floor(self) -> JournalFull | None:
        free_bytes = self.free_bytes()
        if free_bytes >= self._floor_bytes:
            return None
        return JournalFull("floor", f"free bytes {free_bytes}, floor {self._floor_bytes}")

    # The orders stream is kept whole: it shrinks what is left to market data, and when no more
    # of that may go, the disk's floor is the limit.
    def _drop_old(self) -> JournalFull | None:
        excess = self._orders.total_bytes() + self._market.total_bytes() - self._max_bytes
        begun = self._market.segments
        if excess <= 0 or len(begun) < 2:
            return None
        # SQL needs no market data: a database that is away keeps none of it from going.
        read = published(self.folder)
        read_seq = read.logged_seq or read.seq
        while excess > 0 and len(begun) > 1:
            if begun[1].head.first_seq > read_seq + 1:
                return JournalFull(
                    "unread", f"recorder read to seq {read_seq}, oldest is {begun[0].path}"
                )
            excess -= self._market.drop_oldest()
        return None

    def _guard_io(self, sync: Callable[[], None]) -> None:
        try:
            sync()
        except OSError as error:
            self._broken = JournalFull("io", str(error.strerror), error.errno or 0)
            self.full = self._broken
            with contextlib.suppress(OSError):  # The disk that refused a sync may refuse this too.
                self._failed_path.touch()
