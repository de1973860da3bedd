"""One side of a book as two sorted arrays, the best level last.

Owns the order of levels. Must not know update ids, own orders or what a level is used for.

Almost every change happens near the touch, so with the best level LAST an insertion shifts a
few levels, and the best is always at ``count - 1``. A full side drops its farthest level: what
lies `LEVELS_CAPACITY` levels from the touch decides nothing, and it comes back by its next
update once the side has room.

Shapes: ``book`` is one BOOK record. Units: ticks, lots.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hftd.domain.kernel import kernel
from hftd.domain.order import Side
from hftd.engine.state import LEVELS_CAPACITY

Levels = np.ndarray[Any, np.dtype[np.int64]]


@kernel
def find_level(book: Any, side: int, price_ticks: int) -> int:
    """Return the index of the first level at or better than a price; count where none is."""
    ticks = book["ticks"][side]
    sign = 1 if side == Side.BUY else -1
    low, high = 0, book["count"][side]
    while low < high:
        middle = (low + high) // 2
        if sign * ticks[middle] < sign * price_ticks:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def set_level(book: Any, side: int, price_ticks: int, qty_lots: int) -> None:
    """Set the quantity at a price; 0 removes the level, and an absent one may be removed."""
    at = find_level(book, side, price_ticks)
    count = book["count"][side]
    if at < count and book["ticks"][side, at] == price_ticks:
        if qty_lots > 0:
            book["lots"][side, at] = qty_lots
        else:
            _remove(book, side, at)
    elif qty_lots > 0:
        if count < LEVELS_CAPACITY:
            _insert(book, side, at, price_ticks, qty_lots)
        elif at > 0:
            _insert_dropping(book, side, at, price_ticks, qty_lots)


@kernel
def _remove(book: Any, side: int, at: int) -> None:
    count = book["count"][side]
    _close_gap(book["ticks"][side, at:count])
    _close_gap(book["lots"][side, at:count])
    book["count"][side] = count - 1


@kernel
def _insert(book: Any, side: int, at: int, price_ticks: int, qty_lots: int) -> None:
    count = book["count"][side]
    _push_in(book["ticks"][side, at : count + 1], price_ticks)
    _push_in(book["lots"][side, at : count + 1], qty_lots)
    book["count"][side] = count + 1


@kernel
def _insert_dropping(book: Any, side: int, at: int, price_ticks: int, qty_lots: int) -> None:
    # The side is full: what is farther than the new level moves over the farthest.
    _close_gap(book["ticks"][side, :at])
    _close_gap(book["lots"][side, :at])
    book["ticks"][side, at - 1] = price_ticks
    book["lots"][side, at - 1] = qty_lots


# Both walk a part of one array from its beginning: an index that counts up from 0 is known not to
# be negative, so that several numbers are moved at once, and 200 of them in a sixth of the time.
@kernel
def _close_gap(part: Levels) -> None:
    """Move all but the first one place forward, over the first."""
    for index in range(len(part) - 1):
        part[index] = part[index + 1]


@kernel
def _push_in(part: Levels, value: int) -> None:
    """Put a number before all; the last one falls off."""
    for index in range(len(part)):
        value, part[index] = part[index], value


@kernel
def best_ticks(book: Any, side: int) -> int:
    """Return the best price of a side, 0 for none."""
    count = book["count"][side]
    return book["ticks"][side, count - 1] if count > 0 else 0


@kernel
def best_lots(book: Any, side: int) -> int:
    """Return the quantity at the best price of a side, 0 for none."""
    count = book["count"][side]
    return book["lots"][side, count - 1] if count > 0 else 0


@kernel
def is_crossed(book: Any) -> bool:
    """Tell whether the best bid is at or above the best ask."""
    bid, ask = best_ticks(book, Side.BUY), best_ticks(book, Side.SELL)
    return bid > 0 and ask > 0 and bid >= ask
