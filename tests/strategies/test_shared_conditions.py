"""What holds for any strategy's quote, at the formulas and at a user's own answers.

The market maker's tests show each condition at its boundary; here stands that the others put the
same ones, with the same words, and that none of them sends a size that may not be sent.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hftd.domain.codes import BookState, Code, TradingState
from hftd.engine import signals
from hftd.strategies import own_calls
from tests.engine.scene import BUY, SELL, Scene, a_scene, show_market
from tests.strategies.test_model_quotes import GIVEN, Model

MORE = {"glft": {"arrival_rate_per_s": "2"}, "avellaneda_stoikov": {"horizon_s": "10"}}
OWN_MEMORY = np.dtype(
    [("errors", "i8"), ("told", "i8"), ("stopped", "i8"), ("answers", own_calls.ANSWER, (2,))],
    align=True,
)


class Own:
    """A user's strategy that answers 9,990 and 10,010 for 100 lots: mid 10,000 ticks."""

    def __init__(self) -> None:
        self.scene: Scene = a_scene()
        self.instrument = self.scene.instrument
        self.memory = np.zeros(2, OWN_MEMORY)
        for answer, price in zip(self.memory[0]["answers"], (9_990, 10_010), strict=True):
            answer["wanted"], answer["price_ticks"], answer["qty_lots"] = 1, price, 100
        show_market(self.scene, {9_990: 50}, {10_010: 50})

    def decide(self) -> tuple[Any, Any]:
        """Run signals and the kernel that judges the answers; return both targets."""
        self.instrument["dirty"] = 1
        signals.update(self.scene.state, 0)
        own_calls.place(self.scene.world, self.memory, self.scene.outs)
        return self.scene.state.targets[0, BUY], self.scene.state.targets[0, SELL]


def a_formula(kind: str) -> Any:
    """Return a strategy by a formula that has all its numbers."""
    return Model(kind, **GIVEN, **MORE[kind])


STRATEGIES = {
    "glft": lambda: a_formula("glft"),
    "avellaneda_stoikov": lambda: a_formula("avellaneda_stoikov"),
    "own": Own,
}


@pytest.fixture(params=STRATEGIES)
def strategy(request: pytest.FixtureRequest) -> Any:
    """Each strategy in turn, which quotes both sides."""
    made = STRATEGIES[request.param]()
    buy, sell = made.decide()
    assert (buy["wanted"], sell["wanted"]) == (1, 1)
    return made


def verdict(strategy: Any, side: int) -> tuple[int, int, int]:
    """Return why a side is not wanted: code, value, bound."""
    target = strategy.decide()[side]
    assert target["wanted"] == 0
    return int(target["code"]), int(target["value"]), int(target["bound"])


def test_daemon_and_book_come_before_the_strategy(strategy: Any) -> None:
    """Nothing is quoted where the daemon does not run or the book is not in sequence."""
    strategy.scene.book["state"] = BookState.STALE
    stale = (Code.BOOK_NOT_SYNCED, BookState.STALE, BookState.SYNCED)
    assert (verdict(strategy, BUY), verdict(strategy, SELL)) == (stale, stale)
    strategy.scene.core["state"] = TradingState.PAUSED
    paused = (Code.NOT_RUNNING, TradingState.PAUSED, TradingState.RUNNING)
    assert (verdict(strategy, BUY), verdict(strategy, SELL)) == (paused, paused)


def test_a_level_traded_through_is_pulled_alone(strategy: Any) -> None:
    """The other side goes on."""
    strategy.instrument["through_ask_ns"] = 5
    assert verdict(strategy, SELL) == (Code.TRADED_THROUGH, 5, 0)
    assert strategy.decide()[BUY]["wanted"] == 1


def test_after_a_would_cross_miss_one_tick_away_after_one_update(strategy: Any) -> None:
    """It waits for a newer touch, and then stands a tick further from mid than it would."""
    before = [int(target["price_ticks"]) for target in strategy.decide()]
    for side, away in ((BUY, -1), (SELL, 1)):
        strategy.scene.state.targets[0, side]["miss_away_ticks"] = 1
        assert verdict(strategy, side)[0] == Code.POST_ONLY_CROSS
        strategy.instrument["touch_update_id"] += 1
        assert strategy.decide()[side]["price_ticks"] == before[side] + away


def test_at_the_position_limit_only_the_reducing_side_is_quoted(strategy: Any) -> None:
    """With the position and its limit, on either side."""
    limit = int(strategy.instrument["max_position_lots"])
    strategy.instrument["position_lots"] = limit
    assert verdict(strategy, BUY) == (Code.POSITION_FULL, limit, limit)
    assert strategy.decide()[SELL]["wanted"] == 1
    strategy.instrument["position_lots"] = -limit
    assert verdict(strategy, SELL) == (Code.POSITION_FULL, -limit, limit)
    assert strategy.decide()[BUY]["wanted"] == 1


def test_in_reduce_only_no_more_than_there_is_to_reduce(strategy: Any) -> None:
    """Marked as such, at the canary's scale; the increasing side is off."""
    strategy.scene.core["state"] = TradingState.REDUCE_ONLY
    strategy.scene.core["canary_size_e6"] = 100_000
    strategy.instrument["position_lots"] = 7
    assert verdict(strategy, BUY)[0] == Code.NOT_RUNNING
    sell = strategy.decide()[SELL]
    assert (sell["wanted"], sell["reduce_only"], sell["qty_lots"]) == (1, 1, 70)


def test_a_size_below_the_venues_minimum_is_not_quoted(strategy: Any) -> None:
    """Neither rounded up to it nor sent to be refused."""
    strategy.instrument["min_qty_lots"] = 101
    assert verdict(strategy, BUY) == (Code.SIZE_ZERO, 100, 101)
    assert verdict(strategy, SELL) == (Code.SIZE_ZERO, 100, 101)


def test_a_side_that_the_balance_forbids_is_not_quoted(strategy: Any) -> None:
    """The other side, whose asset is there, is."""
    base = strategy.scene.state.balances[1]
    base["opening_atoms"] = 0
    assert verdict(strategy, SELL)[0] == Code.BALANCE_SHORT
    assert strategy.decide()[BUY]["wanted"] == 1


def test_an_edge_below_the_minimum_is_no_quote() -> None:
    """Where the fee alone is wider than the mid, no price has an edge: not even a quote of 0."""
    model = a_formula("glft")
    model.scene.core["maker_fee_bps_e2"] = 2_000_000
    assert verdict(model, BUY)[0] == Code.NO_EDGE
