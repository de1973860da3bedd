"""What of the exchange outlives its process, and how it comes back.

Owns the formats of the account snapshot, the account log and the market snapshot (all JSON).
Knows no files: it takes and gives bytes.

The account's truth is a snapshot plus a log of everything since: each line of the log is the
list of events of one call, each event with absolute values (the whole order, the balances), so
that a line taken twice does no harm. The markets' own state is a snapshot alone and may be
some seconds old; open orders and balances are always the account's.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from hftd.errors import JournalDamaged
from hftd.simex.events import BalanceEvent, Event, OrderEvent
from hftd.simex.exchange import Exchange
from hftd.simex.market import State
from hftd.simex.orders import OPEN, AccountTrade, Order
from hftd.simex.requests import Place

VERSION = 1

LoggedEvent = OrderEvent | BalanceEvent


class AccountOrders(msgspec.Struct):
    """Orders and trades of one account."""

    orders: list[Order]
    trades: list[AccountTrade]
    archived: dict[str, int]


class AccountSnapshot(msgspec.Struct):
    """All that belongs to accounts. ``generation`` names the log that goes on from here."""

    version: int
    generation: int
    identity: str
    keys: list[str]
    exec_id: int
    balances: dict[int, dict[str, tuple[int, int]]]
    books: dict[int, AccountOrders]


class MarketSnapshot(msgspec.Struct):
    """The markets' own states at one time."""

    version: int
    ts_ns: int
    markets: dict[str, State]


_accounts = msgspec.json.Decoder(AccountSnapshot)
_markets = msgspec.json.Decoder(MarketSnapshot)
_line = msgspec.json.Decoder(list[LoggedEvent])


def dump_accounts(exchange: Exchange, generation: int, identity: str, keys: list[str]) -> bytes:
    """Return the account snapshot.

    ``identity`` names the market it belongs to, ``keys`` the accounts from number 1 on.
    """
    books = {
        account: AccountOrders(
            [*book.final.values(), *book.open.values()],
            [trade for trades in book.trades.values() for trade in trades],
            book.archived,
        )
        for account, book in exchange.books.items()
    }
    balances = {
        account: {
            asset: (balance.free, balance.locked)
            for asset, balance in exchange.accounts.assets(account).items()
        }
        for account in exchange.accounts.everyone()
    }
    return msgspec.json.encode(
        AccountSnapshot(VERSION, generation, identity, keys, exchange.exec_id, balances, books)
    )


def read_accounts(data: bytes) -> AccountSnapshot:
    """Return the account snapshot in bytes; raises JournalDamaged where it is none of ours."""
    try:
        snapshot = _accounts.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise JournalDamaged(f"account snapshot of the exchange does not read: {error}") from error
    if snapshot.version > VERSION:
        raise JournalDamaged(
            f"account snapshot of the exchange has format {snapshot.version}, "
            f"this version reads up to {VERSION}"
        )
    return snapshot


def load_accounts(exchange: Exchange, snapshot: AccountSnapshot, log: bytes) -> None:
    """Bring accounts back: the snapshot, then the log up to its last whole line.

    A torn last line was never acknowledged: the log is written before anybody hears of it.
    """
    exchange.exec_id = snapshot.exec_id
    for account, assets in snapshot.balances.items():
        for asset, (free, locked) in assets.items():
            exchange.accounts.put(account, asset, free, locked)
    for account, book in snapshot.books.items():
        keeping = exchange.bookkeeping(account)
        keeping.archived = book.archived
        for order in book.orders:
            keeping.put(order)
        for trade in book.trades:
            keeping.add_trade(trade)
    lines = log.split(b"\n")
    for number, line in enumerate(lines[:-1], 1):
        try:
            events = _line.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise JournalDamaged(
                f"account log of the exchange, line {number} does not read: {error}"
            ) from error
        for event in events:
            _take_back(exchange, event)


def _take_back(exchange: Exchange, event: LoggedEvent) -> None:
    if isinstance(event, BalanceEvent):
        for asset, free, locked in event.balances:
            exchange.accounts.put(event.account, asset, free, locked)
        return
    keeping = exchange.bookkeeping(event.order.account)
    keeping.put(event.order)
    if event.trade is not None:
        keeping.add_trade(event.trade)
    exchange.exec_id = max(exchange.exec_id, event.exec_id)


def log_line(events: Iterable[Event]) -> bytes:
    """Return the line of the log for the events of one call; empty where none is a user's."""
    logged = [event for event in events if isinstance(event, OrderEvent | BalanceEvent)]
    return msgspec.json.encode(logged) + b"\n" if logged else b""


def dump_markets(exchange: Exchange, ts_ns: int) -> bytes:
    """Return the snapshot of the markets."""
    markets = {symbol: each.market.dump() for symbol, each in exchange.listings.items()}
    return msgspec.json.encode(MarketSnapshot(VERSION, ts_ns, markets))


def load_markets(exchange: Exchange, data: bytes, ts_ns: int) -> None:
    """Bring the markets back as if no time had passed, with the users' open orders in truth."""
    try:
        snapshot = _markets.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise JournalDamaged(f"market snapshot of the exchange does not read: {error}") from error
    for symbol, listing in exchange.listings.items():
        listing.market.load(snapshot.markets[symbol], ts_ns - snapshot.ts_ns)
        orders = [
            order
            for book in exchange.books.values()
            for order in book.open_orders(symbol)
            if order.status in OPEN
        ]
        orders.sort(key=_age)
        places = [
            Place(
                order.order_id,
                order.account,
                order.side,
                order.price_ticks,
                order.leaves_lots,
                order.kind,
                order.tif,
                order.stp,
            )
            for order in orders
        ]
        listing.market.adopt(places, ts_ns)


def _age(order: Order) -> int:
    return order.order_id
