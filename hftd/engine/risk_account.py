"""The gate's checks by what we hold and have open: sizes, funds, exposure, rates, doubt.

Each is ``cNN_name(state, wish) -> Code``, as risk.py tells. Must not look at prices of the
market, but for the mark that exposure is valued by.
"""

from __future__ import annotations

from typing import Any

from hftd.domain.actions import ActionKind
from hftd.domain.codes import Code
from hftd.domain.kernel import kernel
from hftd.domain.order import OrderState, Side
from hftd.engine.exposure import (
    free_atoms,
    gross_exposure_atoms,
    notional_atoms,
    open_count,
    open_lots,
    open_notional_atoms,
    per_lot_atoms,
    raises_exposure,
    replaced_lots,
    spent_asset,
)
from hftd.engine.orders import crosses, find
from hftd.engine.state import ORDERS_CAPACITY, State
from hftd.engine.verdict import verdict


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

    Where all such orders are on their way out the wish is deferred instead (step.py).
    """
    for slot in range(state.core[0]["orders_end"]):
        order = state.orders[slot]
        if crosses(order, wish):
            return verdict(state, Code.SELF_TRADE, wish["price_ticks"], order["price_ticks"])
    return Code.NONE


@kernel
def c10_duplicate(state: State, wish: Any) -> int:
    """No twin (same side, price and size) is open, in flight or UNKNOWN.

    The order that the wish replaces is none: a quote that filled in part comes back at its
    price and full size.
    """
    for slot in range(state.core[0]["orders_end"]):
        order = state.orders[slot]
        if order["key"] == 0 or order["instrument"] != wish["instrument"]:
            continue
        if order["key"] == wish["target_key"]:
            continue
        same = (
            order["side"] == wish["side"]
            and order["price_ticks"] == wish["price_ticks"]
            and order["qty_lots"] == wish["qty_lots"]
        )
        if same:
            return verdict(state, Code.DUPLICATE, 1, 0)
    return Code.NONE


@kernel
def c11_funds(state: State, wish: Any) -> int:
    """The balance carries the order: a buy its notional, a sell its base quantity.

    The replaced order's funds count as free, since the venue cancels before it places; but not
    beside a reserve, of which the venue knows nothing: what fills first is spent as well.
    """
    instrument = state.instruments[wish["instrument"]]
    asset = spent_asset(state, wish["instrument"], wish["side"])
    needed = wish["qty_lots"] * per_lot_atoms(instrument, wish["side"], wish["price_ticks"])
    free = free_atoms(state, asset)
    reserved = state.balances[asset]["reserve_atoms"] > 0
    if wish["kind"] == ActionKind.CANCEL_REPLACE and not reserved:
        slot = find(state, wish["target_key"])
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
    """Gross exposure over all instruments, the order included, keeps the limit.

    What raises it no further may pass: a price may have brought it over, and a quote bring it back.
    """
    if wish["reduce_only"] == 1:
        return Code.NONE
    value = gross_exposure_atoms(state, wish)
    bound = state.core[0]["max_gross_exposure_atoms"]
    if value <= bound or not raises_exposure(state, wish):
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
    """The day's turnover keeps the cap if all that is open fills, and this order too.

    Reducing is always allowed. A replaced order counts beside its successor, as for C12.
    """
    core = state.core[0]
    value = core["turnover_atoms"] + open_notional_atoms(state) + notional_atoms(state, wish)
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
def c21_conservation(state: State, wish: Any) -> int:
    """All that left on a side is filled, open or ended by the venue's word, and no lot more.

    What is filled is counted where the position is booked, so that an order flow which the
    position does not follow (or the other way round) stops at the last gate.
    """
    instrument, side = state.instruments[wish["instrument"]], wish["side"]
    sent = instrument["sent_lots"][side]
    accounted = instrument["filled_lots"][side] + instrument["released_lots"][side]
    accounted += open_lots(state, wish["instrument"], side)
    if sent != accounted:
        return verdict(state, Code.CONSERVATION, sent, accounted)
    net = instrument["filled_lots"][Side.BUY] - instrument["filled_lots"][Side.SELL]
    if instrument["position_lots"] != instrument["boot_position_lots"] + net:
        moved = instrument["position_lots"] - instrument["boot_position_lots"]
        return verdict(state, Code.CONSERVATION, net, moved)
    return Code.NONE


@kernel
def c27_side_in_doubt(state: State, wish: Any) -> int:
    """An order UNKNOWN, or ended short of its fills, blocks its side until the venue has told."""
    for slot in range(state.core[0]["orders_end"]):
        order = state.orders[slot]
        in_doubt = order["state"] == OrderState.UNKNOWN or order["final_state"] != 0
        if order["key"] == 0 or not in_doubt:
            continue
        if order["instrument"] == wish["instrument"] and order["side"] == wish["side"]:
            return verdict(state, Code.SIDE_IN_DOUBT, 1, 0)
    return Code.NONE
