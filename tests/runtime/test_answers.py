"""The questions of the control socket: shapes, names, the last line of a kill."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from hftd.control import shapes
from hftd.control.faults import InvalidParams, UnknownMethod
from hftd.domain.codes import BookState, Code, TradingState
from hftd.domain.order import OrderState
from hftd.engine import signals
from hftd.runtime.answers_health import LOOP_LAG_NS, RECORDER_LAG_RECORDS
from hftd.runtime.telemetry import Stage
from tests.engine.scene import BUY, SECOND, SELL, put_order, show_market
from tests.runtime.answers_desk import STARTED_NS, Desk, a_desk, assert_shape

SHAPES: dict[str, Any] = {
    "status": shapes.Status,
    "health": shapes.Health,
    "explain": shapes.Explain,
    "book": shapes.Book,
    "orders": shapes.Orders,
    "positions": shapes.Positions,
    "pnl": shapes.Pnl,
    "latency": shapes.Latency,
    "risk": shapes.Risk,
    "version": shapes.Version,
}


def a_market(desk: Desk) -> None:
    """Show a market of 59990 to 60010."""
    show_market(desk.scene, {5_999_000: 200, 5_998_000: 300}, {6_001_000: 100, 6_002_000: 5})
    signals.update(desk.scene.state, 0)


def hold(desk: Desk, lots: int, base_fee_atoms: int = 0) -> None:
    """Put a position bought at 59990 into the books."""
    desk.scene.instrument["position_lots"] = lots
    desk.scene.instrument["cost_atoms"] = lots * 5_999_000 * desk.scene.instrument["unit_atoms"]
    desk.scene.instrument["base_fee_atoms"] = base_fee_atoms


@pytest.mark.parametrize("method", SHAPES)
def test_an_answer_has_the_keys_and_types_of_its_shape(method: str) -> None:
    """Before anything happened, and in the middle of the day, on one and on two instruments."""
    assert_shape(a_desk().ask(method), SHAPES[method])
    desk = a_desk(two=True)
    a_market(desk)
    hold(desk, -210, 21)
    put_order(desk.scene, 0, BUY, 5_999_000, 10, sent_ns=STARTED_NS, venue_order_id=7)
    put_order(desk.scene, 5, SELL, 6_001_000, 10, state=OrderState.UNKNOWN)
    desk.telemetry.record(Stage.MARKET_DATA, 21_000)
    assert_shape(desk.ask(method), SHAPES[method])


def test_no_answer_changes_the_engine() -> None:
    """All arrays are the same bytes after every question."""
    desk = a_desk(two=True)
    a_market(desk)
    before = desk.scene.world.tobytes()
    for method in SHAPES:
        desk.ask(method)
    desk.answers.position_line(), desk.answers.clear_line(), desk.answers.next_steps()
    assert desk.scene.world.tobytes() == before


@pytest.mark.parametrize("method", ["book", "explain"])
def test_an_instrument_that_is_not_traded_is_refused_by_name(method: str) -> None:
    """The refusal names those that are; without a name it is the first one, or all."""
    desk = a_desk(two=True)
    with pytest.raises(InvalidParams, match=r"BTC-USDT, ETH-USDT, was 'DOGE-USDT'"):
        desk.ask(method, instrument="DOGE-USDT")
    assert desk.ask("book")["instrument"] == "BTC-USDT"
    assert desk.ask("book", instrument="ETH-USDT")["instrument"] == "ETH-USDT"
    named = [one["instrument"] for one in desk.ask("explain")["instruments"]]
    assert named == ["BTC-USDT", "ETH-USDT"]
    one = desk.ask("explain", instrument="ETH-USDT")["instruments"]
    assert [each["instrument"] for each in one] == ["ETH-USDT"]


def test_a_question_that_is_none_is_refused() -> None:
    """What the table of answers lacks is an unknown method, not a fault of ours."""
    with pytest.raises(UnknownMethod):
        a_desk().ask("fills")


def test_the_last_line_of_a_kill_is_what_a_person_under_stress_needs() -> None:
    """Venue checked when, what is held and worth, how to close it and how to go on."""
    desk = a_desk()
    a_market(desk)
    hold(desk, 210)
    desk.scene.core["venue_clear"] = 1
    desk.scene.core["venue_checked_ns"] = STARTED_NS + SECOND + 233_999_999
    answers = desk.answers
    assert f"{answers.clear_line()} {answers.position_line()} {answers.next_steps()}" == (
        "0 open orders (venue checked 12:00:01.233Z). "
        "Position +0.00210 BTC (about 126 USDT) remains. Close it: hftctl flatten. "
        "Trade again: hftctl reset --reason …"
    )


@pytest.mark.parametrize(
    ("lots", "base_fee_atoms", "line", "closes"),
    [
        (0, 0, "Position 0 BTC.", False),
        (-210, 0, "Position -0.00210 BTC (about 126 USDT) remains.", True),
        (210, 210, "Position +0.0020979 BTC (about 126 USDT) remains.", True),
        # Below the minimum notional of 5 USDT, and what fees in base leave of a flat position.
        (8, 0, "Position +0.00008 BTC (dust, about 4.8 USDT) remains.", False),
        (0, 210, "Position -0.0000021 BTC (dust, about 0.13 USDT) remains.", False),
    ],
)
def test_what_is_left_is_named_with_sign_and_worth(
    lots: int, base_fee_atoms: int, line: str, closes: bool
) -> None:
    """Dust is called dust, and only what can be closed is offered to be."""
    desk = a_desk()
    a_market(desk)
    hold(desk, lots, base_fee_atoms)
    assert desk.answers.position_line() == line
    assert ("flatten" in desk.answers.next_steps()) == closes


def test_a_position_without_a_mid_says_that_its_value_is_not_known() -> None:
    """Nothing is made up; several instruments are joined, flat ones are left out."""
    desk = a_desk(two=True)
    assert desk.answers.position_line() == "Position 0 BTC, 0 ETH."
    hold(desk, 210)
    line = "Position +0.00210 BTC (value not known) remains."
    assert desk.answers.position_line() == line
    desk.scene.state.instruments[1]["position_lots"] = -15_000
    line = "Position +0.00210 BTC (value not known), -1.5000 ETH (value not known) remains."
    assert desk.answers.position_line() == line


def test_open_orders_are_not_called_confirmed_before_the_venue_showed_none() -> None:
    """Until then the line says so, and how many are left."""
    desk = a_desk()
    put_order(desk.scene, 3, BUY, 5_999_000, 10)
    assert desk.answers.clear_line() == "1 open order (not confirmed by the venue)."


def test_status_counts_orders_by_what_is_known_of_them() -> None:
    """Acknowledged, in flight and UNKNOWN stand apart and add up to all of the table."""
    desk = a_desk()
    for slot, state in enumerate(
        (
            OrderState.NEW,
            OrderState.PARTIALLY_FILLED,
            OrderState.PENDING_NEW,
            OrderState.PENDING_CANCEL,
            OrderState.UNKNOWN,
        )
    ):
        put_order(desk.scene, slot, BUY, 5_999_000 - slot, 10, state=state)
    status = desk.ask("status")
    counted = [status["orders"][name] for name in ("open", "in_flight", "unknown")]
    assert counted == [2, 2, 1]
    assert status["instruments"][0]["open_orders"] == 5
    assert status["uptime_s"] == 10.0
    assert status["recorder"] == {"seq": 115, "lag": 5}


def test_a_recorder_that_does_not_answer_has_no_lag() -> None:
    """Null, not 0: nobody knows how far it is."""
    desk = a_desk()
    desk.around.recorder_seq = None
    assert desk.ask("status")["recorder"] == {"seq": None, "lag": None}


def test_a_state_says_why_and_a_running_daemon_needs_no_reason() -> None:
    """A latched loss has its numbers, a pause that is over says when it ends."""
    desk = a_desk(canary="true")
    core = desk.scene.core
    assert desk.ask("status")["state_reason"] is None
    assert desk.ask("status")["canary"] == {"enabled": True, "size_factor": "0.1"}
    core["state"], core["state_code"] = TradingState.HALTED, Code.DAILY_LOSS
    core["state_since_ns"], core["day_loss_atoms"] = STARTED_NS, 26 * 10**8
    reason = desk.ask("status")["state_reason"]
    assert reason == "DAILY_LOSS: loss=26 USDT, max=25 USDT, since 12:00:00.000Z"
    core["state"], core["state_code"] = TradingState.PAUSED, Code.USER_STREAM_STALE
    core["pause_clear_ns"] = core["now_ns"] - SECOND
    left = "its cause is gone, running again in 1000 ms"
    assert desk.ask("status")["state_reason"] == f"USER_STREAM_STALE: {left}"


def failing(desk: Desk) -> list[str]:
    """Return the names of the checks that fail."""
    health = desk.ask("health")
    names = [check["name"] for check in health["checks"] if not check["ok"]]
    assert health["healthy"] == (not names)
    return names


def test_a_daemon_that_is_well_fails_no_check() -> None:
    """A pause by the operator is no illness either."""
    desk = a_desk()
    a_market(desk)
    assert failing(desk) == []
    desk.scene.core["state"] = TradingState.PAUSED
    desk.scene.core["state_code"] = Code.OPERATOR
    assert failing(desk) == []


@pytest.mark.parametrize(
    ("field", "value", "failed"),
    [
        ("state", TradingState.RECOVERING, ["state"]),
        ("state", TradingState.KILLED, ["state", "latch"]),
        ("market_up", 0, ["market_link"]),
        ("order_up", 0, ["order_link"]),
        ("user_up", 0, ["user_stream"]),
        ("user_alive_ns", STARTED_NS - 60 * SECOND, ["user_stream"]),
        ("journal_failed", 1, ["journal"]),
        ("clock_sampled_ns", 0, ["clock"]),
        ("clock_bad_since_ns", STARTED_NS, ["clock"]),
    ],
)
def test_each_fault_fails_its_own_check(field: str, value: int, failed: list[str]) -> None:
    """What is broken is named, and nothing else."""
    desk = a_desk()
    a_market(desk)
    desk.scene.core[field] = value
    assert failing(desk) == failed


def test_an_old_or_silent_book_fails_its_own_check() -> None:
    """Age counts by the clock of the asking, since a dead engine would never grow old."""
    desk = a_desk(two=True)
    a_market(desk)
    assert failing(desk) == ["book ETH-USDT"]
    desk.clock.now_ns += 2 * SECOND + 1
    assert failing(desk) == ["book BTC-USDT", "book ETH-USDT"]


@pytest.mark.parametrize("state", [BookState.STALE, BookState.RESYNCING])
def test_a_book_in_doubt_is_not_well(state: BookState) -> None:
    """Neither is one that is in sequence and lacks a side."""
    desk = a_desk()
    a_market(desk)
    desk.scene.book["state"] = state
    assert failing(desk) == ["book BTC-USDT"]
    desk.scene.book["state"] = BookState.SYNCED
    desk.scene.instrument["market_valid"] = 0
    assert failing(desk) == ["book BTC-USDT"]


def test_recorder_and_loop_fail_beyond_their_limits() -> None:
    """A dead recorder, one that is far behind, and a loop that is late."""
    desk = a_desk()
    a_market(desk)
    desk.around.recorder_seq = desk.around.journal_seq = RECORDER_LAG_RECORDS + 200
    assert failing(desk) == []
    desk.around.recorder_seq = 199
    desk.around.loop_lag_ns = LOOP_LAG_NS + 1
    assert failing(desk) == ["recorder", "loop"]
    desk.around.recorder_seq = desk.around.recorder_pid = None
    assert failing(desk) == ["recorder", "loop"]


def test_latency_tells_each_stage_and_marks_the_venues() -> None:
    """Figures of a stage that never ran are null; targets are in milliseconds."""
    desk = a_desk()
    for _ in range(100):
        desk.telemetry.record(Stage.MARKET_DATA, 6_000_000)
    desk.telemetry.record(Stage.VENUE, 1_000)
    stages = {stage["stage"]: stage for stage in desk.ask("latency")["stages"]}
    assert set(stages) == {stage.name.lower() for stage in Stage}
    told = stages["market_data"]
    assert (told["count"], told["mean_us"], told["max_us"]) == (100, 6000.0, 6000.0)
    assert (told["target_ms"], told["over_target"]) == (5.0, True)
    assert [name for name, stage in stages.items() if stage["venue"]] == ["venue"]
    assert stages["risk"]["count"] == 0
    assert stages["risk"]["p99_us"] is None


def test_decimals_are_plain_text_to_the_last_digit() -> None:
    """No exponent, no float: what is shown is what is there."""
    desk = a_desk()
    a_market(desk)
    hold(desk, 1, 1)
    fees = desk.ask("pnl")["fees_quote"]
    assert Decimal(fees) == Decimal("0.0006")
    assert "E" not in fees
