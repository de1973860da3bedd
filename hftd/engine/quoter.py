"""The difference between what is wanted and what is open, as wishes.

Owns when an order of ours is left, moved or pulled. Must not judge risk: every wish but a
cancel goes through the gate, which allows or refuses it (step.py).

    open on the side            wanted                      wish
    nothing                     quote                       SUBMIT, post-only
    nothing on either side      take                        SUBMIT, IOC
    any                         nothing                     CANCEL each, at once
    same price and size         quote                       none: it keeps its queue place
    larger than wanted          quote                       CANCEL_REPLACE
    smaller than wanted         quote                       none until leaves are under half of it
    another price               quote                       CANCEL_REPLACE, stops on failure
    a leg in flight or UNKNOWN  quote                       none: one working order a side

Replacing for a smaller size gives up the queue place; amending that keeps it is not built yet.
A quote is not moved before its minimum life, and a refused side waits; pulling never waits.
Sizes are brought to the canary's scale here, rounded down to lots. A side that wishes for an
order is told as quoted, or not, once the gate has judged the wish.
"""

from __future__ import annotations

from typing import Any

from hftd.domain.actions import ActionKind
from hftd.domain.codes import BookState, Code, OnStart, TradingState
from hftd.domain.facts import FactKind
from hftd.domain.instrument import InstrumentStatus
from hftd.domain.kernel import kernel
from hftd.domain.order import OrderState, Side, TimeInForce
from hftd.engine import settle
from hftd.engine.emit import add_fact, add_wish
from hftd.engine.exposure import (
    free_atoms,
    open_count,
    open_lots,
    per_lot_atoms,
    spent_asset,
)
from hftd.engine.position import excess_lots
from hftd.engine.state import N_WISHES, WISHES_CAPACITY, Out, State
from hftd.engine.targets import (
    canary_lots,
    condition,
    least_lots,
    say_waiting,
)

ADOPTED_WAIT_NS = 10_000_000_000  # Adopted orders are not left long without a book.
CANCEL_AGAIN_NS = 1_000_000_000  # A rejected cancel usually raced a fill; the report follows.


@kernel
def diff(state: State, out: Out) -> None:
    """Write wishes for every dirty instrument; what finds no room stays dirty."""
    for index in range(state.core[0]["instruments"]):
        instrument = state.instruments[index]
        if instrument["dirty"] == 0 or leaves_alone(state, index):
            continue
        instrument["dirty"] = 0
        for side in range(2):
            before = out.counts[N_WISHES]
            keep_side(state, out, index, side)
            if not asks(out, before):
                tell(state, out, index, side)


@kernel
def asks(out: Out, before: int) -> bool:
    """Tell whether an order was wished for since then; it is the last wish of its side."""
    count = out.counts[N_WISHES]
    return count > before and out.wishes[count - 1]["kind"] != ActionKind.CANCEL


@kernel
def leaves_alone(state: State, index: int) -> bool:
    """C34: tell whether a start pulls nothing: until a person has looked, under ``refuse``.

    Under ``adopt`` it keeps what it found, until the first book or ten seconds later.
    """
    core = state.core[0]
    if core["on_start"] != OnStart.ADOPT:
        return settle.refuses(core)
    waiting = core["now_ns"] - core["state_since_ns"] < ADOPTED_WAIT_NS
    no_book = state.books[index]["last_update_id"] == 0
    running = core["state"] == TradingState.RUNNING and core["state_code"] == Code.RECONCILED
    return core["state"] == TradingState.RECOVERING or (running and no_book and waiting)


@kernel
def keep_side(state: State, out: Out, index: int, side: int) -> None:
    """Bring one side's orders to its target."""
    target = state.targets[index, side]
    if target["wanted"] == 1:
        check_allowed(state, index, target)
    if target["wanted"] == 0:
        pull(state, out, index, side, target["code"])
    elif target["take"] == 1:
        take(state, out, index, side)
    else:
        rest(state, out, index, side)


