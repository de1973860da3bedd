"""What stops trading, number by number: every bound met and missed by one, every record whole.

Two instruments throughout, so that what is meant for all is seen to reach the second one. What a
pause, a halt or a kill means for a session is test_breaker.py's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hftd.domain.actions import ActionKind as A
from hftd.domain.codes import Code, TradingState
from hftd.domain.events import CommandKind as C
from hftd.domain.events import EventKind as E
from hftd.domain.events import Link, Timer
from hftd.domain.facts import FactKind as F
from hftd.domain.order import OrderState
from hftd.engine import (
    alerts,
    breaker,
    clearing,
    commands,
    recovery,
    tripwires,
    venue_limits,
)
from hftd.engine.state import ALERTS_CAPACITY, WINDOW_CAPACITY
from tests.engine.scene import BUY, MS, SECOND, Scene, a_scene, an_event, put_order

NOW = 100 * SECOND


def a_stage(state: TradingState = TradingState.RUNNING) -> Scene:
    """Return a linked, reconciled scene at second 100, with nothing to look at again."""
    scene = a_scene()
    scene.begin(NOW)
    core = scene.core
    core["state"], core["decision_seq"] = state, 9
    core["order_up"] = core["user_up"] = core["recovery_clean"] = 1
    scene.state.instruments["dirty"] = 0
    return scene


def dirty(scene: Scene) -> list[int]:
    """Return which instruments are looked at again, and forget it."""
    marked = [int(each) for each in scene.state.instruments["dirty"]]
    scene.state.instruments["dirty"] = 0
    return marked


def rows(found: list[dict[str, int]], *fields: str) -> list[tuple[int, ...]]:
    """Return these fields of facts or actions."""
    return [tuple(row[name] for name in fields) for row in found]


def numbers(scene: Scene, kind: F) -> list[tuple[int, ...]]:
    """Return code, value and bound of the facts of a kind."""
    told = [row for row in scene.facts() if row["kind"] == kind]
    return rows(told, "code", "value", "bound")


# --- States, latches, pauses.


def test_a_state_is_told_once_with_its_reason_and_numbers() -> None:
    """The same state for another reason is told again; the same one for the same is not."""
    scene = a_stage()
    scene.core["state_since_ns"] = 5
    paused = int(TradingState.PAUSED)
    breaker.set_state(scene.state, scene.out, paused, int(Code.CLOCK), 7, 8)
    (fact,) = scene.facts()
    told = ("kind", "instrument", "state_from", "state_to", "code", "value", "bound")
    assert rows([fact], *told) == [
        (F.STATE, -1, TradingState.RUNNING, paused, Code.CLOCK, 7, 8)
    ]  # fmt: skip
    core = scene.core
    assert (core["state"], core["state_code"], core["state_since_ns"]) == (paused, Code.CLOCK, NOW)
    assert dirty(scene) == [1, 1]
    scene.begin(NOW + 1)
    breaker.set_state(scene.state, scene.out, paused, int(Code.CLOCK), 7, 8)
    assert (scene.facts(), int(core["state_since_ns"]), dirty(scene)) == ([], NOW, [0, 0])
    breaker.set_state(scene.state, scene.out, paused, int(Code.OPERATOR), 0, 0)
    assert rows(scene.facts(), "state_from", "code") == [(paused, Code.OPERATOR)]
    assert (int(core["state_since_ns"]), dirty(scene)) == (NOW + 1, [1, 1])


@pytest.mark.parametrize("state", list(TradingState))
def test_a_halt_is_everything_at_once_and_never_a_second_time(state: TradingState) -> None:
    """State, alert, cancels, latch; not from a latched state, nor while it stops."""
    scene = a_stage(state)
    order = put_order(scene, 0, BUY, 100, 5, venue_order_id=4)
    scene.core["next_alert"] = 3
    breaker.halt(scene.state, scene.out, int(Code.CLOCK), 7, 8)
    latched = state in (TradingState.HALTED, TradingState.KILLED)
    assert bool(breaker.is_latched(scene.state)) is (latched or state != TradingState.STOPPING)
    if latched or state == TradingState.STOPPING:
        assert (scene.facts(), scene.actions()) == ([], [])
        return
    assert numbers(scene, F.STATE) == [(Code.CLOCK, 7, 8)]
    alert = scene.state.alerts[4]
    names = ("number", "ts_ns", "code", "value", "bound", "acknowledged")
    assert [int(alert[name]) for name in names] == [4, NOW, Code.CLOCK, 7, 8, 0]
    told = [row for row in scene.facts() if row["kind"] == F.ALERT]
    assert rows(told, "alert", "code", "value", "bound", "state_to") == [(4, Code.CLOCK, 7, 8, 0)]
    assert rows(scene.actions(), "kind", "target_key", "state", "code") == [
        (A.CANCEL, int(order["key"]), 0, 0), (A.LATCH, 0, TradingState.HALTED, Code.CLOCK),
    ]  # fmt: skip
    canceled = [row for row in scene.facts() if row["kind"] == F.ORDER]
    assert rows(canceled, "code") == [(Code.CLOCK,)]
    assert scene.core["kill_requested_ns"] == NOW


@pytest.mark.parametrize("reduce", [0, 1])
@pytest.mark.parametrize("code", [Code.DAILY_LOSS, Code.DRAWDOWN, Code.TURNOVER_LIMIT])
def test_c15_a_loss_is_reduced_where_the_profile_says_so(code: Code, reduce: int) -> None:
    """By loss and drawdown, on every instrument; no other halt sells anything."""
    scene = a_stage()
    scene.core["halt_and_reduce"] = reduce
    breaker.halt(scene.state, scene.out, int(code), 7, 8)
    flat = int(reduce == 1 and code != Code.TURNOVER_LIMIT)
    assert scene.state.instruments["flatten"].tolist() == [flat, flat]


def test_a_kill_and_a_stop_end_every_flatten() -> None:
    """Each clears the venue from now on; the kill alone is latched, the stop alone ends us."""
    for stops in (False, True):
        scene = a_stage()
        scene.state.instruments["flatten"] = 1
        order = put_order(scene, 0, BUY, 100, 5, instrument=1)
        core = scene.core
        core["venue_clear"] = core["reset_wanted"] = 1
        core["verify_asked_ns"] = core["verify_again_ns"] = 5
        (breaker.stop if stops else breaker.kill)(scene.state, scene.out)
        code = Code.STOP if stops else Code.KILL
        assert scene.state.instruments["flatten"].tolist() == [0, 0]
        assert numbers(scene, F.STATE) == [(code, 0, 0)]
        assert numbers(scene, F.ALERT) == []
        assert int(core["stopping"]) == int(stops)
        canceled = (A.CANCEL, int(order["key"]), 0, 0)
        latch = (A.LATCH, 0, TradingState.KILLED, Code.KILL)
        assert rows(scene.actions(), "kind", "target_key", "state", "code") == (
            [canceled] if stops else [canceled, latch]
        )
        assert rows([row for row in scene.facts() if row["kind"] == F.ORDER], "code") == [(code,)]
        names = ("kill_requested_ns", "venue_clear", "reset_wanted", "verify_asked_ns",
                 "verify_again_ns")  # fmt: skip
        assert [int(core[name]) for name in names] == [NOW, 0, 0, 0, 0]


def test_reasons_come_and_go_one_by_one() -> None:
    """The second of the same changes nothing; the dwell counts from the last one lifted."""
    scene = a_stage()
    core = scene.core
    breaker.pause(scene.state, breaker.PAUSE_CLOCK)
    assert (int(core["pause_mask"]), dirty(scene)) == (breaker.PAUSE_CLOCK, [1, 1])
    breaker.pause(scene.state, breaker.PAUSE_CLOCK)
    assert (int(core["pause_mask"]), dirty(scene)) == (breaker.PAUSE_CLOCK, [0, 0])
    for _ in range(2):
        breaker.trip(scene.state, scene.out, breaker.PAUSE_JUMP, 1, int(Code.PRICE_JUMP), 7, 8)
    told = ("instrument", "code", "value", "bound")
    assert rows(scene.facts(), *told) == [(1, Code.PRICE_JUMP, 7, 8)]
    assert int(core["pause_mask"]) == breaker.PAUSE_CLOCK | breaker.PAUSE_JUMP
    breaker.lift(scene.state, breaker.PAUSE_LOOP)
    assert int(core["pause_clear_ns"]) == 0
    breaker.lift(scene.state, breaker.PAUSE_CLOCK)
    assert (int(core["pause_mask"]), int(core["pause_clear_ns"])) == (breaker.PAUSE_JUMP, NOW)


@pytest.mark.parametrize(
    ("before", "mask", "cleared_s", "after"),
    [
        ("RUNNING", 0, 0, "RUNNING"), ("RUNNING", 4, 0, "PAUSED"), ("REDUCE_ONLY", 4, 0, "PAUSED"),
        ("REDUCE_ONLY", 0, 0, "REDUCE_ONLY"), ("PAUSED", 4, 0, "PAUSED"),
        ("PAUSED", 0, 98, "RUNNING"), ("PAUSED", 0, 99, "PAUSED"), ("HALTED", 4, 0, "HALTED"),
        ("RECOVERING", 4, 0, "RECOVERING"), ("STOPPING", 4, 0, "STOPPING"),
    ],
)  # fmt: skip
def test_the_state_follows_from_the_reasons(
    before: str, mask: int, cleared_s: int, after: str
) -> None:
    """PAUSED while one holds and for the dwell after it; a latched state never moves."""
    scene = a_stage(TradingState[before])
    core = scene.core
    core["pause_mask"], core["pause_dwell_ns"] = mask, 2 * SECOND
    core["pause_clear_ns"] = cleared_s * SECOND
    breaker.settle(scene.state, scene.out)
    assert TradingState(int(core["state"])).name == after
    changed = before != after or (before == "PAUSED" and mask != 0)
    code = Code.RESUMED if after == "RUNNING" else Code.CLOCK
    assert numbers(scene, F.STATE) == [(code, 0, 0)] * changed
    if before == "PAUSED" and mask == 0:
        core["pause_clear_ns"] = 98 * SECOND + 1
        core["state"] = TradingState.PAUSED
        breaker.settle(scene.state, scene.out)
        assert core["state"] == TradingState.PAUSED, "a nanosecond short of the dwell"


# --- What the pulse judges.


def test_windows_count_what_lies_within_them() -> None:
    """A time as old as the window is outside; every place of the ring counts, empty ones do not."""
    times = np.zeros(WINDOW_CAPACITY, np.int64)
    assert breaker.count_recent(times, 5, 10) == 0
    times[0], times[1], times[-1] = NOW - 10, NOW - 9, NOW
    assert breaker.count_recent(times, NOW, 10) == 2
    assert breaker.count_recent(times, NOW, 11) == 3


def test_c05_c19_the_counts_of_a_window_at_their_limits() -> None:
    """As many breaches pause and lift by themselves; as many rejects halt, with both numbers."""
    scene = a_stage()
    core = scene.core
    core["collar_breach_count"], core["collar_breach_window_ns"] = 2, 10
    core["reject_storm_count"], core["reject_storm_window_ns"] = 3, 20
    for breaches, rejects, paused, halted in (
        (1, 2, 0, 0),
        (2, 2, 1, 0),
        (1, 2, 0, 0),
        (0, 3, 0, 1),
    ):
        core["breach_ns"][:], core["reject_ns"][:] = 0, 0
        core["breach_ns"][:breaches], core["reject_ns"][:rejects] = NOW - 9, NOW - 19
        scene.begin()
        breaker.check_windows(scene.state, scene.out)
        assert int(core["pause_mask"]) == breaker.PAUSE_COLLAR * paused
        assert numbers(scene, F.STATE) == [(Code.REJECT_STORM, 3, 3)] * halted


def test_c05_one_instrument_whose_references_differ_pauses_all() -> None:
    """Beyond its own collar, whichever it is; lifted once all agree."""
    scene = a_stage()
    records = scene.state.instruments
    records["mid_half_ticks"], records["market_valid"] = 20_000, 1
    records["last_trade_ticks"] = 10_000
    records["collar_bps_e2"] = [50, 100]
    for index, ticks, paused in ((0, 10_001, True), (0, 10_000, False), (1, 10_001, False),
                                 (1, 10_002, True)):  # fmt: skip
        records["last_trade_ticks"][index] = ticks
        breaker.check_references(scene.state)
        assert bool(scene.core["pause_mask"] & breaker.PAUSE_REFERENCE) is paused, (index, ticks)


def test_c27_orders_in_doubt_are_counted_and_timed() -> None:
    """More of them than the limit, or one of them for longer: the limit exactly halts nothing."""
    doubted = {"state": int(OrderState.UNKNOWN), "unknown_since_ns": 95 * SECOND}

    def judged(count: int, oldest_s: int, trading: TradingState, **more: int) -> list[Any]:
        scene = a_stage(trading)
        core = scene.core
        core["max_unknown_orders"], core["unknown_timeout_ns"] = 2, 10 * SECOND
        put_order(scene, 0, BUY, 100, 5)  # One that nobody doubts.
        for slot in range(1, count + 1):
            put_order(scene, slot, BUY, 100, 5, **{**doubted, **more})
        if count:
            scene.state.orders[count]["unknown_since_ns"] = oldest_s * SECOND
        breaker.check_unknown(scene.state, scene.out)
        return numbers(scene, F.STATE)

    running, recovering = TradingState.RUNNING, TradingState.RECOVERING
    assert judged(0, 0, running) == judged(2, 95, running) == judged(2, 90, running) == []
    assert judged(3, 95, running) == [(Code.UNKNOWN_ORDERS, 3, 2)]
    assert judged(1, 89, running) == [(Code.UNKNOWN_ORDERS, 1, 2)]
    assert judged(3, 95, recovering) == []
    assert judged(1, 89, recovering) == [(Code.UNKNOWN_ORDERS, 0, 2)]
    assert judged(3, 95, running, state=int(OrderState.PENDING_CANCEL)) == []
    assert judged(1, 89, running, state=int(OrderState.PENDING_CANCEL)) == [
        (Code.UNKNOWN_ORDERS, 0, 2)
    ]
    assert judged(3, 95, running, key=0) == []


def test_c27_a_trade_whose_order_nobody_names_counts_by_its_age() -> None:
    """As long as the limit halts nothing; a nanosecond more does, and no order need be open."""
    for since_ns, halts in ((90 * SECOND, False), (90 * SECOND - 1, True)):
        scene = a_stage()
        scene.core["max_unknown_orders"], scene.core["unknown_timeout_ns"] = 2, 10 * SECOND
        stray = scene.state.strays[1]
        stray["venue_order_id"], stray["since_ns"] = 7, since_ns
        breaker.check_unknown(scene.state, scene.out)
        assert numbers(scene, F.STATE) == [(Code.UNKNOWN_ORDERS, 0, 2)] * halts


@pytest.mark.parametrize(
    ("alive_s", "state", "user_up", "paused"),
    [(90, "RUNNING", 1, False), (89, "RUNNING", 1, True), (89, "RECOVERING", 1, False),
     (89, "RUNNING", 0, False), (89, "PAUSED", 1, True)],
)  # fmt: skip
def test_c23_a_user_stream_is_lost_after_its_limit(
    alive_s: int, state: str, user_up: int, paused: bool
) -> None:
    """Pause and reconnect, of a stream that was there, outside of a recovery."""
    scene = a_stage(TradingState[state])
    core = scene.core
    core["user_stream_timeout_ns"], core["user_alive_ns"] = 10 * SECOND, alive_s * SECOND
    core["user_up"] = user_up
    breaker.check_user_stream(scene.state, scene.out)
    assert bool(core["pause_mask"] & breaker.PAUSE_USER_STREAM) is paused
    assert core["user_up"] == (0 if paused else user_up)
    told = [(A.RECONNECT, -1, Link.ORDER)] * paused
    assert rows(scene.actions(), "kind", "instrument", "link") == told


def test_a_pulse_asks_every_control_and_looks_at_every_market() -> None:
    """Each of them has something to say, and says it in the one pulse."""
    scene = a_stage()
    core = scene.core
    core["collar_breach_count"], core["collar_breach_window_ns"] = 1, 10
    core["reject_storm_count"], core["max_unknown_orders"] = 1, 5
    core["breach_ns"][0] = NOW
    core["user_stream_timeout_ns"], core["user_alive_ns"] = 10, NOW - 11
    core["unknown_timeout_ns"] = SECOND
    scene.state.instruments["mid_half_ticks"] = 20_000
    scene.state.instruments["market_valid"] = 1
    scene.state.instruments["last_trade_ticks"] = 11_000
    breaker.pause(scene.state, breaker.PAUSE_RATE)
    dirty(scene)
    breaker.pulse(scene.state, scene.out)
    wanted = breaker.PAUSE_COLLAR | breaker.PAUSE_REFERENCE | breaker.PAUSE_USER_STREAM
    assert (int(core["pause_mask"]), dirty(scene)) == (wanted, [1, 1])
    core["max_clock_offset_ns"], core["venue_offset_ns"], core["clock_bad_since_ns"] = 5, 6, 1
    breaker.pulse(scene.state, scene.out)
    assert core["state_code"] == Code.CLOCK
    scene = a_stage()
    scene.core["max_clock_offset_ns"], scene.core["reject_storm_count"] = SECOND, 1
    put_order(scene, 1, BUY, 100, 5, state=OrderState.UNKNOWN, unknown_since_ns=NOW - 1)
    breaker.pulse(scene.state, scene.out)
    assert scene.core["state_code"] == Code.UNKNOWN_ORDERS
    scene = a_stage()
    scene.core["rate_limited_until_ns"] = NOW + 1
    breaker.pause(scene.state, breaker.PAUSE_RATE)
    breaker.check_rate(scene.state)
    assert scene.core["pause_mask"] == breaker.PAUSE_RATE, "a nanosecond before the time"
    scene.core["rate_limited_until_ns"] = NOW
    breaker.check_rate(scene.state)
    assert scene.core["pause_mask"] == 0


# --- Clearing.


@pytest.mark.parametrize(("until_s", "again_s"), [(0, 1), (100, 1), (101, 3)])
def test_cancels_are_repeated_in_every_slot_and_more_slowly_while_held_back(
    until_s: int, again_s: int
) -> None:
    """After a second; after three while the venue's quiet lasts, which ends at its time."""
    scene = a_stage(TradingState.KILLED)
    scene.core["rate_limited_until_ns"] = until_s * SECOND
    for slot, age_ns in enumerate((again_s * SECOND, again_s * SECOND - 1, again_s * SECOND)):
        put_order(scene, slot, BUY, 100, 5, cancel_sent_ns=NOW - age_ns)
    clearing.cancel_again(scene.state, scene.out)
    keys = [int(scene.state.orders[slot]["key"]) for slot in (0, 2)]
    assert rows(scene.actions(), "kind", "target_key") == [(A.CANCEL, key) for key in keys]
    assert {row["code"] for row in scene.facts()} == {Code.NONE}
    assert int(scene.state.orders[1]["cancel_sent_ns"]) == NOW - again_s * SECOND + 1


