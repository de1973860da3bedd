"""The writer on real files: streams, runs, limits, kills; read back by the reader."""

import errno
import mmap
import os
import shutil
import signal
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hftd.journal.cursor import RecorderCursor, publish, published
from hftd.journal.disk import Disk
from hftd.journal.reader import JournalReader
from hftd.journal.record import RecordType, Stream
from hftd.journal.segment import segments
from hftd.journal.writer import JournalFull, JournalWriter
from tests.journal.small import FACT, HEADER, SMALL, payloads, small_writer, written_bytes


def append_market_until_full(writer):
    """Append market frames, a segment and more than there is room for."""
    for _ in range(30):
        writer.append_market(0, 0, bytes(3000))


def append_orders_until_full(writer):
    """Append facts for as long as there is room, with the look of each second."""
    while writer.append(FACT, 1, bytes(1000)):
        assert writer.maintain() is writer.full


def test_two_streams_are_one_order(tmp_path):
    """Records of both streams come back merged by seq, frames with their link."""
    writer = small_writer(tmp_path)
    assert writer.seq == 0, "nothing is written yet, which a daemon that starts is asked too"
    assert writer.open(HEADER, 5) == 1
    assert writer.append_market(6, 0, b"depth") == 2
    assert writer.append(FACT, 7, b"fact") == 3
    assert writer.append_frame(8, 2, b"report") == 4
    assert writer.append_market(9, 0, memoryview(b"trade")) == 5
    writer.close()
    read = [(r.seq, r.record_type, r.ts_ns, bytes(r.payload), r.stream)
            for r in JournalReader(tmp_path).records()]  # fmt: skip
    assert read[0][:3] == (1, RecordType.HEADER, 5)
    assert read[1:] == [
        (2, RecordType.FRAME_IN, 6, b"\x00depth", Stream.MARKET),
        (3, RecordType.FACT, 7, b"fact", Stream.ORDERS),
        (4, RecordType.FRAME_IN, 8, b"\x02report", Stream.ORDERS),
        (5, RecordType.FRAME_IN, 9, b"\x00trade", Stream.MARKET),
    ]
    assert [r.seq for r in JournalReader(tmp_path).records(3, (Stream.ORDERS,))] == [3, 4]


def test_what_a_run_died_over_ends_it_before_the_next_begins(tmp_path):
    """Facts that are told late stand before the new HEADER, in their order."""
    first = small_writer(tmp_path)
    first.open(HEADER, 5)
    first.close()
    second = small_writer(tmp_path)
    assert second.open(HEADER, 9, untold=(b"one", b"two")) == 4
    second.close()
    read = [(r.seq, r.record_type, r.ts_ns) for r in JournalReader(tmp_path).records()]
    header = RecordType.HEADER
    assert read == [(1, header, 5), (2, FACT, 9), (3, FACT, 9), (4, header, 9)]
    assert payloads(tmp_path)[:2] == [(2, b"one"), (3, b"two")]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=3000)), max_size=40))
def test_what_is_appended_is_read_over_any_number_of_segments(tmp_path_factory, records):
    """Any records, over rollovers of either stream, come back once and in order."""
    folder = tmp_path_factory.mktemp("journal")
    writer = small_writer(folder)
    writer.open(HEADER, 0)
    expected = []
    for is_market, payload in records:
        if is_market:
            expected.append((writer.append_market(1, 7, payload), b"\x07" + payload))
        else:
            expected.append((writer.append(FACT, 1, payload), payload))
    assert payloads(folder) == expected
    from_seq = len(expected) // 2 + 2
    assert payloads(folder, from_seq) == [e for e in expected if e[0] >= from_seq]
    writer.close()
    shutil.rmtree(folder)


def test_run_goes_on_after_the_last(tmp_path):
    """A second start writes on in the same segment; seq goes on; both runs are found."""
    for number, run in enumerate(("a-1", "b-2"), start=1):
        writer = small_writer(tmp_path)
        writer.open({"run": run, "limits": {"max": number}}, number)
        writer.append(FACT, number, run.encode())
        writer.close()
    runs = JournalReader(tmp_path).runs()
    assert [(run.name, run.seq, run.end_seq) for run in runs] == [("a-1", 1, 3), ("b-2", 3, 0)]
    assert runs[1].header["limits"] == {"max": 2}
    first = [bytes(r.payload) for r in JournalReader(tmp_path).run_records(runs[0])]
    assert first[1:] == [b"a-1"]
    assert payloads(tmp_path) == [(2, b"a-1"), (4, b"b-2")]
    assert sorted(p.name for p in tmp_path.glob("*.hj")) == [
        "market-00000001.hj", "market-00000002.hj", "orders-00000001.hj", "orders-00000002.hj",
    ]  # fmt: skip


