"""Limits changed while trading (C38): tightened at once, loosened only where nothing trades.

Owns which limits may change, and the hash of those in force. A change comes as LIMIT events,
one a value in the engine's own units, and a command that takes all of them or none. Must not
know profiles: whoever proposes has scaled and rounded the values as a start does.

A kernel names a field by its literal, so that each limit stands in four short chains below.
"""

from __future__ import annotations

from typing import Any

from hftd.domain.codes import Code
from hftd.domain.kernel import kernel
from hftd.domain.limits import FIRST_OF_INSTRUMENT, Limit
from hftd.engine import breaker
from hftd.engine.emit import note
from hftd.engine.position import mark_all_dirty
from hftd.engine.state import PROPOSALS_CAPACITY, Out, State

UNKNOWN = -1
MODULUS = (1 << 55) - 55  # A prime; times FACTOR it stays within int64.
FACTOR = 131


@kernel
def of_profile(record: Any, limit: int) -> int:
    """Return a limit of the profile, UNKNOWN where the number is none."""
    if limit == Limit.DAILY_LOSS_ATOMS:
        return record["max_daily_loss_atoms"]
    if limit == Limit.DRAWDOWN_ATOMS:
        return record["max_drawdown_atoms"]
    if limit == Limit.TURNOVER_ATOMS:
        return record["max_turnover_atoms"]
    if limit == Limit.GROSS_EXPOSURE_ATOMS:
        return record["max_gross_exposure_atoms"]
    if limit == Limit.OPEN_NOTIONAL_ATOMS:
        return record["max_open_notional_atoms"]
    if limit == Limit.ORDER_INTERVAL_NS:
        return record["order_interval_ns"]
    if limit == Limit.BOOK_AGE_NS:
        return record["max_book_age_ns"]
    if limit == Limit.UNKNOWN_ORDERS:
        return record["max_unknown_orders"]
    if limit == Limit.ONE_SIDED_FILLS:
        return record["max_one_sided_fills"]
    if limit == Limit.ORDERS_WITHOUT_FILL:
        return record["max_orders_without_fill"]
    if limit == Limit.LOOP_LAG_NS:
        return record["max_loop_lag_ns"]
    if limit == Limit.ACK_NS:
        return record["max_ack_ns"]
    if limit == Limit.PRICE_JUMP_BPS_E2:
        return record["price_jump_bps_e2"]
    return UNKNOWN


@kernel
def set_profile(record: Any, limit: int, value: int) -> None:
    """Set a limit of the profile."""
    if limit == Limit.DAILY_LOSS_ATOMS:
        record["max_daily_loss_atoms"] = value
    elif limit == Limit.DRAWDOWN_ATOMS:
        record["max_drawdown_atoms"] = value
    elif limit == Limit.TURNOVER_ATOMS:
        record["max_turnover_atoms"] = value
    elif limit == Limit.GROSS_EXPOSURE_ATOMS:
        record["max_gross_exposure_atoms"] = value
    elif limit == Limit.OPEN_NOTIONAL_ATOMS:
        record["max_open_notional_atoms"] = value
    elif limit == Limit.ORDER_INTERVAL_NS:
        record["order_interval_ns"] = value
    elif limit == Limit.BOOK_AGE_NS:
        record["max_book_age_ns"] = value
    elif limit == Limit.UNKNOWN_ORDERS:
        record["max_unknown_orders"] = value
    elif limit == Limit.ONE_SIDED_FILLS:
        record["max_one_sided_fills"] = value
    elif limit == Limit.ORDERS_WITHOUT_FILL:
        record["max_orders_without_fill"] = value
    elif limit == Limit.LOOP_LAG_NS:
        record["max_loop_lag_ns"] = value
    elif limit == Limit.ACK_NS:
        record["max_ack_ns"] = value
    elif limit == Limit.PRICE_JUMP_BPS_E2:
        record["price_jump_bps_e2"] = value


@kernel
def of_instrument(record: Any, limit: int) -> int:
    """Return a limit of an instrument, UNKNOWN where the number is none."""
    if limit == Limit.ORDER_LOTS:
        return record["max_order_lots"]
    if limit == Limit.ORDER_LOTS_REDUCE:
        return record["max_order_lots_reduce"]
    if limit == Limit.ORDER_NOTIONAL_ATOMS:
        return record["max_order_notional_atoms"]
    if limit == Limit.ORDER_NOTIONAL_ATOMS_REDUCE:
        return record["max_order_notional_atoms_reduce"]
    if limit == Limit.POSITION_LOTS:
        return record["max_position_lots"]
    if limit == Limit.OPEN_ORDERS:
        return record["max_open_orders"]
    if limit == Limit.COLLAR_BPS_E2:
        return record["collar_bps_e2"]
    if limit == Limit.QUOTE_DISTANCE_BPS_E2:
        return record["max_quote_distance_bps_e2"]
    return UNKNOWN


