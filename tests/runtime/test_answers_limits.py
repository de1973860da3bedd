"""Each limit's use, against the engine's own sums."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hftd.domain.actions import ACTION
from hftd.domain.codes import Code, TradingState
from hftd.engine import breaker, exposure, risk, tripwires
from hftd.engine.exposure import LAST_TRADE_NS
from hftd.runtime.answers_limits import reference_half_ticks, references_half_ticks
from hftd.runtime.answers_view import look
from tests.engine.scene import BUY, MS, SECOND, SELL, put_order
from tests.runtime.answers_desk import BTC, ETH, STARTED_NS, TAG, Desk, a_desk

CONTROLS = {
    "C03", "C04", "C05", "C06", "C07", "C11", "C12", "C13", "C14", "C15", "C16", "C17", "C18",
    "C19", "C20", "C21", "C22", "C23", "C24", "C25", "C26", "C27", "C28", "C29", "C30", "C33",
    "C34", "C35", "C36", "C41",
}  # fmt: skip
ORDERS = st.lists(
    st.tuples(
        st.integers(0, 1), st.sampled_from([BUY, SELL]), st.integers(1, 9), st.integers(1, 9)
    ),
    max_size=8,
)


def limit(desk: Desk, name: str, instrument: str | None = None) -> dict[str, Any]:
    """Return one limit by name."""
    limits: list[dict[str, Any]] = desk.ask("risk")["limits"]
    return next(one for one in limits if (one["name"], one["instrument"]) == (name, instrument))


def test_every_control_with_a_number_is_there() -> None:
    """Per instrument where the limit is one of an instrument."""
    desk = a_desk(two=True)
    limits = desk.ask("risk")["limits"]
    assert {one["code"] for one in limits} == CONTROLS
    assert len({(one["code"], one["name"], one["instrument"]) for one in limits}) == len(limits)
    sizes = [one["instrument"] for one in limits if one["name"] == "max_position_base"]
    assert sizes == ["BTC-USDT", "ETH-USDT"]


@settings(max_examples=40)
@given(
    st.lists(st.integers(1, 3000), max_size=200),
    st.lists(st.integers(9_000, 11_000), min_size=1, max_size=20),
)
def test_acks_and_jumps_are_what_the_tripwires_judge(
    latencies_ms: list[int], mids: list[int]
) -> None:
    """The percentile is over its limit exactly where C28 pauses; the move is C29's own number."""
    desk = a_desk()
    scene, core = desk.scene, desk.scene.core
    for latency_ms in latencies_ms:
        tripwires.keep_ack(scene.state, latency_ms * MS)
    record = scene.instrument
    record["market_valid"] = 1
    for mid in mids:
        record["mid_half_ticks"] = mid
        core["now_ns"] += SECOND // 2
        tripwires.keep_mid(scene.state, 0)
    tripwires.watch_acks(scene.state, scene.out)
    row = limit(desk, "max_ack_ms")
    paused = int(core["pause_mask"]) & breaker.PAUSE_ACKS != 0
    assert (Decimal(row["use"]) > Decimal(row["limit"])) == paused
    jump = Decimal(limit(desk, "price_jump_bps", "BTC-USDT")["use"]) * 100
    assert jump == int(tripwires.jump_bps_e2(scene.state, 0))


def test_what_the_venue_counts_and_what_we_compare() -> None:
    """Windows that the venue told, with our share; ages since each comparison; lots in doubt."""
    desk = a_desk()
    core, record = desk.scene.core, desk.scene.instrument
    core["rate_window_ns"][0], core["rate_limit"][0], core["rate_used"][0] = 10 * SECOND, 100, 7
    core["rate_number"][0] = desk.clock.now_ns // (10 * SECOND)
    record["sent_lots"][BUY], record["foreign_orders"] = 5, 2
    used = limit(desk, "venue_orders_in_10_s")
    assert (used["limit"], used["use"]) == ("100", "7")  # The profile names a rate of its own.
    assert limit(desk, "unaccounted_lots", "BTC-USDT")["use"] == "5"
    assert limit(desk, "foreign_orders")["use"] == "2"
    assert limit(desk, "reconcile_balances_ms")["limit"] == "30000"


