"""Reports at their edges: told twice, too late, without an id, of what is over or unknown."""

from __future__ import annotations

from typing import Any

import pytest

from hftd.domain.actions import ActionKind as A
from hftd.domain.codes import Code, TradingState
from hftd.domain.events import CommandKind
from hftd.domain.events import EventKind as E
from hftd.domain.facts import FactKind as F
from hftd.domain.order import SEQ_BITS, FeeAsset, Liquidity, OrderEvent, OrderState, Side
from hftd.engine import chase, orders, reports
from hftd.engine.state import KIND_TRADES, ORDERS_CAPACITY
from tests.engine.scene import BUY, SELL, a_scene, an_event, put_order
from tests.playbook import BTC, SECOND, USDT, Playbook, venue_id

PRICE = {Side.BUY: 5990, Side.SELL: 6010}  # Of the two quotes of the usual market, 1000 lots each.


def old_key(play: Playbook) -> int:
    """Return a key of this boot that was never minted: no order, no tombstone, not a later boot."""
    return play.epoch << SEQ_BITS


def unmoved(play: Playbook, kind: E, **fields: int) -> None:
    """Feed one report; assert that it leads to nothing and that no open order changes."""
    before = play.orders()
    play.feed(kind, **fields)
    assert (play.actions, play.facts, play.orders()) == ([], [], before)


@pytest.mark.parametrize(
    "kind",
    [E.ACCEPTED, E.CANCELED, E.EXPIRED, E.REJECTED, E.CANCEL_REJECTED, E.OUTCOME_UNKNOWN,
     E.CANCEL_UNKNOWN, E.ORDER_STATUS],
)  # fmt: skip
def test_a_report_of_an_order_that_nobody_knows_changes_nothing(kind: E) -> None:
    """Neither by our key nor by the venue's id is there an order: nothing is done, nothing told."""
    play = Playbook()
    play.resting()
    unmoved(play, kind, order_key=old_key(play), venue_order_id=1)
    unmoved(play, kind, venue_order_id=1)
    assert play.state == TradingState.RUNNING


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (E.CANCEL_REJECTED, {}),
        (E.OUTCOME_UNKNOWN, {}),
        (E.CANCEL_UNKNOWN, {}),
        (E.ACCEPTED, {}),
        (E.ORDER_STATUS, {"found": 0}),
        (E.ORDER_STATUS, {"found": 1, "status": OrderState.NEW}),
    ],
)
def test_an_order_whose_end_was_told_waits_for_its_fills_alone(
    kind: E, fields: dict[str, int]
) -> None:
    """Canceled with 400 lots that no fill has told: nothing that is said later moves it."""
    play = Playbook()
    buy, _ = play.resting()
    play.command(CommandKind.PAUSE).canceled(buy, cum_lots=400)
    order = play.order(buy)
    play.feed(kind, order_key=buy, **fields)
    assert play.order(buy) == order
    assert not play.told(F.ORDER)
    assert (order["state"], order["leaves_lots"]) == (OrderState.PENDING_CANCEL, 400)


def test_a_rejection_of_an_order_whose_end_was_told_is_a_contradiction() -> None:
    """It cannot have been refused, since it was canceled: noted, and the venue is asked."""
    play = Playbook()
    buy, _ = play.resting()
    play.canceled(buy, cum_lots=400).feed(E.REJECTED, order_key=buy, code=-1013)
    assert play.fact(F.NOTE, code=Code.LATE_REPORT)["bound"] == OrderEvent.REJECTED
    assert play.expect(A.QUERY_ORDER)["target_key"] == buy
    assert play.order(buy)["leaves_lots"] == 400


def test_an_end_that_is_told_twice_frees_its_rest_once() -> None:
    """C21: 600 of 1000 lots are released by the first word; doubt is as old as that word."""
    play = Playbook()
    buy, _ = play.resting()
    play.command(CommandKind.PAUSE).canceled(buy, cum_lots=400)
    first = play.order(buy)
    assert first["unknown_since_ns"] == first["fills_asked_ns"] == play.now_ns
    assert play.instrument["released_lots"][Side.BUY] == 600
    play.after(ms=100).canceled(buy, cum_lots=300)  # An older word counts for nothing.
    assert play.order(buy) == first
    play.canceled(buy, cum_lots=500)  # A newer one raises what is missing.
    assert (play.order(buy)["leaves_lots"], play.order(buy)["venue_cum_lots"]) == (500, 500)
    assert play.instrument["released_lots"][Side.BUY] == 500
    play.fill(buy, 500)
    assert play.ended(buy) == OrderState.CANCELED
    assert play.instrument["released_lots"][Side.BUY] == 500


