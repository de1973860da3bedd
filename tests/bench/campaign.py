"""The simulation at length: seeds for a given time, and a file of what they brought.

    scripts/bench campaign [--real-minutes 60] [--jobs 2] [--minutes 10] [--first 1000]

Seeds go on from ``--first``, each ten simulated minutes long. What breaks is printed with the
line that repeats it, and stands in the file; nothing is left out of the sums. Ctrl-C ends it
and keeps what there is.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hftd.cli.simulate import failure_lines, runner, sum_lines
from hftd.runtime import kernel_cache

if TYPE_CHECKING:
    from hftd.drivers.simulate_campaign import Total
    from hftd.drivers.simulate_seed import Draw

RESULTS = Path(__file__).with_name("campaign_results.json")
TELL_EVERY = 200


def main() -> int:
    """Run, print, keep; return 1 where an invariant was broken."""
    parser = argparse.ArgumentParser(prog="scripts/bench campaign")
    parser.add_argument("--real-minutes", type=float, default=60)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--first", type=int, default=1000)
    parser.add_argument("--json", type=Path, default=RESULTS)
    asked = parser.parse_args()
    kernel_cache.prepare()
    from hftd.drivers.simulate_campaign import Total, repeat_line, run_many
    from tests.bench.rows import machine

    total, failed = Total(), list[dict[str, Any]]()
    words = machine()  # Before, so that what is edited meanwhile does not change the commit.
    began = time.monotonic()
    draws = draws_until(asked.first, asked.minutes, began + asked.real_minutes * 60)
    with contextlib.suppress(KeyboardInterrupt):
        for out in run_many(draws, runner(), asked.jobs):
            total.add(out)
            if out.violation:
                failed.append({"words": out.violation, "repeat": repeat_line(out.draw)})
                print(failure_lines(out, repeat_line(out.draw)), flush=True)
            if total.seeds % TELL_EVERY == 0:
                print(f"{total.seeds} seeds, {total.simulated_hours:.0f} h", file=sys.stderr)
    real_seconds = time.monotonic() - began
    keep(asked.json, words, asked, total, failed, real_seconds)
    print(sum_lines(total, real_seconds))
    return 1 if failed else 0


def draws_until(first: int, minutes: float, end_s: float) -> Iterator[Draw]:
    """Yield one seed's draw after another until the time is over."""
    from hftd.drivers.simulate_seed import draw

    for seed in count(first):
        if time.monotonic() >= end_s:
            return
        yield draw(seed, minutes, "market-making", None)


def keep(
    path: Path,
    words: dict[str, Any],
    asked: argparse.Namespace,
    total: Total,
    failed: list[dict[str, Any]],
    real_seconds: float,
) -> None:
    """Write commit, machine and sums."""
    told = {
        **words,
        "jobs": asked.jobs,
        "first_seed": asked.first,
        "minutes_a_seed": asked.minutes,
        "real_seconds": round(real_seconds),
        **total.as_json(),
        "failed": failed,
    }
    path.write_text(json.dumps(told, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
