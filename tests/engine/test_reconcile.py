"""C35: our books against the venue's while trading; what is a difference, and what follows."""

from __future__ import annotations

import pytest

from hftd.domain.actions import ActionKind as A
from hftd.domain.codes import Code, TradingState
from hftd.domain.events import CommandKind as C
from hftd.domain.events import EventKind as E
from hftd.domain.events import Link
from hftd.domain.facts import FactKind as F
from hftd.domain.order import OrderState, Side
from hftd.engine import reconcile
from hftd.engine.known_trades import TRADES_PAGE
from hftd.engine.recovery import Phase
from hftd.engine.state import KIND_ORDERS, KIND_TRADES
from tests.engine.scene import BUY, a_scene, an_event, put_order
from tests.playbook import BTC, BTC_USDT, ETH_USDT, MS, SECOND, USDT, Playbook

# A tenth of the periods: fewer pulses to wait for, and a market that does not go stale meanwhile.
SOON = [
    "risk.reconcile_orders_ms=500",
    "risk.reconcile_trades_ms=1000",
    "risk.reconcile_balances_ms=3000",
]

PAIR = [BTC_USDT, ETH_USDT]
TWO = [
    "instruments=[BTC-USDT, ETH-USDT]",
    'venue.opening_balances={BTC: "1", ETH: "10", USDT: "100000"}',
]


def asks(play: Playbook, kind: A, seconds: float) -> list[float]:
    """Let time pass with answers that agree; return when a kind was asked, in seconds."""
    begin_ns, times = play.now_ns, []
    while play.now_ns < begin_ns + seconds * SECOND:
        play.pulse()
        asked = {row["kind"] for row in play.actions}
        if kind in asked:
            times.append(round((play.now_ns - begin_ns) / SECOND, 1))
        answer(play, asked)
    return times


def answer(play: Playbook, asked: set[int], **off: int) -> None:
    """Answer questions as the venue whose truth the playbook keeps; balances off if said."""
    if A.ASK_OPEN_ORDERS in asked:
        for row in play.orders():
            play.status(row["key"], OrderState.NEW, qty_lots=row["qty_lots"])
        play.open_orders_end(len(play.orders()))
    if A.ASK_TRADES in asked:
        play.trades_end()
    if A.ASK_BALANCES in asked:
        play.balances(**off)


def until_asked(play: Playbook, kind: A, **off: int) -> Playbook:
    """Let pulses come, all else answered, until a kind is asked; that is left to the test."""
    for _ in range(60):
        play.pulse()
        asked = {row["kind"] for row in play.actions}
        if kind in asked:
            return play
        answer(play, asked)
    raise AssertionError(f"{kind.name} was never asked")


def differing_balances(play: Playbook, **off: int) -> Playbook:
    """Answer one whole cycle of balances with a difference: twice, since once is a suspect."""
    for _ in range(2):
        until_asked(play, A.ASK_BALANCES).balances(**off)
    return play


def test_c35_each_kind_has_its_period() -> None:
    """By default orders each 5 s, trades each 10 s, balances each 30 s; agreement is silent."""
    play = Playbook().start()
    assert play.core["check_period_ns"].tolist() == [5 * SECOND, 10 * SECOND, 30 * SECOND]
    two = Playbook(sets=[*SOON, "risk.reconcile_orders_ms=400", *TWO], instruments=PAIR)
    assert two.core["check_period_ns"].tolist() == [800 * MS, 2 * SECOND, 3 * SECOND]
    play = Playbook(sets=SOON)
    play.resting()
    begin = len(play.all_facts)
    assert asks(play, A.ASK_OPEN_ORDERS, 1.7) == [0.5, 1.0, 1.5]
    assert asks(play.market(), A.ASK_TRADES, 1.7) == [0.3, 1.3]
    assert asks(play.market(), A.ASK_BALANCES, 1.7) == []
    assert len(asks(play.market(), A.ASK_BALANCES, 1.7)) == 1
    assert play.state == TradingState.RUNNING
    told = {row["kind"] for row in play.all_facts[begin:]}
    assert told.isdisjoint({F.DIFFERENCE, F.STATE, F.NOTE})


