"""Market stream frames: the combined-stream envelope into DEPTH, PUBLIC_TRADE and TOUCH.

Owns the meaning of market stream fields. Must not know sockets, orders or the book.

A frame is ``{"stream":"btcusdt@depth@100ms","data":{…}}``. One kernel walks it once and
notes where each one-letter field of ``data`` stands; levels are read on the way when the
symbol came before them, as the venue writes it, else afterwards. Frames without ``data``
(answers to subscriptions, serverShutdown) hold no market data and give no event.
"""

from __future__ import annotations

from hftd.domain.events import EventKind
from hftd.domain.kernel import kernel
from hftd.domain.layout import Records
from hftd.domain.order import Side
from hftd.venues.binance.levels import scan_levels
from hftd.venues.binance.scan import (
    BAD,
    CLOSE_OBJECT,
    COMMA,
    OPEN_LIST,
    OPEN_OBJECT,
    QUOTE,
    is_zero,
    matches,
    next_key,
    peek,
    scan_integer,
    scan_pair,
    skip_space,
    skip_string,
    skip_value,
)
from hftd.venues.port import BLANK, Levels

DEPTH, TOUCH = int(EventKind.DEPTH), int(EventKind.TOUCH)
PUBLIC_TRADE = int(EventKind.PUBLIC_TRADE)
BUY, SELL = int(Side.BUY), int(Side.SELL)

MAX_MS = 9_000_000_000_000  # Milliseconds whose nanoseconds still fit int64.
NS_PER_MS = 1_000_000

# One-letter fields of the stream payloads, by their byte; places are kept in an array of 128.
EVENT_TYPE, EVENT_TIME, SYMBOL = ord("e"), ord("E"), ord("s")
FIRST_ID, LAST_ID, BIDS, ASKS = ord("U"), ord("u"), ord("b"), ord("a")
BID_QTY, ASK_QTY, PRICE, QTY = ord("B"), ord("A"), ord("p"), ord("q")
TRADE_ID, TRADE_TIME, BUYER_IS_MAKER = ord("t"), ord("T"), ord("m")
TRUE, FALSE = ord("t"), ord("f")
# Rows of levels of each side, kept in places that no field uses.
BIDS_READ, ASKS_READ, LEVEL_ROWS = 1, 2, 3


@kernel.borrowing
def find_symbol(data: bytes, at: int, symbols: Levels) -> int:
    """Return the index of the quoted symbol at ``at``, or BAD.

    Shapes: symbols (instruments, 1 + longest) int64: length, then the bytes.
    """
    after = skip_string(data, at)
    if after == BAD:
        return BAD
    length = after - at - 2
    for index in range(len(symbols)):
        if symbols[index, 0] == length:
            same = True
            for offset in range(length):
                if symbols[index, 1 + offset] != data[at + 1 + offset]:
                    same = False
                    break
            if same:
                return index
    return BAD


@kernel.borrowing
def _time_ns(data: bytes, at: int) -> int:
    ms, after = scan_integer(data, at)
    if at == 0 or after == BAD or ms > MAX_MS:
        return BAD
    return ms * NS_PER_MS


@kernel.borrowing
def _scan_side(
    data: bytes, at: int, side: int, steps: Levels, levels: Levels, places: Levels
) -> int:
    after, row = scan_levels(data, at, side, steps, levels, places[LEVEL_ROWS])
    places[LEVEL_ROWS] = row
    places[BIDS_READ if side == BUY else ASKS_READ] = 1
    return after


@kernel.borrowing
def _scan_fields(
    data: bytes, at: int, symbols: Levels, steps: Levels, levels: Levels, places: Levels
) -> tuple[int, int]:
    # Walk the payload; return (position after it, instrument); position BAD if not JSON.
    instrument = BAD
    if peek(data, at) != OPEN_OBJECT:
        return BAD, instrument
    at += 1
    while True:
        begin, end, at = next_key(data, at)
        if begin == BAD:
            return BAD, instrument
        field = data[begin] if end - begin == 1 else 0
        if 0 < field < 128:
            places[field] = at
        if field == SYMBOL:
            instrument = find_symbol(data, at, symbols)
            at = skip_value(data, at)
        elif field == BIDS and instrument != BAD and peek(data, at) == OPEN_LIST:
            at = _scan_side(data, at, BUY, steps[instrument], levels, places)
        elif field == ASKS and instrument != BAD and peek(data, at) == OPEN_LIST:
            at = _scan_side(data, at, SELL, steps[instrument], levels, places)
        else:
            at = skip_value(data, at)
        if at == BAD:
            return BAD, instrument
        at = skip_space(data, at)
        if peek(data, at) == CLOSE_OBJECT:
            return at + 1, instrument
        if peek(data, at) != COMMA:
            return BAD, instrument
        at += 1


@kernel.borrowing
def _write_depth(
    data: bytes, steps: Levels, events: Records, levels: Levels, places: Levels
) -> int:
    event = events[0]
    if places[BIDS] == 0 or places[ASKS] == 0:
        return BAD
    if places[BIDS_READ] == 0 and _scan_side(data, places[BIDS], BUY, steps, levels, places) == BAD:
        return BAD
    if places[ASKS_READ] == 0 and (
        _scan_side(data, places[ASKS], SELL, steps, levels, places) == BAD
    ):
        return BAD
    first_update_id, after_first = scan_integer(data, places[FIRST_ID])
    last_update_id, after_last = scan_integer(data, places[LAST_ID])
    if after_first == BAD or after_last == BAD or first_update_id > last_update_id:
        return BAD
    event["kind"] = DEPTH
    event["first_update_id"] = first_update_id
    event["last_update_id"] = last_update_id
    event["levels_end"] = places[LEVEL_ROWS]
    return 1


