"""A damaged journal made startable again: real files, real flips, and what is said to be lost."""

import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hftd.errors import JournalDamaged
from hftd.journal.cursor import RecorderCursor, publish, published
from hftd.journal.reader import JournalReader
from hftd.journal.record import (
    HEAD_BYTES,
    SEGMENT_HEAD_BYTES,
    RecordType,
    Stream,
    decode_json,
)
from hftd.journal.repair import Hole, plan, repair
from hftd.journal.segment import segments
from tests.journal.small import FACT, HEADER, SMALL, small_writer, written_bytes

BEFORE, AFTER = 60, 40  # Records before the snapshot and after it, over several segments.


def worked(folder):
    """Write a journal with a snapshot in the middle; return (snapshot's seq, last seq)."""
    writer = small_writer(folder)
    writer.open(HEADER, 0)
    for number in range(BEFORE):
        writer.append(FACT, number, b"before %d " % number + bytes(200 + number))
        writer.append_market(number, 1, b"depth %d" % number + bytes(150))
    snapshot_seq = writer.append_snapshot(100, bytes(range(256)) * 20)
    for number in range(AFTER):
        writer.append(FACT, 100 + number, b"after %d " % number + bytes(200))
        writer.append_market(100 + number, 1, b"depth %d" % number)
    writer.close()
    return snapshot_seq, writer.seq


def read(folder):
    """Return (stream, seq) to payload of all records, but for what a repair says of itself."""
    return {
        (record.stream, record.seq): bytes(record.payload)
        for record in JournalReader(folder).records()
        if record.record_type != RecordType.REPAIR
    }


