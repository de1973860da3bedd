"""Public trades: the last one, the window for the median, and what they say of book and quotes.

Owns the trade fields of INSTRUMENT. Must not know what the gate or a strategy makes of them.

**A trade outside the touch.** A trade carries no update id, and streams are not ordered among
each other: on the recorded session half of all trades arrive after a bookTicker that already
shows what they left. So such a trade speaks against the book only where nothing explains it:

- it is not newer than the last depth event, by the venue's clock (that event holds it);
- or the touch was told within the last `REORDER_NS` (trade and touch may be of one burst);
- or it continues a sweep: same millisecond, same aggressor, next id.

Unexplained it makes the book STALE at once. Explained by burst or sweep it is on trial: a depth
event of its time or later must come within `sync.UNCOVERED_LIMIT_NS`, else the book is STALE.
Over the recorded session (19,904 trades, 8,703 of them outside the touch) neither ever fires.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hftd.domain.codes import BookState
from hftd.domain.kernel import kernel
from hftd.domain.order import OrderState, Side
from hftd.engine.state import (
    TRADE_WINDOW_CAPACITY,
    TRADES_SEEN_CAPACITY,
    Out,
    State,
)
from hftd.engine.sync import become_stale, hear

WINDOW_NS = 5_000_000_000
REORDER_NS = 100_000_000  # One period of the depth stream.
MILLISECOND_NS = 1_000_000
OWN_TRADES_LOOKED_AT = 64  # A public trade and our report of it arrive close together.


@kernel
def apply_public_trade(state: State, event: Any, out: Out) -> None:
    """Take one trade of the market; a repeated or older one is ignored."""
    index = event["instrument"]
    instrument = state.instruments[index]
    hear(state, index)
    if event["trade_id"] <= instrument["last_trade_id"]:
        return
    doubt_by_trade(state, event, out)
    if not is_own_trade(state, index, event["trade_id"]):
        keep_in_window(instrument, event["trade_id"], event["price_ticks"], event["ts_ns"])
    mark_through(state, index, event["price_ticks"])
    instrument["last_trade_id"] = event["trade_id"]
    instrument["last_trade_ticks"] = event["price_ticks"]
    instrument["last_trade_ns"] = event["ts_ns"]
    instrument["last_trade_exch_ns"] = event["exch_ts_ns"]
    instrument["last_trade_side"] = event["aggressor_side"]


@kernel
def doubt_by_trade(state: State, event: Any, out: Out) -> None:
    """Judge a trade outside the touch: STALE at once, on trial, or explained (see above)."""
    index = event["instrument"]
    instrument = state.instruments[index]
    bid, ask = instrument["bid_ticks"], instrument["ask_ticks"]
    inside = bid <= event["price_ticks"] and (ask == 0 or event["price_ticks"] <= ask)
    if inside or state.books[index]["state"] != BookState.SYNCED:
        return
    if 0 < event["exch_ts_ns"] <= instrument["depth_exch_ns"]:
        return
    if instrument["uncovered_ns"] == 0:
        instrument["uncovered_ns"] = event["ts_ns"]
    instrument["uncovered_exch_ns"] = event["exch_ts_ns"]
    in_burst = event["ts_ns"] - instrument["touch_ns"] <= REORDER_NS
    if not in_burst and not continues_sweep(instrument, event):
        become_stale(state, index, out)


@kernel
def continues_sweep(instrument: Any, event: Any) -> bool:
    """Tell whether a trade is the next one of the same taker as far as the data show."""
    same_time = (
        event["exch_ts_ns"] // MILLISECOND_NS == instrument["last_trade_exch_ns"] // MILLISECOND_NS
    )
    return (
        same_time
        and event["aggressor_side"] == instrument["last_trade_side"]
        and event["trade_id"] == instrument["last_trade_id"] + 1
    )


@kernel
def keep_in_window(instrument: Any, trade_id: int, price_ticks: int, ts_ns: int) -> None:
    """Put a trade into the ring, over the oldest."""
    at = instrument["trade_window_next"] % TRADE_WINDOW_CAPACITY
    instrument["trade_window_id"][at] = trade_id
    instrument["trade_window_ticks"][at] = price_ticks
    instrument["trade_window_ns"][at] = ts_ns
    instrument["trade_window_next"] += 1


@kernel
def is_own_trade(state: State, index: int, trade_id: int) -> bool:
    """Tell whether a trade is one of our own recent fills."""
    total = state.rings[1]
    for back in range(min(total, OWN_TRADES_LOOKED_AT)):
        seen = state.trades_seen[(total - 1 - back) % TRADES_SEEN_CAPACITY]
        if seen["trade_id"] == trade_id and seen["instrument"] == index:
            return True
    return False


@kernel
def forget_own_trade(instrument: Any, trade_id: int) -> None:
    """Take a trade out of the window: our fill shows only now that it was ours."""
    kept = min(instrument["trade_window_next"], TRADE_WINDOW_CAPACITY)
    for back in range(min(kept, OWN_TRADES_LOOKED_AT)):
        at = (instrument["trade_window_next"] - 1 - back) % TRADE_WINDOW_CAPACITY
        if instrument["trade_window_id"][at] == trade_id:
            instrument["trade_window_ticks"][at] = 0
            return


@kernel
def mark_through(state: State, index: int, price_ticks: int) -> None:
    """Note a trade at a worse price than our resting order: the market has gone through it.

    The next depth event clears the mark.
    """
    instrument = state.instruments[index]
    for slot in range(state.core[0]["orders_end"]):
        order = state.orders[slot]
        if order["key"] == 0 or order["instrument"] != index or not is_resting(order["state"]):
            continue
        if order["side"] == Side.BUY and price_ticks < order["price_ticks"]:
            instrument["through_bid_ns"] = state.core[0]["now_ns"]
        elif order["side"] == Side.SELL and price_ticks > order["price_ticks"]:
            instrument["through_ask_ns"] = state.core[0]["now_ns"]


@kernel
def is_resting(order_state: int) -> bool:
    """Tell whether the venue has an order of this state in its book, as far as we know."""
    return (
        order_state == OrderState.NEW
        or order_state == OrderState.PARTIALLY_FILLED
        or order_state == OrderState.PENDING_CANCEL
        or order_state == OrderState.PENDING_REPLACE
    )


@kernel
def median_trade_ticks(instrument: Any, now_ns: int) -> int:
    """Return the median price of the market's trades of the last five seconds, 0 for none.

    Units: ticks; of an even number the mean of the middle two, rounded down. Trades known to
    be ours do not count; of more than the window holds the newest do.
    """
    prices = np.empty(TRADE_WINDOW_CAPACITY, np.int64)
    count = 0
    kept = min(instrument["trade_window_next"], TRADE_WINDOW_CAPACITY)
    for back in range(kept):
        at = (instrument["trade_window_next"] - 1 - back) % TRADE_WINDOW_CAPACITY
        if now_ns - instrument["trade_window_ns"][at] > WINDOW_NS:
            break
        if instrument["trade_window_ticks"][at] > 0:
            prices[count] = instrument["trade_window_ticks"][at]
            count += 1
    if count == 0:
        return 0
    ordered = np.sort(prices[:count])
    return (ordered[(count - 1) // 2] + ordered[count // 2]) // 2