def test_what_is_open_begins_the_proof_anew() -> None:
    """Lists asked before count for nothing, be the open order of either instrument."""
    scene = a_stage(TradingState.KILLED)
    core = scene.core
    core["kill_requested_ns"] = 1
    core["verify_asked_ns"] = core["verify_again_ns"] = 5
    order = put_order(scene, 0, BUY, 100, 5, instrument=1)
    clearing.carry_on(scene.state, scene.out)
    assert (int(core["verify_asked_ns"]), int(core["verify_again_ns"])) == (0, 0)
    order["key"] = 0
    clearing.carry_on(scene.state, scene.out)
    assert (int(core["verify_asked_ns"]), int(core["verify_again_ns"])) == (NOW, NOW + SECOND)
    asked = [row for row in scene.actions() if row["kind"] == A.ASK_OPEN_ORDERS]
    assert rows(asked, "instrument") == [(0,), (1,)]
    event = an_event(instrument=1, order_count=1, until_ns=NOW)
    clearing.apply_open_orders_end(scene.state, event)
    assert (int(core["verify_again_ns"]), core["venue_clear"]) == (NOW + 250 * MS, 0)
    assert scene.state.instruments["unverified"].tolist() == [1, 1]


@pytest.mark.parametrize("stopping", [0, 1])
@pytest.mark.parametrize("clear", [0, 1])
@pytest.mark.parametrize("sent", [0, 1])
def test_only_a_daemon_that_stops_and_is_clear_ends(stopping: int, clear: int, sent: int) -> None:
    """And it says so once."""
    scene = a_stage(TradingState.STOPPING)
    core = scene.core
    core["stopping"], core["venue_clear"], core["exit_sent"] = stopping, clear, sent
    clearing.check_exit(scene.state, scene.out)
    ends = bool(stopping and clear and not sent)
    assert rows(scene.actions(), "kind", "instrument") == [(A.EXIT, -1)] * ends
    assert core["exit_sent"] == (1 if ends else sent)


