"""What is forgotten field by field: by a wiped venue, by a boot's doubts, by a table of strays.

Records are filled first, so that a field which is not forgotten, or forgotten too much, shows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hftd.domain.actions import ActionKind as A
from hftd.domain.codes import Code, TradingState
from hftd.domain.events import EventKind as E
from hftd.domain.facts import FactKind as F
from hftd.domain.order import OrderEvent, OrderState
from hftd.engine import boot, breaker, known_trades, strangers, strays, venue_reset
from hftd.engine.state import KIND_ORDERS, STRAYS_CAPACITY, TRADES_SEEN_CAPACITY
from tests.engine.scene import BUY, SECOND, SELL, an_event, put_order
from tests.engine.test_stopping import NOW, a_stage, numbers, rows

WIPED = {
    "position_lots", "cost_atoms", "realized_atoms", "unrealized_atoms", "base_fee_atoms",
    "quote_fee_atoms", "other_fee_atoms", "fees_atoms", "opening_mid_half_ticks", "own_trade_id",
    "missing_trade_id", "forgotten_trade_id", "checked_trade_id", "foreign_seen_id",
    "boot_position_lots", "sent_lots", "filled_lots", "released_lots", "flatten",
}  # fmt: skip
WIPED_OF_BALANCE = {"opening_known", "traded_atoms", "flow_atoms", "disagreed"}
WIPED_OF_CORE = {
    "day_open_equity_atoms", "day_start_equity_atoms", "peak_equity_atoms", "loss_seen_ns",
    "venue_remembers",
}  # fmt: skip


def filled(record: Any, *keep: str) -> Any:
    """Set every number of a record to 3, but for some; return what it is then."""
    for name in record.dtype.names:
        if name not in keep:
            record[name] = 3
    return np.frombuffer(record.tobytes(), record.dtype)[0]


def zeroed(record: Any, before: Any) -> set[str]:
    """Return the fields that are zero now and were not; no other field may have changed."""
    changed = {n for n in record.dtype.names if not np.array_equal(record[n], before[n])}
    assert not any(np.any(record[name]) for name in changed)
    return changed


def test_what_a_wiped_venue_makes_us_forget() -> None:
    """Of each instrument, each balance and the day: what the venue's ids and trades made."""
    scene = a_stage(TradingState.HALTED)
    state = scene.state
    put_order(scene, 0, BUY, 100, 5)
    put_order(scene, 2, SELL, 110, 7, instrument=1)
    records = [state.instruments[0], state.instruments[1], *(state.balances[at] for at in range(3))]
    state.instruments["dirty"] = 1  # As the end of an order leaves it.
    before = [filled(record, "base_asset", "dirty") for record in records]
    fixed = ("now_ns", "decision_seq", "orders_end", "quote_asset", "instruments", "assets")
    core = filled(scene.core, *fixed)
    state.rings[:] = 3
    for place in range(STRAYS_CAPACITY):
        filled(state.strays[place])
    venue_reset.forget(state, scene.out)
    told = [row for row in scene.facts() if row["kind"] == F.ORDER]
    ended = (OrderEvent.EXPIRED, OrderState.EXPIRED, Code.VENUE_RESET)
    assert rows(told, "order_event", "state_to", "code") == [ended, ended]
    for record, was in zip(records[:2], before[:2], strict=True):
        assert zeroed(record, was) == WIPED
    for record, was in zip(records[2:], before[2:], strict=True):
        assert zeroed(record, was) == WIPED_OF_BALANCE
    assert zeroed(scene.core, core) == WIPED_OF_CORE | {"orders_end"}
    assert not state.rings.any() and not state.strays.view(np.int8).any()


def test_the_trade_of_any_instrument_is_one_that_a_venue_would_list() -> None:
    """The first id that there is; none of either is none."""
    scene = a_stage()
    for ids, known in (([0, 0], False), ([1, 0], True), ([0, 1], True)):
        scene.state.instruments["own_trade_id"] = ids
        assert bool(venue_reset.has_trades(scene.state)) is known


