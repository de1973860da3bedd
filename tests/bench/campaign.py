"""The simulation for as long as it is let: seeds, faults, crashes, and what they broke.

    scripts/bench campaign [--minutes 60] [--jobs 2] [--first 1000] [--json FILE] [--report]

Seeds from ``--first`` on, each ``--seed-minutes`` of simulated time with faults of its own draw,
every checker watching. A seed that breaks one is printed with the line that repeats it, and
stands in the file; nothing is left out of the sums. The file is written anew as it goes. Ctrl-C
and SIGTERM end it and keep what there is. ``--report`` runs nothing and prints the file as README
has it.

Speed is simulated time over processor time, so that it says the same whatever runs beside it;
cores that share their insides with other programs still count more time for the same work.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
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
    from hftd.drivers.simulate_seed import Draw, Outcome

RESULTS = Path(__file__).with_name("campaign_results.json")
KEEP_EVERY_S = 20
FIRST = 1_000


def main() -> int:
    """Run, print, keep; return 1 where an invariant was broken."""
    parser = argparse.ArgumentParser(prog="scripts/bench campaign")
    parser.add_argument("--minutes", type=float, default=60, help="how long, by the wall clock")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed-minutes", type=float, default=10, help="simulated, of each seed")
    parser.add_argument("--first", type=int, default=FIRST, help="the first seed")
    parser.add_argument("--json", type=Path, default=RESULTS, help="where the result is kept")
    parser.add_argument("--report", action="store_true", help="print what is kept, for README")
    asked = parser.parse_args()
    if asked.report:
        print(report(json.loads(asked.json.read_text("utf-8"))))
        return 0
    kernel_cache.prepare()
    campaign = Campaign(asked)
    # Also where a shell in its background has it ignored.
    signal.signal(signal.SIGINT, campaign.end)
    signal.signal(signal.SIGTERM, campaign.end)
    with contextlib.suppress(KeyboardInterrupt):
        campaign.run()
    campaign.keep()
    print(sum_lines(campaign.total, campaign.seconds()))
    return 1 if campaign.failed else 0


class Campaign:
    """One campaign on its way: the sums, what failed, and the file."""

    def __init__(self, asked: argparse.Namespace) -> None:
        from hftd.drivers.simulate_campaign import Total
        from tests.bench.rows import machine

        self.total: Total = Total()
        self.failed: list[dict[str, Any]] = []
        self._asked = asked
        self._ended = False
        self._machine = machine()  # Before, so that an edit meanwhile does not change the commit.
        self._began_s = self._kept_s = time.monotonic()

    def seconds(self) -> float:
        """Return how long it has run."""
        return time.monotonic() - self._began_s

    def end(self, *_signal: object) -> None:
        """Keep what there is and end; a call that drops the exception ends behind its seed."""
        self._ended = True
        self.keep()
        raise KeyboardInterrupt

    def run(self) -> None:
        """Run seeds until the time is over."""
        from hftd.drivers.simulate_campaign import run_many
        from hftd.drivers.simulate_seed import draw

        run = runner()
        run(draw(0, 2, "market-making", ()))  # What processes are forked of has its kernels.
        with contextlib.closing(run_many(self._draws(), run, self._asked.jobs)) as outcomes:
            for out in outcomes:
                self._take(out)
                if self._ended:
                    return

    def _draws(self) -> Iterator[Draw]:
        from hftd.drivers.simulate_seed import draw

        for seed in count(self._asked.first):
            if self._ended or self.seconds() >= self._asked.minutes * 60:
                return
            yield draw(seed, self._asked.seed_minutes, "market-making", None)

    def _take(self, out: Outcome) -> None:
        from hftd.drivers.simulate_campaign import repeat_line

        self.total.add(out)
        if out.violation:
            self.failed.append({"words": out.violation, "repeat": repeat_line(out.draw)})
            print(failure_lines(out, repeat_line(out.draw)), flush=True)
        if time.monotonic() - self._kept_s > KEEP_EVERY_S:
            self._kept_s = time.monotonic()
            self.keep()
            hours = self.total.simulated_hours
            print(f"{self.total.seeds} seeds, {hours:.0f} h", file=sys.stderr, flush=True)

    def keep(self) -> None:
        """Write commit, machine and sums in place of what the file held."""
        from hftd.drivers.rare_states import RARE_STATES

        never = sorted(set(RARE_STATES) - set(self.total.sometimes))
        told = {
            "machine": self._machine,
            "jobs": self._asked.jobs,
            "first_seed": self._asked.first,
            "minutes_a_seed": self._asked.seed_minutes,
            "real_seconds": round(self.seconds()),
            **self.total.as_json(),
            "crashes_in_all": sum(self.total.crashes.values()),
            "faults_in_all": sum(self.total.faults.values()),
            "violations_in_all": sum(self.total.violations.values()),
            "rare_states": {"declared": len(RARE_STATES), "never_visited": never},
            "failed": self.failed,
        }
        path: Path = self._asked.json
        beside = path.with_name(f".{path.name}.new")
        beside.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
        beside.replace(path)


def report(kept: dict[str, Any]) -> str:
    """Return a kept result in the words of README's section."""
    machine, rare = kept["machine"], kept["rare_states"]
    faults = ", ".join(f"{name} {count:,}" for name, count in kept["faults"].items())
    crashes = ", ".join(f"{name} {count:,}" for name, count in kept["crashes"].items())
    never = ", ".join(rare["never_visited"]) or "none"
    last = kept["first_seed"] + kept["seeds"] - 1
    return "\n".join(
        (
            f"- {kept['seeds']:,} seeds ({kept['first_seed']} to about {last}), "
            f"{kept['simulated_hours']:,.0f} simulated hours, {kept['market_events']:,} market "
            f"events ({kept['events_per_second']:.1f} a second), {kept['fills']:,} fills",
            f"- {kept['faults_in_all']:,} faults of {len(kept['faults'])} kinds: {faults}",
            f"- {kept['crashes_in_all']:,} crashes: {crashes}; {kept['boots']:,} boots",
            f"- {rare['declared'] - len(rare['never_visited'])} of {rare['declared']} rare states "
            f"visited; never: {never}",
            f"- {kept['violations_in_all']} violations",
            f"- {kept['speed_per_core']:.0f} times real time a core, "
            f"{kept['real_seconds'] / 60:.0f} minutes, {kept['jobs']} processes ({machine['cpu']}, "
            f"Python {machine['python']}, commit {machine['commit']}, load "
            f"{machine['load_1_5_15'][0]})",
        )
    )


if __name__ == "__main__":
    sys.exit(main())
