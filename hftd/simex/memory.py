"""What of the exchange outlives its process, and how it comes back.

Owns the formats of the account snapshot, the account log, the archive and the market snapshot
(all JSON). Knows no files: it takes and gives bytes.

The account's truth is a snapshot plus a log of everything since: each line of the log is the
list of events of one call, each event with absolute values (the whole order, the balances), so
that a line taken twice does no harm. The markets' own state is a snapshot alone and may be
some seconds old; open orders and balances are always the account's.

The archive is what the account no longer remembers: a line a record, written once it has left
memory. After a restart from an older snapshot a record may come again, word for word.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from hftd.errors import JournalDamaged
from hftd.simex.events import BalanceEvent, Event, ExecType, OrderEvent
from hftd.simex.exchange import Exchange, as_place
from hftd.simex.market import State
from hftd.simex.orders import AccountTrade, Order, PreventedMatch
from hftd.simex.requests import Side

VERSION = 2
"""1 knew no stop orders, icebergs, amendments and prevented matches; it is still read."""

LoggedEvent = OrderEvent | BalanceEvent


class AccountOrders(msgspec.Struct):
    """Orders and trades of one account."""

    orders: list[Order]
    trades: list[AccountTrade]
    archived: dict[str, int]
    prevented: list[PreventedMatch] = []


class ArchivedOrder(msgspec.Struct, tag="order", tag_field="kind", frozen=True):
    """A final order that has left memory."""

    account: int
    order: Order


class ArchivedTrade(msgspec.Struct, tag="trade", tag_field="kind", frozen=True):
    """A trade that has left memory."""

    account: int
    trade: AccountTrade


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
            [match for matches in book.prevented.values() for match in matches],
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
        AccountSnapshot(
            VERSION, generation, identity, keys, exchange.settlement.exec_id, balances, books
        )
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
    exchange.settlement.exec_id = snapshot.exec_id
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
        for match in book.prevented:
            keeping.add_prevented(match)
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
    if event.exec_type is not ExecType.REJECTED:
        keeping.put(event.order)
    if event.trade is not None:
        keeping.add_trade(event.trade)
    if event.prevented is not None:
        keeping.add_prevented(event.prevented)
    exchange.settlement.exec_id = max(exchange.settlement.exec_id, event.exec_id)


def log_line(events: Iterable[Event]) -> bytes:
    """Return the line of the log for the events of one call; empty where none is a user's."""
    logged = [event for event in events if isinstance(event, OrderEvent | BalanceEvent)]
    return msgspec.json.encode(logged) + b"\n" if logged else b""


def archive_lines(closed: Iterable[tuple[int, Order | AccountTrade]]) -> bytes:
    """Return the lines of the archive for (account, record); empty where there are none."""
    return b"".join(
        msgspec.json.encode(
            ArchivedOrder(account, record)
            if isinstance(record, Order)
            else ArchivedTrade(account, record)
        )
        + b"\n"
        for account, record in closed
    )


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
        orders = [order for book in exchange.books.values() for order in book.open_orders(symbol)]
        orders.sort(key=_age)
        budgets = listing.atoms_per_tick_lot
        places = [
            as_place(
                order,
                order.leaves_lots,
                # Only a waiting stop order that will buy at market has a budget while open.
                order.reserved_atoms // budgets
                if order.side is Side.BUY and order.price_ticks == 0
                else 0,
            )
            for order in orders
        ]
        listing.market.adopt(places, ts_ns)


def _age(order: Order) -> int:
    return order.order_id
