"""Pauses, halts and the kill: when each begins, what it does, and what alone ends it."""

from __future__ import annotations

import pytest

from hftd.domain.actions import ActionKind as A
from hftd.domain.codes import Code, TradingState
from hftd.domain.events import CommandKind as C
from hftd.domain.events import EventKind as E
from hftd.domain.events import Link
from hftd.domain.facts import FactKind as F
from hftd.domain.order import OrderState, Side
from hftd.engine import breaker
from tests.engine.scene import a_scene, an_event
from tests.playbook import DAWN, MS, SECOND, Playbook

DAY_S = 86_400
HALTED = TradingState.HALTED


def halted_by(play: Playbook, code: Code) -> None:
    """Hold the playbook to HALTED for this reason, latched, with everything canceled."""
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, code)
    assert play.expect(A.LATCH)["state"] == TradingState.HALTED
    canceled = {row["target_key"] for row in play.did(A.CANCEL)}
    assert canceled == {row["key"] for row in play.orders()}
    play.market().expect_none(A.SUBMIT, A.CANCEL_REPLACE)


def calm(play: Playbook, seconds: float) -> Playbook:
    """Let time pass with good clocks and the same market."""
    for _ in range(round(seconds / 0.5)):
        play.after(seconds=0.4).feed(E.CLOCK).market().pulse()
    return play


# --- C05: collar breaches and references apart.


def breach(play: Playbook) -> None:
    """Let the gate see a price beyond the collar once, as a strategy of a user might ask."""
    core = play.core
    core["breach_ns"][core["breach_next"] % 64] = play.now_ns
    core["breach_next"] += 1


def test_c05_three_breaches_pause_for_their_window() -> None:
    """Two within ten seconds do not, the third does; it lifts when the window has passed."""
    play = Playbook()
    play.resting()
    breach(play)
    breach(play)
    assert play.pulse().state == TradingState.RUNNING
    breach(play)
    assert play.pulse().core["state_code"] == Code.COLLAR_BREACHES
    calm(play, 10)
    assert play.state == TradingState.PAUSED  # The dwell of two seconds.
    assert calm(play, 2.5).state == TradingState.RUNNING


def test_c05_references_apart_pause() -> None:
    """Mid and prints apart by more than the collar: PAUSED until they agree and a dwell is over."""
    play = Playbook()
    play.resting()
    play.print(6030).pulse()
    assert play.state == TradingState.RUNNING  # 60,300 against 60,000: exactly the collar.
    play.print(6031).pulse()
    assert (play.state, play.core["state_code"]) == (TradingState.PAUSED, Code.REFERENCE_DISAGREES)
    play.print(6000).after(seconds=5.1).print(6000).market().pulse()
    assert calm(play, 2.5).state == TradingState.RUNNING


# --- C15: the day's loss and the drawdown.


def losing(**sets: str) -> Playbook:
    """Return a playbook that holds 1,000 lots bought at 59,900; the loss limit is 1 USDT."""
    words = {"max_daily_loss_quote": "1", "max_drawdown_quote": "5", **sets}
    play = Playbook(sets=[f"risk.{key}={value}" for key, value in words.items()])
    buy, sell = play.resting()
    play.second().fill(buy, 1000).canceled(sell)
    for row in play.orders():
        play.feed(E.REJECTED, order_key=row["key"], code=-201001)
    return play


def test_c15_takes_two_updates_apart() -> None:
    """At the limit exactly: the first update and one 249 ms later do nothing; at 250 ms HALT."""
    play = losing()
    play.market(5980, 6000)  # The mark: 100 below the price, times 0.01 BTC is 1 USDT.
    assert play.core["day_loss_atoms"] == 10**8
    play.after(ms=249).market(5980, 6000)
    assert play.state == TradingState.RUNNING
    play.after(ms=1).market(5980, 6000)
    halted_by(play, Code.DAILY_LOSS)
    fact = [row for row in play.all_facts if row["kind"] == F.STATE][-1]
    assert (fact["value"], fact["bound"]) == (10**8, 10**8)


