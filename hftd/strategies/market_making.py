"""Market making: quote both sides of one book and earn the spread.

Owns three ideas kept apart. **When**: the spread is over `min_spread_bps`, until it falls
below `min_spread_exit_bps`. **Where**: at the touch, one tick inside it, or `half_spread_bps`
from mid. **Whether**: the distance from mid less the maker fee is `min_edge_bps` at least.
Must not know orders, the gate or the canary's factor beyond asking for sizes that trade.

Prices are mid minus and plus a distance, rounded away from mid. Inventory shifts both against
the position, by `skew_bps_at_limit` at its limit; the shift never spends the edge: a quote that
it would push below `min_edge_bps` stops where the edge is just kept. At the limit the
increasing side is off and the reducing one is at the touch or better, if the edge allows.
No quote crosses the touch. Sizes lean with the imbalance, in steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import numpy as np

from hftd.config.strategy_parameters import MarketMaking
from hftd.domain.codes import Code
from hftd.domain.instrument import Instrument
from hftd.domain.kernel import kernel
from hftd.domain.layout import Field, Records, layout
from hftd.domain.order import Side
from hftd.engine.position import excess_lots
from hftd.engine.state import State
from hftd.engine.targets import (
    ONE_E6,
    before_canary_lots,
    clear_target,
    condition,
    has_funds,
    has_size,
    least_lots,
    may_trade,
    not_missing,
    not_through,
    reduces,
    room_lots,
    want,
)
from hftd.strategies.scaling import bps_e2, lots_of, millionths

BPS_E2 = 1_000_000  # One, in hundredths of a basis point.


class Where(IntEnum):
    """Where a quote stands before skew."""

    TOUCH = 0
    IMPROVE = 1
    OFFSET = 2


PARAMS = layout(
    Field("min_spread_bps_e2", "i8", "quote when the spread is over this"),
    Field("min_spread_exit_bps_e2", "i8", "stop when it is below this"),
    Field("where", "i8", "Where"),
    Field("half_spread_bps_e2", "i8", "distance from mid for OFFSET"),
    Field("min_edge_bps_e2", "i8", "least distance from mid less the maker fee"),
    Field("order_size_lots", "i8", "before imbalance and canary"),
    Field("imbalance_weight_e6", "i8", "how much of the size the imbalance moves"),
    Field("size_step_pct", "i8", "sizes move in steps of this part of the order size"),
    Field("cap_size", "i8", "1: never more than order_size_lots"),
    Field("skew_bps_e2_at_limit", "i8", "shift of both quotes at the position limit"),
)

MEMORY = layout(Field("spread_open", "i8", "1: the spread was wide enough and has not left"))


def build_params(strategy: MarketMaking, instruments: Sequence[Instrument]) -> Records:
    """Return the parameters in integers, one record an instrument; sizes rounded down.

    Basis points finer than a hundredth are rounded up: to quote less, never more.
    """
    params = np.zeros(len(instruments), PARAMS)
    for record, instrument in zip(params, instruments, strict=True):
        record["min_spread_bps_e2"] = bps_e2(strategy.min_spread_bps)
        record["min_spread_exit_bps_e2"] = bps_e2(strategy.min_spread_exit_bps)
        record["where"] = Where[strategy.quote.upper()]
        record["half_spread_bps_e2"] = bps_e2(strategy.half_spread_bps or 0)
        record["min_edge_bps_e2"] = bps_e2(strategy.min_edge_bps)
        record["order_size_lots"] = lots_of(strategy.order_size_base, instrument)
        record["imbalance_weight_e6"] = millionths(strategy.imbalance_weight)
        record["size_step_pct"] = strategy.size_step_pct
        record["cap_size"] = strategy.cap_size
        record["skew_bps_e2_at_limit"] = bps_e2(strategy.skew_bps_at_limit)
    return params


def fit_instruments(strategy: MarketMaking, instruments: Records) -> None:
    """Write what the strategy asks of signals and quoter into the INSTRUMENT records."""
    instruments["imbalance_levels"] = strategy.imbalance_levels
    instruments["price_tolerance_ticks"] = strategy.price_tolerance_ticks
    instruments["min_quote_life_ns"] = strategy.min_quote_life_ms * 1_000_000


@kernel
def quotes(world: Any, params: Records, memory: Records, _outs: Any) -> None:
    """Fill both targets of every dirty instrument.

    Shapes: world (1,) State; params, memory (instruments,); outs (1,) Out.
    """
    state = world[0]
    for index in range(state.core[0]["instruments"]):
        if state.instruments[index]["dirty"] == 1:
            assert state.instruments[index]["imbalance_levels"] > 0, "call fit_instruments first"
            bound = spread_bound_bps_e2(state.instruments[index], params[index], memory[index])
            for side in range(2):
                quote_side(state, params[index], memory[index], index, side, bound)


@kernel
def spread_bound_bps_e2(instrument: Any, params: Any, memory: Any) -> int:
    """Open or shut the strategy by the spread, and return the bound that it was judged by.

    Exact: spread / mid is compared as a product, since a tick may be far below a hundredth
    of a basis point.
    """
    spread = 2 * BPS_E2 * instrument["spread_ticks"]
    mid_half = instrument["mid_half_ticks"]
    if memory["spread_open"] == 1:
        bound = params["min_spread_exit_bps_e2"]
        wide = spread >= bound * mid_half
    else:
        bound = params["min_spread_bps_e2"]
        wide = spread > bound * mid_half
    if instrument["market_valid"] == 1:
        memory["spread_open"] = 1 if wide else 0
    return bound


@kernel
def quote_side(
    state: State, params: Any, memory: Any, index: int, side: int, spread_bound: int
) -> None:
    """Walk the conditions of one side; want a quote where all hold."""
    instrument = state.instruments[index]
    target = state.targets[index, side]
    clear_target(target)
    if not may_trade(state, index, side, target):
        return
    if not not_through(state, index, side, target):
        return
    wide = memory["spread_open"] == 1
    spread = instrument["spread_bps_e2"]
    if not condition(target, Code.SPREAD_TOO_NARROW, wide, spread, spread_bound):
        return
    fee = state.core[0]["maker_fee_bps_e2"]
    price = price_ticks(instrument, params, side, fee)
    if not not_missing(state, index, side, target, price):
        return
    price += -target["miss_away_ticks"] if side == Side.BUY else target["miss_away_ticks"]
    edge = edge_bps_e2(instrument, side, price) - fee
    minimum = params["min_edge_bps_e2"]
    if not condition(target, Code.NO_EDGE, edge >= minimum and price > 0, edge, minimum):
        return
    room = room_lots(instrument, side)
    full = room < least_lots(instrument, price)
    position, limit = excess_lots(instrument), instrument["max_position_lots"]
    if not condition(target, Code.POSITION_FULL, not full, position, limit):
        return
    lots = min(size_lots(instrument, params, side), before_canary_lots(state, room))
    if target["reduce_only"] == 1:
        lots = min(lots, before_canary_lots(state, abs(position)))
    if not has_size(state, index, target, price, lots):
        return
    if has_funds(state, index, side, target, price, lots):
        want(target, price, lots)


@kernel
def price_ticks(instrument: Any, params: Any, side: int, fee_bps_e2: int) -> int:
    """Return the quote's price: where, skew, edge, limit, and never across the touch."""
    mid_half = instrument["mid_half_ticks"]
    where = where_half_ticks(instrument, params)
    shift = skew_half_ticks(instrument, params)
    needed = params["min_edge_bps_e2"] + fee_bps_e2
    keeps_edge = -(-needed * mid_half // BPS_E2)
    away = where + shift if side == Side.BUY else where - shift
    if reduces(instrument, side) and is_at_limit(instrument, side):
        away = min(away, instrument["spread_ticks"])
    away = max(away, min(where, keeps_edge))
    if side == Side.BUY:
        return min((mid_half - away) // 2, instrument["ask_ticks"] - 1)
    return max(-(-(mid_half + away) // 2), instrument["bid_ticks"] + 1)


@kernel
def where_half_ticks(instrument: Any, params: Any) -> int:
    """Return the distance of both quotes from mid before skew, in half ticks."""
    if params["where"] == Where.OFFSET:
        return -(-params["half_spread_bps_e2"] * instrument["mid_half_ticks"] // BPS_E2)
    spread = instrument["spread_ticks"]
    if params["where"] == Where.IMPROVE and spread >= 3:
        return spread - 2
    return spread


@kernel
def skew_half_ticks(instrument: Any, params: Any) -> int:
    """Return the inventory skew: how far both quotes go down (long) or up (short).

    Units: half ticks, rounded toward zero; linear in the position, full at its limit.
    """
    excess, limit = excess_lots(instrument), instrument["max_position_lots"]
    if limit <= 0:
        return 0
    at_limit = instrument["mid_half_ticks"] * params["skew_bps_e2_at_limit"] // BPS_E2
    size = at_limit * (min(abs(excess), limit) * ONE_E6 // limit) // ONE_E6
    return size if excess > 0 else -size


@kernel
def is_at_limit(instrument: Any, reducing_side: int) -> bool:
    """Tell whether the side against the reducing one has no room left to trade."""
    increasing = Side.SELL if reducing_side == Side.BUY else Side.BUY
    price = instrument["market_ask_ticks"]
    return room_lots(instrument, increasing) < least_lots(instrument, price)


@kernel
def edge_bps_e2(instrument: Any, side: int, price: int) -> int:
    """Return the distance of a price from mid on its own side, rounded down."""
    mid_half = instrument["mid_half_ticks"]
    away = mid_half - 2 * price if side == Side.BUY else 2 * price - mid_half
    return away * BPS_E2 // mid_half


@kernel
def size_lots(instrument: Any, params: Any, side: int) -> int:
    """Return the size: order size x (1 +- a x imbalance), to the nearest step, before canary.

    Never beyond the weight's own whole steps, so the largest order is what the profile says.
    """
    weight, step = params["imbalance_weight_e6"], params["size_step_pct"] * ONE_E6 // 100
    imbalance = instrument["imbalance_e6"]
    lean = weight * abs(imbalance) // ONE_E6
    steps = min((lean + step // 2) // step, weight // step)
    towards = (imbalance > 0) == (side == Side.BUY)
    pct = steps * params["size_step_pct"]
    lots = params["order_size_lots"] * (100 + pct if towards else 100 - pct) // 100
    if params["cap_size"] == 1:
        return min(lots, params["order_size_lots"])
    return lots
