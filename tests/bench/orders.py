"""Orders a second with acks over one connection: a stress row, not a rate that a venue would take.

The harness moves the touch as soon as both quotes have followed by a cancel-replace and are
acknowledged, again and again: no order is sent before the last one of its side was answered. The
daemon's own bound on orders a second is at its highest (C17 allows no more than 1,000 by a number,
so the profile says ``venue``, and the harness names no limits).

Both are busy all the time, so whoever else wants one of the two cores is felt at once: a turn of
0.6 s took 2 s beside two other programs. How long the exchange and the daemon stood in line stands
beside the rate, in parts of the time.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

from tests.bench import rows
from tests.bench.harness import build, sets_of, trading, waited_ns

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
                pids = (all_three.harness.process.pid, all_three.daemon.pid)
                rates, began_ns = [], time.monotonic_ns()
                before_ns = [waited_ns(pid) for pid in pids]
                for _ in range(TURNS):
                    took_ns, orders = all_three.harness.stress(ROUNDS)
                    assert orders >= 2 * ROUNDS * 0.99, f"{orders} orders of {2 * ROUNDS}"
                    rates.append(orders / (took_ns / 1e9))
                all_ns = time.monotonic_ns() - began_ns
                after_ns = [waited_ns(pid) for pid in pids]
            in_line = [(b - a) / all_ns for a, b in zip(before_ns, after_ns, strict=True)]
            rate = median(rates)
            note = f"best of {TURNS} turns {max(rates):,.0f}; in line for a core: the exchange "
            note += f"{in_line[0]:.0%}, the daemon {in_line[1]:.0%} of the time"
            found.append(
                rows.Row(
                    f"orders a second with acks, {mode}", rate, "1/s", "aim", AIM, rate / AIM,
                    "higher", 1.0, note,
                )
            )  # fmt: skip
    return {"orders": found}


if __name__ == "__main__":
    rows.main("orders", run)
