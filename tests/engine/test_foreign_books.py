"""The book kernel beside what other venues say of their own books: Kraken, OKX, LOBSTER.

Binance tells no checksum. Kraken and OKX send the CRC-32 of their book with every message, and
LOBSTER's files hold the whole window after every message, so here each step has its oracle.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
import pytest

from hftd.engine import book
from tests.engine.feed import SYNCED
from tests.engine.scene import ASK, BID, Scene, a_scene, an_event

DATA = Path(__file__).parents[3] / "shared/data"
KRAKEN = DATA / "checksummed/KRAKEN.ws.50.0.gz"
OKX = DATA / "checksummed/OKX.ws.1.0.gz"
LOBSTER = DATA / "lobster/AAPL_2012-06-21_34200000_57600000_{}_10.csv.gz"
KRAKEN_DEPTH = 1000  # As subscribed in the recording: what lies beyond is not told any more.
WINDOW = 10  # Levels a side in the LOBSTER files.
DEEP = 25  # Levels a side in OKX's checksum.
# Uncompiled, every message but the first few would take minutes.
SOME = 100 if numba.config.DISABLE_JIT else 10**9

Row = tuple[int, int, int]


class Tape(NamedTuple):
    """One symbol's book and how its decimals become steps."""

    scene: Scene
    price_decimals: int
    qty_decimals: int

    def row(self, side: int, level: list[str]) -> Row:
        """Return a told level as side, ticks, lots."""
        price, qty = Decimal(level[0]), Decimal(level[1])
        return side, int(price.scaleb(self.price_decimals)), int(qty.scaleb(self.qty_decimals))


def apply(scene: Scene, rows: list[Row], snapshot: bool = False) -> None:
    """Hand levels to the kernel, as the next update in sequence."""
    at = int(scene.book["last_update_id"]) + 1
    levels = np.array(rows, np.int64).reshape(len(rows), 3)
    event = an_event(first_update_id=at, last_update_id=at, levels_end=len(rows))
    put = book.apply_snapshot if snapshot else book.apply_depth
    put(scene.state, event, levels, scene.out)


def best(scene: Scene, side: int, most: int) -> list[tuple[int, int]]:
    """Return the kernel's best levels of a side, best first."""
    count = int(scene.book["count"][side])
    first = max(count - most, 0)
    ticks, lots = (scene.book[name][side][first:count][::-1] for name in ("ticks", "lots"))
    return list(zip(ticks.tolist(), lots.tolist(), strict=True))


def beyond(scene: Scene, side: int, most: int) -> list[Row]:
    """Return the rows that delete what lies beyond a window."""
    far = int(scene.book["count"][side]) - most
    return [(side, int(ticks), 0) for ticks in scene.book["ticks"][side][: max(far, 0)]]


def messages(path: Path) -> Iterator[Any]:
    """Yield the messages that the venue sent."""
    with gzip.open(path, "rt") as lines:
        for line in lines:
            at, _, text = line.partition(": ")
            if at.replace(".", "").isdigit():
                yield json.loads(text)


def decimals(levels: list[list[str]], column: int) -> int:
    """Return the most decimals that a snapshot writes a column with."""
    return max(len(level[column].partition(".")[2]) for level in levels)


def kraken_checksum(scene: Scene) -> int:
    """Return the CRC-32 of ten asks, then ten bids: digits of price and quantity in a row.

    Source: Kraken's WebSocket API v1, "book checksum"; without point and leading zeros a
    decimal is its number of steps.
    """
    levels = best(scene, ASK, 10) + best(scene, BID, 10)
    return zlib.crc32("".join(f"{ticks}{lots}" for ticks, lots in levels).encode())


@pytest.mark.skipif(not KRAKEN.exists(), reason="no ../shared/data here")
def test_every_kraken_message_has_the_checksum_of_our_book() -> None:
    """4,269 messages of ten books: each CRC-32 is that of the book as the kernel has it."""
    tapes: dict[str, Tape] = {}
    checked = 0
    for message in messages(KRAKEN):
        if not isinstance(message, list):
            continue
        said = {key: value for part in message[1:-2] for key, value in part.items()}
        if "as" in said:
            both = said["as"] + said["bs"]
            tape = tapes[message[-1]] = Tape(a_scene(), decimals(both, 0), decimals(both, 1))
            rows = [tape.row(BID, one) for one in said["bs"]]
            apply(tape.scene, rows + [tape.row(ASK, one) for one in said["as"]], snapshot=True)
            continue
        tape = tapes[message[-1]]
        rows = [tape.row(BID, one) for one in said.get("b", [])]
        apply(tape.scene, rows + [tape.row(ASK, one) for one in said.get("a", [])])
        for side in (BID, ASK):
            if far := beyond(tape.scene, side, KRAKEN_DEPTH):
                apply(tape.scene, far)
        assert tape.scene.book["state"] == SYNCED
        assert kraken_checksum(tape.scene) == int(said["c"]), message
        checked += 1
        if checked == SOME:
            return
    assert (len(tapes), checked) == (10, 4_269)


