from __future__ import annotations

import re
import subprocess
import sys
from datetime import date
from functools import partial
from pathlib import Path

from hftd.runtime.recorder_start import give_way

ROOT = Path(__file__).parents[2]
STRIDE = 2  # Of over 4,000 effects; `scripts/bench crashes` dies at every one of them.
FEWEST = 2_000


def test_a_death_at_the_effects_of_a_session_is_recovered_from() -> None:
    """At least 2,000 copies die each at another effect, boot, and differ in nothing.

    Every other day has the other effects, so that two days have them all.
    """
    offset = date.today().toordinal() % STRIDE
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation.crash_matrix",
         "--stride", str(STRIDE), "--offset", str(offset)],
        cwd=ROOT, capture_output=True, text=True, check=False,
        start_new_session=True, preexec_fn=partial(give_way, 19),
    )  # fmt: skip
    told = f"scripts/bench crashes --stride {STRIDE} --offset {offset}\n"
    assert done.returncode == 0, told + done.stdout + done.stderr
    assert " 0 not recovered from" in done.stdout
    deaths = re.search(r"^(\d+) deaths", done.stdout, re.MULTILINE)
    assert deaths is not None and int(deaths[1]) >= FEWEST
