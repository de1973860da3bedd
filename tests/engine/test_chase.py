"""Orders in doubt: asked for with back-off, adopted or given up by the rule, never sent again."""

from __future__ import annotations

import pytest

from hftd.domain.actions import ActionKind as A
from hftd.domain.codes import Code, TradingState
from hftd.domain.events import EventKind as E
from hftd.domain.events import Link
from hftd.domain.facts import FactKind as F
from hftd.domain.order import OrderEvent, OrderState, Side
from hftd.engine import chase
from tests.playbook import MS, SECOND, Playbook, venue_id

MARGIN_S = 13  # recvWindow of the profile and ten seconds, and some.


def in_doubt() -> tuple[Playbook, int]:
    """Return a playbook whose buy was sent and whose answer is lost, and the buy's key."""
    play = Playbook().run()
    buy, sell = play.key(Side.BUY), play.key(Side.SELL)
    play.accept(sell).feed(E.OUTCOME_UNKNOWN, order_key=buy)
    return play, buy


def alive(play: Playbook, seconds: float) -> Playbook:
    """Let time pass with clock samples and an unchanged market, so that nothing else pauses."""
    for _ in range(round(seconds / 0.5)):
        play.after(seconds=0.4).feed(E.CLOCK).market().pulse()
    return play


def test_a_lost_ack_blocks_its_side_and_keeps_its_exposure() -> None:
    """UNKNOWN: nothing more is created on the side, and the reservation stands."""
    play, buy = in_doubt()
    order = play.order(buy)
    assert (order["state"], order["leaves_lots"]) == (OrderState.UNKNOWN, 1000)
    assert order["reserved_atoms"] > 0
    play.after(ms=600).market(5980, 6000)
    assert not [row for row in play.actions if row["order_key"] and row["side"] == Side.BUY]


def test_queries_back_off() -> None:
    """0.2, 0.5, 1, 2, then 5 seconds apart, from the next pulse on."""
    play, buy = in_doubt()
    begun = play.now_ns
    asked = []
    for _ in range(100):
        if play.pulse().did(A.QUERY_ORDER, target_key=buy):
            asked.append((play.now_ns - begun) // (100 * MS))
    assert asked[:5] == [1, 3, 8, 18, 38]
    assert [chase.back_off_ns(n) / SECOND for n in range(6)] == [0.2, 0.5, 1, 2, 5, 5]


def test_found_is_adopted() -> None:
    """The query shows it open: it works from then on, under the venue's id."""
    play, buy = in_doubt()
    play.pulse().status(buy, OrderState.NEW)
    order = play.order(buy)
    assert (order["state"], order["unknown_since_ns"]) == (OrderState.NEW, 0)
    assert order["venue_order_id"] > 0
    play.pulse(30).expect_none(A.QUERY_ORDER)


def test_found_partly_filled_asks_for_the_fills() -> None:
    """What the status counts and no report told is fetched; the fills make the position."""
    play, buy = in_doubt()
    play.pulse().status(buy, OrderState.PARTIALLY_FILLED, cum_qty_lots=300)
    assert play.expect(A.ASK_TRADES)["trade_id"] == 1
    play.told_fill(buy, 4, side=Side.BUY, price_ticks=5990, qty_lots=300)
    assert play.order(buy)["state"] == OrderState.PARTIALLY_FILLED
    assert play.instrument["position_lots"] == 300


@pytest.mark.parametrize(
    ("status", "ends"),
    [
        (OrderState.CANCELED, OrderState.CANCELED),
        (OrderState.EXPIRED, OrderState.EXPIRED),
        (OrderState.REJECTED, OrderState.EXPIRED),
    ],
)
def test_found_over_ends_it(status: OrderState, ends: OrderState) -> None:
    """A status that is terminal, with nothing filled, ends the order."""
    play, buy = in_doubt()
    play.status(buy, status)
    assert play.ended(buy) == ends


def test_not_found_is_not_believed_early() -> None:
    """Before the request's window is surely over, -2013 means nothing."""
    play, buy = in_doubt()
    for _ in range(5):
        play.after(seconds=1).not_found(buy).expect_none(A.ASK_OPEN_ORDERS)
    assert play.order(buy)["state"] == OrderState.UNKNOWN


def given_up(play: Playbook, buy: int) -> Playbook:
    """Let the venue say twice that there is no such order, and its lists not show it."""
    alive(play, MARGIN_S).not_found(buy)
    play.expect(A.ASK_OPEN_ORDERS)
    assert play.expect(A.ASK_TRADES)["trade_id"] == 1
    play.open_orders_end(count=1).trades_end()
    return play


def test_never_accepted_by_the_rule() -> None:
    """Twice not found a second apart, and in neither list: given up, the side is quoted anew."""
    play, buy = in_doubt()
    given_up(play, buy).not_found(buy)
    assert play.order(buy)["state"] == OrderState.UNKNOWN  # Not a second apart yet.
    play.after(seconds=1).not_found(buy)
    assert play.ended(buy) == OrderState.REJECTED
    assert play.fact(F.ORDER, order_key=buy)["order_event"] == OrderEvent.NEVER_ACCEPTED
    assert play.key(Side.BUY) != buy


def test_never_accepted_needs_both_lists() -> None:
    """Without the lists' answers it is asked again, not given up."""
    play, buy = in_doubt()
    alive(play, MARGIN_S).not_found(buy)
    play.trades_end().after(seconds=1).not_found(buy)
    play.expect(A.ASK_OPEN_ORDERS)
    assert play.order(buy)["state"] == OrderState.UNKNOWN
    play.open_orders_end().trades_end().after(seconds=1).not_found(buy)
    assert play.is_over(buy)


def test_a_listed_order_is_alive_after_all() -> None:
    """A read replica lagged: the list of open orders shows it, and the count begins anew."""
    play, buy = in_doubt()
    alive(play, MARGIN_S).not_found(buy)
    play.status(buy, OrderState.NEW).open_orders_end(1).trades_end()
    assert play.order(buy)["state"] == OrderState.NEW
    assert play.order(buy)["not_found_ns"] == 0


def test_a_listed_trade_that_fits_is_not_overlooked() -> None:
    """A trade of an unknown order that could be ours keeps the order in doubt."""
    play, buy = in_doubt()
    alive(play, MARGIN_S).not_found(buy)
    play.told_fill(buy, 3, side=Side.BUY, price_ticks=5990, qty_lots=1000)
    play.trades_end().open_orders_end().after(seconds=1).not_found(buy)
    assert play.order(buy)["state"] == OrderState.UNKNOWN


def test_a_trade_by_hand_that_fits_keeps_no_order_in_doubt_for_ever() -> None:
    """Each list shows it, so the venue is asked whose it is; then the order is given up."""
    play, buy = in_doubt()
    by_hand = 7
    trade = {"side": Side.BUY, "price_ticks": 5990, "qty_lots": 1000}
    alive(play, MARGIN_S).not_found(buy).told_fill(by_hand, 3, **trade)
    assert play.expect(A.QUERY_ORDER)["venue_order_id"] == venue_id(by_hand)
    play.trades_end().open_orders_end()
    named = {"venue_order_id": venue_id(by_hand), "found": 1, "status": OrderState.FILLED}
    play.feed(E.ORDER_OWNER, **named, cum_qty_lots=1000, **trade)
    assert play.expect(A.ASK_TRADES)["trade_id"] == 1
    play.told_fill(by_hand, 3, **trade)
    assert len(play.told(F.EXTERNAL_FLOW)) == 2
    play.trades_end().after(seconds=1).not_found(buy).told_fill(by_hand, 3, **trade)
    play.trades_end().open_orders_end().after(seconds=1).not_found(buy)
    assert play.ended(buy) == OrderState.REJECTED
    assert play.instrument["position_lots"] == 0


def test_given_up_and_then_reported_halts() -> None:
    """A tombstone that speaks is booked, and a person looks."""
    play, buy = in_doubt()
    given_up(play, buy).after(seconds=1).not_found(buy)
    play.accept(buy)
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, Code.LATE_REPORT)


