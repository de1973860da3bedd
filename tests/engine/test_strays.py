"""Trades of orders that nobody here knows: no guess whose they are, the venue is asked."""

from __future__ import annotations

import pytest

from hftd.domain.actions import ActionKind as A
from hftd.domain.codes import Code, TradingState
from hftd.domain.events import CommandKind
from hftd.domain.events import EventKind as E
from hftd.domain.facts import FactKind as F
from hftd.domain.order import FeeAsset, OrderState, Side, order_key
from hftd.engine.state import STRAYS_CAPACITY
from tests.playbook import BTC, USDT, Playbook, venue_id

LOST = order_key(3, 9)  # An order of a life whose memory a loss of power took.
TRADE = {"side": Side.BUY, "price_ticks": 5990, "qty_lots": 30}
ORDER = {"side": Side.BUY, "price_ticks": 5990, "qty_lots": 1000}


def at_trades(*sets: str) -> Playbook:
    """Return a playbook in a boot over older books that has just asked for its trades."""
    play = Playbook(sets=sets).start()
    play.after(seconds=5).boot(crashed=1).links().open_orders_end()
    play.expect(A.ASK_TRADES)
    return play


def owner(play: Playbook, key: int, venue_order_id: int, **fields: int) -> Playbook:
    """Answer a query by the venue's id: the order bears this key of ours, 0 for none."""
    words = {"order_key": key, "venue_order_id": venue_order_id, "found": 1, **ORDER}
    return play.feed(E.ORDER_OWNER, **{**words, **fields})


@pytest.mark.parametrize("status", [OrderState.FILLED, OrderState.CANCELED, OrderState.EXPIRED])
def test_a_fill_of_an_order_that_is_lost_to_us_becomes_position(status: OrderState) -> None:
    """The venue names it by our tag: adopted, its trades listed again and booked, RUNNING."""
    play = at_trades()
    play.told_fill(LOST, 4, **TRADE).expect(A.QUERY_ORDER, target_key=0)
    assert not play.told(F.EXTERNAL_FLOW) and not play.told(F.FILL)
    play.told_fill(LOST, 6, **TRADE).expect_none(A.QUERY_ORDER)  # Asked once for both.
    play.trades_end(2).expect_none(A.ASK_BALANCES)
    qty_lots = 60 if status == OrderState.FILLED else 1000
    owner(play, LOST, venue_id(LOST), status=status, cum_qty_lots=60, qty_lots=qty_lots)
    assert play.expect(A.ASK_TRADES)["trade_id"] == 1
    play.told_fill(LOST, 4, **TRADE).told_fill(LOST, 6, **TRADE)
    assert play.ended(LOST) == status
    play.trades_end(2).balances()
    assert (play.state, play.instrument["position_lots"]) == (TradingState.RUNNING, 60)
    assert play.instrument["missing_trade_id"] == 0


def test_a_trade_by_hand_is_a_flow_once_the_venue_has_said_so() -> None:
    """The order bears no tag of ours: flows of base and quote, no position; not asked again."""
    play = at_trades()
    play.told_fill(LOST, 4, **TRADE).trades_end(1)
    owner(play, 0, venue_id(LOST), status=OrderState.FILLED, cum_qty_lots=30)
    play.told_fill(LOST, 4, **TRADE).expect_none(A.QUERY_ORDER)
    flows = {row["asset"]: row["delta_atoms"] for row in play.told(F.EXTERNAL_FLOW)}
    assert flows == {BTC: 30 * 1000, USDT: -30 * 5990 * 10_000}
    play.told_fill(LOST, 5, **TRADE).expect_none(A.QUERY_ORDER)
    play.trades_end(2).balances()
    assert (play.state, play.instrument["position_lots"]) == (TradingState.RUNNING, 0)


def test_a_lost_order_that_lives_is_canceled() -> None:
    """No list showed it, a trade did: adopted, canceled, its fills booked."""
    play = at_trades()
    play.told_fill(LOST, 4, **TRADE).trades_end(1)
    owner(play, LOST, venue_id(LOST), status=OrderState.PARTIALLY_FILLED, cum_qty_lots=30)
    assert play.expect(A.CANCEL)["target_key"] == LOST
    play.told_fill(LOST, 4, **TRADE).canceled(LOST, 30)
    assert play.ended(LOST) == OrderState.CANCELED
    play.trades_end(1).balances()
    assert (play.state, play.instrument["position_lots"]) == (TradingState.RUNNING, 30)


