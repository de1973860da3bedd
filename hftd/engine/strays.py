"""Trades whose order nobody here knows: whose they are is asked of the venue, never guessed.

Owns the table of such orders until the venue has named them, and what it said of those of
others. Must not adopt an order (strangers.py) nor book a trade (reports.py).

A list of trades names no client id, and a loss of power may have taken all that we knew of an
order. So no trade of such an order is booked: the order is asked for by the venue's id, and when
every answer is there the trades are listed again. By then the order is in our table, among the
tombstones, or known to be of others. An order that the venue does not name counts as one in
doubt (C27).

Where the table is full, what waits in it comes first; trades of further orders are listed again
with the rest, and asked about then.
"""

from __future__ import annotations

from typing import Any

from hftd.domain.actions import ActionKind
from hftd.domain.kernel import kernel
from hftd.engine.emit import add_action
from hftd.engine.state import STRAYS_CAPACITY, Out, State

ASK_AGAIN_NS = 3_000_000_000


@kernel
def find(state: State, index: int, venue_order_id: int) -> int:
    """Return the place of an order in the table, or -1."""
    for place in range(STRAYS_CAPACITY):
        stray = state.strays[place]
        if stray["venue_order_id"] == venue_order_id and stray["instrument"] == index:
            return place
    return -1


@kernel
def is_of_others(state: State, index: int, venue_order_id: int) -> bool:
    """Tell whether the venue has said that an order does not bear our tag."""
    place = find(state, index, venue_order_id)
    return place >= 0 and state.strays[place]["of_others"] == 1


@kernel
def is_waiting(state: State, index: int) -> bool:
    """Tell whether an order of this instrument is still to be named."""
    for place in range(STRAYS_CAPACITY):
        stray = state.strays[place]
        waits = stray["venue_order_id"] != 0 and stray["of_others"] == 0
        if waits and stray["instrument"] == index:
            return True
    return False


@kernel
def free_place(state: State) -> int:
    """Return a free place, else the oldest answer's, or -1 where all wait."""
    found = -1
    for place in range(STRAYS_CAPACITY):
        stray = state.strays[place]
        if stray["venue_order_id"] == 0:
            return place
        older = found < 0 or stray["since_ns"] < state.strays[found]["since_ns"]
        if stray["of_others"] == 1 and older:
            found = place
    return found


@kernel
def meet(state: State, out: Out, index: int, venue_order_id: int) -> None:
    """Ask the venue for an order that a trade names, unless it is asked already."""
    if venue_order_id == 0 or find(state, index, venue_order_id) >= 0:
        return
    place = free_place(state)
    if place < 0:
        return
    stray = state.strays[place]
    stray["venue_order_id"] = venue_order_id
    stray["instrument"] = index
    stray["of_others"] = 0
    stray["since_ns"] = state.core[0]["now_ns"]
    ask(state, out, stray)


@kernel
def ask(state: State, out: Out, stray: Any) -> None:
    """Put the question."""
    stray["asked_ns"] = state.core[0]["now_ns"]
    action = add_action(state, out, ActionKind.QUERY_ORDER, stray["instrument"])
    action["venue_order_id"] = stray["venue_order_id"]


@kernel
def ask_again(state: State, out: Out) -> None:
    """Ten times a second: repeat what was not answered."""
    for place in range(STRAYS_CAPACITY):
        stray = state.strays[place]
        waits = stray["venue_order_id"] != 0 and stray["of_others"] == 0
        if waits and state.core[0]["now_ns"] - stray["asked_ns"] >= ASK_AGAIN_NS:
            ask(state, out, stray)


@kernel
def forget(state: State, place: int) -> None:
    """Make a place free; every field returns to zero so that equal states hash equally."""
    stray = state.strays[place]
    stray["venue_order_id"] = 0
    stray["instrument"] = 0
    stray["of_others"] = 0
    stray["since_ns"] = 0
    stray["asked_ns"] = 0


@kernel
def oldest_ns(state: State) -> int:
    """C27: return for how long the oldest has waited."""
    oldest = 0
    for place in range(STRAYS_CAPACITY):
        stray = state.strays[place]
        if stray["venue_order_id"] != 0 and stray["of_others"] == 0:
            oldest = max(oldest, state.core[0]["now_ns"] - stray["since_ns"])
    return oldest
