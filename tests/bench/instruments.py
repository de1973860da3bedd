"""One engine with fifty instruments beside one with one: the time of a depth event, in process.

Decode, book, signals, strategy and gate of one depth message of 20+20 levels, RUNNING, with a
spread rule that wants no quote, so that every event runs the whole step and nothing piles up.
The events of the fifty go round, so each one's book is colder than in practice.
"""

from __future__ import annotations

from hftd.runtime import kernel_cache

kernel_cache.prepare()

import json  # noqa: E402 - Numba may only be imported after that.
import tempfile  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402

from hftd import wiring  # noqa: E402
from hftd.config.load import load_profile  # noqa: E402
from hftd.domain.codes import BookState, TradingState  # noqa: E402
from hftd.domain.events import EventKind, Link  # noqa: E402
from hftd.domain.instrument import Instrument  # noqa: E402
from hftd.engine.engine import Engine  # noqa: E402
from hftd.venues.binance.rest_frames import RestKind, rest_frame  # noqa: E402
from hftd.venues.port import Codec, new_event  # noqa: E402
from tests.bench import decode_frames, rows  # noqa: E402

MANY = 50
LEVELS, EVENTS, BLOCKS = 20, 2_000, 7
BEGIN_NS, STEP_NS = 1_700_000_000_000_000_000, 2_000_000


class Market:
    """An engine with its codec, and each instrument's messages."""

    def __init__(self, count: int, lines: list[str]) -> None:
        names = [f"A{number:02}-USDT" for number in range(count)]
        held = ", ".join(f'{name[:3]}: "1"' for name in names)
        loaded = load_profile(
            "market-making",
            sets=[
                "instruments=[" + ", ".join(names) + "]",
                "strategy.min_spread_bps=9000",
                "venue.opening_balances={" + held + ', USDT: "100000"}',
            ],
            environ={},
        )
        listed = [
            Instrument(
                name, name.replace("-", ""), name[:3], "USDT",
                1_000_000, 1_000, 1, 10**8, 1, 10**12, 0, 0, 200,
            )
            for name in names
        ]  # fmt: skip
        self.engine: Engine = wiring.build_engine(loaded.profile, listed)
        self.codec: Codec = wiring.build_codec(loaded.profile, listed, "bench0")
        self.now_ns = BEGIN_NS
        self._event(EventKind.BOOT, epoch=1, on_crash=1)
        for link in (Link.MARKET, Link.ORDER, Link.USER, Link.REST):
            self._event(EventKind.LINK, link=link, up=1)
        core = self.engine.state.core[0]
        core["state"], core["recovery_clean"] = TradingState.RUNNING, 1
        first = lines[0].encode()
        for index in range(count):
            self._take(Link.REST, rest_frame(RestKind.DEPTH, index, 200, 0, first))
        self.frames = [
            (json.dumps(json.loads(line)).replace("BTCUSDT", listed[at].symbol)
             .replace("btcusdt", listed[at].symbol.lower()).replace(" ", "")).encode()
            for line in lines[1:] for at in range(count)
        ]  # fmt: skip
        self._at = 0

    def _event(self, kind: EventKind, **fields: int) -> None:
        self.engine.events[0] = new_event(kind, self.now_ns, **fields)[0]
        self.engine.handle(0, lambda _stage: None)

    def _take(self, link: Link, data: bytes) -> None:
        self.now_ns += STEP_NS
        engine = self.engine
        for at in range(self.codec.decode(link, data, self.now_ns, engine.events, engine.levels)):
            engine.handle(at, _nothing)

    def block(self, events: int) -> float:
        """Return the median ns of the next events."""
        times = []
        for frame in self.frames[self._at : self._at + events]:
            began = time.perf_counter_ns()
            self._take(Link.MARKET, frame)
            times.append(time.perf_counter_ns() - began)
        self._at += events
        assert len(times) == events
        return float(np.median(times))


def _nothing(_stage: int) -> None:
    """Take no stamp."""


def run() -> rows.Parts:
    """Return the rows of this part."""
    with tempfile.TemporaryDirectory() as place:
        paths = [Path(place) / name for name in ("one", "many")]
        decode_frames.write(paths[0], LEVELS, EVENTS * (BLOCKS + 1))
        decode_frames.write(paths[1], LEVELS, EVENTS * (BLOCKS + 1) // MANY)
        one, many = (
            Market(count, path.read_text().splitlines())
            for count, path in zip((1, MANY), paths, strict=True)
        )
    times = [(one.block(EVENTS), many.block(EVENTS)) for _ in range(BLOCKS + 1)][1:]
    for market in (one, many):
        assert (market.engine.state.books["state"] == BookState.SYNCED).all()
    ours, alone = float(np.median([b for _, b in times])), float(np.median([a for a, _ in times]))
    ratio = float(np.median([b / a for a, b in times]))
    return {
        "instruments": [
            rows.Row(
                f"an event of one of {MANY} instruments", ours / 1000, "µs", "one alone",
                alone / 1000, ratio, reach=1.2,
            )
        ]
    }  # fmt: skip


if __name__ == "__main__":
    rows.main("instruments", run)
