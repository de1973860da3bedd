"""A recovery, number by number: each phase, its questions, its times, and where its end leads.

Two instruments throughout. What a recovery means for a session is test_recovery.py's.
"""

from __future__ import annotations

from typing import Any

import pytest

from hftd.domain.actions import ActionKind as A
from hftd.domain.codes import Code, OnStart, TradingState
from hftd.domain.facts import FactKind as F
from hftd.domain.order import OrderState
from hftd.engine import breaker, known_trades, recovery, settle
from hftd.engine.recovery import Phase
from hftd.engine.state import KIND_ORDERS
from tests.engine.scene import BUY, MS, SECOND, SELL, Scene, a_scene, an_event, put_order
from tests.engine.test_compared import PERIODS, QUESTIONS, asked, of
from tests.engine.test_stopping import NOW, a_stage, numbers, rows


def a_recovery(phase: Phase, state: TradingState = TradingState.RECOVERING) -> Scene:
    """Return a linked scene in a phase of its recovery that began now."""
    scene = a_stage(state)
    scene.core["recovery_phase"], scene.core["recovery_since_ns"] = phase, NOW
    scene.core["recovery_attempt"], scene.core["recovery_clean"] = 4, 0
    scene.state.instruments["own_trade_id"] = [6, 7]
    return scene


def test_each_phase_asks_what_it_needs() -> None:
    """Every instrument's answer is awaited, and the phase is as old as this step."""
    for phase, wanted in (
        (Phase.LINKS, []),
        (Phase.OPEN_ORDERS, QUESTIONS[KIND_ORDERS]),
        (Phase.SETTLE, []),
        (Phase.TRADES, [(A.ASK_TRADES, 0, 7), (A.ASK_TRADES, 1, 3)]),
        (Phase.BALANCES, [(A.ASK_BALANCES, -1, 0)]),
        (Phase.AGAIN, []),
        (Phase.HISTORY, [(A.ASK_TRADES, 0, 6), (A.ASK_TRADES, 1, 3)]),
    ):
        scene = a_recovery(Phase.IDLE)
        scene.core["recovery_since_ns"] = 5
        scene.state.instruments["missing_trade_id"] = [0, 3]
        scene.state.instruments["checked_trade_id"] = [6, 9]
        scene.core["check_suspects"][:] = 2
        recovery.enter(scene.state, scene.out, phase)
        assert asked(scene) == wanted
        assert (int(scene.core["recovery_phase"]), int(scene.core["recovery_since_ns"])) == (
            phase, NOW,
        )  # fmt: skip
        assert scene.state.instruments["awaited"].tolist() == [1, 1]
        lists = phase == Phase.OPEN_ORDERS
        assert int(scene.core["recovery_attempt"]) == (5 if lists else 4)
        assert of(scene, "check_suspects") == [0 if lists else 2, 2, 2]


def test_a_start_forgets_what_the_recovery_before_it_counted() -> None:
    """Attempts, differences and the clean end; with the links up it asks in the same step."""
    scene = a_recovery(Phase.BALANCES)
    scene.core["recovery_differed"], scene.core["recovery_clean"] = 2, 1
    recovery.start(scene.state, scene.out)
    told = ("recovery_attempt", "recovery_differed", "recovery_clean", "recovery_phase")
    assert [int(scene.core[name]) for name in told] == [1, 0, 0, Phase.OPEN_ORDERS]
    assert asked(scene) == QUESTIONS[KIND_ORDERS]


@pytest.mark.parametrize(
    ("phase", "age_ns", "after"),
    [
        (Phase.IDLE, 99 * SECOND, Phase.IDLE), (Phase.LINKS, 0, Phase.OPEN_ORDERS),
        (Phase.OPEN_ORDERS, 3 * SECOND - 1, Phase.OPEN_ORDERS),
        (Phase.OPEN_ORDERS, 3 * SECOND, Phase.AGAIN), (Phase.TRADES, 3 * SECOND - 1, Phase.TRADES),
        (Phase.TRADES, 3 * SECOND, Phase.AGAIN), (Phase.BALANCES, 3 * SECOND, Phase.AGAIN),
        (Phase.AGAIN, 300 * MS - 1, Phase.AGAIN), (Phase.AGAIN, 300 * MS, Phase.OPEN_ORDERS),
        (Phase.SETTLE, 0, Phase.TRADES), (Phase.SETTLE, 99 * SECOND, Phase.TRADES),
    ],
)  # fmt: skip
def test_a_phase_goes_on_or_begins_again(phase: Phase, age_ns: int, after: Phase) -> None:
    """By what it waited for, or by its time; settling alone has none, since orders have theirs."""
    scene = a_recovery(phase)
    scene.begin(NOW + age_ns)
    recovery.advance(scene.state, scene.out)
    assert scene.core["recovery_phase"] == after
    if phase == Phase.SETTLE:
        scene.core["recovery_phase"] = Phase.SETTLE
        put_order(scene, 3, SELL, 100, 5)
        recovery.advance(scene.state, scene.out)
        assert scene.core["recovery_phase"] == Phase.SETTLE


