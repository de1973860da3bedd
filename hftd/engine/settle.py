"""What becomes of the orders that a recovery finds: kept, canceled, or a person looks.

Owns ``on_start`` and which orders a start goes on with: under ``adopt`` those that the venue lists,
and always a few creates that it does not know (yet). These stay UNKNOWN, so their exposure is
reserved and their side blocked, until chase.py has its proof. Under ``refuse`` a start touches no
order before the venue has told which stand: what it had canceled first would not be found. Must not
ask for lists (recovery.py).
"""

from __future__ import annotations

from typing import Any

from hftd.domain.codes import Code, OnStart, TradingState
from hftd.domain.kernel import kernel
from hftd.domain.order import OrderState
from hftd.engine import breaker, orders
from hftd.engine.state import ORDERS_CAPACITY, Out, State


@kernel
def settle_orders(state: State, out: Out) -> None:
    """Cancel what the venue listed, or keep it; ask for what it did not list."""
    core = state.core[0]
    starting = core["state"] == TradingState.RECOVERING
    for slot in range(ORDERS_CAPACITY):
        order = state.orders[slot]
        if order["key"] == 0:
            continue
        if order["seen_attempt"] == core["recovery_attempt"]:
            if not starting or core["on_start"] != OnStart.ADOPT:
                orders.cancel(state, out, slot, Code.STARTING_UP)
        elif order["query_at_ns"] == 0:
            order["query_at_ns"] = core["now_ns"]
    refuse_found(state, out)


@kernel
def refuses(core: Any) -> bool:
    """Tell whether this is a start that goes on with no order that it finds."""
    return core["state"] == TradingState.RECOVERING and core["on_start"] == OnStart.REFUSE


@kernel
def refuse_found(state: State, out: Out) -> None:
    """C34: HALT where a list, or an answer on one order, has shown one of ours in this attempt.

    Each attempt is judged before the next begins, and while it settles: an order that was shown,
    and whose cancel has left, is in no later list.
    """
    core = state.core[0]
    if not refuses(core):
        return
    found = 0
    for slot in range(core["orders_end"]):
        order = state.orders[slot]
        shown = order["seen_attempt"] > 0 and order["seen_attempt"] == core["recovery_attempt"]
        if order["key"] != 0 and shown:
            found += 1
    if found > 0:
        breaker.halt(state, out, Code.ORDERS_FOUND, found, 0)


@kernel
def is_settled(state: State) -> bool:
    """Tell whether every order has reached its end, but those that a start keeps."""
    core = state.core[0]
    doubtful = 0
    for slot in range(ORDERS_CAPACITY):
        order = state.orders[slot]
        if order["key"] == 0 or stays(core, order):
            continue
        if not may_wait(core, order):
            return False
        doubtful += 1
    return doubtful <= core["max_unknown_orders"]


@kernel
def stays(core: Any, order: Any) -> bool:
    """Tell whether a start leaves the order where it is: adopted, listed and resting."""
    adopting = core["state"] == TradingState.RECOVERING and core["on_start"] == OnStart.ADOPT
    resting = order["state"] == OrderState.NEW or order["state"] == OrderState.PARTIALLY_FILLED
    listed = order["seen_attempt"] == core["recovery_attempt"] and order["final_state"] == 0
    return adopting and resting and listed


@kernel
def may_wait(core: Any, order: Any) -> bool:
    """Tell whether a start may go on without this order's end: asked for, and not known.

    Most such creates never left the dead process, and the proof takes the receive window and ten
    seconds. It is the doubt that trading lives with whenever an answer is lost.
    """
    denied = order["denied_attempt"] == core["recovery_attempt"]
    starting = core["state"] == TradingState.RECOVERING
    return starting and denied and order["state"] == OrderState.UNKNOWN
