"""The exchange as a whole: money is conserved, and what it wrote down brings it back."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hftd.errors import JournalDamaged, UsageError
from hftd.simex.accounts import CROWD
from hftd.simex.agents import agents
from hftd.simex.events import BalanceEvent, Fees, NewOrder, OrderEvent, Placed
from hftd.simex.exchange import Exchange
from hftd.simex.limits import Limits
from hftd.simex.market import ATOMS
from hftd.simex.matching import MatchingMarket
from hftd.simex.memory import read_accounts
from hftd.simex.orders import (
    MAX_CLOSED,
    AccountTrade,
    History,
    Order,
    OrderBookkeeping,
    Status,
)
from hftd.simex.presets import SYMBOLS
from hftd.simex.requests import FEE_ACCOUNT, Kind, Side, Stp, TimeInForce
from hftd.simex.venue import AccountConfig, Venue, VenueConfig
from tests.simex.desk_client import SECRET, T0, Client, quiet_venue
from tests.simex.quiet import SPEC, QuietFlow
from tests.simex.shipped import PRESETS

SECOND = 1_000_000_000
KEPT = History()


@dataclass(frozen=True)
class Wish:
    """A random request of one of three users."""

    account: int
    side: Side
    price: int
    lots: int
    kind: Kind
    tif: TimeInForce
    stp: Stp
    by_quote: bool
    cancels: bool


WISHES = st.lists(
    st.builds(
        Wish,
        st.integers(1, 3),
        st.sampled_from(Side),
        st.integers(5_999_700, 6_000_400),
        st.integers(20, 60_000),
        st.sampled_from([Kind.LIMIT, Kind.LIMIT, Kind.LIMIT_MAKER, Kind.MARKET]),
        st.sampled_from([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK]),
        st.sampled_from([mode for mode in Stp if mode is not Stp.TRANSFER]),
        st.booleans(),
        st.booleans(),
    ),
    max_size=40,
)


def _new(wish: Wish, number: int) -> NewOrder:
    market = wish.kind is Kind.MARKET
    by_quote = market and wish.by_quote
    tick, lot = ATOMS // 100, ATOMS // 100_000
    return NewOrder(
        wish.account,
        "BTCUSDT",
        wish.side,
        wish.kind,
        wish.tif if wish.kind is Kind.LIMIT else TimeInForce.GTC,
        0 if market else wish.price * tick,
        0 if by_quote else wish.lots * lot,
        wish.lots * 60_000 * lot if by_quote else 0,
        f"w{number}",
        wish.stp,
    )


def _exchange() -> Exchange:
    exchange = Exchange([MatchingMarket(SPEC, [QuietFlow()])], Fees(maker=75_000, taker=103_337))
    for account in (1, 2, 3):
        exchange.accounts.deposit(account, "USDT", 40_000 * ATOMS)
        exchange.accounts.deposit(account, "BTC", ATOMS // 2)
    exchange.accounts.take_touched()
    exchange.start(T0)
    exchange.advance(T0)
    return exchange


def _reserved(exchange: Exchange, account: int, side: Side) -> int:
    orders = exchange.bookkeeping(account).open_orders("BTCUSDT")
    return sum(order.reserved_atoms for order in orders if order.side is side)


@given(WISHES)
@settings(max_examples=150, deadline=None)
def test_money_is_conserved(script: list[Wish]) -> None:
    """No run of requests makes or loses an atom; what is locked is what open orders reserve."""
    exchange = _exchange()
    totals = exchange.accounts.totals()
    trades: list[AccountTrade] = []
    for number, wish in enumerate(script):
        open_orders = exchange.bookkeeping(wish.account).open_orders("BTCUSDT")
        if wish.cancels and open_orders:
            assert exchange.cancel(open_orders[0], "", T0).status is Status.CANCELED
        else:
            exchange.place(_new(wish, number), T0)
        assert exchange.accounts.totals() == totals
        for account in (1, 2, 3):
            locked = exchange.accounts.balance(account, "USDT").locked
            assert locked == _reserved(exchange, account, Side.BUY)
            locked = exchange.accounts.balance(account, "BTC").locked
            assert locked == _reserved(exchange, account, Side.SELL)
        events = exchange.take_events()
        trades += [each.trade for each in events if isinstance(each, OrderEvent) and each.trade]
    for asset in ("BTC", "USDT"):
        paid = sum(trade.fee_atoms for trade in trades if trade.fee_asset == asset)
        assert exchange.accounts.balance(FEE_ACCOUNT, asset).free == paid


@given(WISHES)
@settings(max_examples=100, deadline=None)
def test_balances_follow_from_trades(script: list[Wish]) -> None:
    """Opening plus all own trades less fees is the balance, for each account and asset."""
    exchange = _exchange()
    for number, wish in enumerate(script):
        exchange.place(_new(wish, number), T0)
    for account in (1, 2, 3):
        base, quote = ATOMS // 2, 40_000 * ATOMS
        for trade in exchange.bookkeeping(account).trades.get("BTCUSDT", []):
            sign = 1 if trade.is_buyer else -1
            base += sign * trade.qty_lots * (ATOMS // 100_000)
            quote -= sign * trade.quote_atoms
            base -= trade.fee_atoms if trade.fee_asset == "BTC" else 0
            quote -= trade.fee_atoms if trade.fee_asset == "USDT" else 0
        held = exchange.accounts.assets(account)
        assert held["BTC"].free + held["BTC"].locked == base
        assert held["USDT"].free + held["USDT"].locked == quote


def test_a_better_price_gives_the_difference_back() -> None:
    """A buy at its limit or better locks no more than it still may need."""
    client = Client(quiet_venue())
    _, order = client.limit("BUY", "60002.00", "1.2")
    assert order["executedQty"] == "1.20000000"
    assert client.balances()["USDT"] == ("27998.60000000", "0.00000000")


def test_fees_are_rounded_down_to_the_atom() -> None:
    """What is smaller than an atom stays with the user."""
    exchange = _exchange()
    new = NewOrder(
        1, "BTCUSDT", Side.BUY, Kind.MARKET, TimeInForce.GTC, 0, 20 * (ATOMS // 100_000), 0, "x"
    )
    placed = exchange.place(new, T0)
    assert isinstance(placed, Placed)
    # 20,000 atoms at 0.00103337 are 20.6674 atoms.
    assert placed.trades[0].fee_atoms == 20


def test_the_crowd_pays_no_fee_and_may_owe() -> None:
    """House accounts are one pot without reservation."""
    exchange = _exchange()
    new = NewOrder(1, "BTCUSDT", Side.BUY, Kind.MARKET, TimeInForce.GTC, 0, ATOMS // 2, 0, "x")
    exchange.place(new, T0)
    assert exchange.accounts.balance(CROWD, "BTC").free == -ATOMS // 2
    assert exchange.accounts.balance(CROWD, "USDT").free == 60_001 * ATOMS // 2


def test_old_orders_are_archived() -> None:
    """History is bounded: beyond it an order is known to have been, and an unknown id is not."""
    book = OrderBookkeeping(KEPT)
    for number in range(1, KEPT.final_orders + 3):
        book.put(
            Order(
                number,
                1,
                "BTCUSDT",
                f"c{number}",
                Side.BUY,
                Kind.LIMIT,
                TimeInForce.GTC,
                Stp.NONE,
                1,
                1,
                T0,
                T0,
                status=Status.CANCELED,
            )
        )
    assert len(book.final) == KEPT.final_orders
    assert book.find("BTCUSDT", 2) is None
    assert book.find_by_client_id("BTCUSDT", "c2") is None
    assert book.is_archived("BTCUSDT", 2)
    assert not book.is_archived("BTCUSDT", 3)
    assert book.find("BTCUSDT", 3) is not None


def _busy(exchange: Exchange, first: int, count: int) -> int:
    # So many orders, half of them traded, half canceled; returns how many records were closed.
    closed = 0
    for number in range(first, first + count):
        wish = Wish(
            1 + number % 3,
            Side.BUY if number % 4 < 2 else Side.SELL,
            6_000_000,
            20,
            Kind.LIMIT,
            TimeInForce.GTC,
            Stp.NONE,
            by_quote=False,
            cancels=False,
        )
        placed = exchange.place(_new(wish, number), T0)
        assert isinstance(placed, Placed)
        order = exchange.bookkeeping(wish.account).find("BTCUSDT", placed.order.order_id)
        assert order is not None
        if order.status is Status.NEW and number % 3 == 0:
            exchange.cancel(order, "", T0)
        exchange.take_events()
        closed += len(exchange.take_closed())
    return closed


def test_memory_stays_flat() -> None:
    """Six thousand more orders cost no more memory than the history's bounds allow."""
    market = MatchingMarket(SPEC, [QuietFlow()])
    exchange = Exchange([market], Fees(), History(300, 300, 300))
    for account in (1, 2, 3):
        exchange.accounts.deposit(account, "USDT", 10**6 * ATOMS)
        exchange.accounts.deposit(account, "BTC", 10**6 * ATOMS)
    exchange.start(T0)
    exchange.advance(T0)
    tracemalloc.start()
    try:
        _busy(exchange, 0, 2_000)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        closed = _busy(exchange, 2_000, 6_000)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    # A final order and its trades take about a kilobyte: kept, they were six megabytes.
    assert grown < 300_000
    assert closed > 6_000