def test_no_answer_at_all_is_doubt_too() -> None:
    """Five seconds after a create without any word it is UNKNOWN and asked for."""
    play = Playbook().run()
    buy, sell = play.key(Side.BUY), play.key(Side.SELL)
    play.accept(sell)
    alive(play, 5.5)
    assert play.order(buy)["state"] == OrderState.UNKNOWN
    assert [r for r in play.all_actions if r["kind"] == A.QUERY_ORDER and r["target_key"] == buy]


def test_a_cancel_without_an_answer_is_asked_for_and_repeated() -> None:
    """After a second the order is queried; where it is open still the cancel goes out again."""
    play = Playbook()
    buy, _ = play.resting()
    play.print(5980)  # Through our level: the quote is pulled.
    assert play.did(A.CANCEL, target_key=buy)
    play.feed(E.CANCEL_UNKNOWN, order_key=buy)
    assert play.order(buy)["state"] == OrderState.PENDING_CANCEL
    assert play.pulse().did(A.QUERY_ORDER, target_key=buy)
    play.after(seconds=1).status(buy, OrderState.NEW)
    assert play.expect(A.CANCEL, target_key=buy)


def test_too_many_in_doubt_halt() -> None:
    """C27: as many as the limit do not, one more does."""
    play = Playbook(sets=["risk.max_unknown_orders=1"]).run()
    buy, sell = play.key(Side.BUY), play.key(Side.SELL)
    play.feed(E.OUTCOME_UNKNOWN, order_key=buy).pulse()
    assert play.state == TradingState.RUNNING
    play.feed(E.OUTCOME_UNKNOWN, order_key=sell).pulse()
    fact = play.fact(F.STATE)
    assert (fact["code"], fact["value"], fact["bound"]) == (Code.UNKNOWN_ORDERS, 2, 1)


def test_creates_in_flight_where_the_link_broke_are_not_too_many() -> None:
    """C27: until our reports are fetched only their age counts; then as many as ever."""
    play = Playbook(sets=["risk.max_unknown_orders=1"]).run()
    buy, sell = play.key(Side.BUY), play.key(Side.SELL)
    play.link(Link.ORDER, up=0)
    for key in (buy, sell):
        play.feed(E.OUTCOME_UNKNOWN, order_key=key)
    play.pulse().links().pulse()
    assert play.state == TradingState.PAUSED
    play.status(buy, OrderState.NEW).open_orders_end(1).canceled(buy)
    play.status(sell, OrderState.CANCELED).pulse().trades_end().balances()
    play.after(seconds=2).market().pulse()
    assert play.state == TradingState.RUNNING


def test_one_in_doubt_for_too_long_halts() -> None:
    """C27: twenty seconds are the longest."""
    play, _buy = in_doubt()
    alive(play, 19.5)
    assert play.state == TradingState.RUNNING
    alive(play, 1)
    assert play.core["state_code"] == Code.UNKNOWN_ORDERS


def test_no_queries_while_the_link_is_down() -> None:
    """What cannot be sent is not asked for."""
    play, _ = in_doubt()
    play.link(1, up=0).pulse(5).expect_none(A.QUERY_ORDER)
