"""A market for tests of the exchange: two levels a side, and nothing else ever happens."""

from __future__ import annotations

from collections.abc import Sequence

from hftd.simex.market import BookView, State, SymbolSpec
from hftd.simex.requests import Cancel, Place, Report, Side

SPEC = SymbolSpec("BTCUSDT", "BTC", "USDT", "0.01", "0.00001")
LEVELS = (
    (Side.BUY, 5_999_900, 100_000),
    (Side.BUY, 5_999_800, 200_000),
    (Side.SELL, 6_000_100, 100_000),
    (Side.SELL, 6_000_200, 200_000),
)
"""Bids 59999.00 and 59998.00, asks 60001.00 and 60002.00, of 1 and 2 BTC."""


class QuietFlow:
    """Puts its levels into the book at the start."""

    account = -5

    def __init__(self) -> None:
        self._next_ns: int | None = None

    def start(self, ts_ns: int) -> None:
        self._next_ns = ts_ns

    def next_ns(self) -> int | None:
        return self._next_ns

    def act(self, ts_ns: int, book: BookView) -> Sequence[Place | Cancel]:
        self._next_ns = None
        return [
            Place(book.next_order_id(), self.account, side, price_ticks, qty_lots)
            for side, price_ticks, qty_lots in LEVELS
        ]

    def observe(self, report: Report) -> None:
        pass

    def dump(self) -> State:
        return {}

    def load(self, state: State, shift_ns: int) -> None:
        pass
