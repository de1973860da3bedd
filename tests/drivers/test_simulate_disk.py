from __future__ import annotations

import errno
from pathlib import Path

import pytest

from hftd.drivers.simulate_disk import SimulatedDisk
from hftd.journal.reader import JournalReader
from hftd.journal.record import PAGE, RecordType, Stream
from hftd.journal.segment import segments
from hftd.journal.writer import JournalWriter
from hftd.simex.flow_noise import Noise

SIZE = 4 * PAGE


def written(folder: Path, seed: int) -> tuple[SimulatedDisk, Path]:
    """Return a disk with one file: a page of ``a`` that is durable, then half a page of ``b``."""
    disk, path = SimulatedDisk(Noise(seed)), folder / "f"
    disk.make(path, SIZE)
    mapped = disk.map(path)
    mapped[0:PAGE] = b"a" * PAGE
    mapped.flush(0, PAGE)
    mapped[PAGE : PAGE + 2_000] = b"b" * 2_000
    return disk, path


def test_power_loss_keeps_what_was_flushed_and_a_prefix_of_the_rest(tmp_path: Path) -> None:
    """Over many losses the durable page stays, and what is left of the rest differs in length."""
    kept = set()
    for seed in range(40):
        folder = tmp_path / str(seed)
        folder.mkdir()
        disk, path = written(folder, seed)
        disk.lose_power(folder)
        data = path.read_bytes()
        assert data[:PAGE] == b"a" * PAGE and len(data) == SIZE
        rest = data[PAGE:].rstrip(b"\0")
        assert rest == b"b" * len(rest)
        kept.add(len(rest))
    assert len(kept) > 10 and 0 in kept


def test_a_failed_flush_loses_its_bytes_for_good(tmp_path: Path) -> None:
    """After EIO a second flush says yes, and the power takes what it did not write."""
    disk, path = written(tmp_path, 1)
    disk.failing = True
    mapped = disk._maps[path]
    with pytest.raises(OSError, match="refuses") as caught:
        mapped.flush()
    assert caught.value.errno == errno.EIO
    disk.failing = False
    mapped.flush()
    assert path.read_bytes()[PAGE : PAGE + 2_000] == b"b" * 2_000
    assert bytes(disk._durable[path][PAGE:]) == bytes(SIZE - PAGE)


def test_a_full_disk_makes_no_file(tmp_path: Path) -> None:
    """No file, no free bytes; what is mapped already can be written."""
    disk, path = written(tmp_path, 1)
    disk.full = True
    with pytest.raises(OSError, match="no space"):
        disk.make(tmp_path / "g", SIZE)
    assert not (tmp_path / "g").exists()
    assert disk.free_bytes(tmp_path) == 0
    disk._maps[path][0:1] = b"c"


def test_a_file_that_was_never_flushed_may_be_gone(tmp_path: Path) -> None:
    """In some losses of power a new file is gone as a whole."""
    there = []
    for seed in range(20):
        disk, path = SimulatedDisk(Noise(seed)), tmp_path / str(seed)
        disk.make(path, SIZE)
        disk.lose_power(tmp_path)
        there.append(path.exists())
    assert any(there) and not all(there)


@pytest.mark.parametrize("market", [False, True])
def test_a_power_loss_right_behind_a_used_up_segment_leaves_no_damage(
    tmp_path: Path, market: bool
) -> None:
    """Whatever the power takes, the journal reads up to some record and is not refused."""
    lost = 0
    for seed in range(20):
        folder = tmp_path / str(seed)
        disk = SimulatedDisk(Noise(seed))
        journal = JournalWriter(folder, segment_bytes=64 << 10, disk_floor_bytes=1, disk=disk)
        journal.open({"run": "r"}, 1)
        for _ in range(70):  # Some sixty of them are a segment.
            if market:
                journal.append_market(2, 1, b"m" * 1_000)
            else:
                journal.append(RecordType.FACT, 2, b"f" * 1_000)
        disk.lose_power(folder)
        lost += journal.seq - max(record.seq for record in JournalReader(folder).records())
    assert lost > 0


def test_a_power_loss_behind_a_segment_that_was_synced_ahead_leaves_no_damage(
    tmp_path: Path,
) -> None:
    """The next one has begun with room left behind, and whatever the power takes is an end."""
    for seed in range(10):
        folder = tmp_path / str(seed)
        disk = SimulatedDisk(Noise(seed))
        journal = JournalWriter(folder, segment_bytes=1 << 20, disk_floor_bytes=1, disk=disk)
        journal.open({"run": "r"}, 1)
        for number in range(940):  # Over seven of eight parts of a segment.
            journal.append(RecordType.FACT, 2, b"f" * 1_000)
            if number == 930:
                assert journal.maintain() is None
        assert len(segments(folder, Stream.ORDERS)) == 2
        disk.lose_power(folder)
        newest = max(record.seq for record in JournalReader(folder).records())
        assert newest >= 932, "what was synced ahead is there"
