"""What the venue reports about our orders and account, applied once each.

Owns the meaning of a report for order, position and balance. Fills are keyed by the
venue's trade id, so that a report, a reply and a query may all tell the same one. Which
state an order moves to stands in orders.py.

A FILL names its order by our key (reports) or by the venue's id alone (lists of trades). Whose it
is where that order is in no table:

| the FILL | it is |
| --- | --- |
| a report, the order bears another tag | of others: an external flow |
| a report, our tag, a later boot than ours | a second instance's: booked, and HALTs |
| any other | not booked before the venue has named its order (strays.py) |

An order of ours that has no venue id yet, and that such a trade fits, may be that one: what said
that it does not exist counts no more, until the venue has named the trade's order.
"""

from __future__ import annotations

from typing import Any

from hftd.domain.codes import Code, VenueCode
from hftd.domain.events import EventKind
from hftd.domain.facts import FactKind
from hftd.domain.instrument import InstrumentStatus
from hftd.domain.kernel import kernel
from hftd.domain.order import FeeAsset, OrderEvent, OrderState, Side
from hftd.engine import breaker, known_trades, orders, strays, tripwires
from hftd.engine.emit import add_fact, order_fact
from hftd.engine.exposure import others_atoms
from hftd.engine.position import (
    apply_fill as book_fill,
)
from hftd.engine.position import (
    apply_foreign_fill,
    balance_fact,
    book_flow,
    excess_lots,
    flow_fact,
    mark,
    mark_all_dirty,
    position_fact,
)
from hftd.engine.prints import forget_own_trade
from hftd.engine.state import KIND_TRADES, WINDOW_CAPACITY, Out, State

REPORT_LATE_NS = 1_000_000_000  # A fill that a list told first may have its report on the way.


@kernel
def doubt_absence(state: State, event: Any) -> None:
    """Believe again in each order without a venue id that a trade of an unknown order fits."""
    for slot in range(state.core[0]["orders_end"]):
        order = state.orders[slot]
        if order["key"] == 0 or order["venue_order_id"] != 0:
            continue
        if order["instrument"] != event["instrument"] or order["side"] != event["side"]:
            continue
        sign = 1 if order["side"] == Side.BUY else -1
        within = sign * (order["price_ticks"] - event["price_ticks"]) >= 0
        if within and event["qty_lots"] <= order["leaves_lots"]:
            order["not_found_ns"] = 0


@kernel
def acknowledge(state: State, order: Any, before: int) -> None:
    """Note when the venue first told of an order.

    C28 judges answers: what a query found of an order in doubt says nothing of their pace.
    """
    order["acked_ns"] = state.core[0]["now_ns"]
    if before == OrderState.PENDING_NEW:
        tripwires.keep_ack(state, order["acked_ns"] - order["sent_ns"])


@kernel
def apply_accepted(state: State, event: Any, out: Out) -> None:
    """The venue has the order; one whose cancel is wanted is canceled as it surfaces."""
    slot = orders.find_reported(state, event)
    if slot < 0:
        revive(state, out, event)
        return
    order = state.orders[slot]
    before = order["state"]
    if event["venue_order_id"] != 0:
        order["venue_order_id"] = event["venue_order_id"]
    if order["final_state"] != 0:
        return
    order["state"] = orders.next_state(before, OrderEvent.ACCEPTED, order["cum_lots"])
    order["unknown_since_ns"] = 0
    order["query_at_ns"] = 0
    if order["acked_ns"] == 0:
        acknowledge(state, order, before)
        order_fact(state, out, order, OrderEvent.ACCEPTED, before, Code.NONE)
        state.instruments[order["instrument"]]["dirty"] = 1
    if order["cancel_wanted"] == 1 and before != order["state"]:
        orders.cancel(state, out, slot, Code.NONE)


@kernel
def revive(state: State, out: Out, event: Any) -> None:
    """A report names an order that is not open: harmless repetition, or a broken belief.

    An order that we declared never accepted and that lives after all is the latter.
    """
    if orders.is_later_boot(state, event["order_key"]):
        breaker.halt(state, out, Code.SECOND_INSTANCE, event["order_key"], 0)
        return
    place = orders.find_reported_tombstone(state, event)
    if place >= 0 and state.tombstones[place]["state"] == OrderState.REJECTED:
        breaker.halt(state, out, Code.LATE_REPORT, event["kind"], 0)


