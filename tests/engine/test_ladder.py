"""A side of the book against a dict."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hftd.engine import ladder
from hftd.engine.state import LEVELS_CAPACITY
from tests.engine.scene import ASK, BID, a_scene, side_of

CHANGES = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 3)), max_size=60)


@settings(max_examples=60)
@given(CHANGES, st.sampled_from([BID, ASK]))
def test_a_side_holds_what_a_dict_holds(changes: list[tuple[int, int]], side: int) -> None:
    """Levels are set, changed and removed as in a dict, sorted with the best last."""
    scene = a_scene()
    naive: dict[int, int] = {}
    for ticks, lots in changes:
        ladder.set_level(scene.book, side, ticks, lots)
        naive.pop(ticks, None)
        if lots:
            naive[ticks] = lots
        best = (max if side == BID else min)(naive, default=0)
        assert ladder.best_ticks(scene.book, side) == best
        assert ladder.best_lots(scene.book, side) == naive.get(best, 0)
    assert side_of(scene, side) == naive


def full_side() -> Any:
    """Return a book whose asks are full, from 10 ticks up."""
    scene = a_scene()
    for ticks in range(LEVELS_CAPACITY + 9, 9, -1):
        ladder.set_level(scene.book, ASK, ticks, 1)
    return scene.book


def test_a_full_side_drops_its_farthest_level() -> None:
    """A better level takes the place of the farthest; one beyond all is not taken."""
    book = full_side()
    ladder.set_level(book, ASK, LEVELS_CAPACITY + 20, 7)
    assert book["count"][ASK] == LEVELS_CAPACITY
    assert book["ticks"][ASK, 0] == LEVELS_CAPACITY + 9
    assert ladder.best_ticks(book, ASK) == 10
    ladder.set_level(book, ASK, 5, 7)
    assert book["count"][ASK] == LEVELS_CAPACITY
    assert book["ticks"][ASK, 0] == LEVELS_CAPACITY + 8
    assert ladder.best_ticks(book, ASK) == 5
    assert ladder.best_lots(book, ASK) == 7


def test_a_full_side_takes_a_level_in_its_midst() -> None:
    """What is farther than the new level moves over the farthest; what is nearer stays."""
    book = full_side()
    ladder.set_level(book, ASK, 12, 0)
    ladder.set_level(book, ASK, 13, 0)
    ladder.set_level(book, ASK, 4_200, 2)
    ladder.set_level(book, ASK, 12, 3)
    ladder.set_level(book, ASK, 13, 4)
    ticks = [int(price) for price in book["ticks"][ASK, -5:]]
    assert ticks == [14, 13, 12, 11, 10]
    assert [int(lots) for lots in book["lots"][ASK, -5:]] == [1, 4, 3, 1, 1]
    assert book["ticks"][ASK, 0] == LEVELS_CAPACITY + 9
    ladder.set_level(book, ASK, LEVELS_CAPACITY + 9, 8)
    ladder.set_level(book, ASK, LEVELS_CAPACITY + 8, 9)
    ladder.set_level(book, ASK, 9, 5)
    assert [int(lots) for lots in book["lots"][ASK, :2]] == [9, 1]
    assert book["count"][ASK] == LEVELS_CAPACITY


def test_a_locked_or_crossed_book_is_crossed() -> None:
    """A best bid at or above the best ask is crossed; an empty side never is."""
    scene = a_scene()
    ladder.set_level(scene.book, BID, 10, 1)
    assert not ladder.is_crossed(scene.book)
    ladder.set_level(scene.book, ASK, 11, 1)
    assert not ladder.is_crossed(scene.book)
    ladder.set_level(scene.book, ASK, 10, 1)
    assert ladder.is_crossed(scene.book)
