"""Small journals: segments of 8 KiB, and what is in them."""

from pathlib import Path
from typing import Any

from hftd.journal.reader import JournalReader
from hftd.journal.record import RecordType
from hftd.journal.writer import JournalWriter

SMALL = 8192
HEADER = {"run": "20261122T093000Z-1"}
FACT = RecordType.FACT


def small_writer(folder: Path, **limits: Any) -> JournalWriter:
    """Return a writer of segments of 8 KiB that does not mind a full disk."""
    return JournalWriter(folder, segment_bytes=SMALL, **{"disk_floor_bytes": 0, **limits})


def payloads(folder: Path, from_seq: int = 1) -> list[tuple[int, bytes]]:
    """Return (seq, payload) of all records but headers."""
    return [
        (record.seq, bytes(record.payload))
        for record in JournalReader(folder).records(from_seq)
        if record.record_type != RecordType.HEADER
    ]


def written_bytes(path: Path) -> int:
    """Return how many bytes of a segment are not the zeros at its end."""
    return len(path.read_bytes().rstrip(b"\0"))
