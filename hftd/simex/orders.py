"""The orders and trades of users: what stands open, and what is remembered of the rest.

Owns order records and their bounded history. Knows no matching, money or protocol text.

Records hold nothing that could hold them, so the collector of cycles need not look at them.
History is bounded by ``History``. What leaves it is handed out once, by ``take_closed``, for
whoever keeps archives; here an archived order is known to have been, by its id, and no more.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from enum import Enum

from msgspec import Struct

from hftd.simex.requests import STOPS, ExpiryReason, Kind, Side, Stp, TimeInForce

MAX_CLOSED = 50_000
"""Records of an account that wait for ``take_closed``; beyond it only the newer half stays."""


class History(Struct, frozen=True):
    """How much is remembered: of an account, and of trades and matches of it in one symbol."""

    final_orders: int = 10_000
    trades: int = 20_000
    prevented_matches: int = 1_000


class Status(Enum):
    """The state of an order, in the protocol's words."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"
    REJECTED = "REJECTED"
    """Of an order that never was: only the report of a replacement's new half says so."""


OPEN = (Status.NEW, Status.PARTIALLY_FILLED)


class Amendment(Struct, frozen=True, gc=False):
    """One reduction of an order that kept its place."""

    exec_id: int
    client_id_before: str
    client_order_id: str
    qty_lots_before: int
    qty_lots: int
    ts_ns: int


class Order(Struct, gc=False):
    """A user's order. ``reserved_atoms`` is what it still locks of the asset it pays with.

    ``triggered_ns`` is when a stop order began to work, 0 while it waits.
    """

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
    prevented_match_id: int = -1
    stop_ticks: int = 0
    triggered_ns: int = 0
    iceberg_lots: int = 0
    strategy_id: int | None = None
    strategy_type: int | None = None
    amendments: tuple[Amendment, ...] = ()

    @property
    def leaves_lots(self) -> int:
        """Return what is neither filled nor lost to self-trade prevention."""
        return self.qty_lots - self.cum_lots - self.prevented_lots

    @property
    def working_ns(self) -> int:
        """Return since when the order works; 0: it waits for its stop price."""
        return self.triggered_ns if self.stop_ticks else self.created_ns


copied: Callable[[Order], Order] = Order.__copy__  # type: ignore[attr-defined]
"""Returns an order as it now stands: ``copy.copy`` without the search for how."""


class AccountTrade(Struct, frozen=True, gc=False):
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


class PreventedMatch(Struct, frozen=True, gc=False):
    """A trade of two orders of one account that did not come about; see ``Prevented``."""

    match_id: int
    symbol: str
    taker_order_id: int
    maker_order_id: int
    mode: Stp
    price_ticks: int
    lots: int
    taker_lots: int
    maker_lots: int
    ts_ns: int


class OpenCounts(Struct, gc=False):
    """How many orders an account has open in a symbol; stop and iceberg orders count twice."""

    orders: int = 0
    stops: int = 0
    icebergs: int = 0

    def add(self, order: Order, change: int) -> None:
        """Count an order in or out."""
        self.orders += change
        if order.iceberg_lots:
            self.icebergs += change
        if order.kind in STOPS:
            self.stops += change


