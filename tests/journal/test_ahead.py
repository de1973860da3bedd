"""Segments that are synced ahead: the next one begins where that cost no append a wait."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from hftd.journal.disk import PASSES, Ahead, Disk
from hftd.journal.pen import AHEAD_BYTES
from hftd.journal.reader import JournalReader
from hftd.journal.record import ALIGN, HEAD_BYTES, Stream
from hftd.journal.segment import segments
from hftd.journal.writer import JournalFull, JournalWriter
from tests.e2e.daemon import until
from tests.journal.small import FACT, HEADER, payloads, written_bytes
from tests.journal.test_files import Listening

RECORD = bytes([1]) * 1000
LAST_PART = AHEAD_BYTES * 7 // 8 // 1000  # So many records reach into the last eighth.


class ByHand(Listening):
    """A disk whose syncs ahead are done when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted: list[tuple[Callable[[], int], Ahead]] = []

    def sync_ahead(self, path: Path, written: Callable[[], int], ahead: Ahead) -> None:
        """Keep what was asked."""
        ahead.is_busy = True
        self.wanted.append((written, ahead))

    def done(self) -> None:
        """Let the oldest be done."""
        written, ahead = self.wanted.pop(0)
        ahead.at, ahead.is_busy = written(), False


class Remembered(Disk):
    """The machine's disk, of which one knows what it told."""

    def __init__(self) -> None:
        self.told = Ahead()

    def sync_ahead(self, path: Path, written: Callable[[], int], ahead: Ahead) -> None:
        """Do as the machine, and remember whom it tells."""
        self.told = ahead
        super().sync_ahead(path, written, ahead)


def begun(folder: Path, disk: Disk, records: int = LAST_PART) -> JournalWriter:
    """Return a writer with so many records in its first segment."""
    writer = JournalWriter(folder, segment_bytes=AHEAD_BYTES, disk_floor_bytes=0, disk=disk)
    writer.open(HEADER, 0)
    for _ in range(records):
        writer.append(FACT, 1, RECORD)
    return writer


def numbers(folder: Path) -> list[int]:
    """Return the numbers of the begun segments of orders."""
    return [each.head.number for each in segments(folder, Stream.ORDERS)]


def test_the_next_segment_begins_early_where_all_is_on_the_disk(tmp_path: Path) -> None:
    """No append asks the disk for anything, and no record is lost by the room left behind."""
    disk = ByHand()
    writer = begun(tmp_path, disk)
    disk.asked()
    assert writer.maintain() is None and numbers(tmp_path) == [1]
    disk.done()
    for _ in range(3):
        writer.append(FACT, 1, RECORD)
    assert disk.asked() == [] and numbers(tmp_path) == [1, 2]
    writer.close()
    assert [seq for seq, _ in payloads(tmp_path)] == list(range(2, LAST_PART + 5))
    again = JournalWriter(tmp_path, segment_bytes=AHEAD_BYTES, disk_floor_bytes=0)
    assert again.open(HEADER, 2) == LAST_PART + 5
    again.close()


