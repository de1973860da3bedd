"""What stops trading by itself or by command: pauses, halts, the kill.

Owns the trading state; how the venue is cleared of our orders stands in clearing.py. A pause
pulls quotes and lifts itself when its reason has cleared and a dwell time has passed; HALTED
(by a control) and KILLED (by the operator) are latched over restarts, and only ``reset``
leaves them. Nothing on the kill's path reads PnL. A control that breaks while we stop is latched
for the next start.

Bits of ``core["pause_mask"]`` are the reasons that hold now; OPERATOR and NO_FILLS are lifted
by ``resume`` alone, and outlive a boot: who pauses to trade by hand is not quoted beside because
a process ended. A halt raises an alert, and ``reset`` waits until a person has acknowledged
it (C41).
"""

from __future__ import annotations

from typing import Any

from hftd.domain.actions import ActionKind
from hftd.domain.codes import Code, TradingState
from hftd.domain.events import Link
from hftd.domain.facts import FactKind
from hftd.domain.kernel import kernel
from hftd.domain.order import OrderState
from hftd.engine import alerts, clearing, strays
from hftd.engine.emit import add_action, add_fact, note
from hftd.engine.exposure import reference_spread_bps_e2
from hftd.engine.position import mark_all_dirty
from hftd.engine.state import WINDOW_CAPACITY, Out, State

PAUSE_OPERATOR = 1
PAUSE_USER_STREAM = 2
PAUSE_CLOCK = 4
PAUSE_ORDER_LINK = 8
PAUSE_COLLAR = 16
PAUSE_RATE = 32
PAUSE_REFERENCE = 64
PAUSE_NO_FILLS = 128
PAUSE_LOOP = 256
PAUSE_ACKS = 512
PAUSE_JUMP = 1024
PAUSE_RECONCILE = 2048
PAUSE_FOREIGN = 4096
PAUSES_KEPT = PAUSE_OPERATOR | PAUSE_NO_FILLS  # Only a person ends them, so no boot does.

CONTROL_PAUSES = (
    (PAUSE_RECONCILE, int(Code.RECONCILE_DIFFERENCE)),
    (PAUSE_FOREIGN, int(Code.FOREIGN_ORDERS)),
    (PAUSE_COLLAR, int(Code.COLLAR_BREACHES)),
    (PAUSE_REFERENCE, int(Code.REFERENCE_DISAGREES)),
    (PAUSE_JUMP, int(Code.PRICE_JUMP)),
    (PAUSE_ACKS, int(Code.ACK_LATENCY)),
    (PAUSE_LOOP, int(Code.LOOP_LAG)),
    (PAUSE_NO_FILLS, int(Code.ORDERS_WITHOUT_FILL)),
)


@kernel
def set_state(state: State, out: Out, to: int, code: int, value: int, bound: int) -> None:
    """Move the trading state, with the reason and its numbers."""
    core = state.core[0]
    if core["state"] == to and core["state_code"] == code:
        return
    fact = add_fact(state, out, FactKind.STATE, -1)
    fact["state_from"] = core["state"]
    fact["state_to"] = to
    fact["code"] = code
    fact["value"] = value
    fact["bound"] = bound
    core["state"] = to
    core["state_code"] = code
    core["state_since_ns"] = core["now_ns"]
    mark_all_dirty(state)


@kernel
def latch(state: State, out: Out, to: int, code: int) -> None:
    """Ask for the latch to be kept durably (state 0: removed).

    What was asked for stays known: a process may die before the file has it, or while it stops.
    """
    state.core[0]["latched"] = to
    state.core[0]["latch_code"] = code
    action = add_action(state, out, ActionKind.LATCH, -1)
    action["state"] = to
    action["code"] = code


@kernel
def is_latched(state: State) -> bool:
    """Tell whether only ``reset`` leads on."""
    trading = state.core[0]["state"]
    return trading == TradingState.HALTED or trading == TradingState.KILLED


