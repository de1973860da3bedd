"""A market ten times as busy as the recorded one: when frames are due, and which are timed.

Owns the plans that ``harness.c`` sends. Kinds, sizes and spacing of the background are those of
the recorded BTCUSDT session (``../shared/data``) with time ten times as fast; where that is not at
hand they are the shipped synthetic tape's, made as dense as that. Contents are the harness's own.
Each `TIMED_US` a frame among it must be answered by the strategy: the touch moves by bookTicker
or by depth, or a trade goes through the bid. Twice a second everything comes at once: a depth
event of `BURST_LEVELS` levels (the recorded one's largest), others, touches and trades, and last
of all a timed touch: the time to its order is how far the engine is behind the newest frame, and
more.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.bench.rows import ROOT

RECORDED = [
    ROOT.parent / "shared" / "data" / "binance-spot" / f"btcusdt_202408{day}.gz"
    for day in ("08", "09")
]
SHIPPED = ROOT / "hftd" / "data" / "synthetic-btcusdt.gz"
TIMES = 10
RECORDED_PER_S = 153.0  # Frames of the recorded session a second: 10 depth, 112 touch, 31 trades.
TIMED_US, TIMED_KINDS = 10_000, "BDBT"
BURST_EVERY_US, BURST_LEVELS = 500_000, 888
IN_A_BURST = ("d",) * 4 + ("b", "b", "b", "t") * 12


class Frame(NamedTuple):
    """A frame that is due: kind as ``harness.c`` has it, levels a side of a depth event."""

    due_us: int
    kind: str
    levels: int = 0
    in_burst: int = 0


def source() -> list[Path]:
    """Return the files that the background's spacing is of."""
    return RECORDED if all(path.is_file() for path in RECORDED) else [SHIPPED]


def background(paths: list[Path]) -> list[Frame]:
    """Return the frames of a session, ten times as dense as the recorded one, from 0 on."""
    found: list[tuple[int, str, int]] = []
    for path in paths:
        with gzip.open(path, "rt") as file:
            for line in file:
                time_ns, _, text = line.partition(" ")
                if '"stream"' not in text[:12]:
                    continue  # A snapshot.
                name = json.loads(text)["stream"].partition("@")[2]
                kind = "d" if name.startswith("depth") else "b" if name == "bookTicker" else "t"
                levels = text.count('["') // 2 if kind == "d" else 0
                found.append((int(time_ns), kind, max(1, levels)))
    first_ns, last_ns = found[0][0], found[-1][0]
    squeeze = len(found) / (TIMES * RECORDED_PER_S) * 1e6 / (last_ns - first_ns)
    return [Frame(int((at - first_ns) * squeeze), kind, levels) for at, kind, levels in found]


def plan(frames: list[Frame], begin_us: int, length_us: int) -> Iterator[Frame]:
    """Yield a part of a session as a plan, with its timed frames and bursts, in no order."""
    for frame in frames:
        if begin_us <= frame.due_us < begin_us + length_us:
            yield frame._replace(due_us=frame.due_us - begin_us)
    for number, due_us in enumerate(range(TIMED_US, length_us, TIMED_US)):
        if due_us % BURST_EVERY_US == 0:
            yield Frame(due_us, "d", BURST_LEVELS // 2, 1)
            yield from (Frame(due_us, kind, 28, 1) for kind in IN_A_BURST)
            yield Frame(due_us, "B", 0, 1)
        else:
            yield Frame(due_us, TIMED_KINDS[number % len(TIMED_KINDS)], 28)


def write(path: Path, frames: list[Frame], begin_us: int, length_us: int) -> int:
    """Write a plan; return how many frames it has."""
    # What is due at once keeps its order: a burst ends with the frame that is timed.
    found = sorted(plan(frames, begin_us, length_us), key=lambda frame: frame.due_us)
    lines = [f"{frame.due_us} {frame.kind} {frame.levels} {frame.in_burst}" for frame in found]
    path.write_text("\n".join(lines) + "\n")
    return len(found)


def write_all(folder: Path, length_us: int, most: int = 1_000) -> list[Path]:
    """Write the whole session as plans of one length; return them in order."""
    frames = background(source())
    count = min(most, max(1, frames[-1].due_us // length_us))
    paths = [folder / f"plan{number}" for number in range(count)]
    for number, path in enumerate(paths):
        write(path, frames, number * length_us, length_us)
    return paths
