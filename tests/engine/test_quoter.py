"""When an order of ours is left, moved or pulled: each row of the quoter's table."""

from __future__ import annotations

from typing import Any

import pytest

from hftd.domain.actions import ActionKind
from hftd.domain.codes import BookState, Code, TradingState
from hftd.domain.facts import FactKind
from hftd.domain.instrument import InstrumentStatus
from hftd.domain.order import OrderState, TimeInForce
from hftd.engine import quoter, targets
from hftd.engine.state import ORDERS_CAPACITY
from tests.engine.scene import BUY, MS, SECOND, SELL, Scene, a_scene, put_order, show_market

SUBMIT, CANCEL, REPLACE = ActionKind.SUBMIT, ActionKind.CANCEL, ActionKind.CANCEL_REPLACE


def a_market() -> Scene:
    """Return a RUNNING world with a SYNCED book, bid 100 and ask 104, and no target."""
    scene = a_scene()
    show_market(scene, {100: 50}, {104: 50})
    scene.instrument["min_quote_life_ns"] = 500 * MS
    return scene


def wanted(scene: Scene, price_ticks: int, lots: int, side: int = BUY, **more: int) -> Any:
    """Make one side's target a resting quote."""
    target = scene.state.targets[0, side]
    targets.clear_target(target)
    targets.want(target, price_ticks, lots)
    for name, value in more.items():
        target[name] = value
    return target


def refused(scene: Scene, code: Code, side: int = BUY) -> None:
    """Make one side's target unwanted for a reason."""
    target = scene.state.targets[0, side]
    targets.clear_target(target)
    targets.condition(target, Code(code), False, 1, 2)


def wishes(scene: Scene, now_ns: int = SECOND) -> list[tuple[int, int, int, int, int]]:
    """Run the quoter and return its wishes: kind, side, price, lots, order acted on.

    What was wished for is told as it is behind a gate that allows everything.
    """
    scene.begin(now_ns)
    scene.instrument["dirty"] = 1
    quoter.diff(scene.state, scene.out)
    for wish in scene.wishes():
        if wish["kind"] != CANCEL:
            quoter.tell(scene.state, scene.out, wish["instrument"], wish["side"])
    return [
        (w["kind"], w["side"], w["price_ticks"], w["qty_lots"], w["target_key"])
        for w in scene.wishes()
    ]


def told(scene: Scene) -> list[tuple[int, int]]:
    """Return the QUOTING facts as (side, code)."""
    return [(f["side"], f["code"]) for f in scene.facts() if f["kind"] == FactKind.QUOTING]


def test_an_empty_side_gets_a_post_only_order() -> None:
    """Both sides in one decision, good till canceled."""
    scene = a_market()
    wanted(scene, 100, 10)
    wanted(scene, 104, 20, SELL)
    assert wishes(scene) == [(SUBMIT, BUY, 100, 10, 0), (SUBMIT, SELL, 104, 20, 0)]
    for wish in scene.wishes():
        assert (wish["post_only"], wish["time_in_force"]) == (1, TimeInForce.GTC)
    assert scene.instrument["dirty"] == 0


def test_an_instrument_that_is_not_dirty_is_left_alone() -> None:
    """Nothing changed that a decision may depend on."""
    scene = a_market()
    wanted(scene, 100, 10)
    scene.begin()
    scene.instrument["dirty"] = 0
    quoter.diff(scene.state, scene.out)
    assert scene.wishes() == []


@pytest.mark.parametrize(("lots", "sent"), [(19, 1), (10, 1), (20, 2), (29, 2)])
def test_the_canary_multiplies_every_size_rounded_down(lots: int, sent: int) -> None:
    """At a factor of 0.1."""
    scene = a_market()
    scene.core["canary_size_e6"] = 100_000
    wanted(scene, 100, lots)
    assert wishes(scene) == [(SUBMIT, BUY, 100, sent, 0)]


def test_a_size_that_the_canary_makes_too_small_is_not_quoted() -> None:
    """It says SIZE_ZERO with both numbers, and what rests is pulled."""
    scene = a_market()
    scene.core["canary_size_e6"] = 100_000
    order = put_order(scene, 0, BUY, 100, 5)
    wanted(scene, 100, 9)
    assert wishes(scene) == [(CANCEL, BUY, 0, 0, order["key"])]
    assert told(scene) == [(BUY, Code.SIZE_ZERO)]
    fact = scene.facts()[0]
    assert (fact["value"], fact["bound"]) == (0, 1)


