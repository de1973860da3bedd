"""An order's whole record through its life: each report moves what it names, and nothing else.

Every step states all the fields that it changed, so that one too many is as visible as one too
few. Which state follows which is test_orders.py's.
"""

from __future__ import annotations

from typing import Any

import pytest

from hftd.domain.actions import ActionKind as A
from hftd.domain.codes import Code
from hftd.domain.events import CommandKind as C
from hftd.domain.events import EventKind as E
from hftd.domain.facts import FactKind as F
from hftd.domain.order import SEQ_BITS, OrderEvent, OrderState, Side, TimeInForce
from hftd.engine import chase, orders, reports
from hftd.engine.state import ORDERS_CAPACITY
from tests.engine.scene import BUY, SECOND, SELL, Scene, a_scene, an_event, put_order
from tests.playbook import BTC_USDT, ETH_USDT, MS, Playbook, shown, venue_id

PER_LOT = 5990 * 10_000  # Atoms of USDT that a lot of the first buy costs.
TOLD = {"kind", "ts_ns", "decision_seq", "instrument"}  # Held by told.py in every fact and action.


class Life:
    """One order of a playbook, and what the last step changed of it."""

    def __init__(self, play: Playbook, key: int) -> None:
        self.play, self.key = play, key
        self._before = play.order(key)

    def changed(self) -> dict[str, int]:
        """Return each field that is not what it was when this was last asked."""
        now = self.play.order(self.key)
        before, self._before = self._before, now
        return {name: value for name, value in now.items() if value != before[name]}


def said(row: dict[str, int]) -> dict[str, int]:
    """Return what a fact or action says beyond what each of them must."""
    return {name: value for name, value in shown(row).items() if name not in TOLD}


def test_an_order_as_it_is_sent() -> None:
    """Record, action and fact of a quote: complete before a byte can leave, and no field more."""
    play = Playbook().run()
    buy, sell = play.key(Side.BUY), play.key(Side.SELL)
    now_ns, seq, book = play.now_ns, int(play.core["decision_seq"]), play.engine.state.books[0]
    wanted = {"post_only": 1, "price_ticks": 5990, "qty_lots": 1000}
    assert shown(play.order(buy)) == {
        "key": buy, "state": OrderState.PENDING_NEW, "leaves_lots": 1000, "decision_seq": seq,
        "sent_ns": now_ns, "changed_seq": seq, "reserved_atoms": 1000 * PER_LOT, **wanted,
    }  # fmt: skip
    known = {"book_update_id": int(book["last_update_id"]), "book_ns": now_ns}
    config = int(play.core["config_hash"])
    assert said(play.expect(A.SUBMIT, side=BUY)) == {
        "order_key": buy, "config_hash": config, **known, **wanted,
    }  # fmt: skip
    assert said(play.fact(F.ORDER, order_key=buy)) == {
        "order_key": buy, "state_to": OrderState.PENDING_NEW, "leaves_lots": 1000,
        "mid_half_ticks": 12_000, **known, **wanted,
    }  # fmt: skip
    assert sell == buy + 1
    assert play.order(sell)["reserved_atoms"] == 1000 * 1000
    sent = [int(lots) for lots in play.instrument["sent_lots"]]
    assert (sent, int(play.core["submitted"]), int(play.core["orders_since_fill"])) == (
        [1000, 1000], 2, 2,
    )  # fmt: skip


def test_a_slice_of_flatten_says_that_it_reduces_at_once_or_not_at_all() -> None:
    """The road out keeps every word of a wish: IOC, reduce-only, not post-only."""
    play = Playbook().hold(100)
    play.command(C.FLATTEN)
    action = play.expect(A.SUBMIT)
    words = ("time_in_force", "post_only", "reduce_only", "side", "qty_lots")
    told = [TimeInForce.IOC, 0, 1, SELL, 100]
    order = play.order(action["order_key"])
    assert [action[name] for name in words] == [order[name] for name in words] == told
    assert order["trade_id_before"] == play.instrument["own_trade_id"] == 1


