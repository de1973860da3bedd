"""Reading beside a writer, runs and snapshots."""

from hftd.journal.cursor import RecorderCursor, publish, published
from hftd.journal.reader import JournalReader
from hftd.journal.record import RecordType, Stream
from hftd.journal.writer import JournalWriter

FACT = RecordType.FACT


def small_writer(folder):
    """Return an opened writer of segments of 8 KiB."""
    writer = JournalWriter(folder, segment_bytes=8192, disk_floor_bytes=0)
    writer.open({"run": "a-1"}, 0)
    return writer


def test_tail_gives_each_record_once_as_it_is_written(tmp_path):
    """A tail asked again and again sees all records in order, over rollovers."""
    writer = small_writer(tmp_path)
    tail = JournalReader(tmp_path).tail(2)
    seen = []
    for number in range(200):
        writer.append(FACT, number, bytes(number))
        if number % 3 == 0:
            writer.append_market(number, 0, bytes(700))
        if number % 7 == 0:
            seen += [record.seq for record in tail.read(50)]
    seen += [record.seq for record in tail.read(1000)]
    assert seen == list(range(2, writer.seq + 1))
    assert tail.read(10) == []


def test_folder_without_runs_has_none(tmp_path):
    """Nothing written is no run, no record and no snapshot."""
    reader = JournalReader(tmp_path)
    assert (reader.runs(), list(reader.records()), reader.last_snapshot()) == ([], [], None)


def test_tail_before_the_journal_begins_waits(tmp_path):
    """A reader that comes first finds nothing, and then all."""
    tail = JournalReader(tmp_path).tail()
    assert tail.read(10) == []
    small_writer(tmp_path)
    assert [record.record_type for record in tail.read(10)] == [RecordType.HEADER]


def test_tail_of_orders_alone_never_opens_market_segments(tmp_path):
    """A tail of one stream gives that stream's records."""
    writer = small_writer(tmp_path)
    writer.append_market(0, 0, b"depth")
    writer.append(FACT, 0, b"fact")
    tail = JournalReader(tmp_path).tail(1, (Stream.ORDERS,))
    assert [record.seq for record in tail.read(10)] == [1, 3]


def test_half_written_record_is_not_there_yet(tmp_path):
    """What does not verify at the end is waited for, and read once it is whole."""
    writer = small_writer(tmp_path)
    path = tmp_path / "orders-00000001.hj"
    before = path.read_bytes()
    writer.append(FACT, 0, b"slowly")
    after = path.read_bytes()
    end = len(after.rstrip(b"\0"))
    tail = JournalReader(tmp_path).tail(2)
    with path.open("r+b") as file:
        for size in range(len(before.rstrip(b"\0")), end):
            file.seek(0)
            file.write(after[:size] + bytes(len(after) - size))
            file.flush()
            assert tail.read(10) == []
        file.seek(0)
        file.write(after)
    assert [bytes(record.payload) for record in tail.read(10)] == [b"slowly"]


def test_tail_passes_over_market_segments_dropped_by_size(tmp_path):
    """A slow reader of market data goes on at the oldest segment that is left."""
    writer = JournalWriter(tmp_path, segment_bytes=8192, disk_floor_bytes=0, max_bytes=6 * 8192)
    writer.open({"run": "a-1"}, 0)
    tail = JournalReader(tmp_path).tail()
    assert [record.seq for record in tail.read(1)] == [1]
    writer.append_market(0, 0, b"first")
    assert [record.seq for record in tail.read(1)] == [2]
    for _ in range(40):
        writer.append_market(0, 0, bytes(3000))
        publish(tmp_path, RecorderCursor(seq=writer.seq))
        writer.maintain()
    seqs = [record.seq for record in tail.read(1000)]
    assert seqs[:2] == [3, 4]  # The rest of the segment that this reader had open.
    assert seqs[2:] == list(range(seqs[2], writer.seq + 1))
    assert seqs[2] > 20


