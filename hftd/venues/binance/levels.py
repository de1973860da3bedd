"""Price levels: JSON lists of ``["price","qty"]`` into rows of (side, price_ticks, qty_lots).

Owns the level kernel and the whole-book snapshot that is nothing but levels. Must not know
streams or links.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hftd.domain.events import EventKind
from hftd.domain.instrument import Instrument
from hftd.domain.kernel import kernel
from hftd.domain.layout import Records
from hftd.domain.order import Side
from hftd.venues.binance.scan import (
    BAD,
    CLOSE_LIST,
    CLOSE_OBJECT,
    COMMA,
    OPEN_LIST,
    OPEN_OBJECT,
    matches,
    next_key,
    peek,
    scan_integer,
    scan_pair,
    skip_space,
    skip_value,
)
from hftd.venues.port import BLANK, Levels

SNAPSHOT = int(EventKind.SNAPSHOT)
BUY, SELL = int(Side.BUY), int(Side.SELL)


def steps_table(instruments: Sequence[Instrument]) -> Levels:
    """Return how each instrument's decimals become steps.

    Shapes: (instruments, 4) int64; columns price decimals, price multiple, qty decimals, qty
    multiple. A tick of 0.05 is (2, 5): five units of the second decimal.
    """
    table = np.zeros((len(instruments), 4), np.int64)
    for row, instrument in enumerate(instruments):
        for column, step in ((0, instrument.tick_e8), (2, instrument.lot_e8)):
            decimals = 8
            while decimals and step % 10 == 0:
                step //= 10
                decimals -= 1
            table[row, column : column + 2] = decimals, step
    return table


@kernel
def scan_levels(
    data: bytes, at: int, side: int, steps: Levels, levels: Levels, row: int
) -> tuple[int, int]:
    """Write the list of levels at ``at`` from ``row`` on; return (position after, next row).

    Shapes: steps (4,) of `steps_table`; levels (n, 3) int64, columns side, price_ticks,
    qty_lots. The position is BAD where the list is no list of such pairs, a price is zero or
    no whole number of ticks, or the rows do not suffice.
    """
    end = len(data)
    if peek(data, at) != OPEN_LIST:
        return BAD, row
    at = skip_space(data, at + 1)
    if peek(data, at) == CLOSE_LIST:
        return at + 1, row
    while True:
        if at >= end or data[at] != OPEN_LIST or row >= len(levels):
            return BAD, row
        price_ticks, qty_lots, at = scan_pair(data, at + 1, 0, steps)
        if at == BAD:
            return BAD, row
        if at < end and data[at] <= 32:
            at = skip_space(data, at)
        if at >= end or data[at] != CLOSE_LIST:
            return BAD, row
        levels[row, 0] = side
        levels[row, 1] = price_ticks
        levels[row, 2] = qty_lots
        row += 1
        at += 1
        if at < end and data[at] <= 32:
            at = skip_space(data, at)
        if at >= end or data[at] not in (COMMA, CLOSE_LIST):
            return BAD, row
        if data[at] == CLOSE_LIST:
            return at + 1, row
        at += 1
        if at < end and data[at] <= 32:
            at = skip_space(data, at)


@kernel
def scan_snapshot(
    data: bytes,
    at: int,
    instrument: int,
    ts_ns: int,
    steps: Levels,
    events: Records,
    levels: Levels,
) -> int:
    """Write the depth snapshot at ``at`` as one SNAPSHOT; return 1, or BAD.

    Shapes: steps (4,), events (n,) EVENT, levels (m, 3).
    """
    at = skip_space(data, at)
    if peek(data, at) != OPEN_OBJECT:
        return BAD
    at = skip_space(data, at + 1)
    last_update_id, bids_row, asks_row, row = -1, -1, -1, 0
    while True:
        begin, end, at = next_key(data, at)
        if begin == BAD:
            return BAD
        if matches(data, begin, end, b"lastUpdateId"):
            last_update_id, at = scan_integer(data, at)
        elif matches(data, begin, end, b"bids"):
            bids_row = row
            at, row = scan_levels(data, at, BUY, steps, levels, row)
        elif matches(data, begin, end, b"asks"):
            asks_row = row
            at, row = scan_levels(data, at, SELL, steps, levels, row)
        else:
            at = skip_value(data, at)
        if at == BAD:
            return BAD
        at = skip_space(data, at)
        if peek(data, at) == CLOSE_OBJECT:
            break
        if peek(data, at) != COMMA:
            return BAD
        at += 1
    whole = skip_space(data, at + 1) == len(data)
    if not whole or last_update_id < 0 or bids_row < 0 or asks_row < 0:
        return BAD
    events[0] = BLANK[0]
    event = events[0]
    event["kind"] = SNAPSHOT
    event["instrument"] = instrument
    event["ts_ns"] = ts_ns
    event["last_update_id"] = last_update_id
    event["levels_end"] = row
    return 1
