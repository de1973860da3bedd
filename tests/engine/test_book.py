"""The depth rule, the touch and the book's states: by example, against the truth, on a tape."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hftd.domain.actions import ActionKind
from hftd.domain.codes import BookState, Code
from hftd.domain.events import Link
from hftd.domain.facts import FactKind
from hftd.engine import book, sync
from hftd.engine.state import PENDING_EVENTS_CAPACITY, PENDING_LEVELS_CAPACITY
from tests.engine.scene import (
    ASK,
    BID,
    MS,
    SECOND,
    Scene,
    a_scene,
    an_event,
    levels_of,
    nothing_told,
    put_order,
    side_of,
)

SYNCED, STALE, RESYNCING = BookState.SYNCED, BookState.STALE, BookState.RESYNCING


def depth(
    scene: Scene, first: int, last: int, bids: dict[int, int], asks: dict[int, int], **more: int
) -> None:
    """Hand over one depth event."""
    rows = levels_of(bids, asks)
    event = an_event(
        first_update_id=first,
        last_update_id=last,
        levels_end=len(rows),
        ts_ns=int(scene.core["now_ns"]),
        **more,
    )
    book.apply_depth(scene.state, event, rows, scene.out)


def snapshot(scene: Scene, last: int, bids: dict[int, int], asks: dict[int, int]) -> None:
    """Hand over one snapshot."""
    rows = levels_of(bids, asks)
    event = an_event(last_update_id=last, levels_end=len(rows))
    book.apply_snapshot(scene.state, event, rows, scene.out)


def touch(scene: Scene, update_id: int, bid: tuple[int, int], ask: tuple[int, int]) -> None:
    """Hand over one bookTicker."""
    book.apply_touch(scene.state, touch_event(update_id, bid, ask), scene.out)


def touch_event(update_id: int, bid: tuple[int, int], ask: tuple[int, int]) -> Any:
    """Return one bookTicker event."""
    return an_event(
        last_update_id=update_id,
        bid_ticks=bid[0],
        bid_lots=bid[1],
        ask_ticks=ask[0],
        ask_lots=ask[1],
    )


def a_synced_book() -> Scene:
    """Return a book SYNCED at update 10: bid 100 x 5, ask 102 x 6."""
    scene = a_scene()
    snapshot(scene, 10, {100: 5, 99: 1}, {102: 6, 103: 1})
    assert scene.book["state"] == SYNCED
    scene.begin()
    return scene


def told(scene: Scene) -> list[tuple[int, int, int]]:
    """Return the BOOK facts as (from, to, code)."""
    return [
        (fact["state_from"], fact["state_to"], fact["code"])
        for fact in scene.facts()
        if fact["kind"] == FactKind.BOOK
    ]


def asked(scene: Scene) -> list[int]:
    """Return the kinds of the actions asked for."""
    return [action["kind"] for action in scene.actions()]


# The depth rule.


@pytest.mark.parametrize(("first", "last"), [(11, 12), (5, 11), (5, 15)])
def test_the_first_event_covers_what_follows_the_snapshot(first: int, last: int) -> None:
    """U <= S + 1 <= u is in sequence: on the snapshot's edge, and with the snapshot inside."""
    scene = a_scene()
    depth(scene, first, last, {101: 7}, {})
    assert asked(scene) == [ActionKind.RESYNC]
    snapshot(scene, 10, {100: 5}, {102: 6})
    assert told(scene) == [(RESYNCING, SYNCED, Code.NONE)]
    assert scene.book["last_update_id"] == last
    assert side_of(scene, BID) == {100: 5, 101: 7}


def test_a_buffered_event_that_the_snapshot_holds_is_dropped() -> None:
    """u <= S is old: its quantities are not set again."""
    scene = a_scene()
    depth(scene, 8, 10, {100: 1}, {})
    snapshot(scene, 10, {100: 5}, {102: 6})
    assert scene.book["state"] == SYNCED
    assert side_of(scene, BID) == {100: 5}


