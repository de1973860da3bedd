"""Start-up and every gap in our reports: books made equal to the venue, then RUNNING."""

from __future__ import annotations

import pytest

from hftd.domain.actions import ActionKind as A
from hftd.domain.codes import Code, TradingState
from hftd.domain.events import CommandKind, Link
from hftd.domain.events import EventKind as E
from hftd.domain.facts import FactKind as F
from hftd.domain.order import FeeAsset, OrderState, Side, order_key
from hftd.engine.known_trades import TRADES_PAGE
from hftd.engine.recovery import BASELINE, Phase
from tests.playbook import BTC, BTC_USDT, ETH_USDT, USDT, Playbook

TWO = [
    "instruments=[BTC-USDT, ETH-USDT]",
    'venue.opening_balances={BTC: "1", ETH: "10", USDT: "100000"}',
]
OLD = order_key(3, 9)  # An order of a life that nobody remembers.


def restarted(play: Playbook, **boot: int) -> Playbook:
    """Begin a new boot over the same books, links up."""
    return play.after(seconds=5).boot(**boot).links()


def test_the_road_to_running() -> None:
    """Links, open orders, trades, balances: each asked for in its turn, nothing created before."""
    play = Playbook().boot()
    play.expect_none(A.ASK_OPEN_ORDERS)
    assert play.state == TradingState.RECOVERING
    play.links().expect(A.ASK_OPEN_ORDERS)
    play.market().expect_none(A.SUBMIT)
    play.open_orders_end()
    assert play.expect(A.ASK_TRADES)["trade_id"] == BASELINE
    play.trades_end().expect(A.ASK_BALANCES)
    play.balances()
    assert play.fact(F.STATE)["code"] == Code.RECONCILED
    assert play.state == TradingState.RUNNING
    assert len(play.did(A.SUBMIT)) == 2


def test_the_opening_is_what_the_account_held() -> None:
    """The first run's balances are the opening; position 0 whatever the holdings."""
    play = Playbook().start()
    balances = play.engine.state.balances
    assert [int(atoms) for atoms in balances["opening_atoms"]] == [play.held[USDT], play.held[BTC]]
    assert play.instrument["position_lots"] == play.instrument["target_position_lots"] == 0


def test_a_named_holding_is_position_zero() -> None:
    """`target_base: 0.5` over an opening of 1 BTC: half a coin short is where to return to."""
    play = Playbook(sets=["inventory.target_base=0.5"]).start()
    assert play.instrument["target_position_lots"] == -50_000
    restarted(play).reconcile()
    assert play.instrument["target_position_lots"] == -50_000


def test_trades_before_the_first_run_stay_out() -> None:
    """A new ledger learns where history stands: old trades are no position, then or later."""
    play = Playbook().boot().links().open_orders_end()
    trade = {"side": Side.BUY, "price_ticks": 5000, "qty_lots": 70, "fee_asset": FeeAsset.QUOTE}
    # In the balances that the venue tells already.
    play.trades |= {(0, 899, Side.BUY), (0, 900, Side.BUY)}
    play.feed(E.FILL, venue_order_id=41, trade_id=900, **trade)
    play.feed(E.TRADES_END, order_count=1, trade_id=900).balances()
    assert play.state == TradingState.RUNNING
    assert play.instrument["position_lots"] == 0
    play.feed(E.FILL, order_key=OLD, venue_order_id=41, trade_id=899, **trade)
    assert (play.state, play.told(F.FILL)) == (TradingState.RUNNING, [])
    restarted(play).open_orders_end()
    assert play.expect(A.ASK_TRADES)["trade_id"] == 901


def test_a_difference_is_tried_three_times_and_halts() -> None:
    """Balances off by one unit: three whole rounds, then HALTED with both numbers, latched."""
    play = restarted(Playbook().start())
    for attempt in range(3):
        assert play.state == TradingState.RECOVERING
        play.open_orders_end().trades_end().balances(btc=-1)
        if attempt < 2:
            play.expect_none(A.LATCH)
            play.after(ms=300).pulse().expect(A.ASK_OPEN_ORDERS)
    assert play.state == TradingState.HALTED
    difference = play.fact(F.DIFFERENCE)
    assert difference["asset"] == BTC
    assert (difference["value"], difference["bound"]) == (play.held[BTC], play.held[BTC] - 1)
    assert play.expect(A.LATCH)["code"] == Code.RECONCILE_DIFFERENCE
    play.market().expect_none(A.SUBMIT)


