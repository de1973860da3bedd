"""The format's words, checked against bytes written by hand."""

import re
import struct
import zlib

from hypothesis import given
from hypothesis import strategies as st

from hftd.journal import record
from hftd.journal.record import RecordType, Stream


def documented_offsets(title: str) -> list[tuple[int, str]]:
    """Return the (offset, size) pairs of the docstring's table that begins with a title."""
    text = record.__doc__.split(title)[1].split("offset size field")[1].split("\n\n")[0]
    return re.findall(r"^ +(\d+) +(\d+|n) ", text, re.MULTILINE)


def test_docstring_says_where_a_records_fields_stand():
    """A record built by the docstring's table is the one that the code writes and reads."""
    assert documented_offsets("goes on with records") == [
        ("0", "4"), ("4", "4"), ("8", "4"), ("12", "2"), ("14", "2"), ("16", "8"), ("24", "8"),
        ("32", "n"),
    ]  # fmt: skip
    body = struct.pack("<I", 3) + struct.pack("<H", 9) + struct.pack("<H", 1)
    body += struct.pack("<Q", 77) + struct.pack("<q", -5) + b"abc"
    by_hand = b"hjr1" + struct.pack("<I", zlib.crc32(body, 1234)) + body
    written, crc = record.encode_record(RecordType.FACT, 77, -5, b"abc", 1234)
    assert written == by_hand
    assert crc == zlib.crc32(body, 1234)
    found = record.read_record(memoryview(by_hand + bytes(5)), 0, 1234, Stream.ORDERS)
    assert found.record[:4] == (77, RecordType.FACT, 1, -5)
    assert found.record.payload == b"abc"
    assert found.end == 40


def test_docstring_says_where_a_segments_fields_stand():
    """A segment header built by the docstring's table is the one that the code writes."""
    assert documented_offsets("begins with a segment header") == [
        ("0", "8"), ("8", "2"), ("10", "2"), ("12", "4"), ("16", "8"), ("24", "8"), ("32", "4"),
        ("36", "4"),
    ]  # fmt: skip
    by_hand = b"hftdjnl\n" + struct.pack("<HHIQQI", 2, 2, 5, 900, 42, 0xFEDC)
    by_hand += struct.pack("<I", zlib.crc32(by_hand))
    assert record.encode_segment_head(Stream.MARKET, 5, 900, 42, 0xFEDC) == by_hand
    assert record.decode_segment_head(by_hand) == (2, 2, 5, 900, 42, 0xFEDC)


def test_zeros_and_scraps_are_no_segment():
    """An unused file, a short one and one with a flipped bit have no segment header."""
    good = record.encode_segment_head(Stream.ORDERS, 1, 1, 0, 0)
    flipped = bytes([*good[:20], good[20] ^ 1, *good[21:]])
    for scrap in (bytes(40), good[:39], flipped):
        assert record.decode_segment_head(scrap) is None


@given(
    record_type=st.sampled_from(RecordType),
    seq=st.integers(0, 2**64 - 1),
    ts_ns=st.integers(-(2**63), 2**63 - 1),
    prefix=st.binary(max_size=3),
    payload=st.binary(max_size=300),
    chain=st.integers(0, 2**32 - 1),
)
def test_record_comes_back(record_type, seq, ts_ns, prefix, payload, chain):
    """What is written is read, after the right record alone, and at a multiple of eight."""
    written, crc = record.encode_record(record_type, seq, ts_ns, payload, chain, prefix)
    view = memoryview(written)
    found = record.read_record(view, 0, chain, Stream.ORDERS)
    assert found.record == (seq, record_type, 1, ts_ns, prefix + payload, Stream.ORDERS)
    assert found.chain == crc
    assert found.end == record.record_bytes(len(prefix + payload))
    assert found.end % 8 == 0
    assert record.read_record(view, 0, chain ^ 1, Stream.ORDERS) is None
    assert record.read_record(view[:-1], 0, chain, Stream.ORDERS) is None


