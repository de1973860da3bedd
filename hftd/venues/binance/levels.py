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
    POINT,
    QUOTE,
    eight_digits,
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
E8 = 100_000_000
PLAIN_WHOLE_DIGITS = 10  # With eight decimals what always fits int64.
PLAIN_LEVEL_BYTES = len('["0.00000000","0.00000000"],')  # The shortest.


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


# long: one walk over the bytes, as in `scan.scan_pair`.
@kernel.borrowing
def scan_plain_levels(
    data: bytes, at: int, side: int, steps: Levels, levels: Levels, row: int
) -> tuple[int, int]:
    """Write levels as the venue writes them, for as long as they are; return (position, next row).

    That is ``["60000.01000000","0.50000000"],``: eight decimals, no space, a comma behind it. At
    the position returned begins whatever is no such level, or cannot be taken: `scan_levels` reads
    it as strictly as any, so nothing is refused here. Takes half the time of `scan_pair`.
    Shapes: see `scan_levels`.
    """
    end = len(data)
    price_step_e8 = steps[1] * 10 ** (8 - steps[0])
    qty_step_e8 = steps[3] * 10 ** (8 - steps[2])
    while row < len(levels) and at + PLAIN_LEVEL_BYTES <= end and data[at] == OPEN_LIST:
        next_at, price_ticks, qty_lots = at + 1, 0, 0
        for column in range(2):
            begin = next_at + 1
            whole, point = scan_integer(data, begin)
            if point == BAD or point - begin > PLAIN_WHOLE_DIGITS or point + 11 >= end:
                return at, row
            if data[begin - 1] != QUOTE or data[point] != POINT or data[point + 9] != QUOTE:
                return at, row
            part = eight_digits(data, point + 1)
            if part == BAD:
                return at, row
            value_e8 = whole * E8 + part
            next_at = point + 11
            if column == 0:
                price_ticks = value_e8 // price_step_e8
                is_exact = value_e8 > 0 and price_ticks * price_step_e8 == value_e8
                if not is_exact or data[point + 10] != COMMA:
                    return at, row
            else:
                qty_lots = value_e8 // qty_step_e8
                if qty_lots == 0 and value_e8 > 0:
                    qty_lots = 1
                if data[point + 10] != CLOSE_LIST or data[next_at] != COMMA:
                    return at, row
        levels[row, 0] = side
        levels[row, 1] = price_ticks
        levels[row, 2] = qty_lots
        row += 1
        at = next_at + 1
    return at, row


@kernel.borrowing
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
        at, row = scan_plain_levels(data, at, side, steps, levels, row)
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


@kernel.borrowing
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
