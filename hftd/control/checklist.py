"""The checklist of controls C01 to C43: what each is, whether it stands, and what shows it.

Owns the table behind ``hftctl selfcheck`` (C42). Which tests show a control is found by its id
in their names: `checklist_tests` holds those that travelled with the code, and where the
source tree is at hand it is read again. Results are those that the test run itself wrote down.
Must not run a test, and says "not known" where nothing is known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hftd.control.checklist_tests import TESTS
from hftd.control.shapes import Checked, SelfCheck

RESULTS: Final = ".pytest_cache/controls.jsonl"  # Written by tests/conftest.py, a line a test.
_TEST = re.compile(r"^def (test_\w*?c(\d\d)_\w+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Control:
    """One control; ``stands`` is False where it is missing, and real money waits for it."""

    id: str
    title: str
    stands: bool = True


CONTROLS: Final = (
    Control("C01", "no limit may be missing"),
    Control("C02", "instruments of the profile that trade"),
    Control("C03", "order quantity"),
    Control("C04", "order value"),
    Control("C05", "price collar"),
    Control("C06", "the exchange's filters"),
    Control("C07", "fresh, two-sided reference"),
    Control("C08", "post-only and reduce-only"),
    Control("C09", "no trade with ourselves"),
    Control("C10", "no duplicate order or id"),
    Control("C11", "funds"),
    Control("C12", "worst-case position"),
    Control("C13", "gross exposure"),
    Control("C14", "open orders"),
    Control("C15", "daily loss and drawdown"),
    Control("C16", "daily turnover"),
    Control("C17", "order rate, and the exchange's own"),
    Control("C18", "repeated one-sided fills"),
    Control("C19", "storm of rejects"),
    Control("C20", "orders without fills"),
    Control("C21", "conservation at the last gate"),
    Control("C22", "stale or broken feed"),
    Control("C23", "stale private stream"),
    Control("C24", "clock"),
    Control("C25", "late loop"),
    Control("C26", "journal and disk"),
    Control("C27", "orders of unknown outcome"),
    Control("C28", "slow acknowledgements"),
    Control("C29", "price jump"),
    Control("C30", "rate limits and bans"),
    Control("C31", "kill"),
    Control("C32", "kill by a second road"),
    Control("C33", "reset by a person, after a dwell"),
    Control("C34", "orders found at a start"),
    Control("C35", "continuous reconciliation"),
    Control("C36", "dead-man switch (none on Binance Spot)"),
    Control("C37", "canary"),
    Control("C38", "limits changed while running"),
    Control("C39", "one instance"),
    Control("C40", "attribution"),
    Control("C41", "alerts that a person acknowledges"),
    Control("C42", "self-assessment"),
    Control("C43", "an hour at twice the recorded peak", stands=False),
)


def source_tree() -> Path | None:
    """Return the folder of the source tree that this code lies in, None for an installed one."""
    root = Path(__file__).resolve().parents[2]
    ours = (root / "scripts" / "hftctl").is_file() and (root / "tests" / "conftest.py").is_file()
    return root if ours else None


def find_tests(root: Path) -> dict[str, list[str]]:
    """Return the tests of a source tree by the control that their names bear."""
    found: dict[str, list[str]] = {control.id: [] for control in CONTROLS}
    for path in sorted((root / "tests").rglob("test_*.py")):
        for name, number in _TEST.findall(path.read_text(encoding="utf-8")):
            if f"C{number}" in found:
                found[f"C{number}"].append(f"{path.relative_to(root).as_posix()}::{name}")
    return found


def results_in(root: Path) -> dict[str, tuple[str, str]]:
    """Return outcome and time (UTC) of each control's test when it last ran in a source tree."""
    path = root / RESULTS
    last: dict[str, tuple[str, str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            said = json.loads(line)
            last[str(said["test"])] = (str(said["outcome"]), str(said["ts"]))
        except (ValueError, KeyError, TypeError):
            continue  # A line that two processes wrote at once.
    return last


def selfcheck(root: Path | None) -> SelfCheck:
    """Return the report, from a source tree or from what travelled with the code."""
    tests = find_tests(root) if root is not None else {name: list(t) for name, t in TESTS.items()}
    results = results_in(root) if root is not None else {}
    controls = [_checked(control, tests.get(control.id, []), results) for control in CONTROLS]
    source = "the table that travels with the code; results are not known"
    if root is not None:
        source = f"tests of {root}, results of its last runs"
    faults = any(one["failed"] or (one["stands"] and not one["tests"]) for one in controls)
    missing = [control.id for control in CONTROLS if not control.stands]
    return {"agrees": not faults, "source": source, "missing": missing, "controls": controls}


def _checked(control: Control, tests: list[str], results: dict[str, tuple[str, str]]) -> Checked:
    known = {test: results[test] for test in tests if test in results}
    times = [ts for _, ts in known.values()]
    return {
        "id": control.id,
        "title": control.title,
        "stands": control.stands,
        "tests": tests,
        "passed": sum(outcome == "passed" for outcome, _ in known.values()),
        "failed": [test for test, (outcome, _) in known.items() if outcome == "failed"],
        "unknown": sum(test not in known or known[test][0] == "skipped" for test in tests),
        "last_run": min(times, default=None),
    }


def table_of(found: dict[str, list[str]]) -> Iterator[str]:
    """Yield the lines of `checklist_tests` for what a source tree holds."""
    yield '"""The tests of each control by name, as they stood when this was written.\n'
    yield "\nMade by ``python -m hftd.control.checklist``; a test holds that each is still there.\n"
    yield '"""\n\nfrom __future__ import annotations\n\nfrom typing import Final\n\n'
    yield "TESTS: Final[dict[str, tuple[str, ...]]] = {\n"
    for name, tests in found.items():
        if len(tests) == 1 and len(tests[0]) <= 84:  # As the formatter would break the lines.
            yield f'    "{name}": ("{tests[0]}",),\n'
        elif tests:
            yield f'    "{name}": (\n'
            yield from (f'        "{test}",\n' for test in tests)
            yield "    ),\n"
    yield "}\n"


if __name__ == "__main__":
    tree = source_tree()
    assert tree is not None, "the table is made where the tests are"
    text = "".join(table_of(find_tests(tree)))
    Path(__file__).with_name("checklist_tests.py").write_text(text, encoding="utf-8")