@kernel
def halt(state: State, out: Out, code: int, value: int, bound: int) -> None:
    """Stop by a control: latched, all orders canceled. No halt follows a halt, see `halt_again`."""
    core = state.core[0]
    if is_latched(state) or core["state"] == TradingState.STOPPING:
        halt_again(state, out, code, value, bound)
        return
    set_state(state, out, TradingState.HALTED, code, value, bound)
    alerts.raise_alert(state, out, code, value, bound)
    clearing.begin(state, out, code)
    latch(state, out, TradingState.HALTED, code)
    if cuts_loss(state, code):
        for index in range(state.core[0]["instruments"]):
            state.instruments[index]["flatten"] = 1


@kernel
def cuts_loss(state: State, code: int) -> bool:
    """C15: tell whether what a loss halted with is traded down to zero: ``halt_and_reduce``."""
    lost = code == Code.DAILY_LOSS or code == Code.DRAWDOWN  # C15 is both.
    return lost and state.core[0]["halt_and_reduce"] == 1


@kernel
def is_told_once(code: int) -> bool:
    """Tell whether a halt's reason is an event, which nothing finds again after ``reset``."""
    return (
        code == Code.LATE_REPORT
        or code == Code.SECOND_INSTANCE
        or code == Code.CLIENT_ID_CLASH
        or code == Code.BANNED
    )


@kernel
def halt_again(state: State, out: Out, code: int, value: int, bound: int) -> None:
    """Keep what would halt where we are latched or stop already: nothing more has to be closed.

    A stop without a latch gets one, since the next start forgets the rest. What is told once
    withdraws a ``reset`` under way and asks a person (C41); every other control is judged anew as
    soon as a reset has led to PAUSED.
    """
    core = state.core[0]
    first = core["stopping"] == 1 and core["latched"] == 0
    if not first and not is_told_once(code):
        return
    core["reset_wanted"] = 0
    if not alerts.is_waiting(state, code):
        alerts.raise_alert(state, out, code, value, bound)
    if first:
        latch(state, out, TradingState.HALTED, code)


@kernel
def kill(state: State, out: Out) -> None:
    """C31: the operator's kill. The gate is closed before the next line of this is run."""
    set_state(state, out, TradingState.KILLED, Code.KILL, 0, 0)
    for index in range(state.core[0]["instruments"]):
        state.instruments[index]["flatten"] = 0
    clearing.begin(state, out, Code.KILL)
    latch(state, out, TradingState.KILLED, Code.KILL)


@kernel
def stop(state: State, out: Out) -> None:
    """Cancel, confirm, exit. A latched state keeps its latch: it stands in a file.

    A crash that a person is to look at gets one, where nobody could yet: once the recovery is
    clean this run counts as one that ended as it should, and the next start knows of no crash.
    """
    core = state.core[0]
    recovering = core["state"] == TradingState.RECOVERING
    core["stopping"] = 1
    set_state(state, out, TradingState.STOPPING, Code.STOP, 0, 0)
    for index in range(state.core[0]["instruments"]):
        state.instruments[index]["flatten"] = 0
    clearing.begin(state, out, Code.STOP)
    if recovering and asks_person(state):
        halt(state, out, Code.RECONCILED, 0, 0)


@kernel
def leave_latch(state: State, out: Out) -> None:
    """Let ``reset`` lead from HALTED or KILLED to PAUSED, which only ``resume`` leaves."""
    core = state.core[0]
    core["reset_wanted"] = 0
    core["kill_requested_ns"] = 0
    for index in range(state.core[0]["instruments"]):  # C18: a person has looked.
        state.instruments[index]["one_sided_fills"][:] = 0
    latch(state, out, 0, Code.RESET)
    pause(state, PAUSE_OPERATOR)
    set_state(state, out, TradingState.PAUSED, Code.OPERATOR, 0, 0)


@kernel
def asks_person(state: State) -> bool:
    """Tell whether the run before crashed and the profile says ``on_crash: halt``."""
    return state.core[0]["crashed"] == 1 and state.core[0]["on_crash"] == 0


