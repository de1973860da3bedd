"""A market preset as its file has it: every key with its unit, bounds and default.

Owns what a preset may say, in ticks, seconds and percent. Knows no files, and not how agents
act on it: ``hftd.simex.presets`` turns it into the agents' numbers. Pure.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator

from hftd.config.values import (
    DecimalText,
    Integer,
    NonNegativeBps,
    Section,
    misplaced,
)

MAX_MAKERS = 20
MAX_PLUNGES = 20

# The agents count in micro-ticks; six decimals of a tick are exact, more would be lost.
Ticks = Annotated[DecimalText, Field(ge=0, le=10_000, decimal_places=6)]
PositiveTicks = Annotated[DecimalText, Field(gt=0, le=10_000, decimal_places=6)]
Seconds = Annotated[Integer, Field(gt=0, le=86_400)]
Milliseconds = Annotated[Integer, Field(gt=0, le=3_600_000)]
Beats = Annotated[Integer, Field(gt=0, le=100_000)]
Percent = Annotated[Integer, Field(ge=0, le=100)]


class PresetFees(Section):
    """What users' fills cost unless the exchange is told otherwise."""

    maker_bps: Annotated[NonNegativeBps, Field(le=1_000)] = Decimal(0)
    """Fee of an order that rested."""
    taker_bps: Annotated[NonNegativeBps, Field(le=1_000)] = Decimal(5)
    """Fee of an order that crossed."""


class Plunge(Section):
    """A stretch of a scripted fall."""

    from_s: Annotated[Integer, Field(ge=0, le=86_400)]
    """When it begins, after the market's start."""
    until_s: Seconds
    """When it ends."""
    ticks_per_beat: PositiveTicks
    """How far the worth falls in each beat of 250 ms."""


class Worth(Section):
    """The coin's worth: a walk in beats of 250 ms, which only the informed see."""

    step_ticks: Ticks
    """Standard deviation of its step in a beat."""
    jump_every_s: Seconds
    """How often it jumps, on average."""
    jump_min_ticks: PositiveTicks
    """The smallest jump."""
    jump_max_ticks: PositiveTicks
    """The largest jump."""
    trend_ticks_per_beat: Ticks = Decimal(0)
    """How far a trend carries it in a beat; 0: there is no trend."""
    trend_every_s: Seconds = 60
    """How often a trend takes a new direction, on average."""
    plunges: tuple[Plunge, ...] = Field(default=(), max_length=MAX_PLUNGES)
    """Scripted falls."""


class Makers(Section):
    """The house market makers, who follow the worth from behind and quote around it."""

    offsets_ticks: tuple[Ticks, ...] = Field(min_length=1, max_length=MAX_MAKERS)
    """One maker each: by how much its half-spread is wider than the first one's."""
    half_spread_min_ticks: PositiveTicks
    """The narrowest half-spread."""
    half_spread_max_ticks: PositiveTicks
    """The widest half-spread."""
    half_spread_step_ticks: Ticks
    """Standard deviation of the half-spread's step in a beat."""
    ladder_levels: Annotated[Integer, Field(gt=0, le=50)]
    """Price levels on which each maker has an order, per side."""
    lag_beats: Beats
    """A belief closes one part in so many of its distance to the worth in a beat."""
    alarm_ticks: PositiveTicks
    """Distance of belief and worth beyond which a maker takes fright."""
    alarm_widen: Annotated[Integer, Field(gt=0, le=20)]
    """How many times as wide it quotes then."""
    press_ticks: Ticks
    """How far a trade of the usual size presses the belief."""
    press_beats: Beats
    """One part in so many of the pressure is forgotten in a beat."""
    patience_ticks: Ticks
    """How far a belief may move before the quotes follow."""
    lean_pct_per_tick: Annotated[Integer, Field(ge=0, le=1_000)]
    """How much larger orders are on the side that the worth is about to lift, for each tick."""
    lean_cap_pct: Percent
    """The most that orders lean."""
    churn_pct: Percent
    """How often a maker lays one of its orders anew in a beat."""


class Takers(Section):
    """One kind of takers, who come in clusters of orders on one side."""

    wait_ms: Milliseconds
    """Time between two clusters, on average."""
    cluster_orders: Annotated[Integer, Field(gt=0, le=1_000)]
    """Orders in a cluster, on average."""
    within_ms: Milliseconds
    """Time between two orders of a cluster, on average."""
    size_pct: Annotated[Integer, Field(gt=0, le=10_000)]
    """Size of an order, in percent of the makers' usual one, on average."""


class Uninformed(Takers):
    """Takers who choose their side by a coin."""

    follow_trend_pct: Annotated[Integer, Field(ge=50, le=100)] = 50
    """How often the coin falls on the side of a trend."""


class Informed(Takers):
    """Takers who see the worth, and trade towards it."""

    threshold_ticks: Ticks
    """They stay away while the worth is so near to mid."""
    hurry: Annotated[Integer, Field(gt=0, le=1_000)]
    """At most so many times faster they come, by the square of the distance in ticks."""


class MarketPreset(Section):
    """One kind of agents market."""

    description: str = Field(min_length=1, max_length=200)
    """What the market is like, in a sentence."""
    fees: PresetFees = PresetFees()
    """What users' fills cost."""
    worth: Worth
    """The path of the coin's worth."""
    makers: Makers
    """Who quotes."""
    uninformed: Uninformed
    """Who trades without knowing."""
    informed: Informed
    """Who trades knowing the worth."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        worth, makers = self.worth, self.makers
        if worth.jump_min_ticks > worth.jump_max_ticks:
            raise misplaced("worth.jump_max_ticks", "at least jump_min_ticks")
        if makers.half_spread_min_ticks > makers.half_spread_max_ticks:
            raise misplaced("makers.half_spread_max_ticks", "at least half_spread_min_ticks")
        for index, plunge in enumerate(worth.plunges):
            if plunge.from_s >= plunge.until_s:
                raise misplaced(f"worth.plunges.{index}.until_s", "later than from_s")
        return self
