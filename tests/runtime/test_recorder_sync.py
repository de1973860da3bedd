"""The recorder's syncs of segments that are being written: what they bring to the disk, and not."""

from __future__ import annotations

from pathlib import Path

from hftd.journal.disk import READY_BYTES
from hftd.journal.record import Stream
from hftd.journal.writer import JournalWriter
from hftd.runtime.recorder_sync import SegmentSync
from tests.e2e.daemon import until
from tests.journal.small import FACT, HEADER
from tests.journal.test_ready import begun, dirty_bytes, orders


def test_a_sync_of_what_is_written_leaves_the_pages_behind_it_ready(tmp_path: Path) -> None:
    """The recorder's sync takes the written pages back, and no other."""
    writer, sync = begun(tmp_path), SegmentSync(tmp_path, Stream.ORDERS)

    def are_left_alone() -> bool:
        writer.append(FACT, 0, b"one more")
        sync.sync()
        return READY_BYTES // 2 < dirty_bytes(orders(tmp_path)) < READY_BYTES

    for _ in range(3):  # The kernel may bring any page to the disk at any time.
        until(are_left_alone, "a sync that took the written pages back, and no other")
    writer.close()


def test_a_segment_that_is_used_up_is_synced_as_a_whole(tmp_path: Path) -> None:
    """What was written on two segments since the last time is on the disk after one sync."""
    writer = JournalWriter(tmp_path, segment_bytes=64 << 10, disk_floor_bytes=0)
    writer.open(HEADER, 0)
    sync = SegmentSync(tmp_path, Stream.ORDERS)
    sync.sync()
    for _ in range(100):
        writer.append(FACT, 0, bytes(1000))
    sync.sync()
    assert dirty_bytes(orders(tmp_path)) == 0
    writer.close()


def test_nothing_that_was_begun_is_nothing_to_sync(tmp_path: Path) -> None:
    """A recorder may look before the engine has made the folder."""
    SegmentSync(tmp_path / "journal", Stream.ORDERS).sync()
