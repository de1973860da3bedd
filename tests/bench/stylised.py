"""What an agents market is like: its stylised facts, counted on the public reports alone.

Owns what is counted and how; ``tests/bench/market.py`` prints it and the tests hold it to
bounds. Sources of the facts: Cont 2001, "Empirical properties of asset returns" (returns
without autocorrelation, clusters); Lillo and Farmer 2004 and Bouchaud et al. 2004 (the signs of
orders are autocorrelated); Gould and Bonart 2016 (the imbalance tells of the next move).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from hftd.simex.agents import agents
from hftd.simex.matching import MatchingMarket
from hftd.simex.presets import SYMBOLS, Preset
from hftd.simex.requests import Report, Side, TouchChanged, Trade

SECOND_NS = 1_000_000_000
START_NS = 1_700_000_000 * SECOND_NS
WARM_UP_S = 5
LEVELS = 5
SIGN_LAGS = (1, 2, 5)


@dataclass
class Facts:
    """What one market did. Lists hold one value a second, or one an order."""

    seconds: int = 0
    spreads_ticks: list[int] = field(default_factory=list)
    touch_lots: list[int] = field(default_factory=list)
    depth_lots: list[int] = field(default_factory=list)
    mids_ticks: list[float] = field(default_factory=list)
    signs: list[int] = field(default_factory=list)
    order_seconds: list[int] = field(default_factory=list)
    trades: int = 0
    hits: int = 0
    calls: int = 0

    @property
    def returns(self) -> np.ndarray:
        """One-second log returns of the mid, in bps."""
        return np.diff(np.log(np.array(self.mids_ticks))) * 1e4

    @property
    def trades_a_minute(self) -> float:
        """Printed trades a minute."""
        return self.trades / (self.seconds / 60)

    @property
    def foretold(self) -> float:
        """How often the five-level imbalance was right about the mid's next move."""
        return self.hits / max(1, self.calls)

    @property
    def clustering(self) -> float:
        """Variance over mean of the takers' orders in ten seconds: 1 if they came by chance."""
        counts = np.bincount(np.array(self.order_seconds) // 10, minlength=self.seconds // 10)
        return float(counts.var() / max(1e-9, counts.mean()))

    def sign_autocorrelation(self, lag: int) -> float:
        """Autocorrelation of the sides of the takers' orders, each order once."""
        return autocorrelation(np.array(self.signs, float), lag)


def autocorrelation(values: np.ndarray, lag: int) -> float:
    """Return the autocorrelation of a series at a lag; 0 where it does not vary."""
    centred = values - values.mean() if len(values) else values
    square = float(centred @ centred)
    return float(centred[:-lag] @ centred[lag:]) / square if square and len(values) > lag else 0.0


class Watch:
    """One market without users, and what is counted of it."""

    def __init__(self, preset: Preset, seed: int, symbol: str = "BTCUSDT") -> None:
        self.market = MatchingMarket(SYMBOLS[symbol].spec, agents(preset, symbol, seed))
        self.facts = Facts()
        self._mid = 0.0
        self._asked: tuple[float, bool] | None = None
        self._last_taker = 0

    def run(self, seconds: int) -> Facts:
        """Watch so many simulated seconds after the warm-up."""
        self.market.start(START_NS)
        self._hear(self.market.advance(START_NS + WARM_UP_S * SECOND_NS), -1)
        self.facts = Facts(seconds)
        for second in range(seconds):
            self._sample()
            until_ns = START_NS + (WARM_UP_S + second + 1) * SECOND_NS
            self._hear(self.market.advance(until_ns), second)
        return self.facts

    def _hear(self, reports: list[Report], second: int) -> None:
        facts = self.facts
        for report in reports:
            if isinstance(report, Trade):
                facts.trades += 1
                if report.taker_order_id != self._last_taker:
                    self._last_taker = report.taker_order_id
                    facts.signs.append(1 if report.taker_side is Side.BUY else -1)
                    facts.order_seconds.append(max(0, second))
            elif isinstance(report, TouchChanged) and report.bid_ticks and report.ask_ticks:
                self._move((report.bid_ticks + report.ask_ticks) / 2)

    def _move(self, mid: float) -> None:
        if mid != self._mid and self._asked is not None:
            asked, up = self._asked
            self.facts.calls += 1
            self.facts.hits += (mid > asked) == up
            self._asked = None
        self._mid = mid

    def _sample(self) -> None:
        market, facts = self.market, self.facts
        bid, ask = market.best_bid(), market.best_ask()
        if bid is None or ask is None:
            return
        facts.spreads_ticks.append(ask[0] - bid[0])
        facts.touch_lots += [bid[1], ask[1]]
        facts.mids_ticks.append(self._mid)
        bids, asks = (sum(lots for _, lots in islice(market.levels(side), LEVELS)) for side in Side)
        facts.depth_lots += [bids, asks]
        if bids != asks and self._asked is None:
            self._asked = (self._mid, bids > asks)
