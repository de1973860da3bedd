"""Public endpoints: time, rules, books and trades.

Owns their parameters and answers. Knows no accounts.
"""

from __future__ import annotations

from typing import Any

from hftd.simex import refusals, render
from hftd.simex.endpoint import Answer, Call
from hftd.simex.exchange import Listing
from hftd.simex.refusals import Refused

MAX_DEPTH = 5000


def ping(call: Call) -> Answer:
    """Answer that the venue is there."""
    call.params.done()
    return {}


def server_time(call: Call) -> Answer:
    """Answer the venue's clock."""
    call.params.done()
    return {"serverTime": render.ms(call.ts_ns)}


def exchange_info(call: Call) -> Answer:
    """Answer limits and the rules of all symbols, or of those asked for."""
    params = call.params
    symbol, symbols = params.text("symbol"), params.symbols("symbols")
    status = params.text("symbolStatus")
    params.ignore("permissions", "showPermissionSets")
    params.done()
    if symbol is not None and symbols is not None:
        return refusals.BAD_COMBINATION
    if status not in (None, "TRADING", "HALT", "BREAK", "CANCEL_ONLY"):
        return refusals.invalid("symbolStatus")
    if symbol is not None:
        symbols = [symbol]
    listings = _listings(call, symbols)
    if status not in (None, "TRADING"):
        listings = []
    return {
        "timezone": "UTC",
        "serverTime": render.ms(call.ts_ns),
        "rateLimits": call.desk.limits.render(),
        "exchangeFilters": [],
        "symbols": [render.symbol_rules(listing) for listing in listings],
    }


def _listings(call: Call, symbols: list[str] | None) -> list[Listing]:
    if symbols is None:
        return list(call.exchange.listings.values())
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
    listing = call.required_listing()
    limit = min(call.params.integer("limit", 500), 1000)
    call.params.done()
    if limit == 0:
        return refusals.invalid("limit")
    newest = call.desk.public_trades[listing.spec.symbol][-limit:]
    return [render.public_trade(listing, trade) for trade in newest]


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
