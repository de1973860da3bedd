"""C33 and C41: what must have been seen and waited for before reset; C21: what is conserved."""

from __future__ import annotations

import pytest

from hftd.domain.actions import ActionKind as A
from hftd.domain.codes import Code, TradingState
from hftd.domain.events import CommandKind as C
from hftd.domain.events import EventKind as E
from hftd.domain.facts import FactKind as F
from hftd.domain.order import OrderState, Side, order_key
from hftd.engine import boot, breaker, risk
from tests.engine.scene import BUY, SELL, put_order
from tests.engine.test_risk import a_desk, wish
from tests.playbook import Playbook


def halted(seconds: float) -> Playbook:
    """Return a playbook that was HALTED by a ban so long ago."""
    play = Playbook().start().feed(E.RATE_LIMITED, code=418)
    return play.after(seconds=seconds)


# --- C41.


def test_c41_a_halt_raises_an_alert_that_blocks_reset() -> None:
    """One alert with code and numbers; reset is refused until it is acknowledged."""
    play = halted(6)
    (alert,) = (row for row in play.all_facts if row["kind"] == F.ALERT)
    assert (alert["alert"], alert["code"], alert["value"]) == (1, Code.BANNED, 418)
    play.command(C.RESET)
    assert play.fact(F.COMMAND)["code"] == Code.UNACKNOWLEDGED
    play.command(C.ACK)
    assert (play.fact(F.ALERT)["alert"], play.fact(F.ALERT)["state_to"]) == (1, 1)
    play.command(C.RESET)
    assert play.fact(F.COMMAND)["code"] == Code.NONE


def test_c41_one_by_its_number() -> None:
    """Another number acknowledges nothing, and says so."""
    play = halted(6).command(C.ACK, order_key=2)
    assert play.fact(F.COMMAND)["code"] == Code.UNACKNOWLEDGED
    play.command(C.ACK, order_key=1).command(C.RESET)
    assert play.fact(F.COMMAND)["code"] == Code.NONE


def test_c41_a_kill_by_the_operator_needs_no_acknowledgement() -> None:
    """Whoever killed has seen it."""
    play = Playbook().start().command(C.KILL).open_orders_end()
    assert not [row for row in play.all_facts if row["kind"] == F.ALERT]
    play.after(seconds=6).command(C.RESET)
    assert play.fact(F.COMMAND)["code"] == Code.NONE


def test_c41_a_latch_whose_alert_was_lost_raises_it_again() -> None:
    """A boot that comes up HALTED without the memory of why asks a person all the same."""
    play = Playbook().boot(latched=TradingState.HALTED, code=Code.JOURNAL)
    assert play.fact(F.ALERT)["code"] == Code.JOURNAL
    play.boot(latched=TradingState.HALTED, code=Code.JOURNAL)
    assert not play.told(F.ALERT)


# --- C33.


@pytest.mark.parametrize(("seconds", "code"), [(4.9, Code.RESET_DWELL), (5, Code.NONE)])
def test_c33_reset_waits_for_the_dwell(seconds: float, code: Code) -> None:
    """Refused before five seconds of HALTED, taken from then on."""
    play = halted(0).command(C.ACK)
    play.now_ns = int(play.core["state_since_ns"]) + round(seconds * 10**9) - 1000
    play.command(C.RESET)
    assert play.fact(F.COMMAND)["code"] == code


def test_c33_reset_needs_a_clean_reconciliation() -> None:
    """A difference leaves it HALTED; the next reset, with books that agree, leads to PAUSED."""
    play = halted(6).command(C.ACK).command(C.RESET)
    for _ in range(3):
        play.open_orders_end().trades_end().balances(btc=1).after(ms=300).pulse()
    assert play.state == TradingState.HALTED
    play.command(C.RESET).reconcile()
    assert play.state == TradingState.PAUSED


# --- What would halt where nothing runs any more.

LATER = order_key(99, 1)  # Of a boot after ours: a second instance trades.


def shown_later(play: Playbook) -> Playbook:
    """Let the venue list an order of a second instance."""
    return play.status(LATER, OrderState.NEW, qty_lots=100, price_ticks=5_000)


@pytest.mark.parametrize("kill", [False, True])
def test_c41_what_is_told_once_while_latched_withdraws_a_reset(kill: bool) -> None:
    """Asked of a person by its own alert, once, however often it is told before."""
    play = Playbook().start()
    play.command(C.KILL) if kill else play.feed(E.RATE_LIMITED, code=418).command(C.ACK)
    play.open_orders_end().after(seconds=6).command(C.RESET)
    assert (play.fact(F.COMMAND)["code"], play.core["reset_wanted"]) == (Code.NONE, 1)
    state = play.state
    shown_later(play)
    assert (play.fact(F.ALERT)["code"], play.core["reset_wanted"]) == (Code.SECOND_INSTANCE, 0)
    assert not play.did(A.LATCH)
    shown_later(play)
    assert not play.told(F.ALERT)
    play.canceled(LATER).reconcile()
    assert play.state == state
    play.command(C.RESET)
    assert play.fact(F.COMMAND)["code"] == Code.UNACKNOWLEDGED
    play.command(C.ACK).command(C.RESET).reconcile()
    assert play.state == TradingState.PAUSED


