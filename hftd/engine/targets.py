"""What every strategy writes its targets with: conditions that can be told, sizes that trade.

Owns how a target is cleared, refused and filled, and the conditions that hold for any quote.
Must not know a strategy's own rules, nor orders beyond what they reserve.

A target is a chain of conditions, kept for ``explain``: each with its value and bound, the
first that fails is the target's code. A strategy stops at it.
"""

from __future__ import annotations

from typing import Any

from hftd.domain.codes import BookState, Code, TradingState
from hftd.domain.instrument import InstrumentStatus
from hftd.domain.kernel import kernel
from hftd.domain.order import Side
from hftd.engine.exposure import free_atoms, per_lot_atoms, spent_asset
from hftd.engine.position import excess_lots
from hftd.engine.state import CHECKS_CAPACITY, State

ONE_E6 = 1_000_000


@kernel
def clear_target(target: Any) -> None:
    """Begin a decision: nothing is wanted, no condition stands."""
    target["wanted"] = 0
    target["price_ticks"] = 0
    target["qty_lots"] = 0
    target["take"] = 0
    target["reduce_only"] = 0
    target["code"] = Code.NONE
    target["value"] = 0
    target["bound"] = 0
    target["checks"] = 0


@kernel
def condition(target: Any, code: int, ok: bool, value: int, bound: int) -> bool:
    """Put a condition at the end of the chain and return whether it holds."""
    at = target["checks"]
    assert at < CHECKS_CAPACITY
    target["check_code"][at] = code
    target["check_ok"][at] = 1 if ok else 0
    target["check_value"][at] = value
    target["check_bound"][at] = bound
    target["checks"] = at + 1
    if not ok:
        target["wanted"] = 0
        if target["code"] == Code.NONE:
            target["code"] = code
            target["value"] = value
            target["bound"] = bound
    return ok


@kernel
def want(target: Any, price_ticks: int, qty_lots: int) -> None:
    """Ask for a resting quote. Units: ticks; lots before the canary."""
    target["wanted"] = 1
    target["price_ticks"] = price_ticks
    target["qty_lots"] = qty_lots


@kernel
def say_waiting(state: State, index: int, side: int) -> None:
    """Put the condition that fails while the side waits after a refusal by the gate."""
    target, now = state.targets[index, side], state.core[0]["now_ns"]
    condition(target, Code.DENIED_RECENTLY, False, now, target["denied_until_ns"])


@kernel
def reduces(instrument: Any, side: int) -> bool:
    """Tell whether trading this side brings the position towards its target."""
    excess = excess_lots(instrument)
    return excess > 0 if side == Side.SELL else excess < 0


@kernel
def room_lots(instrument: Any, side: int) -> int:
    """Return how much this side may fill before the position limit."""
    excess = excess_lots(instrument)
    signed = excess if side == Side.BUY else -excess
    return max(instrument["max_position_lots"] - signed, 0)


@kernel
def canary_lots(state: State, qty_lots: int) -> int:
    """Return a size at the canary's scale, rounded down."""
    return qty_lots * state.core[0]["canary_size_e6"] // ONE_E6


@kernel
def before_canary_lots(state: State, qty_lots: int) -> int:
    """Return the least size that the canary makes exactly this many lots of."""
    factor = state.core[0]["canary_size_e6"]
    return (qty_lots * ONE_E6 + factor - 1) // factor


@kernel
def least_lots(instrument: Any, price_ticks: int) -> int:
    """Return the least quantity that the venue takes at a price: lot and notional filters."""
    unit = price_ticks * instrument["unit_atoms"]
    by_notional = (instrument["min_notional_atoms"] + unit - 1) // unit
    return max(1, max(instrument["min_qty_lots"], by_notional))


@kernel
def funds_atoms(state: State, index: int, side: int) -> int:
    """Return what a quote of this side may spend: free funds and what its own orders hold.

    Those orders would be replaced, so what they hold is there for the new one.
    """
    funds = free_atoms(state, spent_asset(state, index, side))
    for slot in range(state.core[0]["orders_end"]):
        order = state.orders[slot]
        if order["key"] != 0 and order["instrument"] == index and order["side"] == side:
            funds += order["reserved_atoms"]
    return funds


@kernel
def may_trade(state: State, index: int, side: int, target: Any) -> bool:
    """Put the conditions that hold for any order of a strategy: daemon, venue, book.

    In REDUCE_ONLY only the reducing side may trade, and its target is marked so.
    """
    trading = state.core[0]["state"]
    instrument = state.instruments[index]
    book = state.books[index]["state"]
    reducing = trading == TradingState.REDUCE_ONLY and reduces(instrument, side)
    if reducing:
        target["reduce_only"] = 1
    running = trading == TradingState.RUNNING or reducing
    if not condition(target, Code.NOT_RUNNING, running, trading, TradingState.RUNNING):
        return False
    flat = instrument["flatten"] == 0
    if not condition(target, Code.OPERATOR, flat, instrument["flatten"], 0):
        return False
    status = instrument["status"]
    open_venue = status == InstrumentStatus.TRADING
    if not condition(target, Code.NOT_TRADING, open_venue, status, InstrumentStatus.TRADING):
        return False
    synced = book == BookState.SYNCED
    if not condition(target, Code.BOOK_NOT_SYNCED, synced, book, BookState.SYNCED):
        return False
    valid = instrument["market_valid"]
    return condition(target, Code.ONE_SIDED, valid == 1, valid, 1)


@kernel
def not_through(state: State, index: int, side: int, target: Any) -> bool:
    """Put the condition that no public trade has just gone through our own level."""
    instrument = state.instruments[index]
    through_ns = instrument["through_bid_ns"]
    if side == Side.SELL:
        through_ns = instrument["through_ask_ns"]
    return condition(target, Code.TRADED_THROUGH, through_ns == 0, through_ns, 0)


@kernel
def not_missing(state: State, index: int, side: int, target: Any, price_ticks: int) -> bool:
    """Put the condition that after a would-cross miss the market has told a newer touch."""
    instrument = state.instruments[index]
    touch = instrument["ask_ticks"] if side == Side.BUY else instrument["bid_ticks"]
    told = True
    if target["miss_away_ticks"] != 0:
        if target["miss_update_id"] == 0:
            target["miss_update_id"] = instrument["touch_update_id"]
        told = instrument["touch_update_id"] > target["miss_update_id"]
    return condition(target, Code.POST_ONLY_CROSS, told, price_ticks, touch)


@kernel
def has_size(state: State, index: int, target: Any, price_ticks: int, qty_lots: int) -> bool:
    """Put the condition that the size, at the canary's scale, is one the venue takes."""
    lots = canary_lots(state, qty_lots)
    least = least_lots(state.instruments[index], price_ticks)
    return condition(target, Code.SIZE_ZERO, lots >= least, lots, least)


@kernel
def has_funds(
    state: State, index: int, side: int, target: Any, price_ticks: int, qty_lots: int
) -> bool:
    """Put the condition that the balance carries the size. Units: as `per_lot_atoms`."""
    per_lot = per_lot_atoms(state.instruments[index], side, price_ticks)
    needed = canary_lots(state, qty_lots) * per_lot
    funds = funds_atoms(state, index, side)
    return condition(target, Code.BALANCE_SHORT, needed <= funds, funds, needed)
