"""The instance's lock: one process at a time may trade for an instance (C39).

Owns the lock file. Must not know what is locked. The kernel drops a flock when its holder
dies, however it dies, so a lock is never stale; the file stays, because removing it would let
two processes lock two files of one name.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from types import TracebackType

from hftd.errors import HftdError, InstanceLocked, reason_of


class InstanceLock:
    """A flock with the holder's pid inside, as a context."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def acquire(self) -> None:
        """Take the lock.

        Raises: InstanceLocked, naming the pid that holds it; HftdError where the file cannot be
            opened or made.
        """
        assert self._fd < 0, "the lock is held already by this object"
        try:
            # Python opens with O_CLOEXEC: a child process does not inherit the lock.
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            why = reason_of(error)
            raise HftdError(f"the lock {self._path} cannot be opened: {why}") from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _read_pid(fd)
            os.close(fd)
            raise InstanceLocked(
                f"instance is running already as pid {holder}: it holds {self._path}; "
                "stop that one first, or give this one another --name"
            ) from None
        try:
            _write(fd, f"{os.getpid()}\n")
        except OSError:
            os.close(fd)
            raise
        self._fd = fd

    def release(self) -> None:
        """Give the lock back; without one held, do nothing."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):  # The kernel frees it; the pid is for people.
                _write(self._fd, "\n")
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> InstanceLock:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


def _write(fd: int, text: str) -> None:
    # Over what is there, and never to an empty file: its room on the disk stays ours, so that a
    # process can be started again on a full one.
    os.pwrite(fd, text.encode(), 0)
    os.ftruncate(fd, len(text))


def _read_pid(fd: int) -> str:
    # Between its lock and its write the holder has no pid in the file yet.
    text = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
    return text if text.isdigit() else "unknown"