@settings(max_examples=40)
@given(ORDERS, st.integers(-20, 20), st.integers(0, 20), st.sampled_from([0, 1_200_001]))
def test_use_is_what_the_gate_would_compare(
    orders: list[tuple[int, int, int, int]], held: int, target: int, mid: int
) -> None:
    """Exposure, open notional and the worst position are the engine's own, in its own units."""
    desk = a_desk(two=True)
    state = desk.scene.state
    for slot, (index, side, price, lots) in enumerate(orders):
        put_order(desk.scene, slot, side, price * 100_000, lots, instrument=index)
    state.instruments[1]["position_lots"] = held
    state.instruments[1]["target_position_lots"] = target
    state.instruments["mid_half_ticks"] = mid
    state.instruments[1]["cost_atoms"] = held * 10**9
    nothing = np.zeros(1, ACTION)[0]
    for name, atoms in (
        ("max_gross_exposure_quote", exposure.gross_exposure_atoms(state, nothing)),
        ("max_open_notional_quote", exposure.open_notional_atoms(state)),
    ):
        assert Decimal(limit(desk, name)["use"]) * 10**8 == int(atoms)
    worst = max(
        held - target + exposure.open_lots(state, 1, BUY),
        exposure.open_lots(state, 1, SELL) - held + target,
    )
    use = Decimal(limit(desk, "max_position_base", "ETH-USDT")["use"])
    assert use * 10**8 == int(worst) * ETH.lot_e8
    count = limit(desk, "max_open_orders", "BTC-USDT")["use"]
    assert int(count) == exposure.open_count(state, 0)


@settings(max_examples=60)
@example(0, 2, 0, 0, [(7, 5_000)])
@example(1, 40, 5, LAST_TRADE_NS, [])
@example(1, 40, 5, LAST_TRADE_NS + 1, [])
@given(
    st.integers(0, 1),
    st.integers(2, 40),
    st.integers(0, 20),
    st.integers(0, 2 * LAST_TRADE_NS),
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 7_000)), max_size=6),
)
def test_references_are_the_engines(
    valid: int, mid: int, last: int, age_ns: int, trades: list[tuple[int, int]]
) -> None:
    """Mid, last trade and the median of five seconds: their median, and how far they are apart."""
    desk = a_desk()
    record, now = desk.scene.instrument, int(desk.scene.core["now_ns"])
    record["market_valid"], record["mid_half_ticks"], record["last_trade_ticks"] = valid, mid, last
    record["last_trade_ns"] = now - age_ns
    for at, (ticks, age_ms) in enumerate(sorted(trades, key=lambda one: -one[1])):
        record["trade_window_ticks"][at] = ticks
        record["trade_window_ns"][at] = now - age_ms * MS
        record["trade_window_next"] = at + 1
    state = desk.scene.state
    view = look(state, [BTC], ["USDT", "BTC"], TAG, STARTED_NS, now)
    known = references_half_ticks(view, 0, LAST_TRADE_NS)
    assert reference_half_ticks(known) == exposure.reference_half_ticks(state, 0)
    apart = Decimal(limit(desk, "price_collar_bps", "BTC-USDT")["use"])
    assert apart * 100 == int(exposure.reference_spread_bps_e2(state, 0))


def test_refusals_are_counted_by_code() -> None:
    """Every code of the gate has its count since the start, also of 0."""
    desk = a_desk()
    wish = np.zeros(1, ACTION)[0]
    for code in (Code.FUNDS, Code.FUNDS, Code.POSITION_LIMIT):
        risk.refuse(desk.scene.state, desk.scene.out, wish, int(code))
    counts = {one["code"]: one["count"] for one in desk.ask("risk")["counters"]}
    assert (counts["FUNDS"], counts["POSITION_LIMIT"], counts["SELF_TRADE"]) == (2, 1, 0)
    assert sum(counts.values()) == desk.ask("status")["orders"]["denied"] == 3


@pytest.mark.parametrize("trading", TradingState)
@pytest.mark.parametrize(
    "shut", ["", "journal_failed", "order_up", "user_up", "recovery_clean", "rate_limited_until_ns"]
)
def test_the_gate_is_what_the_engine_lets_through(trading: TradingState, shut: str) -> None:
    """Open lets any order out, reduce_only only a reducing one, closed none."""
    desk = a_desk()
    desk.scene.core["state"] = trading
    if shut:
        desk.scene.core[shut] = {"journal_failed": 1, "rate_limited_until_ns": 1 << 62}.get(shut, 0)
    wish = np.zeros(1, ACTION)[0]
    plain = risk.gate(desk.scene.state, wish) == Code.NONE
    wish["reduce_only"] = 1
    reducing = risk.gate(desk.scene.state, wish) == Code.NONE
    words = {(True, True): "open", (False, True): "reduce_only", (False, False): "closed"}
    assert desk.ask("risk")["gate"] == words[plain, reducing]