def test_more_filled_than_the_end_said_is_booked_and_halts() -> None:
    """Canceled with 400 done, and then 401 are: the books take them, and a person looks."""
    play = Playbook()
    buy, _ = play.resting()
    play.canceled(buy, cum_lots=400).fill(buy, 401)
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, Code.LATE_REPORT)
    fact = play.fact(F.STATE)
    assert (fact["value"], fact["bound"]) == (401, 400)
    assert play.instrument["position_lots"] == 401


def test_an_acknowledgement_without_the_venues_id_is_one() -> None:
    """The order works; the id is learnt from whatever tells it next, and is not forgotten."""
    play = Playbook().run()
    buy = play.key(Side.BUY)
    play.feed(E.ACCEPTED, order_key=buy)
    fact = play.fact(F.ORDER)
    assert (fact["order_event"], fact["order_key"]) == (OrderEvent.ACCEPTED, buy)
    assert (play.order(buy)["state"], play.order(buy)["venue_order_id"]) == (OrderState.NEW, 0)
    acked_ns = play.order(buy)["acked_ns"]
    assert acked_ns == play.now_ns
    play.accept(buy)
    assert not play.told(F.ORDER), "acknowledged twice"
    play.feed(E.ACCEPTED, order_key=buy)
    assert play.order(buy)["venue_order_id"] == venue_id(buy)
    assert play.order(buy)["acked_ns"] == acked_ns


def test_a_fill_without_the_venues_id_keeps_the_one_that_is_known() -> None:
    """By our key alone; where nothing told an id before, none is made up."""
    play = Playbook()
    buy, _ = play.resting()
    play.fill(buy, 10, venue_order_id=0)
    assert play.order(buy)["venue_order_id"] == venue_id(buy)
    play = Playbook().run()
    buy = play.key(Side.BUY)
    play.fill(buy, 10, venue_order_id=0)
    assert (play.order(buy)["venue_order_id"], play.order(buy)["cum_lots"]) == (0, 10)
    play.fill(buy, 10, venue_order_id=77)
    assert play.order(buy)["venue_order_id"] == 77
    assert play.order(buy)["cum_lots"] == 20


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
@pytest.mark.parametrize(
    ("better_ticks", "lots", "fits"),
    [(0, 1000, True), (1, 1, True), (-1, 1000, False), (0, 1001, False), (-1, 1001, False)],
)
def test_a_trade_may_be_ours_within_price_and_size_alone(
    side: Side, better_ticks: int, lots: int, fits: bool
) -> None:
    """At the limit or better, no larger than what is open: the order is believed in again."""
    play = Playbook().run()
    key = play.key(side)
    orders_of = play.engine.state.orders
    (slot,) = (orders_of["key"] == key).nonzero()[0]
    orders_of["not_found_ns"][slot] = 7
    sign = 1 if side == Side.BUY else -1
    price = PRICE[side] - sign * better_ticks
    play.told_fill(key, 5, side=side, price_ticks=price, qty_lots=lots)
    assert play.order(key)["not_found_ns"] == (0 if fits else 7)
    asked = [row["venue_order_id"] for row in play.did(A.QUERY_ORDER)]
    assert asked == [venue_id(key)], "whose it is, is asked in any case"
    assert not play.told(F.EXTERNAL_FLOW)
    assert play.instrument["missing_trade_id"] == 5
    assert play.instrument["position_lots"] == 0


def test_a_trade_is_not_ours_on_another_side_or_instrument_or_of_a_known_id() -> None:
    """Only an order that has no venue id yet, of that instrument and side, can be meant."""
    scene = a_scene()
    order = put_order(scene, 0, BUY, 100, 10, not_found_ns=7)
    trade = {"instrument": 0, "side": BUY, "price_ticks": 100, "qty_lots": 10}
    reports.doubt_absence(scene.state, an_event(**{**trade, "side": SELL}))
    reports.doubt_absence(scene.state, an_event(**{**trade, "instrument": 1}))
    order["venue_order_id"] = 9
    reports.doubt_absence(scene.state, an_event(**trade))
    assert order["not_found_ns"] == 7
    order["venue_order_id"] = 0
    reports.doubt_absence(scene.state, an_event(**trade))
    assert order["not_found_ns"] == 0


def test_a_trade_that_fits_revives_the_doubt_of_each_order_that_it_fits() -> None:
    """What said that they do not exist counts no more; orders it does not fit keep theirs."""
    scene = a_scene()
    for slot, price in enumerate((100, 99, 101)):
        put_order(scene, slot, BUY, price, 10, not_found_ns=7)
    trade = {"instrument": 0, "side": BUY, "price_ticks": 100, "qty_lots": 10}
    reports.doubt_absence(scene.state, an_event(**trade))
    assert [int(each) for each in scene.state.orders["not_found_ns"][:3]] == [0, 7, 0]


