"""What all tests share: the kernel cache and how hypothesis looks for trouble.

The cache folder has to be named before anything imports Numba, and pytest reads this file
before any test module. Kernels run compiled unless NUMBA_DISABLE_JIT=1 says otherwise.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from hftd.control.checklist import RESULTS
from hftd.runtime import kernel_cache

kernel_cache.prepare()

# A run in a shell's background inherits an ignored SIGINT, and so would every program that a test
# starts: none of them would hear Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

if TYPE_CHECKING:
    from tests.postgres import Postgres

# The first call of a kernel compiles it: a deadline would judge the compiler.
settings.register_profile("hftd", deadline=None, print_blob=True)
settings.load_profile("hftd")


_CONTROL = re.compile(r"test_\w*?c\d\d_")
_RESULTS = Path(__file__).parent.parent / RESULTS


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Write down how each control's test ended, for ``hftctl selfcheck``.

    One line at a time, since several runs may write at once; the file begins anew at 4 MB.
    """
    name = report.nodeid.split("[")[0]
    ended = report.when == "call" or (report.when == "setup" and not report.passed)
    if not ended or not _CONTROL.search(name):
        return
    _RESULTS.parent.mkdir(exist_ok=True)
    fresh = _RESULTS.exists() and _RESULTS.stat().st_size > 4 << 20
    ts = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    line = json.dumps({"test": name, "outcome": report.outcome, "ts": ts})
    with _RESULTS.open("w" if fresh else "a", encoding="utf-8") as out:
        out.write(line + "\n")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One Postgres server for all tests that ask for it; each makes a database of its own."""
    from tests.postgres import Postgres

    server = Postgres()
    yield server
    server.close()
