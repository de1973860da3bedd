"""Market messages handed to the book, and what it told and asked for in return."""

from __future__ import annotations

from typing import Any

from hftd.domain.codes import BookState
from hftd.domain.facts import FactKind
from hftd.engine import book
from tests.engine.scene import Scene, a_scene, an_event, levels_of

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
