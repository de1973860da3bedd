"""The order table: what each of our orders is, by one table of states and events.

Owns every change of an order's state. Must not decide whether to trade (risk.py, quoter.py)
and must not know the venue's words.

The table (rows: state; columns: event; ``.`` keeps the state, ``!`` contradicts what we
know and is noted, never applied)::

                   SUBM CANC REPL ACC  PART FULL CXLD REJ  CREJ EXP  UNKN NEVR MISS
    NONE           PNEW !    !    !    !    !    !    !    !    !    !    !    !
    PENDING_NEW    !    .    .    NEW  PFIL FILL CXLD REJ  .    EXP  UNKN !    PCXL
    NEW            !    PCXL PRPL .    PFIL FILL CXLD !    .    EXP  .    !    PCXL
    PARTIALLY_F.   !    PCXL PRPL .    .    FILL CXLD !    .    EXP  .    !    PCXL
    PENDING_CANCEL !    .    .    .    .    FILL CXLD !    back EXP  .    !    .
    PENDING_REPL.  !    .    .    .    .    FILL CXLD !    back EXP  .    !    PCXL
    UNKNOWN        !    .    !    NEW  PFIL FILL CXLD REJ  .    EXP  .    REJ  PCXL
    terminal       !    .    .    .    !    !    .    .    .    .    .    .    .

``back`` returns to NEW or PARTIALLY_FILLED by the filled quantity. Our own DENIED stands in
no column: what the gate refused never enters the table. A create is never sent twice: an
order whose outcome is in doubt is UNKNOWN, keeps its exposure, and is asked for. A cancel
never ends an order; only a terminal report does, and only once every fill that the report
counts has been applied; until then (MISS) the order is PENDING_CANCEL, open by what is missing,
and no other may leave for its side.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hftd.domain.actions import ActionKind
from hftd.domain.codes import Code, VenueCode
from hftd.domain.kernel import kernel
from hftd.domain.order import SEQ_BITS, SEQ_MAX, OrderEvent, OrderState, Side
from hftd.engine.emit import add_action, note, order_fact, query_order
from hftd.engine.state import N_FACTS, ORDERS_CAPACITY, TOMBSTONES_CAPACITY, Out, State

KEEP, ILLEGAL, BACK = -1, -2, -3
_S, _E = OrderState, OrderEvent
OPEN_STATES = (
    _S.PENDING_NEW,
    _S.NEW,
    _S.PARTIALLY_FILLED,
    _S.PENDING_CANCEL,
    _S.PENDING_REPLACE,
    _S.UNKNOWN,
)


def _transitions() -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the table of the module's docstring, indexed [state, event]."""
    table = np.full((len(_S), len(_E)), ILLEGAL, np.int64)
    table[_S.NONE, _E.SUBMITTED] = _S.PENDING_NEW
    for state in OPEN_STATES:
        row = table[state]
        row[[_E.CANCEL_SENT, _E.ACCEPTED, _E.CANCEL_REJECTED, _E.OUTCOME_UNKNOWN]] = KEEP
        row[_E.REPLACE_SENT] = KEEP
        row[_E.FILL_PARTIAL] = KEEP
        row[_E.FILL_FULL] = _S.FILLED
        row[_E.FILLS_MISSING] = _S.PENDING_CANCEL
        row[_E.CANCELED] = _S.CANCELED
        row[_E.EXPIRED] = _S.EXPIRED
    for state in (_S.PENDING_NEW, _S.UNKNOWN):
        table[state, _E.ACCEPTED] = _S.NEW
        table[state, _E.REJECTED] = _S.REJECTED
    for state in (_S.PENDING_NEW, _S.UNKNOWN, _S.NEW):
        table[state, _E.FILL_PARTIAL] = _S.PARTIALLY_FILLED
    for state in (_S.NEW, _S.PARTIALLY_FILLED):
        table[state, _E.CANCEL_SENT] = _S.PENDING_CANCEL
        table[state, _E.REPLACE_SENT] = _S.PENDING_REPLACE
    for state in (_S.PENDING_CANCEL, _S.PENDING_REPLACE):
        table[state, _E.CANCEL_REJECTED] = BACK
    table[_S.PENDING_NEW, _E.OUTCOME_UNKNOWN] = _S.UNKNOWN
    table[_S.UNKNOWN, _E.REPLACE_SENT] = ILLEGAL
    table[_S.UNKNOWN, _E.NEVER_ACCEPTED] = _S.REJECTED
    for state in (_S.FILLED, _S.CANCELED, _S.REJECTED, _S.EXPIRED, _S.DENIED):
        table[state] = KEEP
        table[state, [_E.SUBMITTED, _E.FILL_PARTIAL, _E.FILL_FULL, _E.DENIED]] = ILLEGAL
    return table


