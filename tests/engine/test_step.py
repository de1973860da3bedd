"""The whole decision: events in, actions and facts out, from boot to two resting quotes."""

from __future__ import annotations

import os

import pytest

from hftd.domain.actions import ActionKind as A
from hftd.domain.codes import Code, TradingState
from hftd.domain.events import CommandKind
from hftd.domain.events import EventKind as E
from hftd.domain.facts import FactKind
from hftd.domain.order import OrderState, Side
from tests.engine.toy_venue import ToyVenue
from tests.playbook import Playbook

# Uncompiled steps are slow: there one seed shows that they are the same.
SEEDS = 1 if os.environ.get("NUMBA_DISABLE_JIT") == "1" else 20


def test_from_boot_to_two_quotes() -> None:
    """After a clean reconciliation and a market, one post-only order rests on each side."""
    play = Playbook().run()
    assert play.state == TradingState.RUNNING
    buy = play.expect(A.SUBMIT, side=Side.BUY)
    sell = play.expect(A.SUBMIT, side=Side.SELL)
    assert (buy["price_ticks"], sell["price_ticks"]) == (5990, 6010)
    assert buy["post_only"] == sell["post_only"] == 1
    assert (buy["qty_lots"], sell["qty_lots"]) == (1000, 1000)
    play.accept(buy["order_key"], sell["order_key"])
    assert [order["state"] for order in play.orders()] == [OrderState.NEW] * 2


def test_a_side_that_the_gate_refuses_is_never_told_as_quoted() -> None:
    """Refused again each second it says so once, and at no moment that it is quoted."""
    play = Playbook(sets=["risk.max_daily_turnover_quote=1"]).run()
    for turn in range(30):
        codes = play.engine.state.targets["quoted_code"][0].tolist()
        assert codes == [Code.DENIED_RECENTLY] * 2
        play.after(ms=200).market(lots=5000 + turn)
    told = [fact["code"] for fact in play.all_facts if fact["kind"] == FactKind.QUOTING]
    asked = [fact["code"] for fact in play.all_facts if fact["kind"] == FactKind.REFUSAL]
    assert told.count(Code.DENIED_RECENTLY) == 2 and Code.NONE not in told
    assert asked == [Code.TURNOVER] * 2 * 7


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_bad_venue_is_survived(seed: int) -> None:
    """Lost, late and reordered words: no rule is ever broken; healed, books and venue agree."""
    play = Playbook(sets=["risk.max_unknown_orders=8", "risk.max_orders_per_second=50"])
    venue = ToyVenue(play, seed, fault=0.04)
    venue.begin()
    venue.run(20)
    venue.fault = 0
    venue.run(30)
    fills = sum(t["qty_lots"] * (1 if t["side"] == Side.BUY else -1) for t in venue.trades)
    assert play.instrument["position_lots"] == fills
    assert play.state == TradingState.RUNNING, (play.state, Code(int(play.core["state_code"])))
    assert venue.trades
    at_venue = {order.key for order in venue.orders.values() if order.is_open}
    assert at_venue <= {order["key"] for order in play.orders()}
    venue.feed(E.COMMAND, command=CommandKind.KILL, instrument=-1)
    venue.run(3)
    assert play.core["venue_clear"] == 1
    assert not [order for order in venue.orders.values() if order.is_open]
