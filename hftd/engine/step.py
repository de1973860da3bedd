"""The decision: one event in, actions and facts out, by two halves around the strategy.

``observe`` applies what happened; then the strategy states its targets; ``decide`` turns
them into orders through quoter and gate. There is one road out for orders, and it is
`judge`. Nothing here reads a clock, a socket or a random number: "now" is the event's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hftd.domain.actions import ActionKind
from hftd.domain.codes import Code
from hftd.domain.events import EventKind, Link, Timer
from hftd.domain.kernel import kernel
from hftd.domain.order import OrderState
from hftd.engine import (
    book,
    boot,
    breaker,
    chase,
    clearing,
    commands,
    day,
    flatten,
    known_trades,
    limits,
    orders,
    prints,
    quoter,
    reconcile,
    recovery,
    reports,
    risk,
    risk_account,
    signals,
    strangers,
    tripwires,
    venue_limits,
)
from hftd.engine.emit import note
from hftd.engine.position import equity_fact
from hftd.engine.state import N_WISHES, Out, State

Levels = np.ndarray[Any, np.dtype[np.int64]]


@kernel
def observe(world: Any, events: Any, at: int, levels: Levels, outs: Any) -> None:
    """Apply one event to the state, and let pauses, halts and loss limits follow from it.

    Shapes: world (1,) State; events (n,) EVENT, of which row ``at`` is applied; levels
    (rows, 3) int64; outs (1,) Out.
    """
    state, out, event = world[0], outs[0], events[at]
    core = state.core[0]
    out.counts[:] = 0
    assert event["ts_ns"] >= core["now_ns"]
    core["now_ns"] = event["ts_ns"]
    core["decision_seq"] += 1
    kind = event["kind"]
    if kind < EventKind.ACCEPTED:
        observe_market(state, event, levels, out)
    elif kind < EventKind.TIMER:
        observe_account(state, event, out)
    else:
        observe_world(state, event, out)
    changed = False
    for index in range(state.core[0]["instruments"]):
        if state.instruments[index]["dirty"] == 1:
            signals.update(state, index)
            changed = True
    if changed:
        day.check_loss(state, out)
    breaker.settle(state, out)


@kernel
def observe_market(state: State, event: Any, levels: Levels, out: Out) -> None:
    """Market data, and the links that carry everything."""
    kind = event["kind"]
    if kind == EventKind.DEPTH:
        book.apply_depth(state, event, levels, out)
    elif kind == EventKind.TOUCH:
        book.apply_touch(state, event, out)
    elif kind == EventKind.PUBLIC_TRADE:
        prints.apply_public_trade(state, event, out)
    elif kind == EventKind.SNAPSHOT:
        book.apply_snapshot(state, event, levels, out)
    elif kind == EventKind.TOUCH_ANSWER:
        book.apply_touch_answer(state, event, out)
    elif kind == EventKind.BOOK_BROKEN:
        book.apply_broken(state, event, out)
    elif kind == EventKind.INSTRUMENT_STATUS:
        state.instruments[event["instrument"]]["status"] = event["status"]
        state.instruments[event["instrument"]]["dirty"] = 1
    elif kind == EventKind.LINK:
        observe_link(state, event, out)
    elif kind == EventKind.BOOT:
        boot.boot(state, event, out)


@kernel
def observe_link(state: State, event: Any, out: Out) -> None:
    """A road to the venue opened or closed."""
    core = state.core[0]
    link, up = event["link"], event["up"]
    if link == Link.MARKET:
        core["market_up"] = up
        if up == 0:
            book.apply_link_down(state, event, out)
    elif link == Link.ORDER:
        core["order_up"] = up
        if up == 1:
            breaker.lift(state, breaker.PAUSE_ORDER_LINK)
        else:
            breaker.pause(state, breaker.PAUSE_ORDER_LINK)
            observe_user_link(state, 0, out)
    elif link == Link.USER:
        observe_user_link(state, up, out)


@kernel
def observe_user_link(state: State, up: int, out: Out) -> None:
    """Our own reports began or ended; after every gap, fills are fetched before trading."""
    core = state.core[0]
    core["user_alive_ns"] = core["now_ns"]
    was_up = core["user_up"]
    core["user_up"] = up
    if up == 0:
        if was_up == 1:
            known_trades.miss_all(state)
        breaker.pause(state, breaker.PAUSE_USER_STREAM)
    elif was_up == 0:
        if core["recovery_phase"] == recovery.Phase.IDLE:
            recovery.start(state, out)
        else:
            recovery.advance(state, out)


@kernel
def observe_account(state: State, event: Any, out: Out) -> None:
    """Reports on our orders and balances; each is a sign of life of the user stream."""
    kind = event["kind"]
    state.core[0]["user_alive_ns"] = state.core[0]["now_ns"]
    if kind == EventKind.ACCEPTED:
        reports.apply_accepted(state, event, out)
    elif kind == EventKind.FILL:
        if recovery.is_baseline(state, event):
            recovery.learn_baseline(state, event)
        else:
            reports.apply_fill(state, event, out)
    elif kind == EventKind.CANCELED:
        reports.apply_ended(state, event, out, OrderState.CANCELED)
    elif kind == EventKind.EXPIRED:
        reports.apply_ended(state, event, out, OrderState.EXPIRED)
    elif kind == EventKind.REJECTED:
        reports.apply_rejected(state, event, out)
    elif kind == EventKind.CANCEL_REJECTED:
        reports.apply_cancel_rejected(state, event, out)
    elif kind == EventKind.OUTCOME_UNKNOWN or kind == EventKind.CANCEL_UNKNOWN:
        reports.apply_unknown(state, event, out)
    elif kind == EventKind.ORDER_STATUS:
        observe_status(state, event, out)
    elif kind == EventKind.ORDER_OWNER:
        strangers.apply_owner(state, event, out)
    elif kind == EventKind.FOREIGN_ORDER:
        strangers.apply_foreign(state, event, out)
    elif kind == EventKind.BALANCE:
        reports.apply_balance(state, event, out)
    elif kind == EventKind.EXTERNAL_FLOW:
        reports.apply_flow(state, event, out)
    elif kind == EventKind.USER_STREAM_ENDED:
        observe_user_link(state, 0, out)


@kernel
def observe_status(state: State, event: Any, out: Out) -> None:
    """An answer on one order, of our table or not."""
    live = event["status"] == OrderState.NEW or event["status"] == OrderState.PARTIALLY_FILLED
    known = orders.find_reported(state, event) >= 0
    if not known and event["found"] == 1 and live and event["order_key"] != 0:
        strangers.apply_unknown_order(state, event, out)
        return
    chase.apply_status(state, event, out)


@kernel
def observe_world(state: State, event: Any, out: Out) -> None:
    """Time, clocks, limits of the venue, the operator, and the steps of recovery."""
    core = state.core[0]
    kind = event["kind"]
    if kind == EventKind.TIMER:
        observe_timer(state, event, out)
    elif kind == EventKind.CLOCK:
        core["user_alive_ns"] = core["now_ns"]
        breaker.apply_clock(state, event)
    elif kind == EventKind.RATE_STATUS:
        venue_limits.apply_rate_status(state, event)
    elif kind == EventKind.RATE_LIMITED:
        venue_limits.apply_rate_limited(state, event, out)
    elif kind == EventKind.JOURNAL_FAILED:
        core["journal_failed"] = 1
        breaker.halt(state, out, Code.JOURNAL, event["code"], 0)
    elif kind == EventKind.COMMAND:
        commands.apply(state, event, out)
    elif kind == EventKind.OPEN_ORDERS_END:
        strangers.judge_foreign(state, event, out)
        reconcile.apply_open_orders_end(state, event, out)
        recovery.apply_open_orders_end(state, event, out)
        clearing.apply_open_orders_end(state, event)
    elif kind == EventKind.TRADES_END:
        known_trades.was_shown(state, event)
        reconcile.apply_trades_end(state, event, out)
        recovery.apply_trades_end(state, event, out)
    elif kind == EventKind.BALANCES_END:
        reconcile.apply_balances_end(state, out)
        recovery.apply_balances_end(state, event, out)
    elif kind == EventKind.LIMIT:
        limits.propose(state, event)
    elif kind == EventKind.QUERY_FAILED:
        note(state, out, event["instrument"], Code.NONE, event["code"], 0)


@kernel
def observe_timer(state: State, event: Any, out: Out) -> None:
    """The driver's pulse, and once a second the equity."""
    if event["timer"] == Timer.SECOND:
        day.roll_day(state, out)
        day.keep_start_equity(state)
        equity_fact(state, out)
        return
    for index in range(state.core[0]["instruments"]):
        book.check_age(state, index, out)
    chase.chase(state, out)
    breaker.pulse(state, out)
    tripwires.pulse(state, event, out)
    reconcile.pulse(state, out)


