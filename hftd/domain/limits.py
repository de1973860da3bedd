"""The limits that may be changed while trading, by number: the words of C38."""

from __future__ import annotations

from enum import IntEnum


class Limit(IntEnum):
    """One limit of the engine; from 100 on it is an instrument's own. Numbers are for ever."""

    DAILY_LOSS_ATOMS = 0
    DRAWDOWN_ATOMS = 1
    TURNOVER_ATOMS = 2
    GROSS_EXPOSURE_ATOMS = 3
    OPEN_NOTIONAL_ATOMS = 4
    ORDER_INTERVAL_NS = 5  # The longer, the tighter.
    BOOK_AGE_NS = 6
    UNKNOWN_ORDERS = 7
    ONE_SIDED_FILLS = 8
    ORDERS_WITHOUT_FILL = 9
    LOOP_LAG_NS = 10
    ACK_NS = 11
    PRICE_JUMP_BPS_E2 = 12
    ORDER_LOTS = 100
    ORDER_LOTS_REDUCE = 101
    ORDER_NOTIONAL_ATOMS = 102
    ORDER_NOTIONAL_ATOMS_REDUCE = 103
    POSITION_LOTS = 104
    OPEN_ORDERS = 105
    COLLAR_BPS_E2 = 106
    QUOTE_DISTANCE_BPS_E2 = 107


FIRST_OF_INSTRUMENT = 100
