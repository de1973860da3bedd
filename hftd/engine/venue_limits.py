"""The venue's own limits: its count of orders, its word to hold back, its ban.

Owns C30 and the venue's half of C17. Must not know the profile's own throttle
(risk_account.py).

**Orders.** The venue counts an account's orders in windows of its own clock (10 seconds and a
day, as it tells with each reply). We keep that count, add what we send, and refuse what goes
over our share of it; an order that only reduces may use all of it. Cancels are not counted and
never wait: what is left of the share is their reserve.

**Hold back.** After 429 only cancels leave until the time that the venue named: no order, no
query, nothing of the session. After 418 or 403 nothing leaves at all, since each request makes
a ban longer; that HALTs, and the cancels go out when it is over. What is held back here is
asked again by whoever waits for it.
"""

from __future__ import annotations

from typing import Any

from hftd.domain.actions import ActionKind
from hftd.domain.codes import Code
from hftd.domain.kernel import kernel
from hftd.domain.order import OrderState
from hftd.engine import breaker
from hftd.engine.emit import add_action
from hftd.engine.state import N_ACTIONS, RATE_WINDOWS_CAPACITY, Out, State
from hftd.engine.verdict import verdict

QUIET_NS = 1_000_000_000  # A time that is none, or past, is so long from now.


@kernel
def apply_rate_status(state: State, event: Any) -> None:
    """Take the venue's count of one window; what is in flight may not be in it yet."""
    core = state.core[0]
    place = -1
    for at in range(RATE_WINDOWS_CAPACITY):
        if core["rate_window_ns"][at] == event["window_ns"]:
            place = at
    for at in range(RATE_WINDOWS_CAPACITY):
        if place < 0 and core["rate_window_ns"][at] == 0:
            place = at
    if place < 0 or event["window_ns"] <= 0:
        return
    core["rate_window_ns"][place] = event["window_ns"]
    core["rate_limit"][place] = event["order_limit"]
    turn_window(state, place)
    in_flight = 0
    for slot in range(state.core[0]["orders_end"]):
        in_flight += state.orders[slot]["state"] == OrderState.PENDING_NEW
    used = event["order_count"] + in_flight
    core["rate_used"][place] = max(core["rate_used"][place], used)


@kernel
def turn_window(state: State, place: int) -> None:
    """Begin the count anew where the venue's clock has come to the next window."""
    core = state.core[0]
    number = (core["now_ns"] + core["venue_offset_ns"]) // core["rate_window_ns"][place]
    if number != core["rate_number"][place]:
        core["rate_number"][place] = number
        core["rate_used"][place] = 0


@kernel
def count_order(state: State) -> None:
    """Count an order that leaves, in each window that the venue has told."""
    core = state.core[0]
    for place in range(RATE_WINDOWS_CAPACITY):
        if core["rate_window_ns"][place] > 0:
            turn_window(state, place)
            core["rate_used"][place] += 1


@kernel
def c17_venue_rate(state: State, wish: Any) -> int:
    """One order more stays within our share of the venue's limit, in every window."""
    core = state.core[0]
    share = 100 if wish["reduce_only"] == 1 else core["rate_share_pct"]
    for place in range(RATE_WINDOWS_CAPACITY):
        if core["rate_window_ns"][place] == 0:
            continue
        turn_window(state, place)
        bound = core["rate_limit"][place] * share // 100
        if core["rate_used"][place] + 1 > bound:
            return verdict(state, Code.VENUE_RATE, core["rate_used"][place] + 1, bound)
    return Code.NONE


@kernel
def apply_rate_limited(state: State, event: Any, out: Out) -> None:
    """C30: hold back until the time told; a ban HALTs, and holds back cancels too."""
    core = state.core[0]
    until_ns = max(event["until_ns"], core["now_ns"] + QUIET_NS)
    core["rate_limited_until_ns"] = max(core["rate_limited_until_ns"], until_ns)
    action = add_action(state, out, ActionKind.HOLD_BACK, -1)
    action["until_ns"] = core["rate_limited_until_ns"]
    if event["code"] == 418 or event["code"] == 403:
        core["banned_until_ns"] = max(core["banned_until_ns"], until_ns)
        breaker.halt(state, out, Code.BANNED, event["code"], 0)
    else:
        breaker.trip(state, out, breaker.PAUSE_RATE, -1, Code.RATE_LIMITED, event["code"], 0)


@kernel
def is_query(kind: int) -> bool:
    """Tell whether an action asks the venue something."""
    return (
        kind == ActionKind.QUERY_ORDER
        or kind == ActionKind.RESYNC
        or kind == ActionKind.ASK_TOUCH
        or kind == ActionKind.ASK_OPEN_ORDERS
        or kind == ActionKind.ASK_TRADES
        or kind == ActionKind.ASK_BALANCES
    )


@kernel
def hold_back(state: State, out: Out) -> None:
    """C30: take out of this decision what may not leave yet; the rest keeps its order."""
    core = state.core[0]
    if core["now_ns"] >= core["rate_limited_until_ns"]:
        return
    banned = core["now_ns"] < core["banned_until_ns"]
    kept = 0
    for at in range(out.counts[N_ACTIONS]):
        kind = out.actions[at]["kind"]
        if is_query(kind) or (banned and kind == ActionKind.CANCEL):
            continue
        if kept != at:
            out.actions[kept] = out.actions[at]
        kept += 1
    out.counts[N_ACTIONS] = kept
