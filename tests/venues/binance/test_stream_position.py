"""Where a connection stands in its streams, and when another may take over from it."""

from __future__ import annotations

import gzip
import json
from itertools import islice
from pathlib import Path

import pytest

from hftd.venues.binance.stream_position import StreamPositions

RECORDED = Path("../shared/data/binance-spot/btcusdt_20240808.gz")
DEPTH, TRADE, TOUCH = "btcusdt@depth@100ms", "btcusdt@trade", "btcusdt@bookTicker"


def frame(stream: str, **ids: int) -> bytes:
    """Return a frame of a combined stream."""
    return json.dumps({"stream": stream, "data": ids}).encode()


def seen(*frames: bytes) -> StreamPositions:
    """Return the positions after these frames."""
    positions = StreamPositions()
    for data in frames:
        positions.note(data)
    return positions


@pytest.mark.parametrize(
    ("old", "new", "joins"),
    [
        ([], [], True),  # Nothing has come: all that comes will come on both.
        ([], [frame(DEPTH, U=11, u=20)], False),
        ([frame(DEPTH, U=1, u=9)], [frame(DEPTH, U=11, u=20)], False),
        ([frame(DEPTH, U=1, u=10)], [frame(DEPTH, U=11, u=20)], True),
        ([frame(DEPTH, U=5, u=15)], [frame(DEPTH, U=11, u=20)], True),
        ([frame(TRADE, t=6)], [frame(TRADE, t=7), frame(TRADE, t=8)], True),
        ([frame(TRADE, t=5)], [frame(TRADE, t=7)], False),
        ([frame(TOUCH, u=99)], [frame(TOUCH, u=100)], False),
        ([frame(TOUCH, u=101)], [frame(TOUCH, u=100)], True),
        ([frame(DEPTH, U=1, u=30)], [frame(DEPTH, U=11, u=20), frame(TRADE, t=7)], False),
    ],
)
def test_one_joins_another_that_has_come_to_where_it_began(
    old: list[bytes], new: list[bytes], joins: bool
) -> None:
    """In each stream, with no id between them."""
    assert seen(*new).joins(seen(*old)) is joins


@pytest.mark.skipif(not RECORDED.exists(), reason="no recorded data beside the repository")
@pytest.mark.parametrize("began", [40, 777, 1_501])
def test_a_recorded_session_is_handed_over_without_a_gap(began: int) -> None:
    """Old and new together give each frame of the real stream once, in its order."""
    with gzip.open(RECORDED) as file:
        frames = [line.split(b" ", 1)[1].strip() for line in islice(file, 4_000)]
    frames = [data for data in frames if b'"stream"' in data]
    old, new, held = StreamPositions(), StreamPositions(), list[bytes]()
    told: list[bytes] = []
    late = iter(frames[began - 20 :])  # The old connection brings everything twenty frames later.
    for data in frames[began:]:
        held.append(data)
        new.note(data)
        before = next(late)
        told.append(before)
        old.note(before)
        if len(held) > 100 and new.joins(old):
            break
    else:
        pytest.fail("they never joined")
    told += [data for data in held if not old.has(data)]
    through = frames[began - 20 : began + len(held)]
    assert told == through


def test_what_was_seen_is_told_from_what_was_not() -> None:
    """By the last id of its own stream; a frame without a place was never seen."""
    positions = seen(frame(DEPTH, U=1, u=10), frame(DEPTH, U=11, u=20), b"{", b"[]")
    assert positions.has(frame(DEPTH, U=15, u=20))
    assert not positions.has(frame(DEPTH, U=15, u=21))
    assert not positions.has(frame(TRADE, t=3))
    assert not positions.has(b"{")
    assert not positions.has(b'{"e":"serverShutdown","E":1}')