@kernel
def decide(world: Any, outs: Any) -> None:
    """Turn targets into wishes, judge each, and carry recovery and clearing on.

    Shapes: world (1,) State; outs (1,) Out.
    """
    state, out = world[0], outs[0]
    flatten.wishes(state, out)
    quoter.diff(state, out)
    judge(state, out)
    recovery.advance(state, out)
    clearing.carry_on(state, out)
    clearing.check_exit(state, out)
    venue_limits.hold_back(state, out)


@kernel
def judge(state: State, out: Out) -> None:
    """Let each wish through the gate into the order table, or refuse it with numbers.

    Cancels skip the gate. A refused replacement still takes the old quote off the market:
    what we would not send anew we do not leave standing either. Only here it is known, and
    told, that a side is quoted; while its wish is deferred, what was told of it stands.
    """
    check_conservation(state, out)
    for at in range(out.counts[N_WISHES]):
        wish = out.wishes[at]
        if wish["kind"] == ActionKind.CANCEL:
            slot = orders.find(state, wish["target_key"])
            if slot >= 0:
                orders.cancel(state, out, slot, wish["code"])
            continue
        if is_deferred(state, wish):
            state.instruments[wish["instrument"]]["dirty"] = 1
            continue
        code = risk.check(state, wish)
        if code == Code.NONE:
            risk_account.count_order(state)
            venue_limits.count_order(state)
            orders.stage(state, out, wish)
        else:
            refuse(state, out, wish, code)
        quoter.tell(state, out, wish["instrument"], wish["side"])