@pytest.mark.parametrize(
    ("fee_asset", "base_fee", "quote_fee"),
    [(FeeAsset.BASE, 7, 0), (FeeAsset.QUOTE, 0, 7), (FeeAsset.OTHER, 0, 0)],
)
@pytest.mark.parametrize(("side", "sign"), [(Side.BUY, 1), (Side.SELL, -1)])
def test_a_foreign_trade_flows_with_its_fee(
    fee_asset: FeeAsset, base_fee: int, quote_fee: int, side: Side, sign: int
) -> None:
    """Base one way, quote the other, the fee off the asset that it was taken in."""
    play = Playbook()
    play.resting()
    play.told_fill(
        5, 8, venue_order_id=1, side=side, price_ticks=6000, qty_lots=100, cum_qty_lots=100,
        fee_asset=fee_asset, fee_atoms=7,
    )  # fmt: skip
    flows = [(row["asset"], row["delta_atoms"]) for row in play.told(F.EXTERNAL_FLOW)]
    assert flows == [
        (BTC, sign * 100 * 1000 - base_fee),
        (USDT, -sign * 100 * 6000 * 10_000 - quote_fee),
    ]


def test_c39_a_fill_of_a_later_boot_is_booked_and_halts() -> None:
    """Somebody else trades under our tag: what they did is in the account, and a person looks."""
    play = Playbook()
    play.resting()
    key = old_key(play) + (1 << SEQ_BITS)
    released = int(play.instrument["released_lots"][Side.SELL])
    play.feed(
        E.FILL, order_key=key, venue_order_id=1, trade_id=9, side=Side.SELL, price_ticks=6010,
        qty_lots=5, fee_asset=FeeAsset.QUOTE,
    )  # fmt: skip
    assert play.instrument["position_lots"] == -5
    assert play.instrument["released_lots"][Side.SELL] == released - 5
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, Code.SECOND_INSTANCE)
    assert play.fact(F.FILL)["order_key"] == key


def test_a_listed_fill_of_an_order_that_is_over_is_booked_and_halts() -> None:
    """It names the order by the venue's id alone, which its tombstone knows."""
    play = Playbook()
    buy, _ = play.resting()
    play.canceled(buy)
    play.told_fill(buy, 9, side=Side.BUY, price_ticks=5990, qty_lots=5)
    assert play.instrument["position_lots"] == 5
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, Code.LATE_REPORT)
    fact = play.fact(F.STATE)
    assert (fact["value"], fact["bound"]) == (9, 5)


def test_the_fact_of_a_fill_has_all_that_its_report_said() -> None:
    """Ids, side, price, size, fee, liquidity, the venue's time, and mid and position after it."""
    play = Playbook()
    buy, _ = play.resting()
    play.fill(
        buy, 300, trade_id=77, exch_ts_ns=123, fee_asset=FeeAsset.BASE, fee_atoms=9,
        liquidity=Liquidity.TAKER,
    )  # fmt: skip
    fact = play.fact(F.FILL)
    told = {
        "exch_ts_ns": 123, "order_key": buy, "venue_order_id": venue_id(buy), "trade_id": 77,
        "side": Side.BUY, "liquidity": Liquidity.TAKER, "price_ticks": 5990, "qty_lots": 300,
        "fee_atoms": 9, "fee_asset": FeeAsset.BASE, "mid_half_ticks": 12_000, "position_lots": 300,
    }  # fmt: skip
    assert {name: fact[name] for name in told} == told


@pytest.mark.parametrize(
    ("filled", "back"), [(0, OrderState.NEW), (300, OrderState.PARTIALLY_FILLED)]
)
def test_a_cancel_that_failed_gives_the_order_back_and_asks(filled: int, back: OrderState) -> None:
    """It is what it was before the cancel, told once; the venue is asked at the next pulse."""
    play = Playbook()
    buy, _ = play.resting()
    if filled:
        play.fill(buy, filled)
    play.command(CommandKind.PAUSE)
    assert play.order(buy)["state"] == OrderState.PENDING_CANCEL
    play.feed(E.CANCEL_REJECTED, order_key=buy, code=-2011)
    fact = play.fact(F.ORDER)
    assert (fact["order_event"], fact["state_from"]) == (
        OrderEvent.CANCEL_REJECTED,
        OrderState.PENDING_CANCEL,
    )
    assert (play.order(buy)["state"], play.order(buy)["query_at_ns"]) == (back, play.now_ns)
    play.feed(E.CANCEL_REJECTED, order_key=buy, code=-2011)
    assert not play.told(F.ORDER), "it did not change again"