# --- Commands.


def commanded(scene: Scene, command: C, **fields: int) -> Code:
    """Give a command; return what came of it, once its fact is as it must be."""
    words = {"instrument": -1, **fields}
    scene.begin()
    commands.apply(scene.state, an_event(command=command, **words), scene.out)
    (fact,) = (row for row in scene.facts() if row["kind"] == F.COMMAND)
    told = ("instrument", "command", "order_key", "value")
    state = int(scene.core["state"])
    assert rows([fact], *told) == [
        (words["instrument"], command, words.get("order_key", 0), state)
    ]  # fmt: skip
    return Code(fact["code"])


def test_a_cancel_by_key_names_the_operator() -> None:
    """The order that is meant, in whatever slot; a key that is not open is refused."""
    scene = a_stage()
    put_order(scene, 0, BUY, 100, 5, key=11)
    put_order(scene, 1, BUY, 100, 5, key=12)
    assert commanded(scene, C.CANCEL, order_key=12) == Code.NONE
    assert rows(scene.actions(), "kind", "target_key") == [(A.CANCEL, 12)]
    (fact,) = (row for row in scene.facts() if row["kind"] == F.ORDER)
    assert fact["code"] == Code.OPERATOR
    assert commanded(scene, C.CANCEL, order_key=13) == Code.SIDE_IN_DOUBT
    assert commanded(scene, C.CANCEL_ALL, instrument=1) == Code.NONE
    assert scene.actions() == []
    assert commanded(scene, C.CANCEL_ALL, instrument=0) == Code.NONE
    assert rows(scene.actions(), "target_key") == [(11,), (12,)]