def test_c15_below_the_limit_does_nothing() -> None:
    """A tick better than the limit is no breach, however long."""
    play = losing()
    for _ in range(5):
        play.after(ms=300).market(5981, 6001).pulse()
    assert play.state == TradingState.RUNNING


def test_c15_one_bad_print_halts_nothing() -> None:
    """Time alone confirms no loss: it takes a second update of the market."""
    play = losing()
    play.market(5980, 6000).pulse(5)
    assert play.state == TradingState.RUNNING
    play.market(5990, 6010).after(ms=300).market(5980, 6000)
    assert play.state == TradingState.RUNNING


def test_c15_sees_a_loss_where_nobody_is_left_to_sell_to() -> None:
    """Bids are gone and asks fall: what is held is worth no more than they; in two updates."""
    play = losing()
    gone = [(side, first + away, 0) for side, first in ((0, 5988), (1, 6010)) for away in range(3)]
    play.depth([*gone, (1, 5980, 50)])
    assert (play.core["day_loss_atoms"], play.instrument["market_valid"]) == (10**8, 0)
    play.after(ms=300).pulse()
    assert play.state == TradingState.RUNNING
    play.depth([(1, 5980, 60)])
    halted_by(play, Code.DAILY_LOSS)


@pytest.mark.parametrize(("side", "leads_to"), [(Side.BUY, 5980), (Side.SELL, 6020)])
def test_c15_sees_a_loss_where_nobody_is_left_on_the_other_side(side: Side, leads_to: int) -> None:
    """Held long, the asks are gone and bids fall; held short, the bids are gone and asks rise."""
    play = Playbook(sets=["risk.max_daily_loss_quote=1", "risk.max_drawdown_quote=5"])
    orders = dict(zip((Side.BUY, Side.SELL), play.resting(), strict=True))
    play.fill(orders[side], 1000)
    gone = [(at, first + away, 0) for at, first in ((0, 5988), (1, 6010)) for away in range(3)]
    play.depth([*gone, (int(side), leads_to, 50)])
    assert (play.core["day_loss_atoms"], play.instrument["market_valid"]) == (10**8, 0)
    play.after(ms=300).depth([(int(side), leads_to, 60)])
    halted_by(play, Code.DAILY_LOSS)


def test_c15_drawdown_from_the_peak() -> None:
    """The day is in profit and fell from its best by more than the limit."""
    play = losing(max_daily_loss_quote="50", max_drawdown_quote="3")
    play.market(6020, 6040)
    assert play.core["peak_equity_atoms"] == 3 * 10**8
    play.after(ms=300).market(5990, 6010).after(ms=300).market(5990, 6010)
    assert play.core["day_loss_atoms"] == 0
    halted_by(play, Code.DRAWDOWN)


def test_c15_a_halt_outlives_midnight() -> None:
    """A new day opens at its own equity and does not end the halt."""
    play = losing()
    play.market(5980, 6000).after(ms=300).market(5980, 6000)
    assert play.state == TradingState.HALTED
    play.after(seconds=DAY_S).second()
    assert (play.core["day_loss_atoms"], play.core["turnover_atoms"]) != (0, 1)
    assert play.core["turnover_atoms"] == 0
    play.market(5980, 6000)
    assert (play.state, play.core["day_loss_atoms"]) == (TradingState.HALTED, 0)


def test_c15_the_day_survives_a_restart() -> None:
    """The opening equity of the day is kept: a loss of before counts after."""
    play = losing(max_daily_loss_quote="2")
    play.market(5980, 6000)
    play.after(seconds=5).boot().links().reconcile().market(5980, 6000)
    assert play.core["day_loss_atoms"] == 10**8


def test_c15_the_carried_mark_holds_until_the_market_is_back() -> None:
    """After a restart a position is not worth what it cost just because no market is there."""
    play = losing(max_daily_loss_quote="2")
    play.market(5980, 6000).after(seconds=5).boot()
    assert play.core["total_atoms"] == -(10**8)
    play.links().reconcile().second()
    assert play.instrument["market_valid"] == 0
    assert play.core["day_loss_atoms"] == 10**8


