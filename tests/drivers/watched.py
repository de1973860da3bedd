"""A world without faults that a watch looks at, and what tests do to it.

The world tells its watch what a world with faults tells as well: turns, frames, records, latches.
"""

from __future__ import annotations

from typing import Any

from hftd import wiring
from hftd.config.load import load_profile
from hftd.domain.actions import ActionKind
from hftd.domain.codes import Code, TradingState
from hftd.domain.events import Link
from hftd.domain.layout import Records
from hftd.drivers.checkers import all_checkers
from hftd.drivers.memory import Builders
from hftd.drivers.simulate import World
from hftd.drivers.simulate_network import Delay, Latency
from hftd.drivers.watch import Watch
from hftd.journal.record import Record, RecordType, Stream

BUILD = Builders(wiring.build_engine, wiring.build_codec)


class ToldInk:
    """An ink that keeps nothing and tells the watch of every record."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self.seq = 0

    def append(self, record_type: int, ts_ns: int, payload: Any) -> int:
        """Tell of a record."""
        self.seq += 1
        self._watch.on_journal(
            Record(self.seq, record_type, 1, ts_ns, memoryview(payload), Stream.ORDERS)
        )
        return self.seq

    def append_frame(self, ts_ns: int, link: int, frame: Any) -> int:
        """Tell of a frame that came in."""
        return self.append(RecordType.FRAME_IN, ts_ns, bytes([link]) + bytes(frame))

    append_market = append_frame


class WatchedWorld(World):
    """A world that tells its watch."""

    def __init__(self, seed: int, *sets: str, profile: str = "market-making") -> None:
        loaded = load_profile(profile, sets=[*sets, f"venue.market.seed={seed}"], environ={})
        self.watch = Watch(seed, all_checkers)
        latency = Latency(order=Delay(2_000_000, 3_000_000))
        super().__init__(loaded, BUILD, seed, ToldInk(self.watch), latency)
        self.watch.begin(self)

    def boot(self) -> None:
        """Boot, and tell of it."""
        self.watch.on_boot(self.now_ns // 1_000_000_000)
        super().boot()

    def _on_frame(self, link: Link, data: bytes, ts_ns: int) -> None:
        super()._on_frame(link, data, ts_ns)
        self.watch.on_step(self)

    def _on_event(self, event: Records) -> None:
        super()._on_event(event)
        self.watch.on_step(self)

    def _perform(self, action: Any, frame: bytes | None) -> None:
        if frame is not None:
            link = Link.REST if frame.startswith(b"GET ") else Link.ORDER
            self.watch.on_sent(link, frame, self.now_ns)
        super()._perform(action, frame)
        if action.kind == ActionKind.LATCH:
            self.watch.on_latch(TradingState(action.state), Code(action.code))