def test_an_order_lives_by_its_reports() -> None:
    """Accepted, filled in part, replaced, the replacement failed, canceled short of a fill."""
    play = Playbook().run()
    buy, sell = play.key(Side.BUY), play.key(Side.SELL)
    life = Life(play, buy)
    play.after(ms=1).accept(buy)
    seq = int(play.core["decision_seq"])
    assert life.changed() == {
        "state": OrderState.NEW, "venue_order_id": venue_id(buy), "acked_ns": play.now_ns,
        "changed_seq": seq,
    }  # fmt: skip
    play.after(ms=1).fill(buy, 300)
    assert life.changed() == {
        "state": OrderState.PARTIALLY_FILLED, "cum_lots": 300, "leaves_lots": 700,
        "changed_seq": seq + 1, "reserved_atoms": 700 * PER_LOT,
    }  # fmt: skip
    assert play.fact(F.ORDER)["state_from"] == OrderState.NEW
    play.accept(sell).after(ms=600).market(5985, 6010)
    replaced = play.expect(A.CANCEL_REPLACE)
    assert (replaced["target_key"], replaced["order_key"]) == (buy, sell + 1)
    assert life.changed() == {
        "state": OrderState.PENDING_REPLACE, "cancel_sent_ns": play.now_ns, "changed_seq": seq + 3,
    }  # fmt: skip
    told = play.fact(F.ORDER, order_key=buy)
    assert (told["order_event"], told["state_from"], told["code"]) == (
        OrderEvent.REPLACE_SENT, OrderState.PARTIALLY_FILLED, Code.NONE,
    )  # fmt: skip
    play.feed(E.CANCEL_REJECTED, order_key=buy, code=-2011)
    assert life.changed() == {
        "state": OrderState.PARTIALLY_FILLED, "query_at_ns": play.now_ns, "changed_seq": seq + 4,
    }  # fmt: skip
    play.canceled(buy, 400)
    assert life.changed() == {
        "state": OrderState.PENDING_CANCEL, "leaves_lots": 100, "venue_cum_lots": 400,
        "final_state": OrderState.CANCELED, "fills_asked_ns": play.now_ns, "query_at_ns": 0,
        "unknown_since_ns": play.now_ns, "reserved_atoms": 100 * PER_LOT, "changed_seq": seq + 5,
    }  # fmt: skip
    told = play.fact(F.ORDER)
    assert (told["order_event"], told["state_from"], told["leaves_lots"]) == (
        OrderEvent.FILLS_MISSING, OrderState.PARTIALLY_FILLED, 100,
    )  # fmt: skip
    play.fill(buy, 60)
    assert life.changed() == {
        "cum_lots": 360, "leaves_lots": 40, "changed_seq": seq + 6, "reserved_atoms": 40 * PER_LOT,
    }  # fmt: skip
    worth = play.fact(F.POSITION)  # At the bid of now, five ticks below what was paid.
    assert (worth["position_lots"], worth["unrealized_atoms"]) == (360, -5 * 360 * 10_000)


def test_a_balance_is_as_the_venue_tells_it() -> None:
    """Of its asset alone, beside what our books expect; every market is looked at again."""
    scene = a_scene()
    scene.state.instruments["dirty"] = 0
    event = an_event(asset=2, free_atoms=40, locked_atoms=2)
    reports.apply_balance(scene.state, event, scene.out)
    balances = scene.state.balances
    for name, value in (("known", 1), ("free_atoms", 40), ("locked_atoms", 2)):
        assert balances[name].tolist() == [0, 0, value]
    (fact,) = scene.facts()
    assert said(fact) == {"asset": 2, "free_atoms": 40, "locked_atoms": 2,
                          "expected_atoms": 10**15}  # fmt: skip
    assert scene.state.instruments["dirty"].tolist() == [1, 1]
    scene.core["decision_seq"] = 6
    reports.apply_flow(scene.state, an_event(asset=1, delta_atoms=-5), scene.out)
    assert (balances["flow_atoms"].tolist(), balances["changed_seq"].tolist()) == (
        [0, -5, 0], [0, 6, 0],
    )  # fmt: skip


