"""Public endpoints: time, rules, books and trades.

Owns their parameters and answers. Knows no accounts.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import msgspec

from hftd.simex import refusals, render, render_public
from hftd.simex.endpoint import Answer, Call
from hftd.simex.listing import Listing
from hftd.simex.params import MAX_INT, to_ms
from hftd.simex.prints import LENGTHS_NS
from hftd.simex.refusals import Refused

MAX_DEPTH = 5000
AVERAGE_MINUTES = 5
SYMBOL_STATUSES = ("TRADING", "HALT", "BREAK", "CANCEL_ONLY")


class TickerForm(Enum):
    """How much of a ticker the reply shows."""

    FULL = "FULL"
    MINI = "MINI"


def ping(call: Call) -> Answer:
    """Answer that the venue is there."""
    call.params.done()
    return {}


def server_time(call: Call) -> Answer:
    """Answer the venue's clock."""
    call.params.done()
    return {"serverTime": render.ms(call.ts_ns + call.desk.skew_ns)}


def exchange_info(call: Call) -> Answer:
    """Answer limits and the rules of all symbols, or of those asked for."""
    params = call.params
    symbol, symbols = params.text("symbol"), params.symbols("symbols")
    status, permissions = params.text("symbolStatus"), params.text("permissions")
    with_sets = params.flag("showPermissionSets", default=True)
    params.done()
    if (symbol is not None) + (symbols is not None) + bool(permissions or status) > 1:
        return refusals.BAD_COMBINATION
    if status is not None and status not in SYMBOL_STATUSES:
        return refusals.invalid("symbolStatus")
    if symbol is not None:
        symbols = [symbol]
    listings = _listings(call, symbols)
    if status is not None:
        listings = [listing for listing in listings if listing.shown_status.value == status]
    if permissions is not None and "SPOT" not in _permissions(permissions):
        listings = []
    rules = [render.symbol_rules(listing) for listing in listings]
    if not with_sets:
        for rule in rules:
            rule["permissionSets"] = []
    return {
        "timezone": "UTC",
        "serverTime": render.ms(call.ts_ns),
        "rateLimits": call.desk.limits.render(),
        "exchangeFilters": [],
        "symbols": rules,
    }


def _permissions(text: str) -> list[str]:
    # One permission, or a JSON list of them.
    if not text.startswith("["):
        return [text]
    try:
        return msgspec.json.decode(text, type=list[str])
    except msgspec.DecodeError:
        raise Refused(refusals.invalid("permissions")) from None


def _listings(call: Call, symbols: list[str] | None) -> list[Listing]:
    if symbols is None:
        return list(call.exchange.listings.values())
    if len(set(symbols)) < len(symbols):
        raise Refused(refusals.DUPLICATE_SYMBOLS)
    return [call.desk.listing(symbol) for symbol in symbols]


def depth_weight(values: dict[str, str]) -> int:
    """Return the weight of a depth request by its limit."""
    text = values.get("limit") or "100"
    limit = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 100
    for bound, weight in ((100, 5), (500, 25), (1000, 50)):
        if limit <= bound:
            return weight
    return 250


def depth(call: Call) -> Answer:
    """Answer the book as of the last depth event's end."""
    listing = call.required_listing()
    limit = min(call.params.integer("limit", 100), MAX_DEPTH)
    call.params.ignore("symbolStatus")
    call.params.done()
    if limit == 0:
        return refusals.invalid("limit")
    snapshot = listing.market.snapshot(limit)
    return {
        "lastUpdateId": snapshot.update_id,
        "bids": render.levels(listing, snapshot.bids),
        "asks": render.levels(listing, snapshot.asks),
    }


def trades(call: Call) -> Answer:
    """Answer the newest printed trades, oldest of them first."""
    return _trades(call, -1)


def historical_trades(call: Call) -> Answer:
    """Answer printed trades from an id on, or the newest."""
    return _trades(call, call.params.integer("fromId", -1))


def _trades(call: Call, from_id: int) -> Answer:
    listing = call.required_listing()
    limit = _limit(call)
    call.params.done()
    found = call.desk.prints[listing.spec.symbol].trades_from(from_id, limit)
    return [render.public_trade(listing, trade) for trade in found]


