"""The journal's words: record and segment formats, as bytes; knows no file and no clock.

Everything is little-endian. A journal has two streams of segments, ``orders`` and ``market``,
which share one sequence counter: merged by ``seq`` they are the total order of all that the
engine saw and said. A segment is a preallocated file that begins with a segment header:

    offset size field
         0    8 magic "hftdjnl" and a line feed
         8    2 format, 2
        10    2 stream, 1 orders, 2 market
        12    4 number of this segment in its stream, from 1
        16    8 first_seq: no record of this segment has a smaller seq
        24    8 run_seq: seq of the newest HEADER in the segments before, 0 where there is none
                (and in the market stream; format 1 had the time here)
        32    4 chain: crc of the last record of the segment before, 0 in the first
        36    4 crc32 of bytes 0 to 36

and goes on with records, each at a multiple of 8:

    offset size field
         0    4 magic "hjr1"
         4    4 crc32 of bytes 8 to 32 and of the payload, begun with the crc of the record
                before (with the segment's chain, in its first record)
         8    4 length of the payload in bytes
        12    2 type, see RecordType
        14    2 version of the payload's layout
        16    8 seq
        24    8 ts_ns
        32    n payload

Zeros where a magic should stand are the end. Beginning each checksum with the one before makes
a missing, exchanged or foreign record as visible as a flipped bit.

Payloads: HEADER, COMMAND, TELEMETRY, RUN_END, REPAIR and STRATEGY_ERROR are JSON; FRAME_IN is one
byte of link number and the raw frame; SNAPSHOT is a part of the state's bytes behind two u32, the
part's number from 0 and the number of parts; FACT is one fact record or several; the others are
opaque here.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, NamedTuple

import msgspec

Bytes = bytes | bytearray | memoryview

FORMAT = 2
SEGMENT_MAGIC = b"hftdjnl\n"
SEGMENT_HEAD = struct.Struct("<8sHHIQQII")
SEGMENT_HEAD_BYTES = SEGMENT_HEAD.size

MAGIC = b"hjr1"
MARK = struct.Struct("<4sI")  # magic, crc32
BODY = struct.Struct("<IHHQq")  # length, type, version, seq, ts_ns
HEAD = struct.Struct("<4sIIHHQq")  # Both, for those who read them together.
HEAD_BYTES = HEAD.size
ALIGN = 8
PAGE = 4096
VERSION = 1  # Of the payload layouts; a reader of another version decides by the record's own.

WAITED = 0x80  # Beside the link number of a FRAME_IN, see `frame_waited`.

PART = struct.Struct("<II")
_ZEROS = bytes(1 << 16)


class Stream(IntEnum):
    """The two streams: what must be kept, and what may be dropped by size."""

    ORDERS = 1
    MARKET = 2


class RecordType(IntEnum):
    """What a record's payload is."""

    HEADER = 1  # begins a run: all that replay needs besides the records
    FRAME_IN = 2  # a raw frame of the venue behind its link number
    COMMAND = 3
    TIMER = 4
    CLOCK = 5
    EVENT = 6  # an encoded domain event
    INTENT = 7  # actions, before they are performed
    FRAME_OUT = 8  # what an action became, before it was signed
    FACT = 9
    SNAPSHOT = 10
    STATE_HASH = 11
    RUN_END = 12
    TELEMETRY = 13  # a second's stage times: no part of what replay compares
    REPAIR = 14  # what `hftd db repair` could not keep; far behind in seq
    STRATEGY_ERROR = 15  # what the user's own strategy raised, with its traceback, for the log


class Record(NamedTuple):
    """One record as read; ``payload`` is a view that lives as long as its reader."""

    seq: int
    record_type: int
    version: int
    ts_ns: int
    payload: memoryview
    stream: Stream


class Found(NamedTuple):
    """A record that verifies, and where the next one would begin; ``chain`` is its crc."""

    record: Record
    end: int
    chain: int


class SegmentHead(NamedTuple):
    """A segment's own words; ``run_seq`` 0 says nothing of the runs before it."""

    format: int
    stream: int
    number: int
    first_seq: int
    run_seq: int
    chain: int