def test_a_difference_that_goes_away_is_none() -> None:
    """A report was on its way: the second round agrees."""
    play = restarted(Playbook().start())
    play.open_orders_end().trades_end().balances(usdt=7)
    play.after(ms=300).pulse().reconcile()
    assert play.state == TradingState.RUNNING


def test_late_answers_are_asked_for_again() -> None:
    """A phase without its answers starts over, and counts as no difference."""
    play = restarted(Playbook().start())
    for _ in range(4):
        play.feed(E.QUERY_FAILED, code=-1003)
        play.after(seconds=3).pulse().after(ms=300).pulse().expect(A.ASK_OPEN_ORDERS)
    play.open_orders_end().trades_end().balances(usdt=7)
    assert play.state == TradingState.RECOVERING
    play.after(ms=300).pulse().reconcile()
    assert play.state == TradingState.RUNNING


def test_a_crash_doubts_what_was_in_flight() -> None:
    """Creates without an answer are UNKNOWN: the listed ones are canceled, others asked for."""
    play = Playbook().run()
    buy, sell = play.key(Side.BUY), play.key(Side.SELL)
    restarted(play, crashed=1)
    assert {row["state"] for row in play.orders()} == {OrderState.UNKNOWN}
    play.status(buy, OrderState.NEW, qty_lots=1000).open_orders_end(1)
    assert play.did(A.CANCEL, target_key=buy)
    assert play.pulse().did(A.QUERY_ORDER, target_key=sell)
    play.canceled(buy).status(sell, OrderState.CANCELED)
    play.expect(A.ASK_TRADES)
    play.trades_end().balances()
    assert play.state == TradingState.RUNNING


def test_c34_a_create_that_the_venue_does_not_know_holds_up_no_start() -> None:
    """It stays UNKNOWN, and its side is not quoted before the proof; the other side is."""
    play = Playbook().run()
    buy, sell = play.key(Side.BUY), play.key(Side.SELL)
    restarted(play, crashed=1).market().open_orders_end().pulse()
    assert [row["target_key"] for row in play.did(A.QUERY_ORDER)] == [buy, sell]
    play.status(buy, OrderState.CANCELED).pulse().expect_none(A.ASK_TRADES)
    play.not_found(sell).expect(A.ASK_TRADES)
    play.trades_end().balances()
    assert play.state == TradingState.RUNNING
    assert [row["side"] for row in play.did(A.SUBMIT)] == [Side.BUY]
    play.after(seconds=11).not_found(sell).open_orders_end().trades_end()
    assert play.after(seconds=1).not_found(sell).ended(sell) == OrderState.REJECTED
    play.after(seconds=2).market(bid=5990, ask=6012)
    assert Side.SELL in [row["side"] for row in play.did(A.SUBMIT)]


def test_a_crash_may_ask_for_a_person() -> None:
    """`on_crash: halt` halts after the reconciliation of a crash, not after a clean stop."""
    play = restarted(Playbook().start(), crashed=1, on_crash=0).reconcile()
    assert play.state == TradingState.HALTED
    play = restarted(Playbook().start(), crashed=0, on_crash=0).reconcile()
    assert play.state == TradingState.RUNNING


@pytest.mark.parametrize(
    ("crashed", "on_crash", "latched"), [(1, 0, TradingState.HALTED), (1, 1, 0), (0, 0, 0)]
)
def test_a_stop_while_it_recovers_forgets_no_crash(
    crashed: int, on_crash: int, latched: int
) -> None:
    """It may end in order, recovered and clean: the next start asks for a person all the same."""
    play = restarted(Playbook().start(), crashed=crashed, on_crash=on_crash)
    play.open_orders_end().trades_end().command(CommandKind.STOP).balances()
    assert (play.state, play.core["recovery_phase"]) == (TradingState.STOPPING, Phase.IDLE)
    assert play.core["latched"] == latched
    play.open_orders_end().expect(A.EXIT)


def test_fills_missed_while_down_are_applied() -> None:
    """Own trades are asked for after the last one listed; an order's fills find it by venue id."""
    play = Playbook()
    buy, sell = play.resting()
    play.fill(sell, 10, trade_id=7)
    restarted(play).open_orders_end().pulse()
    play.status(buy, OrderState.FILLED, cum_qty_lots=1000)
    play.status(sell, OrderState.CANCELED, cum_qty_lots=10)
    play.pulse()  # Nothing is waited for: no report could follow.
    asked = [row["trade_id"] for row in play.all_actions if row["kind"] == A.ASK_TRADES]
    assert asked[-1] == 1
    play.told_fill(buy, 8, side=Side.BUY, price_ticks=5990, qty_lots=1000)
    assert play.expect(A.ASK_TRADES)["trade_id"] == 1  # No list has shown any before.
    play.trades_end(1).trades_end().balances()
    assert play.state == TradingState.RUNNING
    assert play.instrument["position_lots"] == 990