@pytest.mark.parametrize("off", [{"btc": 1}, {"btc": -1000}, {"usdt": -1}])
def test_c35_drift_pauses_then_halts_with_both_sides(off: dict[str, int]) -> None:
    """The last unit counts: PAUSED after the first cycle, HALTED after the second, both told."""
    play = Playbook(sets=SOON).start()
    until_asked(play, A.ASK_BALANCES).balances(**off)
    assert (play.state, play.told(F.DIFFERENCE)) == (TradingState.RUNNING, [])  # A suspect.
    until_asked(play, A.ASK_BALANCES).balances(**off)
    difference = play.fact(F.DIFFERENCE)
    asset = BTC if "btc" in off else USDT
    told = play.held[asset] + next(iter(off.values()))
    assert (difference["asset"], difference["value"], difference["bound"]) == (
        asset, play.held[asset], told,
    )  # fmt: skip
    assert (play.state, play.core["state_code"]) == (
        TradingState.PAUSED, Code.RECONCILE_DIFFERENCE,
    )  # fmt: skip
    asked_ns = play.now_ns
    differing_balances(play, **off)
    assert play.now_ns - asked_ns < 2 * SECOND  # The second cycle does not wait for its period.
    assert (play.state, play.core["state_code"]) == (
        TradingState.HALTED, Code.RECONCILE_DIFFERENCE,
    )  # fmt: skip
    assert play.core["recovery_clean"] == 0


def test_c35_a_difference_that_goes_away_pauses_no_longer() -> None:
    """A clean second cycle lifts the pause; after the dwell it trades again."""
    play = differing_balances(Playbook(sets=SOON).start(), btc=5)
    assert play.state == TradingState.PAUSED
    until_asked(play, A.ASK_BALANCES).balances().pulse(22)
    assert play.state == TradingState.RUNNING


def test_c35_a_fill_between_question_and_answer_is_no_difference() -> None:
    """The venue counts a fill whose report comes later, or the other way round."""
    play = Playbook(sets=SOON)
    buy, _ = play.resting()
    until_asked(play, A.ASK_BALANCES)
    before = dict(play.held)
    play.fill(buy, 100)
    for asset, held in before.items():  # The answer was on its way before the fill.
        play.feed(E.BALANCE, asset=asset, free_atoms=held)
    play.feed(E.BALANCES_END)
    assert (play.told(F.DIFFERENCE), play.state) == ([], TradingState.RUNNING)
    until_asked(play, A.ASK_BALANCES).balances()
    assert play.state == TradingState.RUNNING
    play.core["check_due_ns"][2] = play.now_ns
    until_asked(play, A.ASK_BALANCES)
    for asset, held in play.held.items():  # Filled at the venue; the report is on its way.
        atoms = 100_000 if asset == BTC else -100 * 5990 * 10_000
        play.feed(E.BALANCE, asset=asset, free_atoms=held + atoms)
    play.feed(E.BALANCES_END)
    assert int(play.core["check_suspects"][2]) == 2
    play.fill(buy, 100)
    until_asked(play, A.ASK_BALANCES).balances()
    assert (play.state, int(play.core["check_differed"][2])) == (TradingState.RUNNING, 0)


def test_c35_an_order_that_the_venue_does_not_list() -> None:
    """Missing twice, untouched by us: told, PAUSED, asked for by id; its end heals the books."""
    play = Playbook(sets=SOON)
    buy, sell = play.resting()
    for attempt in range(2):
        until_asked(play, A.ASK_OPEN_ORDERS)
        play.status(sell, OrderState.NEW, qty_lots=1000).open_orders_end(1)
        assert bool(play.told(F.DIFFERENCE)) == (attempt == 1)
    difference = play.fact(F.DIFFERENCE)
    assert (difference["order_key"], difference["value"], difference["bound"]) == (
        buy, play.order(buy)["leaves_lots"], 0,
    )  # fmt: skip
    assert play.state == TradingState.PAUSED
    assert play.pulse().did(A.QUERY_ORDER, target_key=buy)
    play.status(buy, OrderState.CANCELED).canceled(sell)
    until_asked(play, A.ASK_OPEN_ORDERS).open_orders_end().pulse(22)
    assert play.state == TradingState.RUNNING