def flip(path, offset):
    """Flip a bit of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x10]))


def mended(folder):
    """Repair a journal, go on with it as a start would; return the plan and what it held."""
    found = plan(folder)
    aside = folder.parent / "aside" / "journal"
    judged = []
    repair(folder, aside, found, 500, lambda fresh: judged.append(read(fresh)))
    held = read(folder)
    assert judged == [held]
    # What follows a repair: a start that writes, twice.
    for number in range(2):
        writer = small_writer(folder)
        seq = writer.open(HEADER, 600 + number)
        assert seq > max(seq for _, seq in held)
        writer.append(FACT, 700, b"goes on")
        writer.close()
    assert {key: value for key, value in read(folder).items() if key in held} == held
    return found, held


def test_a_sound_journal_has_nothing_to_repair(tmp_path):
    """Nothing is damaged, neither whole nor with the torn tail of a crash."""
    worked(tmp_path / "journal")
    assert plan(tmp_path / "journal").holes == []
    last = sorted((tmp_path / "journal").glob("orders-*.hj"))[-1]
    end = written_bytes(last)
    with last.open("r+b") as file:
        file.seek(end - 100)
        file.write(bytes(100))
    assert plan(tmp_path / "journal").holes == []


def test_damage_before_the_snapshot_costs_its_records_alone(tmp_path):
    """All that verifies is kept under its seq, the state too; what is lost is named by seq."""
    folder = tmp_path / "journal"
    snapshot_seq, last_seq = worked(folder)
    whole = read(folder)
    damaged = folder / "orders-00000002.hj"
    flip(damaged, SEGMENT_HEAD_BYTES + 500)
    bytes_before = damaged.read_bytes()
    found, held = mended(folder)
    (hole,) = found.holes
    lost = {key for key in whole if key not in held}
    assert {seq for _, seq in lost} == {
        seq for stream, seq in whole if stream == 1 and hole.after_seq < seq < hole.before_seq
    }
    assert 1 <= len(lost) <= 2 and found.cut_seq == 0
    assert held == {key: whole[key] for key in held}
    snapshot = JournalReader(folder).last_snapshot()
    assert (snapshot.seq, snapshot.state) == (snapshot_seq, bytes(range(256)) * 20)
    assert max(seq for _, seq in held) == last_seq
    assert (tmp_path / "aside/journal/orders-00000002.hj").read_bytes() == bytes_before
    assert "orders-00000002.hj: offset" in hole.told()


def test_damage_behind_the_snapshot_ends_the_journal_there(tmp_path):
    """Inputs with a hole among them make a state that never was: both streams end before it."""
    folder = tmp_path / "journal"
    snapshot_seq, _ = worked(folder)
    whole = read(folder)
    path, offset = _place_of(folder, b"after 10 ")
    flip(path, offset)
    found, held = mended(folder)
    assert found.cut_seq > snapshot_seq and found.unused > 0
    assert held == {key: value for key, value in whole.items() if key[1] <= found.cut_seq}


def test_damage_right_behind_the_snapshot_leaves_the_snapshot_alone(tmp_path):
    """The first record after it is spoiled: the journal ends with the state itself."""
    folder = tmp_path / "journal"
    snapshot_seq, _ = worked(folder)
    whole = read(folder)
    path, offset = _place_of(folder, b"after 0 ")
    flip(path, offset)
    found, held = mended(folder)
    assert (found.cut_seq, found.unused) == (snapshot_seq, AFTER - 1)
    assert held == {key: value for key, value in whole.items() if key[1] <= snapshot_seq}


def test_a_missing_segment_and_a_spoiled_header_are_holes(tmp_path):
    """A file that is gone costs its records; a header that is spoiled costs none or a few."""
    for name, spoil in (
        ("gone", lambda path: path.unlink()),
        ("spoiled", lambda path: flip(path, 20)),
    ):
        folder = tmp_path / name / "journal"
        folder.parent.mkdir()
        worked(folder)
        whole = read(folder)
        firsts = [part.head.first_seq for part in segments(folder, Stream.ORDERS)]
        spoil(folder / "orders-00000002.hj")
        found, held = mended(folder)
        (hole,) = found.holes
        assert (hole.path.name, hole.offset, found.cut_seq) == ("orders-00000002.hj", 0, 0)
        assert hole.resumed.name == ("orders-00000003.hj" if name == "gone" else hole.path.name)
        assert held == {key: whole[key] for key in held}
        gone = {key for key in whole if key[0] == 1 and firsts[1] <= key[1] < firsts[2]}
        assert set(whole) - set(held) == (gone if name == "gone" else set())


def test_market_data_that_went_by_size_is_no_hole(tmp_path):
    """What is left goes on from a segment that is gone: its header says with what."""
    folder = tmp_path / "journal"
    writer = small_writer(folder, max_bytes=8 * SMALL)
    writer.open(HEADER, 0)
    writer.append_snapshot(1, b"state")
    for number in range(20):
        writer.append_market(2, 1, b"depth %d" % number + bytes(3000))
        publish(folder, RecorderCursor(seq=writer.seq))
        assert writer.maintain() is None
    writer.close()
    assert segments(folder, Stream.MARKET)[0].head.number > 1
    found = plan(folder)
    assert (found.holes, found.last_seq) == ([], writer.seq)


def test_old_market_data_goes_as_it_would_by_size(tmp_path):
    """A damaged market segment before the snapshot goes with those before it; orders stay."""
    folder = tmp_path / "journal"
    worked(folder)
    whole = read(folder)
    flip(folder / "market-00000001.hj", SEGMENT_HEAD_BYTES + 300)
    found, held = mended(folder)
    assert found.market_from == 2 and found.cut_seq == 0
    assert {key for key in whole if key[0] == 1} <= set(held)
    assert held == {key: whole[key] for key in held}
    assert any(stream == 2 for stream, _ in held)


def test_market_damage_behind_the_snapshot_ends_both_streams(tmp_path):
    """Orders that were decided on lost market data are not replayed without it."""
    folder = tmp_path / "journal"
    snapshot_seq, _ = worked(folder)
    whole = read(folder)
    last = sorted(folder.glob("market-*.hj"))[-1]
    flip(last, written_bytes(last) - 900)
    found, held = mended(folder)
    assert found.cut_seq >= snapshot_seq
    assert held == {key: value for key, value in whole.items() if key[1] <= found.cut_seq}


def test_records_that_were_on_the_disk_and_are_gone_are_a_hole(tmp_path):
    """A tail of zeros where the recorder had synced is damage, and is repaired as such."""
    folder = tmp_path / "journal"
    worked(folder)
    publish(folder, RecorderCursor(synced_seq=10_000))
    with pytest.raises(JournalDamaged):
        small_writer(folder).open(HEADER, 1)
    found, _ = mended(folder)
    assert [hole.before_seq for hole in found.holes] == [0]


def test_without_any_snapshot_nothing_is_made_up(tmp_path):
    """No state is left to begin from: it says so, and touches nothing."""
    folder = tmp_path / "journal"
    writer = small_writer(folder)
    writer.open(HEADER, 0)
    for _ in range(3):
        writer.append(FACT, 1, b"fact")
    writer.close()
    flip(folder / "orders-00000001.hj", written_bytes(folder / "orders-00000001.hj") - 50)
    with pytest.raises(JournalDamaged, match="no whole snapshot"):
        plan(folder)


def test_a_journal_that_no_start_should_go_on_from_changes_nothing(tmp_path):
    """Where the new folder is refused, the old one stands as it was, and nothing beside it."""
    folder = tmp_path / "journal"
    worked(folder)
    flip(folder / "orders-00000002.hj", SEGMENT_HEAD_BYTES + 500)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def refuse(_fresh):
        raise JournalDamaged("no opening")

    with pytest.raises(JournalDamaged, match="no opening"):
        repair(folder, tmp_path / "aside", plan(folder), 500, refuse)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["journal"]


@pytest.mark.parametrize(
    ("offset", "length", "lost"),
    [(40, 1, 1), (4, 1, 1), (0, 32, 2)],
    ids=["its payload", "its checksum", "its head"],
)
def test_a_spoiled_record_costs_itself_and_without_its_head_the_next(
    tmp_path, offset, length, lost
):
    """The stored checksum vouches for the next record, else the computed one, else the third."""
    folder = tmp_path / "journal"
    worked(folder)
    whole = read(folder)
    path, payload_at = _place_of(folder, b"before 10 ")
    with path.open("r+b") as file:
        file.seek(payload_at - 32 + offset)
        file.write(b"\xa5" * length)
    found, held = mended(folder)
    seqs = [seq for (stream, seq), payload in whole.items()
            if stream == 1 and payload.startswith((b"before 10 ", b"before 11 "))]  # fmt: skip
    assert {seq for _, seq in set(whole) - set(held)} == set(seqs[:lost])
    (hole,) = found.holes
    assert (hole.path, hole.resumed, hole.offset) == (path, path, payload_at - 32)
    assert (found.cut_seq, found.kept, found.unused) == (0, len(_orders(whole)) - lost, 0)


def test_damage_from_the_first_record_on_is_told_as_such(tmp_path):
    """Nothing good stands before it: the hole begins after seq 0."""
    folder = tmp_path / "journal"
    worked(folder)
    flip(folder / "orders-00000001.hj", SEGMENT_HEAD_BYTES + 34)
    (hole,) = plan(folder).holes
    assert (hole.offset, hole.after_seq, hole.before_seq) == (SEGMENT_HEAD_BYTES, 0, 2)


def test_half_a_record_at_the_end_is_no_hole(tmp_path):
    """A process that dies leaves it; what is behind the cut of a torn tail was never promised."""
    folder = tmp_path / "journal"
    worked(folder)
    last = sorted(folder.glob("orders-*.hj"))[-1]
    writer = small_writer(folder)
    writer.open(HEADER, 500)
    writer.append(FACT, 501, b"torn" * 20)
    writer.close()
    end = written_bytes(last)
    with last.open("r+b") as file:
        file.seek(end - 40)
        file.write(bytes(40))
    (folder / "orders-00000099.hj").touch()  # A file that was made and got no room yet.
    found = plan(folder)
    assert (found.holes, found.cut_seq, found.unused) == ([], 0, 0)


def test_what_looks_like_a_record_within_a_broken_one_is_passed_over(tmp_path):
    """A payload may hold the magic, at a multiple of eight or not: it vouches for nothing."""
    folder = tmp_path / "journal"
    writer = small_writer(folder)
    writer.open(HEADER, 0)
    writer.append(FACT, 1, b"broken ." + b"hjr1hjr1..hjr1.." * 9)
    writer.append(FACT, 2, b"lent no word")
    writer.append(FACT, 3, b"whole")
    snapshot_seq = writer.append_snapshot(4, b"state")
    writer.close()
    path, at = _place_of(folder, b"broken .")
    with path.open("r+b") as file:
        file.seek(at - 32)
        file.write(b"\xa5" * 32)
    found, held = mended(folder)
    assert set(held) == {(1, 1), (1, 4), (1, snapshot_seq)}
    assert [(hole.after_seq, hole.before_seq) for hole in found.holes] == [(1, 4)]


def test_a_few_stray_bytes_behind_a_segments_last_record_are_a_hole_of_no_record(tmp_path):
    """Too few for a head, in a segment that another follows: named, and nothing is lost by it."""
    folder = tmp_path / "journal"
    worked(folder)
    whole = read(folder)
    path = folder / "orders-00000001.hj"
    end = written_bytes(path) + 7 & -8
    stray = path.stat().st_size - 8
    assert end < stray
    with path.open("r+b") as file:
        file.seek(stray)
        file.write(b"stray...")
    found, held = mended(folder)
    (hole,) = found.holes
    assert hole.path == path and hole.resumed.name == "orders-00000002.hj"
    assert held == whole


def test_damage_in_the_middle_with_nothing_good_behind_it_in_its_segment(tmp_path):
    """The rest of a segment is spoiled: the next one's records are kept by its own chain."""
    folder = tmp_path / "journal"
    worked(folder)
    whole = read(folder)
    path, at = _place_of(folder, b"before 20 ")
    with path.open("r+b") as file:
        file.seek(at - 32)
        file.write(b"\xa5" * (written_bytes(path) - at + 32))
    found, held = mended(folder)
    (hole,) = found.holes
    assert hole.resumed.name == "orders-00000002.hj"
    lost = {seq for _, seq in set(whole) - set(held)}
    assert lost == {seq for seq in _orders(whole) if hole.after_seq < seq < hole.before_seq}
    assert len(lost) > 3