@kernel
def apply_fill(state: State, event: Any, out: Out) -> None:
    """Apply one execution, once, to order, position and balances.

    One of an order that is over is booked all the same, and halts. One from before a change of
    the venue's steps has no quantity in ours: money is never rounded, so a person has to look.
    """
    index = event["instrument"]
    if known_trades.was_seen(state, index, event["trade_id"], event["side"]):
        return
    if event["qty_lots"] == 0:
        known_trades.remember(state, index, event["trade_id"], event["side"])
        if state.balances[state.instruments[index]["base_asset"]]["opening_known"] == 1:
            breaker.halt(state, out, Code.LATE_REPORT, event["trade_id"], 0)
        return
    slot = orders.find_reported(state, event)
    if slot < 0 and not is_known(state, event):
        apply_unowned(state, event, out)
        return
    known_trades.remember(state, index, event["trade_id"], event["side"])
    forget_own_trade(state.instruments[index], event["trade_id"])
    excess = excess_lots(state.instruments[index])
    book_fill(state, index, event)
    mark(state, index)
    if slot >= 0:
        tell_lost_report(state, event, out, slot)
        if state.orders[slot]["cum_lots"] == 0:
            tripwires.count_filled_order(state, index, event["side"], excess)
        apply_fill_to_order(state, event, out, slot)
    else:
        state.instruments[index]["released_lots"][event["side"]] -= event["qty_lots"]
        fill_fact(state, out, event, event["order_key"])
        if orders.is_later_boot(state, event["order_key"]):
            breaker.halt(state, out, Code.SECOND_INSTANCE, event["order_key"], 0)
        breaker.halt(state, out, Code.LATE_REPORT, event["trade_id"], event["qty_lots"])
    position_fact(state, out, index)


@kernel
def is_known(state: State, event: Any) -> bool:
    """Tell whether a FILL of no open order is of one that has ended, or of a second instance."""
    if orders.is_later_boot(state, event["order_key"]):
        return True
    return orders.find_reported_tombstone(state, event) >= 0


@kernel
def tell_lost_report(state: State, event: Any, out: Out, slot: int) -> None:
    """C35: a fill that only the list of trades told, long after, with nothing that announced it."""
    core = state.core[0]
    order = state.orders[slot]
    announced = order["venue_cum_lots"] > order["cum_lots"] or order["unknown_since_ns"] > 0
    if event["order_key"] != 0 or announced or core["recovery_clean"] == 0:
        return
    age_ns = core["now_ns"] + core["venue_offset_ns"] - event["exch_ts_ns"]
    if event["exch_ts_ns"] == 0 or age_ns <= REPORT_LATE_NS:
        return
    core["check_found"][KIND_TRADES] += 1
    fact = add_fact(state, out, FactKind.DIFFERENCE, event["instrument"])
    fact["code"] = Code.LOST_REPORT
    fact["order_key"] = order["key"]
    fact["venue_order_id"] = event["venue_order_id"]
    fact["trade_id"] = event["trade_id"]
    fact["side"] = event["side"]
    fact["bound"] = event["qty_lots"]


@kernel
def apply_unowned(state: State, event: Any, out: Out) -> None:
    """A trade of an order we do not know: a flow where that is of others, else left for later."""
    index, venue_order_id = event["instrument"], event["venue_order_id"]
    is_report = event["cum_qty_lots"] > 0  # Which names the order's client id; a list does not.
    of_others = is_report and event["order_key"] == 0
    if not of_others and not strays.is_of_others(state, index, venue_order_id):
        known_trades.miss_from(state, index, event["trade_id"])
        doubt_absence(state, event)
        strays.meet(state, out, index, venue_order_id)
        return
    known_trades.remember(state, index, event["trade_id"], event["side"])
    apply_foreign_fill(state, index, event)
    foreign_fact(state, out, event)