@kernel
def refuse(state: State, out: Out, wish: Any, code: int) -> None:
    """Refuse a wish, and take off the market what it was to replace."""
    risk.refuse(state, out, wish, code)
    if wish["kind"] == ActionKind.CANCEL_REPLACE:
        slot = orders.find(state, wish["target_key"])
        if slot >= 0:
            orders.cancel(state, out, slot, code)


@kernel
def check_conservation(state: State, out: Out) -> None:
    """C21: halt where any wish finds that nothing that is counted can be trusted any more.

    Before the first of them is let through: what is staged leaves, whatever halts after it.
    """
    core = state.core[0]
    for at in range(out.counts[N_WISHES]):
        wish = out.wishes[at]
        if wish["kind"] == ActionKind.CANCEL:
            continue
        code = risk_account.c21_conservation(state, wish)
        if code != Code.NONE:
            breaker.halt(state, out, code, core["verdict_value"], core["verdict_bound"])
            return


@kernel
def is_deferred(state: State, wish: Any) -> bool:
    """C09: tell whether all own orders that the wish would cross are on their way out."""
    deferred = False
    for slot in range(state.core[0]["orders_end"]):
        order = state.orders[slot]
        if orders.crosses(order, wish):
            if not orders.is_leaving(order):
                return False
            deferred = True
    return deferred
