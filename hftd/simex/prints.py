"""What one symbol printed: trades, aggregates of them, candles, and the last 24 hours.

Owns the bounded public history behind trades, aggTrades, klines and the tickers. Knows no
protocol text, no streams and no accounts.

The rules. An aggregate joins the trades of one taker order at one price at one time; it is
closed when another trade or another time comes, or when ``close`` says that the call is done.
Its ids begin with the first trade's id and grow by one, so that they go on after a restart. A
candle of a time without trades is flat at the last close. The newest ``MAX_PRINTS`` trades and
aggregates and the newest ``MAX_CANDLES`` candles of each interval are kept; a restart forgets
them, as nothing of a user's truth stands here.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import date
from typing import TypeVar

from msgspec import Struct

from hftd.simex.requests import Side, Trade

MAX_PRINTS = 1000
MAX_CANDLES = 1500
T = TypeVar("T")

_SECOND_NS = 1_000_000_000
_MINUTE_NS = 60 * _SECOND_NS
_HOUR_NS = 60 * _MINUTE_NS
_DAY_NS = 24 * _HOUR_NS
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_MONTH, _WEEK = "1M", "1w"
_MONDAY_NS = 4 * _DAY_NS
"""The first Monday of the epoch: weeks begin on Mondays."""

LENGTHS_NS = {
    "1s": _SECOND_NS,
    **{f"{number}m": number * _MINUTE_NS for number in (1, 3, 5, 15, 30)},
    **{f"{number}h": number * _HOUR_NS for number in (1, 2, 4, 6, 8, 12)},
    "1d": _DAY_NS,
    "3d": 3 * _DAY_NS,
    _WEEK: 7 * _DAY_NS,
    _MONTH: 31 * _DAY_NS,
}
"""The intervals of candles; a month's length is its calendar's."""


class Aggregate(Struct, gc=False):
    """Trades of one taker at one price at one time, as one."""

    agg_id: int
    first_id: int
    last_id: int
    ts_ns: int
    price_ticks: int
    qty_lots: int
    taker_side: Side
    taker_order_id: int


class Candle(Struct, gc=False):
    """One interval of trading; money in tick-lots. ``first_id`` is -1 where nothing traded."""

    open_ns: int
    close_ns: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    lots: int = 0
    tick_lots: int = 0
    trades: int = 0
    taker_lots: int = 0
    taker_tick_lots: int = 0
    first_id: int = -1
    last_id: int = -1

    def take(self, trade: Trade) -> None:
        """Add a trade."""
        price_ticks, lots = trade.price_ticks, trade.qty_lots
        self.high_ticks = max(self.high_ticks, price_ticks)
        self.low_ticks = min(self.low_ticks, price_ticks)
        self.close_ticks = price_ticks
        self.lots += lots
        self.tick_lots += price_ticks * lots
        self.trades += 1
        if trade.taker_side is Side.BUY:
            self.taker_lots += lots
            self.taker_tick_lots += price_ticks * lots
        if self.first_id < 0:
            self.first_id = trade.trade_id
        self.last_id = trade.trade_id


class Day(Struct, frozen=True):
    """The last 24 hours, to the minute; all zero before the first trade. Ids as in ``Candle``."""

    open_ns: int
    close_ns: int
    open_ticks: int = 0
    high_ticks: int = 0
    low_ticks: int = 0
    lots: int = 0
    tick_lots: int = 0
    trades: int = 0
    first_id: int = -1
    last_id: int = -1
    last_ticks: int = 0
    last_lots: int = 0
    previous_ticks: int = 0


class Prints:
    """The public history of one symbol."""

    def __init__(self) -> None:
        self.trades: list[Trade] = []
        self.aggregates: list[Aggregate] = []
        self._open: Aggregate | None = None
        self._next_agg_id = 0
        self._candles: dict[str, list[Candle]] = {interval: [] for interval in LENGTHS_NS}

    # --- what is printed ------------------------------------------------------------------

    def take(self, trade: Trade) -> Aggregate | None:
        """Remember a trade; return the aggregate that it closed."""
        _keep(self.trades, trade, MAX_PRINTS)
        for interval, candles in self._candles.items():
            _roll(interval, candles, trade.ts_ns)
            if not candles:
                candles.append(_candle(interval, trade.ts_ns, trade.price_ticks))
            if candles[-1].first_id < 0:
                # Nothing traded in it yet: its first trade opens it.
                last = candles[-1]
                candles[-1] = _candle(interval, last.open_ns, trade.price_ticks)
            candles[-1].take(trade)
        joined = self._open
        if joined is not None and _joins(joined, trade):
            joined.last_id = trade.trade_id
            joined.qty_lots += trade.qty_lots
            return None
        closed = self.close()
        self._open = Aggregate(
            self._next_agg_id or trade.trade_id,
            trade.trade_id,
            trade.trade_id,
            trade.ts_ns,
            trade.price_ticks,
            trade.qty_lots,
            trade.taker_side,
            trade.taker_order_id,
        )
        return closed

    def close(self) -> Aggregate | None:
        """End the open aggregate; return it where there is one."""
        closed, self._open = self._open, None
        if closed is not None:
            _keep(self.aggregates, closed, MAX_PRINTS)
            self._next_agg_id = closed.agg_id + 1
        return closed

    # --- what is asked --------------------------------------------------------------------

    def trades_from(self, from_id: int, limit: int) -> list[Trade]:
        """Return trades from an id on, ascending; without an id (below 0) the newest."""
        if from_id < 0:
            return self.trades[-limit:]
        start = bisect_left(self.trades, from_id, key=_trade_id)
        return self.trades[start : start + limit]

    def aggregates_from(self, from_id: int, limit: int) -> list[Aggregate]:
        """Return aggregates from an id on, ascending; without an id (below 0) the newest."""
        if from_id < 0:
            return self.aggregates[-limit:]
        start = bisect_left(self.aggregates, from_id, key=_agg_id)
        return self.aggregates[start : start + limit]

    def candles(self, interval: str, ts_ns: int) -> list[Candle]:
        """Return the candles of an interval of ``LENGTHS_NS`` up to now, oldest first."""
        candles = self._candles[interval]
        _roll(interval, candles, ts_ns)
        return candles

    def day(self, ts_ns: int) -> Day:
        """Return the last 24 hours, made of minutes."""
        since_ns = ts_ns - _DAY_NS
        minutes = [candle for candle in self.candles("1m", ts_ns) if candle.close_ns >= since_ns]
        traded = [candle for candle in minutes if candle.first_id >= 0]
        if not traded:
            return Day(since_ns, ts_ns)
        before = [each for each in self._candles["1m"] if each.close_ns < since_ns]
        last = self.trades[-1]
        return Day(
            since_ns,
            ts_ns,
            traded[0].open_ticks,
            max(candle.high_ticks for candle in traded),
            min(candle.low_ticks for candle in traded),
            sum(candle.lots for candle in traded),
            sum(candle.tick_lots for candle in traded),
            sum(candle.trades for candle in traded),
            traded[0].first_id,
            traded[-1].last_id,
            last.price_ticks,
            last.qty_lots,
            before[-1].close_ticks if before else traded[0].open_ticks,
        )


def _joins(aggregate: Aggregate, trade: Trade) -> bool:
    return (
        aggregate.ts_ns == trade.ts_ns
        and aggregate.price_ticks == trade.price_ticks
        and aggregate.taker_side is trade.taker_side
        and aggregate.taker_order_id == trade.taker_order_id
    )


def _keep(kept: list[T], new: T, limit: int) -> None:
    # Trimmed in halves: dropping from the front one by one costs a copy each.
    kept.append(new)
    if len(kept) >= 2 * limit:
        del kept[:-limit]


def _roll(interval: str, candles: list[Candle], ts_ns: int) -> None:
    # Flat candles up to the one that ts_ns lies in; a gap beyond the bound is left out.
    if not candles or ts_ns <= candles[-1].close_ns:
        return
    close_ticks = candles[-1].close_ticks
    if ts_ns - candles[-1].close_ns > MAX_CANDLES * LENGTHS_NS[interval]:
        candles.clear()
        candles.append(_candle(interval, ts_ns - MAX_CANDLES * LENGTHS_NS[interval], close_ticks))
    while ts_ns > candles[-1].close_ns:
        _keep(candles, _candle(interval, candles[-1].close_ns + 1, close_ticks), MAX_CANDLES)


def _candle(interval: str, ts_ns: int, price_ticks: int) -> Candle:
    first_ns, next_ns = bounds(interval, ts_ns)
    return Candle(first_ns, next_ns - 1, price_ticks, price_ticks, price_ticks, price_ticks)


def bounds(interval: str, ts_ns: int) -> tuple[int, int]:
    """Return the first ns of the interval that ``ts_ns`` lies in, and of the next one."""
    if interval == _MONTH:
        day = date.fromordinal(_EPOCH_DAY + ts_ns // _DAY_NS)
        after = date(day.year + day.month // 12, day.month % 12 + 1, 1)
        first = day.replace(day=1)
        return (
            (first.toordinal() - _EPOCH_DAY) * _DAY_NS,
            (after.toordinal() - _EPOCH_DAY) * _DAY_NS,
        )
    length_ns = LENGTHS_NS[interval]
    shift_ns = _MONDAY_NS if interval == _WEEK else 0
    first_ns = ts_ns - (ts_ns - shift_ns) % length_ns
    return first_ns, first_ns + length_ns


def _trade_id(trade: Trade) -> int:
    return trade.trade_id


def _agg_id(aggregate: Aggregate) -> int:
    return aggregate.agg_id
