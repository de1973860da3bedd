"""Tick to order: the real daemon against an exchange in C, beside two floors, block by block.

Owns how a run is made and what is said of it; the clock is in ``harness.c``. The daemon is
``hftd start`` with all its processes; the floors are a client in C and one on picows, with the
same two links and frames of the same sizes. Blocks of the three take turns, and whoever is not
timed is stopped, so that each has the machine as far as this machine is ours. Ratios of one run
count, times orient. Results go to ``results.json`` with machine, commit and load.

Frames have the sizes of the recorded BTCUSDT session (57 levels of depth); their contents are the
harness's own, so that it is known which frame has to be answered, and by what: ``touch`` and
``depth`` move the book and the quotes must follow, ``trade`` goes through our bid and it must go.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.harness import (
    COLUMNS,
    SETS,
    Trading,
    build,
    floors,
    sets_of,
    stolen_ms,
    trading,
)
from tests.bench.rows import Row, save

PEERS = ("hftd", "c", "picows")
STREAMS = ("touch", "depth", "trade")
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
REACH = {("sleep", "p50"): 1.5, ("spin", "p50"): 2.4, ("spin", "p99"): 3.0}


def quantiles(times_ns: np.ndarray[Any, Any]) -> dict[str, float]:
    """Return quantiles in µs; the smallest time that so many were not over."""
    times = np.sort(times_ns)
    ranks = [min(len(times) - 1, int(q * len(times))) for q in QUANTILES.values()]
    us = [round(float(times[rank]) / 1000, 1) for rank in ranks] if len(times) else []
    return dict(zip(QUANTILES, us, strict=False))


def figures(rows: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return the quantiles of a peer's rounds in µs; ``lost`` counts rounds without an order."""
    answered = rows[rows[:, 0] >= 0]
    found: dict[str, Any] = {"rounds": len(rows), "lost": len(rows) - len(answered)}
    for column, name in enumerate(COLUMNS[:3]):
        found[name] = quantiles(answered[:, column])
    found["bytes"] = int(np.median(answered[:, 3])) if len(answered) else 0
    return found


def record(folder: Path, journal: Path, rounds: int) -> None:
    """Let the daemon trade some rounds of each stream, and keep its journal."""
    with trading(folder, SETS) as all_three:
        for stream in ("touch", "depth"):
            all_three.harness.block("hftd", stream, rounds, 4000)
        all_three.daemon.process.send_signal(signal.SIGSTOP)
        shutil.copytree(all_three.instance.state / "journal", journal)
        all_three.daemon.process.send_signal(signal.SIGCONT)


def timed(all_three: Trading, stream: str, options: argparse.Namespace) -> dict[str, Any]:
    """Let the three take turns."""
    harness, instance, daemon = all_three
    recorder = [pid for pid in daemon.children() if not options.recorder]
    for pid in recorder:
        os.kill(pid, signal.SIGSTOP)
    rows: dict[str, list[np.ndarray[Any, Any]]] = {peer: [] for peer in PEERS}
    before_ms = stolen_ms()
    for _ in range(options.blocks):
        for peer in PEERS:
            rows[peer].append(harness.block(peer, stream, options.rounds, options.beat_us))
    for pid in recorder:
        os.kill(pid, signal.SIGCONT)
    found = {peer: figures(np.concatenate(each)) for peer, each in rows.items()}
    stolen = {"stolen_ms": stolen_ms() - before_ms}
    return {"peers": found, "ratios": ratios(rows), "stages": instance.ask("latency")} | stolen


def ratios(rows: dict[str, list[np.ndarray[Any, Any]]]) -> dict[str, dict[str, Any]]:
    """Return ours over each floor: of all rounds, and by the blocks' own ratios."""
    found = {}
    for floor in PEERS[1:]:
        first = {
            peer: [each[each[:, 0] >= 0, 0] for each in rows[peer]] for peer in ("hftd", floor)
        }
        ours, theirs = np.concatenate(first["hftd"]), np.concatenate(first[floor])
        pairs = [
            (one, two)
            for one, two in zip(first["hftd"], first[floor], strict=True)
            if len(one) and len(two)
        ]
        p50 = [float(np.median(one) / np.median(two)) for one, two in pairs]
        p99 = [[float(np.quantile(each, 0.99)) for each in pair] for pair in pairs]
        best = min(p99, key=lambda pair: pair[0] / pair[1])
        found[floor] = {
            "p50": round(float(np.median(ours) / np.median(theirs)), 2),
            "p99": round(float(np.quantile(ours, 0.99) / np.quantile(theirs, 0.99)), 2),
            "p50_blocks_median": round(float(np.median(p50)), 2),
            "p50_blocks_best": round(min(p50), 2),
            "p99_blocks_best": round(best[0] / best[1], 2),
            "p99_best_us": [round(ns / 1000, 1) for ns in best],
        }
    return found


