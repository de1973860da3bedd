"""Decides when a resting order of ours fills on recorded data, where nobody saw it.

Owns the orders of users on a tape and the place of each in its queue. Knows no books, files,
ids of trades or accounts' money; prices are ticks, quantities lots, times ``*_ns`` of the
recording venue's clock.

The rule of every fill:

- An order joins behind all that is displayed at its price, and behind our own earlier orders.
- A trade at its price first eats what is ahead, then our orders in order of time.
- What is displayed shrinks by more than was traded: somebody canceled. How much of it was ahead
  of us is what the model says (``queue_model``); what is ahead is never more than is displayed.
- A trade beyond our price, or an opposite best price at or through ours, fills us whole at
  our own price. This holds for any size: impact is not modelled.

The same trade is seen twice, in the trade stream and as a smaller displayed quantity. Where the
trade came first, the display that covers its time is that much smaller without a cancel. Where
the display came first and already pushed us forward, a trade no later than it first pays for
that push (``credit``), so that one trade never counts twice.

What is ahead is kept in millionths of a lot: a share of a cancel is seldom a whole one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from hftd.simex.queue_model import PARTS, PESSIMISTIC, QueueModel
from hftd.simex.requests import Place, Side

MAX_TRADED = 1_000
"""Trades at one price between two displays of it; the oldest beyond are taken as displayed."""


class Queued(Struct):
    """One resting order and its place.

    ``ahead`` and ``credit`` are millionths of a lot. ``shown_lots`` is what the last display
    at the price held, as of ``shown_ns``; ``traded`` has the trades (time, lots) that it did
    not cover. ``joined_id`` is the update id of the book that the order joined: depth events
    before it are history.
    """

    order: Place
    leaves: int
    ahead: int
    shown_lots: int
    shown_ns: int = 0
    credit: int = 0
    traded: list[tuple[int, int]] = []
    joined_id: int = 0

    @property
    def ahead_lots(self) -> int:
        """What is ahead in whole lots: a part of one is ahead as well."""
        return -(-self.ahead // PARTS)


class Filled(Struct, frozen=True):
    """Lots of one order that the model fills, at the order's own price."""

    order: Place
    qty_lots: int


class Queues:
    """All resting orders of users on one tape, oldest first."""

    def __init__(self, model: QueueModel = PESSIMISTIC) -> None:
        self.model = model
        self._queued: dict[int, Queued] = {}

    def __len__(self) -> int:
        """Return how many orders rest."""
        return len(self._queued)

    def __iter__(self) -> Iterator[Queued]:
        """Yield the resting orders, oldest first."""
        return iter(self._queued.values())

    def join(self, order: Place, leaves: int, displayed_lots: int, update_id: int = 0) -> None:
        """Put an order behind what is displayed at its price, as of an update id."""
        self._queued[order.order_id] = Queued(
            order, leaves, displayed_lots * PARTS, displayed_lots, joined_id=update_id
        )

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

    def shrink(self, order_id: int, leaves_lots: int) -> Queued:
        """Leave less of a resting order; it keeps its place."""
        queued = self._queued[order_id]
        queued.leaves = leaves_lots
        return queued

    def cap(self, order_id: int, leaves_lots: int) -> None:
        """Leave at most so much of an order; of one that is gone, nothing."""
        queued = self._queued.get(order_id)
        if queued is not None:
            queued.leaves = min(queued.leaves, leaves_lots)

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

    def display(self, qty_at: Callable[[Side, int], int], update_id: int, ts_ns: int) -> None:
        """Learn what a depth event displays at every price of ours.

        Args: the book's lots at a price, the event's last update id, and its time by the
        recording venue's clock. A price that the event does not name holds what it held.
        """
        for queued in self._queued.values():
            if update_id < queued.joined_id:
                continue
            qty_lots = qty_at(queued.order.side, queued.order.price_ticks)
            push = self._push(queued, qty_lots, ts_ns)
            queued.ahead -= push
            # Trades from before the display before this one have long been printed.
            queued.credit = push
            queued.shown_lots, queued.shown_ns = qty_lots, ts_ns

    def rewind(self) -> None:
        """Forget the recording's ids and times: they begin again. Places in the queue stay."""
        for queued in self._queued.values():
            queued.joined_id = queued.shown_ns = queued.credit = 0
            queued.traded = []

    def _push(self, queued: Queued, qty_lots: int, ts_ns: int) -> int:
        # How far a display moves an order forward, in millionths of a lot.
        covered = sum(lots for traded_ns, lots in queued.traded if traded_ns <= ts_ns)
        queued.traded = [trade for trade in queued.traded if trade[0] > ts_ns]
        canceled = (queued.shown_lots - covered - qty_lots) * PARTS
        push = 0
        if canceled > 0:
            ahead_lots = queued.ahead_lots
            behind = max(0, (queued.shown_lots - covered) * PARTS - queued.ahead)
            share = self.model.share_behind(ahead_lots, behind // PARTS)
            push = canceled - min(behind, canceled // PARTS * share)
        return min(queued.ahead, max(push, queued.ahead - qty_lots * PARTS))

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
                queued.ahead,
            ]
            for queued in self
        ]

    def load(self, state: Sequence[Sequence[Any]]) -> None:
        """Take back what ``dump`` gave. Credits are gone: they live for 100 ms.

        What was behind is not known any more, until the next display.
        """
        self._queued.clear()
        for order_id, account, side, price_ticks, leaves, ahead_lots, *exact in state:
            order = Place(order_id, account, Side(side), price_ticks, leaves)
            self.join(order, leaves, ahead_lots)
            if exact:  # States of versions before this one had whole lots alone.
                self._queued[order_id].ahead = exact[0]

    def _against(self, taker_side: Side) -> list[Queued]:
        return [queued for queued in self._queued.values() if queued.order.side is not taker_side]

    def _reach(self, queued: Queued, lots: int, ts_ns: int, filled: list[Filled]) -> int:
        # Lets a trade run through the queue; returns the lots that our order took of it.
        rest = lots * PARTS
        if ts_ns <= queued.shown_ns:
            paid = min(rest, queued.credit)
            queued.credit -= paid
            rest -= paid
        else:
            queued.traded = [*queued.traded[-MAX_TRADED:], (ts_ns, lots)]
        eaten = min(rest, queued.ahead)
        queued.ahead -= eaten
        took = min((rest - eaten) // PARTS, queued.leaves)
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
