"""SYNCED, STALE, RESYNCING: how silence is judged and what the venue is asked."""

from __future__ import annotations

import pytest

from hftd.domain.actions import ActionKind
from hftd.domain.codes import Code
from hftd.domain.events import Link
from hftd.engine import book
from tests.engine.feed import (
    RESYNCING,
    STALE,
    SYNCED,
    a_synced_book,
    asked,
    depth,
    snapshot,
    told,
    touch,
    touch_event,
)
from tests.engine.scene import MS, SECOND, Scene, a_scene, an_event, nothing_told


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
    assert scene.instrument["resync_attempt"] == 1


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
    scene.begin(5 * SECOND + 2)
    book.check_age(scene.state, 0, scene.out)
    assert asked(scene) == [ActionKind.ASK_TOUCH]


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
    touch(scene, 12, (0, 0), (102, 6))
    assert scene.book["state"] == STALE
    touch(scene, 13, (101, 5), (102, 6))
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


def pulses(scene: Scene, first: int, last: int) -> None:
    """Let ten pulses a second pass, each with a newer touch than before."""
    for tick in range(first, last):
        scene.begin(SECOND + tick * 100 * MS)
        touch(scene, 11 + tick, (100, 5 + tick), (102, 6))
        book.check_age(scene.state, 0, scene.out)


def test_touches_that_no_depth_follows_are_stale_and_ask_for_a_new_link() -> None:
    """Their stream lives, that of depth has died: STALE after a second, anew two seconds later."""
    scene = a_synced_book()
    pulses(scene, 0, 11)
    assert scene.book["state"] == SYNCED
    pulses(scene, 11, 12)
    assert told(scene) == [(SYNCED, STALE, Code.FEED_STALE)]
    pulses(scene, 12, 32)
    assert scene.book["state"] == STALE
    assert asked(scene) == []
    pulses(scene, 32, 33)
    assert asked(scene) == [ActionKind.RECONNECT]
    assert scene.actions()[0]["link"] == Link.MARKET


def test_any_depth_event_ends_the_trial_of_a_touch() -> None:
    """One that does not hold the touch yet shows that the stream lives; the trial begins anew."""
    scene = a_synced_book()
    pulses(scene, 0, 10)
    depth(scene, 11, 11, {99: 1}, {}, exch_ts_ns=1)
    pulses(scene, 10, 21)
    assert scene.book["state"] == SYNCED
    pulses(scene, 21, 22)
    assert told(scene) == [(SYNCED, STALE, Code.FEED_STALE)]
    depth(scene, 12, 40, {99: 2}, {}, exch_ts_ns=2)
    assert scene.book["state"] == SYNCED


def test_a_snapshot_does_not_revive_a_depth_stream_that_is_dead() -> None:
    """Known dead before the book was lost, it is so after: only depth makes the book SYNCED."""
    scene = a_synced_book()
    pulses(scene, 0, 12)
    assert scene.book["state"] == STALE
    book.apply_broken(scene.state, an_event(), scene.out)
    pulses(scene, 12, 60)
    scene.begin(7 * SECOND)
    snapshot(scene, 60, {100: 5}, {102: 6})
    assert told(scene) == [(RESYNCING, STALE, Code.FEED_STALE)]
    assert (scene.instrument["touch_update_id"], scene.instrument["bid_lots"]) == (70, 64)
    pulses(scene, 60, 81)
    assert asked(scene) == []
    pulses(scene, 81, 82)
    assert (scene.book["state"], asked(scene)) == (STALE, [ActionKind.RECONNECT])
    depth(scene, 61, 95, {100: 86}, {})
    assert told(scene) == [(STALE, SYNCED, Code.NONE)]


@pytest.mark.parametrize(
    ("heard", "silent_pulses", "state"),
    [(0, 11, SYNCED), (0, 12, STALE), (30, 12, SYNCED), (29, 12, STALE)],
    ids=["in time", "none at all", "up to the last touch", "up to one before"],
)
def test_touches_put_depth_on_trial_before_a_snapshot_too(
    heard: int, silent_pulses: int, state: int
) -> None:
    """A link whose depth was mute for a second, or fell so after it spoke, is not believed."""
    scene = a_scene()
    pulses(scene, 0, 20)  # Touches up to update 30, on trial since the first.
    if heard:
        depth(scene, 1, heard, {100: 5}, {102: 6}, exch_ts_ns=1)
    else:
        scene.core["market_up"] = 0
        book.apply_link_down(scene.state, an_event(link=Link.MARKET), scene.out)
        scene.core["market_up"] = 1
        touch(scene, 30, (100, 5), (102, 6))
    for tick in range(20, 20 + silent_pulses):
        scene.begin(SECOND + tick * 100 * MS)
        book.check_age(scene.state, 0, scene.out)
    scene.begin()
    snapshot(scene, 40, {100: 5}, {102: 6})
    assert told(scene)[-1][:2] == (RESYNCING, state)


def test_a_snapshot_in_time_ends_the_trial_of_a_touch() -> None:
    """What was on trial is in it: the next newer touch begins another second."""
    scene = a_synced_book()
    pulses(scene, 0, 8)
    book.apply_broken(scene.state, an_event(), scene.out)
    snapshot(scene, 30, {100: 5}, {102: 6})
    assert scene.book["state"] == SYNCED
    pulses(scene, 8, 31)  # Updates from 31 on are newer than the snapshot.
    assert scene.book["state"] == SYNCED
    pulses(scene, 31, 32)
    assert told(scene) == [(SYNCED, STALE, Code.FEED_STALE)]


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
    for name in ("touch_update_id", "touch_asked_ns", "last_trade_id", "uncovered_ns"):
        assert scene.instrument[name] == 0
    assert scene.instrument["resync_attempt"] == 0
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


def test_a_mute_link_is_opened_anew_once_a_snapshot_has_shown_it_mute() -> None:
    """Nothing is quoted before one; it makes the book SYNCED, which is doubted for its silence."""
    scene = a_scene()
    for tick in range(100):  # Ten seconds without a snapshot: the market may as well be quiet.
        scene.begin(SECOND + tick * 100 * MS)
        book.check_age(scene.state, 0, scene.out)
        assert set(asked(scene)) <= {ActionKind.RESYNC}
    snapshot(scene, 10, {100: 5}, {102: 6})
    kinds = []
    for tick in range(100, 150):
        scene.begin(SECOND + tick * 100 * MS)
        book.check_age(scene.state, 0, scene.out)
        if asked(scene) == [ActionKind.ASK_TOUCH]:
            book.apply_touch_answer(scene.state, touch_event(0, (101, 5), (103, 6)), scene.out)
        kinds += [(tick - 100, action["kind"]) for action in scene.actions()]
    doubted = [each for each in kinds if each[1] != ActionKind.RESYNC]
    assert doubted == [(20, ActionKind.ASK_TOUCH), (41, ActionKind.RECONNECT)]
