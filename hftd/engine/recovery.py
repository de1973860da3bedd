"""Start-up is recovery: what we believe is made equal to what the venue shows, then RUNNING.

The same road is taken at start, after every loss of our own reports, and for ``reset``::

    LINKS        order link and user stream are up (reports are buffered by their sockets)
    OPEN_ORDERS  the venue lists what is open; unknown ones of ours are adopted first
    SETTLE       each order of the table is canceled and has reached its end, but those that a
                 start goes on with (settle.py)
    TRADES       own trades by id from the last one listed; what was missed is applied, that of an
                 unknown order once the venue has named the order (strays.py)
    BALANCES     the venue's balances against opening + fills - fees + flows, to the last unit
    HISTORY      only where they differ for good: does the venue still list our last trade?
                 A person may have said that the rest are flows: booked, and all compared again

Every list counts that was asked for since the links are up: nothing is created meanwhile, and a
venue that takes longer for each than we wait would never be heard. One from before may lack what
happened in between. That HISTORY is empty counts where it was asked for as such.

A difference is tried three times, since a report may be on its way; then it HALTs, as VENUE_RESET
where our trades are gone as well, and each difference is a fact with both numbers. Fills are
never made up. Where a clean end leads follows from the state alone: RECOVERING to RUNNING, or
to PAUSED where a pause that only ``resume`` ends outlived the boot; HALTED and KILLED to PAUSED if
``reset`` was asked for and nothing has halted since; a pause for lost reports is lifted.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from hftd.domain.actions import ActionKind
from hftd.domain.codes import Code, TradingState
from hftd.domain.facts import FactKind
from hftd.domain.kernel import kernel
from hftd.engine import breaker, known_trades, orders, settle, strays, venue_reset
from hftd.engine.emit import add_action, add_fact, ask_open_orders, balance_note, note
from hftd.engine.position import balance_fact, book_flow, expected_atoms, position_fact, told_atoms
from hftd.engine.state import KIND_ORDERS, ORDERS_CAPACITY, Out, State

ATTEMPTS = 3
AGAIN_NS = 300_000_000
ANSWER_LATE_NS = 3_000_000_000  # A phase without its answers starts again.
HISTORY_LATE_NS = 6_000_000_000  # No other answer counts here: a slow venue has to be heard.
BASELINE = -1  # ASK_TRADES from here: only the newest page, to learn the last id.


class Phase(IntEnum):
    """How far a recovery has come."""

    IDLE = 0
    LINKS = 1
    OPEN_ORDERS = 2
    SETTLE = 3
    TRADES = 4
    BALANCES = 5
    AGAIN = 6
    HISTORY = 7


@kernel
def start(state: State, out: Out) -> None:
    """Begin a reconciliation; it waits for the links by itself. Nothing is created before."""
    core = state.core[0]
    core["recovery_attempt"] = 0
    core["recovery_differed"] = 0
    core["recovery_clean"] = 0
    core["venue_remembers"] = venue_reset.NOT_ASKED
    for slot in range(ORDERS_CAPACITY):  # The last recovery's lists and answers prove nothing now.
        state.orders[slot]["seen_attempt"] = 0
        state.orders[slot]["denied_attempt"] = 0
    enter(state, out, Phase.LINKS)
    advance(state, out)


@kernel
def enter(state: State, out: Out, phase: int) -> None:
    """Move to a phase and ask what it needs."""
    core = state.core[0]
    count = core["instruments"]
    if phase == Phase.LINKS or phase == Phase.AGAIN:
        settle.refuse_found(state, out)
    core["recovery_phase"] = phase
    core["recovery_since_ns"] = core["now_ns"]
    for index in range(count):
        state.instruments[index]["awaited"] = 1
    if phase == Phase.OPEN_ORDERS:
        core["recovery_attempt"] += 1
        core["check_suspects"][KIND_ORDERS] = 0
        for index in range(count):
            ask_open_orders(state, out, index)
    elif phase == Phase.SETTLE:
        settle.settle_orders(state, out)
    elif phase == Phase.TRADES:
        for index in range(count):
            ask_trades(state, out, index, known_trades.list_from(state.instruments[index]))
    elif phase == Phase.BALANCES:
        add_action(state, out, ActionKind.ASK_BALANCES, -1)
    elif phase == Phase.HISTORY:
        for index in range(count):
            instrument = state.instruments[index]
            from_id = min(instrument["own_trade_id"], known_trades.list_from(instrument))
            ask_trades(state, out, index, from_id)


@kernel
def is_awaited(state: State, event: Any, phase: int) -> bool:
    """Tell whether the end of a list belongs to this phase of this recovery."""
    core = state.core[0]
    return core["recovery_phase"] == phase and event["until_ns"] >= core["recovery_began_ns"]


@kernel
def is_last_awaited(state: State, index: int) -> bool:
    """Take one instrument's answer; tell whether every instrument has answered now."""
    state.instruments[index]["awaited"] = 0
    for other in range(state.core[0]["instruments"]):
        if state.instruments[other]["awaited"] == 1:
            return False
    return True


