"""The rules of the house: layers, purity, sizes, names. Each says what to use instead.

An exception to a rule stands in this file with its reason, or beside the code as `# long: …`.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable

from tests import tidy
from tests.tidy import Module

HFTD = tidy.modules("hftd")
TESTS = tidy.modules("tests")
KNOWN = {module.name: module for module in HFTD}

# Imports point down only; rooms of one rank do not import each other.
RANKS = (
    ("errors",),
    ("domain",),
    ("engine", "venues", "journal", "control", "config"),
    ("strategies", "simex", "store"),
    ("runtime",),
    ("drivers",),
    ("wiring",),
    ("cli",),
)
RANK = {room: rank for rank, rooms in enumerate(RANKS) for room in rooms}

PURE = re.compile(
    r"hftd/(errors\.py|(domain|engine|strategies|simex|venues)/.*"
    r"|journal/record\.py|control/(commands|faults)\.py"
    r"|config/(schema|market_preset|real_venue|values|watching|risk_limits|strategy_parameters)\.py)"
)
IMPURE_IMPORTS = {
    "time": "the event's ts_ns",
    "random": "a seeded generator that is handed in (hftd/simex/flow_noise.py)",
    "secrets": "a counter or a seeded generator that is handed in",
    "uuid": "a counter",
    "numpy.random": "a seeded generator that is handed in (hftd/simex/flow_noise.py)",
    "asyncio": "an action, performed by runtime",
    "threading": "an action, performed by runtime",
    "multiprocessing": "an action, performed by runtime",
    "subprocess": "an action, performed by runtime",
    "signal": "an event",
    "os": "a value that is handed in",
    "pathlib": "bytes or text that is handed in",
    "io": "bytes or text that is handed in",
    "tempfile": "bytes or text that is handed in",
    "shutil": "an action, performed by runtime",
    "platform": "a value that is handed in",
    "socket": "an action, performed by runtime",
    "select": "an action, performed by runtime",
    "selectors": "an action, performed by runtime",
    "uvloop": "an action, performed by runtime",
    "aiohttp": "an action, performed by runtime",
    "picows": "an action, performed by runtime",
    "logging": "a fact or a Note",
    "structlog": "a fact or a Note",
    "sqlalchemy": "a fact, projected by store",
}
IMPURE_CALLS = {
    "open": "bytes or text that is handed in",
    "input": "an event",
    "print": "a fact or a Note",
    "datetime.now": "the event's ts_ns",
    "datetime.utcnow": "the event's ts_ns",
    "datetime.today": "the event's ts_ns",
    "date.today": "the event's ts_ns",
    "datetime.datetime.now": "the event's ts_ns",
    "id": "a counter: an address differs from run to run",
    "hash": "hashlib or zlib: hash() differs from run to run",
}
IMPURE_PREFIXES = ("np.random.", "numpy.random.", "os.", "time.")

# Where a pure file may do one of these after all, and why.
PURE_EXCEPTIONS = {
    # A tape is input that does not change; reading it line by line keeps a day of it out of
    # memory.
    ("hftd/simex/tape.py", "pathlib"),
    ("hftd/simex/tape_lines.py", "pathlib"),
}

FILE_LINES = 400
TEST_FILE_LINES = 600  # the whole suite of one part may be read in one place
FUNCTION_LINES = 60

KNOW_NUMBA = {
    "hftd/domain/kernel.py", "hftd/domain/entry.py", "hftd/runtime/kernel_locator.py",
}  # fmt: skip

# The four places that may catch everything; each says there what it does next.
CATCH_ALL = {
    "the top of a driver": re.compile(r"hftd/drivers/\w+\.py"),
    "the task supervisor": re.compile(r"hftd/runtime/supervisor\.py"),
    "one control request": re.compile(r"hftd/control/connection\.py"),
    "the call of a user's strategy": re.compile(
        r"hftd/(strategies/own_calls|config/own_strategy)\.py"
    ),
}

TOP_LEVEL = {
    "pyproject.toml", "requirements.lock", "requirements-test.lock", "README.md", "CHANGELOG.md",
    "LICENSE", ".gitignore", ".ci", "profiles", "systemd", "scripts", "hftd", "tests",
}  # fmt: skip


def _room(module_name: str) -> str:
    return module_name.split(".")[1] if "." in module_name else ""


def _report(faults: Iterable[str]) -> None:
    found = sorted(set(faults))
    assert not found, "\n" + "\n".join(found)


def test_every_room_has_a_rank() -> None:
    """A new room or top file says where it stands in the layers."""
    rooms = {_room(name) for name in KNOWN} - {"", "_shipped", "data"}
    assert rooms <= set(RANK), f"give these a rank in RANKS: {sorted(rooms - set(RANK))}"


def test_imports_point_down() -> None:
    """No room imports a higher one or one of its own rank, not even for types."""
    faults = []
    for module in HFTD:
        room = _room(module.name)
        for node, name in module.imports():
            target = tidy.ours(name, KNOWN)
            other = _room(target) if target else ""
            if not other or other == room:
                continue
            if not room or RANK[other] >= RANK[room]:
                faults.append(
                    module.at(node, f"{room or 'hftd'} may not import {other}: imports point "
                    "down; move the shared words to domain, or hand the thing in")
                )  # fmt: skip
    _report(faults)


def test_simex_does_not_import_venues() -> None:
    """Two dialects written apart catch each other's mistakes."""
    _report(
        module.at(node, "simex writes its dialect itself, without hftd.venues")
        for module in tidy.modules("hftd/simex")
        for node, name in module.imports()
        if name.startswith("hftd.venues")
    )