def test_old_market_segments_go_only_when_read(tmp_path):
    """Over the size limit, read market segments go; unread ones stay and stop the market."""
    writer = small_writer(tmp_path, max_bytes=8 * SMALL)
    writer.open(HEADER, 0)
    for number in range(20):
        writer.append_market(number, 0, bytes(3000))
        if number < 10:
            publish(tmp_path, RecorderCursor(seq=writer.seq))
            assert writer.maintain() is None
    assert not (tmp_path / "market-00000001.hj").exists()
    seqs = [seq for seq, _ in payloads(tmp_path)]
    assert seqs == list(range(seqs[0], 22))
    assert 2 < seqs[0] <= 12

    publish(tmp_path, RecorderCursor(seq=seqs[0]))
    assert writer.maintain().reason == "unread"
    with pytest.raises(JournalFull, match="recorder read to seq"):
        append_market_until_full(writer)
    assert writer.append(FACT, 0, b"orders go on") == writer.seq
    publish(tmp_path, RecorderCursor(seq=writer.seq))
    assert writer.maintain() is None
    writer.append_market(0, 0, b"and the market too")
    assert payloads(tmp_path)[-1][1] == b"\x00and the market too"


def test_a_database_that_is_away_keeps_no_market_data(tmp_path):
    """What is in the logs may go, however far behind SQL is: SQL needs no market data."""
    writer = small_writer(tmp_path, max_bytes=8 * SMALL)
    writer.open(HEADER, 0)
    for number in range(20):
        writer.append_market(number, 0, bytes(3000))
        publish(tmp_path, RecorderCursor(seq=1, logged_seq=writer.seq))
        assert writer.maintain() is None
    assert not (tmp_path / "market-00000001.hj").exists()


def test_disk_floor_is_told_while_there_is_room(tmp_path):
    """Under the floor ``full`` says so with numbers, and the records of a halt still fit."""
    writer = small_writer(tmp_path)
    writer.open(HEADER, 0)
    small = small_writer(tmp_path / "other", disk_floor_bytes=1 << 60)
    with pytest.raises(JournalFull, match=f"floor {1 << 60}"):
        small.open(HEADER, 0)
    assert small.full.reason == "floor"
    assert small.append(FACT, 1, b"cancel all") == 2


FULL_DISK = """
import resource, sys
from pathlib import Path
from hftd.journal.record import RecordType
from hftd.journal.segment import segments
from hftd.journal.writer import JournalFull, JournalWriter
writer = JournalWriter(Path(sys.argv[1]), segment_bytes=8192, disk_floor_bytes=0)
writer.open({"run": "a-1"}, 0)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
told_at = None
try:
    while True:
        seq = writer.append(RecordType.FACT, 0, bytes(1000))
        if told_at is None and writer.maintain():
            told_at = seq
            assert writer.full.reason == "no_space", writer.full
except JournalFull as full:
    print(full.reason, told_at, writer.seq)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert writer.maintain() is None
writer.append(RecordType.FACT, 0, b"room again")
"""


def test_full_disk_is_told_a_segment_ahead_and_never_a_signal(tmp_path):
    """Without room ``full`` is set, appends go on for a segment, then raise; room mends it."""
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    reason, told_at, last = done.stdout.split()
    assert reason == "no_space"
    assert int(last) >= int(told_at) + 6
    read = payloads(tmp_path)
    assert read[-1] == (int(last) + 1, b"room again")
    assert len(read) == int(last)


ENDLESS = """
import sys
from pathlib import Path
from hftd.journal.record import RecordType
from hftd.journal.writer import JournalWriter
writer = JournalWriter(Path(sys.argv[1]), segment_bytes=1 << 16, disk_floor_bytes=0)
writer.open({"run": "a-1"}, 0)
while True:
    seq = writer.append(RecordType.INTENT, 0, b"%d" % (writer.seq + 1))
    writer.append_market(0, 0, bytes(50))
    if seq % 100 == 0:
        print(seq, flush=True)
"""


