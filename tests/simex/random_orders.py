"""Random requests by the hundred thousand: the matching market beside the naive reference."""

from __future__ import annotations

from hftd.simex.flow_noise import Noise
from hftd.simex.matching import MatchingMarket
from hftd.simex.requests import Expired, Kind, Place, Prevented, Side, Stp, TimeInForce, Trade
from tests.simex.naive_book import NaiveBook
from tests.simex.quiet import SPEC

T0 = 1_800_000_000_000_000_000
KINDS = (*[Kind.LIMIT] * 5, Kind.LIMIT_MAKER, Kind.MARKET)
TIFS = (*[TimeInForce.GTC] * 4, TimeInForce.IOC, TimeInForce.FOK)
STPS = (*[Stp.NONE] * 3, *[mode for mode in Stp if mode is not Stp.NONE])
MAX_RESTING = 40
"""Above so many resting orders the next request is a cancel: the reference looks at all."""


def random_place(noise: Noise, order_id: int) -> Place:
    """Return an order of any type, with the fields that its type may have."""
    kind = KINDS[noise.below(len(KINDS))]
    side = Side.BUY if noise.chance(50) else Side.SELL
    market = kind is Kind.MARKET
    bounded = market and side is Side.BUY and noise.chance(50)
    return Place(
        order_id,
        noise.between(1, 4),
        side,
        0 if market else noise.between(93, 107),
        noise.between(1, 9),
        kind,
        TIFS[noise.below(len(TIFS))] if kind is Kind.LIMIT else TimeInForce.GTC,
        STPS[noise.below(len(STPS))],
        noise.between(90, 1500) if bounded else 0,
    )


def compare(requests: int, seed: int) -> dict[str, int]:
    """Run both over the same requests; assert that they agree; return what came about."""
    noise, market, naive = Noise(seed), MatchingMarket(SPEC), NaiveBook()
    counts = {"places": 0, "cancels": 0, "trades": 0, "expired": 0, "refused": 0, "prevented": 0}
    for number in range(requests):
        resting = naive.resting
        if resting and (len(resting) > MAX_RESTING or noise.chance(20)):
            target = resting[noise.below(len(resting))].order_id
            assert naive.cancel(target)
            reports = market.cancel(target, T0)
            counts["cancels"] += 1
        else:
            order = random_place(noise, market.next_order_id())
            naive.place(order)
            reports = market.place(order, T0)
            counts["places"] += 1
        trades = [
            (each.maker_order_id, each.taker_order_id, each.price_ticks, each.qty_lots)
            for each in reports
            if isinstance(each, Trade)
        ]
        expired = [
            (each.order_id, each.leaves_lots) for each in reports if isinstance(each, Expired)
        ]
        prevented = [(each.order_id, each.lots) for each in reports if isinstance(each, Prevented)]
        assert prevented == naive.prevented, f"seed {seed}, request {number}"
        assert trades == naive.trades, f"seed {seed}, request {number}"
        assert expired == naive.expired, f"seed {seed}, request {number}"
        if number % 16 == 0:
            for side in Side:
                assert list(market.levels(side)) == naive.levels(side), f"request {number}"
        counts["trades"] += len(trades)
        counts["expired"] += len(expired)
        counts["prevented"] += len(prevented)
        counts["refused"] += len(naive.refused)
        naive.trades, naive.expired, naive.refused, naive.prevented = [], [], [], []
    return counts
