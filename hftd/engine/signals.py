"""Spread, mid and imbalance of the book without our own orders.

Owns the signal fields of INSTRUMENT. Must not change the book, nor know what is made of them.

A side is read from the touch (the newer of bookTicker and depth) and then from the book's
levels beyond it. Of each level our own leaves are taken off where the venue's depth holds them
(``own_in_book``): orders resting there that were sent before the level was told; one sent later
cannot be in it. What becomes empty vanishes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hftd.domain.codes import BookState
from hftd.domain.kernel import kernel
from hftd.domain.order import Side
from hftd.engine.prints import is_resting
from hftd.engine.state import ORDERS_CAPACITY, State

ONE_E6 = 1_000_000
BPS_E2 = 1_000_000  # One, in hundredths of a basis point.
SUM_LIMIT_LOTS = 1 << 42  # Below it a sum times 10^6 stays within int64.

Levels = np.ndarray[Any, np.dtype[np.int64]]


@kernel
def update(state: State, index: int) -> None:
    """Compute the signals of one instrument; invalid unless SYNCED, two-sided, uncrossed.

    Units: mid in half ticks; imbalance (bid - ask) / (bid + ask) of the lots over
    ``imbalance_levels`` levels a side, in millionths, rounded toward zero.
    """
    instrument = state.instruments[index]
    own = np.empty((ORDERS_CAPACITY, 4), np.int64)
    count = own_resting(state, index, own)
    bid, bid_lots = read_side(state, index, Side.BUY, own[:count])
    ask, ask_lots = read_side(state, index, Side.SELL, own[:count])
    instrument["market_bid_ticks"] = bid
    instrument["market_ask_ticks"] = ask
    synced = state.books[index]["state"] == BookState.SYNCED
    valid = synced and 0 < bid < ask
    instrument["market_valid"] = 1 if valid else 0
    if not valid:
        return
    instrument["mid_half_ticks"] = bid + ask
    instrument["spread_ticks"] = ask - bid
    instrument["spread_bps_e2"] = 2 * BPS_E2 * (ask - bid) // (bid + ask)
    instrument["imbalance_e6"] = imbalance_e6(bid_lots, ask_lots)


@kernel
def imbalance_e6(bid_lots: int, ask_lots: int) -> int:
    """Return (bid - ask) / (bid + ask) in millionths, rounded toward zero; 0 of nothing."""
    while bid_lots + ask_lots > SUM_LIMIT_LOTS:
        bid_lots >>= 1
        ask_lots >>= 1
    total = bid_lots + ask_lots
    if total == 0:
        return 0
    if bid_lots >= ask_lots:
        return (bid_lots - ask_lots) * ONE_E6 // total
    return -((ask_lots - bid_lots) * ONE_E6 // total)


@kernel
def own_resting(state: State, index: int, own: Levels) -> int:
    """Write our resting orders as rows (side, ticks, leaves, sent_ns); return how many.

    None where the venue's depth does not hold our orders (a tape).
    """
    count = 0
    if state.instruments[index]["own_in_book"] == 0:
        return count
    for slot in range(state.core[0]["orders_end"]):
        order = state.orders[slot]
        if order["key"] == 0 or order["instrument"] != index or not is_resting(order["state"]):
            continue
        own[count, 0] = order["side"]
        own[count, 1] = order["price_ticks"]
        own[count, 2] = order["leaves_lots"]
        own[count, 3] = order["sent_ns"]
        count += 1
    return count


@kernel
def others_lots(own: Levels, side: int, price_ticks: int, lots: int, told_ns: int) -> int:
    """Return a level's lots less our own in it, at least 0."""
    for row in range(own.shape[0]):
        if own[row, 0] == side and own[row, 1] == price_ticks and own[row, 3] <= told_ns:
            lots -= own[row, 2]
    return max(lots, 0)


@kernel
def read_side(state: State, index: int, side: int, own: Levels) -> tuple[int, int]:
    """Return the best price (0 for none) and the lots over the strategy's levels, of others."""
    instrument = state.instruments[index]
    book = state.books[index]
    wanted = max(instrument["imbalance_levels"], 1)
    sign = 1 if side == Side.BUY else -1
    price, lots = instrument["bid_ticks"], instrument["bid_lots"]
    if side == Side.SELL:
        price, lots = instrument["ask_ticks"], instrument["ask_lots"]
    told_ns = instrument["touch_ns"]
    touch = price
    best, total, found = 0, 0, 0
    at = book["count"][side]
    while price > 0:
        others = others_lots(own, side, price, lots, told_ns)
        if others > 0:
            best = price if found == 0 else best
            total += others
            found += 1
        if found == wanted:
            break
        at -= 1
        # A newer touch makes what the depth still shows at or before it void.
        while at >= 0 and sign * book["ticks"][side, at] >= sign * touch:
            at -= 1
        if at < 0:
            break
        price, lots, told_ns = book["ticks"][side, at], book["lots"][side, at], book["depth_ns"]
    return best, total