def test_the_cancel_of_an_order_names_it_by_both_ids() -> None:
    """Of one in flight there is one id alone: nothing changes but that it is wanted gone."""
    play = Playbook().run()
    buy, sell = play.key(Side.BUY), play.key(Side.SELL)
    play.accept(buy)
    flying, resting = Life(play, sell), Life(play, buy)
    play.command(C.CANCEL_ALL)
    known, unknown = (play.expect(A.CANCEL, target_key=key) for key in (buy, sell))
    assert said(known) == {"target_key": buy, "venue_order_id": venue_id(buy)}
    assert said(unknown) == {"target_key": sell}
    gone = {"cancel_wanted": 1, "cancel_sent_ns": play.now_ns}
    assert flying.changed() == gone
    moved = {"state": OrderState.PENDING_CANCEL, "changed_seq": int(play.core["decision_seq"])}
    assert resting.changed() == {**gone, **moved}
    (fact,) = play.told(F.ORDER)
    assert (fact["order_event"], fact["state_from"], fact["code"]) == (
        OrderEvent.CANCEL_SENT, OrderState.NEW, Code.OPERATOR,
    )  # fmt: skip
    play.accept(sell)  # As it surfaces it is canceled, and told for no reason of its own.
    assert said(play.expect(A.CANCEL)) == {"target_key": sell, "venue_order_id": venue_id(sell)}
    assert play.fact(F.ORDER, order_event=OrderEvent.CANCEL_SENT)["code"] == Code.NONE
    play.accept(sell).expect_none(A.CANCEL)


def test_a_cancel_that_is_wanted_goes_out_when_a_fill_is_the_first_word() -> None:
    """In flight or in doubt; once, and not again with the next fill."""
    for doubted in (False, True):
        play = Playbook().run()
        buy = play.key(Side.BUY)
        if doubted:
            play.feed(E.OUTCOME_UNKNOWN, order_key=buy)
        play.command(C.CANCEL_ALL).fill(buy, 10)
        assert play.expect(A.CANCEL)["target_key"] == buy
        assert play.order(buy)["acked_ns"] == play.now_ns
        play.fill(buy, 10).expect_none(A.CANCEL)


def test_doubt_and_how_it_is_resolved() -> None:
    """Asked at once and again by the back-off; found open, nothing of the doubt is left."""
    play = Playbook().run()
    buy = play.key(Side.BUY)
    life = Life(play, buy)
    play.after(ms=3).feed(E.OUTCOME_UNKNOWN, order_key=buy)
    doubted_ns, seq = play.now_ns, int(play.core["decision_seq"])
    assert life.changed() == {
        "state": OrderState.UNKNOWN, "query_at_ns": doubted_ns, "unknown_since_ns": doubted_ns,
        "changed_seq": seq,
    }  # fmt: skip
    play.pulse()
    assert life.changed() == {"query_at_ns": play.now_ns + 200 * MS, "query_attempt": 1}
    assert said(play.expect(A.QUERY_ORDER)) == {"target_key": buy}
    play.pulse(3)
    assert life.changed()["query_attempt"] == 2
    play.status(buy, OrderState.PARTIALLY_FILLED, cum_qty_lots=40)
    seq = int(play.core["decision_seq"])
    assert life.changed() == {
        "state": OrderState.NEW, "venue_order_id": venue_id(buy), "acked_ns": play.now_ns,
        "unknown_since_ns": 0, "query_at_ns": 0, "query_attempt": 0, "changed_seq": seq,
        "seen_attempt": int(play.core["recovery_attempt"]), "listed_seq": seq,
        "listed_cum_lots": 40,
    }  # fmt: skip
    assert said(play.expect(A.ASK_TRADES)) == {"trade_id": 1}
    play.told_fill(buy, 9, side=Side.BUY, price_ticks=5990, qty_lots=40)
    assert life.changed()["state"] == OrderState.PARTIALLY_FILLED


def test_an_order_that_nobody_answers_for_is_in_doubt_after_five_seconds() -> None:
    """Not at them exactly; then the record is that of any other doubt, and it is asked for."""
    scene = a_scene()
    scene.core["order_up"] = 1
    order = put_order(scene, 0, BUY, 100, 5, state=OrderState.PENDING_NEW, sent_ns=SECOND)
    scene.begin(6 * SECOND)
    chase.chase(scene.state, scene.out)
    assert (order["state"], scene.actions()) == (OrderState.PENDING_NEW, [])
    scene.begin(6 * SECOND + 1)
    chase.chase(scene.state, scene.out)
    told = ("state", "unknown_since_ns", "query_at_ns", "query_attempt")
    now_ns = 6 * SECOND + 1
    assert [int(order[name]) for name in told] == [
        OrderState.UNKNOWN, now_ns, now_ns + 200 * MS, 1,
    ]  # fmt: skip
    (fact,) = scene.facts()
    assert (fact["order_event"], fact["state_from"], fact["code"]) == (
        OrderEvent.OUTCOME_UNKNOWN, OrderState.PENDING_NEW, Code.NONE,
    )  # fmt: skip
    assert [row["kind"] for row in scene.actions()] == [A.QUERY_ORDER]