def test_a_snapshot_older_than_the_buffer_is_of_no_use() -> None:
    """S + 1 < the first buffered U: it stays RESYNCING and a pulse asks again."""
    scene = a_scene()
    depth(scene, 12, 12, {101: 7}, {})
    snapshot(scene, 10, {100: 5}, {102: 6})
    assert scene.book["state"] == RESYNCING
    scene.begin(SECOND + sync.RESYNC_BACKOFF_NS - 1)
    book.check_age(scene.state, 0, scene.out)
    assert asked(scene) == []
    scene.begin(SECOND + sync.RESYNC_BACKOFF_NS)
    book.check_age(scene.state, 0, scene.out)
    assert asked(scene) == [ActionKind.RESYNC]
    snapshot(scene, 11, {100: 5}, {102: 6})
    assert scene.book["state"] == SYNCED


def test_an_old_event_is_ignored() -> None:
    """An event that ends at or before the book's own id changes nothing."""
    scene = a_synced_book()
    with nothing_told(scene):
        depth(scene, 9, 10, {100: 1}, {})
    assert side_of(scene, BID) == {100: 5, 99: 1}


def test_the_next_event_follows_and_zero_removes() -> None:
    """An event from the next id on sets quantities; zero removes, also what is absent."""
    scene = a_synced_book()
    with nothing_told(scene):
        depth(scene, 11, 12, {100: 0, 98: 0, 99: 3}, {101: 2})
    assert side_of(scene, BID) == {99: 3}
    assert side_of(scene, ASK) == {101: 2, 102: 6, 103: 1}
    assert scene.instrument["bid_ticks"] == 99
    assert scene.instrument["ask_ticks"] == 101
    assert scene.instrument["dirty"] == 1


def test_a_gap_resyncs_and_the_event_begins_the_new_buffer() -> None:
    """One missing id makes the book RESYNCING; a snapshot on the gap's edge mends it."""
    scene = a_synced_book()
    depth(scene, 12, 13, {101: 9}, {})
    assert told(scene) == [(SYNCED, RESYNCING, Code.BOOK_NOT_SYNCED)]
    assert asked(scene) == [ActionKind.RESYNC]
    snapshot(scene, 11, {100: 4}, {102: 6})
    assert scene.book["state"] == SYNCED
    assert side_of(scene, BID) == {100: 4, 101: 9}


def test_a_gap_inside_the_buffer_starts_again() -> None:
    """Buffered events obey the same rule among each other."""
    scene = a_scene()
    depth(scene, 11, 12, {101: 7}, {})
    depth(scene, 14, 14, {101: 8}, {})
    snapshot(scene, 11, {100: 5}, {102: 6})
    assert scene.book["state"] == RESYNCING
    assert scene.book["pending_count"] == 0


def test_a_crossed_book_is_not_believed() -> None:
    """An event that leaves bid at or above ask resyncs."""
    scene = a_synced_book()
    depth(scene, 11, 11, {102: 1}, {})
    assert told(scene) == [(SYNCED, RESYNCING, Code.BOOK_NOT_SYNCED)]


def test_an_impossible_level_is_not_believed() -> None:
    """A price of zero or a negative quantity makes the whole book unusable."""
    scene = a_synced_book()
    depth(scene, 11, 11, {0: 1}, {})
    assert told(scene) == [(SYNCED, RESYNCING, Code.BOOK_NOT_SYNCED)]


def test_a_buffer_of_too_many_events_starts_again_with_the_newest() -> None:
    """A snapshot from before the newest event is then too old; one beside it is right."""
    scene = a_scene()
    for update in range(11, 12 + PENDING_EVENTS_CAPACITY):
        depth(scene, update, update, {90: update}, {})
    newest = 11 + PENDING_EVENTS_CAPACITY
    assert scene.book["pending_count"] == 1
    snapshot(scene, newest - 2, {100: 5}, {102: 6})
    assert scene.book["state"] == RESYNCING
    snapshot(scene, newest - 1, {100: 5}, {102: 6})
    assert scene.book["state"] == SYNCED
    assert side_of(scene, BID) == {90: newest, 100: 5}


