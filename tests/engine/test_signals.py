"""Spread, mid and imbalance against fractions, with and without our own orders in the book."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hftd.domain.codes import BookState
from hftd.domain.order import OrderState
from hftd.engine import signals
from tests.engine.scene import ASK, BID, BUY, SECOND, SELL, a_scene, put_order, show_market

SIDE = st.dictionaries(st.integers(1, 12), st.integers(1, 9), max_size=8)
OWN = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 12), st.integers(1, 9)), max_size=4)


def toward_zero(value: Fraction) -> int:
    """Return a fraction without its part after the point."""
    return -int(-value) if value < 0 else int(value)


@settings(max_examples=120)
@given(SIDE, SIDE, OWN, st.integers(1, 6))
def test_signals_are_those_of_the_others(
    bids: dict[int, int], asks: dict[int, int], own: list[tuple[int, int, int]], levels: int
) -> None:
    """Adding our own orders to a book leaves its signals as they were."""
    asks = {ticks + 12: lots for ticks, lots in asks.items()}
    scene = a_scene()
    scene.instrument["imbalance_levels"] = levels
    with_own = (dict(bids), dict(asks))
    for slot, (side, offset, lots) in enumerate(own):
        ticks = offset + (12 if side == SELL else 0)
        with_own[side][ticks] = with_own[side].get(ticks, 0) + lots
        put_order(scene, slot, side, ticks, lots)
    show_market(scene, *with_own)
    signals.update(scene.state, 0)
    instrument = scene.instrument
    assert instrument["market_bid_ticks"] == max(bids, default=0)
    assert instrument["market_ask_ticks"] == min(asks, default=0)
    assert instrument["market_valid"] == (1 if bids and asks else 0)
    if not (bids and asks):
        return
    bid, ask = max(bids), min(asks)
    assert instrument["mid_half_ticks"] == bid + ask
    assert instrument["spread_ticks"] == ask - bid
    spread = Fraction(ask - bid) / Fraction(bid + ask, 2)
    assert instrument["spread_bps_e2"] == int(spread * 1_000_000)
    near = sum(bids[ticks] for ticks in sorted(bids, reverse=True)[:levels])
    far = sum(asks[ticks] for ticks in sorted(asks)[:levels])
    assert instrument["imbalance_e6"] == toward_zero(Fraction(near - far, near + far) * 1_000_000)


@pytest.mark.parametrize("state", list(OrderState))
def test_only_orders_that_rest_at_the_venue_are_taken_off(state: OrderState) -> None:
    """NEW, PARTIALLY_FILLED and those whose cancel or replacement is under way."""
    scene = a_scene()
    put_order(scene, 0, BUY, 100, 5, state=int(state))
    show_market(scene, {100: 5, 99: 2}, {102: 2})
    signals.update(scene.state, 0)
    rests = state in (
        OrderState.NEW,
        OrderState.PARTIALLY_FILLED,
        OrderState.PENDING_CANCEL,
        OrderState.PENDING_REPLACE,
    )
    assert scene.instrument["market_bid_ticks"] == (99 if rests else 100)


def test_an_order_sent_after_the_level_was_told_is_not_in_it() -> None:
    """Depth and touch each have their time; an order sent at that very time may be in it."""
    scene = a_scene()
    show_market(scene, {100: 5, 99: 2}, {102: 2})
    order = put_order(scene, 0, BUY, 100, 5, sent_ns=SECOND + 1)
    signals.update(scene.state, 0)
    assert scene.instrument["market_bid_ticks"] == 100
    order["sent_ns"] = SECOND
    signals.update(scene.state, 0)
    assert scene.instrument["market_bid_ticks"] == 99
    order["price_ticks"], order["leaves_lots"] = 99, 1
    scene.book["depth_ns"] = SECOND - 1
    signals.update(scene.state, 0)
    assert scene.instrument["imbalance_e6"] == 5_000_000 // 9
    scene.book["depth_ns"] = SECOND
    signals.update(scene.state, 0)
    assert scene.instrument["imbalance_e6"] == 500_000


def test_on_a_tape_our_orders_are_not_in_the_book() -> None:
    """Where the venue's depth does not hold them, nothing is taken off; nor for another's."""
    scene = a_scene()
    put_order(scene, 0, BUY, 100, 5, instrument=1)
    show_market(scene, {100: 5}, {102: 2})
    signals.update(scene.state, 0)
    assert scene.instrument["market_bid_ticks"] == 100
    scene.state.orders[0]["instrument"] = 0
    scene.instrument["own_in_book"] = 0
    signals.update(scene.state, 0)
    assert scene.instrument["market_bid_ticks"] == 100


def test_a_newer_touch_voids_what_depth_still_shows_before_it() -> None:
    """The touch is read first, then only the levels beyond it."""
    scene = a_scene()
    show_market(scene, {100: 5, 99: 2, 98: 1}, {102: 6, 103: 3})
    instrument = scene.instrument
    instrument["bid_ticks"], instrument["bid_lots"] = 99, 4
    instrument["ask_ticks"], instrument["ask_lots"] = 101, 1
    signals.update(scene.state, 0)
    assert (instrument["market_bid_ticks"], instrument["market_ask_ticks"]) == (99, 101)
    assert instrument["imbalance_e6"] == toward_zero(Fraction(5 - 10, 15) * 1_000_000)


@pytest.mark.parametrize("state", [BookState.STALE, BookState.RESYNCING])
def test_a_book_in_doubt_is_no_market(state: BookState) -> None:
    """Only SYNCED counts; the last mid stays for display."""
    scene = a_scene()
    show_market(scene, {100: 5}, {102: 6})
    signals.update(scene.state, 0)
    assert scene.instrument["market_valid"] == 1
    scene.book["state"] = state
    signals.update(scene.state, 0)
    assert scene.instrument["market_valid"] == 0
    assert scene.instrument["mid_half_ticks"] == 202


def test_a_crossed_or_locked_touch_is_no_market() -> None:
    """Bid at or above ask decides nothing."""
    scene = a_scene()
    show_market(scene, {100: 5}, {102: 6})
    for ask, valid in ((101, 1), (100, 0), (99, 0)):
        scene.instrument["ask_ticks"] = ask
        signals.update(scene.state, 0)
        assert scene.instrument["market_valid"] == valid


def test_imbalance_of_the_largest_lots_stays_within_int64() -> None:
    """Sums beyond 2^42 lots are halved first; the ratio stays."""
    assert signals.imbalance_e6(3 << 58, 1 << 58) == 500_000
    assert signals.imbalance_e6(1 << 58, 3 << 58) == -500_000
    assert signals.imbalance_e6(0, 0) == 0
    assert signals.imbalance_e6(0, 7) == -1_000_000


def test_sides_are_named_as_the_book_names_them() -> None:
    """A buy rests among the bids, a sell among the asks."""
    assert (BID, ASK) == (BUY, SELL)
