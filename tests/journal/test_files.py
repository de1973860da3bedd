"""What the writer leaves on the disk and asks of it: sizes, modes, ranges synced, handles let go.

Real files; a disk that listens stands where the machine's would, and does what that one does.
"""

from __future__ import annotations

import errno
import mmap
import os
import re
import resource
import shutil
import threading
import zlib
from pathlib import Path
from typing import Any

import pytest

from hftd.errors import JournalDamaged
from hftd.journal import segment
from hftd.journal.cursor import RecorderCursor, durable, overwrite, publish, published
from hftd.journal.disk import MACHINE, Disk
from hftd.journal.pen import Pen
from hftd.journal.reader import JournalReader
from hftd.journal.record import (
    FORMAT,
    PAGE,
    SEGMENT_HEAD_BYTES,
    RecordType,
    Stream,
    encode_segment_head,
)
from hftd.journal.writer import JournalFull, JournalWriter
from tests.journal.small import FACT, HEADER, SMALL, payloads, small_writer, written_bytes


class Listening(Disk):
    """The machine's disk, which keeps what it was asked to sync, and has the room it is told."""

    def __init__(self, free: int = 1 << 40) -> None:
        self.free = free
        self.flushed: list[tuple[str, int, int]] = []
        self.maps: list[mmap.mmap] = []

    def map(self, path: Path) -> mmap.mmap:
        """Map a file as the machine does."""
        disk = self

        class Map(mmap.mmap):
            def flush(self, offset: int = 0, size: int = 0) -> None:
                disk.flushed.append((path.name, offset, size))
                super().flush(offset, size)

        with path.open("r+b") as file:
            disk.maps.append(Map(file.fileno(), 0))
        return disk.maps[-1]

    def free_bytes(self, folder: Path) -> int:
        """Return the room that was told."""
        return self.free

    def asked(self) -> list[tuple[str, int, int]]:
        """Return what was synced since this was last asked."""
        found, self.flushed = self.flushed, []
        return found


def opened(folder: Path, **limits: Any) -> tuple[JournalWriter, Listening]:
    """Return an opened writer on a disk that listens, its first sync forgotten."""
    disk = Listening()
    writer: JournalWriter = small_writer(folder, disk=disk, **limits)
    writer.open(HEADER, 0)
    disk.asked()
    return writer, disk


def handles() -> int:
    """Return how many files this process has open."""
    return len(os.listdir("/proc/self/fd"))


def test_a_sync_asks_for_what_was_written_since_the_last_from_a_page_on(tmp_path: Path) -> None:
    """The page that is half full is asked for again, be there news on it or not."""
    writer, disk = opened(tmp_path)
    path = tmp_path / "orders-00000001.hj"
    writer.append(FACT, 1, bytes([1]) * 100)
    end = written_bytes(path) + 7 & -8
    writer.sync()
    assert disk.asked() == [(path.name, 0, end), ("market-00000001.hj", 0, SEGMENT_HEAD_BYTES)]
    writer.append(FACT, 1, bytes([1]) * 5000)
    end = written_bytes(path) + 7 & -8
    writer.append_market(1, 0, b"depth")
    writer.sync_orders()
    assert disk.asked() == [(path.name, 0, end)]
    writer.append(FACT, 1, b"behind a whole page")
    end = written_bytes(path) + 7 & -8
    writer.sync()
    market = written_bytes(tmp_path / "market-00000001.hj") + 7 & -8
    assert disk.asked() == [(path.name, PAGE, end - PAGE), ("market-00000001.hj", 0, market)]


