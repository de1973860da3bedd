"""The market's mid over a run, as the venue's own records tell it, without our own orders.

Owns the mid at each moment between two records. Fed with decoded market events and the facts of
our orders in the journal's order; knows neither frames nor files. It is no book to trade by: it
takes the newest touch as given, and looks into depth only where the touch is ours alone, which
heals by itself whatever was missed.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hftd.domain.events import EventKind
from hftd.domain.order import Side
from hftd.store.words import Fact

BID, ASK = 0, 1


class InstrumentMids:
    """One instrument's mids, in half ticks, each from its time on until the next."""

    def __init__(self) -> None:
        self.ts_ns = array("q")
        self.half_ticks = array("q")
        self.told_ns = 0  # How far the market records reach.
        self._touch = [(0, 0), (0, 0)]  # Best bid and ask: ticks, lots.
        self._touch_id = 0
        self._is_whole = False  # Whether depth began with a snapshot.
        self._depth: tuple[dict[int, int], dict[int, int]] = ({}, {})  # Lots by ticks.
        self._own: dict[int, tuple[int, int, int]] = {}  # Order key: side, ticks, leaves.

    def apply(self, event: Any, levels: NDArray[np.int64]) -> None:
        """Take a market event. Shapes: event EVENT, levels (rows, 3) int64."""
        kind, update_id = event["kind"], int(event["last_update_id"])
        if kind == EventKind.TOUCH:
            if update_id >= self._touch_id:
                bid = int(event["bid_ticks"]), int(event["bid_lots"])
                ask = int(event["ask_ticks"]), int(event["ask_lots"])
                self._touch, self._touch_id = [bid, ask], update_id
        else:
            self._apply_depth(event, levels)
            # Of touch and depth the newer one counts, as it does in trading.
            if self._is_whole and update_id > self._touch_id and all(self._depth):
                best = max(self._depth[BID]), min(self._depth[ASK])
                self._touch = [(best[side], self._depth[side][best[side]]) for side in (BID, ASK)]
                self._touch_id = update_id
        self.told_ns = int(event["ts_ns"])
        self._note()

    def _apply_depth(self, event: Any, levels: NDArray[np.int64]) -> None:
        if event["kind"] == EventKind.SNAPSHOT:
            self._depth, self._is_whole = ({}, {}), True
        rows = levels[event["levels_begin"] : event["levels_end"]].tolist()
        for side, ticks, lots in rows:
            if lots:
                self._depth[side][ticks] = lots
            else:
                self._depth[side].pop(ticks, None)

    def apply_order(self, fact: Fact) -> None:
        """Take the fact of a change of an order of ours."""
        if fact["leaves_lots"] and fact["venue_order_id"]:
            own = fact["side"], fact["price_ticks"], fact["leaves_lots"]
            self._own[fact["order_key"]] = own
        else:
            self._own.pop(fact["order_key"], None)

    def at(self, ts_ns: int) -> int | None:
        """Return the mid at a time in half ticks; None before the first and after the last."""
        if ts_ns > self.told_ns:
            return None
        place = bisect_right(self.ts_ns, ts_ns)
        return self.half_ticks[place - 1] if place else None

    def _note(self) -> None:
        bid, ask = self._best(BID), self._best(ASK)
        # A crossed pair is a touch of two moments; the next record mends it.
        if bid is None or ask is None or bid >= ask:
            return
        mid = bid + ask
        if not self.half_ticks or self.half_ticks[-1] != mid:
            self.ts_ns.append(self.told_ns)
            self.half_ticks.append(mid)

    def _best(self, side: int) -> int | None:
        """Return the best price of a side at which somebody else rests."""
        ticks, lots = self._touch[side]
        if not ticks:
            return None
        own = self._own_at(side)
        if lots > own.get(ticks, 0):
            return ticks
        behind = [
            price
            for price, there in self._depth[side].items()
            if there > own.get(price, 0) and (price < ticks if side == BID else price > ticks)
        ]
        if not behind:
            return None
        return max(behind) if side == BID else min(behind)

    def _own_at(self, side: int) -> dict[int, int]:
        ours: dict[int, int] = {}
        wanted = Side.BUY if side == BID else Side.SELL
        for own_side, ticks, lots in self._own.values():
            if own_side == wanted:
                ours[ticks] = ours.get(ticks, 0) + lots
        return ours