@kernel
def ask_trades(state: State, out: Out, index: int, trade_id: int) -> None:
    """Ask for own trades from an id on; a new ledger asks where history stands."""
    opening = state.balances[state.instruments[index]["base_asset"]]["opening_known"]
    action = add_action(state, out, ActionKind.ASK_TRADES, index)
    action["trade_id"] = trade_id if opening == 1 else BASELINE


@kernel
def advance(state: State, out: Out) -> None:
    """Go on where the present phase has what it waited for; start again where it is late."""
    learn_opening_mids(state)
    core = state.core[0]
    phase = core["recovery_phase"]
    age = core["now_ns"] - core["recovery_since_ns"]
    if phase == Phase.IDLE:
        return
    if core["order_up"] == 0 or core["user_up"] == 0:
        if phase != Phase.LINKS:
            enter(state, out, Phase.LINKS)
        return
    if phase == Phase.LINKS:
        core["recovery_began_ns"] = core["now_ns"]
        enter(state, out, Phase.OPEN_ORDERS)
    elif phase == Phase.AGAIN and age >= AGAIN_NS:
        enter(state, out, Phase.OPEN_ORDERS)
    elif phase == Phase.SETTLE:
        settle.refuse_found(state, out)
        if settle.is_settled(state):
            enter(state, out, Phase.TRADES)
    elif phase != Phase.AGAIN and age >= late_ns(phase):
        enter(state, out, Phase.AGAIN)


@kernel
def late_ns(phase: int) -> int:
    """Return how long a phase waits for its answers."""
    return HISTORY_LATE_NS if phase == Phase.HISTORY else ANSWER_LATE_NS


@kernel
def learn_opening_mids(state: State) -> None:
    """Keep what opening holdings were worth: the first mid since their opening was fixed."""
    for index in range(state.core[0]["instruments"]):
        instrument = state.instruments[index]
        if instrument["opening_mid_half_ticks"] != 0 or instrument["market_valid"] == 0:
            continue
        if state.balances[instrument["base_asset"]]["opening_known"] == 1:
            instrument["opening_mid_half_ticks"] = instrument["mid_half_ticks"]


@kernel
def apply_open_orders_end(state: State, event: Any, out: Out) -> None:
    """One instrument's open orders are told."""
    index = event["instrument"]
    state.instruments[index]["open_orders_told_ns"] = state.core[0]["now_ns"]
    if is_awaited(state, event, Phase.OPEN_ORDERS) and is_last_awaited(state, index):
        if state.core[0]["check_suspects"][KIND_ORDERS] > 0:
            enter(state, out, Phase.AGAIN)  # The list shows an order that has ended: see strangers.
            return
        enter(state, out, Phase.SETTLE)
        advance(state, out)