def test_a_full_page_is_followed_by_the_next() -> None:
    """A thousand trades may not be all of them."""
    play = restarted(Playbook().start()).open_orders_end()
    play.feed(E.TRADES_END, order_count=TRADES_PAGE, trade_id=1234)
    assert play.expect(A.ASK_TRADES)["trade_id"] == 1234, "of which it may have told one side only"
    play.trades_end().expect(A.ASK_BALANCES)


def test_an_order_of_a_lost_life_is_adopted_and_canceled() -> None:
    """It bears our tag and nobody knows it: taken into the table, canceled, its fills booked."""
    play = restarted(Playbook().start())
    play.status(OLD, OrderState.PARTIALLY_FILLED, side=Side.SELL, price_ticks=6500, qty_lots=50,
                cum_qty_lots=20)  # fmt: skip
    assert play.order(OLD)["leaves_lots"] == 50
    play.open_orders_end(1).expect(A.CANCEL, target_key=OLD)
    play.canceled(OLD, cum_lots=20).pulse(6)
    assert play.core["recovery_phase"] == Phase.SETTLE
    play.told_fill(OLD, 3, side=Side.SELL, price_ticks=6500, qty_lots=20)
    assert play.ended(OLD) == OrderState.CANCELED
    play.trades_end().trades_end().balances()
    assert play.instrument["position_lots"] == -20
    assert play.state == TradingState.RUNNING


def test_an_adopted_order_of_a_new_ledger_keeps_its_past_out() -> None:
    """What it filled before the opening is in the opening."""
    play = Playbook().boot().links()
    play.status(OLD, OrderState.PARTIALLY_FILLED, side=Side.SELL, price_ticks=6500, qty_lots=50,
                cum_qty_lots=20)  # fmt: skip
    assert play.order(OLD)["leaves_lots"] == 30
    play.open_orders_end(1).canceled(OLD, cum_lots=20).trades_end().balances()
    assert (play.state, play.instrument["position_lots"]) == (TradingState.RUNNING, 0)


@pytest.mark.parametrize("how", ["user", "order", "ended"])
def test_lost_reports_pause_and_are_fetched(how: str) -> None:
    """User stream down: PAUSED; up again: what was missed is applied, then RUNNING."""
    play = Playbook()
    buy, sell = play.resting()
    if how == "ended":
        play.feed(E.USER_STREAM_ENDED)
    else:
        play.link(Link.USER if how == "user" else Link.ORDER, up=0)
    assert play.state == TradingState.PAUSED
    assert {row["target_key"] for row in play.did(A.CANCEL)} == {buy, sell}
    if how == "order":
        play.link(Link.ORDER)
    play.after(seconds=3).pulse()
    assert play.state == TradingState.PAUSED
    play.link(Link.USER).expect(A.ASK_OPEN_ORDERS)
    play.open_orders_end().pulse()
    play.status(buy, OrderState.FILLED, cum_qty_lots=1000).status(sell, OrderState.CANCELED)
    play.pulse(6).told_fill(buy, 30, side=Side.BUY, price_ticks=5990, qty_lots=1000)
    play.trades_end().trades_end().balances()
    assert play.instrument["position_lots"] == 1000
    play.market().expect_none(A.SUBMIT)  # The dwell.
    play.after(seconds=2).market().pulse()
    assert play.state == TradingState.RUNNING


def test_a_new_report_does_not_hide_a_missed_one() -> None:
    """A fill told by the new stream before the list is asked for: the list begins before it."""
    play = Playbook()
    buy, sell = play.resting()
    play.fill(buy, 10, trade_id=20)
    play.link(Link.USER, up=0).link(Link.USER)
    play.fill(buy, 10, trade_id=25, cum_qty_lots=35)
    play.open_orders_end().canceled(buy, cum_lots=35).canceled(sell)
    play.pulse(6).told_fill(buy, 22, side=Side.BUY, price_ticks=5990, qty_lots=15)
    assert play.ended(buy) == OrderState.CANCELED
    assert play.expect(A.ASK_TRADES)["trade_id"] == 1
    play.trades_end().balances()
    assert play.instrument["position_lots"] == 35
    assert play.instrument["missing_trade_id"] == 0


