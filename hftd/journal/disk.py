"""The disk below the writer: files that are made and mapped, and the room that is left.

Owns the only five things that the writer wants of a disk. The simulation hands in one that
runs full, refuses and forgets; whoever reads a journal reads its files as they are.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from hftd.journal import pages, segment
from hftd.journal.record import PAGE

PASSES = 20  # Each brings what came during the last: a few ms of it, until a moment without any.
# So far before the writer, and at least so often where it has moved: a sync takes it back.
READY_BYTES = 256 << 10
READY_SECONDS = 1.0


class Place(Protocol):
    """Where somebody writes: a file's address (0 where none is mapped), its size, and how far."""

    address: int
    size: int
    pos: int


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

    def make_ready(self, places: Sequence[Place]) -> Callable[[bool], None]:
        """Make the pages writable that somebody comes to next, in a thread; return what wakes it.

        The first write to a page of a file, and the first after each sync of it, asks the file
        system, which may be at writing its own journal: with 240 orders a second some were 10 to
        70 ms late for that (ext4). The thread waits without the interpreter, and has that for
        some microseconds a pass. What wakes it ends it when called with False; the queue between
        has at most an entry for each half of `READY_BYTES` that a segment has room for.
        """
        woken: queue.SimpleQueue[bool] = queue.SimpleQueue()
        threading.Thread(target=_make_ready, args=(places, woken), daemon=True).start()
        return woken.put

    def free_bytes(self, folder: Path) -> int:
        """Return how much of the disk is free to us, 0 where the folder is gone."""
        try:
            disk = os.statvfs(folder)
        except OSError:
            return 0
        return disk.f_bavail * disk.f_frsize


def _make_ready(places: Sequence[Place], woken: queue.SimpleQueue[bool]) -> None:
    known: dict[int, tuple[int, int]] = {}
    # While it has the interpreter the loop waits for it, so it goes before others as the loop does.
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, os.getpid()))
    goes_on = True
    while goes_on:
        for number, place in enumerate(places):
            here, at = (place.address, place.pos), place.pos // PAGE * PAGE
            size_bytes = min(READY_BYTES, place.size - at)
            # Where nothing was written nothing is made anew: the kernel would bring it to the disk
            # each time. A file that is let go of meanwhile leaves an address of no use, no harm.
            if place.address and size_bytes > 0 and known.get(number) != here:
                pages.make_writable(place.address + at, size_bytes)
                known[number] = here
        with contextlib.suppress(queue.Empty):
            goes_on = woken.get(timeout=READY_SECONDS)


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
