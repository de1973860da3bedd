"""The lookups that every decoder of this dialect shares: symbols, assets, tag, enums.

Owns the translation of the venue's words into ours. Must not know messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from hftd.domain.codes import VenueCode
from hftd.domain.instrument import Instrument
from hftd.domain.order import FeeAsset, OrderState, Side, parse_client_order_id
from hftd.venues.binance.rows import Unreadable

NS_PER_MS = 1_000_000

ORDER_STATES = {
    "NEW": OrderState.NEW,
    "PENDING_NEW": OrderState.PENDING_NEW,
    "PARTIALLY_FILLED": OrderState.PARTIALLY_FILLED,
    "FILLED": OrderState.FILLED,
    "CANCELED": OrderState.CANCELED,
    "PENDING_CANCEL": OrderState.PENDING_CANCEL,
    "REJECTED": OrderState.REJECTED,
    "EXPIRED": OrderState.EXPIRED,
    "EXPIRED_IN_MATCH": OrderState.EXPIRED,
}
# -2010 stands for all of these; a reply tells them apart by its text, a report by its word r.
NEW_ORDER_REJECTED = -2010
_REJECTIONS = {
    "Order would immediately match and take.": VenueCode.WOULD_MATCH,
    "WOULD_MATCH_IMMEDIATELY": VenueCode.WOULD_MATCH,
    "Account has insufficient balance for requested action.": VenueCode.INSUFFICIENT_BALANCE,
    "INSUFFICIENT_BALANCES": VenueCode.INSUFFICIENT_BALANCE,
    "Duplicate order sent.": VenueCode.DUPLICATE_ID,
    "Market is closed.": VenueCode.MARKET_CLOSED,
}
_SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}


def order_state(text: str) -> OrderState:
    """Return the state for the venue's status word; Unreadable where it is unknown."""
    state = ORDER_STATES.get(text)
    if state is None:
        raise Unreadable(f"a known order status is needed, was {text[:40]!r}")
    return state


def side(text: str) -> Side:
    """Return the side for the venue's word; Unreadable where it is unknown."""
    found = _SIDES.get(text)
    if found is None:
        raise Unreadable(f"BUY or SELL is needed, was {text[:40]!r}")
    return found


def venue_code(code: int, text: str) -> int:
    """Return the venue's code, split by its text where the code says too little."""
    return _REJECTIONS.get(text, code) if code == NEW_ORDER_REJECTED else code


@lru_cache(maxsize=4_096)  # An order is named in its reply and in each of its reports.
def _key_of(tag: str, client_order_id: str) -> int:
    return parse_client_order_id(tag, client_order_id)


@dataclass(frozen=True, slots=True)
class VenueTable:
    """What a codec knows of its profile: instruments, assets and the tag of our orders."""

    instruments: Sequence[Instrument]
    index_by_symbol: dict[str, int]
    index_by_asset: dict[str, int]
    tag: str

    def index_of(self, symbol: str) -> int:
        """Return the index of an instrument, -1 where the symbol is not of the profile."""
        return self.index_by_symbol.get(symbol, -1)

    def own_index_of(self, symbol: str) -> int:
        """Return the index of an instrument; Unreadable where it is not of the profile."""
        index = self.index_of(symbol)
        if index < 0:
            raise Unreadable(f"a symbol of the profile is needed, was {symbol[:40]!r}")
        return index

    def key_of(self, client_order_id: str) -> int:
        """Return the order key of one of our ids, 0 where it is not ours."""
        return _key_of(self.tag, client_order_id)

    def fee_asset(self, instrument: Instrument, asset: str | None) -> FeeAsset:
        """Return how a fee's asset stands to the instrument; no asset means no fee."""
        if asset == instrument.base:
            return FeeAsset.BASE
        return FeeAsset.QUOTE if asset in (instrument.quote, None) else FeeAsset.OTHER

    def third_asset(self, instrument: Instrument, asset: str | None) -> int:
        """Return the index of a fee's asset that is another instrument's base, else 0.

        0 is the quote, which is no third asset of anything.
        """
        if self.fee_asset(instrument, asset) is not FeeAsset.OTHER or asset is None:
            return 0
        return self.index_by_asset.get(asset, 0)


def venue_table(instruments: Sequence[Instrument], assets: Sequence[str], tag: str) -> VenueTable:
    """Return the lookups of a profile."""
    by_symbol = {instrument.symbol: index for index, instrument in enumerate(instruments)}
    by_asset = {asset: index for index, asset in enumerate(assets)}
    return VenueTable(tuple(instruments), by_symbol, by_asset, tag)
