"""Alerts: what a person must have seen before trading may begin again (C41).

Owns the table of alerts. Must not decide what deserves one: every halt does, and a few reasons
that come while one holds (breaker.py). Each of these at most once before it is acknowledged, and
``reset`` waits for all, so the table never holds more than a few that nobody has seen.
"""

from __future__ import annotations

from typing import Any

from hftd.domain.facts import FactKind
from hftd.domain.kernel import kernel
from hftd.engine.emit import add_fact
from hftd.engine.state import ALERTS_CAPACITY, Out, State


@kernel
def raise_alert(state: State, out: Out, code: int, value: int, bound: int) -> None:
    """C41: keep what a person must acknowledge, and tell it."""
    core = state.core[0]
    core["next_alert"] += 1
    alert = state.alerts[core["next_alert"] % ALERTS_CAPACITY]
    alert["number"] = core["next_alert"]
    alert["ts_ns"] = core["now_ns"]
    alert["code"] = code
    alert["value"] = value
    alert["bound"] = bound
    alert["acknowledged"] = 0
    alert_fact(state, out, alert, 0)


@kernel
def is_raised(state: State, code: int) -> bool:
    """Tell whether the last alert was for this code: it may be lost with a journal or a ledger."""
    last = state.alerts[state.core[0]["next_alert"] % ALERTS_CAPACITY]
    return last["number"] > 0 and last["code"] == code


@kernel
def is_waiting(state: State, code: int) -> bool:
    """Tell whether an alert for this code waits to be acknowledged."""
    for at in range(ALERTS_CAPACITY):
        alert = state.alerts[at]
        if alert["number"] > 0 and alert["code"] == code and alert["acknowledged"] == 0:
            return True
    return False


@kernel
def alert_fact(state: State, out: Out, alert: Any, acknowledged: int) -> None:
    """Record that an alert was raised, or acknowledged."""
    fact = add_fact(state, out, FactKind.ALERT, -1)
    fact["alert"] = alert["number"]
    fact["code"] = alert["code"]
    fact["value"] = alert["value"]
    fact["bound"] = alert["bound"]
    fact["state_to"] = acknowledged


@kernel
def acknowledge(state: State, out: Out, number: int) -> int:
    """Take a person's word that they have seen an alert (0: all); count what it was new for."""
    count = 0
    for at in range(ALERTS_CAPACITY):
        alert = state.alerts[at]
        if alert["number"] == 0 or alert["acknowledged"] == 1:
            continue
        if number == 0 or alert["number"] == number:
            alert["acknowledged"] = 1
            alert_fact(state, out, alert, 1)
            count += 1
    return count


@kernel
def unacknowledged(state: State) -> int:
    """Count the alerts that nobody has acknowledged."""
    count = 0
    for at in range(ALERTS_CAPACITY):
        alert = state.alerts[at]
        if alert["number"] > 0 and alert["acknowledged"] == 0:
            count += 1
    return count
