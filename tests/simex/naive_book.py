"""A second matching engine, written apart from the real one: slow, short, by the rule book.

It keeps one list of resting orders in order of arrival and looks through all of it each time.
"""

from __future__ import annotations

from dataclasses import dataclass

from hftd.simex.requests import Kind, Place, Side, Stp, TimeInForce


@dataclass
class Rest:
    order_id: int
    account: int
    side: Side
    price: int
    leaves: int


class NaiveBook:
    """Resting orders, and (maker, taker, price, quantity) of every trade."""

    def __init__(self) -> None:
        self.resting: list[Rest] = []
        self.trades: list[tuple[int, int, int, int]] = []
        self.refused: list[int] = []
        self.expired: list[tuple[int, int]] = []
        self.prevented: list[tuple[int, int]] = []

    def cancel(self, order_id: int) -> bool:
        kept = [rest for rest in self.resting if rest.order_id != order_id]
        found = len(kept) < len(self.resting)
        self.resting = kept
        return found

    def place(self, order: Place) -> None:
        if order.kind is Kind.LIMIT_MAKER and self._candidates(order):
            self.refused.append(order.order_id)
            return
        if order.tif is TimeInForce.FOK:
            trial = NaiveBook()
            trial.resting = [Rest(**vars(rest)) for rest in self.resting]
            # What prevention takes from the order is not a fill.
            if trial.take(order)[0] or trial.prevented:
                self.expired.append((order.order_id, order.qty_lots))
                return
        leaves, _ = self.take(order)
        rests = order.kind is not Kind.MARKET and order.tif is TimeInForce.GTC
        if leaves and rests and not self.stopped:
            rest = Rest(order.order_id, order.account, order.side, order.price_ticks, leaves)
            self.resting.append(rest)
        elif leaves:
            self.expired.append((order.order_id, leaves))

    def _candidates(self, order: Place) -> list[Rest]:
        """All that the order may trade with, best price first, then oldest first."""
        buys = order.side is Side.BUY
        found = [
            rest
            for rest in self.resting
            if rest.side is not order.side
            and (
                order.kind is Kind.MARKET
                or (rest.price <= order.price_ticks if buys else rest.price >= order.price_ticks)
            )
        ]
        return sorted(found, key=lambda rest: rest.price if buys else -rest.price)

    def take(self, order: Place) -> tuple[int, int]:
        """Trade what can be traded; return what is left of the order and of its budget."""
        leaves, budget = order.qty_lots, order.budget
        self.stopped = False
        for maker in self._candidates(order):
            if leaves == 0:
                break
            if maker.account == order.account and order.stp is Stp.DECREMENT:
                common = min(leaves, maker.leaves)
                leaves -= common
                maker.leaves -= common
                self.prevented += [(maker.order_id, common), (order.order_id, common)]
                continue
            if maker.account == order.account and order.stp is not Stp.NONE:
                if order.stp in (Stp.EXPIRE_MAKER, Stp.EXPIRE_BOTH):
                    self.resting.remove(maker)
                    self.expired.append((maker.order_id, maker.leaves))
                if order.stp in (Stp.EXPIRE_TAKER, Stp.EXPIRE_BOTH):
                    self.stopped = True
                    break
                continue
            quantity = min(leaves, maker.leaves)
            if order.budget:
                quantity = min(quantity, budget // maker.price)
                if quantity == 0:
                    break
                budget -= quantity * maker.price
            self.trades.append((maker.order_id, order.order_id, maker.price, quantity))
            leaves -= quantity
            maker.leaves -= quantity
            if maker.leaves:  # The order or its budget is at its end: nobody behind is met.
                break
        self.resting = [rest for rest in self.resting if rest.leaves]
        return leaves, budget

    def levels(self, side: Side) -> list[tuple[int, int]]:
        """Price and quantity of each level, best first."""
        sums: dict[int, int] = {}
        for rest in self.resting:
            if rest.side is side:
                sums[rest.price] = sums.get(rest.price, 0) + rest.leaves
        return sorted(sums.items(), reverse=side is Side.BUY)