def encode_segment_head(
    stream: Stream, number: int, first_seq: int, run_seq: int, chain: int
) -> bytes:
    """Return the 40 bytes that begin a segment."""
    unsummed = SEGMENT_HEAD.pack(
        SEGMENT_MAGIC, FORMAT, stream, number, first_seq, run_seq, chain, 0
    )
    return unsummed[:-4] + zlib.crc32(unsummed[:-4]).to_bytes(4, "little")


def decode_segment_head(buffer: Bytes) -> SegmentHead | None:
    """Return a segment's header, or None where it does not verify (an unused file has zeros)."""
    if len(buffer) < SEGMENT_HEAD_BYTES:
        return None
    magic, fmt, stream, number, first_seq, run_seq, chain, crc = SEGMENT_HEAD.unpack_from(buffer)
    if magic != SEGMENT_MAGIC or zlib.crc32(buffer[: SEGMENT_HEAD_BYTES - 4]) != crc:
        return None
    return SegmentHead(fmt, stream, number, first_seq, run_seq if fmt > 1 else 0, chain)


def encode_record(
    record_type: int, seq: int, ts_ns: int, payload: Bytes, chain: int, prefix: bytes = b""
) -> tuple[bytes, int]:
    """Return a record's bytes (without padding) and its crc, the next record's ``chain``.

    ``prefix`` is the beginning of the payload where the caller has it apart: a copy less.
    """
    head = BODY.pack(len(prefix) + len(payload), record_type, VERSION, seq, ts_ns)
    # Put together first: a second copy of the payload costs less than a checksum in three parts.
    body = b"".join((head, prefix, payload))
    crc = zlib.crc32(body, chain)
    return MARK.pack(MAGIC, crc) + body, crc


def record_bytes(payload_bytes: int) -> int:
    """Return the room that a record takes, padding included."""
    return (HEAD_BYTES + payload_bytes + ALIGN - 1) & -ALIGN


def read_record(view: memoryview, pos: int, chain: int, stream: Stream) -> Found | None:
    """Return the record at ``pos`` if it is whole and follows ``chain``, else None."""
    if pos + HEAD_BYTES > len(view):
        return None
    magic, crc, length, record_type, version, seq, ts_ns = HEAD.unpack_from(view, pos)
    if magic != MAGIC:
        return None
    end = pos + HEAD_BYTES + length
    if end > len(view) or zlib.crc32(view[pos + MARK.size : end], chain) != crc:
        return None
    record = Record(seq, record_type, version, ts_ns, view[pos + HEAD_BYTES : end], stream)
    return Found(record, (end + ALIGN - 1) & -ALIGN, crc)


def verified(view: memoryview, pos: int, chain: int) -> Iterator[tuple[int, int, int, int]]:
    """Iterate over the records from ``pos`` on that are whole and follow ``chain``.

    Of each: its end, type, seq and crc. Half the time of `read_record`, for whoever goes through
    a segment and wants no payload: a full one holds some 300,000.
    """
    unpack, crc32, size = HEAD.unpack_from, zlib.crc32, len(view)
    while pos <= size - HEAD_BYTES:
        magic, crc, length, record_type, _, seq, _ = unpack(view, pos)
        end = pos + HEAD_BYTES + length
        if magic != MAGIC or end > size or crc32(view[pos + MARK.size : end], chain) != crc:
            return
        pos, chain = (end + ALIGN - 1) & -ALIGN, crc
        yield pos, record_type, seq, crc


def hops(view: memoryview, pos: int) -> Iterator[tuple[int, int, int, int, int]]:
    """Iterate over the records from one that begins at ``pos``, by their lengths.

    Of each: its begin, end, type, seq and crc. Verifies nothing, so that it costs little, a
    seventh of `read_record`: one that is being written may seem to be shorter.
    """
    unpack, last = HEAD.unpack_from, len(view) - HEAD_BYTES
    while pos <= last:
        magic, crc, length, record_type, _, seq, _ = unpack(view, pos)
        if magic != MAGIC:
            return
        end = (pos + HEAD_BYTES + length + ALIGN - 1) & -ALIGN
        yield pos, end, record_type, seq, crc
        pos = end


