"""The program hftd: its help, its table of commands, and how failures leave it."""

from __future__ import annotations

import py_compile
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hftd.cli.hftd import COMMANDS, run
from tests.cli.command import ROOT, hftd

HEAVY = (
    "numba", "numpy", "sqlalchemy", "alembic", "aiohttp", "picows", "uvloop", "pydantic",
    "pydantic_settings", "yaml", "structlog", "cryptography", "asyncio",
)  # fmt: skip


def test_help_lists_every_command_within_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """No argument is a question, answered with the list."""
    assert run([]) == 0
    out = capsys.readouterr().out
    for name, entry in COMMANDS.items():
        assert name in out
        assert entry.summary in out
    assert max(len(line) for line in out.splitlines()) <= 80


def test_help_loads_nothing_heavy() -> None:
    """``hftd --help`` imports none of the daemon's libraries, nor any command."""
    code = (
        "import sys; from hftd.cli.hftd import run; run(['--help']);"
        f"heavy = {HEAVY!r};"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stderr == "[]\n"


def test_a_spoiled_installation_is_no_silent_end(tmp_path: Path) -> None:
    """Bytecode that a full disk cut short: the EOFError is told, and is no person's Ctrl-D."""
    shutil.copytree(
        ROOT / "hftd", tmp_path / "hftd", ignore=shutil.ignore_patterns("__pycache__", "_shipped")
    )
    spoiled = Path(py_compile.compile(str(tmp_path / "hftd/runtime/paths.py")) or "")
    spoiled.write_bytes(spoiled.read_bytes()[:100])
    done = hftd(tmp_path, "paths", cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert done.code == 1
    assert "EOFError: marshal data too short" in done.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--foo"], "no such option: --foo"),
        (["chek"], "did you mean 'check'"),
        (["check", "--bar"], "no such option: --bar"),
        (["check", "a", "b"], "unexpected extra argument"),
        (["check", "--set"], "requires an argument"),
        (
            ["check", "nix"],
            "no profile nix; there are avellaneda-stoikov, binance-testnet, canary, ",
        ),
        (["check", "--set", "x"], "KEY=VALUE"),
        (["check", "./none.yaml"], "no profile file ./none.yaml"),
        (["paths", "--name", "a/b"], "instance name must be"),
        (["systemd"], "missing command"),
        (["systemd", "print", "x"], "no unit x; there are hftd@.service"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_64(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    """Every mistake of usage names itself, shows no traceback, and exits 64."""
    assert run(arguments) == 64
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("hftd: ")
    assert captured.err.count("\n") == 1
    assert says.lower() in captured.err.lower()


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    """``hftd schema | head -1`` says nothing of broken pipes."""
    command = f"{shlex.quote(sys.executable)} -m hftd.cli.hftd schema | head -1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("{\n", "")


@pytest.mark.parametrize("words", ["version", "schema"])
@pytest.mark.parametrize(
    ("out", "code", "says"),
    [(">&-", 0, ""), (">&- 2>&- <&-", 0, ""),
     ("> /dev/full", 1, "hftd: stdout cannot be written: no space left on device\n")],
)  # fmt: skip
def test_a_stdout_that_takes_nothing_is_no_traceback(
    words: str, out: str, code: int, says: str
) -> None:
    """Closed, its words are lost; full, one line says so."""
    done = subprocess.run(
        ["bash", "-c", f"{shlex.quote(sys.executable)} -m hftd.cli.hftd {words} {out}"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (code, says)


def test_what_is_opened_is_never_a_standard_stream() -> None:
    """A process that was given none of the three has the null device there before all else."""
    program = """
import os
from hftd.control import streams
streams.secure()
print("into the void", flush=True)
opened = os.open("/dev/null", os.O_RDONLY)
os._exit(0 if opened > 2 and all(os.get_inheritable(number) for number in range(3)) else 9)
"""
    command = f"{shlex.quote(sys.executable)} -c {shlex.quote(program)} <&- >&- 2>&-"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, check=False)
    assert done.returncode == 0


def test_version_says_version_python_and_system(tmp_path: Path) -> None:
    """The line that a report of trouble begins with."""
    ran = hftd(tmp_path, "version")
    assert ran.code == 0
    assert ran.out.startswith("hftd 0.")
    assert "Python 3." in ran.out
