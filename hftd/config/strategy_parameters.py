"""The parameters of the built-in strategies: keys, bounds and defaults, one model a kind.

Knows nothing of how a strategy uses them: that is ``hftd/strategies``. Pure.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from hftd.config.values import (
    Flag,
    Fraction,
    Integer,
    NonNegativeBps,
    NonNegativeMs,
    PositiveBps,
    PositiveDecimal,
    PositiveFraction,
    PositiveMs,
    Section,
    SignedBps,
    misplaced,
    plain,
)

Levels = Annotated[Integer, Field(gt=0, le=50)]


def _as_min_spread(values: dict[str, Any]) -> Any:
    return values["min_spread_bps"]


class MarketMaking(Section):
    """Quote both sides of the book: when (spread), where (quote), whether (edge), how much."""

    kind: Literal["market_making"]
    """Which strategy this is."""
    order_size_base: PositiveDecimal
    """Size of each quote before imbalance and canary."""
    min_spread_bps: NonNegativeBps = Decimal(5)
    """Quote when the spread without our own orders is over this."""
    min_spread_exit_bps: NonNegativeBps = Field(default_factory=_as_min_spread)
    """Stop quoting when the spread falls below this; default: min_spread_bps."""
    quote: Literal["touch", "improve", "offset"] = "touch"
    """Where: at the touch, one tick inside it, or half_spread_bps away from mid."""
    half_spread_bps: PositiveBps | None = None
    """Distance from mid to each quote; required for quote offset."""
    min_edge_bps: SignedBps = Decimal(0)
    """Distance from mid less the maker fee below which a side is not quoted."""
    imbalance_levels: Levels = 5
    """Book levels a side that the imbalance is taken over."""
    imbalance_weight: Fraction = Decimal("0.5")
    """How much the imbalance moves the sizes: buy x (1 + a x i), sell x (1 - a x i)."""
    size_step_pct: Annotated[Integer, Field(gt=0, le=100)] = 25
    """Sizes move in steps of this part of order_size_base."""
    cap_size: Flag = False
    """Never quote more than order_size_base."""
    skew_bps_at_limit: NonNegativeBps = Decimal(4)
    """Shift of both quotes against the position when it stands at its limit."""
    price_tolerance_ticks: Annotated[Integer, Field(ge=0, le=1_000_000)] = 0
    """A quote this close to where it should be is left in its queue."""
    min_quote_life_ms: NonNegativeMs = 500
    """A quote is not moved before this age, except to pull it."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.min_spread_exit_bps > self.min_spread_bps:
            limit = plain(self.min_spread_bps)
            raise misplaced("min_spread_exit_bps", f"at most min_spread_bps, {limit}")
        if self.quote == "offset" and self.half_spread_bps is None:
            raise misplaced("half_spread_bps", "is required with quote: offset")
        return self

    @property
    def largest_order_base(self) -> Decimal:
        """The largest order that the imbalance can ask for."""
        if self.cap_size:
            return self.order_size_base
        return self.order_size_base * (1 + self.imbalance_weight)


class OrderBookImbalance(Section):
    """Take the touch by IOC when the book leans one way for long enough."""

    kind: Literal["order_book_imbalance"]
    """Which strategy this is."""
    order_size_base: PositiveDecimal
    """Size of an entry before the canary."""
    levels: Levels = 5
    """Book levels a side that the imbalance is taken over."""
    threshold: PositiveFraction = Decimal("0.6")
    """Imbalance that calls for an entry."""
    dwell_ms: NonNegativeMs = 300
    """How long the imbalance must stay past the threshold."""
    holding_ms: PositiveMs = 10_000
    """Leave after this time."""
    stop_bps: PositiveBps = Decimal(15)
    """Leave when the mark has gone this far against the entry."""
    target_bps: PositiveBps = Decimal(25)
    """Leave when the mark has gone this far for the entry."""
    cooldown_ms: NonNegativeMs = 2_000
    """Rest after leaving."""
    min_edge_bps: SignedBps = Decimal(0)
    """target_bps less the cost of crossing and both fees must be at least this."""

    @property
    def largest_order_base(self) -> Decimal:
        """The largest order that this strategy asks for."""
        return self.order_size_base


Strategy = Annotated[MarketMaking | OrderBookImbalance, Field(discriminator="kind")]
