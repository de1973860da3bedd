"""The agents market: the same from the same seed, and as TRADING.md wants it."""

from __future__ import annotations

import hashlib
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from hftd.simex.agents import agents, symbol_seed
from hftd.simex.matching import MatchingMarket
from hftd.simex.presets import SYMBOLS
from hftd.simex.requests import Kind, Place, Report, Side, TouchChanged, Trade
from tests.bench.maker import Bench, Outcome, Rule
from tests.simex.shipped import PRESETS

START_NS = 1_700_000_000_000_000_000
SECOND_NS = 1_000_000_000
USER = 1


def market_of(preset: str = "calm", seed: int = 7, symbol: str = "BTCUSDT") -> MatchingMarket:
    """Return a market that was not started."""
    return MatchingMarket(SYMBOLS[symbol].spec, agents(PRESETS[preset], symbol, seed))


def play(market: MatchingMarket, from_s: int, until_s: int) -> Iterator[Report]:
    """Advance second by second, with two orders of a user every ten seconds."""
    for second in range(from_s + 1, until_s + 1):
        yield from market.advance(START_NS + second * SECOND_NS)
        if second % 10 == 0:
            yield from trade_a_little(market, START_NS + second * SECOND_NS)


def trade_a_little(market: MatchingMarket, ts_ns: int) -> Iterator[Report]:
    """Rest an order at the best bid and take a little from the asks."""
    bid, ask = market.best_bid(), market.best_ask()
    assert bid is not None
    assert ask is not None
    rests = Place(market.next_order_id(), USER, Side.BUY, bid[0], 50, Kind.LIMIT_MAKER)
    yield from market.place(rests, ts_ns)
    takes = Place(market.next_order_id(), USER, Side.BUY, ask[0], 10)
    yield from market.place(takes, ts_ns)


def digest(preset: str, seed: int, seconds: int, *, with_state: bool = True) -> str:
    """Return a hash of all that a market says in so many seconds, and of its state then."""
    market = market_of(preset, seed)
    market.start(START_NS)
    told = hashlib.sha256()
    for report in play(market, 0, seconds):
        told.update(repr(report).encode())
    if with_state:
        told.update(msgspec.json.encode(market.dump()))
    return told.hexdigest()


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_one_seed_is_one_market_under_any_hash_seed(preset: str) -> None:
    """Same seed and same requests give the same reports and state, in another process too."""
    root = Path(__file__).parents[2]
    code = f"from tests.simex.test_agents import digest; print(digest({preset!r}, 5, 240))"
    told = {digest(preset, 5, 240)}
    for hash_seed in ("1", "77"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(root)}
        told.add(
            subprocess.run(
                [sys.executable, "-c", code],
                cwd=root,
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
        )
    assert len(told) == 1


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("calm", "8a46c3406d17d866d7732a6b2b65e4b4dfc001907987bd73ca091fa6cb1e4224"),
        ("trending", "2afc0f5d5692fc7c8264e136d1a8d5c295ea37d3b0e4704bc873ac92cd02e032"),
        ("crash", "cac6f3a53f909eed4f1cb8ae8b529c923834cfe17b76c7250377bd61e4e111bb"),
    ],
)
def test_the_markets_of_readmes_table_are_what_they_were(preset: str, expected: str) -> None:
    """README's table was measured on these very streams: who changes them measures it anew."""
    assert digest(preset, 5, 240, with_state=False) == expected


def test_another_seed_or_symbol_is_another_market() -> None:
    """Seeds differ from one another, and so do the symbols of one seed."""
    assert digest("calm", 5, 30) != digest("calm", 6, 30)
    assert len({symbol_seed(5, symbol) for symbol in SYMBOLS}) == len(SYMBOLS)