@kernel
def set_instrument(record: Any, limit: int, value: int) -> None:
    """Set a limit of an instrument."""
    if limit == Limit.ORDER_LOTS:
        record["max_order_lots"] = value
    elif limit == Limit.ORDER_LOTS_REDUCE:
        record["max_order_lots_reduce"] = value
    elif limit == Limit.ORDER_NOTIONAL_ATOMS:
        record["max_order_notional_atoms"] = value
    elif limit == Limit.ORDER_NOTIONAL_ATOMS_REDUCE:
        record["max_order_notional_atoms_reduce"] = value
    elif limit == Limit.POSITION_LOTS:
        record["max_position_lots"] = value
    elif limit == Limit.OPEN_ORDERS:
        record["max_open_orders"] = value
    elif limit == Limit.COLLAR_BPS_E2:
        record["collar_bps_e2"] = value
    elif limit == Limit.QUOTE_DISTANCE_BPS_E2:
        record["max_quote_distance_bps_e2"] = value


@kernel
def in_force(state: State, limit: int, index: int) -> int:
    """Return a limit as it is held now, UNKNOWN where number and instrument name none."""
    if limit < FIRST_OF_INSTRUMENT:
        return of_profile(state.core[0], limit) if index < 0 else UNKNOWN
    if not 0 <= index < state.core[0]["instruments"]:
        return UNKNOWN
    return of_instrument(state.instruments[index], limit)


@kernel
def propose(state: State, event: Any) -> None:
    """Keep one proposed limit until the command that takes or refuses all of them."""
    core = state.core[0]
    if core["proposals"] < PROPOSALS_CAPACITY:
        proposal = state.proposals[core["proposals"]]
        proposal["limit"] = event["limit"]
        proposal["instrument"] = event["instrument"]
        proposal["value"] = event["value"]
    core["proposals"] += 1  # More than there is room for is refused as a whole.


@kernel
def loosens(limit: int, old: int, new: int) -> bool:
    """Tell whether a new value allows more than the old one."""
    if limit == Limit.ORDER_INTERVAL_NS:
        return new < old
    return new > old


@kernel
def judge(state: State, out: Out, count: int) -> int:
    """Return NONE where every proposal may be taken, else why the first may not."""
    for at in range(count):
        proposal = state.proposals[at]
        limit, new = proposal["limit"], proposal["value"]
        old = in_force(state, limit, proposal["instrument"])
        if old == UNKNOWN or new <= 0:
            note(state, out, -1, Code.LIMIT_INVALID, limit, new)
            return Code.LIMIT_INVALID
        if loosens(limit, old, new) and not breaker.is_latched(state):
            note(state, out, proposal["instrument"], Code.LIMIT_LOOSENED, new, old)
            return Code.LIMIT_LOOSENED
    return Code.NONE


@kernel
def take(state: State, event: Any, out: Out) -> int:
    """Take all proposals or none; tell the hash of what is in force then.

    The command's value is the hash of the profile that they come from, for intents to name (C40).
    """
    core = state.core[0]
    count = core["proposals"]
    core["proposals"] = 0
    if count == 0 or count > PROPOSALS_CAPACITY:
        note(state, out, -1, Code.LIMIT_INVALID, count, PROPOSALS_CAPACITY)
        return Code.LIMIT_INVALID
    code = judge(state, out, count)
    if code != Code.NONE:
        return code
    for at in range(count):
        proposal = state.proposals[at]
        if proposal["limit"] < FIRST_OF_INSTRUMENT:
            set_profile(core, proposal["limit"], proposal["value"])
        else:
            record = state.instruments[proposal["instrument"]]
            set_instrument(record, proposal["limit"], proposal["value"])
    if event["value"] != 0:
        core["config_hash"] = event["value"]
    core["order_burst_ns"] = 1_000_000_000 - core["order_interval_ns"]
    mark_all_dirty(state)
    tell(state, out)
    return Code.NONE


@kernel
def limits_hash(state: State) -> int:
    """Return a hash of every limit in force: equal limits, equal hash."""
    value = 1
    for limit in range(Limit.PRICE_JUMP_BPS_E2 + 1):
        value = (value * FACTOR + of_profile(state.core[0], limit) % MODULUS) % MODULUS
    for index in range(state.core[0]["instruments"]):
        for limit in range(FIRST_OF_INSTRUMENT, Limit.QUOTE_DISTANCE_BPS_E2 + 1):
            held = of_instrument(state.instruments[index], limit)
            value = (value * FACTOR + held % MODULUS) % MODULUS
    return value


@kernel
def tell(state: State, out: Out) -> None:
    """Record the hash of the limits in force."""
    note(state, out, -1, Code.LIMITS, limits_hash(state), 0)
