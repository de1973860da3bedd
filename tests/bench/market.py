"""The stylised facts of the agents markets, preset by preset, as a table in Markdown.

    scripts/bench market [--preset NAME|FILE.yaml ...] [--seeds 5] [--minutes 30] [--json FILE]

Medians over the seeds of markets without a user. A quiet market's returns have no memory of a
second ago beyond their standard error, which is given beside them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hftd.config.preset_shelf import load_preset, names
from hftd.simex.presets import SYMBOLS, preset_of
from tests.bench.calm import where
from tests.bench.stylised import SIGN_LAGS, Facts, Watch, autocorrelation

SPEC = SYMBOLS["BTCUSDT"].spec
PERCENTILES = (5, 50, 95)


def median(facts: list[Facts], number: Callable[[Facts], float]) -> float:
    """Return the median of a number over the seeds."""
    return statistics.median(number(each) for each in facts)


def distribution(facts: list[Facts], values: Callable[[Facts], list[int]], unit: float) -> str:
    """Return the 5th, 50th and 95th percentile of all seeds' seconds."""
    every = [value for each in facts for value in values(each)]
    low, middle, high = np.percentile(every, PERCENTILES) * unit
    return f"{low:.3g} / {middle:.3g} / {high:.3g}"


def row(name: str, facts: list[Facts]) -> dict[str, str]:
    """Return one preset's facts, by the heading of their column."""
    lot = float(SPEC.lot_size)
    error = 1 / np.sqrt(len(facts[0].returns))
    signs = (median(facts, lambda f, lag=lag: f.sign_autocorrelation(lag)) for lag in SIGN_LAGS)  # type: ignore[misc]
    return {
        "preset": f"`{name}`",
        "spread, ticks": distribution(facts, lambda f: f.spreads_ticks, 1),
        "touch, BTC": distribution(facts, lambda f: f.touch_lots, lot),
        "five levels, BTC": distribution(facts, lambda f: f.depth_lots, lot),
        "trades a minute": f"{median(facts, lambda f: f.trades_a_minute):.0f}",
        "orders in 10 s, variance / mean": f"{median(facts, lambda f: f.clustering):.1f}",
        "deviation of 1 s returns, bps": f"{median(facts, lambda f: float(f.returns.std())):.2f}",
        "their autocorrelation": (
            f"{median(facts, lambda f: autocorrelation(f.returns, 1)):+.2f} ± {error:.2f}"
        ),
        "sign autocorrelation, lag 1 / 2 / 5": " / ".join(f"{each:+.2f}" for each in signs),
        "imbalance foretells": f"{median(facts, lambda f: f.foretold):.1%}",
    }


def main() -> int:
    """Watch every market asked for and print the table."""
    parser = argparse.ArgumentParser(prog="scripts/bench market", description=__doc__)
    parser.add_argument("--preset", nargs="+", default=list(names()))
    parser.add_argument("--seeds", type=int, default=5, help="seeds 1 to this")
    parser.add_argument("--minutes", type=int, default=30, help="simulated minutes a seed")
    parser.add_argument("--json", type=Path, help="keep the table in this file, with the commit")
    args = parser.parse_args()
    rows = []
    for name in args.preset:
        file = load_preset(name)
        print(f"{name}: {file.description}", file=sys.stderr, flush=True)
        preset = preset_of(file)
        seeds = range(1, args.seeds + 1)
        rows.append(row(name, [Watch(preset, seed).run(args.minutes * 60) for seed in seeds]))
    print(f"| {' | '.join(rows[0])} |")
    print(f"|{' --- |' * len(rows[0])}")
    for cells in rows:
        print(f"| {' | '.join(cells.values())} |")
    if args.json is not None:
        words = {**where(), "seeds": args.seeds, "minutes": args.minutes, "rows": rows}
        args.json.write_text(json.dumps(words, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
