"""Continuous reconciliation (C35): our books against the venue's, while trading, tolerance 0.

Open orders every 5 s, own trades every 10 s, balances every 30 s, each kind by itself. Owns
when the venue is asked and what counts as a difference; must not do what recovery does (which
stops trading for a whole comparison) and never makes up a fill.

**What is no difference.** A question takes time, and reports cross it. So an order or balance
that changed since the question was asked is not judged by its answer, and what differs in one
answer is only a suspect: the venue is asked again at once, and only what differs again, with no
event of ours in between, is a difference. A fill that the list of trades told first is one
where its report is a second late, unless a terminal report had announced it.

**What follows.** A cycle with a difference tells each one with both sides and PAUSEs; the next
cycle of that kind comes soon, also after a time in which nothing could be asked: a clean one lifts
the pause, a second difference HALTs. An order that the venue does not list is asked for by its id
(chase.py), a lost fill has been booked when it was listed: so a lost report heals, and drift does
not.
"""

from __future__ import annotations

from typing import Any

from hftd.domain.actions import ActionKind
from hftd.domain.codes import Code, TradingState
from hftd.domain.kernel import kernel
from hftd.domain.order import OrderState
from hftd.engine import breaker, known_trades, recovery
from hftd.engine.emit import add_action, ask_open_orders, balance_note, order_note
from hftd.engine.position import expected_atoms, told_atoms
from hftd.engine.state import (
    KIND_BALANCES,
    KIND_ORDERS,
    KIND_TRADES,
    ORDERS_CAPACITY,
    RECONCILED_KINDS,
    Out,
    State,
)

AGAIN_NS = 300_000_000  # A report on its way has arrived by then.
ANSWER_LATE_NS = 3_000_000_000  # A question without its answer is asked again.
DOUBTFUL_ANSWERS = 5  # So busy an account is compared the next time.
TWICE = 2


@kernel
def is_possible(state: State) -> bool:
    """Tell whether questions may be asked: links up, no other comparison, not told to hold back."""
    core = state.core[0]
    idle = core["recovery_phase"] == recovery.Phase.IDLE and core["stopping"] == 0
    linked = core["order_up"] == 1 and core["user_up"] == 1
    started = core["state"] != TradingState.STARTING and core["epoch"] > 0
    return idle and linked and started and core["now_ns"] >= core["rate_limited_until_ns"]


@kernel
def pulse(state: State, out: Out) -> None:
    """Ten times a second: ask what is due, and ask again what was not answered."""
    core = state.core[0]
    now = core["now_ns"]
    if not is_possible(state):
        forget_questions(state)
        return
    for kind in range(RECONCILED_KINDS):
        if core["check_asked_ns"][kind] > 0:
            if now - core["check_asked_ns"][kind] >= ANSWER_LATE_NS:
                core["check_asked_ns"][kind] = 0
                core["check_due_ns"][kind] = now + AGAIN_NS
        elif now >= core["check_due_ns"][kind]:
            ask(state, out, kind)


@kernel
def forget_questions(state: State) -> None:
    """Await no answer: what comes now belongs to a recovery, or to nobody."""
    core = state.core[0]
    for kind in range(RECONCILED_KINDS):
        core["check_asked_ns"][kind] = 0
        core["check_tries"][kind] = 0
        core["check_suspects"][kind] = 0
        core["check_found"][kind] = 0
        core["check_due_ns"][kind] = core["now_ns"] + rest_ns(core, kind)


@kernel
def rest_ns(core: Any, kind: int) -> int:
    """Return how long a kind rests: one that differs is asked about as often as orders are."""
    period_ns = core["check_period_ns"][kind]
    if core["check_differed"][kind] == 0:
        return period_ns
    return min(period_ns, core["check_period_ns"][KIND_ORDERS])


@kernel
def want(state: State, out: Out) -> None:
    """Run all three kinds now: the operator asks."""
    core = state.core[0]
    core["check_wanted"] = 1
    for kind in range(RECONCILED_KINDS):
        core["check_tries"][kind] = 0
        ask(state, out, kind)


@kernel
def ask(state: State, out: Out, kind: int) -> None:
    """Put the question of one kind to the venue."""
    core = state.core[0]
    core["check_asked_ns"][kind] = core["now_ns"]
    core["check_asked_seq"][kind] = core["decision_seq"]
    core["check_suspects"][kind] = 0
    if kind == KIND_BALANCES:
        add_action(state, out, ActionKind.ASK_BALANCES, -1)
        return
    for index in range(state.core[0]["instruments"]):
        if kind == KIND_ORDERS:
            state.instruments[index]["orders_awaited"] = 1
            ask_open_orders(state, out, index)
        else:
            state.instruments[index]["trades_awaited"] = 1
            ask_trades(state, out, index, known_trades.list_from(state.instruments[index]))


@kernel
def ask_trades(state: State, out: Out, index: int, trade_id: int) -> None:
    """Ask for own trades from an id on."""
    action = add_action(state, out, ActionKind.ASK_TRADES, index)
    action["trade_id"] = trade_id


