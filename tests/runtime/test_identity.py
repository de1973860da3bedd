"""Epoch and latch as the disk gives them back: read, or refused as damaged, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from hftd.errors import JournalDamaged
from hftd.runtime.identity import MAX_EPOCH, next_epoch, read_latch, write_durably

ROOT = Path(__file__).parents[2]
WRITES, LENGTH = 100, 1 << 16
WRITE_ALL_THE_TIME = f"""
import sys
from pathlib import Path
from hftd.runtime.identity import write_durably
print("ready", flush=True)
sys.stdin.read()
for _ in range({WRITES}):
    write_durably(Path(sys.argv[1]), sys.argv[2] * {LENGTH})
"""


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


def test_two_who_write_at_once_each_write_a_whole_text(tmp_path: Path) -> None:
    """The engine and kill-offline, say: whenever it is read, all of one text stands there."""
    path = tmp_path / "latch.json"
    write_durably(path, "a" * LENGTH)
    with ExitStack() as stack:
        writers = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", WRITE_ALL_THE_TIME, str(path), text],
                    cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                )
            )
            for text in "ab"
        ]  # fmt: skip
        for writer in writers:
            assert writer.stdout is not None and writer.stdout.readline() == "ready\n"
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.close()
        seen = set()
        while any(writer.poll() is None for writer in writers):
            seen.add(path.read_text())
    assert seen <= {"a" * LENGTH, "b" * LENGTH} and seen
    assert [writer.returncode for writer in writers] == [0, 0]
    assert os.listdir(tmp_path) == [path.name]


def test_the_draft_of_the_dead_goes_with_the_next_write(tmp_path: Path) -> None:
    """What a process died over is nobody's; one that lives still needs its own."""
    path, alive = tmp_path / "epoch", tmp_path / f"epoch.{os.getppid()}.new"
    (tmp_path / "epoch.4194305.new").write_text("half")  # Above any pid that there can be.
    alive.write_text("half")
    write_durably(path, "7")
    assert sorted(tmp_path.iterdir()) == [path, alive] and path.read_text() == "7"
