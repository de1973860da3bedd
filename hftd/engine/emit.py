"""How kernels hand out what they produce: facts, actions and wishes, each zeroed and counted.

The arrays have fixed capacity; running over one is a bug of ours and stops the engine.
"""

from __future__ import annotations

from typing import Any

from hftd.domain.actions import ActionKind
from hftd.domain.codes import Code
from hftd.domain.facts import FactKind
from hftd.domain.kernel import kernel
from hftd.domain.order import OrderEvent, OrderState
from hftd.engine.state import (
    ACTIONS_CAPACITY,
    FACTS_CAPACITY,
    N_ACTIONS,
    N_FACTS,
    N_WISHES,
    WISHES_CAPACITY,
    Out,
    State,
)


@kernel
def add_fact(state: State, out: Out, kind: int, instrument: int) -> Any:
    """Return the next fact record with kind, time and decision filled in."""
    at = out.counts[N_FACTS]
    assert at < FACTS_CAPACITY - 1
    out.counts[N_FACTS] = at + 1
    out.facts[at] = out.facts[FACTS_CAPACITY - 1]  # The last record is kept blank.
    fact = out.facts[at]
    core = state.core[0]
    fact["kind"] = kind
    fact["instrument"] = instrument
    fact["ts_ns"] = core["now_ns"]
    fact["decision_seq"] = core["decision_seq"]
    return fact


@kernel
def add_action(state: State, out: Out, kind: int, instrument: int) -> Any:
    """Return the next action record with kind, time and decision filled in."""
    at = out.counts[N_ACTIONS]
    assert at < ACTIONS_CAPACITY - 1
    out.counts[N_ACTIONS] = at + 1
    out.actions[at] = out.actions[ACTIONS_CAPACITY - 1]  # The last record is kept blank.
    action = out.actions[at]
    action["kind"] = kind
    action["instrument"] = instrument
    action["ts_ns"] = state.core[0]["now_ns"]
    action["decision_seq"] = state.core[0]["decision_seq"]
    return action


@kernel
def add_wish(state: State, out: Out, kind: int, instrument: int) -> Any:
    """Return the next wish: an action that the gate has yet to judge."""
    at = out.counts[N_WISHES]
    assert at < WISHES_CAPACITY - 1
    out.counts[N_WISHES] = at + 1
    out.wishes[at] = out.wishes[WISHES_CAPACITY - 1]  # The last record is kept blank.
    wish = out.wishes[at]
    wish["kind"] = kind
    wish["instrument"] = instrument
    wish["ts_ns"] = state.core[0]["now_ns"]
    wish["decision_seq"] = state.core[0]["decision_seq"]
    return wish


@kernel
def note(state: State, out: Out, instrument: int, code: int, value: int, bound: int) -> None:
    """Record something worth a line."""
    fact = add_fact(state, out, FactKind.NOTE, instrument)
    fact["code"] = code
    fact["value"] = value
    fact["bound"] = bound


@kernel
def order_fact(state: State, out: Out, order: Any, event: int, state_from: int, code: int) -> None:
    """Record that an order changed; quantities are those after the change."""
    order["changed_seq"] = state.core[0]["decision_seq"]
    order["disagreed"] = 0
    fact = add_fact(state, out, FactKind.ORDER, order["instrument"])
    fact["order_key"] = order["key"]
    fact["venue_order_id"] = order["venue_order_id"]
    fact["side"] = order["side"]
    fact["order_event"] = event
    fact["state_from"] = state_from
    fact["state_to"] = order["state"]
    fact["code"] = code
    fact["time_in_force"] = order["time_in_force"]
    fact["post_only"] = order["post_only"]
    fact["reduce_only"] = order["reduce_only"]
    fact["price_ticks"] = order["price_ticks"]
    fact["qty_lots"] = order["qty_lots"]
    fact["cum_qty_lots"] = order["cum_lots"]
    fact["leaves_lots"] = order["leaves_lots"]
    fact["mid_half_ticks"] = state.instruments[order["instrument"]]["mid_half_ticks"]


@kernel
def denied_fact(state: State, out: Out, wish: Any, code: int, value: int, bound: int) -> None:
    """Record a refusal of the gate: the order as wanted, the code and its numbers."""
    instrument = state.instruments[wish["instrument"]]
    fact = add_fact(state, out, FactKind.REFUSAL, wish["instrument"])
    fact["side"] = wish["side"]
    fact["order_event"] = OrderEvent.DENIED
    fact["state_to"] = OrderState.DENIED
    fact["code"] = code
    fact["price_ticks"] = wish["price_ticks"]
    fact["qty_lots"] = wish["qty_lots"]
    fact["time_in_force"] = wish["time_in_force"]
    fact["post_only"] = wish["post_only"]
    fact["reduce_only"] = wish["reduce_only"]
    fact["value"] = value
    fact["bound"] = bound
    fact["mid_half_ticks"] = instrument["mid_half_ticks"]
    fact["position_lots"] = instrument["position_lots"]


@kernel
def query_order(state: State, out: Out, order: Any) -> None:
    """Ask the venue what became of an order."""
    action = add_action(state, out, ActionKind.QUERY_ORDER, order["instrument"])
    action["target_key"] = order["key"]
    action["venue_order_id"] = order["venue_order_id"]


@kernel
def ask_open_orders(state: State, out: Out, instrument: int) -> None:
    """Ask for the list of open orders of one instrument."""
    record = state.instruments[instrument]
    record["orders_asked_seq"] = state.core[0]["decision_seq"]
    record["foreign_listed"] = 0
    add_action(state, out, ActionKind.ASK_OPEN_ORDERS, instrument)


@kernel
def order_note(state: State, out: Out, order: Any, ours_lots: int, venues_lots: int) -> None:
    """Record that we and the venue differ on how much of an order is open."""
    fact = add_fact(state, out, FactKind.DIFFERENCE, order["instrument"])
    fact["order_key"] = order["key"]
    fact["venue_order_id"] = order["venue_order_id"]
    fact["side"] = order["side"]
    fact["code"] = Code.RECONCILE_DIFFERENCE
    fact["qty_lots"] = order["qty_lots"]
    fact["cum_qty_lots"] = order["cum_lots"]
    fact["value"] = ours_lots
    fact["bound"] = venues_lots


@kernel
def resync(state: State, out: Out, instrument: int) -> None:
    """Ask for a depth snapshot of one instrument."""
    add_action(state, out, ActionKind.RESYNC, instrument)


@kernel
def balance_note(state: State, out: Out, asset: int, code: int, value: int, bound: int) -> None:
    """Record a difference between our balance and the venue's."""
    fact = add_fact(state, out, FactKind.DIFFERENCE, -1)
    fact["asset"] = asset
    fact["code"] = code
    fact["value"] = value
    fact["bound"] = bound
