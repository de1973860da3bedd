"""From a profile and the venue's instruments to the engine's arrays, in exact integers.

Owns the translation of limits and policy: decimals become ticks, lots and atoms, always
rounded to the safe side (limits down). Knows no strategy's parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from hftd.config.load import config_hash
from hftd.config.real_venue import BinanceVenue
from hftd.config.risk_limits import RiskLimits
from hftd.config.schema import AgentsMarket, Profile, SimexVenue, scaled_limits
from hftd.domain.codes import OnStart
from hftd.domain.instrument import Instrument
from hftd.domain.layout import Records
from hftd.domain.units import E8
from hftd.engine.state import KIND_BALANCES, KIND_ORDERS, KIND_TRADES, new_world
from hftd.errors import ProfileError
from hftd.runtime.telemetry import Stage

INT64_SAFE = 1 << 62  # Half of int64: sums of two such products still fit.
MS = 1_000_000
MINUTE_NS = 60_000_000_000
DEFAULT_RATE_SHARE_PCT = 60
# Weights 6 and 20 a list: at most 900 and 1,200 of the 6,000 that the venue takes a minute.
ORDERS_LIST_MS, TRADES_LIST_MS = 400, 1_000
IN_LOTS = {  # What comes to nothing where it is less than a lot, by its key.
    "max_order_lots": "risk.max_order_size_base",
    "max_order_notional_atoms": "risk.max_order_notional_quote",
    "max_position_lots": "risk.max_position_base",
}
CONFIG_HASH_DIGITS = 15  # As many hexadecimal digits as an int64 surely holds.


def assets_of(instruments: Sequence[Instrument]) -> list[str]:
    """Return the assets of the profile in the order of the balances array, quote first."""
    assets = [instruments[0].quote]
    for instrument in instruments:
        if instrument.base not in assets:
            assets.append(instrument.base)
    return assets


def floor_e8(value: Decimal) -> int:
    """Return a decimal in whole 1e-8, rounded down."""
    return int((value * E8).to_integral_value(ROUND_FLOOR))


def ceil_e8(value: Decimal) -> int:
    """Return a decimal in whole 1e-8, rounded up: for reserves."""
    return int((value * E8).to_integral_value(ROUND_CEILING))


def lots(value: Decimal, instrument: Instrument) -> int:
    """Return a base quantity in whole lots, rounded down."""
    return floor_e8(value) // instrument.lot_e8


def bps_e2(value: Decimal) -> int:
    """Return basis points in hundredths, rounded down."""
    return int((value * 100).to_integral_value(ROUND_FLOOR))


def build_world(profile: Profile, instruments: Sequence[Instrument]) -> Records:
    """Return fresh state, an array of one State, with every limit and filter in place.

    Raises: ProfileError where a limit comes to nothing in the instrument's steps, or where a
    product of ticks and lots could leave int64.
    """
    assets = assets_of(instruments)
    world = new_world(len(instruments), len(assets))
    state = world[0]
    limits = scaled_limits(profile)
    fill_core(state.core[0], profile, limits[instruments[0].name])
    state.core[0]["quote_asset"] = 0
    state.balances[0]["reserve_atoms"] = ceil_e8(profile.inventory.reserve_quote)
    for index, instrument in enumerate(instruments):
        record = state.instruments[index]
        record["base_asset"] = assets.index(instrument.base)
        reserve = ceil_e8(profile.inventory.reserve_base)
        state.balances[record["base_asset"]]["reserve_atoms"] = reserve
        fill_instrument(record, instrument)
        fill_limits(record, profile, instrument, limits[instrument.name])
        record["own_in_book"] = int(_has_own_orders(profile.venue))
        prove_int64(record, instrument)
    return world


def _has_own_orders(venue: SimexVenue | BinanceVenue) -> bool:
    # A recorded or followed market does not show them.
    return not isinstance(venue, SimexVenue) or isinstance(venue.market, AgentsMarket)


def fill_core(core: Any, profile: Profile, limits: RiskLimits) -> None:
    """Set what holds for the profile as a whole; ``limits`` are scaled by the canary."""
    core["max_daily_loss_atoms"] = floor_e8(limits.max_daily_loss_quote)
    core["max_drawdown_atoms"] = floor_e8(limits.max_drawdown_quote)
    core["max_turnover_atoms"] = floor_e8(limits.max_daily_turnover_quote)
    core["max_gross_exposure_atoms"] = floor_e8(limits.max_gross_exposure_quote)
    core["max_open_notional_atoms"] = floor_e8(limits.max_open_notional_quote)
    # C17: without a figure of our own the venue's limits rule, and 60 % of them are ours.
    per_second = limits.max_orders_per_second
    ours = isinstance(per_second, int)
    core["order_interval_ns"] = 1_000_000_000 // per_second if isinstance(per_second, int) else 0
    core["order_burst_ns"] = 1_000_000_000 - core["order_interval_ns"]
    core["rate_share_pct"] = 100 if ours else DEFAULT_RATE_SHARE_PCT
    core["max_book_age_ns"] = limits.max_book_age_ms * MS
    core["collar_breach_count"] = limits.collar_breach_count
    core["collar_breach_window_ns"] = limits.collar_breach_window_ms * MS
    core["reject_storm_count"] = limits.reject_storm_count
    core["reject_storm_window_ns"] = limits.reject_storm_window_ms * MS
    core["max_clock_offset_ns"] = limits.max_clock_offset_ms * MS
    core["max_clock_step_ns"] = limits.max_clock_step_ms * MS
    core["clock_halt_after_ns"] = limits.clock_halt_after_ms * MS
    core["max_unknown_orders"] = limits.max_unknown_orders
    core["unknown_timeout_ns"] = limits.unknown_timeout_ms * MS
    core["user_stream_timeout_ns"] = limits.user_stream_timeout_ms * MS
    core["pause_dwell_ns"] = limits.pause_dwell_ms * MS
    core["reset_dwell_ns"] = limits.reset_dwell_ms * MS
    # Each instrument's list costs the venue's weight: with many the periods stretch.
    orders_ms = max(limits.reconcile_orders_ms, len(profile.instruments) * ORDERS_LIST_MS)
    trades_ms = max(limits.reconcile_trades_ms, len(profile.instruments) * TRADES_LIST_MS)
    core["check_period_ns"][KIND_ORDERS] = orders_ms * MS
    core["check_period_ns"][KIND_TRADES] = trades_ms * MS
    core["check_period_ns"][KIND_BALANCES] = limits.reconcile_balances_ms * MS
    core["max_one_sided_fills"] = limits.max_one_sided_fills
    core["max_orders_without_fill"] = limits.max_orders_without_fill
    core["loop_lag_warn_ns"] = limits.loop_lag_warn_ms * MS
    core["max_loop_lag_ns"] = limits.max_loop_lag_ms * MS
    core["max_ack_ns"] = limits.max_ack_ms * MS
    core["price_jump_bps_e2"] = bps_e2(limits.price_jump_bps)
    core["price_jump_window_ns"] = limits.price_jump_window_ms * MS
    core["on_start"] = OnStart[profile.on_start.upper()]
    core["refuse_foreign"] = int(profile.foreign_orders == "refuse")
    core["config_hash"] = profile_hash(profile)
    core["halt_and_reduce"] = int(limits.on_daily_loss == "halt_and_reduce")
    hours, minutes = limits.day_starts_utc.split(":")
    core["day_starts_ns"] = (int(hours) * 60 + int(minutes)) * MINUTE_NS
    core["recv_window_ns"] = profile.venue.recv_window_ms * MS
    core["maker_fee_bps_e2"] = bps_e2(profile.venue.fees.maker_bps)
    core["taker_fee_bps_e2"] = bps_e2(profile.venue.fees.taker_bps)
    core["canary_size_e6"] = int(profile.size_factor * 1_000_000)


def profile_hash(profile: Profile) -> int:
    """Return the profile's hash as intents carry it (C40)."""
    return int(config_hash(profile)[:CONFIG_HASH_DIGITS], 16)


