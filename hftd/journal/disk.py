"""The disk below the writer: files that are made and mapped, and the room that is left.

Owns the only three things that the writer wants of a disk. The simulation hands in one that
runs full, refuses and forgets; whoever reads a journal reads its files as they are.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from hftd.journal import segment


class Disk:
    """The machine's own disk."""

    def make(self, path: Path, size_bytes: int) -> None:
        """Make a file of zeros whose blocks are there. Raises: OSError where there is no room."""
        segment.make(path, size_bytes)

    def map(self, path: Path) -> mmap.mmap:
        """Map a file for writing; its ``flush`` is what waits for the disk."""
        return segment.map_file(path, writable=True)

    def free_bytes(self, folder: Path) -> int:
        """Return how much of the disk is free to us."""
        disk = os.statvfs(folder)
        return disk.f_bavail * disk.f_frsize


MACHINE = Disk()
