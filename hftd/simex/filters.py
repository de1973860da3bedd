"""The symbol's filters: which prices and quantities an order may have.

Owns the filter rules and how exchangeInfo shows them. Knows no accounts, books or connections.

PRICE_FILTER stands first in the list, because clients read the tick size from the first entry.
``avgPriceMins`` is 0 everywhere: reference prices are the last trade's.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from hftd.simex import refusals
from hftd.simex.events import NewOrder
from hftd.simex.market import ATOMS, SymbolSpec
from hftd.simex.numbers import exact_atoms, text_of
from hftd.simex.orders import OpenCounts, Order
from hftd.simex.refusals import Refusal
from hftd.simex.requests import STOPS, Kind

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
    max_num_algo_orders: int
    max_num_iceberg_orders: int
    iceberg_parts: int
    max_num_order_amends: int
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
            spec.max_num_algo_orders,
            spec.max_num_iceberg_orders,
            spec.iceberg_parts,
            spec.max_num_order_amends,
            exact_atoms(spec.tick_size),
            exact_atoms(spec.lot_size),
        )

    def check(
        self,
        new: NewOrder,
        qty: int,
        last_price: int,
        counts: OpenCounts,
        replaced: Order | None,
    ) -> Refusal | None:
        """Return the first filter that fails, in the order of the list.

        ``qty`` stands for a quantity that was given in quote; ``counts`` are of the orders now
        open, of which the same request will cancel ``replaced`` first. Units: atoms;
        last_price 0: unknown.
        """
        price, stop, iceberg = new.price_atoms, new.stop_atoms, new.iceberg_atoms
        if (price and self._price_fails(price)) or (stop and self._price_fails(stop)):
            return refusals.filter_failure("PRICE_FILTER")
        if self._lot_fails(qty) or (iceberg and self._lot_fails(iceberg)):
            return refusals.filter_failure("LOT_SIZE")
        if new.kind is Kind.MARKET and qty > self.max_market_qty:
            return refusals.filter_failure("MARKET_LOT_SIZE")
        if self._notional_fails(price or stop or last_price, qty):
            return refusals.filter_failure("NOTIONAL")
        if price and self._percent_fails(price, last_price):
            return refusals.filter_failure("PERCENT_PRICE_BY_SIDE")
        if iceberg and -(-qty // iceberg) > self.iceberg_parts:
            return refusals.filter_failure("ICEBERG_PARTS")
        return self._check_counts(new, counts, replaced)

    def _check_counts(
        self, new: NewOrder, counts: OpenCounts, replaced: Order | None
    ) -> Refusal | None:
        leaving = OpenCounts()
        if replaced is not None:
            leaving.add(replaced, 1)
        if counts.orders - leaving.orders >= self.max_num_orders:
            return refusals.filter_failure("MAX_NUM_ORDERS")
        if new.kind in STOPS and counts.stops - leaving.stops >= self.max_num_algo_orders:
            return refusals.filter_failure("MAX_NUM_ALGO_ORDERS")
        icebergs = counts.icebergs - leaving.icebergs
        if new.iceberg_atoms and icebergs >= self.max_num_iceberg_orders:
            return refusals.filter_failure("MAX_NUM_ICEBERG_ORDERS")
        return None

    def check_amend(self, price: int, qty: int, gone: int) -> Refusal | None:
        """Return the filter that a smaller quantity fails; ``gone`` of it can trade no more."""
        if self._lot_fails(qty) or qty - gone < self.lot:
            return refusals.filter_failure("LOT_SIZE")
        if self._notional_fails(price, qty):
            return refusals.filter_failure("NOTIONAL")
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
            {"filterType": "ICEBERG_PARTS", "limit": self.iceberg_parts},
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": self.max_num_orders},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": self.max_num_algo_orders},
            {
                "filterType": "MAX_NUM_ICEBERG_ORDERS",
                "maxNumIcebergOrders": self.max_num_iceberg_orders,
            },
            {
                "filterType": "MAX_NUM_ORDER_AMENDS",
                "maxNumOrderAmends": self.max_num_order_amends,
            },
        ]
