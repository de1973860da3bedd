"""C34 and C39: orders that a start finds, orders of others, and a second instance."""

from __future__ import annotations

import pytest

from hftd.domain.actions import ActionKind as A
from hftd.domain.codes import Code, TradingState
from hftd.domain.events import CommandKind as C
from hftd.domain.events import EventKind as E
from hftd.domain.events import Link
from hftd.domain.facts import FactKind as F
from hftd.domain.order import SEQ_MAX, OrderState, Side, order_key
from hftd.engine import orders
from tests.playbook import Playbook

FOREIGN = {"venue_order_id": 900, "side": Side.SELL, "price_ticks": 6100, "qty_lots": 30}


def started_over(*sets: str) -> tuple[Playbook, int, int]:
    """Return a playbook that boots again while two quotes rest, up to the list, and their keys."""
    play = Playbook(sets=sets)
    buy, sell = play.resting()
    play.after(seconds=6).boot().links()
    play.status(buy, OrderState.NEW, qty_lots=1000)
    play.status(sell, OrderState.NEW, qty_lots=1000)
    return play, buy, sell


def listed(play: Playbook, *foreign: int) -> Playbook:
    """Tell a whole list of open orders with these venue ids of others, and none of ours."""
    for venue_order_id in foreign:
        words = {**FOREIGN, "venue_order_id": venue_order_id}
        play.feed(E.FOREIGN_ORDER, found=1, **words)
    return play.open_orders_end()


# --- C34: our own orders found at a start.


def test_c34_cancel_is_the_default() -> None:
    """Both are canceled before anything else, and RUNNING comes after their end."""
    play, buy, sell = started_over()
    play.open_orders_end(2)
    assert {row["target_key"] for row in play.did(A.CANCEL)} == {buy, sell}
    play.canceled(buy).canceled(sell).trades_end().balances()
    assert play.state == TradingState.RUNNING


def test_c34_adopt_keeps_what_the_venue_lists() -> None:
    """Nothing is canceled; the quotes stand on, count, and are moved like any other."""
    play, buy, sell = started_over("on_start=adopt")
    play.open_orders_end(2).expect_none(A.CANCEL)
    play.trades_end().balances()
    assert play.state == TradingState.RUNNING
    assert {row["key"] for row in play.orders()} == {buy, sell}
    play.market().expect_none(A.SUBMIT, A.CANCEL)
    moved = play.after(seconds=2).market(6000, 6020).did(A.CANCEL_REPLACE)
    assert {row["target_key"] for row in moved} == {buy, sell}


def test_c34_adopt_takes_fills_of_the_time_between() -> None:
    """One filled in part while we were down: its fill is fetched, the rest stands."""
    play, buy, _sell = started_over("on_start=adopt")
    words = {"qty_lots": 1000, "cum_qty_lots": 10}
    play.status(buy, OrderState.PARTIALLY_FILLED, **words).open_orders_end(2)
    fill = {"instrument": 0, "side": Side.BUY, "price_ticks": 5990, "qty_lots": 10}
    play.told_fill(buy, 3, **fill).trades_end(1).balances()
    assert (play.state, play.order(buy)["cum_lots"]) == (TradingState.RUNNING, 10)


def test_c34_adopt_holds_at_a_start_only() -> None:
    """A gap of our reports cancels what is open, as ever: the book of the venue has moved on."""
    play = Playbook(sets=["on_start=adopt"])
    buy, _sell = play.resting()
    play.link(Link.USER, up=0).link(Link.USER)
    play.status(buy, OrderState.NEW, qty_lots=1000).open_orders_end(1)
    assert play.did(A.CANCEL, target_key=buy) or play.order(buy)["cancel_wanted"]


def test_c34_refuse_halts() -> None:
    """A person shall look: HALTED with the count, and as in every halt nothing stays open."""
    play, buy, sell = started_over("on_start=refuse")
    play.open_orders_end(2)
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, Code.ORDERS_FOUND)
    assert play.fact(F.ALERT)["value"] == 2
    assert {row["target_key"] for row in play.did(A.CANCEL)} == {buy, sell}


