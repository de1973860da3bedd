"""One market's depth messages, for everyone who is timed on them; needs nothing but Python.

A file of lines: the REST snapshot, then updates that follow each other. Each update changes
as many levels of a side as asked, the touch among them, and takes a tenth of them away.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

SYMBOL = "BTCUSDT"
FIRST_ID = 1_000
BEST_BID = 6_000_000  # Hundredths.
DEPTH = 400


class Touch(NamedTuple):
    """What a book says: best prices in the program's own terms, imbalance of five levels."""

    bid: Any
    ask: Any
    imbalance: float


def _price(hundredths: int) -> str:
    return f"{hundredths // 100}.{hundredths % 100:02}000000"


def _qty(number: int, at: int, step: int) -> str:
    """Return a level's new quantity; a tenth of the levels vanish, the touch a while later."""
    if (number + 3 * at + step) % 10 == 0:
        return "0.00000000"
    return f"{(number * 7 + at * 13 + step) % 90}.{number % 900 + 1:03}00000"


def write(path: Path, levels: int, count: int) -> None:
    """Write a snapshot and ``count`` updates of ``levels`` levels a side."""
    sides = {"bids": -1, "asks": 1}
    book = {
        name: [[_price(BEST_BID + (step > 0) + step * at), "1.50000000"] for at in range(DEPTH)]
        for name, step in sides.items()
    }
    with path.open("w") as file:
        print(json.dumps({"lastUpdateId": FIRST_ID, **book}), file=file)
        for number in range(count):
            changed = {
                name[0]: [
                    [
                        _price(BEST_BID + (step > 0) + step * at * (DEPTH // levels)),
                        _qty(number, at, step),
                    ]
                    for at in range(levels)
                ]
                for name, step in sides.items()
            }
            data = {
                "e": "depthUpdate", "E": 1_700_000_000_000 + number * 100, "s": SYMBOL,
                "U": FIRST_ID + number * 3 + 1, "u": FIRST_ID + number * 3 + 3, **changed,
            }  # fmt: skip
            frame = {"stream": "btcusdt@depth@100ms", "data": data}
            print(json.dumps(frame, separators=(",", ":")), file=file)


def imbalance(bids: list[float], asks: list[float]) -> float:
    """Return (bids - asks) / (bids + asks) of some levels' quantities."""
    bid, ask = sum(bids), sum(asks)
    return (bid - ask) / (bid + ask)


def plain(text: object) -> str:
    """Return a price without the zeros that pad it."""
    found = str(text)
    return found.rstrip("0").rstrip(".") if "." in found else found


def take_part(apply: Callable[[str], Touch], price: Callable[[Any], str] = plain) -> None:
    """Time ``apply`` on as many frames as each line of standard input says, then tell the touch.

    ``price`` makes text of the program's own prices, outside the time. The answer is a line:
    nanoseconds of all, best bid, best ask, imbalance.
    """
    frames = Path(sys.argv[1]).read_text().splitlines()[1:]
    at = 0
    print("ready", flush=True)
    for line in sys.stdin:
        some = frames[at : at + int(line)]
        at += len(some)
        began = time.perf_counter_ns()
        for frame in some:
            touch = apply(frame)
        took = time.perf_counter_ns() - began
        print(took, price(touch.bid), price(touch.ask), f"{touch.imbalance:.9f}", flush=True)


def snapshot() -> dict[str, list[list[str]]]:
    """Return the snapshot that the updates follow."""
    with Path(sys.argv[1]).open() as file:
        found: dict[str, list[list[str]]] = json.loads(file.readline())
    return found
