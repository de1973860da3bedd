"""What the strategies that quote by a formula have in common: parameters, rounding, conditions.

Owns the way from a distance in basis points to a quote in ticks. Must not know a formula.

A formula says how far from mid each quote stands, in bps, as a float. Here it becomes half ticks
once, rounded away from mid; from there on all is integers, as in market_making.py: the bid is
rounded down and the ask up, no quote stands nearer to mid than `min_edge_bps` after the maker
fee, and none crosses the touch. Inventory counts in orders of `order_size_base`, as in the papers
every fill is one unit, at the canary's scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from hftd.config.strategy_parameters import AvellanedaStoikov, Glft
from hftd.domain.codes import Code
from hftd.domain.instrument import Instrument
from hftd.domain.kernel import kernel
from hftd.domain.layout import Field, Records, layout
from hftd.domain.order import Side
from hftd.engine.position import excess_lots
from hftd.engine.state import State
from hftd.engine.targets import (
    before_canary_lots,
    canary_lots,
    clear_target,
    condition,
    has_funds,
    has_size,
    least_lots,
    may_trade,
    not_missing,
    not_through,
    room_lots,
    want,
)
from hftd.strategies.estimates import LEAST_ORDERS, LEAST_SAMPLES, MEMORY_FIELDS
from hftd.strategies.scaling import bps_e2, lots_of

BPS_E2 = 1_000_000  # One, in hundredths of a basis point.
BPS = 10_000.0
FARTHEST = 1.0  # No quote is farther from mid than mid itself.

PARAMS = layout(
    Field("risk_aversion", "f8", "gamma, per bps and order"),
    Field("volatility", "f8", "sigma, bps per square root of a second; 0: estimated"),
    Field("arrival_decay", "f8", "k, per bps; 0: estimated"),
    Field("arrival_rate", "f8", "A, orders a second and side; 0: estimated"),
    Field("horizon_s", "f8", "T - t"),
    Field("half_life_s", "f8", "of the estimates"),
    Field("step_bps", "f8", "between the distances at which orders are counted"),
    Field("min_edge_bps_e2", "i8", "least distance from mid less the maker fee"),
    Field("order_size_lots", "i8", "before the canary"),
)
MEMORY = layout(*MEMORY_FIELDS)


def build_params(strategy: AvellanedaStoikov | Glft, instruments: Sequence[Instrument]) -> Records:
    """Return the parameters of both formulas, one record an instrument; sizes rounded down."""
    params = np.zeros(len(instruments), PARAMS)
    rate = strategy.arrival_rate_per_s if isinstance(strategy, Glft) else None
    horizon_s = strategy.horizon_s if isinstance(strategy, AvellanedaStoikov) else 0
    for record, instrument in zip(params, instruments, strict=True):
        record["risk_aversion"] = strategy.risk_aversion_per_bps
        record["volatility"] = strategy.volatility_bps or Decimal(0)
        record["arrival_decay"] = strategy.arrival_decay_per_bps or Decimal(0)
        record["arrival_rate"] = rate or Decimal(0)
        record["horizon_s"] = horizon_s
        record["half_life_s"] = strategy.estimate_half_life_s
        record["step_bps"] = strategy.arrival_step_bps
        record["min_edge_bps_e2"] = bps_e2(strategy.min_edge_bps)
        record["order_size_lots"] = lots_of(strategy.order_size_base, instrument)
    return params


def fit_instruments(strategy: AvellanedaStoikov | Glft, instruments: Records) -> None:
    """Write what the strategy asks of the quoter into the INSTRUMENT records."""
    instruments["imbalance_levels"] = 1
    instruments["price_tolerance_ticks"] = strategy.price_tolerance_ticks
    instruments["min_quote_life_ns"] = strategy.min_quote_life_ms * 1_000_000


@kernel
def variance(params: Any, memory: Any) -> float:
    """Return sigma squared, bps squared a second: as given, else as estimated."""
    if params["volatility"] > 0.0:
        return params["volatility"] * params["volatility"]
    return memory["variance_bps2"]


@kernel
def decay(params: Any, memory: Any) -> float:
    """Return k per bps: as given, else as estimated."""
    return params["arrival_decay"] if params["arrival_decay"] > 0.0 else memory["arrival_decay"]


@kernel
def rate(params: Any, memory: Any) -> float:
    """Return A a second: as given, else as estimated."""
    return params["arrival_rate"] if params["arrival_rate"] > 0.0 else memory["arrival_rate"]


@kernel
def seen(params: Any, memory: Any, needs_rate: bool) -> tuple[int, int]:
    """Return how much was seen of what is to be estimated, and how much is needed."""
    if params["volatility"] == 0.0 and memory["samples"] < LEAST_SAMPLES:
        return memory["samples"], LEAST_SAMPLES
    estimated = params["arrival_decay"] == 0.0 or (needs_rate and params["arrival_rate"] == 0.0)
    if estimated and memory["orders"] < LEAST_ORDERS:
        return memory["orders"], LEAST_ORDERS
    if estimated and memory["arrival_decay"] == 0.0:
        return 0, 1  # Every order reached the same distance: no line goes through one point.
    return 1, 1


@kernel
def inventory(state: State, params: Any, index: int) -> float:
    """Return q, the position in orders of the size that is quoted."""
    unit = max(canary_lots(state, params["order_size_lots"]), 1)
    return excess_lots(state.instruments[index]) / unit


@kernel
def half_ticks(distance_bps: float, mid_half_ticks: int) -> int:
    """Return a distance from mid in half ticks, rounded away from mid.

    The one place where a float becomes a price; nothing after it is one.
    """
    farthest = FARTHEST * BPS
    bounded = min(max(distance_bps, -farthest), farthest)
    return math.ceil(bounded * mid_half_ticks / BPS)


@kernel
def price_ticks(instrument: Any, params: Any, side: int, distance_bps: float, fee: int) -> int:
    """Return the quote's price: the formula's, but never without edge nor across the touch."""
    mid_half = instrument["mid_half_ticks"]
    keeps_edge = -(-(params["min_edge_bps_e2"] + fee) * mid_half // BPS_E2)
    away = max(half_ticks(distance_bps, mid_half), keeps_edge)
    if side == Side.BUY:
        return min((mid_half - away) // 2, instrument["ask_ticks"] - 1)
    return max(-(-(mid_half + away) // 2), instrument["bid_ticks"] + 1)


@kernel
def quote_side(
    state: State, params: Any, index: int, side: int, known: tuple[int, int], away_bps: float
) -> None:
    """Walk the conditions of one side; want a quote at the formula's distance where all hold.

    Args: ``known`` as `seen` returns it; ``away_bps`` means nothing while that is not enough.
    """
    instrument = state.instruments[index]
    target = state.targets[index, side]
    clear_target(target)
    if not may_trade(state, index, side, target):
        return
    if not condition(target, Code.NO_ESTIMATE, known[0] >= known[1], known[0], known[1]):
        return
    if not not_through(state, index, side, target):
        return
    price = price_ticks(instrument, params, side, away_bps, state.core[0]["maker_fee_bps_e2"])
    if not not_missing(state, index, side, target, price):
        return
    price += -target["miss_away_ticks"] if side == Side.BUY else target["miss_away_ticks"]
    edge = edge_bps_e2(instrument, side, price) - state.core[0]["maker_fee_bps_e2"]
    minimum = params["min_edge_bps_e2"]
    if not condition(target, Code.NO_EDGE, edge >= minimum and price > 0, edge, minimum):
        return
    room, position = room_lots(instrument, side), excess_lots(instrument)
    full, limit = room < least_lots(instrument, price), instrument["max_position_lots"]
    if not condition(target, Code.POSITION_FULL, not full, position, limit):
        return
    lots = min(params["order_size_lots"], before_canary_lots(state, room))
    if target["reduce_only"] == 1:
        lots = min(lots, before_canary_lots(state, abs(position)))
    if not has_size(state, index, target, price, lots):
        return
    if has_funds(state, index, side, target, price, lots):
        want(target, price, lots)


@kernel
def edge_bps_e2(instrument: Any, side: int, price: int) -> int:
    """Return the distance of a price from mid on its own side, rounded down."""
    mid_half = instrument["mid_half_ticks"]
    away = mid_half - 2 * price if side == Side.BUY else 2 * price - mid_half
    return away * BPS_E2 // mid_half
