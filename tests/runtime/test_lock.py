"""Instance lock: one holder at a time, named by its pid, freed by its death (C39)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hftd.errors import HftdError, InstanceLocked
from hftd.runtime.lock import InstanceLock

HOLDER = """
import sys
from pathlib import Path
from hftd.runtime.lock import InstanceLock
lock = InstanceLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_refused_and_told_the_pid(tmp_path: Path) -> None:
    """The refusal names the pid that holds the lock; kill -9 of the holder frees it."""
    path = tmp_path / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InstanceLocked, match=f"as pid {holder.pid}:") as refusal:
            InstanceLock(path).acquire()
        assert refusal.value.exit_code == 75
        holder.kill()
        holder.wait(10)
    with InstanceLock(path):
        pass


def test_release_lets_the_next_one_in(tmp_path: Path) -> None:
    """Within one process as well a lock is exclusive until it is released."""
    path = tmp_path / "lock"
    with InstanceLock(path), pytest.raises(InstanceLocked):
        InstanceLock(path).acquire()
    with InstanceLock(path):
        assert path.stat().st_mode & 0o777 == 0o600


def test_its_room_on_the_disk_is_kept(tmp_path: Path) -> None:
    """The file is never empty again, whoever held it: the next holder needs no free block."""
    path = tmp_path / "lock"
    with InstanceLock(path):
        assert path.read_text() == f"{os.getpid()}\n"
    assert path.read_text() == "\n"


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    """A planted symbolic link must not make us truncate another file."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "lock").symlink_to(victim)
    with pytest.raises(HftdError, match="symbolic links"):
        InstanceLock(tmp_path / "lock").acquire()
    assert victim.read_text() == "precious"


def test_a_lock_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    """A folder in its place, say."""
    (tmp_path / "lock").mkdir()
    with pytest.raises(HftdError, match=r"the lock .*lock cannot be opened: is a directory"):
        InstanceLock(tmp_path / "lock").acquire()
