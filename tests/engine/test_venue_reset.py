"""A venue that has forgotten us: known by its lists, halted, taken as new by a person's word."""

from __future__ import annotations

import pytest

from hftd.domain.actions import ActionKind as A
from hftd.domain.codes import Code, TradingState
from hftd.domain.events import CommandKind as C
from hftd.domain.events import EventKind as E
from hftd.domain.events import Link
from hftd.domain.facts import FactKind as F
from hftd.domain.order import OrderEvent, OrderState, Side
from hftd.engine import venue_reset
from hftd.engine.recovery import BASELINE
from tests.engine.test_reconcile import SOON, differing_balances
from tests.playbook import BTC, USDT, Playbook

HOLDING = 40  # Lots bought before the wipe.
NEW = {USDT: 10_000 * 10**8, BTC: 2 * 10**8}  # What the wiped account is given.
OFF = {"usdt": -90_000 * 10**8, "btc": 10**8}  # About as much, of what was there before.


def held() -> Playbook:
    """Return a daemon that has bought and was stopped in order."""
    play = Playbook().hold(HOLDING)
    assert play.instrument["own_trade_id"] == 1
    return play


def wiped_books(play: Playbook) -> Playbook:
    """Let the venue forget everything: other balances, no trade."""
    play.held = dict(NEW)
    play.trades.clear()
    return play


def differ_for_good(play: Playbook, **boot: int) -> Playbook:
    """Boot again and answer three whole comparisons in which the venue has no memory of us."""
    play.after(seconds=5).boot(**boot).links()
    for attempt in range(3):
        play.open_orders_end().trades_end().balances()
        if attempt < 2:
            play.after(ms=300).pulse()
    return play


def wiped() -> Playbook:
    """Return a daemon that is HALTED as VENUE_RESET."""
    play = differ_for_good(wiped_books(held()))
    assert play.expect(A.ASK_TRADES)["trade_id"] == 1  # The last one that we know, itself.
    assert play.state == TradingState.RECOVERING
    return play.trades_end()


def test_a_venue_without_our_trades_is_named() -> None:
    """Balances that differ for good, and our last trade is gone: VENUE_RESET, both sides told."""
    play = wiped()
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, Code.VENUE_RESET)
    assert play.expect(A.LATCH)["code"] == Code.VENUE_RESET
    told = {row["asset"]: row["bound"] for row in play.told(F.DIFFERENCE)}
    assert told == NEW


def test_a_venue_that_lists_our_last_trade_was_not_wiped() -> None:
    """The same difference, and our last trade is listed: RECONCILE_DIFFERENCE."""
    play = differ_for_good(wiped_books(held())).trades_end(1)
    assert play.core["state_code"] == Code.RECONCILE_DIFFERENCE


def test_an_answer_that_does_not_come_names_nothing() -> None:
    """Without the list of trades the whole comparison begins anew, after six seconds."""
    play = differ_for_good(wiped_books(held()))
    play.after(seconds=5).pulse().expect_none(A.ASK_OPEN_ORDERS)
    play.after(seconds=1).pulse().after(ms=300).pulse().expect(A.ASK_OPEN_ORDERS)
    assert play.state == TradingState.RECOVERING


def test_a_late_list_that_began_behind_our_last_trade_names_no_wipe() -> None:
    """Asked for while trades were fetched: it is empty either way; the one that counts is not."""
    play = differ_for_good(wiped_books(held()))
    play.trades_end(until_ns=int(play.core["recovery_since_ns"]) - 1)
    assert play.state == TradingState.RECOVERING
    play.trades_end(1)
    assert play.core["state_code"] == Code.RECONCILE_DIFFERENCE


def differs_while_running() -> Playbook:
    """Return a daemon that is HALTED by its balances while it traded: nobody asked for trades."""
    play = Playbook(sets=SOON).hold(HOLDING)
    for _ in range(2):
        differing_balances(play, **OFF)
    assert play.core["state_code"] == Code.RECONCILE_DIFFERENCE
    return play.command(C.ACK).after(seconds=5)


@pytest.mark.parametrize("listed", [0, 1])
def test_a_wipe_is_believed_once_the_venue_was_asked(listed: int) -> None:
    """Running books differ: no person's word alone, nor an old answer, makes us forget them."""
    play = differs_while_running()
    assert play.command(C.RESET, order_key=1).fact(F.COMMAND)["code"] == Code.RECONCILE_DIFFERENCE
    assert play.instrument["position_lots"] == HOLDING
    play.command(C.RESET)
    for attempt in range(3):
        play.open_orders_end().trades_end().balances(**OFF)
        if attempt < 2:
            play.after(ms=300).pulse()
    assert play.expect(A.ASK_TRADES)["trade_id"] == 1
    play.trades_end(listed)
    if not listed:
        play.fills.clear()
    wiped = play.command(C.RESET, order_key=1).fact(F.COMMAND)["code"]
    assert wiped == (Code.RECONCILE_DIFFERENCE if listed else Code.NONE)
    assert play.instrument["position_lots"] == HOLDING * listed
    if listed:
        play.command(C.RESET)
        assert play.core["venue_remembers"] == venue_reset.NOT_ASKED, "it asks anew"


