"""Many seeds: run in several processes, summed up, and what failed made small.

Owns the sum, the shrinking of a failing seed, and the one line that repeats it. Must not know
how a seed goes, nor print anything.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import signal
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import Any

from hftd.drivers.simulate_faults import OWN_KINDS
from hftd.drivers.simulate_seed import Draw, Outcome, RunSeed, drop_left_behind

MAX_SHRINK_RUNS = 40
MIN_MINUTES = 2.0
QUEUED_A_JOB = 4

_PR_SET_PDEATHSIG = 1  # prctl(2)


@dataclass
class Total:
    """What seeds brought, added up."""

    seeds: int = 0
    simulated_hours: float = 0.0
    market_events: int = 0
    boots: int = 0
    commands: int = 0
    fills: int = 0
    process_seconds: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)
    crashes: dict[str, int] = field(default_factory=dict)
    sometimes: dict[str, int] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)
    violations: dict[str, int] = field(default_factory=dict)

    def add(self, out: Outcome) -> None:
        """Add one seed."""
        self.seeds += 1
        self.simulated_hours += out.seconds / 3600
        self.market_events += out.market_events
        self.boots += out.boots
        self.commands += out.commands
        self.fills += out.fills
        self.process_seconds += out.process_seconds
        _add(self.faults, _fired(out))
        _add(self.crashes, out.crashes)
        _add(self.sometimes, out.sometimes)
        _add(self.ends, {out.end: 1})
        if out.violation:
            _add(self.violations, {out.invariant: 1})

    @property
    def speed(self) -> float:
        """Return simulated time over processor time: how much faster than real, per core."""
        return self.simulated_hours * 3600 / max(self.process_seconds, 1e-9)

    @property
    def events_per_second(self) -> float:
        """Return market events per simulated second."""
        return self.market_events / max(self.simulated_hours * 3600, 1e-9)

    def as_json(self) -> dict[str, Any]:
        """Return all numbers, names in order."""
        words = asdict(self)
        for name, value in words.items():
            if isinstance(value, dict):
                words[name] = dict(sorted(value.items()))
        words["speed_per_core"] = round(self.speed, 1)
        words["events_per_second"] = round(self.events_per_second, 2)
        return words


def _add(total: dict[str, int], more: dict[str, int]) -> None:
    for name, count in more.items():
        total[name] = total.get(name, 0) + count


def _fired(out: Outcome) -> dict[str, int]:
    """Return faults that really struck: the exchange's as it fired them, the others as drawn."""
    venues = {name.replace("_", "-"): count for name, count in out.venue_faults.items()}
    ours = {name: count for name, count in out.faults.items() if name in OWN_KINDS}
    return ours | venues


def run_many(draws: Iterable[Draw], run: RunSeed, jobs: int) -> Generator[Outcome, None, None]:
    """Run seeds and yield each outcome as it comes; with one job, here and in order."""
    drop_left_behind()
    if jobs == 1:
        yield from map(run, draws)
        return
    # Forked, so that the kernels are loaded once; nothing here has threads yet.
    context = multiprocessing.get_context("fork")
    waiting = iter(draws)
    with ProcessPoolExecutor(jobs, context, _live_and_die_with_the_first) as pool:
        running = {pool.submit(run, each) for each in islice(waiting, jobs * QUEUED_A_JOB)}
        try:
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for each in done:
                    yield each.result()
                    running |= {pool.submit(run, more) for more in islice(waiting, 1)}
        finally:  # Whoever reads no further waits for the seeds on their way alone.
            pool.shutdown(cancel_futures=True)


def _live_and_die_with_the_first() -> None:
    # Each of them holds the queue's other end: none would ever hear that the first was killed.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # Ctrl-C reaches the whole group: the process that sums up ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def shrink(out: Outcome, run: RunSeed, tell: Callable[[str], None]) -> Outcome:
    """Return the smallest outcome found that breaks the same invariant: fewer faults, less time."""
    runs = 0

    def still_fails(drawn: Draw) -> Outcome | None:
        nonlocal runs
        runs += 1
        again = run(drawn)
        return again if again.invariant == out.invariant else None

    best = out
    for name in out.draw.faults:
        if runs >= MAX_SHRINK_RUNS:
            break
        fewer = tuple(each for each in best.draw.faults if each != name)
        best = still_fails(replace(best.draw, faults=fewer)) or best
    while runs < MAX_SHRINK_RUNS and best.draw.minutes / 2 >= MIN_MINUTES:
        shorter = still_fails(replace(best.draw, minutes=best.draw.minutes / 2))
        if shorter is None:
            break
        best = shorter
    tell(f"shrunk in {runs} runs from {len(out.draw.faults)} kinds of faults")
    return best


def repeat_line(drawn: Draw) -> str:
    """Return the command that repeats a seed."""
    faults = ",".join(drawn.faults) or "none"
    profile = f" --profile {drawn.profile}" if drawn.profile != "market-making" else ""
    seeds = f"--seeds {drawn.seed} --minutes {drawn.minutes:g}"
    return f"hftd simulate {seeds} --faults {faults}{profile}"
