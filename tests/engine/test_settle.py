"""Recovery's small steps by themselves: what is settled, and where a clean end leads."""

from __future__ import annotations

import pytest

from hftd.domain.actions import ActionKind as A
from hftd.domain.codes import Code, OnStart, TradingState
from hftd.domain.events import EventKind as E
from hftd.domain.facts import FactKind as F
from hftd.domain.order import OrderState, Side, order_key
from hftd.engine import breaker, known_trades, recovery, settle
from tests.engine.scene import BUY, SECOND, Scene, a_scene, put_order
from tests.playbook import Playbook


def settling(state: TradingState, policy: OnStart) -> Scene:
    """Return a scene in its third attempt: slot 0 listed by the venue, 2 and 3 not, 1 free."""
    scene = a_scene()
    scene.begin(5 * SECOND)
    scene.core["state"], scene.core["on_start"], scene.core["recovery_attempt"] = state, policy, 3
    put_order(scene, 0, BUY, 100, 5, seen_attempt=3)
    put_order(scene, 2, BUY, 99, 5, seen_attempt=2)
    put_order(scene, 3, BUY, 98, 5, seen_attempt=2, query_at_ns=7)
    settle.settle_orders(scene.state, scene.out)
    return scene


@pytest.mark.parametrize(
    ("state", "policy", "canceled", "halted"),
    [
        (TradingState.RECOVERING, OnStart.CANCEL, True, False),
        (TradingState.RECOVERING, OnStart.ADOPT, False, False),
        (TradingState.RECOVERING, OnStart.REFUSE, True, True),
        (TradingState.RUNNING, OnStart.ADOPT, True, False),
        (TradingState.RUNNING, OnStart.REFUSE, True, False),
    ],
)
def test_c34_what_the_venue_lists_is_settled_by_the_policy_of_a_start_alone(
    state: TradingState, policy: OnStart, canceled: bool, halted: bool
) -> None:
    """Canceled, kept, or a person looks; what it does not list is asked for, once."""
    scene = settling(state, policy)
    kinds = {row["kind"] for row in scene.actions() if row["target_key"] != 0}
    assert (A.CANCEL in kinds) is canceled
    asked = [int(each) for each in scene.state.orders["query_at_ns"][:4]]
    assert asked == [0, 0, 5 * SECOND, 7], "a free slot is not touched, nor one that is asked for"
    assert (scene.core["state"] == TradingState.HALTED) == halted
    facts = [(r["code"], r["value"], r["bound"]) for r in scene.facts() if r["kind"] == F.STATE]
    assert facts == [(Code.ORDERS_FOUND, 1, 0)] * halted


@pytest.mark.parametrize(
    ("crashed", "on_crash", "state"),
    [
        (0, 0, TradingState.RUNNING), (0, 1, TradingState.RUNNING), (1, 1, TradingState.RUNNING),
        (1, 0, TradingState.HALTED),
    ],
)  # fmt: skip
def test_a_clean_end_runs_but_after_a_crash_where_a_person_shall_look(
    crashed: int, on_crash: int, state: TradingState
) -> None:
    """`on_crash: halt` alone, and only after a crash; the books agree either way."""
    scene = a_scene()
    scene.core["state"] = TradingState.RECOVERING
    scene.core["crashed"], scene.core["on_crash"] = crashed, on_crash
    breaker.leave_recovering(scene.state, scene.out)
    assert scene.core["state"] == state
    (fact,) = (row for row in scene.facts() if row["kind"] == F.STATE)
    assert (fact["code"], fact["value"], fact["bound"]) == (Code.RECONCILED, 0, 0)


@pytest.mark.parametrize(
    ("mask", "code"),
    [
        (breaker.PAUSE_OPERATOR, Code.OPERATOR), (breaker.PAUSE_NO_FILLS, Code.ORDERS_WITHOUT_FILL),
        (breaker.PAUSE_CLOCK, Code.NONE),
    ],
)  # fmt: skip
def test_a_clean_end_stays_paused_where_only_resume_goes_on(mask: int, code: Code) -> None:
    """What a pause of its own lifts by itself is left to settle."""
    scene = a_scene()
    scene.core["state"], scene.core["pause_mask"] = TradingState.RECOVERING, mask
    breaker.leave_recovering(scene.state, scene.out)
    (fact,) = (row for row in scene.facts() if row["kind"] == F.STATE)
    running = (TradingState.RUNNING, Code.RECONCILED)
    paused = (TradingState.PAUSED, code)
    assert (fact["state_to"], fact["code"]) == (running if code == Code.NONE else paused)


