"""Public trades: which of them speak against the book, the median, and our own level."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hftd.domain.codes import Code
from hftd.engine import book
from hftd.engine.state import TRADE_WINDOW_CAPACITY
from tests.engine.feed import STALE, SYNCED, a_synced_book, depth, snapshot, told, touch, trade
from tests.engine.scene import MS, SECOND, Scene, nothing_told, put_order


def a_book_with_venue_time() -> Scene:
    """Return a SYNCED book (bid 100, ask 102) whose last depth event was at venue time 50 ms.

    The touch was told long enough ago that reordering explains nothing.
    """
    scene = a_synced_book()
    depth(scene, 11, 11, {99: 2}, {}, exch_ts_ns=50 * MS)
    scene.begin(SECOND + 101 * MS)
    return scene


def test_a_trade_at_or_inside_the_touch_says_nothing() -> None:
    """Bid, ask and what lies between them are where trades belong."""
    scene = a_book_with_venue_time()
    with nothing_told(scene):
        for number, price in enumerate((100, 101, 102)):
            trade(scene, number + 1, price, exch_ns=60 * MS)
    assert scene.instrument["last_trade_ticks"] == 102
    assert scene.instrument["uncovered_ns"] == 0


@pytest.mark.parametrize(("price", "exch_ns"), [(99, 60 * MS), (103, 60 * MS), (99, 0)])
def test_an_unexplained_trade_outside_the_touch_is_stale_at_once(price: int, exch_ns: int) -> None:
    """A newer touch, or a depth event of its time, ends the doubt."""
    scene = a_book_with_venue_time()
    trade(scene, 1, price, exch_ns=exch_ns)
    assert told(scene) == [(SYNCED, STALE, Code.FEED_STALE)]
    touch(scene, 12, (99, 2), (102, 6))
    assert scene.book["state"] == SYNCED


def test_a_trade_that_the_depth_already_holds_is_late_news() -> None:
    """By the venue's clock it is not newer than the last depth event."""
    scene = a_book_with_venue_time()
    with nothing_told(scene):
        trade(scene, 1, 90, exch_ns=50 * MS)


def test_a_trade_close_to_a_touch_may_be_of_the_same_burst() -> None:
    """Up to one depth period after the touch it is on trial, after that it is not."""
    scene = a_book_with_venue_time()
    scene.begin(SECOND + 100 * MS)
    with nothing_told(scene):
        trade(scene, 1, 99, exch_ns=60 * MS)
    assert scene.instrument["uncovered_ns"] == SECOND + 100 * MS


def test_the_further_trades_of_a_sweep_are_explained_by_the_first() -> None:
    """Same millisecond, same aggressor, next id; any other trade is not of the sweep."""
    scene = a_book_with_venue_time()
    with nothing_told(scene):
        trade(scene, 1, 100, exch_ns=60 * MS)
        trade(scene, 2, 98, exch_ns=60 * MS + 999_999)
    for other in ({"exch_ns": 61 * MS}, {"exch_ns": 60 * MS, "side": 0}):
        scene = a_book_with_venue_time()
        trade(scene, 1, 100, exch_ns=60 * MS)
        trade(scene, 2, 98, **other)
        assert scene.book["state"] == STALE
    scene = a_book_with_venue_time()
    trade(scene, 1, 100, exch_ns=60 * MS)
    trade(scene, 3, 98, exch_ns=60 * MS)
    assert scene.book["state"] == STALE


def test_a_trade_on_trial_needs_a_depth_event_of_its_time() -> None:
    """Without one the book is STALE after a second, and touches alone do not end that."""
    scene = a_book_with_venue_time()
    scene.begin(SECOND)
    trade(scene, 1, 99, exch_ns=60 * MS)
    depth(scene, 12, 12, {99: 3}, {}, exch_ts_ns=59 * MS)
    scene.begin(2 * SECOND)
    with nothing_told(scene):
        book.check_age(scene.state, 0, scene.out)
    scene.begin(2 * SECOND + 1)
    book.check_age(scene.state, 0, scene.out)
    assert told(scene) == [(SYNCED, STALE, Code.FEED_STALE)]
    touch(scene, 20, (99, 2), (102, 6))
    assert scene.book["state"] == STALE
    depth(scene, 13, 13, {99: 4}, {}, exch_ts_ns=60 * MS)
    assert scene.book["state"] == SYNCED


