"""The rebuilt book beside the bookTicker of the recorded BTCUSDT session."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

from hftd.domain.codes import Code
from hftd.engine import book
from tests.engine.feed import RESYNCING, SYNCED, told, touch, trade
from tests.engine.scene import ASK, BID, MS, Scene, a_scene, an_event

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