@kernel
def learn_baseline(state: State, event: Any) -> None:
    """A trade from before the ledger's first run: only its id is kept, so that it stays out."""
    instrument = state.instruments[event["instrument"]]
    trade_id = event["trade_id"]
    instrument["own_trade_id"] = max(instrument["own_trade_id"], trade_id)
    instrument["forgotten_trade_id"] = max(instrument["forgotten_trade_id"], trade_id)


@kernel
def is_baseline(state: State, event: Any) -> bool:
    """Tell whether a listed trade is from before the opening of a ledger that has none yet.

    What a report tells meanwhile is no part of the list: it names its order and counts its lots.
    An adopted order came with what it had filled by then; what it trades later is ours.
    """
    if event["order_key"] != 0 or event["cum_qty_lots"] != 0:
        return False
    opening = state.balances[state.instruments[event["instrument"]]["base_asset"]]["opening_known"]
    slot = orders.find_reported(state, event)
    if opening == 0 and slot >= 0:
        return event["exch_ts_ns"] <= state.orders[slot]["adopted_exch_ns"]
    return state.core[0]["recovery_phase"] == Phase.TRADES and opening == 0


@kernel
def apply_trades_end(state: State, event: Any, out: Out) -> None:
    """One page of own trades is told; a full page is followed by the next."""
    index = event["instrument"]
    state.instruments[index]["trades_told_ns"] = state.core[0]["now_ns"]
    if is_awaited(state, event, Phase.HISTORY):
        judge_history(state, event, out)
    if state.core[0]["recovery_phase"] == Phase.SETTLE:
        follow_fills(state, event, out)
    if not is_awaited(state, event, Phase.TRADES):
        return
    if known_trades.is_full(event) and not is_baseline(state, event):
        ask_trades(state, out, index, event["trade_id"])
    elif not strays.is_waiting(state, index) and is_last_awaited(state, index):
        enter(state, out, Phase.BALANCES)


@kernel
def follow_fills(state: State, event: Any, out: Out) -> None:
    """A full page that leaves an order short of its fills is followed by the next one.

    What chase.py asks anew begins before that order was sent, and would tell the first page for
    ever; it waits while pages follow each other.
    """
    if not known_trades.is_full(event):
        return
    short = 0
    for slot in range(state.core[0]["orders_end"]):
        order = state.orders[slot]
        if order["instrument"] == event["instrument"] and order["final_state"] != 0:
            order["fills_asked_ns"] = state.core[0]["now_ns"]
            short += 1
    if short > 0:
        action = add_action(state, out, ActionKind.ASK_TRADES, event["instrument"])
        action["trade_id"] = event["trade_id"]


@kernel
def apply_balances_end(state: State, event: Any, out: Out) -> None:
    """All balances are told: fix the opening of a new ledger, else compare to the last unit."""
    core = state.core[0]
    if not is_awaited(state, event, Phase.BALANCES):
        return
    differences = 0
    for asset in range(state.core[0]["assets"]):
        balance = state.balances[asset]
        if balance["opening_known"] == 0:
            moved = balance["traded_atoms"] + balance["flow_atoms"]
            balance["opening_known"] = 1
            balance["opening_atoms"] = told_atoms(balance) - moved
            balance_fact(state, out, asset)
        elif told_atoms(balance) != expected_atoms(balance):
            differences += 1
    if differences == 0:
        finish(state, out)
        return
    core["recovery_differed"] += 1
    if core["recovery_differed"] < ATTEMPTS:
        enter(state, out, Phase.AGAIN)
    elif venue_reset.has_trades(state):
        enter(state, out, Phase.HISTORY)
    else:
        judge_difference(state, out)


