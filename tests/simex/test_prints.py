"""What a symbol printed: aggregates, candles on their grids, and 24 hours, against sums by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hftd.simex.prints import LENGTHS_NS, MAX_CANDLES, MAX_PRINTS, Aggregate, Prints, bounds
from hftd.simex.requests import Side, Trade

SECOND = 1_000_000_000
T0 = 1_800_000_000 * SECOND


def trade(number: int, ts_ns: int, price: int, lots: int, taker: int, side: Side) -> Trade:
    """Return a printed trade of one taker order."""
    return Trade(number, ts_ns, price, lots, side, 900, taker, -1, -2)


TRADES = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1, SECOND, 70 * SECOND]),
        st.integers(95, 105),
        st.integers(1, 9),
        st.integers(1, 3),
        st.sampled_from(Side),
    ),
    min_size=1,
    max_size=60,
)


@given(TRADES)
@settings(max_examples=100, deadline=None)
def test_sums_are_those_of_the_trades(script: list[tuple[int, int, int, int, Side]]) -> None:
    """Aggregates and candles of every interval add up to the trades; ids leave nothing out."""
    prints, trades, now_ns = Prints(), [], T0
    closed: list[Aggregate] = []
    for number, (wait_ns, price, lots, taker, side) in enumerate(script, 41):
        now_ns += wait_ns
        each = trade(number, now_ns, price, lots, taker, side)
        trades.append(each)
        aggregate = prints.take(each)
        closed += [aggregate] if aggregate else []
    last = prints.close()
    assert last is not None
    closed.append(last)
    assert [each.agg_id for each in closed] == [*range(41, 41 + len(closed))]
    for each in closed:
        parts = [one for one in trades if each.first_id <= one.trade_id <= each.last_id]
        assert sum(one.qty_lots for one in parts) == each.qty_lots
        assert {(one.price_ticks, one.taker_order_id, one.ts_ns) for one in parts} == {
            (each.price_ticks, each.taker_order_id, each.ts_ns)
        }
    assert sum(each.last_id - each.first_id + 1 for each in closed) == len(trades)
    for interval in LENGTHS_NS:
        for candle in prints.candles(interval, now_ns):
            parts = [one for one in trades if candle.open_ns <= one.ts_ns <= candle.close_ns]
            assert candle.trades == len(parts)
            assert candle.lots == sum(one.qty_lots for one in parts)
            assert candle.tick_lots == sum(one.qty_lots * one.price_ticks for one in parts)
            if parts:
                prices = [one.price_ticks for one in parts]
                assert (candle.open_ticks, candle.close_ticks) == (prices[0], prices[-1])
                assert (candle.low_ticks, candle.high_ticks) == (min(prices), max(prices))
    day = prints.day(now_ns)
    assert (day.trades, day.lots) == (len(trades), sum(one.qty_lots for one in trades))
    assert (day.first_id, day.last_id) == (41, 40 + len(trades))


@pytest.mark.parametrize(
    ("interval", "first"),
    [
        ("1s", "2027-01-15T08:00:00"),
        ("15m", "2027-01-15T08:00:00"),
        ("6h", "2027-01-15T06:00:00"),
        ("1d", "2027-01-15T00:00:00"),
        ("1w", "2027-01-11T00:00:00"),
        ("1M", "2027-01-01T00:00:00"),
    ],
)
def test_candles_begin_on_the_grid_of_utc(interval: str, first: str) -> None:
    """Weeks begin on Mondays, months on the first."""
    first_ns, next_ns = bounds(interval, T0)
    assert datetime.fromtimestamp(first_ns / SECOND, UTC).isoformat()[:19] == first
    assert first_ns <= T0 < next_ns
    assert bounds(interval, next_ns)[0] == next_ns


def test_a_gap_is_filled_with_flat_candles_up_to_the_bound() -> None:
    """After an hour of nothing minutes are flat at the last close; after years memory is bound."""
    prints = Prints()
    prints.take(trade(1, T0, 100, 1, 1, Side.BUY))
    minutes = prints.candles("1m", T0 + 3600 * SECOND)
    assert len(minutes) == 61
    assert {(each.open_ticks, each.lots) for each in minutes[1:]} == {(100, 0)}
    assert all(before.close_ns + 1 == after.open_ns for before, after in pairwise(minutes))
    seconds = prints.candles("1s", T0 + 10**9 * SECOND)
    assert len(seconds) <= 2 * MAX_CANDLES
    assert seconds[-1].close_ns >= T0 + 10**9 * SECOND


def test_memory_is_bound() -> None:
    """Of very many trades the newest stay."""
    prints = Prints()
    for number in range(1, 5 * MAX_PRINTS):
        prints.take(trade(number, T0 + number * SECOND, 100, 1, number, Side.BUY))
    assert MAX_PRINTS <= len(prints.trades) < 2 * MAX_PRINTS
    assert MAX_PRINTS <= len(prints.aggregates) < 2 * MAX_PRINTS
    assert [each.trade_id for each in prints.trades_from(-1, 2)] == [4998, 4999]
    assert [each.trade_id for each in prints.trades_from(4500, 2)] == [4500, 4501]
