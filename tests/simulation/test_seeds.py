from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from hftd.runtime.recorder_start import give_way
from tests.simulation.trace import runner

ROOT = Path(__file__).parents[2]
OLD = [
    line.partition("#")[0].split()
    for line in Path(__file__).with_name("seeds.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
# Of ten minutes, five hundred with the old ones.
SEEDS = 500 - sum(minutes == "10" for _, minutes, _ in OLD)


@pytest.mark.parametrize(("seed", "minutes", "faults"), OLD)
def test_a_seed_that_broke_once_breaks_no_more(seed: str, minutes: str, faults: str) -> None:
    """By its line in seeds.txt."""
    run = runner()
    from hftd.cli.simulate import kinds_of
    from hftd.drivers.simulate_seed import draw

    out = run(draw(int(seed), float(minutes), "market-making", kinds_of(faults)))
    assert out.violation == ""


def test_the_same_seed_gives_the_same_trace_under_any_hash_seed() -> None:
    """Faults, deaths, boots and all: three string hashes, one trace; another seed has another."""
    traces = [
        subprocess.run(
            [sys.executable, "-m", "tests.simulation.trace", seed, "4"],
            cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True, text=True, check=True,
        ).stdout.strip()
        for seed, hash_seed in (("19", "1"), ("19", "2"), ("19", "3"), ("20", "1"))
    ]  # fmt: skip
    assert traces[0] == traces[1] == traces[2] != traces[3]
    assert int(traces[0].split()[1]) > 1, "the seed must have boots in it"


def test_seeds_of_ten_minutes_break_nothing() -> None:
    """Every invariant holds through all faults, and each daemon is alive when they have ended.

    The seeds take what the tests beside them leave of both cores: those wait for real processes.
    They come last, since when all others have ended they alone still keep both busy.
    """
    done = subprocess.run(
        [sys.executable, "-P", "-m", "hftd.cli.hftd", "simulate",
         "--seeds", f"1..{SEEDS}", "--minutes", "10", "--jobs", "2", "--no-shrink", "--json"],
        cwd=ROOT, capture_output=True, text=True, check=False,
        start_new_session=True, preexec_fn=partial(give_way, 19),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    total = json.loads(done.stdout.splitlines()[-1])
    assert total["seeds"] == SEEDS and not total["violations"]
    assert sum(total["faults"].values()) > 20 * SEEDS
    assert sum(total["crashes"].values()) > SEEDS / 10
