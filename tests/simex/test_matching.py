"""The matching market against a reference written apart, and its public feed against itself."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hftd.simex.agents import agents
from hftd.simex.market import CUT_NS, ID_GAP
from hftd.simex.matching import MatchingMarket
from hftd.simex.presets import SYMBOLS
from hftd.simex.requests import (
    Amended,
    Canceled,
    CancelRejected,
    DepthChanged,
    Kind,
    Place,
    Rejected,
    Report,
    Side,
    Stp,
    TimeInForce,
    TouchChanged,
    Trade,
    Triggered,
)
from tests.simex.quiet import SPEC, QuietFlow
from tests.simex.random_orders import compare
from tests.simex.shipped import PRESETS

T0 = 1_800_000_000_000_000_000
SECOND = 1_000_000_000
MADE = SYMBOLS["BTCUSDT"]


@dataclass(frozen=True)
class Wish:
    """A random order."""

    account: int
    side: Side
    price: int
    lots: int
    kind: Kind
    tif: TimeInForce
    stp: Stp
    budget: int
    stop: int
    iceberg: int


def wishes() -> st.SearchStrategy[list[Wish]]:
    """Return scripts of random requests around one price."""
    wish = st.builds(
        Wish,
        st.integers(1, 3),
        st.sampled_from(Side),
        st.integers(95, 105),
        st.integers(1, 9),
        st.sampled_from([Kind.LIMIT] * 4 + [Kind.LIMIT_MAKER, Kind.MARKET, Kind.STOP_LOSS_LIMIT]),
        st.sampled_from([TimeInForce.GTC] * 4 + [TimeInForce.IOC, TimeInForce.FOK]),
        st.sampled_from([mode for mode in Stp if mode is not Stp.TRANSFER]),
        st.sampled_from([0, 0, 350, 1200]),
        st.integers(95, 105),
        st.sampled_from([0, 0, 1, 2]),
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
        wish.stop if wish.kind is Kind.STOP_LOSS_LIMIT else 0,
        0 if market else wish.iceberg,
    )


def test_very_many_requests_of_every_type() -> None:
    """A hundred thousand requests, each compared with the rule book as it happens: 10 s.

    All order types, times in force and self-trade modes, icebergs, cancels, amendments and
    replacements, by four accounts that run out of money now and then: the same answers, the
    same trades, triggers, expiries and prevented matches in the same order; every tenth request
    the same books, and every balance and lock of every account to the last atom.
    """
    counts = compare(100_000, seed=20)
    assert min(counts.values()) > 500


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


def _fills(reports: list[Report]) -> list[tuple[int, int]]:
    return [(each.maker_order_id, each.qty_lots) for each in reports if isinstance(each, Trade)]


def test_an_order_made_smaller_keeps_its_place() -> None:
    """The amended order still trades before the one behind it; the book shows what is left."""
    market = MatchingMarket(SPEC)
    first = _rest(market, 1, Side.SELL, 100, 5)
    second = _rest(market, 2, Side.SELL, 100, 5)
    reports = market.amend(first.order_id, 2, 0, T0)
    assert reports[0] == Amended(first.order_id, 1, 2, T0)
    assert list(market.levels(Side.SELL)) == [(100, 7)]
    taker = Place(market.next_order_id(), 3, Side.BUY, 100, 4)
    assert _fills(market.place(taker, T0)) == [(first.order_id, 2), (second.order_id, 2)]


def test_an_iceberg_shows_one_part_and_refills_at_the_back() -> None:
    """After its part in sight an iceberg stands behind who came later; liquidity knows it all."""
    market = MatchingMarket(SPEC)
    iceberg = Place(market.next_order_id(), 1, Side.SELL, 100, 10, iceberg_lots=3)
    market.place(iceberg, T0)
    other = _rest(market, 2, Side.SELL, 100, 4)
    assert list(market.levels(Side.SELL)) == [(100, 7)]
    assert list(market.liquidity(Side.SELL)) == [(100, 14)]
    taker = Place(market.next_order_id(), 3, Side.BUY, 100, 9)
    fills = _fills(market.place(taker, T0))
    assert fills == [(iceberg.order_id, 3), (other.order_id, 4), (iceberg.order_id, 2)]
    assert list(market.levels(Side.SELL)) == [(100, 1)]
    assert market.leaves(iceberg.order_id) == 5


def test_amending_an_iceberg_takes_what_is_hidden_first() -> None:
    """What is in sight shrinks only when no more is left than that."""
    market = MatchingMarket(SPEC)
    iceberg = Place(market.next_order_id(), 1, Side.SELL, 100, 10, iceberg_lots=4)
    market.place(iceberg, T0)
    market.amend(iceberg.order_id, 5, 0, T0)
    assert list(market.levels(Side.SELL)) == [(100, 4)]
    market.amend(iceberg.order_id, 3, 0, T0)
    assert list(market.liquidity(Side.SELL)) == list(market.levels(Side.SELL)) == [(100, 3)]


def test_a_taker_needs_what_stands_before_the_parts_of_an_iceberg() -> None:
    """``lots_until`` is what an order must bring so that another gets its lots, exactly."""
    for wanted in (2, 3, 8):
        market = MatchingMarket(SPEC)
        _rest(market, 2, Side.SELL, 99, 2)
        _rest(market, 2, Side.SELL, 100, 1)
        iceberg = Place(market.next_order_id(), 1, Side.SELL, 100, 8, iceberg_lots=3)
        market.place(iceberg, T0)
        _rest(market, 2, Side.SELL, 100, 4)
        lots = market.lots_until(iceberg.order_id, wanted)
        market.place(Place(market.next_order_id(), 3, Side.BUY, 100, lots), T0)
        assert market.leaves(iceberg.order_id) <= 8 - wanted


def _trade_at(market: MatchingMarket, price: int) -> None:
    _rest(market, 8, Side.SELL, price, 1)
    market.place(Place(market.next_order_id(), 9, Side.BUY, price, 1), T0)


def test_a_trade_calls_stop_orders_in_order_of_arrival() -> None:
    """Stop orders above the market work once a trade reaches them, the oldest first."""
    market = MatchingMarket(SPEC)
    _trade_at(market, 100)
    stops = [
        Place(
            market.next_order_id(), account, Side.BUY, 110, 2, Kind.STOP_LOSS_LIMIT, stop_ticks=stop
        )
        for account, stop in ((1, 104), (2, 103), (3, 106))
    ]
    for stop in stops:
        assert len(market.place(stop, T0)) == 1, "it waits, and the book stays as it was"
    _rest(market, 5, Side.SELL, 105, 3)
    reports = market.place(Place(market.next_order_id(), 6, Side.BUY, 105, 1), T0)
    called = [each.order_id for each in reports if isinstance(each, Triggered)]
    assert called == [stops[0].order_id, stops[1].order_id]
    takers = [each.taker_account for each in reports if isinstance(each, Trade)]
    assert takers == [6, 1]
    assert list(market.levels(Side.BUY)) == [(110, 2)]


def test_a_stop_order_whose_price_is_reached_is_refused() -> None:
    """What would work at once is no stop order; without any trade nothing is reached."""
    market = MatchingMarket(SPEC)

    def stop() -> Report:
        number = market.next_order_id()
        order = Place(number, 1, Side.SELL, 0, 1, Kind.STOP_LOSS, stop_ticks=101)
        return market.place(order, T0)[0]

    waits = stop()
    assert not isinstance(waits, Rejected)
    _trade_at(market, 101)
    refused = stop()
    assert isinstance(refused, Rejected)
    assert refused.msg == "Order would trigger immediately."


def test_a_waiting_stop_order_can_be_canceled_once() -> None:
    """A cancel takes it out of its wait; nothing triggers it afterwards."""
    market = MatchingMarket(SPEC)
    order = Place(market.next_order_id(), 1, Side.BUY, 0, 3, Kind.STOP_LOSS, stop_ticks=101)
    market.place(order, T0)
    assert market.cancel(order.order_id, T0) == [Canceled(order.order_id, 1, 3, T0)]
    assert isinstance(market.cancel(order.order_id, T0)[0], CancelRejected)
    _rest(market, 2, Side.SELL, 101, 1)
    reports = market.place(Place(market.next_order_id(), 3, Side.BUY, 101, 1), T0)
    assert not any(isinstance(each, Triggered) for each in reports)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_time_stands_still_in_a_halted_market(preset: str) -> None:
    """Agents act after a halt as they would have without it, only later."""
    markets = [MatchingMarket(MADE.spec, agents(PRESETS[preset], "BTCUSDT", 3)) for _ in range(2)]
    for market in markets:
        market.start(T0)
        market.advance(T0 + 10 * SECOND)
    plain, halted = markets
    halted.halt(T0 + 10 * SECOND)
    # A cut that was due comes; after it nothing is.
    halted.advance(T0 + 40 * SECOND)
    assert halted.next_ns() is None
    halted.resume(T0 + 40 * SECOND)
    plain_reports = plain.advance(T0 + 70 * SECOND)
    late_reports = halted.advance(T0 + 100 * SECOND)
    trades = [each for each in plain_reports if isinstance(each, Trade)]
    late = [each for each in late_reports if isinstance(each, Trade)]
    assert len(trades) > 0
    assert [(each.trade_id, each.price_ticks, each.ts_ns + 30 * SECOND) for each in trades] == [
        (each.trade_id, each.price_ticks, each.ts_ns) for each in late
    ]


def test_icebergs_and_stop_orders_come_back() -> None:
    """A dump keeps what is hidden; waiting stop orders come from the account's truth."""
    market = MatchingMarket(SPEC)
    iceberg = Place(market.next_order_id(), 1, Side.SELL, 100, 10, iceberg_lots=3)
    market.place(iceberg, T0)
    stop = Place(market.next_order_id(), 2, Side.BUY, 0, 2, Kind.STOP_LOSS, stop_ticks=100)
    market.place(stop, T0)
    back = MatchingMarket(SPEC)
    back.load(market.dump(), 0)
    back.adopt([iceberg, stop], T0)
    assert list(back.levels(Side.SELL)) == [(100, 3)]
    assert list(back.liquidity(Side.SELL)) == [(100, 10)]
    reports = back.place(Place(back.next_order_id(), 3, Side.BUY, 100, 3), T0)
    assert [each.order_id for each in reports if isinstance(each, Triggered)] == [stop.order_id]


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