def denied() -> tuple[Playbook, tuple[int, int]]:
    """Return a daemon whose two quotes the venue denies by query and lists, and their keys."""
    play = Playbook()
    keys = play.resting()
    for key in keys:
        play.feed(E.CANCEL_REJECTED, order_key=key)
    for _ in range(25):
        play.after(seconds=1)
        for key in keys:
            play.not_found(key)
        play.open_orders_end().trades_end().pulse()
    return play, keys


def settle(play: Playbook, keys: tuple[int, int]) -> Playbook:
    """Let a person reset, and the venue show that it knows no order."""
    play.command(C.ACK).after(seconds=5).command(C.RESET).open_orders_end().pulse()
    for key in keys:
        play.not_found(key)
    return play


def test_an_acknowledged_order_that_the_venue_denies_halts_and_stays() -> None:
    """Denied by query and both lists until C27's time is over: a person looks; no wipe yet."""
    play, keys = denied()
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, Code.UNKNOWN_ORDERS)
    assert {row["key"] for row in play.orders()} == set(keys)
    play.command(C.ACK).after(seconds=5).command(C.RESET, order_key=1)
    assert play.fact(F.COMMAND)["code"] == Code.RECONCILED, "position and PnL are not forgotten"


def test_a_reset_ends_what_the_venue_denies_where_balances_agree() -> None:
    """Position and PnL stay; a fill of it that is told after all is booked, and halts."""
    play, keys = denied()
    settle(play, keys)
    assert [play.ended(key) for key in keys] == [OrderState.EXPIRED] * 2
    play.trades_end().balances()
    assert (play.state, play.orders()) == (TradingState.PAUSED, [])
    play.told_fill(keys[0], 1, side=Side.BUY, price_ticks=5_990, qty_lots=10)
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, Code.LATE_REPORT)
    assert play.instrument["position_lots"] == 10


def test_a_reset_leads_nowhere_where_what_it_ended_had_filled() -> None:
    """No list shows its trade, but the balances do."""
    play, keys = denied()
    settle(play, keys).trades_end()
    for _ in range(3):
        play.balances(btc=10_000).after(ms=300).pulse().open_orders_end().trades_end()
    assert (play.state, play.core["reset_wanted"]) == (TradingState.HALTED, 0)


@pytest.mark.parametrize("latch", [C.KILL, C.NONE])
def test_reset_takes_the_venue_as_new(latch: C) -> None:
    """Position, PnL and opening begin anew, of trades only the newest id is learned; PAUSED."""
    play = wiped() if latch == C.NONE else held().command(latch)
    if latch == C.KILL:
        differ_for_good(wiped_books(play), latched=TradingState.KILLED, code=Code.KILL).trades_end()
        assert play.fact(F.NOTE)["code"] == Code.VENUE_RESET
        assert play.state == TradingState.KILLED
    play.command(C.ACK).after(seconds=5)
    play.fills.clear()  # From here on the playbook counts by the new account as well.
    play.command(C.RESET, order_key=1).open_orders_end()
    assert play.expect(A.ASK_TRADES)["trade_id"] == BASELINE
    play.trades_end().balances()
    assert play.state == TradingState.PAUSED
    assert (play.instrument["position_lots"], play.core["total_atoms"]) == (0, 0)
    balances = play.engine.state.balances
    assert [int(atoms) for atoms in balances["opening_atoms"]] == [NEW[USDT], NEW[BTC]]
    play.command(C.RESUME).market(6990, 7010)
    buy = play.key(Side.BUY)
    play.accept(buy).fill(buy, 5, trade_id=1)  # Ids begin anew: this one is no repetition.
    assert play.instrument["position_lots"] == 5


def test_reset_ends_the_orders_that_are_gone() -> None:
    """Orders that only our table has end as EXPIRED with the reason; nothing stays reserved."""
    play = Playbook()
    keys = play.resting()
    play.command(C.KILL).link(Link.ORDER, 0).links().after(seconds=5)
    play.command(C.RESET, order_key=1)
    ended = play.told(F.ORDER, order_event=OrderEvent.EXPIRED)
    assert sorted(row["order_key"] for row in ended) == sorted(keys)
    assert {row["code"] for row in ended} == {Code.VENUE_RESET}
    play.reconcile()
    assert (play.state, play.orders()) == (TradingState.PAUSED, [])


def test_an_order_that_lives_after_all_is_taken_and_canceled() -> None:
    """Said wrongly: what the venue lists is adopted and canceled before anything is PAUSED."""
    play = Playbook()
    buy, _ = play.resting()
    play.command(C.KILL).link(Link.ORDER, 0).links().after(seconds=5)
    play.command(C.RESET, order_key=1)
    play.status(buy, OrderState.NEW, qty_lots=1000).open_orders_end(1)
    assert play.expect(A.CANCEL)["target_key"] == buy
    assert play.core["state"] == TradingState.KILLED
    play.canceled(buy).trades_end().balances()
    assert play.state == TradingState.PAUSED


def test_books_that_agree_are_not_forgotten() -> None:
    """KILLED, everything as the venue says: refused, and the position is what it was."""
    play = held().command(C.KILL).open_orders_end().after(seconds=5)
    assert play.command(C.RESET, order_key=1).fact(F.COMMAND)["code"] == Code.RECONCILED
    assert play.instrument["position_lots"] == HOLDING
