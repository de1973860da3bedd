"""Comparing with the venue, number by number: when it is asked, what is doubted, what follows.

Two instruments throughout. What a difference means for a session is test_reconcile.py's.
"""

from __future__ import annotations

import pytest

from hftd.domain.actions import ActionKind as A
from hftd.domain.codes import Code, TradingState
from hftd.domain.facts import FactKind as F
from hftd.engine import breaker, known_trades, reconcile
from hftd.engine.recovery import Phase
from hftd.engine.state import KIND_BALANCES, KIND_ORDERS, KIND_TRADES
from tests.engine.scene import BUY, MS, SECOND, Scene, an_event, put_order
from tests.engine.test_stopping import NOW, a_stage, numbers, rows

KINDS = (KIND_ORDERS, KIND_TRADES, KIND_BALANCES)
PERIODS = [5 * SECOND, 10 * SECOND, 30 * SECOND]
QUESTIONS = {
    KIND_ORDERS: [(A.ASK_OPEN_ORDERS, 0, 0), (A.ASK_OPEN_ORDERS, 1, 0)],
    KIND_TRADES: [(A.ASK_TRADES, 0, 1), (A.ASK_TRADES, 1, 21)],
    KIND_BALANCES: [(A.ASK_BALANCES, -1, 0)],
}


def a_watch() -> Scene:
    """Return a running scene that was compared a moment ago and has its periods."""
    scene = a_stage()
    scene.core["check_period_ns"][:] = PERIODS
    scene.core["check_due_ns"][:] = NOW + SECOND
    scene.state.instruments["checked_trade_id"] = [0, 20]
    return scene


def asked(scene: Scene) -> list[tuple[int, ...]]:
    """Return the questions put since `begin`."""
    return rows(scene.actions(), "kind", "instrument", "trade_id")


def of(scene: Scene, name: str) -> list[int]:
    """Return a field that the core holds for each kind."""
    return [int(each) for each in scene.core[name]]


# --- Continuous: when a question is put.


@pytest.mark.parametrize("kind", KINDS)
def test_c35_a_kind_is_asked_when_it_is_due_and_again_when_it_is_late(kind: int) -> None:
    """At its time, of every instrument; three seconds without an answer, and 300 ms on."""
    scene = a_watch()
    scene.core["check_due_ns"][kind] = NOW
    scene.core["check_suspects"][kind] = 5
    scene.begin(NOW - 1)
    reconcile.pulse(scene.state, scene.out)
    assert asked(scene) == []
    scene.begin(NOW)
    reconcile.pulse(scene.state, scene.out)
    assert asked(scene) == QUESTIONS[kind]
    assert (of(scene, "check_asked_ns")[kind], of(scene, "check_asked_seq")[kind]) == (NOW, 9)
    assert of(scene, "check_suspects")[kind] == 0
    awaited = {KIND_ORDERS: "orders_awaited", KIND_TRADES: "trades_awaited"}
    for each, name in awaited.items():
        assert scene.state.instruments[name].tolist() == [int(each == kind)] * 2
    scene.core["check_due_ns"][:] = NOW + 9 * SECOND
    for now_ns, waits_ns in ((NOW + 3 * SECOND - 1, NOW), (NOW + 3 * SECOND, 0)):
        scene.begin(now_ns)
        reconcile.pulse(scene.state, scene.out)
        assert (asked(scene), of(scene, "check_asked_ns")[kind]) == ([], waits_ns)
    due_ns = NOW + 3 * SECOND + 300 * MS
    assert of(scene, "check_due_ns")[kind] == due_ns
    scene.begin(due_ns)
    reconcile.pulse(scene.state, scene.out)
    assert asked(scene) == QUESTIONS[kind]


