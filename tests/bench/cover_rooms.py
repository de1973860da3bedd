"""The five rooms that coverage and mutants judge: their files, and the tests that judge them.

Owns which file belongs to which room, and the one rule of what is left out of both measures: an
``assert`` of the program's own. It says what cannot happen; its false side is a bug of ours that
no test can reach without planting one (``scripts/bench planted`` does).

``kill`` is the engine's part of it with the latch and the last resort. The offline kill
(``runtime/offline*.py``) is a shell around processes, sockets and other users' files: it is
judged by the ten hard cases with real processes, and counts in the figure of the whole package.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Room(NamedTuple):
    """One room: patterns of files below ``hftd``, and paths below ``tests``.

    All its tests count for coverage; a mutant is judged by the ``judges``, which stand nearest:
    that something far away would notice a slip as well is no reason to leave it unsaid here.
    """

    files: tuple[str, ...]
    tests: tuple[str, ...]
    judges: tuple[str, ...]


ROOMS = {
    "risk": Room(
        (
            "engine/risk*.py", "engine/verdict.py", "engine/exposure.py", "engine/limits.py",
            "engine/venue_limits.py", "engine/tripwires.py", "engine/day.py",
        ),
        ("engine",),
        (
            "engine/test_risk.py", "engine/test_exposure.py", "engine/test_limits.py",
            "engine/test_venue_limits.py", "engine/test_tripwires.py", "engine/test_breaker.py",
            "engine/test_alerts.py", "engine/test_day.py", "engine/test_stopping.py",
        ),
    ),
    "orders": Room(
        ("engine/orders.py", "engine/reports.py", "engine/chase.py", "engine/known_trades.py"),
        ("engine",),
        (
            "engine/test_orders.py", "engine/test_reports.py", "engine/test_report_edges.py",
            "engine/test_chase.py", "engine/test_strangers.py", "engine/test_alerts.py",
            "engine/test_owners.py", "engine/test_order_records.py",
        ),
    ),
    "journal": Room(("journal/*.py",), ("journal",), ("journal",)),
    "kill": Room(
        (
            "engine/breaker.py", "engine/clearing.py", "engine/commands.py", "engine/alerts.py",
            "engine/flatten.py", "drivers/last_resort.py", "drivers/latch_file.py",
        ),
        ("engine", "drivers/test_latch_file.py", "drivers/test_last_resort.py"),
        (
            "engine/test_breaker.py", "engine/test_clearing.py", "engine/test_commands.py",
            "engine/test_alerts.py", "engine/test_flatten.py", "engine/test_exposure.py",
            "engine/test_stopping.py", "engine/test_slices.py",
            "drivers/test_latch_file.py", "drivers/test_last_resort.py",
        ),
    ),
    "reconciliation": Room(
        (
            "engine/reconcile.py", "engine/recovery.py", "engine/settle.py", "engine/boot.py",
            "engine/strangers.py", "engine/strays.py", "engine/venue_reset.py",
        ),
        ("engine",),
        (
            "engine/test_reconcile.py", "engine/test_recovery.py", "engine/test_boot.py",
            "engine/test_strangers.py", "engine/test_foreign_books.py", "engine/test_strays.py",
            "engine/test_owners.py", "engine/test_settle.py", "engine/test_venue_reset.py",
            "engine/test_compared.py", "engine/test_recovering.py", "engine/test_forgotten.py",
        ),
    ),
}  # fmt: skip
# Run once, when their module is imported, so that no mutant of them can be put in afterwards: the
# order table, which a test compares with its drawing, cell by cell.
AT_IMPORT = {"hftd/engine/orders.py": ("_transitions",)}


def files_of(room: str) -> Iterator[Path]:
    """Yield a room's files, by name."""
    for pattern in ROOMS[room].files:
        found = sorted((ROOT / "hftd").glob(pattern))
        assert found, f"no file of {room} is named {pattern}"
        yield from found


def tests_of(rooms: Iterable[str]) -> list[str]:
    """Return the paths of all tests of these rooms, each once."""
    return _below_tests(path for room in rooms for path in ROOMS[room].tests)


def judges_of(rooms: Iterable[str]) -> list[str]:
    """Return the paths of the tests that judge mutants of these rooms, each once."""
    return _below_tests(path for room in rooms for path in ROOMS[room].judges)


def _below_tests(paths: Iterable[str]) -> list[str]:
    found = sorted({f"tests/{path}" for path in paths})
    missing = [path for path in found if not (ROOT / path).exists()]
    assert not missing, f"no such tests: {missing}"
    return found