def test_opening_holdings_are_valued_at_the_first_mid_since_their_opening_was_fixed() -> None:
    """Not by a market that is not valid, not before the opening is known, and once."""
    scene = a_scene()
    record, balance = scene.instrument, scene.state.balances[1]
    record["mid_half_ticks"] = 20
    for valid, known, kept in ((0, 1, 0), (1, 0, 0), (1, 1, 20)):
        record["market_valid"], balance["opening_known"] = valid, known
        recovery.advance(scene.state, scene.out)
        assert record["opening_mid_half_ticks"] == kept
    record["mid_half_ticks"] = 30
    recovery.advance(scene.state, scene.out)
    assert record["opening_mid_half_ticks"] == 20


def test_a_fill_beyond_the_first_page_is_listed_while_its_order_is_settled() -> None:
    """Full page by full page, without the chase between; a page that is not full asks nothing."""
    play = Playbook()
    buy, sell = play.resting()
    price, lots = play.order(buy)["price_ticks"], play.order(buy)["qty_lots"]
    play.after(seconds=60).boot().links().open_orders_end()
    play.canceled(sell).status(buy, OrderState.FILLED, cum_qty_lots=lots).pulse()
    assert play.core["recovery_phase"] == recovery.Phase.SETTLE
    for page in (500, 1_000):
        play.after(ms=400).feed(E.TRADES_END, order_count=known_trades.TRADES_PAGE, trade_id=page)
        assert play.expect(A.ASK_TRADES)["trade_id"] == page
        play.after(ms=200).pulse().expect_none(A.ASK_TRADES)
    play.told_fill(buy, 1_001, side=Side.BUY, price_ticks=price, qty_lots=lots)
    assert play.ended(buy) == OrderState.FILLED
    play.feed(E.TRADES_END, order_count=1, trade_id=1_001)
    assert play.core["recovery_phase"] == recovery.Phase.BALANCES


def test_a_fill_of_an_adopted_order_while_a_new_ledger_lists_trades_is_booked() -> None:
    """It is reported, by its order and its lots: no part of the list, which stays out."""
    old = order_key(3, 9)
    play = Playbook(sets=["on_start=adopt"]).boot().links()
    play.status(old, OrderState.NEW, side=Side.BUY, price_ticks=5_990, qty_lots=100)
    play.open_orders_end()
    assert play.core["recovery_phase"] == recovery.Phase.TRADES
    play.fill(old, 100, trade_id=10)
    assert play.is_over(old)
    play.told_fill(old, 10, side=Side.BUY, price_ticks=5_990, qty_lots=100)
    play.trades_end().balances()
    assert (play.state, play.instrument["position_lots"]) == (TradingState.RUNNING, 100)


def test_a_new_ledgers_list_tells_the_fill_of_an_adopted_order_before_its_report() -> None:
    """What the order came with is in the opening; what it filled since is booked once."""
    old = order_key(3, 9)
    play = Playbook(sets=["on_start=adopt"]).boot().links()
    trade = {"side": Side.BUY, "price_ticks": 5_990}
    play.status(
        old, OrderState.PARTIALLY_FILLED, qty_lots=100, cum_qty_lots=30, exch_ts_ns=5, **trade
    ).open_orders_end()
    play.told_fill(old, 9, qty_lots=30, exch_ts_ns=5, **trade)
    assert (play.order(old)["cum_lots"], play.instrument["position_lots"]) == (30, 0)
    play.told_fill(old, 10, qty_lots=70, exch_ts_ns=6, **trade)
    assert play.is_over(old)
    report = {"order_key": old, "cum_qty_lots": 100, "qty_lots": 70, "trade_id": 10, **trade}
    play.feed(E.FILL, **report).trades_end(2).balances()
    assert (play.state, play.instrument["position_lots"]) == (TradingState.RUNNING, 70)
