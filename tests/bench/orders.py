"""Orders a second with acks over one connection: a stress row, not a rate that a venue would take.

The harness moves the touch as soon as both quotes have followed by a cancel-replace and are
acknowledged, again and again: no order is sent before the last one of its side was answered. The
daemon's own bound on orders a second is at its highest (C17 allows no more than 1,000 by a number,
so the profile says ``venue``, and the harness names no limits).
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median

from tests.bench import rows
from tests.bench.harness import build, sets_of, trading

ROUNDS, TURNS = 2_000, 5
AIM = 5_000


def run() -> rows.Parts:
    """Return the rows of this part."""
    found = []
    with tempfile.TemporaryDirectory(prefix="harness") as place:
        folder = Path(place)
        build(folder)
        for mode in ("sleep", "spin"):
            sets = sets_of(mode, ["risk.max_orders_per_second=venue"])
            with trading(folder, sets) as all_three:
                rates = []
                for _ in range(TURNS):
                    took_ns, orders = all_three.harness.stress(ROUNDS)
                    assert orders >= 2 * ROUNDS * 0.99, f"{orders} orders of {2 * ROUNDS}"
                    rates.append(orders / (took_ns / 1e9))
            rate = median(rates)
            found.append(
                rows.Row(
                    f"orders a second with acks, {mode}", rate, "1/s", "aim", AIM, rate / AIM,
                    "higher", 1.0, f"best of {TURNS} turns {max(rates):,.0f}",
                )
            )  # fmt: skip
    return {"orders": found}


if __name__ == "__main__":
    rows.main("orders", run)