def test_a_notional_below_the_venues_minimum_is_not_quoted() -> None:
    """Ten lots at 100 ticks of 1,000 atoms are just enough."""
    scene = a_market()
    wanted(scene, 100, 10)
    scene.instrument["min_notional_atoms"] = 1_000_001
    assert wishes(scene) == []
    assert told(scene) == [(BUY, Code.SIZE_ZERO)]
    scene.instrument["min_notional_atoms"] = 1_000_000
    wanted(scene, 100, 10)
    assert wishes(scene) == [(SUBMIT, BUY, 100, 10, 0)]


@pytest.mark.parametrize(
    ("price", "leaves", "moves"),
    [
        (100, 10, False),
        (102, 10, False),
        (98, 10, False),
        (103, 10, True),
        (97, 10, True),
        (100, 11, True),
        (100, 5, False),
        (100, 4, True),
    ],
)
def test_what_is_left_and_what_is_moved(price: int, leaves: int, moves: bool) -> None:
    """Within two ticks and between half the size and the size it keeps its place."""
    scene = a_market()
    scene.instrument["price_tolerance_ticks"] = 2
    order = put_order(scene, 0, BUY, price, 20, leaves_lots=leaves)
    wanted(scene, 100, 10)
    replaced = [(REPLACE, BUY, 100, 10, order["key"])]
    assert wishes(scene) == (replaced if moves else [])


def test_a_quote_is_not_moved_before_its_minimum_life() -> None:
    """Neither for price nor for size; at that age it is."""
    scene = a_market()
    order = put_order(scene, 0, BUY, 99, 10, acked_ns=SECOND)
    wanted(scene, 100, 10)
    assert wishes(scene, SECOND + 500 * MS - 1) == []
    assert wishes(scene, SECOND + 500 * MS) == [(REPLACE, BUY, 100, 10, order["key"])]


def test_pulling_never_waits() -> None:
    """A young quote of a refused side goes at once, with the reason in the wish."""
    scene = a_market()
    order = put_order(scene, 0, BUY, 100, 10, acked_ns=SECOND)
    refused(scene, Code.TRADED_THROUGH)
    scene.state.targets[0, BUY]["denied_until_ns"] = 2 * SECOND
    assert wishes(scene) == [(CANCEL, BUY, 0, 0, order["key"])]
    assert scene.wishes()[0]["code"] == Code.TRADED_THROUGH


@pytest.mark.parametrize(
    ("state", "wanted_before", "cancels"),
    [
        (OrderState.NEW, 0, True),
        (OrderState.PARTIALLY_FILLED, 0, True),
        (OrderState.PENDING_NEW, 0, True),
        (OrderState.PENDING_NEW, 1, False),
        (OrderState.PENDING_REPLACE, 0, True),
        (OrderState.PENDING_REPLACE, 1, False),
        (OrderState.UNKNOWN, 0, True),
        (OrderState.UNKNOWN, 1, False),
        (OrderState.PENDING_CANCEL, 1, False),
    ],
)
def test_each_order_is_canceled_once(state: OrderState, wanted_before: int, cancels: bool) -> None:
    """Also one in flight or in doubt: its cancel follows it."""
    scene = a_market()
    put_order(scene, 0, BUY, 100, 10, state=int(state), cancel_wanted=wanted_before)
    refused(scene, Code.NO_EDGE)
    assert len(wishes(scene)) == cancels


def test_a_rejected_cancel_is_tried_again_after_a_while() -> None:
    """It usually raced a fill, and the report is on its way."""
    scene = a_market()
    put_order(scene, 0, BUY, 100, 10, cancel_wanted=1, cancel_sent_ns=SECOND)
    refused(scene, Code.NO_EDGE)
    assert wishes(scene, SECOND + quoter.CANCEL_AGAIN_NS - 1) == []
    assert len(wishes(scene, SECOND + quoter.CANCEL_AGAIN_NS)) == 1


@pytest.mark.parametrize(
    "state", [OrderState.PENDING_NEW, OrderState.PENDING_CANCEL, OrderState.PENDING_REPLACE]
)
def test_nothing_is_sent_while_a_leg_is_in_flight(state: OrderState) -> None:
    """Neither a second order nor a replacement of the one that rests."""
    scene = a_market()
    put_order(scene, 0, BUY, 90, 10, state=int(state))
    wanted(scene, 100, 10)
    assert wishes(scene) == []
    put_order(scene, 1, BUY, 91, 10, cancel_sent_ns=SECOND)
    assert wishes(scene) == []


def test_an_order_in_doubt_blocks_its_side_alone() -> None:
    """The side says so; what else rests there stays; the other side quotes."""
    scene = a_market()
    put_order(scene, 0, BUY, 90, 10, state=int(OrderState.UNKNOWN))
    put_order(scene, 1, BUY, 91, 10)
    wanted(scene, 100, 10)
    wanted(scene, 104, 10, SELL)
    assert wishes(scene) == [(SUBMIT, SELL, 104, 10, 0)]
    assert told(scene) == [(BUY, Code.SIDE_IN_DOUBT), (SELL, Code.NONE)]


