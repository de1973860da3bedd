"""Aggregates, candles and tickers in the protocol's JSON shapes.

Owns field names and their order, as ``render`` does for orders and books. Knows no endpoint and
no stream. A side or a price that is not known yet is zero.
"""

from __future__ import annotations

from collections.abc import Sequence

from hftd.simex.listing import Listing
from hftd.simex.numbers import text_of
from hftd.simex.prints import Aggregate, Candle, Day
from hftd.simex.render import Json, ms, price_text, qty_text
from hftd.simex.requests import Side, TouchChanged

_NO_TOUCH = TouchChanged(0, 0, 0, 0, 0, 0)
_NO_DAY_PERCENT = "0.000"


def agg_trade(listing: Listing, each: Aggregate) -> Json:
    """Return an aggregate as REST shows it."""
    return {
        "a": each.agg_id,
        "p": price_text(listing, each.price_ticks),
        "q": qty_text(listing, each.qty_lots),
        "f": each.first_id,
        "l": each.last_id,
        "T": ms(each.ts_ns),
        "m": each.taker_side is Side.SELL,
        "M": True,
    }


def agg_trade_event(listing: Listing, each: Aggregate) -> Json:
    """Return an aggregate as the stream shows it."""
    head = {"e": "aggTrade", "E": ms(each.ts_ns), "s": listing.spec.symbol}
    return {**head, **agg_trade(listing, each)}


def kline(listing: Listing, candle: Candle) -> list[object]:
    """Return a candle as REST shows it."""
    return [
        ms(candle.open_ns),
        price_text(listing, candle.open_ticks),
        price_text(listing, candle.high_ticks),
        price_text(listing, candle.low_ticks),
        price_text(listing, candle.close_ticks),
        qty_text(listing, candle.lots),
        ms(candle.close_ns),
        _quote(listing, candle.tick_lots),
        candle.trades,
        qty_text(listing, candle.taker_lots),
        _quote(listing, candle.taker_tick_lots),
        "0",
    ]


def kline_event(listing: Listing, interval: str, candle: Candle, ts_ns: int) -> Json:
    """Return a candle as the stream shows it; it is closed when its time is over."""
    return {
        "e": "kline",
        "E": ms(ts_ns),
        "s": listing.spec.symbol,
        "k": {
            "t": ms(candle.open_ns),
            "T": ms(candle.close_ns),
            "s": listing.spec.symbol,
            "i": interval,
            "f": candle.first_id,
            "L": candle.last_id,
            "o": price_text(listing, candle.open_ticks),
            "c": price_text(listing, candle.close_ticks),
            "h": price_text(listing, candle.high_ticks),
            "l": price_text(listing, candle.low_ticks),
            "v": qty_text(listing, candle.lots),
            "n": candle.trades,
            "x": ts_ns > candle.close_ns,
            "q": _quote(listing, candle.tick_lots),
            "V": qty_text(listing, candle.taker_lots),
            "Q": _quote(listing, candle.taker_tick_lots),
            "B": "0",
        },
    }


def average_price(listing: Listing, minutes: int, candles: Sequence[Candle], ts_ns: int) -> Json:
    """Return the average price of some candles, else the last price."""
    lots = sum(candle.lots for candle in candles)
    tick_lots = sum(candle.tick_lots for candle in candles)
    if lots:
        price = text_of(tick_lots * listing.filters.tick // lots)
    else:
        price = price_text(listing, listing.market.last_price_ticks())
    closed_ns = candles[-1].close_ns if candles else ts_ns
    return {"mins": minutes, "price": price, "closeTime": ms(min(closed_ns, ts_ns))}


def day_ticker(listing: Listing, day: Day, *, full: bool) -> Json:
    """Return 24 hours as REST shows them, whole or in the short form."""
    touch = listing.market.best() or _NO_TOUCH
    amounts = {
        "openPrice": price_text(listing, day.open_ticks),
        "highPrice": price_text(listing, day.high_ticks),
        "lowPrice": price_text(listing, day.low_ticks),
    }
    last = {"lastPrice": price_text(listing, day.last_ticks)}
    volume = {
        "volume": qty_text(listing, day.lots),
        "quoteVolume": _quote(listing, day.tick_lots),
        "openTime": ms(day.open_ns),
        "closeTime": ms(day.close_ns),
        "firstId": day.first_id,
        "lastId": day.last_id,
        "count": day.trades,
    }
    head = {"symbol": listing.spec.symbol}
    if not full:
        return {**head, **amounts, **last, **volume}
    return {
        **head,
        "priceChange": price_text(listing, day.last_ticks - day.open_ticks),
        "priceChangePercent": _percent(day),
        "weightedAvgPrice": _weighted(listing, day),
        "prevClosePrice": price_text(listing, day.previous_ticks),
        **last,
        "lastQty": qty_text(listing, day.last_lots),
        "bidPrice": price_text(listing, touch.bid_ticks),
        "bidQty": qty_text(listing, touch.bid_lots),
        "askPrice": price_text(listing, touch.ask_ticks),
        "askQty": qty_text(listing, touch.ask_lots),
        **amounts,
        **volume,
    }


def ticker_event(listing: Listing, day: Day) -> Json:
    """Return 24 hours as the stream shows them."""
    touch = listing.market.best() or _NO_TOUCH
    return {
        "e": "24hrTicker",
        "E": ms(day.close_ns),
        "s": listing.spec.symbol,
        "p": price_text(listing, day.last_ticks - day.open_ticks),
        "P": _percent(day),
        "w": _weighted(listing, day),
        "x": price_text(listing, day.previous_ticks),
        "c": price_text(listing, day.last_ticks),
        "Q": qty_text(listing, day.last_lots),
        "b": price_text(listing, touch.bid_ticks),
        "B": qty_text(listing, touch.bid_lots),
        "a": price_text(listing, touch.ask_ticks),
        "A": qty_text(listing, touch.ask_lots),
        "o": price_text(listing, day.open_ticks),
        "h": price_text(listing, day.high_ticks),
        "l": price_text(listing, day.low_ticks),
        "v": qty_text(listing, day.lots),
        "q": _quote(listing, day.tick_lots),
        "O": ms(day.open_ns),
        "C": ms(day.close_ns),
        "F": day.first_id,
        "L": day.last_id,
        "n": day.trades,
    }


def mini_ticker_event(listing: Listing, day: Day) -> Json:
    """Return the short form of 24 hours as the stream shows it."""
    return {
        "e": "24hrMiniTicker",
        "E": ms(day.close_ns),
        "s": listing.spec.symbol,
        "c": price_text(listing, day.last_ticks),
        "o": price_text(listing, day.open_ticks),
        "h": price_text(listing, day.high_ticks),
        "l": price_text(listing, day.low_ticks),
        "v": qty_text(listing, day.lots),
        "q": _quote(listing, day.tick_lots),
    }


def _quote(listing: Listing, tick_lots: int) -> str:
    return text_of(tick_lots * listing.atoms_per_tick_lot)


def _weighted(listing: Listing, day: Day) -> str:
    return text_of(day.tick_lots * listing.filters.tick // day.lots if day.lots else 0)


def _percent(day: Day) -> str:
    # Thousandths of a percent, cut towards zero.
    if day.open_ticks == 0:
        return _NO_DAY_PERCENT
    change = day.last_ticks - day.open_ticks
    thousandths = abs(change) * 100_000 // day.open_ticks
    sign = "-" if change < 0 and thousandths else ""
    return f"{sign}{thousandths // 1000}.{thousandths % 1000:03d}"
