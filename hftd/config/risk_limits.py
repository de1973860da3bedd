"""The limits of a profile and their scaling by the canary: what must be said, and what is policy.

Owns the keys under ``risk`` and ``instrument_limits`` and their bounds; the controls that hold
them are the engine's. Knows nothing of instruments' filters: rounding to lots and ticks comes
where those are known. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from hftd.config.values import (
    Integer,
    PositiveBps,
    PositiveDecimal,
    PositiveMs,
    Section,
    UtcMinute,
)

Count = Annotated[Integer, Field(gt=0, le=10_000)]
# The engine keeps the times of so many: a higher count would never be reached.
CountInWindow = Annotated[Integer, Field(gt=0, le=64)]


def _as_gross_exposure(values: dict[str, Any]) -> Any:
    return values["max_gross_exposure_quote"]


class RiskLimits(Section):
    """Limits per instrument, limits per profile, and the policy of the other controls."""

    # Required: what nobody chose must not be guessed (C01).
    max_order_size_base: PositiveDecimal
    """Largest quantity of one order, per instrument (C03)."""
    max_order_notional_quote: PositiveDecimal
    """Largest value of one order at its worst price, per instrument (C04)."""
    max_position_base: PositiveDecimal
    """Largest position either way, open and in-flight orders counted, per instrument (C12)."""
    max_open_orders: Annotated[Integer, Field(gt=0, le=200)]
    """Most orders open or in flight, per instrument (C14)."""
    price_collar_bps: Annotated[PositiveBps, Field(le=5_000)]
    """Furthest that an order's aggressive side may stand from the reference price (C05)."""
    max_daily_loss_quote: PositiveDecimal
    """Loss since the day's start that HALTs the profile (C15)."""
    max_drawdown_quote: PositiveDecimal
    """Fall of equity from its peak that HALTs the profile (C15)."""
    max_daily_turnover_quote: PositiveDecimal
    """Traded value since the day's start: no quote may pass it, and beyond it is a HALT (C16)."""
    max_gross_exposure_quote: PositiveDecimal
    """Sum of absolute positions and open orders in quote, over all instruments (C13)."""
    max_book_age_ms: Annotated[PositiveMs, Field(le=60_000)]
    """Silence of an instrument's market data after which its book is checked (C07, C22)."""

    # Policy: documented defaults.
    max_orders_per_second: Annotated[Integer, Field(gt=0, le=1_000)] | Literal["venue"] = "venue"
    """Orders sent a second at most, over all instruments (C17); ``venue``: 60 % of the venue's own
    limits, less what the account has used of them."""
    max_open_notional_quote: PositiveDecimal = Field(default_factory=_as_gross_exposure)
    """Value of all open orders at most (C14); default: max_gross_exposure_quote."""
    max_quote_distance_bps: Annotated[PositiveBps, Field(le=5_000)] = Decimal(500)
    """Furthest that an order's passive side may stand from the reference price (C05)."""
    collar_breach_count: CountInWindow = 3
    """Collar refusals within the window that PAUSE (C05)."""
    collar_breach_window_ms: PositiveMs = 10_000
    """The window of collar_breach_count."""
    reject_storm_count: CountInWindow = 5
    """Unexpected rejects by the venue within the window that HALT (C19)."""
    reject_storm_window_ms: PositiveMs = 10_000
    """The window of reject_storm_count."""
    max_clock_offset_ms: Annotated[PositiveMs, Field(le=5_000)] = 500
    """Offset to the venue's clock that PAUSEs (C24)."""
    max_clock_step_ms: Annotated[PositiveMs, Field(le=5_000)] = 250
    """Step of the wall clock against the monotonic one that PAUSEs (C24)."""
    clock_halt_after_ms: PositiveMs = 5_000
    """How long a clock may stay wrong before PAUSE becomes HALT (C24)."""
    max_unknown_orders: Count = 2
    """Orders of unknown outcome at a time; one more HALTs (C27)."""
    unknown_timeout_ms: PositiveMs = 20_000
    """Age of an unknown outcome that HALTs (C27)."""
    user_stream_timeout_ms: PositiveMs = 30_000
    """Silence of the private stream, pings included, that PAUSEs (C23)."""
    pause_dwell_ms: PositiveMs = 2_000
    """How long a PAUSE's cause must be gone before quoting goes on."""
    reset_dwell_ms: PositiveMs = 5_000
    """How long HALTED or KILLED must have stood before reset is taken (C33)."""
    reconcile_orders_ms: PositiveMs = 5_000
    """How often open orders are compared with the venue's (C35); 400 ms an instrument at least."""
    reconcile_trades_ms: PositiveMs = 10_000
    """How often our trades are compared with the venue's (C35); a second an instrument at least."""
    reconcile_balances_ms: PositiveMs = 30_000
    """How often balances are compared with the venue's (C35)."""
    max_one_sided_fills: Count = 100
    """Orders filled on one side without the position crossing its target; one more HALTs (C18)."""
    max_orders_without_fill: Annotated[Integer, Field(gt=0, le=1_000_000)] = 5_000
    """Orders since the last fill; one more PAUSEs until resume, half of it is told (C20)."""
    loop_lag_warn_ms: Annotated[PositiveMs, Field(le=2_000)] = 50
    """Lateness of the trading loop that is told (C25)."""
    max_loop_lag_ms: Annotated[PositiveMs, Field(le=2_000)] = 250
    """Lateness of the trading loop that PAUSEs (C25)."""
    max_ack_ms: Annotated[PositiveMs, Field(le=60_000)] = 1_000
    """The 99th percentile of the last acknowledgements' latency that PAUSEs (C28)."""
    price_jump_bps: Annotated[PositiveBps, Field(le=5_000)] = Decimal(300)
    """Move of mid within the window that PAUSEs (C29)."""
    price_jump_window_ms: Annotated[PositiveMs, Field(le=600_000)] = 10_000
    """The window of price_jump_bps."""
    on_daily_loss: Literal["halt", "halt_and_reduce"] = "halt"
    """What a breach of the daily loss or the drawdown does beside HALT: nothing, or flatten."""
    day_starts_utc: UtcMinute = "00:00"
    """When the trading day starts."""