@kernel
def check_allowed(state: State, index: int, target: Any) -> None:
    """Refuse a target that no strategy may have: daemon not trading, venue closed, book in doubt.

    The built-in strategies stop at these themselves; one written by a user may not.
    """
    trading = state.core[0]["state"]
    reducing = trading == TradingState.REDUCE_ONLY and target["reduce_only"] == 1
    status = state.instruments[index]["status"]
    book = state.books[index]["state"]
    lots = canary_lots(state, target["qty_lots"])
    least = least_lots(state.instruments[index], max(target["price_ticks"], 1))
    if trading != TradingState.RUNNING and not reducing:
        condition(target, Code.NOT_RUNNING, False, trading, TradingState.RUNNING)
    elif status != InstrumentStatus.TRADING:
        condition(target, Code.NOT_TRADING, False, status, InstrumentStatus.TRADING)
    elif book != BookState.SYNCED:
        condition(target, Code.BOOK_NOT_SYNCED, False, book, BookState.SYNCED)
    elif lots < least:
        condition(target, Code.SIZE_ZERO, False, lots, least)


@kernel
def is_working(order: Any) -> bool:
    """Tell whether the venue has acknowledged the order and no change of it is in flight."""
    state = order["state"]
    return state == OrderState.NEW or state == OrderState.PARTIALLY_FILLED


@kernel
def has_wish_room(out: Out) -> bool:
    """Tell whether another wish fits; the last record is kept blank."""
    return out.counts[N_WISHES] < WISHES_CAPACITY - 1


@kernel
def pull(state: State, out: Out, index: int, side: int, code: int) -> None:
    """Cancel every resting or in-flight order of the side, once each."""
    for slot in range(state.core[0]["orders_end"]):
        order = state.orders[slot]
        if order["key"] == 0 or order["instrument"] != index or order["side"] != side:
            continue
        if order["time_in_force"] == TimeInForce.GTC:
            cancel_once(state, out, order, code)


@kernel
def cancel_once(state: State, out: Out, order: Any, code: int) -> None:
    """Wish to cancel an order unless that is under way."""
    now = state.core[0]["now_ns"]
    if is_working(order):
        due = order["cancel_sent_ns"] == 0 or now - order["cancel_sent_ns"] >= CANCEL_AGAIN_NS
    else:
        due = order["cancel_wanted"] == 0 and order["state"] != OrderState.PENDING_CANCEL
    if not due:
        return
    if not has_wish_room(out):
        state.instruments[order["instrument"]]["dirty"] = 1
        return
    wish = add_wish(state, out, ActionKind.CANCEL, order["instrument"])
    wish["target_key"] = order["key"]
    wish["side"] = order["side"]
    wish["code"] = code


@kernel
def take(state: State, out: Out, index: int, side: int) -> None:
    """Submit an IOC order, only while nothing of ours is open or in flight on either side."""
    if open_count(state, index) > 0:
        return
    if is_waiting(state, index, side):
        say_waiting(state, index, side)
    else:
        wish_order(state, out, index, side, ActionKind.SUBMIT, 0)


@kernel
def rest(state: State, out: Out, index: int, side: int) -> None:
    """Keep at most one working order on the side, where the target wants it."""
    working, others, in_doubt = survey(state, index, side)
    if in_doubt > 0:
        condition(state.targets[index, side], Code.SIDE_IN_DOUBT, False, in_doubt, 0)
        return
    if others > 0:
        cancel_surplus(state, out, index, side, working)
    elif working >= 0:
        revise(state, out, index, side, working)
    elif not is_waiting(state, index, side):
        wish_order(state, out, index, side, ActionKind.SUBMIT, 0)
    if working < 0 and is_waiting(state, index, side):
        say_waiting(state, index, side)


@kernel
def is_waiting(state: State, index: int, side: int) -> bool:
    """Tell whether the gate has just refused the side."""
    return state.core[0]["now_ns"] < state.targets[index, side]["denied_until_ns"]


@kernel
def survey(state: State, index: int, side: int) -> tuple[int, int, int]:
    """Return the slot of the side's first working order (-1: none), how many other orders are
    open, and how many are UNKNOWN.
    """
    working, others, in_doubt = -1, 0, 0
    for slot in range(state.core[0]["orders_end"]):
        order = state.orders[slot]
        if order["key"] == 0 or order["instrument"] != index or order["side"] != side:
            continue
        if order["state"] == OrderState.UNKNOWN:
            in_doubt += 1
        elif working < 0 and is_working(order):
            working = slot
        else:
            others += 1
    return working, others, in_doubt


