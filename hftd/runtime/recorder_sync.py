"""Brings journal segments to the disk in groups; knows files, not records.

The engine only writes to the page cache. A sync of the file from here covers what the engine
has written through its mapping, and costs the engine nothing but a page fault.
"""

from __future__ import annotations

import os
from pathlib import Path

from hftd.journal import segment
from hftd.journal.record import Stream


class SegmentSync:
    """Sync the segments of one stream from the one that was last written on."""

    def __init__(self, folder: Path, stream: Stream) -> None:
        self._folder, self._stream = folder, stream
        self._from = 0

    def sync(self) -> None:
        """Wait until what was written to the stream so far is on the disk.

        Raises: OSError where the disk refuses; the kernel will not tell again.
        """
        begun = [number for number in self._numbers() if self._is_begun(number)]
        for number in begun:
            path = segment.segment_path(self._folder, self._stream, number)
            try:
                _sync(path, os.O_RDWR)
            except FileNotFoundError:  # Dropped by size.
                continue
            if number > self._from:
                _sync(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        if begun:
            self._from = begun[-1]

    def _numbers(self) -> list[int]:
        try:
            numbers = segment.numbers(self._folder, self._stream)
        except FileNotFoundError:  # The engine has not begun yet.
            return []
        return [number for number in numbers if number >= self._from]

    def _is_begun(self, number: int) -> bool:
        return (
            segment.read_head(segment.segment_path(self._folder, self._stream, number)) is not None
        )


def _sync(path: Path, flags: int) -> None:
    handle = os.open(path, flags | os.O_CLOEXEC)
    try:
        if flags & os.O_DIRECTORY:
            os.fsync(handle)
        else:
            os.fdatasync(handle)
    finally:
        os.close(handle)
