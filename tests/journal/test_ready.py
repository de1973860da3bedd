"""Pages that are writable before the writer comes to them, and those that a sync leaves alone."""

from __future__ import annotations

import errno
import mmap
from pathlib import Path

import pytest

from hftd.journal import pages, segment
from hftd.journal.disk import READY_BYTES
from hftd.journal.record import PAGE, Stream
from hftd.journal.writer import JournalWriter
from tests.e2e.daemon import until
from tests.journal.small import FACT, HEADER

SEGMENT_BYTES = 1 << 20


def begun(folder: Path) -> JournalWriter:
    """Return a writer that has written its first records."""
    writer = JournalWriter(folder, segment_bytes=SEGMENT_BYTES, disk_floor_bytes=0)
    writer.open(HEADER, 0)
    return writer


def dirty_bytes(path: Path) -> int:
    """Return how much of a file was written to, or made ready for that, since it was synced.

    A file may be mapped twice, and the second mapping shows pages of the first.
    """
    found, inside = [0], False
    with open("/proc/self/smaps") as file:
        for line in file:
            words = line.split()
            if "-" in words[0] and not words[0].endswith(":"):
                inside = words[-1] == str(path)
                found.append(0)
            elif inside and words[0] in ("Shared_Dirty:", "Private_Dirty:"):
                found[-1] += int(words[1]) << 10
    return max(found)


def orders(folder: Path) -> Path:
    """Return the first segment of the orders stream."""
    return segment.segment_path(folder, Stream.ORDERS, 1)


def await_ready(writer: JournalWriter, folder: Path) -> None:
    """Wait for the pages ahead; the kernel may bring them to the disk, so the writer goes on."""

    def are_ready() -> bool:
        writer.append(FACT, 0, b"one more")
        return dirty_bytes(orders(folder)) >= READY_BYTES

    until(are_ready, "pages ahead of the writer")


def test_pages_are_ready_before_they_are_written(tmp_path: Path) -> None:
    """A few records are there, and the quarter of a megabyte behind them is writable."""
    writer = begun(tmp_path)
    await_ready(writer, tmp_path)
    writer.close()


def test_the_pages_behind_follow_the_writer(tmp_path: Path) -> None:
    """Who has written the half of what was ready finds as much ready as before."""
    writer = begun(tmp_path)
    for _ in range(READY_BYTES // 1000):
        writer.append(FACT, 0, bytes(1000))
    until(lambda: dirty_bytes(orders(tmp_path)) >= 2 * READY_BYTES, "pages that followed")
    writer.close()


def test_a_sync_by_range_takes_nothing_else(tmp_path: Path) -> None:
    """Of three pages that were written the middle one is synced."""
    path = tmp_path / "file"
    segment.make(path, 3 * PAGE)
    mapped: mmap.mmap = segment.map_file(path, writable=True)
    mapped[:] = b"x" * len(mapped)
    pages.sync(pages.address_of(mapped) + PAGE, PAGE)
    assert dirty_bytes(path) == 2 * PAGE
    mapped.close()


def test_a_sync_that_the_kernel_refuses_is_raised(tmp_path: Path) -> None:
    """Its own error number: who syncs has to know that what it wrote may not be there."""
    path = tmp_path / "file"
    segment.make(path, PAGE)
    mapped: mmap.mmap = segment.map_file(path, writable=True)
    with pytest.raises(OSError, match="nvalid argument") as raised:
        pages.sync(pages.address_of(mapped) + 1, PAGE)
    assert raised.value.errno == errno.EINVAL
    mapped.close()
