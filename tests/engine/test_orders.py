"""The order table: every pair of state and event, as drawn, and what staging and ending leave."""

from __future__ import annotations

import numpy as np
import pytest

from hftd.domain.actions import ActionKind as A
from hftd.domain.events import EventKind as E
from hftd.domain.facts import FactKind as F
from hftd.domain.order import TERMINAL, OrderEvent, OrderState, Side
from hftd.engine import orders
from hftd.engine.state import ORDERS_CAPACITY
from tests.engine.scene import BUY, SELL, a_scene, an_event, put_order
from tests.playbook import Playbook, venue_id

COLUMNS = [
    "SUBM",
    "CANC",
    "REPL",
    "ACC",
    "PART",
    "FULL",
    "CXLD",
    "REJ",
    "CREJ",
    "EXP",
    "UNKN",
    "NEVR",
    "MISS",
]
EVENTS = [event for event in OrderEvent if event != OrderEvent.DENIED]  # One a column.
ROWS = {
    "NONE": (OrderState.NONE,),
    "PENDING_NEW": (OrderState.PENDING_NEW,),
    "NEW": (OrderState.NEW,),
    "PARTIALLY_F.": (OrderState.PARTIALLY_FILLED,),
    "PENDING_CANCEL": (OrderState.PENDING_CANCEL,),
    "PENDING_REPL.": (OrderState.PENDING_REPLACE,),
    "UNKNOWN": (OrderState.UNKNOWN,),
    "terminal": TERMINAL,
}
WORDS = {
    "PNEW": OrderState.PENDING_NEW,
    "NEW": OrderState.NEW,
    "PFIL": OrderState.PARTIALLY_FILLED,
    "FILL": OrderState.FILLED,
    "CXLD": OrderState.CANCELED,
    "REJ": OrderState.REJECTED,
    "EXP": OrderState.EXPIRED,
    "UNKN": OrderState.UNKNOWN,
    "PCXL": OrderState.PENDING_CANCEL,
    "PRPL": OrderState.PENDING_REPLACE,
}


def drawn() -> list[tuple[OrderState, OrderEvent, str]]:
    """Return the table of the module's docstring, cell by cell."""
    lines = (orders.__doc__ or "").splitlines()
    at = next(number for number, line in enumerate(lines) if line.split() == COLUMNS)
    cells: list[tuple[OrderState, OrderEvent, str]] = []
    for line in lines[at + 1 : at + 1 + len(ROWS)]:
        name, *words = line.split()
        for state in ROWS[name]:
            cells += [(state, *cell) for cell in zip(EVENTS, words, strict=True)]
    return cells


def test_the_drawing_is_whole() -> None:
    """Every state and every event of the venue or of ours stands in the drawing."""
    pairs = {(state, event) for state, event, _ in drawn()}
    assert pairs == {(state, event) for state in OrderState for event in EVENTS}


@pytest.mark.parametrize(("state", "event", "word"), drawn())
def test_the_table_is_as_drawn(state: OrderState, event: OrderEvent, word: str) -> None:
    """What follows each state and event is what the drawing says, legal or not."""
    after_nothing = orders.next_state(int(state), int(event), 0)
    after_fill = orders.next_state(int(state), int(event), 3)
    if word == "!":
        assert after_nothing == after_fill == orders.ILLEGAL
    elif word == ".":
        assert after_nothing == after_fill == state
    elif word == "back":
        assert after_nothing == OrderState.NEW
        assert after_fill == OrderState.PARTIALLY_FILLED
    else:
        assert after_nothing == after_fill == WORDS[word]


def test_an_intent_is_complete_before_it_can_leave() -> None:
    """With the SUBMIT stand the id, the reservation and the exposure of the order."""
    play = Playbook().run()
    action = play.expect(A.SUBMIT, side=Side.BUY)
    order = play.order(action["order_key"])
    assert order["state"] == OrderState.PENDING_NEW
    assert order["leaves_lots"] == order["qty_lots"] == action["qty_lots"]
    assert order["reserved_atoms"] == 1000 * 5990 * 10_000
    assert order["key"] >> 30 == play.epoch
    counted = (play.core["submitted"], play.core["orders_since_fill"], play.core["next_seq"])
    assert counted == (2, 2, 3)