def test_c35_an_order_filled_less_than_the_venue_says() -> None:
    """Listed with a fill that we do not have: two lists with the same, and nothing heals it."""
    play = Playbook(sets=SOON)
    buy, sell = play.resting()
    for _ in range(2):
        until_asked(play, A.ASK_OPEN_ORDERS)
        play.status(sell, OrderState.NEW, qty_lots=1000)
        play.status(buy, OrderState.PARTIALLY_FILLED, qty_lots=1000, cum_qty_lots=3)
        assert play.did(A.ASK_TRADES)  # The fill itself is asked for at once.
        play.open_orders_end(2)
    difference = play.fact(F.DIFFERENCE)
    assert (difference["value"], difference["bound"]) == (1000, 997)
    assert play.state == TradingState.PAUSED


def test_c35_an_order_changed_since_the_question_is_not_judged() -> None:
    """Submitted, acknowledged or filled while the list travelled: the list says nothing of it."""
    play = Playbook(sets=SOON)
    play.run()
    buy, sell = play.key(Side.BUY), play.key(Side.SELL)
    for _ in range(3):
        until_asked(play, A.ASK_OPEN_ORDERS)
        if play.order(buy)["state"] == OrderState.PENDING_NEW:
            play.accept(buy, sell).open_orders_end()
        else:
            play.fill(buy, 10).fill(sell, 10).open_orders_end()
    assert (play.state, play.order(buy)["disagreed"]) == (TradingState.RUNNING, 0)


def test_c35_a_list_that_shows_an_ended_order_is_asked_again() -> None:
    """A stale copy is no difference; shown twice, the order is adopted, canceled and told."""
    play = Playbook(sets=SOON)
    buy, sell = play.resting()
    until_asked(play, A.ASK_OPEN_ORDERS)
    play.canceled(buy)  # On its way together with the list.
    play.status(buy, OrderState.NEW, qty_lots=1000).expect_none(A.CANCEL)
    play.status(sell, OrderState.NEW, qty_lots=1000).open_orders_end(2)
    for attempt in range(2):
        until_asked(play, A.ASK_OPEN_ORDERS)
        play.status(sell, OrderState.NEW, qty_lots=1000)
        play.status(buy, OrderState.NEW, qty_lots=1000)
        assert bool(play.did(A.CANCEL, target_key=buy)) == (attempt == 1)
        play.open_orders_end(2)
    assert play.state == TradingState.PAUSED
    assert play.order(buy)["leaves_lots"] == 1000


def test_c35_a_lost_report_of_a_fill() -> None:
    """Only the list tells it, a second late: booked, told, PAUSED; the next clean cycle lifts."""
    play = Playbook(sets=SOON)
    buy, sell = play.resting()
    until_asked(play, A.ASK_TRADES)
    late_ns = play.now_ns - 2 * SECOND
    fill = {"instrument": 0, "side": Side.BUY, "price_ticks": 5990, "qty_lots": 7}
    play.told_fill(buy, 50, exch_ts_ns=late_ns, **fill)
    difference = play.fact(F.DIFFERENCE)
    assert (difference["code"], difference["bound"]) == (Code.LOST_REPORT, 7)
    play.trades_end(1)
    assert (play.state, play.instrument["position_lots"]) == (TradingState.PAUSED, 7)
    play.canceled(buy, 7).canceled(sell)
    until_asked(play, A.ASK_TRADES).trades_end().pulse(22)
    assert play.state == TradingState.RUNNING


