"""Epoch and latch as the disk gives them back: read, or refused as damaged, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from hftd.errors import JournalDamaged
from hftd.runtime.identity import MAX_EPOCH, next_epoch, read_latch


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 20, b"\xff", "\uff19".encode(), b"-1", b"1e3", b"9" * 5000, b"%d" % MAX_EPOCH],
)
def test_an_epoch_that_is_none_is_damage(tmp_path: Path, content: bytes) -> None:
    """An id must not come twice: what no boot wrote is refused, and stays as it is."""
    path = tmp_path / "epoch"
    path.write_bytes(content)
    with pytest.raises(JournalDamaged, match="a boot epoch is needed"):
        next_epoch(path, 5)
    assert path.read_bytes() == content


def test_an_epoch_grows_whatever_the_clock_says(tmp_path: Path) -> None:
    """From the clock at first, by one where the clock went back."""
    path = tmp_path / "epoch"
    assert [next_epoch(path, unix_s) for unix_s in (100, 7, 200)] == [100, 101, 200]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"null",
        b"[" * 100_000,
        b'{"state":"KILLED","code":1e999,"ts_ns":1}',
        b'{"state":["x"],"code":1,"ts_ns":1}',
    ],
)
def test_a_latch_that_is_none_is_damage(tmp_path: Path, content: bytes) -> None:
    """What cannot be read is no reason to trade."""
    path = tmp_path / "latch.json"
    path.write_bytes(content)
    with pytest.raises(JournalDamaged, match="a latch file is needed"):
        read_latch(path)


def test_what_cannot_be_read_at_all_is_damage_too(tmp_path: Path) -> None:
    """A folder in the place of epoch or latch: no bug of ours, and no reason to trade."""
    with pytest.raises(JournalDamaged, match="a latch file is needed, was unreadable"):
        read_latch(tmp_path)
    with pytest.raises(JournalDamaged, match="a boot epoch is needed, was unreadable"):
        next_epoch(tmp_path, 1)
