"""Fixtures: fresh instances whose processes are gone after the test, whatever it did.

Every journal that a test leaves is replayed then, crashes and all: each run must come out of
the engine again as it stands there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.daemon import Instance


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    """One instance with empty folders."""
    made = Instance(tmp_path)
    yield made
    made.clean_up()
    made.replay_all()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """One instance for all tests of a module that only read, or put back what they change."""
    made = Instance(tmp_path_factory.mktemp("shared"))
    yield made
    made.clean_up()
    made.replay_all()