class OrderBookkeeping:
    """Orders and trades of one account."""

    def __init__(self, history: History) -> None:
        self.open: dict[tuple[str, int], Order] = {}
        self.final: dict[tuple[str, int], Order] = {}
        # Its keys, oldest first: a dictionary that loses its first again and again is slow to
        # find the next.
        self._final_keys: deque[tuple[str, int]] = deque()
        self.trades: dict[str, list[AccountTrade]] = {}
        self.prevented: dict[str, list[PreventedMatch]] = {}
        self._history = history
        self._counts: dict[str, OpenCounts] = {}
        self._open_by_client_id: dict[tuple[str, str], Order] = {}
        self._final_by_client_id: dict[tuple[str, str], Order] = {}
        self.archived: dict[str, int] = {}
        self._closed: list[Order | AccountTrade] = []

    def put(self, order: Order) -> None:
        """Take an order in, open or final, in place of the one with its id."""
        key = (order.symbol, order.order_id)
        client_key = (order.symbol, order.client_order_id)
        before = self.open.get(key)
        if order.status in OPEN:
            if before is None:
                self.open_counts(order.symbol).add(order, 1)
            elif before.client_order_id != order.client_order_id:
                del self._open_by_client_id[order.symbol, before.client_order_id]
            self.open[key] = order
            self._open_by_client_id[client_key] = order
            return
        if before is not None:
            self.forget(before)
        if key not in self.final:
            self._final_keys.append(key)
        self.final[key] = order
        self._final_by_client_id[client_key] = order
        while len(self.final) > self._history.final_orders:
            self._archive()

    def forget(self, order: Order) -> None:
        """Take an open order out: it is final now, or never was because the market refused it."""
        del self.open[order.symbol, order.order_id]
        del self._open_by_client_id[order.symbol, order.client_order_id]
        self.open_counts(order.symbol).add(order, -1)

    def rename(self, order: Order, client_order_id: str) -> None:
        """Give an open order another client id."""
        del self._open_by_client_id[order.symbol, order.client_order_id]
        order.client_order_id = client_order_id
        self._open_by_client_id[order.symbol, client_order_id] = order

    def _archive(self) -> None:
        oldest = self.final.pop(self._final_keys.popleft())
        client_key = (oldest.symbol, oldest.client_order_id)
        if self._final_by_client_id.get(client_key) is oldest:
            del self._final_by_client_id[client_key]
        reached = self.archived.get(oldest.symbol, 0)
        self.archived[oldest.symbol] = max(reached, oldest.order_id)
        self._close([oldest])

    def _close(self, records: list[Order] | list[AccountTrade]) -> None:
        # Where nobody keeps an archive, nobody takes them: then the oldest go.
        self._closed += records
        if len(self._closed) > MAX_CLOSED:
            del self._closed[: -MAX_CLOSED // 2]

    def add_trade(self, trade: AccountTrade) -> None:
        """Remember a trade; ids of a symbol never fall."""
        trades = self.trades.setdefault(trade.symbol, [])
        trades.append(trade)
        # Trim in halves: dropping from the front of a list one by one costs a copy each.
        if len(trades) >= 2 * self._history.trades:
            self._close(trades[: -self._history.trades])
            del trades[: -self._history.trades]

    def add_prevented(self, match: PreventedMatch) -> None:
        """Remember a prevented match; both its orders tell of it, and it counts once."""
        matches = self.prevented.setdefault(match.symbol, [])
        if matches and matches[-1].match_id >= match.match_id:
            return
        matches.append(match)
        if len(matches) >= 2 * self._history.prevented_matches:
            del matches[: -self._history.prevented_matches]

    def take_closed(self) -> list[Order | AccountTrade]:
        """Return what has left memory since the last call, in the order in which it left."""
        closed, self._closed = self._closed, []
        return closed

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

    def open_counts(self, symbol: str) -> OpenCounts:
        """Return the counts of open orders in a symbol."""
        counts = self._counts.get(symbol)
        if counts is None:
            counts = self._counts[symbol] = OpenCounts()
        return counts

    def open_orders(self, symbol: str | None) -> list[Order]:
        """Return the open orders of one symbol or of all, oldest first."""
        return [order for order in self.open.values() if symbol in (None, order.symbol)]

    def all_orders(self, symbol: str, from_id: int) -> list[Order]:
        """Return orders from an id on, ascending."""
        known = [*self.final.values(), *self.open.values()]
        orders = [order for order in known if order.symbol == symbol and order.order_id >= from_id]
        orders.sort(key=_order_id)
        return orders

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
