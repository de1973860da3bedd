"""The recorded book: what is displayed on a tape now.

Owns the levels of both sides and the newest touch. Knows no files, orders of ours or time.

Depth events come ten times a second, bookTickers at once: the touch is the newer of the two
by update id. A bookTicker that is newer than the last depth event hides what it contradicts:
levels better than its prices are gone, and its quantities stand at its prices.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping

from hftd.simex.requests import DepthSnapshot, Side
from hftd.simex.tape_lines import Levels, TapeDepth, TapeSnapshot, TapeTouch


class TapeSide:
    """The levels of one side; ``keys`` ascend to the best, so asks are negative."""

    __slots__ = ("keys", "levels", "sign")

    def __init__(self, side: Side) -> None:
        self.sign = 1 if side is Side.BUY else -1
        self.levels: dict[int, int] = {}
        self.keys: list[int] = []

    def put(self, price_ticks: int, qty_lots: int) -> None:
        """Set a level; 0 lots deletes it, and deleting what is absent is fine."""
        key = price_ticks * self.sign
        if qty_lots:
            if price_ticks not in self.levels:
                insort(self.keys, key)
            self.levels[price_ticks] = qty_lots
        elif self.levels.pop(price_ticks, None) is not None:
            self.keys.pop(bisect_left(self.keys, key))

    def best(self) -> tuple[int, int]:
        """Return price and quantity of the best level; zeros where there is none."""
        if not self.keys:
            return 0, 0
        price_ticks = self.keys[-1] * self.sign
        return price_ticks, self.levels[price_ticks]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield (price_ticks, qty_lots), best first."""
        for key in reversed(self.keys):
            yield key * self.sign, self.levels[key * self.sign]


class TapeBook:
    """Both sides at ``update_id``, and the newest bookTicker where it is newer."""

    def __init__(self, snapshot: TapeSnapshot) -> None:
        self.update_id = snapshot.update_id
        self.touch: TapeTouch | None = None
        self._sides: Mapping[Side, TapeSide] = {side: TapeSide(side) for side in Side}
        self._put(snapshot.bids, snapshot.asks)

    def apply(self, depth: TapeDepth) -> bool:
        """Apply a depth event by the rule of the venue; False where events are missing.

        An event that ends at or before ``update_id`` is old and changes nothing.
        """
        if depth.last_update_id <= self.update_id:
            return True
        if depth.first_update_id > self.update_id + 1:
            return False
        self.update_id = depth.last_update_id
        self._put(depth.bids, depth.asks)
        return True

    def show(self, touch: TapeTouch) -> bool:
        """Take a bookTicker; False where something newer is known."""
        if touch.update_id <= self.newest_id():
            return False
        self.touch = touch
        return True

    def newest_id(self) -> int:
        """Return the update id of what is displayed: depth event or bookTicker."""
        return max(self.update_id, self.touch.update_id if self.touch else 0)

    def best(self) -> tuple[int, int, int, int]:
        """Return bid ticks and lots, ask ticks and lots as displayed now."""
        touch = self._newer_touch()
        if touch is not None:
            return touch.bid_ticks, touch.bid_lots, touch.ask_ticks, touch.ask_lots
        return self._sides[Side.BUY].best() + self._sides[Side.SELL].best()

    def levels(self, side: Side) -> Iterator[tuple[int, int]]:
        """Yield (price_ticks, qty_lots) as displayed now, best first."""
        touch, own = self._newer_touch(), self._sides[side]
        if touch is None:
            yield from own
            return
        buys = side is Side.BUY
        best_ticks = touch.bid_ticks if buys else touch.ask_ticks
        best_lots = touch.bid_lots if buys else touch.ask_lots
        if best_lots == 0:
            return
        yield best_ticks, best_lots
        for price_ticks, qty_lots in own:
            if (best_ticks - price_ticks) * own.sign > 0:
                yield price_ticks, qty_lots

    def qty_at(self, side: Side, price_ticks: int) -> int:
        """Return the lots displayed at a price."""
        touch, own = self._newer_touch(), self._sides[side]
        if touch is not None:
            buys = side is Side.BUY
            best_ticks = touch.bid_ticks if buys else touch.ask_ticks
            if price_ticks == best_ticks:
                return touch.bid_lots if buys else touch.ask_lots
            if (price_ticks - best_ticks) * own.sign > 0:
                return 0
        return own.levels.get(price_ticks, 0)

    def depth_at(self, side: Side, price_ticks: int) -> int:
        """Return the lots at a price as of the last depth event."""
        return self._sides[side].levels.get(price_ticks, 0)

    def snapshot(self, limit: int) -> DepthSnapshot:
        """Return the book as of the last depth event, up to ``limit`` levels a side."""
        bids, asks = (
            [level for _, level in zip(range(limit), self._sides[side], strict=False)]
            for side in Side
        )
        return DepthSnapshot(self.update_id, bids, asks)

    def changes_from(self, other: TapeBook) -> tuple[Levels, Levels]:
        """Return the levels that lead from another book to this one."""
        bids, asks = (self._changes_from(other, side) for side in Side)
        return bids, asks

    def _changes_from(self, other: TapeBook, side: Side) -> Levels:
        before, after = other._sides[side].levels, self._sides[side].levels
        gone = [(price_ticks, 0) for price_ticks in before if price_ticks not in after]
        return gone + [level for level in after.items() if before.get(level[0]) != level[1]]

    def _newer_touch(self) -> TapeTouch | None:
        touch = self.touch
        return touch if touch is not None and touch.update_id > self.update_id else None

    def _put(self, bids: Levels, asks: Levels) -> None:
        for side, levels in ((Side.BUY, bids), (Side.SELL, asks)):
            own = self._sides[side]
            for price_ticks, qty_lots in levels:
                own.put(price_ticks, qty_lots)
