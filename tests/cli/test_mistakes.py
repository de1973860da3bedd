"""Every mistake that users make: one clear line, the right exit code, and nothing lost.

Mistakes in a profile and on the command line run in this process, as ``hftd`` would run them.
Those that need a daemon at work stand in tests/e2e: test_refused, test_service, test_replay,
test_crash and test_mistakes.
"""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hftd.cli import hftctl, hftd
from tests.config.profile_files import HEAD, risk_text, write
from tests.control.small_daemon import as_nobody

GOOD = HEAD + risk_text()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """An environment of its own: no profile, state or socket of anybody else."""
    before = dict(os.environ)
    own = {"HOME": str(tmp_path), "STATE_DIRECTORY": str(tmp_path / "state")}
    # Kernels of this process have their cache already, and no other.
    cache = str(Path(os.environ["NUMBA_CACHE_DIR"]).parent)
    os.environ.update(own | {"XDG_RUNTIME_DIR": str(tmp_path / "run"), "CACHE_DIRECTORY": cache})
    (tmp_path / "run").mkdir(mode=0o700)
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)


def refused(
    capfd: pytest.CaptureFixture[str], run: Callable[[list[str]], int], *words: str
) -> tuple[int, str]:
    """Run a program; return its exit code and the one line that it says."""
    code = run(list(words))
    told = capfd.readouterr().err
    assert told.count("\n") == 1, told
    return code, told.rstrip("\n")


IN_A_PROFILE = [
    (
        "unknown key",
        ("max_open_orders", "max_open_order"),
        "11:3: risk.max_open_order: no such key; did you mean max_open_orders?",
    ),
    (
        "duplicate key",
        ("mode: paper", "mode: paper\nmode: paper"),
        "4:1: mode: each key once (first at line 3), was a duplicate key",
    ),
    ("wrong type", ("[BTC-USDT]", "BTC-USDT"), "5:14: instruments: a list such as [BTC-USDT]"),
    (
        "unit in the value",
        ("0.10", "0.10 BTC"),
        '10:22: risk.max_position_base: a plain decimal such as "0.01" (no exponent, no unit',
    ),
    (
        "missing limit",
        ("  max_drawdown_quote: 250\n", ""),
        "7:1: risk.max_drawdown_quote: is required",
    ),
    (
        "zero",
        ("max_open_orders: 8", "max_open_orders: 0"),
        "11:20: risk.max_open_orders: more than 0, was 0",
    ),
    ("negative", ("0.10", "-0.10"), "10:22: risk.max_position_base: more than 0, was -0.10"),
    ("infinite", ("0.10", ".inf"), "10:22: risk.max_position_base: a plain decimal"),
    (
        "exponent",
        ("max_open_orders: 8", "max_open_orders: 1e3"),
        "11:20: risk.max_open_orders: a whole number such as 8",
    ),
    (
        "octal",
        ("max_open_orders: 8", "max_open_orders: 012"),
        "11:20: risk.max_open_orders: a whole number such as 8",
    ),
    (
        "no",
        ("max_open_orders: 8", "max_open_orders: no"),
        "11:20: risk.max_open_orders: a whole number such as 8",
    ),
    (
        "missing base",
        ("mode: paper", "mode: paper\nextends: canry.yaml"),
        "4:10: extends: a file beside this one, or the name of a profile",
    ),
    (
        "itself as base",
        ("mode: paper", "mode: paper\nextends: mine.yaml"),
        "4:10: extends: a chain without a cycle, was mine.yaml",
    ),
    ("tab", ("  max_open_orders", "\tmax_open_orders"), "11:1: spaces for indentation, was a tab"),
    (
        "anchor",
        ("mode: paper", "mode: &m paper"),
        "3:7: no anchor; extends: builds one profile on another, was &m",
    ),
    (
        "two quote assets",
        ("[BTC-USDT]", "[BTC-USDT, ETH-EUR]"),
        "5:25: instruments.1: an instrument quoted in USDT",
    ),
    (
        "order under the least",
        ("mode: paper", "mode: paper\ncanary: {size_factor: 0.001}"),
        '4:23: canary.size_factor: at least "0.009"',
    ),
]


@pytest.mark.parametrize(
    ("change", "says"), [row[1:] for row in IN_A_PROFILE], ids=[row[0] for row in IN_A_PROFILE]
)
@pytest.mark.parametrize("command", [("check",), ("start", "--profile")], ids=["check", "start"])
def test_a_mistake_in_a_profile_is_78(
    home: Path,
    capfd: pytest.CaptureFixture[str],
    command: tuple[str, ...],
    change: tuple[str, str],
    says: str,
) -> None:
    """File, line, column, key, and what would be right, from check and start; no state is made."""
    assert change[0] in GOOD
    path = write(home, GOOD.replace(*change, 1))
    code, told = refused(capfd, hftd.run, *command, str(path))
    assert (code, told[: len(f"hftd: {path}:{says}")]) == (78, f"hftd: {path}:{says}")
    assert not (home / "state").exists()


