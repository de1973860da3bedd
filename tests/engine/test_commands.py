"""What each operator's command does, and from where it is refused; each is a fact either way."""

from __future__ import annotations

import pytest

from hftd.domain.actions import ActionKind as A
from hftd.domain.codes import Code, TradingState
from hftd.domain.events import CommandKind as C
from hftd.domain.events import EventKind as E
from hftd.domain.events import Link
from hftd.domain.facts import FactKind as F
from hftd.domain.order import Side
from tests.playbook import Playbook

STATES = ["RECOVERING", "RUNNING", "PAUSED", "HALTED", "KILLED", "STOPPING"]
ALLOWED = {
    C.PAUSE: {"RECOVERING", "RUNNING", "PAUSED"},
    C.RESUME: {"PAUSED"},
    C.RESET: {"HALTED", "KILLED"},
    C.FLATTEN: {"PAUSED", "HALTED", "KILLED"},
    C.KILL: set(STATES),
    C.STOP: set(STATES),
    C.CANCEL_ALL: set(STATES),
    C.RECONCILE: set(STATES),
    C.ACK: set(STATES),
}


def brought_to(state: str) -> Playbook:
    """Return a playbook without orders in a state."""
    play = Playbook().boot().links()
    if state == "RECOVERING":
        return play
    play.reconcile()
    if state == "PAUSED":
        play.command(C.PAUSE)
    elif state == "HALTED":
        play.feed(E.RATE_LIMITED, code=418)
    elif state == "KILLED":
        play.command(C.KILL)
    elif state == "STOPPING":
        play.command(C.STOP)
    return play


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("command", list(ALLOWED))
def test_from_each_state(command: C, state: str) -> None:
    """Done where the table says so, refused elsewhere with the state closed."""
    play = brought_to(state).after(seconds=5).command(C.ACK)
    assert play.state.name == state
    play.command(command)
    fact = play.fact(F.COMMAND)
    assert fact["command"] == command
    assert fact["code"] == (Code.NONE if state in ALLOWED[command] else Code.GATE_CLOSED)


def test_pause_and_resume() -> None:
    """PAUSED cancels both quotes; resumed without a dwell, both are quoted again."""
    play = Playbook()
    buy, sell = play.resting()
    play.command(C.PAUSE)
    assert {row["target_key"] for row in play.did(A.CANCEL)} == {buy, sell}
    assert (play.state, play.core["state_code"]) == (TradingState.PAUSED, Code.OPERATOR)
    play.canceled(buy).canceled(sell)
    play.after(seconds=20).market().pulse().expect_none(A.SUBMIT)
    play.command(C.RESUME)
    assert play.fact(F.STATE)["code"] == Code.RESUMED
    assert len(play.did(A.SUBMIT)) == 2


def test_resume_does_not_lift_what_else_pauses() -> None:
    """The order link is down: the operator's reason goes, the link's stays."""
    play = Playbook().start()
    play.command(C.PAUSE).link(Link.ORDER, up=0).command(C.RESUME)
    assert (play.state, play.core["state_code"]) == (TradingState.PAUSED, Code.ORDER_LINK_DOWN)


def test_a_pause_during_recovery_holds_afterwards() -> None:
    """Asked for while RECOVERING: reconciled, and not one quote."""
    play = Playbook().boot().links().command(C.PAUSE).reconcile().market()
    assert play.state == TradingState.PAUSED
    assert not [row for row in play.all_actions if row["kind"] == A.SUBMIT]


def test_reset_leads_to_paused() -> None:
    """KILLED, reset, a clean reconciliation: the latch is cleared, PAUSED until `resume`."""
    play = Playbook()
    buy, sell = play.resting()
    play.fill(buy, 10, trade_id=41)
    play.command(C.KILL).canceled(buy, 10).canceled(sell).open_orders_end()
    play.after(seconds=5).command(C.RESET).expect(A.ASK_OPEN_ORDERS)
    assert play.state == TradingState.KILLED
    play.open_orders_end()
    assert play.expect(A.ASK_TRADES)["trade_id"] == 1  # No list has shown any.
    play.trades_end().balances()
    assert play.expect(A.LATCH)["state"] == 0
    assert (play.state, play.core["state_code"]) == (TradingState.PAUSED, Code.OPERATOR)
    play.after(seconds=20).market().pulse().expect_none(A.SUBMIT)
    play.command(C.RESUME).market()
    assert play.state == TradingState.RUNNING


def test_c26_a_reset_leads_nowhere_where_the_journal_fails_meanwhile() -> None:
    """The reconciliation that a reset waits for ends clean, and without a journal: HALTED."""
    play = Playbook().start()
    play.command(C.KILL).open_orders_end().after(seconds=5).command(C.RESET)
    play.feed(E.JOURNAL_FAILED, code=28).reconcile()
    assert play.state == TradingState.KILLED
    play.expect_none(A.LATCH)
    assert play.command(C.RESET).fact(F.COMMAND)["code"] == Code.JOURNAL


def test_reset_needs_books_that_agree() -> None:
    """A difference leaves HALTED as it was, and the latch where it lies."""
    play = Playbook().start().command(C.KILL).open_orders_end()
    play.after(seconds=5).command(C.RESET)
    for _ in range(3):
        play.open_orders_end().trades_end().balances(usdt=1).after(ms=300).pulse()
    assert play.state == TradingState.KILLED
    play.link(Link.USER, up=0).link(Link.USER).reconcile()  # Clean, but nobody asked again.
    assert play.state == TradingState.KILLED
    assert not [row for row in play.all_actions if row["kind"] == A.LATCH and row["state"] == 0]


def test_cancel_one() -> None:
    """By its key; an order that is not open is refused."""
    play = Playbook()
    buy, sell = play.resting()
    play.command(C.CANCEL, order_key=buy)
    assert play.expect(A.CANCEL)["target_key"] == buy
    play.canceled(buy).command(C.CANCEL, order_key=buy)
    assert play.fact(F.COMMAND)["code"] == Code.SIDE_IN_DOUBT
    assert play.order(sell)["cancel_wanted"] == 0


def test_cancel_all_cancels_and_quoting_goes_on() -> None:
    """It is no pause: what is wanted is quoted again once the old orders are gone."""
    play = Playbook()
    buy, sell = play.resting()
    play.command(C.CANCEL_ALL)
    assert {row["target_key"] for row in play.did(A.CANCEL)} == {buy, sell}
    assert play.canceled(buy).expect(A.SUBMIT)["side"] == Side.BUY


def test_flatten_is_refused_where_the_venue_contradicts_the_books() -> None:
    """HALTED by a difference: what we would sell might be the user's own."""
    play = Playbook().start().after(seconds=5).boot().links()
    for _ in range(3):
        play.open_orders_end().trades_end().balances(btc=1).after(ms=300).pulse()
    assert play.state == TradingState.HALTED
    play.command(C.FLATTEN)
    assert play.fact(F.COMMAND)["code"] == Code.RECONCILE_DIFFERENCE