def test_a_restored_market_goes_on_as_if_nothing_had_been() -> None:
    """Dump, JSON and load give the trades and touches of the uninterrupted market.

    Ids are left out: they jump ahead on purpose.
    """
    in_cluster = 0
    for break_s in (1, 12, 23, 34, 45, 56, 67, 78):
        market = market_of()
        market.start(START_NS)
        for _ in play(market, 0, break_s):
            pass
        in_cluster += market.dump()["flows"]["-1"]["left"] > 0
        state = msgspec.json.decode(msgspec.json.encode(market.dump()))
        restored = market_of()
        restored.load(state, 0)
        touch = market.best()
        alike = told(play(market, break_s, break_s + 60), touch)
        assert len(alike) > 50
        assert told(play(restored, break_s, break_s + 60), touch) == alike
    assert in_cluster, "no break fell into a cluster of trades"


@pytest.mark.parametrize("preset", ["calm", "trending", "crash"])
def test_a_market_broken_right_after_a_trade_goes_on_alike(preset: str) -> None:
    """Makers that were about to mend their ladder mend it after the restart, trends go on."""
    market = market_of(preset)
    market.start(START_NS)
    trades = 0
    while trades < 60:
        due_ns = market.next_ns()
        assert due_ns is not None
        new = sum(isinstance(report, Trade) for report in market.advance(due_ns))
        trades += new
        if new and trades % 3 == 0:
            restored, whole = market_of(preset), market_of(preset)
            restored.load(market.dump(), 0)
            whole.start(START_NS)
            whole.advance(due_ns)
            until_ns = due_ns + 5 * SECOND_NS
            expected = told(iter(whole.advance(until_ns)), market.best())
            assert told(iter(restored.advance(until_ns)), market.best()) == expected


def told(reports: Iterator[Report], before: TouchChanged | None) -> list[tuple[int, ...]]:
    """Return times, prices and quantities of trades and touches, without repeated touches."""
    assert before is not None
    lines: list[tuple[int, ...]] = []
    touch = (before.bid_ticks, before.bid_lots, before.ask_ticks, before.ask_lots)
    for report in reports:
        if isinstance(report, Trade):
            lines.append((report.ts_ns, report.price_ticks, report.qty_lots, report.maker_account))
        elif isinstance(report, TouchChanged):
            shown = (report.bid_ticks, report.bid_lots, report.ask_ticks, report.ask_lots)
            # A restored feed shows its touch once more with the first change.
            if shown != touch:
                lines.append((report.ts_ns, *shown))
            touch = shown
    return lines


def test_a_shift_moves_all_times() -> None:
    """A market restored after an hour's sleep goes on an hour later, otherwise the same."""
    hour_ns = 3_600 * SECOND_NS
    market = market_of()
    market.start(START_NS)
    for _ in play(market, 0, 30):
        pass
    restored = market_of()
    restored.load(market.dump(), hour_ns)
    awake = [r for r in market.advance(START_NS + 60 * SECOND_NS) if isinstance(r, Trade)]
    slept = [
        r for r in restored.advance(START_NS + 60 * SECOND_NS + hour_ns) if isinstance(r, Trade)
    ]
    assert awake
    assert [trade.ts_ns + hour_ns for trade in awake] == [trade.ts_ns for trade in slept]


