"""The pre-trade gate: a list of small checks; each allows, or says which limit and by how much.

Owns the refusal of orders. Must not change an order, a size or a price: it allows or it
refuses. Every order takes this road, also those of flatten; only cancels do not.

A check is ``cNN_name(state, wish) -> Code``: NONE allows; otherwise it has left the value
and the bound it judged in ``core["verdict_value"]`` and ``["verdict_bound"]``. C01 (limits
are complete) and C37 (canary scaling) hold before: config refuses or scales when the
profile loads. C22 to C24, C26 and C27 close the gate through state and book (breaker.py).
"""

from __future__ import annotations

from typing import Any

from hftd.domain.actions import ActionKind
from hftd.domain.codes import BookState, Code, TradingState
from hftd.domain.instrument import InstrumentStatus
from hftd.domain.kernel import kernel
from hftd.domain.order import OrderState, Side
from hftd.engine.emit import denied_fact
from hftd.engine.exposure import (
    BPS_E2,
    free_atoms,
    gross_exposure_atoms,
    notional_atoms,
    open_count,
    open_lots,
    open_notional_atoms,
    reference_half_ticks,
    replaced_lots,
)
from hftd.engine.orders import find
from hftd.engine.state import ORDERS_CAPACITY, WINDOW_CAPACITY, Out, State

DENIED_WAIT_NS = 1_000_000_000  # A refused side asks again after this, or with a new price.


@kernel
def verdict(state: State, code: int, value: int, bound: int) -> int:
    """Leave the numbers of a refusal and return its code."""
    core = state.core[0]
    core["verdict_value"] = value
    core["verdict_bound"] = bound
    return code


@kernel
def gate(state: State, wish: Any) -> int:
    """C31, C34: orders leave only while RUNNING; reduce-only also in the stopped states."""
    core = state.core[0]
    if core["journal_failed"] == 1:
        return verdict(state, Code.JOURNAL, 1, 0)
    if core["order_up"] == 0:
        return verdict(state, Code.ORDER_LINK_DOWN, 0, 1)
    if core["now_ns"] < core["rate_limited_until_ns"]:
        return verdict(state, Code.RATE_LIMITED, core["now_ns"], core["rate_limited_until_ns"])
    trading = core["state"]
    if trading == TradingState.RUNNING:
        return Code.NONE
    reducing_allowed = (
        trading == TradingState.REDUCE_ONLY
        or trading == TradingState.PAUSED
        or trading == TradingState.HALTED
        or trading == TradingState.KILLED
    )
    if reducing_allowed and wish["reduce_only"] == 1:
        return Code.NONE
    return verdict(state, Code.GATE_CLOSED, trading, TradingState.RUNNING)


@kernel
def c02_trading(state: State, wish: Any) -> int:
    """The venue trades the instrument. (An instrument outside the profile has no index.)"""
    status = state.instruments[wish["instrument"]]["status"]
    if status == InstrumentStatus.TRADING:
        return Code.NONE
    return verdict(state, Code.NOT_TRADING, status, InstrumentStatus.TRADING)


@kernel
def c03_order_size(state: State, wish: Any) -> int:
    """The quantity is positive and within the order limit; unscaled for reduce-only."""
    instrument = state.instruments[wish["instrument"]]
    bound = instrument["max_order_lots"]
    if wish["reduce_only"] == 1:
        bound = instrument["max_order_lots_reduce"]
    if 0 < wish["qty_lots"] <= bound:
        return Code.NONE
    return verdict(state, Code.ORDER_SIZE, wish["qty_lots"], bound)


@kernel
def c04_order_notional(state: State, wish: Any) -> int:
    """The notional at the limit price is within the order limit."""
    instrument = state.instruments[wish["instrument"]]
    bound = instrument["max_order_notional_atoms"]
    if wish["reduce_only"] == 1:
        bound = instrument["max_order_notional_atoms_reduce"]
    value = notional_atoms(state, wish)
    if value <= bound:
        return Code.NONE
    return verdict(state, Code.ORDER_NOTIONAL, value, bound)


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
    if wish["reduce_only"] == 1 and has_touch and age <= 1_000_000_000:
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


