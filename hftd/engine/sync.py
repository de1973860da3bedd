"""Whether one instrument's book may be believed: SYNCED, STALE or RESYNCING.

Owns the book's state and every question to the venue about it. Must not touch levels.

    state       means                                      leaves it by
    RESYNCING   not in sequence; events are buffered       snapshot + buffer in sequence, uncrossed
                                                           (-> STALE where depth is known dead)
    SYNCED      in sequence, uncrossed, not doubted        gap, crossed, unreadable -> RESYNCING
                                                           silence, unexplained trade -> STALE
    STALE       in sequence, yet the market is elsewhere   the next depth event or newer touch

A snapshot never ends STALE: it would let a dead stream look alive; the stream has to speak.
RESYNCING asks for no new link: it quotes nothing, and a new link takes every other book down.
Each stream of an instrument may die alone. Whatever depth should hold and does not, a trade
outside the touch or a touch of a later update, is on trial until the next depth event; one that
does not come makes the book STALE, however much the other streams say. What is on trial stays so
while the book is RESYNCING: a snapshot in time ends the trial, one that comes later finds the
stream dead and makes the book STALE.
The market link's fall makes every book RESYNCING. Snapshots are asked for at once, then less
and less often, until the book has held for a while.
"""

from __future__ import annotations

from typing import Any

from hftd.domain.actions import ActionKind
from hftd.domain.codes import BookState, Code
from hftd.domain.events import Link
from hftd.domain.facts import FactKind
from hftd.domain.kernel import kernel
from hftd.engine.emit import add_action, add_fact, resync
from hftd.engine.state import Out, State

RESYNC_BACKOFF_NS = 500_000_000  # After the first question; doubled each time.
RESYNC_BACKOFF_DOUBLINGS = 5  # 16 s at most.
RESYNC_CALM_NS = 10_000_000_000  # A book that held so long may ask at once again.

# Every trade changes the book, as every new touch does, and a changed book is told within one
# 100 ms period (101.5 ms at most over the recorded session): one that no depth event has covered
# after this shows that the depth stream is behind the market, or dead.
UNCOVERED_LIMIT_NS = 1_000_000_000


@kernel
def hear(state: State, index: int) -> None:
    """A frame of this instrument came: it is not silent, and what it brings may matter."""
    instrument = state.instruments[index]
    instrument["frame_ns"] = state.core[0]["now_ns"]
    instrument["touch_asked_ns"] = 0
    instrument["dirty"] = 1


@kernel
def is_uncovered(state: State, index: int) -> bool:
    """Tell whether a trade outside the touch, or a touch, has waited too long for depth."""
    since = state.instruments[index]["uncovered_ns"]
    return since != 0 and state.core[0]["now_ns"] - since > UNCOVERED_LIMIT_NS


@kernel
def heard_update_id(book: Any) -> int:
    """Return up to which update depth has told, whether it is applied or buffered."""
    count = book["pending_count"]
    if count == 0:
        return book["last_update_id"]
    return max(book["last_update_id"], book["pending_last"][count - 1])


@kernel
def try_touch(state: State, index: int) -> None:
    """Put a touch that is newer than depth on trial: any depth event after it ends that."""
    instrument = state.instruments[index]
    newer = instrument["touch_update_id"] > heard_update_id(state.books[index])
    if newer and instrument["uncovered_ns"] == 0:
        instrument["uncovered_ns"] = state.core[0]["now_ns"]
        instrument["uncovered_exch_ns"] = instrument["depth_exch_ns"]


@kernel
def drop_buffer(book: Any) -> None:
    """Forget buffered events."""
    book["pending_count"] = 0
    book["pending_rows"] = 0


@kernel
def apply_touch_answer(state: State, event: Any, out: Out) -> None:
    """Let the REST touch decide about silence: equal is fresh, different is STALE.

    A frame that came between question and answer has decided already.
    """
    index = event["instrument"]
    instrument = state.instruments[index]
    if instrument["touch_asked_ns"] == 0:
        return
    instrument["touch_asked_ns"] = 0
    instrument["dirty"] = 1
    equal = (
        event["bid_ticks"] == instrument["bid_ticks"]
        and event["bid_lots"] == instrument["bid_lots"]
        and event["ask_ticks"] == instrument["ask_ticks"]
        and event["ask_lots"] == instrument["ask_lots"]
    )
    if equal:
        instrument["frame_ns"] = state.core[0]["now_ns"]
    else:
        become_stale(state, index, out)


@kernel
def apply_broken(state: State, event: Any, out: Out) -> None:
    """A message of the instrument could not be read: nothing is decided on what may be half."""
    begin_resync(state, event["instrument"], out, Code.BOOK_NOT_SYNCED)