def test_keys_are_new_after_a_restart() -> None:
    """A boot of the next epoch never mints a key of the boot before."""
    play = Playbook().run()
    first = {row["order_key"] for row in play.all_actions if row["order_key"]}
    for key in first:
        play.feed(E.REJECTED, order_key=key, code=-201001)
    play.boot().links().reconcile().market(5980, 6000)
    second = {row["order_key"] for row in play.actions if row["order_key"]}
    assert len(second) == 2
    assert not first & second


def test_a_contradiction_is_noted_and_asked_for() -> None:
    """A REJECTED for an order that rests changes nothing; the venue is asked what holds."""
    play = Playbook()
    buy, _ = play.resting()
    play.feed(E.REJECTED, order_key=buy, code=-1013)
    assert play.order(buy)["state"] == OrderState.NEW
    assert play.expect(A.QUERY_ORDER)["target_key"] == buy
    assert play.told(F.NOTE)


def test_a_replacement_stops_on_failure() -> None:
    """Cancel refused: the new leg ends REJECTED, the old order stands where it stood."""
    play = Playbook()
    buy, _sell = play.resting()
    play.after(ms=600).market(5985, 6010)
    new = play.expect(A.CANCEL_REPLACE, side=Side.BUY, target_key=buy)["order_key"]
    assert play.order(buy)["state"] == OrderState.PENDING_REPLACE
    play.feed(E.CANCEL_REJECTED, order_key=buy, code=-2011)
    assert play.order(buy)["state"] == OrderState.NEW
    play.feed(E.REJECTED, order_key=new, code=-202201)
    assert play.ended(new) == OrderState.REJECTED
    assert play.core["rejected"] == 0


def test_a_replacement_may_succeed_by_half() -> None:
    """409: the old order is canceled and the new one refused; the side is quoted afresh."""
    play = Playbook()
    buy, _sell = play.resting()
    play.after(ms=600).market(5985, 6010)
    new = play.expect(A.CANCEL_REPLACE, side=Side.BUY)["order_key"]
    play.canceled(buy).feed(E.REJECTED, order_key=new, code=-201001)
    assert (play.ended(buy), play.ended(new)) == (OrderState.CANCELED, OrderState.REJECTED)
    play.market(5985, 6010, lots=4900)
    assert play.key(Side.BUY) not in (buy, new)


def test_the_old_leg_may_fill_while_it_is_replaced() -> None:
    """A fill of the order that goes ends it FILLED; both legs counted until then."""
    play = Playbook()
    buy, _sell = play.resting()
    play.after(ms=600).market(5985, 6010)
    new = play.expect(A.CANCEL_REPLACE, side=Side.BUY)["order_key"]
    play.fill(buy, 1000)
    assert play.ended(buy) == OrderState.FILLED
    play.feed(E.REJECTED, order_key=new, code=-202201)
    assert play.instrument["position_lots"] == 1000


def test_c40_an_intent_names_what_it_was_decided_on() -> None:
    """Decision, newest book update with its time, and the configuration, in intent and fact."""
    play = Playbook().start()
    play.market()
    assert play.core["config_hash"] > 0
    for action in play.did(A.SUBMIT):
        assert action["decision_seq"] == play.core["decision_seq"]
        assert action["book_update_id"] == play.engine.state.books[0]["last_update_id"] > 0
        assert action["book_ns"] == play.now_ns
        assert action["config_hash"] == play.core["config_hash"]
    told = play.told(F.ORDER, order_event=OrderEvent.SUBMITTED)
    assert [row["book_update_id"] for row in told] == [action["book_update_id"]] * 2
    replaced = Playbook(sets=["risk.max_position_base=0.05"])
    assert replaced.start().core["config_hash"] != play.core["config_hash"]


