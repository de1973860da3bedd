"""What accounts would hold, and be worth, if every queue in doubt had gone their way.

Owns the way from lots in doubt to balances and money: fees at the maker's rate, worth at mid.
Reads and changes nothing. Empty where no market is in doubt, as with agents and tapes.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from hftd.simex.doubt import Doubt, DoubtfulWorth
from hftd.simex.exchange import Exchange
from hftd.simex.listing import Listing
from hftd.simex.market import ATOMS
from hftd.simex.played import PlayedMarket
from hftd.simex.requests import Side
from hftd.simex.venue import Venue

NOTHING = Doubt()


def has_doubts(venue: Venue) -> bool:
    """Tell whether any market judges orders twice."""
    return any(True for _ in _markets(venue.exchange))


def extra_atoms(exchange: Exchange, account: int) -> dict[str, int]:
    """Return by asset what an account holds more by the optimist; fees are taken off."""
    extra: dict[str, int] = {}
    for listing, market in _markets(exchange):
        base, quote = _extra(exchange, listing, _of(market, account))
        extra[listing.spec.base] = extra.get(listing.spec.base, 0) + base
        extra[listing.spec.quote] = extra.get(listing.spec.quote, 0) + quote
    return extra


def worth_more(exchange: Exchange, account: int) -> dict[str, int]:
    """Return by quote asset what an account is worth more by the optimist, at mid, in atoms."""
    worth: dict[str, int] = {}
    for listing, market in _markets(exchange):
        base, quote = _extra(exchange, listing, _of(market, account))
        bid, ask = (next(listing.market.levels(side), (0, 0))[0] for side in Side)
        half_ticks = bid + ask if bid and ask else 2 * market.last_price_ticks()
        at_mid = base * half_ticks * listing.atoms_per_tick_lot // (2 * listing.atoms_per_lot)
        worth[listing.spec.quote] = worth.get(listing.spec.quote, 0) + quote + at_mid
    return worth


def doubtful_worth(venue: Venue, ts_ns: int) -> bytes:
    """Return what every account is worth more by the optimist; empty where nothing is in doubt."""
    if not has_doubts(venue):
        return b""
    accounts = {
        config.key: worth_more(venue.exchange, number)
        for number, config in enumerate(venue.config.accounts, 1)
    }
    return msgspec.json.encode(DoubtfulWorth(ts_ns, accounts))


def _markets(exchange: Exchange) -> Iterator[tuple[Listing, PlayedMarket]]:
    for listing in exchange.listings.values():
        market = listing.market
        if isinstance(market, PlayedMarket) and market.doubts is not None:
            yield listing, market


def _of(market: PlayedMarket, account: int) -> Doubt:
    assert market.doubts is not None
    return market.doubts.by_account.get(account, NOTHING)


def _extra(exchange: Exchange, listing: Listing, doubt: Doubt) -> tuple[int, int]:
    # Base and quote atoms; a fee is taken of what is received.
    kept = ATOMS - exchange.fees.maker
    base = doubt.bought_lots * listing.atoms_per_lot * kept // ATOMS
    base -= doubt.sold_lots * listing.atoms_per_lot
    quote = doubt.sold_tick_lots * listing.atoms_per_tick_lot * kept // ATOMS
    quote -= doubt.bought_tick_lots * listing.atoms_per_tick_lot
    return base, quote