def _limit(call: Call) -> int:
    limit = min(call.params.integer("limit", 500), 1000)
    if limit == 0:
        raise Refused(refusals.invalid("limit"))
    return limit


def _span(call: Call) -> tuple[int, int]:
    # startTime and endTime in ms, both inclusive; microseconds are taken as well.
    params = call.params
    start_ms, end_ms = params.integer("startTime", 0), params.integer("endTime", MAX_INT)
    return to_ms(start_ms), to_ms(end_ms)


def agg_trades(call: Call) -> Answer:
    """Answer aggregates: from an id on, of a span, or the newest."""
    listing = call.required_listing()
    from_id, timed = call.params.integer("fromId", -1), "startTime" in call.params.values
    timed = timed or "endTime" in call.params.values
    start_ms, end_ms = _span(call)
    limit = _limit(call)
    call.params.done()
    if from_id >= 0 and timed:
        return refusals.BAD_COMBINATION
    prints = call.desk.prints[listing.spec.symbol]
    if timed:
        found = [each for each in prints.aggregates if start_ms <= render.ms(each.ts_ns) <= end_ms][
            :limit
        ]
    else:
        found = prints.aggregates_from(from_id, limit)
    return [render_public.agg_trade(listing, each) for each in found]


def klines(call: Call) -> Answer:
    """Answer candles of a span from its start on, or the newest."""
    listing = call.required_listing()
    interval = call.params.required("interval")
    if interval not in LENGTHS_NS:
        return refusals.BAD_INTERVAL
    call.params.ignore("timeZone")
    start_ms, end_ms = _span(call)
    limit = _limit(call)
    call.params.done()
    found = [
        candle
        for candle in call.desk.prints[listing.spec.symbol].candles(interval, call.ts_ns)
        if start_ms <= render.ms(candle.open_ns) <= end_ms
    ]
    found = found[:limit] if start_ms else found[-limit:]
    return [render_public.kline(listing, candle) for candle in found]


def average_price(call: Call) -> Answer:
    """Answer the volume-weighted price of the last five minutes, else the last price."""
    listing = call.required_listing()
    call.params.done()
    since_ns = call.ts_ns - AVERAGE_MINUTES * 60 * 1_000_000_000
    seconds = [
        candle
        for candle in call.desk.prints[listing.spec.symbol].candles("1s", call.ts_ns)
        if candle.open_ns > since_ns and candle.first_id >= 0
    ]
    return render_public.average_price(listing, AVERAGE_MINUTES, seconds, call.ts_ns)


def day_ticker_weight(values: dict[str, str]) -> int:
    """Return the weight of asking for 24 hours: of one symbol 2, of all 80."""
    return 2 if values.get("symbol") or values.get("symbols") else 80


def day_ticker(call: Call) -> Answer:
    """Answer the last 24 hours of one symbol, or a list of all asked for."""
    form = call.params.choice("type", TickerForm, TickerForm.FULL, refusals.invalid("type"))

    def shape(listing: Listing) -> dict[str, Any]:
        day = call.desk.prints[listing.spec.symbol].day(call.ts_ns)
        full = form is TickerForm.FULL
        return render_public.day_ticker(listing, day, full=full)

    return _ticker(call, shape)


def all_symbols_weight(values: dict[str, str]) -> int:
    """Return the weight of a ticker request: with a symbol 2, without 4."""
    return 2 if values.get("symbol") else 4


def book_ticker(call: Call) -> Answer:
    """Answer the touch of one symbol, or a list of all asked for."""
    return _ticker(call, render.book_ticker)


def price_ticker(call: Call) -> Answer:
    """Answer the last price of one symbol, or a list of all asked for."""
    return _ticker(call, _last_price)


def _last_price(listing: Listing) -> dict[str, Any]:
    price_ticks = listing.market.last_price_ticks()
    return {"symbol": listing.spec.symbol, "price": render.price_text(listing, price_ticks)}


def _ticker(call: Call, shape: Any) -> Answer:
    params = call.params
    symbol, symbols = params.text("symbol"), params.symbols("symbols")
    params.ignore("symbolStatus")
    params.done()
    if symbol is not None and symbols is not None:
        raise Refused(refusals.BAD_COMBINATION)
    if symbol is not None:
        return dict(shape(call.desk.listing(symbol)))
    return [shape(listing) for listing in _listings(call, symbols)]