@pytest.mark.parametrize(
    ("field", "value", "possible"),
    [
        ("now_ns", NOW, True), ("recovery_phase", Phase.LINKS, False), ("stopping", 1, False),
        ("order_up", 0, False), ("user_up", 0, False), ("state", TradingState.STARTING, False),
        ("epoch", 0, False), ("epoch", 1, True), ("rate_limited_until_ns", NOW, True),
        ("rate_limited_until_ns", NOW + 1, False), ("state", TradingState.HALTED, True),
    ],
)  # fmt: skip
def test_c35_where_nothing_may_be_asked_every_question_is_forgotten(
    field: str, value: int, possible: bool
) -> None:
    """What comes then belongs to a recovery, or to nobody; each period begins anew."""
    scene = a_watch()
    scene.core[field] = value
    for name in ("check_asked_ns", "check_tries", "check_suspects", "check_found"):
        scene.core[name][:] = 7
    assert bool(reconcile.is_possible(scene.state)) is possible
    reconcile.pulse(scene.state, scene.out)
    if not possible:
        for name in ("check_asked_ns", "check_tries", "check_suspects", "check_found"):
            assert of(scene, name) == [0, 0, 0]
        assert of(scene, "check_due_ns") == [NOW + period for period in PERIODS]
        assert asked(scene) == []
    else:
        assert of(scene, "check_tries") == [7, 7, 7]


def test_c35_the_operators_question_begins_every_cycle_anew() -> None:
    """All three at once, whatever their time; doubts of the cycles before count no more."""
    scene = a_watch()
    scene.core["check_tries"][:] = 4
    reconcile.want(scene.state, scene.out)
    assert asked(scene) == [each for kind in KINDS for each in QUESTIONS[kind]]
    assert (of(scene, "check_tries"), int(scene.core["check_wanted"])) == ([0, 0, 0], 1)


# --- Continuous: what an answer leads to.


def cycle(scene: Scene, kind: int, found: int, **more: int) -> list[tuple[int, ...]]:
    """End one cycle of a kind with so many differences; return the notes and states told."""
    scene.begin()
    for name, value in more.items():
        scene.core[name][kind] = value
    scene.core["check_found"][kind] = found
    reconcile.answered(scene.state, scene.out, kind, False)
    return [*numbers(scene, F.NOTE), *numbers(scene, F.STATE)]


def test_c35_a_doubtful_answer_is_asked_again_five_times_at_most() -> None:
    """By a suspect or by a report in between; the fifth ends the cycle as it stands."""
    scene = a_watch()
    for doubted in (1, 0):
        for tries in range(1, 5):
            scene.core["check_suspects"][KIND_BALANCES] = doubted
            scene.core["check_asked_ns"][KIND_BALANCES] = 5
            reconcile.answered(scene.state, scene.out, KIND_BALANCES, not doubted)
            assert of(scene, "check_tries") == [0, 0, tries]
            assert of(scene, "check_asked_ns") == [0, 0, 0]
            assert of(scene, "check_due_ns")[KIND_BALANCES] == NOW + 300 * MS
            assert of(scene, "check_done_ns")[KIND_BALANCES] == 0
        scene.core["check_asked_ns"][KIND_BALANCES] = 5
        reconcile.answered(scene.state, scene.out, KIND_BALANCES, True)
        assert (of(scene, "check_tries"), of(scene, "check_done_ns")) == ([0, 0, 0], [0, 0, NOW])
        assert of(scene, "check_due_ns")[KIND_BALANCES] == NOW + PERIODS[KIND_BALANCES]
        scene.core["check_done_ns"][:] = 0


