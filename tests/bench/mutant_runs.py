"""How one mutant is judged: in a forked copy of this process, by the tests that run its lines.

Owns the forks, the map from lines to tests and the replacing of code. Must not know the operators
(mutator.py) nor what is done with the verdicts (mutants.py).

The parent has imported and collected every test of a room and has run none of them, so that a
child begins in a clean and warm process: it gives each function object that bears the changed
code the new code, whoever imported it, and runs tests until one fails.
"""

from __future__ import annotations

import ast
import gc
import hashlib
import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NamedTuple

import coverage
import pytest
from _pytest.runner import runtestprotocol

from tests.bench.mutator import Mutant

KILLED, SURVIVED, TIMED_OUT, UNRUN = "killed", "survived", "timed out", "no test runs it"
# What a test may take in a mutant, beside what all chosen ones took without it.
SPARE_CPU_S = 10
WALL_S = 300


class Judged(NamedTuple):
    """What became of one mutant; ``by`` is the first test that failed."""

    verdict: str
    by: str
    tests: int


class Cover(NamedTuple):
    """Which tests run a line, and how long each takes."""

    tests: dict[str, dict[int, list[str]]]  # By file, by line.
    seconds: dict[str, float]

    def choose(self, path: Path, lines: tuple[int, int], budget_s: float) -> list[str]:
        """Return the tests of these lines, the fast before the slow.

        Where all of them take longer than the budget, the slowest are left out.
        """
        by_line = self.tests.get(str(path), {})
        chosen = {name for at in range(lines[0], lines[1] + 1) for name in by_line.get(at, ())}
        ordered = sorted(chosen, key=lambda name: (self.seconds[name], name))
        left: list[str] = []
        spent = 0.0
        for name in ordered:
            spent += self.seconds[name]
            if spent > budget_s and left:
                break
            left.append(name)
        return left