def test_the_first_answer_that_there_is_no_such_order_asks_the_lists() -> None:
    """At the end of the request's window exactly; until then the next query is at that end."""
    scene = a_scene()
    scene.core["recv_window_ns"] = 2 * SECOND
    order = put_order(
        scene, 0, BUY, 100, 5, state=OrderState.UNKNOWN, sent_ns=SECOND, query_attempt=4,
        trade_id_before=7,
    )  # fmt: skip
    scene.instrument["checked_trade_id"] = 5
    absent = an_event(order_key=int(order["key"]))
    end_ns = 13 * SECOND  # Sent, its window of two seconds, and ten.
    for now_ns, asked_ns in ((2 * SECOND, 7 * SECOND), (9 * SECOND, end_ns), (end_ns - 1, end_ns)):
        scene.begin(now_ns)
        chase.apply_status(scene.state, absent, scene.out)
        assert (order["query_at_ns"], order["not_found_ns"], scene.actions()) == (asked_ns, 0, [])
        assert order["unknown_since_ns"] == 2 * SECOND, "in doubt since the first such answer"
    scene.begin(end_ns)
    chase.apply_status(scene.state, absent, scene.out)
    assert (order["query_at_ns"], order["not_found_ns"]) == (end_ns + SECOND, end_ns)
    assert [(row["kind"], row["trade_id"]) for row in scene.actions()] == [
        (A.ASK_OPEN_ORDERS, 0), (A.ASK_TRADES, 6),
    ]  # fmt: skip
    scene.begin(end_ns + SECOND - 1)
    chase.apply_status(scene.state, absent, scene.out)
    assert (order["query_at_ns"], scene.actions()) == (end_ns + 2 * SECOND - 1, [])


def test_an_order_is_absent_where_both_lists_were_told_since() -> None:
    """Later than the first answer, not at it; then the second answer ends it for good.

    One that the venue had acknowledged ends by a person's reset alone.
    """
    unknown = (OrderState.UNKNOWN, 0, OrderEvent.NEVER_ACCEPTED, Code.NONE)
    acknowledged = (OrderState.NEW, 1, OrderEvent.EXPIRED, Code.RECONCILE_DIFFERENCE)
    for state, reset_wanted, order_event, code in (unknown, acknowledged):
        ends_once_absent(state, reset_wanted, (order_event, code))
    scene, order = denied(OrderState.NEW, 51, 51)
    assert (order["key"] != 0, scene.facts(), scene.actions()) == (True, [], [])


def denied(
    state: OrderState, orders_ns: int, trades_ns: int, reset_wanted: int = 0
) -> tuple[Scene, Any]:
    """Deny an order at second 100 that was denied first at 50; its lists were told at these."""
    scene = a_scene()
    scene.core["reset_wanted"] = reset_wanted
    scene.begin(100 * SECOND)
    order = put_order(scene, 0, BUY, 100, 5, state=state, not_found_ns=50 * SECOND)
    scene.instrument["open_orders_told_ns"] = orders_ns * SECOND
    scene.instrument["trades_told_ns"] = trades_ns * SECOND
    chase.apply_status(scene.state, an_event(order_key=int(order["key"])), scene.out)
    return scene, order


def ends_once_absent(state: OrderState, reset_wanted: int, told: tuple[int, int]) -> None:
    """Hold an order to its end once both lists were told, and to questions before."""
    for orders_ns, trades_ns, ends in ((50, 51, 0), (51, 50, 0), (51, 51, 1)):
        scene, order = denied(state, orders_ns, trades_ns, reset_wanted)
        assert (order["key"] == 0) == bool(ends)
        assert [row["kind"] for row in scene.actions()] == (
            [] if ends else [A.ASK_OPEN_ORDERS, A.ASK_TRADES]
        )
        assert [(row["order_event"], row["code"]) for row in scene.facts()] == [told] * ends


