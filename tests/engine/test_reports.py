"""What the venue reports: applied once each, in whatever order it arrives."""

from __future__ import annotations

import pytest

from hftd.domain.actions import ActionKind as A
from hftd.domain.codes import Code, TradingState
from hftd.domain.events import CommandKind, Link
from hftd.domain.events import EventKind as E
from hftd.domain.facts import FactKind as F
from hftd.domain.order import FeeAsset, OrderEvent, OrderState, Side, TimeInForce
from hftd.engine.state import TRADES_SEEN_CAPACITY
from tests.playbook import BTC, USDT, Playbook, venue_id


def test_partial_then_full() -> None:
    """Two fills make the order; position, balances and facts follow each."""
    play = Playbook()
    buy, _ = play.resting()
    play.fill(buy, 400)
    assert play.order(buy)["state"] == OrderState.PARTIALLY_FILLED
    assert play.order(buy)["leaves_lots"] == 600
    assert play.fact(F.POSITION)["position_lots"] == 400
    play.fill(buy, 600)
    assert play.ended(buy) == OrderState.FILLED
    assert play.fact(F.ORDER, order_key=buy)["order_event"] == OrderEvent.FILL_FULL
    assert play.instrument["position_lots"] == 1000


def test_a_fee_in_base_is_taken_from_what_was_bought() -> None:
    """The position is what was filled; the balance is less by the fee."""
    play = Playbook()
    buy, _ = play.resting()
    play.fill(buy, 1000, fee_asset=FeeAsset.BASE, fee_atoms=500)
    assert play.instrument["position_lots"] == 1000
    assert play.instrument["base_fee_atoms"] == 500
    assert play.held[BTC] == 10**8 + 1000 * 1000 - 500  # The playbook holds the engine to it.


def test_a_fill_before_its_ack() -> None:
    """The order is known by the fill already; the late ack changes nothing."""
    play = Playbook().run()
    buy = play.key(Side.BUY)
    play.fill(buy, 400)
    assert play.order(buy)["state"] == OrderState.PARTIALLY_FILLED
    play.accept(buy)
    assert play.order(buy)["state"] == OrderState.PARTIALLY_FILLED
    assert play.order(buy)["venue_order_id"] == venue_id(buy)


def test_an_ack_after_the_last_fill() -> None:
    """An ack for an order that is FILLED is harmless repetition."""
    play = Playbook().run()
    buy = play.key(Side.BUY)
    play.fill(buy, 1000).accept(buy)
    assert play.state == TradingState.RUNNING
    assert play.ended(buy) == OrderState.FILLED


def test_a_fill_is_applied_once() -> None:
    """The same trade by report, again by report, and by a list of trades: one fill."""
    play = Playbook()
    buy, _ = play.resting()
    play.fill(buy, 400, trade_id=77)
    play.fill(buy, 400, trade_id=77)
    assert not play.told(F.FILL)
    play.told_fill(buy, 77, side=Side.BUY, price_ticks=5990, qty_lots=400)
    assert not play.told(F.FILL)
    assert play.order(buy)["cum_lots"] == 400


def test_a_forgotten_trade_is_still_applied_once() -> None:
    """An id older than the ring remembers counts as applied; a new one does not."""
    play = Playbook()
    buy, _ = play.resting()
    play.fill(buy, 1, trade_id=10)
    state = play.engine.state
    state.rings[1] = TRADES_SEEN_CAPACITY  # As if the ring had gone round: place 0 holds id 10.
    play.fill(buy, 1, trade_id=20)
    assert state.trades_seen[0]["trade_id"] == 20
    play.fill(buy, 1, trade_id=10)
    assert not play.told(F.FILL)