def fill_instrument(record: Any, instrument: Instrument) -> None:
    """Set what the venue fixes of an instrument."""
    record["unit_atoms"] = instrument.unit_atoms
    record["lot_atoms"] = instrument.lot_e8
    record["min_price_ticks"] = instrument.min_price_ticks
    record["max_price_ticks"] = instrument.max_price_ticks
    record["min_qty_lots"] = instrument.min_qty_lots
    record["max_qty_lots"] = instrument.max_qty_lots
    record["min_notional_atoms"] = instrument.min_notional_atoms
    record["max_notional_atoms"] = instrument.max_notional_atoms
    record["venue_max_orders"] = instrument.max_open_orders


def fill_limits(record: Any, profile: Profile, instrument: Instrument, limits: RiskLimits) -> None:
    """Set an instrument's limits: scaled for the gate, unscaled for reduce-only orders."""
    whole = profile.limits(instrument.name)
    record["max_order_lots"] = lots(limits.max_order_size_base, instrument)
    record["max_order_lots_reduce"] = lots(whole.max_order_size_base, instrument)
    record["max_order_notional_atoms"] = floor_e8(limits.max_order_notional_quote)
    record["max_order_notional_atoms_reduce"] = floor_e8(whole.max_order_notional_quote)
    record["max_open_orders"] = limits.max_open_orders
    record["collar_bps_e2"] = bps_e2(limits.price_collar_bps)
    record["max_quote_distance_bps_e2"] = bps_e2(limits.max_quote_distance_bps)
    record["max_position_lots"] = lots(limits.max_position_base, instrument)
    target = profile.inventory.target_base
    record["target_base_atoms"] = -1 if target == "opening" else floor_e8(target)
    for field, key in IN_LOTS.items():
        if record[field] <= 0:
            raise ProfileError(
                f"{instrument.name}: this limit times the canary's size_factor must be at least "
                f"one lot ({instrument.lot_size})",
                key=key,
            )


def prove_int64(record: Any, instrument: Instrument) -> None:
    """Refuse limits under which a product of ticks, lots and atoms could leave int64."""
    position = 2 * int(record["max_position_lots"]) + int(record["max_order_lots_reduce"])
    price = int(record["max_price_ticks"]) or INT64_SAFE // max(1, position * instrument.unit_atoms)
    if position * position >= INT64_SAFE or position * price * instrument.unit_atoms >= INT64_SAFE:
        raise ProfileError(
            f"{instrument.name}: a position limit whose value at the venue's highest price fits "
            f"int64 atoms is needed",
            key="risk.max_position_base",
        )
    if instrument.lot_e8 * instrument.lot_e8 >= INT64_SAFE:  # Fees in base are valued by parts.
        raise ProfileError(
            f"{instrument.name}: an instrument whose lot squared fits int64 atoms is needed, was "
            f"a lot of {instrument.lot_size} {instrument.base}",
            key="instruments",
        )


def targets_ns(profile: Profile) -> dict[Stage, int]:
    """Return the profile's latency targets by stage, in nanoseconds."""
    targets = profile.latency_targets_ms
    by_stage = {
        Stage.MARKET_DATA: targets.market_data,
        Stage.STRATEGY: targets.strategy,
        Stage.RISK: targets.risk,
        Stage.EXECUTION: targets.execution,
        Stage.END_TO_END: targets.end_to_end,
    }
    return {stage: int(target * MS) for stage, target in by_stage.items()}