def test_last_whole_snapshot_is_found(tmp_path):
    """Of several snapshots, in parts over segments, the last whole one comes back."""
    writer = small_writer(tmp_path)
    assert JournalReader(tmp_path).last_snapshot() is None
    for number in range(3):
        state = bytes([number]) * 30_000
        first_seq = writer.seq + 1
        seq = writer.append_snapshot(number, state)
        assert JournalReader(tmp_path).last_snapshot() == (first_seq, seq, number, state)
        for _ in range(40):
            writer.append(FACT, 0, bytes(500))
    part = (0).to_bytes(4, "little") + (2).to_bytes(4, "little") + b"half"
    writer.append(RecordType.SNAPSHOT, 9, part)
    assert JournalReader(tmp_path).last_snapshot() == (first_seq, seq, 2, state)


def test_cursor_is_zero_until_published_and_where_spoiled(tmp_path):
    """No cursor, and one that cannot be read, count as nothing read."""
    assert published(tmp_path) == RecorderCursor()
    publish(tmp_path, RecorderCursor(seq=7, synced_seq=6, ts_ns=5, pid=4))
    assert published(tmp_path) == RecorderCursor(7, 6, 5, 4)
    (tmp_path / "recorder.json").write_bytes(b"")
    assert published(tmp_path) == RecorderCursor()


def test_cursor_of_a_journal_that_was_taken_away_is_forgotten(tmp_path):
    """A journal that begins anew has not been read."""
    publish(tmp_path, RecorderCursor(seq=700, synced_seq=600))
    small_writer(tmp_path)
    assert published(tmp_path) == RecorderCursor()
    small_writer(tmp_path)


def test_records_of_a_run_end_where_the_next_begins(tmp_path):
    """The first run's are its own; the last run's go to the end."""
    writer = small_writer(tmp_path)
    writer.append(FACT, 1, b"first")
    writer.close()
    writer = JournalWriter(tmp_path, segment_bytes=8192, disk_floor_bytes=0)
    writer.open({"run": "b-2"}, 2)
    writer.append(FACT, 3, b"second")
    reader = JournalReader(tmp_path)
    first, second = reader.runs()
    assert (first.name, first.seq, first.end_seq) == ("a-1", 1, 3)
    assert (second.name, second.seq, second.end_seq, second.ts_ns) == ("b-2", 3, 0, 2)
    assert [record.seq for record in reader.run_records(first)] == [1, 2]
    assert [record.seq for record in reader.run_records(second)] == [3, 4]


def test_parts_of_two_snapshots_are_none(tmp_path):
    """A last part whose number fits, with a part of another before it: the older whole counts."""
    writer = small_writer(tmp_path)
    seq = writer.append_snapshot(1, b"whole" * 1000)
    for number in (0, 0, 2):
        part = number.to_bytes(4, "little") + (3).to_bytes(4, "little") + b"part"
        writer.append(RecordType.SNAPSHOT, 2, part)
    found = JournalReader(tmp_path).last_snapshot()
    assert (found.seq, found.ts_ns, found.state) == (seq, 1, b"whole" * 1000)


def test_a_snapshot_that_does_not_verify_is_passed_over_for_an_older_one(tmp_path):
    """What stands behind damage in its segment is not looked at: the older segment's counts."""
    writer = small_writer(tmp_path)
    older = writer.append_snapshot(1, b"older")
    for number in range(10):
        writer.append(FACT, number, bytes(1000))
    writer.append_snapshot(2, b"spoiled")
    (path,) = (each for each in tmp_path.glob("orders-*") if b"spoiled" in each.read_bytes())
    with path.open("r+b") as file:
        file.seek(path.read_bytes().find(b"spoiled"))
        file.write(b"S")
    found = JournalReader(tmp_path).last_snapshot()
    assert (found.seq, found.state) == (older, b"older")
