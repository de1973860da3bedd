"""The matching market against a reference written apart, and its public feed against itself."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from hftd.simex.market import CUT_NS, ID_GAP
from hftd.simex.matching import MatchingMarket
from hftd.simex.requests import (
    Accepted,
    Canceled,
    CancelRejected,
    DepthChanged,
    Expired,
    Kind,
    Place,
    Rejected,
    Report,
    Side,
    Stp,
    TimeInForce,
    TouchChanged,
    Trade,
)
from tests.simex.naive_book import NaiveBook
from tests.simex.quiet import SPEC, QuietFlow
from tests.simex.random_orders import compare

T0 = 1_800_000_000_000_000_000


@dataclass(frozen=True)
class Wish:
    """A random request: an order, or a cancel of the n-th order so far."""

    account: int
    side: Side
    price: int
    lots: int
    kind: Kind
    tif: TimeInForce
    stp: Stp
    budget: int
    cancel: int | None


def wishes() -> st.SearchStrategy[list[Wish]]:
    """Return scripts of random requests around one price."""
    wish = st.builds(
        Wish,
        st.integers(1, 3),
        st.sampled_from(Side),
        st.integers(95, 105),
        st.integers(1, 9),
        st.sampled_from([Kind.LIMIT] * 4 + [Kind.LIMIT_MAKER, Kind.MARKET]),
        st.sampled_from([TimeInForce.GTC] * 4 + [TimeInForce.IOC, TimeInForce.FOK]),
        st.sampled_from(Stp),
        st.sampled_from([0, 0, 350, 1200]),
        st.one_of(st.none(), st.none(), st.none(), st.integers(0, 30)),
    )
    return st.lists(wish, max_size=60)


def as_place(wish: Wish, order_id: int) -> Place:
    """Return the order of a wish, with the fields that its kind may have."""
    market = wish.kind is Kind.MARKET
    return Place(
        order_id,
        wish.account,
        wish.side,
        0 if market else wish.price,
        wish.lots,
        wish.kind,
        wish.tif if wish.kind is Kind.LIMIT else TimeInForce.GTC,
        wish.stp,
        wish.budget if market and wish.side is Side.BUY else 0,
    )


@given(wishes())
@settings(max_examples=300, deadline=None)
def test_same_trades_and_books_as_the_reference(script: list[Wish]) -> None:
    """Any run of requests gives the trades, expiries, refusals and books of the rule book."""
    market, naive = MatchingMarket(SPEC), NaiveBook()
    reports: list[Report] = []
    placed: list[int] = []
    for wish in script:
        if wish.cancel is not None and placed:
            target = placed[wish.cancel % len(placed)]
            answer = market.cancel(target, T0)
            assert isinstance(answer[0], Canceled if naive.cancel(target) else CancelRejected)
        else:
            order = as_place(wish, market.next_order_id())
            placed.append(order.order_id)
            naive.place(order)
            answer = market.place(order, T0)
            assert isinstance(answer[0], Accepted | Rejected)
        reports += answer
        assert list(market.levels(Side.BUY)) == naive.levels(Side.BUY)
        assert list(market.levels(Side.SELL)) == naive.levels(Side.SELL)
    trades = [
        (each.maker_order_id, each.taker_order_id, each.price_ticks, each.qty_lots)
        for each in reports
        if isinstance(each, Trade)
    ]
    assert trades == naive.trades
    assert [each.trade_id for each in reports if isinstance(each, Trade)] == [
        *range(1, len(trades) + 1)
    ]
    assert sorted(
        (each.order_id, each.leaves_lots) for each in reports if isinstance(each, Expired)
    ) == sorted(naive.expired)
    assert [each.order_id for each in reports if isinstance(each, Rejected)] == naive.refused


def test_very_many_requests_of_every_type() -> None:
    """A hundred thousand orders and cancels, each compared with the rule book as it happens."""
    counts = compare(100_000, seed=20)
    assert min(counts.values()) > 1000


@given(wishes(), st.lists(st.integers(0, 2 * CUT_NS), max_size=60))
@settings(max_examples=150, deadline=None)
def test_the_feed_rebuilds_the_book(script: list[Wish], gaps: list[int]) -> None:
    """Depth events follow one another without a gap, on the grid, and rebuild book and touch."""
    market = MatchingMarket(SPEC)
    reports: list[Report] = []
    ts_ns = T0
    for number, wish in enumerate(script):
        ts_ns += gaps[number] if number < len(gaps) else 7
        reports += market.advance(ts_ns)
        reports += market.place(as_place(wish, market.next_order_id()), ts_ns)
    while (due_ns := market.next_ns()) is not None:
        reports += market.advance(due_ns)
    books: dict[str, dict[int, int]] = {"bids": {}, "asks": {}}
    last_id, touch = 0, (0, 0, 0, 0)
    for report in reports:
        if isinstance(report, TouchChanged):
            touch = (report.bid_ticks, report.bid_lots, report.ask_ticks, report.ask_lots)
        elif isinstance(report, DepthChanged):
            assert report.first_update_id == last_id + 1
            assert report.ts_ns % CUT_NS == 0
            last_id = report.last_update_id
            _apply(books["bids"], report.bids)
            _apply(books["asks"], report.asks)
            bid, ask = max(books["bids"], default=0), min(books["asks"], default=0)
            assert touch == (bid, books["bids"].get(bid, 0), ask, books["asks"].get(ask, 0))
    snapshot = market.snapshot(5000)
    assert snapshot.update_id == last_id
    assert snapshot.bids == list(market.levels(Side.BUY)) == sorted(books["bids"].items())[::-1]
    assert snapshot.asks == list(market.levels(Side.SELL)) == sorted(books["asks"].items())


def _apply(book: dict[int, int], changes: list[tuple[int, int]]) -> None:
    for price, lots in changes:
        if lots:
            book[price] = lots
        else:
            book.pop(price, None)


def _rest(market: MatchingMarket, account: int, side: Side, price: int, lots: int) -> Place:
    order = Place(market.next_order_id(), account, side, price, lots)
    market.place(order, T0)
    return order


def test_an_older_order_at_the_same_price_trades_first() -> None:
    """Two makers at one price are filled in the order in which they came."""
    market = MatchingMarket(SPEC)
    first = _rest(market, 1, Side.SELL, 100, 5)
    second = _rest(market, 2, Side.SELL, 100, 5)
    taker = Place(market.next_order_id(), 3, Side.BUY, 100, 7)
    trades = [each for each in market.place(taker, T0) if isinstance(each, Trade)]
    assert [(each.maker_order_id, each.qty_lots) for each in trades] == [
        (first.order_id, 5),
        (second.order_id, 2),
    ]


def test_a_dump_comes_back_with_priority_and_fresh_ids() -> None:
    """After dump and load the queue is as before, and no id of before can come again."""
    market = MatchingMarket(SPEC, [QuietFlow()])
    market.start(T0)
    market.advance(T0)
    mine = _rest(market, 1, Side.BUY, 5_999_900, 3)
    state = market.dump()
    back = MatchingMarket(SPEC, [QuietFlow()])
    back.load(state, 0)
    back.adopt([mine], T0)
    assert list(back.levels(Side.BUY)) == list(market.levels(Side.BUY))
    assert back.next_order_id() > ID_GAP
    taker = Place(back.next_order_id(), 2, Side.SELL, 5_999_900, 100_001)
    trades = [each for each in back.place(taker, T0) if isinstance(each, Trade)]
    assert [each.qty_lots for each in trades] == [100_000, 1]
    assert trades[0].trade_id > ID_GAP


def test_adopted_orders_win_over_an_older_book() -> None:
    """Truth that is younger than the book's dump: gone orders go, new ones push agents aside."""
    market = MatchingMarket(SPEC, [QuietFlow()])
    market.start(T0)
    market.advance(T0)
    gone = _rest(market, 1, Side.BUY, 5_999_950, 3)
    state = market.dump()
    back = MatchingMarket(SPEC, [QuietFlow()])
    back.load(state, 0)
    # Bought all the asks at 60001.00 since, and rests above them with what was left.
    back.adopt([Place(gone.order_id + 1, 1, Side.BUY, 6_000_100, 9)], T0)
    assert list(back.levels(Side.BUY))[0] == (6_000_100, 9)
    assert list(back.levels(Side.SELL))[0][0] == 6_000_200
    assert back.leaves(gone.order_id) == 0
    touch = back.best()
    assert touch is not None
    assert (touch.bid_ticks, touch.bid_lots) == (6_000_100, 9)
