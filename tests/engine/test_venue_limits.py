"""C17 and C30: the venue's own limits: its count of orders, its word to hold back, its ban."""

from __future__ import annotations

import pytest

from hftd.domain.actions import ActionKind as A
from hftd.domain.codes import Code, TradingState
from hftd.domain.events import CommandKind as C
from hftd.domain.events import EventKind as E
from hftd.domain.facts import FactKind as F
from hftd.domain.order import OrderState, Side
from hftd.engine import venue_limits
from hftd.engine.state import RATE_WINDOWS_CAPACITY
from tests.engine.scene import a_scene
from tests.playbook import SECOND, Playbook

TEN_SECONDS, DAY = 10 * SECOND, 86_400 * SECOND
QUERIES = (
    A.QUERY_ORDER, A.RESYNC, A.ASK_TOUCH, A.ASK_OPEN_ORDERS, A.ASK_TRADES, A.ASK_BALANCES,
)  # fmt: skip


def counted(count: int, limit: int, window_ns: int = TEN_SECONDS, *sets: str) -> Playbook:
    """Return a reconciled playbook to which the venue told its count of a window."""
    play = Playbook(sets=["risk.max_orders_per_second=venue", *sets]).start()
    return play.feed(E.RATE_STATUS, order_count=count, order_limit=limit, window_ns=window_ns)


def submitted(play: Playbook) -> int:
    """Show a market; return how many orders left."""
    return len(play.market().did(A.SUBMIT))


@pytest.mark.parametrize("window_ns", [TEN_SECONDS, DAY])
@pytest.mark.parametrize(("count", "sent"), [(0, 2), (58, 2), (59, 1), (60, 0), (100, 0)])
def test_c17_sixty_percent_of_each_window_is_ours(window_ns: int, count: int, sent: int) -> None:
    """Of 100: the 60th order leaves, the next is refused with the count and the share."""
    play = counted(count, 100, window_ns)
    assert submitted(play) == sent
    refused = [row for row in play.facts if row["kind"] == F.REFUSAL]
    assert [(row["code"], row["value"], row["bound"]) for row in refused] == [
        (Code.VENUE_RATE, 61 if count < 61 else count + 1, 60)
    ] * (2 - sent)


def test_c17_a_figure_of_our_own_may_use_all_that_the_venue_takes() -> None:
    """`max_orders_per_second` said: the venue's limit itself is the bound, less what is used."""
    assert submitted(counted(98, 100, TEN_SECONDS, "risk.max_orders_per_second=50")) == 2
    assert submitted(counted(99, 100, TEN_SECONDS, "risk.max_orders_per_second=50")) == 1


def test_c17_a_new_window_counts_anew() -> None:
    """The venue's window ends by the venue's clock."""
    play = counted(60, 100)
    assert submitted(play) == 0
    assert submitted(play.after(seconds=10)) == 2


def test_c17_what_is_in_flight_counts_beside_what_the_venue_told() -> None:
    """Two of ours on their way when the count was taken: the larger of both sums holds."""
    play = counted(10, 100)
    assert submitted(play) == 2
    play.feed(E.RATE_STATUS, order_count=40, order_limit=100, window_ns=TEN_SECONDS)
    assert int(play.core["rate_used"][0]) == 42
    play.feed(E.RATE_STATUS, order_count=1, order_limit=100, window_ns=TEN_SECONDS)
    assert int(play.core["rate_used"][0]) == 42  # An older count takes nothing back.


def test_c17_cancels_and_reductions_have_a_reserve() -> None:
    """Our share is used up: cancels leave all the same, and a flatten may use the rest."""
    play = Playbook(sets=["risk.max_orders_per_second=venue"])
    play.hold(100)
    play.feed(E.RATE_STATUS, order_count=60, order_limit=100, window_ns=TEN_SECONDS)
    play.command(C.FLATTEN)
    assert play.did(A.SUBMIT, reduce_only=1)
    play = Playbook(sets=["risk.max_orders_per_second=venue"])
    play.resting()
    play.feed(E.RATE_STATUS, order_count=60, order_limit=100, window_ns=TEN_SECONDS)
    assert len(play.command(C.CANCEL_ALL).did(A.CANCEL)) == 2


def test_c30_a_cancel_without_effect_is_repeated_more_slowly_before_retry_after() -> None:
    """Each second otherwise; every three while the venue says 429, which counts them too."""
    play = Playbook()
    play.resting()
    play.feed(E.RATE_LIMITED, code=429, until_ns=play.now_ns + 10 * SECOND)
    play.command(C.KILL)
    assert len(play.did(A.CANCEL)) == 2
    play.after(2).pulse().expect_none(A.CANCEL)
    assert len(play.after(1).pulse().did(A.CANCEL)) == 2
    assert len(play.after(8).pulse().did(A.CANCEL)) == 2
    assert len(play.after(1).pulse().did(A.CANCEL)) == 2


def test_c30_429_leaves_cancels_alone_until_the_time_told() -> None:
    """PAUSED; the quotes are canceled; not one query before the time, each of them after it."""
    play = Playbook(sets=["risk.reconcile_orders_ms=500"])
    buy, sell = play.resting()
    play.feed(E.RATE_LIMITED, code=429, until_ns=play.now_ns + 4 * SECOND)
    assert play.state == TradingState.PAUSED
    assert play.expect(A.HOLD_BACK)["until_ns"] == int(play.core["rate_limited_until_ns"])
    assert {row["target_key"] for row in play.did(A.CANCEL)} == {buy, sell}
    play.feed(E.CANCEL_UNKNOWN, order_key=buy).feed(E.BOOK_BROKEN)
    begin = len(play.all_actions)
    while play.now_ns < play.core["rate_limited_until_ns"] - SECOND // 10:
        play.pulse().expect_none(A.SUBMIT, A.CANCEL_REPLACE, *QUERIES)
    assert {row["kind"] for row in play.all_actions[begin:]} <= {A.CANCEL}
    play.pulse(12)
    asked = {row["kind"] for row in play.all_actions[begin:]}
    assert {A.QUERY_ORDER, A.RESYNC, A.ASK_OPEN_ORDERS} <= asked