def test_a_repair_says_what_it_did_and_what_is_on_the_disk(tmp_path):
    """Its record's seq is far behind all that was, is returned, and stands in the cursor."""
    folder = tmp_path / "journal"
    _, last_seq = worked(folder)
    publish(folder, RecorderCursor(seq=77, synced_seq=5, logged_seq=88))
    flip(folder / "market-00000001.hj", SEGMENT_HEAD_BYTES + 300)
    left_by_another = tmp_path / "journal.repaired"
    left_by_another.mkdir()
    (left_by_another / "orders-00000001.hj").write_bytes(b"half of an interrupted repair")
    (tmp_path / "aside").mkdir()
    found = plan(folder)
    assert found.last_seq == last_seq
    assert [hole.path.name for hole in found.holes] == ["market-00000001.hj"]
    seq = repair(folder, tmp_path / "aside" / "1", found, 500, lambda _fresh: None)
    assert seq == last_seq + 1_000_000
    (told,) = [r for r in JournalReader(folder).records() if r.record_type == RecordType.REPAIR]
    assert (told.seq, told.ts_ns) == (seq, 500)
    assert decode_json(told.payload) == {"lost": [found.holes[0].told()], "unused": 0}
    assert published(folder) == RecorderCursor(77, seq, 500, logged_seq=88)
    assert not left_by_another.exists()