def test_a_cancel_that_counts_a_missing_fill_waits_for_it() -> None:
    """Canceled with 400 done of which we know none: open by 400 until they are told."""
    play = Playbook()
    buy, _ = play.resting()
    play.market(5890, 6110)  # Too wide apart to keep: both sides are moved or pulled.
    play.canceled(buy, cum_lots=400)
    order = play.order(buy)
    assert (order["leaves_lots"], order["final_state"]) == (400, OrderState.CANCELED)
    assert order["reserved_atoms"] == 400 * 5990 * 10_000
    play.fill(buy, 150)
    assert play.order(buy)["leaves_lots"] == 250
    play.fill(buy, 250)
    assert play.ended(buy) == OrderState.CANCELED
    fact = play.fact(F.ORDER, order_key=buy, order_event=OrderEvent.CANCELED)
    assert fact["cum_qty_lots"] == 400


def test_fills_that_do_not_come_are_asked_for() -> None:
    """Half a second after the terminal report, from before the order's first trade on."""
    play = Playbook()
    buy, sell = play.resting()
    play.fill(sell, 10, trade_id=50)
    play.canceled(buy, cum_lots=400)
    play.pulse(4).expect_none(A.ASK_TRADES)
    assert play.pulse().expect(A.ASK_TRADES)["trade_id"] == 1
    play.told_fill(buy, 49, side=Side.BUY, price_ticks=5990, qty_lots=400)
    assert play.ended(buy) == OrderState.CANCELED
    assert play.instrument["position_lots"] == 390


def test_fills_that_never_come_halt() -> None:
    """A report that counts fills which nobody can show is doubt, and doubt has an end."""
    play = Playbook()
    buy, _ = play.resting()
    play.canceled(buy, cum_lots=400)
    for _ in range(25):
        play.after(seconds=0.9).feed(E.CLOCK).pulse()
    assert play.state == TradingState.HALTED
    assert play.core["state_code"] == Code.UNKNOWN_ORDERS


def test_a_cancel_rejected_because_filled() -> None:
    """-2011 proves nothing: the order is asked for, and is FILLED by its fills."""
    play = Playbook()
    buy, _ = play.resting()
    play.market(5000, 7000)
    play.feed(E.CANCEL_REJECTED, order_key=buy, code=-2011)
    assert play.order(buy)["state"] == OrderState.NEW
    assert play.pulse().did(A.QUERY_ORDER, target_key=buy)
    play.status(buy, OrderState.FILLED, cum_qty_lots=1000)
    assert play.order(buy)["leaves_lots"] == 1000
    play.fill(buy, 1000)
    assert play.ended(buy) == OrderState.FILLED
    assert play.state == TradingState.RUNNING


def test_a_fill_of_an_order_that_is_over_is_booked_and_halts() -> None:
    """Its report had not counted it: the books take it, and a person looks."""
    play = Playbook()
    buy, _ = play.resting()
    play.canceled(buy)
    play.feed(
        E.FILL, order_key=buy, venue_order_id=venue_id(buy), trade_id=9, side=Side.BUY,
        price_ticks=5990, qty_lots=5, fee_asset=FeeAsset.QUOTE,
    )  # fmt: skip
    assert play.instrument["position_lots"] == 5
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, Code.LATE_REPORT)
    assert play.expect(A.LATCH)["state"] == TradingState.HALTED


def test_a_trade_that_our_steps_cannot_tell_is_not_booked_and_halts() -> None:
    """From before a change of tick or lot: what is known of it already is nothing new."""
    play = Playbook().run()
    buy = play.key(Side.BUY)
    play.accept(buy).fill(buy, 10, trade_id=50)
    before = play.instrument["position_lots"]
    play.told_fill(buy, 50).told_fill(buy, 51)
    assert play.instrument["position_lots"] == before
    assert play.state == TradingState.HALTED
    assert play.core["state_code"] == Code.LATE_REPORT
    assert play.told_fill(buy, 51).told(F.STATE) == []


def test_a_trade_from_before_the_ledger_needs_no_steps() -> None:
    """Only its id is kept, whenever the answer to the first question comes."""
    play = Playbook().boot().links().open_orders_end()
    play.feed(E.FILL, instrument=0, trade_id=40, venue_order_id=3)
    play.trades_end(1).feed(E.FILL, instrument=0, trade_id=41, venue_order_id=3)
    assert play.did(A.QUERY_ORDER) == []
    play.balances()
    assert play.state == TradingState.RUNNING