def test_a_lost_answer_is_asked_for_once_and_doubts_only_what_was_not_acknowledged() -> None:
    """A create in flight becomes UNKNOWN; a resting order is what it was, and is asked for."""
    play = Playbook().run()
    buy, sell = play.key(Side.BUY), play.key(Side.SELL)
    play.accept(sell).feed(E.OUTCOME_UNKNOWN, order_key=buy)
    fact = play.fact(F.ORDER)
    assert fact["order_event"] == OrderEvent.OUTCOME_UNKNOWN
    assert fact["state_from"] == OrderState.PENDING_NEW
    order = play.order(buy)
    assert order["query_at_ns"] == order["unknown_since_ns"] == play.now_ns
    play.after(ms=1).feed(E.OUTCOME_UNKNOWN, order_key=buy)
    assert (play.order(buy), play.facts) == (order, [])
    play.feed(E.OUTCOME_UNKNOWN, order_key=sell)
    assert (play.order(sell)["state"], play.told(F.ORDER)) == (OrderState.NEW, [])
    assert play.order(sell)["query_at_ns"] == play.now_ns
    assert play.order(sell)["unknown_since_ns"] == 0


def test_c27_an_answer_whose_fills_are_missing_leaves_a_doubt_as_old_as_it_was() -> None:
    """FILLED ends no doubt, its trades do: asked for at once, and HALT by the first doubt's age."""
    play = Playbook().run()
    buy, sell = play.key(Side.BUY), play.key(Side.SELL)
    play.accept(sell).feed(E.OUTCOME_UNKNOWN, order_key=buy)
    since_ns = play.now_ns
    play.after(seconds=10).status(buy, OrderState.FILLED, cum_qty_lots=1000)
    order = play.order(buy)
    assert (order["final_state"], order["leaves_lots"]) == (OrderState.FILLED, 1000)
    assert order["unknown_since_ns"] == since_ns
    told = play.fact(F.ORDER)
    assert (told["order_event"], told["state_from"], told["state_to"]) == (
        OrderEvent.FILLS_MISSING, OrderState.UNKNOWN, OrderState.PENDING_CANCEL,
    )  # fmt: skip
    assert play.pulse().order(buy)["fills_asked_ns"] == play.now_ns
    limit_ns = int(play.core["unknown_timeout_ns"])
    while play.now_ns < since_ns + limit_ns:
        assert play.state != TradingState.HALTED
        play.pulse()
    play.pulse()
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, Code.UNKNOWN_ORDERS)


def test_a_lost_answer_to_a_cancel_leaves_the_create_alone() -> None:
    """It says nothing about an order in flight, but that it has to be asked for."""
    play = Playbook().run()
    buy = play.key(Side.BUY)
    play.feed(E.CANCEL_UNKNOWN, order_key=buy)
    order = play.order(buy)
    assert (order["state"], order["query_at_ns"]) == (OrderState.PENDING_NEW, play.now_ns)


def test_a_resting_order_that_the_venue_does_not_know_is_never_given_up() -> None:
    """C27: it was acknowledged; twice not found and in no list keeps it in doubt, not dead."""
    play = Playbook()
    buy, sell = play.resting()
    play.command(CommandKind.PAUSE).canceled(sell)
    play.feed(E.CANCEL_REJECTED, order_key=buy, code=-2011)
    play.after(seconds=13).not_found(buy)
    assert play.order(buy)["unknown_since_ns"] == play.now_ns
    play.expect(A.ASK_OPEN_ORDERS)
    first_ns = play.now_ns
    play.open_orders_end(1).trades_end().after(seconds=1).not_found(buy)
    order = play.order(buy)
    assert (order["state"], order["leaves_lots"]) == (OrderState.NEW, 1000)
    assert order["unknown_since_ns"] == first_ns


@pytest.mark.parametrize(("late_ns", "told"), [(SECOND, 0), (SECOND + 1, 1)])
def test_c35_a_listed_fill_is_a_lost_report_after_a_second(late_ns: int, told: int) -> None:
    """Until then its own report may be on the way; the venue's clock says how old it is."""
    scene = a_scene()
    scene.core["recovery_clean"] = 1
    scene.core["venue_offset_ns"] = 50
    put_order(scene, 3, BUY, 100, 10, venue_order_id=4)
    scene.begin(10 * SECOND)
    event = an_event(
        venue_order_id=4, trade_id=6, side=BUY, qty_lots=2,
        exch_ts_ns=10 * SECOND + 50 - late_ns,
    )  # fmt: skip
    reports.tell_lost_report(scene.state, event, scene.out, 3)
    assert [row["code"] for row in scene.facts()] == [Code.LOST_REPORT] * told
    assert scene.core["check_found"][KIND_TRADES] == told
    for row in scene.facts():
        assert (row["order_key"], row["venue_order_id"], row["trade_id"], row["side"],
                row["bound"]) == (scene.state.orders[3]["key"], 4, 6, BUY, 2)  # fmt: skip


