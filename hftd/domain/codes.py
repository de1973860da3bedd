"""The words for states, reasons and refusals: one stable code each.

A refusal reads ``CODE: key=value, …``; the engine carries the code and three integers, the
edge turns them into text with the units given here (see `REFUSAL_FIELDS`). Control ids
(C01 …) are those of the control checklist in README.
"""

from __future__ import annotations

from enum import IntEnum


class TradingState(IntEnum):
    """What the daemon as a whole is doing."""

    STARTING = 0
    RECOVERING = 1
    RUNNING = 2
    PAUSED = 3
    REDUCE_ONLY = 4
    HALTED = 5
    KILLED = 6
    STOPPING = 7


class BookState(IntEnum):
    """Whether one instrument's book may be believed."""

    RESYNCING = 0
    SYNCED = 1
    STALE = 2


class OnStart(IntEnum):
    """What a start does with orders of ours that the venue lists (C34)."""

    CANCEL = 0
    ADOPT = 1
    REFUSE = 2


class Code(IntEnum):
    """Why something was refused, paused, halted or not quoted. Numbers are for ever."""

    NONE = 0
    # Refusals by the gate (control id in the comment).
    GATE_CLOSED = 1  # C31, C34
    NOT_TRADING = 2  # C02
    ORDER_SIZE = 3  # C03
    ORDER_NOTIONAL = 4  # C04
    PRICE_COLLAR = 5  # C05
    QUOTE_DISTANCE = 6  # C05, the passive side
    FILTER_PRICE = 7  # C06
    FILTER_LOT_SIZE = 8  # C06
    FILTER_NOTIONAL = 9  # C06
    FILTER_MAX_ORDERS = 10  # C06
    REFERENCE_STALE = 11  # C07
    POST_ONLY_CROSS = 12  # C08
    REDUCE_ONLY = 13  # C08
    SELF_TRADE = 14  # C09
    DUPLICATE = 15  # C10
    FUNDS = 16  # C11
    POSITION_LIMIT = 17  # C12
    GROSS_EXPOSURE = 18  # C13
    OPEN_ORDERS = 19  # C14
    OPEN_NOTIONAL = 20  # C14
    TURNOVER = 21  # C16
    ORDER_RATE = 22  # C17
    ORDER_TABLE_FULL = 23  # C14, the engine's own capacity
    SIDE_IN_DOUBT = 24  # C27: an UNKNOWN order blocks its symbol and side
    CONSERVATION = 25  # C21: what was sent is not what was filled, is open or has ended
    VENUE_RATE = 26  # C17: our share of the venue's own order limit is used up
    # States and breakers.
    OPERATOR = 40
    DAILY_LOSS = 41  # C15
    DRAWDOWN = 42  # C15
    REJECT_STORM = 43  # C19
    FEED_STALE = 44  # C22
    USER_STREAM_STALE = 45  # C23
    CLOCK = 46  # C24
    JOURNAL = 47  # C26
    UNKNOWN_ORDERS = 48  # C27
    KILL = 49  # C31
    RECONCILE_DIFFERENCE = 50  # C34 at a start, C35 while running
    RECONCILED = 51
    COLLAR_BREACHES = 52  # C05, three in ten seconds
    REFERENCE_DISAGREES = 53  # C05, mid, last and median apart
    RATE_LIMITED = 54  # C30: the venue said 429
    ORDER_LINK_DOWN = 55
    STARTING_UP = 56
    STOP = 57
    BANNED = 58  # C30: 418 or 403
    CREDENTIALS_REFUSED = 59
    TURNOVER_LIMIT = 60  # C16
    CLIENT_ID_CLASH = 61  # C10
    LATE_REPORT = 62  # A report revived a tombstone.
    RESUMED = 63
    RESET = 64
    ONE_SIDED_FILLS = 65  # C18
    ORDERS_WITHOUT_FILL = 66  # C20
    LOOP_LAG = 67  # C25
    ACK_LATENCY = 68  # C28
    PRICE_JUMP = 69  # C29
    FOREIGN_ORDERS = 70  # C34: orders on the account that do not bear our tag
    ORDERS_FOUND = 71  # C34: our own, open at a start, under on_start: refuse
    SECOND_INSTANCE = 72  # C39: an order of our tag from a later boot than this one
    RESET_DWELL = 73  # C33
    UNACKNOWLEDGED = 74  # C41
    LIMITS = 76  # C38: the hash of the limits in force
    LIMIT_LOOSENED = 77  # C38
    LIMIT_INVALID = 78  # C38
    LOST_REPORT = 75  # C35: a fill that only the list of trades has told
    VENUE_RESET = 79  # C34, C35: the venue has forgotten our orders and trades
    # Why a side is not quoted (explain).
    BOOK_NOT_SYNCED = 80
    SPREAD_TOO_NARROW = 81
    NO_EDGE = 82
    POSITION_FULL = 83
    BALANCE_SHORT = 84
    NO_SIGNAL = 85
    COOLDOWN = 86
    HOLDING = 87
    DENIED_RECENTLY = 88
    TRADED_THROUGH = 89
    SIZE_ZERO = 90
    NOT_RUNNING = 91
    ONE_SIDED = 92
    DWELL = 93  # A signal has not lasted long enough.
    STRATEGY_FAILED = 94  # The user's own strategy raised; its instrument waits for the operator.
    NOT_WANTED = 95  # The user's own strategy wants nothing here; the value is its reason.
    NO_ESTIMATE = 96  # What the formula needs has not been seen often enough.