# --- memory -------------------------------------------------------------------------------


def _truth(client: Client) -> object:
    parts = [
        client.signed("GET", path, query)
        for path, query in (
            ("openOrders", ""),
            ("allOrders", "symbol=BTCUSDT"),
            ("myTrades", "symbol=BTCUSDT"),
        )
    ]
    return client.balances(), parts


def _calm(identity: str = "calm", *, start: bool) -> Venue:
    market = MatchingMarket(SYMBOLS["BTCUSDT"].spec, agents(PRESETS["calm"], "BTCUSDT", 3))
    account = AccountConfig("alice-key", SECRET, {"USDT": "100000", "BTC": "1"})
    limits = Limits(weight_per_minute=10**9)
    venue = Venue(VenueConfig([account], Fees(), limits, identity=identity), [market])
    if start:
        venue.start(T0)
    return venue


def _remembered(venue: Venue) -> object:
    return [
        (book.open, book.final, book.trades, book.prevented, book.open_counts("BTCUSDT"))
        for book in venue.exchange.books.values()
    ]


def _send(client: Client, act: str, side: str, offset: int) -> None:
    # One random request; most are taken, some are refused.
    price, quantity = f"{60_000 + 10 * offset}.00", "0.05"
    if act == "amend":
        for order in client.signed("GET", "openOrders")[1][:1]:
            query = f"symbol=BTCUSDT&orderId={order['orderId']}&newQty=0.03"
            client.signed("PUT", "order/amend/keepPriority", query)
    elif act == "stop":
        query = f"symbol=BTCUSDT&side={side}&type=STOP_LOSS&quantity={quantity}&stopPrice={price}"
        client.signed("POST", "order", query)
    elif act == "iceberg":
        client.limit(side, price, quantity, icebergQty="0.02")
    else:
        client.limit(side, price, quantity, selfTradePreventionMode="DECREMENT")


