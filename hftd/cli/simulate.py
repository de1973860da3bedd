"""``hftd simulate``: worlds by their seeds, with faults, judged by the exchange's truth."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hftd.drivers.simulate_campaign import Total
    from hftd.drivers.simulate_seed import Draw, Outcome, RunSeed

PROGRESS_S = 1.0


def simulate(
    seeds: Annotated[str, typer.Option(help="A seed, or A..B with both ends.")] = "1..20",
    minutes: Annotated[float, typer.Option(min=2, help="Simulated minutes of each.")] = 10,
    faults: Annotated[
        str | None,
        typer.Option(
            help="Faults and circumstances by name, with commas; all faults, or none. Else each "
            "seed draws its own. A wrong name lists them."
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    profile: Annotated[str, typer.Option(help="Profile that trades.")] = "market-making",
    shrink: Annotated[bool, typer.Option(help="Make the first failing seed small.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the sum as JSON.")] = False,
) -> int:
    """Run simulated worlds: daemon, exchange, network, disk, clocks, people, and their faults.

    Each seed is ten minutes of trading (--minutes) at about seven market events a second, in
    which faults strike; then they end, and within a minute the daemon has to quote again, or be
    stopped with a reason. Every invariant is checked all the time. A seed that breaks one prints
    first, with the line that repeats it. Exits 1 where one was broken.
    """
    run = runner()
    from hftd.drivers.simulate_campaign import Total, repeat_line, run_many
    from hftd.drivers.simulate_campaign import shrink as shrink_one
    from hftd.drivers.simulate_seed import draw

    chosen = kinds_of(faults)
    first, last = seeds_of(seeds)
    draws = [draw(seed, minutes, profile, chosen) for seed in range(first, last + 1)]
    total, began = Total(), time.monotonic()
    failed: list[Outcome] = []
    told_s = 0.0
    for out in run_many(draws, run, jobs):
        total.add(out)
        if out.violation:
            failed.append(out)
            print(failure_lines(out, repeat_line(out.draw)), flush=True)
        if sys.stderr.isatty() and time.monotonic() - told_s > PROGRESS_S:
            told_s = time.monotonic()
            print(f"\r{total.seeds} of {len(draws)} seeds", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    if failed and shrink:
        small = shrink_one(failed[0], run, print)
        print(failure_lines(small, repeat_line(small.draw)), flush=True)
    if as_json:
        print(json.dumps(total.as_json()))
    else:
        print(sum_lines(total, time.monotonic() - began))
    return 1 if failed else 0


def runner() -> RunSeed:
    """Return what runs a seed, here or in a process that is forked of this one.

    The kernels' cache is made ready, and everything is imported: once for all.
    """
    from hftd.runtime import kernel_cache

    kernel_cache.prepare()
    from hftd import wiring  # noqa: F401 - for those who are forked
    from hftd.drivers import checkers, simulate_seed  # noqa: F401 - likewise

    return run_drawn


def run_drawn(drawn: Draw) -> Outcome:
    """Run one seed with every checker watching."""
    from hftd.runtime import kernel_cache

    kernel_cache.prepare()
    from hftd import wiring
    from hftd.drivers.checkers import all_checkers
    from hftd.drivers.memory import Builders
    from hftd.drivers.simulate_seed import run_seed

    began = time.process_time()
    out = run_seed(drawn, Builders(wiring.build_engine, wiring.build_codec), all_checkers)
    out.process_seconds = time.process_time() - began
    return out


def seeds_of(text: str) -> tuple[int, int]:
    """Return the first and the last seed of ``A..B`` or ``A``.

    Raises: UsageError where the text is neither.
    """
    from hftd.errors import UsageError

    match = re.fullmatch(r"(\d{1,15})(?:\.\.(\d{1,15}))?", text)
    if match is None or int(match[2] or match[1]) < int(match[1]):
        raise UsageError(f"--seeds must be a number or A..B with A up to B, was {text}")
    return int(match[1]), int(match[2] or match[1])


def kinds_of(text: str | None) -> tuple[str, ...] | None:
    """Return the kinds of faults that are asked for; None lets each seed draw.

    Raises: UsageError that names the nearest kind.
    """
    from difflib import get_close_matches

    from hftd.drivers.simulate_circumstances import CIRCUMSTANCES
    from hftd.drivers.simulate_faults import KINDS
    from hftd.errors import UsageError

    if text is None:
        return None
    if text == "all":
        return tuple(KINDS)
    names = () if text == "none" else tuple(text.split(","))
    known = (*KINDS, *CIRCUMSTANCES)
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, 1)
            guess = f"; did you mean {near[0]}?" if near else f", one of {', '.join(known)}"
            raise UsageError(f"--faults must name kinds, was {name}{guess}")
    return names


def failure_lines(out: Outcome, repeat: str) -> str:
    """Return what a failing seed broke, and the line that repeats it."""
    return f"seed {out.draw.seed} BROKEN: {out.violation}\n  {repeat}"


def sum_lines(total: Total, real_seconds: float) -> str:
    """Return the sum for a person; the last line counts everything."""
    lines = []
    for title, counts in (("faults", total.faults), ("ends", total.ends)):
        words = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        lines.append(f"{title}: {words or 'none'}")
    rare = ", ".join(f"{name} {count}" for name, count in sorted(total.sometimes.items()))
    lines.append(f"sometimes: {rare or 'none'}")
    crashes = sum(total.crashes.values())
    lines.append(
        f"{total.seeds} seeds, {total.simulated_hours:.1f} simulated hours, "
        f"{total.market_events} market events ({total.events_per_second:.1f} a second), "
        f"{sum(total.faults.values())} faults of {len(total.faults)} kinds, {crashes} crashes, "
        f"{len(total.sometimes)} rare states, {sum(total.violations.values())} violations, "
        f"{total.speed:.0f} x real time a core, {real_seconds:.0f} s on "
        f"{os.cpu_count() or 1} cores"
    )
    return "\n".join(lines)
