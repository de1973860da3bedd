"""Which of our orders a report names: by our key, else by instrument and the venue's id."""

from __future__ import annotations

from hftd.domain.events import EventKind as E
from hftd.domain.order import OrderState, Side
from hftd.engine import orders
from tests.engine.scene import BUY, Scene, a_scene, an_event, put_order
from tests.playbook import BTC_USDT, ETH_USDT, Playbook


def find_as(scene: Scene, key: int, venue_order_id: int, instrument: int = 0) -> tuple[int, int]:
    """Return slot and tombstone of what a report of these ids names."""
    event = an_event(order_key=key, venue_order_id=venue_order_id, instrument=instrument)
    slot = orders.find_reported(scene.state, event)
    return slot, orders.find_reported_tombstone(scene.state, event)


def test_orders_are_found_by_our_key_else_by_the_venues_id() -> None:
    """In any slot; a key that is given is the only one that counts, and 0 finds nothing."""
    scene = a_scene()
    for slot in range(3):
        put_order(scene, slot, BUY, 100, 5, key=10 + slot, venue_order_id=20 + slot)
    scene.state.orders[1]["key"] = 0  # A slot that is free, with an id left in it.
    found = {(10, 0): 0, (12, 0): 2, (0, 22): 2, (0, 21): -1, (11, 0): -1, (9, 22): -1, (0, 0): -1,
             (10, 22): 0}  # fmt: skip
    for (key, venue_order_id), slot in found.items():
        assert find_as(scene, key, venue_order_id)[0] == slot
    assert [orders.find(scene.state, key) for key in (0, 10, 11, 12)] == [-1, 0, -1, 2]
    total = scene.state.tombstones.shape[0]
    for number, key in ((total, 7), (1, 8), (2, 8)):
        place = number % total
        scene.state.tombstones[place]["key"] = key
        scene.state.tombstones[place]["venue_order_id"] = 30 + key
    scene.state.rings[0] = total + 3  # Newest: places 2, 1 and 0, then round to the last.
    scene.state.tombstones[total - 1]["key"] = 7
    for (key, venue_order_id), place in {
        (8, 0): 2, (7, 0): 0, (0, 38): 2, (0, 37): 0, (5, 38): -1, (0, 0): -1,
    }.items():  # fmt: skip
        assert find_as(scene, key, venue_order_id)[1] == place
    scene.state.rings[0] = 1
    assert find_as(scene, 8, 0)[1] == -1, "places that were never written"
    assert [orders.find_tombstone(scene.state, key) for key in (0, 7)] == [-1, 0]


def test_the_venues_id_names_an_order_of_its_instrument_alone() -> None:
    """A venue counts ids by symbol: the same one on two instruments is two orders."""
    scene = a_scene()
    for slot, instrument in ((0, 1), (1, 0)):
        put_order(scene, slot, BUY, 100, 5, venue_order_id=20, instrument=instrument)
        tombstone = scene.state.tombstones[slot]
        tombstone["key"] = 7 + slot
        tombstone["venue_order_id"], tombstone["instrument"] = 30, instrument
    scene.state.rings[0] = 2
    assert [find_as(scene, 0, 20, index)[0] for index in (0, 1, 2)] == [1, 0, -1]
    assert [find_as(scene, 0, 30, index)[1] for index in (0, 1, 2)] == [1, 0, -1]


def test_a_listed_fill_moves_the_order_of_its_own_instrument() -> None:
    """Both buys bear the id 100 at the venue: ETH's fill ends ETH's, and BTC's goes on resting."""
    balances = 'venue.opening_balances={BTC: "1", ETH: "10", USDT: "100000"}'
    sets = ["instruments=[BTC-USDT, ETH-USDT]", balances]
    play = Playbook(sets=sets, instruments=[BTC_USDT, ETH_USDT]).start().market().market(index=1)
    btc, eth = (play.orders(side=Side.BUY, instrument=index)[0] for index in (0, 1))
    for order in (btc, eth):
        index = order["instrument"]
        play.feed(E.ACCEPTED, instrument=index, order_key=order["key"], venue_order_id=100)
    filled = {"instrument": 1, "qty_lots": eth["qty_lots"], "price_ticks": eth["price_ticks"]}
    play.feed(E.FILL, venue_order_id=100, trade_id=1, side=Side.BUY, **filled)
    assert play.ended(eth["key"]) == OrderState.FILLED
    assert play.order(btc["key"])["state"] == OrderState.NEW
    assert play.engine.state.instruments["position_lots"].tolist() == [0, eth["qty_lots"]]