ACTS = ("limit", "limit", "iceberg", "stop", "amend")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(ACTS),
            st.sampled_from(["BUY", "SELL"]),
            st.integers(-4, 4),
            st.integers(0, 3),
        ),
        max_size=25,
    )
)
@settings(max_examples=40, deadline=None)
def test_snapshot_and_log_bring_everything_back(script: list[tuple[str, str, int, int]]) -> None:
    """However orders and fills fell between snapshots and the end, the truth comes back."""
    venue = _calm(start=True)
    client = Client(venue)
    venue.advance(client.ts_ns)
    venue.take_log()
    accounts, markets = venue.dump_accounts(1), venue.dump_markets(client.ts_ns)
    log = b""
    for number, (act, side, offset, seconds) in enumerate(script):
        _send(client, act, side, offset)
        client.wait_ns(seconds * 3 * SECOND)
        log += venue.take_log()
        if number == 10:
            markets = venue.dump_markets(client.ts_ns)
        if number == 15:
            accounts, log = venue.dump_accounts(2), b""
    client.venue.take()
    log += venue.take_log()
    truth, totals = _truth(client), venue.exchange.accounts.totals()
    remembered = _remembered(venue)
    back = _calm(start=False)
    back.restore(read_accounts(accounts), log + b'[{"torn', markets, client.ts_ns)
    returned = Client(back)
    returned.ts_ns = client.ts_ns
    assert _truth(returned) == truth
    assert _remembered(back) == remembered
    assert back.exchange.accounts.totals() == totals
    # Trading goes on: the users' orders are in the book, and time moves it.
    returned.wait_ns(30 * SECOND)
    returned.signed("DELETE", "openOrders", "symbol=BTCUSDT")
    assert returned.signed("GET", "openOrders") == (200, [])
    assert all(locked == "0.00000000" for _, locked in returned.balances().values())


