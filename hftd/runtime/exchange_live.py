"""Brings the lines of another server into the simulated exchange that follows it.

Owns which market a line belongs to. Knows no sockets: the follower has them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from hftd.errors import UsageError
from hftd.runtime.exchange_markets import ExchangeWish, build_venue, live_source
from hftd.runtime.exchange_roads import AtOnce, Beside
from hftd.runtime.market_follower import MarketFollower, Source, fetch_listing, source_of
from hftd.simex.late_venue import LateVenue
from hftd.simex.live import LiveMarket
from hftd.simex.market import SymbolSpec
from hftd.simex.tape_lines import Unreadable, spec_in


def build_live(wish: ExchangeWish, url: str) -> tuple[LateVenue, Beside]:
    """Return the venue that follows a server, and what has to run beside it.

    Asks the server for its listing: the symbols' steps are those of the venue. Raises
    UsageError where it does not answer or does not list a symbol.
    """
    source = source_of(url)
    listing = fetch_listing(source, wish.symbols)
    specs = [listed_spec(listing, symbol) for symbol in wish.symbols]
    venue = build_venue(wish, live_source(wish, specs))
    return venue, LiveFeed(venue, source, wish.symbols).follow


def listed_spec(listing: bytes, symbol: str) -> SymbolSpec:
    """Return the steps and filters that an exchangeInfo reply lists; raises UsageError."""
    try:
        spec = spec_in(b"0 " + listing, symbol)
    except Unreadable as error:
        raise UsageError(str(error)) from None
    if spec is None:
        raise UsageError(f"the server followed must list {symbol}")
    return spec


class LiveFeed:
    """The sink between a follower and the venue's markets."""

    def __init__(self, venue: LateVenue, source: Source, symbols: Sequence[str]) -> None:
        self._venue = venue
        self._source = source
        self._symbols = list(symbols)
        self._told: dict[str, str] = {}

    async def follow(self, at_once: AtOnce) -> None:
        """Follow for ever; ``at_once`` lets the venue take something at its own time."""
        self._at_once = at_once
        self._follower = MarketFollower(self._source, self._symbols, self, tell)
        await self._follower.run()

    def on_line(self, symbol: str, line: bytes, ts_ns: int) -> None:
        """Push a line into its market, or into all."""
        self._at_once(lambda now_ns: self._push(symbol, line, now_ns))
        # A fault may have begun the market anew, or a line may have been unreadable.
        if symbol and self._follower.is_whole(symbol) and self._market(symbol).missing:
            self._follower.resync(symbol)

    def _push(self, symbol: str, line: bytes, now_ns: int) -> None:
        for each in [symbol] if symbol else self._symbols:
            why = self._market(each).push(line, now_ns)
            if why and self._told.get(each) != why:
                # Once for each reason: the same mistake may come a hundred times a second.
                self._told[each] = why
                tell(f"{each}: {why}")

    def _market(self, symbol: str) -> LiveMarket:
        market = self._venue.exchange.listings[symbol].market
        assert isinstance(market, LiveMarket), f"a live market, was {type(market).__name__}"
        return market


def tell(words: str) -> None:
    """Say what happened to the line."""
    sys.stderr.write(f"market: {words}\n")
    sys.stderr.flush()