@pytest.mark.parametrize("ended", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_the_tables_end_lies_behind_every_open_order(ended: tuple[int, ...]) -> None:
    """What walks the table sees each open order, in whatever order the others have ended."""
    scene = a_scene()
    slots = []
    for key in (1, 2, 3):
        slots.append(orders.free_slot(scene.state))
        scene.state.orders[slots[-1]]["key"] = key
    assert slots == [0, 1, 2]
    for slot in ended:
        assert scene.core["orders_end"] == 1 + max(np.flatnonzero(scene.state.orders["key"]))
        orders.clear_slot(scene.state, slot)
    assert scene.core["orders_end"] == 0


def test_a_slot_that_was_freed_is_taken_again_before_the_table_grows() -> None:
    """A table that is full has no slot; one that ends within it is the next to be given."""
    scene = a_scene()
    for slot in range(ORDERS_CAPACITY):
        assert orders.free_slot(scene.state) == slot
        scene.state.orders[slot]["key"] = 1 + slot
    assert orders.free_slot(scene.state) == -1
    orders.clear_slot(scene.state, 7)
    assert (orders.free_slot(scene.state), scene.core["orders_end"]) == (7, ORDERS_CAPACITY)


def test_c40_the_newer_of_touch_and_depth_is_the_book_that_was_known() -> None:
    """By update id; where both tell the same, it is the depth."""
    scene = a_scene()
    scene.book["last_update_id"], scene.book["depth_ns"] = 7, 100
    for touch_id, known in ((6, (7, 100)), (7, (7, 100)), (8, (8, 200))):
        scene.instrument["touch_update_id"], scene.instrument["touch_ns"] = touch_id, 200
        assert orders.newest_book(scene.state, 0) == known


def test_all_orders_of_one_instrument_are_canceled_and_counted() -> None:
    """Those of others stay; -1 means every one, whatever its state."""
    for instrument, slots in ((0, [0, 2]), (1, [1]), (-1, [0, 1, 2])):
        scene = a_scene()
        for slot, of in enumerate((0, 1, 0)):
            put_order(scene, slot, BUY, 100, 5, instrument=of)
        scene.begin()
        assert orders.cancel_all(scene.state, scene.out, instrument, 7) == len(slots)
        keys = [row["target_key"] for row in scene.actions()]
        assert keys == [int(scene.state.orders[slot]["key"]) for slot in slots]
        wanted = [int(each) for each in scene.state.orders["cancel_wanted"][:3]]
        assert wanted == [int(slot in slots) for slot in range(3)]
        assert {row["code"] for row in scene.facts()} == {7}


def test_the_fact_of_an_end_has_nothing_open() -> None:
    """All that was filled, no leaves, nothing reserved any more."""
    play = Playbook()
    buy, _ = play.resting()
    play.fill(buy, 300).canceled(buy, 300)
    fact = play.fact(F.ORDER, order_event=OrderEvent.CANCELED)
    assert (fact["cum_qty_lots"], fact["leaves_lots"], fact["qty_lots"]) == (300, 0, 1000)
    (tombstone,) = (row for row in play.engine.state.tombstones if row["key"] == buy)
    assert (tombstone["cum_lots"], tombstone["qty_lots"], tombstone["side"]) == (300, 1000, 0)


@pytest.mark.parametrize(
    ("own", "wanted", "price", "crosses"),
    [
        (SELL, BUY, 99, False), (SELL, BUY, 100, True), (SELL, BUY, 101, True),
        (BUY, SELL, 101, False), (BUY, SELL, 100, True), (BUY, SELL, 99, True),
        (BUY, BUY, 100, False), (SELL, SELL, 100, False),
    ],
)  # fmt: skip
def test_c09_a_wish_crosses_at_the_price_of_our_own_order(
    own: int, wanted: int, price: int, crosses: bool
) -> None:
    """At it and beyond it, on the other side, of the same instrument, while it is open."""
    scene = a_scene()
    order = put_order(scene, 0, own, 100, 5)
    wish = {"instrument": 0, "side": wanted, "price_ticks": price}
    assert bool(orders.crosses(order, an_event(**wish))) is crosses
    assert not orders.crosses(order, an_event(**{**wish, "instrument": 1}))
    order["key"] = 0
    assert not orders.crosses(order, an_event(**wish))


def test_what_an_order_holds_back_shrinks_with_each_fill() -> None:
    """600 of 1000 lots are open after 400: their funds alone are reserved."""
    play = Playbook()
    buy, sell = play.resting()
    play.fill(buy, 400).fill(sell, 300)
    assert play.order(buy)["reserved_atoms"] == 600 * 5990 * 10_000
    assert play.order(sell)["reserved_atoms"] == 700 * 1_000


def test_a_tombstone_says_what_ended_and_when() -> None:
    """Side, ids, quantities, and the decision by which it ended: older lists prove nothing."""
    play = Playbook()
    _, sell = play.resting()
    play.fill(sell, 300).canceled(sell, 300)
    (tombstone,) = (row for row in play.engine.state.tombstones if row["key"] == sell)
    told = ("venue_order_id", "side", "state", "qty_lots", "cum_lots", "ended_seq", "shown")
    assert [int(tombstone[name]) for name in told] == [
        venue_id(sell), SELL, OrderState.CANCELED, 1000, 300, play.core["decision_seq"], 0,
    ]  # fmt: skip
