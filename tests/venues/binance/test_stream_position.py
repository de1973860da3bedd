"""Where a connection stands in its streams, and when another may take over from it."""

from __future__ import annotations

import json

import pytest

from hftd.venues.binance.stream_position import StreamPositions

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


def test_what_was_seen_is_told_from_what_was_not() -> None:
    """By the last id of its own stream; a frame without a place was never seen."""
    positions = seen(frame(DEPTH, U=1, u=10), frame(DEPTH, U=11, u=20), b"{", b"[]")
    assert positions.has(frame(DEPTH, U=15, u=20))
    assert not positions.has(frame(DEPTH, U=15, u=21))
    assert not positions.has(frame(TRADE, t=3))
    assert not positions.has(b"{")
    assert not positions.has(b'{"e":"serverShutdown","E":1}')
