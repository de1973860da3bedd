"""A boot: the world is forgotten, the books are kept, and recovery begins.

Owns what of the state outlives a process. Must not compare anything with the venue
(recovery.py). What a boot restores comes before it, from the journal (drivers/memory.py).
"""

from __future__ import annotations

from typing import Any

from hftd.domain.actions import ActionKind
from hftd.domain.codes import BookState, Code, TradingState
from hftd.domain.kernel import kernel
from hftd.domain.order import OrderEvent, OrderState
from hftd.engine import alerts, breaker, known_trades, limits, recovery, strays
from hftd.engine.emit import add_action, order_fact
from hftd.engine.exposure import open_lots
from hftd.engine.state import ORDERS_CAPACITY, STRAYS_CAPACITY, Out, State


@kernel
def boot(state: State, event: Any, out: Out) -> None:
    """Begin a boot: forget the world, keep the books; nothing leaves before it is clean."""
    core = state.core[0]
    core["epoch"] = event["epoch"]
    core["next_seq"] = 1
    core["on_crash"] = event["on_crash"]
    core["crashed"] = event["crashed"]
    core["pause_mask"] &= breaker.PAUSES_KEPT
    if core["rate_limited_until_ns"] > core["now_ns"]:  # The venue means our address.
        breaker.pause(state, breaker.PAUSE_RATE)
        add_action(state, out, ActionKind.HOLD_BACK, -1)["until_ns"] = core["rate_limited_until_ns"]
    core["market_up"] = 0
    core["order_up"] = 0
    core["user_up"] = 0
    core["clock_sampled_ns"] = 0
    core["clock_bad_since_ns"] = 0
    core["journal_failed"] = 0
    core["stopping"] = 0
    keep_reducing(state, event)
    core["latched"] = event["latched"]
    core["latch_code"] = event["code"]
    core["exit_sent"] = 0
    core["kill_requested_ns"] = 0
    core["venue_clear"] = 0
    core["reset_wanted"] = 0
    core["order_tat_ns"] = 0
    core["loss_seen_ns"] = 0
    core["reject_ns"][:] = 0
    core["breach_ns"][:] = 0
    core["ack_at_ns"][:] = 0
    core["rate_window_ns"][:] = 0
    core["loop_lag_ns"] = 0
    core["orders_since_fill"] = 0
    core["waste_told"] = 0
    core["check_asked_ns"][:] = 0
    core["check_differed"][:] = 0
    core["check_found"][:] = 0
    for index in range(state.core[0]["instruments"]):
        forget_market(state, index)
        open_account(state, index)
    for asset in range(state.core[0]["assets"]):
        state.balances[asset]["known"] = 0
        state.balances[asset]["others_atoms"] = 0
    for place in range(STRAYS_CAPACITY):
        strays.forget(state, place)
    known_trades.miss_all(state)
    doubt_orders(state, out)
    breaker.set_state(state, out, TradingState.RECOVERING, Code.STARTING_UP, 0, 0)
    if event["latched"] != 0:
        breaker.set_state(state, out, event["latched"], event["code"], 0, 0)
        if event["latched"] == TradingState.HALTED:
            come_back_halted(state, event, out)
    core["proposals"] = 0
    limits.tell(state, out)
    recovery.start(state, out)


@kernel
def come_back_halted(state: State, event: Any, out: Out) -> None:
    """Raise the alert of a halt where it was lost."""
    if not alerts.is_raised(state, event["code"]):
        alerts.raise_alert(state, out, event["code"], 0, 0)


@kernel
def keep_reducing(state: State, event: Any) -> None:
    """C15: let no crash keep a loss from being cut; slices wait for the recovery.

    It goes on where it was under way. What a person ended by ``stop`` stays ended, also where the
    venue could not confirm the stop, so that the run counts as crashed. A halt that a loss of
    power took from the journal, and not from the latch's file, begins it anew.
    """
    core = state.core[0]
    told = core["latched"] == event["latched"] and core["latch_code"] == event["code"]
    crashed = event["latched"] == TradingState.HALTED and event["crashed"] == 1
    cuts = crashed and breaker.cuts_loss(state, event["code"])
    for index in range(state.core[0]["instruments"]):
        instrument = state.instruments[index]
        instrument["flatten"] = 1 if cuts and (instrument["flatten"] == 1 or not told) else 0


@kernel
def open_account(state: State, index: int) -> None:
    """C21: begin the account of what is sent with what is open now."""
    instrument = state.instruments[index]
    instrument["boot_position_lots"] = instrument["position_lots"]
    instrument["foreign_orders"] = 0
    for side in range(2):
        instrument["sent_lots"][side] = open_lots(state, index, side)
        instrument["filled_lots"][side] = 0
        instrument["released_lots"][side] = 0


@kernel
def forget_market(state: State, index: int) -> None:
    """Drop what the last boot knew of an instrument's market; a snapshot comes first."""
    instrument = state.instruments[index]
    book = state.books[index]
    book["state"] = BookState.RESYNCING
    book["last_update_id"] = 0
    book["count"][:] = 0
    book["pending_count"] = 0
    book["pending_rows"] = 0
    instrument["frame_ns"] = 0
    instrument["touch_update_id"] = 0
    instrument["bid_ticks"] = 0
    instrument["ask_ticks"] = 0
    instrument["last_trade_ticks"] = 0
    instrument["last_trade_ns"] = 0
    instrument["last_trade_id"] = 0
    instrument["trade_window_ns"][:] = 0
    instrument["mid_window_ns"][:] = 0
    instrument["market_valid"] = 0
    instrument["uncovered_ns"] = 0
    instrument["through_bid_ns"] = 0
    instrument["through_ask_ns"] = 0
    instrument["resync_asked_ns"] = 0
    instrument["resync_attempt"] = 0
    instrument["touch_asked_ns"] = 0
    for side in range(2):
        target = state.targets[index, side]
        target["wanted"] = 0
        target["denied_until_ns"] = 0
        target["denied_code"] = Code.NONE
        target["quoted_code"] = Code.STARTING_UP


@kernel
def doubt_orders(state: State, out: Out) -> None:
    """After a crash nobody knows whether the last frames left: those creates are UNKNOWN."""
    now = state.core[0]["now_ns"]
    for slot in range(ORDERS_CAPACITY):
        order = state.orders[slot]
        if order["key"] == 0:
            continue
        before = order["state"]
        order["query_at_ns"] = 0
        order["query_attempt"] = 0
        order["unknown_since_ns"] = now if order["final_state"] != 0 else 0
        if before == OrderState.PENDING_NEW or before == OrderState.UNKNOWN:
            order["state"] = OrderState.UNKNOWN
            order["unknown_since_ns"] = now
            order_fact(state, out, order, OrderEvent.OUTCOME_UNKNOWN, before, Code.STARTING_UP)
