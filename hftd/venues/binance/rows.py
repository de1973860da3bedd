"""Writing EVENT records one by one: a bounded sink over the caller's array.

Owns the row counter of one decode call, and the exact reading of decimal text into steps
and atoms. Must not know any message.
"""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np

from hftd.domain.events import EVENT, EventKind
from hftd.domain.layout import Records
from hftd.domain.units import E8, INT64_MAX, parse_e8
from hftd.venues.port import BLANK

DEEPEST = 64
_BRACKETS = re.compile(rb"[\[\]{}]")  # Names and texts of the venue hold none.


class Unreadable(ValueError):
    """A frame says what its protocol forbids; never leaves the codec."""


def require_shallow(data: bytes) -> None:
    """Raise Unreadable where a frame nests lists and objects deeper than `DEEPEST`.

    A decoder goes as deep as the stack leaves room, of which a replay has another amount: what is
    nested deeper than anything that the venue says is unreadable by rule.
    """
    if data.count(b"[") + data.count(b"{") <= DEEPEST:
        return
    depth = 0
    for bracket in _BRACKETS.findall(data):
        depth += 1 if bracket in b"[{" else -1
        if depth > DEEPEST:
            raise Unreadable(f"at most {DEEPEST} levels are needed, was deeper")


class Rows:
    """The events of one frame; what does not fit makes the frame unreadable."""

    def __init__(self) -> None:
        self.count = 0
        self._ts_ns = 0
        self._use(BLANK.copy())

    def begin(self, events: Records, ts_ns: int) -> None:
        """Write to ``events`` from its first row on."""
        if events is not self._events:
            self._use(events)
        self.count, self._ts_ns = 0, ts_ns

    def _use(self, events: Records) -> None:
        # A write to a column costs a quarter of one to a field of a record.
        self._events = events
        self._columns = {name: events[name] for name in EVENT.names or ()}
        self._bytes = events.view(np.uint8).reshape(len(events), EVENT.itemsize)

    def add(self, kind: EventKind, **fields: int) -> None:
        """Write one record: the fields given, zeros elsewhere."""
        at, columns = self.count, self._columns
        if at >= len(self._events):
            raise Unreadable(f"at most {len(self._events)} events a frame")
        self._bytes[at] = 0
        columns["kind"][at], columns["ts_ns"][at] = kind, self._ts_ns
        for name, value in fields.items():
            columns[name][at] = value
        self.count = at + 1


@lru_cache(maxsize=4_096)  # Reports repeat the same prices, sizes and zeros all the time.
def steps_of(text: str, step_e8: int) -> int:
    """Return unsigned decimal text in whole steps; Unreadable where it is none."""
    value = atoms_of(text)
    steps, rest = divmod(value, step_e8)
    if value < 0 or rest:
        raise Unreadable(f"a whole number of steps of {step_e8}e-8 is needed, was {text[:40]!r}")
    return steps


@lru_cache(maxsize=1_024)
def covering_steps_of(text: str, step_e8: int) -> int:
    """Return unsigned decimal text in the fewest whole steps that cover it.

    For what must be known and is no money: an order may stand that was sent under other steps.
    """
    return whole_steps_of(text, step_e8) + (atoms_of(text) % step_e8 > 0)


def whole_steps_of(text: str, step_e8: int) -> int:
    """Return unsigned decimal text in the most whole steps that it covers."""
    value = atoms_of(text)
    if value < 0:
        raise Unreadable(f"no sign is needed, was {text[:40]!r}")
    return value // step_e8


def atoms_of(text: str) -> int:
    """Return signed decimal text in atoms of 1e-8; Unreadable where it does not fit int64."""
    try:
        value = parse_e8(text)
    except ValueError as fault:
        raise Unreadable(str(fault)) from None
    if not -INT64_MAX <= value <= INT64_MAX:
        raise Unreadable(f"at most {INT64_MAX // E8} is read, was {text[:40]!r}")
    return value