def test_c34_refuse_touches_no_order_before_the_list() -> None:
    """A logon takes seconds: what was canceled or asked for meanwhile would not be found."""
    play = Playbook(sets=["on_start=refuse"])
    buy, sell = play.resting()
    play.after(seconds=5).boot(crashed=1).link(Link.MARKET).link(Link.ORDER)
    for _ in range(30):
        play.pulse().expect_none(A.CANCEL, A.QUERY_ORDER)
    play.link(Link.USER).expect(A.ASK_OPEN_ORDERS)
    for key in (buy, sell):
        play.status(key, OrderState.NEW, qty_lots=1000).expect_none(A.CANCEL)
    play.open_orders_end(2)
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, Code.ORDERS_FOUND)


@pytest.mark.parametrize("lost", ["list shows none", "no list comes", "the link breaks"])
def test_c34_refuse_halts_for_what_an_answer_shows(lost: str) -> None:
    """No list has shown the order, and it ends before the next one: it was found all the same."""
    play = Playbook(sets=["on_start=refuse"])
    buy, _ = play.resting()
    play.after(seconds=6).boot(crashed=1).links()
    if lost == "list shows none":
        play.open_orders_end()
    play.pulse().status(buy, OrderState.NEW, qty_lots=1000)
    if lost == "no list comes":
        play.after(seconds=3).pulse()
    elif lost == "the link breaks":
        play.link(Link.ORDER, 0)
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, Code.ORDERS_FOUND)


@pytest.mark.parametrize("doubted", [False, True])
def test_c34_refuse_cancels_nothing_before_it_halts(doubted: bool) -> None:
    """Its cancel was under way or wanted when the process died: one that ends is not found."""
    play = Playbook(sets=["on_start=refuse"])
    buy, _ = play.resting() if not doubted else (play.run().key(Side.BUY), 0)
    play.command(C.CANCEL_ALL).after(seconds=6).boot(crashed=1).links().pulse()
    assert play.did(A.QUERY_ORDER, target_key=buy) or doubted
    play.status(buy, OrderState.NEW, qty_lots=1000).expect_none(A.CANCEL)
    play.open_orders_end()
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, Code.ORDERS_FOUND)
    assert play.did(A.CANCEL, target_key=buy)


def test_c34_refuse_lets_an_empty_account_start() -> None:
    """No order is found: no policy applies."""
    for policy in ("cancel", "adopt", "refuse"):
        assert Playbook(sets=[f"on_start={policy}"]).start().state == TradingState.RUNNING


# --- C34: orders of others.


def test_c34_foreign_orders_halt_a_start() -> None:
    """HALTED with the count; each told once with its numbers; none is canceled."""
    play = listed(Playbook().boot().links(), 900, 901)
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, Code.FOREIGN_ORDERS)
    notes = [
        row
        for row in play.all_facts
        if row["code"] == Code.FOREIGN_ORDERS and row["kind"] == F.NOTE
    ]
    assert [(row["venue_order_id"], row["price_ticks"]) for row in notes] == [
        (900, 6100), (901, 6100),
    ]  # fmt: skip
    play.trades_end().balances()
    assert not [row for row in play.all_actions if row["kind"] == A.CANCEL]


def test_c34_reset_waits_for_foreign_orders_to_go() -> None:
    """With one still listed `reset` comes to nothing; without, it leads to PAUSED."""
    play = listed(Playbook().boot().links(), 900).trades_end().balances()
    play.after(seconds=6).command(C.ACK).command(C.RESET)
    listed(play, 900).trades_end().balances()
    assert play.state == TradingState.HALTED
    play.command(C.RESET)
    listed(play).trades_end().balances()
    assert play.state == TradingState.PAUSED


def test_c34_foreign_orders_pause_while_running() -> None:
    """From the report at once, until a list shows none; our own quotes are pulled."""
    play = Playbook(sets=["risk.reconcile_orders_ms=500"])
    buy, sell = play.resting()
    play.feed(E.FOREIGN_ORDER, **FOREIGN)
    assert (play.state, play.core["state_code"]) == (TradingState.PAUSED, Code.FOREIGN_ORDERS)
    assert {row["target_key"] for row in play.did(A.CANCEL)} == {buy, sell}
    listed(play.canceled(buy).canceled(sell).pulse(7), 900).pulse(25)
    assert play.state == TradingState.PAUSED
    listed(play).market().pulse(22)
    assert play.state == TradingState.RUNNING