@pytest.mark.parametrize(("short_bytes", "asked"), [(0, 1), (ALIGN, 0)])
def test_the_last_part_begins_with_its_first_byte(
    tmp_path: Path, short_bytes: int, asked: int
) -> None:
    """A segment written up to there is synced ahead; one that lacks a record's step is not."""
    disk = ByHand()
    writer = begun(tmp_path, disk, records=0)
    end = written_bytes(tmp_path / "orders-00000001.hj") + ALIGN - 1 & -ALIGN
    writer.append(FACT, 1, b"x" * (AHEAD_BYTES * 7 // 8 - end - HEAD_BYTES - short_bytes))
    assert writer.maintain() is None
    assert len(disk.wanted) == asked
    writer.close()


def test_what_came_during_a_sync_keeps_the_segment(tmp_path: Path) -> None:
    """A record that may not be on the disk yet has none of the next segment behind it."""
    disk = ByHand()
    writer = begun(tmp_path, disk)
    writer.maintain()
    written, ahead = disk.wanted.pop(0)
    at = written()
    writer.append(FACT, 1, RECORD)
    ahead.at, ahead.is_busy = at, False
    writer.append(FACT, 1, RECORD)
    assert numbers(tmp_path) == [1]
    writer.maintain()
    disk.done()
    writer.append(FACT, 1, RECORD)
    assert numbers(tmp_path) == [1, 2]
    writer.close()


def test_a_sync_that_ends_late_says_nothing_of_the_next_segment(tmp_path: Path) -> None:
    """A segment that was used up meanwhile is synced by the append, and what ends then is of it."""
    disk = ByHand()
    writer = begun(tmp_path, disk)
    writer.maintain()
    disk.asked()
    while numbers(tmp_path) == [1]:
        writer.append(FACT, 1, RECORD)
    assert [name for name, _, _ in disk.asked()] == ["orders-00000001.hj"]
    written, late = disk.wanted[0]
    disk.done()
    assert late.at == -1 and written() == -1
    writer.append(FACT, 1, RECORD)
    assert numbers(tmp_path) == [1, 2]
    writer.close()


def test_a_segment_that_is_not_nearly_used_up_is_not_synced_ahead(tmp_path: Path) -> None:
    """Seven of eight parts are written before anything is asked, and then once at a time."""
    disk = ByHand()
    writer = begun(tmp_path, disk, LAST_PART - 60)
    writer.maintain()
    assert disk.wanted == []
    for _ in range(60):
        writer.append(FACT, 1, RECORD)
    writer.maintain()
    writer.maintain()
    assert len(disk.wanted) == 1
    writer.close()


def test_a_sync_ahead_that_fails_is_a_disk_that_refuses(tmp_path: Path) -> None:
    """The next second says so, as after any sync that failed."""
    disk = ByHand()
    writer = begun(tmp_path, disk)
    writer.maintain()
    _, ahead = disk.wanted.pop()
    ahead.errno, ahead.is_busy = errno.EIO, False
    full = writer.maintain()
    assert full is not None and (full.reason, full.errno) == ("io", errno.EIO)
    with pytest.raises(JournalFull):
        writer.close()


def test_the_machines_disk_syncs_ahead(tmp_path: Path) -> None:
    """A thread brings the file to the disk and says up to where."""
    disk = Remembered()
    writer = begun(tmp_path, disk)
    writer.maintain()
    until(lambda: disk.told.at > 0 and not disk.told.is_busy, "a sync ahead")
    writer.append(FACT, 1, RECORD)
    assert numbers(tmp_path) == [1, 2]
    writer.close()
    assert max(record.seq for record in JournalReader(tmp_path).records()) == LAST_PART + 2


def test_the_machines_disk_tells_why_it_cannot_sync_ahead(tmp_path: Path) -> None:
    """A file that is gone is an error number, not an exception in a thread."""
    ahead = Ahead()
    Disk().sync_ahead(tmp_path / "none", lambda: 1, ahead)
    until(lambda: not ahead.is_busy, "its end")
    assert (ahead.at, ahead.errno) == (-1, errno.ENOENT)


def test_a_writer_that_never_stands_still_is_followed_for_so_many_passes(tmp_path: Path) -> None:
    """Each pass brings what came during the last, and the thread ends after the last of them."""
    path, ahead = tmp_path / "segment", Ahead()
    path.write_bytes(bytes(4096))
    moved = itertools.count(1)
    Disk().sync_ahead(path, lambda: next(moved), ahead)
    until(lambda: not ahead.is_busy, "its end")
    assert (ahead.at, ahead.errno) == (2 * PASSES - 1, 0)


def test_what_came_during_a_pass_is_brought_by_the_next(tmp_path: Path) -> None:
    """The thread ends with the first pass during which nothing came."""
    path, ahead = tmp_path / "segment", Ahead()
    path.write_bytes(bytes(4096))
    ends = iter((100, 200, 200, 200))
    Disk().sync_ahead(path, lambda: next(ends), ahead)
    until(lambda: not ahead.is_busy, "its end")
    assert (ahead.at, ahead.errno, list(ends)) == (200, 0, [])
