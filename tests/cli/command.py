"""Run hftd as a user does: a process, a home of its own, what it prints and its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ran:
    """What a command left."""

    code: int
    out: str
    err: str


def hftd(home: Path, *arguments: str, cwd: Path = ROOT, **environ: str) -> Ran:
    """Run ``hftd`` with an empty environment but for PATH, HOME and ``environ``."""
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "COLUMNS": "80", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "hftd.cli.hftd", *arguments],
        env=env | environ,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)
