"""What ``hftd check`` can say of a strategy's rule before it trades, and what it cannot.

Owns the words for each strategy, and by which spread a market is judged for it. The arithmetic is
``hftd/config/economics.py``. What only the market will show, or a user's own code, is named as not
judged instead of being guessed.

| strategy | its keys say | a market shows |
| --- | --- | --- |
| market_making | its edge at the least spread it quotes | how long it would quote |
| avellaneda_stoikov, glft | how near to mid it may quote; the distance where all is given | how long such a quote is at the touch |
| order_book_imbalance | what an entry that hits its target earns | how long the spread lets it enter |
| the user's own | nothing | nothing |
"""  # noqa: E501 - a row of a table is one line.

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from hftd.config.economics import (
    EdgeRule,
    SpreadSurvey,
    formula_half_spread_bps,
    least_distance_bps,
    target_edge_bps,
)
from hftd.config.schema import Profile
from hftd.config.strategy_parameters import (
    AvellanedaStoikov,
    Glft,
    MarketMaking,
    OrderBookImbalance,
)
from hftd.config.values import plain

_ESTIMATED = ("volatility_bps", "arrival_decay_per_bps", "arrival_rate_per_s")


def rule_lines(profile: Profile, instrument: str, edge_bps: Decimal | None) -> Iterator[str]:
    """Give out what the strategy's keys say of its rule; ``edge_bps`` is market making's."""
    strategy, fees = profile.strategy_of(instrument), profile.venue.fees
    if isinstance(strategy, MarketMaking):
        assert edge_bps is not None
        yield f"rule         {plain(edge_bps)} bps a side at its least spread"
        if strategy.quote == "offset" and edge_bps < strategy.min_edge_bps:
            yield f"             NO_EDGE: under min_edge_bps, {plain(strategy.min_edge_bps)}:"
            yield "             it would never quote"
    elif isinstance(strategy, AvellanedaStoikov | Glft):
        least = least_distance_bps(strategy, fees.maker_bps)
        half = formula_half_spread_bps(strategy)
        yield f"rule         no quote nearer than {plain(least)} bps to mid (fee and min_edge_bps)"
        if half is not None:
            yield f"             without a position its formula says {plain(half)} bps"
            return
        unknown = [key for key in _ESTIMATED if getattr(strategy, key, 1) is None]
        yield "             how far its formula puts them is not judged; from the market come"
        yield f"             {', '.join(unknown)}"
    elif isinstance(strategy, OrderBookImbalance):
        best = target_edge_bps(strategy, fees.taker_bps)
        yield f"rule         {plain(best)} bps an entry that hits target_bps, both fees paid,"
        yield "             less the spread it crosses; what stops and time cost is not judged"
        if best < strategy.min_edge_bps:
            yield f"             NO_EDGE: under min_edge_bps, {plain(strategy.min_edge_bps)}:"
            yield "             it would never enter"
    else:
        yield "rule         not judged: where and whether it quotes is its own code"


def survey_of(profile: Profile, instrument: str, tick_size: Decimal) -> SpreadSurvey:
    """Return a survey that judges a market by the spread that the strategy's rule turns on."""
    strategy, fees = profile.strategy_of(instrument), profile.venue.fees
    if isinstance(strategy, MarketMaking):
        edge = EdgeRule(strategy, fees.maker_bps, tick_size)
        return SpreadSurvey(strategy.min_spread_bps, strategy.min_spread_exit_bps, edge)
    bound = Decimal(0)
    if isinstance(strategy, AvellanedaStoikov | Glft):
        least = least_distance_bps(strategy, fees.maker_bps)
        bound = 2 * max(least, formula_half_spread_bps(strategy) or least)
    elif isinstance(strategy, OrderBookImbalance):
        bound = max(target_edge_bps(strategy, fees.taker_bps) - strategy.min_edge_bps, bound)
    return SpreadSurvey(bound, bound)


def survey_lines(profile: Profile, instrument: str, found: SpreadSurvey) -> Iterator[str]:
    """Give out what a surveyed market means for the strategy's rule."""
    strategy, bound = profile.strategy_of(instrument), plain(found.min_spread_bps)
    if isinstance(strategy, MarketMaking):
        yield f"over {bound + ' bps':<8}{found.over} of {found.updates} updates"
        yield f"would quote  {found.quoted_share:.2%} of the time"
        if found.wide_ns != found.quoted_ns:
            edge, fee = plain(strategy.min_edge_bps), plain(profile.venue.fees.maker_bps)
            yield (
                f"             {found.wide_share:.2%} by the spread alone; the rest has no edge"
                f" of {edge} bps"
            )
            yield f"             after the maker fee of {fee} bps"
    elif isinstance(strategy, AvellanedaStoikov | Glft) and found.min_spread_bps > 0:
        half = plain(found.min_spread_bps / 2)
        yield f"at the touch {found.wide_share:.2%} of the time at most; else its nearest quote,"
        yield f"             {half} bps from mid, stands behind others"
    elif isinstance(strategy, OrderBookImbalance):
        yield f"may enter    {1 - found.wide_share:.2%} of the time by the spread, {bound} bps at"
        yield "             most; how often the book leans so far is not judged"
    else:
        yield "would quote  not judged: its distance comes from what it sees itself"


def survey_dict(profile: Profile, instrument: str, found: SpreadSurvey) -> dict[str, Any]:
    """Return the same for JSON; null where it is not judged."""
    strategy = profile.strategy_of(instrument)
    maker = isinstance(strategy, MarketMaking)
    formula = isinstance(strategy, AvellanedaStoikov | Glft) and found.min_spread_bps > 0
    taker = isinstance(strategy, OrderBookImbalance)
    return {
        "updates_over_min_spread": found.over if maker else None,
        "wide_share": found.wide_share if maker else None,
        "would_quote_share": found.quoted_share if maker else None,
        "at_the_touch_share": found.wide_share if formula else None,
        "may_enter_share": 1 - found.wide_share if taker else None,
    }