@kernel
def apply_link_down(state: State, _event: Any, out: Out) -> None:
    """The market link fell: no book is in sequence any more, and ids may begin anew."""
    for index in range(state.core[0]["instruments"]):
        instrument = state.instruments[index]
        change(state, index, BookState.RESYNCING, Code.FEED_STALE, out)
        drop_buffer(state.books[index])
        instrument["touch_update_id"] = 0
        instrument["touch_asked_ns"] = 0
        instrument["last_trade_id"] = 0
        instrument["uncovered_ns"] = 0
        instrument["resync_asked_ns"] = 0
        instrument["resync_attempt"] = 0
        for side in range(2):
            state.targets[index, side]["miss_update_id"] = 0


@kernel
def check_age(state: State, index: int, out: Out) -> None:
    """On each pulse: ask again for what is missing, and doubt a book that has gone silent.

    Marks the instrument dirty: time alone may change a decision.
    """
    core = state.core[0]
    instrument = state.instruments[index]
    book = state.books[index]
    instrument["dirty"] = 1
    if core["market_up"] == 0:
        return
    try_touch(state, index)
    if book["state"] == BookState.RESYNCING:
        ask_snapshot(state, index, out)
        return
    age = core["now_ns"] - instrument["frame_ns"]
    if book["state"] == BookState.STALE:
        reconnect_if_dead(state, index, age, out)
    elif is_uncovered(state, index):
        become_stale(state, index, out)
    elif age > core["max_book_age_ns"] and instrument["touch_asked_ns"] == 0:
        instrument["touch_asked_ns"] = core["now_ns"]
        add_action(state, out, ActionKind.ASK_TOUCH, index)
    elif 0 < instrument["touch_asked_ns"] < core["now_ns"] - core["max_book_age_ns"]:
        # No answer is no proof of life either.
        instrument["touch_asked_ns"] = 0
        become_stale(state, index, out)


@kernel
def reconnect_if_dead(state: State, index: int, age_ns: int, out: Out) -> None:
    """Ask for a new market link where a STALE book, or its depth alone, hears nothing.

    The socket is open, but it or one of its streams is dead.
    """
    core = state.core[0]
    book = state.books[index]
    limit = core["max_book_age_ns"]
    dead = age_ns > limit or is_uncovered(state, index)
    if dead and core["now_ns"] - book["stale_ns"] > limit:
        book["stale_ns"] = core["now_ns"]
        action = add_action(state, out, ActionKind.RECONNECT, index)
        action["link"] = Link.MARKET


@kernel
def become_stale(state: State, index: int, out: Out) -> None:
    """Doubt the book, and ask for a snapshot so that what is shown is at least recent."""
    change(state, index, BookState.STALE, Code.FEED_STALE, out)
    state.books[index]["stale_ns"] = state.core[0]["now_ns"]
    ask_snapshot(state, index, out)


@kernel
def begin_resync(state: State, index: int, out: Out, code: int) -> None:
    """Stop believing the book, forget the buffer and ask for a snapshot."""
    change(state, index, BookState.RESYNCING, code, out)
    drop_buffer(state.books[index])
    ask_snapshot(state, index, out)


@kernel
def ask_snapshot(state: State, index: int, out: Out) -> None:
    """Ask for a snapshot: at once the first time, then after a growing pause."""
    instrument = state.instruments[index]
    now, attempt = state.core[0]["now_ns"], instrument["resync_attempt"]
    if now < state.core[0]["rate_limited_until_ns"]:
        return
    if attempt > 0:
        pause = RESYNC_BACKOFF_NS << min(attempt - 1, RESYNC_BACKOFF_DOUBLINGS)
        if now - instrument["resync_asked_ns"] < pause:
            return
    instrument["resync_asked_ns"] = now
    instrument["resync_attempt"] = attempt + 1
    resync(state, out, index)


@kernel
def change(state: State, index: int, to: int, code: int, out: Out) -> None:
    """Move the book's state and tell it, where it is a change; FEED_STALE tells the age."""
    book = state.books[index]
    before = book["state"]
    if before == to:
        return
    book["state"] = to
    instrument = state.instruments[index]
    instrument["dirty"] = 1
    fact = add_fact(state, out, FactKind.BOOK, index)
    fact["state_from"] = before
    fact["state_to"] = to
    fact["code"] = code
    if code == Code.FEED_STALE:
        fact["value"] = state.core[0]["now_ns"] - instrument["frame_ns"]
        fact["bound"] = state.core[0]["max_book_age_ns"]
    elif code == Code.BOOK_NOT_SYNCED:
        fact["value"] = to
        fact["bound"] = BookState.SYNCED