def rows_of(stream: str, mode: str, result: dict[str, Any]) -> list[Row]:
    """Return one run as rows: ours beside the floors; p50 by the median of the blocks' ratios."""
    name, peers, ratio = f"wire, {stream}, {mode}", result["peers"], result["ratios"]
    p50 = {peer: peers[peer]["first"]["p50"] for peer in PEERS}
    p99 = {peer: peers[peer]["first"]["p99"] for peer in PEERS}
    c, ours = ratio["c"], peers["hftd"]
    lost = {peer: each["lost"] for peer, each in peers.items() if each["lost"]}
    tail = f"p99.9 {ours['first']['p99.9']:,.0f}, max {ours['first']['max']:,.0f} µs"
    tail += f"; rounds without an order: {lost}" if lost else ""
    tail += f"; the host took {result['stolen_ms']} ms of a core" if result["stolen_ms"] else ""
    best = f"best block {c['p50_blocks_best']}"
    found = [
        Row(f"{name}, p50", p50["hftd"], "µs", "floor in C", p50["c"], c["p50_blocks_median"],
            reach=REACH.get((mode, "p50"), 0.0), note=best),
        Row(f"{name}, p50", p50["hftd"], "µs", "floor in picows", p50["picows"],
            ratio["picows"]["p50_blocks_median"]),
        Row(f"{name}, p99", p99["hftd"], "µs", "floor in C", p99["c"], c["p99"], note=tail),
    ]  # fmt: skip
    reach = REACH.get((mode, "p99"), 0.0)
    if reach:
        us, theirs = c["p99_best_us"]
        found.append(
            Row(f"{name}, p99, best block", us, "µs", "floor in C", theirs, us / theirs,
                reach=reach)
        )  # fmt: skip
    return found


def table(name: str, result: dict[str, Any]) -> str:
    """Return one part's table."""
    head = "".join(f"{quantile:>9}" for quantile in QUANTILES)
    lines = [name, f"{'':10}{head}  µs, to the first order"]
    for peer in PEERS:
        found = result["peers"][peer]
        row = "".join(f"{found['first'].get(quantile, 0):9.1f}" for quantile in QUANTILES)
        lines.append(f"{peer:10}{row}  lost {found['lost']}")
    for floor, ratio in result["ratios"].items():
        lines.append(
            f"over {floor:6} p50 {ratio['p50']}, by blocks median {ratio['p50_blocks_median']}, "
            f"best {ratio['p50_blocks_best']}; p99 {ratio['p99']}, best {ratio['p99_blocks_best']}"
        )
    return "\n".join(lines)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench tick_to_order", description=__doc__)
    parser.add_argument("--mode", choices=("spin", "sleep"), default="spin")
    parser.add_argument("--stream", choices=STREAMS, action="append")
    parser.add_argument("--blocks", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=100, help="of each block")
    parser.add_argument("--beat-us", type=int, default=4000, help="from one tick to the next")
    parser.add_argument("--no-recorder", dest="recorder", action="store_false")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE over the profile")
    parser.add_argument("--no-save", dest="save", action="store_false")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="harness") as place:
        folder = Path(place)
        build(folder)
        with (
            trading(folder, sets_of(options.mode, options.set)) as all_three,
            floors(folder, all_three.harness, options.mode, "c", "picows"),
        ):
            for stream in options.stream or STREAMS:
                result = timed(all_three, stream, options)
                name = f"tick_to_order {stream} {options.mode}"
                name += "" if options.recorder else " without recorder"
                print(table(name, result), flush=True)
                if options.save:
                    save(name, rows_of(stream, options.mode, result), **result)


if __name__ == "__main__":
    main()
