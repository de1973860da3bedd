"""Who counts the rare states that show in the journal, on the wire and at the exchange.

Owns no invariant. The names stand in `drivers.rare_states`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hftd.domain.codes import BookState, Code, TradingState, VenueCode
from hftd.domain.events import Link
from hftd.domain.facts import FACT, FactKind
from hftd.domain.order import FeeAsset, OrderEvent, OrderState
from hftd.drivers.checkers_told import Fact, Told
from hftd.drivers.checkers_truth import ACCOUNT, Truth, key_of
from hftd.drivers.watch import Checker, Watch, World
from hftd.journal.record import (
    SEGMENT_HEAD_BYTES,
    Record,
    RecordType,
    Stream,
    verified,
    written_end,
)
from hftd.journal.segment import segments

_PAUSES = {
    Code.USER_STREAM_STALE: "paused for lost reports",
    Code.ORDER_LINK_DOWN: "paused for the order link",
    Code.CLOCK: "paused for the clock",
    Code.RATE_LIMITED: "paused for a rate limit",
    Code.LOOP_LAG: "paused for a late loop",
    Code.REFERENCE_DISAGREES: "paused for references that disagree",
}
_HALTS = {
    Code.DAILY_LOSS: "halted for a loss",
    Code.DRAWDOWN: "halted for a loss",
    Code.UNKNOWN_ORDERS: "halted for UNKNOWN orders",
    Code.REJECT_STORM: "halted for rejects",
    Code.RECONCILE_DIFFERENCE: "halted for a difference",
    Code.BANNED: "halted for a ban",
    Code.JOURNAL: "halted for the journal",
    Code.LATE_REPORT: "late report halted",
    Code.TURNOVER_LIMIT: "halted for the turnover",
    Code.ONE_SIDED_FILLS: "halted for one-sided fills",
    Code.ORDERS_FOUND: "halted for orders found",
    Code.RECONCILED: "halted after a crash",
}
_REFUSALS = {
    Code.OPEN_ORDERS: "open orders limit refused",
    Code.ORDER_RATE: "order rate refused",
    Code.GROSS_EXPOSURE: "exposure refused",
    Code.TURNOVER: "turnover refused",
    Code.PRICE_COLLAR: "collar refused",
    Code.SELF_TRADE: "self-trade deferred or refused",
}
_UNQUOTED = {
    Code.POSITION_FULL: "position full",
    Code.BALANCE_SHORT: "funds short",
    Code.SIDE_IN_DOUBT: "side blocked by doubt",
}
_RESOLVED = {
    OrderEvent.ACCEPTED: "UNKNOWN resolved to live",
    OrderEvent.FILL_PARTIAL: "UNKNOWN resolved to live",
    OrderEvent.CANCELED: "UNKNOWN resolved to ended",
    OrderEvent.EXPIRED: "UNKNOWN resolved to ended",
    OrderEvent.FILL_FULL: "UNKNOWN resolved to ended",
    OrderEvent.FILLS_MISSING: "UNKNOWN resolved to ended",
    OrderEvent.NEVER_ACCEPTED: "UNKNOWN resolved to never accepted",
}
_FILLS = {
    OrderState.PENDING_NEW: "fill before its ack",
    OrderState.PENDING_CANCEL: "fill while its cancel was in flight",
    OrderState.PENDING_REPLACE: "fill while it was being replaced",
    OrderState.UNKNOWN: "fill of an UNKNOWN order",
}
_STOPPED = (TradingState.HALTED, TradingState.KILLED)


def is_torn(folder: Path | None) -> bool:
    """Return whether the newest segment of orders ends in something that is no record."""
    parts = segments(folder, Stream.ORDERS) if folder is not None else []
    if not parts:
        return False
    view = memoryview(parts[-1].path.read_bytes())
    records = verified(view, SEGMENT_HEAD_BYTES, parts[-1].head.chain)
    at = max((end for end, *_ in records), default=SEGMENT_HEAD_BYTES)
    return written_end(view, at) > at


class RareStates(Checker):
    """All of `rare_states.SEEN`."""

    READS = ((RecordType.FRAME_IN, Link.ORDER), RecordType.INTENT, RecordType.FACT)

    def __init__(self, world: World, watch: Watch, truth: Truth, told: Told) -> None:
        super().__init__(world, watch)
        self._truth, self._told, self._world = truth, told, world
        self._trading = TradingState.STARTING
        self._halt_code = Code.NONE
        self._orders: dict[int, int] = {}
        self._ended_by_us: set[int] = set()
        self._found: set[str] = set()  # Orders of ours that stood open as this boot began.
        self._trades_at_crash = 0
        self._reset_asked = False
        self._unsent = False  # An intent is journaled and has not left.
        self._traded = True  # Since the last crash.
        self._crashed = True
        self._asked_orders = 0
        self._links = list(told.links)
        self._day = 0

    # --- boots ----------------------------------------------------------------------------

    def on_crash(self, kind: str) -> None:
        """Keep where the exchange stood."""
        self._trades_at_crash = len(self._truth.trades)
        watch, trading = self.watch, self._trading
        if self._unsent:
            watch.sometimes("crash between intent and send")
        if self._truth.in_flight:
            watch.sometimes("crash between send and ack")
        if trading == TradingState.RECOVERING:
            watch.sometimes("crash while recovering")
        if trading == TradingState.KILLED:
            watch.sometimes("crash while killed")
            if kind == "power":
                watch.sometimes("latch synced before power was lost")
        if not self._traded:
            watch.sometimes("crash twice in a row")
        if kind == "power" and is_torn(getattr(self._world, "journal_folder", None)):
            watch.sometimes("torn tail cut")
        self._crashed, self._traded = True, False
        if any(state == OrderState.PENDING_NEW for state in self._orders.values()):
            self.watch.sometimes("booted after a crash with orders in flight")

    def on_boot(self, epoch: int) -> None:
        """A boot begins: what stands at the exchange?"""
        if not self._crashed and self._trading == TradingState.STOPPING:
            self.watch.sometimes("stopped clean")
        self._crashed, self._unsent, self._asked_orders = False, False, 0
        self._links = [False] * len(self._links)
        self._trading = TradingState.STARTING
        book = self._world.venue.exchange.bookkeeping(ACCOUNT)
        names = [order.client_order_id for order in book.open.values()]
        self._found = {name for name in names if name.startswith(self._truth.prefix)}
        if self._found:
            self.watch.sometimes("booted with open orders at the exchange")
        traded = sum(len(trades) for trades in book.trades.values())
        if self._trades_at_crash and traded > len(self._truth.trades):
            self.watch.sometimes("fill while the daemon was down")
        self._trades_at_crash = 0

    def on_latch(self, state: TradingState, code: Code) -> None:
        """A latch is removed by reset alone."""
        if state == TradingState.STARTING:
            self.watch.sometimes("reset led on")

    # --- answers --------------------------------------------------------------------------

    def on_record(self, record: Record) -> None:
        """What the exchange answered to our creates and replacements, and why a side is bare."""
        answer = self._truth.answer
        if record.record_type == RecordType.INTENT:
            self._unsent = True
            return
        if record.record_type == RecordType.FACT:
            self._read_quoting(record.payload)
            return
        if answer is None:
            return
        if answer.id is None and b'"x":"TRADE"' in bytes(record.payload):
            if any(bytes(record.payload).find(b'"t":%d,' % key[1]) > 0 for key in self._told.fills):
                self.watch.sometimes("fill told twice")
        elif answer.status == 409 and b'"cancelResult":"SUCCESS"' in bytes(record.payload):
            self.watch.sometimes("replace's create failed")

    def _read_quoting(self, payload: memoryview) -> None:
        # Read apart from the other facts: nobody else judges by these, which come most often.
        for begin in range(0, len(payload), FACT.itemsize):
            if payload[begin] == FactKind.QUOTING:
                code = int(np.frombuffer(payload, FACT, 1, begin)[0]["code"])
                if code in _UNQUOTED:
                    self.watch.sometimes(_UNQUOTED[Code(code)])

    def on_sent(self, link: Link, frame: bytes, ts_ns: int) -> None:
        """What is asked for, and what leaves before its create is acknowledged."""
        asked = self._truth.asked
        self._unsent = False
        if asked is None:
            return
        if asked.cancels in self._truth.in_flight:
            self.watch.sometimes("cancel of an order in flight")
        if asked.method == "order.status" and self._is_leaving(asked.request_id):
            self.watch.sometimes("cancel without an answer")
        if asked.method == "openOrders.status" and self._trading == TradingState.RECOVERING:
            self._asked_orders += 1
            if self._asked_orders == 2 * len(self._truth.symbols):
                self.watch.sometimes("recovery began again")

    def _is_leaving(self, request_id: str) -> bool:
        key = key_of(self._truth.prefix + request_id.split(".")[1])
        return self._orders.get(key) in (OrderState.PENDING_CANCEL, OrderState.PENDING_REPLACE)

    # --- facts ----------------------------------------------------------------------------

    def on_step(self, world: World) -> None:
        """Look at what this step told."""
        told = self._told
        if "kill" in told.commands:
            self._count_kill()
        if "reset" in told.commands:
            self._reset_asked = True
        if told.links != self._links:
            lost = any(was and not up for was, up in zip(self._links, told.links, strict=True))
            if lost and self._trading == TradingState.RECOVERING:
                self.watch.sometimes("link lost while recovering")
            self._links = list(told.links)
        for fact in told.facts:
            kind = fact.kind
            if kind == FactKind.ORDER:
                self._order(fact)
            elif kind == FactKind.FILL:
                self._fill(fact)
            elif kind == FactKind.STATE:
                self._state(fact)
            elif kind == FactKind.REFUSAL and fact.code in _REFUSALS:
                self.watch.sometimes(_REFUSALS[Code(fact.code)])
            elif kind == FactKind.EXTERNAL_FLOW:
                self.watch.sometimes("fill of a foreign order")
            elif kind == FactKind.DIFFERENCE and self._reset_asked and self._trading in _STOPPED:
                self.watch.sometimes("reset refused by a difference")
                self._reset_asked = False
            elif kind == FactKind.REJECT:
                self._reject(fact)
            elif kind == FactKind.BOOK:
                self._book(fact)

    def on_look(self, world: World) -> None:
        """See the day go over."""
        day = int(self.watch.views(world).core["day"])
        if 0 < self._day < day:
            self.watch.sometimes("day rolled over")
        self._day = day

    def _count_kill(self) -> None:
        watch, states = self.watch, set(self._orders.values())
        watch.sometimes("killed")
        if OrderState.PENDING_NEW in states:
            watch.sometimes("kill while an order was in flight")
        if OrderState.UNKNOWN in states:
            watch.sometimes("kill while an order was UNKNOWN")
        if self._trading == TradingState.RECOVERING:
            watch.sometimes("kill while recovering")
        if not self._told.links[Link.ORDER]:
            watch.sometimes("kill while the order link was down")
        if self._trading == TradingState.HALTED:
            watch.sometimes("kill while halted")

    def _order(self, fact: Fact) -> None:
        watch, before, after = self.watch, OrderState(fact.state_from), OrderState(fact.state_to)
        event = OrderEvent(fact.order_event)
        if after == OrderState.UNKNOWN:
            watch.sometimes("order became UNKNOWN")
            if OrderState.UNKNOWN in self._orders.values():
                watch.sometimes("two orders UNKNOWN at once")
            symbol = self._truth.symbols[fact.instrument]
            for order in self._truth.open:
                mine = order.symbol == symbol and order.price_ticks == fact.price_ticks
                if mine and order.qty_lots == fact.qty_lots:
                    watch.sometimes("create accepted, answer lost")
                    break
        elif before == OrderState.UNKNOWN and event in _RESOLVED:
            watch.sometimes(_RESOLVED[event])
            if event == OrderEvent.NEVER_ACCEPTED:
                watch.sometimes("create lost on its way")
        if before == OrderState.NONE and event == OrderEvent.ACCEPTED:
            watch.sometimes("order unknown to us adopted")
        if event == OrderEvent.CANCEL_REJECTED:
            watch.sometimes("cancel rejected")
        if event == OrderEvent.FILL_PARTIAL:
            watch.sometimes("order filled in part")
        if event in (OrderEvent.CANCEL_SENT, OrderEvent.REPLACE_SENT):
            self._ended_by_us.add(fact.order_key)
        if after == OrderState.CANCELED and fact.order_key not in self._ended_by_us:
            watch.sometimes("order canceled unasked")
        if event in (OrderEvent.CANCELED, OrderEvent.EXPIRED) and any(
            other.kind == FactKind.FILL and other.order_key == fact.order_key
            for other in self._told.facts
        ):
            watch.sometimes("fill arrived after its cancel's ack")
        if self._told.is_over(fact.order_key):
            self._orders.pop(fact.order_key, None)
            self._ended_by_us.discard(fact.order_key)
        elif event != OrderEvent.FILLS_MISSING:  # Told PENDING_CANCEL, and no cancel is in flight.
            self._orders[fact.order_key] = fact.state_to

    def _fill(self, fact: Fact) -> None:
        state = self._orders.get(fact.order_key)
        if state is not None and OrderState(state) in _FILLS:
            self.watch.sometimes(_FILLS[OrderState(state)])
        if fact.fee_asset == FeeAsset.BASE and fact.fee_atoms:
            self.watch.sometimes("fee in the base asset")
        if self._told.reduce_only.get(fact.order_key) == 1:
            self.watch.sometimes("flatten traded")
            if self._halt_code in (Code.DAILY_LOSS, Code.DRAWDOWN):
                self.watch.sometimes("position reduced after a loss")
        position = sum(
            fill.qty_lots * (1 - 2 * fill.side)
            for (index, _), fill in self._told.fills.items()
            if index == fact.instrument
        )
        if position * (position - fact.qty_lots * (1 - 2 * fact.side)) < 0:
            self.watch.sometimes("position went through zero")
        if self._truth.answer is not None and str(self._truth.answer.id).startswith("t"):
            self.watch.sometimes("fill missed by the stream")
            if self._trading != TradingState.RUNNING:
                self.watch.sometimes("recovery found missed fills")

    def _state(self, fact: Fact) -> None:
        watch, after, code = self.watch, TradingState(fact.state_to), Code(fact.code)
        if after == TradingState.PAUSED and code in _PAUSES:
            watch.sometimes(_PAUSES[code])
        if after == TradingState.HALTED:
            if self._trading == TradingState.RECOVERING and fact.state_from == after:
                watch.sometimes("booted with a latch")
            watch.sometimes("halted")
            if code in _HALTS:
                watch.sometimes(_HALTS[code])
        if after in _STOPPED and fact.state_from == TradingState.RECOVERING:
            watch.sometimes("booted with a latch")
        self._traded = self._traded or after == TradingState.RUNNING
        started = fact.state_from == TradingState.RECOVERING and after == TradingState.RUNNING
        if started and any(order.client_order_id in self._found for order in self._truth.open):
            watch.sometimes("start kept an order")
        if after == TradingState.RUNNING and code == Code.RESUMED:
            watch.sometimes("paused and resumed by itself")
        self._trading = after
        self._halt_code = code if after == TradingState.HALTED else Code.NONE

    def _reject(self, fact: Fact) -> None:
        if fact.venue_code == VenueCode.WOULD_MATCH:
            self.watch.sometimes("post-only missed")
        elif fact.venue_code == VenueCode.NOT_ATTEMPTED:
            self.watch.sometimes("replace stopped half way")
        elif fact.venue_code == VenueCode.MARKET_CLOSED:
            self.watch.sometimes("market halted by the exchange")
        else:
            self.watch.sometimes("create refused by the exchange")

    def _book(self, fact: Fact) -> None:
        before, after = BookState(fact.state_from), BookState(fact.state_to)
        if after == BookState.STALE:
            self.watch.sometimes("book stale by age")
        elif before == BookState.SYNCED and after == BookState.RESYNCING:
            self.watch.sometimes("sequence gap")
        elif after == BookState.SYNCED and self._trading == TradingState.RUNNING:
            self.watch.sometimes("resynced")
