"""Controls that watch how trading goes: repetition, waste, a late loop, slow acks, jumps.

Owns C18, C20, C25, C28 and C29, each one function that is asked on the pulse. Must not stop
anything by itself: it trips a pause or a halt of breaker.py. Nothing here reads a clock; the
driver's lateness comes with each pulse, as it is journaled.
"""

from __future__ import annotations

from typing import Any

from hftd.domain.codes import Code
from hftd.domain.kernel import kernel
from hftd.domain.order import Side
from hftd.engine import breaker
from hftd.engine.emit import note
from hftd.engine.position import excess_lots
from hftd.engine.state import ACKS_CAPACITY, MIDS_CAPACITY, Out, State

ACK_WINDOW_NS = 60_000_000_000
ACK_LEAST = 20  # Fewer acknowledgements have no 99th percentile to speak of.
BPS_E2 = 1_000_000  # One, in hundredths of a basis point.
LAG_TOLD_EVERY_NS = 10_000_000_000


@kernel
def pulse(state: State, event: Any, out: Out) -> None:
    """Ten times a second: ask each."""
    watch_loop(state, event, out)
    watch_acks(state, out)
    watch_waste(state, out)
    watch_repetition(state, out)
    for index in range(state.core[0]["instruments"]):
        keep_mid(state, index)
    watch_jumps(state, out)


@kernel
def count_filled_order(state: State, index: int, side: int, excess_before: int) -> None:
    """C18: an order has its first fill; a position that crosses its target begins anew."""
    instrument = state.instruments[index]
    excess = excess_lots(instrument)
    crossed = excess == 0 or (excess > 0) != (excess_before > 0)
    if excess_before != 0 and crossed:
        instrument["one_sided_fills"][Side.BUY] = 0
        instrument["one_sided_fills"][Side.SELL] = 0
    if excess != 0:
        instrument["one_sided_fills"][side] += 1


@kernel
def watch_repetition(state: State, out: Out) -> None:
    """C18: too many orders filled on one side, and the position has not come back: HALT."""
    bound = state.core[0]["max_one_sided_fills"]
    for index in range(state.core[0]["instruments"]):
        fills = state.instruments[index]["one_sided_fills"]
        most = max(fills[Side.BUY], fills[Side.SELL])
        if most > bound:
            breaker.halt(state, out, Code.ONE_SIDED_FILLS, most, bound)


@kernel
def watch_waste(state: State, out: Out) -> None:
    """C20: orders that do not fill are told at half of the limit, and PAUSE beyond it."""
    core = state.core[0]
    sent, bound = core["orders_since_fill"], core["max_orders_without_fill"]
    if sent > bound:
        breaker.trip(state, out, breaker.PAUSE_NO_FILLS, -1, Code.ORDERS_WITHOUT_FILL, sent, bound)
    elif 2 * sent <= bound:
        core["waste_told"] = 0
    elif core["waste_told"] == 0:
        core["waste_told"] = 1
        note(state, out, -1, Code.ORDERS_WITHOUT_FILL, sent, bound)


@kernel
def watch_loop(state: State, event: Any, out: Out) -> None:
    """C25: a late pulse is told, a very late one PAUSEs until a pulse is in time again."""
    core = state.core[0]
    late = event["lag_ns"]
    core["loop_lag_ns"] = late
    if late > core["max_loop_lag_ns"]:
        breaker.trip(
            state, out, breaker.PAUSE_LOOP, -1, Code.LOOP_LAG, late, core["max_loop_lag_ns"]
        )
        return
    breaker.lift(state, breaker.PAUSE_LOOP)
    told_ns = core["loop_lag_told_ns"]
    silent = told_ns == 0 or core["now_ns"] - told_ns >= LAG_TOLD_EVERY_NS
    if late > core["loop_lag_warn_ns"] and silent:
        core["loop_lag_told_ns"] = core["now_ns"]
        note(state, out, -1, Code.LOOP_LAG, late, core["loop_lag_warn_ns"])


@kernel
def keep_ack(state: State, latency_ns: int) -> None:
    """C28: an order was acknowledged so long after it was submitted."""
    core = state.core[0]
    at = core["ack_next"] % ACKS_CAPACITY
    core["ack_ns"][at] = latency_ns
    core["ack_at_ns"][at] = core["now_ns"]
    core["ack_next"] += 1


@kernel
def watch_acks(state: State, out: Out) -> None:
    """C28: the 99th percentile of the last minute's acknowledgements (by lower rank) PAUSEs.

    It is over the limit where more are over it than the percentile leaves out; so one slow
    answer of twenty pauses nothing.
    """
    core = state.core[0]
    bound = core["max_ack_ns"]
    count, over, least_over = 0, 0, 0
    for at in range(ACKS_CAPACITY):
        if core["ack_at_ns"][at] == 0 or core["now_ns"] - core["ack_at_ns"][at] > ACK_WINDOW_NS:
            continue
        count += 1
        latency = core["ack_ns"][at]
        if latency > bound:
            over += 1
            least_over = latency if least_over == 0 else min(least_over, latency)
    left_out = count - 1 - 99 * (count - 1) // 100
    if count >= ACK_LEAST and over > left_out:
        breaker.trip(state, out, breaker.PAUSE_ACKS, -1, Code.ACK_LATENCY, least_over, bound)
    else:
        breaker.lift(state, breaker.PAUSE_ACKS)


@kernel
def keep_mid(state: State, index: int) -> None:
    """C29: sample the mid of a valid market, evenly over the window."""
    core = state.core[0]
    instrument = state.instruments[index]
    if instrument["market_valid"] == 0:
        return
    last = (instrument["mid_window_next"] - 1) % MIDS_CAPACITY
    every_ns = core["price_jump_window_ns"] // (MIDS_CAPACITY - 1)
    if core["now_ns"] - instrument["mid_window_ns"][last] < every_ns:
        return
    at = instrument["mid_window_next"] % MIDS_CAPACITY
    instrument["mid_window_half_ticks"][at] = instrument["mid_half_ticks"]
    instrument["mid_window_ns"][at] = core["now_ns"]
    instrument["mid_window_next"] += 1


@kernel
def jump_bps_e2(state: State, index: int) -> int:
    """Return how far mid is from the window's farthest mid, in hundredths of a basis point."""
    core = state.core[0]
    instrument = state.instruments[index]
    mid = instrument["mid_half_ticks"]
    if instrument["market_valid"] == 0 or mid <= 0:
        return 0
    low, high = mid, mid
    for at in range(MIDS_CAPACITY):
        taken_ns = instrument["mid_window_ns"][at]
        if taken_ns > 0 and core["now_ns"] - taken_ns <= core["price_jump_window_ns"]:
            low = min(low, instrument["mid_window_half_ticks"][at])
            high = max(high, instrument["mid_window_half_ticks"][at])
    return max(high - mid, mid - low) * BPS_E2 // (high if high - mid > mid - low else low)


@kernel
def watch_jumps(state: State, out: Out) -> None:
    """C29: a mid that moved too far within the window PAUSEs until the window has passed it."""
    bound = state.core[0]["price_jump_bps_e2"]
    for index in range(state.core[0]["instruments"]):
        moved = jump_bps_e2(state, index)
        if moved > bound:
            breaker.trip(state, out, breaker.PAUSE_JUMP, index, Code.PRICE_JUMP, moved, bound)
            return
    breaker.lift(state, breaker.PAUSE_JUMP)
