"""A client that rebuilds a recorded book from the exchange's bytes, and the recording's oracle.

Owns both sides of one comparison: what a client knows that sees the streams alone, and what
the recorded bookTickers say, read from the files apart from the exchange. Knows nothing of
the exchange's own code.
"""

from __future__ import annotations

import gzip
import json
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STREAMS = "btcusdt@depth@100ms/btcusdt@bookTicker/btcusdt@trade"
LOT_E8 = 1_000

Touch = tuple[int, int, int, int]
"""Bid, its quantity, ask, its quantity, in 1e-8."""


def e8(decimal: str) -> int:
    """Return a decimal of eight places as a whole number."""
    return int(decimal.replace(".", ""))


def in_lots(quantity: str) -> int:
    """Return a quantity rounded up to a lot: recorded ones may be finer (``tape_lines``)."""
    return -(-e8(quantity) // LOT_E8) * LOT_E8


def book_tickers(paths: Sequence[Path]) -> Iterator[tuple[int, Touch]]:
    """Yield update id and touch of each recorded bookTicker."""
    for path in paths:
        with gzip.open(path) as file:
            for line in file:
                if b"@bookTicker" in line:
                    data = json.loads(line.partition(b" ")[2])["data"]
                    bid, ask = e8(data["b"]), e8(data["a"])
                    yield data["u"], (bid, in_lots(data["B"]), ask, in_lots(data["A"]))


class Side:
    """One side of a local book, sorted by price."""

    def __init__(self, levels: Any) -> None:
        self._qty = {e8(price): e8(quantity) for price, quantity in levels}
        self._prices = sorted(self._qty)

    def put(self, price: int, quantity: int) -> None:
        """Set a level; none with quantity 0."""
        if quantity and price not in self._qty:
            insort(self._prices, price)
        elif not quantity and price in self._qty:
            del self._prices[bisect_left(self._prices, price)]
            del self._qty[price]
        if quantity:
            self._qty[price] = quantity

    def at(self, index: int) -> tuple[int, int]:
        """Return price and quantity of the first (0) or last (-1) level."""
        price = self._prices[index]
        return price, self._qty[price]


@dataclass
class Counts:
    """How the comparison went."""

    events: int = 0
    agree: int = 0
    tickers: int = 0
    tickers_agree: int = 0
    trades: int = 0
    differ_at: tuple[int, ...] = ()


class Client:
    """A local book by the documented rule, compared with the recording after each event."""

    def __init__(self, oracle: Sequence[tuple[int, Touch]]) -> None:
        self._ids = [update_id for update_id, _ in oracle]
        self._known = set(self._ids)
        self._touches = [touch for _, touch in oracle]
        self._bids, self._asks = Side([]), Side([])
        self._reached = -1
        self._trade_id = 0
        self.counts = Counts()

    def snapshot(self, reply: Any) -> None:
        """Begin with a REST snapshot."""
        self._reached = reply["lastUpdateId"]
        self._bids, self._asks = Side(reply["bids"]), Side(reply["asks"])

    def hear(self, frame: bytes | str) -> None:
        """Take one frame of the combined stream."""
        data = json.loads(frame)["data"]
        kind = data.get("e", "bookTicker")
        if kind == "depthUpdate":
            self._hear_depth(data)
        elif kind == "trade":
            assert self._trade_id in (0, data["t"] - 1), f"trade {data['t']} after {self._trade_id}"
            self._trade_id = data["t"]
            self.counts.trades += 1
        elif data["u"] in self._known:
            shown = tuple(e8(data[key]) for key in ("b", "B", "a", "A"))
            self.counts.tickers += 1
            self.counts.tickers_agree += shown == self._oracle(data["u"])

    def _hear_depth(self, data: Any) -> None:
        if data["u"] <= self._reached:
            return
        assert data["U"] <= self._reached + 1, f"gap after {self._reached}: {data['U']}"
        for side, key in ((self._bids, "b"), (self._asks, "a")):
            for price, quantity in data[key]:
                side.put(e8(price), e8(quantity))
        self._reached = data["u"]
        expected = self._oracle(self._reached)
        if expected is None:
            return
        self.counts.events += 1
        if (*self._bids.at(-1), *self._asks.at(0)) == expected:
            self.counts.agree += 1
        else:
            self.counts.differ_at += (self._reached,)

    def _oracle(self, update_id: int) -> Touch | None:
        at = bisect_right(self._ids, update_id)
        return self._touches[at - 1] if at else None