@kernel
def apply_fill_to_order(state: State, event: Any, out: Out, slot: int) -> None:
    """Move an open order by a fill; end it when it is full or its report is complete."""
    order = state.orders[slot]
    before = order["state"]
    order["cum_lots"] += event["qty_lots"]
    if event["venue_order_id"] != 0:
        order["venue_order_id"] = event["venue_order_id"]
    if order["acked_ns"] == 0:
        acknowledge(state, order, before)
    fill_fact(state, out, event, order["key"])
    final = order["final_state"]
    whole = order["qty_lots"] if final == 0 else order["venue_cum_lots"]
    order["leaves_lots"] = whole - order["cum_lots"]
    if order["leaves_lots"] < 0:  # The venue filled more than we ordered, or than it said.
        breaker.halt(state, out, Code.LATE_REPORT, order["cum_lots"], whole)
    if order["leaves_lots"] <= 0:
        to = OrderState.FILLED if final == 0 else final
        orders.end(state, out, slot, ending_event(to), to, Code.NONE)
        return
    orders.reserve(state, order)
    if final == 0:
        order["unknown_since_ns"] = 0
        order["query_at_ns"] = 0
        order["state"] = orders.next_state(before, OrderEvent.FILL_PARTIAL, order["cum_lots"])
    order_fact(state, out, order, OrderEvent.FILL_PARTIAL, before, Code.NONE)
    surfaced = before == OrderState.PENDING_NEW or before == OrderState.UNKNOWN
    if surfaced and order["cancel_wanted"] == 1 and final == 0:
        orders.cancel(state, out, slot, Code.NONE)


@kernel
def ending_event(to: int) -> int:
    """Return the event by which an order comes to a terminal state."""
    if to == OrderState.FILLED:
        return OrderEvent.FILL_FULL
    if to == OrderState.EXPIRED:
        return OrderEvent.EXPIRED
    return OrderEvent.CANCELED


@kernel
def fill_fact(state: State, out: Out, event: Any, key: int) -> None:
    """Record one execution of ours."""
    fact = add_fact(state, out, FactKind.FILL, event["instrument"])
    fact["exch_ts_ns"] = event["exch_ts_ns"]
    fact["order_key"] = key
    fact["venue_order_id"] = event["venue_order_id"]
    fact["trade_id"] = event["trade_id"]
    fact["side"] = event["side"]
    fact["liquidity"] = event["liquidity"]
    fact["price_ticks"] = event["price_ticks"]
    fact["qty_lots"] = event["qty_lots"]
    fact["fee_atoms"] = event["fee_atoms"]
    fact["fee_asset"] = event["fee_asset"]
    instrument = state.instruments[event["instrument"]]
    fact["mid_half_ticks"] = instrument["mid_half_ticks"]
    fact["position_lots"] = instrument["position_lots"]


@kernel
def foreign_fact(state: State, out: Out, event: Any) -> None:
    """Record a trade that is not ours as flows of base and quote, and of the fee's asset."""
    instrument = state.instruments[event["instrument"]]
    sign = 1 if event["side"] == Side.BUY else -1
    base = sign * event["qty_lots"] * instrument["lot_atoms"]
    quote = -sign * event["price_ticks"] * event["qty_lots"] * instrument["unit_atoms"]
    if event["fee_asset"] == FeeAsset.BASE:
        base -= event["fee_atoms"]
    elif event["fee_asset"] == FeeAsset.QUOTE:
        quote -= event["fee_atoms"]
    flow_fact(state, out, instrument["base_asset"], base)
    flow_fact(state, out, state.core[0]["quote_asset"], quote)
    third = event["fee_asset"] == FeeAsset.OTHER
    if third and event["asset"] != state.core[0]["quote_asset"]:
        flow_fact(state, out, event["asset"], -event["fee_atoms"])


@kernel
def apply_ended(state: State, event: Any, out: Out, to: int) -> None:
    """The venue says that an order is over, with so much filled.

    Fills that the report counts and that have not arrived keep the order open, with just
    their quantity as exposure, until they do (they are asked for after half a second, and at
    once where the order was in doubt: a doubt ends with its fills, and is as old as it was).
    """
    slot = orders.find_reported(state, event)
    if slot < 0:
        revive(state, out, event)
        return
    order = state.orders[slot]
    now = state.core[0]["now_ns"]
    if event["venue_order_id"] != 0:
        order["venue_order_id"] = event["venue_order_id"]
    order["venue_cum_lots"] = max(order["venue_cum_lots"], event["cum_qty_lots"])
    missing = order["venue_cum_lots"] - order["cum_lots"]
    if missing <= 0:
        orders.end(state, out, slot, ending_event(to), to, Code.NONE)
        return
    before = order["state"]
    if order["final_state"] == 0:
        order["state"] = orders.next_state(before, OrderEvent.FILLS_MISSING, order["cum_lots"])
        if order["unknown_since_ns"] == 0:
            order["unknown_since_ns"] = now
        order["fills_asked_ns"] = order["unknown_since_ns"]
        order["query_at_ns"] = 0
    order["final_state"] = to
    orders.release(state, order, order["leaves_lots"] - missing)
    order["leaves_lots"] = missing
    orders.reserve(state, order)
    if order["state"] != before:
        order_fact(state, out, order, OrderEvent.FILLS_MISSING, before, Code.NONE)


