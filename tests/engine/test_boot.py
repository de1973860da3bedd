"""A boot: which part of the state is forgotten, and that all the rest is kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hftd.domain.actions import ActionKind as A
from hftd.domain.codes import BookState, Code, TradingState
from hftd.domain.facts import FactKind as F
from hftd.domain.order import OrderEvent, OrderState
from hftd.engine import boot, breaker
from tests.engine.scene import BUY, SECOND, SELL, Scene, a_scene, an_event, put_order

# What a boot sets to zero of the daemon's one record.
FORGOTTEN = {
    "market_up", "order_up", "user_up", "clock_sampled_ns", "clock_bad_since_ns",
    "journal_failed", "stopping", "exit_sent", "kill_requested_ns", "venue_clear", "reset_wanted",
    "venue_remembers", "latched", "latch_code",
    "order_tat_ns", "loss_seen_ns", "reject_ns", "breach_ns", "ack_at_ns", "rate_window_ns",
    "loop_lag_ns", "orders_since_fill", "waste_told", "check_asked_ns", "check_differed",
    "check_found", "proposals", "recovery_attempt", "recovery_differed", "recovery_clean",
}  # fmt: skip
# What it sets by the event, or by what follows from it.
SET = {
    "epoch", "next_seq", "on_crash", "crashed", "state", "state_code", "state_since_ns",
    "pause_mask", "recovery_phase", "recovery_since_ns",
}  # fmt: skip
FORGOTTEN_OF_INSTRUMENT = {
    "frame_ns", "touch_update_id", "bid_ticks", "ask_ticks", "last_trade_ticks", "last_trade_id",
    "last_trade_ns",
    "trade_window_ns", "mid_window_ns", "market_valid", "uncovered_ns", "through_bid_ns",
    "through_ask_ns", "resync_asked_ns", "resync_attempt", "touch_asked_ns", "flatten",
    "foreign_orders", "filled_lots", "released_lots", "sent_lots",
}  # fmt: skip
SET_OF_INSTRUMENT = {"boot_position_lots", "dirty", "awaited", "missing_trade_id"}
FORGOTTEN_OF_BOOK = {"last_update_id", "count", "pending_count", "pending_rows"}
FORGOTTEN_OF_TARGET = {"wanted", "denied_until_ns", "denied_code"}


def booted(scene: Scene, **event: int) -> Scene:
    """Boot a scene at second 100."""
    scene.begin(100 * SECOND)
    boot.boot(scene.state, an_event(epoch=8, on_crash=1, crashed=1, **event), scene.out)
    return scene


def fill(record: Any, value: int, keep: set[str]) -> None:
    """Set every number of a record to a value, but for some."""
    for name in record.dtype.names:
        if name not in keep:
            record[name] = value


def names_of(record: Any, before: Any) -> dict[str, bool]:
    """Return the fields that are not what they were, and whether they are zero now."""
    return {
        name: not np.any(record[name])
        for name in record.dtype.names
        if not np.array_equal(record[name], before[name])
    }


def judged(record: Any, before: Any, forgotten: set[str], written: set[str]) -> None:
    """Hold a record to what a boot forgets, what it sets, and that it keeps the rest."""
    changed = names_of(record, before)
    assert forgotten <= set(changed), forgotten - set(changed)
    assert set(changed) <= forgotten | written, set(changed) - forgotten - written
    assert all(changed[name] for name in forgotten)


def test_a_boot_forgets_what_is_listed_and_keeps_the_rest() -> None:
    """Every field of the daemon, an instrument, its book and its targets was something before."""
    scene = a_scene()
    scene.core["now_ns"] = 100 * SECOND
    kept = {"now_ns", "orders_end", "decision_seq", "quote_asset", "rate_limited_until_ns"}
    kept |= {"instruments", "assets"}
    fill(scene.core, 3, kept)
    fill(scene.instrument, 3, {"base_asset"})
    fill(scene.book, 3, {"ticks", "lots"})
    fill(scene.state.targets[0, SELL], 3, set())
    scene.state.balances["known"] = scene.state.balances["others_atoms"] = 3
    records = [scene.core, scene.instrument, scene.book, scene.state.targets[0, SELL]]
    before = [np.frombuffer(record.tobytes(), record.dtype)[0] for record in records]
    booted(scene)
    core, instrument, book, target = zip(records, before, strict=True)
    judged(*core, FORGOTTEN, SET)
    judged(*instrument, FORGOTTEN_OF_INSTRUMENT, SET_OF_INSTRUMENT)
    judged(*book, FORGOTTEN_OF_BOOK, {"state"})
    judged(*target, FORGOTTEN_OF_TARGET, {"quoted_code"})
    assert (book[0]["state"], target[0]["quoted_code"]) == (
        BookState.RESYNCING, Code.STARTING_UP,
    )  # fmt: skip
    assert not scene.state.balances["known"].any()
    assert not scene.state.balances["others_atoms"].any()
    told = {name: int(scene.core[name]) for name in ("epoch", "next_seq", "on_crash", "crashed")}
    assert told == {"epoch": 8, "next_seq": 1, "on_crash": 1, "crashed": 1}
    assert scene.core["pause_mask"] == breaker.PAUSE_OPERATOR, "of it and PAUSE_USER_STREAM"
    assert (scene.core["state"], scene.core["state_code"]) == (
        TradingState.RECOVERING, Code.STARTING_UP,
    )  # fmt: skip


def test_c21_the_account_of_what_is_sent_begins_with_what_is_open() -> None:
    """Each side's open lots count as sent, the position as held; nothing filled or released."""
    scene = a_scene()
    put_order(scene, 0, BUY, 100, 7)
    put_order(scene, 1, SELL, 110, 5)
    put_order(scene, 2, SELL, 120, 4)
    scene.instrument["position_lots"] = -3
    booted(scene)
    assert list(scene.instrument["sent_lots"]) == [7, 9]
    assert scene.instrument["boot_position_lots"] == -3
    assert list(scene.state.instruments[1]["sent_lots"]) == [0, 0]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (OrderState.PENDING_NEW, OrderState.UNKNOWN, 1),
        (OrderState.UNKNOWN, OrderState.UNKNOWN, 1),
        (OrderState.NEW, OrderState.NEW, 0),
        (OrderState.PENDING_CANCEL, OrderState.PENDING_CANCEL, 0),
    ],
)
def test_a_create_in_flight_is_in_doubt_after_a_boot(
    before: OrderState, after: OrderState, told: int
) -> None:
    """Nobody knows whether its last frame left; what was acknowledged is what it was."""
    scene = a_scene()
    order = put_order(
        scene, 0, BUY, 100, 7, state=before, query_at_ns=5, query_attempt=4, unknown_since_ns=6
    )
    booted(scene)
    assert order["state"] == after
    assert order["unknown_since_ns"] == (100 * SECOND if told else 0)
    assert order["query_attempt"] == 0
    facts = [row for row in scene.facts() if row["kind"] == F.ORDER]
    assert [(row["order_event"], row["state_from"], row["code"]) for row in facts] == [
        (OrderEvent.OUTCOME_UNKNOWN, before, Code.STARTING_UP)
    ] * told


