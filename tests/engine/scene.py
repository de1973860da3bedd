"""Small worlds for tests of the engine's stages: state, events and levels by name.

Plain builders. Indices and ids are plain ints, so that each kernel compiles once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from hftd.domain.codes import BookState, TradingState
from hftd.domain.events import EVENT
from hftd.domain.order import OrderState, TimeInForce
from hftd.engine.state import (
    N_ACTIONS,
    N_FACTS,
    N_WISHES,
    Out,
    State,
    new_outs,
    new_world,
)

BID, ASK = 0, 1
BUY, SELL = 0, 1
SECOND = 1_000_000_000
MS = 1_000_000
INSTRUMENTS = 2


class Scene:
    """State and output of one engine, with the arrays they lie in and the parts asked for most."""

    def __init__(self, world: Any, outs: Any) -> None:
        self.world, self.outs = world, outs
        self.state: State = world[0]
        self.out: Out = outs[0]
        self.core: Any = self.state.core[0]
        self.instrument: Any = self.state.instruments[0]
        self.book: Any = self.state.books[0]
        self._counts: Any = self.out.counts

    def facts(self) -> list[dict[str, int]]:
        """Return the facts since `begin` as dicts."""
        return self._rows(N_FACTS, "facts")

    def actions(self) -> list[dict[str, int]]:
        """Return the actions since `begin` as dicts."""
        return self._rows(N_ACTIONS, "actions")

    def wishes(self) -> list[dict[str, int]]:
        """Return the wishes since `begin` as dicts."""
        return self._rows(N_WISHES, "wishes")

    def _rows(self, column: int, name: str) -> list[dict[str, int]]:
        if self._counts[column] == 0:
            return []
        records = getattr(self.out, name)[: self._counts[column]]
        return [{field: int(row[field]) for field in records.dtype.names} for row in records]

    def begin(self, now_ns: int | None = None) -> None:
        """Forget the output and move the clock, as a step does."""
        self._counts[:] = 0
        if now_ns is not None:
            self.core["now_ns"] = now_ns


def a_scene() -> Scene:
    """Return a connected world of two instruments that nothing has happened in.

    Always two, which is the room that a world of one has as well.
    """
    scene = Scene(new_world(INSTRUMENTS, 1 + INSTRUMENTS), new_outs())
    core = scene.core
    core["now_ns"] = SECOND
    core["state"] = TradingState.RUNNING
    core["market_up"] = 1
    core["max_book_age_ns"] = 2 * SECOND
    core["canary_size_e6"] = 1_000_000
    core["epoch"] = 1
    for index in range(INSTRUMENTS):
        record = scene.state.instruments[index]
        record["unit_atoms"] = 1_000
        record["lot_atoms"] = 1_000
        record["base_asset"] = 1 + index
        record["min_qty_lots"] = 1
        record["max_position_lots"] = 1_000
        record["own_in_book"] = 1
        record["imbalance_levels"] = 5
    scene.state.balances["opening_known"] = 1
    scene.state.balances["opening_atoms"] = 10**15
    return scene


def an_event(**fields: int) -> Any:
    """Return one EVENT record with these fields."""
    record = np.zeros(1, EVENT)[0]
    for name, value in fields.items():
        record[name] = value
    return record


def levels_of(bids: dict[int, int], asks: dict[int, int]) -> Any:
    """Return level rows as a venue writes them: bids high to low, asks low to high."""
    rows = [(BID, ticks, bids[ticks]) for ticks in sorted(bids, reverse=True)]
    rows += [(ASK, ticks, asks[ticks]) for ticks in sorted(asks)]
    return np.array(rows, np.int64).reshape(len(rows), 3)


def side_of(scene: Scene, side: int) -> dict[int, int]:
    """Return one side of the first book as price to lots; its order is checked on the way."""
    book = scene.book
    count = int(book["count"][side])
    ticks = [int(price) for price in book["ticks"][side, :count]]
    assert ticks == sorted(set(ticks), reverse=side == ASK)
    return dict(zip(ticks, (int(lots) for lots in book["lots"][side, :count]), strict=True))


def show_market(scene: Scene, bids: dict[int, int], asks: dict[int, int]) -> None:
    """Put a SYNCED book and its touch in place without any event, and mark it dirty."""
    book, instrument = scene.book, scene.instrument
    for side, market in ((BID, bids), (ASK, asks)):
        ordered = sorted(market, reverse=side == ASK)
        book["count"][side] = len(ordered)
        for at, ticks in enumerate(ordered):
            book["ticks"][side, at] = ticks
            book["lots"][side, at] = market[ticks]
    book["state"] = BookState.SYNCED
    book["depth_ns"] = instrument["touch_ns"] = instrument["frame_ns"] = scene.core["now_ns"]
    book["last_update_id"] += 1
    instrument["touch_update_id"] = book["last_update_id"]
    instrument["bid_ticks"] = max(bids, default=0)
    instrument["bid_lots"] = bids.get(max(bids, default=0), 0)
    instrument["ask_ticks"] = min(asks, default=0)
    instrument["ask_lots"] = asks.get(min(asks, default=0), 0)
    instrument["dirty"] = 1


def put_order(scene: Scene, slot: int, side: int, price_ticks: int, lots: int, **more: int) -> Any:
    """Put one of our orders into the table, by default resting and acknowledged."""
    order = scene.state.orders[slot]
    order["key"] = 1 << 30 | slot + 1
    scene.core["orders_end"] = max(scene.core["orders_end"], slot + 1)
    order["side"] = side
    order["state"] = OrderState.NEW
    order["price_ticks"] = price_ticks
    order["qty_lots"] = order["leaves_lots"] = lots
    order["time_in_force"] = TimeInForce.GTC
    for name, value in more.items():
        order[name] = value
    return order


@contextmanager
def nothing_told(scene: Scene) -> Iterator[None]:
    """Assert that what happens within leaves neither fact, action nor wish."""
    scene.begin()
    yield
    assert (scene.facts(), scene.actions(), scene.wishes()) == ([], [], [])