def _large(path: Path) -> None:
    path.write_text("# " + "x" * (10 << 20))


def _binary(path: Path) -> None:
    path.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(64))


def _group_writable(path: Path) -> None:
    path.write_text(GOOD)
    path.chmod(0o660)


IN_A_FILE = [
    ("10 MB", _large, "at most 65536 bytes, was 10485762 bytes"),
    ("binary", _binary, "printable text"),
    ("directory", Path.mkdir, "a YAML file, was a directory"),
    ("others can write", _group_writable, "mine.yaml), was mode 0660"),
]


@pytest.mark.parametrize(
    ("make", "says"), [row[1:] for row in IN_A_FILE], ids=[row[0] for row in IN_A_FILE]
)
def test_what_is_no_profile_is_78(
    home: Path, capfd: pytest.CaptureFixture[str], make: Callable[[Path], None], says: str
) -> None:
    """Too large, binary, a folder, or a file that somebody else could change."""
    path = home / "mine.yaml"
    make(path)
    if path.is_file() and stat.S_IMODE(path.stat().st_mode) != 0o660:
        path.chmod(0o600)
    code, told = refused(capfd, hftd.run, "start", "--profile", str(path))
    assert code == 78
    assert told.startswith(f"hftd: {path}") and says in told, told


def test_a_profile_that_we_may_not_read_is_78(
    home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The line says that permission is what lacks."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = write(Path(folder), GOOD)
        path.chmod(0)
        with as_nobody():
            code, told = refused(capfd, hftd.run, "check", str(path))
    assert code == 78 and "permission" in told.lower(), told


@pytest.mark.parametrize(
    ("reference", "says"),
    [("env:NOT_THERE", "NOT_THERE"), ("file:/nowhere/secret", "/nowhere/secret")],
)
def test_an_unresolvable_secret_is_77(
    home: Path, capfd: pytest.CaptureFixture[str], reference: str, says: str
) -> None:
    """The reference is named, before anything is started."""
    keys = f"{{kind: simex, api_key: {reference}, api_secret: {reference}}}"
    path = write(home, GOOD.replace("{kind: simex}", keys))
    code, told = refused(capfd, hftd.run, "start", "--profile", str(path))
    assert code == 77 and says in told, told
    assert not (home / "state").exists()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("start", "--profile", "canry"), 64, "did you mean canary?"),
        (("check", "canry"), 64, "did you mean canary?"),
        (("strat",), 64, "no such command 'strat'"),
        (("start", "--profil", "canary"), 64, "--profil"),
        (("start", "--set", "risk"), 64, "--set: KEY=VALUE with a dotted key"),
        (
            ("start", "--set", "risk.max_open_order=1"),
            78,
            "--set: risk.max_open_order: no such key; did you mean max_open_orders?",
        ),
        (
            ("start", "--set", "risk.max_open_orders=many"),
            78,
            "--set: risk.max_open_orders: a whole number such as 8",
        ),
        (("start", "--name", "no/name"), 64, "no/name"),
        (("replay", "last", "--name", "nobody"), 64, "nobody"),
    ],
)
def test_a_mistake_on_hftds_command_line(
    home: Path,
    capfd: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    says: str,
) -> None:
    """64 for usage, 78 for what it would make of the profile; the nearest name is named."""
    ended, told = refused(capfd, hftd.run, *words)
    assert (ended, says in told) == (code, True), told


def test_an_unknown_instance_is_3(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """hftctl says that it does not run, and how one is started."""
    code, told = refused(capfd, hftctl.run, "status", "--name", "nobody")
    assert code == 3
    assert told.startswith("hftctl: instance nobody is not running")


def test_the_socket_of_a_dead_daemon_is_3(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A file without a listener: nobody runs there."""
    path = home / "control.sock"
    with socket.socket(socket.AF_UNIX) as link:
        link.bind(str(path))
    code, told = refused(capfd, hftctl.run, "status", "--socket", str(path))
    assert code == 3 and str(path) in told, told


def test_a_socket_without_permission_is_4(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The line names the socket and who may not open it."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as link:
        Path(folder).chmod(0o755)
        path = Path(folder) / "control.sock"
        link.bind(str(path))
        link.listen()
        path.chmod(0)
        with as_nobody():
            code, told = refused(capfd, hftctl.run, "status", "--socket", str(path))
    assert code == 4 and f"{path} may not be opened by uid" in told, told