def test_an_event_larger_than_the_buffer_is_dropped_and_shows_as_a_gap() -> None:
    """What cannot be kept is not kept in part."""
    scene = a_scene()
    depth(scene, 11, 11, dict.fromkeys(range(1, PENDING_LEVELS_CAPACITY + 2), 1), {})
    depth(scene, 12, 12, {90: 2}, {})
    assert scene.book["pending_count"] == 1
    snapshot(scene, 10, {100: 5}, {102: 6})
    assert scene.book["state"] == RESYNCING


def test_resyncs_come_less_often_until_the_book_has_held() -> None:
    """The first question is at once, the next after half a second, then a second."""
    scene = a_scene()
    times = []
    for tick in range(40):
        scene.begin(SECOND + tick * 100 * MS)
        book.check_age(scene.state, 0, scene.out)
        times += [tick] * len(scene.actions())
    assert times == [0, 5, 15, 35]
    scene.begin(5 * SECOND)
    snapshot(scene, 10, {100: 5}, {102: 6})
    scene.begin(16 * SECOND)
    depth(scene, 11, 11, {99: 1}, {})
    depth(scene, 13, 13, {99: 1}, {})
    assert asked(scene) == [ActionKind.RESYNC]


# The truth: a market of its own, delivered badly.


@st.composite
def deliveries(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    """Return messages of an 18-update market: events (U, u), some lost, doubled; snapshots."""
    cuts = sorted(draw(st.sets(st.integers(1, 17), max_size=9)))
    events = list(zip([0, *cuts], [*cuts, 18], strict=True))
    messages: list[tuple[str, int, int]] = []
    for begin, end in events:
        for _ in range(draw(st.sampled_from([1, 1, 1, 1, 0, 2]))):
            messages.append(("depth", begin + 1, end))
        if draw(st.booleans()):
            messages.append(("snapshot", draw(st.integers(0, end)), 0))
    return messages


CHANGES = st.tuples(st.booleans(), st.integers(1, 6), st.integers(0, 3))


@settings(max_examples=80)
@given(st.lists(CHANGES, min_size=18, max_size=18), deliveries())
def test_a_synced_book_is_the_market_at_its_update_id(
    changes: list[tuple[bool, int, int]], messages: list[tuple[str, int, int]]
) -> None:
    """Whatever is lost, doubled or late: SYNCED means equal to the truth; and it recovers."""
    truth: list[tuple[dict[int, int], dict[int, int]]] = [({1: 1}, {20: 1})]
    for is_bid, offset, lots in changes:
        sides = (dict(truth[-1][0]), dict(truth[-1][1]))
        sides[not is_bid][offset + (0 if is_bid else 14)] = lots
        truth.append(sides)
    scene = a_scene()
    for step, (kind, first, last) in enumerate([*messages, ("snapshot", 18, 0)]):
        scene.begin((step + 1) * 20 * SECOND)
        if kind == "snapshot":
            snapshot(scene, first, *(live(side) for side in truth[first]))
        else:
            depth(scene, first, last, *union(truth, changes, first, last))
        if scene.book["state"] == SYNCED:
            now = truth[scene.book["last_update_id"]]
            assert (side_of(scene, BID), side_of(scene, ASK)) == (live(now[0]), live(now[1]))
    assert scene.book["state"] == SYNCED


def live(side: dict[int, int]) -> dict[int, int]:
    """Return the levels that hold anything."""
    return {ticks: lots for ticks, lots in side.items() if lots}


def union(
    truth: list[tuple[dict[int, int], dict[int, int]]],
    changes: list[tuple[bool, int, int]],
    first: int,
    last: int,
) -> tuple[dict[int, int], dict[int, int]]:
    """Return the levels that updates first to last changed, as they are after the last."""
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    for is_bid, offset, _ in changes[first - 1 : last]:
        ticks = offset + (0 if is_bid else 14)
        (bids if is_bid else asks)[ticks] = truth[last][not is_bid][ticks]
    return bids, asks


# The touch.


def test_the_touch_is_the_newer_of_book_ticker_and_depth() -> None:
    """By update id; a tie goes to depth, and an older bookTicker changes nothing."""
    scene = a_synced_book()
    touch(scene, 10, (90, 1), (110, 1))
    assert scene.instrument["bid_ticks"] == 100
    touch(scene, 12, (101, 2), (102, 3))
    assert (scene.instrument["bid_ticks"], scene.instrument["bid_lots"]) == (101, 2)
    touch(scene, 11, (90, 1), (110, 1))
    assert scene.instrument["bid_ticks"] == 101
    depth(scene, 11, 11, {99: 4}, {})
    assert scene.instrument["bid_ticks"] == 101
    depth(scene, 12, 13, {101: 5}, {})
    assert (scene.instrument["bid_ticks"], scene.instrument["bid_lots"]) == (101, 5)
    assert scene.instrument["touch_update_id"] == 13


# Silence.


def silent(scene: Scene) -> None:
    """Let the book grow just too old, so that it asks for a REST touch."""
    scene.begin(3 * SECOND)
    with nothing_told(scene):
        book.check_age(scene.state, 0, scene.out)
    scene.begin(3 * SECOND + 1)
    book.check_age(scene.state, 0, scene.out)
    assert asked(scene) == [ActionKind.ASK_TOUCH]
    book.check_age(scene.state, 0, scene.out)
    assert len(scene.actions()) == 1


def test_after_silence_an_equal_rest_touch_is_fresh() -> None:
    """The age begins anew and nothing is told."""
    scene = a_synced_book()
    silent(scene)
    with nothing_told(scene):
        book.apply_touch_answer(scene.state, touch_event(0, (100, 5), (102, 6)), scene.out)
    assert scene.book["state"] == SYNCED
    assert scene.instrument["frame_ns"] == 3 * SECOND + 1


@pytest.mark.parametrize(
    ("bid", "ask"),
    [((101, 5), (102, 6)), ((100, 4), (102, 6)), ((100, 5), (103, 6)), ((100, 5), (102, 7))],
)
def test_after_silence_a_different_rest_touch_is_stale(
    bid: tuple[int, int], ask: tuple[int, int]
) -> None:
    """Each of the four numbers counts; a snapshot is asked for."""
    scene = a_synced_book()
    silent(scene)
    scene.begin()
    book.apply_touch_answer(scene.state, touch_event(0, bid, ask), scene.out)
    assert told(scene) == [(SYNCED, STALE, Code.FEED_STALE)]
    assert scene.facts()[0]["value"] == 2 * SECOND + 1
    assert scene.facts()[0]["bound"] == 2 * SECOND
    assert asked(scene) == [ActionKind.RESYNC]


def test_a_frame_between_question_and_answer_has_decided() -> None:
    """The answer then says nothing about silence."""
    scene = a_synced_book()
    silent(scene)
    touch(scene, 11, (100, 4), (102, 6))
    with nothing_told(scene):
        book.apply_touch_answer(scene.state, touch_event(0, (100, 5), (102, 6)), scene.out)
    assert scene.book["state"] == SYNCED


def test_no_answer_is_stale_too() -> None:
    """A question that has waited as long as a book may be silent is answered by doubt."""
    scene = a_synced_book()
    silent(scene)
    scene.begin(5 * SECOND + 1)
    book.check_age(scene.state, 0, scene.out)
    assert told(scene) == []
    scene.begin(5 * SECOND + 2)
    book.check_age(scene.state, 0, scene.out)
    assert told(scene) == [(SYNCED, STALE, Code.FEED_STALE)]


def a_stale_book() -> Scene:
    """Return a book that silence made STALE at 3 s."""
    scene = a_synced_book()
    silent(scene)
    book.apply_touch_answer(scene.state, touch_event(0, (1, 1), (2, 1)), scene.out)
    assert scene.book["state"] == STALE
    scene.begin()
    return scene


def test_stale_ends_with_the_next_depth_event() -> None:
    """In sequence and uncrossed it is SYNCED again; out of sequence it is RESYNCING."""
    scene = a_stale_book()
    depth(scene, 11, 11, {99: 2}, {})
    assert told(scene) == [(STALE, SYNCED, Code.NONE)]
    scene = a_stale_book()
    depth(scene, 12, 12, {99: 2}, {})
    assert told(scene) == [(STALE, RESYNCING, Code.BOOK_NOT_SYNCED)]


def test_stale_ends_with_a_newer_uncrossed_touch() -> None:
    """One that is no newer, or crossed, leaves the doubt."""
    scene = a_stale_book()
    touch(scene, 10, (100, 5), (102, 6))
    touch(scene, 11, (102, 5), (102, 6))
    assert scene.book["state"] == STALE
    touch(scene, 12, (101, 5), (102, 6))
    assert told(scene) == [(STALE, SYNCED, Code.NONE)]


def test_a_snapshot_never_ends_stale() -> None:
    """It renews what is shown, unless it is older than that."""
    scene = a_stale_book()
    snapshot(scene, 9, {97: 5}, {104: 6})
    assert scene.instrument["bid_ticks"] == 100
    snapshot(scene, 12, {98: 5}, {103: 6})
    assert scene.book["state"] == STALE
    assert scene.instrument["bid_ticks"] == 98
    depth(scene, 13, 13, {99: 1}, {})
    assert told(scene) == [(STALE, SYNCED, Code.NONE)]


def test_a_stale_book_that_hears_nothing_asks_for_a_new_link() -> None:
    """Once each time as long as a book may be silent: the socket is open but dead."""
    scene = a_stale_book()
    seen = []
    for tick in range(50):
        scene.begin(3 * SECOND + tick * 100 * MS)
        book.check_age(scene.state, 0, scene.out)
        seen += [(tick, a["kind"], a["link"]) for a in scene.actions()]
    assert seen == [(k, ActionKind.RECONNECT, Link.MARKET) for k in (21, 42)]


def test_a_broken_message_resyncs() -> None:
    """Nothing is decided on what may be half."""
    scene = a_synced_book()
    book.apply_broken(scene.state, an_event(), scene.out)
    assert told(scene) == [(SYNCED, RESYNCING, Code.BOOK_NOT_SYNCED)]
    assert asked(scene) == [ActionKind.RESYNC]


def test_the_link_down_makes_every_book_resync_and_forgets_ids() -> None:
    """Nothing is asked for before the link is up; a market whose ids begin anew is followed."""
    scene = a_synced_book()
    scene.core["market_up"] = 0
    book.apply_link_down(scene.state, an_event(link=Link.MARKET), scene.out)
    assert told(scene) == [(SYNCED, RESYNCING, Code.FEED_STALE)]
    with nothing_told(scene):
        book.check_age(scene.state, 0, scene.out)
    scene.core["market_up"] = 1
    book.check_age(scene.state, 0, scene.out)
    assert asked(scene) == [ActionKind.RESYNC]
    snapshot(scene, 3, {90: 5}, {92: 6})
    assert scene.book["state"] == SYNCED
    assert scene.instrument["bid_ticks"] == 90
    touch(scene, 4, (91, 5), (92, 6))
    assert scene.instrument["bid_ticks"] == 91


# Public trades.


def trade(
    scene: Scene, trade_id: int, price_ticks: int, *, exch_ns: int = 0, side: int = 1
) -> None:
    """Hand over one public trade, by default by a seller."""
    event = an_event(
        trade_id=trade_id,
        price_ticks=price_ticks,
        qty_lots=1,
        aggressor_side=side,
        ts_ns=int(scene.core["now_ns"]),
        exch_ts_ns=exch_ns,
    )
    book.apply_public_trade(scene.state, event, scene.out)


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


@pytest.mark.parametrize("price", [99, 103])
def test_an_unexplained_trade_outside_the_touch_is_stale_at_once(price: int) -> None:
    """A newer touch, or a depth event of its time, ends the doubt."""
    scene = a_book_with_venue_time()
    trade(scene, 1, price, exch_ns=60 * MS)
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


# The recorded session.

RECORDED = Path(__file__).parents[3] / "shared/data/binance-spot"
DAYS = [RECORDED / f"btcusdt_{day}.gz" for day in (20240808, 20240809)]
TICK_E8, LOT_E8 = 1_000_000, 1_000


def frames(paths: list[Path]) -> Iterator[tuple[int, dict[str, Any], str]]:
    """Yield receive time, payload and kind of each recorded message."""
    for path in paths:
        with gzip.open(path) as lines:
            for line in lines:
                at, _, text = line.partition(b" ")
                message = json.loads(text)
                kind = message.get("stream", "@snapshot").partition("@")[2]
                yield int(at), message.get("data", message), kind.partition("@")[0]


def steps(text: str, step_e8: int) -> int:
    """Return recorded decimal text (eight decimals) in steps."""
    return int(text.replace(".", "")) // step_e8


def rows(bids: list[list[str]], asks: list[list[str]]) -> Any:
    """Return recorded levels as rows, in the order recorded."""
    sides = [(side, p, q) for side, told in ((BID, bids), (ASK, asks)) for p, q in told]
    table = [(side, steps(p, TICK_E8), steps(q, LOT_E8)) for side, p, q in sides]
    return np.array(table, np.int64).reshape(len(table), 3)


def feed(scene: Scene, ts_ns: int, message: dict[str, Any], kind: str) -> None:
    """Hand one recorded message over."""
    scene.begin(ts_ns)
    state, out = scene.state, scene.out
    if kind == "bookTicker":
        bid = (steps(message["b"], TICK_E8), steps(message["B"], LOT_E8))
        ask = (steps(message["a"], TICK_E8), steps(message["A"], LOT_E8))
        touch(scene, message["u"], bid, ask)
    elif kind == "trade":
        price, exch_ns = steps(message["p"], TICK_E8), message["T"] * MS
        trade(scene, message["t"], price, exch_ns=exch_ns, side=int(message["m"]))
    elif kind == "depth":
        levels = rows(message["b"], message["a"])
        event = an_event(
            first_update_id=message["U"],
            last_update_id=message["u"],
            levels_end=len(levels),
            exch_ts_ns=message["E"] * MS,
            ts_ns=ts_ns,
        )
        book.apply_depth(state, event, levels, out)
    elif kind == "snapshot":
        levels = rows(message["bids"], message["asks"])
        event = an_event(last_update_id=message["lastUpdateId"], levels_end=len(levels))
        book.apply_snapshot(state, event, levels, out)


@pytest.mark.skipif(not all(day.exists() for day in DAYS), reason="no ../shared/data here")
def test_the_recorded_session_agrees_with_its_book_ticker() -> None:
    """After each depth event best bid and ask are the last bookTicker's at or below its id.

    6,490 of 6,492 events; the two others are cut inside a match burst. Once SYNCED the book is
    never doubted. Uncompiled the first 150 events must do.
    """
    most = 150 if numba.config.DISABLE_JIT else 10_000
    scene = a_scene()
    tickers: list[tuple[int, tuple[int, ...]]] = []
    agree = differ = 0
    doubts: list[tuple[int, int, int]] = []
    for ts_ns, message, kind in frames(DAYS):
        feed(scene, ts_ns, message, kind)
        doubts += told(scene)
        if kind == "bookTicker":
            bid, bid_lots, ask, ask_lots = (message[name] for name in "bBaA")
            best = (steps(bid, TICK_E8), steps(bid_lots, LOT_E8))
            best += (steps(ask, TICK_E8), steps(ask_lots, LOT_E8))
            tickers.append((message["u"], best))
        if kind != "depth" or scene.book["state"] != SYNCED:
            continue
        while len(tickers) > 1 and tickers[1][0] <= message["u"]:
            tickers.pop(0)
        if tickers and tickers[0][0] <= message["u"]:
            agree += best_of(scene) == tickers[0][1]
            differ += best_of(scene) != tickers[0][1]
        if agree + differ == most:
            break
    assert doubts == [(RESYNCING, SYNCED, Code.NONE)]
    assert (agree, differ) == ((150, 0) if most == 150 else (6_490, 2))


def best_of(scene: Scene) -> tuple[int, ...]:
    """Return price and lots of the rebuilt book's best bid, then ask."""
    levels = ((side, int(scene.book["count"][side]) - 1) for side in (BID, ASK))
    return tuple(int(scene.book[name][at]) for at in levels for name in ("ticks", "lots"))