def test_an_order_whose_end_was_told_is_in_doubt_since_the_boot() -> None:
    """It waits for its fills still, and that wait is timed anew."""
    scene = a_scene()
    order = put_order(
        scene, 0, BUY, 100, 7, state=OrderState.PENDING_CANCEL, final_state=OrderState.CANCELED
    )
    booted(scene)
    assert order["unknown_since_ns"] == 100 * SECOND


@pytest.mark.parametrize(("until_ns", "held"), [(100 * SECOND, False), (100 * SECOND + 1, True)])
def test_c30_the_venues_quiet_outlives_a_boot(until_ns: int, held: bool) -> None:
    """The venue means our address: paused, and whoever sends is told until when."""
    scene = a_scene()
    scene.core["rate_limited_until_ns"] = until_ns
    booted(scene)
    holds = [row for row in scene.actions() if row["kind"] == A.HOLD_BACK]
    assert [row["until_ns"] for row in holds] == [until_ns] * held
    assert bool(scene.core["pause_mask"] & breaker.PAUSE_RATE) is held


@pytest.mark.parametrize(
    ("latched", "code", "raised_before", "alerts"),
    [
        (0, 0, 0, 0),
        (TradingState.KILLED, Code.KILL, 0, 0),
        (TradingState.HALTED, Code.CLOCK, 0, 1),
        (TradingState.HALTED, Code.CLOCK, Code.CLOCK, 0),
        (TradingState.HALTED, Code.CLOCK, Code.BANNED, 1),
    ],
)
def test_c41_a_latch_of_the_boot_before_holds_and_has_its_alert(
    latched: int, code: int, raised_before: int, alerts: int
) -> None:
    """The alert of a halt may be lost with the journal: it is raised where it is not the last."""
    scene = a_scene()
    if raised_before:
        scene.core["next_alert"] = 1
        scene.state.alerts[1]["number"], scene.state.alerts[1]["code"] = 1, raised_before
    booted(scene, latched=latched, code=code)
    assert scene.core["state"] == (latched or TradingState.RECOVERING)
    assert scene.core["state_code"] == (code or Code.STARTING_UP)
    assert len([row for row in scene.facts() if row["kind"] == F.ALERT]) == alerts