@kernel.borrowing
def _write_trade(data: bytes, steps: Levels, events: Records, places: Levels) -> int:
    event = events[0]
    trade_id, after_id = scan_integer(data, places[TRADE_ID])
    price_ticks, qty_lots, after = scan_pair(data, places[PRICE], max(1, places[QTY]), steps)
    traded_ns = _time_ns(data, places[TRADE_TIME])
    maker = peek(data, places[BUYER_IS_MAKER])
    if after_id == BAD or after == BAD or traded_ns == BAD:
        return BAD
    if qty_lots == 0 or (maker != TRUE and maker != FALSE):
        return BAD
    event["kind"] = PUBLIC_TRADE
    event["exch_ts_ns"] = traded_ns
    event["trade_id"] = trade_id
    event["price_ticks"] = price_ticks
    event["qty_lots"] = qty_lots
    event["aggressor_side"] = SELL if maker == TRUE else BUY
    return 1


@kernel.borrowing
def _scan_best(data: bytes, price_at: int, qty_at: int, steps: Levels) -> tuple[int, int, int]:
    # An empty side has a price of 0 and a quantity of 0; one of them alone is no touch.
    if is_zero(data, price_at) and is_zero(data, qty_at):
        return 0, 0, price_at
    return scan_pair(data, price_at, max(1, qty_at), steps)


@kernel.borrowing
def _write_touch(data: bytes, steps: Levels, events: Records, places: Levels) -> int:
    event = events[0]
    last_update_id, after_id = scan_integer(data, places[LAST_ID])
    bid_ticks, bid_lots, after_bid = _scan_best(data, places[BIDS], places[BID_QTY], steps)
    ask_ticks, ask_lots, after_ask = _scan_best(data, places[ASKS], places[ASK_QTY], steps)
    if after_id == BAD or after_bid == BAD or after_ask == BAD:
        return BAD
    event["kind"] = TOUCH
    event["last_update_id"] = last_update_id
    event["bid_ticks"] = bid_ticks
    event["bid_lots"] = bid_lots
    event["ask_ticks"] = ask_ticks
    event["ask_lots"] = ask_lots
    return 1


@kernel.borrowing
def _write_event(
    data: bytes, steps: Levels, events: Records, levels: Levels, places: Levels
) -> int:
    at = places[EVENT_TYPE]
    if at == 0:  # bookTicker alone carries no type and no time.
        return _write_touch(data, steps, events, places)
    if peek(data, at) != QUOTE:
        return BAD
    end = skip_string(data, at) - 1
    event_ns = _time_ns(data, places[EVENT_TIME])
    if event_ns == BAD:
        return BAD
    events[0]["exch_ts_ns"] = event_ns
    if matches(data, at + 1, end, b"depthUpdate"):
        return _write_depth(data, steps, events, levels, places)
    if matches(data, at + 1, end, b"trade"):
        return _write_trade(data, steps, events, places)
    return BAD


@kernel.borrowing
def scan_market(
    data: bytes,
    ts_ns: int,
    symbols: Levels,
    steps: Levels,
    events: Records,
    levels: Levels,
    places: Levels,
) -> int:
    """Write the frame's event to ``events[0]``, its levels to ``levels``; return the count.

    Returns: 1; 0 for a frame without market data; BAD - 1 - instrument where the frame is
    of that instrument and cannot be read; BAD where not even that can be told.
    Shapes: symbols see `find_symbol`; steps (instruments, 4) of `steps_table`; events (n,)
    EVENT; levels (m, 3); places (128,) int64, scratch.
    """
    places[:] = 0
    at = skip_space(data, 0)
    if peek(data, at) != OPEN_OBJECT:
        return BAD
    at += 1
    instrument, has_data, has_other = BAD, False, False
    while True:
        begin, end, at = next_key(data, at)
        if begin == BAD:
            return BAD if instrument == BAD else BAD - 1 - instrument
        if matches(data, begin, end, b"data") and not has_data:
            has_data = True
            at, instrument = _scan_fields(data, at, symbols, steps, levels, places)
        else:
            has_other = has_other or (
                matches(data, begin, end, b"result")
                or matches(data, begin, end, b"e")
                or matches(data, begin, end, b"code")
            )
            at = skip_value(data, at)
        if at != BAD:
            at = skip_space(data, at)
        if peek(data, at) == CLOSE_OBJECT and at != BAD:
            break
        if at == BAD or peek(data, at) != COMMA:
            return BAD if instrument == BAD else BAD - 1 - instrument
        at += 1
    whole = skip_space(data, at + 1) == len(data)
    if whole and not has_data and has_other:
        return 0
    if instrument == BAD:
        return BAD
    if not whole:
        return BAD - 1 - instrument
    events[0] = BLANK[0]
    events[0]["instrument"] = instrument
    events[0]["ts_ns"] = ts_ns
    if _write_event(data, steps[instrument], events, levels, places) == BAD:
        return BAD - 1 - instrument
    return 1
