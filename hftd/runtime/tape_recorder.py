"""Writes what a follower hears as tapes that the simulated exchange plays.

Owns the files: FILE while it is written is ``FILE.part``; renamed, when the recording ends or
the file is full, it is whole. What a crash leaves under the other name plays up to its end. A
recording of several files numbers them (``tape.0002.gz``); each begins with the listing and has
a snapshot of its own, so that it plays alone, and together they play on without a gap.

Knows no book and no socket. Nothing is dropped: what comes is in the file, or the recording
ends with the reason.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from hftd.errors import UsageError

_PART = ".part"


class TapeFiles:
    """The files of one recording; ``listing`` is the body that each begins with.

    ``rotate_bytes`` of 0 means one file. The size of a compressed tape is what is on disk.
    """

    def __init__(self, out: Path, rotate_bytes: int) -> None:
        self._out = out
        self._rotate_bytes = rotate_bytes
        self._listing = b""
        self._raw: BinaryIO | None = None
        self._file: BinaryIO | None = None
        self._before_bytes = 0
        self.paths: list[Path] = []
        self.lines = 0

    def open(self, listing: bytes, ts_ns: int) -> None:
        """Begin the first file; raises UsageError where it is there already or cannot be made."""
        self._listing = listing
        self._begin(ts_ns)

    def write(self, line: bytes, ts_ns: int) -> bool:
        """Write a line; True where it began a new file, which needs snapshots of its own."""
        assert self._file is not None, "open comes first"
        began = bool(self._rotate_bytes) and self._size() >= self._rotate_bytes
        if began:
            self.close()
            self._begin(ts_ns)
        self._file.write(line)
        self.lines += 1
        return began

    def flush(self) -> None:
        """Bring to disk what a crash would lose."""
        assert self._file is not None
        self._file.flush()

    def close(self) -> None:
        """Finish the current file: it gets its name when it is whole on disk."""
        if self._file is None or self._raw is None:
            return
        if self._file is not self._raw:
            self._file.close()
        self._raw.flush()
        os.fdatasync(self._raw.fileno())
        self._before_bytes += self._raw.tell()
        self._raw.close()
        self._file = self._raw = None
        path = self.paths[-1]
        _part(path).rename(path)

    def total_bytes(self) -> int:
        """Return what is on disk of all files."""
        return self._before_bytes + (self._size() if self._raw is not None else 0)

    def _size(self) -> int:
        assert self._raw is not None
        return self._raw.tell()

    def _begin(self, ts_ns: int) -> None:
        path = self._name(len(self.paths) + 1)
        for taken in (path, _part(path)):
            if taken.exists():
                raise UsageError(f"{taken} is there already: choose another --out, or remove it")
        try:
            self._raw = _part(path).open("xb")
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}") from error
        self.paths.append(path)
        self._file = self._raw
        if path.suffix == ".gz":
            zipped = gzip.GzipFile("", "wb", 6, self._raw, mtime=0)
            self._file = cast("BinaryIO", zipped)
        self._file.write(b"%d %b\n" % (ts_ns, self._listing.strip()))

    def _name(self, number: int) -> Path:
        if number == 1 and not self._rotate_bytes:
            return self._out
        zipped = self._out.suffix == ".gz"
        stem = self._out.with_suffix("") if zipped else self._out
        return stem.with_name(f"{stem.name}.{number:04d}{'.gz' if zipped else ''}")


class Recording:
    """The sink between a follower and the files; ``begin_file`` asks for a symbol's snapshot."""

    def __init__(self, files: TapeFiles, symbols: Sequence[str]) -> None:
        self._files = files
        self._symbols = list(symbols)
        self.begin_file: Callable[[str], None] = lambda _: None
        self.first_ns = self.last_ns = 0

    def on_line(self, symbol: str, line: bytes, ts_ns: int) -> None:
        """Write a line."""
        self.first_ns = self.first_ns or ts_ns
        self.last_ns = ts_ns
        if self._files.write(line, ts_ns):
            for each in self._symbols:
                self.begin_file(each)

    def seconds(self) -> float:
        """Return how long the recording is."""
        return (self.last_ns - self.first_ns) / 1e9


def _part(path: Path) -> Path:
    return path.with_name(path.name + _PART)