def test_a_waiting_stop_order_is_triggered_after_a_restart() -> None:
    """It waits on with what it locked, and a trade of the new process sets it to work."""
    venue = quiet_venue(fees=Fees())
    stop = "symbol=BTCUSDT&side=BUY&type=STOP_LOSS&quantity=0.1&stopPrice=60001"
    _, placed = Client(venue).signed("POST", "order", stop)
    accounts, markets = venue.dump_accounts(1), venue.dump_markets(T0)
    back = quiet_venue(fees=Fees(), start=False)
    back.restore(read_accounts(accounts), b"", markets, T0)
    client = Client(back)
    client.wait_ns(SECOND)
    order = f"symbol=BTCUSDT&orderId={placed['orderId']}"
    assert client.signed("GET", "order", order)[1]["isWorking"] is False
    client.signed("POST", "order", "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.001")
    found = client.signed("GET", "order", order)[1]
    assert (found["status"], found["executedQty"]) == ("FILLED", "0.10000000")
    assert client.balances()["USDT"] == ("93939.89900000", "0.00000000")


def test_another_market_or_another_account_is_refused() -> None:
    """A folder belongs to one market and its accounts; a damaged one is said to be damaged."""
    venue = _calm(start=True)
    accounts, markets = venue.dump_accounts(1), venue.dump_markets(T0)
    with pytest.raises(UsageError, match="belongs to the market 'calm'"):
        _calm("storm", start=False).restore(read_accounts(accounts), b"", markets, T0)
    renamed = read_accounts(accounts.replace(b"alice-key", b"other-key"))
    with pytest.raises(UsageError, match="other-key"):
        _calm(start=False).restore(renamed, b"", markets, T0)
    with pytest.raises(JournalDamaged, match="line 2"):
        _calm(start=False).restore(read_accounts(accounts), b"[]\nx\n", markets, T0)
    with pytest.raises(JournalDamaged, match="market snapshot"):
        _calm(start=False).restore(read_accounts(accounts), b"", b"{", T0)
    with pytest.raises(JournalDamaged, match="format 99"):
        read_accounts(accounts.replace(b'"version":2', b'"version":99'))
    with pytest.raises(JournalDamaged, match="does not read"):
        read_accounts(accounts[:-5])


def test_only_users_events_are_logged() -> None:
    """Agents trading among themselves cost no log."""
    venue = _calm(start=True)
    venue.advance(T0 + 120 * SECOND)
    assert venue.take_log() == b""
    assert len(venue.take()) == 0


def test_balance_events_bear_absolute_values() -> None:
    """An event says what an account holds, not what changed."""
    exchange = _exchange()
    new = NewOrder(
        1,
        "BTCUSDT",
        Side.BUY,
        Kind.LIMIT,
        TimeInForce.GTC,
        59_000 * ATOMS,
        ATOMS // 100,
        0,
        "x",
    )
    exchange.take_events()
    exchange.place(new, T0)
    (balance,) = [each for each in exchange.take_events() if isinstance(each, BalanceEvent)]
    assert balance.balances == [("USDT", 39_410 * ATOMS, 590 * ATOMS)]


