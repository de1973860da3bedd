"""C18, C20, C25, C28, C29: each trips, lets an ordinary day pass, and holds its limit exactly."""

from __future__ import annotations

import pytest

from hftd.domain.codes import Code, TradingState
from hftd.domain.events import CommandKind as C
from hftd.domain.events import EventKind as E
from hftd.domain.events import Timer
from hftd.domain.facts import FactKind as F
from hftd.domain.order import Side
from hftd.engine import tripwires
from tests.engine.scene import MS, SECOND, Scene, a_scene, an_event, show_market
from tests.playbook import Playbook

PULSE = {"kind": int(E.TIMER), "timer": int(Timer.PULSE)}


def pulsed(scene: Scene, now_ns: int, lag_ns: int = 0) -> int:
    """Let the tripwires' pulse come and return the pauses that hold."""
    scene.begin(now_ns)
    tripwires.pulse(scene.state, an_event(**PULSE, lag_ns=lag_ns), scene.out)
    return int(scene.core["pause_mask"])


def a_watch() -> Scene:
    """Return a running scene whose limits nothing is near."""
    scene = a_scene()
    scene.core["max_one_sided_fills"] = 3
    scene.core["max_orders_without_fill"] = 10
    scene.core["loop_lag_warn_ns"], scene.core["max_loop_lag_ns"] = 50 * MS, 250 * MS
    scene.core["max_ack_ns"] = SECOND
    scene.core["price_jump_bps_e2"], scene.core["price_jump_window_ns"] = 30_000, 10 * SECOND
    return scene


def notes(scene: Scene, code: Code) -> list[tuple[int, int]]:
    """Return the numbers of the notes of a code since `begin`."""
    facts = [row for row in scene.facts() if row["kind"] == F.NOTE and row["code"] == code]
    return [(row["value"], row["bound"]) for row in facts]


# --- C18: repetition on one side.


def bought(orders: int) -> Playbook:
    """Return a playbook that bought one lot by each of so many orders, and sold none."""
    play = Playbook(sets=["risk.max_one_sided_fills=3", "strategy.min_quote_life_ms=0"])
    play.resting()
    for _ in range(orders):
        (buy,) = (row["key"] for row in play.orders(side=Side.BUY))
        play.fill(buy, 1).canceled(buy, 1).after(seconds=1).market()
        play.accept(*(row["key"] for row in play.orders(acked_ns=0)))
    return play.pulse()


def test_c18_one_sided_fills_halt_beyond_the_limit() -> None:
    """The limit exactly trades on, one order more HALTs with both numbers."""
    play = bought(3)
    assert (play.state, play.instrument["one_sided_fills"].tolist()) == (
        TradingState.RUNNING, [3, 0],
    )  # fmt: skip
    play = bought(4)
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, Code.ONE_SIDED_FILLS)
    change = [row for row in play.all_facts if row["kind"] == F.STATE][-1]
    assert (change["value"], change["bound"]) == (4, 3)


def test_c18_a_position_that_comes_back_begins_anew() -> None:
    """Any number of fills, so long as the position crosses its target: nothing repeats."""
    play = bought(3)
    (sell,) = (row["key"] for row in play.orders(side=Side.SELL))
    play.fill(sell, 3)
    assert play.instrument["one_sided_fills"].tolist() == [0, 0]
    play.fill(sell, 2)
    assert play.instrument["position_lots"] == -2
    assert play.pulse().state == TradingState.RUNNING


def test_c18_the_parts_of_one_order_count_once() -> None:
    """An order that fills lot by lot is one entry."""
    play = Playbook(sets=["risk.max_one_sided_fills=3"])
    buy, _ = play.resting()
    for _ in range(20):
        play.fill(buy, 1)
    assert play.pulse().state == TradingState.RUNNING
    assert play.instrument["one_sided_fills"].tolist() == [1, 0]


def test_c18_through_the_target_counts_on_the_other_side() -> None:
    """A fill that turns the position over is the first of its new side."""
    play = bought(2)
    (sell,) = (row["key"] for row in play.orders(side=Side.SELL))
    play.fill(sell, 5)
    assert play.instrument["one_sided_fills"].tolist() == [0, 1]


