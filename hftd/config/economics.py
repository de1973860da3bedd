"""What a profile costs and whether it can trade at all, worked out before any money moves.

Owns the arithmetic: the canary order against the venue's least sizes, the spread at which a
maker earns nothing, and what share of a recorded market the quoting rule would have quoted.
Must not know where filters, prices or recordings come from. Reads no clock and no file.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from typing import Final, Self

from hftd.config.load import LoadedProfile
from hftd.config.schema import Profile, scaled_limits
from hftd.config.strategy_parameters import (
    AvellanedaStoikov,
    Glft,
    MarketMaking,
    OrderBookImbalance,
)
from hftd.config.values import plain
from hftd.domain.instrument import Instrument
from hftd.domain.units import E8
from hftd.errors import ProfileError

_BPS: Final = 10_000
# A profile's decimals end here, so a factor is rounded up to it.
_FACTOR_STEP: Final = Decimal("0.0001")
# Spreads are counted in steps of a ten-thousandth of a bp up to 100 bps, so memory is flat.
_STEPS_PER_BP: Final = 10_000
_MAX_STEPS: Final = 100 * _STEPS_PER_BP


@dataclass(frozen=True, slots=True)
class Filters:
    """The venue's steps and least order of one instrument, as decimals."""

    tick_size: Decimal
    lot_size: Decimal
    min_qty: Decimal
    min_notional: Decimal

    @classmethod
    def of(cls, instrument: Instrument) -> Self:
        """Return the filters that an instrument carries."""
        lot = Decimal(instrument.lot_size)
        return cls(
            tick_size=Decimal(instrument.tick_size),
            lot_size=lot,
            min_qty=instrument.min_qty_lots * lot,
            min_notional=Decimal(instrument.min_notional_atoms) / E8,
        )


@dataclass(frozen=True, slots=True)
class CanaryOrder:
    """The order that the profile would send now, and the least that the venue takes.

    Units: ``qty_base`` is rounded down to lots; ``least_qty_base`` is the smallest quantity
    that passes LOT_SIZE and NOTIONAL at ``price``; ``smallest_factor`` is the smallest canary
    factor that reaches it, None where even the full size does not; ``max_notional_quote`` is
    the profile's own limit of one order (C04), scaled like the order.
    """

    instrument: str
    price: Decimal
    qty_base: Decimal
    notional_quote: Decimal
    least_qty_base: Decimal
    smallest_factor: Decimal | None
    max_notional_quote: Decimal

    @property
    def trades(self) -> bool:
        """Whether the venue would take the order and the profile's own gate would send it."""
        return (
            self.qty_base >= self.least_qty_base and self.notional_quote <= self.max_notional_quote
        )


def canary_order(
    profile: Profile, instrument: str, filters: Filters, price: Decimal
) -> CanaryOrder:
    """Return the profile's order of ``instrument`` at ``price``, scaled by the canary."""
    full = profile.strategy_of(instrument).order_size_base
    lot = filters.lot_size
    qty = full * profile.size_factor // lot * lot
    # Rounded up to lots: a quantity just under the least notional is refused.
    for_notional = _ceil(filters.min_notional, price * lot) * lot
    least = max(for_notional, _ceil(filters.min_qty, lot) * lot, lot)
    factor = (least / full).quantize(_FACTOR_STEP, ROUND_CEILING)
    return CanaryOrder(
        instrument=instrument,
        price=price,
        qty_base=qty,
        notional_quote=qty * price,
        least_qty_base=least,
        smallest_factor=factor if factor <= 1 else None,
        max_notional_quote=scaled_limits(profile)[instrument].max_order_notional_quote,
    )


def require_tradable(order: CanaryOrder, loaded: LoadedProfile) -> None:
    """Raise ProfileError (78) where the order would be refused, naming what would trade."""
    if order.trades:
        return
    profile, quote = loaded.profile, loaded.profile.quote_asset
    was = f"an order of {plain(order.qty_base)} ({plain(order.notional_quote)} {quote})"
    at_price = f"at {plain(order.price)}"
    key = f"{profile.strategy_key(order.instrument)}.order_size_base"
    if order.notional_quote > order.max_notional_quote:
        limit = plain(order.max_notional_quote)
        expected = (
            f"an order of at most risk.max_order_notional_quote, {limit} in force, {at_price}"
        )
    else:
        least = plain(order.least_qty_base)
        least = f"{least}, the least that {order.instrument} takes {at_price}"
        expected = f"at least {least}"
        if profile.canary.enabled and order.smallest_factor is not None:
            key = "canary.size_factor"
            expected = f'at least "{plain(order.smallest_factor)}", which orders {least}'
    raise ProfileError(expected, path=loaded.origins[key], key=key, was=was)


@dataclass(frozen=True, slots=True)
class BreakEven:
    """The quote distance at which a maker's two fills earn nothing, adverse moves left out.

    Units: bps of mid; ``ticks`` is the half-spread rounded up to whole ticks. ``edge_bps`` is
    what market making's rule earns a side at the least spread it quotes, after the fee; None
    for other strategies.
    """

    half_spread_bps: Decimal
    ticks: int
    edge_bps: Decimal | None


def break_even(profile: Profile, instrument: str, filters: Filters, price: Decimal) -> BreakEven:
    """Return the break-even half-spread at ``price`` under the profile's maker fee."""
    fee = profile.venue.fees.maker_bps
    half = max(fee, Decimal(0))
    ticks = int(_ceil(half * price, _BPS * filters.tick_size))
    strategy = profile.strategy_of(instrument)
    edge: Decimal | None = None
    if isinstance(strategy, MarketMaking):
        distance = (
            strategy.half_spread_bps
            if strategy.quote == "offset" and strategy.half_spread_bps is not None
            else strategy.min_spread_bps / 2
        )
        edge = distance - fee
    return BreakEven(half, ticks, edge)


