"""The gate's checks by the venue and the market: status, prices, filters, freshness.

Each is ``cNN_name(state, wish) -> Code``, as risk.py tells. Must not look at what we hold or
have open, but for the venue's own limit on the number of orders.
"""

from __future__ import annotations

from typing import Any

from hftd.domain.codes import BookState, Code
from hftd.domain.instrument import InstrumentStatus
from hftd.domain.kernel import kernel
from hftd.domain.order import Side
from hftd.engine.exposure import BPS_E2, notional_atoms, open_count, reference_half_ticks
from hftd.engine.state import State
from hftd.engine.verdict import verdict

TOUCH_ALONE_NS = 1_000_000_000  # How old a touch may be that reduces without a book.


@kernel
def c02_trading(state: State, wish: Any) -> int:
    """The venue trades the instrument. (An instrument outside the profile has no index.)"""
    status = state.instruments[wish["instrument"]]["status"]
    if status == InstrumentStatus.TRADING:
        return Code.NONE
    return verdict(state, Code.NOT_TRADING, status, InstrumentStatus.TRADING)


@kernel
def c05_price_collar(state: State, wish: Any) -> int:
    """The aggressive side stays within the collar, the passive one within quote distance.

    Both are measured from the reference; a buy above it or a sell below it is aggressive.
    """
    instrument = state.instruments[wish["instrument"]]
    reference = reference_half_ticks(state, wish["instrument"])
    if reference <= 0:
        return verdict(state, Code.REFERENCE_STALE, 0, state.core[0]["max_book_age_ns"])
    price = 2 * wish["price_ticks"]
    sign = 1 if wish["side"] == Side.BUY else -1
    away = sign * (price - reference)  # Positive: aggressive.
    collar = reference * instrument["collar_bps_e2"] // BPS_E2
    if away > collar:
        bound = (reference + sign * collar) // 2
        return verdict(state, Code.PRICE_COLLAR, wish["price_ticks"], bound)
    distance = reference * instrument["max_quote_distance_bps_e2"] // BPS_E2
    if -away > distance:
        bound = (reference - sign * distance) // 2
        return verdict(state, Code.QUOTE_DISTANCE, wish["price_ticks"], bound)
    return Code.NONE


@kernel
def c06_filters(state: State, wish: Any) -> int:
    """The venue's own filters hold: price, lot size, notional, number of orders."""
    instrument = state.instruments[wish["instrument"]]
    price, qty = wish["price_ticks"], wish["qty_lots"]
    if price < max(1, instrument["min_price_ticks"]):
        return verdict(state, Code.FILTER_PRICE, price, instrument["min_price_ticks"])
    if 0 < instrument["max_price_ticks"] < price:
        return verdict(state, Code.FILTER_PRICE, price, instrument["max_price_ticks"])
    if qty < instrument["min_qty_lots"]:
        return verdict(state, Code.FILTER_LOT_SIZE, qty, instrument["min_qty_lots"])
    if 0 < instrument["max_qty_lots"] < qty:
        return verdict(state, Code.FILTER_LOT_SIZE, qty, instrument["max_qty_lots"])
    value = notional_atoms(state, wish)
    if value < instrument["min_notional_atoms"]:
        return verdict(state, Code.FILTER_NOTIONAL, value, instrument["min_notional_atoms"])
    if 0 < instrument["max_notional_atoms"] < value:
        return verdict(state, Code.FILTER_NOTIONAL, value, instrument["max_notional_atoms"])
    count = open_count(state, wish["instrument"])
    if 0 < instrument["venue_max_orders"] <= count:
        return verdict(state, Code.FILTER_MAX_ORDERS, count, instrument["venue_max_orders"])
    return Code.NONE


@kernel
def c07_fresh(state: State, wish: Any) -> int:
    """The book is SYNCED, two-sided, uncrossed and not older than the limit.

    Reduce-only orders may use the touch alone, when it was told within the last second.
    """
    core = state.core[0]
    instrument = state.instruments[wish["instrument"]]
    age = core["now_ns"] - instrument["frame_ns"]
    synced = state.books[wish["instrument"]]["state"] == BookState.SYNCED
    if synced and instrument["market_valid"] == 1 and age <= core["max_book_age_ns"]:
        return Code.NONE
    has_touch = instrument["bid_ticks"] > 0 and instrument["ask_ticks"] > instrument["bid_ticks"]
    if wish["reduce_only"] == 1 and has_touch and age <= TOUCH_ALONE_NS:
        return Code.NONE
    return verdict(state, Code.REFERENCE_STALE, age, core["max_book_age_ns"])


@kernel
def c08_post_only(state: State, wish: Any) -> int:
    """A post-only order does not cross the touch."""
    instrument = state.instruments[wish["instrument"]]
    if wish["post_only"] == 0:
        return Code.NONE
    bid, ask = instrument["market_bid_ticks"], instrument["market_ask_ticks"]
    if wish["side"] == Side.BUY and 0 < ask <= wish["price_ticks"]:
        return verdict(state, Code.POST_ONLY_CROSS, wish["price_ticks"], ask)
    if wish["side"] == Side.SELL and wish["price_ticks"] <= bid:
        return verdict(state, Code.POST_ONLY_CROSS, wish["price_ticks"], bid)
    return Code.NONE