def test_kill_9_loses_nothing(tmp_path):
    """All that was appended before a SIGKILL is read after it, and the journal goes on."""
    child = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    for _ in range(30):
        told = int(child.stdout.readline())
    os.kill(child.pid, signal.SIGKILL)
    child.wait(10)
    told = [told, *map(int, child.stdout.read().split()[:-1])][-1]
    child.stdout.close()
    writer = JournalWriter(tmp_path, segment_bytes=1 << 16, disk_floor_bytes=0)
    writer.open({"run": "b-2"}, 0)
    assert writer.seq > told
    intents = [r for r in JournalReader(tmp_path).records()
               if r.record_type == RecordType.INTENT]  # fmt: skip
    assert [bytes(r.payload) for r in intents] == [b"%d" % r.seq for r in intents]
    assert [r.seq for r in JournalReader(tmp_path).records()] == list(range(1, writer.seq + 1))


def test_sync_that_failed_for_the_recorder_is_final(tmp_path):
    """A refused sync ends this run's writing, whoever met it; the next run begins anew."""
    writer = small_writer(tmp_path)
    writer.open(HEADER, 0)
    publish(tmp_path, RecorderCursor(seq=1, sync_errno=errno.EIO))
    assert (writer.maintain().reason, writer.full.errno) == ("io", errno.EIO)
    publish(tmp_path, RecorderCursor(seq=1))
    assert writer.maintain().reason == "io"
    with pytest.raises(JournalFull, match="recorder's sync"):
        writer.sync()
    publish(tmp_path, RecorderCursor(seq=1, sync_errno=errno.EIO))
    small_writer(tmp_path).open(HEADER, 0)
    assert published(tmp_path) == RecorderCursor(seq=1)


class Refusing(Disk):
    """The machine's disk, on which a sync may be refused: its maps lie when told to."""

    def __init__(self):
        self.errno = 0

    def map(self, path):
        """Map a file as the machine does."""
        disk = self

        class Map(mmap.mmap):
            def flush(self, *where):
                if disk.errno:
                    refused, disk.errno = disk.errno, 0  # It is told once, and then forgotten.
                    raise OSError(refused, os.strerror(refused))
                return super().flush(*where)

        with path.open("r+b") as file:
            return Map(file.fileno(), 0)


@pytest.mark.parametrize("sync", ["sync", "sync_orders"])
def test_sync_that_failed_for_the_writer_is_final(tmp_path, sync):
    """No later sync of the run succeeds, and the next run writes into new segments."""
    disk = Refusing()
    writer = small_writer(tmp_path, disk=disk)
    writer.open(HEADER, 0)
    writer.append(FACT, 1, b"on the disk or not")
    disk.errno = errno.EIO
    for _ in range(2):
        with pytest.raises(JournalFull, match="io"):
            getattr(writer, sync)()
        assert (writer.full.reason, writer.full.errno) == ("io", errno.EIO)
    assert writer.maintain().reason == "io"
    assert len(list(tmp_path.glob("*-00000001.hj"))) == 2
    for number in range(2):
        writer = small_writer(tmp_path)
        writer.open(HEADER, 2)
        begun = {part.head.number for part in segments(tmp_path, Stream.ORDERS)}
        assert begun == {1, 2}, "a segment that is given up is given up once"
        writer.append(FACT, 3, b"on %d" % number)
        writer.close()
    written = [payload for _, payload in payloads(tmp_path)]
    assert written == [b"on the disk or not", b"on 0", b"on 1"]


class Full(Disk):
    """The machine's disk, on which there is no room for another file when told so."""

    def __init__(self):
        self.errno = 0

    def make(self, path, size_bytes):
        """Make a file as the machine does, or say why not."""
        if self.errno:
            raise OSError(self.errno, os.strerror(self.errno))
        super().make(path, size_bytes)


@pytest.mark.parametrize("refused", [errno.ENOSPC, errno.EDQUOT])
def test_no_room_for_the_next_segment_says_which_file_and_why(tmp_path, refused):
    """It is told while records still fit, raised when none does any more, and room mends it."""
    disk = Full()
    writer = small_writer(tmp_path, disk=disk)
    writer.open(HEADER, 0)
    disk.errno = refused
    with pytest.raises(JournalFull, match=r"orders-00000003\.hj: ") as raised:
        append_orders_until_full(writer)
    assert (raised.value.reason, raised.value.errno) == ("no_space", refused)
    assert raised.value.detail.endswith(os.strerror(refused))
    assert (writer.full.reason, writer.full.errno) == ("no_space", refused)
    last = writer.seq
    assert writer.append_market(1, 0, b"the other stream has room") == last + 1
    disk.errno = 0
    assert writer.maintain() is None
    assert writer.append(FACT, 2, b"room again") == last + 2


