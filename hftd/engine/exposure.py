"""What we are exposed to and what prices are judged by: sums over open orders and positions.

Read by the gate (risk.py) and the breaker; changes nothing.
"""

from __future__ import annotations

from typing import Any

from hftd.domain.actions import ActionKind
from hftd.domain.kernel import kernel
from hftd.domain.order import Side
from hftd.engine.book import median_trade_ticks
from hftd.engine.orders import find
from hftd.engine.position import excess_lots, expected_atoms
from hftd.engine.state import State

BPS_E2 = 1_000_000  # One, in hundredths of a basis point.
# An older trade says nothing of what is fair now; a market with one a quarter of a minute is quiet.
LAST_TRADE_NS = 60_000_000_000


@kernel
def notional_atoms(state: State, wish: Any) -> int:
    """Return price times quantity; a limit price is the worst an order can do."""
    unit = state.instruments[wish["instrument"]]["unit_atoms"]
    return wish["price_ticks"] * wish["qty_lots"] * unit


@kernel
def open_lots(state: State, index: int, side: int) -> int:
    """Return leaves of all open orders of a side: resting, in flight and UNKNOWN alike."""
    lots = 0
    for slot in range(state.core[0]["orders_end"]):
        order = state.orders[slot]
        if order["key"] != 0 and order["instrument"] == index and order["side"] == side:
            lots += order["leaves_lots"]
    return lots


@kernel
def open_count(state: State, index: int) -> int:
    """Return how many orders are open on an instrument (-1: on all)."""
    count = 0
    for slot in range(state.core[0]["orders_end"]):
        order = state.orders[slot]
        if order["key"] != 0 and (index < 0 or order["instrument"] == index):
            count += 1
    return count


@kernel
def open_notional_atoms(state: State) -> int:
    """Return the notional of all open orders."""
    total = 0
    for slot in range(state.core[0]["orders_end"]):
        order = state.orders[slot]
        if order["key"] != 0:
            unit = state.instruments[order["instrument"]]["unit_atoms"]
            total += order["leaves_lots"] * order["price_ticks"] * unit
    return total


@kernel
def worst_lots(state: State, index: int, side: int) -> int:
    """Return how far the position goes to a side, if all fills there and nothing opposite."""
    position = excess_lots(state.instruments[index])
    if side == Side.SELL:
        position = -position
    return position + open_lots(state, index, side)


@kernel
def gross_exposure_atoms(state: State, wish: Any) -> int:
    """Return the sum over instruments of the larger worst-case side, the wish included.

    At the mid; an instrument whose market was not seen yet counts with what it cost.
    """
    total = 0
    for index in range(state.core[0]["instruments"]):
        instrument = state.instruments[index]
        worst_long = worst_lots(state, index, Side.BUY)
        worst_short = worst_lots(state, index, Side.SELL)
        if wish["instrument"] == index and wish["side"] == Side.BUY:
            worst_long += wish["qty_lots"]
        elif wish["instrument"] == index:
            worst_short += wish["qty_lots"]
        lots = max(worst_long, worst_short)
        if instrument["mid_half_ticks"] == 0:
            total += abs(instrument["cost_atoms"])
        else:
            total += lots * instrument["mid_half_ticks"] * instrument["unit_atoms"] // 2
    return total


@kernel
def raises_exposure(state: State, wish: Any) -> bool:
    """Tell whether a wish brings its side of its instrument, in the worst case, to the larger."""
    index, side = wish["instrument"], wish["side"]
    other = Side.SELL if side == Side.BUY else Side.BUY
    worst = worst_lots(state, index, side) + wish["qty_lots"]
    return worst >= worst_lots(state, index, other)


@kernel
def replaced_lots(state: State, wish: Any) -> int:
    """Return the leaves of the order that the wish replaces, 0 where it replaces none."""
    if wish["kind"] != ActionKind.CANCEL_REPLACE:
        return 0
    slot = find(state, wish["target_key"])
    return state.orders[slot]["leaves_lots"] if slot >= 0 else 0


@kernel
def spent_asset(state: State, index: int, side: int) -> int:
    """Return the asset that an order spends: quote to buy, base to sell."""
    if side == Side.BUY:
        return state.core[0]["quote_asset"]
    return state.instruments[index]["base_asset"]


@kernel
def per_lot_atoms(instrument: Any, side: int, price_ticks: int) -> int:
    """Return what one lot costs: quote atoms for a buy, base atoms for a sell."""
    if side == Side.BUY:
        return price_ticks * instrument["unit_atoms"]
    return instrument["lot_atoms"]


@kernel
def reserved_atoms(state: State, asset: int) -> int:
    """Return what our open orders set aside of an asset."""
    reserved = 0
    for slot in range(state.core[0]["orders_end"]):
        order = state.orders[slot]
        if order["key"] != 0 and spent_asset(state, order["instrument"], order["side"]) == asset:
            reserved += order["reserved_atoms"]
    return reserved


@kernel
def free_atoms(state: State, asset: int) -> int:
    """Return what our books leave to spend of an asset, after reservations and reserve.

    The venue's own word on free funds lags behind orders in flight, so the books decide; but for
    what it has locked for orders of others.
    """
    balance = state.balances[asset]
    spendable = expected_atoms(balance) - balance["reserve_atoms"] - balance["others_atoms"]
    return spendable - reserved_atoms(state, asset)


@kernel
def others_atoms(state: State, asset: int) -> int:
    """Return what the venue has locked of an asset beyond what our orders set aside.

    Only where orders of others are reported: where they are refused, nothing trades beside one.
    One of ours in flight may be locked or not and counts as if: the next report tells the rest.
    """
    if state.core[0]["refuse_foreign"] == 1:
        return 0
    return max(0, state.balances[asset]["locked_atoms"] - reserved_atoms(state, asset))


@kernel
def reference_half_ticks(state: State, index: int) -> int:
    """Return the median of mid, last trade and the 5 s median of trades; 0 for none.

    With two of them known it is their mean, with one that one. A trade of long ago prices nothing:
    where the market has gone on without one, it would move the collar to where it was. Units: half
    ticks.
    """
    instrument = state.instruments[index]
    now = state.core[0]["now_ns"]
    mid = instrument["mid_half_ticks"] if instrument["market_valid"] == 1 else 0
    recent = now - instrument["last_trade_ns"] <= LAST_TRADE_NS
    last = 2 * instrument["last_trade_ticks"] if recent else 0
    median = 2 * median_trade_ticks(instrument, now)
    low = min(mid, min(last, median))
    high = max(mid, max(last, median))
    middle = mid + last + median - low - high
    if low > 0:
        return middle
    if middle > 0:
        return (middle + high) // 2
    return high


@kernel
def reference_spread_bps_e2(state: State, index: int) -> int:
    """Return how far the known references are apart, in hundredths of a basis point.

    The last trade counts however old it is: who moves a quiet book away from where it traded, and
    takes what follows him there, meets a pause. Only the next trade tells whether he was right.
    """
    instrument = state.instruments[index]
    mid = instrument["mid_half_ticks"] if instrument["market_valid"] == 1 else 0
    last = 2 * instrument["last_trade_ticks"]
    median = 2 * median_trade_ticks(instrument, state.core[0]["now_ns"])
    high = max(mid, max(last, median))
    low = high
    for value in (mid, last, median):
        if 0 < value < low:
            low = value
    if low <= 0:
        return 0
    return (high - low) * BPS_E2 // low
