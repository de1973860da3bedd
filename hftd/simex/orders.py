"""The orders and trades of users: what stands open, and what is remembered of the rest.

Owns order records and their bounded history. Knows no matching, money or protocol text.

History is bounded: the newest ``MAX_FINAL`` final orders of an account and the newest
``MAX_TRADES`` trades of an account in a symbol are kept. Older orders are known to have been
(``archived``) and no more.
"""

from __future__ import annotations

from bisect import bisect_left
from enum import Enum

from msgspec import Struct

from hftd.simex.requests import ExpiryReason, Kind, Side, Stp, TimeInForce

MAX_FINAL = 10_000
MAX_TRADES = 20_000


class Status(Enum):
    """The state of an order, in the protocol's words."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"


OPEN = (Status.NEW, Status.PARTIALLY_FILLED)


class Order(Struct):
    """A user's order. ``reserved_atoms`` is what it still locks of the asset it pays with."""

    order_id: int
    account: int
    symbol: str
    client_order_id: str
    side: Side
    kind: Kind
    tif: TimeInForce
    stp: Stp
    price_ticks: int
    qty_lots: int
    created_ns: int
    updated_ns: int
    quote_order_atoms: int = 0
    cum_lots: int = 0
    cum_quote_atoms: int = 0
    reserved_atoms: int = 0
    status: Status = Status.NEW
    expiry: ExpiryReason | None = None
    prevented_lots: int = 0

    @property
    def leaves_lots(self) -> int:
        """Return what is neither filled nor lost to self-trade prevention."""
        return self.qty_lots - self.cum_lots - self.prevented_lots


class AccountTrade(Struct, frozen=True):
    """One execution of a user's order."""

    trade_id: int
    order_id: int
    symbol: str
    price_ticks: int
    qty_lots: int
    quote_atoms: int
    fee_atoms: int
    fee_asset: str
    ts_ns: int
    is_buyer: bool
    is_maker: bool


class OrderBookkeeping:
    """Orders and trades of one account."""

    def __init__(self) -> None:
        self.open: dict[tuple[str, int], Order] = {}
        self.final: dict[tuple[str, int], Order] = {}
        self.trades: dict[str, list[AccountTrade]] = {}
        self._open_by_client_id: dict[tuple[str, str], Order] = {}
        self._final_by_client_id: dict[tuple[str, str], Order] = {}
        self.archived: dict[str, int] = {}

    def put(self, order: Order) -> None:
        """Take an order in, open or final, in place of the one with its id."""
        key = (order.symbol, order.order_id)
        client_key = (order.symbol, order.client_order_id)
        if order.status in OPEN:
            self.open[key] = order
            self._open_by_client_id[client_key] = order
            return
        if self.open.pop(key, None) is not None:
            self._open_by_client_id.pop(client_key, None)
        self.final[key] = order
        self._final_by_client_id[client_key] = order
        while len(self.final) > MAX_FINAL:
            self._archive()

    def forget(self, order: Order) -> None:
        """Take back an open order that the market refused: it never was."""
        del self.open[order.symbol, order.order_id]
        del self._open_by_client_id[order.symbol, order.client_order_id]

    def _archive(self) -> None:
        oldest = self.final.pop(next(iter(self.final)))
        client_key = (oldest.symbol, oldest.client_order_id)
        if self._final_by_client_id.get(client_key) is oldest:
            del self._final_by_client_id[client_key]
        reached = self.archived.get(oldest.symbol, 0)
        self.archived[oldest.symbol] = max(reached, oldest.order_id)

    def add_trade(self, trade: AccountTrade) -> None:
        """Remember a trade; ids of a symbol never fall."""
        trades = self.trades.setdefault(trade.symbol, [])
        trades.append(trade)
        # Trim in halves: dropping from the front of a list one by one costs a copy each.
        if len(trades) >= 2 * MAX_TRADES:
            del trades[:-MAX_TRADES]

    def find(self, symbol: str, order_id: int) -> Order | None:
        """Return an order by id, open or final."""
        key = (symbol, order_id)
        return self.open.get(key) or self.final.get(key)

    def find_by_client_id(self, symbol: str, client_order_id: str) -> Order | None:
        """Return the open order of that client id, else the last final one."""
        key = (symbol, client_order_id)
        return self._open_by_client_id.get(key) or self._final_by_client_id.get(key)

    def open_by_client_id(self, symbol: str, client_order_id: str) -> Order | None:
        """Return the open order of that client id."""
        return self._open_by_client_id.get((symbol, client_order_id))

    def is_archived(self, symbol: str, order_id: int) -> bool:
        """Return whether an id is as old as orders already forgotten."""
        return order_id <= self.archived.get(symbol, 0)

    def open_orders(self, symbol: str | None) -> list[Order]:
        """Return the open orders of one symbol or of all, oldest first."""
        return [order for order in self.open.values() if symbol in (None, order.symbol)]

    def all_orders(self, symbol: str, from_id: int, limit: int) -> list[Order]:
        """Return orders from an id on, ascending; without an id (below 0) the newest."""
        known = [*self.final.values(), *self.open.values()]
        orders = [order for order in known if order.symbol == symbol and order.order_id >= from_id]
        orders.sort(key=_order_id)
        return orders[:limit] if from_id >= 0 else orders[-limit:]

    def trades_from(self, symbol: str, from_id: int, limit: int) -> list[AccountTrade]:
        """Return trades from an id on, ascending; without an id (below 0) the newest."""
        trades = self.trades.get(symbol, [])
        if from_id < 0:
            return trades[-limit:]
        start = bisect_left(trades, from_id, key=_trade_id)
        return trades[start : start + limit]


def _order_id(order: Order) -> int:
    return order.order_id


def _trade_id(trade: AccountTrade) -> int:
    return trade.trade_id