def test_how_late_the_clock_comes_changes_nothing() -> None:
    """One long advance and many short ones tell the same story."""
    short, long = market_of(), market_of()
    short.start(START_NS)
    long.start(START_NS)
    steps = [r for tenth in range(300) for r in short.advance(START_NS + tenth * SECOND_NS // 10)]
    assert steps == long.advance(START_NS + 299 * SECOND_NS // 10)


def test_the_opening_book_stands_within_a_second() -> None:
    """Both sides have several levels and several orders a level when the first second is over."""
    market = market_of()
    market.start(START_NS)
    market.advance(START_NS + SECOND_NS)
    orders = market.dump()["orders"]
    for side in Side:
        prices = [row[3] for row in orders if row[2] == side.value]
        assert len(set(prices)) >= 8
        assert len(prices) >= 3 * len(set(prices))


def test_makers_trade_with_takers_alone() -> None:
    """House makers never take: the maker of each trade is a maker, the taker a taker."""
    market = market_of("crash", 3)
    market.start(START_NS)
    trades = [r for r in market.advance(START_NS + 240 * SECOND_NS) if isinstance(r, Trade)]
    assert len(trades) > 200
    assert {trade.taker_account for trade in trades} == {-1, -2}
    assert all(trade.maker_account <= -10 for trade in trades)


def test_makers_keep_their_spread_when_a_user_quotes_inside() -> None:
    """Orders of a user in the middle of the spread move no maker."""
    quiet, quoted = market_of(), market_of()
    for market in (quiet, quoted):
        market.start(START_NS)
        market.advance(START_NS + 5 * SECOND_NS)
    bid, ask = quoted.best_bid(), quoted.best_ask()
    assert bid is not None
    assert ask is not None
    for side, price_ticks in ((Side.BUY, bid[0] + 1), (Side.SELL, ask[0] - 1)):
        order = Place(quoted.next_order_id(), USER, side, price_ticks, 1, Kind.LIMIT_MAKER)
        quoted.place(order, START_NS + 5 * SECOND_NS)
    for market in (quiet, quoted):
        market.advance(START_NS + 6 * SECOND_NS)
    house = [
        sorted((row[2], row[3], row[4]) for row in market.dump()["orders"] if row[1] < 0)
        for market in (quiet, quoted)
    ]
    assert house[0] == house[1]


@pytest.fixture(scope="module")
def calm() -> list[Outcome]:
    """Half an hour of each of three seeds, with the reference maker at the canary's size."""
    return [Bench("calm", seed, Rule()).run(1_800) for seed in (1, 2, 3)]


def test_calm_trades_as_often_as_it_should(calm: list[Outcome]) -> None:
    """20 to 60 trades a minute in clusters, a fifth of the takers informed."""
    for outcome in calm:
        assert 25 < outcome.trades_a_minute < 60
        assert outcome.busiest_minute > 1.5 * outcome.trades_a_minute
        assert outcome.quietest_minute < 0.6 * outcome.trades_a_minute
    assert 0.15 < statistics.mean(outcome.informed_share for outcome in calm) < 0.27


def test_calm_has_the_usual_spread(calm: list[Outcome]) -> None:
    """3 to 8 ticks nearly always, and over 5 bps most of the time."""
    for outcome in calm:
        assert sum(outcome.spread_shares.get(ticks, 0) for ticks in range(3, 9)) > 0.97
        assert outcome.over_5_bps > 0.85


def test_calm_pays_a_maker_and_charges_for_adverse_selection(calm: list[Outcome]) -> None:
    """Fills on both sides, returns to target, markouts below zero but above minus the spread."""
    for outcome in calm:
        assert min(outcome.fills.values()) >= 15
        assert outcome.quoted > 0.7
        assert outcome.returns >= 5
        assert outcome.pnl_quote > 0
        half_spread = statistics.mean(outcome.half_spreads)
        assert -half_spread < statistics.mean(outcome.markouts) < 0


def test_calm_lets_the_imbalance_call_the_next_move(calm: list[Outcome]) -> None:
    """The five-level imbalance is right somewhat more often than a coin."""
    hits = sum(outcome.imbalance_hits * outcome.imbalance_calls for outcome in calm)
    assert 0.55 < hits / sum(outcome.imbalance_calls for outcome in calm) < 0.65


def test_ten_bps_of_fees_eat_the_spread() -> None:
    """At the fee of an entry tier the same market loses money."""
    assert Bench("calm", 1, Rule(maker_fee_bps=10)).run(1_800).pnl_quote < 0


def test_without_skew_the_position_wanders_further(calm: list[Outcome]) -> None:
    """Skew off has the larger position variance."""
    plain = [Bench("calm", seed, Rule(skew_bps_at_limit=0)).run(1_800) for seed in (1, 2, 3)]
    assert statistics.median(outcome.position_variance for outcome in plain) > 2 * (
        statistics.median(outcome.position_variance for outcome in calm)
    )