@pytest.mark.parametrize("link", ["order_up", "user_up"])
def test_without_its_links_a_recovery_waits_for_them(link: str) -> None:
    """From whatever phase, and it does not begin to wait anew with each step."""
    scene = a_recovery(Phase.TRADES)
    scene.core[link] = 0
    recovery.advance(scene.state, scene.out)
    assert scene.core["recovery_phase"] == Phase.LINKS
    scene.begin(NOW + 5)
    recovery.advance(scene.state, scene.out)
    assert (int(scene.core["recovery_since_ns"]), scene.actions()) == (NOW, [])


@pytest.mark.parametrize("policy", list(OnStart))
@pytest.mark.parametrize("state", [TradingState.RECOVERING, TradingState.PAUSED])
def test_c34_what_a_list_shows_is_canceled_kept_or_refused(
    policy: OnStart, state: TradingState
) -> None:
    """Listed in this attempt: by the policy, at a start alone; what is not listed is asked for."""
    scene = a_recovery(Phase.OPEN_ORDERS, state)
    scene.core["on_start"] = policy
    put_order(scene, 0, BUY, 100, 5, seen_attempt=4)
    put_order(scene, 1, BUY, 99, 5, seen_attempt=3)
    put_order(scene, 2, BUY, 98, 5, seen_attempt=3, query_at_ns=7)
    put_order(scene, 4, SELL, 110, 5, seen_attempt=4)
    settle.settle_orders(scene.state, scene.out)
    starting = state == TradingState.RECOVERING
    halts = starting and policy == OnStart.REFUSE
    assert numbers(scene, F.STATE) == [(Code.ORDERS_FOUND, 2, 0)] * halts
    listed = [int(scene.state.orders[slot]["key"]) for slot in (0, 4)]
    first = [row["target_key"] for row in scene.actions() if row["kind"] == A.CANCEL][:2]
    assert first == ([] if starting and policy == OnStart.ADOPT else listed)
    told = [row["code"] for row in scene.facts() if row["kind"] == F.ORDER][: len(first)]
    assert told == [Code.STARTING_UP] * len(first)
    assert scene.state.orders["query_at_ns"][:5].tolist() == [0, NOW, 7, 0, 0]


@pytest.mark.parametrize(
    ("policy", "state", "order", "settled"),
    [
        (OnStart.ADOPT, "RECOVERING", {"seen_attempt": 4}, True),
        (OnStart.ADOPT, "RECOVERING",
         {"seen_attempt": 4, "state": OrderState.PARTIALLY_FILLED}, True),
        (OnStart.ADOPT, "RECOVERING", {"seen_attempt": 3}, False),
        (OnStart.ADOPT, "RECOVERING", {"seen_attempt": 4, "final_state": 6}, False),
        (OnStart.ADOPT, "RECOVERING", {"seen_attempt": 4, "state": OrderState.UNKNOWN}, False),
        (OnStart.ADOPT, "PAUSED", {"seen_attempt": 4}, False),
        (OnStart.CANCEL, "RECOVERING", {"denied_attempt": 4, "state": OrderState.UNKNOWN}, True),
        (OnStart.CANCEL, "RECOVERING", {"denied_attempt": 3, "state": OrderState.UNKNOWN}, False),
        (OnStart.CANCEL, "RECOVERING", {"denied_attempt": 4, "state": OrderState.NEW}, False),
        (OnStart.CANCEL, "PAUSED", {"denied_attempt": 4, "state": OrderState.UNKNOWN}, False),
        (OnStart.CANCEL, "RECOVERING", {"seen_attempt": 4}, False),
        (OnStart.CANCEL, "RECOVERING", {"key": 0}, True),
    ],
)  # fmt: skip
def test_c34_what_is_settled(
    policy: OnStart, state: str, order: dict[str, int], settled: bool
) -> None:
    """No order, but what a start keeps: under ``adopt`` the listed, and creates nobody knows."""
    scene = a_recovery(Phase.SETTLE, TradingState[state])
    scene.core["on_start"], scene.core["max_unknown_orders"] = policy, 1
    put_order(scene, 3, BUY, 100, 5, **{name: int(value) for name, value in order.items()})
    assert bool(settle.is_settled(scene.state)) is settled


