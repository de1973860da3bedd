"""Tick to order under load: the daemon and the floor in C in a market ten times as busy.

The plan is `load`'s: ten times the recorded rate with bursts of 888 levels; each timed frame is
counted from the time at which it was due, so no stall of whoever is timed hides another (no
coordinated omission). The exchange's own lateness is not his: a frame that it sent late, for want
of its core, counts from when it was sent, and an order that came while it stood in line from when
its kernel had it (`run_plan` in ``harness.c``); how late it was stands beside. A frame without an
order before the next timed one was due, 10 ms later, is told as missed, and counts until the next
answer: so long the quotes were wrong. Daemon and floor take turns, and each block has the same
frames for both. While both cores are busy, the host of a virtual machine may run others for 100 ms
at a time; a turn during which it did, by /proc/stat, is taken again by both, and told.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench import load
from tests.bench.harness import build, floors, sets_of, stolen_ms, trading
from tests.bench.rows import Row, save, text
from tests.bench.tick_to_order import QUANTILES, quantiles

TURNS = 5  # At most, for a block during which the host of a virtual machine ran others.
BLOCK_US = 1_250_000  # A daemon that is stopped for over two seconds pauses (C25).
PEERS = ("hftd", "c")
REACH_US = {"sleep": 1_000.0, "spin": 300.0}
LAG_REACH_US = 5_000.0
NAMES = {"touch": "BD", "trade": "T"}


def from_due_ns(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the times of timed frames in their order; a missed one waits for the next answer."""
    times = np.zeros(len(rows), np.int64)
    last = 0  # An end without an answer is rare, and told by ``missed``.
    for at in range(len(rows) - 1, -1, -1):
        last = int(rows[at, 2]) if rows[at, 2] >= 0 else last + load.TIMED_US * 1000
        times[at] = last
    return times


def figures(rows: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return what one peer did: the timed frames by kind, those at the end of bursts apart."""
    apart, times = rows[:, 1] == 1, from_due_ns(rows)
    which = {
        name: ~apart & np.isin(rows[:, 0], [ord(kind) for kind in kinds])
        for name, kinds in NAMES.items()
    } | {"end of burst": apart}
    found: dict[str, Any] = {"harness late": quantiles(rows[:, 4])}
    for name, chosen in which.items():
        missed = int((rows[chosen, 2] < 0).sum())
        found[name] = quantiles(times[chosen])
        found[name] |= {"frames": int(chosen.sum()), "missed": missed}
    return found


def measure(folder: Path, mode: str, plans: Sequence[Path], more: Sequence[str]) -> dict[str, Any]:
    """Run daemon and floor through the plans in turns; return the figures of each."""
    rows: dict[str, list[np.ndarray[Any, Any]]] = {peer: [] for peer in PEERS}
    with (
        trading(folder, sets_of(mode, more)) as all_three,
        floors(folder, all_three.harness, mode, "c"),
    ):
        all_three.harness.plan("hftd", plans[0])  # The first one warms up.
        stolen, again = 0, 0
        for plan in plans:
            for left in reversed(range(TURNS)):
                before_ms = stolen_ms()
                turn = {peer: all_three.harness.plan(peer, plan) for peer in PEERS}
                stolen_now = stolen_ms() - before_ms
                if not stolen_now or not left:
                    break
                again += 1
            stolen += stolen_now
            for peer in PEERS:
                rows[peer].append(turn[peer])
        found = {peer: figures(np.concatenate(each)) for peer, each in rows.items()}
        host = {"stolen_ms": stolen, "turns": len(plans) + again, "turns_again": again}
        return {"peers": found, "stages": all_three.instance.ask("latency")} | host


def rows_of(mode: str, result: dict[str, Any]) -> list[Row]:
    """Return one mode's rows."""
    ours, floor = (result["peers"][peer] for peer in PEERS)
    found = []
    for name in NAMES:
        missed = ours[name]["missed"]
        note = f"{ours[name]['frames']} frames, {missed} missed, max {ours[name]['max']:,.0f} µs"
        if result["turns_again"]:
            note += (
                f"; {result['turns_again']} of {result['turns']} turns again, the host had a core"
            )
        if result["stolen_ms"]:
            note += f"; it had {result['stolen_ms']} ms of those that count"
        for quantile in ("p50", "p99", "p99.9"):
            us, theirs = ours[name][quantile], floor[name][quantile]
            found.append(
                Row(
                    f"wire, ten times the rate, {name}, {mode}, {quantile}", us, "µs",
                    "floor in C", theirs, us / theirs, note=note,
                )
            )  # fmt: skip
    us = ours["touch"]["p99.9"]
    name = f"wire, ten times the rate, touch, {mode}, p99.9"
    found.append(Row(name, us, "µs", "aim", REACH_US[mode], us / REACH_US[mode], reach=1.0))
    us, theirs = ours["end of burst"]["max"], floor["end of burst"]["max"]
    name = f"behind the newest frame of a burst, {mode}, max"
    note = f"the order after {ours['end of burst']['frames']} bursts; missed "
    note += f"{ours['end of burst']['missed']}; p50 {ours['end of burst']['p50']:,.0f} µs"
    found.append(Row(name, us, "µs", "floor in C", theirs, us / theirs, note=note))
    found.append(Row(name, us, "µs", "aim", LAG_REACH_US, us / LAG_REACH_US, reach=1.0))
    return found


def table(mode: str, result: dict[str, Any]) -> str:
    """Return one mode's table."""
    lines = [f"{'':26}" + "".join(f"{name:>10}" for name in QUANTILES) + f"  µs from due, {mode}"]
    for peer in PEERS:
        for name, row in result["peers"][peer].items():
            values = "".join(f"{row.get(quantile, 0):10.1f}" for quantile in QUANTILES)
            lines.append(f"{peer:8}{name:18}{values}  missed {row.get('missed', '-')}")
    return "\n".join(lines)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench wire_load", description=__doc__)
    parser.add_argument("--mode", choices=("spin", "sleep"), action="append")
    parser.add_argument("--blocks", type=int, default=20, help="of 1.25 seconds each")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE over the profile")
    parser.add_argument("--no-save", dest="save", action="store_false")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="harness") as place:
        folder = Path(place)
        build(folder)
        plans = load.write_all(folder, BLOCK_US, options.blocks)
        for mode in options.mode or ("sleep", "spin"):
            result = measure(folder, mode, plans, options.set)
            print(table(mode, result), flush=True)
            print(text(rows_of(mode, result)), flush=True)
            if options.save:
                save(f"wire_load {mode}", rows_of(mode, result), **result)


if __name__ == "__main__":
    main()