def test_an_adopted_order_is_known_by_all_that_was_told() -> None:
    """Of the second instrument, by a later decision and recovery: every field of its record."""
    scene = a_scene()
    scene.begin(5 * SECOND)
    core, record = scene.core, scene.state.instruments[1]
    core["decision_seq"], core["recovery_attempt"] = 17, 2
    record["sent_lots"] = [100, 200]
    event = an_event(
        instrument=1, order_key=5, side=BUY, price_ticks=70, qty_lots=9, cum_qty_lots=2,
        venue_order_id=6,
    )  # fmt: skip
    slot = chase.adopt(scene.state, event, scene.out)
    order = scene.state.orders[slot]
    held = {name: int(order[name]) for name in order.dtype.names if order[name]}
    assert held == {
        "key": 5, "instrument": 1, "state": OrderState.NEW, "price_ticks": 70, "qty_lots": 9,
        "leaves_lots": 9, "venue_cum_lots": 2, "venue_order_id": 6, "sent_ns": 5 * SECOND,
        "acked_ns": 5 * SECOND, "seen_attempt": 2, "listed_seq": 17, "listed_cum_lots": 2,
        "changed_seq": 17, "reserved_atoms": 9 * 70 * 1000,
    }  # fmt: skip
    assert list(record["sent_lots"]) == [109, 200]
    scene.begin()
    assert slot == 0 and chase.adopt(scene.state, event, scene.out) == 1
    event["qty_lots"] = 0
    assert chase.adopt(scene.state, event, scene.out) == -1
    assert len(scene.facts()) == 1


def test_a_tombstone_holds_what_the_end_left_whole() -> None:
    """Of either instrument; the ring goes round, and the slot is blank for the next order."""
    scene = a_scene()
    scene.core["decision_seq"] = 40
    blank = scene.state.orders[ORDERS_CAPACITY].tobytes()
    scene.state.rings[0] = scene.state.tombstones.shape[0] + 3
    scene.state.instruments["released_lots"] = 50
    order = put_order(scene, 2, SELL, 100, 9, instrument=1, cum_lots=4, leaves_lots=5,
                      venue_order_id=8, cancel_wanted=1)  # fmt: skip
    key = int(order["key"])
    tombstone = scene.state.tombstones[3]
    tombstone["shown"] = 7
    scene.state.instruments["dirty"] = 0
    orders.end(scene.state, scene.out, 2, OrderEvent.EXPIRED, OrderState.EXPIRED, Code.OPERATOR)
    assert {name: int(tombstone[name]) for name in tombstone.dtype.names} == {
        "key": key, "venue_order_id": 8, "instrument": 1, "side": SELL, "qty_lots": 9,
        "state": OrderState.EXPIRED, "cum_lots": 4, "ended_seq": 40, "shown": 0,
    }  # fmt: skip
    assert scene.state.rings[0] == scene.state.tombstones.shape[0] + 4
    assert scene.state.orders[2].tobytes() == blank
    assert scene.core["orders_end"] == 0
    assert scene.state.instruments["released_lots"].tolist() == [[50, 50], [50, 55]]
    assert scene.state.instruments["dirty"].tolist() == [0, 1]
    (fact,) = scene.facts()
    told = ("order_event", "state_from", "state_to", "code", "cum_qty_lots", "leaves_lots")
    assert [fact[name] for name in told] == [
        OrderEvent.EXPIRED, OrderState.NEW, OrderState.EXPIRED, Code.OPERATOR, 4, 0,
    ]  # fmt: skip


def test_c39_a_later_boot_is_one_after_ours_or_a_number_not_given_yet() -> None:
    """By epoch first, then by the number that the next order would have."""
    scene = a_scene()
    scene.core["epoch"], scene.core["next_seq"] = 5, 9
    for epoch, seq, later in ((4, 99, False), (5, 8, False), (5, 9, True), (5, 10, True),
                              (6, 0, True), (6, 1, True)):  # fmt: skip
        assert bool(orders.is_later_boot(scene.state, epoch << SEQ_BITS | seq)) is later


