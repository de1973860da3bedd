"""How many requests a second the exchange decides in process, without sockets or text.

The object is ``Exchange``: filters, reservation, matching, fees, accounts, history and the events
of all of it. The mix, of ten requests: four LIMIT orders that rest within 20 ticks of the middle,
one LIMIT order that takes, four cancels of the oldest order, one query. Eight accounts; about
1,000 orders stand on 40 levels. All requests are made before the clock starts.

Beside it, in the same run: the market alone (orders against the book, without accounts), the
package order-matching with the same orders, and what it costs to encode one report as JSON.
Rates are of processor time, so that neighbours on the machine count less.
"""

from __future__ import annotations

import gc
import time
import timeit
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import msgspec

from hftd.simex import render_reports
from hftd.simex.events import Fees, NewOrder, OrderEvent
from hftd.simex.exchange import Exchange
from hftd.simex.flow_noise import Noise
from hftd.simex.market import SymbolSpec
from hftd.simex.matching import MatchingMarket
from hftd.simex.requests import Kind, Place, Side, TimeInForce
from tests.simex.test_peer_book import Peer

T0 = 1_800_000_000_000_000_000
STEP_NS = 1_000_000
SYMBOL = "BTCUSDT"
SPEC = SymbolSpec(SYMBOL, "BTC", "USDT", "0.01", "0.00001", max_num_orders=10**9)
TICK, LOT = 1_000_000, 1_000
"""Atoms in a tick and in a lot of that symbol."""
MID_TICKS, SPAN_TICKS = 6_000_000, 20
ACCOUNTS = 8
STANDING = 1_000


class Cancel(NamedTuple):
    """A cancel by client id."""

    account: int
    client_order_id: str


class Query(NamedTuple):
    """A query by client id."""

    account: int
    client_order_id: str


def requests(count: int, seed: int) -> list[NewOrder | Cancel | Query]:
    """Return the mix, after the orders that it begins with."""
    noise, made, wishes = Noise(seed), 0, list[NewOrder | Cancel | Query]()
    standing: deque[tuple[int, str]] = deque()
    for number in range(STANDING + count):
        turn = 0 if number < STANDING else number % 10
        if turn in (0, 2, 4, 6, 8):
            made += 1
            account, takes = 1 + noise.below(ACCOUNTS), turn == 8
            side = Side.BUY if noise.below(2) else Side.SELL
            away = 1 + noise.below(SPAN_TICKS)
            sign = 1 if (side is Side.BUY) == takes else -1
            name = f"o{made}"
            wishes.append(
                NewOrder(
                    account,
                    SYMBOL,
                    side,
                    Kind.LIMIT,
                    TimeInForce.IOC if takes else TimeInForce.GTC,
                    (MID_TICKS + sign * away) * TICK,
                    (500 + noise.below(500)) * LOT,
                    0,
                    name,
                )
            )
            if not takes:
                standing.append((account, name))
        elif turn == 9:
            wishes.append(Query(*standing[noise.below(len(standing))]))
        else:
            wishes.append(Cancel(*standing.popleft()))
    return wishes


def opened() -> Exchange:
    """Return an exchange with money in every account."""
    exchange = Exchange([MatchingMarket(SPEC)], Fees(10_000, 10_000))
    for account in range(1, ACCOUNTS + 1):
        for asset in ("BTC", "USDT"):
            exchange.accounts.deposit(account, asset, 10**20)
    exchange.accounts.take_touched()
    exchange.start(T0)
    return exchange


def handle(exchange: Exchange, wish: NewOrder | Cancel | Query, ts_ns: int) -> list[Any]:
    """Decide one request at its time; return what happened."""
    exchange.advance(ts_ns)
    if type(wish) is NewOrder:
        exchange.place(wish, ts_ns)
    elif type(wish) is Cancel:
        order = exchange.bookkeeping(wish.account).open_by_client_id(SYMBOL, wish.client_order_id)
        if order is not None:
            exchange.cancel(order, "c", ts_ns)
    else:
        exchange.bookkeeping(wish.account).find_by_client_id(SYMBOL, wish.client_order_id)
    exchange.take_closed()
    return exchange.take_events()


def exchange_pace(count: int, seed: int) -> float:
    """Return requests a second through the exchange."""
    exchange, wishes = opened(), requests(count, seed)
    for wish in wishes[:STANDING]:
        handle(exchange, wish, T0)
    events = 0
    begun_ns, ts_ns = time.process_time_ns(), T0
    for wish in wishes[STANDING:]:
        ts_ns += STEP_NS
        events += len(handle(exchange, wish, ts_ns))
    took_ns = time.process_time_ns() - begun_ns
    assert events > count, "most requests have consequences"
    return count * 1e9 / took_ns