TRANSITIONS = _transitions()


@kernel
def next_state(state: int, event: int, cum_lots: int) -> int:
    """Return the state that follows, or ILLEGAL where the event contradicts the state."""
    to = TRANSITIONS[state, event]
    if to == KEEP:
        return state
    if to == BACK:
        return OrderState.PARTIALLY_FILLED if cum_lots > 0 else OrderState.NEW
    return to


@kernel
def is_leaving(order: Any) -> bool:
    """Tell whether a cancel of the order is on its way, by itself or within a replacement."""
    state = order["state"]
    pending = state == OrderState.PENDING_CANCEL or state == OrderState.PENDING_REPLACE
    return pending or (state == OrderState.PENDING_NEW and order["cancel_wanted"] == 1)


@kernel
def crosses(order: Any, wish: Any) -> bool:
    """Tell whether a wish would trade with an open order of ours."""
    if order["key"] == 0 or order["instrument"] != wish["instrument"]:
        return False
    if order["side"] == wish["side"]:
        return False
    if wish["side"] == Side.BUY:
        return wish["price_ticks"] >= order["price_ticks"]
    return wish["price_ticks"] <= order["price_ticks"]


@kernel
def find(state: State, key: int) -> int:
    """Return the slot of an open order by our key, else -1."""
    if key == 0:  # The mark of a free slot.
        return -1
    for slot in range(state.core[0]["orders_end"]):
        if state.orders[slot]["key"] == key:
            return slot
    return -1


@kernel
def find_reported(state: State, event: Any) -> int:
    """Return the slot of the open order that an event names, else -1.

    By our key; where it names none, by instrument and the venue's id: a venue counts its ids by
    symbol, so that orders of two instruments may bear the same one.
    """
    if event["order_key"] != 0:
        return find(state, event["order_key"])
    venue_order_id, index = event["venue_order_id"], event["instrument"]
    if venue_order_id == 0:
        return -1
    for slot in range(state.core[0]["orders_end"]):
        order = state.orders[slot]
        if order["key"] == 0 or order["instrument"] != index:
            continue
        if order["venue_order_id"] == venue_order_id:
            return slot
    return -1


@kernel
def find_tombstone(state: State, key: int) -> int:
    """Return the place of an ended order among the tombstones, newest first, else -1."""
    if key == 0:
        return -1
    total = state.rings[0]
    for back in range(min(total, TOMBSTONES_CAPACITY)):
        place = (total - 1 - back) % TOMBSTONES_CAPACITY
        if state.tombstones[place]["key"] == key:
            return place
    return -1


@kernel
def find_reported_tombstone(state: State, event: Any) -> int:
    """Return the place of the ended order that an event names, as `find_reported` does."""
    if event["order_key"] != 0:
        return find_tombstone(state, event["order_key"])
    venue_order_id, index = event["venue_order_id"], event["instrument"]
    if venue_order_id == 0:
        return -1
    total = state.rings[0]
    for back in range(min(total, TOMBSTONES_CAPACITY)):
        place = (total - 1 - back) % TOMBSTONES_CAPACITY
        tombstone = state.tombstones[place]
        if tombstone["venue_order_id"] == venue_order_id and tombstone["instrument"] == index:
            return place
    return -1


