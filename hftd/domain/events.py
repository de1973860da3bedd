"""All that may enter the engine: one record layout, one kind each.

A kind uses the fields that its comment names; the others are zero. Levels of a depth
message stand in a separate int64 array of (side, price_ticks, qty_lots), rows
``levels_begin`` to ``levels_end``. ``ts_ns`` is the engine's only clock.
"""

from __future__ import annotations

from enum import IntEnum

from hftd.domain.layout import Field, layout


class EventKind(IntEnum):
    """What happened."""

    NONE = 0
    BOOT = 1  # epoch, on_crash (1 resume, 0 halt), latched (a TradingState or 0), crashed
    LINK = 2  # link, up
    # Market data.
    DEPTH = 10  # instrument, first_update_id, last_update_id, levels; qty 0 deletes
    SNAPSHOT = 11  # instrument, last_update_id, levels, both sides whole
    TOUCH = 12  # instrument, last_update_id, bid_*, ask_* (bookTicker of the stream)
    PUBLIC_TRADE = 13  # instrument, trade_id, price_ticks, qty_lots, aggressor_side
    BOOK_BROKEN = 14  # instrument: a message of it could not be read
    TOUCH_ANSWER = 15  # instrument, last_update_id, bid_*, ask_*: REST bookTicker we asked for
    INSTRUMENT_STATUS = 16  # instrument, status (InstrumentStatus)
    # Reports on our orders. order_key names the order.
    ACCEPTED = 20  # venue_order_id
    FILL = 21  # trade_id, price_ticks, qty_lots (0: not in our steps), cum_*, fee_*, side …
    CANCELED = 22  # cum_qty_lots
    REJECTED = 23  # code: venue error code
    CANCEL_REJECTED = 24  # code
    EXPIRED = 25  # cum_qty_lots
    OUTCOME_UNKNOWN = 26  # a create whose answer is lost, timed out or 5xx
    ORDER_STATUS = 27  # answer to a query: found, status, cum_qty_lots, venue_order_id
    FOREIGN_ORDER = 28  # venue_order_id, side, price_ticks, qty_lots: not of our tag
    CANCEL_UNKNOWN = 29  # a cancel whose answer is lost: query the order
    # The account.
    BALANCE = 30  # asset, free_atoms, locked_atoms (the venue's words)
    EXTERNAL_FLOW = 31  # asset, delta_atoms
    USER_STREAM_ENDED = 32
    ORDER_OWNER = 33  # Answer to a query by venue_order_id: as ORDER_STATUS; order_key 0: not ours
    # Time and the world.
    TIMER = 40  # timer, lag_ns: how late the driver took it
    CLOCK = 41  # wall_offset_ns, venue_offset_ns, round_trip_ns
    RATE_STATUS = 42  # order_count, order_limit, window_ns as the venue counts orders
    RATE_LIMITED = 43  # until_ns, code (429, 418, 403)
    JOURNAL_FAILED = 44  # code: errno
    # Operator and recovery.
    COMMAND = 50  # command, instrument (-1 all), order_key (ACK: alert, 0 all; RESET: ResetKind)
    # The ends of lists; until_ns: asked for then.
    OPEN_ORDERS_END = 52  # instrument, order_count: of ours listed
    TRADES_END = 53  # instrument, order_count: delivered in this page, trade_id: the last
    BALANCES_END = 54  # every asset of the profile was delivered
    LIMIT = 56  # limit, instrument (-1: the profile's), value: proposed, see SET_LIMITS
    QUERY_FAILED = 55  # a query of recovery got an error: instrument, code


class Link(IntEnum):
    """The roads between us and the venue."""

    MARKET = 0
    ORDER = 1
    USER = 2  # The subscription to our own reports, carried by the order link.
    REST = 3


class Timer(IntEnum):
    """The engine's own timers; each is at most once outstanding."""

    PULSE = 0  # Every 100 ms while running: ages, breakers, retries.
    SECOND = 1  # Once a second: equity, day change.


class CommandKind(IntEnum):
    """What an operator may tell the engine."""

    NONE = 0
    PAUSE = 1
    RESUME = 2
    KILL = 3
    RESET = 4
    CANCEL = 5
    CANCEL_ALL = 6
    FLATTEN = 7
    STOP = 8
    RECONCILE = 9
    ACK = 10
    SET_LIMITS = 11  # Take all limits that LIMIT events have proposed, or none; value: whose.


class ResetKind(IntEnum):
    """What a person says of a difference between our books and the venue, with ``reset``."""

    PLAIN = 0  # Nothing: books and venue have to agree.
    VENUE_WIPED = 1  # The venue has forgotten us; its state is taken as new.
    ACCEPT_FLOWS = 2  # Balances alone differ, by deposits or withdrawals that nobody reported.


EVENT = layout(
    Field("kind", "i4", "EventKind"),
    Field("instrument", "i4", "index of the instrument"),
    Field("ts_ns", "i8", "when we received it"),
    Field("exch_ts_ns", "i8", "the venue's time, 0 where unknown"),
    Field("link", "i4", "Link"),
    Field("up", "i4", "1 up, 0 down"),
    Field("first_update_id", "i8", "U"),
    Field("last_update_id", "i8", "u, lastUpdateId"),
    Field("levels_begin", "i4", "first row of the levels"),
    Field("levels_end", "i4", "row after the last"),
    Field("bid_ticks", "i8", "best bid"),
    Field("bid_lots", "i8", ""),
    Field("ask_ticks", "i8", "best ask"),
    Field("ask_lots", "i8", ""),
    Field("order_key", "i8", "epoch and sequence of our order"),
    Field("venue_order_id", "i8", ""),
    Field("trade_id", "i8", "execution id of a fill or public trade"),
    Field("side", "i4", "Side of our order"),
    Field("aggressor_side", "i4", "Side that took liquidity"),
    Field("price_ticks", "i8", "last price of a fill or trade"),
    Field("qty_lots", "i8", "last quantity of a fill or trade"),
    Field("cum_qty_lots", "i8", "as the venue reports it"),
    Field("fee_atoms", "i8", "atoms (1e-8) of the fee asset"),
    Field("fee_asset", "i4", "FeeAsset"),
    Field("liquidity", "i4", "Liquidity"),
    Field("status", "i4", "OrderState told by a query, or InstrumentStatus"),
    Field("found", "i4", "1 where the query found the order"),
    Field("code", "i8", "venue error code, HTTP status or errno"),
    Field("asset", "i4", "index of the asset; of a fee in OTHER: 0 where not of the profile"),
    Field("free_atoms", "i8", ""),
    Field("locked_atoms", "i8", ""),
    Field("delta_atoms", "i8", ""),
    Field("timer", "i4", "Timer"),
    Field("lag_ns", "i8", "of the pulse, by the driver's clock"),
    Field("command", "i4", "CommandKind"),
    Field("limit", "i4", "Limit"),
    Field("value", "i8", "of the limit, in the engine's units"),
    Field("wall_offset_ns", "i8", "wall clock less ts_ns"),
    Field("venue_offset_ns", "i8", "venue clock less ts_ns"),
    Field("round_trip_ns", "i8", "of the clock sample"),
    Field("until_ns", "i8", ""),
    Field("order_count", "i8", ""),
    Field("order_limit", "i8", ""),
    Field("window_ns", "i8", ""),
    Field("epoch", "i8", "boot epoch, part of client order ids"),
    Field("on_crash", "i4", "1 resume, 0 halt"),
    Field("latched", "i4", "TradingState kept over the restart, or 0"),
    Field("crashed", "i4", "1 where the run before did not end by stop"),
)
