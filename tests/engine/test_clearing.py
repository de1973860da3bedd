"""Clearing the venue: cancels repeated, lists asked until none shows ours, and when it is clear."""

from __future__ import annotations

import pytest

from hftd.domain.actions import ActionKind as A
from hftd.domain.codes import Code, TradingState
from hftd.domain.events import CommandKind as C
from hftd.domain.events import EventKind as E
from hftd.domain.events import Link
from hftd.domain.facts import FactKind as F
from hftd.domain.order import OrderState
from hftd.engine import alerts, clearing
from tests.engine.scene import BUY, MS, SECOND, Scene, a_scene, an_event, put_order
from tests.playbook import Playbook


def clearing_scene() -> Scene:
    """Return a killed scene at second 10, its table empty, both instruments' lists asked."""
    scene = a_scene()
    scene.begin(10 * SECOND)
    scene.core["order_up"] = 1
    scene.core["kill_requested_ns"] = 9 * SECOND
    clearing.carry_on(scene.state, scene.out)
    return scene


def told(scene: Scene, instrument: int, count: int = 0) -> Scene:
    """Tell the end of one instrument's list."""
    asked_ns = int(scene.core["verify_asked_ns"])
    event = an_event(instrument=instrument, order_count=count, until_ns=asked_ns)
    clearing.apply_open_orders_end(scene.state, event)
    return scene


def test_every_list_is_asked_and_again_when_it_is_late() -> None:
    """Both instruments' at once; a second without an answer asks both again, not earlier."""
    scene = clearing_scene()
    assert [row["instrument"] for row in scene.actions()] == [0, 1]
    assert {row["kind"] for row in scene.actions()} == {A.ASK_OPEN_ORDERS}
    assert list(scene.state.instruments["unverified"]) == [1, 1]
    scene.begin(11 * SECOND - 1)
    clearing.carry_on(scene.state, scene.out)
    assert scene.actions() == []
    scene.begin(11 * SECOND)
    clearing.carry_on(scene.state, scene.out)
    assert len(scene.actions()) == 2


def test_it_is_clear_once_each_list_shows_none_of_ours() -> None:
    """Not after the first; the time of the last one is when it was checked."""
    scene = told(clearing_scene(), 1)
    assert scene.core["venue_clear"] == 0
    told(scene, 1)
    assert scene.core["venue_clear"] == 0, "one list told twice is one list"
    scene.core["now_ns"] += 5
    told(scene, 0)
    assert (scene.core["venue_clear"], scene.core["venue_checked_ns"]) == (1, 10 * SECOND + 5)
    scene.core["now_ns"] += 5
    told(scene, 0)
    assert scene.core["venue_checked_ns"] == 10 * SECOND + 5


def test_a_list_asked_for_before_the_kill_clears_nothing() -> None:
    """It travelled slowly: an order that was placed meanwhile stands on no such list."""
    scene = clearing_scene()
    for instrument in (0, 1):
        event = an_event(instrument=instrument, until_ns=9 * SECOND - 1)
        clearing.apply_open_orders_end(scene.state, event)
    assert scene.core["venue_clear"] == 0
    assert list(scene.state.instruments["unverified"]) == [1, 1]
    told(told(scene, 0), 1)
    assert scene.core["venue_clear"] == 1


def test_a_list_that_still_shows_one_is_asked_again_soon() -> None:
    """It may be a stale copy: a quarter of a second later, and it counts for nothing."""
    scene = told(told(clearing_scene(), 1), 0, count=1)
    assert scene.core["venue_clear"] == 0
    for now_ns, asked in ((10 * SECOND + 250 * MS - 1, 0), (10 * SECOND + 250 * MS, 2)):
        scene.begin(now_ns)
        clearing.carry_on(scene.state, scene.out)
        assert len(scene.actions()) == asked


def test_an_order_that_surfaced_while_the_lists_travelled_keeps_it_from_being_clear() -> None:
    """Every list shows none, but our own table has one again: it is canceled first."""
    scene = clearing_scene()
    put_order(scene, 0, BUY, 100, 5)
    told(told(scene, 0), 1)
    assert scene.core["venue_clear"] == 0
    scene.begin(10 * SECOND + MS)
    clearing.carry_on(scene.state, scene.out)
    assert [row["kind"] for row in scene.actions()] == [A.CANCEL]
    assert (scene.core["verify_asked_ns"], scene.core["verify_again_ns"]) == (0, 0)
    told(told(scene, 0), 1)
    assert scene.core["venue_clear"] == 0, "a list that was asked before the cancel"


def test_a_list_that_nobody_asked_for_says_nothing() -> None:
    """Before the question, or after it is clear."""
    scene = a_scene()
    told(told(scene, 0), 1)
    assert (scene.core["venue_clear"], scene.core["venue_checked_ns"]) == (0, 0)


