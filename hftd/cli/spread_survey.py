"""Spreads of a market measured against a profile's rule: of a recording, or of one that runs.

Owns where the touches come from and what is said of them. The counting is
``hftd/config/economics.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hftd.cli.check_rules import survey_dict, survey_lines, survey_of
from hftd.cli.market_facts import MarketFacts, touch_of, touches
from hftd.config.economics import SpreadSurvey
from hftd.config.schema import Profile
from hftd.errors import UsageError

OPENING_S = 10.0  # For the lines to be up and the first touch to be told.
_QUANTILES = (("median", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0))


@dataclass(frozen=True, slots=True)
class Surveyed:
    """One instrument's spreads, and where they were seen."""

    instrument: str
    source: str
    survey: SpreadSurvey


def survey_tape(profile: Profile, facts: list[MarketFacts], tape: Path) -> tuple[Surveyed, ...]:
    """Measure a recording. Raises: UsageError where it has none of the instruments."""
    surveys = _surveys(profile, facts)
    for touch in touches(tape):
        if touch.symbol in surveys:
            surveys[touch.symbol].add(touch.ts_ns, touch.best_bid, touch.best_ask)
    return _seen(facts, surveys, tape.name, f"tape {tape} has no bookTicker")


def survey_market(
    profile: Profile, facts: list[MarketFacts], url: str, seconds: float
) -> tuple[Surveyed, ...]:
    """Follow a running market's public streams for a while, from the first touch on.

    Raises: UsageError as above.
    """
    from hftd.runtime.market_follower import MarketFollower, fetch_listing, source_of

    surveys, source = _surveys(profile, facts), source_of(url)
    fetch_listing(source, list(surveys))  # A server that is not there, or lacks one, says so.

    told = asyncio.Event()

    class Sink:
        def on_line(self, symbol: str, line: bytes, ts_ns: int) -> None:
            if symbol in surveys and b"@bookTicker" in line:
                touch = touch_of(line)
                surveys[symbol].add(touch.ts_ns, touch.best_bid, touch.best_ask)
                told.set()

    async def follow() -> None:
        follower = MarketFollower(source, list(surveys), Sink(), lambda _words: None)
        following = asyncio.create_task(follower.run())
        first = asyncio.create_task(told.wait())
        await asyncio.wait(
            {following, first}, timeout=OPENING_S, return_when=asyncio.FIRST_COMPLETED
        )
        if told.is_set():
            await asyncio.wait({following}, timeout=seconds)
        ended = following.done()
        for task in (following, first):
            task.cancel()
        await asyncio.gather(following, first, return_exceptions=True)
        if ended:
            following.result()

    asyncio.run(follow())
    return _seen(facts, surveys, source.name, f"{source.name} told no touch in time")


def _surveys(profile: Profile, facts: list[MarketFacts]) -> dict[str, SpreadSurvey]:
    return {
        each.instrument.replace("-", ""): survey_of(
            profile, each.instrument, each.filters.tick_size
        )
        for each in facts
    }


def _seen(
    facts: list[MarketFacts], surveys: Mapping[str, SpreadSurvey], source: str, none: str
) -> tuple[Surveyed, ...]:
    for symbol, survey in surveys.items():
        if not survey.updates:
            raise UsageError(f"{none} of {symbol}")
    return tuple(
        Surveyed(each.instrument, source, surveys[each.instrument.replace("-", "")])
        for each in facts
    )


def lines(profile: Profile, seen: Surveyed) -> Iterator[str]:
    """Give out what a survey has to say, for a terminal."""
    found = seen.survey
    yield ""
    yield (
        f"SPREADS, {seen.instrument} on {seen.source}: {found.updates} updates in"
        f" {found.total_ns / 1_000_000_000:.0f} s"
    )
    quantiles = (f"{name} {found.quantile_bps(share):.4f}" for name, share in _QUANTILES)
    yield f"bps          {', '.join(quantiles)}"
    yield from survey_lines(profile, seen.instrument, found)


def as_dict(profile: Profile, seen: Surveyed) -> dict[str, Any]:
    """Return a survey for JSON."""
    found = seen.survey
    return {
        "instrument": seen.instrument,
        "source": seen.source,
        "updates": found.updates,
        "duration_ns": found.total_ns,
        "spread_bps": {name: found.quantile_bps(share) for name, share in _QUANTILES},
        **survey_dict(profile, seen.instrument, found),
    }