def test_resume_waits_for_no_dwell_and_forgets_what_a_person_has_seen() -> None:
    """Of PAUSED and REDUCE_ONLY alone; other reasons go on to hold."""
    for state in TradingState:
        scene = a_stage(state)
        core = scene.core
        core["pause_mask"] = breaker.PAUSE_OPERATOR | breaker.PAUSE_NO_FILLS | breaker.PAUSE_CLOCK
        core["orders_since_fill"], core["pause_dwell_ns"] = 7, 2 * SECOND
        scene.state.instruments["flatten"] = 1
        before = core.tobytes()
        code = commanded(scene, C.RESUME)
        if state not in (TradingState.PAUSED, TradingState.REDUCE_ONLY):
            assert (code, core.tobytes()) == (Code.GATE_CLOSED, before)
            continue
        assert (code, int(core["pause_mask"])) == (Code.NONE, breaker.PAUSE_CLOCK)
        assert (int(core["orders_since_fill"]), int(core["pause_clear_ns"])) == (
            0, NOW - 2 * SECOND,
        )  # fmt: skip
        assert scene.state.instruments["flatten"].tolist() == [0, 0]


def test_c33_c41_what_reset_waits_for() -> None:
    """A journal, every alert seen, the dwell to the nanosecond; a recovery that runs will do."""
    scene = a_stage(TradingState.HALTED)
    core = scene.core
    core["reset_dwell_ns"], core["state_since_ns"] = 5 * SECOND, 95 * SECOND
    core["journal_failed"] = 1
    scene.state.alerts[2]["number"] = 2
    assert commanded(scene, C.RESET) == Code.JOURNAL
    core["journal_failed"] = 0
    assert commanded(scene, C.RESET) == Code.UNACKNOWLEDGED
    scene.state.alerts[2]["acknowledged"] = 1
    core["state_since_ns"] += 1
    assert (commanded(scene, C.RESET), int(core["reset_wanted"])) == (Code.RESET_DWELL, 0)
    core["state_since_ns"] -= 1
    core["recovery_phase"] = recovery.Phase.LINKS
    assert (commanded(scene, C.RESET), int(core["reset_wanted"])) == (Code.NONE, 1)
    assert (scene.actions(), int(core["recovery_phase"])) == ([], recovery.Phase.LINKS)
    core["recovery_phase"], core["reset_wanted"] = recovery.Phase.IDLE, 0
    assert (commanded(scene, C.RESET), int(core["reset_wanted"])) == (Code.NONE, 1)
    assert core["recovery_phase"] == recovery.Phase.OPEN_ORDERS
    assert rows(scene.actions(), "kind") == [(A.ASK_OPEN_ORDERS,)] * 2


