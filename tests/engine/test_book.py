"""The depth rule and the touch: by example, and against the truth of a market."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hftd.domain.actions import ActionKind
from hftd.domain.codes import Code
from hftd.engine import book, sync
from hftd.engine.state import PENDING_EVENTS_CAPACITY, PENDING_LEVELS_CAPACITY
from tests.engine.feed import RESYNCING, SYNCED, a_synced_book, asked, depth, snapshot, told, touch
from tests.engine.scene import ASK, BID, SECOND, a_scene, nothing_told, side_of

# The depth rule.


@pytest.mark.parametrize(("first", "last"), [(11, 12), (5, 11), (5, 15)])
def test_the_first_event_covers_what_follows_the_snapshot(first: int, last: int) -> None:
    """U <= S + 1 <= u is in sequence: on the snapshot's edge, and with the snapshot inside."""
    scene = a_scene()
    depth(scene, first, last, {101: 7}, {})
    assert asked(scene) == [ActionKind.RESYNC]
    scene.instrument["dirty"] = 0
    snapshot(scene, 10, {100: 5}, {102: 6})
    assert scene.instrument["dirty"] == 1
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
    assert (scene.facts()[0]["value"], scene.facts()[0]["bound"]) == (RESYNCING, SYNCED)
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


def test_a_buffer_of_too_many_levels_starts_again_with_the_newest() -> None:
    """It may be filled to its last row, by several events or by one."""
    half = dict.fromkeys(range(1, PENDING_LEVELS_CAPACITY // 2 + 1), 1)
    scene = a_scene()
    depth(scene, 11, 11, half, {})
    depth(scene, 12, 12, half, {})
    assert (scene.book["pending_count"], scene.book["pending_rows"]) == (2, PENDING_LEVELS_CAPACITY)
    depth(scene, 13, 13, {90: 2}, {})
    assert (scene.book["pending_count"], scene.book["pending_rows"]) == (1, 1)
    depth(scene, 14, 14, dict.fromkeys(range(1, PENDING_LEVELS_CAPACITY + 1), 1), {})
    assert (scene.book["pending_count"], scene.book["pending_rows"]) == (1, PENDING_LEVELS_CAPACITY)


def test_an_event_larger_than_the_buffer_is_dropped_and_shows_as_a_gap() -> None:
    """What cannot be kept is not kept in part."""
    scene = a_scene()
    depth(scene, 11, 11, dict.fromkeys(range(1, PENDING_LEVELS_CAPACITY + 2), 1), {})
    depth(scene, 12, 12, {90: 2}, {})
    assert scene.book["pending_count"] == 1
    snapshot(scene, 10, {100: 5}, {102: 6})
    assert scene.book["state"] == RESYNCING


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