def test_c27_a_start_goes_on_with_as_many_doubts_as_trading_may_have() -> None:
    """Two under the default of two; with a third it waits for the proof."""
    scene = a_recovery(Phase.SETTLE, TradingState.RECOVERING)
    scene.core["max_unknown_orders"] = 2
    for slot, settled in enumerate((True, True, False)):
        put_order(scene, slot, BUY, 100, 5, state=OrderState.UNKNOWN, denied_attempt=4)
        assert bool(settle.is_settled(scene.state)) is settled


def test_what_the_last_recovery_saw_proves_nothing_in_the_next() -> None:
    """Lists and answers of before are forgotten, though attempts are counted from one again."""
    scene = a_recovery(Phase.IDLE, TradingState.RECOVERING)
    put_order(scene, 0, BUY, 100, 5, seen_attempt=1)
    put_order(scene, 1, BUY, 99, 5, denied_attempt=1, state=OrderState.UNKNOWN)
    recovery.start(scene.state, scene.out)
    for name in ("seen_attempt", "denied_attempt"):
        assert scene.state.orders[name][:2].tolist() == [0, 0]


def test_what_opening_holdings_were_worth_is_the_first_mid() -> None:
    """Of each instrument whose market is there and whose opening is fixed; once."""
    scene = a_recovery(Phase.IDLE)
    records, balances = scene.state.instruments, scene.state.balances
    for mids, valid, known, kept in (
        ([20, 30], [1, 0], [1, 1, 0], [20, 0]), ([21, 31], [1, 1], [1, 1, 0], [20, 0]),
        ([22, 32], [0, 1], [1, 0, 1], [20, 32]), ([23, 33], [1, 1], [1, 1, 1], [20, 32]),
    ):  # fmt: skip
        records["mid_half_ticks"], records["market_valid"] = mids, valid
        balances["opening_known"] = known
        recovery.advance(scene.state, scene.out)
        assert records["opening_mid_half_ticks"].tolist() == kept


def test_each_list_is_dated_and_the_last_one_leads_on() -> None:
    """Outside of its phase a list is dated all the same, and leads nowhere."""
    scene = a_recovery(Phase.OPEN_ORDERS)
    records = scene.state.instruments
    records["awaited"] = 1
    recovery.apply_open_orders_end(scene.state, an_event(instrument=1), scene.out)
    assert records["open_orders_told_ns"].tolist() == [0, NOW]
    assert (int(scene.core["recovery_phase"]), records["awaited"].tolist()) == (
        Phase.OPEN_ORDERS, [1, 0],
    )  # fmt: skip
    recovery.apply_open_orders_end(scene.state, an_event(instrument=0), scene.out)
    assert scene.core["recovery_phase"] == Phase.TRADES, "nothing to settle: on in the same step"
    scene.begin(NOW + 5)
    recovery.apply_open_orders_end(scene.state, an_event(instrument=0), scene.out)
    assert records["open_orders_told_ns"].tolist() == [NOW + 5, NOW]
    assert scene.core["recovery_phase"] == Phase.TRADES
    page = known_trades.TRADES_PAGE
    full = an_event(instrument=1, order_count=page, trade_id=50)
    recovery.apply_trades_end(scene.state, full, scene.out)
    assert asked(scene) == [(A.ASK_TRADES, 1, 50)]
    assert (records["trades_told_ns"].tolist(), records["awaited"].tolist()) == (
        [0, NOW + 5], [1, 1],
    )  # fmt: skip
    part = an_event(instrument=1, order_count=page - 1, trade_id=50)
    recovery.apply_trades_end(scene.state, part, scene.out)
    assert scene.core["recovery_phase"] == Phase.TRADES
    stray = scene.state.strays[0]
    stray["venue_order_id"], stray["instrument"] = 7, 0
    recovery.apply_trades_end(scene.state, an_event(instrument=0), scene.out)
    assert scene.core["recovery_phase"] == Phase.TRADES, "an order is still to be named"
    stray["venue_order_id"] = 0
    recovery.apply_trades_end(scene.state, an_event(instrument=0), scene.out)
    assert scene.core["recovery_phase"] == Phase.BALANCES
    scene.begin(NOW + 9)
    recovery.apply_trades_end(scene.state, an_event(instrument=0), scene.out)
    assert (records["trades_told_ns"].tolist(), asked(scene)) == ([NOW + 9, NOW + 5], [])


