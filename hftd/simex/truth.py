"""What is true at the exchange, for those who judge: accounts, orders, trades and books.

Owns the plain form of it. Reads and changes nothing; knows no file and no socket. This is what
happened, whatever faults told clients.
"""

from __future__ import annotations

from typing import Any

from hftd.simex import render
from hftd.simex.numbers import text_of
from hftd.simex.requests import FEE_ACCOUNT, Side
from hftd.simex.venue import Venue


def truth(venue: Venue) -> dict[str, Any]:
    """Return balances, orders and trades of every account by its key, and the fees taken."""
    exchange = venue.exchange
    accounts = {}
    for number, config in enumerate(venue.config.accounts, 1):
        book = exchange.bookkeeping(number)
        orders = [*book.final.values(), *book.open.values()]
        accounts[config.key] = {
            "balances": _balances(venue, number),
            "orders": [
                {**render.order_query(exchange.listings[order.symbol], order)}
                for order in sorted(orders, key=lambda order: (order.symbol, order.order_id))
            ],
            "trades": [
                render.account_trade(exchange.listings[trade.symbol], trade)
                for trades in book.trades.values()
                for trade in trades
            ],
        }
    return {"accounts": accounts, "fees": _balances(venue, FEE_ACCOUNT)}


def books(venue: Venue) -> dict[str, Any]:
    """Return every symbol's status and the book that orders match against, best level first."""
    return {
        symbol: {
            "status": listing.status.value,
            "bids": render.levels(listing, list(listing.market.levels(Side.BUY))),
            "asks": render.levels(listing, list(listing.market.levels(Side.SELL))),
        }
        for symbol, listing in venue.exchange.listings.items()
    }


def _balances(venue: Venue, account: int) -> dict[str, dict[str, str]]:
    return {
        asset: {"free": text_of(balance.free), "locked": text_of(balance.locked)}
        for asset, balance in venue.exchange.accounts.assets(account).items()
    }
