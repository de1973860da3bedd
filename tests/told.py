"""What each fact and action must look like whatever led to it: held after each playbook step.

Owns the rules by kind: time and decision, whose it is, and which codes come with which numbers.
Must not know what led to it; that is each test's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hftd.domain.actions import ActionKind as A
from hftd.domain.codes import Code, TradingState
from hftd.domain.events import Link
from hftd.domain.facts import FactKind as F

Row = Mapping[str, int]

# Of the whole account; all others are of one instrument.
OF_ACCOUNT = {F.STATE, F.BALANCE, F.EQUITY, F.EXTERNAL_FLOW, F.ALERT}
DONE_FOR_ACCOUNT = {A.ASK_BALANCES, A.LATCH, A.EXIT, A.HOLD_BACK}
# Codes of a state, an alert or a note that come without numbers, and with the first alone.
NO_NUMBERS = {Code.KILL, Code.STOP, Code.STARTING_UP, Code.RESUMED, Code.OPERATOR, Code.RECONCILED}
NO_BOUND = {
    Code.BANNED, Code.RATE_LIMITED, Code.SECOND_INSTANCE, Code.CLIENT_ID_CLASH, Code.ORDERS_FOUND,
    Code.RECONCILE_DIFFERENCE, Code.JOURNAL, Code.LIMITS,
}  # fmt: skip
# Notes of the whole account.
NOTED_FOR_ACCOUNT = {
    Code.RECONCILED, Code.RATE_LIMITED, Code.RECONCILE_DIFFERENCE, Code.ORDERS_WITHOUT_FILL,
    Code.LOOP_LAG, Code.ACK_LATENCY, Code.LIMITS, Code.LIMIT_INVALID,
    Code.VENUE_RESET,
}  # fmt: skip


def check_told(
    facts: Iterable[Row], actions: Iterable[Row], now_ns: int, decision_seq: int
) -> None:
    """Hold what one step has told to the rules of its kinds."""
    for row in [*facts, *actions]:
        assert (row["ts_ns"], row["decision_seq"]) == (now_ns, decision_seq), row
    for fact in facts:
        check_fact(fact)
    for action in actions:
        kind = A(action["kind"])
        of_account = kind in DONE_FOR_ACCOUNT
        if kind == A.RECONNECT:  # The order link is the account's, a stream an instrument's.
            of_account = action["link"] == Link.ORDER
        assert (action["instrument"] == -1) is of_account, action


def check_fact(fact: Row) -> None:
    """Hold a fact to whose it is and which numbers its code has."""
    kind, code = F(fact["kind"]), Code(fact["code"])
    if kind in OF_ACCOUNT or (kind == F.NOTE and code in NOTED_FOR_ACCOUNT):
        assert fact["instrument"] == -1, fact
    if kind not in (F.STATE, F.ALERT, F.NOTE):
        return
    without = code in NO_NUMBERS or (kind == F.STATE and fact["state_to"] == TradingState.PAUSED)
    if without:
        assert (fact["value"], fact["bound"]) == (0, 0), fact
    elif code in NO_BOUND:
        assert fact["bound"] == 0, fact
    if kind == F.ALERT:
        assert fact["state_to"] in (0, 1), fact
