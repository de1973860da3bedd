"""A million random requests: the exchange beside the naive reference, then its own pace.

Owns the verb ``scripts/bench matching [REQUESTS]``. Times orient; agreement is asserted.
"""

from __future__ import annotations

import sys
import time

from hftd.simex.events import Fees, NewOrder, Placed
from hftd.simex.exchange import Exchange
from hftd.simex.market import ATOMS
from hftd.simex.matching import MatchingMarket
from hftd.simex.orders import Order
from hftd.simex.requests import Kind, Place, Side, TimeInForce
from tests.simex.quiet import SPEC
from tests.simex.random_orders import T0, compare

PAIRS = 50_000


def main() -> None:
    """Compare, then measure the market alone and the exchange around it."""
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    begun_ns = time.process_time_ns()
    counts = compare(requests, seed=21)
    took_s = (time.process_time_ns() - begun_ns) // 10**9
    print(f"{requests} random requests agree with the reference ({took_s} s of CPU, both together)")
    print(", ".join(f"{name or 'placed'} {count}" for name, count in sorted(counts.items())))
    print(f"the market alone: {_market_pace()} orders and cancels a second of CPU")
    print(f"the exchange, with accounts and history: {_exchange_pace()} a second of CPU")


def _market_pace() -> int:
    market = MatchingMarket(SPEC)
    begun_ns = time.process_time_ns()
    for number in range(PAIRS):
        side, price_ticks = (Side.BUY, 90) if number % 2 else (Side.SELL, 101)
        order = Place(market.next_order_id(), 1, side, price_ticks + number % 10, 5)
        market.place(order, T0)
        market.cancel(order.order_id, T0)
    return 2 * PAIRS * 10**9 // (time.process_time_ns() - begun_ns)


def _exchange_pace() -> int:
    exchange = Exchange([MatchingMarket(SPEC)], Fees())
    exchange.accounts.deposit(1, "USDT", 10**6 * ATOMS)
    tick, lot = ATOMS // 100, ATOMS // 100_000
    terms = (1, "BTCUSDT", Side.BUY, Kind.LIMIT, TimeInForce.GTC, 5_900_000 * tick, 100 * lot, 0)
    begun_ns = time.process_time_ns()
    for number in range(PAIRS):
        placed = exchange.place(NewOrder(*terms, f"c{number}"), T0)
        assert isinstance(placed, Placed)
        exchange.cancel(_open(exchange, placed.order.order_id), "", T0)
        exchange.take_events()
        exchange.take_closed()
    return 2 * PAIRS * 10**9 // (time.process_time_ns() - begun_ns)


def _open(exchange: Exchange, order_id: int) -> Order:
    order = exchange.bookkeeping(1).find("BTCUSDT", order_id)
    assert order is not None
    return order


if __name__ == "__main__":
    main()
