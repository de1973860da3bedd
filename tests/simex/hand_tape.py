"""Tapes written by hand: a line at a time, in whole ticks and lots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from hftd.simex.market import SymbolSpec
from hftd.simex.requests import Side

SPEC = SymbolSpec("BTCUSDT", "BTC", "USDT", "1", "1")
LOCAL_NS = 1_000_000_000_000

Level = tuple[int, int]


class Tape:
    """Writes a tape by hand; times are milliseconds after the snapshot."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def write(self, ms: int, frame: object) -> None:
        stamp = LOCAL_NS + ms * 1_000_000
        self.lines.append(b"%d %b\n" % (stamp, msgspec.json.encode(frame)))

    def snapshot(
        self, ms: int, update_id: int, bids: Sequence[Level], asks: Sequence[Level]
    ) -> None:
        frame = {"lastUpdateId": update_id, "bids": texts(bids), "asks": texts(asks)}
        self.write(ms, frame)

    def depth(
        self, ms: int, first: int, last: int, bids: Sequence[Level], asks: Sequence[Level]
    ) -> None:
        data: dict[str, Any] = {"e": "depthUpdate", "E": ms, "s": "BTCUSDT", "U": first, "u": last}
        data |= {"b": texts(bids), "a": texts(asks)}
        self.write(ms, {"stream": "btcusdt@depth@100ms", "data": data})

    def touch(self, ms: int, update_id: int, bid: Level, ask: Level) -> None:
        (b, big_b), (a, big_a) = texts([bid, ask])
        data = {"u": update_id, "s": "BTCUSDT", "b": b, "B": big_b, "a": a, "A": big_a}
        self.write(ms, {"stream": "btcusdt@bookTicker", "data": data})

    def trade(self, ms: int, trade_id: int, price: int, qty: int, taker: Side) -> None:
        data = {"e": "trade", "E": ms, "s": "BTCUSDT", "t": trade_id, "T": ms, "M": True}
        data |= {"p": f"{price}.0", "q": f"{qty}.0", "m": taker is Side.SELL}
        self.write(ms, {"stream": "btcusdt@trade", "data": data})

    def save(self, tmp_path: Path) -> Path:
        path = tmp_path / "tape"
        path.write_bytes(b"".join(self.lines))
        return path


def texts(levels: Sequence[Level]) -> list[list[str]]:
    """Return levels in the wire's form."""
    return [[f"{price}.00", f"{qty}.00"] for price, qty in levels]
