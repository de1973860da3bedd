"""Coverage: the branches that the tests reach, uncompiled; all of them in the five rooms.

    scripts/bench coverage [--room NAME …] [--all] [--no-save]

The tests of the five rooms (cover_rooms.py) run with Numba switched off, in one process that
coverage.py watches; a kernel is then the Python function it was written as. ``--all`` runs every
test that way but the simulation's, whose hundreds of seeds would take it a day, and watches the
daemons that they start, for the figure of the whole package. Left out is what cover_rooms.py
says. Exits 1 where a room has a branch that no test reaches.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.cover_rooms import ROOMS, ROOT, files_of, tests_of
from tests.bench.rows import machine

RESULTS = Path(__file__).with_name("coverage_results.json")


def main() -> int:
    """Run, print, keep."""
    parser = argparse.ArgumentParser(prog="scripts/bench coverage")
    parser.add_argument("--room", nargs="*", default=list(ROOMS), choices=list(ROOMS))
    parser.add_argument(
        "--all", action="store_true", help="every test but the simulation's, and the whole package"
    )
    parser.add_argument("--no-save", dest="save", action="store_false", help="only print")
    asked = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hftd-coverage-") as folder:
        report = measure(Path(folder), whole_tests() if asked.all else tests_of(asked.room))
    found = known()
    for room in asked.room:
        found[room] = {"files": {name: lines_of(report, name) for name in names_of(room)}}
    whole = {**report["totals"], "minutes": round((time.monotonic() - began) / 60, 1)}
    if asked.all:
        found["whole"] = {**share_of(report["totals"]), "machine": machine()}
    found["machine"] = machine()
    print(text(found, asked.room), f"{whole['minutes']} minutes", sep="\n")
    if asked.save:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    return int(any(each["missed"] for room in asked.room for each in found[room]["files"].values()))


def names_of(room: str) -> list[str]:
    """Return the paths of a room's files below the repository."""
    return [str(path.relative_to(ROOT)) for path in files_of(room)]


def whole_tests() -> list[str]:
    """Return what pytest is asked for the whole package."""
    return ["tests", f"--ignore={Path('tests', 'simulation')}"]


def measure(folder: Path, tests: list[str]) -> dict[str, Any]:
    """Run tests watched, and each Python process that they start; return coverage's own report."""
    python = [sys.executable, "-P", "-m"]
    (folder / "sitecustomize.py").write_text("import coverage\ncoverage.process_startup()\n")
    environment = {
        **os.environ,
        "NUMBA_DISABLE_JIT": "1",
        "COVERAGE_FILE": str(folder / "coverage"),
        "COVERAGE_PROCESS_START": str(ROOT / "pyproject.toml"),
        "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
    }
    watched = [*python, "coverage", "run", "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(watched, cwd=ROOT, env=environment)
    if done.returncode:
        print(f"pytest ended with {done.returncode}: what failed covers less", flush=True)
    for step in (["combine", "-q"], ["json", "-q", "-o", str(folder / "report.json")]):
        subprocess.run([*python, "coverage", *step], cwd=ROOT, env=environment, check=True)
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


def lines_of(report: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a file's share, and what of it no test reaches: lines, and branches from → to."""
    file = report["files"].get(name)
    if file is None:
        return {"branches": 0, "statements": 0, "missed": ["never imported"]}
    missed = [str(line) for line in file["missing_lines"]]
    missed += [f"{a} → {b if b > 0 else 'exit'}" for a, b in file["missing_branches"]]
    return {
        "branches": file["summary"]["num_branches"],
        "statements": file["summary"]["num_statements"],
        "missed": missed,
    }


def share_of(totals: dict[str, Any]) -> dict[str, Any]:
    """Return the whole package's figures."""
    reached = totals["covered_lines"] + totals["covered_branches"]
    return {
        "statements": totals["num_statements"],
        "branches": totals["num_branches"],
        "percent": round(100 * reached / (totals["num_statements"] + totals["num_branches"]), 2),
    }


def text(found: dict[str, Any], rooms: list[str]) -> str:
    """Return a line a room and one a gap."""
    lines = []
    for room in rooms:
        files = found[room]["files"]
        branches = sum(each["branches"] for each in files.values())
        missed = sum(len(each["missed"]) for each in files.values())
        lines.append(f"{room}: {len(files)} files, {branches} branches, {missed} not reached")
        lines += [f"  {name}: {', '.join(e['missed'])}" for name, e in files.items() if e["missed"]]
    if "whole" in found:
        lines.append(f"the whole package: {found['whole']['percent']} %")
    return "\n".join(lines)


def known() -> dict[str, Any]:
    """Return the results as committed."""
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return found


if __name__ == "__main__":
    sys.exit(main())
