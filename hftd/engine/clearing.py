"""Clearing the venue: after kill, halt or stop, no order of ours is open, and the venue says so.

Owns ``venue_clear``. Must not decide when to clear (breaker.py), nor read PnL, books or
balances: this is the kill's path. Our own table is emptied first, by cancels repeated until
each order has its terminal report; then every instrument's open orders are asked for, until
each list shows none of ours.
"""

from __future__ import annotations

from typing import Any

from hftd.domain.actions import ActionKind
from hftd.domain.codes import Code
from hftd.domain.kernel import kernel
from hftd.domain.order import OrderState
from hftd.engine import orders
from hftd.engine.emit import add_action, ask_open_orders
from hftd.engine.exposure import open_count
from hftd.engine.state import ORDERS_CAPACITY, Out, State

RECANCEL_NS = 1_000_000_000  # A cancel without effect is sent again.
HELD_BACK_NS = 3_000_000_000  # The same while the venue says 429: each of them counts there too.
ANSWER_LATE_NS = 1_000_000_000  # A question without an answer is asked again.
SHOWN_AGAIN_NS = 250_000_000  # A list that still shows one of ours may be a stale copy.


@kernel
def begin(state: State, out: Out, code: int) -> None:
    """Cancel everything of ours now; what the venue has shown before counts no more."""
    core = state.core[0]
    core["kill_requested_ns"] = core["now_ns"]
    core["venue_clear"] = 0
    core["reset_wanted"] = 0
    core["verify_asked_ns"] = 0
    core["verify_again_ns"] = 0
    orders.cancel_all(state, out, -1, code)


@kernel
def carry_on(state: State, out: Out) -> None:
    """Cancel again what is still open; ask the venue once our own table is empty."""
    core = state.core[0]
    if core["kill_requested_ns"] == 0 or core["venue_clear"] == 1 or core["order_up"] == 0:
        return
    if open_count(state, -1) > 0:
        core["verify_asked_ns"] = 0
        core["verify_again_ns"] = 0
        cancel_again(state, out)
    elif core["now_ns"] >= core["verify_again_ns"]:
        core["verify_asked_ns"] = core["now_ns"]
        core["verify_again_ns"] = core["now_ns"] + ANSWER_LATE_NS
        for index in range(state.core[0]["instruments"]):
            state.instruments[index]["unverified"] = 1
            ask_open_orders(state, out, index)


@kernel
def cancel_again(state: State, out: Out) -> None:
    """Repeat cancels that had no effect for a second, for three before Retry-After has passed.

    An order on its way is canceled as it surfaces; a reduce-only one is flatten's and ends
    by itself; one whose end is told only waits for its fills.
    """
    now = state.core[0]["now_ns"]
    again_ns = HELD_BACK_NS if now < state.core[0]["rate_limited_until_ns"] else RECANCEL_NS
    for slot in range(ORDERS_CAPACITY):
        order = state.orders[slot]
        if order["key"] == 0 or order["state"] == OrderState.PENDING_NEW:
            continue
        if order["reduce_only"] == 1 or order["final_state"] != 0:
            continue
        if now - order["cancel_sent_ns"] >= again_ns:
            orders.cancel(state, out, slot, Code.NONE)


@kernel
def apply_open_orders_end(state: State, event: Any) -> None:
    """One instrument's list is told: the venue is clear once none shows an order of ours.

    One asked for before the kill may have left out what was placed since.
    """
    core = state.core[0]
    if core["verify_asked_ns"] == 0 or core["venue_clear"] == 1:
        return
    if event["until_ns"] < core["kill_requested_ns"]:
        return
    if event["order_count"] > 0:
        core["verify_again_ns"] = core["now_ns"] + SHOWN_AGAIN_NS
        return
    state.instruments[event["instrument"]]["unverified"] = 0
    for index in range(state.core[0]["instruments"]):
        if state.instruments[index]["unverified"] == 1:
            return
    if open_count(state, -1) == 0:
        core["venue_clear"] = 1
        core["venue_checked_ns"] = core["now_ns"]


@kernel
def check_exit(state: State, out: Out) -> None:
    """A stopping daemon may end once the venue is clear."""
    core = state.core[0]
    if core["stopping"] > 0 and core["venue_clear"] == 1 and core["exit_sent"] == 0:
        core["exit_sent"] = 1
        add_action(state, out, ActionKind.EXIT, -1)