@pytest.mark.parametrize(
    ("field", "value", "code", "asks"),
    [
        ("order_up", 0, Code.ORDER_LINK_DOWN, 0), ("user_up", 0, Code.ORDER_LINK_DOWN, 0),
        ("rate_limited_until_ns", NOW + 1, Code.RATE_LIMITED, 0),
        ("rate_limited_until_ns", NOW, Code.NONE, 5),
        ("recovery_phase", recovery.Phase.TRADES, Code.NONE, 0),
    ],
)  # fmt: skip
def test_reconcile_asks_where_somebody_would_answer(
    field: str, value: int, code: Code, asks: int
) -> None:
    """Orders and trades of both instruments and the balances; a recovery compares already."""
    scene = a_stage()
    scene.core[field] = value
    assert commanded(scene, C.RECONCILE) == code
    assert len(scene.actions()) == asks
    assert scene.core["check_wanted"] == int(asks > 0)


@pytest.mark.parametrize("state", list(TradingState))
def test_flatten_holds_a_pause_and_waits_for_nothing_else(state: TradingState) -> None:
    """Only where nothing quotes; a pause that would lift itself is the operator's from now on."""
    scene = a_stage(state)
    scene.core["pause_mask"] = breaker.PAUSE_CLOCK
    latched = state in (TradingState.HALTED, TradingState.KILLED)
    allowed = latched or state == TradingState.PAUSED
    assert commanded(scene, C.FLATTEN) == (Code.NONE if allowed else Code.GATE_CLOSED)
    held = breaker.PAUSE_CLOCK | (breaker.PAUSE_OPERATOR if state == TradingState.PAUSED else 0)
    assert scene.core["pause_mask"] == held
    assert scene.state.instruments["flatten"].tolist() == [int(allowed)] * 2


