"""What answers are read from: the engine's arrays at one moment, with the words for them.

Owns the copy of the small records into plain Python integers, so that no sum of an answer can
leave int64 and nothing of the engine can be changed by one. Calls no kernel: one that the
decision has not compiled for this caller would be compiled here, while the loop waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from hftd.domain.codes import Code, TradingState
from hftd.domain.instrument import Instrument
from hftd.domain.layout import Records
from hftd.domain.order import OrderState
from hftd.domain.refusals import ms_text, name_of, reason_text
from hftd.domain.units import E8, from_scaled
from hftd.engine.recovery import Phase
from hftd.engine.state import State

Numbers = dict[str, Any]  # One record by name; integers, and arrays where the field is one.

RESTING = (
    OrderState.NEW,
    OrderState.PARTIALLY_FILLED,
    OrderState.PENDING_CANCEL,
    OrderState.PENDING_REPLACE,
)
LATCHED = (TradingState.HALTED, TradingState.KILLED)
# Codes of a state whose numbers still stand in the core.
_STATE_NUMBERS = {
    Code.DAILY_LOSS: ("day_loss_atoms", "max_daily_loss_atoms"),
    Code.DRAWDOWN: ("drawdown_atoms", "max_drawdown_atoms"),
    Code.TURNOVER_LIMIT: ("turnover_atoms", "max_turnover_atoms"),
}


def numbers(record: Any) -> Numbers:
    """Return one record as plain integers by name."""
    return dict(zip(record.dtype.names, record.item(), strict=True))


def rows(records: Records) -> list[Numbers]:
    """Return records as plain integers by name."""
    names = records.dtype.names or ()
    return [dict(zip(names, row, strict=True)) for row in records.tolist()]


@dataclass(frozen=True, slots=True)
class View:
    """One moment of the engine.

    ``records`` and ``instruments`` go by the engine's index, as ``balances`` and ``assets`` do;
    ``orders`` are the open ones. Books and targets are read from ``state`` where asked for.
    """

    state: State
    core: Numbers
    records: list[Numbers]
    balances: list[Numbers]
    orders: list[Numbers]
    instruments: Sequence[Instrument]
    assets: Sequence[str]
    tag: str
    started_ns: int
    now_ns: int
    reasons: Sequence[str] = ()
    """What a strategy of the user's own may say for not quoting, by number from 1."""

    @property
    def quote_asset(self) -> str:
        """Return the profile's one quote asset."""
        return self.assets[self.core["quote_asset"]]

    @property
    def trading(self) -> TradingState:
        """Return what the daemon as a whole is doing."""
        return TradingState(self.core["state"])

    def orders_of(self, index: int, side: int | None = None) -> list[Numbers]:
        """Return the open orders of an instrument, of both sides or of one."""
        of_it = [order for order in self.orders if order["instrument"] == index]
        return of_it if side is None else [order for order in of_it if order["side"] == side]


def look(
    state: State,
    instruments: Sequence[Instrument],
    assets: Sequence[str],
    tag: str,
    started_ns: int,
    now_ns: int,
    reasons: Sequence[str] = (),
) -> View:
    """Return the present moment. Units: ``now_ns`` is never before the engine's own now."""
    core = numbers(state.core[0])
    return View(
        state=state,
        core=core,
        records=[numbers(record) for record in state.instruments],
        balances=rows(state.balances),
        orders=rows(state.orders[np.flatnonzero(state.orders["key"])]),
        instruments=instruments,
        assets=assets,
        tag=tag,
        started_ns=started_ns,
        now_ns=max(now_ns, core["now_ns"]),
        reasons=reasons,
    )


def atoms_text(atoms: int) -> str:
    """Return 1e-8 atoms as decimal text."""
    return from_scaled(atoms, E8)


def clock_text(ts_ns: int) -> str:
    """Return the time of day in UTC with milliseconds and Z."""
    seconds, rest_ns = divmod(ts_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M:%S}.{rest_ns // 1_000_000:03d}Z"


def day_text(ts_ns: int) -> str:
    """Return a time as RFC 3339 in UTC with seconds and Z."""
    return f"{datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def state_reason(view: View) -> str | None:
    """Return why the daemon is in its state, with the numbers that are known; None if RUNNING."""
    core, trading = view.core, view.trading
    if trading == TradingState.RUNNING:
        return None
    code = core["state_code"]
    reason = name_of(Code, code)
    if code in _STATE_NUMBERS:
        value, bound = (core[name] for name in _STATE_NUMBERS[Code(code)])
        reason = reason_text(code, value, bound, view.quote_asset)
    if trading == TradingState.RECOVERING:
        phase = name_of(Phase, core["recovery_phase"])
        return f"{reason}: reconciling, {phase}, attempt {core['recovery_attempt']}"
    if trading == TradingState.PAUSED and core["pause_mask"] == 0:
        left_ns = core["pause_dwell_ns"] - (view.now_ns - core["pause_clear_ns"])
        return f"{reason}: its cause is gone, running again in {ms_text(max(left_ns, 0))}"
    return f"{reason}, since {clock_text(core['state_since_ns'])}"


def gate_of(view: View) -> tuple[str, str | None]:
    """Return whether orders may leave (open, reduce_only, closed), and what keeps them.

    The same questions as `hftd.engine.risk.gate` asks.
    """
    core, trading, quote = view.core, view.trading, view.quote_asset
    if core["journal_failed"] == 1:
        return "closed", Code.JOURNAL.name
    if core["order_up"] == 0:
        return "closed", Code.ORDER_LINK_DOWN.name
    if view.now_ns < core["rate_limited_until_ns"]:
        left = ms_text(core["rate_limited_until_ns"] - view.now_ns)
        return "closed", f"{Code.RATE_LIMITED.name}: the venue told us to wait {left}"
    if core["user_up"] == 0:
        silent_ns, limit_ns = view.now_ns - core["user_alive_ns"], core["user_stream_timeout_ns"]
        return "closed", reason_text(Code.USER_STREAM_STALE, silent_ns, limit_ns, quote)
    if core["recovery_clean"] == 0:
        return "closed", "no clean reconciliation with the venue yet"
    if trading == TradingState.RUNNING:
        return "open", None
    reducing = (TradingState.REDUCE_ONLY, TradingState.PAUSED, *LATCHED)
    word = "reduce_only" if trading in reducing else "closed"
    return word, reason_text(Code.GATE_CLOSED, trading, TradingState.RUNNING, quote)