@kernel
def leave_recovering(state: State, out: Out) -> None:
    """Run, stay paused until ``resume``, or halt where a person is to look after a crash."""
    core = state.core[0]
    if asks_person(state):
        halt(state, out, Code.RECONCILED, 0, 0)
    elif core["pause_mask"] & PAUSES_KEPT != 0:
        code = pause_code(core["pause_mask"])
        set_state(state, out, TradingState.PAUSED, code, 0, 0)
    else:
        set_state(state, out, TradingState.RUNNING, Code.RECONCILED, 0, 0)


@kernel
def pause(state: State, bit: int) -> None:
    """Let a reason hold from now on."""
    core = state.core[0]
    if core["pause_mask"] & bit == 0:
        core["pause_mask"] |= bit
        mark_all_dirty(state)


@kernel
def trip(
    state: State, out: Out, bit: int, instrument: int, code: int, value: int, bound: int
) -> None:
    """Let a control's reason hold from now on, and note the numbers that tripped it, once."""
    if state.core[0]["pause_mask"] & bit == 0:
        note(state, out, instrument, code, value, bound)
        pause(state, bit)


@kernel
def lift(state: State, bit: int) -> None:
    """Let a reason hold no more; the dwell counts from the last one lifted."""
    core = state.core[0]
    if core["pause_mask"] & bit != 0:
        core["pause_mask"] &= ~bit
        core["pause_clear_ns"] = core["now_ns"]


@kernel
def pause_code(mask: int) -> int:
    """Return the code of the weightiest reason in a mask."""
    if mask & PAUSE_OPERATOR:
        return Code.OPERATOR
    if mask & PAUSE_ORDER_LINK:
        return Code.ORDER_LINK_DOWN
    if mask & PAUSE_USER_STREAM:
        return Code.USER_STREAM_STALE
    if mask & PAUSE_CLOCK:
        return Code.CLOCK
    if mask & PAUSE_RATE:
        return Code.RATE_LIMITED
    for bit, code in CONTROL_PAUSES:
        if mask & bit:
            return code
    return Code.NONE


@kernel
def settle(state: State, out: Out) -> None:
    """Let RUNNING, REDUCE_ONLY and PAUSED follow from the reasons that hold."""
    core = state.core[0]
    trading = core["state"]
    mask = core["pause_mask"]
    if (trading == TradingState.RUNNING or trading == TradingState.REDUCE_ONLY) and mask != 0:
        set_state(state, out, TradingState.PAUSED, pause_code(mask), 0, 0)
    elif trading == TradingState.PAUSED:
        if mask != 0:
            set_state(state, out, TradingState.PAUSED, pause_code(mask), 0, 0)
        elif core["now_ns"] - core["pause_clear_ns"] >= core["pause_dwell_ns"]:
            set_state(state, out, TradingState.RUNNING, Code.RESUMED, 0, 0)


@kernel
def count_recent(times_ns: Any, now_ns: int, window_ns: int) -> int:
    """Count the times of a ring that lie within the window."""
    count = 0
    for place in range(WINDOW_CAPACITY):
        if times_ns[place] > 0 and now_ns - times_ns[place] < window_ns:
            count += 1
    return count


@kernel
def check_windows(state: State, out: Out) -> None:
    """C05 (collar breaches pause) and C19 (unexpected rejects halt)."""
    core = state.core[0]
    now = core["now_ns"]
    breaches = count_recent(core["breach_ns"], now, core["collar_breach_window_ns"])
    if breaches >= core["collar_breach_count"]:
        pause(state, PAUSE_COLLAR)
    else:
        lift(state, PAUSE_COLLAR)
    rejects = count_recent(core["reject_ns"], now, core["reject_storm_window_ns"])
    if rejects >= core["reject_storm_count"]:
        halt(state, out, Code.REJECT_STORM, rejects, core["reject_storm_count"])