class InstrumentLimits(Section):
    """Limits of one instrument that stand in place of the profile's; absent ones do not."""

    max_order_size_base: PositiveDecimal | None = None
    """Largest quantity of one order (C03)."""
    max_order_notional_quote: PositiveDecimal | None = None
    """Largest value of one order at its worst price (C04)."""
    max_position_base: PositiveDecimal | None = None
    """Largest position either way (C12)."""
    max_open_orders: Annotated[Integer, Field(gt=0, le=200)] | None = None
    """Most orders open or in flight (C14)."""
    price_collar_bps: Annotated[PositiveBps, Field(le=5_000)] | None = None
    """Furthest that the aggressive side may stand from the reference price (C05)."""
    max_quote_distance_bps: Annotated[PositiveBps, Field(le=5_000)] | None = None
    """Furthest that the passive side may stand from the reference price (C05)."""


# What the canary multiplies: quantity, notional, position, open notional, exposure, loss and
# turnover. Counts, rates, bps and ages keep their size (TRADING rule of the canary, C37).
CANARY_SCALED: Final = (
    "max_order_size_base",
    "max_order_notional_quote",
    "max_position_base",
    "max_daily_loss_quote",
    "max_drawdown_quote",
    "max_daily_turnover_quote",
    "max_gross_exposure_quote",
    "max_open_notional_quote",
)


def limits_of(risk: RiskLimits, overrides: InstrumentLimits | None) -> RiskLimits:
    """Return the limits of one instrument: the profile's with the instrument's own on top."""
    if overrides is None:
        return risk
    own = {key: value for key, value in overrides if value is not None}
    return risk.model_copy(update=own)


def scale(risk: RiskLimits, size_factor: Decimal) -> RiskLimits:
    """Return the limits multiplied by the canary's factor where it applies, exactly."""
    scaled: Mapping[str, Decimal] = {key: getattr(risk, key) * size_factor for key in CANARY_SCALED}
    return risk.model_copy(update=scaled)