@pytest.mark.parametrize("drawdown", ["5", "0.5"])
def test_c15_may_reduce(drawdown: str) -> None:
    """`on_daily_loss: halt_and_reduce` flattens in the halt, by loss and by drawdown alike."""
    limits = {"max_drawdown_quote": drawdown}
    if drawdown == "0.5":
        limits["max_daily_loss_quote"] = "9"
    play = losing(on_daily_loss="halt_and_reduce", **limits)
    play.market(5980, 6000).after(ms=300).market(5980, 6000)
    assert play.state == TradingState.HALTED
    for row in play.orders():
        play.canceled(row["key"])
    slice_ = [row for row in play.all_actions if row["kind"] == A.SUBMIT][-1]
    assert (slice_["reduce_only"], slice_["side"]) == (1, Side.SELL)


@pytest.mark.parametrize(
    ("latched", "code", "crashed", "policy", "reduces"),
    [
        (HALTED, Code.DAILY_LOSS, 1, "halt_and_reduce", True),
        (HALTED, Code.DRAWDOWN, 1, "halt_and_reduce", True),
        (HALTED, Code.DAILY_LOSS, 1, "halt", False),
        (HALTED, Code.CLOCK, 1, "halt_and_reduce", False),
        (HALTED, Code.DAILY_LOSS, 0, "halt_and_reduce", False),
        (TradingState.KILLED, Code.KILL, 1, "halt_and_reduce", False),
    ],
)
def test_c15_a_crash_keeps_no_loss_from_being_reduced(
    latched: TradingState, code: Code, crashed: int, policy: str, reduces: bool
) -> None:
    """It goes on once books and venue agree; not by other halts, after a stop, or when killed."""
    play = Playbook(sets=[f"risk.on_daily_loss={policy}"]).hold(500)
    play.boot(latched=latched, code=code, crashed=crashed).links().market().pulse(5)
    play.open_orders_end().trades_end().expect_none(A.SUBMIT)
    play.balances(usdt=-1).pulse(5).expect_none(A.SUBMIT)  # A difference: compared again.
    play.reconcile().market().pulse(5)
    slices = [row for row in play.all_actions if row["kind"] == A.SUBMIT and row["reduce_only"]]
    assert (play.state, bool(slices)) == (latched, reduces)
    assert all((row["side"], row["qty_lots"]) == (Side.SELL, 500) for row in slices)


@pytest.mark.parametrize("stopped", [False, True])
def test_c15_a_stop_that_nobody_confirmed_ends_a_reduction_for_good(stopped: bool) -> None:
    """The run counts as crashed, the next crashes too: a person's ``stop`` stays what ended it."""
    play = losing(on_daily_loss="halt_and_reduce")
    play.market(5980, 6000).after(ms=300).market(5980, 6000)
    for row in play.orders():
        play.canceled(row["key"])
    for row in play.orders():
        play.canceled(row["key"])  # Its first slice, which took nothing.
    if stopped:
        play.command(C.STOP)
    code = int(play.core["latch_code"])
    begin = len(play.all_actions)
    for _ in range(2):
        play.after(seconds=5).boot(latched=HALTED, code=code, crashed=1).links()
        assert play.instrument["flatten"] == int(not stopped)
    play.market(5980, 6000).reconcile().market(5980, 6000).pulse(5)
    later = play.all_actions[begin:]
    slices = [row for row in later if row["kind"] == A.SUBMIT and row["reduce_only"]]
    assert (play.state, bool(slices)) == (HALTED, not stopped)


def test_c16_turnover_beyond_the_cap_halts() -> None:
    """Exactly the cap does not; a lot beyond it, where a sale brought more than its limit, does."""
    play = Playbook(sets=["risk.max_daily_turnover_quote=1200"])
    buy, sell = play.resting()
    play.fill(buy, 1000)
    play.fill(sell, 601, price_ticks=6020).fill(sell, 398, price_ticks=6010)
    assert play.core["turnover_atoms"] == 1200 * 10**8
    assert play.state == TradingState.RUNNING
    play.fill(sell, 1, price_ticks=6010)
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, Code.TURNOVER_LIMIT)


# --- C19, C22, C23, C24, C26, C30.


