"""Where each microsecond goes: from the exchange's frame to its sight of the order, stage by stage.

Two daemons take turns against a harness each: one as it is, whose wire figure counts, and one with
a clock read at each seam (``marked_daemon``). Both ends read one clock, so what lies outside our
stages is measured as well: from the exchange's send to our callback (its system call, the socket,
the wake-up, the event loop, the WebSocket frame), and from our send to the exchange's sight of the
order. Each stage ends where the next begins: there is no rest that nobody has timed. A stage's
figure is its mean over the middle fifth of the rounds by their whole time, so that stages add up to
a round that did happen: medians of skewed stages would add up to less than any. Each mark's own
cost, measured hot by the daemon that has them, is taken off its stage. The sum is told beside the
wire's p50 of the daemon without marks.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.harness import PROFILE, Harness, Trading, build, end, sets_of, trading
from tests.bench.marked_daemon import COST, LABELS, SEND, TO_LINK, WIDTH
from tests.bench.rows import Row, save, text
from tests.e2e.daemon import Instance

SENDING, TO_CALLBACK, TO_EXCHANGE = (
    "the exchange's send()",
    "socket, wake-up, event loop, WebSocket: to the callback",
    "our send(), to the exchange's sight",
)
WITHIN = 0.15
MARKED_ROWS = 200_000


@contextlib.contextmanager
def marked(folder: Path, mode: str) -> Iterator[tuple[Trading, Path]]:
    """Have a daemon with marks trade against a harness of its own; end both."""
    with tempfile.TemporaryDirectory(prefix="marked") as place:
        instance, marks = Instance(Path(place)), Path(place) / "marks"
        sets = sets_of(mode)
        harness = Harness.at(folder / "harness", instance, sets)
        try:
            arguments = [part for each in sets for part in ("--set", each)]
            module = ("tests.bench.marked_daemon", str(marks), str(MARKED_ROWS))
            daemon = instance.start_module(*module, "--profile", PROFILE, *arguments).running()
            instance.await_quotes()
            yield Trading(harness, instance, daemon), marks
        finally:
            end(harness, instance)


def alone(
    one: Trading, others: list[int], stream: str, rounds: int, beat_us: int
) -> np.ndarray[Any, Any]:
    """Time a daemon while others are stopped."""
    for pid in others:
        os.kill(pid, signal.SIGSTOP)
    found = one.harness.block("hftd", stream, rounds, beat_us)
    for pid in others:
        os.kill(pid, signal.SIGCONT)
    return found


def stages(
    rounds: np.ndarray[Any, Any], marks: np.ndarray[Any, Any], cost_ns: float
) -> list[dict[str, float]]:
    """Return ns by stage of each round whose marks are found, less what the marks cost.

    Shapes: rounds (n, 6) as the harness tells them; marks (m, WIDTH) as the daemon wrote them.
    """
    begins = marks[:, 2]
    found = []
    for first, _, _, _, sent_at, send in rounds.tolist():
        at = int(np.searchsorted(begins, sent_at))
        if first < 0 or at == len(marks) or begins[at] > sent_at + first:
            continue
        count = int(marks[at, 0])
        pairs = marks[at, 1 : 1 + 2 * count].reshape(-1, 2).tolist()
        row = dict.fromkeys((SENDING, TO_CALLBACK, *LABELS[1:SEND], TO_EXCHANGE), 0.0)
        row[SENDING], last = min(send, pairs[0][1] - sent_at), pairs[0][1]
        row[TO_CALLBACK] = last - sent_at - row[SENDING]
        for label, at_ns in pairs[1:]:
            if label == SEND:
                break
            row[LABELS[label]] += at_ns - last - cost_ns
            last = at_ns
            if label == TO_LINK:
                break
        row[TO_EXCHANGE] = sent_at + first - last
        found.append(row)
    return found


def middle(rows: list[dict[str, float]]) -> dict[str, float]:
    """Return each stage's mean over the middle fifth of the rounds by their whole time."""
    ranked = sorted(rows, key=lambda row: sum(row.values()))
    chosen = ranked[len(ranked) * 2 // 5 : len(ranked) * 3 // 5 + 1]
    return {name: float(np.mean([row[name] for row in chosen])) for name in chosen[0]}


def measure(folder: Path, mode: str, options: argparse.Namespace) -> dict[str, Any]:
    """Let the two daemons take turns; return stages and wire figures by stream."""
    found = {}
    with (
        trading(folder, sets_of(mode)) as plain,
        marked(folder, mode) as (with_marks, path),
    ):
        pids = [plain.daemon.pid, with_marks.daemon.pid]
        for stream in ("touch", "depth"):
            bare, seen = [], []
            for _ in range(options.blocks):
                how = stream, options.rounds, options.beat_us
                bare.append(alone(plain, pids[1:], *how))
                seen.append(alone(with_marks, pids[:1], *how))
            marks = np.fromfile(path, np.int64).reshape(-1, WIDTH)
            cost_ns = float(path.with_name(path.name + COST).read_text())
            kept = marks[: int((marks[:, 0] > 0).sum())]
            rows = stages(np.concatenate(seen), kept, cost_ns)
            means = middle(rows)
            first, firsts = (np.concatenate(each)[:, 0] for each in (bare, seen))
            found[stream] = {
                "stages_us": {name: round(ns / 1000, 2) for name, ns in means.items()},
                "sum_us": round(sum(means.values()) / 1000, 2),
                "wire_p50_us": round(float(np.median(first[first >= 0])) / 1000, 2),
                "wire_p50_marked_us": round(float(np.median(firsts[firsts >= 0])) / 1000, 2),
                "mark_ns": round(cost_ns),
                "rounds": len(rows),
            }
    return found


def table(stream: str, mode: str, found: dict[str, Any]) -> str:
    """Return one stream's table."""
    lines = [f"{stream}, {mode}: {found['rounds']} rounds"]
    lines += [f"  {name:58}{us:9.2f} µs" for name, us in found["stages_us"].items() if us]
    lines.append(f"  {'sum of the stages':58}{found['sum_us']:9.2f} µs")
    lines.append(f"  {'wire, p50, without marks':58}{found['wire_p50_us']:9.2f} µs")
    lines.append(f"  {'wire, p50, with marks':58}{found['wire_p50_marked_us']:9.2f} µs")
    return "\n".join(lines)


def row_of(stream: str, mode: str, found: dict[str, Any]) -> Row:
    """Return the row of one stream: the sum beside the wire figure."""
    ours, wire = found["sum_us"], found["wire_p50_us"]
    outside = sum(found["stages_us"][name] for name in (SENDING, TO_CALLBACK, TO_EXCHANGE))
    note = f"{outside:.1f} µs of it outside the daemon's code; "
    note += "agrees" if abs(ours / wire - 1) <= WITHIN else f"differs by more than {WITHIN:.0%}"
    name = f"sum of the stages, {stream}, {mode}"
    return Row(name, ours, "µs", "wire, p50", wire, ours / wire, note=note)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench profile", description=__doc__)
    parser.add_argument("--mode", choices=("spin", "sleep"), action="append")
    parser.add_argument("--blocks", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=25, help="of each block")
    parser.add_argument("--beat-us", type=int, default=4_000, help="from one tick to the next")
    parser.add_argument("--no-save", dest="save", action="store_false")
    options = parser.parse_args()
    rows, more = [], {}
    with tempfile.TemporaryDirectory(prefix="harness") as place:
        folder = Path(place)
        build(folder)
        for mode in options.mode or ("spin", "sleep"):
            for stream, found in measure(folder, mode, options).items():
                print(table(stream, mode, found), flush=True)
                rows.append(row_of(stream, mode, found))
                more[f"{stream} {mode}"] = found
    print(text(rows), flush=True)
    if options.save:
        save("profile", rows, stages=more)


if __name__ == "__main__":
    main()