@kernel
def c08_reduce_only(state: State, wish: Any) -> int:
    """A reduce-only order, with all open ones of its side, cannot flip the position."""
    if wish["reduce_only"] == 0:
        return Code.NONE
    instrument = state.instruments[wish["instrument"]]
    excess = instrument["position_lots"] - instrument["target_position_lots"]
    reducible = -excess if wish["side"] == Side.BUY else excess
    used = open_lots(state, wish["instrument"], wish["side"]) - replaced_lots(state, wish)
    if wish["qty_lots"] + used <= reducible:
        return Code.NONE
    return verdict(state, Code.REDUCE_ONLY, wish["qty_lots"] + used, reducible)


@kernel
def c09_self_trade(state: State, wish: Any) -> int:
    """The order does not cross one of our own, resting, in flight or UNKNOWN.

    Own orders whose cancel is in flight defer the new one: the quoter asks again.
    """
    for slot in range(ORDERS_CAPACITY):
        order = state.orders[slot]
        if order["key"] == 0 or order["instrument"] != wish["instrument"]:
            continue
        if order["side"] == wish["side"]:
            continue
        gap = wish["price_ticks"] - order["price_ticks"]
        if wish["side"] == Side.SELL:
            gap = -gap
        if gap >= 0:
            return verdict(state, Code.SELF_TRADE, wish["price_ticks"], order["price_ticks"])
    return Code.NONE


@kernel
def c10_duplicate(state: State, wish: Any) -> int:
    """No twin (same side, price and size) is open, in flight or UNKNOWN in the window."""
    core = state.core[0]
    for slot in range(ORDERS_CAPACITY):
        order = state.orders[slot]
        if order["key"] == 0 or order["instrument"] != wish["instrument"]:
            continue
        same = (
            order["side"] == wish["side"]
            and order["price_ticks"] == wish["price_ticks"]
            and order["qty_lots"] == wish["qty_lots"]
        )
        age = core["now_ns"] - order["sent_ns"]
        in_doubt = order["state"] == OrderState.UNKNOWN
        if same and (in_doubt or age < core["duplicate_window_ns"]):
            return verdict(state, Code.DUPLICATE, age, core["duplicate_window_ns"])
    return Code.NONE


@kernel
def c11_funds(state: State, wish: Any) -> int:
    """The balance carries the order: a buy its notional, a sell its base quantity.

    The replaced order's funds count as free, since the venue cancels before it places.
    """
    instrument = state.instruments[wish["instrument"]]
    if wish["side"] == Side.BUY:
        per_lot = wish["price_ticks"] * instrument["unit_atoms"]
        free = free_atoms(state, state.core[0]["quote_asset"])
    else:
        per_lot = instrument["lot_atoms"]
        free = free_atoms(state, instrument["base_asset"])
    needed = wish["qty_lots"] * per_lot
    if wish["kind"] == ActionKind.CANCEL_REPLACE:
        slot = find(state, wish["target_key"], 0)
        if slot >= 0:
            free += state.orders[slot]["reserved_atoms"]
    if needed <= free:
        return Code.NONE
    return verdict(state, Code.FUNDS, needed, free)


@kernel
def c12_position(state: State, wish: Any) -> int:
    """The worst case (position plus every open order of the side) keeps the limit.

    A replaced order counts beside its successor: it may fill before its cancel arrives.
    """
    if wish["reduce_only"] == 1:
        return Code.NONE
    instrument = state.instruments[wish["instrument"]]
    position = instrument["position_lots"] - instrument["target_position_lots"]
    if wish["side"] == Side.SELL:
        position = -position
    worst = position + open_lots(state, wish["instrument"], wish["side"]) + wish["qty_lots"]
    if worst <= instrument["max_position_lots"]:
        return Code.NONE
    return verdict(state, Code.POSITION_LIMIT, worst, instrument["max_position_lots"])


@kernel
def c13_exposure(state: State, wish: Any) -> int:
    """Gross exposure over all instruments, the order included, keeps the limit."""
    if wish["reduce_only"] == 1:
        return Code.NONE
    value = gross_exposure_atoms(state) + notional_atoms(state, wish)
    bound = state.core[0]["max_gross_exposure_atoms"]
    if value <= bound:
        return Code.NONE
    return verdict(state, Code.GROSS_EXPOSURE, value, bound)


