"""Which run a record belongs to, and how little of a long journal is read to know it."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hftd.errors import JournalDamaged
from hftd.journal import segment
from hftd.journal.reader import JournalReader, Run
from hftd.journal.record import (
    SEGMENT_HEAD_BYTES,
    RecordType,
    Stream,
    decode_json,
    encode_record,
)
from hftd.journal.repair import plan, repair
from hftd.journal.writer import JournalWriter

SEGMENT_BYTES = 8192


def write_run(folder: Path, name: str, records: int) -> None:
    """Write a run of so many records; nine fill most of a segment."""
    writer = JournalWriter(folder, segment_bytes=SEGMENT_BYTES, disk_floor_bytes=0)
    writer.open({"run": name}, 5)
    writer.append_snapshot(6, name.encode())
    for number in range(records):
        writer.append(RecordType.FACT, number, bytes(800))
        writer.append_market(number, 0, bytes(700))
    writer.close()


def naive_runs(folder: Path) -> list[Run]:
    """Read all records, and return the runs that begin at them."""
    runs: list[Run] = []
    for record in JournalReader(folder).records():
        if record.record_type == RecordType.HEADER:
            header = decode_json(record.payload)
            runs = [*runs[:-1], *(run._replace(end_seq=record.seq) for run in runs[-1:])]
            runs.append(Run(header["run"], record.seq, 0, record.ts_ns, header))
    return runs


def order_segments(folder: Path) -> list[segment.Segment]:
    """Return the segments of the orders stream."""
    return segment.segments(folder, Stream.ORDERS)


def rewrite(path: Path, begin: int, content: bytes) -> None:
    """Write over a part of a file."""
    with path.open("r+b") as file:
        file.seek(begin)
        file.write(content)


def as_format_1(path: Path) -> None:
    """Give a segment the header that it had before a segment named the run before it."""
    head = bytearray(path.read_bytes()[: SEGMENT_HEAD_BYTES - 4])
    head[8:10] = (1).to_bytes(2, "little")
    head[24:32] = (1_790_000_000_000_000_000).to_bytes(8, "little")
    rewrite(path, 0, bytes(head) + zlib.crc32(head).to_bytes(4, "little"))


@settings(max_examples=25, deadline=None)
@given(runs=st.lists(st.integers(0, 40), max_size=6), old=st.integers(0, 6))
def test_runs_are_those_that_all_records_tell_of(
    tmp_path_factory: pytest.TempPathFactory, runs: list[int], old: int
) -> None:
    """Short ones, several in a segment, and long ones; the first written by an older version."""
    folder = tmp_path_factory.mktemp("journal")
    for number, records in enumerate(runs):
        write_run(folder, f"run-{number}", records)
        if number < old:
            for path, _ in order_segments(folder):
                as_format_1(path)
    reader = JournalReader(folder)
    wanted = naive_runs(folder)
    assert [run.name for run in wanted] == [f"run-{number}" for number in range(len(runs))]
    assert reader.runs() == wanted
    for record in reader.records():
        assert reader.run_at(record.seq) == [run for run in wanted if run.seq <= record.seq][-1]


def test_a_segment_in_which_no_run_begins_is_not_looked_at(tmp_path: Path) -> None:
    """A HEADER that is put into one is not found, since the segments behind it say that none is."""
    write_run(tmp_path, "long", 60)
    write_run(tmp_path, "short", 2)
    (_, *middle, _, _) = order_segments(tmp_path)
    assert len(middle) > 3
    for path, head in middle:
        forged, _ = encode_record(RecordType.HEADER, 50, 0, b'{"run":"forged"}', head.chain)
        rewrite(path, SEGMENT_HEAD_BYTES, forged)
    assert [run.name for run in JournalReader(tmp_path).runs()] == ["long", "short"]
    for path, _ in order_segments(tmp_path):
        as_format_1(path)
    assert "forged" in [run.name for run in JournalReader(tmp_path).runs()]


def test_a_segment_that_a_header_itself_begins_names_the_run_before_it(tmp_path: Path) -> None:
    """Whoever opens the journal knows the newest HEADER from the segment that it goes on in."""
    write_run(tmp_path, "first", 0)
    write_run(tmp_path, "second", 6)
    writer = JournalWriter(tmp_path, segment_bytes=SEGMENT_BYTES, disk_floor_bytes=0)
    third_seq = writer.open({"run": "third", "more": "." * 3000}, 5)
    (_, begun) = order_segments(tmp_path)
    (_, second, third) = JournalReader(tmp_path).runs()
    assert third.seq == third_seq
    assert (begun[1].first_seq, begun[1].run_seq) == (third_seq, second.seq)


def test_a_run_whose_header_is_spoiled_is_damage_and_not_the_run_before_it(tmp_path: Path) -> None:
    """Or its records would be read with the instruments of another run."""
    write_run(tmp_path, "first", 2)
    write_run(tmp_path, "second", 30)
    reader = JournalReader(tmp_path)
    first, second = reader.runs()
    path, _ = order_segments(tmp_path)[0]
    rewrite(path, path.read_bytes().find(b"second"), b"sEcond")
    with pytest.raises(JournalDamaged, match=f"{path}: the HEADER of seq {second.seq} is not"):
        reader.run_at(second.seq + 20)
    rewrite(path, path.read_bytes().find(b"first"), b"fIrst")
    for each, _ in order_segments(tmp_path):
        as_format_1(each)
    with pytest.raises(JournalDamaged, match=f"has the HEADER of the run of seq {first.seq}"):
        reader.run_at(first.seq)


def test_records_from_a_seq_on_are_the_last_of_all(tmp_path: Path) -> None:
    """From each of them, and from those that are not written yet, in both streams and in one."""
    write_run(tmp_path, "only", 25)
    reader = JournalReader(tmp_path)
    for streams in ((Stream.ORDERS, Stream.MARKET), (Stream.ORDERS,)):
        seqs = [record.seq for record in reader.records(streams=streams)]
        for from_seq in range(1, seqs[-1] + 3):
            found = [record.seq for record in reader.records(from_seq, streams)]
            assert found == [seq for seq in seqs if seq >= from_seq]


def test_what_is_passed_over_is_verified_where_its_lengths_lead_nowhere(tmp_path: Path) -> None:
    """A spoiled payload is nobody's who reads behind it; a spoiled length is found."""
    write_run(tmp_path, "only", 6)
    reader = JournalReader(tmp_path)
    records = [record.seq for record in reader.records(streams=(Stream.ORDERS,))]
    path, _ = order_segments(tmp_path)[0]
    place = path.read_bytes().find(b"hjr1", 1000)
    rewrite(path, place + 100, b"spoiled")
    last = list(reader.records(records[-1], (Stream.ORDERS,)))
    assert [record.seq for record in last] == records[-1:]
    rewrite(path, place + 100, bytes(7))
    assert len(list(reader.records(records[-1] + 1, (Stream.ORDERS,)))) == 0
    before_last = path.read_bytes().rfind(b"hjr1", 0, path.read_bytes().rfind(b"hjr1"))
    rewrite(path, before_last + 4, b"sums")
    with pytest.raises(JournalDamaged, match=f"{path}: offset {before_last}: "):
        list(reader.records(records[-1] + 1, (Stream.ORDERS,)))
    rewrite(path, place + 8, (900).to_bytes(4, "little"))
    with pytest.raises(JournalDamaged, match=f"{path}: offset {place}: "):
        list(reader.records(records[-1], (Stream.ORDERS,)))


def test_a_repaired_journal_names_its_runs_as_a_written_one_does(tmp_path: Path) -> None:
    """Each segment says in which run it begins."""
    folder = tmp_path / "journal"
    for name in ("first", "second"):
        write_run(folder, name, 30)
    path, _ = order_segments(folder)[1]
    rewrite(path, 3000, b"spoiled")
    repair(folder, tmp_path / "aside", plan(folder), 7, lambda _fresh: None)
    reader = JournalReader(folder)
    assert reader.runs() == naive_runs(folder)
    for part in order_segments(folder):
        begun = [run.seq for run in reader.runs() if run.seq < part[1].first_seq]
        assert part[1].run_seq == max(begun, default=0)
