"""Stage stamps: when each part of a step ended, by the machine's monotonic clock.

Telemetry beside trading: written here, read by nobody who decides, absent from the state's
hash and from replay. Times of market data frames alone count for the first three stages;
a timer's step would say nothing about latency.
"""

from __future__ import annotations

import time

import numpy as np

from hftd.domain.actions import ActionKind
from hftd.domain.facts import FACT, FactKind
from hftd.domain.layout import Records
from hftd.domain.order import OrderEvent
from hftd.engine.engine import STAGE_BOOK, STAGE_RISK, STAGE_STRATEGY
from hftd.runtime.telemetry import Stage, Telemetry

# Plain integers: a number out of a record compared with an enum's member costs 7 µs.
CREATES = (int(ActionKind.SUBMIT), int(ActionKind.CANCEL_REPLACE))
ORDER, ACCEPTED = int(FactKind.ORDER), int(OrderEvent.ACCEPTED)
AWAITED_CAPACITY = 1024  # Orders whose answer is awaited; beyond that the oldest is forgotten.
EXECUTION, TICK_TO_ORDER = int(Stage.EXECUTION), int(Stage.TICK_TO_ORDER)
# The engine's stages are numbered as the first three of `Stage`.
assert (STAGE_BOOK, STAGE_STRATEGY, STAGE_RISK) == (
    Stage.MARKET_DATA, Stage.STRATEGY, Stage.RISK
)  # fmt: skip


class NoStamps:
    """Stamps of a driver that has no time: replay and simulation."""

    def begin(self, is_market: bool) -> None:
        """Note nothing."""

    def stamp(self, stage: int) -> None:
        """Note nothing."""

    def performed(self, kind: int, order_key: int) -> None:
        """Note nothing."""

    def stepped(self, facts: bytes) -> None:
        """Note nothing."""


class Stamps(NoStamps):
    """Stamps of the live driver, folded into histograms.

    Until a step's orders are out a stamp is a time put into a list; all else waits for
    ``stepped``.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._record = telemetry.record
        self._is_market = False
        self._began_ns = 0
        self._last_ns = 0
        self._stages_ns: list[int] = []  # When each stage of this step ended, in their order.
        self._sent: list[tuple[int, int]] = []  # Orders of this step, and when each was out.
        self._awaited: dict[int, tuple[int, int]] = {}

    def begin(self, is_market: bool) -> None:
        """Note that an input has come."""
        self._is_market = is_market
        self._began_ns = self._last_ns = time.perf_counter_ns()

    def stamp(self, stage: int) -> None:
        """Note that a stage of the step ended; they end in their order."""
        self._stages_ns.append(time.perf_counter_ns())

    def performed(self, kind: int, order_key: int) -> None:
        """Note that an action of an ActionKind was handed to its socket."""
        if kind in CREATES:
            self._sent.append((order_key, time.perf_counter_ns()))

    def stepped(self, facts: bytes) -> None:
        """Count the times of the step that has ended, and the venue's answers among its facts.

        Shapes: facts (n,) FACT, as they lie in memory.
        """
        for stage, at_ns in enumerate(self._stages_ns):
            if self._is_market:
                self._record(stage, at_ns - self._last_ns)
            self._last_ns = at_ns
        self._stages_ns.clear()
        if self._sent:
            self._count_sent()
        if facts and self._awaited and not self._is_market:  # Market data brings no answers.
            self._count_answers(np.frombuffer(facts, FACT))

    def _count_sent(self) -> None:
        for order_key, at_ns in self._sent:
            self._record(EXECUTION, at_ns - self._last_ns)
            if self._is_market:
                self._record(TICK_TO_ORDER, at_ns - self._began_ns)
            if len(self._awaited) >= AWAITED_CAPACITY:
                del self._awaited[next(iter(self._awaited))]
            self._awaited[order_key] = (self._began_ns, at_ns)
        self._sent.clear()

    def _count_answers(self, facts: Records) -> None:
        if ORDER not in facts["kind"].tolist():
            return
        columns = (facts[name].tolist() for name in ("kind", "order_event", "order_key"))
        for kind, order_event, order_key in zip(*columns, strict=True):
            if kind != ORDER or order_event != ACCEPTED:
                continue
            times = self._awaited.pop(order_key, None)
            if times is not None:
                self._record(Stage.END_TO_END, self._began_ns - times[0])
                self._record(Stage.VENUE, self._began_ns - times[1])
