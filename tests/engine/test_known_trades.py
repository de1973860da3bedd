"""From where own trades are listed: whatever answer is late or lost, none is passed over."""

from __future__ import annotations

import pytest

from hftd.domain.actions import ActionKind as A
from hftd.domain.events import EventKind as E
from hftd.domain.order import OrderState, Side
from hftd.engine import known_trades, strays
from tests.engine.scene import an_event
from tests.engine.test_stopping import a_stage
from tests.playbook import Playbook, venue_id

OLD = 3 << 30 | 5  # An order of an earlier boot, of which nothing is left here.
TRADE = {"side": Side.BUY, "price_ticks": 5990, "qty_lots": 1000}


def named(play: Playbook, key: int) -> Playbook:
    """Let the venue name the order behind a trade: ours, over and full."""
    words = {"venue_order_id": venue_id(key), "found": 1, "status": OrderState.FILLED}
    return play.feed(E.ORDER_OWNER, **words, order_key=key, cum_qty_lots=1000, **TRADE)


def asked_from(play: Playbook) -> list[int]:
    """Return from where own trades were asked for since the last look."""
    asked = [row["trade_id"] for row in play.all_actions if row["kind"] == A.ASK_TRADES]
    play.all_actions.clear()
    return asked


def test_a_trade_whose_second_list_is_lost_is_listed_again() -> None:
    """Its order is named after the list had passed it; the answer that would book it is lost."""
    play = Playbook().run()
    play.told_fill(OLD, 5, **TRADE).feed(E.TRADES_END, order_count=1, trade_id=5)
    asked_from(play)
    assert asked_from(named(play, OLD)) == [5]
    play.pulse(120)
    assert set(asked_from(play)) == {5}, "each comparison asks for it, until it is booked"
    play.told_fill(OLD, 5, **TRADE).feed(E.TRADES_END, order_count=1, trade_id=5)
    assert (int(play.instrument["position_lots"]), play.instrument["missing_trade_id"]) == (1000, 0)
    play.pulse(220)
    assert set(asked_from(play)) == {6}


def test_a_list_for_a_named_order_does_not_hide_a_trade_before_it() -> None:
    """A report of an unknown order came, one before it did not: the list begins before both."""
    play = Playbook().run()
    play.feed(
        E.FILL, order_key=OLD, venue_order_id=venue_id(OLD), trade_id=9, cum_qty_lots=1000, **TRADE
    )
    asked_from(play)
    assert asked_from(named(play, OLD)) == [1], "no list has shown anything yet"


@pytest.mark.parametrize(
    ("missing_id", "last_id", "waits", "left_id"),
    [(5, 4, False, 5), (5, 5, False, 0), (5, 9, False, 0), (5, 9, True, 5), (0, 9, False, 0)],
)
def test_what_is_missing_is_so_until_a_list_has_reached_it(
    missing_id: int, last_id: int, waits: bool, left_id: int
) -> None:
    """And no order of that instrument is to be named any more; an older list takes nothing back."""
    scene = a_stage()
    record = scene.state.instruments[1]
    record["missing_trade_id"], record["checked_trade_id"] = missing_id, 7
    strays.meet(scene.state, scene.out, int(waits), 70)
    known_trades.was_shown(scene.state, an_event(instrument=1, trade_id=last_id, order_count=1))
    assert (int(record["missing_trade_id"]), int(record["checked_trade_id"])) == (
        left_id, max(7, last_id),
    )  # fmt: skip
    assert known_trades.list_from(record) == (left_id or max(7, last_id) + 1)


def test_one_side_of_a_trade_with_ourselves_does_not_hide_the_other() -> None:
    """A buy by hand took our sell: the list tells both under one id, and our report was lost."""
    play = Playbook()
    _, sell = play.resting()
    lots, price = play.order(sell)["qty_lots"], play.order(sell)["price_ticks"]
    both = {"price_ticks": price, "qty_lots": lots}
    by_hand = {"order_key": 0, "venue_order_id": venue_id(711), "trade_id": 9, "cum_qty_lots": lots}
    play.feed(E.FILL, **by_hand, **both, side=Side.BUY)
    play.status(sell, OrderState.FILLED, cum_qty_lots=lots)
    assert play.instrument["position_lots"] == 0, "of others: a flow, and no position of ours"
    for _ in range(2):  # A list may be told twice.
        play.told_fill(711, 9, **both, side=Side.BUY).told_fill(sell, 9, **both, side=Side.SELL)
        play.feed(E.TRADES_END, order_count=2, trade_id=9)
    assert (play.ended(sell), play.instrument["position_lots"]) == (OrderState.FILLED, -lots)


@pytest.mark.parametrize(("count", "shown_id"), [(0, 8), (1, 8), (-1, 9)])
def test_of_the_last_id_of_a_full_page_one_side_may_be_to_come(count: int, shown_id: int) -> None:
    """It is not shown yet, and what is missing from it on stays missing."""
    scene = a_stage()
    record = scene.state.instruments[0]
    record["missing_trade_id"], record["checked_trade_id"] = 9, 7
    page = an_event(order_count=known_trades.TRADES_PAGE + count, trade_id=9)
    known_trades.was_shown(scene.state, page)
    assert known_trades.is_full(page) == (shown_id == 8)
    missing_id = 9 if shown_id == 8 else 0
    assert (record["checked_trade_id"], record["missing_trade_id"]) == (shown_id, missing_id)


def test_a_clean_comparison_forgets_only_what_lies_beyond_all_lists() -> None:
    """What a list showed and was not booked is listed again, whatever the balances say."""
    scene = a_stage()
    records = scene.state.instruments
    records["missing_trade_id"], records["checked_trade_id"] = [5, 8], [7, 7]
    for index in (0, 1):
        known_trades.all_agrees(scene.state, index)
    assert records["missing_trade_id"].tolist() == [5, 0]
    assert [known_trades.list_from(records[index]) for index in (0, 1)] == [5, 8]