def test_a_fill_beyond_the_order_is_booked_and_halts() -> None:
    """The venue cannot fill more than was ordered; where it says so, a person looks."""
    play = Playbook()
    buy, _ = play.resting()
    play.fill(buy, 999).fill(buy, 2)
    assert play.instrument["position_lots"] == 1001
    assert play.core["state_code"] == Code.LATE_REPORT


def test_an_order_declared_dead_that_lives_halts() -> None:
    """ACCEPTED after REJECTED: our belief was wrong."""
    play = Playbook().run()
    buy = play.key(Side.BUY)
    play.feed(E.REJECTED, order_key=buy, code=-900001)
    play.accept(buy)
    assert play.core["state_code"] == Code.LATE_REPORT


@pytest.mark.parametrize(
    ("code", "counts"),
    [
        (-201001, False),
        (-202201, False),
        (-2011, False),
        (-900001, False),
        (-201002, True),
        (0, True),
    ],
)
def test_a_miss_is_no_reject(code: int, counts: bool) -> None:
    """What a maker expects is told apart from trouble."""
    play = Playbook().run()
    buy = play.key(Side.BUY)
    play.feed(E.REJECTED, order_key=buy, code=code)
    assert play.ended(buy) == OrderState.REJECTED
    assert play.core["rejected"] == int(counts)
    fact = play.fact(F.REJECT)
    assert (fact["venue_code"], fact["post_only"]) == (code, int(code == -201001))


def test_a_would_cross_miss_quotes_one_tick_away_after_an_update() -> None:
    """Not again on the same touch; on the next one, one tick further."""
    play = Playbook().run()
    buy, sell = play.key(Side.BUY), play.key(Side.SELL)
    play.accept(sell).feed(E.REJECTED, order_key=buy, code=-201001)
    play.expect_none(A.SUBMIT)
    assert play.core["post_only_missed"] == 1
    play.market(5990, 6010, lots=4900)
    assert play.expect(A.SUBMIT, side=Side.BUY)["price_ticks"] == 5989


def test_a_miss_is_over_where_a_venues_update_ids_begin_anew() -> None:
    """The link fell after it, and the book that came counts from one: its second touch is newer."""
    play = Playbook().run()
    buy, sell = play.key(Side.BUY), play.key(Side.SELL)
    play.accept(sell).feed(E.REJECTED, order_key=buy, code=-201001)
    play.link(Link.MARKET, up=0).link(Link.MARKET).canceled(sell)
    play.next_update_id = 0
    play.engine.state.books[0]["last_update_id"] = 0
    play.after(1).market(5990, 6010).market(5990, 6010, lots=4900)
    assert play.expect(A.SUBMIT, side=Side.BUY)["price_ticks"] == 5989


def test_orders_refused_for_their_timestamp_pause_and_are_no_storm() -> None:
    """C24, G12: -1021 of ten orders in flight is one wrong clock; the next sample lifts it."""
    play = Playbook().run()
    for lots in range(4900, 4905):
        buy, sell = play.key(Side.BUY), play.key(Side.SELL)
        play.feed(E.REJECTED, order_key=buy, code=-1021).expect_none(A.SUBMIT)
        play.feed(E.REJECTED, order_key=sell, code=-1021).expect_none(A.SUBMIT)
        assert (play.state, play.core["state_code"]) == (TradingState.PAUSED, Code.CLOCK)
        play.feed(E.CLOCK).pulse().expect_none(A.SUBMIT)
        play.after(2).market(5990, 6010, lots=lots)
        assert play.state == TradingState.RUNNING


