"""The journal that nobody reads: the writer's own code, in memory, without end."""

from __future__ import annotations

import contextlib
from pathlib import Path

from hftd.journal.scratch import BYTES, ScratchJournal
from tests.journal.small import FACT

LARGE = bytes(60_000)
RECORDS = 2 * BYTES // len(LARGE)  # Twice of what it holds.


def test_rewound_it_takes_any_number_of_records_and_keeps_no_file(tmp_path: Path) -> None:
    """Both streams, over and over in the same memory, in a folder that stays empty."""
    with contextlib.chdir(tmp_path):
        journal = ScratchJournal()
        memory = []
        for _ in range(RECORDS):
            journal.rewind()
            journal.append(FACT, 1, LARGE)
            journal.append_market(1, 0, LARGE)
            memory.append((journal._orders.map, journal._market.map))
    assert all(each == memory[0] for each in memory)
    assert list(tmp_path.iterdir()) == []
