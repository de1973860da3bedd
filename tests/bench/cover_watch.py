"""Tests run watched by coverage.py, with every Python process that they start; and its report.

Owns how each process comes to be watched. Tests start the program with environments of their own,
so that no variable would reach it; what does reach it is the Python that runs them. So they run by
an environment beside the real one, whose site file starts the watch and then adds the packages of
the real one: whatever is started by ``sys.executable`` is watched too, and nothing is installed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.bench.cover_rooms import ROOT

# Tests end many daemons by SIGKILL, so that what these ran is written down every few seconds. What
# ran while that was written would be lost with the clearing behind it: so nothing is cleared.
SITE = """
import os, site, sys, threading, time
os.environ["COVERAGE_PROCESS_START"] = {config!r}
site.addsitedir({packages!r})
import coverage
coverage.process_startup()
del os.environ["COVERAGE_PROCESS_START"]

def keep():
    watch = coverage.Coverage.current()
    watch._collector._clear_data = lambda: None
    while True:
        time.sleep(4)
        try:
            watch.save()
        except (coverage.CoverageException, OSError):
            pass  # A test takes the room of its disk; the next time may do.

if "pytest" not in sys.orig_argv:
    threading.Thread(target=keep, daemon=True).start()
"""
CONFIG = """
[run]
branch = true
parallel = true
sigterm = true
source = {source}
data_file = {data}
"""


def watch(folder: Path, tests: Sequence[str], *, compiled: bool) -> int:
    """Run tests watched; leave the data as ``folder/data``; return pytest's exit code.

    Beside it stands pytest's own report, ``tests.xml``.
    """
    python = _watched_python(folder)
    environment = {
        **os.environ,
        "NUMBA_DISABLE_JIT": str(int(not compiled)),
        "PYTHONPATH": str(ROOT),
    }
    asked = ["-q", "-p", "no:cacheprovider", f"--junitxml={folder / 'tests.xml'}", *tests]
    done = subprocess.run([str(python), "-P", "-m", "pytest", *asked], cwd=ROOT, env=environment)
    combine(folder / "data", folder.glob("data.*"), keep=False)
    return done.returncode


def combine(into: Path, data: Iterable[Path], *, keep: bool) -> None:
    """Make one data file of several."""
    options = ["-q", "--data-file", str(into), *(["--keep"] if keep else [])]
    _coverage("combine", *options, *(str(path) for path in data))


def report(data: Path) -> dict[str, Any]:
    """Return coverage's own report of a data file."""
    told = data.with_name("report.json")
    _coverage("json", "-q", "--data-file", str(data), "-o", str(told))
    report: dict[str, Any] = json.loads(told.read_text())
    told.unlink()
    return report


def _coverage(*words: str) -> None:
    subprocess.run([sys.executable, "-P", "-m", "coverage", *words], cwd=ROOT, check=True)


def _watched_python(folder: Path) -> Path:
    """Make an environment whose every process is watched; return its Python."""
    beside = folder / "python"
    venv.EnvBuilder(symlinks=True).create(beside)
    config = folder / "watch.ini"
    config.write_text(CONFIG.format(source=ROOT / "hftd", data=folder / "data"))
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site_packages = beside / "lib" / version / "site-packages"
    packages = sysconfig.get_path("purelib")
    (site_packages / "watch_at_start.py").write_text(
        SITE.format(config=str(config), packages=packages)
    )
    (site_packages / "watch.pth").write_text("import watch_at_start\n")
    return beside / "bin" / "python"
