"""Rows of ``risk`` for the controls that watch how trading goes, and for the venue's own limits.

Owns their numbers as `hftd.engine.tripwires`, `hftd.engine.venue_limits` and
`hftd.engine.reconcile` judge them, in Python's integers. Must not judge anything.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hftd.domain.order import Side
from hftd.engine.state import KIND_BALANCES, KIND_ORDERS, KIND_TRADES
from hftd.engine.tripwires import ACK_LEAST, ACK_WINDOW_NS, BPS_E2
from hftd.runtime.answers_view import LATCHED, Numbers, View

# Control, name, instrument (-1: the profile's), unit, parts of the unit, limit, use.
Row = tuple[str, str, int, str, int, int, int]
SECOND_NS = 1_000_000_000
US = 1_000


def rows(view: View) -> Iterator[Row]:
    """Return the rows of the profile, then those of each instrument."""
    yield from _of_flow(view)
    yield from _of_venue(view)
    yield from _of_reconciliation(view)
    for index in range(len(view.instruments)):
        yield from _of_instrument(view, index)


def _ms(code: str, name: str, limit_ns: int, use_ns: int) -> Row:
    return code, name, -1, "ms", 1000, limit_ns // US, max(use_ns, 0) // US


def _of_flow(view: View) -> Iterator[Row]:
    core = view.core
    waste, most = core["orders_since_fill"], core["max_orders_without_fill"]
    yield "C20", "max_orders_without_fill", -1, "orders", 1, most, waste
    yield _ms("C25", "max_loop_lag_ms", core["max_loop_lag_ns"], core["loop_lag_ns"])
    yield _ms("C28", "max_ack_ms", core["max_ack_ns"], ack_p99_ns(core))
    latched_ns = view.now_ns - core["state_since_ns"] if view.trading in LATCHED else 0
    yield _ms("C33", "reset_dwell_ms", core["reset_dwell_ns"], latched_ns)
    waiting = sum(1 for alert in view.state.alerts if alert["number"] and not alert["acknowledged"])
    yield "C41", "unacknowledged_alerts", -1, "alerts", 1, 0, waiting


def ack_p99_ns(core: Numbers) -> int:
    """Return the 99th percentile (lower rank) of the last minute's acknowledgements, 0 for few."""
    times_ns, taken_ns = core["ack_ns"], core["ack_at_ns"]
    recent = np.sort(times_ns[(taken_ns > 0) & (core["now_ns"] - taken_ns <= ACK_WINDOW_NS)])
    if len(recent) < ACK_LEAST:
        return 0
    return int(recent[99 * (len(recent) - 1) // 100])


def _of_venue(view: View) -> Iterator[Row]:
    core = view.core
    for at in np.flatnonzero(core["rate_window_ns"]):
        window_ns = int(core["rate_window_ns"][at])
        number = (view.now_ns + core["venue_offset_ns"]) // window_ns
        used = int(core["rate_used"][at]) if number == core["rate_number"][at] else 0
        share = int(core["rate_limit"][at]) * core["rate_share_pct"] // 100
        name = f"venue_orders_in_{window_ns // SECOND_NS}_s"
        yield "C17", name, -1, "orders", 1, share, used
    yield _ms("C30", "hold_back_ms", 0, core["rate_limited_until_ns"] - view.now_ns)
    # Binance Spot cancels nothing when we fall silent; the guard is hftd kill-offline.
    yield "C36", "venue_dead_man_switch", -1, "s (the venue has none)", 1, 0, 0


def _of_reconciliation(view: View) -> Iterator[Row]:
    core = view.core
    foreign = sum(record["foreign_orders"] for record in view.records)
    yield "C34", "foreign_orders", -1, "orders", 1, 0, foreign
    names = {KIND_ORDERS: "orders", KIND_TRADES: "trades", KIND_BALANCES: "balances"}
    for kind, name in names.items():
        done_ns = int(core["check_done_ns"][kind]) or view.started_ns
        period_ns = int(core["check_period_ns"][kind])
        yield _ms("C35", f"reconcile_{name}_ms", period_ns, view.now_ns - done_ns)


def _of_instrument(view: View, index: int) -> Iterator[Row]:
    core, record = view.core, view.records[index]
    fills = int(max(record["one_sided_fills"]))
    yield "C18", "max_one_sided_fills", index, "orders", 1, core["max_one_sided_fills"], fills
    unaccounted = sum(abs(unaccounted_lots(view, index, side)) for side in Side)
    yield "C21", "unaccounted_lots", index, "lots", 1, 0, unaccounted
    bound = core["price_jump_bps_e2"]
    yield "C29", "price_jump_bps", index, "bps", 100, bound, jump_bps_e2(view, index)


def unaccounted_lots(view: View, index: int, side: int) -> int:
    """Return what left on a side less what is filled, open or has ended."""
    record = view.records[index]
    opened = sum(order["leaves_lots"] for order in view.orders_of(index, side))
    done = int(record["filled_lots"][side]) + int(record["released_lots"][side])
    return int(record["sent_lots"][side]) - done - opened


def jump_bps_e2(view: View, index: int) -> int:
    """Return how far mid is from the window's farthest mid, in hundredths of a basis point."""
    record, core = view.records[index], view.core
    mid = int(record["mid_half_ticks"])
    taken_ns = record["mid_window_ns"]
    fresh = (taken_ns > 0) & (core["now_ns"] - taken_ns <= core["price_jump_window_ns"])
    mids = [mid, *record["mid_window_half_ticks"][fresh].tolist()]
    if record["market_valid"] == 0 or mid <= 0:
        return 0
    low, high = min(mids), max(mids)
    return max(high - mid, mid - low) * BPS_E2 // (high if high - mid > mid - low else low)