# Two records at a time, then time for a reader to be waiting for the next.
PACED = """
import sys, time
from pathlib import Path
from hftd.journal.record import RecordType
from hftd.journal.writer import JournalWriter
writer = JournalWriter(Path(sys.argv[1]), segment_bytes=1 << 16, disk_floor_bytes=0)
writer.open({"run": "a-1"}, 0)
print("begun", flush=True)
while True:
    until_ns = time.perf_counter_ns() + 50_000
    while time.perf_counter_ns() < until_ns:
        pass
    writer.append(RecordType.INTENT, 0, b"intent")
    writer.append_market(0, 0, b"frame")
"""


def test_tail_beside_a_living_writer_has_no_holes(tmp_path):
    """A tail of both streams, always at the tip while another process writes, is in order."""
    child = subprocess.Popen(
        [sys.executable, "-c", PACED, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    child.stdout.readline()
    tail, seqs = JournalReader(tmp_path).tail(), []
    while len(seqs) < 10_000:
        seqs += [record.seq for record in tail.read(50)]
        assert child.poll() is None
    child.kill()
    child.wait(10)
    child.stdout.close()
    assert seqs == list(range(1, len(seqs) + 1))


def test_largest_record_fills_a_segment_and_a_larger_one_is_our_bug(tmp_path):
    """A record may be as large as a segment; what is larger is refused before it is written."""
    writer = small_writer(tmp_path)
    writer.open(HEADER, 0)
    largest = b"x" * (SMALL - 40 - 32 - 1)
    writer.append_frame(0, 1, largest)
    with pytest.raises(AssertionError):
        writer.append_frame(0, 1, largest + b"x")
    writer.append(FACT, 0, b"next")
    assert payloads(tmp_path) == [(2, b"\x01" + largest), (3, b"next")]


def sizes(folder):
    """Return the size of each segment file by name."""
    return {path.name: path.stat().st_size for path in sorted(folder.glob("*.hj"))}


def a_full_one(folder, **limits):
    """Return the files of a journal with five market segments, all read; its room is made twice."""
    writer = small_writer(folder, **limits)
    writer.open(HEADER, 0)
    for _ in range(10):
        writer.append_market(0, 0, bytes(3000))
        publish(folder, RecorderCursor(seq=writer.seq))
    for _ in range(2):
        assert writer.maintain() is None
    return sizes(folder)


def test_the_size_limit_is_kept_to_the_byte(tmp_path):
    """At the limit nothing goes; one byte over it the oldest market segment goes."""
    whole = a_full_one(tmp_path / "whole")
    total = sum(whole.values())
    assert a_full_one(tmp_path / "at", max_bytes=total) == whole
    over = a_full_one(tmp_path / "over", max_bytes=total - 1)
    assert set(whole) - set(over) == {"market-00000001.hj"}


def test_however_small_the_limit_the_segment_that_is_written_stays(tmp_path):
    """Market data goes but for the current segment; the orders stay whole."""
    whole = set(a_full_one(tmp_path / "whole"))
    left = set(a_full_one(tmp_path / "tiny", max_bytes=1))
    assert {name for name in whole if name.startswith("orders")} <= left
    market = sorted(name for name in whole if name.startswith("market"))
    assert {name for name in left if name.startswith("market")} == set(market[-2:])


def test_a_run_begins_on_the_disk_or_not_at_all(tmp_path):
    """The HEADER's sync is refused: there is no run."""
    disk = Refusing()
    disk.errno = errno.EIO
    with pytest.raises(JournalFull, match="io"):
        small_writer(tmp_path, disk=disk).open(HEADER, 0)


def test_nothing_new_asks_nothing_of_the_disk(tmp_path):
    """Records that end at a page's end were synced whole; the next sync does not touch them."""
    disk = Refusing()
    writer = small_writer(tmp_path, disk=disk)
    writer.open(HEADER, 0)
    end = written_bytes(tmp_path / "orders-00000001.hj") + 7 & -8
    writer.append(FACT, 1, b"x" * (4096 - end - 32))
    writer.sync_orders()
    disk.errno = errno.EIO
    writer.sync_orders()
    assert disk.errno == errno.EIO, "the disk was asked"
    writer.append(FACT, 2, b"new")
    with pytest.raises(JournalFull, match="io"):
        writer.sync_orders()
