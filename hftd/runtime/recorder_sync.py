"""Brings journal segments to the disk in groups; knows where records end, not what they say.

The engine only writes to the page cache. A sync from here covers what the engine has written
through its own mapping. It leaves alone the pages that the engine comes to next: a page that was
synced costs the engine's next write to it a page fault, which may wait for the disk.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from hftd.journal import pages, segment
from hftd.journal.record import PAGE, SEGMENT_HEAD_BYTES, Stream, hops


class SegmentSync:
    """Sync the segments of one stream from the one that was last written on."""

    def __init__(self, folder: Path, stream: Stream) -> None:
        self._folder, self._stream = folder, stream
        self._number = 0  # The segment that is mapped.
        self._map: mmap.mmap | None = None
        self._synced = 0  # Up to this page it is on the disk,
        self._last = 0  # and its last record known begins here.

    def sync(self) -> None:
        """Wait until what was written to the stream so far is on the disk.

        Raises: OSError where the disk refuses; the kernel will not tell again.
        """
        begun = [number for number in self._numbers() if self._is_begun(number)]
        for used_up in begun[:-1]:
            _sync(self._path(used_up), os.O_RDWR)
        if begun and (begun[-1] == self._number or self._turn_to(begun[-1])):
            self._sync_written()

    def _numbers(self) -> list[int]:
        try:
            numbers = segment.numbers(self._folder, self._stream)
        except FileNotFoundError:  # The engine has not begun yet.
            return []
        return [number for number in numbers if number >= self._number]

    def _is_begun(self, number: int) -> bool:
        return segment.read_head(self._path(number)) is not None

    def _path(self, number: int) -> Path:
        return segment.segment_path(self._folder, self._stream, number)

    def _turn_to(self, number: int) -> bool:
        try:
            mapped = segment.map_file(self._path(number), writable=True)  # For its sync alone.
        except FileNotFoundError:  # Dropped by size.
            return False
        _sync(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        if self._map is not None:
            self._map.close()
        self._number, self._map, self._synced, self._last = number, mapped, 0, SEGMENT_HEAD_BYTES
        return True

    def _sync_written(self) -> None:
        assert self._map is not None
        end = self._last
        with memoryview(self._map) as view:
            # The last one may still be written, so the next look begins with it.
            for begin, next_begin, *_ in hops(view, self._last):
                self._last, end = begin, min(next_begin, len(view))
        if end > self._synced:
            pages.sync(pages.address_of(self._map) + self._synced, end - self._synced)
            self._synced = end // PAGE * PAGE


def _sync(path: Path, flags: int) -> None:
    try:
        handle = os.open(path, flags | os.O_CLOEXEC)
    except FileNotFoundError:  # Dropped by size.
        return
    try:
        if flags & os.O_DIRECTORY:
            os.fsync(handle)
        else:
            os.fdatasync(handle)
    finally:
        os.close(handle)
