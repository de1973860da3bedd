"""A journal that nobody reads: the writer's own code on memory that is written over and over.

Owns no file. For whoever must do what the writer does, and keep nothing of it.
"""

from __future__ import annotations

import mmap
from pathlib import Path

from hftd.journal.disk import Disk
from hftd.journal.record import SEGMENT_HEAD_BYTES
from hftd.journal.writer import JournalWriter

BYTES = 4 << 20  # More than one input can lead to; what is never written on takes no memory.


class _Memory(Disk):
    def make(self, path: Path, size_bytes: int) -> None:
        """Nothing to make."""

    def map(self, path: Path) -> mmap.mmap:
        """Return memory of no file."""
        return mmap.mmap(-1, BYTES)


class ScratchJournal(JournalWriter):
    """Append as to a journal; `rewind` before each input, or it begins memory after memory."""

    def __init__(self) -> None:
        super().__init__(Path(), segment_bytes=BYTES, disk=_Memory())

    def rewind(self) -> None:
        """Write from the beginning again."""
        for pen in (self._orders, self._market):
            pen.pos = min(pen.pos, SEGMENT_HEAD_BYTES)
