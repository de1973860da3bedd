"""Mutants: how many small slips in the five rooms their tests would notice.

    scripts/bench mutants [--room NAME …] [--sample N] [--seed S] [--minutes M] [--again]
        [--budget SECONDS] [--map FILE] [--only PATTERN] [--no-save]

Each mutant is one slip of one function (operators: mutator.py), judged uncompiled, in a fork of a
process that has everything imported, by those of the room's nearest tests (cover_rooms.py) that
run its lines (see mutant_runs.py). Of each room a sample drawn by the seed is judged, in the order
drawn, so that what ``--minutes`` leaves of it is a sample as well. A mutant that no test notices
within ``--budget`` seconds of tests has survived; why it may is said in
``mutants_explained.yaml``, by file and change; explained or not, it counts as not noticed.

``--again`` judges those that survived when the result file was written, and marks the ones that
are noticed since: for whoever writes the tests that they ask for. The figure stays that of the
sample as it was drawn, since a sample says nothing of tests that were written for it. Exits 1
where a room is below nine in ten, or a survivor is neither noticed since nor explained.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import re
import sys
import time
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.bench.cover_rooms import AT_IMPORT, ROOMS, ROOT, files_of, judges_of
from tests.bench.mutant_runs import KILLED, TIMED_OUT, Court, Cover, Judged, hold_court
from tests.bench.mutator import Mutant, mutants
from tests.bench.rows import machine

RESULTS = Path(__file__).with_name("mutants_results.json")
EXPLAINED = Path(__file__).with_name("mutants_explained.yaml")
TO_REACH = 0.9
SINCE = "noticed since"


class Suspect(NamedTuple):
    """One mutant with the file that it is of."""

    path: Path
    tree: ast.Module
    mutant: Mutant

    @property
    def place(self) -> str:
        """The file's path below the repository."""
        return str(self.path.relative_to(ROOT))

    @property
    def name(self) -> tuple[str, str, str]:
        """What names it in the result file whatever line it stands at."""
        return self.place, self.mutant.function, self.mutant.change


def main() -> int:
    """Judge, print, keep."""
    parser = argparse.ArgumentParser(prog="scripts/bench mutants")
    parser.add_argument("--room", nargs="*", default=list(ROOMS), choices=list(ROOMS))
    parser.add_argument("--sample", type=int, default=400, help="mutants a room, at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1e9, help="a room's time, at most")
    parser.add_argument("--budget", type=float, default=5, help="seconds of tests a mutant")
    parser.add_argument("--map", type=Path, help="keep here which test runs what, for next time")
    parser.add_argument("--only", default="*", help="only files whose path fits this pattern")
    parser.add_argument("--again", action="store_true", help="only those that survived")
    parser.add_argument("--no-save", dest="save", action="store_false", help="only print")
    asked = parser.parse_args()
    if os.environ.get("NUMBA_DISABLE_JIT") != "1":  # Numba asks at its import: begin anew.
        command = [sys.executable, "-P", "-m", "tests.bench.mutants", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, "NUMBA_DISABLE_JIT": "1"})
    wrong: list[str] = []

    def run(court: Court) -> None:
        paths = [path for room in asked.room for path in files_of(room)]
        cover = court.cover(paths, asked.map)
        for room in asked.room:
            found = judge_room(court, cover, room, asked)
            if asked.save:
                keep(room, found)
            if tell(room, found):
                wrong.append(room)

    code = hold_court(judges_of(asked.room), run)
    assert code == 0, f"pytest ended with {code}"
    return int(bool(wrong))