def test_history_before_a_new_ledger_is_one_page_and_stays_out() -> None:
    """Its ids are kept, the highest of them; a full page is not followed by another."""
    scene = a_recovery(Phase.TRADES)
    scene.state.balances["opening_known"] = [0, 1, 0]
    record = scene.state.instruments[1]
    record["own_trade_id"] = record["forgotten_trade_id"] = 0
    for trade_id, kept in ((40, 40), (39, 40), (41, 41)):
        event = an_event(instrument=1, trade_id=trade_id)
        assert recovery.is_baseline(scene.state, event)
        recovery.learn_baseline(scene.state, event)
        assert (int(record["own_trade_id"]), int(record["forgotten_trade_id"])) == (kept, kept)
    assert not recovery.is_baseline(scene.state, an_event(instrument=0))
    recovery.ask_trades(scene.state, scene.out, 1, 8)
    recovery.ask_trades(scene.state, scene.out, 0, 8)
    assert asked(scene) == [(A.ASK_TRADES, 1, recovery.BASELINE), (A.ASK_TRADES, 0, 8)]
    scene.begin()
    full = an_event(instrument=1, order_count=known_trades.TRADES_PAGE, trade_id=50)
    scene.state.instruments["awaited"] = [0, 1]
    recovery.apply_trades_end(scene.state, full, scene.out)
    assert scene.core["recovery_phase"] == Phase.BALANCES
    assert not recovery.is_baseline(scene.state, an_event(instrument=1)), "outside of the phase"


def test_balances_fix_an_opening_or_are_compared() -> None:
    """Free and locked, less what has moved already; each asset by itself, to the last unit."""
    scene = a_recovery(Phase.BALANCES)
    balances = scene.state.balances
    balances["opening_known"], balances["opening_atoms"] = [1, 0, 1], [100, 0, 300]
    balances["free_atoms"], balances["locked_atoms"] = [90, 50, 300], [10, 7, 0]
    balances["traded_atoms"], balances["flow_atoms"] = [0, 20, 0], [0, 4, 0]
    recovery.apply_balances_end(scene.state, an_event(), scene.out)
    assert balances["opening_atoms"].tolist() == [100, 33, 300]
    assert balances["opening_known"].tolist() == [1, 1, 1]
    told = [row for row in scene.facts() if row["kind"] == F.BALANCE]
    assert rows(told, "asset", "free_atoms", "locked_atoms", "expected_atoms") == [(1, 50, 7, 57)]
    assert (int(scene.core["recovery_phase"]), int(scene.core["recovery_clean"])) == (
        Phase.IDLE, 1,
    )  # fmt: skip
    scene = a_recovery(Phase.BALANCES)
    scene.state.instruments["own_trade_id"] = 0  # Else its history is asked for first.
    scene.core["reset_wanted"] = 1
    balances = scene.state.balances
    balances["opening_atoms"], balances["free_atoms"] = 100, [101, 100, 99]
    for differed, phase in ((1, Phase.AGAIN), (2, Phase.AGAIN), (3, Phase.IDLE)):
        scene.begin()
        scene.core["recovery_phase"] = Phase.BALANCES
        recovery.apply_balances_end(scene.state, an_event(), scene.out)
        assert (int(scene.core["recovery_differed"]), int(scene.core["recovery_phase"])) == (
            differed, phase,
        )  # fmt: skip
    differences = [row for row in scene.facts() if row["kind"] == F.DIFFERENCE]
    assert rows(differences, "asset", "code", "value", "bound") == [
        (0, Code.RECONCILE_DIFFERENCE, 100, 101), (2, Code.RECONCILE_DIFFERENCE, 100, 99),
    ]  # fmt: skip
    assert numbers(scene, F.STATE) == [(Code.RECONCILE_DIFFERENCE, 2, 0)]
    assert scene.core["reset_wanted"] == 0
    scene.begin()
    recovery.apply_balances_end(scene.state, an_event(), scene.out)
    assert scene.facts() == [], "balances that no recovery asked for"