def written_end(view: memoryview, pos: int) -> int:
    """Return where the zeros begin that a segment ends with, not before ``pos``."""
    end = len(view)
    while end > pos:
        begin = max(pos, end - len(_ZEROS))
        # Compared as a whole, for to strip 64 MiB of zeros byte by byte takes 0.3 s.
        chunk = bytes(view[begin:end])
        if chunk != _ZEROS[: len(chunk)]:
            return begin + len(chunk.rstrip(b"\0"))
        end = begin
    return pos


def torn_or_damaged(view: memoryview, pos: int, chain: int, stream: Stream) -> int:
    """Judge the bytes at ``pos``, where no record verifies: 0 is a tail, else where it goes on.

    A process that dies leaves at most one half record, with nothing behind it. A machine that
    loses power may leave later pages written and an earlier one not: then a whole page of zeros
    lies between, and what follows it was never promised to be durable. A record that verifies
    with neither of these before it means that bytes which once were good no longer are. A payload
    may hold such a page of zeros itself: the caller asks besides what was known to be durable.
    """
    if pos + HEAD_BYTES > len(view):
        return 0
    rest = bytes(view[pos : written_end(view, pos)])
    for at in _magics(rest):
        if at and _verifies(view, pos, pos + at, chain, stream):
            return 0 if _unwritten_page(view, pos, pos + at) else pos + at
    return 0


def _magics(rest: bytes) -> Iterator[int]:
    at = rest.find(MAGIC)
    while at >= 0:
        if at % ALIGN == 0:
            yield at
        at = rest.find(MAGIC, at + 1)


# Whether a record stands at ``at``: it follows the broken one's stored crc, or the one that can
# be computed of it, or the record after it follows its own.
def _verifies(view: memoryview, broken: int, at: int, chain: int, stream: Stream) -> bool:
    length = min(BODY.unpack_from(view, broken + MARK.size)[0], len(view))
    computed = zlib.crc32(view[broken + MARK.size : broken + HEAD_BYTES + length], chain)
    stored = MARK.unpack_from(view, broken)[1]
    if any(read_record(view, at, begun, stream) for begun in (stored, computed)):
        return True
    if at + HEAD_BYTES > len(view):
        return False
    next_at = at + record_bytes(BODY.unpack_from(view, at + MARK.size)[0])
    return read_record(view, next_at, MARK.unpack_from(view, at)[1], stream) is not None


def _unwritten_page(view: memoryview, pos: int, later: int) -> bool:
    begin = pos
    while begin < later:
        end = min((begin // PAGE + 1) * PAGE, later)
        if end % PAGE == 0 and not bytes(view[begin:end]).rstrip(b"\0"):
            return True
        begin = end
    return False


def encode_json(words: dict[str, Any]) -> bytes:
    """Return the payload of a record that is JSON."""
    return msgspec.json.encode(words)


def decode_json(payload: Bytes) -> dict[str, Any]:
    """Return the words of a record that is JSON."""
    words: dict[str, Any] = msgspec.json.decode(payload, type=dict[str, Any])
    return words


def split_frame(payload: memoryview) -> tuple[int, memoryview]:
    """Return the link number and the raw frame of a FRAME_IN record."""
    return payload[0] & ~WAITED, payload[1:]


def frame_waited(payload: memoryview) -> bool:
    """Return whether nothing was decided on this FRAME_IN, for another was there already."""
    return bool(payload[0] & WAITED)


def snapshot_parts(state: Bytes, part_bytes: int) -> list[bytes]:
    """Return the payloads of the SNAPSHOT records that hold these bytes."""
    view = memoryview(state).cast("B")
    count = max(1, -(-len(view) // part_bytes))
    return [
        PART.pack(number, count) + view[number * part_bytes : (number + 1) * part_bytes]
        for number in range(count)
    ]


def run_id(ts_ns: int, epoch: int, mode: str) -> str:
    """Return a run's name: the mode, its beginning in UTC, and the boot epoch."""
    begun = datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC)
    return f"{mode}-{begun:%Y%m%dT%H%M%SZ}-{epoch}"