def test_flatten_needs_books_that_agree_or_a_comparison_under_way() -> None:
    """What recovery compares now is settled before the first slice; a difference is not."""
    scene = a_stage(TradingState.HALTED)
    scene.core["recovery_clean"] = 0
    assert commanded(scene, C.FLATTEN) == Code.RECONCILE_DIFFERENCE
    scene.core["recovery_phase"] = recovery.Phase.TRADES
    assert commanded(scene, C.FLATTEN) == Code.NONE
    scene.core["recovery_phase"], scene.core["recovery_clean"] = recovery.Phase.IDLE, 1
    assert commanded(scene, C.FLATTEN) == Code.NONE


# --- Alerts.


def test_c41_alerts_are_numbered_and_acknowledged_one_by_one_or_all() -> None:
    """The table goes round; what was acknowledged is told once, and counts no more."""
    scene = a_stage()
    assert not alerts.is_raised(scene.state, int(Code.NONE))
    scene.core["next_alert"] = ALERTS_CAPACITY - 2
    scene.state.alerts["acknowledged"] = 1
    for code in (Code.CLOCK, Code.BANNED, Code.JOURNAL):
        alerts.raise_alert(scene.state, scene.out, int(code), 7, 8)
    first = ALERTS_CAPACITY - 1
    assert int(scene.core["next_alert"]) == first + 2
    places = [first, 0, 1]
    assert [int(scene.state.alerts[at]["number"]) for at in places] == [first, first + 1, first + 2]
    assert alerts.unacknowledged(scene.state) == 3
    assert alerts.is_raised(scene.state, int(Code.JOURNAL))
    assert not alerts.is_raised(scene.state, int(Code.BANNED))
    scene.begin()
    assert alerts.acknowledge(scene.state, scene.out, first + 3) == 0
    assert alerts.acknowledge(scene.state, scene.out, first + 1) == 1
    assert alerts.acknowledge(scene.state, scene.out, first + 1) == 0
    told = ("kind", "instrument", "alert", "code", "value", "bound", "state_to")
    banned = (F.ALERT, -1, first + 1, Code.BANNED, 7, 8, 1)
    assert rows(scene.facts(), *told) == [banned]
    assert alerts.unacknowledged(scene.state) == 2
    assert alerts.acknowledge(scene.state, scene.out, 0) == 2
    assert (alerts.acknowledge(scene.state, scene.out, 0), alerts.unacknowledged(scene.state)) == (
        0, 0,
    )  # fmt: skip
    assert commanded(scene, C.ACK) == Code.NONE, "all of none"
    assert commanded(scene, C.ACK, order_key=first) == Code.UNACKNOWLEDGED


