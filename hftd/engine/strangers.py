"""Orders that the venue shows and our table does not hold: of another life, or of others.

Owns what is believed and done about each (C34, C39). Must not judge orders of the table
(reconcile.py), nor cancel what does not bear our tag.

| the venue shows | it is | then |
| --- | --- | --- |
| our tag, a later boot than ours | a second instance's | HALT; left to it, but taken by a kill |
| our tag, ended by our table since the list was asked for | explained | nothing |
| our tag, ended before that | a stale list, perhaps | asked again; shown twice it is open |
| our tag, unknown | of a life whose memory is lost | adopted and canceled |
| another tag | of others, or by hand | told once; the profile's policy decides |
| a trade of an order that no list showed | asked for by its id, see strays.py | as above |

Orders of others are never adopted and never canceled here: ``foreign_orders: refuse`` HALTs at
a start and PAUSEs while running, for as long as the venue lists one.
"""

from __future__ import annotations

from typing import Any

from hftd.domain.codes import Code, TradingState
from hftd.domain.facts import FactKind
from hftd.domain.kernel import kernel
from hftd.domain.order import OrderState
from hftd.engine import breaker, chase, known_trades, orders, recovery, strays
from hftd.engine.emit import add_fact, order_note
from hftd.engine.state import KIND_ORDERS, Out, State

SHOWN_TWICE = 2


@kernel
def apply_unknown_order(state: State, event: Any, out: Out) -> None:
    """The venue shows an open order of our tag that the table does not hold."""
    core = state.core[0]
    if orders.is_later_boot(state, event["order_key"]):
        breaker.halt(state, out, Code.SECOND_INSTANCE, event["order_key"], 0)
        if core["state"] != TradingState.KILLED:  # A kill cancels whatever bears our tag.
            return
    place = orders.find_tombstone(state, event["order_key"])
    if place >= 0 and is_explained(state, event, place):
        return
    slot = chase.adopt(state, event, out)
    if slot < 0:
        return
    order = state.orders[slot]
    if core["recovery_phase"] == recovery.Phase.IDLE:
        core["check_found"][KIND_ORDERS] += 1
        order_note(state, out, order, 0, order["leaves_lots"])
        orders.cancel(state, out, slot, Code.RECONCILE_DIFFERENCE)
    if place >= 0 and state.tombstones[place]["state"] == OrderState.REJECTED:
        breaker.halt(state, out, Code.LATE_REPORT, event["kind"], 0)


@kernel
def apply_owner(state: State, event: Any, out: Out) -> None:
    """The venue names the order behind a trade; once all are named the trades are told again."""
    index = event["instrument"]
    place = strays.find(state, index, event["venue_order_id"])
    if place < 0 or event["found"] == 0:  # Where it cannot find the order, it is asked again.
        return
    if event["order_key"] == 0:
        state.strays[place]["of_others"] = 1
    elif claim(state, event, out):
        strays.forget(state, place)
    if not strays.is_waiting(state, index):
        from_id = known_trades.list_from(state.instruments[index])
        recovery.ask_trades(state, out, index, from_id)


@kernel
def claim(state: State, event: Any, out: Out) -> bool:
    """Take an order of our tag that has traded for ours; False where the table is full.

    Of a life whose memory is lost it is adopted: one that lives is canceled, one that is over
    waits in the table for its fills, so that each becomes position.
    """
    core = state.core[0]
    key = event["order_key"]
    live = event["status"] == OrderState.NEW or event["status"] == OrderState.PARTIALLY_FILLED
    place = orders.find_tombstone(state, key)
    if orders.is_later_boot(state, key):
        breaker.halt(state, out, Code.SECOND_INSTANCE, key, 0)
    if orders.find(state, key) >= 0:
        chase.apply_status(state, event, out)
        return True
    if place >= 0 and not live:
        state.tombstones[place]["venue_order_id"] = event["venue_order_id"]
        return True
    if event["qty_lots"] <= chase.booked_lots(state, event):
        return True
    slot = chase.adopt(state, event, out)
    if slot < 0:
        return False
    if core["recovery_phase"] == recovery.Phase.IDLE:
        core["check_found"][KIND_ORDERS] += 1
    if place >= 0 and state.tombstones[place]["state"] == OrderState.REJECTED:
        breaker.halt(state, out, Code.LATE_REPORT, event["kind"], 0)
    if live:
        orders.cancel(state, out, slot, Code.RECONCILE_DIFFERENCE)
    else:
        chase.apply_status(state, event, out)
    return True


@kernel
def is_explained(state: State, event: Any, place: int) -> bool:
    """Tell whether an ended order that is shown may still be a list's delay; count the lists."""
    tombstone = state.tombstones[place]
    if tombstone["ended_seq"] > state.instruments[event["instrument"]]["orders_asked_seq"]:
        return True
    tombstone["shown"] += 1
    if tombstone["shown"] >= SHOWN_TWICE:
        return False
    state.core[0]["check_suspects"][KIND_ORDERS] += 1
    return True


@kernel
def apply_foreign(state: State, event: Any, out: Out) -> None:
    """An order of others: counted where a list shows it, told the first time, never touched."""
    instrument = state.instruments[event["instrument"]]
    if event["found"] == 1:
        instrument["foreign_listed"] += 1
    elif state.core[0]["refuse_foreign"] == 1:
        breaker.pause(state, breaker.PAUSE_FOREIGN)
    if event["venue_order_id"] <= instrument["foreign_seen_id"]:
        return
    instrument["foreign_seen_id"] = event["venue_order_id"]
    fact = add_fact(state, out, FactKind.NOTE, event["instrument"])
    fact["code"] = Code.FOREIGN_ORDERS
    fact["value"] = 1
    fact["venue_order_id"] = event["venue_order_id"]
    fact["side"] = event["side"]
    fact["price_ticks"] = event["price_ticks"]
    fact["qty_lots"] = event["qty_lots"]


@kernel
def judge_foreign(state: State, event: Any, out: Out) -> None:
    """One instrument's list is whole: let the policy on orders of others hold, or lift it."""
    core = state.core[0]
    instrument = state.instruments[event["instrument"]]
    instrument["foreign_orders"] = instrument["foreign_listed"]
    total = 0
    for index in range(state.core[0]["instruments"]):
        total += state.instruments[index]["foreign_orders"]
    if total == 0:
        breaker.lift(state, breaker.PAUSE_FOREIGN)
    elif core["refuse_foreign"] == 1:
        if core["state"] == TradingState.RECOVERING:
            breaker.halt(state, out, Code.FOREIGN_ORDERS, total, 0)
        elif breaker.is_latched(state):
            core["reset_wanted"] = 0  # No clean reconciliation: see commands.reset.
        else:
            breaker.pause(state, breaker.PAUSE_FOREIGN)
