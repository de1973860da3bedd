"""A gap in the update ids: until the quotes are off the market, and until they stand again.

The harness leaves five update ids out and goes on as an exchange does, a depth event each 100 ms.
From the frame after the gap, by the wire: the last cancel, the question for a snapshot, both sides
quoted again; and, by the facts in the journal, when the book was SYNCED. The snapshot's answer
comes at once, so what is left is the daemon's own: how long it waits before it asks, and how
long until it believes the book.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from hftd.domain.codes import BookState
from hftd.domain.facts import FACT, FactKind
from hftd.journal.reader import JournalReader
from hftd.journal.record import RecordType, Stream
from tests.bench import rows
from tests.bench.harness import build, sets_of, trading

ROUNDS = 4  # Eleven seconds each: only a book that held for ten may ask for a snapshot at once.
AIM_US = 1_000.0
COLUMNS = ("first cancel", "last cancel", "snapshot asked", "first quote", "both sides quoted")


def synced_us(journal: Path) -> list[float]:
    """Return how long the book was not SYNCED after each gap, by the facts, in µs."""
    found: list[float] = []
    lost_ns = 0
    for record in JournalReader(journal).records(streams=(Stream.ORDERS,)):
        if record.record_type != RecordType.FACT:
            continue
        for fact in np.frombuffer(record.payload, FACT):
            if fact["kind"] != FactKind.BOOK:
                continue
            if fact["state_to"] != BookState.SYNCED:
                lost_ns = lost_ns or record.ts_ns
            elif lost_ns:
                found.append((record.ts_ns - lost_ns) / 1000)
                lost_ns = 0
    return found


def run() -> rows.Parts:
    """Return the rows of this part."""
    with tempfile.TemporaryDirectory(prefix="harness") as place:
        folder = Path(place)
        build(folder)
        with trading(folder, sets_of("sleep")) as all_three:
            times = all_three.harness.outage(ROUNDS)
            synced = synced_us(all_three.instance.state / "journal")[-ROUNDS:]
    assert (times >= 0).all(), f"something never came: {times.tolist()}"
    us = dict(zip(COLUMNS, (np.median(times, axis=0) / 1000).tolist(), strict=True))
    worst = dict(zip(COLUMNS, (times.max(axis=0) / 1000).tolist(), strict=True))
    ours = us["last cancel"]
    note = f"first cancel {us['first cancel']:,.0f} µs, worst {worst['last cancel']:,.0f} µs"
    return {
        "outage": [
            rows.Row("gap seen to quotes pulled", ours, "µs", "aim", AIM_US, ours / AIM_US,
                     reach=1.0, note=note),
            rows.Row("gap to a snapshot asked for", us["snapshot asked"] / 1000, "ms"),
            rows.Row("gap to SYNCED", float(np.median(synced)) / 1000, "ms",
                     note=f"worst {max(synced) / 1000:,.0f} ms; by the journal's facts"),
            rows.Row("gap to both sides quoted again", us["both sides quoted"] / 1000, "ms",
                     note=f"worst {worst['both sides quoted'] / 1000:,.0f} ms"),
        ]
    }  # fmt: skip


if __name__ == "__main__":
    rows.main("outage", run)