@pytest.mark.parametrize("own", [[6, 0], [0, 7]])
@pytest.mark.parametrize(
    ("counts", "code"), [([0, 0], Code.VENUE_RESET), ([0, 1], Code.RECONCILE_DIFFERENCE)]
)
@pytest.mark.parametrize("latched", [False, True])
def test_a_difference_for_good_asks_whether_the_venue_remembers_us(
    own: list[int], counts: list[int], code: Code, latched: bool
) -> None:
    """Any trade of either instrument is memory; none of both is a wipe, noted while latched."""
    state = TradingState.HALTED if latched else TradingState.RECOVERING
    scene = a_recovery(Phase.BALANCES, state)
    scene.state.instruments["own_trade_id"] = own
    scene.state.balances["opening_atoms"], scene.state.balances["free_atoms"] = 100, [100, 99, 101]
    scene.core["recovery_differed"] = 2
    recovery.apply_balances_end(scene.state, an_event(), scene.out)
    assert (int(scene.core["recovery_phase"]), scene.facts()) == (Phase.HISTORY, [])
    for index, count in enumerate(counts):
        now_ns = int(scene.core["now_ns"])
        event = an_event(instrument=index, order_count=count, until_ns=now_ns)
        recovery.apply_trades_end(scene.state, event, scene.out)
        assert (scene.core["recovery_phase"] == Phase.IDLE) == (index == 1)
    told = [row for row in scene.facts() if row["kind"] == F.DIFFERENCE]
    assert rows(told, "asset", "value", "bound") == [(1, 100, 99), (2, 100, 101)]
    noted = latched and code == Code.VENUE_RESET
    assert numbers(scene, F.NOTE) == [(code, 2, 0)] * noted
    assert numbers(scene, F.STATE) == [(code, 2, 0)] * (not latched)


def finished(state: TradingState, **more: int) -> Scene:
    """Let a recovery end clean from a state, with these fields of the core."""
    scene = a_recovery(Phase.BALANCES, state)
    core = scene.core
    core["check_period_ns"][:], core["check_differed"][:] = PERIODS, 1
    core["pause_mask"] = 0
    for bit in (breaker.PAUSE_USER_STREAM, breaker.PAUSE_RECONCILE, breaker.PAUSE_CLOCK):
        core["pause_mask"] |= bit
    for name, value in more.items():
        core[name] = value
    scene.state.instruments["one_sided_fills"] = 3
    recovery.finish(scene.state, scene.out)
    return scene


def test_a_clean_end_sets_every_clock_and_lifts_what_it_has_healed() -> None:
    """Checked now, alive now, the next comparisons in their periods; other reasons hold on."""
    scene = a_recovery(Phase.BALANCES, TradingState.PAUSED)
    records = scene.state.instruments
    records["missing_trade_id"], records["checked_trade_id"] = [13, 24], [10, 20]
    records["forgotten_trade_id"] = [12, 15]
    stray = scene.state.strays[2]
    stray["venue_order_id"], stray["instrument"] = 7, 1
    recovery.finish(scene.state, scene.out)
    assert records["missing_trade_id"].tolist() == [0, 24]
    assert records["checked_trade_id"].tolist() == [12, 20]
    told = [row for row in scene.facts() if row["kind"] == F.POSITION]
    assert rows(told, "instrument") == [(0,), (1,)]
    assert numbers(scene, F.NOTE) == [(Code.RECONCILED, 0, 0)]
    core = finished(TradingState.PAUSED).core
    assert (int(core["recovery_phase"]), int(core["recovery_clean"])) == (Phase.IDLE, 1)
    assert int(core["venue_checked_ns"]) == int(core["user_alive_ns"]) == NOW
    assert core["check_differed"].tolist() == [0, 0, 0]
    assert core["check_due_ns"].tolist() == [NOW + period for period in PERIODS]
    assert (int(core["pause_mask"]), int(core["state"])) == (
        breaker.PAUSE_CLOCK, TradingState.PAUSED,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("crashed", "on_crash", "after"), [(0, 0, "RUNNING"), (1, 1, "RUNNING"), (1, 0, "HALTED")]
)
def test_a_clean_end_of_a_start_runs_or_asks_for_a_person(
    crashed: int, on_crash: int, after: str
) -> None:
    """After a crash under ``on_crash: halt``; with the reason that it was reconciled, no more."""
    scene = finished(TradingState.RECOVERING, crashed=crashed, on_crash=on_crash)
    assert TradingState(int(scene.core["state"])).name == after
    assert numbers(scene, F.STATE) == [(Code.RECONCILED, 0, 0)]


