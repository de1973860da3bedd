"""What the daemon's journal tells the checkers: facts, commands and links of this life.

Owns the reading of facts, and what of them a power loss took back. Must not judge, and must not
take what is told for true: the exchange's truth stands in `drivers.checkers_truth`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hftd.domain.codes import Code, TradingState
from hftd.domain.events import EVENT, EventKind, Link
from hftd.domain.facts import FACT, FactKind
from hftd.domain.order import TERMINAL, OrderEvent, OrderState
from hftd.drivers.watch import Checker, Watch, World
from hftd.journal.record import Record, RecordType, decode_json

_READ = {
    FactKind.ORDER, FactKind.FILL, FactKind.STATE, FactKind.NOTE, FactKind.REFUSAL,
    FactKind.EXTERNAL_FLOW, FactKind.DIFFERENCE, FactKind.REJECT, FactKind.BOOK,
}  # fmt: skip


class Fact(NamedTuple):
    """A fact as it was journaled; only the fields that some checker reads."""

    seq: int
    kind: int
    instrument: int
    ts_ns: int
    order_key: int
    trade_id: int
    side: int
    order_event: int
    state_from: int
    state_to: int
    code: int
    reduce_only: int
    price_ticks: int
    qty_lots: int
    cum_qty_lots: int
    leaves_lots: int
    fee_atoms: int
    fee_asset: int
    decision_seq: int
    venue_code: int
    time_in_force: int


_FIELDS = Fact._fields[1:]
_NAMES = list(FACT.fields or ())
_PLACES = [_NAMES.index(name) for name in _FIELDS]


class Told(Checker):
    """Facts of the last record, and the states that follow from all of them.

    After a power loss the journal goes on at an earlier sequence: what stood behind it is told
    no more, and is taken back here.
    """

    READS = (
        RecordType.FACT, RecordType.COMMAND, (RecordType.EVENT, EventKind.LINK), RecordType.HEADER,
    )  # fmt: skip

    def __init__(self, world: World, watch: Watch) -> None:
        super().__init__(world, watch)
        self._world = world
        self.facts: list[Fact] = []  # Of this step; emptied by `settled`.
        self.commands: list[str] = []  # Of this step.
        self.fills: dict[tuple[int, int], Fact] = {}  # By (instrument, trade id), in order.
        self.twice: list[Fact] = []
        self.order_state: dict[int, int] = {}
        self.reduce_only: dict[int, int] = {}
        self.trading = TradingState.STARTING
        self.links = [False] * len(Link)
        self.user_lost_seq = 0  # Of the record that told of the last gap in our reports.
        self.reconciled = False  # In this boot.
        self.boots = 0
        self.doubted: dict[int, tuple[int, int]] = {}  # Key to instrument and side.
        self.taken_back_seq = 0  # Of the first record that the last power loss took; 0: none.
        self._last_seq = 0

    def on_boot(self, epoch: int) -> None:
        """A new life: nothing is reconciled, no link is up."""
        self.boots += 1
        self.reconciled = False
        self.trading = TradingState.STARTING
        self.links = [False] * len(Link)
        self.user_lost_seq = 0  # Which a loss of power may have put ahead of all that follows.
        self.doubted.clear()

    def on_record(self, record: Record) -> None:
        """Read one record of the journal."""
        if record.record_type == RecordType.HEADER and self._world.kept_seq < self._last_seq:
            self._take_back(self._world.kept_seq + 1)
        self._last_seq = record.seq
        if record.record_type == RecordType.FACT:
            self._read_facts(record)
        elif record.record_type == RecordType.EVENT:
            self._read_event(record)
        elif record.record_type == RecordType.COMMAND:
            self.commands.append(str(decode_json(record.payload).get("command", "")))
            self.watch.stir()

    def settled(self) -> None:
        """All checkers have seen this step."""
        self.facts.clear()
        self.taken_back_seq = 0
        self.commands.clear()

    def _take_back(self, seq: int) -> None:
        self.taken_back_seq = seq
        self.watch.stir()
        self.facts = [fact for fact in self.facts if fact.seq < seq]  # Of the step that it died in.
        self.twice = [fact for fact in self.twice if fact.seq < seq]
        self.fills = {key: fact for key, fact in self.fills.items() if fact.seq < seq}
        self.order_state.clear()  # Of orders that may come back; what is told from here on counts.
        self.trading = TradingState.STARTING

    def _read_facts(self, record: Record) -> None:
        payload, size = record.payload, FACT.itemsize
        for begin in range(0, len(payload), size):
            if payload[begin] in _READ:
                values = np.frombuffer(payload, FACT, 1, begin)[0].item()
                self._take(Fact(record.seq, *[values[place] for place in _PLACES]))

    def _take(self, fact: Fact) -> None:
        self.facts.append(fact)
        self.watch.stir()
        if fact.kind == FactKind.STATE:
            self.trading = TradingState(fact.state_to)
        elif fact.kind == FactKind.ORDER:
            self.order_state[fact.order_key] = fact.state_to
            self.reduce_only[fact.order_key] = fact.reduce_only
            self.doubted.pop(fact.order_key, None)
            if fact.state_to == OrderState.UNKNOWN or fact.order_event == OrderEvent.FILLS_MISSING:
                self.doubted[fact.order_key] = (fact.instrument, fact.side)
        elif fact.kind == FactKind.NOTE and fact.code == Code.RECONCILED:
            self.reconciled = True
        elif fact.kind == FactKind.FILL:
            key = (fact.instrument, fact.trade_id)
            if key in self.fills:
                self.twice.append(fact)
            self.fills[key] = fact

    def _read_event(self, record: Record) -> None:
        self.watch.stir()
        event = np.frombuffer(record.payload, EVENT)[0]
        link, up = int(event["link"]), bool(event["up"])
        self.links[link] = up
        if link == Link.ORDER and not up:
            self.links[Link.USER] = False
        if link in (Link.ORDER, Link.USER) and not up:
            self.user_lost_seq = record.seq

    def reduces(self, order_key: int) -> bool:
        """Return whether the order was staged to make the position smaller."""
        return self.reduce_only.get(order_key, 0) == 1

    def is_over(self, order_key: int) -> bool:
        """Return whether the journal has told of the order's end."""
        return OrderState(self.order_state.get(order_key, OrderState.NONE)) in TERMINAL
