"""What ``hftd check`` has to say, worked out once and written as text or JSON.

Owns the report's content and layout (80 columns). Opens no socket.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from hftd.cli import spread_survey
from hftd.cli.check_rules import rule_lines
from hftd.cli.market_facts import MarketFacts, market_facts, priced
from hftd.cli.spread_survey import Surveyed, survey_market, survey_tape
from hftd.config.economics import BreakEven, CanaryOrder, break_even, canary_order
from hftd.config.load import LoadedProfile, flatten
from hftd.config.risk_limits import CANARY_SCALED
from hftd.config.schema import Profile, scaled_limits
from hftd.config.values import plain

_BPS = 10_000
# The least that Binance Spot takes from a new account; printed beside the simulated fee.
ENTRY_TIER_BPS = 10
_WIDTH = 80
_VALUE_WIDTH = 50


@dataclass(frozen=True, slots=True)
class Economics:
    """What one instrument's orders are worth."""

    market: MarketFacts
    order: CanaryOrder
    break_even: BreakEven


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that ``check`` found out about a profile that loads."""

    loaded: LoadedProfile
    economics: tuple[Economics, ...]
    spreads: tuple[Surveyed, ...] = ()


def measure(
    loaded: LoadedProfile,
    tape: Path | None = None,
    market: str | None = None,
    seconds: float = 0.0,
) -> Report:
    """Work out the economics of a loaded profile.

    On a recording too where one is given, or on a running market, whose price then counts.
    """
    profile = loaded.profile
    facts = market_facts(loaded)
    spreads: tuple[Surveyed, ...] = ()
    if market is not None:
        facts = [priced(each, market) for each in facts]
        spreads = survey_market(profile, facts, market, seconds)
    elif tape is not None:
        spreads = survey_tape(profile, facts, tape)
    found = tuple(
        Economics(
            each,
            canary_order(profile, each.instrument, each.filters, each.price),
            break_even(profile, each.instrument, each.filters, each.price),
        )
        for each in facts
    )
    return Report(loaded, found, spreads)


def as_dict(report: Report) -> dict[str, Any]:
    """Return the report for JSON: decimals as text, every value with its full origin."""
    loaded, profile = report.loaded, report.loaded.profile
    return {
        "name": loaded.name,
        "path": str(loaded.path),
        "files": [str(file) for file in loaded.files],
        "config_hash": loaded.config_hash,
        "values": {
            key: {"value": _json(value), "origin": loaded.origins[key]}
            for key, value in flatten(profile)
        },
        "limits": {
            instrument: {key: _json(value) for key, value in limits}
            for instrument, limits in scaled_limits(profile).items()
        },
        "economics": [_economics_dict(found) for found in report.economics],
        "spreads": [spread_survey.as_dict(profile, seen) for seen in report.spreads],
    }


def as_text(report: Report) -> str:
    """Return the report for a terminal of 80 columns."""
    return "\n".join(
        [
            *_head(report.loaded),
            "",
            *_values(report.loaded),
            "",
            *_limits(report.loaded.profile),
            "",
            *(line for found in report.economics for line in _economics(found, report)),
            *(
                line
                for seen in report.spreads
                for line in spread_survey.lines(report.loaded.profile, seen)
            ),
        ]
    )


def _head(loaded: LoadedProfile) -> Iterator[str]:
    profile = loaded.profile
    yield from textwrap.wrap(
        f"{loaded.name}: {profile.description}",
        _WIDTH,
        initial_indent="profile  ",
        subsequent_indent=" " * 9,
    )
    yield f"files    {loaded.files[0]}"
    for file in loaded.files[1:]:
        yield f"extends  {file}"
    canary = f"canary at {plain(profile.size_factor)}" if profile.canary.enabled else "full size"
    yield f"mode     {profile.mode}, {canary}, hash {loaded.config_hash}"


def _values(loaded: LoadedProfile) -> Iterator[str]:
    yield f"{'VALUE':<{_VALUE_WIDTH}} FROM"
    for key, value in flatten(loaded.profile):
        if value is None or key == "description":
            continue
        text, origin = f"{key} = {_text(value)}", _short(loaded.origins[key])
        if len(text) > _VALUE_WIDTH or len(origin) > _WIDTH - _VALUE_WIDTH:
            yield text
            text = ""
        yield f"{text:<{_VALUE_WIDTH}} {origin}"


def _limits(profile: Profile) -> Iterator[str]:
    factor = plain(profile.size_factor)
    for instrument, limits in scaled_limits(profile).items():
        unscaled = profile.limits(instrument)
        head = f"LIMITS OF {instrument}"
        yield f"{head:<40} {'IN FORCE':>14}  = {factor} OF"
        for key, value in limits:
            configured = getattr(unscaled, key)
            if key in CANARY_SCALED:
                yield f"{key:<40} {_text(value):>14}  {_text(configured)}"
            elif configured != getattr(profile.risk, key):
                yield f"{key:<40} {_text(value):>14}"
        yield "The other limits are as above: counts, rates, distances and ages are not scaled."


def _economics(found: Economics, report: Report) -> Iterator[str]:
    profile, market, order = report.loaded.profile, found.market, found.order
    base, quote = market.instrument.split("-")
    tick_bps = market.filters.tick_size / market.price * _BPS
    yield f"ECONOMICS, {market.instrument} at {plain(market.price)} ({market.source})"
    yield (
        f"steps        tick {plain(market.filters.tick_size)} ({tick_bps:.4f} bps),"
        f" lot {plain(market.filters.lot_size)},"
        f" least order {plain(market.filters.min_notional)} {quote}"
    )
    fees = profile.venue.fees
    yield (
        f"fees         maker {plain(fees.maker_bps)} bps, taker {plain(fees.taker_bps)} bps"
        f" (a real entry tier: {ENTRY_TIER_BPS} and {ENTRY_TIER_BPS})"
    )
    verdict = "trades" if order.trades else "WOULD BE REFUSED"
    yield (
        f"order        {plain(order.qty_base)} {base}, {order.notional_quote:.2f} {quote}:"
        f" {verdict}; the least is {plain(order.least_qty_base)} {base}"
    )
    if order.smallest_factor is not None:
        yield f"canary       trades from a size_factor of {plain(order.smallest_factor)}"
    yield (
        f"break-even   {plain(found.break_even.half_spread_bps)} bps"
        f" ({found.break_even.ticks} ticks) from mid, before the market moves against a fill"
    )
    yield from rule_lines(profile, market.instrument, found.break_even.edge_bps)


def _economics_dict(found: Economics) -> dict[str, Any]:
    market, order, even = found.market, found.order, found.break_even
    return {
        "instrument": market.instrument,
        "price": plain(market.price),
        "price_source": market.source,
        "tick_size": plain(market.filters.tick_size),
        "lot_size": plain(market.filters.lot_size),
        "min_notional_quote": plain(market.filters.min_notional),
        "order_base": plain(order.qty_base),
        "order_notional_quote": plain(order.notional_quote),
        "least_order_base": plain(order.least_qty_base),
        "trades": order.trades,
        "smallest_size_factor": _json(order.smallest_factor),
        "break_even_half_spread_bps": plain(even.half_spread_bps),
        "break_even_half_spread_ticks": even.ticks,
        "rule_edge_bps": _json(even.edge_bps),
    }


def _json(value: object) -> object:
    return plain(value) if isinstance(value, Decimal) else value


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return plain(value) if isinstance(value, Decimal) else str(value)


def _short(origin: str) -> str:
    """Return an origin without its folders: the head of the report names the files."""
    return origin.rsplit("/", 1)[-1]
