"""The machinery of planted bugs: each has its place in the source, and some are hunted for real."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.simulation.planted import BUGS
from tests.simulation.planting import ROOT, hunt, planted_copy, planted_source, simulate

QUICK = ("intent-after-the-frame", "prices-by-float", "key-in-the-header")


def test_every_bug_still_has_its_place(tmp_path: Path) -> None:
    """Each edit's text stands once in the source, and what comes of it is Python."""
    for bug in BUGS:
        package = tmp_path / bug.name
        for path in {edit.path for edit in bug.edits}:
            (package / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / "hftd" / path, package / path)
        planted_source(bug, package)
        for edit in bug.edits:
            compile((package / edit.path).read_text(), edit.path, "exec")


def test_every_group_has_three_bugs_and_each_its_issue() -> None:
    """At least forty in all, names for once, each for an issue of a real bot."""
    groups = Counter(bug.group for bug in BUGS)
    assert len(groups) == 12 and min(groups.values()) >= 3
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= 40
    assert all("#" in bug.issue for bug in BUGS)


@pytest.mark.parametrize("name", QUICK)
def test_a_planted_bug_is_found(name: str) -> None:
    """Ten seeds of two minutes find what was planted."""
    (bug,) = (bug for bug in BUGS if bug.name == name)
    assert hunt(bug, 10, 2, control=False).found


def test_what_it_prints_of_a_bug_repeats_it() -> None:
    """The failing seed first, then a smaller one, whose line breaks the same rule; sums at last."""
    (bug,) = (bug for bug in BUGS if bug.name == "prices-by-float")
    with planted_copy(bug) as folder:
        told, code = simulate(folder, "--seeds", "1..2", "--minutes", "4", "--faults", "drop,delay")
        assert code == 1
        assert told[0].startswith("seed ") and " BROKEN: " in told[0]
        assert "0 violations" not in told[-1] and " violations, " in told[-1]
        (shrunk,) = (at for at, line in enumerate(told) if line.startswith("shrunk in "))
        again, code = simulate(folder, *told[shrunk + 2].split()[2:], "--no-shrink")
        assert code == 1 and again[0] == told[shrunk + 1]