@kernel
def judge_history(state: State, event: Any, out: Out) -> None:
    """One instrument's trades from our last one on are told: one that lists any remembers us.

    An empty list says so only where it was asked for from that one: the late answer to an earlier
    question, which began behind it, would name a wipe that never was.
    """
    if event["order_count"] > 0:
        state.core[0]["venue_remembers"] = venue_reset.REMEMBERS
        judge_difference(state, out)
    elif event["until_ns"] < state.core[0]["recovery_since_ns"]:
        return
    elif is_last_awaited(state, event["instrument"]):
        state.core[0]["venue_remembers"] = venue_reset.FORGOT
        refuse(state, out, Code.VENUE_RESET)


@kernel
def judge_difference(state: State, out: Out) -> None:
    """Orders and trades agree and balances do not: a person has accepted that, or shall look."""
    if state.core[0]["reset_wanted"] == 1 and state.core[0]["accepts_flows"] == 1:
        accept_flows(state, out)
    else:
        refuse(state, out, Code.RECONCILE_DIFFERENCE)


@kernel
def accept_flows(state: State, out: Out) -> None:
    """Book what differs as flows that nobody reported; then all is compared once more.

    Position and PnL stay. Once: what differs after that is refused like any difference.
    """
    core = state.core[0]
    for asset in range(state.core[0]["assets"]):
        balance = state.balances[asset]
        delta_atoms = told_atoms(balance) - expected_atoms(balance)
        if delta_atoms != 0:
            book_flow(state, out, asset, delta_atoms)
    core["accepts_flows"] = 0
    core["recovery_differed"] = 0
    enter(state, out, Phase.AGAIN)


@kernel
def refuse(state: State, out: Out, code: int) -> None:
    """Books and venue differ for good: print both sides of each and stay HALTED."""
    core = state.core[0]
    differences = 0
    for asset in range(state.core[0]["assets"]):
        balance = state.balances[asset]
        told, expected = told_atoms(balance), expected_atoms(balance)
        if told != expected:
            differences += 1
            balance_note(state, out, asset, Code.RECONCILE_DIFFERENCE, expected, told)
    core["recovery_phase"] = Phase.IDLE
    core["reset_wanted"] = 0
    if breaker.is_latched(state) and code == Code.VENUE_RESET:  # No halt follows a halt.
        note(state, out, -1, code, differences, 0)
    breaker.halt(state, out, code, differences, 0)


@kernel
def set_target(state: State, index: int) -> None:
    """Fix the position to return to: where the profile names a holding, that less the opening."""
    instrument = state.instruments[index]
    target = instrument["target_base_atoms"]
    if target >= 0:
        opening = state.balances[instrument["base_asset"]]["opening_atoms"]
        instrument["target_position_lots"] = (target - opening) // instrument["lot_atoms"]


@kernel
def finish(state: State, out: Out) -> None:
    """Books and venue agree: go where the state leads."""
    core = state.core[0]
    core["recovery_phase"] = Phase.IDLE
    core["recovery_clean"] = 1
    core["venue_remembers"] = venue_reset.NOT_ASKED
    core["venue_checked_ns"] = core["now_ns"]
    core["user_alive_ns"] = core["now_ns"]
    for index in range(state.core[0]["instruments"]):
        known_trades.all_agrees(state, index)
        set_target(state, index)
        position_fact(state, out, index)
    fact = add_fact(state, out, FactKind.NOTE, -1)
    fact["code"] = Code.RECONCILED
    breaker.lift(state, breaker.PAUSE_USER_STREAM)
    core["check_differed"][:] = 0
    core["check_due_ns"][:] = core["now_ns"] + core["check_period_ns"]
    breaker.lift(state, breaker.PAUSE_RECONCILE)
    if core["state"] == TradingState.RECOVERING:
        breaker.leave_recovering(state, out)
    elif breaker.is_latched(state):
        if core["kill_requested_ns"] == 0:  # Latched since before this boot: nothing was sent.
            core["venue_clear"] = 1
        if core["reset_wanted"] != 0 and core["journal_failed"] == 0:  # It may fail meanwhile.
            breaker.leave_latch(state, out)
