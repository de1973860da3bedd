"""One side of a limit order book: price levels, each a queue in order of time.

Owns where an order stands, and what of it is in sight. Knows no matching rules, no accounts
and no time.

A level is a linked list, because orders leave from the middle of a queue (cancels) as often as
from its head (fills), and a queue with holes would grow without bound. Prices are kept in an
ascending list of keys whose last entry is the best: the price itself for bids, its negative
for asks. Changes happen near the best, so that inserting there moves few entries.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

from hftd.simex.requests import Side


class Resting:
    """An order on the book: what is left of it, and its neighbours in the queue.

    ``leaves`` are the lots in sight and in the queue; ``hidden`` those of an iceberg that are
    neither. When its last lot in sight is gone, up to ``iceberg_lots`` come out of hiding and
    join the back of the queue.
    """

    __slots__ = (
        "account",
        "after",
        "before",
        "hidden",
        "iceberg_lots",
        "leaves",
        "level",
        "order_id",
        "side",
    )

    def __init__(
        self, order_id: int, account: int, side: Side, lots: int, iceberg_lots: int = 0
    ) -> None:
        self.order_id = order_id
        self.account = account
        self.side = side
        self.iceberg_lots = iceberg_lots
        self.leaves = min(lots, iceberg_lots) if iceberg_lots else lots
        self.hidden = lots - self.leaves
        self.level: Level | None = None
        self.before: Resting | None = None
        self.after: Resting | None = None


class Level:
    """All orders at one price, oldest first; ``lots`` in sight and ``hidden`` are their sums."""

    __slots__ = ("head", "hidden", "lots", "price_ticks", "tail")

    def __init__(self, price_ticks: int) -> None:
        self.price_ticks = price_ticks
        self.lots = 0
        self.hidden = 0
        self.head: Resting | None = None
        self.tail: Resting | None = None

    def __iter__(self) -> Iterator[Resting]:
        """Yield the orders in order of time."""
        order = self.head
        while order is not None:
            after = order.after
            yield order
            order = after


class Ladder:
    """The levels of one side."""

    __slots__ = ("_keys", "_levels", "_sign", "side")

    def __init__(self, side: Side) -> None:
        self.side = side
        self._sign = 1 if side is Side.BUY else -1
        self._levels: dict[int, Level] = {}
        self._keys: list[int] = []

    def __iter__(self) -> Iterator[Level]:
        """Yield the levels, best first; the ladder must not change meanwhile."""
        for key in reversed(self._keys):
            yield self._levels[key * self._sign]

    def best(self) -> Level | None:
        """Return the best level."""
        return self._levels[self._keys[-1] * self._sign] if self._keys else None

    def lots_at(self, price_ticks: int) -> int:
        """Return what rests in sight at a price."""
        level = self._levels.get(price_ticks)
        return 0 if level is None else level.lots

    def lots_until(self, order: Resting, lots: int) -> int:
        """Return the lots that a taker needs until an order has traded ``lots``."""
        needed = lots
        for level in self:
            if level is order.level:
                if lots > order.leaves:
                    # Between the parts of an iceberg trades all that stands behind it.
                    return needed - lots + level.lots + level.hidden
                break
            needed += level.lots + level.hidden
        ahead = order.before
        while ahead is not None:
            needed += ahead.leaves
            ahead = ahead.before
        return needed

    def append(self, order: Resting, price_ticks: int) -> None:
        """Put an order at the end of the queue at its price."""
        level = self._levels.get(price_ticks)
        if level is None:
            level = self._levels[price_ticks] = Level(price_ticks)
            insort(self._keys, price_ticks * self._sign)
        self._join(order, level)
        level.lots += order.leaves
        level.hidden += order.hidden

    def reduce(self, order: Resting, lots: int) -> None:
        """Take lots in sight from an order; it leaves the book when none are left at all."""
        level = order.level
        assert level is not None and 0 < lots <= order.leaves, "reduce what rests, no more"
        order.leaves -= lots
        level.lots -= lots
        if order.leaves == 0:
            self._unlink(order, level)
            if order.hidden:
                self._refill(order, level)
                return
            order.level = None
            if level.head is None:
                self._drop(level)

    def shrink(self, order: Resting, lots: int) -> None:
        """Make an order smaller where it stands: of an iceberg what is hidden goes first."""
        level = order.level
        assert level is not None and 0 < lots < order.leaves + order.hidden, "something must stay"
        hidden = min(lots, order.hidden)
        order.hidden -= hidden
        level.hidden -= hidden
        order.leaves -= lots - hidden
        level.lots -= lots - hidden

    def remove(self, order: Resting) -> int:
        """Take an order off the book and return the lots that were left."""
        level = order.level
        assert level is not None, "a resting order stands on a level"
        level.lots -= order.leaves
        level.hidden -= order.hidden
        self._unlink(order, level)
        order.level = None
        if level.head is None:
            self._drop(level)
        return order.leaves + order.hidden

    def _refill(self, order: Resting, level: Level) -> None:
        order.leaves = min(order.iceberg_lots, order.hidden)
        order.hidden -= order.leaves
        level.hidden -= order.leaves
        level.lots += order.leaves
        self._join(order, level)

    def _join(self, order: Resting, level: Level) -> None:
        order.level, order.before, order.after = level, level.tail, None
        if level.tail is None:
            level.head = order
        else:
            level.tail.after = order
        level.tail = order

    def _unlink(self, order: Resting, level: Level) -> None:
        if order.before is None:
            level.head = order.after
        else:
            order.before.after = order.after
        if order.after is None:
            level.tail = order.before
        else:
            order.after.before = order.before
        order.before = order.after = None

    def _drop(self, level: Level) -> None:
        del self._levels[level.price_ticks]
        self._keys.pop(bisect_left(self._keys, level.price_ticks * self._sign))
