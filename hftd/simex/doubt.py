"""What a paper account would hold if every queue in doubt had gone its way.

Owns the optimist's copy of the resting orders and the sum, by account, of what the optimist
filled and the truth did not. Knows no balances, fees or marks.

The truth of a played market is one queue model, by default the pessimist's. The optimist hears
the same trades and displays and fills earlier, or where the truth never does. What a filled
order would have led its owner to do is not modelled: the range between the two is of the same
orders, judged twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from hftd.simex.queue import Filled, Queues
from hftd.simex.queue_model import OPTIMISTIC
from hftd.simex.requests import Place, Side


class Doubt(Struct):
    """What one account has more by the optimist than in truth; a tick-lot is a price times lots."""

    bought_lots: int = 0
    bought_tick_lots: int = 0
    sold_lots: int = 0
    sold_tick_lots: int = 0


class DoubtfulWorth(Struct):
    """What each account is worth more by the optimist, by its key and quote asset, in atoms.

    The daemon reads it of a file, and loads no more of the exchange for that.
    """

    ts_ns: int
    accounts: dict[str, dict[str, int]]


class Doubts:
    """The optimist of one symbol; ``by_account`` is what it found."""

    def __init__(self) -> None:
        self.by_account: dict[int, Doubt] = {}
        self._queues = Queues(OPTIMISTIC)

    def join(self, order: Place, leaves: int, displayed_lots: int, update_id: int) -> None:
        """Queue a copy of an order."""
        self._queues.join(order, leaves, displayed_lots, update_id)

    def leave(self, order_id: int) -> None:
        """Take the copy out, where it still rests."""
        self._queues.leave(order_id)

    def shrink(self, order_id: int, leaves_lots: int) -> None:
        """Leave no more of the copy than the order may still fill in truth."""
        self._queues.cap(order_id, leaves_lots)

    def trade(self, taker_side: Side, price_ticks: int, qty_lots: int, ts_ns: int) -> None:
        """Hear of a trade."""
        self._count(self._queues.trade(taker_side, price_ticks, qty_lots, ts_ns), 1)

    def display(self, qty_at: Callable[[Side, int], int], update_id: int, ts_ns: int) -> None:
        """Hear of a depth event."""
        self._queues.display(qty_at, update_id, ts_ns)

    def cross(self, best_bid_ticks: int, best_ask_ticks: int) -> None:
        """Hear of the touch."""
        self._count(self._queues.cross(best_bid_ticks, best_ask_ticks), 1)

    def hit(self, order_id: int, qty_lots: int) -> None:
        """Hear of a fill out of turn."""
        self._count(self._queues.hit(order_id, qty_lots), 1)

    def settled(self, fills: Sequence[Filled]) -> None:
        """Hear of fills in truth: there they are no doubt any more."""
        self._count(fills, -1)

    def rewind(self) -> None:
        """Forget the recording's ids and times."""
        self._queues.rewind()

    def _count(self, fills: Sequence[Filled], sign: int) -> None:
        for fill in fills:
            order = fill.order
            lots = sign * fill.qty_lots
            doubt = self.by_account.setdefault(order.account, Doubt())
            if order.side is Side.BUY:
                doubt.bought_lots += lots
                doubt.bought_tick_lots += lots * order.price_ticks
            else:
                doubt.sold_lots += lots
                doubt.sold_tick_lots += lots * order.price_ticks

    def dump(self) -> dict[str, Any]:
        """Return the state as plain JSON values."""
        sums = [
            [account, each.bought_lots, each.bought_tick_lots, each.sold_lots, each.sold_tick_lots]
            for account, each in self.by_account.items()
        ]
        return {"queues": self._queues.dump(), "sums": sums}

    def load(self, state: dict[str, Any]) -> None:
        """Take back what ``dump`` gave."""
        self._queues.load(state["queues"])
        self.by_account = {account: Doubt(*sums) for account, *sums in state["sums"]}
