"""The trading day: its opening equity, its loss, the drawdown from its peak, its turnover.

Owns C15 and C16. Must not know how a halt is carried out (breaker.py). The day opens at
``day_starts_utc`` by the event clock; a halt outlives it.
"""

from __future__ import annotations

from hftd.domain.codes import Code
from hftd.domain.kernel import kernel
from hftd.engine.breaker import halt
from hftd.engine.position import equity_atoms, equity_fact, mark, total_atoms
from hftd.engine.state import Out, State

LOSS_CONFIRM_NS = 250_000_000  # C15 takes two updates at least this far apart.
DAY_NS = 86_400_000_000_000


@kernel
def roll_day(state: State, out: Out) -> None:
    """C15: open a new trading day; PnL is re-marked, a halt outlives midnight."""
    core = state.core[0]
    day = (core["now_ns"] - core["day_starts_ns"]) // DAY_NS
    if day == core["day"]:
        return
    core["day"] = day
    total = total_atoms(state)
    core["day_open_equity_atoms"] = total
    core["peak_equity_atoms"] = total
    core["turnover_atoms"] = 0
    core["loss_seen_ns"] = 0
    core["day_start_equity_atoms"] = 0
    equity_fact(state, out)


@kernel
def keep_start_equity(state: State) -> None:
    """Keep the equity of the day's start, as soon as every instrument has a mid."""
    core = state.core[0]
    if core["day_start_equity_atoms"] != 0:
        return
    for index in range(state.core[0]["instruments"]):
        instrument = state.instruments[index]
        opening = state.balances[instrument["base_asset"]]["opening_known"]
        if instrument["mid_half_ticks"] == 0 or opening == 0:
            return
    core["day_start_equity_atoms"] = equity_atoms(state)


@kernel
def newest_mark_ns(state: State) -> int:
    """Return when the market last told a mark of an open position; now where none is open."""
    newest_ns, is_flat = 0, True
    for index in range(state.core[0]["instruments"]):
        instrument = state.instruments[index]
        if instrument["position_lots"] != 0:
            is_flat = False
            newest_ns = max(newest_ns, instrument["mark_ns"])
    return state.core[0]["now_ns"] if is_flat else newest_ns


@kernel
def check_loss(state: State, out: Out) -> None:
    """C15, C16: the day's loss, the drawdown from its peak, the turnover.

    Breaking the loss takes two SYNCED updates at least 250 ms apart, so that one bad print
    halts nothing, however long it stands.
    """
    core = state.core[0]
    for index in range(state.core[0]["instruments"]):
        mark(state, index)
    total = total_atoms(state)
    core["total_atoms"] = total
    core["peak_equity_atoms"] = max(core["peak_equity_atoms"], total)
    core["day_loss_atoms"] = max(0, core["day_open_equity_atoms"] - total)
    core["drawdown_atoms"] = core["peak_equity_atoms"] - total
    loss_broken = core["day_loss_atoms"] >= core["max_daily_loss_atoms"]
    drawdown_broken = core["drawdown_atoms"] >= core["max_drawdown_atoms"]
    marked_ns = newest_mark_ns(state)
    if not loss_broken and not drawdown_broken:
        core["loss_seen_ns"] = 0
    elif core["loss_seen_ns"] == 0:
        core["loss_seen_ns"] = marked_ns
    elif marked_ns - core["loss_seen_ns"] >= LOSS_CONFIRM_NS:
        if loss_broken:
            value, bound = core["day_loss_atoms"], core["max_daily_loss_atoms"]
            halt(state, out, Code.DAILY_LOSS, value, bound)
        else:
            halt(state, out, Code.DRAWDOWN, core["drawdown_atoms"], core["max_drawdown_atoms"])
    if core["turnover_atoms"] > core["max_turnover_atoms"]:
        value, bound = core["turnover_atoms"], core["max_turnover_atoms"]
        halt(state, out, Code.TURNOVER_LIMIT, value, bound)