class Court:
    """A collected pytest session, from which tests are run in forked children."""

    def __init__(self, session: pytest.Session) -> None:
        self._items = {item.nodeid: item for item in session.items}
        self._functions = [each for each in gc.get_objects() if isinstance(each, FunctionType)]
        gc.freeze()  # What is there now is shared by every child; no collection touches it.

    def cover(self, files: Sequence[Path], kept: Path | None) -> Cover:
        """Return which tests run which line of these files: each is run once, watched, in a child.

        ``kept`` is a file in which this stands from one run to the next; tests that are new are
        added, and everything is watched anew where one of the files has changed.
        """
        texts = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
        known: dict[str, Any] = {"texts": texts, "tests": {}, "seconds": {}, "failed": []}
        if kept is not None and kept.exists():
            before = json.loads(kept.read_text())
            known = before if before["texts"] == texts else known
        new = [name for name in self._items if name not in known["seconds"]]
        answer: Any = {"tests": {}, "seconds": {}, "failed": []}
        if new:
            answer = self._child(lambda: self._watched(files, new), cpu_s=3600, wall_s=3600)
        assert isinstance(answer, dict), f"the watched run ended: {answer}"
        known["seconds"] |= answer["seconds"]
        known["failed"] += answer["failed"]
        for path, by_line in answer["tests"].items():
            lines = known["tests"].setdefault(path, {})
            for line, names in by_line.items():
                lines[line] = sorted({*lines.get(line, []), *names} - set(known["failed"]))
        if kept is not None:
            kept.write_text(json.dumps(known))
        for name in known["failed"]:
            print(f"fails without any mutant, and judges none: {name}", flush=True)
        tests = {
            path: {
                int(line): [name for name in names if name in self._items]
                for line, names in by_line.items()
            }
            for path, by_line in known["tests"].items()
        }
        return Cover(tests, known["seconds"])

    def judge(
        self, path: Path, mutant: Mutant, cover: Cover, tree: ast.Module, budget_s: float
    ) -> Judged:
        """Judge one mutant."""
        names = cover.choose(path, mutant.lines, budget_s)
        if not names:
            return Judged(UNRUN, "", 0)
        mutant.put()
        try:
            code = compile(ast.fix_missing_locations(tree), str(path), "exec")
        finally:
            mutant.undo()
        expected = sum(cover.seconds[name] for name in names)
        answer = self._child(
            lambda: self._run(path, mutant, code, names), round(expected + SPARE_CPU_S), WALL_S
        )
        if isinstance(answer, dict):
            return Judged(KILLED if answer["by"] else SURVIVED, answer["by"], answer["tests"])
        return Judged(TIMED_OUT, str(answer), len(names))

    def sham(self, path: Path, cover: Cover, tree: ast.Module, budget_s: float) -> None:
        """Judge a file's functions as they are: what kills that would kill anything."""
        lines = (1, len(path.read_text().splitlines()))
        code = compile(tree, str(path), "exec")
        names = cover.choose(path, lines, budget_s)
        answer = self._child(lambda: self._run(path, None, code, names), 600, WALL_S)
        assert isinstance(answer, dict) and not answer["by"], f"{path}: no mutant, yet: {answer}"

    def _run(
        self, path: Path, mutant: Mutant | None, code: CodeType, names: Sequence[str]
    ) -> dict[str, Any]:
        replace(self._functions, path, mutant, code)
        for count, name in enumerate(names, 1):
            if not self._passes(name):
                return {"by": name, "tests": count}
        return {"by": "", "tests": len(names)}

    def _passes(self, name: str) -> bool:
        reports = runtestprotocol(self._items[name], log=False)
        return all(report.outcome != "failed" for report in reports)

    def _watched(self, files: Sequence[Path], names: Sequence[str]) -> dict[str, Any]:
        included = [str(path) for path in files]
        watch = coverage.Coverage(data_file=None, config_file=False, include=included)
        watch.set_option("run:disable_warnings", ["no-data-collected"])
        seconds, failed = {}, []
        watch.start()
        for name in names:
            watch.switch_context(name)
            began = time.process_time()
            if not self._passes(name):
                failed.append(name)
            seconds[name] = time.process_time() - began
        watch.stop()
        data = watch.get_data()
        tests = {
            path: {
                line: [name for name in by if name and name not in failed]
                for line, by in data.contexts_by_lineno(path).items()
            }
            for path in data.measured_files()
        }
        return {"tests": tests, "seconds": seconds, "failed": failed}

    def _child(self, run: Callable[[], dict[str, Any]], cpu_s: int, wall_s: int) -> Any:
        """Run in a forked child; return what it says, or the number of the signal that ended it."""
        with tempfile.TemporaryDirectory(prefix="hftd-mutant-") as folder:
            answer = Path(folder) / "answer"
            sys.stdout.flush()
            pid = os.fork()
            if pid == 0:
                _quiet(folder, cpu_s, wall_s)
                try:
                    answer.write_text(json.dumps(run()))
                except BaseException:  # noqa: BLE001  # The parent says it; nobody is above us.
                    answer.write_text(json.dumps(traceback.format_exc()))
                finally:
                    os._exit(0)
            _, status = os.waitpid(pid, 0)
            if answer.exists() and answer.stat().st_size:
                return json.loads(answer.read_text())
            return os.WTERMSIG(status)


def _quiet(folder: str, cpu_s: int, wall_s: int) -> None:
    """Make a child that prints nothing, keeps its files in the folder and ends in time."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    os.environ["PYTEST_DEBUG_TEMPROOT"] = folder
    os.setpgid(0, 0)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    signal.alarm(wall_s)


def replace(
    functions: Sequence[FunctionType], path: Path, mutant: Mutant | None, module: CodeType
) -> None:
    """Give every function of a file the code of the changed module (one mutant: its function)."""
    wanted = {(code.co_qualname, code.co_firstlineno): code for code in _codes(module)}
    for function in functions:
        if function.__code__.co_filename != str(path):
            continue
        key = (function.__code__.co_qualname, function.__code__.co_firstlineno)
        if mutant is None or key == (mutant.function, mutant.function_line):
            function.__code__ = wanted[key]


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


class Session:
    """A pytest plugin that collects, and instead of running the tests calls back with the court."""

    def __init__(self, run: Callable[[Court], None]) -> None:
        self._run = run

    def pytest_configure(self) -> None:
        """Have hypothesis draw the same examples each time, and not look for the smallest."""
        import hypothesis  # Not before pytest has its eye on what is imported.

        hypothesis.settings.register_profile(
            "mutants",
            parent=hypothesis.settings.get_profile("hftd"),
            derandomize=True,
            database=None,
            print_blob=False,
            phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        hypothesis.settings.load_profile("mutants")

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Hand the collected tests over."""
        self._run(Court(session))
        return True


def hold_court(tests: Sequence[str], run: Callable[[Court], None]) -> int:
    """Collect tests and call back with a court over them; return pytest's exit code."""
    arguments = ["-q", "-p", "no:cacheprovider", "-p", "no:terminalreporter", *tests]
    return int(pytest.main(arguments, plugins=[Session(run)]))
