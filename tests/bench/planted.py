"""Planted bugs: how many seeds the simulation needs for each.

    scripts/bench planted [--jobs 2] [--seeds 200] [--minutes 4] [--only NAME …] [--missing]
        [--narrow] [--uncompiled]

Each bug is planted in a copy of the package and hunted in a process of its own, seeds from 0 on.
The result file keeps the newest hunt of each bug with its own faults, and that with drawn ones.
``--missing`` hunts those alone that no kept hunt with faults of the seeds' own draw has found, so
that a hunt which was ended goes on. A bug in a kernel is compiled first, for a minute or so.
``--narrow`` turns on the faults that provoke a bug and no others: fewer seeds, and less said; with
it ``--missing`` hunts what no kept hunt has found. ``--uncompiled`` spares that minute, and each
seed takes ten times as long: for what a few seeds find. A seed that breaks the package without the
bug too proves nothing and is passed over.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import msgspec

from tests.simulation.planted import BUGS, Bug
from tests.simulation.planting import ROOT, Hunt, hunt

RESULTS = Path(__file__).with_name("planted_results.json")
FAULTS = ("narrow", "drawn")


def main() -> None:
    """Hunt, print, keep."""
    parser = argparse.ArgumentParser(prog="scripts/bench planted")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=4)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--missing", action="store_true", help="only what is not found yet")
    parser.add_argument("--narrow", action="store_true", help="only the faults that provoke it")
    parser.add_argument("--uncompiled", action="store_true", help="kernels as plain Python")
    asked = parser.parse_args()
    bugs = [bug for bug in BUGS if not asked.only or {bug.name, bug.group} & set(asked.only)]
    if asked.missing:
        bugs = [bug for bug in bugs if not is_found(bug, narrow=asked.narrow)]
    with ThreadPoolExecutor(asked.jobs) as jobs:
        hunts = {
            jobs.submit(
                hunt, bug, asked.seeds, asked.minutes, bug.faults if asked.narrow else "",
                compiled=not asked.uncompiled,
            ): bug
            for bug in bugs
        }  # fmt: skip
        for ended in as_completed(hunts):
            bug, failure = hunts[ended], ended.exception()
            if failure is not None:
                print(f"{bug.name}: the hunt itself failed: {failure}", flush=True)
                continue
            tell(bug, ended.result())
            keep(bug, ended.result(), asked.minutes, FAULTS[not asked.narrow])
    print(summary_text())


def read_results() -> dict[str, dict[str, Any]]:
    """Return what is kept of each bug; under "narrow" and "drawn" the newest hunt with such faults.

    A bug's own faults are those that it names; drawn ones are each seed's own choice of all.
    """
    kept: dict[str, dict[str, Any]] = {}
    if RESULTS.exists():
        kept = json.loads(RESULTS.read_text())["bugs"]
    return kept


def is_found(bug: Bug, *, narrow: bool) -> bool:
    """Return whether a kept hunt has found a bug, with faults of the seeds' own draw or any."""
    kept = read_results().get(bug.name, {})
    return any(kept[faults]["found"] for faults in FAULTS[not narrow :] if faults in kept)


def tell(bug: Bug, result: Hunt) -> None:
    """Print what came of one hunt."""
    needed = f"{result.seeds} seeds" if result.found else f"NOT FOUND in {result.seeds} seeds"
    print(f"{bug.group:<4}{bug.name:<32}{needed:<24}{result.words[:110]}", flush=True)


def keep(bug: Bug, result: Hunt, minutes: float, faults: str) -> None:
    """Write a result over the last one with such faults."""
    kept = read_results()
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True,
        check=True,
    ).stdout.strip()  # fmt: skip
    meta = {"group": bug.group, "issue": bug.issue, "does": bug.does, "faults": bug.faults}
    run = {"minutes": minutes, "commit": commit}
    hunts = {name: kept[bug.name][name] for name in FAULTS if name in kept.get(bug.name, {})}
    kept[bug.name] = {**meta, **hunts, faults: {**msgspec.to_builtins(result), **run}}
    kept = {bug.name: kept[bug.name] for bug in BUGS if bug.name in kept}
    RESULTS.write_text(json.dumps({"summary": summary_of(kept), "bugs": kept}, indent=1) + "\n")


def summary_of(kept: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the counts of all hunts: by which faults how many were found, and in how many seeds.

    A bug that both found counts in all with its narrow hunt.
    """
    seeds = {
        faults: {
            name: bug[faults]["seeds"]
            for name, bug in kept.items()
            if bug.get(faults, {}).get("found")
        }
        for faults in FAULTS
    }
    needed = seeds["drawn"] | seeds["narrow"]
    groups = Counter(kept[name]["group"] for name in needed)
    return {
        "planted": len(BUGS),
        "hunted": len(kept),
        "found": len(needed),
        "median_seeds": _median(needed),
        "most_seeds": max(needed.values(), default=None),
        "found_by_narrow_faults": len(seeds["narrow"]),
        "found_by_drawn_faults": len(seeds["drawn"]),
        "median_seeds_by_drawn_faults": _median(seeds["drawn"]),
        "found_of_group": {f"G{number}": groups[f"G{number}"] for number in range(1, 13)},
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
    }


def _median(seeds: dict[str, int]) -> float | None:
    return statistics.median(seeds.values()) if seeds else None


def summary_text() -> str:
    """Return the last line: how many were found, and the median."""
    summary = json.loads(RESULTS.read_text())["summary"]
    return (
        f"{summary['found']} of {summary['planted']} planted bugs found, "
        f"{summary['hunted']} hunted, median {summary['median_seeds']} seeds; with faults of the "
        f"seeds' own draw {summary['found_by_drawn_faults']} found, median "
        f"{summary['median_seeds_by_drawn_faults']}"
    )


if __name__ == "__main__":
    main()