@kernel
def apply_open_orders_end(state: State, event: Any, out: Out) -> None:
    """One instrument's list is whole: judge our orders by it."""
    core = state.core[0]
    index = event["instrument"]
    if core["check_asked_ns"][KIND_ORDERS] == 0 or state.instruments[index]["orders_awaited"] == 0:
        return
    state.instruments[index]["orders_awaited"] = 0
    for slot in range(ORDERS_CAPACITY):
        order = state.orders[slot]
        if order["key"] != 0 and order["instrument"] == index:
            judge_order(state, out, order)
    for other in range(state.core[0]["instruments"]):
        if state.instruments[other]["orders_awaited"] == 1:
            return
    answered(state, out, KIND_ORDERS, False)


@kernel
def judge_order(state: State, out: Out, order: Any) -> None:
    """Compare one order with the list, where nothing happened to it since the question."""
    core = state.core[0]
    asked_seq = state.instruments[order["instrument"]]["orders_asked_seq"]
    resting = order["state"] == OrderState.NEW or order["state"] == OrderState.PARTIALLY_FILLED
    settled = resting and order["final_state"] == 0 and order["changed_seq"] < asked_seq
    listed = order["listed_seq"] > asked_seq
    agrees = listed and order["listed_cum_lots"] == order["cum_lots"]
    if not settled or agrees:
        order["disagreed"] = 0
        return
    order["disagreed"] += 1
    if order["disagreed"] < TWICE:
        core["check_suspects"][KIND_ORDERS] += 1
        return
    core["check_found"][KIND_ORDERS] += 1
    venues_lots = order["qty_lots"] - order["listed_cum_lots"] if listed else 0
    if is_told(state):
        order_note(state, out, order, order["leaves_lots"], venues_lots)
    if not listed:
        order["query_at_ns"] = core["now_ns"]


@kernel
def is_told(state: State) -> bool:
    """Tell whether a difference is recorded: not each cycle of a halt that lasts."""
    return not breaker.is_latched(state) or state.core[0]["check_wanted"] == 1


@kernel
def apply_trades_end(state: State, event: Any, out: Out) -> None:
    """One page of own trades is told; a full page is followed by the next."""
    core = state.core[0]
    index = event["instrument"]
    instrument = state.instruments[index]
    if core["recovery_phase"] != recovery.Phase.IDLE:
        return
    if core["check_asked_ns"][KIND_TRADES] == 0 or instrument["trades_awaited"] == 0:
        return
    if known_trades.is_full(event):
        ask_trades(state, out, index, event["trade_id"])
        return
    instrument["trades_awaited"] = 0
    for other in range(state.core[0]["instruments"]):
        if state.instruments[other]["trades_awaited"] == 1:
            return
    answered(state, out, KIND_TRADES, False)


@kernel
def apply_balances_end(state: State, out: Out) -> None:
    """All balances are told: compare those that nothing was booked on since the question."""
    core = state.core[0]
    if core["check_asked_ns"][KIND_BALANCES] == 0:
        return
    in_doubt = False
    for asset in range(state.core[0]["assets"]):
        balance = state.balances[asset]
        told, expected = told_atoms(balance), expected_atoms(balance)
        if balance["changed_seq"] >= core["check_asked_seq"][KIND_BALANCES]:
            balance["disagreed"] = 0
            in_doubt = in_doubt or told != expected
        elif told == expected:
            balance["disagreed"] = 0
        else:
            balance["disagreed"] += 1
            if balance["disagreed"] < TWICE:
                core["check_suspects"][KIND_BALANCES] += 1
                continue
            core["check_found"][KIND_BALANCES] += 1
            if is_told(state):
                balance_note(state, out, asset, Code.RECONCILE_DIFFERENCE, expected, told)
    answered(state, out, KIND_BALANCES, in_doubt)


@kernel
def answered(state: State, out: Out, kind: int, in_doubt: bool) -> None:
    """An answer is whole: ask again at once where it leaves a suspect, else end the cycle."""
    core = state.core[0]
    suspected = core["check_suspects"][kind] > 0 or in_doubt
    core["check_asked_ns"][kind] = 0
    core["check_tries"][kind] += 1
    if suspected and core["check_tries"][kind] < DOUBTFUL_ANSWERS:
        core["check_due_ns"][kind] = core["now_ns"] + AGAIN_NS
    else:
        end_cycle(state, out, kind)


@kernel
def end_cycle(state: State, out: Out, kind: int) -> None:
    """Let a pause begin, end, or become a halt by what the cycle found."""
    core = state.core[0]
    found = core["check_found"][kind]
    core["check_found"][kind] = 0
    core["check_tries"][kind] = 0
    core["check_done_ns"][kind] = core["now_ns"]
    core["check_differed"][kind] = core["check_differed"][kind] + 1 if found > 0 else 0
    core["check_due_ns"][kind] = core["now_ns"] + rest_ns(core, kind)
    differed, waiting = 0, 0
    for other in range(RECONCILED_KINDS):
        differed = max(differed, core["check_differed"][other])
        waiting += core["check_asked_ns"][other] > 0 or core["check_tries"][other] > 0
    if waiting == 0:
        core["check_wanted"] = 0
    if differed == 0:
        breaker.lift(state, breaker.PAUSE_RECONCILE)
    elif differed >= TWICE:
        core["recovery_clean"] = 0
        breaker.halt(state, out, Code.RECONCILE_DIFFERENCE, found, 0)
    else:
        breaker.trip(state, out, breaker.PAUSE_RECONCILE, -1, Code.RECONCILE_DIFFERENCE, found, 0)
