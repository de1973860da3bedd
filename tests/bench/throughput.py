"""How many depth messages a second the daemon takes over a socket, none lost.

The exchange in C sends messages of 57 levels as fast as the daemon reads them; only the last
one moves the book, and the clock stops at its order. That all were taken is seen in the book:
its update id, and that it never was out of sequence.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median

from tests.bench import harness as venue
from tests.bench import rows

COUNT, TURNS = 20_000, 5
AIM = 30_000


def run() -> rows.Parts:
    """Return the rows of this part."""
    rates = []
    with tempfile.TemporaryDirectory(prefix="harness") as place:
        folder = Path(place)
        venue.build(folder)
        with venue.trading(folder, venue.SETS) as all_three:
            harness, instance, _ = all_three
            for _ in range(TURNS):
                before = instance.ask("book")["last_update_id"]
                took_ns = harness.flood(COUNT)
                assert took_ns > 0, "no order came after the flood"
                taken = instance.ask("book")["last_update_id"] - before
                assert taken >= 3 * COUNT, f"{taken} update ids of {3 * COUNT}"
                rates.append(COUNT / (took_ns / 1e9))
            assert instance.state_name() == "RUNNING"
            latency = {stage["stage"]: stage for stage in instance.ask("latency")["stages"]}
    rate = median(rates)
    note = f"{COUNT} messages of 57 levels, market data p99 {latency['market_data']['p99_us']} µs"
    return {
        "throughput": [
            rows.Row(
                "depth messages a second", rate, "1/s", "aim", AIM, rate / AIM, "higher", 1.0, note
            )
        ]
    }  # fmt: skip


if __name__ == "__main__":
    rows.main("throughput", run)
