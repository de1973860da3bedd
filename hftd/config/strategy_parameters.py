"""The parameters of the strategies: keys, bounds and defaults, one model a kind.

Knows nothing of how a strategy uses them: that is ``hftd/strategies``. A strategy of the user's
own brings its model with it (`OwnParameters`); a profile keeps what that model made of its keys
(`OwnStrategy`), and by which source. Pure.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

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

# Of a strategy of the user's own: a file and a class in it.
OWN_KIND: Final = re.compile(r"(?P<path>.+\.py):(?P<name>[A-Za-z_]\w*)")
OWN_FORM: Final = "path/to/file.py:Class"


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


class QuoteModel(Section):
    """What the strategies that quote by a formula share."""

    order_size_base: PositiveDecimal
    """Size of each quote before the canary; inventory is counted in such orders."""
    risk_aversion_per_bps: PositiveFraction
    """Gamma: how much one order of inventory is disliked; more keeps it smaller."""
    volatility_bps: PositiveDecimal | None = None
    """Sigma, bps of mid per square root of a second; default: estimated from the market."""
    arrival_decay_per_bps: PositiveDecimal | None = None
    """K, how fast orders get rarer with the distance they reach; default: estimated."""
    estimate_half_life_s: Annotated[Integer, Field(gt=0, le=86_400)] = 300
    """After this time what was seen weighs half as much in the estimates."""
    arrival_step_bps: PositiveBps = Decimal(1)
    """Orders are counted at sixteen distances from mid, so far apart."""
    min_edge_bps: SignedBps = Decimal(0)
    """No quote stands nearer to mid than this after the maker fee, whatever the formula says."""
    price_tolerance_ticks: Annotated[Integer, Field(ge=0, le=1_000_000)] = 0
    """A quote this close to where it should be is left in its queue."""
    min_quote_life_ms: NonNegativeMs = 500
    """A quote is not moved before this age, except to pull it."""

    @property
    def largest_order_base(self) -> Decimal:
        """The largest order that this strategy asks for."""
        return self.order_size_base


class AvellanedaStoikov(QuoteModel):
    """Quote around a reservation price that inventory moves (Avellaneda and Stoikov 2008)."""

    kind: Literal["avellaneda_stoikov"]
    """Which strategy this is."""
    horizon_s: Annotated[Integer, Field(gt=0, le=86_400)]
    """T - t: the time over which inventory is thought to be held."""


class Glft(QuoteModel):
    """Quote by the asymptotic solution of Guéant, Lehalle and Fernandez-Tapia (2013)."""

    kind: Literal["glft"]
    """Which strategy this is."""
    arrival_rate_per_s: PositiveDecimal | None = None
    """A: orders a second and side that reach mid itself; default: estimated from the market."""


class OwnParameters(Section):
    """What every strategy of the user's own is told by its profile; it adds keys of its own."""

    kind: str
    """The file, relative to the profile that names it, and the class in it."""
    order_size_base: PositiveDecimal
    """The largest order that it asks for, before the canary."""
    imbalance_levels: Levels = 5
    """Book levels a side that the imbalance is taken over."""
    price_tolerance_ticks: Annotated[Integer, Field(ge=0, le=1_000_000)] = 0
    """A quote this close to where it should be is left in its queue."""
    min_quote_life_ms: NonNegativeMs = 500
    """A quote is not moved before this age, except to pull it."""


class OwnStrategy(Section):
    """A strategy of the user's own as a profile holds it: its keys, checked by its own model."""

    model_config = ConfigDict(extra="allow")

    kind: str
    """The file, by its whole path, and the class in it."""
    order_size_base: PositiveDecimal
    """The largest order that it asks for, before the canary."""
    source_sha256: str
    """Hash of the file, so that a replay can tell another source; never written in a profile."""
    reasons: tuple[str, ...] = ()
    """What it may say for not quoting a side, by number; never written in a profile."""

    @property
    def path(self) -> str:
        """The file."""
        return self.kind.rpartition(":")[0]

    @property
    def class_name(self) -> str:
        """The class in it."""
        return self.kind.rpartition(":")[2]

    @property
    def largest_order_base(self) -> Decimal:
        """The largest order that it says it asks for."""
        return self.order_size_base

    def given(self) -> dict[str, Any]:
        """Return the keys that its own model takes."""
        return self.model_dump(exclude={"source_sha256", "reasons"})


def kind(strategy: Any) -> str | None:
    """Return which of the models below a strategy's mapping is of, None where none is named."""
    named = strategy.get("kind") if isinstance(strategy, dict) else getattr(strategy, "kind", None)
    return OWN_FORM if isinstance(named, str) and OWN_KIND.fullmatch(named) else named


Strategy = Annotated[
    Annotated[MarketMaking, Tag("market_making")]
    | Annotated[OrderBookImbalance, Tag("order_book_imbalance")]
    | Annotated[AvellanedaStoikov, Tag("avellaneda_stoikov")]
    | Annotated[Glft, Tag("glft")]
    | Annotated[OwnStrategy, Tag(OWN_FORM)],
    Discriminator(kind),
]

BUILT_IN: Final[dict[str, type[Section]]] = {
    "market_making": MarketMaking,
    "order_book_imbalance": OrderBookImbalance,
    "avellaneda_stoikov": AvellanedaStoikov,
    "glft": Glft,
}
