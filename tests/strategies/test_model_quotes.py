"""The two formulas as strategies: estimates, rounding, inventory, and what they wait for."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import pytest

from hftd.config.strategy_parameters import AvellanedaStoikov, Glft
from hftd.domain.codes import Code
from hftd.engine import prints, signals
from hftd.strategies import avellaneda_stoikov, estimates, glft
from hftd.strategies.elementary import ln_1p
from tests.engine.scene import BUY, SELL, Scene, a_scene, show_market
from tests.strategies.test_market_making import INSTRUMENT

SECOND = 1_000_000_000
GIVEN = {"volatility_bps": "1", "arrival_decay_per_bps": "0.5"}
# The same lines run uncompiled in the tests beside it; what thousands of them come to is no other.
of_thousands = pytest.mark.skipif(
    numba.config.DISABLE_JIT, reason="thousands of decisions are run compiled alone"
)


class Model:
    """A strategy by a formula on the first of two instruments: mid 10,000 ticks."""

    def __init__(self, kind: str = "glft", **keys: Any) -> None:
        common = {"kind": kind, "order_size_base": "0.001", "risk_aversion_per_bps": "0.1"}
        model: Any = Glft if kind == "glft" else AvellanedaStoikov
        strategy = model.model_validate(common | keys)
        self.module: Any = glft if kind == "glft" else avellaneda_stoikov
        self.scene: Scene = a_scene()
        self.params = self.module.build_params(strategy, [INSTRUMENT, INSTRUMENT])
        self.memory = np.zeros(2, self.module.MEMORY)
        self.module.fit_instruments(strategy, self.scene.state.instruments)
        self.instrument = self.scene.instrument
        self.instrument["unit_atoms"] = INSTRUMENT.unit_atoms
        self.instrument["lot_atoms"] = INSTRUMENT.lot_e8
        self.now_ns = int(self.scene.core["now_ns"])
        self.trades = 0
        self.market()

    def market(self, bid: int = 9_990, ask: int = 10_010) -> None:
        """Show another market."""
        show_market(self.scene, {bid: 50}, {ask: 50})

    def after(self, seconds: float) -> None:
        """Let time pass."""
        self.now_ns += int(seconds * SECOND)
        self.scene.core["now_ns"] = self.now_ns

    def trade(self, price_ticks: int) -> None:
        """Let somebody trade."""
        self.trades += 1
        prints.keep_in_window(self.instrument, self.trades, price_ticks, self.now_ns)
        self.instrument["last_trade_id"] = self.trades

    def decide(self) -> tuple[Any, Any]:
        """Run signals and strategy; return both targets."""
        self.instrument["dirty"] = 1
        signals.update(self.scene.state, 0)
        self.module.quotes(self.scene.world, self.params, self.memory, self.scene.outs)
        return self.scene.state.targets[0, BUY], self.scene.state.targets[0, SELL]

    def prices(self) -> tuple[int, int]:
        """Return both prices; both sides must be wanted."""
        buy, sell = self.decide()
        assert (buy["wanted"], sell["wanted"]) == (1, 1), (buy["code"], sell["code"])
        return int(buy["price_ticks"]), int(sell["price_ticks"])


def test_given_numbers_make_the_papers_quotes_at_once() -> None:
    """gamma 0.1, k 0.5, sigma 1, A 2: the closed form in ticks of a bp, rounded away from mid."""
    model = Model(**GIVEN, arrival_rate_per_s="2")
    base = math.log(1.2) / 0.1
    step = math.sqrt(0.1 / (2 * 0.5 * 2) * 1.2**6)
    below = base + step / 2
    assert model.prices() == (math.floor(10_000 - below), math.ceil(10_000 + below))


def test_inventory_moves_both_quotes_against_it() -> None:
    """Three orders long, in the paper's direction, by 3 c2; the canary's orders count alike."""
    model = Model(**GIVEN, arrival_rate_per_s="2")
    flat = model.prices()
    step = math.sqrt(0.1 / (2 * 0.5 * 2) * 1.2**6)
    model.instrument["position_lots"] = 300
    bid, ask = model.prices()
    assert flat[0] - bid == pytest.approx(3 * step, abs=1)
    assert flat[1] - ask == pytest.approx(3 * step, abs=1)
    model.scene.core["canary_size_e6"] = 100_000
    model.instrument["position_lots"] = 30
    assert model.prices() == (bid, ask)


def test_reservation_price_moves_by_the_horizon() -> None:
    """Avellaneda-Stoikov: two orders short raise both quotes by 2 gamma sigma^2 T = 12 bps."""
    model = Model("avellaneda_stoikov", **GIVEN, horizon_s="60", risk_aversion_per_bps="0.1")
    half = (0.1 * 60 + 20 * ln_1p(0.2)) / 2
    assert model.prices() == (math.floor(10_000 - half), math.ceil(10_000 + half))
    model.instrument["position_lots"] = -100
    bid, ask = model.prices()
    assert ask == math.ceil(10_000 + half + 6)
    assert bid == min(math.floor(10_000 - half + 6), 10_000)


def test_no_quote_gives_up_its_edge_or_crosses() -> None:
    """Whatever inventory says: not nearer to mid than the edge, nor across the touch."""
    model = Model(**GIVEN, arrival_rate_per_s="2", min_edge_bps="1.5")
    model.instrument["position_lots"] = 5_000
    _, sell = model.decide()
    assert sell["price_ticks"] == 10_002
    assert sell["price_ticks"] > model.instrument["bid_ticks"]


def test_it_waits_for_its_estimates_and_says_so() -> None:
    """NO_ESTIMATE with what was seen and what is needed, until both were seen."""
    model = Model()
    buy, _ = model.decide()
    assert (buy["code"], buy["value"], buy["bound"]) == (Code.NO_ESTIMATE, 0, 30)
    for _ in range(31):
        model.after(1)
        buy, _ = model.decide()
    assert (buy["code"], buy["value"], buy["bound"]) == (Code.NO_ESTIMATE, 0, 30)
    for at in range(40):
        model.after(1)
        model.trade(10_010 + 5 * (at % 3))
        buy, _ = model.decide()
    assert buy["wanted"] == 1


@of_thousands
def test_volatility_is_that_of_a_random_walk() -> None:
    """Steps of 2 bps a second, up or down: sigma is 2; of 2 bps in four seconds it is 1."""
    for pause, sigma in ((1, 2.0), (4, 1.0)):
        model = Model()
        random = np.random.default_rng(7)
        mid = 10_000
        model.decide()
        for up in random.random(2_000) < 0.5:
            mid += 2 if up else -2
            model.after(pause)
            model.market(mid - 10, mid + 10)
            model.decide()
        estimated = math.sqrt(model.memory[0]["variance_bps2"])
        assert estimated == pytest.approx(sigma * 10_000 / mid, rel=0.1)


@of_thousands
def test_arrivals_are_those_of_the_law() -> None:
    """Orders that reach d bps with intensity 0.6 exp(-0.25 d) on each side are recognised."""
    rate, decay = 0.6, 0.25
    model = Model(estimate_half_life_s="3600")
    random = np.random.default_rng(11)
    model.decide()
    for _ in range(6_000):
        model.after(1)
        for sign in (-1, 1):
            if random.random() < rate:
                reached = random.exponential(1 / decay)
                model.trade(10_000 + sign * max(round(reached), 1))
        model.decide()
    kept = model.memory[0]
    assert kept["arrival_decay"] == pytest.approx(decay, rel=0.1)
    # One order a decision and side is counted, and a tick is a bp: trades are rounded to it.
    assert kept["arrival_rate"] == pytest.approx(rate * math.exp(decay / 2), rel=0.15)


@of_thousands
def test_orders_inside_the_touch_say_nothing_of_the_decay() -> None:
    """No trade is nearer than a touch at 5 bps; beyond it the law is 0.5 a bp."""
    model = Model(estimate_half_life_s="3600")
    random = np.random.default_rng(3)
    model.market(9_995, 10_005)
    model.decide()
    for _ in range(4_000):
        model.after(1)
        model.trade(10_005 + int(random.exponential(2.0)))
        model.decide()
    assert model.memory[0]["arrival_decay"] == pytest.approx(0.5, rel=0.15)


def test_a_sweep_is_one_order_and_own_prices_do_not_repeat() -> None:
    """Five prints of one side between two decisions count once, as far as the farthest."""
    model = Model()
    model.decide()
    for price in (10_010, 10_011, 10_012, 10_013, 10_014):
        model.trade(price)
    model.decide()
    model.decide()
    kept = model.memory[0]
    assert kept["orders"] == 1
    assert kept["reached"].tolist() == [1.0] * 14 + [0.0] * 2


def test_an_invalid_market_is_not_watched() -> None:
    """Nothing is learned of a book that may not be believed."""
    model = Model()
    model.decide()
    model.after(5)
    model.instrument["market_valid"] = 0
    estimates.watch(model.instrument, model.params[0], model.memory[0], model.now_ns)
    assert model.memory[0]["samples"] == 0


def test_a_fill_of_ours_that_shows_late_is_no_order_of_others() -> None:
    """It was printed while the market was in doubt; at price 0 it would reach every distance."""
    model = Model()
    model.decide()
    model.trade(10_010)
    prints.forget_own_trade(model.instrument, model.trades)
    model.decide()
    assert (model.memory[0]["orders"], model.memory[0]["reached"].sum()) == (0, 0)


def test_arrivals_are_counted_where_a_venues_ids_begin_anew() -> None:
    """An exchange that lost its memory numbers its trades from one again."""
    model = Model()
    model.trades = 1_000_000
    model.decide()
    model.trade(10_010)
    model.decide()
    model.trades = 0
    model.trade(10_010)
    model.decide()
    assert model.memory[0]["orders"] == 2


def test_what_nobody_saw_is_no_volatility() -> None:
    """Overnight the mid moved by 300 bps, and trades came in: neither says what a second does."""
    model = Model()
    for _ in range(40):
        model.after(1)
        model.decide()
    model.after(8 * 3600)
    model.market(10_290, 10_310)
    model.trade(10_400)
    model.decide()
    kept = model.memory[0]
    assert (kept["variance_bps2"], kept["orders"]) == (0, 0)
    model.after(2)
    model.market(10_291, 10_311)
    model.decide()
    assert 0 < kept["variance_bps2"] < 1