def test_a_new_account_opens_beside_a_stored_one() -> None:
    """Accounts that come to a stored venue open with their balances; the old keep theirs."""
    market = MatchingMarket(SPEC, [QuietFlow()])
    alice = AccountConfig("alice-key", SECRET, {"USDT": "1000", "BTC": "1"})
    carol = AccountConfig("carol-key", "carol-secret", {"USDT": "77"})
    first = Venue(VenueConfig([alice]), [market])
    first.start(T0)
    Client(first).limit("BUY", "59000.00", "0.01")
    accounts, markets = first.dump_accounts(1), first.dump_markets(T0)
    second = Venue(VenueConfig([alice, carol]), [MatchingMarket(SPEC, [QuietFlow()])])
    second.restore(read_accounts(accounts), b"", markets, T0)
    assert Client(second).balances()["USDT"] == ("410.00000000", "590.00000000")
    assert Client(second, "carol-key", "carol-secret").balances() == {
        "USDT": ("77.00000000", "0.00000000")
    }


def test_trades_are_kept_to_a_limit() -> None:
    """The newest trades stay; a query from an id on finds them by it."""
    book = OrderBookkeeping(KEPT)
    for number in range(1, 2 * KEPT.trades + 1):
        book.add_trade(
            AccountTrade(number, 1, "BTCUSDT", 1, 1, 1, 0, "BTC", T0, is_buyer=True, is_maker=True)
        )
    assert len(book.trades["BTCUSDT"]) == KEPT.trades
    found = book.trades_from("BTCUSDT", 2 * KEPT.trades - 1, 500)
    assert [trade.trade_id for trade in found] == [2 * KEPT.trades - 1, 2 * KEPT.trades]
    assert len(book.trades_from("BTCUSDT", -1, 3)) == 3


def test_what_nobody_archives_is_dropped() -> None:
    """Records that left memory wait for their archive, but not without end."""
    book = OrderBookkeeping(History(trades=1))
    for number in range(1, MAX_CLOSED + 10):
        book.add_trade(
            AccountTrade(number, 1, "BTCUSDT", 1, 1, 1, 0, "BTC", T0, is_buyer=True, is_maker=True)
        )
    closed = book.take_closed()
    assert MAX_CLOSED // 2 <= len(closed) <= MAX_CLOSED
    last = closed[-1]
    assert isinstance(last, AccountTrade)
    assert last.trade_id == MAX_CLOSED + 8
    assert book.take_closed() == []


def test_symbols_share_the_account() -> None:
    """What one symbol locks, another cannot spend; client ids and order ids are each symbol's."""
    config = VenueConfig([AccountConfig("alice-key", SECRET, {"USDT": "1000"})])
    markets = [
        MatchingMarket(SYMBOLS[symbol].spec, agents(PRESETS["calm"], symbol, 1))
        for symbol in ("BTCUSDT", "ETHUSDT")
    ]
    venue = Venue(config, markets)
    venue.start(T0)
    client = Client(venue)
    client.wait_ns(SECOND)
    terms = "side=BUY&type=LIMIT&timeInForce=GTC&newClientOrderId=same"
    one = client.signed("POST", "order", f"symbol=BTCUSDT&{terms}&price=50000&quantity=0.015")
    two = client.signed("POST", "order", f"symbol=ETHUSDT&{terms}&price=2000&quantity=0.2")
    assert (one[0], two[1]["code"]) == (200, -2010)
    assert "insufficient" in two[1]["msg"]
    two = client.signed("POST", "order", f"symbol=ETHUSDT&{terms}&price=2000&quantity=0.1")
    assert two[0] == 200
    _, orders = client.signed("GET", "openOrders")
    assert [order["symbol"] for order in orders] == ["BTCUSDT", "ETHUSDT"]
    assert client.balances()["USDT"] == ("50.00000000", "950.00000000")
    client.signed("DELETE", "openOrders", "symbol=ETHUSDT")
    assert [order["symbol"] for order in client.signed("GET", "openOrders")[1]] == ["BTCUSDT"]