@kernel
def apply_rejected(state: State, event: Any, out: Out) -> None:
    """The venue refused a create; what a maker expects is told apart from trouble."""
    slot = orders.find_reported(state, event)
    if slot < 0:
        return
    order = state.orders[slot]
    if orders.next_state(order["state"], OrderEvent.REJECTED, 0) == orders.ILLEGAL:
        orders.contradict(state, out, order, OrderEvent.REJECTED)
        return
    core = state.core[0]
    expected = orders.is_expected_reject(event["code"])
    fact = add_fact(state, out, FactKind.REJECT, order["instrument"])
    fact["order_key"] = order["key"]
    fact["side"] = order["side"]
    fact["venue_code"] = event["code"]
    fact["post_only"] = 1 if event["code"] == VenueCode.WOULD_MATCH else 0
    if event["code"] == VenueCode.WOULD_MATCH:
        core["post_only_missed"] += 1
        state.targets[order["instrument"], order["side"]]["miss_away_ticks"] = 1
    elif event["code"] == VenueCode.MARKET_CLOSED:  # C02, until a listing says TRADING again.
        state.instruments[order["instrument"]]["status"] = InstrumentStatus.BREAK
    elif event["code"] == VenueCode.WRONG_TIME:  # C24, until the next sample of its clock.
        breaker.pause(state, breaker.PAUSE_CLOCK)
    elif not expected:
        core["rejected"] += 1
        core["reject_ns"][core["reject_next"] % WINDOW_CAPACITY] = core["now_ns"]
        core["reject_next"] += 1
    orders.end(state, out, slot, OrderEvent.REJECTED, OrderState.REJECTED, Code.NONE)
    if event["code"] == VenueCode.DUPLICATE_ID:  # C10: an id of ours is in use already.
        breaker.halt(state, out, Code.CLIENT_ID_CLASH, event["order_key"], 0)


@kernel
def apply_cancel_rejected(state: State, event: Any, out: Out) -> None:
    """A cancel failed: never proof of anything, so the order is asked for."""
    slot = orders.find_reported(state, event)
    if slot < 0:
        return
    order = state.orders[slot]
    before = order["state"]
    if order["final_state"] != 0:
        return
    order["state"] = orders.next_state(before, OrderEvent.CANCEL_REJECTED, order["cum_lots"])
    order["query_at_ns"] = state.core[0]["now_ns"]
    if order["state"] != before:
        order_fact(state, out, order, OrderEvent.CANCEL_REJECTED, before, Code.NONE)


@kernel
def apply_unknown(state: State, event: Any, out: Out) -> None:
    """The answer to a create or cancel is lost: nothing is sent again, the order is asked for."""
    slot = orders.find_reported(state, event)
    if slot < 0:
        return
    order = state.orders[slot]
    before = order["state"]
    now = state.core[0]["now_ns"]
    if order["final_state"] != 0:
        return
    if event["kind"] == EventKind.OUTCOME_UNKNOWN:
        order["state"] = orders.next_state(before, OrderEvent.OUTCOME_UNKNOWN, 0)
    if order["query_at_ns"] == 0:
        order["query_at_ns"] = now
    if order["state"] != before:
        order["unknown_since_ns"] = now
        order_fact(state, out, order, OrderEvent.OUTCOME_UNKNOWN, before, Code.NONE)


@kernel
def apply_balance(state: State, event: Any, out: Out) -> None:
    """Take over what the venue says of an asset."""
    balance = state.balances[event["asset"]]
    balance["known"] = 1
    balance["free_atoms"] = event["free_atoms"]
    balance["locked_atoms"] = event["locked_atoms"]
    balance["others_atoms"] = others_atoms(state, event["asset"])
    balance_fact(state, out, event["asset"])
    mark_all_dirty(state)


@kernel
def apply_flow(state: State, event: Any, out: Out) -> None:
    """A deposit, withdrawal or transfer: it moves the baseline, not the PnL."""
    book_flow(state, out, event["asset"], event["delta_atoms"])