def test_of_several_working_orders_one_stays() -> None:
    """At most one working order a side; the first is kept until the others are gone."""
    scene = a_market()
    put_order(scene, 0, BUY, 90, 10)
    second = put_order(scene, 1, BUY, 100, 10)
    put_order(scene, 2, SELL, 104, 10)
    wanted(scene, 100, 10)
    wanted(scene, 104, 10, SELL)
    assert wishes(scene) == [(CANCEL, BUY, 0, 0, second["key"])]


def test_after_a_refusal_the_side_waits() -> None:
    """An empty side says so; one that has a quote keeps it as it is."""
    scene = a_market()
    wanted(scene, 100, 10, denied_until_ns=2 * SECOND)
    assert wishes(scene, 2 * SECOND - 1) == []
    assert told(scene) == [(BUY, Code.DENIED_RECENTLY)]
    wanted(scene, 100, 10)
    assert wishes(scene, 2 * SECOND) == [(SUBMIT, BUY, 100, 10, 0)]
    put_order(scene, 0, BUY, 99, 10)
    scene.state.targets[0, BUY]["denied_until_ns"] = 9 * SECOND
    assert wishes(scene, 9 * SECOND - 1) == []
    assert told(scene) == []
    assert wishes(scene, 9 * SECOND)[0][0] == REPLACE


def test_while_a_refused_side_clears_it_says_that_it_waits() -> None:
    """Its last quote is on the way out, which is no quote; in doubt it says that instead."""
    scene = a_market()
    order = put_order(scene, 0, BUY, 99, 10, state=int(OrderState.PENDING_CANCEL))
    wanted(scene, 100, 10, denied_until_ns=2 * SECOND)
    assert wishes(scene) == []
    assert told(scene) == [(BUY, Code.DENIED_RECENTLY)]
    order["state"] = OrderState.UNKNOWN
    wanted(scene, 100, 10)
    assert wishes(scene) == []
    assert told(scene) == [(BUY, Code.SIDE_IN_DOUBT)]


@pytest.mark.parametrize(
    ("position", "side", "replaces"),
    [(80, BUY, True), (81, BUY, False), (-80, SELL, True), (-81, SELL, False), (-1_000, BUY, True)],
)
def test_the_old_order_goes_first_where_both_would_break_the_limit(
    position: int, side: int, replaces: bool
) -> None:
    """Old and new count until the venue has answered: 10 + 10 beside the position, limit 100."""
    scene = a_market()
    scene.instrument["max_position_lots"] = 100
    scene.instrument["position_lots"] = position
    order = put_order(scene, 0, side, 95, 10)
    wanted(scene, 98, 10, side)
    kind = REPLACE if replaces else CANCEL
    assert [(w[0], w[4]) for w in wishes(scene)] == [(kind, order["key"])]


def test_taking_waits_until_nothing_of_ours_is_open() -> None:
    """IOC, not post-only, and only while neither side has anything open or in flight."""
    scene = a_market()
    wanted(scene, 104, 10, take=1)
    assert wishes(scene) == [(SUBMIT, BUY, 104, 10, 0)]
    wish = scene.wishes()[0]
    assert (wish["post_only"], wish["time_in_force"]) == (0, TimeInForce.IOC)
    put_order(scene, 0, SELL, 110, 10, state=int(OrderState.PENDING_NEW), time_in_force=1)
    assert wishes(scene) == []
    scene.state.orders[0]["key"] = 0
    wanted(scene, 104, 10, take=1, denied_until_ns=SECOND + 1)
    assert wishes(scene) == []
    assert told(scene) == [(BUY, Code.DENIED_RECENTLY)]
    wanted(scene, 104, 10, take=1)
    assert wishes(scene, SECOND + 1) == [(SUBMIT, BUY, 104, 10, 0)]


def test_an_ioc_order_is_not_the_quoters_to_cancel() -> None:
    """It ends by itself."""
    scene = a_market()
    put_order(scene, 0, BUY, 100, 10, time_in_force=int(TimeInForce.IOC))
    refused(scene, Code.HOLDING)
    assert wishes(scene) == []


@pytest.mark.parametrize("trading", [s for s in TradingState if s != TradingState.RUNNING])
def test_only_a_running_daemon_quotes(trading: TradingState) -> None:
    """In any other state quotes are pulled, whatever a strategy wants."""
    scene = a_market()
    scene.core["state"] = trading
    order = put_order(scene, 0, BUY, 100, 10)
    wanted(scene, 100, 10)
    wanted(scene, 104, 10, SELL)
    assert wishes(scene) == [(CANCEL, BUY, 0, 0, order["key"])]
    assert told(scene) == [(BUY, Code.NOT_RUNNING), (SELL, Code.NOT_RUNNING)]