# --- A boot.


@pytest.mark.parametrize("state", [s for s in OrderState if s != OrderState.NONE])
@pytest.mark.parametrize("final", [0, OrderState.CANCELED])
def test_what_a_boot_doubts_of_an_order(state: OrderState, final: int) -> None:
    """Its queries begin anew; in doubt is what was in flight, or what waits for its fills."""
    scene = a_stage()
    order = put_order(scene, 2, SELL, 100, 7, state=int(state), final_state=int(final))
    order["query_at_ns"] = order["query_attempt"] = order["unknown_since_ns"] = 6
    boot.doubt_orders(scene.state, scene.out)
    doubted = state in (OrderState.PENDING_NEW, OrderState.UNKNOWN)
    names = ("query_at_ns", "query_attempt", "unknown_since_ns", "state")
    since_ns = NOW if doubted or final else 0
    assert [int(order[name]) for name in names] == [
        0, 0, since_ns, OrderState.UNKNOWN if doubted else state,
    ]  # fmt: skip
    assert len(scene.facts()) == int(doubted)


def test_a_boot_is_of_every_instrument_and_place() -> None:
    """The second market, its targets and every stray are forgotten as the first ones are."""
    scene = a_stage()
    core = scene.core
    for place in range(STRAYS_CAPACITY):
        filled(scene.state.strays[place])
    scene.state.targets["denied_until_ns"], scene.state.instruments["frame_ns"] = 5, 5
    scene.state.instruments["own_trade_id"] = [4, 8]
    core["rate_limited_until_ns"] = NOW + 1
    boot.boot(scene.state, an_event(epoch=3, latched=int(TradingState.KILLED), code=49), scene.out)
    assert not scene.state.strays.view(np.int8).any()
    assert not scene.state.targets["denied_until_ns"].any()
    assert scene.state.instruments["frame_ns"].tolist() == [0, 0]
    assert scene.state.instruments["missing_trade_id"].tolist() == [5, 9]
    assert rows(scene.actions(), "kind", "instrument", "until_ns") == [(A.HOLD_BACK, -1, NOW + 1)]
    assert numbers(scene, F.STATE) == [(Code.STARTING_UP, 0, 0), (Code.KILL, 0, 0)]
    scene = a_stage()
    latched = int(TradingState.HALTED)
    boot.boot(scene.state, an_event(epoch=3, latched=latched, code=int(Code.CLOCK)), scene.out)
    assert numbers(scene, F.ALERT) == [(Code.CLOCK, 0, 0)]


# --- Trades that we know.