def market_pace(count: int, seed: int) -> float:
    """Return requests a second through the market alone; queries ask what is left."""
    market, wishes = MatchingMarket(SPEC), requests(count, seed)
    ids: dict[str, int] = {}
    steps: list[Callable[[int], Any]] = []
    for wish in wishes:
        if isinstance(wish, NewOrder):
            number = ids[wish.client_order_id] = market.next_order_id()
            price_ticks, lots = wish.price_atoms // TICK, wish.qty_atoms // LOT
            place = Place(number, wish.account, wish.side, price_ticks, lots, Kind.LIMIT, wish.tif)
            steps.append(partial(market.place, place))
        elif isinstance(wish, Cancel):
            number = ids[wish.client_order_id]
            steps.append(partial(market.cancel, number))
        else:
            number = ids[wish.client_order_id]
            steps.append(partial(_leaves, market, number))
    for step in steps[:STANDING]:
        step(T0)
    begun_ns, ts_ns = time.process_time_ns(), T0
    for step in steps[STANDING:]:
        ts_ns += STEP_NS
        market.advance(ts_ns)
        step(ts_ns)
    return count * 1e9 / (time.process_time_ns() - begun_ns)


def peer_pace(count: int, seed: int) -> tuple[float, float]:
    """Return requests a second of the market and of order-matching, with the same requests.

    The package works on floats and keeps no accounts either; it has no order that takes and
    goes, so that what is left of one is canceled.
    """
    rates = []
    for engine in (_Ours(), Peer()):
        wishes = requests(count, seed)
        ids: dict[str, int] = {}
        begun_ns = 0
        for number, wish in enumerate(wishes, 1):
            if number == STANDING:
                begun_ns = time.process_time_ns()
            if isinstance(wish, NewOrder):
                price_ticks, lots = wish.price_atoms // TICK, wish.qty_atoms // LOT
                ids[wish.client_order_id] = number
                engine.place(Place(number, wish.account, wish.side, price_ticks, lots))
                if wish.tif is TimeInForce.IOC:
                    _cancel(engine, number)
            elif isinstance(wish, Cancel):
                _cancel(engine, ids[wish.client_order_id])
        rates.append(count * 1e9 / (time.process_time_ns() - begun_ns))
    return rates[0], rates[1]


def _cancel(engine: _Ours | Peer, number: int) -> None:
    # The package raises for an order that is filled by now; ours reports it.
    with suppress(ValueError):
        engine.cancel(number)


class _Ours:
    """The market with the peer's two verbs."""

    def __init__(self) -> None:
        self._market = MatchingMarket(SPEC)

    def place(self, order: Place) -> object:
        return self._market.place(order, T0)

    def cancel(self, order_id: int) -> None:
        self._market.cancel(order_id, T0)


def call_ns() -> float:
    """Return what one call of an empty Python function costs: the pace of this machine, now."""
    return min(timeit.repeat("empty()", "def empty(): pass", number=100_000, repeat=5)) * 1e4


def _leaves(market: MatchingMarket, number: int, ts_ns: int) -> int:
    return market.leaves(number)


def report_encoding_ns() -> float:
    """Return what one executionReport costs to make and to encode, in ns."""
    exchange = opened()
    events = handle(exchange, requests(1, 1)[0], T0)
    event = next(each for each in events if isinstance(each, OrderEvent))
    listing, rounds = exchange.listings[SYMBOL], 20_000
    begun_ns = time.process_time_ns()
    for _ in range(rounds):
        msgspec.json.encode(render_reports.execution_report(listing, event))
    return (time.process_time_ns() - begun_ns) / rounds


def measure(count: int, rounds: int) -> dict[str, Any]:
    """Return the best and the median of some rounds, the peers between them."""
    ours, market = [], []
    for seed in range(rounds):
        gc.collect()
        ours.append(exchange_pace(count, seed))
        gc.collect()
        market.append(market_pace(count, seed))
    small = [peer_pace(2_000, seed) for seed in range(3)]
    return {
        "requests": count,
        "rounds": rounds,
        "beside_order_matching": {
            "market_per_s": round(max(pair[0] for pair in small)),
            "order_matching_per_s": round(max(pair[1] for pair in small)),
        },
        "exchange_per_s": _spread(ours),
        "market_alone_per_s": _spread(market),
        "report_encoding_ns": round(report_encoding_ns()),
    }


def _spread(values: list[float]) -> dict[str, int]:
    ordered = sorted(values)
    return {"best": round(ordered[-1]), "median": round(ordered[len(ordered) // 2])}


if __name__ == "__main__":
    print(measure(100_000, 3))