def test_a_repair_numbers_from_the_newest_record_of_either_stream(tmp_path):
    """The last record of all may be one of the orders as well as one of the market."""
    for name, last in (("orders", 0), ("market", 1)):
        folder = tmp_path / name / "journal"
        folder.parent.mkdir()
        writer = small_writer(folder)
        writer.open(HEADER, 0)
        writer.append_snapshot(1, b"state")
        for _ in range(5):
            writer.append(FACT, 2, b"fact")
        for number in range(5 * last):
            writer.append_market(3, 1, b"depth %d" % number)
        writer.close()
        assert plan(folder).last_seq == writer.seq
        aside = tmp_path / name / "aside" / "journal"
        repair(folder, aside, plan(folder), 9, lambda _fresh: None)
        assert aside.parent.stat().st_mode & 0o777 == 0o700


def test_a_plan_tells_what_is_kept_and_from_when(tmp_path):
    """The snapshot, the last record of all with its time, and every record that verifies."""
    folder = tmp_path / "journal"
    snapshot_seq, last_seq = worked(folder)
    whole = read(folder)
    found = plan(folder)
    assert (found.snapshot_seq, found.last_seq, found.last_ts_ns) == (
        snapshot_seq, last_seq, 100 + AFTER - 1,
    )  # fmt: skip
    assert (found.kept, found.unused, found.cut_seq, found.market_from) == (
        len(_orders(whole)), 0, 0, 0,
    )  # fmt: skip
    path, at = _place_of(folder, b"after 10 ")
    flip(path, at)
    (broken,) = (seq for (_, seq), payload in whole.items() if payload.startswith(b"after 10 "))
    found = plan(folder)
    assert (found.cut_seq, found.last_ts_ns) == (broken - 2, 100 + AFTER - 1)  # Its depth beside.
    kept = sum(seq <= found.cut_seq for seq in _orders(whole))
    assert (found.kept, found.unused) == (kept, len(_orders(whole)) - kept - 1)


