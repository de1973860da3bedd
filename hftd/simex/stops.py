"""Stop orders that wait for a trade at their price, and the order in which they are called.

Owns which orders wait and which of them a trade has called. Knows no book, no matching, no
money and no time.

A stop order waits above the market (a STOP_LOSS that buys, a TAKE_PROFIT that sells) until a
trade is done at its price or higher, or below it (the other two) until one is done at its price
or lower. One trade calls those it reaches in order of their ids, that is of their arrival; who
is called by an earlier trade works earlier. A called order works only when the order that
traded is done.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

from msgspec.structs import replace

from hftd.simex.requests import Kind, Place, rises_to


class Stops:
    """The waiting stop orders of one symbol."""

    def __init__(self) -> None:
        self.waiting: dict[int, Place] = {}
        # Sorted so that the next to be reached is the last: (-price, id) above, (price, id) below.
        self._above: list[tuple[int, int]] = []
        self._below: list[tuple[int, int]] = []
        self._called: deque[Place] = deque()

    def add(self, order: Place) -> None:
        """Let an order wait."""
        self.waiting[order.order_id] = order
        insort(*self._queue(order))

    def remove(self, order_id: int) -> Place | None:
        """Take an order out; None where it does not wait."""
        order = self.waiting.pop(order_id, None)
        if order is not None:
            queue, key = self._queue(order)
            queue.pop(bisect_left(queue, key))
        return order

    def call(self, price_ticks: int) -> None:
        """Learn of a trade: whom it reaches waits no more."""
        reached: list[int] = []
        while self._above and -self._above[-1][0] <= price_ticks:
            reached.append(self._above.pop()[1])
        while self._below and self._below[-1][0] >= price_ticks:
            reached.append(self._below.pop()[1])
        for order_id in sorted(reached):
            self._called.append(self.waiting.pop(order_id))

    def take(self) -> Place | None:
        """Return the next order that was called, as the plain order that it has become."""
        if not self._called:
            return None
        order = self._called.popleft()
        kind = Kind.LIMIT if order.price_ticks else Kind.MARKET
        return replace(order, kind=kind, stop_ticks=0)

    def _queue(self, order: Place) -> tuple[list[tuple[int, int]], tuple[int, int]]:
        if rises_to(order.kind, order.side):
            return self._above, (-order.stop_ticks, order.order_id)
        return self._below, (order.stop_ticks, order.order_id)


def is_reached(order: Place, price_ticks: int) -> bool:
    """Return whether a last price of ``price_ticks`` has reached a stop order; 0: no trade yet."""
    if price_ticks == 0:
        return False
    if rises_to(order.kind, order.side):
        return price_ticks >= order.stop_ticks
    return price_ticks <= order.stop_ticks
