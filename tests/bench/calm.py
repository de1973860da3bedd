"""The market that teaches, with the real engine: TRADING's table over many seeds.

    scripts/bench calm [--seeds 20] [--minutes 60] [--only NAME ...] [--jobs 2] [--json FILE]

Each variant is a shipped profile with a few keys changed. One line a seed goes to stderr, the
table to stdout; ``--json`` keeps every number, with the commit and the machine.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hftd.runtime import kernel_cache

if TYPE_CHECKING:
    from tests.bench.hour import Outcome


class Variant(NamedTuple):
    """A profile, what is changed in it, and how many minutes of it are worth running."""

    profile: str
    sets: tuple[str, ...] = ()
    most_minutes: float = 1e9


VARIANTS = {
    "market-making": Variant("market-making"),
    "canary": Variant("canary"),
    "trending": Variant("market-making", ("venue.market.preset=trending",)),
    # At this fee no quote has an edge; the check is taken out to see what it spares.
    "10 bps fee": Variant(
        "market-making", ("venue.fees.maker_bps=10", "strategy.min_edge_bps=-20")
    ),
    "skew off": Variant("market-making", ("strategy.skew_bps_at_limit=0",)),
    # It halts in the fourth minute; after that the market is alone.
    "crash": Variant("market-making", ("venue.market.preset=crash",), 10),
    "imbalance": Variant("imbalance"),
}
# The formulas beside the simple rule, in each market, at full size; by --only formulas.
FORMULAS = {
    f"{preset}, {profile}": Variant(
        profile, (f"venue.market.preset={preset}", "canary.enabled=false")
    )
    for preset in ("calm", "busy", "wide", "trending")
    for profile in ("market-making", "avellaneda-stoikov", "glft")
}
ALL = VARIANTS | FORMULAS


def run_one(name: str, seed: int, minutes: float) -> Outcome:
    """Run one seed of one variant."""
    from hftd.config.load import load_profile
    from tests.bench.hour import Hour

    variant = ALL[name]
    sets = [*variant.sets, f"venue.market.seed={seed}"]
    loaded = load_profile(variant.profile, sets=sets, environ={})
    return Hour(loaded, seed).run(min(minutes, variant.most_minutes))


def median(outcomes: list[Outcome], name: str) -> float:
    """Return the median of a number over the seeds."""
    return statistics.median(getattr(out, name) for out in outcomes)


def spread(outcomes: list[Outcome], name: str, form: str) -> str:
    """Return the least and the greatest of a number over the seeds."""
    values = [getattr(out, name) for out in outcomes]
    return f"{min(values):{form}} … {max(values):{form}}"


def last_states(outcomes: list[Outcome]) -> str:
    """Return which trading states the seeds ended in, and how many passed through PAUSED."""
    ends: dict[str, int] = {}
    for out in outcomes:
        state = out.states[-1].split(" s ")[1] if out.states else "none"
        ends[state] = ends.get(state, 0) + 1
    paused = sum(any("PAUSED" in state for state in out.states) for out in outcomes)
    words = [f"{state} {count}" for state, count in sorted(ends.items())]
    return ", ".join([*words, *([f"paused before {paused}"] if paused else [])])


COLUMNS = (
    "market and profile",
    "fills buy / sell",
    "both sides quoted",
    "returns to target",
    "half-spread, bps",
    "10 s markout, bps",
    "PnL, USDT",
    "least … greatest",
    "seeds with a gain",
    "position variance, lots²",
    "limits broken",
    "imbalance foretells",
    "ended",
)


def row(name: str, outcomes: list[Outcome]) -> list[str]:
    """Return one row of the table: medians over the seeds."""
    fills = f"{median(outcomes, 'fills_buy'):.0f} / {median(outcomes, 'fills_sell'):.0f}"
    return [
        name,
        fills,
        f"{median(outcomes, 'both_quoted'):.1%}",
        f"{median(outcomes, 'returns_to_target'):.0f}",
        f"{median(outcomes, 'half_spread_bps'):.2f}",
        f"{median(outcomes, 'markout_10s_bps'):.2f}",
        f"{median(outcomes, 'pnl_quote'):.2f}",
        spread(outcomes, "pnl_quote", ".2f"),
        f"{sum(out.pnl_quote > 0 for out in outcomes)} of {len(outcomes)}",
        f"{median(outcomes, 'position_variance'):.0f}",
        str(sum(out.limits_broken for out in outcomes)),
        f"{median(outcomes, 'imbalance_predicts'):.1%}",
        last_states(outcomes),
    ]


def table(results: dict[str, list[Outcome]]) -> str:
    """Return the table in Markdown."""
    rows = [list(COLUMNS), ["---"] * len(COLUMNS)]
    rows += [row(name, outcomes) for name, outcomes in results.items()]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def where() -> dict[str, str]:
    """Return commit and machine, which numbers of time stand and fall with."""
    root = Path(__file__).parents[2]
    git = ["git", "-C", str(root)]
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True)
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "hftd", "profiles"])
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        if line.startswith("model name")
    ]
    return {
        "commit": commit.stdout.strip() + (" with changes" if changed.returncode else ""),
        "machine": f"{len(models)} x {models[0] if models else platform.machine()}",
        "python": platform.python_version(),
    }


def say(text: str) -> None:
    """Tell how far it is."""
    print(text, file=sys.stderr, flush=True)


def line(name: str, out: Outcome) -> str:
    """Return one seed in a line."""
    denied = sum(out.denied.values())
    return (
        f"{name:26} seed {out.seed:2}: {out.fills_buy:4} / {out.fills_sell:4} fills, both quoted "
        f"{out.both_quoted:5.1%}, returns {out.returns_to_target:3}, half-spread "
        f"{out.half_spread_bps:5.2f}, markout {out.markout_10s_bps:5.2f}, PnL {out.pnl_quote:8.2f},"
        f" variance {out.position_variance:9.0f}, orders {out.submitted}, denied {denied}, "
        f"imbalance {out.imbalance_predicts:.1%}"
        + (f", LIMIT BROKEN {out.limit_broken_first}" if out.limits_broken else "")
        + (f", BOOKS DIFFER {out.agrees}" if out.agrees else "")
    )


def keep(path: Path, results: dict[str, list[Outcome]], minutes: dict[str, float]) -> None:
    """Write every number so far, so that a long run is worth something at any time."""
    words = {
        **where(),
        "variants": {
            name: {
                "profile": ALL[name].profile,
                "sets": ALL[name].sets,
                "minutes": minutes[name],
                "seeds": [asdict(out) for out in outcomes],
            }
            for name, outcomes in results.items()
        },
    }
    path.write_text(json.dumps(words, indent=1) + "\n", "utf-8")


def main() -> int:
    """Run the variants over the seeds; exit 1 where a limit broke or books differ."""
    parser = argparse.ArgumentParser(prog="scripts/bench calm", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="seeds 1 to this")
    parser.add_argument("--minutes", type=float, default=60.0, help="simulated minutes a seed")
    parser.add_argument("--only", nargs="+", choices=[*ALL, "formulas"], default=list(VARIANTS))
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side")
    parser.add_argument("--json", type=Path, help="keep every number in this file")
    args = parser.parse_args()
    if args.only == ["formulas"]:
        args.only = list(FORMULAS)
    kernel_cache.prepare()
    for name in args.only:
        say(f"kernels of {name} …")
        run_one(name, 1, 0.1)  # Compiled before the processes part, so that all have them.
    began = time.monotonic()
    results: dict[str, list[Outcome]] = {}
    minutes = {name: min(args.minutes, ALL[name].most_minutes) for name in args.only}
    with ProcessPoolExecutor(args.jobs) as pool:
        futures = {
            name: [
                pool.submit(run_one, name, seed, args.minutes) for seed in range(1, args.seeds + 1)
            ]
            for name in args.only
        }
        for name, waiting in futures.items():
            results[name] = []
            for future in waiting:
                results[name].append(future.result())
                say(line(name, results[name][-1]))
            if args.json is not None:
                keep(args.json, results, minutes)
    print(table(results))
    hours = args.seeds * sum(minutes.values()) / 60
    took = time.monotonic() - began
    say(f"{hours:.1f} simulated hours in {took:.0f} s with {args.jobs} processes")
    every = [out for outcomes in results.values() for out in outcomes]
    return int(any(out.limits_broken or out.agrees for out in every))


if __name__ == "__main__":
    sys.exit(main())
