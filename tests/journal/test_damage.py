"""Torn tails are cut, damage is refused: what crash, power loss and bad disks leave behind."""

import shutil
import zlib

import pytest

from hftd.errors import JournalDamaged
from hftd.journal.cursor import RecorderCursor, publish
from hftd.journal.reader import JournalReader
from hftd.journal.record import FORMAT
from hftd.journal.writer import JournalWriter
from tests.journal.small import FACT, HEADER, payloads, small_writer, written_bytes


def test_torn_last_record_is_cut_at_each_of_its_bytes(tmp_path):
    """Crash, recover, write more, recover again, for each byte that a crash may leave."""
    source = tmp_path / "source"
    writer = small_writer(source)
    writer.open(HEADER, 0)
    writer.append(FACT, 1, b"kept")
    begin = written_bytes(source / "orders-00000001.hj") + 7 & -8
    writer.append(FACT, 2, b"the torn one")
    end = written_bytes(source / "orders-00000001.hj")
    writer.close()
    for size in range(begin, end):
        folder = tmp_path / str(size)
        shutil.copytree(source, folder)
        with (folder / "orders-00000001.hj").open("r+b") as file:
            file.seek(size)
            file.write(bytes(end - size))
        assert payloads(folder) == [(2, b"kept")]
        for more in (b"more", b"and more"):
            writer = small_writer(folder)
            writer.open(HEADER, 3)
            writer.append(FACT, 4, more)
            writer.close()
        assert payloads(folder) == [(2, b"kept"), (4, b"more"), (6, b"and more")]


