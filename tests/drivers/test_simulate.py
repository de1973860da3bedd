from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from hftd.config.load import load_profile
from hftd.domain.codes import Code, TradingState
from hftd.domain.events import CommandKind
from hftd.drivers.replay import ReplayDiffers, replay
from hftd.drivers.simulate import START_NS, World
from hftd.drivers.simulate_network import Delay, Latency
from hftd.journal.writer import JournalWriter
from hftd.simex.flow_noise import Noise
from tests.bench.hour import ACCOUNT, BUILD, SECOND_NS, Hour, Outcome
from tests.drivers.trace import trace

ROOT = Path(__file__).parents[2]
SEGMENT_BYTES = 4 << 20


@cache
def outcome(profile: str, seed: int, minutes: float, *sets: str) -> Outcome:
    """Return what a world brought; the same one is run once for all tests."""
    loaded = load_profile(profile, sets=[*sets, f"venue.market.seed={seed}"], environ={})
    return Hour(loaded, seed).run(minutes)


def world_of(seed: int, journal: JournalWriter | None = None) -> World:
    """Return a market maker's world whose latencies vary."""
    loaded = load_profile("market-making", sets=[f"venue.market.seed={seed}"], environ={})
    return World(loaded, BUILD, seed, journal, Latency(order=Delay(2_000_000, 3_000_000)))


def open_orders(world: World) -> int:
    """Return how many orders the exchange holds open for us."""
    return len(world.venue.exchange.bookkeeping(ACCOUNT).open)


def after(world: World, seconds: float) -> None:
    """Let so much time pass."""
    world.run_until(world.now_ns + int(seconds * SECOND_NS))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_maker_earns_its_spread_in_the_calm_market(seed: int) -> None:
    """Ten calm minutes: fills on both sides, both sides quoted, a gain, no limit broken."""
    out = outcome("market-making", seed, 10)
    assert out.fills_buy >= 10 and out.fills_sell >= 10
    assert out.both_quoted > 0.7
    assert out.returns_to_target >= 2
    assert out.half_spread_bps + out.markout_10s_bps > 0
    assert out.pnl_quote > 0
    assert out.states[-1].endswith("RUNNING (RECONCILED)")


def test_who_trades_with_us_knows_more_than_we_do() -> None:
    """Over the calm seeds the mid goes on against our fills, by less than we earned."""
    seeds = [outcome("market-making", seed, 10) for seed in (1, 2, 3)]
    markout = sum(out.markout_10s_bps for out in seeds) / len(seeds)
    half_spread = sum(out.half_spread_bps for out in seeds) / len(seeds)
    assert -half_spread < markout < 0


@pytest.mark.parametrize(
    ("profile", "sets"),
    [
        ("market-making", ()),
        ("canary", ()),
        ("imbalance", ()),
        ("market-making", ("venue.market.preset=trending",)),
        ("market-making", ("venue.market.preset=crash",)),
    ],
)
def test_no_limit_is_broken_and_the_books_are_the_exchanges(
    profile: str, sets: tuple[str, ...]
) -> None:
    """After every turn the exchange's truth is in the limits; at the end the books agree."""
    out = outcome(profile, 2, 10, *sets)
    assert (out.limits_broken, out.limit_broken_first) == (0, "")
    assert out.agrees == ""
    assert out.fills_buy + out.fills_sell > 0


def test_a_trend_and_a_fee_each_eat_the_spread() -> None:
    """Where the market trends, or at a maker fee of 10 bps, the same maker loses."""
    fee = ("venue.fees.maker_bps=10", "strategy.min_edge_bps=-20")
    assert outcome("market-making", 1, 15, "venue.market.preset=trending").pnl_quote < 0
    assert outcome("market-making", 1, 10, *fee).pnl_quote < 0


def test_without_an_edge_nothing_is_quoted() -> None:
    """At a maker fee of 10 bps the edge check keeps both sides off the market."""
    out = outcome("market-making", 1, 2, "venue.fees.maker_bps=10")
    assert out.submitted == 0 and out.both_quoted == 0


def test_the_skew_holds_the_position_close_to_its_target() -> None:
    """With the skew off the position varies more."""
    skewed = outcome("market-making", 1, 10).position_variance
    assert (
        outcome("market-making", 1, 10, "strategy.skew_bps_at_limit=0").position_variance > skewed
    )


def test_a_crash_pauses_and_then_halts() -> None:
    """The crash pauses on references that disagree, then halts on the loss, latched."""
    out = outcome("market-making", 2, 10, "venue.market.preset=crash")
    states = [words.split(" s ")[1] for words in out.states]
    assert states[-1] in ("HALTED (DRAWDOWN)", "HALTED (DAILY_LOSS)")
    assert any(state.startswith("PAUSED") for state in states)


