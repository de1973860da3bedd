"""The venue names the order behind a trade: what becomes of that, with room for it and without."""

from __future__ import annotations

import pytest

from hftd.domain.actions import ActionKind as A
from hftd.domain.order import OrderState
from hftd.engine import orders, recovery, strangers, strays
from hftd.engine.state import ORDERS_CAPACITY
from tests.engine.scene import BUY, SELL, Scene, a_scene, an_event, put_order

STRAY = 77  # The venue's id of the order that nobody here knows.


def asked() -> Scene:
    """Return a scene that has asked for one such order."""
    scene = a_scene()
    strays.meet(scene.state, scene.out, 0, STRAY)
    scene.begin()
    return scene


def named(scene: Scene, **fields: int) -> list[int]:
    """Let the venue name its order; return the kinds of what follows."""
    words = {"venue_order_id": STRAY, "found": 1, "order_key": 5, "side": SELL, "price_ticks": 70}
    strangers.apply_owner(scene.state, an_event(**{**words, **fields}), scene.out)
    return [row["kind"] for row in scene.actions()]


def waits(scene: Scene) -> bool:
    """Tell whether the order is still to be named."""
    return bool(strays.is_waiting(scene.state, 0))


def test_an_order_for_which_there_is_no_room_is_named_again_later() -> None:
    """The table is full: nothing is adopted, and no trade is listed before it can be booked."""
    scene = asked()
    for slot in range(ORDERS_CAPACITY):
        put_order(scene, slot, BUY, 1, 1)
    assert named(scene, status=OrderState.CANCELED, qty_lots=9, cum_qty_lots=9) == []
    assert waits(scene)
    orders.clear_slot(scene.state, 7)
    kinds = named(scene, status=OrderState.CANCELED, qty_lots=9, cum_qty_lots=9)
    assert kinds == [A.ASK_TRADES] and not waits(scene)
    assert scene.state.orders[7]["leaves_lots"] == 9


def test_an_order_that_is_in_the_table_by_now_takes_the_answer() -> None:
    """It was adopted meanwhile, or had no venue id: its status is applied, none is added."""
    scene = asked()
    order = put_order(scene, 0, SELL, 70, 9, key=5)
    assert named(scene, status=OrderState.FILLED, qty_lots=9, cum_qty_lots=4) == [A.ASK_TRADES]
    assert (order["final_state"], order["leaves_lots"]) == (OrderState.FILLED, 4)
    assert order["venue_order_id"] == STRAY
    assert not waits(scene)
    assert scene.core["orders_end"] == 1


def test_an_order_whose_fills_are_in_the_opening_is_not_adopted() -> None:
    """A new ledger counts what it filled already: it is over, and nothing is left to book."""
    scene = asked()
    scene.state.balances["opening_known"] = 0
    assert named(scene, status=OrderState.CANCELED, qty_lots=9, cum_qty_lots=9) == [A.ASK_TRADES]
    assert not waits(scene)
    assert scene.core["orders_end"] == 0


@pytest.mark.parametrize(("status", "kinds"), [
    (OrderState.NEW, [A.CANCEL, A.ASK_TRADES]),
    (OrderState.PARTIALLY_FILLED, [A.CANCEL, A.ASK_TRADES]),
    (OrderState.CANCELED, [A.ASK_TRADES]),
])  # fmt: skip
def test_an_order_of_ours_that_lives_is_canceled(status: OrderState, kinds: list[int]) -> None:
    """One that is over is open by the fills that are still to be told."""
    scene = asked()
    assert named(scene, status=status, qty_lots=9, cum_qty_lots=4) == kinds
    order = scene.state.orders[0]
    assert (order["key"], order["qty_lots"], order["cum_lots"]) == (5, 9, 0)
    assert order["leaves_lots"] == (9 if status != OrderState.CANCELED else 4)


def test_one_that_ended_here_lends_its_tombstone_the_venues_id() -> None:
    """So that the trades, told again by that id alone, are known for its own."""
    scene = asked()
    scene.state.tombstones[0]["key"], scene.state.rings[0] = 5, 1
    assert named(scene, status=OrderState.CANCELED, qty_lots=9, cum_qty_lots=4) == [A.ASK_TRADES]
    assert scene.state.tombstones[0]["venue_order_id"] == STRAY
    assert scene.core["orders_end"] == 0


def test_what_may_be_missing_stays_so_while_an_order_is_to_be_named() -> None:
    """A clean comparison forgets the gap of an instrument, but for one that still waits."""
    scene = asked()
    scene.state.instruments["missing_trade_id"] = 4
    recovery.finish(scene.state, scene.out)
    assert list(scene.state.instruments["missing_trade_id"]) == [4, 0]