def test_reduce_only_lets_reducing_quotes_through() -> None:
    """The strategy marks them; the gate judges whether they reduce."""
    scene = a_market()
    scene.core["state"] = TradingState.REDUCE_ONLY
    wanted(scene, 104, 10, SELL, reduce_only=1)
    assert wishes(scene) == [(SUBMIT, SELL, 104, 10, 0)]
    assert scene.wishes()[0]["reduce_only"] == 1


@pytest.mark.parametrize("state", [BookState.STALE, BookState.RESYNCING])
def test_a_book_in_doubt_pulls_the_quotes(state: BookState) -> None:
    """At once, whatever a strategy wants."""
    scene = a_market()
    put_order(scene, 0, BUY, 100, 10, acked_ns=SECOND)
    scene.book["state"] = state
    wanted(scene, 100, 10)
    assert [w[0] for w in wishes(scene)] == [CANCEL]
    assert told(scene) == [(BUY, Code.BOOK_NOT_SYNCED)]


def test_a_venue_that_does_not_trade_the_symbol_pulls_the_quotes() -> None:
    """HALT, BREAK and CANCEL_ONLY alike."""
    scene = a_market()
    put_order(scene, 0, BUY, 100, 10)
    scene.instrument["status"] = InstrumentStatus.BREAK
    wanted(scene, 100, 10)
    assert [w[0] for w in wishes(scene)] == [CANCEL]
    assert told(scene) == [(BUY, Code.NOT_TRADING)]


def test_quoting_is_told_on_change_alone() -> None:
    """Begin, cease with the reason and its numbers, another reason, begin again."""
    scene = a_market()
    seen = []
    for step, code in enumerate([0, 0, Code.NO_EDGE, Code.NO_EDGE, Code.BALANCE_SHORT, 0]):
        if code:
            refused(scene, Code(code))
        else:
            wanted(scene, 100, 10)
        wishes(scene, (step + 1) * SECOND)
        seen.append([(f["code"], f["value"], f["bound"]) for f in scene.facts()])
    assert seen == [
        [(Code.NONE, 0, 0)],
        [],
        [(Code.NO_EDGE, 1, 2)],
        [],
        [(Code.BALANCE_SHORT, 1, 2)],
        [(Code.NONE, 0, 0)],
    ]
    assert scene.state.targets[0, BUY]["reason_since_ns"] == 6 * SECOND


def test_an_order_clears_what_a_miss_asked_of_the_price() -> None:
    """One tick away is for one update."""
    scene = a_market()
    wanted(scene, 99, 10, miss_away_ticks=1, miss_update_id=7)
    assert len(wishes(scene)) == 1
    target = scene.state.targets[0, BUY]
    assert (target["miss_away_ticks"], target["miss_update_id"]) == (0, 0)


def test_more_cancels_than_fit_leave_the_instrument_dirty() -> None:
    """A full table is pulled in two decisions, not by a crash."""
    scene = a_market()
    for slot in range(ORDERS_CAPACITY):
        put_order(scene, slot, BUY, 100, 1)
    refused(scene, Code.NO_EDGE)
    assert len(wishes(scene)) == ORDERS_CAPACITY - 1
    assert scene.instrument["dirty"] == 1


def test_instruments_do_not_meddle() -> None:
    """Orders of one are invisible to the quoter of another."""
    scene = a_scene()
    show_market(scene, {100: 50}, {104: 50})
    put_order(scene, 0, BUY, 90, 10, instrument=1)
    wanted(scene, 100, 10)
    assert wishes(scene) == [(SUBMIT, BUY, 100, 10, 0)]
    refused(scene, Code.NO_EDGE)
    assert wishes(scene) == []


def test_beside_a_reserve_the_old_order_goes_first() -> None:
    """What it still fills is spent as well as its successor, and the venue knows no reserve."""
    scene = a_market()
    put_order(scene, 0, BUY, 99, 10, reserved_atoms=99 * 10 * 1_000)
    wanted(scene, 100, 10)
    quote = scene.state.balances[0]
    quote["opening_atoms"] = (99 + 100) * 10 * 1_000
    assert [kind for kind, *_ in wishes(scene)] == [REPLACE]
    quote["reserve_atoms"] = 1
    assert [kind for kind, *_ in wishes(scene)] == [CANCEL]
    quote["opening_atoms"] += 1
    assert [kind for kind, *_ in wishes(scene)] == [REPLACE]