@pytest.mark.parametrize("age_ms", [0, 1000])
def test_c35_a_report_on_its_way_is_not_lost(age_ms: int) -> None:
    """The list was quicker than the report: up to a second that is ordinary."""
    play = Playbook(sets=SOON)
    buy, _ = play.resting()
    until_asked(play, A.ASK_TRADES)
    fill = {"instrument": 0, "side": Side.BUY, "price_ticks": 5990, "qty_lots": 7}
    play.told_fill(buy, 50, exch_ts_ns=play.now_ns + 1000 - age_ms * 1_000_000, **fill)
    play.trades_end(1)
    assert (play.state, play.told(F.DIFFERENCE)) == (TradingState.RUNNING, [])


def test_c35_lists_of_trades_leave_no_gap() -> None:
    """Asked from the last id that a list has shown, not the last that a report has told."""
    play = Playbook(sets=SOON)
    buy, _ = play.resting()
    play.fill(buy, 5, trade_id=40)
    until_asked(play, A.ASK_TRADES)
    assert play.expect(A.ASK_TRADES)["trade_id"] == 1
    play.feed(E.TRADES_END, order_count=TRADES_PAGE, trade_id=39)
    assert play.expect(A.ASK_TRADES)["trade_id"] == 39
    play.feed(E.TRADES_END, order_count=2, trade_id=40)
    until_asked(play, A.ASK_TRADES)
    assert play.expect(A.ASK_TRADES)["trade_id"] == 41


def test_c35_an_unanswered_question_is_no_difference() -> None:
    """It is asked again after three seconds, and counts as nothing."""
    play = until_asked(Playbook(sets=SOON).start(), A.ASK_BALANCES)
    for _ in range(3):
        asked_ns = play.now_ns
        until_asked(play, A.ASK_BALANCES)
        assert 3 * SECOND <= play.now_ns - asked_ns < 3.6 * SECOND
    assert play.state == TradingState.RUNNING


def test_c35_nothing_is_asked_without_the_links_or_while_recovering() -> None:
    """The order link is down, or recovery compares already."""
    play = Playbook(sets=SOON).start().link(Link.ORDER, up=0)
    for _ in range(80):
        play.pulse().expect_none(A.ASK_OPEN_ORDERS, A.ASK_TRADES, A.ASK_BALANCES)
    play.link(Link.ORDER).link(Link.USER).expect(A.ASK_OPEN_ORDERS)
    play.pulse(5).expect_none(A.ASK_TRADES, A.ASK_BALANCES)


def test_the_operator_asks_for_all_now() -> None:
    """`reconcile` asks the three questions in its own step; while HALTED it tells again."""
    play = Playbook(sets=SOON).start().command(C.RECONCILE)
    assert {row["kind"] for row in play.actions} == {
        A.ASK_OPEN_ORDERS, A.ASK_TRADES, A.ASK_BALANCES,
    }  # fmt: skip
    play.reconcile()
    assert int(play.core["check_done_ns"].min()) > play.now_ns - SECOND
    play = differing_balances(differing_balances(Playbook(sets=SOON).start(), btc=5), btc=5)
    assert not differing_balances(play, btc=5).told(F.DIFFERENCE)
    play.command(C.RECONCILE).reconcile()
    differing_balances(play, btc=5)
    play.command(C.RECONCILE).open_orders_end().trades_end().balances(btc=5)
    assert play.fact(F.DIFFERENCE)["asset"] == BTC


def test_reconcile_is_refused_where_nobody_would_answer() -> None:
    """The link is down, or the venue told us to hold back."""
    play = Playbook(sets=SOON).start().link(Link.ORDER, up=0).command(C.RECONCILE)
    assert play.fact(F.COMMAND)["code"] == Code.ORDER_LINK_DOWN
    play = Playbook(sets=SOON).start().feed(E.RATE_LIMITED, code=429).command(C.RECONCILE)
    assert play.fact(F.COMMAND)["code"] == Code.RATE_LIMITED