@pytest.mark.parametrize("state", [TradingState.HALTED, TradingState.KILLED])
@pytest.mark.parametrize(
    ("wanted", "requested_ns", "failed", "leaves"),
    [(1, 5, 0, True), (0, 5, 0, False), (0, 0, 0, False), (1, 5, 1, False), (1, 0, 0, True)],
)
def test_a_clean_end_leaves_a_latch_where_reset_was_asked_for(
    state: TradingState, wanted: int, requested_ns: int, failed: int, leaves: bool
) -> None:
    """And the journal holds; one that was latched before this boot has nothing at the venue."""
    more = {"reset_wanted": wanted, "kill_requested_ns": requested_ns, "journal_failed": failed}
    scene = finished(state, **more)
    core = scene.core
    assert core["venue_clear"] == int(requested_ns == 0)
    assert core["state"] == (TradingState.PAUSED if leaves else state)
    told = rows(scene.actions(), "kind", "state", "code")
    assert told == [(A.LATCH, 0, Code.RESET)] * leaves
    sided = scene.state.instruments["one_sided_fills"]
    assert sided.tolist() == [[0, 0] if leaves else [3, 3]] * 2
    if leaves:
        assert numbers(scene, F.STATE) == [(Code.OPERATOR, 0, 0)]
        held = breaker.PAUSE_CLOCK | breaker.PAUSE_OPERATOR
        names = ("reset_wanted", "kill_requested_ns", "pause_mask")
        assert [int(core[name]) for name in names] == [0, 0, held]


@pytest.mark.parametrize(
    ("target", "opening", "lots"), [(-1, 5_000, 9), (0, 5_000, -5), (7_999, 5_000, 2), (0, 0, 0)]
)
def test_a_holding_that_is_named_is_where_to_return_to(
    target: int, opening: int, lots: int
) -> None:
    """Less the opening, in whole lots of its own instrument; none named leaves it as it is."""
    scene = a_scene()
    record: Any = scene.state.instruments[1]
    record["target_base_atoms"], record["target_position_lots"] = target, 9
    scene.state.balances["opening_atoms"] = [77, 88, opening]
    recovery.set_target(scene.state, 1)
    assert record["target_position_lots"] == lots


def test_a_full_page_is_followed_while_an_order_of_that_instrument_is_short_of_fills() -> None:
    """Not for an order that rests, nor for another instrument's; then the page was the last."""
    scene = a_recovery(Phase.SETTLE)
    put_order(scene, 0, BUY, 100, 5)
    put_order(scene, 1, BUY, 99, 5, final_state=int(OrderState.FILLED))
    full = an_event(instrument=0, order_count=known_trades.TRADES_PAGE, trade_id=50)
    scene.state.orders[1]["instrument"] = 1
    recovery.follow_fills(scene.state, full, scene.out)
    assert asked(scene) == []
    scene.state.orders[1]["instrument"] = 0
    recovery.follow_fills(scene.state, full, scene.out)
    assert asked(scene) == [(A.ASK_TRADES, 0, 50)]
    assert scene.state.orders["fills_asked_ns"][:2].tolist() == [0, scene.core["now_ns"]]


def test_flows_that_are_accepted_are_those_of_the_assets_that_differ() -> None:
    """Each is booked by its amount; an asset that agrees has none."""
    scene = a_recovery(Phase.BALANCES)
    balances = scene.state.balances
    balances["opening_known"], balances["opening_atoms"] = 1, 100
    balances["free_atoms"], balances["locked_atoms"] = [100, 150, 70], 0
    balances["traded_atoms"] = balances["flow_atoms"] = 0
    recovery.accept_flows(scene.state, scene.out)
    assert balances["flow_atoms"].tolist() == [0, 50, -30]
    assert scene.core["recovery_phase"] == Phase.AGAIN
