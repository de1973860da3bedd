"""The book as the public sees it: update ids, the touch, and depth events cut every 100 ms.

Owns the one axis of update ids on which depth events, snapshots and the touch lie. Knows the
two ladders it watches, and no orders, accounts or streams.

Every change of a level takes one update id. Changes are gathered until the next cut (a
multiple of ``CUT_NS`` of venue time) and leave as one event with absolute quantities. The
snapshot is the book as of the last cut, so that it always ends where an event ends.
"""

from __future__ import annotations

from hftd.simex.ladder import Ladder
from hftd.simex.market import CUT_NS, ID_GAP, State
from hftd.simex.requests import DepthChanged, DepthSnapshot, Side, TouchChanged


class Feed:
    """What has been shown of one book, and what is still to be shown."""

    def __init__(self, bids: Ladder, asks: Ladder) -> None:
        self._bids, self._asks = bids, asks
        self.update_id = 0
        self.cut_ns: int | None = None
        self.touch: TouchChanged | None = None
        self._cut_id = 0
        # Dictionaries as ordered sets: the order of changes is the order in the event.
        self._dirty: dict[Side, dict[int, None]] = {Side.BUY: {}, Side.SELL: {}}
        self._shown: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}

    def changed(self, side: Side, price_ticks: int, ts_ns: int) -> None:
        """Note that a level changed."""
        self.update_id += 1
        self._dirty[side][price_ticks] = None
        if self.cut_ns is None:
            self.cut_ns = (ts_ns // CUT_NS + 1) * CUT_NS

    def touched(self, ts_ns: int) -> TouchChanged | None:
        """Return the touch if it differs from the one last returned."""
        bid, ask = self._bids.best(), self._asks.best()
        bid_ticks, bid_lots = (bid.price_ticks, bid.lots) if bid is not None else (0, 0)
        ask_ticks, ask_lots = (ask.price_ticks, ask.lots) if ask is not None else (0, 0)
        last = self.touch
        if last is not None and (
            bid_ticks == last.bid_ticks
            and ask_ticks == last.ask_ticks
            and bid_lots == last.bid_lots
            and ask_lots == last.ask_lots
        ):
            return None
        self.touch = TouchChanged(self.update_id, ts_ns, bid_ticks, bid_lots, ask_ticks, ask_lots)
        return self.touch

    def cut(self) -> DepthChanged:
        """Return the event of the cut that is due, and take it as shown."""
        ts_ns = self.cut_ns
        assert ts_ns is not None, "a cut is due only after a change"
        first, self._cut_id, self.cut_ns = self._cut_id + 1, self.update_id, None
        bids = self._show(Side.BUY, self._bids)
        asks = self._show(Side.SELL, self._asks)
        return DepthChanged(first, self._cut_id, ts_ns, bids, asks)

    def _show(self, side: Side, ladder: Ladder) -> list[tuple[int, int]]:
        shown, changes = self._shown[side], []
        for price_ticks in self._dirty[side]:
            lots = ladder.lots_at(price_ticks)
            changes.append((price_ticks, lots))
            if lots:
                shown[price_ticks] = lots
            else:
                shown.pop(price_ticks, None)
        self._dirty[side].clear()
        return changes

    def snapshot(self, limit: int) -> DepthSnapshot:
        """Return the book as of the last cut, up to ``limit`` levels a side."""
        bids = sorted(self._shown[Side.BUY].items(), reverse=True)[:limit]
        asks = sorted(self._shown[Side.SELL].items())[:limit]
        return DepthSnapshot(self._cut_id, bids, asks)

    def dump(self) -> State:
        """Return what must survive: the id reached."""
        return {"update_id": self.update_id}

    def load(self, state: State) -> None:
        """Go on beyond all ids that may have been used; show the ladders as they now are."""
        self.update_id = self._cut_id = int(state["update_id"]) + ID_GAP
        self.cut_ns = self.touch = None
        for side, ladder in ((Side.BUY, self._bids), (Side.SELL, self._asks)):
            self._dirty[side].clear()
            self._shown[side] = {level.price_ticks: level.lots for level in ladder}