def test_a_trade_is_known_by_its_instrument_its_id_and_its_side() -> None:
    """Every place of the ring is looked at, and what it lets go of is known by the highest id."""
    scene = a_stage()
    state = scene.state
    for trade_id in range(1, TRADES_SEEN_CAPACITY + 1):
        known_trades.remember(state, trade_id % 2, trade_id, trade_id // 2 % 2)
    last = TRADES_SEEN_CAPACITY
    assert state.rings[1] == last
    assert state.instruments["forgotten_trade_id"].tolist() == [0, 0]
    for trade_id in (1, 2, last - 1, last):
        side = trade_id // 2 % 2
        assert known_trades.was_seen(state, trade_id % 2, trade_id, side)
        assert not known_trades.was_seen(state, 1 - trade_id % 2, trade_id, side)
        assert not known_trades.was_seen(state, trade_id % 2, trade_id, 1 - side)
    assert not known_trades.was_seen(state, 0, last + 1, BUY)
    known_trades.remember(state, 0, last + 7, BUY)
    assert state.instruments["forgotten_trade_id"].tolist() == [0, 1]
    assert state.instruments["own_trade_id"].tolist() == [last + 7, last - 1]
    assert known_trades.was_seen(state, 1, 1, SELL) and known_trades.was_seen(state, 1, 1, BUY)
    assert known_trades.was_seen(state, 0, last + 7, BUY)
    assert not known_trades.was_seen(state, 0, 1, BUY)
    known_trades.remember(state, 0, 5, BUY)
    assert state.instruments["own_trade_id"][0] == last + 7, "the highest, not the last"
    state.instruments["forgotten_trade_id"][1] = 50
    known_trades.remember(state, 0, 6, BUY)
    assert state.instruments["forgotten_trade_id"][1] == 50


def test_what_may_be_missing_is_kept_by_its_lowest_id() -> None:
    """Of each instrument by itself; all of them after the last one known."""
    scene = a_stage()
    records = scene.state.instruments
    for trade_id, kept in ((9, 9), (10, 9), (8, 8), (8, 8)):
        known_trades.miss_from(scene.state, 1, trade_id)
        assert records["missing_trade_id"].tolist() == [0, kept]
    records["own_trade_id"] = [20, 3]
    known_trades.miss_all(scene.state)
    assert records["missing_trade_id"].tolist() == [21, 4]


# --- Strays.


def test_the_table_of_strays_gives_the_free_place_else_the_oldest_answer() -> None:
    """Those that wait are never given up; a forgotten place is blank."""
    scene = a_stage()
    table = scene.state.strays
    for place in range(STRAYS_CAPACITY):
        assert strays.free_place(scene.state) == place
        filled(table[place])
        table[place]["of_others"] = 0
    assert strays.free_place(scene.state) == -1
    for place, since_ns in ((5, 70), (3, 90), (9, 70), (7, 80)):
        table[place]["of_others"], table[place]["since_ns"] = 1, since_ns
    assert strays.free_place(scene.state) == 5, "the first of the oldest"
    table[0]["of_others"], table[0]["since_ns"] = 1, 60
    assert strays.free_place(scene.state) == 0
    strays.forget(scene.state, 4)
    assert not table[4:5].view(np.int8).any()
    assert strays.free_place(scene.state) == 4


def test_a_stray_is_asked_for_once_and_again_after_three_seconds() -> None:
    """By the venue's id, of its instrument; answered ones and free places are left alone."""
    scene = a_stage()
    for index, venue_order_id in ((1, 70), (1, 70), (0, 70), (1, 0)):
        strays.meet(scene.state, scene.out, index, venue_order_id)
    asked = [(A.QUERY_ORDER, 1, 70), (A.QUERY_ORDER, 0, 70)]
    assert rows(scene.actions(), "kind", "instrument", "venue_order_id") == asked
    stray = scene.state.strays[0]
    names = ("venue_order_id", "instrument", "of_others", "since_ns", "asked_ns")
    assert [int(stray[name]) for name in names] == [70, 1, 0, NOW, NOW]
    assert [strays.find(scene.state, *each) for each in ((1, 70), (0, 70), (0, 71))] == [0, 1, -1]
    scene.state.strays[1]["of_others"] = 1
    assert [bool(strays.is_of_others(scene.state, index, 70)) for index in (0, 1)] == [True, False]
    assert [bool(strays.is_waiting(scene.state, index)) for index in (0, 1)] == [False, True]
    assert not strays.is_of_others(scene.state, 0, 71)
    for now_ns, count in ((NOW + 3 * SECOND - 1, 0), (NOW + 3 * SECOND, 1), (NOW + 4 * SECOND, 0)):
        scene.begin(now_ns)
        strays.ask_again(scene.state, scene.out)
        assert rows(scene.actions(), "kind", "instrument", "venue_order_id") == asked[:1] * count
    assert (int(stray["since_ns"]), int(stray["asked_ns"])) == (NOW, NOW + 3 * SECOND)
    assert strays.oldest_ns(scene.state) == 4 * SECOND
    stray["of_others"] = 1
    assert strays.oldest_ns(scene.state) == 0


# --- Strangers.


def listed(scene: Any, **fields: int) -> list[tuple[int, ...]]:
    """Show an order of our tag that the table does not hold; return states told, by numbers."""
    words = {"kind": int(E.ORDER_STATUS), "order_key": 5, "side": SELL, "price_ticks": 70,
             "qty_lots": 9, "venue_order_id": 6, "instrument": 1}  # fmt: skip
    scene.begin()
    strangers.apply_unknown_order(scene.state, an_event(**{**words, **fields}), scene.out)
    return numbers(scene, F.STATE)


def test_an_unknown_order_is_a_difference_unless_a_recovery_compares() -> None:
    """Adopted, told with both sides and canceled at once; a recovery cancels it by itself."""
    scene = a_stage()
    assert listed(scene) == []
    order = scene.state.orders[0]
    (told,) = (row for row in scene.facts() if row["kind"] == F.DIFFERENCE)
    names = ("instrument", "order_key", "venue_order_id", "side", "qty_lots", "value", "bound")
    assert [told[name] for name in names] == [1, 5, 6, SELL, 9, 0, 9]
    assert rows(scene.actions(), "kind", "target_key") == [(A.CANCEL, 5)]
    canceled = [r for r in scene.facts() if r["order_event"] == OrderEvent.CANCEL_SENT]
    assert rows(canceled, "code") == [(Code.RECONCILE_DIFFERENCE,)]
    assert (int(scene.core["check_found"][KIND_ORDERS]), int(order["key"])) == (1, 5)
    scene = a_stage()
    scene.core["recovery_phase"] = 2
    listed(scene)
    assert (scene.actions(), int(scene.core["check_found"][KIND_ORDERS])) == ([], 0)
    assert scene.state.orders[0]["key"] == 5
    scene = a_stage()
    scene.core["next_seq"] = 9
    assert listed(scene, order_key=1 << 30 | 9) == [(Code.SECOND_INSTANCE, 1 << 30 | 9, 0)]
    assert scene.core["orders_end"] == 0


def test_an_order_that_we_ended_is_explained_by_one_list() -> None:
    """Ended since the list was asked for it says nothing; before that it is suspect, then real."""
    scene = a_stage()
    tombstone = scene.state.tombstones[0]
    tombstone["key"], tombstone["ended_seq"], scene.state.rings[0] = 5, 8, 1
    tombstone["state"] = OrderState.REJECTED
    scene.state.instruments["orders_asked_seq"] = [99, 7]
    assert (listed(scene), int(tombstone["shown"]), int(scene.core["orders_end"])) == ([], 0, 0)
    scene.state.instruments["orders_asked_seq"][1] = 8
    assert (listed(scene), int(tombstone["shown"]), int(scene.core["orders_end"])) == ([], 1, 0)
    assert int(scene.core["check_suspects"][KIND_ORDERS]) == 1
    assert listed(scene) == [(Code.LATE_REPORT, E.ORDER_STATUS, 0)], "we had given it up"
    assert int(scene.core["check_suspects"][KIND_ORDERS]) == 1
    assert scene.state.orders[0]["key"] == 5


def test_the_owner_of_a_trade_that_we_gave_up_for_refused_halts() -> None:
    """It lives after all: adopted, canceled for what it is, counted as found, and halted."""
    scene = a_stage()
    strays.meet(scene.state, scene.out, 1, 6)
    tombstone = scene.state.tombstones[0]
    tombstone["key"], scene.state.rings[0], tombstone["state"] = 5, 1, OrderState.REJECTED
    scene.state.instruments["checked_trade_id"] = 20
    scene.begin()
    event = an_event(
        kind=int(E.ORDER_OWNER), instrument=1, venue_order_id=6, order_key=5, found=1, side=SELL,
        price_ticks=70, qty_lots=9, status=int(OrderState.NEW),
    )  # fmt: skip
    strangers.apply_owner(scene.state, event, scene.out)
    assert numbers(scene, F.STATE) == [(Code.LATE_REPORT, E.ORDER_OWNER, 0)]
    assert int(scene.core["check_found"][KIND_ORDERS]) == 1
    cancels = [r["code"] for r in scene.facts() if r["order_event"] == OrderEvent.CANCEL_SENT]
    assert cancels[-1] in (Code.RECONCILE_DIFFERENCE, Code.LATE_REPORT)
    asked = [row for row in scene.actions() if row["kind"] == A.ASK_TRADES]
    assert rows(asked, "instrument", "trade_id") == [(1, 21)]
    later = a_stage()
    strays.meet(later.state, later.out, 1, 6)
    later.core["next_seq"] = 9
    event["order_key"] = 1 << 30 | 9
    strangers.apply_owner(later.state, event, later.out)
    assert numbers(later, F.STATE) == [(Code.SECOND_INSTANCE, 1 << 30 | 9, 0)]


def test_an_owner_that_is_not_found_or_that_nobody_asked_for_settles_nothing() -> None:
    """It is asked again; of others it is remembered so, and the trades are told again."""
    scene = a_stage()
    strays.meet(scene.state, scene.out, 1, 6)
    strays.meet(scene.state, scene.out, 1, 8)
    for fields, actions, of_others in (({"found": 0}, 0, 0), ({"venue_order_id": 7}, 0, 0),
                                       ({"instrument": 0}, 0, 0), ({}, 0, 1),
                                       ({"venue_order_id": 8}, 1, 1)):  # fmt: skip
        scene.begin()
        words = {"instrument": 1, "venue_order_id": 6, "found": 1, **fields}
        strangers.apply_owner(scene.state, an_event(**words), scene.out)
        assert len(scene.actions()) == actions
        assert int(scene.state.strays[0]["of_others"]) == of_others


@pytest.mark.parametrize("refuse", [0, 1])
def test_c34_orders_of_others_are_counted_by_list_and_told_once(refuse: int) -> None:
    """One in a report pauses at once under refuse; its record is told the first time alone."""
    scene = a_stage()
    scene.core["refuse_foreign"] = refuse
    words = {"instrument": 1, "side": SELL, "price_ticks": 70, "qty_lots": 9}
    for found, venue_order_id, told in ((1, 6, 1), (1, 6, 0), (1, 5, 0), (0, 7, 1)):
        scene.begin()
        event = an_event(found=found, venue_order_id=venue_order_id, **words)
        strangers.apply_foreign(scene.state, event, scene.out)
        names = ("instrument", "code", "value", "venue_order_id", "side", "price_ticks", "qty_lots")
        row = (1, Code.FOREIGN_ORDERS, 1, venue_order_id, SELL, 70, 9)
        assert rows(scene.facts(), *names) == [row] * told
        assert int(scene.core["pause_mask"]) == (
            breaker.PAUSE_FOREIGN if refuse and not found else 0
        )
    assert scene.state.instruments["foreign_listed"].tolist() == [0, 3]


@pytest.mark.parametrize("refuse", [0, 1])
@pytest.mark.parametrize("state", ["RECOVERING", "RUNNING", "HALTED"])
def test_c34_a_list_with_orders_of_others_is_judged_by_the_policy(refuse: int, state: str) -> None:
    """Over all instruments: a start halts, a reset comes to nothing, else it pauses; none lifts."""
    scene = a_stage(TradingState[state])
    core = scene.core
    core["refuse_foreign"], core["reset_wanted"] = refuse, 1
    scene.state.instruments["foreign_listed"] = [2, 0]
    scene.state.instruments["foreign_orders"] = [0, 1]
    strangers.judge_foreign(scene.state, an_event(instrument=0), scene.out)
    assert scene.state.instruments["foreign_orders"].tolist() == [2, 1]
    halts = refuse == 1 and state == "RECOVERING"
    assert numbers(scene, F.STATE) == [(Code.FOREIGN_ORDERS, 3, 0)] * halts
    assert core["reset_wanted"] == int(refuse == 0 or state == "RUNNING")
    held = breaker.PAUSE_FOREIGN if refuse and state == "RUNNING" else 0
    assert int(core["pause_mask"]) == held
    core["pause_mask"] = breaker.PAUSE_FOREIGN
    scene.state.instruments["foreign_listed"] = 0
    for index, mask in ((0, breaker.PAUSE_FOREIGN), (1, 0)):
        strangers.judge_foreign(scene.state, an_event(instrument=index), scene.out)
        assert int(core["pause_mask"]) == mask