@kernel
def c14_open_orders(state: State, wish: Any) -> int:
    """Open orders and their notional keep their limits, and the table has room."""
    core = state.core[0]
    count = open_count(state, wish["instrument"])
    bound = state.instruments[wish["instrument"]]["max_open_orders"]
    if count >= bound and wish["kind"] != ActionKind.CANCEL_REPLACE:
        return verdict(state, Code.OPEN_ORDERS, count + 1, bound)
    total = open_count(state, -1)
    if total >= ORDERS_CAPACITY:
        return verdict(state, Code.ORDER_TABLE_FULL, total + 1, ORDERS_CAPACITY)
    value = open_notional_atoms(state) + notional_atoms(state, wish)
    if wish["reduce_only"] == 0 and value > core["max_open_notional_atoms"]:
        return verdict(state, Code.OPEN_NOTIONAL, value, core["max_open_notional_atoms"])
    return Code.NONE


@kernel
def c16_turnover(state: State, wish: Any) -> int:
    """The day's turnover with this order keeps the cap; reducing is always allowed."""
    core = state.core[0]
    value = core["turnover_atoms"] + notional_atoms(state, wish)
    if wish["reduce_only"] == 1 or value <= core["max_turnover_atoms"]:
        return Code.NONE
    return verdict(state, Code.TURNOVER, value, core["max_turnover_atoms"])


@kernel
def c17_rate(state: State) -> int:
    """The order throttle has room: a token bucket kept as a theoretical arrival time.

    Source: the generic cell rate algorithm, ITU-T I.371.
    """
    core = state.core[0]
    ahead = core["order_tat_ns"] - core["now_ns"]
    if ahead <= core["order_burst_ns"]:
        return Code.NONE
    return verdict(state, Code.ORDER_RATE, ahead, core["order_burst_ns"])


@kernel
def count_order(state: State) -> None:
    """Take one token of the order throttle for an order that was allowed."""
    core = state.core[0]
    core["order_tat_ns"] = max(core["order_tat_ns"], core["now_ns"]) + core["order_interval_ns"]


@kernel
def c27_side_in_doubt(state: State, wish: Any) -> int:
    """An UNKNOWN order blocks its instrument and side until the venue has told."""
    for slot in range(ORDERS_CAPACITY):
        order = state.orders[slot]
        if order["key"] == 0 or order["state"] != OrderState.UNKNOWN:
            continue
        if order["instrument"] == wish["instrument"] and order["side"] == wish["side"]:
            return verdict(state, Code.SIDE_IN_DOUBT, 1, 0)
    return Code.NONE


@kernel
def check(state: State, wish: Any) -> int:
    """Return NONE where every check allows the wish, else the first refusal's code."""
    code = gate(state, wish)
    if code == Code.NONE:
        code = c02_trading(state, wish)
    if code == Code.NONE:
        code = c03_order_size(state, wish)
    if code == Code.NONE:
        code = c04_order_notional(state, wish)
    if code == Code.NONE:
        code = c06_filters(state, wish)
    if code == Code.NONE:
        code = c07_fresh(state, wish)
    if code == Code.NONE:
        code = c05_price_collar(state, wish)
    if code == Code.NONE:
        code = c08_post_only(state, wish)
    if code == Code.NONE:
        code = c08_reduce_only(state, wish)
    if code == Code.NONE:
        code = c09_self_trade(state, wish)
    if code == Code.NONE:
        code = c27_side_in_doubt(state, wish)
    if code == Code.NONE:
        code = c10_duplicate(state, wish)
    if code == Code.NONE:
        code = c11_funds(state, wish)
    if code == Code.NONE:
        code = c12_position(state, wish)
    if code == Code.NONE:
        code = c13_exposure(state, wish)
    if code == Code.NONE:
        code = c14_open_orders(state, wish)
    if code == Code.NONE:
        code = c16_turnover(state, wish)
    if code == Code.NONE:
        code = c17_rate(state)
    return code


@kernel
def refuse(state: State, out: Out, wish: Any, code: int) -> None:
    """Count and record a refusal; its side waits a second before it asks again."""
    core = state.core[0]
    core["denied"] += 1
    core["denied_by_code"][code] += 1
    denied_fact(state, out, wish, code, core["verdict_value"], core["verdict_bound"])
    target = state.targets[wish["instrument"], wish["side"]]
    target["denied_until_ns"] = core["now_ns"] + DENIED_WAIT_NS
    if code == Code.PRICE_COLLAR:
        core["breach_ns"][core["breach_next"] % WINDOW_CAPACITY] = core["now_ns"]
        core["breach_next"] += 1