@pytest.mark.parametrize("stream", Stream)
def test_a_torn_tail_that_is_cut_is_synced_to_its_end(tmp_path: Path, stream: Stream) -> None:
    """Else its later pages come back with a loss of power, in front of records behind them."""
    writer = small_writer(tmp_path)
    writer.open(HEADER, 0)
    path = segment.segment_path(tmp_path, stream, 1)
    begin = written_bytes(path)
    with path.open("r+b") as file:
        file.seek(begin + 7 & -8)
        file.write(bytes([1]) * PAGE)
        torn_end = file.tell()
    again = small_writer(tmp_path, disk=(disk := Listening()))
    again.open(HEADER, 0)
    begun, reach = next((at, at + size) for name, at, size in disk.asked() if name == path.name)
    assert begun == 0 and reach >= torn_end
    again.append(FACT, 1, b"on")
    again.sync_orders()
    assert all(at + size < torn_end for _, at, size in disk.asked()), "once is enough"


def test_a_segment_that_is_used_up_is_synced_to_its_end_and_let_go(tmp_path: Path) -> None:
    """Before the next begins, so that no loss of power leaves a hole; let go a second later."""
    writer, disk = opened(tmp_path)
    first, name = disk.maps[0], "orders-00000001.hj"
    writer.append(FACT, 1, bytes([1]) * 5000)
    writer.sync_orders()
    disk.asked()
    writer.append(FACT, 1, b"behind a whole page")
    writer.append(FACT, 1, bytes([1]) * 5000)
    end = written_bytes(tmp_path / name) + 7 & -8
    assert disk.asked() == [(name, PAGE, end - PAGE)]
    assert not first.closed
    assert writer.maintain() is None
    assert disk.asked() == [(name, PAGE, SMALL - PAGE)]
    assert first.closed and sum(each.closed for each in disk.maps) == 1
    assert writer.maintain() is None and disk.asked() == []
    writer.close()
    assert all(each.closed for each in disk.maps), "spares as well"
    assert [name for name, _, _ in disk.asked()] == ["orders-00000002.hj", "market-00000001.hj"]


def test_a_close_that_cannot_sync_says_so(tmp_path: Path) -> None:
    """What was appended may not be on the disk: that is no orderly end."""
    writer, _ = opened(tmp_path)
    writer.append(FACT, 1, b"fact")
    publish(tmp_path, RecorderCursor(seq=1, sync_errno=errno.EIO))
    refused = writer.maintain()
    assert refused is not None and (refused.reason, refused.errno) == ("io", errno.EIO)
    assert str(refused) == f"journal io: the recorder's sync: {os.strerror(errno.EIO)}"
    with pytest.raises(JournalFull, match="recorder's sync"):
        writer.close()


def test_no_handle_is_left_open(tmp_path: Path) -> None:
    """Files are made, mapped and read without a handle that stays; a map holds one of its own."""
    before = handles()
    path = tmp_path / "orders-00000001.hj"
    MACHINE.make(path, SMALL)
    assert handles() == before
    for writable in (True, False):
        mapped = segment.map_file(path, writable=writable)
        assert (handles(), len(mapped)) == (before + 1, SMALL)
        mapped.close()
    assert segment.read_head(path) is None
    assert handles() == before


def test_a_segments_file_is_the_owners_and_readable_by_its_group(tmp_path: Path) -> None:
    """Made whole with its blocks; never made over one that is there; gone where it fails."""
    path = tmp_path / "orders-00000001.hj"
    masked = os.umask(0)
    try:
        MACHINE.make(path, SMALL)
    finally:
        os.umask(masked)
    told = path.stat()
    assert (told.st_mode & 0o777, told.st_size) == (0o640, SMALL)
    assert told.st_blocks * 512 >= SMALL
    with pytest.raises(FileExistsError):
        MACHINE.make(path, SMALL)
    assert path.stat().st_size == SMALL
    with pytest.raises(OSError, match="Invalid argument"):
        MACHINE.make(tmp_path / "none", -1)
    assert not (tmp_path / "none").exists()


def test_the_machines_room_is_what_is_free_to_us(tmp_path: Path) -> None:
    """In bytes, as the system tells it; others write meanwhile, so one equal look is enough."""
    looks = ((MACHINE.free_bytes(tmp_path), shutil.disk_usage(tmp_path).free) for _ in range(1000))
    assert any(ours == theirs for ours, theirs in looks)