def okx_checksum(tape: Tape) -> int:
    """Return the signed CRC-32 of up to 25 levels, bid and ask in turn, as written.

    Source: OKX's API v5, "checksum"; a side that is shorter leaves its turns out.
    """
    bids, asks = (best(tape.scene, side, DEEP) for side in (BID, ASK))
    words: list[str] = []
    for at in range(DEEP):
        for side in (bids, asks):
            for ticks, lots in side[at : at + 1]:
                words += [written(ticks, tape.price_decimals), written(lots, tape.qty_decimals)]
    crc = zlib.crc32(":".join(words).encode())
    return crc - (1 << 32) if crc >> 31 else crc


def written(steps: int, places: int) -> str:
    """Return steps as OKX writes them: no trailing zeros."""
    text = f"{Decimal(steps).scaleb(-places):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@pytest.mark.skipif(not OKX.exists(), reason="no ../shared/data here")
def test_every_okx_message_has_the_checksum_of_our_book() -> None:
    """290 messages of three books: each signed CRC-32 is that of the book in the kernel."""
    tapes: dict[str, Tape] = {}
    checked = 0
    for message in messages(OKX):
        if message.get("arg", {}).get("channel") != "books" or "data" not in message:
            continue
        (said,) = message["data"]
        name, snapshot = message["arg"]["instId"], message["action"] == "snapshot"
        if snapshot:
            tapes[name] = Tape(a_scene(), 8, 8)
        tape = tapes[name]
        rows = [tape.row(BID, one) for one in said["bids"]]
        apply(tape.scene, rows + [tape.row(ASK, one) for one in said["asks"]], snapshot)
        assert tape.scene.book["state"] == SYNCED
        assert okx_checksum(tape) == said["checksum"], message
        checked += 1
        if checked == SOME:
            return
    assert (len(tapes), checked) == (3, 290)


def lobster(kind: str) -> list[list[str]]:
    """Return the rows of one of LOBSTER's two files."""
    with gzip.open(str(LOBSTER).format(kind), "rt") as lines:
        return list(csv.reader(lines))


def window(row: list[str], side: int) -> list[tuple[int, int]]:
    """Return a row's levels of a side, best first: ask price, ask size, bid price, bid size."""
    first = 0 if side == ASK else 2
    return [(int(row[at]), int(row[at + 1])) for at in range(first, len(row), 4)]


@pytest.mark.skipif(not Path(str(LOBSTER).format("message")).exists(), reason="no ../shared/data")
def test_every_lobster_message_leads_to_the_next_row_of_its_book() -> None:
    """998 steps: the order-level event makes of our book the ten levels that the file has.

    Where a level leaves the window another enters that no message told; it alone is then
    taken from the file, after the nine others were compared.
    """
    events, books = lobster("message"), lobster("orderbook")
    scene = a_scene()
    rows = [(side, *level) for side in (BID, ASK) for level in window(books[0], side)]
    apply(scene, rows, snapshot=True)
    seen: Counter[str] = Counter()
    for event, after in zip(events[1:][:SOME], books[1:][:SOME], strict=True):
        kind, size, ticks = int(event[1]), int(event[3]), int(event[4])
        side = BID if event[5] == "1" else ASK
        lots = dict(best(scene, side, WINDOW)).get(ticks, 0)
        # 1 is a new order; 2, 3 and 4 take from one; 5 is a hidden one, which no book shows.
        change = {1: size, 2: -size, 3: -size, 4: -size}.get(kind, 0)
        apply(scene, [(side, ticks, lots + change)] if change else [])
        for side in (BID, ASK):
            if far := beyond(scene, side, WINDOW):
                apply(scene, far)
            ours, theirs = best(scene, side, WINDOW), window(after, side)
            assert ours == theirs[: len(ours)], (event, side)
            if len(ours) < WINDOW:
                seen["entered"] += 1
                apply(scene, [(side, *theirs[-1])])
        assert scene.book["state"] == SYNCED
        seen["steps"] += 1
    assert seen["steps"] == min(998, SOME)
    assert SOME < 998 or seen["entered"] == 318
