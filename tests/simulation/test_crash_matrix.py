from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
STRIDE = 10  # Of over 4,000 effects; `scripts/bench crashes` dies at every one of them.


def test_a_death_at_the_effects_of_a_session_is_recovered_from() -> None:
    """Each of some four hundred copies dies at another effect, boots, and differs in nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation.crash_matrix", "--stride", str(STRIDE)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 not recovered from" in done.stdout