@kernel
def is_later_boot(state: State, key: int) -> bool:
    """C39: tell whether an id of our tag is of a boot that began after this one."""
    core = state.core[0]
    later = key >> SEQ_BITS > core["epoch"]
    return later or (key >> SEQ_BITS == core["epoch"] and key & SEQ_MAX >= core["next_seq"])


@kernel
def free_slot(state: State) -> int:
    """Return a free slot of the order table, or -1 where it is full.

    From now on all that walk the table look at it: they end at ``orders_end``. Some twenty do
    so for an order that leaves, and 256 slots lie in as many cache lines.
    """
    core = state.core[0]
    for slot in range(core["orders_end"]):
        if state.orders[slot]["key"] == 0:
            return slot
    if core["orders_end"] == ORDERS_CAPACITY:
        return -1
    core["orders_end"] += 1
    return core["orders_end"] - 1


@kernel
def reserve(state: State, order: Any) -> None:
    """Set aside what the open part of the order may still spend."""
    instrument = state.instruments[order["instrument"]]
    if order["side"] == Side.BUY:
        per_lot = order["price_ticks"] * instrument["unit_atoms"]
    else:
        per_lot = instrument["lot_atoms"]
    order["reserved_atoms"] = order["leaves_lots"] * per_lot


@kernel
def release(state: State, order: Any, lots: int) -> None:
    """C21: count what the venue's word has ended unfilled."""
    state.instruments[order["instrument"]]["released_lots"][order["side"]] += lots


@kernel
def stage(state: State, out: Out, wish: Any) -> int:
    """Take a wish that the gate allowed into the table and ask for it to be sent.

    Returns the slot. The intent is complete here: id, exposure and reservation stand
    before anything can reach a socket.
    """
    core = state.core[0]
    slot = free_slot(state)
    assert slot >= 0
    order = state.orders[slot]
    order["key"] = core["epoch"] << SEQ_BITS | core["next_seq"]
    core["next_seq"] += 1
    core["submitted"] += 1
    order["instrument"] = wish["instrument"]
    order["side"] = wish["side"]
    order["price_ticks"] = wish["price_ticks"]
    order["qty_lots"] = wish["qty_lots"]
    order["leaves_lots"] = wish["qty_lots"]
    state.instruments[wish["instrument"]]["sent_lots"][wish["side"]] += wish["qty_lots"]
    order["time_in_force"] = wish["time_in_force"]
    order["post_only"] = wish["post_only"]
    order["reduce_only"] = wish["reduce_only"]
    order["decision_seq"] = core["decision_seq"]
    order["sent_ns"] = core["now_ns"]
    order["trade_id_before"] = state.instruments[wish["instrument"]]["own_trade_id"]
    order["state"] = OrderState.PENDING_NEW
    core["orders_since_fill"] += 1
    reserve(state, order)
    order_fact(state, out, order, OrderEvent.SUBMITTED, OrderState.NONE, Code.NONE)
    attribute(state, out, wish["instrument"])
    if wish["kind"] == ActionKind.CANCEL_REPLACE:
        mark_replaced(state, out, wish["target_key"])
    action = add_action(state, out, wish["kind"], wish["instrument"])
    action["order_key"] = order["key"]
    action["target_key"] = wish["target_key"]
    action["side"] = wish["side"]
    action["time_in_force"] = wish["time_in_force"]
    action["post_only"] = wish["post_only"]
    action["reduce_only"] = wish["reduce_only"]
    action["price_ticks"] = wish["price_ticks"]
    action["qty_lots"] = wish["qty_lots"]
    action["book_update_id"], action["book_ns"] = newest_book(state, wish["instrument"])
    action["config_hash"] = core["config_hash"]
    return slot


@kernel
def newest_book(state: State, index: int) -> tuple[int, int]:
    """Return id and time of the newest book update that this decision knows."""
    instrument, book = state.instruments[index], state.books[index]
    if instrument["touch_update_id"] > book["last_update_id"]:
        return instrument["touch_update_id"], instrument["touch_ns"]
    return book["last_update_id"], book["depth_ns"]


