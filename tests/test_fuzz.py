"""A hundred thousand spoiled inputs: whatever comes, a parser answers as it says it does.

Frames to the codec, segments to the journal's reader, lines and chunks to the control protocol,
bytes to the YAML loader, and junk to a real control socket. What is spoiled is drawn from a seed,
so that a failure comes again; it names its number and its bytes.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from hftd.config.strict_yaml import read_file
from hftd.control.client import call
from hftd.control.commands import Server, command_on, validate
from hftd.control.faults import ControlError
from hftd.control.protocol import LineBuffer, RequestFault, parse_request
from hftd.domain.events import EVENT, EventKind
from hftd.errors import JournalDamaged, ProfileError
from hftd.journal.reader import JournalReader
from hftd.journal.record import (
    SEGMENT_HEAD_BYTES,
    Stream,
    decode_segment_head,
    read_record,
    torn_or_damaged,
)
from hftd.journal.repair import Hole, salvage
from hftd.venues.port import MAX_EVENTS, MAX_LEVELS
from tests.control.small_daemon import SmallDaemon, SmallDispatch
from tests.journal.small import FACT, HEADER, small_writer
from tests.venues.binance.fixtures import NOW_NS, Wire
from tests.venues.binance.test_fuzz import SEEDS as FRAMES

SEED = 7
PROFILES = Path(__file__).parents[1] / "profiles"
TOKENS = (
    b'"', b"{", b"}", b"[", b"]", b":", b",", b"-", b"0", b"9" * 20, b"1e309", b"\0",
    b"\xff", b"\n", b"null", b"true", b"\\u0000", b"hjr1", b"&a", b"*a", b"<<", b"!!", b"\t", b"  ",
    b"- ", b"# ",
)  # fmt: skip
REQUESTS = (
    b'{"jsonrpc":"2.0","id":1,"method":"status"}',
    b'{"jsonrpc":"2.0","id":"a","method":"kill","params":{"reason":"drill"}}',
    b'{"jsonrpc":"2.0","id":null,"method":"book","params":{"instrument":"BTC-USDT","depth":5}}',
    b'{"jsonrpc":"2.0","id":7,"method":"cancel","params":{"id":"h1-abc123-1-1"}}',
)


def spoil(source: random.Random, whole: bytes, others: Sequence[bytes]) -> bytes:
    """Return the bytes with one to four things done to them that wires and disks do."""
    data = bytearray(whole)
    for _ in range(source.randint(1, 4)):
        at = source.randrange(len(data) + 1)
        what = source.randrange(6)
        if what == 0 and data:
            data[at % len(data)] ^= 1 << source.randrange(8)
        elif what == 1:
            data[at:at] = source.choice(TOKENS)
        elif what == 2:
            del data[at : at + source.randrange(1, 40)]
        elif what == 3:
            data[at:] = source.choice(others)[at:]
        elif what == 4:
            data[at : at + 8] = bytes(8)
        else:
            data[at:at] = data[max(0, at - source.randrange(1, 60)) : at]
    return bytes(data)


def fuzz(count: int, seeds: Sequence[bytes], check: Callable[[bytes], object]) -> None:
    """Hand so many spoiled inputs in; say which one it was that broke something."""
    source = random.Random(SEED)
    for number in range(count):
        data = spoil(source, source.choice(seeds), seeds)
        try:
            check(data)
        except BaseException as error:
            error.add_note(f"input {number} of seed {SEED}: {data[:2000]!r}")
            raise


def test_the_codec_raises_nothing() -> None:
    """Spoiled frames of every link become events within the buffers, or none."""
    wire = Wire()
    kinds = set(EventKind)
    for link in {link for link, _ in FRAMES}:

        def check(data: bytes, link: object = link) -> None:
            count = wire.codec.decode(link, data, NOW_NS, wire.events, wire.levels)
            assert 0 <= count <= MAX_EVENTS
            rows = wire.events[:count]
            assert set(rows["kind"].tolist()) <= kinds - {EventKind.NONE}
            assert not count or rows["levels_begin"].min() >= 0
            assert not count or rows["levels_end"].max() <= MAX_LEVELS

        fuzz(15_000, [frame for other, frame in FRAMES if other is link], check)
    assert np.dtype(EVENT) == wire.events.dtype


@pytest.fixture(scope="module")
def segments(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Return the bytes of a few segments of one journal."""
    folder = tmp_path_factory.mktemp("journal")
    writer = small_writer(folder)
    writer.open(HEADER, 1)
    for number in range(100):
        writer.append(FACT, number, b"fact %d " % number * 20)
    writer.close()
    found = [path.read_bytes() for path in sorted(folder.glob("orders-*.hj"))]
    return [data for data in found if any(data)]


