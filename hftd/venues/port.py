"""The port of a venue: what a dialect must offer to the loop, and what a venue can do.

Owns the contract between a codec and its callers, and the sizes of the arrays that they
share. Must not know any dialect. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from hftd.domain.actions import Action
from hftd.domain.events import EVENT, EventKind, Link
from hftd.domain.layout import Records

Levels = npt.NDArray[np.int64]

# What one frame may give at most: a page of 1,000 own trades, or a 5,000 level snapshot. A
# frame with more is treated as one that cannot be read.
MAX_EVENTS = 1_100
MAX_LEVELS = 10_000

BLANK = np.zeros(1, EVENT)  # What a record is before its fields are set; kernels hold a copy.


class DeadMan(IntEnum):
    """What the venue cancels by itself when we fall silent."""

    NONE = 0
    PER_SYMBOL = 1
    ACCOUNT = 2


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a venue can do, declared by its dialect."""

    dead_man: DeadMan
    post_only: bool
    cancel_replace: bool
    amend_keeping_priority: bool
    self_trade_prevention: tuple[str, ...]
    client_order_id_length: int


class Codec(Protocol):
    """Frames to events, actions to frames; a function of what it was given, nothing else."""

    capabilities: Capabilities
    broken: int  # Frames that could not be read; whoever owns the socket looks at it.

    def decode(self, link: Link, data: bytes, ts_ns: int, events: Records, levels: Levels) -> int:
        """Write what the frame says to ``events`` and ``levels``; return how many events.

        Shapes: events (MAX_EVENTS,) EVENT; levels (MAX_LEVELS, 3) int64 of side,
        price_ticks, qty_lots. Raises nothing for what the venue sent: a market frame that
        cannot be read becomes BOOK_BROKEN, and nothing of it is delivered.
        """
        ...

    def encode(self, action: Action, venue_offset_ns: int) -> bytes | None:
        """Return the unsigned frame of an action, or None where nothing is sent."""
        ...


def new_event_buffers() -> tuple[Records, Levels]:
    """Return the arrays that `Codec.decode` fills, of the sizes it may need."""
    return np.zeros(MAX_EVENTS, EVENT), np.zeros((MAX_LEVELS, 3), np.int64)


def new_event(kind: EventKind, ts_ns: int, **fields: int) -> Records:
    """Return an array of one EVENT record with the fields given and zeros elsewhere."""
    event = np.zeros(1, EVENT)
    event["kind"], event["ts_ns"] = kind, ts_ns
    for name, value in fields.items():
        event[name] = value
    return event
