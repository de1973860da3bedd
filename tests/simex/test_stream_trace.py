"""One seed, one story: the same requests at the same times bring the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def _traces(hash_seed: str) -> list[list[str]]:
    out = subprocess.run(
        [sys.executable, "-m", "tests.simex.stream_trace", "2000"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return [line.split() for line in out.splitlines()]


def test_streams_are_the_same_byte_for_byte() -> None:
    """Twice, under two hash seeds: agents and tape, sound and with faults and latency."""
    first, second = _traces("0"), _traces("4242")
    assert first == second
    assert len({digest for digest, _, _ in first}) == 4
    assert all(int(executions) > 9 for _, executions, _ in first)
    assert [int(fired) > 50 for _, _, fired in first] == [False, False, True, True]