@pytest.mark.parametrize(
    "field", [{"kill_requested_ns": 0}, {"venue_clear": 1}, {"order_up": 0}], ids=str
)
def test_nothing_is_carried_on_without_a_reason_or_a_link(field: dict[str, int]) -> None:
    """No clearing was begun, or it is through, or nothing can be sent."""
    scene = a_scene()
    scene.core["order_up"] = scene.core["kill_requested_ns"] = 1
    for name, value in field.items():
        scene.core[name] = value
    put_order(scene, 0, BUY, 100, 5)
    scene.begin(10 * SECOND)
    clearing.carry_on(scene.state, scene.out)
    assert scene.actions() == []


@pytest.mark.parametrize(
    ("order", "canceled"),
    [
        ({"cancel_sent_ns": 9 * SECOND}, True),
        ({"cancel_sent_ns": 9 * SECOND + 1}, False),
        ({"state": OrderState.PENDING_CANCEL, "cancel_sent_ns": 9 * SECOND}, True),
        ({"state": OrderState.PENDING_NEW}, False),
        ({"reduce_only": 1}, False),
        ({"final_state": OrderState.CANCELED}, False),
    ],
)
def test_a_cancel_without_effect_is_repeated_each_second(
    order: dict[str, int], canceled: bool
) -> None:
    """Not in flight (it is canceled as it surfaces), not flatten's, not one that only waits."""
    scene = a_scene()
    scene.begin(10 * SECOND)
    put_order(scene, 0, BUY, 100, 5, **order)
    clearing.cancel_again(scene.state, scene.out)
    assert [row["kind"] for row in scene.actions()] == [A.CANCEL] * canceled


def test_a_kill_begins_the_whole_way_anew() -> None:
    """What the venue showed before counts no more, and a wanted reset is forgotten."""
    play = Playbook()
    buy, sell = play.resting()
    play.command(C.KILL).canceled(buy).canceled(sell).pulse().open_orders_end()
    assert play.core["venue_clear"] == 1
    play.core["reset_wanted"] = 1
    play.command(C.KILL)
    core = play.core
    assert (int(core["venue_clear"]), int(core["reset_wanted"])) == (0, 0)
    assert core["kill_requested_ns"] == core["verify_asked_ns"] == play.now_ns
    assert len(play.did(A.ASK_OPEN_ORDERS)) == 1


def test_a_stop_exits_once_and_only_when_it_is_clear() -> None:
    """EXIT after the venue's word, never twice."""
    play = Playbook()
    buy, sell = play.resting()
    play.command(C.STOP).canceled(buy).canceled(sell).pulse().expect_none(A.EXIT)
    play.open_orders_end().pulse()
    exits = [row for row in play.all_actions if row["kind"] == A.EXIT]
    play.pulse(5)
    assert len(exits) == 1
    assert exits == [row for row in play.all_actions if row["kind"] == A.EXIT]


def test_reset_beside_a_recovery_that_runs_begins_no_second_one() -> None:
    """The order link came back a moment ago: that comparison will do."""
    play = Playbook().start().command(C.KILL)
    play.after(seconds=6).command(C.ACK).link(Link.USER, up=0).link(Link.USER)
    asked = len([row for row in play.all_actions if row["kind"] == A.ASK_OPEN_ORDERS])
    play.command(C.RESET)
    assert play.core["reset_wanted"] == 1
    assert asked == len([row for row in play.all_actions if row["kind"] == A.ASK_OPEN_ORDERS])
    play.reconcile()
    assert play.state == TradingState.PAUSED


def test_what_a_feed_says_before_any_kill_clears_nothing() -> None:
    """C.KILL's code is the state's."""
    play = Playbook().start()
    play.open_orders_end()
    assert play.core["venue_clear"] == 0
    play.command(C.KILL)
    assert (play.state, play.core["state_code"]) == (TradingState.KILLED, Code.KILL)
    assert play.feed(E.CLOCK).state == TradingState.KILLED


def test_the_fact_of_a_kill_names_it_and_where_it_came_from() -> None:
    """From, to, code; there is no number to judge by. The latch has the same words."""
    play = Playbook().start().command(C.KILL)
    fact = play.fact(F.STATE)
    assert (fact["state_from"], fact["state_to"], fact["code"], fact["value"], fact["bound"]) == (
        TradingState.RUNNING, TradingState.KILLED, Code.KILL, 0, 0,
    )  # fmt: skip
    latch = play.expect(A.LATCH)
    assert (latch["state"], latch["code"]) == (TradingState.KILLED, Code.KILL)


def test_alerts_are_counted_as_they_are_acknowledged() -> None:
    """By number one, by 0 the rest, each once; what is left is what blocks a reset."""
    scene = a_scene()
    for value in (7, 8, 9):
        alerts.raise_alert(scene.state, scene.out, int(Code.CLOCK), value, 1)
    scene.begin()
    assert alerts.unacknowledged(scene.state) == 3
    assert alerts.acknowledge(scene.state, scene.out, 2) == 1
    assert [(row["alert"], row["value"], row["instrument"]) for row in scene.facts()] == [
        (2, 8, -1)
    ]
    assert (alerts.unacknowledged(scene.state), scene.facts()[0]["state_to"]) == (2, 1)
    assert alerts.acknowledge(scene.state, scene.out, 2) == 0
    assert alerts.acknowledge(scene.state, scene.out, 0) == 2
    assert alerts.unacknowledged(scene.state) == 0