def test_c35_of_two_instruments_both_lists_end_a_cycle() -> None:
    """One list judges its own orders; the cycle ends with the other's, in whatever order."""
    for first, second in ((0, 1), (1, 0)):
        scene = a_scene()
        for kind, end in (
            (KIND_ORDERS, reconcile.apply_open_orders_end),
            (KIND_TRADES, reconcile.apply_trades_end),
        ):
            reconcile.ask(scene.state, scene.out, kind)
            end(scene.state, an_event(instrument=first), scene.out)
            assert scene.core["check_asked_ns"][kind] > 0, "the other's is awaited"
            end(scene.state, an_event(instrument=first), scene.out)
            assert scene.core["check_asked_ns"][kind] > 0, "told twice is told once"
            end(scene.state, an_event(instrument=second), scene.out)
            assert scene.core["check_asked_ns"][kind] == 0
            assert scene.core["check_done_ns"][kind] == scene.core["now_ns"]


def test_c35_a_halt_that_lasts_tells_a_difference_once_and_when_it_is_asked() -> None:
    """Latched, each cycle finds it and tells it no more; the operator's own question does."""
    scene = a_scene()
    order = put_order(scene, 0, BUY, 100, 9, disagreed=1)
    scene.instrument["orders_asked_seq"] = 5
    for state, wanted, told in (
        (TradingState.RUNNING, 0, 1), (TradingState.HALTED, 0, 0), (TradingState.HALTED, 1, 1),
    ):  # fmt: skip
        scene.core["state"], scene.core["check_wanted"] = state, wanted
        found = int(scene.core["check_found"][KIND_ORDERS])
        scene.begin()
        reconcile.judge_order(scene.state, scene.out, order)
        assert [row["kind"] for row in scene.facts()] == [F.DIFFERENCE] * told
        assert scene.core["check_found"][KIND_ORDERS] == found + 1
        assert order["query_at_ns"] == scene.core["now_ns"]


@pytest.mark.parametrize(
    ("order", "disagrees"),
    [
        ({}, True),
        ({"changed_seq": 4}, True),
        ({"changed_seq": 5}, False),
        ({"listed_seq": 6}, False),
        ({"listed_seq": 5}, True),
        ({"listed_seq": 6, "listed_cum_lots": 1}, True),
        ({"state": OrderState.PARTIALLY_FILLED}, True),
        ({"state": OrderState.PENDING_CANCEL}, False),
        ({"state": OrderState.UNKNOWN}, False),
        ({"final_state": OrderState.CANCELED}, False),
    ],
)
def test_c35_an_order_is_judged_where_nothing_happened_to_it_since_the_question(
    order: dict[str, int], disagrees: bool
) -> None:
    """Resting, unchanged since decision 5, and not listed as we have it: a suspect first."""
    scene = a_scene()
    row = put_order(scene, 0, BUY, 100, 9, **order)
    scene.instrument["orders_asked_seq"] = 5
    reconcile.judge_order(scene.state, scene.out, row)
    assert (int(row["disagreed"]), scene.facts()) == (int(disagrees), [])
    assert scene.core["check_suspects"][KIND_ORDERS] == disagrees
    assert scene.core["check_found"][KIND_ORDERS] == 0


def test_a_start_waits_for_a_list_that_is_not_a_stale_copy() -> None:
    """An order that has ended is shown once more: the comparison begins again, none is adopted."""
    play = Playbook()
    buy, sell = play.resting()
    play.canceled(buy)
    play.link(Link.USER, up=0).link(Link.USER)
    play.status(buy, OrderState.NEW, qty_lots=1000)
    play.status(sell, OrderState.NEW, qty_lots=1000).open_orders_end(2)
    assert play.core["recovery_phase"] == Phase.AGAIN
    play.expect_none(A.CANCEL)
    play.pulse(4)
    play.expect_none(A.ASK_TRADES)
    play.status(sell, OrderState.NEW, qty_lots=1000).open_orders_end(1)
    assert play.core["recovery_phase"] == Phase.SETTLE