def test_c18_only_a_person_clears_it() -> None:
    """Not a boot; `reset` does, once it has led back to PAUSED."""
    play = bought(4)
    for row in play.orders():
        play.canceled(row["key"], row["cum_lots"])
    play.after(seconds=6).boot(latched=TradingState.HALTED, code=Code.ONE_SIDED_FILLS).links()
    play.reconcile()
    assert play.instrument["one_sided_fills"].max() == 4
    play.after(seconds=6).command(C.ACK).command(C.RESET).reconcile()
    assert play.state == TradingState.PAUSED
    assert play.instrument["one_sided_fills"].max() == 0


# --- C20: orders without a fill.


def test_c20_orders_without_a_fill_are_told_then_pause() -> None:
    """Told once past half of the limit; the limit exactly goes on; one more PAUSEs."""
    scene = a_watch()
    scene.core["orders_since_fill"] = 5
    assert (pulsed(scene, 2 * SECOND), notes(scene, Code.ORDERS_WITHOUT_FILL)) == (0, [])
    scene.core["orders_since_fill"] = 6
    assert pulsed(scene, 3 * SECOND) == 0
    assert notes(scene, Code.ORDERS_WITHOUT_FILL) == [(6, 10)]
    scene.core["orders_since_fill"] = 10
    assert (pulsed(scene, 4 * SECOND), notes(scene, Code.ORDERS_WITHOUT_FILL)) == (0, [])
    scene.core["orders_since_fill"] = 11
    assert pulsed(scene, 5 * SECOND) != 0
    assert notes(scene, Code.ORDERS_WITHOUT_FILL) == [(11, 10)]


def test_c20_a_flapping_quote_pauses_until_resume() -> None:
    """A quote that moves with each update and never fills: PAUSED, and only a person goes on."""
    sets = ["risk.max_orders_without_fill=6", "strategy.min_quote_life_ms=0"]
    play = Playbook(sets=sets)
    _buy, _sell = play.resting()
    for step in range(20):
        bid = 5980 + 10 * (step % 2)
        play.after(ms=500).market(bid, bid + 20)
        for row in play.orders():
            if row["state"] in (5, 7):
                play.canceled(row["key"])
        play.accept(*(row["key"] for row in play.orders(acked_ns=0))).pulse()
    assert (play.state, play.core["state_code"]) == (
        TradingState.PAUSED, Code.ORDERS_WITHOUT_FILL,
    )  # fmt: skip
    for _ in range(10):
        play.after(seconds=1).market().pulse()
    assert play.state == TradingState.PAUSED
    play.command(C.RESUME)
    assert (play.state, play.core["orders_since_fill"]) == (TradingState.RUNNING, 2)


def test_c20_a_fill_begins_anew() -> None:
    """Orders are counted since the last fill of ours, whichever side."""
    play = Playbook()
    buy, _ = play.resting()
    assert play.core["orders_since_fill"] == 2
    play.fill(buy, 1)
    assert play.core["orders_since_fill"] == 0


# --- C25: a late loop.


@pytest.mark.parametrize(
    ("lag_ms", "told", "paused"),
    [(0, False, False), (50, False, False), (51, True, False), (250, True, False),
     (251, True, True), (60_000, True, True)],
)  # fmt: skip
def test_c25_a_late_loop(lag_ms: int, told: bool, paused: bool) -> None:
    """Told beyond 50 ms, PAUSED beyond 250 ms; each limit exactly does nothing more."""
    scene = a_watch()
    assert (pulsed(scene, 2 * SECOND, lag_ms * MS) != 0) == paused
    bound = 250 * MS if paused else 50 * MS
    assert notes(scene, Code.LOOP_LAG) == ([(lag_ms * MS, bound)] if told else [])


def test_c25_a_pulse_in_time_lifts_the_pause() -> None:
    """After a stop of a second: PAUSED, then the dwell, then RUNNING; warnings do not repeat."""
    play = Playbook()
    play.resting()
    play.after(seconds=1).feed(E.TIMER, timer=Timer.PULSE, lag_ns=900 * MS)
    assert (play.state, play.core["state_code"]) == (TradingState.PAUSED, Code.LOOP_LAG)
    play.pulse(22)
    assert play.state == TradingState.RUNNING
    scene = a_watch()
    told = 0
    for tenth in range(100):
        pulsed(scene, 2 * SECOND + tenth * 100 * MS, 60 * MS)
        told += len(notes(scene, Code.LOOP_LAG))
    assert told == 1


# --- C28: slow acknowledgements.


def acknowledged(scene: Scene, latencies_ms: list[int]) -> Scene:
    """Let orders have been acknowledged with these latencies just now."""
    for latency_ms in latencies_ms:
        tripwires.keep_ack(scene.state, latency_ms * MS)
    return scene