def test_a_resync_ends_the_trial() -> None:
    """The snapshot is newer than the trade; nothing is held against the book after it."""
    scene = a_book_with_venue_time()
    scene.begin(SECOND)
    trade(scene, 1, 99, exch_ns=60 * MS)
    depth(scene, 14, 14, {99: 3}, {}, exch_ts_ns=59 * MS)
    scene.begin(3 * SECOND)
    snapshot(scene, 13, {100: 5}, {102: 6})
    assert scene.book["state"] == SYNCED


def test_a_repeated_trade_is_taken_once() -> None:
    """An id at or below the last is old."""
    scene = a_synced_book()
    trade(scene, 7, 101)
    trade(scene, 7, 102)
    trade(scene, 6, 102)
    assert scene.instrument["last_trade_ticks"] == 101
    assert scene.instrument["trade_window_next"] == 1


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 2_000), st.integers(1, 9)), max_size=30), st.data())
def test_the_median_is_that_of_the_last_five_seconds_without_our_own(
    steps: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Against a list: five seconds inclusive; own trades go when their fill is known."""
    scene = a_synced_book()
    kept: list[tuple[int, int]] = []
    now = SECOND
    for number, (wait_ms, ticks) in enumerate(steps):
        now += wait_ms * MS
        scene.begin(now)
        ours = data.draw(st.sampled_from(["no", "no", "known", "told later"]))
        if ours == "known":
            seen = scene.state.trades_seen[scene.state.rings[1]]
            seen["trade_id"] = number + 1
            scene.state.rings[1] += 1
        trade(scene, number + 1, ticks)
        if ours == "told later":
            book.forget_own_trade(scene.instrument, number + 1)
        if ours == "no":
            kept.append((now, ticks))
    recent = sorted(ticks for ts_ns, ticks in kept if now - ts_ns <= 5 * SECOND)
    middle = (recent[(len(recent) - 1) // 2] + recent[len(recent) // 2]) // 2 if recent else 0
    assert book.median_trade_ticks(scene.instrument, now) == middle


def test_of_more_trades_than_the_window_holds_the_newest_count() -> None:
    """The ring overwrites its oldest; a late own trade is still found among the newest."""
    scene = a_synced_book()
    for number in range(3 * TRADE_WINDOW_CAPACITY):
        trade(scene, number + 1, 90 if number < 2 * TRADE_WINDOW_CAPACITY else 110)
    assert book.median_trade_ticks(scene.instrument, SECOND) == 110
    trade(scene, 3 * TRADE_WINDOW_CAPACITY + 1, 500)
    book.forget_own_trade(scene.instrument, 3 * TRADE_WINDOW_CAPACITY + 1)
    assert 500 not in scene.instrument["trade_window_ticks"]


def test_a_trade_beyond_our_resting_order_has_gone_through_it() -> None:
    """Strictly beyond; in flight orders do not count; the next depth event clears the mark."""
    scene = a_synced_book()
    put_order(scene, 0, 0, 100, 5)
    put_order(scene, 1, 1, 102, 5)
    trade(scene, 1, 100)
    trade(scene, 2, 102)
    assert scene.instrument["through_bid_ns"] == scene.instrument["through_ask_ns"] == 0
    trade(scene, 3, 99)
    assert scene.instrument["through_bid_ns"] == SECOND
    trade(scene, 4, 103)
    assert scene.instrument["through_ask_ns"] == SECOND
    depth(scene, 11, 11, {99: 4}, {})
    assert scene.instrument["through_bid_ns"] == scene.instrument["through_ask_ns"] == 0
    scene.state.orders["state"] = 1
    trade(scene, 5, 99)
    assert scene.instrument["through_bid_ns"] == 0