def test_c19_a_storm_of_rejects_halts() -> None:
    """Five unexpected rejects within ten seconds; four do not, nor any number of misses."""
    play = Playbook().run()
    for turn in range(30):
        created = [row["order_key"] for row in play.actions if row["order_key"]]
        for key in created:
            play.feed(E.REJECTED, order_key=key, code=-201001)
        play.after(ms=300).market(5990, 6010, lots=4900 + turn)
    assert play.state == TradingState.RUNNING
    for turn in range(4):
        key = play.orders()[0]["key"]
        play.feed(E.REJECTED, order_key=key, code=-1013)
        play.after(ms=500).market(5990, 6010, lots=4700 + turn).pulse()
    assert play.state == TradingState.RUNNING
    play.feed(E.REJECTED, order_key=play.orders()[0]["key"], code=-1013).pulse()
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, Code.REJECT_STORM)


def test_c22_silence_pulls_the_quotes() -> None:
    """Older than the limit the touch is asked for; a different answer makes the book STALE."""
    play = Playbook()
    buy, sell = play.resting()
    play.after(seconds=2.1).pulse().expect(A.ASK_TOUCH)
    play.feed(E.TOUCH_ANSWER, bid_ticks=5900, bid_lots=1, ask_ticks=5901, ask_lots=1)
    assert {row["target_key"] for row in play.did(A.CANCEL)} == {buy, sell}
    play.pulse(5).expect_none(A.SUBMIT)


def test_c22_the_same_touch_is_fresh() -> None:
    """A quiet market is no stale one."""
    play = Playbook()
    play.resting()
    play.after(seconds=2.1).pulse()
    record = play.instrument
    touch = {name: int(record[name]) for name in ("bid_ticks", "bid_lots", "ask_ticks", "ask_lots")}
    play.feed(E.TOUCH_ANSWER, **touch).expect_none()


def test_c23_a_silent_user_stream_pauses_and_reconnects() -> None:
    """Thirty seconds without any sign of life; the limit exactly is alive."""
    play = Playbook()
    play.resting()
    seen = int(play.core["user_alive_ns"])
    play.now_ns = seen + 30 * SECOND - 100 * MS - 1000
    assert play.pulse().core["user_up"] == 1
    play.pulse()
    assert (play.state, play.core["state_code"]) == (TradingState.PAUSED, Code.USER_STREAM_STALE)
    assert play.expect(A.RECONNECT)["link"] == Link.ORDER


@pytest.mark.parametrize(
    ("wall", "venue", "pauses"),
    [(0, 500, False), (0, 501, True), (0, -501, True), (250, 250, False), (251, 251, True)],
)
def test_c24_clock(wall: int, venue: int, pauses: bool) -> None:
    """Venue off by more than 500 ms, or a wall clock step of more than 250 ms: PAUSE."""
    play = Playbook()
    play.resting()
    play.feed(E.CLOCK)
    play.feed(E.CLOCK, wall_offset_ns=wall * MS, venue_offset_ns=venue * MS)
    assert (play.state == TradingState.PAUSED) == pauses


def test_c24_a_clock_that_stays_wrong_halts() -> None:
    """Five seconds of it; a good sample in between begins anew."""
    play = Playbook()
    play.resting()
    play.feed(E.CLOCK, venue_offset_ns=600 * MS)
    play.after(seconds=4.8).pulse()
    assert play.state == TradingState.PAUSED
    play.feed(E.CLOCK).feed(E.CLOCK, venue_offset_ns=600 * MS)
    play.after(seconds=4.8).pulse()
    assert play.state == TradingState.PAUSED
    play.pulse(2)
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, Code.CLOCK)


def test_c26_no_journal_no_order() -> None:
    """The journal failed: HALTED, and no reset in this boot."""
    play = Playbook()
    play.resting()
    play.feed(E.JOURNAL_FAILED, code=28)
    halted_by(play, Code.JOURNAL)
    play.command(C.RESET)
    assert play.fact(F.COMMAND)["code"] == Code.JOURNAL
    assert play.state == TradingState.HALTED


