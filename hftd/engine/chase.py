"""Orders that await an answer: whom to ask again, when, and what an answer means.

Owns the resolution of doubt. The rules for an order that the venue says it does not know:
not believed before the request can no longer enter the matching engine (timestamp plus
recvWindow plus ten seconds), and final only after two such answers at least a second apart,
between which the lists of open orders and of own trades have not shown it either. That ends an
order which was never acknowledged. One that was stays, and halts (C27), until a person's ``reset``
ends it by the same rule; had it filled, the balances that are compared next would tell.
"""

from __future__ import annotations

from typing import Any

from hftd.domain.actions import ActionKind
from hftd.domain.codes import Code
from hftd.domain.kernel import kernel
from hftd.domain.order import OrderEvent, OrderState
from hftd.engine import known_trades, orders, settle, strays
from hftd.engine.emit import add_action, ask_open_orders, order_fact, query_order
from hftd.engine.recovery import Phase
from hftd.engine.reports import apply_accepted, apply_ended
from hftd.engine.state import ORDERS_CAPACITY, Out, State

NOT_FOUND_MARGIN_NS = 10_000_000_000
NOT_FOUND_APART_NS = 1_000_000_000
CANCEL_LATE_NS = 1_000_000_000
FILLS_LATE_NS = 500_000_000  # What a terminal report counts follows by itself until then.
SUBMIT_LATE_NS = 5_000_000_000  # The connector tells a lost answer earlier; this is its net.


@kernel
def back_off_ns(attempt: int) -> int:
    """Return the wait before the next query: 0.2, 0.5, 1, 2, then 5 seconds."""
    if attempt == 0:
        return 200_000_000
    if attempt == 1:
        return 500_000_000
    if attempt == 2:
        return 1_000_000_000
    if attempt == 3:
        return 2_000_000_000
    return 5_000_000_000


@kernel
def ask_fills(state: State, out: Out, order: Any) -> None:
    """Ask for own trades since the order was sent, among which all of its fills are."""
    from_id = known_trades.list_from(state.instruments[order["instrument"]])
    action = add_action(state, out, ActionKind.ASK_TRADES, order["instrument"])
    action["trade_id"] = min(order["trade_id_before"] + 1, from_id)


@kernel
def ask_late_fills(state: State, out: Out, order: Any) -> None:
    """Fetch own trades where a terminal report counted fills that have not arrived.

    While a recovery settles the first question is at once: an order that filled while we were
    away has no report that could follow.
    """
    core = state.core[0]
    if order["final_state"] == 0:
        return
    settling = core["recovery_phase"] == Phase.SETTLE
    asked = order["fills_asked_ns"] != order["unknown_since_ns"]
    wait_ns = 0 if settling and not asked else FILLS_LATE_NS
    if core["now_ns"] - order["fills_asked_ns"] >= wait_ns:
        order["fills_asked_ns"] = core["now_ns"]
        ask_fills(state, out, order)


@kernel
def needs_query(state: State, order: Any) -> bool:
    """Tell whether it is time to ask what became of an order."""
    now = state.core[0]["now_ns"]
    if order["final_state"] != 0:
        return False
    if order["query_at_ns"] > 0:
        return now >= order["query_at_ns"]
    leaving = order["state"] != OrderState.PENDING_NEW and orders.is_leaving(order)
    return leaving and now - order["cancel_sent_ns"] >= CANCEL_LATE_NS


@kernel
def chase(state: State, out: Out) -> None:
    """Ten times a second: ask for orders in doubt, with back-off; never send one again.

    A start that refuses orders asks for the list of all first: an answer may lead to a cancel.
    """
    core = state.core[0]
    now = core["now_ns"]
    if core["order_up"] == 0 or (settle.refuses(core) and core["recovery_phase"] == Phase.LINKS):
        return
    strays.ask_again(state, out)
    for slot in range(ORDERS_CAPACITY):
        order = state.orders[slot]
        if order["key"] == 0:
            continue
        ask_late_fills(state, out, order)
        lost = order["state"] == OrderState.PENDING_NEW and now - order["sent_ns"] > SUBMIT_LATE_NS
        if lost:
            before = order["state"]
            order["state"] = orders.next_state(before, OrderEvent.OUTCOME_UNKNOWN, 0)
            order["unknown_since_ns"] = now
            order["query_at_ns"] = now
            order_fact(state, out, order, OrderEvent.OUTCOME_UNKNOWN, before, Code.NONE)
        if needs_query(state, order):
            order["query_at_ns"] = now + back_off_ns(order["query_attempt"])
            order["query_attempt"] += 1
            query_order(state, out, order)


@kernel
def apply_status(state: State, event: Any, out: Out) -> None:
    """Apply the venue's answer on one order: adopt what it says, or weigh that it knows none."""
    slot = orders.find_reported(state, event)
    if slot < 0:
        return
    order = state.orders[slot]
    if event["found"] == 0:
        if order["final_state"] == 0:
            apply_not_found(state, out, slot)
        return
    order["not_found_ns"] = 0
    status = event["status"]
    if status == OrderState.CANCELED or status == OrderState.FILLED:
        apply_ended(state, event, out, status)
    elif status == OrderState.EXPIRED or status == OrderState.REJECTED:
        apply_ended(state, event, out, OrderState.EXPIRED)
    elif order["final_state"] == 0:
        apply_live(state, event, out, slot)


