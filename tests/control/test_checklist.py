"""C42: the table of controls, the tests it names, and what README and profiles say of it."""

from __future__ import annotations

import re
from pathlib import Path

from hftd.config.schema import CONTROLS_MISSING_FOR_LIVE
from hftd.control.checklist import CONTROLS, find_tests, selfcheck, source_tree
from hftd.control.checklist_tests import TESTS

ROOT = Path(__file__).parents[2]


def test_c42_every_test_that_travels_with_the_code_is_there() -> None:
    """What the table names exists; `python -m hftd.control.checklist` makes it anew."""
    found = find_tests(ROOT)
    gone = {name: set(tests) - set(found[name]) for name, tests in TESTS.items()}
    assert not any(gone.values()), gone


def test_c42_every_control_that_stands_has_a_test_by_its_id() -> None:
    """In the tree and in the table alike; none is missing from the checklist."""
    assert [control.id for control in CONTROLS] == [f"C{number:02}" for number in range(1, 44)]
    found = find_tests(ROOT)
    for control in CONTROLS:
        if control.stands:
            assert found[control.id], control
            assert TESTS[control.id], control


def test_c42_readme_and_profiles_name_what_is_missing() -> None:
    """`mode: live` is refused with exactly the controls that README lists as missing."""
    missing = [control.id for control in CONTROLS if not control.stands]
    assert ", ".join(missing) == CONTROLS_MISSING_FOR_LIVE
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split("### What live money waits for")[1].split("\n## ")[0]
    assert re.findall(r"\bC\d\d\b", section) == missing


def test_c42_results_are_those_that_were_written_down(tmp_path: Path) -> None:
    """The last line of a test counts; a failure of a standing control is a fault; else unknown."""
    tests = tmp_path / "tests"
    tests.mkdir()
    names = [f"test_c{number:02}_x" for number in range(1, 44)]
    (tests / "test_all.py").write_text("".join(f"def {name}():\n    pass\n" for name in names))
    (tmp_path / ".pytest_cache").mkdir()
    written = tmp_path / ".pytest_cache" / "controls.jsonl"
    lines = [("c03", "failed", "2026-01-01T00:00:00Z"), ("c03", "passed", "2026-01-02T00:00:00Z"),
             ("c04", "failed", "2026-01-03T00:00:00Z")]  # fmt: skip
    written.write_text("broken\n" + "".join(
        f'{{"test": "tests/test_all.py::test_{name}_x", "outcome": "{how}", "ts": "{ts}"}}\n'
        for name, how, ts in lines
    ))  # fmt: skip
    checked = selfcheck(tmp_path)
    rows = {one["id"]: one for one in checked["controls"]}
    assert (rows["C03"]["passed"], rows["C03"]["last_run"]) == (1, "2026-01-02T00:00:00Z")
    assert rows["C04"]["failed"] == ["tests/test_all.py::test_c04_x"]
    assert (rows["C05"]["unknown"], rows["C05"]["last_run"]) == (1, None)
    assert not checked["agrees"]
    written.unlink()
    assert selfcheck(tmp_path)["agrees"]


def test_c42_without_a_source_tree_it_says_that_results_are_not_known() -> None:
    """An installed wheel has names of tests and nothing more, and says so."""
    checked = selfcheck(None)
    assert checked["agrees"] and "not known" in checked["source"]
    assert all(one["passed"] == 0 and one["last_run"] is None for one in checked["controls"])
    assert source_tree() == ROOT
