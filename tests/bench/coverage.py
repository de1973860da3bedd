"""Coverage: the branches that the tests reach; all of them in the five rooms, the whole by parts.

    scripts/bench coverage [--room NAME …] [--no-save]
    scripts/bench coverage --all | --part NAME … [--no-save]

The tests of the five rooms (cover_rooms.py) run with Numba switched off, in one process that
coverage.py watches; a kernel is then the Python function it was written as. Exits 1 where a room
has a branch that no test reaches.

``--part`` runs parts of all tests (cover_parts.py) and watches the daemons that they start too;
``--all`` runs those parts that did not run yet on these sources. What all of them found together
is the figure of the whole package. Left out is what cover_rooms.py says. Exits 1 where parts are
still missing or the whole is below what is wanted.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench import cover_parts
from tests.bench.cover_parts import PARTS
from tests.bench.cover_rooms import ROOMS, ROOT, files_of, tests_of
from tests.bench.cover_watch import report, watch
from tests.bench.rows import machine

RESULTS = Path(__file__).with_name("coverage_results.json")
WANTED_PERCENT = 95


def main() -> int:
    """Run, print, keep."""
    parser = argparse.ArgumentParser(prog="scripts/bench coverage")
    parser.add_argument("--room", nargs="*", default=list(ROOMS), choices=list(ROOMS))
    parser.add_argument("--all", action="store_true", help="the whole package: what is not run yet")
    parser.add_argument("--part", nargs="+", default=[], choices=list(PARTS))
    parser.add_argument("--no-save", dest="save", action="store_false", help="only print")
    asked = parser.parse_args()
    if asked.all or asked.part:
        found = {"whole": whole(asked.part, everything=asked.all)}
        lines, wrong = text_of_whole(found["whole"]), not is_enough(found["whole"])
    else:
        found = rooms(asked.room)
        lines, wrong = text_of_rooms(found), any(missed(room) for room in found.values())
    print(*lines, sep="\n")
    if asked.save:
        RESULTS.write_text(json.dumps({**known(), **found}, indent=1) + "\n")
    return int(wrong)


def rooms(names: list[str]) -> dict[str, Any]:
    """Run the tests of rooms; return what no test of them reaches, by room and file."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hftd-coverage-") as folder:
        if code := watch(Path(folder), tests_of(names), compiled=False):
            print(f"pytest ended with {code}: what failed covers less", flush=True)
        told = report(Path(folder) / "data")
    minutes = round((time.monotonic() - began) / 60, 1)
    return {
        room: {
            "files": {name: lines_of(told, name) for name in names_of(room)},
            "minutes": minutes,
            "machine": machine(),
        }
        for room in names
    }


def whole(names: list[str], *, everything: bool) -> dict[str, Any]:
    """Run parts; return the whole package's figures, and how each part ran that is in them."""
    for name in PARTS:
        if name in names or (everything and not cover_parts.told_path(name).exists()):
            print(f"== {name}", flush=True)
            print(cover_parts.run(name), flush=True)
    data, parts = cover_parts.combined()
    told = report(data)
    shares = {name: share_of(file["summary"]) for name, file in told["files"].items()}
    print(f"python -m coverage report --data-file {data.relative_to(ROOT)} names every line")
    return {
        **share_of(told["totals"]),
        "below": {
            name: share["percent"]
            for name, share in sorted(shares.items(), key=lambda each: each[1]["percent"])
            if share["percent"] < WANTED_PERCENT
        },
        "parts": parts,
        "missing": [name for name in PARTS if name not in parts],
    }


def is_enough(found: dict[str, Any]) -> bool:
    """Tell whether every part ran, and the whole package reaches what is wanted."""
    return not found["missing"] and bool(found["percent"] >= WANTED_PERCENT)


def names_of(room: str) -> list[str]:
    """Return the paths of a room's files below the repository."""
    return [str(path.relative_to(ROOT)) for path in files_of(room)]


def lines_of(told: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a file's share, and what of it no test reaches: lines, and branches from → to."""
    file = told["files"].get(name)
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
    """Return how much of what coverage counted was reached; a file of no line is reached whole."""
    reached = totals["covered_lines"] + totals["covered_branches"]
    all_of_it = totals["num_statements"] + totals["num_branches"]
    return {
        "statements": totals["num_statements"],
        "branches": totals["num_branches"],
        "percent": round(100 * reached / all_of_it, 2) if all_of_it else 100.0,
    }


def missed(room: dict[str, Any]) -> list[str]:
    """Return what of a room no test reaches."""
    return [line for file in room["files"].values() for line in file["missed"]]


def text_of_rooms(found: dict[str, Any]) -> list[str]:
    """Return a line a room and one a gap."""
    lines = []
    for room, each in found.items():
        files = each["files"]
        branches = sum(file["branches"] for file in files.values())
        lines.append(
            f"{room}: {len(files)} files, {branches} branches, {len(missed(each))} not reached"
        )
        lines += [f"  {name}: {', '.join(e['missed'])}" for name, e in files.items() if e["missed"]]
    return lines


def text_of_whole(found: dict[str, Any]) -> list[str]:
    """Return a line a part, one a file that is below what is wanted, and the whole's."""
    lines = [
        f"{name}: {part['tests']} tests, {part['failed']} failed, "
        f"{part['cpu_minutes']} minutes of CPU"
        for name, part in found["parts"].items()
    ]
    lines += [f"  {percent:5.1f} % {name}" for name, percent in found["below"].items()]
    lines += [f"not run on these sources: {', '.join(found['missing'])}"] * bool(found["missing"])
    return [*lines, f"the whole package: {found['percent']} % of lines and branches"]


def known() -> dict[str, Any]:
    """Return the results as committed."""
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return found


if __name__ == "__main__":
    sys.exit(main())
