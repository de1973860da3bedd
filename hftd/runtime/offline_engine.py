"""The engine's process seen from outside: who holds the instance's lock, and its end.

Owns the proof that a pid is the engine's before it is touched, since a pid in a file may be
somebody else's by now. The kernel says whether the lock is held; the pid inside says by whom;
that process must have this very file open. A pidfd taken before the proof keeps the signal from
reaching another process that was given the same pid in between.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from hftd.control.instances import has_open

LOOK_SECONDS = 0.02
# Between its lock and its write the holder has no pid in the file yet.
NAME_SECONDS = 0.5
# SIGTERM first: an engine that still hears ends in order. It shall not be waited for.
HEAR_SECONDS = 0.5
END_SECONDS = 5.0  # A process that outlives SIGKILL for so long hangs in the kernel.


class Ended(NamedTuple):
    """How the engine's process came to its end; ``is_gone`` is false where it did not."""

    is_gone: bool
    how: str


class Engine:
    """A living process that holds an instance's lock; a context that closes its pidfd."""

    def __init__(self, pid: int, pidfd: int) -> None:
        self.pid = pid
        self._pidfd = pidfd

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._pidfd)

    def environ(self) -> dict[str, str]:
        """Return the environment that it was started with, empty where it may not be read.

        Credentials may be named by variables that only the engine's own shell or unit has set.
        """
        try:
            text = Path(f"/proc/{self.pid}/environ").read_bytes()
        except OSError:
            return {}
        pairs = (pair.partition("=") for pair in text.decode("utf-8", "replace").split("\0"))
        return {name: value for name, _, value in pairs if name}

    def end(self) -> Ended:
        """End the process: ask it, then make it; one that is stopped hears nothing.

        Raises: PermissionError where it is another user's.
        """
        if not self._is_stopped():
            self._send(signal.SIGTERM)
            if self._has_ended(HEAR_SECONDS):
                return Ended(True, "ended by SIGTERM")
        self._send(signal.SIGKILL)
        if self._has_ended(END_SECONDS):
            return Ended(True, "ended by SIGKILL")
        return Ended(False, f"still there {END_SECONDS:g} s after SIGKILL")

    def _send(self, number: signal.Signals) -> None:
        try:
            signal.pidfd_send_signal(self._pidfd, number)
        except ProcessLookupError:
            pass  # It has just gone by itself.

    def _is_stopped(self) -> bool:
        try:
            status = Path(f"/proc/{self.pid}/stat").read_text()
        except OSError:
            return False
        return status.rpartition(")")[2].split()[0] in "Tt"

    def _has_ended(self, within_s: float) -> bool:
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(within_s * 1000))


def is_locked(lock_path: Path) -> bool:
    """Say whether a living process holds the instance's lock."""
    try:
        fd = os.open(lock_path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Shared, for the time of a look: two who look do not take each other for the engine.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def find_engine(lock_path: Path) -> Engine | None:
    """Return the process that holds the instance's lock, None where it cannot be told which.

    Raises: PermissionError where it is another user's.
    """
    deadline = time.monotonic() + NAME_SECONDS
    while is_locked(lock_path):
        text = lock_path.read_text("ascii", "replace").strip()
        found = _holder(int(text), lock_path) if text.isdecimal() else None
        if found is not None or time.monotonic() > deadline:
            return found
        time.sleep(LOOK_SECONDS)
    return None


def _holder(pid: int, lock_path: Path) -> Engine | None:
    try:
        pidfd = os.pidfd_open(pid)
    except (OSError, OverflowError):
        return None
    engine = Engine(pid, pidfd)
    try:
        if has_open(pid, lock_path):
            return engine
    except BaseException:
        os.close(pidfd)
        raise
    os.close(pidfd)
    return None
