"""Small journals: segments of 8 KiB, and what is in them."""

from hftd.journal.reader import JournalReader
from hftd.journal.record import RecordType
from hftd.journal.writer import JournalWriter

SMALL = 8192
HEADER = {"run": "20261122T093000Z-1"}
FACT = RecordType.FACT


def small_writer(folder, **limits):
    """Return a writer of segments of 8 KiB that does not mind a full disk."""
    return JournalWriter(folder, segment_bytes=SMALL, **{"disk_floor_bytes": 0, **limits})


def payloads(folder, from_seq=1):
    """Return (seq, payload) of all records but headers."""
    return [
        (record.seq, bytes(record.payload))
        for record in JournalReader(folder).records(from_seq)
        if record.record_type != RecordType.HEADER
    ]


def written_bytes(path):
    """Return how many bytes of a segment are not the zeros at its end."""
    return len(path.read_bytes().rstrip(b"\0"))
