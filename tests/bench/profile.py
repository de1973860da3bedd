"""Where each microsecond goes: a run against the harness, turned again in process, part by part.

Owns the seams that are timed: ink, codec, engine stages, performer. The inputs are those that the
daemon journaled while `tick_to_order` drove it, so orders and answers are the real ones. No
socket is in these times: what is left to the wire figure is sockets, WebSocket and event loop.
A clock read stands before and after each seam, some 0.1 µs a part.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hftd import wiring
from hftd.domain.events import Link
from hftd.drivers.loop import Loop
from hftd.drivers.memory import Builders, build_from_header, feed
from hftd.drivers.replay import copied, find_run, restore_beginning
from hftd.drivers.stamps import Stamps
from hftd.journal.reader import JournalReader
from hftd.journal.record import Record, RecordType, split_frame
from hftd.journal.writer import JournalWriter
from hftd.runtime.telemetry import Telemetry
from tests.bench import harness, tick_to_order

BUILD = Builders(wiring.build_engine, wiring.build_codec)
ENGINE_PARTS = ("engine: observe", "engine: strategy", "engine: quoter and risk")


class Parts:
    """Nanoseconds of the input that is handled now, by part."""

    def __init__(self) -> None:
        self.now: dict[str, int] = defaultdict(int)

    def timed(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return the call with its time noted."""

        def inner(*arguments: Any) -> Any:
            began = time.perf_counter_ns()
            result = call(*arguments)
            self.now[part] += time.perf_counter_ns() - began
            return result

        return inner


class TimedInk:
    """The journal, each kind of record a part of its own."""

    def __init__(self, journal: JournalWriter, parts: Parts) -> None:
        self._appends = {
            kind: parts.timed(f"journal: {kind.name.lower()}", journal.append)
            for kind in RecordType
        }
        self.append_frame = parts.timed("journal: frame_in", journal.append_frame)
        self.append_market = parts.timed("journal: frame_in", journal.append_market)

    def append(self, record_type: RecordType, ts_ns: int, payload: Any) -> int:
        """Append one record."""
        return int(self._appends[record_type](record_type, ts_ns, payload))


class TimedStamps(Stamps):
    """The daemon's stamps, and where the engine's stages end."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(Telemetry({}))
        self._parts = parts
        self.from_ns = 0
        self.performed = parts.timed("stamps", super().performed)  # type: ignore[method-assign]
        self.noticed = parts.timed("stamps", super().noticed)  # type: ignore[method-assign]

    def stamp(self, stage: int) -> None:
        """Note the end of a stage for both."""
        now_ns = time.perf_counter_ns()
        self._parts.now[ENGINE_PARTS[stage]] += now_ns - self.from_ns
        super().stamp(stage)
        self.from_ns = time.perf_counter_ns()
        self._parts.now["stamps"] += self.from_ns - now_ns


class TimedLoop(Loop):
    """The loop body with its seams timed."""

    def __init__(self, engine: Any, codec: Any, journal: JournalWriter, parts: Parts) -> None:
        self._timed_stamps = TimedStamps(parts)
        codec.decode = parts.timed("codec: decode", codec.decode)
        codec.encode = parts.timed("codec: encode", codec.encode)
        perform = parts.timed("perform (nothing)", lambda _action, _frame: None)
        super().__init__(engine, codec, TimedInk(journal, parts), perform, self._timed_stamps)

    def _step(self, at: int, ts_ns: int) -> None:
        self._timed_stamps.from_ns = time.perf_counter_ns()
        super()._step(at, ts_ns)


def kind_of(record: Record, outputs: int) -> str:
    """Return what an input is, as the table names it."""
    if record.record_type != RecordType.FRAME_IN:
        return "event"
    link, frame = split_frame(record.payload)
    if link == Link.MARKET:
        head = bytes(frame[:60])
        words = ("bookTicker", "depth", "trade")
        name = next((word for word in words if word.encode() in head), "market")
        return f"{name} that orders" if outputs else name
    return "report" if b"executionReport" in bytes(frame[:80]) else "reply or answer"


def turn_again(folder: Path, work: Path) -> dict[str, list[dict[str, int]]]:
    """Turn the journal's last run again; return each input's times by part, by kind of input."""
    reader = JournalReader(folder)
    run = find_run(reader, "last")
    engine, codec = build_from_header(run.header, BUILD)
    journal = JournalWriter(work)
    journal.open({"run": "profile"}, 1)
    parts = Parts()
    loop = TimedLoop(engine, codec, journal, parts)
    records = reader.run_records(run)
    restore_beginning(engine, run, records)
    found: dict[str, list[dict[str, int]]] = defaultdict(list)
    for record in records:
        if record.record_type not in (RecordType.FRAME_IN, RecordType.EVENT):
            continue
        parts.now = defaultdict(int)
        source = copied(record)
        began = time.perf_counter_ns()
        feed(loop, source)
        parts.now["whole"] = time.perf_counter_ns() - began
        found[kind_of(source, parts.now["codec: encode"])].append(dict(parts.now))
    journal.close()
    return found


def tell(found: dict[str, list[dict[str, int]]]) -> None:
    """Print the median of each part, of each kind of input."""
    for kind, rows in sorted(found.items()):
        names = sorted({name for row in rows for name in row} - {"whole"})
        medians = {
            name: float(np.median([row.get(name, 0) for row in rows])) / 1000 for name in names
        }
        whole = float(np.median([row["whole"] for row in rows])) / 1000
        low = float(np.quantile([row["whole"] for row in rows], 0.1)) / 1000
        print(f"\n{kind}: {len(rows)} inputs, whole {whole:.1f} µs (a tenth under {low:.1f})")
        for name, us in sorted(medians.items(), key=lambda each: -each[1]):
            if us >= 0.05:
                print(f"  {name:28}{us:8.2f} µs")
        print(f"  {'loop itself':28}{whole - sum(medians.values()):8.2f} µs")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench profile", description=__doc__)
    parser.add_argument("--journal", type=Path, help="turn this journal's last run instead")
    parser.add_argument("--rounds", type=int, default=300, help="of each stream")
    parser.add_argument("--keep", type=Path, help="keep the journal in this new folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="profile") as place:
        folder = options.journal
        if folder is None:
            folder = options.keep or Path(place) / "journal"
            harness.build(Path(place))
            tick_to_order.record(Path(place), folder, options.rounds)
        for turn in range(2):  # The first one warms up.
            work = Path(place) / f"work{turn}"
            found = turn_again(folder, work)
            shutil.rmtree(work)
        tell(found)


if __name__ == "__main__":
    main()
