"""The parts in which the whole package is measured, and where each part's data is kept.

Owns which tests a part runs and whether compiled. A kernel's line counts where it ran as Python
and nowhere else, so that the kernels' rooms run uncompiled. All others run compiled, as in
production: a daemon that runs as plain Python under a tracer takes hours over what these tests
ask of it. Left out is what repeats others at length: recorded days uncompiled, the simulation's
seeds by the hundred, hours of a market; and the set-up, which runs nothing of ``hftd``.

What a part found is kept below ``build``, in a folder named by the sources of ``hftd``: data of
other sources, whose lines stand elsewhere, is never mixed in.
"""

from __future__ import annotations

import hashlib
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench.cover_rooms import ROOT
from tests.bench.cover_watch import combine, watch
from tests.bench.rows import machine

KEPT = ROOT / "build" / "coverage"


class Part(NamedTuple):
    """Rooms of tests, none for all that stand in no other part, and what pytest is told besides."""

    rooms: tuple[str, ...]
    compiled: bool = True
    arguments: tuple[str, ...] = ()


# The same code over and over: a market for hours, a trace for minutes, requests by the 100,000.
LONG_EXCHANGE_TESTS = (
    "very_many", "long_mixture", "byte_for_byte", "memory_stays_flat", "rebuilt_book",
    "one_seed_is_one_market", "without_skew", "a_trend_takes", "ten_bps_of_fees",
)  # fmt: skip
PARTS = {
    "kernels": Part(
        ("domain", "engine", "strategies", "venues"), compiled=False,
        arguments=("-k", "not every_recorded_frame and not kernels_agree"),
    ),
    "exchange": Part(
        ("simex",),
        arguments=("-k", " and ".join(f"not {test}" for test in LONG_EXCHANGE_TESTS)),
    ),
    "runtime": Part(("runtime", "drivers")),
    "daemons": Part(("e2e",), arguments=("-k", "not twenty_crashes")),
    "simulation": Part(("simulation",), arguments=("-k", "broke_once")),
    "rest": Part((), arguments=("--ignore=tests/test_setup.py", "--ignore=tests/test_tidy.py")),
}  # fmt: skip


def tests_of(name: str) -> list[str]:
    """Return what pytest is asked in a part."""
    part = PARTS[name]
    if part.rooms:
        return [*(f"tests/{room}" for room in part.rooms), *part.arguments]
    named = {room for each in PARTS.values() for room in each.rooms}
    found = sorted(
        path
        for path in (ROOT / "tests").iterdir()
        if path.name not in named
        and (path.match("test_*.py") or (path.is_dir() and any(path.rglob("test_*.py"))))
    )
    return [*(str(path.relative_to(ROOT)) for path in found), *part.arguments]


def kept() -> Path:
    """Return the folder for data of the sources as they are."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "hftd").rglob("*.py")):
        digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return KEPT / digest.hexdigest()[:12]


def run(name: str) -> dict[str, Any]:
    """Run a part and keep its data; return what is told of it. An interrupted one leaves none."""
    if PARTS[name].compiled:  # Whoever compiles while being watched takes far longer.
        warm = [sys.executable, "-P", "-m", "hftd.cli.hftd", "warmup"]
        subprocess.run(warm, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    folder, on = kept(), machine()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory(prefix="hftd-coverage-") as made:
        code = watch(Path(made), tests_of(name), compiled=PARTS[name].compiled)
        if code not in (0, 1):
            raise SystemExit(f"{name}: pytest ended with {code}")
        if folder != kept():
            raise SystemExit(f"{name}: the sources of hftd changed while it ran")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        suite = ElementTree.parse(Path(made) / "tests.xml").getroot()[0].attrib
        told = {
            "tests": int(suite["tests"]) - int(suite["skipped"]),
            "failed": int(suite["failures"]) + int(suite["errors"]),
            "minutes": round(float(suite["time"]) / 60, 1),
            "cpu_minutes": round(cpu_s / 60, 1),
            "compiled": PARTS[name].compiled,
            "machine": on,
        }
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(made) / "data", folder / name)
        told_path(name).write_text(json.dumps(told))
    return told


def told_path(name: str) -> Path:
    """Return the file that says how a part ran; it is there once the data is."""
    return kept() / f"told-{name}.json"  # Coverage takes NAME.anything for more of NAME's data.


def combined() -> tuple[Path, dict[str, Any]]:
    """Return the data of all parts that ran on these sources, as one file, and how each ran."""
    told = {
        name: json.loads(told_path(name).read_text()) for name in PARTS if told_path(name).exists()
    }
    whole = kept() / "whole"
    combine(whole, [kept() / name for name in told], keep=True)
    return whole, told
