"""The symbol's filters: which prices and quantities an order may have.

Owns the filter rules and how exchangeInfo shows them. Knows no accounts, books or connections.

PRICE_FILTER stands first in the list, because clients read the tick size from the first entry.
``avgPriceMins`` is 0 everywhere: reference prices are the last trade's.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from hftd.simex import refusals
from hftd.simex.market import ATOMS, SymbolSpec
from hftd.simex.numbers import exact_atoms, text_of
from hftd.simex.refusals import Refusal
from hftd.simex.requests import Kind, Side

MULTIPLIER_UP = 5
MULTIPLIER_DOWN_E8 = 20_000_000
"""PERCENT_PRICE_BY_SIDE: from a fifth of the reference price to five times it, both sides."""


class Filters(Struct, frozen=True):
    """All bounds of one symbol, in atoms of 1e-8."""

    tick: int
    lot: int
    max_price: int
    max_qty: int
    max_market_qty: int
    min_notional: int
    max_notional: int
    max_num_orders: int
    price_step: int
    """The tick that prices must keep to: ``tick``, or a multiple of it after a change."""

    qty_step: int
    """The same of quantities and ``lot``."""

    @classmethod
    def of(cls, spec: SymbolSpec) -> Filters:
        """Return the filters of a symbol."""
        return cls(
            exact_atoms(spec.tick_size),
            exact_atoms(spec.lot_size),
            exact_atoms(spec.max_price),
            exact_atoms(spec.max_qty),
            exact_atoms(spec.max_market_qty),
            exact_atoms(spec.min_notional),
            exact_atoms(spec.max_notional),
            spec.max_num_orders,
            exact_atoms(spec.tick_size),
            exact_atoms(spec.lot_size),
        )

    def check(
        self, side: Side, kind: Kind, price: int, qty: int, last_price: int, open_orders: int
    ) -> Refusal | None:
        """Return the first filter that fails, in the order of the list.

        Units: price, qty and last_price in atoms; price is 0 for MARKET; last_price 0: unknown.
        """
        failed = (
            (kind is not Kind.MARKET and self._price_fails(price), "PRICE_FILTER"),
            (self._lot_fails(qty), "LOT_SIZE"),
            (kind is Kind.MARKET and qty > self.max_market_qty, "MARKET_LOT_SIZE"),
            (self._notional_fails(price or last_price, qty), "NOTIONAL"),
            (price and self._percent_fails(price, last_price), "PERCENT_PRICE_BY_SIDE"),
            (open_orders >= self.max_num_orders, "MAX_NUM_ORDERS"),
        )
        for fails, name in failed:
            if fails:
                return refusals.filter_failure(name)
        return None

    def _price_fails(self, price: int) -> bool:
        return price < self.tick or price > self.max_price or price % self.price_step != 0

    def _lot_fails(self, qty: int) -> bool:
        return qty < self.lot or qty > self.max_qty or qty % self.qty_step != 0

    def _notional_fails(self, price: int, qty: int) -> bool:
        if price == 0:
            return False
        return not self.min_notional * ATOMS <= price * qty <= self.max_notional * ATOMS

    def _percent_fails(self, price: int, last_price: int) -> bool:
        if last_price == 0:
            return False
        low, high = last_price * MULTIPLIER_DOWN_E8, last_price * MULTIPLIER_UP * ATOMS
        return not low <= price * ATOMS <= high

    def render(self) -> list[dict[str, Any]]:
        """Return the list as exchangeInfo shows it."""
        up, down = str(MULTIPLIER_UP), text_of(MULTIPLIER_DOWN_E8).rstrip("0")
        return [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": text_of(self.tick),
                "maxPrice": text_of(self.max_price),
                "tickSize": text_of(self.price_step),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": text_of(self.lot),
                "maxQty": text_of(self.max_qty),
                "stepSize": text_of(self.qty_step),
            },
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": text_of(0),
                "maxQty": text_of(self.max_market_qty),
                "stepSize": text_of(0),
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": text_of(self.min_notional),
                "applyMinToMarket": True,
                "maxNotional": text_of(self.max_notional),
                "applyMaxToMarket": True,
                "avgPriceMins": 0,
            },
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": up,
                "bidMultiplierDown": down,
                "askMultiplierUp": up,
                "askMultiplierDown": down,
                "avgPriceMins": 0,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": self.max_num_orders},
        ]