def test_the_journals_records_are_true_or_not_there(segments: list[bytes]) -> None:
    """Whatever a segment's bytes are, a record that is given out is one that was written."""
    known = set()
    for whole in segments:
        known |= {(seq, payload) for seq, payload in _walk(whole)}
    assert len(known) > 40

    def check(data: bytes) -> None:
        assert set(_walk(data)) <= known

    fuzz(25_000, segments, check)


def _walk(data: bytes) -> list[tuple[int, bytes]]:
    view, found = memoryview(data), []
    head = decode_segment_head(data[:SEGMENT_HEAD_BYTES])
    if head is None:
        return []
    pos, chain = SEGMENT_HEAD_BYTES, head.chain
    while record := read_record(view, pos, chain, Stream.ORDERS):
        found.append((record.record.seq, bytes(record.record.payload)))
        pos, chain = record.end, record.chain
    later = torn_or_damaged(view, pos, chain, Stream.ORDERS)
    assert later == 0 or pos < later < len(view)
    return found


def test_spoiled_folders_are_read_refused_or_salvaged(
    segments: list[bytes], tmp_path: Path
) -> None:
    """The reader refuses with a place, the salvage names holes, and neither gives out a lie."""
    known = {record for whole in segments for record in _walk(whole)}

    def check(data: bytes) -> None:
        (tmp_path / "orders-00000002.hj").write_bytes(data)
        kept = {
            (item.seq, bytes(item.payload))
            for item in salvage(tmp_path, Stream.ORDERS)
            if not isinstance(item, Hole)
        }
        assert kept <= known
        try:
            read = {(each.seq, bytes(each.payload)) for each in JournalReader(tmp_path).records()}
        except JournalDamaged as damaged:
            assert "orders-0000000" in str(damaged)  # noqa: PT017 - or it reads.
        else:
            assert read <= kept

    (tmp_path / "orders-00000001.hj").write_bytes(segments[0])
    fuzz(2_000, [segments[1]], check)


def test_the_control_protocol_raises_its_own_faults_alone() -> None:
    """A line is a request, or a fault with a code; parameters are complete, or refused."""

    def check(data: bytes) -> None:
        buffer = LineBuffer()
        for at in range(0, len(data), 17):
            buffer.feed(data[at : at + 17])
        buffer.feed(b"\n")
        while buffer.ready and (line := buffer.take()) is not None:
            try:
                request = parse_request(line)
                command = command_on(Server.ENGINE, request.method)
                complete = validate(command, request.params)
            except (RequestFault, ControlError):
                continue
            assert set(complete) == {param.name for param in command.params}

    fuzz(25_000, REQUESTS, check)


def test_a_control_socket_survives_junk(tmp_path: Path) -> None:
    """After a thousand spoiled requests, good ones in between, the daemon still answers."""
    with SmallDaemon(tmp_path / "control.sock", SmallDispatch()) as daemon:

        def check(data: bytes) -> None:
            with socket.socket(socket.AF_UNIX) as wire:
                wire.connect(str(daemon.path))
                wire.sendall(data.replace(b"kill", b"book") + b"\n")
                wire.shutdown(socket.SHUT_WR)
                while wire.recv(65_536):
                    pass

        fuzz(1_000, REQUESTS, check)
        assert call(daemon.path, "status") == {"state": "RUNNING"}


def test_the_yaml_loader_refuses_in_one_line(tmp_path: Path) -> None:
    """A spoiled profile is a tree of text, or one line that names the file."""
    path = tmp_path / "mine.yaml"
    sources = [file.read_bytes()[:700] for file in sorted(PROFILES.glob("*.yaml"))]

    def check(data: bytes) -> None:
        path.write_bytes(data)
        try:
            read_file(path, shown="mine.yaml", trusted=True)
        except ProfileError as error:
            text = str(error)
            assert "mine.yaml" in text and "\n" not in text and text.isprintable()

    fuzz(2_500, sources, check)