def test_what_an_order_reserves_is_its_own_instruments() -> None:
    """A buy its price in quote, a sell its lots in base, by the units of that instrument."""
    scene = a_scene()
    scene.state.instruments["unit_atoms"], scene.state.instruments["lot_atoms"] = [3, 5], [7, 11]
    for instrument, side, atoms in ((0, BUY, 6 * 100 * 3), (1, BUY, 6 * 100 * 5),
                                    (0, SELL, 6 * 7), (1, SELL, 6 * 11)):  # fmt: skip
        order = put_order(scene, 0, side, 100, 9, instrument=instrument, leaves_lots=6)
        orders.reserve(scene.state, order)
        assert order["reserved_atoms"] == atoms


def test_an_order_is_leaving_while_a_cancel_of_it_is_on_its_way() -> None:
    """By itself or within a replacement; in flight where it will be canceled as it surfaces."""
    order = put_order(a_scene(), 0, BUY, 100, 5)
    for state in OrderState:
        for wanted in (0, 1):
            order["state"], order["cancel_wanted"] = state, wanted
            leaving = state in (OrderState.PENDING_CANCEL, OrderState.PENDING_REPLACE)
            leaving = leaving or (state == OrderState.PENDING_NEW and wanted == 1)
            assert bool(orders.is_leaving(order)) is leaving


def test_an_order_of_the_second_instrument_is_its_own_affair() -> None:
    """Fills, ends and rejects of one instrument leave the other's record as it was."""
    sets = ["instruments=[BTC-USDT, ETH-USDT]",
            'venue.opening_balances={BTC: "1", ETH: "10", USDT: "100000"}']  # fmt: skip
    play = Playbook(sets=sets, instruments=[BTC_USDT, ETH_USDT]).start()
    play.market().market(index=1)
    buy, sell = play.key(Side.BUY, 1), play.key(Side.SELL, 1)
    first = play.instrument.tobytes()
    play.accept(buy).fill(buy, 300)
    position = play.fact(F.POSITION)
    assert (position["instrument"], position["position_lots"]) == (1, 300)
    assert play.fact(F.ORDER)["instrument"] == play.fact(F.FILL)["instrument"] == 1
    assert play.engine.state.instruments["one_sided_fills"].tolist() == [[0, 0], [1, 0]]
    play.feed(E.REJECTED, order_key=sell, code=-201002)
    told = play.fact(F.REJECT)
    assert (told["instrument"], told["order_key"], told["side"]) == (1, sell, SELL)
    assert (told["venue_code"], told["post_only"]) == (-201002, 0)
    assert play.instrument.tobytes() == first
    assert list(play.core["reject_ns"][:2]) == [play.now_ns, 0]
    assert int(play.core["reject_next"]) == int(play.core["rejected"]) == 1


LEAVING = {"state": int(OrderState.PENDING_CANCEL), "cancel_wanted": 1}


@pytest.mark.parametrize(
    ("order", "asked_at_ns"),
    [
        ({**LEAVING, "cancel_sent_ns": 9 * SECOND}, 10 * SECOND),
        (
            {**LEAVING, "state": int(OrderState.PENDING_REPLACE), "cancel_sent_ns": 9 * SECOND},
            10 * SECOND,
        ),
        ({**LEAVING, "state": int(OrderState.PENDING_NEW), "cancel_sent_ns": 9 * SECOND}, 0),
        ({"cancel_sent_ns": SECOND}, 0),
        ({"query_at_ns": 10 * SECOND}, 10 * SECOND),
        ({"query_at_ns": 1}, SECOND),
        ({**LEAVING, "cancel_sent_ns": SECOND, "query_at_ns": 10 * SECOND}, 10 * SECOND),
        ({**LEAVING, "cancel_sent_ns": SECOND, "final_state": int(OrderState.CANCELED)}, 0),
    ],
)
def test_when_it_is_time_to_ask_what_became_of_an_order(
    order: dict[str, int], asked_at_ns: int
) -> None:
    """At the time that was set, else a second after its cancel; while its end is told, never."""
    scene = a_scene()
    row = put_order(scene, 0, BUY, 100, 5, sent_ns=10 * SECOND, **order)
    for now_ns in (9 * SECOND, 10 * SECOND - 1, 10 * SECOND, 11 * SECOND):
        scene.begin(now_ns)
        assert bool(chase.needs_query(scene.state, row)) is (0 < asked_at_ns <= now_ns)


