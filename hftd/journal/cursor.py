"""How far the recorder has read: a small file in the journal's folder, replaced as a whole.

The writer drops no market segment that the recorder has not read, and the engine shows the
recorder's lag; neither needs the recorder to be alive.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import msgspec

from hftd.journal.record import Stream

_NAME = "recorder.json"
WRITERS_DRAFT = f"{_NAME}.begun"


# What is no such number is as unreadable as what is no JSON: it would let go what is not read.
Seq = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


class RecorderCursor(msgspec.Struct, frozen=True):
    """What the recorder has read, and what of it is in SQL and on the disk."""

    seq: Seq = 0  # Everything up to here is in SQL.
    synced_seq: Seq = 0  # The orders stream up to here outlives a loss of power.
    ts_ns: int = 0  # When this was written, by the clock of the recorder.
    pid: int = 0
    sync_errno: int = 0  # Not 0: the disk refused a sync, and the kernel tells that once.
    logged_seq: Seq = 0  # Everything up to here is in the logs; market data goes no further.
    faults: dict[str, str] = {}  # What of the recorder's other work fails now, and by what.


_DECODER = msgspec.json.Decoder(RecorderCursor)


def publish(folder: Path, cursor: RecorderCursor, draft: str = f"{_NAME}.new") -> None:
    """Replace the cursor file; a reader sees the old or the new one, never half of it.

    A start publishes while the recorder of the run before still reads to its end: each of the two
    has a ``draft`` of its own, for neither may take away the other's.
    """
    temporary = folder / draft
    temporary.write_bytes(msgspec.json.encode(cursor))
    os.replace(temporary, folder / _NAME)


def overwrite(folder: Path, cursor: RecorderCursor) -> None:
    """Write the cursor over the one that is there: what a disk without room for a file still takes.

    A reader may see half of it and then counts nothing as read, as after a loss of power.
    """
    descriptor = os.open(folder / _NAME, os.O_WRONLY | os.O_CLOEXEC)
    try:
        text = msgspec.json.encode(cursor)
        # Spaces instead of a shorter file: the room that it has is kept.
        os.pwrite(descriptor, text.ljust(os.fstat(descriptor).st_size), 0)
    finally:
        os.close(descriptor)


def published(folder: Path) -> RecorderCursor:
    """Return what the recorder last published, zeros where it never did.

    The file is a convenience that power loss may spoil: what cannot be read counts as nothing
    read, which keeps every segment.
    """
    try:
        with open(f"{folder}/{_NAME}", "rb", buffering=0) as file:
            return _DECODER.decode(file.read())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return RecorderCursor()


def durable(folder: Path, stream: Stream) -> int:
    """Return the seq up to which a stream was on the disk, 0 where nobody knows.

    What is behind it may be gone after a loss of power; what is before it may not.
    """
    return published(folder).synced_seq if stream is Stream.ORDERS else 0