def judge_room(court: Court, cover: Cover, room: str, asked: argparse.Namespace) -> dict[str, Any]:
    """Judge a room's mutants; return what the result file says of it."""
    began = time.monotonic()
    paths = [path for path in files_of(room) if fnmatch(str(path), asked.only)]
    suspects = [
        Suspect(path, tree, mutant)
        for path, tree in ((path, ast.parse(path.read_text())) for path in paths)
        for mutant in mutants(tree)
        if mutant.function not in AT_IMPORT.get(str(path.relative_to(ROOT)), ())
    ]
    before = known().get(room, {})
    if asked.again:
        left = {(each["file"], each["function"], each["change"]) for each in before["survivors"]}
        chosen = [each for each in suspects if each.name in left]
    else:
        count = min(asked.sample, len(suspects))
        chosen = random.Random(asked.seed).sample(suspects, count)
    print(f"{room}: {len(suspects)} mutants, {len(chosen)} judged", flush=True)
    for path in {each.path: None for each in chosen}:
        court.sham(path, cover, ast.parse(path.read_text()), min(1, asked.budget))
    judged = []
    for number, each in enumerate(chosen, 1):
        if time.monotonic() - began > 60 * asked.minutes:
            break
        verdict = court.judge(each.path, each.mutant, cover, each.tree, asked.budget)
        judged.append((each, verdict))
        if verdict.verdict != KILLED:
            by = f" by signal {verdict.by}" if verdict.verdict == TIMED_OUT else ""
            print(f"{number} {verdict.verdict}{by} ({verdict.tests} tests): {at(each)}", flush=True)
    found = summary(judged, len(suspects), asked)
    if asked.again:
        return {**before, "survivors": marked(before["survivors"], found["survivors"])}
    found["minutes"] = round((time.monotonic() - began) / 60, 1)
    return found


def summary(
    judged: list[tuple[Suspect, Judged]], total: int, asked: argparse.Namespace
) -> dict[str, Any]:
    """Return counts by operator and the list of survivors."""
    dead = [suspect for suspect, verdict in judged if verdict.verdict in (KILLED, TIMED_OUT)]
    survivors = [
        {
            "file": suspect.place,
            "line": suspect.mutant.lines[0],
            "function": suspect.mutant.function,
            "operator": suspect.mutant.operator,
            "change": suspect.mutant.change,
            "verdict": verdict.verdict,
            "why": explain(suspect),
        }
        for suspect, verdict in judged
        if verdict.verdict not in (KILLED, TIMED_OUT)
    ]
    return {
        "mutants": total,
        "judged": len(judged),
        "seed": asked.seed,
        "killed": len(dead),
        "timed_out": sum(verdict.verdict == TIMED_OUT for _, verdict in judged),
        "by_operator": {
            operator: [Counter(each.mutant.operator for each in dead)[operator], count]
            for operator, count in sorted(Counter(s.mutant.operator for s, _ in judged).items())
        },
        "survivors": sorted(
            survivors, key=lambda each: (each["file"], each["line"], each["change"])
        ),
        "machine": machine(),
    }


def marked(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the survivors of a sample, those marked that are noticed since."""
    names = ("file", "function", "change")
    left = {tuple(each[name] for name in names): each for each in now}
    return [
        left.get(tuple(each[name] for name in names), {**each, "verdict": SINCE}) for each in before
    ]


def at(suspect: Suspect) -> str:
    """Return where a mutant is and what it changes, as a line."""
    mutant = suspect.mutant
    return f"{suspect.place}:{mutant.lines[0]} {mutant.function}: {mutant.change}"


def tell(room: str, found: dict[str, Any]) -> bool:
    """Print a room's line and what is unexplained; return whether something is wrong."""
    share = found["killed"] / max(found["judged"], 1)
    since = sum(each["verdict"] == SINCE for each in found["survivors"])
    unexplained = [e for e in found["survivors"] if not e["why"] and e["verdict"] != SINCE]
    for each in unexplained:
        print(f"not explained: {each['file']}:{each['line']} {each['function']}: {each['change']}")
    print(
        f"{room}: {found['killed']} of {found['judged']} killed, {share:.1%}"
        f" ({found['mutants']} mutants in all, {found['minutes']} minutes; {since} noticed since)",
        flush=True,
    )
    return share < TO_REACH or bool(unexplained)


def explain(suspect: Suspect) -> str:
    """Return why a survivor may live, "" where nobody has said."""
    told = yaml.safe_load(EXPLAINED.read_text()) or {}
    for rule in told["everywhere"]:
        if re.search(rule["change"], suspect.mutant.change):
            return str(rule["why"])
    for said in told["in"].get(f"{suspect.place} {suspect.mutant.function}", ()):
        if suspect.mutant.change in said["changes"]:
            return str(said["why"])
    return ""


def known() -> dict[str, Any]:
    """Return the results as committed, by room."""
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return found


def keep(room: str, found: dict[str, Any]) -> None:
    """Write one room's results beside the others'."""
    RESULTS.write_text(json.dumps({**known(), room: found}, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(main())
