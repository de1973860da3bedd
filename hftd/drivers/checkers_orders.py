"""Invariants of orders: intents before frames, ids for once, legal states, no self-trade.

Owns I06, I07, I08, I09, I16, I19 and I22. The table of states is written here a second
time, by hand and from the rules, so that it catches a slip in the engine's.
"""

from __future__ import annotations

from collections import deque

from hftd.domain.codes import TradingState
from hftd.domain.events import Link
from hftd.domain.facts import FactKind
from hftd.domain.order import (
    SEQ_BITS,
    SEQ_MAX,
    TERMINAL,
    OrderState,
)
from hftd.drivers.checkers_told import Fact, Told
from hftd.drivers.checkers_truth import BUY, Create, Truth
from hftd.drivers.watch import Checker, Watch, World
from hftd.journal.record import Record, RecordType, decode_json
from hftd.simex.requests import Side

ORDER_LETTERS = ("p", "c", "r")

_S = OrderState
_LIVE = {_S.NEW, _S.PARTIALLY_FILLED, _S.PENDING_CANCEL, _S.PENDING_REPLACE}
_ENDS = {_S.FILLED, _S.CANCELED, _S.EXPIRED}
# From a state to those that may follow; whatever is open may be told again as what it is.
FOLLOWS: dict[OrderState, set[OrderState]] = {
    _S.NONE: {_S.PENDING_NEW, _S.NEW, _S.PARTIALLY_FILLED},
    _S.PENDING_NEW: {_S.PENDING_NEW, _S.UNKNOWN, _S.REJECTED, *_LIVE, *_ENDS},
    _S.UNKNOWN: {_S.UNKNOWN, _S.REJECTED, *_LIVE, *_ENDS},
    _S.NEW: {*_LIVE, *_ENDS},
    _S.PARTIALLY_FILLED: {*_LIVE, *_ENDS} - {_S.NEW},
    _S.PENDING_CANCEL: {*_LIVE, *_ENDS} - {_S.PENDING_REPLACE},
    _S.PENDING_REPLACE: {*_LIVE, *_ENDS},
}


class JournaledFirst(Checker):
    """I06."""

    ID = "I06"
    SAYS = "every create and cancel on the wire has an earlier intent in the journal"
    READS = (RecordType.FRAME_OUT,)

    def __init__(self, world: World, watch: Watch, truth: Truth) -> None:
        super().__init__(world, watch)
        self._truth = truth
        self._written: deque[bytes] = deque(maxlen=4096)

    def on_record(self, record: Record) -> None:
        """Keep a frame that the journal has."""
        self._written.append(bytes(record.payload))

    def on_sent(self, link: Link, frame: bytes, ts_ns: int) -> None:
        """Find the frame among those; each counts once."""
        asked = self._truth.asked
        if asked is None or not asked.request_id.startswith(ORDER_LETTERS):
            return
        if frame in self._written:
            self._written.remove(frame)
        else:
            self.break_off("the frame in the journal", "absent", asked.request_id)


class IdsOnce(Checker):
    """I07."""

    ID = "I07"
    SAYS = "client order ids never repeat, over all lives"

    def __init__(self, world: World, watch: Watch, truth: Truth) -> None:
        super().__init__(world, watch)
        self._truth = truth
        self._sent: dict[str, Create] = {}

    def on_sent(self, link: Link, frame: bytes, ts_ns: int) -> None:
        """Keep the id of a create."""
        create = self._truth.create
        if create is None:
            return
        before = self._sent.setdefault(create.client_order_id, create)
        if before is not create:
            self.break_off("a new id", f"sent before as {before}", before.client_order_id)


class LegalStates(Checker):
    """I08, and I09 as the journal tells it."""

    ID = "I08"
    SAYS = "an order moves by legal transitions alone, and an end is for good"

    def __init__(self, world: World, watch: Watch, told: Told) -> None:
        super().__init__(world, watch)
        self._told = told
        self._over: dict[int, tuple[int, int]] = {}  # Key to (seq, state) of its end.
        self._cum: dict[int, tuple[int, int]] = {}

    def on_step(self, world: World) -> None:
        """Judge the order facts of this step."""
        lost_seq = self._told.taken_back_seq
        if lost_seq:
            self._over = {key: end for key, end in self._over.items() if end[0] < lost_seq}
            self._cum = {key: cum for key, cum in self._cum.items() if cum[0] < lost_seq}
        for fact in self._told.facts:
            if fact.kind == FactKind.ORDER:
                self._judge(fact)
            elif fact.kind == FactKind.FILL and fact.order_key in self._over:
                self._judge_late_fill(fact)

    def _judge(self, fact: Fact) -> None:
        before, after = OrderState(fact.state_from), OrderState(fact.state_to)
        if before == OrderState.NONE and after == OrderState.NEW:
            # The exchange lists it as open, twice: it is adopted, whatever was told before.
            self._over.pop(fact.order_key, None)
            self._cum.pop(fact.order_key, None)
        over = self._over.get(fact.order_key)
        if over is not None:
            was = f"{before.name} to {after.name}"
            self.break_off(f"no change after {OrderState(over[1]).name}", was, _name(fact))
        if after not in FOLLOWS.get(before, set()):
            allowed = ", ".join(sorted(state.name for state in FOLLOWS.get(before, set())))
            self.break_off(f"{before.name} to {allowed or 'nothing'}", after.name, _name(fact))
        cum = self._cum.get(fact.order_key, (0, 0))[1]
        if not cum <= fact.cum_qty_lots <= fact.qty_lots:
            bounds = f"cum lots from {cum} to {fact.qty_lots}"
            self.watch.violate("I09", f"{_name(fact)}: expected {bounds}, was {fact.cum_qty_lots}")
        self._cum[fact.order_key] = (fact.seq, fact.cum_qty_lots)
        if after in TERMINAL:
            self._over[fact.order_key] = (fact.seq, after)

    def _judge_late_fill(self, fact: Fact) -> None:
        # An order given up for never accepted may live after all, and halts; no other may.
        stopped = (TradingState.HALTED, TradingState.KILLED, TradingState.STOPPING)
        seq, state = self._over[fact.order_key]
        if seq == fact.seq:
            return
        if state != OrderState.REJECTED or self._told.trading not in stopped:
            was = f"trade {fact.trade_id} in {self._told.trading.name}"
            self.break_off(f"no fill after {OrderState(state).name}", was, _name(fact))


