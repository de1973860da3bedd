"""What a bench found: rows of a figure beside a floor or a peer, kept with machine and load.

Owns the one form of results (``results.json``), the table and the comparison of two runs.
A ratio of two times of one run means something on a shared machine; a time alone orients.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).parent / "results.json"
FELL = 0.25  # A ratio that became worse by more than this is named.


class Row(NamedTuple):
    """One line of the table.

    ``ratio`` is ours over theirs where ``better`` is "lower", theirs over ours where it is
    "higher"; ``reach`` is what it should be, 0 where no figure was set. A row that could not
    be taken has a ``note`` and no numbers.
    """

    name: str
    ours: float = 0.0
    unit: str = ""
    beside: str = ""
    theirs: float = 0.0
    ratio: float = 0.0
    better: str = "lower"
    reach: float = 0.0
    note: str = ""

    def reached(self) -> bool | None:
        """Return whether the figure was reached; None where none was set or taken."""
        if not self.reach or not self.ratio:
            return None
        return self.ratio <= self.reach if self.better == "lower" else self.ratio >= self.reach


Parts = Mapping[str, Sequence[Row]]  # What a bench found, by part of the results.


def ask_git(*arguments: str) -> str:
    """Return what git says of this tree."""
    git = ["git", *arguments]
    return subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def machine() -> dict[str, Any]:
    """Return on what and beside what this ran."""
    commit = ask_git("rev-parse", "--short", "HEAD")
    dirty = ask_git("status", "--porcelain", "hftd")
    cpu = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    return {
        "cpu": cpu[0].partition(": ")[2] if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "commit": commit + ("+" if dirty else ""),
        "load_1_5_15": [round(each, 2) for each in os.getloadavg()],
        "utc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def known() -> dict[str, Any]:
    """Return the results as committed, by part."""
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return found


def save(part: str, rows: Sequence[Row], **more: Any) -> None:
    """Write one part of the results beside the others."""
    found = known()
    found[part] = {"rows": [row._asdict() for row in rows], "machine": machine(), **more}
    RESULTS.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


def forget(part: str) -> None:
    """Take one part out of the results, where it is."""
    found = known()
    if found.pop(part, None) is not None:
        RESULTS.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


def main(name: str, run: Callable[[], Parts]) -> None:
    """Run one bench from the command line: print its rows and keep them."""
    parser = argparse.ArgumentParser(prog=f"scripts/bench {name}")
    parser.add_argument("--no-save", dest="save", action="store_false", help="only print")
    options = parser.parse_args()
    for part, found in run().items():
        print(text(found), flush=True)
        if options.save:
            save(part, found)


def rows_of(part: dict[str, Any]) -> list[Row]:
    """Return the rows of a part of the results."""
    return [Row(**row) for row in part["rows"]]


def text(rows: Sequence[Row]) -> str:
    """Return rows as a table for a terminal."""
    lines = []
    for row in rows:
        if not row.ratio:
            told = f"{row.ours:.4g} {row.unit}" if row.unit else "not taken"
            lines.append(f"{row.name:34} {told}{'; ' + row.note if row.note else ''}")
            continue
        verdict = {True: "reached", False: "NOT reached", None: ""}[row.reached()]
        bound = f"{'≤' if row.better == 'lower' else '≥'} {row.reach:g} {verdict}"
        lines.append(
            f"{row.name:34} {row.ours:9.4g} {row.unit:8} {row.beside:22} {row.theirs:9.4g}"
            f"  ratio {row.ratio:7.3g}  {bound if row.reach else ''}"
        )
        if row.note:
            lines.append(f"{'':35}{row.note}")
    return "\n".join(lines)


def fallen(before: Sequence[Row], after: Sequence[Row]) -> list[str]:
    """Return what fell by more than a quarter between two runs, by ratios alone.

    An aim is a time, and no ratio of one run: what fell beside one may be the machine.
    """
    old = {(row.name, row.beside): row for row in before if row.ratio}
    found = []
    for row in after:
        was = old.get((row.name, row.beside))
        if was is None or not row.ratio:
            continue
        worse = row.ratio / was.ratio if row.better == "lower" else was.ratio / row.ratio
        if worse > 1 + FELL:
            clock = ", by the clock alone" if row.beside == "aim" else ""
            name = f"{row.name} beside {row.beside}{clock}"
            found.append(f"{name}: ratio {was.ratio:.3g}, now {row.ratio:.3g}")
    return found