def least_distance_bps(strategy: AvellanedaStoikov | Glft, maker_bps: Decimal) -> Decimal:
    """Return how near to mid a quote by a formula may come: its edge and the fee, 0 at least."""
    return max(strategy.min_edge_bps + maker_bps, Decimal(0))


def formula_half_spread_bps(strategy: AvellanedaStoikov | Glft) -> Decimal | None:
    """Return how far from mid a formula puts both quotes without a position, to a hundredth.

    None where the profile leaves to the market what the formula needs. Source: the heads of
    ``hftd/strategies/avellaneda_stoikov.py`` and ``glft.py``, at q = 0.
    """
    if strategy.volatility_bps is None or strategy.arrival_decay_per_bps is None:
        return None
    gamma, decay = float(strategy.risk_aversion_per_bps), float(strategy.arrival_decay_per_bps)
    variance, ratio = float(strategy.volatility_bps) ** 2, math.log1p(gamma / decay)
    half = ratio / gamma
    if isinstance(strategy, AvellanedaStoikov):
        half += gamma * variance * strategy.horizon_s / 2
    elif strategy.arrival_rate_per_s is None:
        return None
    else:
        power = math.exp((1 + decay / gamma) * ratio)
        half += math.sqrt(
            variance * gamma / (2 * decay * float(strategy.arrival_rate_per_s)) * power
        ) / 2  # fmt: skip
    return Decimal(f"{half:.2f}")


def target_edge_bps(strategy: OrderBookImbalance, taker_bps: Decimal) -> Decimal:
    """Return what an entry that hits its target earns after both fees, the spread left out."""
    return strategy.target_bps - 2 * taker_bps


def _ceil(value: Decimal, step: Decimal) -> Decimal:
    """Return how many steps cover ``value``: Decimal's own // cuts towards zero."""
    steps, rest = divmod(value, step)
    return steps + (rest > 0)


@dataclass(frozen=True, slots=True)
class EdgeRule:
    """Whether a quote would earn enough: the strategy's distance from mid less the maker fee."""

    strategy: MarketMaking
    maker_bps: Decimal
    tick_size: Decimal

    def holds(self, spread: Decimal, mid: Decimal) -> bool:
        """Tell whether a side would be quoted at this touch, without a position."""
        half = self.strategy.half_spread_bps
        if self.strategy.quote == "offset" and half is not None:
            distance_bps = half
        else:
            inside = self.strategy.quote == "improve" and spread >= 3 * self.tick_size
            distance = spread / 2 - (self.tick_size if inside else 0)
            distance_bps = distance * _BPS / mid
        return distance_bps - self.maker_bps >= self.strategy.min_edge_bps


@dataclass(slots=True)
class SpreadSurvey:
    """The spread's distribution over a market, and the share of time the rule would quote.

    Feed it every touch in order; it keeps counts, never the touches. The rule is the
    strategy's own: on above ``min_spread_bps``, off again below ``min_spread_exit_bps``, and
    only where ``edge`` holds. ``wide_ns`` is the time by the spread alone.
    """

    min_spread_bps: Decimal
    min_spread_exit_bps: Decimal
    edge: EdgeRule | None = None
    updates: int = 0
    over: int = 0
    quoted_ns: int = 0
    wide_ns: int = 0
    total_ns: int = 0
    _counts: Counter[int] = field(default_factory=Counter)
    _wide: bool = False
    _edge: bool = True
    _last_ns: int | None = None

    def add(self, ts_ns: int, best_bid: Decimal, best_ask: Decimal) -> None:
        """Take one touch; a crossed or empty one has no spread and is left out."""
        if not 0 < best_bid < best_ask:
            return
        if self._last_ns is not None and ts_ns > self._last_ns:
            passed_ns = ts_ns - self._last_ns
            self.total_ns += passed_ns
            self.wide_ns += passed_ns if self._wide else 0
            self.quoted_ns += passed_ns if self._wide and self._edge else 0
        self._last_ns = ts_ns
        spread, mid = best_ask - best_bid, (best_ask + best_bid) / 2
        spread_bps = spread * _BPS / mid
        self.updates += 1
        self.over += spread_bps > self.min_spread_bps
        self._counts[min(int(spread_bps * _STEPS_PER_BP), _MAX_STEPS)] += 1
        bound = self.min_spread_exit_bps if self._wide else self.min_spread_bps
        self._wide = spread_bps > bound or (self._wide and spread_bps == bound)
        self._edge = self.edge is None or self.edge.holds(spread, mid)

    @property
    def quoted_share(self) -> float:
        """The part of the time in which the rule would quote, 0 to 1."""
        return self.quoted_ns / self.total_ns if self.total_ns else 0.0

    @property
    def wide_share(self) -> float:
        """The part of the time in which the spread alone would let it quote, 0 to 1."""
        return self.wide_ns / self.total_ns if self.total_ns else 0.0

    def quantile_bps(self, share: float) -> float:
        """Return the spread that ``share`` of the updates do not exceed; 0 without updates."""
        wanted, seen = share * self.updates, 0
        for steps in sorted(self._counts):
            seen += self._counts[steps]
            if seen >= wanted:
                return steps / _STEPS_PER_BP
        return 0.0
