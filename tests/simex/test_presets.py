"""What the presets promise beside ``calm``, whose figures stand in test_agents."""

from __future__ import annotations

import statistics
from collections import deque

import pytest

from hftd.simex.agents import agents
from hftd.simex.matching import MatchingMarket
from hftd.simex.presets import SYMBOLS
from hftd.simex.requests import Side, TouchChanged, Trade
from tests.bench.maker import Bench, Rule
from tests.simex.shipped import PRESETS

START_NS = 1_700_000_000_000_000_000
SECOND_NS = 1_000_000_000


@pytest.mark.parametrize("preset", sorted(PRESETS))
@pytest.mark.parametrize("symbol", sorted(SYMBOLS))
def test_each_preset_opens_a_market_for_each_symbol(preset: str, symbol: str) -> None:
    """After two seconds there are bids and asks a few ticks apart, near the start's price."""
    house = SYMBOLS[symbol]
    market = MatchingMarket(house.spec, agents(PRESETS[preset], symbol, 1))
    market.start(START_NS)
    market.advance(START_NS + 2 * SECOND_NS)
    bid, ask = market.best_bid(), market.best_ask()
    assert bid is not None
    assert ask is not None
    least, most = (10, 25) if preset == "wide" else (2, 9)
    assert least <= ask[0] - bid[0] <= most
    assert abs(bid[0] - house.start_ticks) < 20
    assert len(list(market.levels(Side.BUY))) >= 8


def test_the_symbols_are_alike_in_value() -> None:
    """A usual order is some thousand quote units, and a tick under two basis points."""
    for house in SYMBOLS.values():
        notional = house.start_ticks * house.size_lots * house.spec.atoms_per_tick_lot / 1e8
        assert 4_000 < notional < 6_000
        assert 1 / house.start_ticks < 2e-4


def test_fees_are_those_of_the_market_that_teaches() -> None:
    """Makers pay nothing, takers five basis points, in each preset."""
    assert {(p.maker_fee_bps, p.taker_fee_bps) for p in PRESETS.values()} == {("0", "5")}


def test_a_trend_takes_the_makers_profit() -> None:
    """Half an hour of trends costs the median reference maker money."""
    outcomes = [Bench("trending", seed, Rule()).run(1_800) for seed in (1, 2, 3)]
    assert statistics.median(outcome.pnl_quote for outcome in outcomes) < 0
    assert all(outcome.range_bps > 100 for outcome in outcomes)


@pytest.mark.parametrize("seed", range(1, 7))
def test_a_crash_finds_a_maker_with_stock(seed: int) -> None:
    """When the fall begins the reference maker is long, and what follows costs a halt's worth.

    The canary's daily loss is 25 USDT, its position limit 0.01 BTC (1,000 lots).
    """
    bench = Bench("crash", seed, Rule())
    bench.run(190)
    held = bench.position
    assert held >= 300
    before = bench.mid()
    bench.market.advance(START_NS + 300 * SECOND_NS)
    bid, ask = bench.market.best_bid(), bench.market.best_ask()
    assert bid is not None
    assert ask is not None
    after = (bid[0] + ask[0]) / 2
    assert held * (before - after) * bench.lot_quote > 25


def test_a_crash_outruns_the_price_collar() -> None:
    """Mid, last trade and the 5 s median of trades come over 50 bps apart; in calm never."""
    assert furthest_apart_bps("crash", 1, 240) > 60
    assert furthest_apart_bps("calm", 1, 1_200) < 25


def furthest_apart_bps(preset: str, seed: int, seconds: int) -> float:
    """Return how far the three references of the price collar were apart at worst."""
    market = MatchingMarket(SYMBOLS["BTCUSDT"].spec, agents(PRESETS[preset], "BTCUSDT", seed))
    market.start(START_NS)
    market.advance(START_NS + 5 * SECOND_NS)
    recent: deque[tuple[int, int]] = deque()
    worst, mid = 0.0, 0.0
    for quarter in range(20, seconds * 4):
        now_ns = START_NS + quarter * SECOND_NS // 4
        for report in market.advance(now_ns):
            if isinstance(report, Trade):
                recent.append((report.ts_ns, report.price_ticks))
            elif isinstance(report, TouchChanged):
                mid = (report.bid_ticks + report.ask_ticks) / 2
        while recent and recent[0][0] < now_ns - 5 * SECOND_NS:
            recent.popleft()
        if recent and mid:
            prices = [mid, recent[-1][1], statistics.median(price for _, price in recent)]
            worst = max(worst, (max(prices) - min(prices)) / mid * 1e4)
    return worst
