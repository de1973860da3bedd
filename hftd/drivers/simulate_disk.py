"""The simulated disk: real files in memory as the page cache, and beside them what is durable.

Owns what of the journal's files would be there after the power went, and how the disk refuses.
Must not know records. The rules:

- what is written is in the page cache at once: the death of a process loses nothing;
- ``flush`` makes a range durable; where it fails (EIO) the range counts as clean and its bytes
  are on no disk: a later flush says yes and writes nothing of them, as Linux does;
- power loss keeps, of what was not flushed, a prefix that ends at any byte or any choice of
  pages; a file that was never flushed may be gone as a whole;
- a full disk makes no file, and shows no free room.
"""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hftd.journal.disk import Ahead, Disk, Place
from hftd.journal.record import PAGE
from hftd.simex.flow_noise import Noise

PLENTY_BYTES = 1 << 40
CURSOR_NAME = "recorder.json"
CHUNK = 1 << 16


class SimulatedDisk(Disk):
    """One machine's disk; it outlives processes."""

    def __init__(self, noise: Noise, boundary: Callable[[str], None] = lambda _what: None) -> None:
        """Draw what power loss takes from ``noise``; ``boundary`` hears before each flush."""
        self._noise = noise
        self._boundary = boundary
        self.full = False
        self.failing = False  # A flush fails with EIO.
        self.failed = 0
        self.refused = 0
        self._durable: dict[Path, bytearray] = {}
        self._flushed: dict[Path, None] = {}
        self._maps: dict[Path, SimulatedMap] = {}
        self._made: Path | None = None  # A file that nobody has mapped yet: all zeros.

    def make(self, path: Path, size_bytes: int) -> None:
        """Make a file of zeros, unless the disk is full."""
        if self.full:
            self.refused += 1
            raise OSError(errno.ENOSPC, "no space left on the simulated disk")
        super().make(path, size_bytes)
        self._durable[path] = bytearray(size_bytes)
        self._made = path

    def map(self, path: Path) -> mmap.mmap:
        """Map a file for writing."""
        with path.open("r+b") as file:
            mapped = SimulatedMap(file.fileno(), 0)
        mapped.disk, mapped.path, mapped.name = self, path, str(path)
        mapped.durable = self._durable.get(path, bytearray())
        mapped.dirty_from, mapped.dirty_to = 0, len(mapped)
        mapped.used_to = 0 if path == self._made else len(mapped)
        self._made = None
        self._maps[path] = mapped
        return mapped

    def sync_ahead(self, path: Path, written: Callable[[], int], ahead: Ahead) -> None:
        """Bring a file to the disk at once: beside the writer there is nobody here."""
        try:
            self._maps[path].flush()
        except OSError as error:
            ahead.errno = error.errno or errno.EIO
        else:
            ahead.at = written()

    def make_ready(self, places: Sequence[Place]) -> Callable[[bool], None]:
        """Do nothing: no page of these ever makes anybody wait."""
        return lambda _goes_on: None

    def free_bytes(self, folder: Path) -> int:
        """Return plenty, or nothing."""
        return 0 if self.full else PLENTY_BYTES

    def move(self, old: Path, new: Path) -> None:
        """Know the files of one folder by their names in another; what is mapped is let go."""
        self._durable = {new / path.relative_to(old): data for path, data in self._durable.items()}
        self._flushed = {new / path.relative_to(old): None for path in self._flushed}
        self._maps.clear()

    def make_room(self) -> None:
        """Be full no more."""
        self.full = False

    def work_again(self) -> None:
        """Refuse no more; what was lost stays lost."""
        self.failing = False

    def flush(self, mapped: SimulatedMap, begin: int, end: int) -> None:
        """Make a range durable, or lose it. Raises: OSError where the disk fails."""
        self._boundary("flush")
        if mapped.is_flushed and mapped.dirty_from >= mapped.dirty_to and not self.failing:
            return
        begin = max(begin // PAGE * PAGE, mapped.dirty_from // PAGE * PAGE)
        end = min(end, mapped.dirty_to)
        clean = mapped.dirty_from >= begin and mapped.dirty_to <= end
        if clean:
            mapped.dirty_from, mapped.dirty_to = len(mapped), 0
        if self.failing:
            self.failed += 1
            raise OSError(errno.EIO, "the simulated disk refuses")
        # Zeros over zeros, and what is there already, are not written: a page costs most at first.
        end, durable = min(end, mapped.used_to), mapped.durable
        for at in range(begin, end, CHUNK):
            chunk = mapped[at : min(at + CHUNK, end)]
            if chunk != durable[at : at + len(chunk)]:
                durable[at : at + len(chunk)] = chunk
        if not mapped.is_flushed:
            self._flushed[mapped.path] = None
            mapped.is_flushed = True

    def sync(self) -> int:
        """Flush all that is mapped, as the recorder does; return the errno of a failure, or 0."""
        for mapped in list(self._maps.values()):
            if mapped.closed or not os.path.exists(mapped.name):
                del self._maps[mapped.path]
                continue
            try:
                mapped.flush()
            except OSError as error:
                return error.errno or 0
        return 0

    def lose_power(self, folder: Path) -> bool:
        """Leave what was durable and some of what was not; return whether anything was lost."""
        lost = False
        self._maps.clear()
        for path in sorted(folder.iterdir()):
            if path in self._durable:
                lost = self._lose(path) or lost
        self._lose_cursor(folder / CURSOR_NAME)
        return lost

    def _lose(self, path: Path) -> bool:
        cached, durable = path.read_bytes(), self._durable[path]
        if path not in self._flushed and self._noise.chance(50):
            path.unlink()
            del self._durable[path]
            return bool(cached.strip(b"\0"))
        pages = [
            at for at in range(0, len(cached), PAGE) if _page(cached, at) != _page(durable, at)
        ]
        if not pages:
            return False
        kept = bytearray(durable)
        if self._noise.chance(25):  # The kernel wrote some pages back, in an order of its own.
            for at in pages:
                if self._noise.chance(50):
                    kept[at : at + PAGE] = cached[at : at + PAGE]
        else:
            first, last = pages[0], pages[-1] + PAGE
            written = len(bytes(cached[first:last]).rstrip(b"\0"))
            cut = first + self._noise.between(0, written)
            kept[first:cut] = cached[first:cut]
        path.write_bytes(kept)
        self._durable[path] = kept
        return bytes(kept) != cached

    def _lose_cursor(self, path: Path) -> None:
        # It is replaced and never synced: the name may lead to nothing, or to an empty file.
        if path.exists() and self._noise.chance(30):
            if self._noise.chance(50):
                path.unlink()
            else:
                path.write_bytes(b"")


def _page(data: bytes | bytearray, at: int) -> bytes:
    return bytes(data[at : at + PAGE])


class SimulatedMap(mmap.mmap):
    """A mapped file that knows which of its bytes have been written since they were durable."""

    disk: SimulatedDisk
    path: Path
    name: str
    durable: bytearray
    dirty_from: int
    dirty_to: int
    used_to: int  # From there on it holds the zeros that it was made of.
    is_flushed = False  # At least once, so that the file's name is durable.

    def __setitem__(self, place: Any, data: Any) -> None:
        """Write a slice, and know of it."""
        super().__setitem__(place, data)
        begin, end = place.start or 0, place.stop
        if begin < self.dirty_from:
            self.dirty_from = begin
        if end > self.dirty_to:
            self.dirty_to = end
        if end > self.used_to:
            self.used_to = end

    def flush(self, offset: int = 0, size: int = -1) -> None:
        """Make a range durable. Raises: OSError where the disk refuses."""
        end = len(self) if size < 0 else offset + size
        self.disk.flush(self, offset, end)
