"""A daemon's arrays with `Answers` in front of them: real state, a real profile, a clock by hand.

Nothing runs: a test puts into the arrays what it asks about, or lets the engine's kernels do so.
"""

from __future__ import annotations

from functools import cache
from types import UnionType
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints, is_typeddict

from hftd.config.load import LoadedProfile, load_profile
from hftd.domain.codes import TradingState
from hftd.domain.instrument import Instrument
from hftd.drivers.books import assets_of, build_world
from hftd.engine.engine import Engine
from hftd.engine.state import in_use, new_outs
from hftd.engine.strategy import Strategy
from hftd.runtime.answers import Answers
from hftd.runtime.telemetry import Stage, Telemetry
from hftd.strategies import market_making
from tests.engine.scene import SECOND, Scene

BTC = Instrument(
    name="BTC-USDT",
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick_e8=1_000_000,
    lot_e8=1_000,
    min_price_ticks=1,
    max_price_ticks=100_000_000,
    min_qty_lots=1,
    max_qty_lots=900_000_000,
    min_notional_atoms=5 * 10**8,
    max_notional_atoms=0,
    max_open_orders=200,
)
ETH = Instrument(
    name="ETH-USDT",
    symbol="ETHUSDT",
    base="ETH",
    quote="USDT",
    tick_e8=1_000_000,
    lot_e8=10_000,
    min_price_ticks=1,
    max_price_ticks=10_000_000,
    min_qty_lots=1,
    max_qty_lots=90_000_000,
    min_notional_atoms=5 * 10**8,
    max_notional_atoms=0,
    max_open_orders=200,
)
TAG = "k3x9qa"
STARTED_NS = 1_795_348_800 * SECOND  # 2026-11-22T12:00:00Z
TWO = (
    "instruments=[BTC-USDT, ETH-USDT]",
    "venue.opening_balances={BTC: '1', ETH: '10', USDT: '100000'}",
)


@cache
def loaded_with(*sets: str) -> LoadedProfile:
    """Return the market maker's profile with these values; it is frozen, and slow to load."""
    return load_profile("market-making", environ={}, sets=sets)


class HandClock:
    """A clock that a test sets."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns

    def ts_ns(self) -> int:
        """Return what was set."""
        return self.now_ns


class Surroundings:
    """What journal and recorder tell, as a test sets it."""

    journal_seq = 120
    recorder_seq: int | None = 115
    recorder_pid: int | None = 4711
    loop_lag_ns: int | None = 1_500_000
    doubt_atoms: int | None = None


class Desk(NamedTuple):
    """The arrays and who answers from them."""

    scene: Scene
    answers: Answers
    clock: HandClock
    telemetry: Telemetry
    around: Surroundings

    def ask(self, method: str, **params: object) -> Any:
        """Return the answer to a question with the defaults of its parameters."""
        return self.answers.answer(method, params)


def a_desk(*, two: bool = False, canary: str = "false") -> Desk:
    """Return a daemon that runs, connected and well, with an opening of 1 BTC and 100000 USDT."""
    loaded = loaded_with(f"canary.enabled={canary}", *(TWO if two else ()))
    instruments = [BTC, ETH] if two else [BTC]
    scene = Scene(build_world(loaded.profile, instruments), new_outs())
    core = scene.core
    core["now_ns"] = STARTED_NS + 10 * SECOND
    core["state"] = TradingState.RUNNING
    for name in ("market_up", "order_up", "user_up", "recovery_clean"):
        core[name] = 1
    core["user_alive_ns"] = core["clock_sampled_ns"] = core["now_ns"]
    opening = (100_000, 1, 10)
    for balance, holding in zip(in_use(scene.world).balances, opening, strict=False):
        balance["opening_known"] = balance["known"] = 1
        balance["opening_atoms"] = balance["free_atoms"] = holding * 10**8
    params = market_making.build_params(loaded.profile.strategy, instruments)
    strategy = Strategy("market_making", market_making.quotes, params, params[:0])
    engine = Engine(scene.world, strategy)
    clock, around = HandClock(int(core["now_ns"])), Surroundings()
    telemetry = Telemetry({Stage.MARKET_DATA: 5_000_000})
    answers = Answers(
        engine,
        instruments,
        assets_of(instruments),
        loaded,
        "canary",
        TAG,
        clock,
        telemetry,
        journal_seq=lambda: around.journal_seq,
        recorder_seq=lambda: around.recorder_seq,
        started_ns=STARTED_NS,
        venue_name="simex",
        recorder_pid=lambda: around.recorder_pid,
        loop_lag_ns=lambda: around.loop_lag_ns,
        disk_free_mb=lambda: 50_000,
        doubt_atoms=lambda _: around.doubt_atoms,
    )
    return Desk(scene, answers, clock, telemetry, around)


def assert_shape(value: Any, kind: Any, place: str = "result") -> None:
    """Assert that a result has exactly the keys and types of its TypedDict, all the way down."""
    if is_typeddict(kind):
        hints = get_type_hints(kind)
        assert list(value) == list(hints) or set(value) == set(hints), f"{place}: {set(value)}"
        for name, inner in hints.items():
            assert_shape(value[name], inner, f"{place}.{name}")
    elif get_origin(kind) is list:
        assert isinstance(value, list), place
        for at, item in enumerate(value):
            assert_shape(item, get_args(kind)[0], f"{place}[{at}]")
    elif isinstance(kind, UnionType):
        if value is not None:
            assert_shape(value, get_args(kind)[0], place)
    else:
        # Exactly: no NumPy integer, no bool for an int, since JSON tells them apart.
        assert type(value) is kind, f"{place}: {kind} is needed, was {value!r}"