def test_the_floor_is_kept_to_the_byte(tmp_path: Path) -> None:
    """As much as the floor is enough; a byte less is told with both numbers."""
    writer, disk = opened(tmp_path, disk_floor_bytes=1000)
    short = "journal floor: free bytes 999, floor 1000"
    for free, told in ((1000, None), (999, short), (1001, None)):
        disk.free = free
        full = writer.maintain()
        assert (str(full) if full else None) == told
        assert writer.full is full


def test_a_file_that_was_removed_is_told(tmp_path: Path) -> None:
    """Of either stream, or the whole folder: no start would find what is appended from there on."""
    for number, remove in enumerate((*Stream, shutil.rmtree)):
        folder = tmp_path / str(number)
        writer = small_writer(folder)
        writer.open(HEADER, 0)
        assert writer.maintain() is None
        if isinstance(remove, Stream):
            gone = segment.segment_path(folder, remove, 1)
            gone.unlink()
        else:
            gone = segment.segment_path(folder, Stream.ORDERS, 1)
            remove(folder)
            assert writer.free_bytes() == 0
        full = writer.maintain()
        assert full is not None and (full.reason, full.errno) == ("io", errno.ENOENT)
        assert str(full) == f"journal io: {gone} was removed"


def test_a_market_segment_goes_once_its_last_record_is_read(tmp_path: Path) -> None:
    """Read up to the one before it keeps it, and says what is in the way."""
    writer, _ = opened(tmp_path, max_bytes=1)
    for _ in range(4):
        writer.append_market(0, 0, bytes(3000))
    first, second = segment.segments(tmp_path, Stream.MARKET)
    last = second.head.first_seq - 1
    publish(tmp_path, RecorderCursor(seq=last - 1))
    full = writer.maintain()
    assert full is not None and full.reason == "unread"
    assert str(full) == f"journal unread: recorder read to seq {last - 1}, oldest is {first.path}"
    assert first.path.exists()
    publish(tmp_path, RecorderCursor(seq=last))
    assert writer.maintain() is None
    assert not first.path.exists() and second.path.exists()


def test_the_size_limit_counts_both_streams_and_what_was_made_ahead(tmp_path: Path) -> None:
    """Also after a restart, which makes its spares anew; and each segment once it has gone."""
    writer, _ = opened(tmp_path, max_bytes=6 * SMALL)
    for number in range(12):
        writer.append_market(number, 0, bytes(3000))
        publish(tmp_path, RecorderCursor(seq=writer.seq))
        for _ in range(2):  # One makes room ahead, the next one makes up for it.
            assert writer.maintain() is None
        files = list(tmp_path.glob("*.hj"))
        assert sum(path.stat().st_size for path in files) <= 6 * SMALL
    writer.close()
    again, _ = opened(tmp_path, max_bytes=6 * SMALL)
    for _ in range(2):
        assert again.maintain() is None
    assert sum(path.stat().st_size for path in tmp_path.glob("*.hj")) == 6 * SMALL


