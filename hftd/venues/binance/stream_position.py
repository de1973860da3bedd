"""How far a connection's market streams have come, so that another may take over without a gap.

Owns the ids of the stream frames: depth events by their update ids, trades and touches by
theirs. Two connections to the same streams carry the same frames; the second may take over once
the first has delivered up to where the second began. Must not know sockets.
"""

from __future__ import annotations

import msgspec


class _Ids(msgspec.Struct, frozen=True):
    U: int = 0
    u: int = 0
    t: int = 0


class _Head(msgspec.Struct, frozen=True):
    stream: str = ""
    data: _Ids = _Ids()


_head = msgspec.json.Decoder(_Head)


def _place(data: bytes) -> tuple[str, int, int]:
    """Return stream, first and last id of a frame; no stream where it has none."""
    try:
        head = _head.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", 0, 0
    ids = head.data
    last = ids.u or ids.t
    return (head.stream if last else ""), ids.U or last, last


class StreamPositions:
    """The first and the last id seen of each stream since it began to look."""

    def __init__(self) -> None:
        self._first: dict[str, int] = {}
        self._last: dict[str, int] = {}

    def note(self, data: bytes) -> None:
        """Take a frame."""
        stream, first, last = _place(data)
        if stream:
            self._first.setdefault(stream, first)
            self._last[stream] = max(last, self._last.get(stream, 0))

    def has(self, data: bytes) -> bool:
        """Tell whether the ids of a frame were seen already."""
        stream, _, last = _place(data)
        return bool(stream) and last <= self._last.get(stream, 0)

    def joins(self, other: StreamPositions) -> bool:
        """Tell whether ``other`` has come to where these began, in each stream of these.

        A stream in which nothing has come yet joins: all that comes will come here. A touch has
        no neighbors, so it must have been seen itself, or a later one.
        """
        return all(
            other._last.get(stream, 0) >= first - (0 if "@bookTicker" in stream else 1)
            for stream, first in self._first.items()
        )