def test_c34_foreign_orders_may_be_allowed() -> None:
    """`foreign_orders: report` tells each once and trades on, at a start and later."""
    play = listed(Playbook(sets=["foreign_orders=report"]).boot().links(), 900)
    play.trades_end().balances()
    assert play.state == TradingState.RUNNING
    play.feed(E.FOREIGN_ORDER, **{**FOREIGN, "venue_order_id": 901})
    play.feed(E.FOREIGN_ORDER, **{**FOREIGN, "venue_order_id": 901})
    told = [row for row in play.all_facts if row["code"] == Code.FOREIGN_ORDERS]
    assert (play.state, len(told)) == (TradingState.RUNNING, 2)


# --- C39: a second instance.


@pytest.mark.parametrize("kind", [E.ORDER_STATUS, E.ACCEPTED])
def test_c39_an_order_of_a_later_boot_halts(kind: E) -> None:
    """Somebody trades with our tag and started after us: HALTED, and their order is theirs."""
    play = Playbook()
    play.resting()
    other = order_key(play.epoch + 1, 3)
    words = {"found": 1, "status": OrderState.NEW, "qty_lots": 50, "price_ticks": 5900}
    play.feed(kind, order_key=other, venue_order_id=77, **words)
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, Code.SECOND_INSTANCE)
    assert not play.did(A.CANCEL, target_key=other)


def test_c39_a_copy_of_our_own_boot_halts_too() -> None:
    """A number that we have not given yet, in our own epoch."""
    play = Playbook().start()
    last = int(play.core["next_seq"])
    words = {"found": 1, "status": OrderState.NEW, "qty_lots": 50}
    play.feed(E.ORDER_STATUS, order_key=order_key(play.epoch, last), **words)
    assert play.core["state_code"] == Code.SECOND_INSTANCE


def test_c39_an_order_of_an_earlier_boot_is_ours() -> None:
    """It is adopted and canceled, whatever its number."""
    play = Playbook().start()
    earlier = order_key(play.epoch - 1, SEQ_MAX)
    words = {"found": 1, "status": OrderState.NEW, "qty_lots": 50, "price_ticks": 5900}
    play.feed(E.ORDER_STATUS, order_key=earlier, venue_order_id=77, **words)
    assert play.did(A.CANCEL, target_key=earlier)
    assert play.state == TradingState.RUNNING


def test_c39_a_kill_takes_the_orders_of_both() -> None:
    """KILLED means that nothing of our tag stays, whoever placed it."""
    play = Playbook().start().command(C.KILL)
    other = order_key(play.epoch + 1, 3)
    words = {"found": 1, "status": OrderState.NEW, "qty_lots": 50, "price_ticks": 5900}
    play.feed(E.ORDER_STATUS, order_key=other, venue_order_id=77, **words)
    assert play.did(A.CANCEL, target_key=other)


def test_an_order_that_is_shown_without_a_quantity_is_not_adopted() -> None:
    """Nobody can say what of it is open: there is nothing to cancel and nothing to count."""
    play = Playbook().start()
    earlier = order_key(play.epoch - 1, 4)
    words = {"found": 1, "status": OrderState.NEW, "qty_lots": 0, "cum_qty_lots": 0}
    play.feed(E.ORDER_STATUS, order_key=earlier, venue_order_id=77, **words)
    play.expect_none()
    assert (play.orders(), play.facts) == ([], [])


def test_an_order_that_was_given_up_and_is_listed_twice_halts() -> None:
    """We believed that it never was: it is canceled, and a person looks."""
    play = Playbook().run()
    buy, sell = play.key(Side.BUY), play.key(Side.SELL)
    play.feed(E.REJECTED, order_key=buy, code=-900001).accept(sell)
    play.command(C.PAUSE).canceled(sell)
    place = orders.find_tombstone(play.engine.state, buy)
    tombstone = play.engine.state.tombstones[place]
    tombstone["ended_seq"], tombstone["shown"] = 0, 0
    play.instrument["orders_asked_seq"] = 1
    play.status(buy, OrderState.NEW, qty_lots=1000, price_ticks=5990).expect_none(A.CANCEL)
    assert play.state == TradingState.PAUSED
    play.status(buy, OrderState.NEW, qty_lots=1000, price_ticks=5990)
    assert play.did(A.CANCEL, target_key=buy)
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, Code.LATE_REPORT)