@pytest.mark.parametrize("until_s", [0, 3])
def test_c30_too_many_requests_are_quiet(until_s: int) -> None:
    """429: no create until the time told, at least a second; cancels go on."""
    play = Playbook()
    buy, sell = play.resting()
    until = play.now_ns + until_s * SECOND if until_s else 0
    play.feed(E.RATE_LIMITED, code=429, until_ns=until)
    assert (play.state, play.core["state_code"]) == (TradingState.PAUSED, Code.RATE_LIMITED)
    assert {row["target_key"] for row in play.did(A.CANCEL)} == {buy, sell}
    quiet = max(until_s, 1)
    play.canceled(buy).canceled(sell).after(seconds=quiet - 0.2).pulse()
    assert play.core["pause_mask"] != 0
    play.pulse(2)
    assert play.core["pause_mask"] == 0
    assert calm(play, 2.5).state == TradingState.RUNNING


@pytest.mark.parametrize("code", [418, 403])
def test_c30_a_ban_halts(code: int) -> None:
    """418 and 403."""
    play = Playbook()
    play.resting()
    play.feed(E.RATE_LIMITED, code=code, until_ns=DAWN)
    assert (play.state, play.core["state_code"]) == (TradingState.HALTED, Code.BANNED)


# --- C31: the kill.


def test_c31_the_kill_cancels_all_and_proves_it() -> None:
    """Gate, cancels, latch in one step; clear only after the venue showed none."""
    play = Playbook()
    buy, sell = play.resting()
    play.command(C.KILL)
    assert play.state == TradingState.KILLED
    assert {row["target_key"] for row in play.did(A.CANCEL)} == {buy, sell}
    kinds = [row["kind"] for row in play.actions]
    assert kinds.index(A.CANCEL) < kinds.index(A.LATCH)  # Cancels go out before the fsync.
    assert play.expect(A.LATCH)["state"] == TradingState.KILLED
    play.canceled(buy).expect_none(A.ASK_OPEN_ORDERS)
    play.canceled(sell).expect(A.ASK_OPEN_ORDERS)
    assert play.core["venue_clear"] == 0
    play.open_orders_end(1)
    assert play.core["venue_clear"] == 0
    play.pulse(2).expect_none(A.ASK_OPEN_ORDERS)
    play.pulse().expect(A.ASK_OPEN_ORDERS)
    play.open_orders_end()
    assert play.core["venue_clear"] == 1
    assert play.core["venue_checked_ns"] == play.now_ns


def test_c31_in_flight_orders_are_canceled_as_they_surface() -> None:
    """A create whose answer is still to come: canceled at once, and again when it appears."""
    play = Playbook().run()
    buy, sell = play.key(Side.BUY), play.key(Side.SELL)
    play.command(C.KILL)
    assert {row["target_key"] for row in play.did(A.CANCEL)} == {buy, sell}
    play.accept(buy)
    assert play.did(A.CANCEL, target_key=buy)
    play.fill(sell, 10)
    assert play.did(A.CANCEL, target_key=sell)
    play.canceled(buy).canceled(sell, cum_lots=10).open_orders_end()
    assert play.core["venue_clear"] == 1


def test_c31_a_cancel_without_effect_is_repeated() -> None:
    """Each second, until the order has its terminal report."""
    play = Playbook()
    buy, sell = play.resting()
    play.command(C.KILL).canceled(sell)
    play.after(ms=800).pulse().expect_none(A.CANCEL)
    assert play.pulse().expect(A.CANCEL)["target_key"] == buy


def test_c31_an_unanswered_question_is_asked_again() -> None:
    """The list is lost: asked for each second."""
    play = Playbook().start().command(C.KILL)
    play.expect(A.ASK_OPEN_ORDERS)
    play.after(ms=800).pulse().expect_none(A.ASK_OPEN_ORDERS)
    play.pulse().expect(A.ASK_OPEN_ORDERS)


def test_c31_an_order_that_the_venue_shows_is_adopted_and_canceled() -> None:
    """Ours by its tag and unknown to us: it does not outlive the kill."""
    play = Playbook().start().command(C.KILL)
    play.status(7 << 30 | 99, OrderState.NEW, side=Side.BUY, price_ticks=5000, qty_lots=10)
    play.expect(A.CANCEL)
    play.open_orders_end(1).canceled(7 << 30 | 99)
    play.expect(A.ASK_OPEN_ORDERS)
    play.open_orders_end()
    assert play.core["venue_clear"] == 1


