"""Writing EVENT records one by one: a bounded sink over the caller's array.

Owns the row counter of one decode call, and the exact reading of decimal text into steps
and atoms. Must not know any message.
"""

from __future__ import annotations

from hftd.domain.events import EventKind
from hftd.domain.layout import Records
from hftd.domain.units import E8, INT64_MAX, parse_e8
from hftd.venues.port import BLANK


class Unreadable(ValueError):
    """A frame says what its protocol forbids; never leaves the codec."""


class Rows:
    """The events of one frame; what does not fit makes the frame unreadable."""

    def __init__(self) -> None:
        self.count = 0
        self._events: Records = BLANK
        self._ts_ns = 0

    def begin(self, events: Records, ts_ns: int) -> None:
        """Write to ``events`` from its first row on."""
        self.count, self._events, self._ts_ns = 0, events, ts_ns

    def add(self, kind: EventKind, **fields: int) -> None:
        """Write one record: the fields given, zeros elsewhere."""
        if self.count >= len(self._events):
            raise Unreadable(f"at most {len(self._events)} events a frame")
        self._events[self.count] = BLANK[0]
        event = self._events[self.count]
        event["kind"], event["ts_ns"] = kind, self._ts_ns
        for name, value in fields.items():
            event[name] = value
        self.count += 1


def steps_of(text: str, step_e8: int) -> int:
    """Return unsigned decimal text in whole steps; Unreadable where it is none."""
    value = atoms_of(text)
    steps, rest = divmod(value, step_e8)
    if value < 0 or rest:
        raise Unreadable(f"a whole number of steps of {step_e8}e-8 is needed, was {text[:40]!r}")
    return steps


def atoms_of(text: str) -> int:
    """Return signed decimal text in atoms of 1e-8; Unreadable where it does not fit int64."""
    try:
        value = parse_e8(text)
    except ValueError as fault:
        raise Unreadable(str(fault)) from None
    if not -INT64_MAX <= value <= INT64_MAX:
        raise Unreadable(f"at most {INT64_MAX // E8} is read, was {text[:40]!r}")
    return value