def test_a_closed_market_stops_quoting_without_a_storm() -> None:
    """C02: the venue says that it is closed; the other quote goes, nothing new, no halt."""
    play = Playbook().run()
    buy, sell = play.key(Side.BUY), play.key(Side.SELL)
    play.accept(sell).feed(E.REJECTED, order_key=buy, code=-201004)
    assert play.expect(A.CANCEL)["target_key"] == sell
    assert (play.core["rejected"], play.core["state"]) == (0, TradingState.RUNNING)
    play.after(2).market(5990, 6010, lots=4900)
    play.expect_none(A.SUBMIT)
    play.feed(E.INSTRUMENT_STATUS, status=0)
    play.expect(A.SUBMIT, side=Side.BUY)


def test_an_id_in_use_halts() -> None:
    """C10: the venue has an open order of this id already, so ids are not what we think."""
    play = Playbook().run()
    play.feed(E.REJECTED, order_key=play.key(Side.BUY), code=-201003)
    assert play.core["state_code"] == Code.CLIENT_ID_CLASH


def test_an_ioc_order_expires_with_what_it_filled() -> None:
    """The reply says EXPIRED with 40 done before the report of the fill: it waits for that."""
    play = Playbook().hold(100)
    play.command(CommandKind.FLATTEN)
    slice_ = play.expect(A.SUBMIT)
    assert (slice_["side"], slice_["qty_lots"]) == (Side.SELL, 100)
    assert (slice_["time_in_force"], slice_["reduce_only"]) == (TimeInForce.IOC, 1)
    key = slice_["order_key"]
    play.accept(key).feed(E.EXPIRED, order_key=key, cum_qty_lots=40)
    assert play.order(key)["leaves_lots"] == 40
    play.fill(key, 40)
    assert play.ended(key) == OrderState.EXPIRED
    assert play.instrument["position_lots"] == 60


def test_a_foreign_trade_moves_the_baseline_alone() -> None:
    """A manual trade, by its report: flows of base and quote, no position, no PnL."""
    play = Playbook()
    play.resting()
    play.feed(
        E.FILL, venue_order_id=1, trade_id=8, side=Side.SELL, price_ticks=6000, qty_lots=100,
        cum_qty_lots=100, fee_asset=FeeAsset.QUOTE, fee_atoms=9,
    )  # fmt: skip
    assert play.instrument["position_lots"] == 0
    flows = {row["asset"]: row["delta_atoms"] for row in play.told(F.EXTERNAL_FLOW)}
    assert flows == {BTC: -100 * 1000, USDT: 100 * 6000 * 10_000 - 9}
    assert play.core["total_atoms"] == 0


def test_a_trade_that_may_be_ours_is_not_called_foreign() -> None:
    """While an order of the side has no venue id, an unknown trade waits to be listed again."""
    play = Playbook().run()
    buy = play.key(Side.BUY)
    play.feed(E.OUTCOME_UNKNOWN, order_key=buy)
    trade = {"side": Side.BUY, "price_ticks": 5990, "qty_lots": 1000}
    play.told_fill(buy, 5, **trade)
    assert play.expect(A.QUERY_ORDER)["venue_order_id"] == venue_id(buy)
    assert not play.told(F.EXTERNAL_FLOW)
    assert play.instrument["missing_trade_id"] == 5
    play.status(buy, OrderState.FILLED, cum_qty_lots=1000)
    play.pulse(5)
    assert play.expect(A.ASK_TRADES)["trade_id"] == 1
    play.told_fill(buy, 5, **trade)
    assert play.ended(buy) == OrderState.FILLED
    assert play.instrument["position_lots"] == 1000


def test_a_flow_moves_the_baseline() -> None:
    """A deposit is told and expected from then on."""
    play = Playbook().start()
    play.feed(E.EXTERNAL_FLOW, asset=USDT, delta_atoms=500)
    assert play.fact(F.EXTERNAL_FLOW)["delta_atoms"] == 500
    play.feed(E.BALANCE, asset=USDT, free_atoms=play.held[USDT])
    fact = play.fact(F.BALANCE)
    assert fact["expected_atoms"] == fact["free_atoms"]