def test_a_writer_knows_its_segments_as_a_reader_finds_them(tmp_path: Path) -> None:
    """Number, first seq, run and chain, of those it began and of those it found."""
    pen = Pen(tmp_path, Stream.ORDERS, SMALL, MACHINE)
    assert (pen.recover(), pen.total_bytes(), pen.spare_ready) == (0, 0, False)
    for first_seq, chain in ((1, 0), (7, 99), (9, 5)):
        pen.chain = chain
        pen.make_spare()
        assert pen.spare_ready
        pen.run_seq = first_seq - 1
        pen.begin(first_seq)
        assert (pen.pos, pen.size, pen.spare_ready) == (SEGMENT_HEAD_BYTES, SMALL, False)
    found = segment.segments(tmp_path, Stream.ORDERS)
    assert pen.segments == found
    assert [tuple(part.head)[2:] for part in found] == [(1, 1, 0, 0), (2, 7, 6, 99), (3, 9, 8, 5)]
    assert pen.total_bytes() == 3 * SMALL
    pen.make_spare()
    assert pen.total_bytes() == 4 * SMALL
    pen.close()
    assert not pen.spare_ready and pen.map is None
    again = Pen(tmp_path, Stream.ORDERS, SMALL, MACHINE)
    assert again.recover() == 8, "nothing was written since: the seq before its first"
    assert (again.pos, again.size, again.chain) == (SEGMENT_HEAD_BYTES, SMALL, 5)
    assert (again.segments, again.total_bytes()) == (found, 3 * SMALL)
    assert not (tmp_path / "orders-00000004.hj").exists(), "a spare is made anew"
    assert again.drop_oldest() == SMALL and again.total_bytes() == 2 * SMALL
    again.close()