def test_flipped_bit_before_the_tail_is_refused_with_file_and_offset(tmp_path):
    """A flipped bit in any byte of a record that is followed by another stops the start."""
    source = tmp_path / "source"
    writer = small_writer(source)
    writer.open(HEADER, 0)
    begin = (written_bytes(source / "orders-00000001.hj") + 7) & -8
    writer.append(FACT, 1, b"flip me, please!")
    end = written_bytes(source / "orders-00000001.hj")
    writer.append(FACT, 2, b"the last")
    writer.close()
    for offset in range(begin, end):
        folder = tmp_path / str(offset)
        shutil.copytree(source, folder)
        with (folder / "orders-00000001.hj").open("r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 0x10]))
        with pytest.raises(JournalDamaged, match=rf"orders-00000001.hj: offset {begin}:"):
            small_writer(folder).open(HEADER, 3)
        with pytest.raises(JournalDamaged, match=rf"orders-00000001.hj: offset {begin}:"):
            payloads(folder)


def test_page_that_power_loss_took_ends_the_journal(tmp_path):
    """Records behind a page that was never written back are a tail, not damage."""
    writer = JournalWriter(tmp_path, segment_bytes=1 << 16, disk_floor_bytes=0)
    writer.open(HEADER, 0)
    for number in range(200):
        writer.append(FACT, number, b"%03d" % number * 20)
    writer.close()
    with (tmp_path / "orders-00000001.hj").open("r+b") as file:
        file.seek(8192)
        file.write(bytes(4096))
    kept = len(payloads(tmp_path))
    assert 50 < kept < 100
    writer = JournalWriter(tmp_path, segment_bytes=1 << 16, disk_floor_bytes=0)
    writer.open(HEADER, 0)
    writer.append(FACT, 1, bytes(9000))
    writer.close()
    assert payloads(tmp_path)[kept:] == [(kept + 3, bytes(9000))]
    # Nothing of what was cut off may be taken for the continuation of what came after.
    again = JournalWriter(tmp_path, segment_bytes=1 << 16, disk_floor_bytes=0)
    assert again.open(HEADER, 0) == kept + 4


def test_flipped_bit_in_a_page_of_zeros_is_damage_where_it_was_durable(tmp_path):
    """A state of zeros looks like an unwritten page; what was on the disk has to be there."""
    writer = JournalWriter(tmp_path, segment_bytes=1 << 16, disk_floor_bytes=0)
    writer.open(HEADER, 0)
    writer.append_snapshot(0, bytes(16_000))
    writer.append(FACT, 1, b"a fill")
    writer.close()
    with (tmp_path / "orders-00000001.hj").open("r+b") as file:
        file.seek(6000)
        file.write(b"x")
    publish(tmp_path, RecorderCursor(seq=3, synced_seq=3))
    with pytest.raises(JournalDamaged, match="ends at seq 1, but 3 was on the disk"):
        payloads(tmp_path)
    with pytest.raises(JournalDamaged, match="ends at seq 1, but 3 was on the disk"):
        small_writer(tmp_path).open(HEADER, 0)
    publish(tmp_path, RecorderCursor(seq=3, synced_seq=1))
    assert small_writer(tmp_path).open(HEADER, 0) == 2


def test_missing_segment_is_refused(tmp_path):
    """A segment of orders that is gone from the middle stops the start and the reader."""
    writer = small_writer(tmp_path)
    writer.open(HEADER, 0)
    for number in range(30):
        writer.append(FACT, number, bytes(1000))
    writer.close()
    (tmp_path / "orders-00000002.hj").unlink()
    with pytest.raises(JournalDamaged, match="segment 2 before it is missing"):
        small_writer(tmp_path).open(HEADER, 0)
    with pytest.raises(JournalDamaged, match="segment 2 before it is missing"):
        payloads(tmp_path)


def test_segment_of_another_journal_is_refused(tmp_path):
    """A segment that does not follow the one before it is damage."""
    for name in ("ours", "theirs"):
        writer = small_writer(tmp_path / name)
        writer.open({"run": name}, 0)
        for number in range(30):
            writer.append(FACT, number, bytes(1000))
        writer.close()
    shutil.copy(tmp_path / "theirs/orders-00000002.hj", tmp_path / "ours/orders-00000002.hj")
    with pytest.raises(JournalDamaged, match="follows another"):
        payloads(tmp_path / "ours")


def test_newer_format_is_refused(tmp_path):
    """A journal of a newer version says so and is not touched."""
    small_writer(tmp_path).open(HEADER, 0)
    path = tmp_path / "orders-00000001.hj"
    head = bytearray(path.read_bytes()[:40])
    head[8] = FORMAT + 1
    head[36:40] = zlib.crc32(head[:36]).to_bytes(4, "little")
    with path.open("r+b") as file:
        file.write(head)
    with pytest.raises(JournalDamaged, match=f"newest known, was {FORMAT + 1}"):
        small_writer(tmp_path).open(HEADER, 0)


def test_a_record_without_its_head_is_refused_where_others_follow(tmp_path):
    """Its checksum is gone and cannot be computed: the record after the next one vouches."""
    writer = small_writer(tmp_path)
    writer.open(HEADER, 0)
    path = tmp_path / "orders-00000001.hj"
    begins = []
    for number in range(4):
        begins.append(written_bytes(path) + 7 & -8)
        writer.append(FACT, number, b"record %d." % number * 3)
    writer.close()
    with path.open("r+b") as file:
        file.seek(begins[1])
        file.write(b"\xa5" * 32)
    told = f"offset {begins[1]}: record does not verify, but records go on at offset {begins[2]}"
    with pytest.raises(JournalDamaged, match=told):
        payloads(tmp_path)
    with pytest.raises(JournalDamaged, match=told):
        small_writer(tmp_path).open(HEADER, 3)


def test_a_tail_that_is_polled_tells_of_damage_too(tmp_path):
    """A reader beside a living writer does not wait for a record that can never verify."""
    writer = small_writer(tmp_path)
    writer.open(HEADER, 0)
    path = tmp_path / "orders-00000001.hj"
    begin = written_bytes(path) + 7 & -8
    writer.append(FACT, 1, b"spoiled")
    writer.append(FACT, 2, b"whole")
    with path.open("r+b") as file:
        file.seek(begin + 32)
        file.write(b"S")
    tail = JournalReader(tmp_path).tail()
    assert [record.seq for record in tail.read(1)] == [1]
    with pytest.raises(JournalDamaged, match=f"offset {begin}: record does not verify"):
        tail.read(1)


def test_zeros_where_durable_records_were_are_damage_once_nobody_writes(tmp_path):
    """To a living reader zeros are what comes next; to one of a journal at rest they are a loss."""
    writer = small_writer(tmp_path)
    writer.open(HEADER, 0)
    path = tmp_path / "orders-00000001.hj"
    begin = written_bytes(path) + 7 & -8
    writer.append(FACT, 1, b"was on the disk")
    writer.close()
    with path.open("r+b") as file:
        file.seek(begin)
        file.write(bytes(100))
    publish(tmp_path, RecorderCursor(seq=2, synced_seq=2))
    assert [record.seq for record in JournalReader(tmp_path).tail().read(10)] == [1]
    with pytest.raises(JournalDamaged, match="ends at seq 1, but 2 was on the disk"):
        list(JournalReader(tmp_path).records())


def test_a_segment_whose_header_is_spoiled_is_refused(tmp_path):
    """A file that was begun as the next one shows says that it never was: nobody reads on."""
    writer = small_writer(tmp_path)
    writer.open(HEADER, 0)
    for number in range(30):
        writer.append(FACT, number, bytes(1000))
    writer.close()
    with (tmp_path / "orders-00000002.hj").open("r+b") as file:
        file.write(b"H")
    told = "orders-00000003.hj: offset 0: the segment before it has no valid header"
    with pytest.raises(JournalDamaged, match=told):
        payloads(tmp_path)
    with pytest.raises(JournalDamaged, match=told):
        small_writer(tmp_path).open(HEADER, 1)


@pytest.mark.parametrize("spoil", ["flipped", "garbage", "empty"])
def test_the_only_segment_with_a_spoiled_header_is_refused_where_it_was_durable(tmp_path, spoil):
    """It is no spare: whoever made it anew would begin without position, orders and latch."""
    writer = small_writer(tmp_path)
    writer.open(HEADER, 0)
    writer.append(FACT, 1, b"a position")
    writer.close()
    publish(tmp_path, RecorderCursor(seq=2, synced_seq=2))
    path = tmp_path / "orders-00000001.hj"
    whole = path.read_bytes()
    spoilt = {"flipped": bytes([whole[0] ^ 1]) + whole[1:], "garbage": b"?" * 63, "empty": b""}
    path.write_bytes(spoilt[spoil])
    with pytest.raises(JournalDamaged, match=r"orders-00000001.hj: offset 0: no valid header"):
        small_writer(tmp_path).open(HEADER, 3)
    assert path.read_bytes() == spoilt[spoil], "kept for whoever repairs it"
    path.unlink()
    (tmp_path / "orders-00000002.hj").unlink(missing_ok=True)
    small_writer(tmp_path).open(HEADER, 3)  # Somebody has taken it away: a new journal.


def test_a_spoiled_record_at_the_end_of_a_segment_is_refused_where_another_follows(tmp_path):
    """Nothing stands behind it in its own file, but the journal goes on."""
    writer = small_writer(tmp_path)
    writer.open(HEADER, 0)
    for number in range(20):
        writer.append(FACT, number, b"%04d" % number * 250)
    writer.close()
    path = tmp_path / "orders-00000001.hj"
    with path.open("r+b") as file:
        file.seek(written_bytes(path) - 10)
        file.write(b"?")
    with pytest.raises(JournalDamaged, match="record does not verify, but a segment follows"):
        payloads(tmp_path)