@kernel
def attribute(state: State, out: Out, index: int) -> None:
    """C40: let the fact of a submission name the book that it was decided on."""
    fact = out.facts[out.counts[N_FACTS] - 1]
    fact["book_update_id"], fact["book_ns"] = newest_book(state, index)


@kernel
def mark_replaced(state: State, out: Out, target_key: int) -> None:
    """Move the order that goes to PENDING_REPLACE until the venue has answered."""
    target_slot = find(state, target_key)
    assert target_slot >= 0
    target = state.orders[target_slot]
    before = target["state"]
    to = next_state(before, OrderEvent.REPLACE_SENT, target["cum_lots"])
    assert to != ILLEGAL
    target["state"] = to
    target["cancel_sent_ns"] = state.core[0]["now_ns"]
    order_fact(state, out, target, OrderEvent.REPLACE_SENT, before, Code.NONE)


@kernel
def cancel(state: State, out: Out, slot: int, code: int) -> None:
    """Ask the venue to cancel; the order stays open until a terminal report."""
    order = state.orders[slot]
    before = order["state"]
    order["cancel_wanted"] = 1
    order["cancel_sent_ns"] = state.core[0]["now_ns"]
    order["state"] = next_state(before, OrderEvent.CANCEL_SENT, order["cum_lots"])
    action = add_action(state, out, ActionKind.CANCEL, order["instrument"])
    action["target_key"] = order["key"]
    action["venue_order_id"] = order["venue_order_id"]
    if order["state"] != before:
        order_fact(state, out, order, OrderEvent.CANCEL_SENT, before, code)


@kernel
def cancel_all(state: State, out: Out, instrument: int, code: int) -> int:
    """Cancel every open order of one instrument (-1: all), in flight or not; count them."""
    count = 0
    for slot in range(state.core[0]["orders_end"]):
        order = state.orders[slot]
        if order["key"] == 0:
            continue
        if instrument >= 0 and order["instrument"] != instrument:
            continue
        cancel(state, out, slot, code)
        count += 1
    return count


@kernel
def end(state: State, out: Out, slot: int, event: int, to: int, code: int) -> None:
    """Move an order to a terminal state, keep its tombstone, free its slot."""
    order = state.orders[slot]
    before = order["state"]
    order["state"] = to
    release(state, order, order["leaves_lots"])
    order["leaves_lots"] = 0
    order["reserved_atoms"] = 0
    order_fact(state, out, order, event, before, code)
    place = state.rings[0] % TOMBSTONES_CAPACITY
    state.rings[0] += 1
    tombstone = state.tombstones[place]
    tombstone["key"] = order["key"]
    tombstone["venue_order_id"] = order["venue_order_id"]
    tombstone["instrument"] = order["instrument"]
    tombstone["side"] = order["side"]
    tombstone["state"] = to
    tombstone["qty_lots"] = order["qty_lots"]
    tombstone["cum_lots"] = order["cum_lots"]
    tombstone["ended_seq"] = state.core[0]["decision_seq"]
    tombstone["shown"] = 0
    state.instruments[order["instrument"]]["dirty"] = 1
    clear_slot(state, slot)


@kernel
def clear_slot(state: State, slot: int) -> None:
    """Make a slot free; every field returns to zero so that equal states hash equally."""
    core = state.core[0]
    state.orders[slot] = state.orders[ORDERS_CAPACITY]  # The record past the last is blank.
    while core["orders_end"] > 0 and state.orders[core["orders_end"] - 1]["key"] == 0:
        core["orders_end"] -= 1


@kernel
def contradict(state: State, out: Out, order: Any, event: int) -> None:
    """Note a report that the table forbids; what really holds is asked from the venue."""
    note(state, out, order["instrument"], Code.LATE_REPORT, order["state"], event)
    query_order(state, out, order)


@kernel
def is_expected_reject(code: int) -> bool:
    """Tell a miss of a maker's normal life from a reject that something is wrong."""
    return (
        code == VenueCode.WOULD_MATCH
        or code == VenueCode.NOT_ATTEMPTED
        or code == VenueCode.UNKNOWN_ORDER
        or code == VenueCode.NOT_SENT
    )