def test_c33_a_control_that_goes_on_holding_withdraws_no_reset() -> None:
    """It is judged again as soon as the reset has led to PAUSED, and halts then."""
    play = halted(6).command(C.ACK).command(C.RESET)
    breaker.halt(play.engine.state, play.engine.out, int(Code.DAILY_LOSS), 7, 8)
    play.reconcile()
    assert (play.state, play.told(F.ALERT)) == (TradingState.PAUSED, [])


def test_c41_a_halt_while_it_stops_is_latched_for_the_next_start() -> None:
    """The stop goes on to its exit, with one alert and one latch, whatever else breaks."""
    play = Playbook()
    buy, sell = play.resting()
    play.command(C.STOP).canceled(buy).canceled(sell)
    play.feed(E.RATE_LIMITED, code=418)
    latch = play.expect(A.LATCH)
    assert (latch["state"], latch["code"]) == (TradingState.HALTED, Code.BANNED)
    assert play.fact(F.ALERT)["code"] == Code.BANNED
    play.feed(E.JOURNAL_FAILED, code=5).expect_none(A.LATCH)
    assert (play.state, play.told(F.ALERT)) == (TradingState.STOPPING, [])
    play.open_orders_end().expect(A.EXIT)
    play.boot(latched=latch["state"], code=latch["code"])
    assert (play.state, play.told(F.ALERT)) == (TradingState.HALTED, [])


def test_c31_a_kill_stays_a_kill_whatever_halts_while_it_stops() -> None:
    """Its latch is not replaced, by a stop before it or after it; the alert is raised."""
    for commands in ((C.KILL, C.STOP), (C.STOP, C.KILL, C.STOP)):
        play = Playbook()
        play.resting()
        for command in commands:
            play.command(command)
        play.feed(E.RATE_LIMITED, code=418).expect_none(A.LATCH)
        assert play.fact(F.ALERT)["code"] == Code.BANNED


# --- C21.


def test_c21_conservation_on_an_ordinary_order() -> None:
    """What is open and what the position holds are accounted for: nothing is refused."""
    scene = a_desk()
    put_order(scene, 0, SELL, 10_020, 7)
    boot.open_account(scene.state, 0)
    assert risk.check(scene.state, wish(scene)) == Code.NONE


@pytest.mark.parametrize(
    ("field", "side"), [("sent_lots", BUY), ("filled_lots", BUY), ("released_lots", BUY)]
)
@pytest.mark.parametrize("off", [1, -1])
def test_c21_conservation_to_the_last_lot(field: str, side: int, off: int) -> None:
    """One lot more or less than is accounted for closes the gate on that side."""
    scene = a_desk()
    boot.open_account(scene.state, 0)
    scene.instrument[field][side] += off
    assert risk.check(scene.state, wish(scene)) == Code.CONSERVATION
    if field != "filled_lots":  # That one is the position's too, which is both sides'.
        assert risk.check(scene.state, wish(scene, SELL, 10_010)) == Code.NONE


def test_c21_a_position_that_does_not_follow_the_fills_halts() -> None:
    """The account that orders are judged by has been moved by nothing that was sent."""
    play = Playbook()
    buy, _sell = play.resting()
    play.position_before = 5
    play.instrument["position_lots"] += 5
    play.canceled(buy).after(seconds=2).market()
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, Code.CONSERVATION)


@pytest.mark.parametrize("side", list(Side))
def test_c21_halts_before_any_order_of_the_decision_leaves(side: Side) -> None:
    """One side's account is broken: the other's order, wished for in the same step, stays too."""
    play = Playbook().start()
    play.instrument["released_lots"][side] += 1
    play.market()
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, Code.CONSERVATION)
    assert play.fact(F.STATE)["value"] == 0
    play.expect_none(A.SUBMIT)
    assert play.orders() == []


def test_c21_all_fills_dropped_stops_and_does_not_repeat() -> None:
    """Reports of fills are lost, ends arrive: the side keeps what is missing open, and waits."""
    play = Playbook()
    buy, _sell = play.resting()
    play.canceled(buy, 1000)  # Ended, all of it filled, and no fill was told.
    for _ in range(10):
        play.after(seconds=0.5).market().pulse()
        play.expect_none(A.SUBMIT)
    assert play.did(A.ASK_TRADES) or play.order(buy)["fills_asked_ns"] > 0
    assert play.order(buy)["leaves_lots"] == 1000
    fill = {"instrument": 0, "side": Side.BUY, "price_ticks": 5990, "qty_lots": 1000}
    play.told_fill(buy, 9, **fill)
    assert play.instrument["position_lots"] == 1000
    assert int(play.instrument["sent_lots"][Side.BUY]) >= 1000


def test_c21_holds_through_partial_fills_replacements_and_ends() -> None:
    """The account is exact after each step of ordinary trading."""
    play = Playbook(sets=["strategy.min_quote_life_ms=0"])
    _buy, _sell = play.resting()
    for step in range(12):
        play.after(seconds=1).market(5980 + 10 * (step % 3), 6000 + 10 * (step % 3))
        for row in play.orders(state=7) + play.orders(state=5):
            play.canceled(row["key"], row["cum_lots"])
        play.accept(*(row["key"] for row in play.orders(acked_ns=0)))
        for row in play.orders(state=2):
            play.fill(row["key"], 3 + step)
        for side in Side:
            record = play.instrument
            opened = sum(row["leaves_lots"] for row in play.orders(side=side))
            done = int(record["filled_lots"][side]) + int(record["released_lots"][side])
            assert int(record["sent_lots"][side]) == done + opened
    assert play.state == TradingState.RUNNING
    assert int(play.core["fills"]) > 10