def test_the_stream_lost_again_starts_over() -> None:
    """A second gap during the reconciliation waits for the links and asks everything anew."""
    play = Playbook()
    play.resting()
    play.link(Link.USER, up=0).link(Link.USER).link(Link.USER, up=0)
    assert play.core["recovery_phase"] == Phase.LINKS
    play.link(Link.USER).expect(A.ASK_OPEN_ORDERS)


def test_a_list_from_before_a_gap_ends_no_phase() -> None:
    """It may lack what happened in the gap; one that an earlier attempt asked for will do."""
    play = Playbook().boot().links()
    old = {"until_ns": play.now_ns}
    play.link(Link.USER, up=0).link(Link.USER)
    asked = {"until_ns": play.now_ns}
    play.after(seconds=3).pulse().after(ms=300).pulse().expect(A.ASK_OPEN_ORDERS)
    for end, phase in (
        (E.OPEN_ORDERS_END, Phase.OPEN_ORDERS), (E.TRADES_END, Phase.TRADES),
        (E.BALANCES_END, Phase.BALANCES),
    ):  # fmt: skip
        assert play.feed(end, **old).core["recovery_phase"] == phase
        if phase != Phase.BALANCES:
            play.feed(end, **asked)
    assert play.balances().state == TradingState.RUNNING


def test_every_instrument_has_to_answer() -> None:
    """Two answers for one instrument are not one for each."""
    play = Playbook(sets=TWO, instruments=[BTC_USDT, ETH_USDT]).boot().links()
    play.feed(E.OPEN_ORDERS_END, instrument=0).feed(E.OPEN_ORDERS_END, instrument=0)
    assert play.core["recovery_phase"] == Phase.OPEN_ORDERS
    play.feed(E.OPEN_ORDERS_END, instrument=1)
    assert play.core["recovery_phase"] == Phase.TRADES
    play.trades_end().balances()
    assert play.state == TradingState.RUNNING
    play.market().market(index=1)
    assert {row["instrument"] for row in play.did(A.SUBMIT)} == {1}
    play.command(CommandKind.KILL)
    for key in [row["key"] for row in play.orders()]:
        play.feed(E.REJECTED, order_key=key, code=-201001)
    assert len(play.did(A.ASK_OPEN_ORDERS)) == 2
    asked = {"until_ns": play.now_ns}
    play.feed(E.OPEN_ORDERS_END, instrument=1, **asked)
    play.feed(E.OPEN_ORDERS_END, instrument=1, **asked)
    assert play.core["venue_clear"] == 0
    play.feed(E.OPEN_ORDERS_END, instrument=0, **asked)
    assert play.core["venue_clear"] == 1


def test_what_is_latched_stays_so_over_a_restart() -> None:
    """A latch of the boot before: reconciled, clear, and still KILLED."""
    play = restarted(Playbook().start(), latched=TradingState.KILLED, code=Code.KILL)
    assert (play.state, play.core["state_code"]) == (TradingState.KILLED, Code.KILL)
    play.reconcile().market().expect_none(A.SUBMIT)
    assert (play.state, play.core["venue_clear"]) == (TradingState.KILLED, 1)


def test_nothing_reduces_before_the_reconciliation_either() -> None:
    """I19: flatten asked for in a latched boot waits until the books are known to be right."""
    play = Playbook().hold(200)
    play.after(seconds=5).boot(latched=TradingState.HALTED, code=Code.DAILY_LOSS)
    play.links().command(CommandKind.FLATTEN).market().pulse(5).expect_none(A.SUBMIT)
    play.reconcile().pulse(3)
    assert [row for row in play.all_actions if row["kind"] == A.SUBMIT][-1]["reduce_only"] == 1


def test_an_order_whose_end_was_told_is_not_adopted_from_an_old_list() -> None:
    """A stale list shows it open once more: nothing is adopted, nothing is canceled again."""
    play = Playbook()
    buy, _sell = play.resting()
    play.command(CommandKind.CANCEL_ALL).canceled(buy)
    assert play.ended(buy) == OrderState.CANCELED
    play.status(buy, OrderState.NEW, side=Side.BUY, price_ticks=5990, qty_lots=10)
    play.expect_none(A.CANCEL)
    assert not any(row["key"] == buy for row in play.orders())
