"""Order book imbalance: take the touch when the book leans one way for long enough.

Owns entry and exit of one position at a time. Must not know orders or the gate; it never
rests a quote.

In: flat, rested, the imbalance at or past `threshold` for `dwell_ms`, and the target less the
cost of crossing (the spread: half of it in, half of it out) and both taker fees is
`min_edge_bps` at least. Out: `holding_ms` over, or mid moved `stop_bps` against or `target_bps`
for the entry, whichever is first; then `cooldown_ms` of rest. Both by IOC at the touch. An
attempt that found nothing begins the dwell anew; an exit is tried again until flat, in slices of
the order limits: a position may be worth more than one order since its entry, or hold dust of
before beside it. A rest of the position too small for the venue is dust and counts as flat.

The entry's time and mid are those of the update that first showed the position.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hftd.config.strategy_parameters import OrderBookImbalance
from hftd.domain.codes import Code
from hftd.domain.instrument import Instrument
from hftd.domain.kernel import kernel
from hftd.domain.layout import Field, Records, layout
from hftd.domain.order import Side
from hftd.engine.exposure import open_count, per_lot_atoms
from hftd.engine.flatten import slice_lots
from hftd.engine.position import excess_lots
from hftd.engine.state import State
from hftd.engine.targets import (
    before_canary_lots,
    clear_target,
    condition,
    funds_atoms,
    has_funds,
    has_size,
    least_lots,
    may_trade,
    reduces,
    room_lots,
    want,
)
from hftd.strategies.scaling import bps_e2, lots_of, millionths

BPS_E2 = 1_000_000  # One, in hundredths of a basis point.
MS_NS = 1_000_000

PARAMS = layout(
    Field("order_size_lots", "i8", "size of an entry before the canary"),
    Field("threshold_e6", "i8", "imbalance that calls for an entry"),
    Field("dwell_ns", "i8", "how long it must stay there"),
    Field("holding_ns", "i8", "leave after this"),
    Field("stop_bps_e2", "i8", "leave when mid is so far against the entry"),
    Field("target_bps_e2", "i8", "leave when mid is so far for the entry"),
    Field("cooldown_ns", "i8", "rest after leaving"),
    Field("min_edge_bps_e2", "i8", "least target after crossing and both fees"),
)

MEMORY = layout(
    Field("lean", "i8", "1 past the threshold to buy, -1 to sell, 0 neither"),
    Field("lean_since_ns", "i8", "since when, or the last attempt"),
    Field("entry_ns", "i8", "when the position was first seen, 0 while flat"),
    Field("entry_mid_half_ticks", "i8", "mid at that moment"),
    Field("left_ns", "i8", "when it was last left, 0 for never"),
)


def build_params(strategy: OrderBookImbalance, instruments: Sequence[Instrument]) -> Records:
    """Return the parameters in integers, one record an instrument; sizes rounded down."""
    params = np.zeros(len(instruments), PARAMS)
    for record, instrument in zip(params, instruments, strict=True):
        record["order_size_lots"] = lots_of(strategy.order_size_base, instrument)
        record["threshold_e6"] = millionths(strategy.threshold)
        record["dwell_ns"] = strategy.dwell_ms * MS_NS
        record["holding_ns"] = strategy.holding_ms * MS_NS
        record["stop_bps_e2"] = bps_e2(strategy.stop_bps)
        record["target_bps_e2"] = bps_e2(strategy.target_bps)
        record["cooldown_ns"] = strategy.cooldown_ms * MS_NS
        record["min_edge_bps_e2"] = bps_e2(strategy.min_edge_bps)
    return params


def fit_instruments(strategy: OrderBookImbalance, instruments: Records) -> None:
    """Write what the strategy asks of signals into the INSTRUMENT records."""
    instruments["imbalance_levels"] = strategy.levels


@kernel
def quotes(world: Any, params: Records, memory: Records, _outs: Any) -> None:
    """Fill both targets of every dirty instrument.

    Shapes: world (1,) State; params, memory (instruments,); outs (1,) Out.
    """
    state = world[0]
    for index in range(state.core[0]["instruments"]):
        if state.instruments[index]["dirty"] == 0:
            continue
        assert state.instruments[index]["imbalance_levels"] > 0, "call fit_instruments first"
        remember_lean(state, params[index], memory[index], index)
        remember_position(state, memory[index], index)
        for side in range(2):
            clear_target(state.targets[index, side])
            if memory[index]["entry_ns"] == 0:
                enter(state, params[index], memory[index], index, side)
            else:
                leave(state, params[index], memory[index], index, side)


@kernel
def remember_lean(state: State, params: Any, memory: Any, index: int) -> None:
    """Keep which way the book leans and since when; an order under way begins it anew."""
    instrument = state.instruments[index]
    now = state.core[0]["now_ns"]
    lean = 0
    if instrument["market_valid"] == 1 and instrument["imbalance_e6"] >= params["threshold_e6"]:
        lean = 1
    elif instrument["market_valid"] == 1 and instrument["imbalance_e6"] <= -params["threshold_e6"]:
        lean = -1
    if lean != memory["lean"] or open_count(state, index) > 0:
        memory["lean"] = lean
        memory["lean_since_ns"] = now


@kernel
def remember_position(state: State, memory: Any, index: int) -> None:
    """Note entry and leaving by the position itself, so that a restart finds its way too."""
    instrument = state.instruments[index]
    if instrument["market_valid"] == 0:
        return
    price = instrument["mid_half_ticks"] // 2
    holds = abs(excess_lots(instrument)) >= least_lots(instrument, price)
    if holds and memory["entry_ns"] == 0:
        memory["entry_ns"] = state.core[0]["now_ns"]
        memory["entry_mid_half_ticks"] = instrument["mid_half_ticks"]
    elif not holds and memory["entry_ns"] != 0:
        memory["entry_ns"] = 0
        memory["left_ns"] = state.core[0]["now_ns"]


@kernel
def enter(state: State, params: Any, memory: Any, index: int, side: int) -> None:
    """Walk the conditions of an entry; want to take the touch where all hold."""
    instrument = state.instruments[index]
    target = state.targets[index, side]
    now = state.core[0]["now_ns"]
    if not may_trade(state, index, side, target):
        return
    rested = memory["left_ns"] == 0 or now - memory["left_ns"] >= params["cooldown_ns"]
    since = now - memory["left_ns"]
    if not condition(target, Code.COOLDOWN, rested, since, params["cooldown_ns"]):
        return
    sign = 1 if side == Side.BUY else -1
    called = memory["lean"] == sign
    imbalance = sign * instrument["imbalance_e6"]
    if not condition(target, Code.NO_SIGNAL, called, imbalance, params["threshold_e6"]):
        return
    lasted = now - memory["lean_since_ns"]
    if not condition(target, Code.DWELL, lasted >= params["dwell_ns"], lasted, params["dwell_ns"]):
        return
    edge = edge_bps_e2(instrument, params, state.core[0]["taker_fee_bps_e2"])
    minimum = params["min_edge_bps_e2"]
    if not condition(target, Code.NO_EDGE, edge >= minimum, edge, minimum):
        return
    price = touch_ticks(instrument, side)
    lots = min(params["order_size_lots"], before_canary_lots(state, room_lots(instrument, side)))
    if not has_size(state, index, target, price, lots):
        return
    if has_funds(state, index, side, target, price, lots):
        want(target, price, lots)
        target["take"] = 1


@kernel
def leave(state: State, params: Any, memory: Any, index: int, side: int) -> None:
    """Walk the conditions of an exit; the increasing side waits until the position is left."""
    instrument = state.instruments[index]
    target = state.targets[index, side]
    held = state.core[0]["now_ns"] - memory["entry_ns"]
    due = reduces(instrument, side) and is_due(instrument, params, memory, held)
    if not may_trade(state, index, side, target):
        return
    if not condition(target, Code.HOLDING, due, held, params["holding_ns"]):
        return
    price = touch_ticks(instrument, side)
    funded = funds_atoms(state, index, side) // per_lot_atoms(instrument, side, price)
    lots = before_canary_lots(state, max(0, min(slice_lots(instrument, price), funded)))
    if has_size(state, index, target, price, lots):
        want(target, price, lots)
        target["take"] = 1
        target["reduce_only"] = 1


@kernel
def is_due(instrument: Any, params: Any, memory: Any, held_ns: int) -> bool:
    """Tell whether holding time, stop or target says to leave."""
    entry = memory["entry_mid_half_ticks"]
    moved = instrument["mid_half_ticks"] - entry
    if excess_lots(instrument) < 0:
        moved = -moved
    return (
        held_ns >= params["holding_ns"]
        or moved * BPS_E2 <= -params["stop_bps_e2"] * entry
        or moved * BPS_E2 >= params["target_bps_e2"] * entry
    )


@kernel
def edge_bps_e2(instrument: Any, params: Any, taker_fee_bps_e2: int) -> int:
    """Return what the target leaves after crossing twice half the spread and both fees.

    The spread is rounded up: the edge is never shown better than it is.
    """
    mid_half = instrument["mid_half_ticks"]
    spread = -(-2 * BPS_E2 * instrument["spread_ticks"] // mid_half)
    return params["target_bps_e2"] - spread - 2 * taker_fee_bps_e2


@kernel
def touch_ticks(instrument: Any, side: int) -> int:
    """Return the price at which this side takes: the other side's best."""
    return instrument["ask_ticks"] if side == Side.BUY else instrument["bid_ticks"]