@kernel
def cancel_surplus(state: State, out: Out, index: int, side: int, kept: int) -> None:
    """Cancel working orders beside the kept one; what is in flight is waited for."""
    for slot in range(state.core[0]["orders_end"]):
        order = state.orders[slot]
        if order["key"] == 0 or order["instrument"] != index or order["side"] != side:
            continue
        if slot != kept and is_working(order):
            cancel_once(state, out, order, Code.DUPLICATE)


@kernel
def revise(state: State, out: Out, index: int, side: int, slot: int) -> None:
    """Leave the working order or replace it; never before its minimum life."""
    target = state.targets[index, side]
    instrument = state.instruments[index]
    order = state.orders[slot]
    now = state.core[0]["now_ns"]
    lots = canary_lots(state, target["qty_lots"])
    away = abs(order["price_ticks"] - target["price_ticks"])
    moved = away > instrument["price_tolerance_ticks"]
    resized = lots < order["leaves_lots"] or 2 * order["leaves_lots"] < lots
    if not moved and not resized:
        return
    too_young = now - order["acked_ns"] < instrument["min_quote_life_ns"]
    if too_young or is_waiting(state, index, side):
        return
    if not fits_beside(state, index, side, lots, target["reduce_only"]):
        cancel_once(state, out, order, Code.POSITION_LIMIT)
    elif not keeps_reserve(state, index, side, target["price_ticks"], lots):
        cancel_once(state, out, order, Code.FUNDS)
    else:
        wish_order(state, out, index, side, ActionKind.CANCEL_REPLACE, order["key"])


@kernel
def keeps_reserve(state: State, index: int, side: int, price_ticks: int, qty_lots: int) -> bool:
    """Tell whether old and new order together leave the reserve alone, where there is one."""
    asset = spent_asset(state, index, side)
    needed = qty_lots * per_lot_atoms(state.instruments[index], side, price_ticks)
    return state.balances[asset]["reserve_atoms"] == 0 or needed <= free_atoms(state, asset)


@kernel
def fits_beside(state: State, index: int, side: int, qty_lots: int, reduce_only: int) -> bool:
    """Tell whether old and new order together keep the position limit.

    Both count until the venue has answered; where they do not fit, the old one goes first.
    """
    instrument = state.instruments[index]
    position = excess_lots(instrument)
    if side == Side.SELL:
        position = -position
    worst = position + open_lots(state, index, side) + qty_lots
    return reduce_only == 1 or worst <= instrument["max_position_lots"]


@kernel
def wish_order(state: State, out: Out, index: int, side: int, kind: int, replaced_key: int) -> None:
    """Wish for the target as an order; what a miss asked of the price is thereby done."""
    target = state.targets[index, side]
    if not has_wish_room(out):
        state.instruments[index]["dirty"] = 1
        return
    wish = add_wish(state, out, kind, index)
    wish["target_key"] = replaced_key
    wish["side"] = side
    wish["price_ticks"] = target["price_ticks"]
    wish["qty_lots"] = canary_lots(state, target["qty_lots"])
    wish["reduce_only"] = target["reduce_only"]
    if target["take"] == 1:
        wish["time_in_force"] = TimeInForce.IOC
    else:
        wish["time_in_force"] = TimeInForce.GTC
        wish["post_only"] = 1
    target["miss_away_ticks"] = 0
    target["miss_update_id"] = 0


@kernel
def tell(state: State, out: Out, index: int, side: int) -> None:
    """Record on change that the side is quoted, or why it is not, with the numbers."""
    target = state.targets[index, side]
    if target["wanted"] == target["quoted"] and target["code"] == target["quoted_code"]:
        return
    target["quoted"] = target["wanted"]
    target["quoted_code"] = target["code"]
    target["reason_since_ns"] = state.core[0]["now_ns"]
    fact = add_fact(state, out, FactKind.QUOTING, index)
    fact["side"] = side
    fact["code"] = target["code"]
    fact["value"] = target["value"]
    fact["bound"] = target["bound"]
    fact["price_ticks"] = target["price_ticks"]
    fact["qty_lots"] = canary_lots(state, target["qty_lots"])
    fact["mid_half_ticks"] = state.instruments[index]["mid_half_ticks"]
    fact["position_lots"] = state.instruments[index]["position_lots"]
