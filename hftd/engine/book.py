"""One instrument's book: depth in sequence and the touch.

Owns what is written into the BOOK records and the touch. Sides stand in ladder.py, whether the
book may be believed in sync.py, public trades in prints.py; this module is the face of all
three. Must not know strategies, nor how a snapshot is fetched.

The depth rule: after a snapshot S an event (U, u) with u <= S is old; the first other one must
have U <= S + 1 <= u, which covers both a snapshot inside an event and one on its edge; each
later one U <= last + 1. A buffer that overflows starts again with the newest event.

The touch is the newer of bookTicker and depth by update id; they lie on one axis.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hftd.domain.codes import BookState, Code
from hftd.domain.kernel import kernel
from hftd.domain.order import Side
from hftd.engine.ladder import best_lots, best_ticks, is_crossed, set_level
from hftd.engine.prints import apply_public_trade, forget_own_trade, median_trade_ticks
from hftd.engine.state import PENDING_EVENTS_CAPACITY, PENDING_LEVELS_CAPACITY, Out, State
from hftd.engine.sync import (
    RESYNC_CALM_NS,
    apply_broken,
    apply_link_down,
    apply_touch_answer,
    ask_snapshot,
    become_stale,
    begin_resync,
    change,
    check_age,
    drop_buffer,
    hear,
    is_uncovered,
)

__all__ = [
    "apply_broken",
    "apply_depth",
    "apply_link_down",
    "apply_public_trade",
    "apply_snapshot",
    "apply_touch",
    "apply_touch_answer",
    "check_age",
    "forget_own_trade",
    "median_trade_ticks",
]

Levels = np.ndarray[Any, np.dtype[np.int64]]


@kernel
def apply_depth(state: State, event: Any, levels: Levels, out: Out) -> None:
    """Apply one depth event in sequence; ignore an old one; resync on a gap.

    Shapes: levels (rows, 3) int64: side, ticks, lots; the event's rows are levels_begin to
    levels_end.
    """
    index = event["instrument"]
    book = state.books[index]
    hear(state, index)
    if book["state"] == BookState.RESYNCING:
        buffer_depth(state, event, levels, out)
        return
    if event["last_update_id"] <= book["last_update_id"]:
        return
    if event["first_update_id"] > book["last_update_id"] + 1:
        begin_resync(state, index, out, Code.BOOK_NOT_SYNCED)
        buffer_depth(state, event, levels, out)
        return
    if not apply_levels(book, levels, event["levels_begin"], event["levels_end"]):
        begin_resync(state, index, out, Code.BOOK_NOT_SYNCED)
        return
    book["last_update_id"] = event["last_update_id"]
    settle(state, index, event["exch_ts_ns"], out)


@kernel
def apply_levels(book: Any, levels: Levels, begin: int, end: int) -> bool:
    """Set each level told; False where a row is no possible level (the book is then unusable).

    Farthest first: a snapshot comes best first, and so each insertion shifts nothing.
    """
    for row in range(end - 1, begin - 1, -1):
        if levels[row, 1] <= 0 or levels[row, 2] < 0:
            return False
        set_level(book, levels[row, 0], levels[row, 1], levels[row, 2])
    return True


@kernel
def settle(state: State, index: int, exch_ts_ns: int, out: Out) -> None:
    """After depth was applied in sequence: take the touch, believe the book unless crossed."""
    core = state.core[0]
    instrument = state.instruments[index]
    book = state.books[index]
    book["depth_ns"] = core["now_ns"]
    take_touch(state, index)
    instrument["depth_exch_ns"] = exch_ts_ns
    if exch_ts_ns == 0 or instrument["uncovered_exch_ns"] <= exch_ts_ns:
        instrument["uncovered_ns"] = 0
    instrument["through_bid_ns"] = 0
    instrument["through_ask_ns"] = 0
    if is_crossed(book):
        begin_resync(state, index, out, Code.BOOK_NOT_SYNCED)
        return
    if core["now_ns"] - instrument["resync_asked_ns"] > RESYNC_CALM_NS:
        instrument["resync_attempt"] = 0
    if not is_uncovered(state, index):
        change(state, index, BookState.SYNCED, Code.NONE, out)


@kernel
def take_touch(state: State, index: int) -> None:
    """Let depth set the touch unless a bookTicker told a newer one."""
    instrument = state.instruments[index]
    book = state.books[index]
    if book["last_update_id"] < instrument["touch_update_id"]:
        return
    instrument["touch_update_id"] = book["last_update_id"]
    instrument["touch_ns"] = state.core[0]["now_ns"]
    instrument["bid_ticks"] = best_ticks(book, Side.BUY)
    instrument["bid_lots"] = best_lots(book, Side.BUY)
    instrument["ask_ticks"] = best_ticks(book, Side.SELL)
    instrument["ask_lots"] = best_lots(book, Side.SELL)


@kernel
def buffer_depth(state: State, event: Any, levels: Levels, out: Out) -> None:
    """Keep an event until the snapshot is there; a full buffer starts again with this event."""
    index = event["instrument"]
    book = state.books[index]
    state.instruments[index]["uncovered_ns"] = 0  # It speaks, and a snapshot holds the rest.
    begin, rows = event["levels_begin"], event["levels_end"] - event["levels_begin"]
    full = (
        book["pending_count"] == PENDING_EVENTS_CAPACITY
        or book["pending_rows"] + rows > PENDING_LEVELS_CAPACITY
    )
    if full:
        drop_buffer(book)
    if rows <= PENDING_LEVELS_CAPACITY:
        at, first = book["pending_count"], book["pending_rows"]
        for row in range(rows):
            for column in range(3):
                book["pending_levels"][first + row, column] = levels[begin + row, column]
        book["pending_first"][at] = event["first_update_id"]
        book["pending_last"][at] = event["last_update_id"]
        book["pending_end"][at] = first + rows
        book["pending_exch_ns"][at] = event["exch_ts_ns"]
        book["pending_count"] = at + 1
        book["pending_rows"] = first + rows
    ask_snapshot(state, index, out)


@kernel
def apply_snapshot(state: State, event: Any, levels: Levels, out: Out) -> None:
    """Replace the book by a snapshot, then apply what was buffered beyond it.

    One that is not newer than the book, or older than the buffer, is of no use; the next
    pulse asks again. It brings what was on trial; where the trial is over depth is dead, and
    nothing would be applied to what the snapshot shows.
    """
    index = event["instrument"]
    book = state.books[index]
    state.instruments[index]["dirty"] = 1
    snapshot_id = event["last_update_id"]
    if book["state"] == BookState.SYNCED:
        return
    if book["state"] == BookState.STALE and snapshot_id < book["last_update_id"]:
        return
    if book["pending_count"] > 0 and snapshot_id < book["pending_first"][0] - 1:
        return
    book["count"][:] = 0
    book["last_update_id"] = snapshot_id
    whole = apply_levels(book, levels, event["levels_begin"], event["levels_end"])
    if not whole or not apply_buffer(state, index):
        begin_resync(state, index, out, Code.BOOK_NOT_SYNCED)
        return
    if book["state"] == BookState.STALE:
        take_touch(state, index)
        return
    state.instruments[index]["frame_ns"] = state.core[0]["now_ns"]
    if is_uncovered(state, index):
        take_touch(state, index)
        become_stale(state, index, out)
        return
    state.instruments[index]["uncovered_ns"] = 0
    settle(state, index, state.instruments[index]["depth_exch_ns"], out)


@kernel
def apply_buffer(state: State, index: int) -> bool:
    """Apply the buffered events in sequence; False where they have a gap of their own."""
    book = state.books[index]
    begin = 0
    for at in range(book["pending_count"]):
        end = book["pending_end"][at]
        if book["pending_last"][at] > book["last_update_id"]:
            if book["pending_first"][at] > book["last_update_id"] + 1:
                return False
            if not apply_levels(book, book["pending_levels"], begin, end):
                return False
            book["last_update_id"] = book["pending_last"][at]
            state.instruments[index]["depth_exch_ns"] = book["pending_exch_ns"][at]
        begin = end
    drop_buffer(book)
    return True


@kernel
def apply_touch(state: State, event: Any, out: Out) -> None:
    """Take a bookTicker that is newer than the touch; a tie goes to depth, which had it first."""
    index = event["instrument"]
    instrument = state.instruments[index]
    hear(state, index)
    if event["last_update_id"] <= instrument["touch_update_id"]:
        return
    instrument["touch_update_id"] = event["last_update_id"]
    instrument["touch_ns"] = state.core[0]["now_ns"]
    instrument["bid_ticks"] = event["bid_ticks"]
    instrument["bid_lots"] = event["bid_lots"]
    instrument["ask_ticks"] = event["ask_ticks"]
    instrument["ask_lots"] = event["ask_lots"]
    uncrossed = 0 < event["bid_ticks"] < event["ask_ticks"]
    stale = state.books[index]["state"] == BookState.STALE
    if stale and uncrossed and not is_uncovered(state, index):
        change(state, index, BookState.SYNCED, Code.NONE, out)