def test_c30_the_time_exactly_opens_the_road() -> None:
    """A nanosecond before it nothing is asked; at it everything may be."""
    play = Playbook()
    buy, sell = play.resting()
    until_ns = play.now_ns + 2 * SECOND
    play.feed(E.RATE_LIMITED, code=429, until_ns=until_ns)
    play.canceled(sell).feed(E.CANCEL_UNKNOWN, order_key=buy)
    play.now_ns = until_ns - 1001
    play.feed(E.TIMER).expect_none(*QUERIES)
    play.now_ns = until_ns - 1000 + 200_000_000
    assert play.feed(E.TIMER).did(A.QUERY_ORDER, target_key=buy)


def test_c30_an_ordinary_day_is_not_held_back() -> None:
    """Without the venue's word queries and orders leave as they should."""
    play = Playbook().boot().links()
    assert play.did(A.ASK_OPEN_ORDERS)
    assert len(play.reconcile().market().did(A.SUBMIT)) == 2


@pytest.mark.parametrize("code", [418, 403])
def test_c30_a_ban_halts_and_sends_nothing_at_all(code: int) -> None:
    """Not even cancels, since each request makes it longer; they leave when it is over."""
    play = Playbook()
    buy, sell = play.resting()
    play.feed(E.RATE_LIMITED, code=code, until_ns=play.now_ns + 3 * SECOND)
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, Code.BANNED)
    play.expect_none(A.CANCEL, *QUERIES)
    until_ns = int(play.core["banned_until_ns"])
    while play.now_ns + SECOND // 10 + 1000 < until_ns:
        play.pulse().expect_none(A.CANCEL, A.SUBMIT, *QUERIES)
    begin = len(play.all_actions)
    play.pulse(12)
    canceled = {row["target_key"] for row in play.all_actions[begin:] if row["kind"] == A.CANCEL}
    assert canceled == {buy, sell}


def test_c30_a_second_word_only_makes_it_longer() -> None:
    """A shorter time told later takes nothing back; a time that is past is a second from now."""
    play = Playbook().start().feed(E.RATE_LIMITED, code=429, until_ns=0)
    assert int(play.core["rate_limited_until_ns"]) == play.now_ns + SECOND
    play.feed(E.RATE_LIMITED, code=429, until_ns=play.now_ns + 9 * SECOND)
    until_ns = int(play.core["rate_limited_until_ns"])
    play.feed(E.RATE_LIMITED, code=429, until_ns=play.now_ns + 2 * SECOND)
    assert int(play.core["rate_limited_until_ns"]) == until_ns


def test_c30_a_boot_within_the_quiet_holds_back_too() -> None:
    """The venue means our address, not our process: nothing is asked before the time."""
    play = Playbook().start()
    play.feed(E.RATE_LIMITED, code=429, until_ns=play.now_ns + 3 * SECOND)
    play.boot().links().expect_none(*QUERIES)
    play.pulse(8).expect_none(*QUERIES)
    begin = len(play.all_actions)
    play.pulse(40)
    assert A.ASK_OPEN_ORDERS in {row["kind"] for row in play.all_actions[begin:]}
    assert not play.orders(state=OrderState.PENDING_NEW, side=Side.BUY)


def test_c17_a_window_that_is_none_and_one_for_which_there_is_no_room_change_nothing() -> None:
    """The table holds so many windows; a venue that tells more of them is heard on the first."""
    play = Playbook().start()
    for number in range(RATE_WINDOWS_CAPACITY + 1):
        window_ns = (number + 1) * SECOND
        play.feed(E.RATE_STATUS, order_count=number, order_limit=50, window_ns=window_ns)
    play.feed(E.RATE_STATUS, order_count=99, order_limit=50, window_ns=0)
    play.feed(E.RATE_STATUS, order_count=99, order_limit=50, window_ns=-SECOND)
    windows = [int(each) // SECOND for each in play.core["rate_window_ns"]]
    assert windows == list(range(1, RATE_WINDOWS_CAPACITY + 1))
    play.feed(E.RATE_STATUS, order_count=7, order_limit=40, window_ns=2 * SECOND)
    assert [int(each) for each in play.core["rate_limit"][:3]] == [50, 40, 50][
        :RATE_WINDOWS_CAPACITY
    ]
    assert play.core["rate_used"][1] == 7


def test_c17_the_venues_clock_says_when_a_window_turns() -> None:
    """A count belongs to a number of whole windows since the epoch, by our time and its offset."""
    scene = a_scene()
    scene.core["rate_window_ns"][1] = 10 * SECOND
    scene.core["rate_used"][1] = 5
    scene.core["rate_number"][1] = 2
    scene.core["venue_offset_ns"] = 3 * SECOND
    for now_ns, number, used in (
        (17 * SECOND, 2, 5), (27 * SECOND - 1, 2, 5), (27 * SECOND, 3, 0),
    ):  # fmt: skip
        scene.core["now_ns"] = now_ns
        venue_limits.turn_window(scene.state, 1)
        assert (scene.core["rate_number"][1], scene.core["rate_used"][1]) == (number, used)
    venue_limits.count_order(scene.state)
    assert list(scene.core["rate_used"][:2]) == [0, 1]