def test_half_a_snapshot_before_a_whole_one_does_not_count(tmp_path):
    """Parts of an interrupted one are passed over, be the whole one of one part or of several."""
    for name, state in (("one", b"state"), ("several", bytes(2 * SMALL))):
        folder = tmp_path / name
        writer = small_writer(folder)
        writer.open(HEADER, 0)
        for number in (0, 1):
            part = number.to_bytes(4, "little") + (3).to_bytes(4, "little") + b"part"
            writer.append(RecordType.SNAPSHOT, 1, part)
        seq = writer.append_snapshot(2, state)
        writer.append(RecordType.SNAPSHOT, 3, bytes(4) + (2).to_bytes(4, "little") + b"part")
        writer.close()
        assert plan(folder).snapshot_seq == seq


def test_a_repaired_journal_has_files_as_they_were(tmp_path):
    """Of the old size, as few of them, for the owner alone, though records fill them whole."""
    folder = tmp_path / "journal"
    writer = small_writer(folder)
    writer.open(HEADER, 0)
    for _ in range(3):
        writer.append_frame(0, 1, b"x" * (SMALL - SEGMENT_HEAD_BYTES - 33))
    writer.append(FACT, 0, b"spoiled")
    writer.append_snapshot(4, b"state")
    writer.close()
    path, at = _place_of(folder, b"spoiled")
    flip(path, at)
    begun = [part.path.name for part in segments(folder, Stream.ORDERS)]
    found = plan(folder)
    repair(folder, tmp_path / "aside", found, 9, lambda _fresh: None)
    assert [part.path.name for part in segments(folder, Stream.ORDERS)] == begun
    assert {path.stat().st_size for path in folder.glob("*.hj")} == {SMALL}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_record_that_ends_with_its_segment_is_not_moved_to_the_next(tmp_path):
    """Orders that are copied whole stand in their segments as they did, to the last byte."""
    folder = tmp_path / "journal"
    writer = small_writer(folder)
    writer.open(HEADER, 0)
    for number in range(5):
        writer.append_market(1, 1, b"depth %d" % number)
    writer.append_snapshot(2, b"state")
    first = folder / "orders-00000001.hj"
    end = written_bytes(first) + 7 & -8
    writer.append(FACT, 3, b"x" * (SMALL - end - HEAD_BYTES))
    assert written_bytes(first) == SMALL
    writer.append(FACT, 4, b"next")
    writer.close()
    before = first.read_bytes()
    flip(folder / "market-00000001.hj", SEGMENT_HEAD_BYTES + HEAD_BYTES + 2)
    found = plan(folder)
    repair(folder, tmp_path / "aside", found, 9, lambda _fresh: None)
    assert len(found.holes) == 1
    assert first.read_bytes()[SEGMENT_HEAD_BYTES:] == before[SEGMENT_HEAD_BYTES:]


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_whatever_is_spoiled_what_is_kept_is_true(tmp_path_factory, data):
    """Flips and holes anywhere in any file: kept records are the old ones, and a start goes on.

    Zeros up to a page's end are what a loss of power leaves too: where any were put, nothing is
    said of how much is kept.
    """
    folder = tmp_path_factory.mktemp("spoiled") / "journal"
    worked(folder)
    whole = read(folder)
    files = sorted(folder.glob("*.hj"))
    spoils = data.draw(st.integers(1, 3))
    filling = data.draw(st.sampled_from([b"\0", b"\xa5"]))
    zeroed = False
    for _ in range(spoils):
        path = data.draw(st.sampled_from(files))
        offset = data.draw(st.integers(0, 8191))
        if data.draw(st.booleans()):
            flip(path, offset)
        else:
            with path.open("r+b") as file:
                file.seek(offset)
                file.write(filling * min(64, 8192 - offset))
            zeroed |= filling == b"\0"
    try:
        found, held = mended(folder)
    except JournalDamaged as damaged:
        assert "no whole snapshot" in str(damaged)  # noqa: PT017 - or it goes well.
    else:
        assert held == {key: whole[key] for key in held}
        lost = len(whole) - len(held)
        assert zeroed or lost <= sum(_lost(whole, hole) for hole in found.holes) + (
            sum(seq > found.cut_seq for _, seq in whole) if found.cut_seq else 0
        ) + (sum(stream == 2 for stream, _ in whole) if found.market_from else 0) + (
            min(_torn(whole, held), TORN_BY_ONE * spoils)
        )
    shutil.rmtree(folder.parent)


# The very end of a stream that nobody was promised is no hole: 64 bytes touch three records,
# and the one behind them has none after it that vouches for it.
TORN_BY_ONE = 4


def _torn(whole, held):
    last = {stream: max((seq for of, seq in held if of == stream), default=0) for stream in (1, 2)}
    return sum(seq > last[stream] for stream, seq in whole)


def _orders(whole):
    return [seq for stream, seq in whole if stream == 1]


def _lost(whole, hole):
    end = hole.before_seq or 10**9
    return sum(hole.after_seq < seq < end for _, seq in whole)


def _place_of(folder, text):
    for path in sorted(folder.glob("orders-*.hj")):
        at = path.read_bytes().find(text)
        if at >= 0:
            return path, at
    raise AssertionError(f"{text!r} stands in no segment")


def test_a_hole_is_told_with_the_good_records_around_it(tmp_path):
    """Where good records follow it says before which; where none do, that it goes to the end."""
    hole = Hole(tmp_path / "orders-00000002.hj", 512, after_seq=7, before_seq=12)
    where = "orders-00000002.hj: offset 512: records after seq 7"
    assert hole.told() == f"{where} and before 12"
    assert hole._replace(before_seq=0).told() == f"{where} to the end"