def session() -> Playbook:
    """Return a scripted session: quotes, fills, a replacement, a loss of reports, a pause."""
    play = Playbook()
    buy, _sell = play.resting()
    play.fill(buy, 400).after(ms=600).market(5985, 6005)
    for row in [row for row in play.actions if row["order_key"]]:
        if row["target_key"]:
            play.canceled(row["target_key"], play.order(row["target_key"])["cum_lots"])
        play.accept(row["order_key"])
    play.link(Link.USER, up=0).link(Link.USER)
    for row in play.orders():
        play.canceled(row["key"], row["cum_lots"])
    play.reconcile().after(seconds=2).market(5990, 6010).pulse()
    play.command(C.PAUSE).second()
    return play


SESSION = session()


@pytest.mark.parametrize("at", range(len(SESSION.script)))
def test_c31_kill_at_every_event(at: int) -> None:
    """After the kill nothing is created, everything is canceled as it surfaces, and it clears."""
    play = Playbook().repeat(SESSION.script[:at])
    play.command(C.KILL)
    assert play.expect(A.LATCH)["state"] == TradingState.KILLED
    doomed = {row["key"] for row in play.orders()}
    assert {row["target_key"] for row in play.did(A.CANCEL)} == doomed
    for row in play.orders():
        if row["state"] == OrderState.PENDING_NEW:
            play.accept(row["key"])
            assert play.did(A.CANCEL, target_key=row["key"])
        play.canceled(row["key"], row["cum_lots"])
    for link in Link.MARKET, Link.ORDER, Link.USER:
        play.link(link)
    play.after(seconds=1).market(5950, 5970).pulse(11).open_orders_end()
    creates = (A.SUBMIT, A.CANCEL_REPLACE)
    killed_at = next(
        n for n, row in enumerate(play.all_actions) if row["kind"] == A.LATCH and row["state"]
    )
    assert not [row for row in play.all_actions[killed_at:] if row["kind"] in creates]
    assert (play.state, play.core["venue_clear"]) == (TradingState.KILLED, 1)


def test_c31_a_kill_withdraws_a_reset_under_way() -> None:
    """Killed while the reset reconciles: its clean end leads nowhere."""
    play = Playbook().start().command(C.KILL).open_orders_end()
    play.command(C.RESET).command(C.KILL)
    play.reconcile()
    assert play.state == TradingState.KILLED
    assert not play.did(A.LATCH)


# --- Stop.


def test_stop_cancels_confirms_and_exits() -> None:
    """EXIT is asked for once, after the venue showed nothing open."""
    play = Playbook()
    buy, sell = play.resting()
    play.command(C.STOP)
    assert play.state == TradingState.STOPPING
    play.canceled(buy).canceled(sell).expect_none(A.EXIT, A.LATCH)
    play.open_orders_end().expect(A.EXIT)
    play.pulse(3).expect_none(A.EXIT)


def test_stop_keeps_what_is_latched() -> None:
    """A KILLED daemon that stops clears no latch."""
    play = Playbook().start().command(C.KILL).command(C.STOP)
    play.open_orders_end().expect(A.EXIT)
    assert not [row for row in play.all_actions if row["kind"] == A.LATCH and row["state"] == 0]


def test_the_days_start_keeps_its_equity() -> None:
    """At the first marks of a day, and again at the next day's; a loss does not move it."""
    play = Playbook()
    play.start().second()
    assert play.core["day_start_equity_atoms"] == 0  # No market was seen yet.
    play.market().second()
    start = 160_000 * 10**8  # A coin at 60,000 and 100,000 of quote.
    assert play.core["day_start_equity_atoms"] == start
    play.market(5980, 6000).second()
    assert play.core["day_start_equity_atoms"] == start
    play.after(seconds=DAY_S).market(5980, 6000).second()
    assert play.core["day_start_equity_atoms"] == start - 100 * 10**8