def test_no_circles() -> None:
    """No two modules import each other, however long the way round."""
    graph = {
        module.name: {
            target
            for _, name in module.imports()
            if (target := tidy.ours(name, KNOWN)) and target != module.name
        }
        for module in HFTD
    }
    done: set[str] = set()
    faults: list[str] = []

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            faults.append("circle: " + " -> ".join((*path[path.index(name) :], name)))
        elif name not in done:
            for target in sorted(graph.get(name, ())):
                visit(target, (*path, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())
    _report(faults)


def test_pure_rooms_import_nothing_that_touches() -> None:
    """Clocks, randomness, files, sockets, logs and SQL stay out of the decision."""
    faults = []
    for module in HFTD:
        if not PURE.fullmatch(module.place):
            continue
        for node, name in module.imports():
            for banned, instead in IMPURE_IMPORTS.items():
                if (module.place, banned) in PURE_EXCEPTIONS:
                    continue
                if name == banned or name.startswith(banned + "."):
                    faults.append(module.at(node, f"pure: no {banned}; use {instead}"))
            target = tidy.ours(name, KNOWN)
            if target and "." in target and not PURE.fullmatch(KNOWN[target].place):
                faults.append(module.at(node, f"pure: {target} is not; hand its result in"))
    _report(faults)


def test_pure_rooms_call_nothing_that_touches() -> None:
    """What needs no import, or hides behind one that is allowed, is looked for as well."""
    faults = []
    for module in HFTD:
        if not PURE.fullmatch(module.place):
            continue
        for node in module.nodes:
            if isinstance(node, ast.Call):
                called = tidy.dotted(node.func)
                if called in IMPURE_CALLS:
                    instead = IMPURE_CALLS[called]
                    faults.append(module.at(node, f"pure: no {called}(); use {instead}"))
                elif called.startswith(IMPURE_PREFIXES):
                    faults.append(module.at(node, f"pure: no {called}(); hand its result in"))
        for node in tidy.set_iterations(module):
            faults.append(
                module.at(node, "pure: a set's order differs from run to run; use sorted(…), "
                "a tuple or a dict")
            )  # fmt: skip
    _report(faults)


def test_numba_is_named_where_kernels_are_made() -> None:
    """How kernels are compiled is decided once; the cache's hash looks for this very line."""
    faults = []
    for module in HFTD:
        for node, name in module.imports():
            if name.split(".")[0] == "numba" and module.place not in KNOW_NUMBA:
                faults.append(module.at(node, "use: from hftd.domain.kernel import kernel"))
            if name.startswith("hftd.domain.kernel") or name == "hftd.domain.kernel":
                line = module.lines[getattr(node, "lineno", 1) - 1]
                if line != "from hftd.domain.kernel import kernel":
                    faults.append(
                        module.at(node, "write: from hftd.domain.kernel import kernel, alone on "
                        "its line, or hftd/runtime/kernel_cache.py does not see the kernels")
                    )  # fmt: skip
    _report(faults)


def test_hftctl_reaches_control_and_errors_alone() -> None:
    """However lazily it imports, hftctl loads no room but control, errors and its own."""
    reached: dict[str, str] = {}
    waiting = [("hftd.cli.hftctl", "")] if "hftd.cli.hftctl" in KNOWN else []
    while waiting:
        name, by = waiting.pop()
        if name not in reached:
            reached[name] = by
            waiting += [
                (target, name)
                for _, imported in KNOWN[name].imports()
                if (target := tidy.ours(imported, KNOWN))
            ]
    allowed = {"", "cli", "control", "errors"}
    _report(
        f"{name}, imported by {by}: hftctl has to start fast; ask the daemon over the socket"
        for name, by in reached.items()
        if _room(name) not in allowed
    )


def test_hftctl_starts_without_anything_heavy() -> None:
    """In a fresh process the import of hftctl loads none of the daemon's libraries."""
    heavy = (
        "numba", "numpy", "sqlalchemy", "alembic", "psycopg", "aiohttp", "picows", "uvloop",
        "asyncio", "pydantic", "pydantic_settings", "yaml", "structlog", "cryptography",
        "prometheus_client", "multiprocessing",
    )  # fmt: skip
    code = f"import sys, hftd.cli.hftctl\nprint(*[m for m in {heavy!r} if m in sys.modules])"
    if "hftd.cli.hftctl" in KNOWN:
        answer = subprocess.run(
            [sys.executable, "-c", code], cwd=tidy.ROOT, capture_output=True, text=True, timeout=60
        )
        assert (answer.returncode, answer.stdout.strip()) == (0, ""), answer.stderr


def test_every_module_says_what_it_owns() -> None:
    """The first thing in a file is a sentence."""
    _report(
        f"{module.place}:1: begin with a docstring: what it owns and what it must not know"
        for module in HFTD
        if not ast.get_docstring(module.tree)
    )


def test_files_stay_short() -> None:
    """A file of more than 400 lines is two files, or says why not near its top."""
    _report(
        f"{module.place}:1: {len(module.lines)} lines are too many: split it, or say "
        "why not below its docstring: # long: reason"
        for module in (*HFTD, *TESTS, *tidy.modules("scripts"))
        if len(module.lines) > (TEST_FILE_LINES if module in TESTS else FILE_LINES)
        and not module.says_long(1, (module.tree.body[0].end_lineno or 1) + 3)
    )


def test_functions_stay_short() -> None:
    """A function of more than 60 lines is several, or says why not beside its name."""
    faults = []
    for module in (*HFTD, *TESTS, *tidy.modules("scripts")):
        if "/migrations/" in module.place:
            continue  # a list of columns, written once and never edited again
        for function in tidy.functions(module):
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if lines > FUNCTION_LINES and not module.says_long(
                function.lineno - 2, function.body[0].lineno + 1
            ):
                faults.append(
                    module.at(function, f"{function.name}: {lines} lines, at most "
                    f"{FUNCTION_LINES}: split it, or say why not above it: # long: reason")
                )  # fmt: skip
    _report(faults)


def test_everything_is_caught_in_four_places_only() -> None:
    """A bug of ours is not swallowed: it stops us, and recovery is the way back."""
    faults = []
    for module in HFTD:
        allowed = any(place.fullmatch(module.place) for place in CATCH_ALL.values())
        for node in module.nodes:
            if not isinstance(node, ast.ExceptHandler):
                continue
            caught = "" if node.type is None else ast.unparse(node.type)
            if caught and not re.search(r"\b(Exception|BaseException)\b", caught):
                continue
            raises_again = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
            # A user's own code may raise what is none of the exceptions that a program handles.
            theirs = CATCH_ALL["the call of a user's strategy"].fullmatch(module.place)
            whole = caught == "Exception" or (caught == "BaseException" and theirs)
            if not raises_again and not (allowed and whole):
                faults.append(
                    module.at(node, "catch what can happen, by name; everything is caught only "
                    f"at {', '.join(CATCH_ALL)}")
                )  # fmt: skip
    _report(faults)


def test_names_say_what_a_thing_is() -> None:
    """No Manager, Helper, Util, Base, Data, Info or process_: the field has words.

    What a file keeps to itself (`_Data`) may bear the wire's own word.
    """
    classes = re.compile(r"[A-Za-z].*(Manager|Helpers?|Utils?|Base|Data|Info)|Base|Data|Info")
    files = re.compile(r"/(utils?|helpers?|managers?|common|misc|base|data|info)\.py$")
    faults = [f"{m.place}:1: name the thing it owns" for m in HFTD if files.search(m.place)]
    for module in HFTD:
        for node in module.nodes:
            if isinstance(node, ast.ClassDef) and classes.fullmatch(node.name):
                faults.append(module.at(node, f"{node.name}: name the thing it is"))
        for function in tidy.functions(module):
            if function.name.lstrip("_").startswith("process_"):
                faults.append(module.at(function, f"{function.name}: apply, check, stage, …?"))
    _report(faults)


def test_tests_use_real_parts() -> None:
    """No mocks, no monkeypatch, no sleeping: a test waits for what it means, with a deadline."""
    faults = []
    for module in TESTS:
        for node, name in module.imports():
            if name.startswith(("unittest.mock", "mock.", "pytest_mock")) or name == "time.sleep":
                faults.append(module.at(node, f"no {name}: use the real part, wait for an event"))
        # A benchmark asserts nothing, and what it times may need a moment of its own.
        for node in () if ".bench." in module.name else module.nodes:
            if isinstance(node, ast.Call) and tidy.dotted(node.func) == "time.sleep":
                faults.append(module.at(node, "no time.sleep: wait for an event or a condition"))
        for function in tidy.functions(module):
            if {argument.arg for argument in function.args.args} & {"monkeypatch", "mocker"}:
                faults.append(module.at(function, "no monkeypatch: hand the part in"))
    _report(faults)


def test_nothing_is_left_undone_in_a_comment() -> None:
    """What has to be done is an issue, not a comment; nothing names one machine's folders."""
    undone = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    places = re.compile(r"(?<![\w.}$])/(ro" + r"ot|wo" + r"rk)/\w")
    faults = []
    for name in sorted(_tracked()):
        path = tidy.ROOT / name
        if path.is_symlink() or not path.is_file() or name.endswith((".gz", ".lock")):
            continue
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if undone.search(line):
                faults.append(f"{name}:{number}: do it now, or write an issue")
            if places.search(line):
                faults.append(f"{name}:{number}: no path of one machine; use a relative one")
    _report(faults)


def test_the_top_folder_holds_what_the_map_says() -> None:
    """A new top-level folder is a decision, not an accident."""
    tops = {name.split("/")[0] for name in _tracked()}
    assert tops <= TOP_LEVEL, f"not in the map of the house: {sorted(tops - TOP_LEVEL)}"


def _tracked() -> list[str]:
    """Files that git knows, or all that lie there where there is no git."""
    answer = subprocess.run(
        ["git", "ls-files", "-z"], cwd=tidy.ROOT, capture_output=True, text=True
    )
    if answer.returncode == 0:
        return [name for name in answer.stdout.split("\0") if name]
    return [m.place for m in (*HFTD, *TESTS)]


def test_the_reader_of_sets_sees_them() -> None:
    """The search for set iterations finds each form, and lets the ordered ones pass."""
    code = (
        "a: set[int] = set()\nb = {1, 2}\nc = [1]\n"
        "for x in a: pass\n[y for y in b | a]\nlist(frozenset(c))\nb.pop()\n"
        "sorted(a)\nfor x in c: pass\nc.pop()\nmin(b)\n3 in a\n"
    )
    module = Module(tidy.ROOT / "hftd" / "none.py")
    module.__dict__["text"] = code
    found = {getattr(node, "lineno", 0) for node in tidy.set_iterations(module)}
    assert found == {4, 5, 6, 7}