@pytest.mark.parametrize(
    ("order", "event", "clean"),
    [
        ({"venue_cum_lots": 1}, {}, 1),
        ({"unknown_since_ns": 1}, {}, 1),
        ({}, {"order_key": 1}, 1),
        ({}, {"exch_ts_ns": 0}, 1),
        ({}, {}, 0),
    ],
    ids=["counted", "in doubt", "its own report", "no time", "recovering"],
)
def test_c35_a_fill_that_was_announced_or_cannot_be_judged_is_no_lost_report(
    order: dict[str, int], event: dict[str, int], clean: int
) -> None:
    """Something told of it before, or this is its report, or nobody can say how late it is."""
    scene = a_scene()
    scene.core["recovery_clean"] = clean
    put_order(scene, 3, BUY, 100, 10, venue_order_id=4, **order)
    scene.begin(10 * SECOND)
    late = an_event(**{"venue_order_id": 4, "trade_id": 6, "qty_lots": 2, "exch_ts_ns": 1, **event})
    reports.tell_lost_report(scene.state, late, scene.out, 3)
    assert scene.facts() == []


def shown(scene: Any, **fields: int) -> Any:
    """Return the status of an order of our tag that the table does not hold."""
    words = {"order_key": 5, "side": SELL, "price_ticks": 70, "qty_lots": 9, "cum_qty_lots": 2}
    return an_event(**{**words, "venue_order_id": 6, **fields})


def test_an_order_of_another_life_is_adopted_whole_or_not_at_all() -> None:
    """As it is told, open by what is missing; not without a quantity, nor into a full table."""
    scene = a_scene()
    assert chase.adopt(scene.state, shown(scene, qty_lots=0, cum_qty_lots=0), scene.out) == -1
    slot = chase.adopt(scene.state, shown(scene), scene.out)
    order = scene.state.orders[slot]
    told = {
        "key": 5, "instrument": 0, "side": SELL, "price_ticks": 70, "qty_lots": 9, "cum_lots": 0,
        "venue_cum_lots": 2, "leaves_lots": 9, "venue_order_id": 6, "state": OrderState.NEW,
        "sent_ns": SECOND, "acked_ns": SECOND, "listed_cum_lots": 2, "trade_id_before": 0,
        "reserved_atoms": 9 * 1000,
    }  # fmt: skip
    assert {name: int(order[name]) for name in told} == told
    assert scene.instrument["sent_lots"][SELL] == 9
    (fact,) = scene.facts()
    assert (fact["order_event"], fact["code"]) == (
        OrderEvent.ACCEPTED,
        Code.RECONCILE_DIFFERENCE,
    )
    for full in range(ORDERS_CAPACITY):
        if orders.free_slot(scene.state) >= 0:
            put_order(scene, full, BUY, 1, 1) if full != slot else None
    assert chase.adopt(scene.state, shown(scene, order_key=8), scene.out) == -1


def test_what_an_adopted_order_had_filled_is_counted_once() -> None:
    """Before an opening it is in the opening; else its tombstone knows, or the fills are told."""
    fresh = a_scene()
    fresh.state.balances["opening_known"] = 0
    assert chase.adopt(fresh.state, shown(fresh, qty_lots=2), fresh.out) == -1
    slot = chase.adopt(fresh.state, shown(fresh), fresh.out)
    order = fresh.state.orders[slot]
    assert (order["cum_lots"], order["leaves_lots"]) == (2, 7)
    known = a_scene()
    known.state.tombstones[0]["key"], known.state.tombstones[0]["cum_lots"] = 5, 1
    known.state.rings[0] = 1
    known.instrument["own_trade_id"] = 40
    slot = chase.adopt(known.state, shown(known), known.out)
    order = known.state.orders[slot]
    assert (order["cum_lots"], order["leaves_lots"], order["trade_id_before"]) == (1, 8, 40)
    missed = a_scene()
    missed.instrument["own_trade_id"], missed.instrument["missing_trade_id"] = 40, 30
    slot = chase.adopt(missed.state, shown(missed), missed.out)
    assert missed.state.orders[slot]["trade_id_before"] == 29
