"""Invariants of a start: what the profile leaves to a person waits for one.

Owns what ``on_crash`` and ``on_start`` promise (C34). What stood is read from the exchange as the
boot begins, what the daemon knew of it from its own journal. A command in a boot is a person who
looks: from there on the other checkers judge.
"""

from __future__ import annotations

from hftd.domain.codes import Code, TradingState
from hftd.domain.events import Link
from hftd.domain.facts import FactKind
from hftd.domain.order import OrderState
from hftd.drivers.checkers_told import Told
from hftd.drivers.checkers_truth import ACCOUNT, Truth, key_of
from hftd.drivers.watch import Checker, Watch, World
from hftd.journal.record import Record, RecordType

RESTING = (OrderState.NEW, OrderState.PARTIALLY_FILLED)


class CrashWaits(Checker):
    """I20 of ``on_crash: halt``."""

    ID = "I20"
    SAYS = "after a crash no order leaves before a person has looked, where the profile says so"

    def __init__(self, world: World, watch: Watch, truth: Truth, told: Told) -> None:
        super().__init__(world, watch)
        self._truth, self._told = truth, told
        self._halts = world.loaded.profile.on_crash == "halt"
        self._created = False  # In this life, so that its journal is on the disk.
        self._owes = False

    def on_boot(self, epoch: int) -> None:
        """A life begins."""
        self._created = False

    def on_crash(self, kind: str) -> None:
        """A life that traded is over; one that was stopping may have ended as it should."""
        stopping = self._told.trading == TradingState.STOPPING
        self._owes = self._owes or (self._created and not stopping)

    def on_latch(self, state: TradingState, code: Code) -> None:
        """What is latched waits for a person, who removes it."""
        self._owes = False

    def on_sent(self, link: Link, frame: bytes, ts_ns: int) -> None:
        """A create leaves."""
        create = self._truth.create
        if create is None or self._told.reduces(create.key):
            return  # Of flatten, or of a loss that is cut: I04 judges who asked for it.
        if self._halts and self._owes:
            self.break_off("HALTED until reset", "a create", create.client_order_id)
        self._created = True

    def on_step(self, world: World) -> None:
        """Where the profile does not say so, no crash halts."""
        for fact in self._told.facts:
            halted = fact.kind == FactKind.STATE and fact.state_to == TradingState.HALTED
            if halted and fact.code == Code.RECONCILED and not self._halts:
                self.break_off("on_crash: resume", "HALTED after a crash")


class FoundWaits(Checker):
    """I19 of ``on_start``."""

    ID = "I19"
    SAYS = "a start keeps the orders that it finds, or waits for a person, as the profile says"
    READS = (RecordType.COMMAND,)

    def __init__(self, world: World, watch: Watch, truth: Truth, told: Told) -> None:
        super().__init__(world, watch)
        self._world, self._truth, self._told = world, truth, told
        self._policy = world.loaded.profile.on_start
        self._found: dict[str, bool] = {}  # At the exchange; whether the journal has it resting.
        self._canceled = ""  # One of them, by the start itself.
        self._asked = False  # A person has given a command in this boot.

    def on_boot(self, epoch: int) -> None:
        """Keep what stands open."""
        self._canceled, self._asked = "", False
        self._found = {}
        for order in self._world.venue.exchange.bookkeeping(ACCOUNT).open.values():
            if order.client_order_id.startswith(self._truth.prefix):
                key = key_of(order.client_order_id)
                resting = self._told.order_state.get(key) in RESTING
                self._found[order.client_order_id] = resting

    def on_record(self, record: Record) -> None:
        """A person is there."""
        self._asked = True

    def on_latch(self, state: TradingState, code: Code) -> None:
        """A latch waits for a person."""
        self._found.clear()

    def on_sent(self, link: Link, frame: bytes, ts_ns: int) -> None:
        """Judge a cancel of what was found, or the first create beside it."""
        asked = self._truth.asked
        if asked is None or self._asked or not self._found:
            return
        starting = self._told.trading == TradingState.RECOVERING
        if asked.cancels in self._found and starting:
            if self._policy == "adopt" and self._found[asked.cancels]:
                self.break_off("on_start: adopt", "a cancel", asked.cancels)
            self._canceled = asked.cancels
        if self._truth.create is None:
            return
        if self._policy == "refuse":
            standing = [order.client_order_id for order in self._truth.open]
            beside = next((name for name in standing if self._found.get(name)), self._canceled)
            if beside:
                self.break_off("HALTED for the orders found", "a create", f"found: {beside}")
        self._found.clear()

    def on_step(self, world: World) -> None:
        """Where the profile does not say so, no order that is found halts."""
        for fact in self._told.facts:
            halted = fact.kind == FactKind.STATE and fact.state_to == TradingState.HALTED
            if halted and fact.code == Code.ORDERS_FOUND and self._policy != "refuse":
                self.break_off(f"on_start: {self._policy}", "HALTED for orders found")