class VenueCode(IntEnum):
    """Venue errors that the engine tells apart, as the codec hands them over.

    Binance's -2010 stands for several things that only its text tells apart.
    """

    WOULD_MATCH = -201001  # A post-only order would have taken: an expected miss.
    INSUFFICIENT_BALANCE = -201002
    DUPLICATE_ID = -201003
    MARKET_CLOSED = -201004
    NOT_ATTEMPTED = -202201  # The cancel leg failed, so the new order was never tried.
    NOT_SENT = -900001  # Our own link was down or full: the venue never saw it.
    WRONG_TIME = -1021  # Too late, or ahead of the venue's clock.
    UNKNOWN_ORDER = -2011
    NO_SUCH_ORDER = -2013


class Unit(IntEnum):
    """The unit of a refusal's or condition's integer, for the edge that prints it."""

    COUNT = 0
    LOTS = 1
    TICKS = 2
    ATOMS = 3  # quote atoms
    NS = 4
    BPS_E2 = 5  # hundredths of a basis point
    STATE = 6
    HALF_TICKS = 7
    BASE_ATOMS = 8
    RATIO_E6 = 9


REFUSAL_FIELDS: dict[Code, tuple[str, str, Unit]] = {
    Code.GATE_CLOSED: ("state", "needed", Unit.STATE),
    Code.NOT_TRADING: ("status", "needed", Unit.COUNT),
    Code.ORDER_SIZE: ("qty", "max", Unit.LOTS),
    Code.ORDER_NOTIONAL: ("notional", "max", Unit.ATOMS),
    Code.PRICE_COLLAR: ("price", "bound", Unit.TICKS),
    Code.QUOTE_DISTANCE: ("price", "bound", Unit.TICKS),
    Code.FILTER_PRICE: ("price", "bound", Unit.TICKS),
    Code.FILTER_LOT_SIZE: ("qty", "bound", Unit.LOTS),
    Code.FILTER_NOTIONAL: ("notional", "bound", Unit.ATOMS),
    Code.FILTER_MAX_ORDERS: ("open", "max", Unit.COUNT),
    Code.REFERENCE_STALE: ("age", "max", Unit.NS),
    Code.POST_ONLY_CROSS: ("price", "touch", Unit.TICKS),
    Code.REDUCE_ONLY: ("qty", "reducible", Unit.LOTS),
    Code.SELF_TRADE: ("price", "own", Unit.TICKS),
    Code.DUPLICATE: ("twins", "max", Unit.COUNT),
    Code.FUNDS: ("needed", "free", Unit.ATOMS),
    Code.POSITION_LIMIT: ("worst", "max", Unit.LOTS),
    Code.GROSS_EXPOSURE: ("exposure", "max", Unit.ATOMS),
    Code.OPEN_ORDERS: ("open", "max", Unit.COUNT),
    Code.OPEN_NOTIONAL: ("open", "max", Unit.ATOMS),
    Code.TURNOVER: ("turnover", "max", Unit.ATOMS),
    Code.ORDER_RATE: ("ahead", "burst", Unit.NS),
    Code.ORDER_TABLE_FULL: ("open", "max", Unit.COUNT),
    Code.SIDE_IN_DOUBT: ("unknown", "max", Unit.COUNT),
    Code.CONSERVATION: ("sent", "accounted", Unit.LOTS),
    Code.VENUE_RATE: ("used", "share", Unit.COUNT),
    Code.ONE_SIDED_FILLS: ("fills", "max", Unit.COUNT),
    Code.ORDERS_WITHOUT_FILL: ("orders", "max", Unit.COUNT),
    Code.LOOP_LAG: ("late", "max", Unit.NS),
    Code.ACK_LATENCY: ("p99", "max", Unit.NS),
    Code.PRICE_JUMP: ("moved", "max", Unit.BPS_E2),
    Code.FOREIGN_ORDERS: ("orders", "max", Unit.COUNT),
    Code.ORDERS_FOUND: ("orders", "max", Unit.COUNT),
    Code.RESET_DWELL: ("since", "min", Unit.NS),
    Code.UNACKNOWLEDGED: ("alerts", "max", Unit.COUNT),
    Code.DAILY_LOSS: ("loss", "max", Unit.ATOMS),
    Code.DRAWDOWN: ("drawdown", "max", Unit.ATOMS),
    Code.REJECT_STORM: ("rejects", "max", Unit.COUNT),
    Code.FEED_STALE: ("age", "max", Unit.NS),
    Code.USER_STREAM_STALE: ("age", "max", Unit.NS),
    Code.CLOCK: ("offset", "max", Unit.NS),
    Code.UNKNOWN_ORDERS: ("unknown", "max", Unit.COUNT),
    Code.COLLAR_BREACHES: ("breaches", "max", Unit.COUNT),
    Code.REFERENCE_DISAGREES: ("distance", "max", Unit.BPS_E2),
    Code.TURNOVER_LIMIT: ("turnover", "max", Unit.ATOMS),
    Code.BOOK_NOT_SYNCED: ("book", "needed", Unit.STATE),
    Code.SPREAD_TOO_NARROW: ("spread", "min", Unit.BPS_E2),
    Code.NO_EDGE: ("edge", "min", Unit.BPS_E2),
    Code.POSITION_FULL: ("position", "max", Unit.LOTS),
    Code.BALANCE_SHORT: ("free", "needed", Unit.ATOMS),
    Code.NO_SIGNAL: ("imbalance", "threshold", Unit.RATIO_E6),
    Code.COOLDOWN: ("since", "cooldown", Unit.NS),
    Code.HOLDING: ("since", "holding", Unit.NS),
    Code.SIZE_ZERO: ("qty", "min", Unit.LOTS),
    Code.DWELL: ("since", "dwell", Unit.NS),
    Code.STRATEGY_FAILED: ("errors", "max", Unit.COUNT),
    Code.NOT_WANTED: ("reason", "none", Unit.COUNT),
    Code.NO_ESTIMATE: ("seen", "needed", Unit.COUNT),
    Code.NOT_RUNNING: ("state", "needed", Unit.STATE),
}
