"""What is true at the exchange, for those who judge: accounts, orders, trades and books.

Owns the plain form of it. Reads and changes nothing; knows no file and no socket. This is what
happened, whatever faults told clients.
"""

from __future__ import annotations

from typing import Any

from hftd.simex import render
from hftd.simex.doubt_worth import extra_atoms, has_doubts, worth_more
from hftd.simex.numbers import text_of
from hftd.simex.requests import FEE_ACCOUNT, Side
from hftd.simex.venue import Venue


def truth(venue: Venue) -> dict[str, Any]:
    """Return balances, orders and trades of every account by its key, and the fees taken.

    Where another server is followed, ``optimistic`` is the other end of the range: balances as
    an optimistic queue would have filled, and what the account would be worth more at mid.
    """
    exchange = venue.exchange
    accounts: dict[str, dict[str, Any]] = {}
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
        if has_doubts(venue):
            accounts[config.key]["optimistic"] = _optimistic(venue, number)
    return {"accounts": accounts, "fees": _balances(venue, FEE_ACCOUNT)}


def _optimistic(venue: Venue, account: int) -> dict[str, Any]:
    held = venue.exchange.accounts.assets(account)
    extra = extra_atoms(venue.exchange, account)
    assets = [*held, *(asset for asset in extra if asset not in held)]
    total = {
        asset: (held[asset].free + held[asset].locked if asset in held else 0) + extra.get(asset, 0)
        for asset in assets
    }
    worth = worth_more(venue.exchange, account)
    return {
        "balances": {asset: text_of(atoms) for asset, atoms in total.items()},
        "worth_more": {asset: text_of(atoms) for asset, atoms in worth.items()},
    }


def books(venue: Venue) -> dict[str, Any]:
    """Return every symbol's status and the book that orders match against, best level first."""
    return {
        symbol: {
            "status": listing.shown_status.value,
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
