"""Makes a synthetic tape out of the agents market, in the format that tapes have.

Knows the recorded format and the agents; must not know venues, accounts, files or clocks. The tape
that travels with hftd is made by

    python -m hftd.runtime.synthetic_tape hftd/data/synthetic-btcusdt.gz

and nothing in it was recorded anywhere: the times are made up, and the same seed gives the
same lines.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from hftd.simex.agents import agents
from hftd.simex.market import SymbolSpec
from hftd.simex.matching import MatchingMarket
from hftd.simex.numbers import exact_atoms, text_of
from hftd.simex.presets import SYMBOLS, Preset
from hftd.simex.requests import DepthChanged, Report, Side, TouchChanged, Trade

WARM_UP_SECONDS = 10
"""Simulated seconds before the recording begins: the makers lay the book."""

_SECOND_NS = 1_000_000_000
_START_NS = 1_767_225_600 * _SECOND_NS  # 2026-01-01 00:00 UTC, as good as any.
_SNAPSHOT_LEVELS = 1_000
_LATE_NS = 1_300_000  # What a recorder on the same machine would be late by.


def tape_lines(
    preset: Preset, symbol: str, seed: int, seconds: int, start_ns: int = _START_NS
) -> Iterator[bytes]:
    """Yield the lines of a tape; the snapshot stands second, after the first depth event.

    Units: ``seconds`` simulated, ``start_ns`` the time of the first.
    """
    spec = SYMBOLS[symbol].spec
    market = MatchingMarket(spec, agents(preset, symbol, seed))
    writer = _Writer(spec)
    begin_ns = start_ns - WARM_UP_SECONDS * _SECOND_NS
    market.start(begin_ns)
    market.advance(start_ns)
    begun = False
    while (due_ns := market.next_ns()) is not None and due_ns <= start_ns + seconds * _SECOND_NS:
        for report in market.advance(due_ns):
            begun = begun or isinstance(report, DepthChanged)
            if not begun:
                continue
            yield writer.line(report)
            if isinstance(report, DepthChanged) and not writer.snapshot_written:
                yield writer.snapshot(market, report.ts_ns)


class _Writer:
    """Prints reports as combined-stream frames of one symbol."""

    def __init__(self, spec: SymbolSpec) -> None:
        self._symbol = spec.symbol
        self._tick = exact_atoms(spec.tick_size)
        self._lot = exact_atoms(spec.lot_size)
        self.snapshot_written = False

    def line(self, report: Report) -> bytes:
        """Return the line of one public report."""
        stream = self._symbol.lower()
        if isinstance(report, DepthChanged):
            stream += "@depth@100ms"
            data = {
                "e": "depthUpdate",
                "E": report.ts_ns // 1_000_000,
                "s": self._symbol,
                "U": report.first_update_id,
                "u": report.last_update_id,
                "b": self._levels(report.bids),
                "a": self._levels(report.asks),
            }
        elif isinstance(report, TouchChanged):
            stream += "@bookTicker"
            data = {
                "u": report.update_id,
                "s": self._symbol,
                "b": self._price(report.bid_ticks),
                "B": self._qty(report.bid_lots),
                "a": self._price(report.ask_ticks),
                "A": self._qty(report.ask_lots),
            }
        else:
            assert isinstance(report, Trade), f"a public report, was {report}"
            stream += "@trade"
            data = {
                "e": "trade",
                "E": report.ts_ns // 1_000_000,
                "s": self._symbol,
                "t": report.trade_id,
                "p": self._price(report.price_ticks),
                "q": self._qty(report.qty_lots),
                "T": report.ts_ns // 1_000_000,
                "m": report.taker_side is Side.SELL,
                "M": True,
            }
        return _stamped(report.ts_ns, {"stream": stream, "data": data})

    def snapshot(self, market: MatchingMarket, ts_ns: int) -> bytes:
        """Return the line of a REST depth reply."""
        self.snapshot_written = True
        book = market.snapshot(_SNAPSHOT_LEVELS)
        reply = {
            "lastUpdateId": book.update_id,
            "bids": self._levels(book.bids),
            "asks": self._levels(book.asks),
        }
        return _stamped(ts_ns + 1, reply)

    def _levels(self, levels: list[tuple[int, int]]) -> list[tuple[str, str]]:
        return [(self._price(price_ticks), self._qty(lots)) for price_ticks, lots in levels]

    def _price(self, price_ticks: int) -> str:
        return text_of(price_ticks * self._tick)

    def _qty(self, qty_lots: int) -> str:
        return text_of(qty_lots * self._lot)


def _stamped(ts_ns: int, frame: object) -> bytes:
    return b"%d %b\n" % (ts_ns + _LATE_NS, msgspec.json.encode(frame))