def test_the_weightiest_reason_names_the_pause() -> None:
    """One reason alone by its own code; of several the first in this order; of none NONE."""
    order = [
        (breaker.PAUSE_OPERATOR, Code.OPERATOR), (breaker.PAUSE_ORDER_LINK, Code.ORDER_LINK_DOWN),
        (breaker.PAUSE_USER_STREAM, Code.USER_STREAM_STALE), (breaker.PAUSE_CLOCK, Code.CLOCK),
        (breaker.PAUSE_RATE, Code.RATE_LIMITED),
        (breaker.PAUSE_RECONCILE, Code.RECONCILE_DIFFERENCE),
        (breaker.PAUSE_FOREIGN, Code.FOREIGN_ORDERS), (breaker.PAUSE_COLLAR, Code.COLLAR_BREACHES),
        (breaker.PAUSE_REFERENCE, Code.REFERENCE_DISAGREES), (breaker.PAUSE_JUMP, Code.PRICE_JUMP),
        (breaker.PAUSE_ACKS, Code.ACK_LATENCY), (breaker.PAUSE_LOOP, Code.LOOP_LAG),
        (breaker.PAUSE_NO_FILLS, Code.ORDERS_WITHOUT_FILL),
    ]  # fmt: skip
    mask = 0
    for bit, code in reversed(order):
        assert breaker.pause_code(bit) == code
        mask |= bit
        assert breaker.pause_code(mask) == code
    assert breaker.pause_code(0) == Code.NONE


def test_c24_a_clock_that_stays_wrong_is_wrong_since_its_first_sample() -> None:
    """Each further bad sample does not begin the count anew: so it halts in the end."""
    play = Playbook().start()
    bad = {"venue_offset_ns": 20 * SECOND}
    play.feed(E.CLOCK, **bad)
    since_ns = play.now_ns
    assert play.core["clock_bad_since_ns"] == since_ns
    play.after(ms=500).feed(E.CLOCK, **bad)
    assert play.core["clock_bad_since_ns"] == since_ns
    play.feed(E.CLOCK)
    assert play.core["clock_bad_since_ns"] == 0


def test_c24_offset_and_step_count_beyond_their_limits_alone() -> None:
    """Exactly the limit is none, either way round; the first sample is no step."""
    scene = a_scene()
    core = scene.core
    core["max_clock_offset_ns"], core["max_clock_step_ns"] = 50, 30

    def sampled(wall: int, venue: int) -> bool:
        breaker.apply_clock(scene.state, an_event(wall_offset_ns=wall, venue_offset_ns=venue))
        return bool(core["pause_mask"] & breaker.PAUSE_CLOCK)

    assert not sampled(1_000, 1_050)
    assert not sampled(1_030, 980)
    assert sampled(1_030, 979)
    assert not sampled(1_000, 1_000)
    assert sampled(1_031, 1_031)
    assert core["clock_sampled_ns"] == core["now_ns"]
    assert (core["wall_offset_ns"], core["venue_offset_ns"]) == (1_031, 1_031)


def test_c24_a_wrong_clock_halts_after_its_time_and_with_its_numbers() -> None:
    """Longer than the limit, not as long; a step that is over is no offset and never halts."""
    scene = a_scene()
    core = scene.core
    core["max_clock_offset_ns"], core["clock_halt_after_ns"] = 50, 10
    core["clock_bad_since_ns"], core["venue_offset_ns"], core["wall_offset_ns"] = 5, 30, -21
    scene.begin(15)
    breaker.check_clock(scene.state, scene.out)
    assert core["state"] == TradingState.RUNNING
    core["venue_offset_ns"] = 29
    scene.begin(16)
    breaker.check_clock(scene.state, scene.out)
    assert core["state"] == TradingState.RUNNING
    core["venue_offset_ns"] = 30
    breaker.check_clock(scene.state, scene.out)
    assert (core["state"], core["state_code"]) == (TradingState.HALTED, Code.CLOCK)
    (fact,) = (row for row in scene.facts() if row["kind"] == F.STATE)
    assert (fact["value"], fact["bound"]) == (51, 50)