@kernel
def apply_live(state: State, event: Any, out: Out, slot: int) -> None:
    """The order is open at the venue: adopt it, mend a cancel that failed, fetch its fills.

    A start that refuses orders cancels none before it has halted for them: one that has ended by
    then was not found.
    """
    order = state.orders[slot]
    now = state.core[0]["now_ns"]
    refuses = settle.refuses(state.core[0])
    if refuses:
        order["cancel_wanted"] = 0
    leaving = order["state"] != OrderState.PENDING_NEW and orders.is_leaving(order)
    order["seen_attempt"] = state.core[0]["recovery_attempt"]
    order["listed_seq"] = state.core[0]["decision_seq"]
    order["listed_cum_lots"] = event["cum_qty_lots"]
    apply_accepted(state, event, out)
    order["query_at_ns"] = 0
    order["query_attempt"] = 0
    order["unknown_since_ns"] = 0
    if leaving and not refuses and now - order["cancel_sent_ns"] >= CANCEL_LATE_NS:
        orders.cancel(state, out, slot, Code.NONE)
    if event["cum_qty_lots"] > order["cum_lots"]:
        ask_fills(state, out, order)


@kernel
def apply_not_found(state: State, out: Out, slot: int) -> None:
    """The venue knows no such order: believed only by the module's rule."""
    core = state.core[0]
    order = state.orders[slot]
    now = core["now_ns"]
    final_ns = order["sent_ns"] + core["recv_window_ns"] + NOT_FOUND_MARGIN_NS
    if order["unknown_since_ns"] == 0:
        order["unknown_since_ns"] = now
    order["denied_attempt"] = core["recovery_attempt"]
    if now < final_ns:
        order["query_at_ns"] = min(now + back_off_ns(order["query_attempt"]), final_ns)
        return
    order["query_at_ns"] = max(now, order["not_found_ns"]) + NOT_FOUND_APART_NS
    if order["not_found_ns"] == 0:
        ask_absence(state, out, order)
    elif now - order["not_found_ns"] >= NOT_FOUND_APART_NS:
        if not is_absent(state, order):
            ask_absence(state, out, order)
        elif order["state"] == OrderState.UNKNOWN:
            orders.end(state, out, slot, OrderEvent.NEVER_ACCEPTED, OrderState.REJECTED, Code.NONE)
        elif core["reset_wanted"] == 1:
            code = Code.RECONCILE_DIFFERENCE
            orders.end(state, out, slot, OrderEvent.EXPIRED, OrderState.EXPIRED, code)


@kernel
def is_absent(state: State, order: Any) -> bool:
    """Tell whether both lists were told since the venue first said that it knows no such order.

    Had one of them shown the order, it were known now.
    """
    instrument = state.instruments[order["instrument"]]
    open_orders_told = instrument["open_orders_told_ns"] > order["not_found_ns"]
    return open_orders_told and instrument["trades_told_ns"] > order["not_found_ns"]


@kernel
def ask_absence(state: State, out: Out, order: Any) -> None:
    """Count the first answer that the order does not exist, and ask the venue's lists too."""
    order["not_found_ns"] = state.core[0]["now_ns"]
    ask_open_orders(state, out, order["instrument"])
    ask_fills(state, out, order)


@kernel
def booked_lots(state: State, event: Any) -> int:
    """Return what our books have already of an order that we do not know.

    What it filled before a new ledger's opening is in that opening; an older ledger is told of
    each fill.
    """
    place = orders.find_tombstone(state, event["order_key"])
    if place >= 0:
        return state.tombstones[place]["cum_lots"]
    asset = state.instruments[event["instrument"]]["base_asset"]
    return 0 if state.balances[asset]["opening_known"] == 1 else event["cum_qty_lots"]


@kernel
def adopt(state: State, event: Any, out: Out) -> int:
    """Take an order that bears our tag and that we do not know into the table.

    It comes from a life whose memory is lost; it is canceled, never left to itself. A status
    that names no quantity, or none that is still to come, cannot be adopted. Returns the slot
    or -1.
    """
    booked = booked_lots(state, event)
    slot = orders.free_slot(state) if event["qty_lots"] > booked else -1
    if slot < 0:
        return -1
    instrument = state.instruments[event["instrument"]]
    missing_trade_id = instrument["missing_trade_id"]
    order = state.orders[slot]
    order["key"] = event["order_key"]
    order["instrument"] = event["instrument"]
    order["side"] = event["side"]
    order["price_ticks"] = event["price_ticks"]
    order["qty_lots"] = event["qty_lots"]
    order["cum_lots"] = booked
    order["venue_cum_lots"] = event["cum_qty_lots"]
    order["leaves_lots"] = order["qty_lots"] - order["cum_lots"]
    order["trade_id_before"] = instrument["own_trade_id"]
    if missing_trade_id > 0:
        order["trade_id_before"] = missing_trade_id - 1
    order["venue_order_id"] = event["venue_order_id"]
    order["state"] = OrderState.NEW
    order["sent_ns"] = state.core[0]["now_ns"]
    order["acked_ns"] = state.core[0]["now_ns"]
    order["adopted_exch_ns"] = event["exch_ts_ns"]
    order["seen_attempt"] = state.core[0]["recovery_attempt"]
    order["listed_seq"] = state.core[0]["decision_seq"]
    order["listed_cum_lots"] = event["cum_qty_lots"]
    instrument["sent_lots"][event["side"]] += order["leaves_lots"]
    orders.reserve(state, order)
    order_fact(state, out, order, OrderEvent.ACCEPTED, OrderState.NONE, Code.RECONCILE_DIFFERENCE)
    return slot