def test_the_same_seed_gives_the_same_bytes_under_any_hash_seed() -> None:
    """Two processes with other string hashes write the same records and end in one state."""
    runs = [
        subprocess.run(
            [sys.executable, "-m", "tests.drivers.trace", "5", "60"],
            cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True, text=True, check=True,
        ).stdout.strip()
        for hash_seed in ("1", "2")
    ]  # fmt: skip
    assert runs[0] == runs[1]
    assert int(runs[0].split()[2]) > 0
    assert trace(6, 60) != runs[0]


def test_the_journal_of_a_simulated_run_replays(tmp_path: Path) -> None:
    """Commands, a lost link and all: the replay gives every output and the state's hash."""
    journal = JournalWriter(tmp_path, segment_bytes=SEGMENT_BYTES, disk_floor_bytes=0)
    world = world_of(4, journal)
    world.begin_run(journal)
    world.boot()
    after(world, 40)
    assert world.command(CommandKind.PAUSE) == Code.NONE
    after(world, 5)
    assert world.command(CommandKind.RESUME) == Code.NONE
    after(world, 20)
    world.roads.orders.link.drop("cut")
    after(world, 30)
    assert int(world.engine.state.core[0]["fills"]) > 0
    world.end_run(journal)
    done = replay(tmp_path, "last", BUILD)
    assert done.hash_compared and done.state_hash == world.engine.state_hash()
    assert done.outputs > 100


def test_a_replay_under_another_parameter_differs(tmp_path: Path) -> None:
    """The comparison sees it where the journal's header names another strategy parameter."""
    journal = JournalWriter(tmp_path, segment_bytes=SEGMENT_BYTES, disk_floor_bytes=0)
    world = world_of(4, journal)
    wider = load_profile("market-making", sets=["strategy.quote=improve"], environ={})
    loaded, world.loaded = world.loaded, wider
    world.begin_run(journal)
    world.loaded = loaded
    world.boot()
    after(world, 10)
    world.end_run(journal)
    with pytest.raises(ReplayDiffers):
        replay(tmp_path, "last", BUILD)


def test_a_kill_at_any_moment_leaves_no_open_order() -> None:
    """Killed at random times, orders in flight or not: within a second the exchange has none."""
    noise = Noise(11)
    for seed in range(1, 9):
        world = world_of(seed)
        world.boot()
        after(world, noise.between(2_000, 60_000) / 1_000)
        assert world.command(CommandKind.KILL) == Code.NONE
        after(world, 1)
        core = world.engine.state.core[0]
        assert (int(core["state"]), int(core["venue_clear"])) == (TradingState.KILLED, 1)
        assert open_orders(world) == 0
        submitted = int(core["submitted"])
        for _ in range(10):
            after(world, 1)
            assert open_orders(world) == 0
        assert int(core["submitted"]) == submitted
        assert world.latched == (TradingState.KILLED, Code.KILL)


def test_a_stop_cancels_confirms_and_exits() -> None:
    """Stopped while it quotes, the daemon asks to exit once the exchange shows no order."""
    world = world_of(3)
    world.boot()
    after(world, 20)
    assert open_orders(world) > 0
    world.command(CommandKind.STOP)
    after(world, 5)
    assert world.exited and open_orders(world) == 0


def test_flatten_returns_to_position_zero() -> None:
    """A paused maker that flattens ends with nothing but dust, by the exchange's trades."""
    world = world_of(1)
    world.boot()
    while abs(int(world.engine.state.instruments[0]["position_lots"])) < 1_000:
        after(world, 1)
    world.command(CommandKind.PAUSE)
    after(world, 2)
    assert world.command(CommandKind.FLATTEN) == Code.NONE
    after(world, 10)
    trades = world.venue.exchange.bookkeeping(ACCOUNT).trades["BTCUSDT"]
    held = sum(trade.qty_lots if trade.is_buyer else -trade.qty_lots for trade in trades)
    assert held == int(world.engine.state.instruments[0]["position_lots"])
    assert abs(held) * 60_000 < 10 * 100_000  # Less than 10 USDT of it.
    assert open_orders(world) == 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_lost_links_lose_no_fill(seed: int) -> None:
    """Both links cut again and again: no limit broken, and in the end the books agree."""
    loaded = load_profile("market-making", sets=[f"venue.market.seed={seed}"], environ={})
    hour, noise = Hour(loaded, seed), Noise(seed)
    world = hour.world
    for road in (world.roads.orders, world.roads.market):
        cut_ns = START_NS
        while (cut_ns := cut_ns + noise.waiting(20 * SECOND_NS)) < START_NS + 240 * SECOND_NS:
            world.calendar.at(cut_ns, road.link.drop, "cut")
    out = hour.run(5)
    assert (out.limits_broken, out.agrees) == (0, "")
    assert out.fills_buy + out.fills_sell > 0
