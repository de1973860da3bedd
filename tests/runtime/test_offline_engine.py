"""Whose pid it is, and the end of that process alone: real processes that hold a real lock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hftd.runtime.offline_engine import find_engine, is_locked

ROOT = Path(__file__).parents[2]
HOLD = """
import signal, sys, time
from pathlib import Path
from hftd.runtime.lock import InstanceLock
if sys.argv[2] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
with InstanceLock(Path(sys.argv[1])):
    print("held", flush=True)
    signal.pause()
"""


@contextmanager
def holder(path: Path, kind: str = "hears") -> Iterator[subprocess.Popen[str]]:
    """Run a process that holds the lock and waits; it is gone afterwards."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), kind],
        cwd=ROOT, env={**os.environ, "OUR_KEY": "k"}, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("kind", "how"), [("hears", "SIGTERM"), ("deaf", "SIGKILL"), ("stopped", "SIGKILL")]
)
def test_the_holder_is_ended(tmp_path: Path, kind: str, how: str) -> None:
    """Asked first, then made; one that is stopped is not asked. The lock is free after it."""
    path = tmp_path / "lock"
    with holder(path, kind) as process:
        if kind == "stopped":
            process.send_signal(signal.SIGSTOP)
            os.waitpid(process.pid, os.WUNTRACED)
        engine = find_engine(path)
        assert engine is not None and engine.pid == process.pid
        with engine:
            assert engine.environ()["OUR_KEY"] == "k"
            ended = engine.end()
        assert ended.is_gone and how in ended.how
        assert process.wait() == -getattr(signal, how)
    assert not is_locked(path)


def test_without_a_lock_there_is_no_engine(tmp_path: Path) -> None:
    """No file, and a file with the pid of the dead or of somebody else, are nobody."""
    path = tmp_path / "lock"
    assert find_engine(path) is None
    path.write_text(f"{os.getpid()}\n")
    assert find_engine(path) is None and not is_locked(path)


def test_a_pid_that_does_not_hold_the_lock_is_not_taken(tmp_path: Path) -> None:
    """The lock is held, but by another process than the one whose pid stands there."""
    path = tmp_path / "lock"
    with holder(path):
        path.write_text(f"{os.getpid()}\n")
        assert is_locked(path) and find_engine(path) is None