@kernel
def check_references(state: State) -> None:
    """C05: mid, last trade and the median of trades apart by more than the collar pause."""
    for index in range(state.core[0]["instruments"]):
        if reference_spread_bps_e2(state, index) > state.instruments[index]["collar_bps_e2"]:
            pause(state, PAUSE_REFERENCE)
            return
    lift(state, PAUSE_REFERENCE)


@kernel
def check_unknown(state: State, out: Out) -> None:
    """C27: too many orders UNKNOWN, or an order in doubt or short of fills for too long.

    After a crash, or where the link broke, every create that was in flight is UNKNOWN: until our
    reports are fetched, when nothing is created and each is asked for, only the age counts.
    """
    core = state.core[0]
    fetching = core["pause_mask"] & PAUSE_USER_STREAM != 0
    counts = core["state"] != TradingState.RECOVERING and not fetching
    count = 0
    oldest_ns = strays.oldest_ns(state)
    for slot in range(state.core[0]["orders_end"]):
        order = state.orders[slot]
        if order["key"] == 0 or order["unknown_since_ns"] == 0:
            continue
        oldest_ns = max(oldest_ns, core["now_ns"] - order["unknown_since_ns"])
        if order["state"] == OrderState.UNKNOWN and counts:
            count += 1
    if count > core["max_unknown_orders"] or oldest_ns > core["unknown_timeout_ns"]:
        halt(state, out, Code.UNKNOWN_ORDERS, count, core["max_unknown_orders"])


@kernel
def check_user_stream(state: State, out: Out) -> None:
    """C23: without a sign of life our own reports may be lost: pause and reconnect."""
    core = state.core[0]
    if core["user_up"] == 0 or core["state"] == TradingState.RECOVERING:
        return
    age = core["now_ns"] - core["user_alive_ns"]
    if age > core["user_stream_timeout_ns"]:
        core["user_up"] = 0
        pause(state, PAUSE_USER_STREAM)
        action = add_action(state, out, ActionKind.RECONNECT, -1)
        action["link"] = Link.ORDER


@kernel
def apply_clock(state: State, event: Any) -> None:
    """C24: the venue's clock and ours, and a step of the wall clock; judged by check_clock."""
    core = state.core[0]
    first = core["clock_sampled_ns"] == 0
    step = abs(event["wall_offset_ns"] - core["wall_offset_ns"])
    offset = abs(event["venue_offset_ns"] - event["wall_offset_ns"])
    core["wall_offset_ns"] = event["wall_offset_ns"]
    core["venue_offset_ns"] = event["venue_offset_ns"]
    core["clock_sampled_ns"] = core["now_ns"]
    stepped = not first and step > core["max_clock_step_ns"]
    if stepped or offset > core["max_clock_offset_ns"]:
        if core["clock_bad_since_ns"] == 0:
            core["clock_bad_since_ns"] = core["now_ns"]
        pause(state, PAUSE_CLOCK)
    else:
        core["clock_bad_since_ns"] = 0
        lift(state, PAUSE_CLOCK)


@kernel
def check_clock(state: State, out: Out) -> None:
    """C24: a clock that stays wrong halts."""
    core = state.core[0]
    since = core["clock_bad_since_ns"]
    offset = abs(core["venue_offset_ns"] - core["wall_offset_ns"])
    if offset <= core["max_clock_offset_ns"]:
        return
    if since > 0 and core["now_ns"] - since > core["clock_halt_after_ns"]:
        halt(state, out, Code.CLOCK, offset, core["max_clock_offset_ns"])


@kernel
def check_rate(state: State) -> None:
    """C30: the venue's own word on rate holds until the time that it named."""
    core = state.core[0]
    if core["now_ns"] >= core["rate_limited_until_ns"]:
        lift(state, PAUSE_RATE)


@kernel
def pulse(state: State, out: Out) -> None:
    """Ten times a second: everything that becomes true by time passing."""
    check_windows(state, out)
    check_references(state)
    check_unknown(state, out)
    check_user_stream(state, out)
    check_clock(state, out)
    check_rate(state)
    mark_all_dirty(state)