def test_a_snapshot_is_written_in_quarters_of_a_segment(tmp_path: Path) -> None:
    """So that no part is larger than what is left of most segments; the last one's seq is told."""
    writer, _ = opened(tmp_path)
    assert writer.append_snapshot(5, bytes(SMALL)) == writer.seq == 5
    assert writer.append_snapshot(5, bytes(SMALL + 1)) == 10
    found = [r for r in JournalReader(tmp_path).records() if r.record_type == RecordType.SNAPSHOT]
    assert [len(r.payload) - 8 for r in found] == [SMALL // 4] * 8 + [1]
    assert {r.ts_ns for r in found} == {5}


def test_only_what_was_promised_is_durable(tmp_path: Path) -> None:
    """The orders up to what was synced; of the market nobody promises anything."""
    publish(tmp_path, RecorderCursor(seq=9, synced_seq=7))
    assert [durable(tmp_path, stream) for stream in (Stream.ORDERS, Stream.MARKET)] == [7, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["recorder.json"]


def test_a_start_and_the_recorder_of_before_do_not_take_away_each_others_cursor(
    tmp_path: Path,
) -> None:
    """A recorder that still reads publishes all the while that a run begins, again and again."""
    opened(tmp_path)[0].close()
    ended, faults = threading.Event(), []

    def record() -> None:
        while not ended.is_set():
            try:
                publish(tmp_path, RecorderCursor(seq=1))
            except OSError as error:
                faults.append(error)

    recorder = threading.Thread(target=record)
    recorder.start()
    try:
        for _ in range(100):
            opened(tmp_path)[0].close()
    finally:
        ended.set()
        recorder.join()
    assert faults == []


def test_a_journal_whose_files_are_gone_is_damaged(tmp_path: Path) -> None:
    """Records were promised, and there is no segment at all: the folder is what is named."""
    publish(tmp_path, RecorderCursor(synced_seq=7))
    told = f"{tmp_path}: offset 0: ends at seq 0, but 7 was on the disk"
    with pytest.raises(JournalDamaged, match=re.escape(told)):
        list(JournalReader(tmp_path).records())


@pytest.mark.parametrize(("name", "number"), [
    ("orders-00000001.hj", 1), ("orders-00000012.hj", 12), ("market-00000001.hj", 0),
    ("orders-0000001.hj", 0), ("orders-00000001.hj.new", 0), ("xorders-00000001.hj", 0),
])  # fmt: skip
def test_a_segments_number_stands_in_its_name(tmp_path: Path, name: str, number: int) -> None:
    """Files of another stream or another name are none."""
    (tmp_path / name).touch()
    assert segment.numbers(tmp_path, Stream.ORDERS) == ([number] if number else [])
    if number:
        assert segment.segment_path(tmp_path, Stream.ORDERS, number).name == name


def begun(folder: Path, *segment_numbers: int) -> list[int]:
    """Put headers of these numbers into files; return the segments found."""
    for number in segment_numbers:
        head = encode_segment_head(Stream.ORDERS, number, number, 0, 0)
        segment.segment_path(folder, Stream.ORDERS, number).write_bytes(head + bytes(100))
    return [part.head.number for part in segment.segments(folder, Stream.ORDERS)]


def test_segments_are_in_order_and_without_a_gap(tmp_path: Path) -> None:
    """From any number on; a spare ends them, and what is begun behind one is damage."""
    assert begun(tmp_path, 3, 4) == [3, 4]
    (tmp_path / "orders-00000005.hj").write_bytes(bytes(500))
    assert begun(tmp_path) == [3, 4]
    with pytest.raises(JournalDamaged, match=r"orders-00000006.hj: offset 0: .* no valid header"):
        begun(tmp_path, 6)
    (tmp_path / "orders-00000005.hj").unlink()
    with pytest.raises(JournalDamaged, match="offset 0: segment 5 before it is missing"):
        begun(tmp_path)


def test_a_journal_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    """With what it is and what is known, rather than read as this one."""
    begun(tmp_path, 1)
    path = tmp_path / "orders-00000001.hj"
    head = bytearray(path.read_bytes())
    head[8] = FORMAT + 1
    head[36:40] = zlib.crc32(bytes(head[:36])).to_bytes(4, "little")
    path.write_bytes(bytes(head))
    with pytest.raises(
        JournalDamaged, match=f"journal format {FORMAT} is the newest known, was {FORMAT + 1}"
    ):
        segment.read_head(path)


def test_a_tail_gives_no_more_than_it_is_asked_for(tmp_path: Path) -> None:
    """And goes on from there; a run's records end before the next run's."""
    writer, _ = opened(tmp_path)
    for number in range(6):
        if number % 2:
            writer.append(FACT, number, b"fact")
        else:
            writer.append_market(number, 0, b"depth")
    tail = JournalReader(tmp_path).tail(3)
    assert [record.seq for record in tail.read(0)] == []
    assert [record.seq for record in tail.read(3)] == [3, 4, 5]
    assert [record.seq for record in tail.read(9)] == [6, 7]
    writer.append(FACT, 0, b"later")
    assert [record.seq for record in tail.read(9)] == [8]
    assert [seq for seq, _ in payloads(tmp_path, 4)] == [4, 5, 6, 7, 8]


@pytest.mark.parametrize("name", ["a", "a fault whose name needs more room than the one before"])
def test_a_cursor_is_written_over_the_one_that_is_there(tmp_path: Path, name: str) -> None:
    """A shorter one keeps the file's room, a longer one has what it needs; both read back whole."""
    publish(tmp_path, RecorderCursor(seq=1, faults={"twenty characters...": ""}))
    before = (tmp_path / "recorder.json").stat()
    overwrite(tmp_path, RecorderCursor(seq=2, faults={name: "no space left on the device"[:8]}))
    after = (tmp_path / "recorder.json").stat()
    assert published(tmp_path) == RecorderCursor(seq=2, faults={name: "no space"})
    assert after.st_ino == before.st_ino and after.st_size >= before.st_size


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 200,
        b"[" * 100_000,
        b'{"faults":{"a":"\xff\xfe"}}',
        b'{"seq":-5}',
        b'{"logged_seq":99999999999999999999}',
    ],
)
def test_a_cursor_that_cannot_be_read_is_nothing_read(tmp_path: Path, content: bytes) -> None:
    """It keeps every segment, and stops nobody who looks."""
    publish(tmp_path, RecorderCursor(seq=7))
    (tmp_path / "recorder.json").write_bytes(content)
    assert published(tmp_path) == RecorderCursor()


def test_a_file_that_gets_no_room_is_not_left_behind(tmp_path: Path) -> None:
    """The disk's refusal is the caller's to tell, and the next try may make the file."""
    path = tmp_path / "orders-00000001.hj"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            segment.make(path, 8192)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not path.exists()
    segment.make(path, 8192)
    assert path.stat().st_size == 8192
