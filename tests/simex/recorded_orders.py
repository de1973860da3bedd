"""An order-by-order recording of a real exchange, run through our book.

Owns the reading of the file and the two halves of its day. Before the open orders are entered
and cross without trading: they stand in plain ladders. At the open an auction takes them apart;
what is left moves into a matching market in order of priority, and from then on each recorded
aggressor is an order of ours, which the market matches by its own rules.

The records. A adds an order, M changes one, C takes one (or lots of one) away; T is an
aggressor at one price, followed by an F for each order that it filled, followed by the M or C
that say what is left of them.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import databento_dbn

from hftd.simex.ladder import Ladder, Resting
from hftd.simex.market import SymbolSpec
from hftd.simex.matching import MatchingMarket
from hftd.simex.requests import Kind, Place, Side, TimeInForce, Trade

FILE = Path("../shared/data/esh4-glbx-mdp3-20231225.mbo.dbn.zst")
SPEC = SymbolSpec("ESH4", "ES", "USD", "0.25", "1")
TICK_E9 = 250_000_000
SNAPSHOT, LAST_OF_EVENT = 32, 128
SIDES = {"B": Side.BUY, "A": Side.SELL}


def read(path: Path) -> list[Any]:
    """Return the order records of the file: the snapshot, then the events."""
    decoder = databento_dbn.DBNDecoder(compression=databento_dbn.Compression.ZSTD)
    decoder.write(path.read_bytes())
    return [record for record in decoder.decode() if hasattr(record, "order_id")]


class BeforeTheOpen:
    """Two ladders without matching."""

    def __init__(self) -> None:
        self.ladders = {side: Ladder(side) for side in Side}
        self.orders: dict[int, Resting] = {}

    def apply(self, record: Any) -> None:
        """Take one record; T and F change nothing by themselves."""
        action, order_id = str(record.action), record.order_id
        if action == "A":
            self._enter(record)
        elif action == "C":
            self.ladders[self.orders[order_id].side].reduce(self.orders[order_id], record.size)
            if self.orders[order_id].leaves == 0:
                del self.orders[order_id]
        elif action == "M":
            order = self.orders[order_id]
            assert order.level is not None
            if order.level.price_ticks == ticks(record) and record.size < order.leaves:
                self.ladders[order.side].reduce(order, order.leaves - record.size)
            else:
                self.ladders[order.side].remove(order)
                self._enter(record)

    def _enter(self, record: Any) -> None:
        side = SIDES[str(record.side)]
        order = Resting(record.order_id, 1, side, record.size)
        self.orders[record.order_id] = order
        self.ladders[side].append(order, ticks(record))

    def is_crossed(self) -> bool:
        """Return whether the best bid reaches the best ask."""
        bid, ask = (self.ladders[side].best() for side in (Side.BUY, Side.SELL))
        return bid is not None and ask is not None and bid.price_ticks >= ask.price_ticks


class AfterTheOpen:
    """A market that matches the recorded aggressors; ``counts`` is what came of it."""

    def __init__(self, before: BeforeTheOpen) -> None:
        self.market = MatchingMarket(SPEC)
        self.counts: Counter[str] = Counter()
        self._ours: dict[int, Place] = {}  # By their recorded ids.
        self._recorded: dict[int, int] = {}  # Recorded ids by ours.
        self._aggressor_id = 0
        self._expected: list[tuple[int, int]] = []
        self._filled: list[tuple[int, int]] = []
        for ladder in before.ladders.values():
            for level in ladder:
                for order in level:
                    self._place(order.order_id, order.side, level.price_ticks, order.leaves)

    def apply(self, record: Any) -> None:
        """Take one record."""
        action = str(record.action)
        if action != "F":
            self._compare()
        if action == "T":
            self._aggress(record)
        elif action == "F":
            # An order that was changed to take is named among the filled ones itself.
            if record.order_id != self._aggressor_id:
                self._expected.append((record.order_id, record.size))
        elif action == "C":
            self._cancel(record)
        elif action == "M":
            self._modify(record)
        elif action == "A":
            self._place(record.order_id, SIDES[str(record.side)], ticks(record), record.size)

    def _place(self, recorded_id: int, side: Side, price_ticks: int, lots: int) -> None:
        order = Place(self.market.next_order_id(), 1, side, price_ticks, lots)
        self._ours[recorded_id] = order
        self._recorded[order.order_id] = recorded_id
        reports = self.market.place(order, 0)
        self.counts["entered"] += 1
        # In a book that is the recorded one, what is said to rest finds nobody to trade with.
        self.counts["entered and traded"] += any(isinstance(each, Trade) for each in reports)

    def _aggress(self, record: Any) -> None:
        self._aggressor_id = record.order_id
        # An order that was resting until it was changed leaves its place before it takes.
        if record.order_id in self._ours:
            self._take_away(record.order_id)
            self.counts["changed to take"] += 1
        order = Place(
            self.market.next_order_id(),
            1,
            SIDES[str(record.side)],
            ticks(record),
            record.size,
            Kind.LIMIT,
            TimeInForce.IOC,
        )
        self._filled = [
            (self._recorded[each.maker_order_id], each.qty_lots)
            for each in self.market.place(order, 0)
            if isinstance(each, Trade)
        ]
        self.counts["aggressors"] += 1

    def _compare(self) -> None:
        if self._expected or self._filled:
            self.counts["aggressors filled alike"] += self._expected == self._filled
            self.counts["recorded fills"] += len(self._expected)
            self._expected, self._filled = [], []

    def _cancel(self, record: Any) -> None:
        order = self._ours.get(record.order_id)
        if order is None:
            self.counts["changed and taken whole"] += 1
            return
        leaves = self.market.leaves(order.order_id)
        if leaves > record.size:
            self.market.amend(order.order_id, leaves - record.size, 0, 0)
        else:
            # What a trade took whole is gone already.
            self._take_away(record.order_id)

    def _modify(self, record: Any) -> None:
        order = self._ours.get(record.order_id)
        leaves = 0 if order is None else self.market.leaves(order.order_id)
        if order is not None and order.price_ticks == ticks(record):
            if leaves == record.size:
                self.counts["as large as said"] += 1
                return
            if leaves > record.size:
                self.market.amend(order.order_id, record.size, 0, 0)
                return
        if order is not None:
            self._take_away(record.order_id)
        self._place(record.order_id, SIDES[str(record.side)], ticks(record), record.size)

    def _take_away(self, recorded_id: int) -> None:
        order = self._ours.pop(recorded_id)
        if self.market.leaves(order.order_id):
            self.market.cancel(order.order_id, 0)

    def is_crossed(self) -> bool:
        """Return whether the best bid reaches the best ask."""
        bid, ask = self.market.best_bid(), self.market.best_ask()
        return bid is not None and ask is not None and bid[0] >= ask[0]


def ticks(record: Any) -> int:
    """Return the price of a record."""
    assert record.price % TICK_E9 == 0
    return int(record.price) // TICK_E9