def test_counts_and_ages_are_of_this_moment() -> None:
    """Rejects and breaches in their windows, silence, offsets and orders in doubt."""
    desk = a_desk()
    core, now = desk.scene.core, int(desk.scene.core["now_ns"])
    core["reject_ns"][:3] = (now - SECOND, now - 11 * SECOND, now - 2 * SECOND)
    core["breach_ns"][5] = now
    core["wall_offset_ns"], core["venue_offset_ns"] = 5 * MS, -45 * MS
    core["clock_bad_since_ns"] = now - 2 * SECOND
    core["order_tat_ns"] = now + 3 * int(core["order_interval_ns"]) - 1
    put_order(desk.scene, 0, BUY, 6_000_000, 10, unknown_since_ns=now - SECOND)
    put_order(desk.scene, 1, SELL, 6_000_000, 10, unknown_since_ns=now - 4 * SECOND)
    desk.scene.instrument["frame_ns"] = now - 500 * MS
    desk.scene.instrument["uncovered_ns"] = now - 250 * MS
    assert limit(desk, "reject_storm_count")["use"] == "2"
    window = int(core["reject_storm_window_ns"])
    assert breaker.count_recent(core["reject_ns"], now, window) == 2
    assert limit(desk, "collar_breach_count")["use"] == "1"
    assert limit(desk, "max_clock_offset_ms")["use"] == "50"
    assert limit(desk, "clock_halt_after_ms")["use"] == "2000"
    assert limit(desk, "max_orders_per_second")["use"] == "3"
    assert limit(desk, "max_unknown_orders")["use"] == "2"
    assert limit(desk, "unknown_timeout_ms")["use"] == "4000"
    book = limit(desk, "max_book_age_ms", "BTC-USDT")
    assert (book["use"], book["limit"], book["unit"], book["ratio"]) == ("500", "2000", "ms", 0.25)
    assert limit(desk, "uncovered_trade_ms", "BTC-USDT")["use"] == "250"
    assert limit(desk, "user_stream_timeout_ms")["use"] == "0"


def test_sizes_and_money_have_the_units_of_their_limit() -> None:
    """Base, quote, the asset that a side spends; the ratio is use over limit."""
    desk = a_desk()
    core = desk.scene.core
    put_order(desk.scene, 0, SELL, 6_000_000, 500, reserved_atoms=500_000)
    put_order(desk.scene, 1, BUY, 5_900_000, 100, reserved_atoms=59 * 10**8)
    core["day_loss_atoms"], core["turnover_atoms"] = 125 * 10**8, 10**8
    desk.scene.state.balances[1]["reserve_atoms"] = 25 * 10**6
    size = limit(desk, "max_order_size_base", "BTC-USDT")
    assert (size["use"], size["limit"], size["unit"], size["ratio"]) == (
        "0.005",
        "0.02",
        "BTC",
        0.25,
    )
    assert limit(desk, "max_order_notional_quote", "BTC-USDT")["use"] == "300"
    loss = limit(desk, "max_daily_loss_quote")
    assert (loss["use"], loss["unit"], loss["ratio"]) == ("125", "USDT", 0.5)
    funds = [one for one in desk.ask("risk")["limits"] if one["code"] == "C11"]
    assert [(one["unit"], one["use"], one["limit"]) for one in funds] == [
        ("USDT", "59", "100000"),
        ("BTC", "0.005", "0.75"),
    ]
    floor = limit(desk, "disk_floor_mb")
    assert (floor["limit"], floor["use"], floor["ratio"]) == ("500", "50000", 0.01)


def test_a_quote_uses_up_its_distance_on_the_passive_side_alone() -> None:
    """The farthest quote counts, from the median of the references; an aggressive one does not."""
    desk = a_desk()
    desk.scene.instrument["last_trade_ticks"] = 6_000_000
    desk.scene.instrument["last_trade_ns"] = desk.scene.core["now_ns"]
    put_order(desk.scene, 0, SELL, 5_999_000, 1)
    put_order(desk.scene, 1, BUY, 6_001_000, 1)
    assert limit(desk, "max_quote_distance_bps", "BTC-USDT")["use"] == "0"
    put_order(desk.scene, 2, BUY, 5_994_000, 1)
    put_order(desk.scene, 3, SELL, 6_012_000, 1)
    assert limit(desk, "max_quote_distance_bps", "BTC-USDT")["use"] == "20"


def test_a_market_that_was_never_heard_is_as_old_as_the_daemon() -> None:
    """Silence since the start counts as age, not as nothing."""
    book = limit(a_desk(), "max_book_age_ms", "BTC-USDT")
    assert (book["use"], book["ratio"]) == ("10000", 5.0)
