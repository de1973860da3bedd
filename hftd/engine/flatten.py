"""Going to position 0: reduce-only, collared, immediate-or-cancel slices, through the gate.

Owns the wish to flatten, not its permission: each slice is judged like any order. What is
below the venue's minimum is dust and left alone; the user's own coins are never sold, since
position counts our own fills only.
"""

from __future__ import annotations

from typing import Any

from hftd.domain.actions import ActionKind
from hftd.domain.codes import Code
from hftd.domain.kernel import kernel
from hftd.domain.order import Side, TimeInForce
from hftd.engine.emit import add_wish, note
from hftd.engine.exposure import BPS_E2, free_atoms, open_count, reference_half_ticks
from hftd.engine.state import Out, State

SLICE_NS = 250_000_000


@kernel
def slice_price_ticks(state: State, index: int, side: int) -> int:
    """Return the collar's bound on the aggressive side, rounded inside; 0 for no reference."""
    reference = reference_half_ticks(state, index)
    collar = reference * state.instruments[index]["collar_bps_e2"] // BPS_E2
    if reference <= 0:
        return 0
    if side == Side.BUY:
        return (reference + collar) // 2
    return (reference - collar + 1) // 2


@kernel
def slice_lots(instrument: Any, price_ticks: int) -> int:
    """Return how much one slice may do: the rest, within the order limits."""
    lots = abs(instrument["position_lots"] - instrument["target_position_lots"])
    lots = min(lots, instrument["max_order_lots_reduce"])
    per_lot = price_ticks * instrument["unit_atoms"]
    return min(lots, instrument["max_order_notional_atoms_reduce"] // per_lot)


@kernel
def funded_lots(state: State, index: int, side: int, price_ticks: int, lots: int) -> int:
    """Return how much of a slice the funds above the reserve carry."""
    instrument = state.instruments[index]
    per_lot = price_ticks * instrument["unit_atoms"]
    if side == Side.BUY:
        return min(lots, free_atoms(state, state.core[0]["quote_asset"]) // per_lot)
    free = free_atoms(state, instrument["base_asset"])
    return min(lots, free // instrument["lot_atoms"])


@kernel
def may_begin(state: State) -> bool:
    """Tell whether a slice may be sent: links up, and the books agree with the venue."""
    core = state.core[0]
    return core["order_up"] == 1 and core["user_up"] == 1 and core["recovery_clean"] == 1


@kernel
def is_dust(state: State, index: int, lots: int, price_ticks: int) -> bool:
    """Tell whether the venue would refuse so little."""
    instrument = state.instruments[index]
    too_few = lots < max(1, instrument["min_qty_lots"])
    worth = lots * price_ticks * instrument["unit_atoms"]
    return too_few or worth < instrument["min_notional_atoms"]


@kernel
def flatten_one(state: State, out: Out, index: int) -> None:
    """Wish for the next slice until the position is flat, one order at a time.

    Resting quotes are on their way out already: flatten is allowed only where nothing quotes.
    """
    core = state.core[0]
    instrument = state.instruments[index]
    if open_count(state, index) > 0:
        return
    excess = instrument["position_lots"] - instrument["target_position_lots"]
    side = Side.SELL if excess > 0 else Side.BUY
    if excess == 0:
        instrument["flatten"] = 0
        return
    if core["now_ns"] < instrument["flatten_next_ns"] or not may_begin(state):
        return
    price = slice_price_ticks(state, index, side)
    if price <= 0:
        return
    wanted = slice_lots(instrument, price)
    lots = funded_lots(state, index, side, price, wanted)
    if is_dust(state, index, lots, price):
        instrument["flatten"] = 0
        code = Code.SIZE_ZERO if lots == wanted else Code.BALANCE_SHORT
        note(state, out, index, code, lots, wanted)
        return
    wish = add_wish(state, out, ActionKind.SUBMIT, index)
    wish["side"] = side
    wish["time_in_force"] = TimeInForce.IOC
    wish["reduce_only"] = 1
    wish["price_ticks"] = price
    wish["qty_lots"] = lots
    instrument["flatten_next_ns"] = core["now_ns"] + SLICE_NS


@kernel
def wishes(state: State, out: Out) -> None:
    """Wish for slices on every instrument that is being flattened."""
    for index in range(state.core[0]["instruments"]):
        if state.instruments[index]["flatten"] == 1:
            flatten_one(state, out, index)