def test_a_report_of_a_lost_order_waits_for_its_name_too() -> None:
    """Its fill is told before any list: no halt, no guess; adopted, then listed and booked."""
    play = Playbook().start()
    fields = {**TRADE, "order_key": LOST, "venue_order_id": venue_id(LOST), "trade_id": 4}
    play.feed(E.FILL, cum_qty_lots=30, fee_asset=FeeAsset.QUOTE, **fields)
    assert (play.state, play.instrument["position_lots"]) == (TradingState.RUNNING, 0)
    play.expect(A.QUERY_ORDER, venue_order_id=venue_id(LOST))
    owner(play, LOST, venue_id(LOST), status=OrderState.PARTIALLY_FILLED, cum_qty_lots=30)
    assert {row["kind"] for row in play.actions} == {A.CANCEL, A.ASK_TRADES}
    play.told_fill(LOST, 4, **TRADE)
    assert play.instrument["position_lots"] == 30


def test_an_answer_that_is_lost_is_asked_for_again() -> None:
    """Neither an error nor silence decides anything; three seconds later it is asked again."""
    play = at_trades()
    play.told_fill(LOST, 4, **TRADE).trades_end(1)
    play.feed(E.QUERY_FAILED, code=-1003)
    play.feed(E.ORDER_OWNER, venue_order_id=venue_id(LOST), code=-2013)
    play.after(seconds=2).pulse().expect_none(A.QUERY_ORDER, A.ASK_BALANCES)
    play.after(seconds=1).pulse().expect(A.QUERY_ORDER, venue_order_id=venue_id(LOST))


def test_c27_an_order_that_the_venue_never_names_halts() -> None:
    """It counts as one in doubt: after ``unknown_timeout_ms`` a person has to look."""
    play = at_trades()
    play.told_fill(LOST, 4, **TRADE).trades_end(1)
    play.after(seconds=20).pulse()
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, Code.UNKNOWN_ORDERS)


def test_a_trade_told_by_its_order_before_the_venue_s_id_was_known_is_found() -> None:
    """An order of ours given up for canceled, whose id no report had named: booked, and HALTs."""
    play = Playbook().run()
    buy = play.key(Side.BUY)
    play.command(CommandKind.PAUSE).feed(E.CANCELED, order_key=buy)
    play.told_fill(buy, 4, **TRADE).expect(A.QUERY_ORDER, venue_order_id=venue_id(buy))
    owner(play, buy, venue_id(buy), status=OrderState.CANCELED, cum_qty_lots=30)
    play.expect(A.ASK_TRADES)
    play.told_fill(buy, 4, **TRADE)
    assert play.instrument["position_lots"] == 30
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, Code.LATE_REPORT)


def test_a_trade_of_an_order_given_up_for_never_accepted_halts() -> None:
    """It lives after all: adopted, canceled, its fill booked, and a person has to look."""
    play = Playbook().run()
    buy = play.key(Side.BUY)
    play.command(CommandKind.PAUSE).feed(E.REJECTED, order_key=buy, code=-2010)
    play.told_fill(buy, 4, **TRADE)
    owner(play, buy, venue_id(buy), status=OrderState.PARTIALLY_FILLED, cum_qty_lots=30)
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, Code.LATE_REPORT)
    assert play.did(A.CANCEL, target_key=buy)
    play.told_fill(buy, 4, **TRADE)
    assert play.instrument["position_lots"] == 30


def test_a_second_instance_s_trade_halts() -> None:
    """C39: our tag, a boot later than ours."""
    later = order_key(99, 1)
    play = Playbook().start()
    play.told_fill(later, 4, **TRADE)
    owner(play, later, venue_id(later), status=OrderState.FILLED, cum_qty_lots=30, qty_lots=30)
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, Code.SECOND_INSTANCE)


def test_more_strangers_than_places_are_asked_for_in_turn() -> None:
    """A hundred orders of others traded while we were down: a table full at a time."""
    count = 100
    play = at_trades()
    ids, asked = range(1, 1 + count), []
    for _ in range(3):
        for number in ids:
            play.told_fill(number, number, **TRADE)
            asked += [row["venue_order_id"] for row in play.did(A.QUERY_ORDER)]
        play.trades_end(count)
        if play.did(A.ASK_BALANCES):
            break
        for venue_order_id in asked:
            owner(play, 0, venue_order_id, status=OrderState.FILLED, cum_qty_lots=30)
        assert len(asked) <= STRAYS_CAPACITY
        asked = []
    play.balances()
    assert (play.state, play.instrument["position_lots"]) == (TradingState.RUNNING, 0)