@pytest.mark.parametrize(
    ("latencies_ms", "paused"),
    [
        ([1] * 200, False),
        ([1000] * 128, False),  # The limit exactly.
        ([1001] * 20, True),
        ([1001] * 19, False),  # Too few to speak of a percentile.
        ([1] * 19 + [9000], False),  # One slow answer of twenty is none.
        ([1] * 18 + [9000] * 2, True),
        ([1] * 126 + [9000] * 2, False),
        ([1] * 125 + [9000] * 3, True),
    ],
)
def test_c28_slow_acknowledgements(latencies_ms: list[int], paused: bool) -> None:
    """The 99th percentile over a second PAUSEs, by the lower rank."""
    scene = acknowledged(a_watch(), latencies_ms)
    assert (pulsed(scene, 2 * SECOND) != 0) == paused
    if paused:
        assert notes(scene, Code.ACK_LATENCY) == [(max(latencies_ms) * MS, SECOND)]


def test_c28_lifts_when_they_are_a_minute_old() -> None:
    """While PAUSED nothing new is acknowledged: the window empties by itself."""
    scene = acknowledged(a_watch(), [5000] * 30)
    assert pulsed(scene, 61 * SECOND) != 0
    assert pulsed(scene, 61 * SECOND + 1) == 0


def test_c28_an_acknowledgement_is_measured_once() -> None:
    """From submission to the first word of the venue: an ack, or a fill before it."""
    play = Playbook().run()
    buy, sell = play.key(Side.BUY), play.key(Side.SELL)
    play.after(ms=7).accept(buy).accept(buy).after(ms=2).fill(sell, 1)
    taken = [int(ns) // MS for ns in play.core["ack_ns"][: int(play.core["ack_next"])]]
    assert taken == [7, 9]


def test_c28_what_a_query_found_is_no_acknowledgement() -> None:
    """An order in doubt that turns out to live says nothing of the pace of answers."""
    play = Playbook().run()
    buy = play.key(Side.BUY)
    play.feed(E.OUTCOME_UNKNOWN, order_key=buy).after(ms=900).accept(buy)
    assert int(play.core["ack_next"]) == 0


# --- C29: a jump of the price.


def moved(scene: Scene, mids: list[int], every_ns: int) -> int:
    """Show a market whose mid takes these values (ticks) and return the pauses at its end."""
    mask = 0
    for step, mid in enumerate(mids):
        show_market(scene, {mid - 1: 50}, {mid + 1: 50})
        scene.instrument["market_valid"] = 1
        scene.instrument["mid_half_ticks"] = 2 * mid
        mask = pulsed(scene, 2 * SECOND + step * every_ns)
    return mask


@pytest.mark.parametrize(
    ("mids", "paused"),
    [
        ([10_000] * 3, False),
        ([10_000, 10_300], False),  # 300 bps: the limit exactly.
        ([10_000, 10_301], True),
        ([10_000, 9_700], False),
        ([10_000, 9_699], True),
        ([10_000, 10_400, 10_400], True),  # It stays for as long as the window holds it.
    ],
)
def test_c29_a_price_jump(mids: list[int], paused: bool) -> None:
    """Mid moved by more than 300 bps within ten seconds: PAUSED."""
    assert (moved(a_watch(), mids, SECOND) != 0) == paused


def test_c29_a_slow_move_is_none() -> None:
    """Nine percent in half a minute: 300 bps in each ten seconds are within the limit."""
    assert moved(a_watch(), [10_000 + 25 * step for step in range(36)], SECOND) == 0


def test_c29_lifts_when_the_window_has_passed() -> None:
    """The new price stands for ten seconds: it is the price."""
    scene = a_watch()
    assert moved(scene, [10_000, 10_400], SECOND) != 0
    assert pulsed(scene, 12 * SECOND) != 0
    assert pulsed(scene, 12 * SECOND + 1) == 0


def test_c29_a_flash_crash_pulls_the_quotes() -> None:
    """Both quotes go in the step that sees it; nothing is quoted until it has passed."""
    play = Playbook()
    buy, _sell = play.resting()
    play.pulse().after(ms=100).market(5400, 5420).pulse()
    assert play.state == TradingState.PAUSED
    assert play.core["state_code"] in (Code.PRICE_JUMP, Code.REFERENCE_DISAGREES)
    assert {row["cancel_wanted"] for row in play.orders(key=buy)} <= {1}
    assert int(play.core["pause_mask"]) & 1024