# --- Tripwires.


def test_the_pulse_of_the_tripwires_asks_each_and_samples_every_market() -> None:
    """C18, C20, C25, C28, C29: all of them trip in one pulse, beside the sample of each mid."""
    scene = a_stage()
    core, records = scene.core, scene.state.instruments
    core["max_loop_lag_ns"], core["max_ack_ns"] = 5, 10
    core["max_orders_without_fill"], core["orders_since_fill"] = 3, 4
    core["max_one_sided_fills"], core["price_jump_window_ns"] = 9, SECOND
    core["price_jump_bps_e2"] = 10
    for _ in range(tripwires.ACK_LEAST):
        tripwires.keep_ack(scene.state, 11)
    records["market_valid"], records["mid_half_ticks"] = 1, [20_000, 30_000]
    records["mid_window_half_ticks"][1][0], records["mid_window_ns"][1][0] = 31_000, NOW - 1
    records["mid_window_next"] = [0, 1]
    event = an_event(kind=int(E.TIMER), timer=int(Timer.PULSE), lag_ns=6)
    tripwires.pulse(scene.state, event, scene.out)
    told = [row for row in scene.facts() if row["kind"] == F.NOTE]
    assert rows(told, "instrument", "code", "value", "bound") == [
        (-1, Code.LOOP_LAG, 6, 5), (-1, Code.ACK_LATENCY, 11, 10),
        (-1, Code.ORDERS_WITHOUT_FILL, 4, 3), (1, Code.PRICE_JUMP, 32_258, 10),
    ]  # fmt: skip
    wanted = (breaker.PAUSE_LOOP, breaker.PAUSE_ACKS, breaker.PAUSE_NO_FILLS, breaker.PAUSE_JUMP)
    assert int(core["pause_mask"]) == sum(wanted)
    assert records["mid_window_half_ticks"][0][0] == 20_000
    assert records["mid_window_next"].tolist() == [1, 1], "the second was sampled a moment ago"
    assert int(core["loop_lag_ns"]) == 6


def test_c17_a_window_of_no_length_is_none_though_there_is_room() -> None:
    """The first window that is told takes the first place; no length takes none."""
    scene = a_stage()
    for window_ns, kept in ((0, 0), (-5, 0), (10, 10)):
        event = an_event(window_ns=window_ns, order_limit=50, order_count=7)
        venue_limits.apply_rate_status(scene.state, event)
        assert (int(scene.core["rate_window_ns"].max()), int(scene.core["rate_window_ns"][0])) == (
            kept, kept,
        )  # fmt: skip
