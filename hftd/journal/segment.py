"""The journal's files: their names, how one is made and mapped; knows no record's meaning.

``<stream>-<number>.hj`` in one folder. A file of zeros is a spare: made ahead, not yet begun.
No file is ever shortened: a reader in another process may have it mapped.
"""

from __future__ import annotations

import mmap
import os
import re
from pathlib import Path
from typing import NamedTuple

from hftd.errors import JournalDamaged, RecordsDamaged
from hftd.journal.record import (
    FORMAT,
    SEGMENT_HEAD_BYTES,
    SegmentHead,
    Stream,
    decode_segment_head,
)

_NAME = re.compile(r"(orders|market)-(\d{8})\.hj")


class Segment(NamedTuple):
    """A segment that was begun: its file and what its header says."""

    path: Path
    head: SegmentHead


def segment_path(folder: Path, stream: Stream, number: int) -> Path:
    """Return the path of a stream's segment."""
    return folder / f"{stream.name.lower()}-{number:08d}.hj"


def numbers(folder: Path, stream: Stream) -> list[int]:
    """Return the numbers of a stream's files, spares included, in order."""
    matches = (_NAME.fullmatch(name) for name in os.listdir(folder))
    return sorted(int(m[2]) for m in matches if m and m[1] == stream.name.lower())


def segments(folder: Path, stream: Stream) -> list[Segment]:
    """Return a stream's begun segments in order.

    Raises: JournalDamaged where one in the middle is missing or has no valid header.
    """
    found: list[Segment] = []
    begun = True
    for number in numbers(folder, stream):
        path = segment_path(folder, stream, number)
        head = read_head(path)
        if head is None:
            begun = begun and not path.exists()  # Dropped by size a moment ago is no damage.
            continue
        if not begun:
            raise RecordsDamaged(f"{path}: offset 0: the segment before it has no valid header")
        if found and number != found[-1].head.number + 1:
            raise RecordsDamaged(f"{path}: offset 0: segment {number - 1} before it is missing")
        found.append(Segment(path, head))
    return found


def read_head(path: Path) -> SegmentHead | None:
    """Return the header of a segment, None where it was not begun or the file is gone.

    Raises: JournalDamaged where a newer version of hftd wrote it.
    """
    try:
        with path.open("rb") as file:
            head = decode_segment_head(file.read(SEGMENT_HEAD_BYTES))
    except FileNotFoundError:  # Dropped by size between listing and opening.
        return None
    if head is not None and head.format > FORMAT:
        raise JournalDamaged(
            f"{path}: journal format {FORMAT} is the newest known, was {head.format}"
        )
    return head


def make(path: Path, size_bytes: int) -> None:
    """Make a file of zeros whose blocks are really there.

    Raises: OSError where the disk is full or cannot be written; the file is gone then.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    try:
        os.posix_fallocate(handle, 0, size_bytes)
    except OSError:
        path.unlink()
        raise
    finally:
        os.close(handle)


def map_file(path: Path, *, writable: bool) -> mmap.mmap:
    """Map a whole file; writes reach the page cache at once and outlive the process."""
    handle = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC)
    try:
        return mmap.mmap(handle, 0, access=mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ)
    finally:
        os.close(handle)
