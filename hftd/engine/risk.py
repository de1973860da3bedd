"""The pre-trade gate: a list of small checks; each allows, or says which limit and by how much.

Owns the refusal of orders. Must not change an order, a size or a price: it allows or it
refuses. Every order takes this road, also those of flatten; only cancels do not.

The checks stand in risk_market.py (the venue, the market), venue_limits.py (its order rate) and
risk_account.py (what we hold and have open). Each is ``cNN_name(state, wish) -> Code``: NONE
allows; otherwise it has left the value and the bound it judged in ``core["verdict_value"]`` and
``["verdict_bound"]``. C01 (limits are complete) and C37 (canary scaling) hold before: config
refuses or scales when the profile loads. C22 to C24, C26 and C27 close the gate through state
and book (breaker.py).
"""

from __future__ import annotations

from typing import Any

from hftd.domain.codes import Code, TradingState
from hftd.domain.kernel import kernel
from hftd.engine import risk_account, risk_market, venue_limits
from hftd.engine.emit import denied_fact
from hftd.engine.state import WINDOW_CAPACITY, Out, State
from hftd.engine.targets import say_waiting
from hftd.engine.verdict import verdict

DENIED_WAIT_NS = 1_000_000_000  # A refused side asks again after this, at whatever price.


@kernel
def gate(state: State, wish: Any) -> int:
    """C31, C34: orders leave only while RUNNING; reduce-only also in the stopped states.

    None leaves before a clean reconciliation of this boot, nor while our reports are lost.
    """
    core = state.core[0]
    if core["journal_failed"] == 1:
        return verdict(state, Code.JOURNAL, 1, 0)
    if core["order_up"] == 0:
        return verdict(state, Code.ORDER_LINK_DOWN, 0, 1)
    if core["now_ns"] < core["rate_limited_until_ns"]:
        return verdict(state, Code.RATE_LIMITED, core["now_ns"], core["rate_limited_until_ns"])
    trading = core["state"]
    reducing_allowed = (
        trading == TradingState.REDUCE_ONLY
        or trading == TradingState.PAUSED
        or trading == TradingState.HALTED
        or trading == TradingState.KILLED
    )
    reducing = reducing_allowed and wish["reduce_only"] == 1
    if trading != TradingState.RUNNING and not reducing:
        return verdict(state, Code.GATE_CLOSED, trading, TradingState.RUNNING)
    if core["user_up"] == 0:
        age = core["now_ns"] - core["user_alive_ns"]
        return verdict(state, Code.USER_STREAM_STALE, age, core["user_stream_timeout_ns"])
    if core["recovery_clean"] == 0:
        return verdict(state, Code.GATE_CLOSED, TradingState.RECOVERING, TradingState.RUNNING)
    return Code.NONE


@kernel
def check(state: State, wish: Any) -> int:
    """Return NONE where every check allows the wish, else the first refusal's code."""
    code = gate(state, wish)
    if code == Code.NONE:
        code = risk_market.c02_trading(state, wish)
    if code == Code.NONE:
        code = risk_account.c03_order_size(state, wish)
    if code == Code.NONE:
        code = risk_account.c04_order_notional(state, wish)
    if code == Code.NONE:
        code = risk_market.c06_filters(state, wish)
    if code == Code.NONE:
        code = risk_market.c07_fresh(state, wish)
    if code == Code.NONE:
        code = risk_market.c05_price_collar(state, wish)
    if code == Code.NONE:
        code = risk_market.c08_post_only(state, wish)
    if code == Code.NONE:
        code = risk_account.c08_reduce_only(state, wish)
    if code == Code.NONE:
        code = risk_account.c09_self_trade(state, wish)
    if code == Code.NONE:
        code = risk_account.c27_side_in_doubt(state, wish)
    if code == Code.NONE:
        code = risk_account.c10_duplicate(state, wish)
    if code == Code.NONE:
        code = risk_account.c11_funds(state, wish)
    if code == Code.NONE:
        code = risk_account.c12_position(state, wish)
    if code == Code.NONE:
        code = risk_account.c13_exposure(state, wish)
    if code == Code.NONE:
        code = risk_account.c14_open_orders(state, wish)
    if code == Code.NONE:
        code = risk_account.c16_turnover(state, wish)
    if code == Code.NONE:
        code = risk_account.c17_rate(state)
    if code == Code.NONE:
        code = venue_limits.c17_venue_rate(state, wish)
    if code == Code.NONE:
        code = risk_account.c21_conservation(state, wish)
    return code


@kernel
def refuse(state: State, out: Out, wish: Any, code: int) -> None:
    """Count and record a refusal; its side is not quoted, and waits a second to ask again."""
    core = state.core[0]
    core["denied"] += 1
    core["denied_by_code"][code] += 1
    denied_fact(state, out, wish, code, core["verdict_value"], core["verdict_bound"])
    target = state.targets[wish["instrument"], wish["side"]]
    target["denied_until_ns"] = core["now_ns"] + DENIED_WAIT_NS
    target["denied_code"] = code
    target["denied_value"] = core["verdict_value"]
    target["denied_bound"] = core["verdict_bound"]
    if target["wanted"] == 1:  # A slice of flatten is not the target's wish, and wanted is 0.
        say_waiting(state, wish["instrument"], wish["side"])
    if code == Code.PRICE_COLLAR:
        core["breach_ns"][core["breach_next"] % WINDOW_CAPACITY] = core["now_ns"]
        core["breach_next"] += 1
