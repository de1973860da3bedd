"""What each operator's command does, and from which states it is refused."""

from __future__ import annotations

from typing import Any

from hftd.domain.codes import Code, TradingState
from hftd.domain.events import CommandKind, ResetKind
from hftd.domain.facts import FactKind
from hftd.domain.kernel import kernel
from hftd.engine import alerts, breaker, limits, orders, reconcile, recovery, venue_reset
from hftd.engine.emit import add_fact
from hftd.engine.state import Out, State


@kernel
def apply(state: State, event: Any, out: Out) -> None:
    """Do the command or refuse it; either way it is a fact."""
    code = perform(state, event, out)
    fact = add_fact(state, out, FactKind.COMMAND, event["instrument"])
    fact["command"] = event["command"]
    fact["code"] = code
    fact["value"] = state.core[0]["state"]
    fact["order_key"] = event["order_key"]


@kernel
def perform(state: State, event: Any, out: Out) -> int:
    """Return NONE where the command was done, else why it was refused."""
    command = event["command"]
    if command == CommandKind.KILL:
        breaker.kill(state, out)
        return Code.NONE
    if command == CommandKind.STOP:
        breaker.stop(state, out)
        return Code.NONE
    if command == CommandKind.CANCEL_ALL:
        orders.cancel_all(state, out, event["instrument"], Code.OPERATOR)
        return Code.NONE
    if command == CommandKind.CANCEL:
        return cancel_one(state, event, out)
    if command == CommandKind.PAUSE:
        return pause(state)
    if command == CommandKind.RESUME:
        return resume(state)
    if command == CommandKind.RESET:
        return reset(state, event, out)
    if command == CommandKind.RECONCILE:
        return run_reconcile(state, out)
    if command == CommandKind.SET_LIMITS:
        return limits.take(state, event, out)
    if command == CommandKind.ACK:
        return acknowledge(state, event, out)
    return flatten(state, event["instrument"])


@kernel
def cancel_one(state: State, event: Any, out: Out) -> int:
    """Cancel one open order by its key."""
    slot = orders.find(state, event["order_key"])
    if slot < 0:
        return Code.SIDE_IN_DOUBT
    orders.cancel(state, out, slot, Code.OPERATOR)
    return Code.NONE


@kernel
def pause(state: State) -> int:
    """Pull quotes until ``resume``."""
    stopping = state.core[0]["state"] == TradingState.STOPPING
    if breaker.is_latched(state) or stopping:
        return Code.GATE_CLOSED
    breaker.pause(state, breaker.PAUSE_OPERATOR)
    return Code.NONE


@kernel
def resume(state: State) -> int:
    """Leave PAUSED; what else pauses goes on to hold, without the dwell of its own."""
    core = state.core[0]
    if core["state"] != TradingState.PAUSED and core["state"] != TradingState.REDUCE_ONLY:
        return Code.GATE_CLOSED
    breaker.lift(state, breaker.PAUSE_OPERATOR)
    breaker.lift(state, breaker.PAUSE_NO_FILLS)
    core["orders_since_fill"] = 0
    core["pause_clear_ns"] = core["now_ns"] - core["pause_dwell_ns"]
    for index in range(state.core[0]["instruments"]):
        state.instruments[index]["flatten"] = 0
    return Code.NONE


@kernel
def reset(state: State, event: Any, out: Out) -> int:
    """Leave HALTED or KILLED by a clean reconciliation, toward PAUSED (C33, C41).

    Not before the latch has stood for its dwell and a person has acknowledged every alert. A
    reconciliation that is under way already will do. Without a journal nothing may trade again.
    That the venue was wiped is refused where books and venue agreed last, and where trades of ours
    may be listed: the comparison that follows a plain ``reset`` asks for them.
    What is accepted as flows is found by the reconciliation: see recovery.accept_flows.
    """
    core = state.core[0]
    if not breaker.is_latched(state):
        return Code.GATE_CLOSED
    if core["journal_failed"] == 1:
        return Code.JOURNAL
    if alerts.unacknowledged(state) > 0:
        return Code.UNACKNOWLEDGED
    if core["now_ns"] - core["state_since_ns"] < core["reset_dwell_ns"]:
        return Code.RESET_DWELL
    wiped = event["order_key"] == ResetKind.VENUE_WIPED
    if wiped and core["recovery_clean"] == 1:
        return Code.RECONCILED
    if wiped and venue_reset.may_remember(state):
        return Code.RECONCILE_DIFFERENCE
    core["reset_wanted"] = 1
    core["accepts_flows"] = 1 if event["order_key"] == ResetKind.ACCEPT_FLOWS else 0
    if wiped:
        venue_reset.forget(state, out)
    if wiped or core["recovery_phase"] == recovery.Phase.IDLE:
        recovery.start(state, out)
    return Code.NONE


@kernel
def run_reconcile(state: State, out: Out) -> int:
    """Compare everything with the venue now; one that recovery runs already will do."""
    core = state.core[0]
    if core["order_up"] == 0 or core["user_up"] == 0:
        return Code.ORDER_LINK_DOWN
    if core["now_ns"] < core["rate_limited_until_ns"]:
        return Code.RATE_LIMITED
    if reconcile.is_possible(state):
        reconcile.want(state, out)
    return Code.NONE


@kernel
def acknowledge(state: State, event: Any, out: Out) -> int:
    """Take the word of a person that they have seen one alert, or all."""
    count = alerts.acknowledge(state, out, event["order_key"])
    return Code.NONE if count > 0 or event["order_key"] == 0 else Code.UNACKNOWLEDGED


@kernel
def flatten(state: State, instrument: int) -> int:
    """Go to position 0 on one instrument or all; only where nothing quotes.

    A pause that would lift itself is held, so that what is flat stays flat until ``resume``.
    Books that the venue contradicts may not sell: the coins could be the user's own.
    """
    core = state.core[0]
    if core["state"] != TradingState.PAUSED and not breaker.is_latched(state):
        return Code.GATE_CLOSED
    if core["recovery_clean"] == 0 and core["recovery_phase"] == recovery.Phase.IDLE:
        return Code.RECONCILE_DIFFERENCE
    if core["state"] == TradingState.PAUSED:
        breaker.pause(state, breaker.PAUSE_OPERATOR)
    for index in range(state.core[0]["instruments"]):
        if instrument < 0 or instrument == index:
            state.instruments[index]["flatten"] = 1
            state.instruments[index]["flatten_next_ns"] = 0
    return Code.NONE
