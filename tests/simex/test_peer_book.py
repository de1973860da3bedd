"""Our book beside the package ``order-matching``, where both have the same rules.

That package knows limit and market orders, cancels and price-time priority; a market order of
its own that finds nobody rests at any price, so that only those are sent that are filled whole.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from loguru import logger
from order_matching import enums
from order_matching.matching_engine import MatchingEngine
from order_matching.order import LimitOrder, MarketOrder
from order_matching.orders import Orders

from hftd.simex.flow_noise import Noise
from hftd.simex.matching import MatchingMarket
from hftd.simex.requests import Kind, Place, Side, Trade
from tests.simex.quiet import SPEC

REQUESTS = 4_000
BEGUN = datetime(2026, 1, 1)


class Peer:
    """The package's engine, with our orders."""

    def __init__(self) -> None:
        logger.disable("order_matching")
        self.engine = MatchingEngine(seed=1)
        self._now = BEGUN

    def place(self, order: Place) -> list[tuple[int, int, int, int]]:
        """Return (maker, taker, price, lots) of each trade."""
        self._now += timedelta(milliseconds=1)
        terms: dict[str, Any] = {
            "side": enums.Side.BUY if order.side is Side.BUY else enums.Side.SELL,
            "size": float(order.qty_lots),
            "timestamp": self._now,
            "order_id": str(order.order_id),
            "trader_id": str(order.account),
        }
        if order.kind is Kind.LIMIT:
            theirs: Any = LimitOrder(**terms, price=float(order.price_ticks))
        else:
            theirs = MarketOrder(**terms)
        self.engine.place(Orders([theirs]))
        return [
            (int(each.book_order_id), order.order_id, int(each.price), int(each.size))
            for each in self.engine.match(timestamp=self._now).trades
        ]

    def cancel(self, order_id: int) -> None:
        """Take an order off."""
        self.engine.cancel_order(str(order_id))

    def queues(self, side: Side) -> list[tuple[int, list[tuple[int, int]]]]:
        """Return the price and the orders (id, lots) of each level, best first."""
        book = self.engine.unprocessed_orders
        levels = book.bids if side is Side.BUY else book.offers
        return [
            (int(price), [(int(each.order_id), int(each.size)) for each in levels[price]])
            for price in sorted(levels, reverse=side is Side.BUY)
            if len(levels[price])
        ]


def _queues(market: MatchingMarket, side: Side) -> list[tuple[int, list[tuple[int, int]]]]:
    levels: dict[int, list[tuple[int, int]]] = {}
    for order_id, _, name, price_ticks, lots, *_ in market.dump()["orders"]:
        if name == side.value:
            levels.setdefault(price_ticks, []).append((order_id, lots))
    return list(levels.items())


def test_the_same_trades_and_queues_as_a_package_nobody_here_wrote() -> None:
    """Four thousand random orders and cancels: the same fills and, order by order, the same book.

    Trades are compared after every request, whole queues after every fourth.
    """
    noise, market, peer = Noise(31), MatchingMarket(SPEC), Peer()
    counts = {"limit": 0, "market": 0, "cancel": 0, "trade": 0}
    for number in range(REQUESTS):
        resting = [order for side in Side for _, queue in _queues(market, side) for order in queue]
        if len(resting) > 30 or (resting and noise.chance(20)):
            order_id = resting[noise.below(len(resting))][0]
            market.cancel(order_id, 0)
            peer.cancel(order_id)
            counts["cancel"] += 1
            continue
        side = Side.BUY if noise.chance(50) else Side.SELL
        opposite = Side.SELL if side is Side.BUY else Side.BUY
        there = sum(lots for _, lots in market.levels(opposite))
        kind = Kind.MARKET if there > 9 and noise.chance(15) else Kind.LIMIT
        price_ticks = noise.between(93, 107) if kind is Kind.LIMIT else 0
        order = Place(
            market.next_order_id(),
            noise.between(1, 4),
            side,
            price_ticks,
            noise.between(1, 9),
            kind,
        )
        trades = [
            (each.maker_order_id, each.taker_order_id, each.price_ticks, each.qty_lots)
            for each in market.place(order, 0)
            if isinstance(each, Trade)
        ]
        assert trades == peer.place(order), f"request {number}"
        counts[kind.value.lower()] += 1
        counts["trade"] += len(trades)
        if number % 4 == 0:
            for each in Side:
                assert _queues(market, each) == peer.queues(each), f"request {number}"
    assert min(counts.values()) > 100
