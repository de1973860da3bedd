"""The disk below the writer: files that are made and mapped, and the room that is left.

Owns the only four things that the writer wants of a disk. The simulation hands in one that
runs full, refuses and forgets; whoever reads a journal reads its files as they are.
"""

from __future__ import annotations

import errno
import mmap
import os
import threading
from collections.abc import Callable
from pathlib import Path

from hftd.journal import segment

PASSES = 20  # Each brings what came during the last: a few ms of it, until a moment without any.


class Ahead:
    """How far a segment is on the disk, by a sync that the writer did not wait for.

    ``at`` is the end of what is there, -1 before; ``errno`` says why it failed.
    """

    def __init__(self) -> None:
        self.at = -1
        self.errno = 0
        self.is_busy = False


class Disk:
    """The machine's own disk."""

    def make(self, path: Path, size_bytes: int) -> None:
        """Make a file of zeros whose blocks are there. Raises: OSError where there is no room."""
        segment.make(path, size_bytes)

    def map(self, path: Path) -> mmap.mmap:
        """Map a file for writing; its ``flush`` is what waits for the disk."""
        return segment.map_file(path, writable=True)

    def sync_ahead(self, path: Path, written: Callable[[], int], ahead: Ahead) -> None:
        """Bring a file to the disk beside the writer, and tell ``ahead`` how far it is.

        ``written`` says where the writer is; below 0 it has left this file. The thread waits for
        the disk without the interpreter, and has that for some microseconds a pass.
        """
        ahead.is_busy = True
        threading.Thread(target=_sync_ahead, args=(path, written, ahead), daemon=True).start()

    def free_bytes(self, folder: Path) -> int:
        """Return how much of the disk is free to us."""
        disk = os.statvfs(folder)
        return disk.f_bavail * disk.f_frsize


def _sync_ahead(path: Path, written: Callable[[], int], ahead: Ahead) -> None:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            for _ in range(PASSES):
                at = written()
                os.fdatasync(handle)
                ahead.at = at
                if written() == at or at < 0:
                    return
        finally:
            os.close(handle)
    except OSError as error:
        ahead.errno = error.errno or errno.EIO
    finally:
        ahead.is_busy = False


MACHINE = Disk()