def _name(fact: Fact) -> str:
    return f"order {fact.order_key >> SEQ_BITS}-{fact.order_key & SEQ_MAX}"


class NoOverfill(Checker):
    """I09 by the exchange's truth."""

    ID = "I09"
    SAYS = "an order fills no more than was ordered"

    def __init__(self, world: World, watch: Watch, truth: Truth) -> None:
        super().__init__(world, watch)
        self._truth = truth

    def on_step(self, world: World) -> None:
        """Compare what stands open with what the orders asked for."""
        if not self._truth.changed:
            return
        for order in self._truth.open:
            if not 0 <= order.cum_lots <= order.qty_lots:
                self.break_off(f"0 to {order.qty_lots} lots", order.cum_lots, order.client_order_id)


class NoSelfTrade(Checker):
    """I16."""

    ID = "I16"
    SAYS = "no order of ours crosses another of ours"

    def __init__(self, world: World, watch: Watch, truth: Truth) -> None:
        super().__init__(world, watch)
        self._truth = truth
        self._leaving: set[str] = set()

    def on_sent(self, link: Link, frame: bytes, ts_ns: int) -> None:
        """A create may cross an own order only where that one's cancel has left."""
        asked = self._truth.asked
        if asked is None:
            return
        if asked.cancels:
            self._leaving.add(asked.cancels)
        if self._truth.create is not None:
            self._judge(self._truth.create)

    def _judge(self, create: Create) -> None:
        truth, sign = self._truth, 1 if create.side == BUY else -1
        symbol = truth.symbols[create.instrument]
        for order in truth.open:
            same_side = (order.side is Side.BUY) == (create.side == BUY)
            if order.symbol != symbol or same_side or order.client_order_id in self._leaving:
                continue
            if sign * (create.price_ticks - order.price_ticks) >= 0:
                was = f"{create.price_ticks} ticks against own {order.price_ticks}"
                self.break_off("a price clear of our own", was, create.client_order_id)

    def on_step(self, world: World) -> None:
        """The exchange has not matched two orders of ours."""
        for trade in self._truth.self_trades:
            self.break_off("a stranger on the other side", f"trade {trade.trade_id} with ourselves")


class ReconciledFirst(Checker):
    """I19: judged by the answers that came in, not by what the engine concludes."""

    ID = "I19"
    SAYS = "no create before the reconciliation of this boot, or after a gap in our reports"
    READS = ((RecordType.FRAME_IN, Link.ORDER),)

    def __init__(self, world: World, watch: Watch, truth: Truth, told: Told) -> None:
        super().__init__(world, watch)
        self._truth, self._told = truth, told
        self._answered: dict[str, int] = {}

    def on_boot(self, epoch: int) -> None:
        """What an earlier life heard counts no more."""
        self._answered.clear()

    def on_record(self, record: Record) -> None:
        """Keep when open orders, trades and balances were last told."""
        answer = self._truth.answer
        if answer is not None and answer.status == 200:
            self._answered[str(answer.id)[:1]] = record.seq

    def on_sent(self, link: Link, frame: bytes, ts_ns: int) -> None:
        """All three were told in this boot and since the last gap."""
        create = self._truth.create
        if create is None:
            return
        for letter, words in (("o", "open orders"), ("t", "own trades"), ("a", "balances")):
            seq = self._answered.get(letter, -1)
            if seq < self._told.user_lost_seq or seq < 0:
                self.break_off(f"{words} told first", "a create", create.client_order_id)


class Attributed(Checker):
    """I22."""

    ID = "I22"
    SAYS = "every create belongs to one decision of one run, whose header names its configuration"
    READS = (RecordType.HEADER,)

    def __init__(self, world: World, watch: Watch, truth: Truth, told: Told) -> None:
        super().__init__(world, watch)
        self._truth, self._told = truth, told
        self._epoch = 0  # Of the newest header; 0 in a world that keeps no journal.

    def on_record(self, record: Record) -> None:
        """The run's header says epoch and configuration."""
        words = decode_json(record.payload)
        self._epoch = int(words["epoch"]) if words["config_hash"] else -1

    def on_sent(self, link: Link, frame: bytes, ts_ns: int) -> None:
        """The order of a create was staged once, by a decision that is named."""
        create = self._truth.create
        if create is None:
            return
        name, key = create.client_order_id, create.key
        if self._epoch not in (0, key >> SEQ_BITS):
            self.break_off(f"a header of epoch {key >> SEQ_BITS}", self._epoch, name)
        staged = [
            fact
            for fact in self._told.facts
            if fact.kind == FactKind.ORDER
            and fact.order_key == key
            and fact.state_to == OrderState.PENDING_NEW
        ]
        if len(staged) != 1 or staged[0].decision_seq <= 0:
            self.break_off("one decision", f"{len(staged)} in this step", name)
        fact = staged[0]
        sent = (create.side, create.price_ticks, create.qty_lots)
        decided = (fact.side, fact.price_ticks, fact.qty_lots)
        if sent != decided:
            self.break_off(decided, sent, f"{name}: side, ticks, lots on the wire")
