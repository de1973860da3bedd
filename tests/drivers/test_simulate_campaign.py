"""What becomes of a failing seed: small, and repeated by one line; and how seeds are summed up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from hftd.cli.simulate import kinds_of, seeds_of, sum_lines
from hftd.drivers.simulate_campaign import (
    MAX_SHRINK_RUNS,
    Total,
    repeat_line,
    run_many,
    shrink,
)
from hftd.drivers.simulate_circumstances import CIRCUMSTANCES
from hftd.drivers.simulate_faults import KINDS
from hftd.drivers.simulate_seed import Draw, Outcome, draw
from hftd.runtime.children import is_alive
from tests.e2e.daemon import ROOT, until

NAMES = (*KINDS, *CIRCUMSTANCES)


def breaks_by(needed: set[str], from_minutes: float, runs: list[Draw]) -> Outcome:
    """Return the last run's outcome: broken where all that is needed is on for long enough."""
    drawn = runs[-1]
    if needed <= set(drawn.faults) and drawn.minutes >= from_minutes:
        return Outcome(drawn, violation="I03: broken", invariant="I03")
    if drawn.minutes < 5:  # Another rule, which a seed must not be shrunk to.
        return Outcome(drawn, violation="I30: not alive", invariant="I30")
    return Outcome(drawn)


@settings(max_examples=60, deadline=None)
@given(
    faults=st.lists(st.sampled_from(NAMES), unique=True, min_size=3, max_size=20),
    from_minutes=st.sampled_from([2.0, 4.0, 9.0]),
)
def test_a_seed_shrinks_to_what_breaks_it(faults: list[str], from_minutes: float) -> None:
    """To the very faults that it takes, and to less than twice the time; by the same rule."""
    needed, runs = set(faults[1:3]), list[Draw]()

    def run(drawn: Draw) -> Outcome:
        runs.append(drawn)
        return breaks_by(needed, from_minutes, runs)

    out = run(draw(7, 10, "market-making", faults))
    told: list[str] = []
    small = shrink(out, run, told.append)
    assert small.invariant == "I03"
    assert set(small.draw.faults) == needed
    assert small.draw.minutes / 2 < max(from_minutes, 2)
    assert len(runs) - 1 <= MAX_SHRINK_RUNS and len(told) == 1


@given(
    seed=st.integers(0, 10**9),
    faults=st.lists(st.sampled_from(NAMES), unique=True, max_size=30),
    minutes=st.sampled_from([2.0, 2.5, 10.0, 60.0]),
)
def test_the_line_repeats_the_seed(seed: int, faults: list[str], minutes: float) -> None:
    """What it names, read as the command line is read, is the same draw."""
    drawn = draw(seed, minutes, "market-making", faults)
    words = repeat_line(drawn).split()
    assert words[:2] == ["hftd", "simulate"]
    given_ = dict(zip(words[2::2], words[3::2], strict=True))
    first, last = seeds_of(given_["--seeds"])
    again = draw(first, float(given_["--minutes"]), "market-making", kinds_of(given_["--faults"]))
    assert first == last and again == drawn


def test_the_last_line_counts_everything() -> None:
    """Seeds, hours, events, faults, crashes and violations, in one line."""
    drawn, total = draw(1, 10, "market-making", ()), Total()
    out = Outcome(
        drawn, seconds=600, process_seconds=2, market_events=1200,
        faults={"kill-9": 3}, venue_faults={"ack_lost": 2}, crashes={"kill -9": 4},
        sometimes={"killed": 5, "halted": 1},
    )  # fmt: skip
    for each in (out, replace(out, violation="I01: broken", invariant="I01")):
        total.add(each)
    last = sum_lines(total, 4.2).splitlines()[-1]
    for words in (
        "2 seeds", "0.3 simulated hours", "2400 market events (2.0 a second)",
        "10 faults of 2 kinds", "8 crashes", "2 rare states", "1 violations",
        "300 x real time a core",
    ):  # fmt: skip
        assert words in last


def seed_without_end(folder: str, drawn: Draw) -> Outcome:
    """Tell by a file that this process has begun a seed, and never end it."""
    Path(folder, str(os.getpid())).touch()
    threading.Event().wait()
    return Outcome(drawn)


ENDLESS = """
import sys
from functools import partial
from hftd.drivers.simulate_campaign import run_many
from hftd.drivers.simulate_seed import draw
from tests.drivers.test_simulate_campaign import seed_without_end
draws = [draw(seed, 1, "market-making", []) for seed in range(4)]
list(run_many(draws, partial(seed_without_end, sys.argv[1]), 2))
"""


def test_who_is_killed_leaves_no_seed_running(tmp_path: Path) -> None:
    """The processes of a campaign end with the one that sums up, however that ends."""
    first = subprocess.Popen([sys.executable, "-P", "-c", ENDLESS, str(tmp_path)], cwd=ROOT,
                             env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    try:
        until(lambda: first.poll() is not None or len(list(tmp_path.iterdir())) == 2, "two seeds")
        assert first.poll() is None
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    pids = [int(each.name) for each in tmp_path.iterdir()]
    until(lambda: not any(map(is_alive, pids)), "the end of both")


def test_the_memory_of_a_killed_seed_is_given_back() -> None:
    """The next seeds remove the folder of one whose process is gone, and no living one's."""
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    folders = [Path("/dev/shm", f"hftd-simulate-{pid}-test") for pid in (gone.pid, os.getpid())]
    for folder in folders:
        folder.mkdir()
    try:
        assert list(run_many([], Outcome, 1)) == []
        assert [folder.is_dir() for folder in folders] == [False, True]
    finally:
        folders[1].rmdir()