@pytest.mark.parametrize(("final", "age_ns", "asks"), [
    (OrderState.CANCELED, 500 * MS, True), (OrderState.CANCELED, 500 * MS - 1, False),
    (OrderState.NONE, 5 * SECOND, False),
])  # fmt: skip
def test_fills_that_a_report_counted_are_asked_for_after_half_a_second(
    final: OrderState, age_ns: int, asks: bool
) -> None:
    """And from then on each half second, from before the order's first trade on."""
    scene = a_scene()
    scene.core["order_up"] = 1
    scene.begin(10 * SECOND)
    order = put_order(scene, 0, BUY, 100, 5, instrument=1, final_state=int(final),
                      fills_asked_ns=10 * SECOND - age_ns, trade_id_before=4)  # fmt: skip
    scene.state.instruments["checked_trade_id"] = [0, 9]
    chase.chase(scene.state, scene.out)
    told = [(row["kind"], row["instrument"], row["trade_id"]) for row in scene.actions()]
    assert told == [(A.ASK_TRADES, 1, 5)] * asks
    assert bool(order["fills_asked_ns"] == 10 * SECOND) is asks


@pytest.mark.parametrize(
    ("state", "age_ns", "cancels"),
    [
        (OrderState.PENDING_CANCEL, SECOND, True), (OrderState.PENDING_CANCEL, SECOND - 1, False),
        (OrderState.PENDING_REPLACE, SECOND, True), (OrderState.NEW, SECOND, False),
    ],
)  # fmt: skip
def test_an_order_that_lives_after_its_cancel_is_canceled_again(
    state: OrderState, age_ns: int, cancels: bool
) -> None:
    """A second after the last one; fills are asked for where the venue has more than we."""
    scene = a_scene()
    scene.begin(10 * SECOND)
    order = put_order(scene, 0, BUY, 100, 9, state=int(state), cancel_sent_ns=10 * SECOND - age_ns,
                      acked_ns=1, cum_lots=3, not_found_ns=7)  # fmt: skip
    for cum_lots, asks in ((3, False), (2, False), (4, True)):
        scene.begin()
        order["state"], order["cancel_sent_ns"] = int(state), 10 * SECOND - age_ns
        event = an_event(order_key=int(order["key"]), found=1, status=int(OrderState.NEW),
                         cum_qty_lots=cum_lots)  # fmt: skip
        chase.apply_status(scene.state, event, scene.out)
        kinds = [row["kind"] for row in scene.actions()]
        assert kinds == [A.CANCEL] * cancels + [A.ASK_TRADES] * asks
        assert (order["not_found_ns"], order["listed_cum_lots"]) == (0, cum_lots)


@pytest.mark.parametrize(
    ("status", "ends"),
    [
        (OrderState.CANCELED, OrderState.CANCELED),
        (OrderState.FILLED, OrderState.FILLED),
        (OrderState.EXPIRED, OrderState.EXPIRED),
        (OrderState.REJECTED, OrderState.EXPIRED),
    ],
)
def test_a_status_that_is_an_end_ends_the_order_as_it_says(
    status: OrderState, ends: OrderState
) -> None:
    """At once with all fills known, told by the event of that end; else it waits for them."""
    event_of = {
        OrderState.CANCELED: OrderEvent.CANCELED, OrderState.FILLED: OrderEvent.FILL_FULL,
        OrderState.EXPIRED: OrderEvent.EXPIRED,
    }  # fmt: skip
    for cum_lots in (3, 4):
        scene = a_scene()
        order = put_order(scene, 0, BUY, 100, 9, cum_lots=3, leaves_lots=6)
        event = an_event(order_key=int(order["key"]), found=1, status=int(status),
                         cum_qty_lots=cum_lots)  # fmt: skip
        chase.apply_status(scene.state, event, scene.out)
        told = [(row["order_event"], row["state_to"]) for row in scene.facts()]
        waits = (OrderEvent.FILLS_MISSING, OrderState.PENDING_CANCEL)
        assert told == ([(event_of[ends], ends)] if cum_lots == 3 else [waits])
        if cum_lots == 4:
            assert (order["final_state"], order["leaves_lots"]) == (ends, 1)
            assert scene.instrument["released_lots"].tolist() == [5, 0]
            absent = an_event(order_key=int(order["key"]))
            before = order.tobytes()
            chase.apply_status(scene.state, absent, scene.out)
            assert order.tobytes() == before, "nothing is asked of one whose end is told"
