"""Decides when a resting order of ours fills on recorded data, where nobody saw it.

Owns the orders of users on a tape and the place of each in its queue. Knows no books, files,
ids of trades or accounts' money; prices are ticks, quantities lots, times ``*_ns`` of the
recording venue's clock.

The model, conservative where the recording cannot tell:

- An order joins behind all that is displayed at its price (``ahead_lots``), and behind our
  own earlier orders there.
- A trade at its price first eats what is ahead, then our orders in order of time.
- What is displayed shrinks without trades: the cancels are taken to be behind us for as long
  as that is possible. So ``ahead_lots`` is at most what is displayed, and no more is said.
- A trade beyond our price, or an opposite best price at or through ours, fills us whole at
  our own price. This holds for any size: impact is not modelled.

The same trade is seen twice, in the trade stream and as a smaller displayed quantity. Where
the quantity came first and already pushed us forward, a trade no later than it first pays for
that push (``credit_lots``), so that one trade never counts twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from hftd.simex.requests import Place, Side


class Queued(Struct):
    """One resting order and its place. ``credit_until_ns`` is when the display was taken."""

    order: Place
    leaves: int
    ahead_lots: int
    credit_lots: int = 0
    credit_until_ns: int = 0


class Filled(Struct, frozen=True):
    """Lots of one order that the model fills, at the order's own price."""

    order: Place
    qty_lots: int


class Queues:
    """All resting orders of users on one tape, oldest first."""

    def __init__(self) -> None:
        self._queued: dict[int, Queued] = {}

    def __len__(self) -> int:
        """Return how many orders rest."""
        return len(self._queued)

    def __iter__(self) -> Iterator[Queued]:
        """Yield the resting orders, oldest first."""
        return iter(self._queued.values())

    def join(self, order: Place, leaves: int, displayed_lots: int) -> None:
        """Put an order behind what is displayed at its price."""
        self._queued[order.order_id] = Queued(order, leaves, displayed_lots)

    def leave(self, order_id: int) -> Queued | None:
        """Take an order out; None where it does not rest."""
        return self._queued.pop(order_id, None)

    def hit(self, order_id: int, qty_lots: int) -> list[Filled]:
        """Fill lots of one order whatever stands ahead of it; of one that is gone, nothing."""
        filled: list[Filled] = []
        queued = self._queued.get(order_id)
        if queued is not None:
            self._fill(queued, min(qty_lots, queued.leaves), filled)
        return filled

    def trade(self, taker_side: Side, price_ticks: int, qty_lots: int, ts_ns: int) -> list[Filled]:
        """Apply a recorded trade at ``ts_ns`` of the recording venue's clock."""
        filled: list[Filled] = []
        ours = 0  # Lots of this trade that orders of ours before this one took.
        for queued in self._against(taker_side):
            if _beyond(queued.order, price_ticks):
                self._fill(queued, queued.leaves, filled)
            elif queued.order.price_ticks == price_ticks:
                ours += self._reach(queued, qty_lots - ours, ts_ns, filled)
        return filled

    def display(self, side: Side, price_ticks: int, qty_lots: int, ts_ns: int) -> None:
        """Learn what is displayed at a price, as of ``ts_ns`` of the recording venue."""
        for queued in self._queued.values():
            if queued.order.side is not side or queued.order.price_ticks != price_ticks:
                continue
            push = max(0, queued.ahead_lots - qty_lots)
            queued.ahead_lots -= push
            # Trades from before the display before this one have long been printed.
            queued.credit_lots = push
            queued.credit_until_ns = ts_ns

    def cross(self, best_bid_ticks: int, best_ask_ticks: int) -> list[Filled]:
        """Fill what the opposite best price reaches; 0 stands for an empty side."""
        filled: list[Filled] = []
        for queued in list(self._queued.values()):
            order = queued.order
            if order.side is Side.BUY:
                crossed = 0 < best_ask_ticks <= order.price_ticks
            else:
                crossed = best_bid_ticks >= order.price_ticks
            if crossed:
                self._fill(queued, queued.leaves, filled)
        return filled

    def dump(self) -> list[list[int | str]]:
        """Return the orders and their places as plain JSON values, oldest first."""
        return [
            [
                queued.order.order_id,
                queued.order.account,
                queued.order.side.value,
                queued.order.price_ticks,
                queued.leaves,
                queued.ahead_lots,
            ]
            for queued in self
        ]

    def load(self, state: Sequence[Sequence[Any]]) -> None:
        """Take back what ``dump`` gave. Credits are gone: they live for 100 ms."""
        self._queued.clear()
        for order_id, account, side, price_ticks, leaves, ahead_lots in state:
            order = Place(order_id, account, Side(side), price_ticks, leaves)
            self.join(order, leaves, ahead_lots)

    def _against(self, taker_side: Side) -> list[Queued]:
        return [queued for queued in self._queued.values() if queued.order.side is not taker_side]

    def _reach(self, queued: Queued, lots: int, ts_ns: int, filled: list[Filled]) -> int:
        # Lets a trade run through the queue; returns the lots that our order took of it.
        if ts_ns <= queued.credit_until_ns:
            paid = min(lots, queued.credit_lots)
            queued.credit_lots -= paid
            lots -= paid
        eaten = min(lots, queued.ahead_lots)
        queued.ahead_lots -= eaten
        took = min(lots - eaten, queued.leaves)
        if took:
            self._fill(queued, took, filled)
        return took

    def _fill(self, queued: Queued, lots: int, filled: list[Filled]) -> None:
        queued.leaves -= lots
        filled.append(Filled(queued.order, lots))
        if queued.leaves == 0:
            del self._queued[queued.order.order_id]


def _beyond(order: Place, price_ticks: int) -> bool:
    # Whether a trade at this price went through the order's.
    if order.side is Side.BUY:
        return price_ticks < order.price_ticks
    return price_ticks > order.price_ticks