@given(
    payloads=st.lists(st.binary(max_size=40), max_size=6),
    spoiled=st.none() | st.tuples(st.integers(0, 400), st.integers(1, 255)),
    short=st.integers(0, 50),
)
def test_going_through_records_is_reading_them_one_by_one(payloads, spoiled, short):
    """Verified or by their lengths alone, to the first that is broken, cut or not there."""
    written, begins, chain = b"", [], 9
    for number, payload in enumerate(payloads):
        begins.append(len(written))
        whole, chain = record.encode_record(RecordType.FACT, number, 0, payload, chain)
        written += whole + bytes(-len(whole) % 8)
    view = memoryview(written + bytes(100))
    assert [hop[0] for hop in record.hops(view, 0)] == begins
    assert [hop[3] for hop in record.hops(view, 0)] == list(range(len(begins)))
    spoilt = bytearray(view[: max(0, len(view) - short * 4)])
    if spoiled and spoiled[0] < len(spoilt):
        spoilt[spoiled[0]] ^= spoiled[1]
    one_by_one, pos, chain = [], 0, 9
    while found := record.read_record(memoryview(spoilt), pos, chain, Stream.ORDERS):
        pos, chain = found.end, found.chain
        one_by_one.append((pos, found.record.record_type, found.record.seq, chain))
    assert list(record.verified(memoryview(spoilt), 0, 9)) == one_by_one


@given(st.binary(max_size=1000), st.integers(1, 400))
def test_snapshot_parts_hold_all_bytes(state, part_bytes):
    """The parts of a snapshot, put together, are the state; each says which one it is."""
    parts = record.snapshot_parts(state, part_bytes)
    assert b"".join(part[8:] for part in parts) == state
    assert [struct.unpack("<II", part[:8]) for part in parts] == [
        (number, len(parts)) for number in range(len(parts))
    ]


def test_run_is_named_by_its_beginning_and_epoch():
    """A run's name sorts by time and says the epoch."""
    assert record.run_id(1_795_339_800_999_999_999, 12, "paper") == "paper-20261122T093000Z-12"


def test_a_state_of_no_bytes_is_one_part():
    """Even nothing has to be found again as a whole snapshot."""
    assert record.snapshot_parts(b"", 10) == [struct.pack("<II", 0, 1)]


def test_a_frame_that_waited_says_so_beside_its_link():
    """The mark is no part of the link's number."""
    for link in (0, 2, 0x7F):
        for waited in (0, record.WAITED):
            payload = memoryview(bytes([link | waited]) + b"{}")
            assert record.frame_waited(payload) is bool(waited)
            assert record.split_frame(payload) == (link, b"{}")


def test_frame_is_split_into_link_and_bytes():
    """The first byte of a frame record is its link."""
    link, frame = record.split_frame(memoryview(b"\x02{}"))
    assert (link, frame) == (2, b"{}")


@given(st.binary(max_size=40), st.integers(0, 200_000), st.integers(0, 30))
def test_written_end_is_where_the_zeros_begin(written, zeros, pos):
    """The end of what is written is found behind any number of zeros, not before the place."""
    buffer = written + bytes(zeros)
    end = max(len(buffer.rstrip(b"\0")), min(pos, len(buffer)))
    assert record.written_end(memoryview(buffer), min(pos, len(buffer))) == end


def test_magic_within_a_broken_record_is_no_record():
    """Text that looks like the beginning of a record is not taken for one, wherever it is."""
    written, _ = record.encode_record(RecordType.FRAME_OUT, 1, 0, b"-hjr1...hjr1" * 9, 0)
    broken = bytearray(written)
    broken[-1] ^= 1
    for room in (0, 1, 16, 64):
        view = memoryview(bytes(broken) + bytes(room))
        assert record.torn_or_damaged(view, 0, 0, Stream.ORDERS) == 0
    assert record.torn_or_damaged(memoryview(bytes(20)), 0, 0, Stream.ORDERS) == 0


@given(st.integers(0, 2), st.binary(max_size=60), st.integers(0, 7))
def test_any_broken_record_before_others_is_damage(place, payload, bit):
    """Whichever of the records before the last is broken, in whichever byte, it is seen."""
    view, chain, begins = bytearray(), 0, []
    for seq in range(4):
        begins.append(len(view))
        written, chain = record.encode_record(RecordType.FACT, seq, 0, payload, chain)
        view += written + bytes(-len(written) % 8)
    for offset in range(begins[place], begins[place] + 32 + len(payload)):
        view[offset] ^= 1 << bit
        pos, chain = 0, 0
        while found := record.read_record(memoryview(view), pos, chain, Stream.ORDERS):
            pos, chain = found.end, found.chain
        assert pos == begins[place]
        judged = record.torn_or_damaged(memoryview(view), pos, chain, Stream.ORDERS)
        assert judged in begins[place + 1 :]
        view[offset] ^= 1 << bit