@pytest.mark.parametrize("kind", KINDS)
def test_c35_a_difference_is_looked_at_soon_and_halts_the_second_time(kind: int) -> None:
    """PAUSED with the count, the next cycle in the shortest period; HALTED by the one after."""
    scene = a_watch()
    assert cycle(scene, kind, 0) == []
    assert of(scene, "check_due_ns")[kind] == NOW + PERIODS[kind]
    assert cycle(scene, kind, 3) == [(Code.RECONCILE_DIFFERENCE, 3, 0)]
    assert [row["instrument"] for row in scene.facts()] == [-1]
    assert of(scene, "check_due_ns")[kind] == NOW + PERIODS[KIND_ORDERS]
    assert (of(scene, "check_found"), of(scene, "check_differed")[kind]) == ([0, 0, 0], 1)
    assert int(scene.core["pause_mask"]) == breaker.PAUSE_RECONCILE
    other = (kind + 1) % 3
    assert cycle(scene, other, 0) == [], "another kind that agrees heals nothing"
    assert int(scene.core["pause_mask"]) == breaker.PAUSE_RECONCILE
    assert cycle(scene, kind, 0) == []
    assert (int(scene.core["pause_mask"]), of(scene, "check_differed")[kind]) == (0, 0)
    cycle(scene, kind, 1)
    assert scene.core["recovery_clean"] == 1
    assert cycle(scene, kind, 2) == [(Code.RECONCILE_DIFFERENCE, 2, 0)]
    assert (int(scene.core["state"]), int(scene.core["recovery_clean"])) == (
        TradingState.HALTED, 0,
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_c35_a_difference_is_looked_at_soon_where_nothing_could_be_asked_for_long(
    kind: int,
) -> None:
    """Told to hold back each time it was to be asked again, it was put off by its whole period."""
    scene = a_watch()
    cycle(scene, kind, 1)
    scene.begin(NOW + 60 * SECOND)
    reconcile.forget_questions(scene.state)
    soon = [PERIODS[each] if each != kind else PERIODS[KIND_ORDERS] for each in KINDS]
    assert of(scene, "check_due_ns") == [NOW + 60 * SECOND + period for period in soon]


def test_c35_what_the_operator_asked_for_ends_with_the_last_answer() -> None:
    """While a question or a doubt of any kind is open, differences are told again."""
    for name in ("check_asked_ns", "check_tries"):
        for open_kind in KINDS:
            scene = a_watch()
            scene.core["check_wanted"] = 1
            scene.core[name][open_kind] = 1
            for kind in KINDS:
                if kind != open_kind:
                    cycle(scene, kind, 0)
            assert scene.core["check_wanted"] == 1
            scene.core[name][open_kind] = 0
            cycle(scene, open_kind, 0)
            assert scene.core["check_wanted"] == 0


def test_c35_balances_are_judged_where_nothing_was_booked_since_the_question() -> None:
    """A first disagreement is a suspect, a second one is told; what moved meanwhile is in doubt."""
    scene = a_watch()
    scene.state.balances["opening_atoms"] = [100, 200, 300]
    scene.state.balances["free_atoms"], scene.state.balances["locked_atoms"] = [60, 0, 300], 0
    scene.state.balances["locked_atoms"][0] = 40
    scene.state.balances["changed_seq"] = [3, 3, 3]
    balance = scene.state.balances
    for agrees, disagreed, told in ((False, 1, []), (True, 0, []), (False, 1, []),
                                    (False, 2, [(1, 200, 199)])):  # fmt: skip
        scene.begin()
        scene.core["check_tries"][:] = 0
        reconcile.ask(scene.state, scene.out, KIND_BALANCES)
        balance["free_atoms"][1] = 200 if agrees else 199
        reconcile.apply_balances_end(scene.state, scene.out)
        assert balance["disagreed"].tolist() == [0, disagreed, 0]
        differences = [row for row in scene.facts() if row["kind"] == F.DIFFERENCE]
        assert rows(differences, "asset", "value", "bound") == told
        assert {row["code"] for row in differences} <= {Code.RECONCILE_DIFFERENCE}
        assert of(scene, "check_suspects")[KIND_BALANCES] == int(disagreed == 1)
    moved = a_watch()
    moved.state.balances["opening_atoms"] = 100
    moved.state.balances["free_atoms"] = [100, 100, 99]
    moved.state.balances["disagreed"] = 1
    reconcile.ask(moved.state, moved.out, KIND_BALANCES)
    moved.state.balances["changed_seq"] = [9, 8, 9]
    reconcile.apply_balances_end(moved.state, moved.out)
    assert moved.state.balances["disagreed"].tolist() == [0, 0, 0]
    assert of(moved, "check_tries")[KIND_BALANCES] == 1, "one that moved does not fit: in doubt"
    moved.begin()
    reconcile.apply_balances_end(moved.state, moved.out)
    assert of(moved, "check_tries")[KIND_BALANCES] == 1, "nobody asked"


def test_c35_pages_of_trades_move_what_a_list_has_shown() -> None:
    """A full page is followed by the next of its instrument; an older id takes nothing back."""
    scene = a_watch()
    page = known_trades.TRADES_PAGE
    on = [(A.ASK_TRADES, 1, 30)]
    for count, trade_id, shown_id, follows in (
        (page, 30, 29, on), (page - 1, 25, 29, []), (page, 40, 39, []),
    ):  # fmt: skip
        scene.begin()
        if count != page or trade_id != 40:
            scene.core["check_asked_ns"][KIND_TRADES] = 5
            scene.state.instruments["trades_awaited"] = [1, 1]
        event = an_event(instrument=1, order_count=count, trade_id=trade_id)
        known_trades.was_shown(scene.state, event)
        reconcile.apply_trades_end(scene.state, event, scene.out)
        assert int(scene.state.instruments[1]["checked_trade_id"]) == shown_id
        assert asked(scene) == follows, "told, and asked on only where it was awaited"


def test_c35_an_answer_that_nobody_awaits_any_more_is_none() -> None:
    """The question was forgotten while it travelled: no order is judged, no page follows."""
    scene = a_watch()
    order = put_order(scene, 0, BUY, 100, 9)
    for kind in (KIND_ORDERS, KIND_TRADES):
        reconcile.ask(scene.state, scene.out, kind)
    reconcile.forget_questions(scene.state)
    scene.begin()
    page = an_event(order_count=known_trades.TRADES_PAGE, trade_id=30)
    reconcile.apply_open_orders_end(scene.state, page, scene.out)
    reconcile.apply_trades_end(scene.state, page, scene.out)
    assert (asked(scene), int(order["disagreed"]), of(scene, "check_tries")) == ([], 0, [0, 0, 0])


def test_c35_a_list_judges_the_orders_of_its_instrument() -> None:
    """In every slot; those of the other one wait for their own list."""
    scene = a_watch()
    for slot, index in enumerate((0, 1, 1)):
        put_order(scene, slot, BUY, 100 - slot, 9, instrument=index)
    reconcile.ask(scene.state, scene.out, KIND_ORDERS)
    reconcile.apply_open_orders_end(scene.state, an_event(instrument=1), scene.out)
    assert scene.state.orders["disagreed"][:3].tolist() == [0, 1, 1]
    assert of(scene, "check_suspects")[KIND_ORDERS] == 2
    reconcile.apply_open_orders_end(scene.state, an_event(instrument=0), scene.out)
    assert scene.state.orders["disagreed"][:3].tolist() == [1, 1, 1]
    assert of(scene, "check_due_ns")[KIND_ORDERS] == NOW + 300 * MS
    reconcile.ask(scene.state, scene.out, KIND_ORDERS)
    scene.state.orders["listed_seq"][0], scene.state.orders["listed_cum_lots"][0] = 10, 4
    scene.begin()
    for index in (0, 1):
        reconcile.apply_open_orders_end(scene.state, an_event(instrument=index), scene.out)
    told = [row for row in scene.facts() if row["kind"] == F.DIFFERENCE]
    keys = [int(key) for key in scene.state.orders["key"][:3]]
    assert rows(told, "order_key", "value", "bound") == [(keys[0], 9, 5), (keys[1], 9, 0),
                                                         (keys[2], 9, 0)]  # fmt: skip
    assert scene.state.orders["query_at_ns"][:3].tolist() == [0, NOW, NOW]
