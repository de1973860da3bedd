"""Ledgers for the store's tests: each test of one runs on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from hftd.store.database import migrate, open_database

MakeLedger = Callable[[Path], Engine]


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def make_ledger(request: pytest.FixtureRequest) -> Iterator[MakeLedger]:
    """Return what makes one empty, migrated ledger after another; SQLite's lies in a folder."""
    made: list[Engine] = []

    def make(folder: Path) -> Engine:
        if request.param == "sqlite":
            url = f"sqlite:///{folder / 'hftd.db'}"
        else:
            url = request.getfixturevalue("postgres").database()
        made.append(open_database(url))
        migrate(made[-1])
        return made[-1]

    yield make
    for engine in made:
        engine.dispose()


@pytest.fixture
def ledger(make_ledger: MakeLedger, tmp_path: Path) -> Iterator[Engine]:
    """Return a migrated, empty ledger."""
    engine = make_ledger(tmp_path)
    yield engine
    engine.dispose()
