"""Each risk limit with how much of it is used at this moment.

Owns the table behind ``risk``. The sums are those of `hftd.engine.exposure` and
`hftd.engine.breaker`, in Python's integers: tests hold both against each other.

A limit's use is what the control would compare with it: the worst case for positions, the
largest open order for order limits, the age for time-outs. C10's window is not in the table,
since nothing uses it up; C02, C08 and C09 have no number.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hftd.control import shapes
from hftd.domain.codes import Code
from hftd.domain.instrument import Instrument
from hftd.domain.order import Side
from hftd.domain.units import E8, from_scaled
from hftd.engine.exposure import BPS_E2, LAST_TRADE_NS
from hftd.engine.prints import WINDOW_NS
from hftd.engine.state import ORDERS_CAPACITY
from hftd.engine.sync import UNCOVERED_LIMIT_NS
from hftd.runtime import answers_controls
from hftd.runtime.answers_money import expected_atoms
from hftd.runtime.answers_view import Numbers, View, gate_of

_LAST_GATE_CODE = Code.VENUE_RATE


def risk(view: View, disk_floor_mb: int, disk_free_mb: int | None) -> shapes.Risk:
    """Answer ``risk``; free disk is None where nobody measures it."""
    limits = [*_of_profile(view)]
    if disk_free_mb is not None:
        limits.append(_floor(disk_floor_mb, disk_free_mb))
    for index in range(len(view.instruments)):
        limits += _of_instrument(view, index)
    for code, name, index, unit, scale, limit, use in answers_controls.rows(view):
        instrument = view.instruments[index].name if index >= 0 else None
        limits.append(_limit(code, name, unit, scale, limit, use, instrument))
    counts = view.core["denied_by_code"]
    counted = [code for code in Code if 0 < code <= _LAST_GATE_CODE or counts[code]]
    return {
        "gate": gate_of(view)[0],
        "limits": sorted(limits, key=lambda one: one["code"]),
        "counters": [{"code": code.name, "count": int(counts[code])} for code in counted],
    }


# Both numbers are whole parts of ``scale`` to the unit.
def _limit(
    code: str, name: str, unit: str, scale: int, limit: int, use: int, instrument: str | None = None
) -> shapes.Limit:
    return {
        "code": code,
        "name": name,
        "instrument": instrument,
        "limit": from_scaled(limit, scale),
        "use": from_scaled(use, scale),
        "unit": unit,
        "ratio": round(use / limit, 6) if limit else None,
    }


# A floor is used up from above: the ratio is how near it is.
def _floor(floor_mb: int, free_mb: int) -> shapes.Limit:
    row = _limit("C26", "disk_floor_mb", "MB free", 1, floor_mb, free_mb)
    row["ratio"] = round(floor_mb / free_mb, 6) if free_mb else None
    return row


def _ms(
    code: str, name: str, limit_ns: int, use_ns: int, instrument: str | None = None
) -> shapes.Limit:
    return _limit(code, name, "ms", 1000, limit_ns // 1000, max(use_ns, 0) // 1000, instrument)


def _of_profile(view: View) -> Iterator[shapes.Limit]:
    core, quote, now_ns = view.core, view.quote_asset, view.now_ns
    for code, name, limit, use in (
        ("C13", "max_gross_exposure", core["max_gross_exposure_atoms"], gross_exposure_atoms(view)),
        ("C14", "max_open_notional", core["max_open_notional_atoms"], open_notional_atoms(view)),
        ("C15", "max_daily_loss", core["max_daily_loss_atoms"], core["day_loss_atoms"]),
        ("C15", "max_drawdown", core["max_drawdown_atoms"], core["drawdown_atoms"]),
        ("C16", "max_daily_turnover", core["max_turnover_atoms"], core["turnover_atoms"]),
    ):
        yield _limit(code, f"{name}_quote", quote, E8, limit, use)
    yield from _of_funds(view)
    breaches = recent(core["breach_ns"], core["now_ns"], core["collar_breach_window_ns"])
    rejects = recent(core["reject_ns"], core["now_ns"], core["reject_storm_window_ns"])
    unknown_ns = [order["unknown_since_ns"] for order in view.orders if order["unknown_since_ns"]]
    for code, name, limit, use in (
        ("C05", "collar_breach_count", core["collar_breach_count"], breaches),
        ("C14", "order_table", ORDERS_CAPACITY, len(view.orders)),
        ("C17", "max_orders_per_second", *_order_rate(view)),
        ("C19", "reject_storm_count", core["reject_storm_count"], rejects),
        ("C27", "max_unknown_orders", core["max_unknown_orders"], len(unknown_ns)),
    ):
        yield _limit(code, name, "orders", 1, limit, use)
    alive_ns = core["user_alive_ns"] or view.started_ns
    offset_ns = abs(core["venue_offset_ns"] - core["wall_offset_ns"])
    bad_ns = core["clock_bad_since_ns"] or now_ns
    oldest_ns = min(unknown_ns, default=now_ns)
    yield _ms("C23", "user_stream_timeout_ms", core["user_stream_timeout_ns"], now_ns - alive_ns)
    yield _ms("C24", "max_clock_offset_ms", core["max_clock_offset_ns"], offset_ns)
    yield _ms("C24", "clock_halt_after_ms", core["clock_halt_after_ns"], now_ns - bad_ns)
    yield _ms("C27", "unknown_timeout_ms", core["unknown_timeout_ns"], now_ns - oldest_ns)


# C11: what open orders have set aside of what may be spent of each asset.
def _of_funds(view: View) -> Iterator[shapes.Limit]:
    quote = view.core["quote_asset"]
    reserved = [0] * len(view.assets)
    for order in view.orders:
        base = view.records[order["instrument"]]["base_asset"]
        reserved[quote if order["side"] == Side.BUY else base] += order["reserved_atoms"]
    for at, balance in enumerate(view.balances):
        spendable = expected_atoms(balance) - balance["reserve_atoms"] - balance["others_atoms"]
        asset = view.assets[at]
        yield _limit("C11", f"spendable_{asset.lower()}", asset, E8, spendable, reserved[at])


# C17: the bucket's tokens; it is a theoretical arrival time, so many intervals ahead of now.
def _order_rate(view: View) -> tuple[int, int]:
    interval_ns = view.core["order_interval_ns"]
    if interval_ns == 0:
        return 0, 0
    ahead_ns = max(view.core["order_tat_ns"] - view.now_ns, 0)
    return 1_000_000_000 // interval_ns, -(-ahead_ns // interval_ns)


def _of_instrument(view: View, index: int) -> Iterator[shapes.Limit]:
    record, instrument = view.records[index], view.instruments[index]
    core, orders = view.core, view.orders_of(index)
    name, base, quote = instrument.name, instrument.base, view.quote_asset
    unit_atoms, lot_atoms = record["unit_atoms"], record["lot_atoms"]
    size = max([order["leaves_lots"] for order in orders], default=0)
    value = max([order["leaves_lots"] * order["price_ticks"] for order in orders], default=0)
    for code, limit_name, limit, use in (
        ("C03", "max_order_size_base", record["max_order_lots"], size),
        ("C12", "max_position_base", record["max_position_lots"], worst_lots(view, index)),
    ):
        yield _limit(code, limit_name, base, E8, limit * lot_atoms, use * lot_atoms, name)
    notional_atoms = record["max_order_notional_atoms"]
    notional = "max_order_notional_quote"
    yield _limit("C04", notional, quote, E8, notional_atoms, value * unit_atoms, name)
    yield from _of_prices(view, index)
    if record["venue_max_orders"]:
        limit = record["venue_max_orders"]
        yield _limit("C06", "venue_max_orders", "orders", 1, limit, len(orders), name)
    yield _limit(
        "C14", "max_open_orders", "orders", 1, record["max_open_orders"], len(orders), name
    )
    age_ns = view.now_ns - (record["frame_ns"] or view.started_ns)
    uncovered_ns = record["uncovered_ns"] or view.now_ns
    for code in ("C07", "C22"):  # The gate and the feed's watch hold the same number.
        yield _ms(code, "max_book_age_ms", core["max_book_age_ns"], age_ns, name)
    yield _ms("C22", "uncovered_trade_ms", UNCOVERED_LIMIT_NS, view.now_ns - uncovered_ns, name)


# C05: how far the references are apart, and how far our quotes are from the reference.
def _of_prices(view: View, index: int) -> Iterator[shapes.Limit]:
    record, instrument = view.records[index], view.instruments[index]
    known = references_half_ticks(view, index)
    apart = (known[-1] - known[0]) * BPS_E2 // known[0] if known else 0
    yield _bps("price_collar_bps", record["collar_bps_e2"], apart, instrument)
    middle = reference_half_ticks(references_half_ticks(view, index, LAST_TRADE_NS))
    farthest = 0
    for order in view.orders_of(index) if middle else []:
        away = middle - 2 * order["price_ticks"]
        away = away if order["side"] == Side.BUY else -away
        farthest = max(farthest, away * BPS_E2 // middle)
    limit = record["max_quote_distance_bps_e2"]
    yield _bps("max_quote_distance_bps", limit, farthest, instrument)


def _bps(name: str, limit_e2: int, use_e2: int, instrument: Instrument) -> shapes.Limit:
    return _limit("C05", name, "bps", 100, limit_e2, use_e2, instrument.name)


def recent(times_ns: np.ndarray, now_ns: int, window_ns: int) -> int:
    """Count the times of a ring that lie within the window."""
    return int(((times_ns > 0) & (now_ns - times_ns < window_ns)).sum())


def worst_lots(view: View, index: int) -> int:
    """Return the position after all open orders of the worse side were filled, 0 or more."""
    record = view.records[index]
    position = record["position_lots"] - record["target_position_lots"]
    buys, sells = (
        sum(order["leaves_lots"] for order in view.orders_of(index, side)) for side in Side
    )
    return int(max(position + buys, sells - position))


def gross_exposure_atoms(view: View) -> int:
    """Return the sum over instruments of the worse side, at mid; without one, at cost."""
    total = 0
    for index, record in enumerate(view.records):
        worst = worst_lots(view, index) * record["mid_half_ticks"] * record["unit_atoms"] // 2
        total += worst if record["mid_half_ticks"] else abs(record["cost_atoms"])
    return total


def open_notional_atoms(view: View) -> int:
    """Return the notional of all open orders."""
    return sum(
        order["leaves_lots"]
        * order["price_ticks"]
        * view.records[order["instrument"]]["unit_atoms"]
        for order in view.orders
    )


def references_half_ticks(view: View, index: int, trade_ns: int | None = None) -> list[int]:
    """Return the references that are known, sorted: mid, last trade, median of five seconds.

    Of which age the last trade may be at most, ``trade_ns`` says; of any where it does not.
    """
    record = view.records[index]
    mid = record["mid_half_ticks"] if record["market_valid"] == 1 else 0
    median = 2 * median_trade_ticks(record, view.core["now_ns"])
    age_ns = view.core["now_ns"] - record["last_trade_ns"]
    recent = trade_ns is None or age_ns <= trade_ns
    last = 2 * record["last_trade_ticks"] if recent else 0
    return sorted(price for price in (mid, last, median) if price > 0)


def reference_half_ticks(known: list[int]) -> int:
    """Return the median of the known references, 0 for none; of two their mean."""
    if len(known) == 2:
        return (known[0] + known[1]) // 2
    return known[len(known) // 2] if known else 0


def median_trade_ticks(record: Numbers, now_ns: int) -> int:
    """Return the median price of the market's trades of the last five seconds, 0 for none."""
    ticks, times_ns = record["trade_window_ticks"], record["trade_window_ns"]
    prices = np.sort(ticks[(times_ns > 0) & (now_ns - times_ns <= WINDOW_NS) & (ticks > 0)])
    if len(prices) == 0:
        return 0
    return (int(prices[(len(prices) - 1) // 2]) + int(prices[len(prices) // 2])) // 2
