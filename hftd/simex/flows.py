"""The agents of one matching market: whose turn it is, and who hears of what.

Owns the list of agents and the time for which a halted market kept them still. Knows no book
and no matching.
"""

from __future__ import annotations

from collections.abc import Sequence

from hftd.simex.market import OrderFlow, State
from hftd.simex.requests import Report

MAX_ACTS_AT_ONCE = 10_000
"""Acts of agents at one time of the clock; more is an agent that does not move on."""


class Flows:
    """All agents of a market."""

    def __init__(self, flows: Sequence[OrderFlow]) -> None:
        self._flows = list(flows)
        self._by_account = {flow.account: flow for flow in flows}
        assert len(self._by_account) == len(self._flows), "each agent needs its own account"
        assert all(account < 0 for account in self._by_account), "agents' accounts are below 0"
        self._still_since_ns: int | None = None
        self._first: tuple[int | None, OrderFlow | None] | None = None  # None: look anew.
        self._acts, self._acted_ns = 0, -1

    def start(self, ts_ns: int) -> None:
        """Start every agent."""
        for flow in self._flows:
            flow.start(ts_ns)
        self._first = None

    def next(self) -> tuple[int | None, OrderFlow | None]:
        """Return when the next agent acts, and which; nobody while they are kept still."""
        if self._first is None:
            self._first = self._look()
        return self._first

    def _look(self) -> tuple[int | None, OrderFlow | None]:
        first_ns: int | None = None
        first: OrderFlow | None = None
        if self._still_since_ns is not None:
            return None, None
        for flow in self._flows:
            due_ns = flow.next_ns()
            if due_ns is not None and (first_ns is None or due_ns < first_ns):
                first_ns, first = due_ns, flow
        return first_ns, first

    def count_act(self, flow: OrderFlow, due_ns: int) -> None:
        """Assert that an agent that acts again and again moves on in time."""
        self._first = None
        self._acts = self._acts + 1 if due_ns == self._acted_ns else 1
        self._acted_ns = due_ns
        assert self._acts <= MAX_ACTS_AT_ONCE, f"agent {flow.account} does not move on in time"

    def observe(self, report: Report) -> None:
        """Tell every agent."""
        self._first = None
        for flow in self._flows:
            flow.observe(report)

    def tell(self, account: int, report: Report) -> None:
        """Tell the agent of an account; strangers have none."""
        flow = self._by_account.get(account)
        if flow is not None:
            self._first = None
            flow.observe(report)

    def keep_still(self, ts_ns: int) -> None:
        """Let nobody act from now on."""
        if self._still_since_ns is None:
            self._still_since_ns, self._first = ts_ns, None

    def go_on(self, ts_ns: int) -> None:
        """Let everybody act again as if no time had passed."""
        if self._still_since_ns is not None:
            shift_ns, self._still_since_ns = ts_ns - self._still_since_ns, None
            self.load(self.dump(), shift_ns)

    def dump(self) -> State:
        """Return the agents' own states by account."""
        return {str(flow.account): flow.dump() for flow in self._flows}

    def load(self, state: State, shift_ns: int) -> None:
        """Take back a dump, with all times shifted."""
        self._first = None
        for flow in self._flows:
            flow.load(state[str(flow.account)], shift_ns)
