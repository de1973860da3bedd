"""Set-up: the locks, the scripts' first and later runs, and what the wheel holds.

A set-up is run for real on a checkout whose locks are empty: it makes an environment, installs
nothing, and so needs no network.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "requirements-test.lock")
TOOLS = ("cat", "cut", "dirname", "readlink", "sha256sum", "env")


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_pins_and_hashes_everything_and_names_no_address(name: str) -> None:
    """Every requirement is one version with hashes; where to get it is the machine's matter."""
    text = (ROOT / name).read_text()
    lines = [
        line.strip()
        for line in text.replace("\\\n", " ").splitlines()
        if line and not line.startswith("#")
    ]
    if name != LOCKS[0]:
        assert lines.pop(0) == f"-r {LOCKS[0]}"
    pinned = re.compile(r"[a-z0-9._-]+(\[[a-z,]+\])?==\S+( ; .+?)?(\s+--hash=sha256:[0-9a-f]{64})+")
    assert lines
    assert [line for line in lines if not pinned.fullmatch(line)] == []
    assert not re.search(r"https?:|file:|//| @ ", text)


def test_the_locks_hold_what_pyproject_asks_for() -> None:
    """A dependency that is added without making the locks anew is found here."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = {LOCKS[0]: project["dependencies"], LOCKS[1]: project["optional-dependencies"]["test"]}
    for lock, requirements in asked.items():
        locked = {
            line.split("==")[0].split("[")[0]
            for line in (ROOT / lock).read_text().splitlines()
            if "==" in line
        }
        wanted = {re.split(r"[\[<>=~;]", each)[0].lower() for each in requirements}
        assert wanted <= locked, f"make {lock} anew: {wanted - locked} is missing"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with empty locks and commands that echo, in a path with a space."""
    root = tmp_path / "a path with a space"
    shutil.copytree(ROOT / "scripts", root / "scripts")
    for lock in LOCKS:
        (root / lock).write_text("# nothing\n")
    (root / "pyproject.toml").write_text("")
    for name in ("hftd", "hftctl"):
        place = root / "hftd/cli" / f"{name}.py"
        place.parent.mkdir(parents=True, exist_ok=True)
        echo = f"import sys\ndef main():\n    print({name!r}, *sys.argv[1:])\n    return 3\n"
        place.write_text(echo)
    return root


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A PATH with the tools that the scripts use, and without any Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(shutil.which(tool) or pytest.fail(f"{tool} is missing"))
    return folder


def _run(script: Path, *arguments: str, path: Path, **environ: str) -> tuple[int, str, str]:
    answer = subprocess.run(
        [script, *arguments],
        env={"PATH": str(path), "HOME": str(path.parent), **environ},
        cwd="/", capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return answer.returncode, answer.stdout, answer.stderr


def _pretend_ready(checkout: Path) -> None:
    binaries = checkout / ".venv/bin"
    binaries.mkdir(parents=True)
    (binaries / "python").symlink_to(sys.executable)
    (binaries / "hftctl").write_text("import sys\nprint('ran', *sys.argv[1:])\n")
    made_from = (checkout / "pyproject.toml").read_bytes() + (checkout / LOCKS[0]).read_bytes()
    behind = os.path.realpath(sys.executable)
    stamp = f"{hashlib.sha256(made_from).hexdigest()} {behind}\n"
    (checkout / ".venv/hftd-run.stamp").write_text(stamp)


def test_a_later_start_only_compares_the_stamp(checkout: Path, bare_path: Path) -> None:
    """With the stamp in place neither pip nor a Python to make things with is even looked for."""
    _pretend_ready(checkout)
    code, out, err = _run(checkout / "scripts/hftctl", "ps", "a b", path=bare_path)
    assert (code, out, err) == (0, "ran ps a b\n", "")


@pytest.mark.parametrize("changed", ["requirements.lock", "pyproject.toml"])
def test_a_change_of_the_lock_asks_for_set_up(
    checkout: Path, bare_path: Path, changed: str
) -> None:
    """The stamp no longer fits; without any Python the message says what to install."""
    _pretend_ready(checkout)
    with (checkout / changed).open("a") as file:
        file.write("# changed\n")
    code, out, err = _run(checkout / "scripts/hftctl", "ps", path=bare_path)
    assert (code, out) == (69, "")
    assert "no Python 3.11, 3.12 or 3.13 was found in PATH; install one" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("fits", "taken"),
    [
        ((0, 0), "first"),
        ((2, 0), "second"),
        ((2, 2), "first"),
        ((1, 2), "second"),
        ((3, 0), "second"),
    ],
)
def test_a_python_in_a_home_is_the_second_choice(
    checkout: Path, bare_path: Path, tmp_path: Path, fits: tuple[int, int], taken: str
) -> None:
    """The first in PATH that a service may read; where there is none, the first that fits."""
    for name, fit in zip(("first", "second"), fits, strict=True):
        fake = tmp_path / name / "python3.11"
        fake.parent.mkdir()
        fake.write_text(
            f'#!/bin/sh\n[ "$1" != -c ] || exit {fit}\necho {name} makes it >&2\nexit 7\n'
        )
        fake.chmod(0o755)
    path = Path(f"{tmp_path / 'first'}:{tmp_path / 'second'}:{bare_path}")
    code, out, err = _run(checkout / "scripts/hftctl", "ps", path=path)
    assert (code, out, err) == (7, "", f"{taken} makes it\n")


def test_a_python_that_is_named_is_taken_or_said_to_be_none(
    checkout: Path, bare_path: Path
) -> None:
    """One in a home as well; what is no Python is not silently replaced by another."""
    code, out, err = _run(checkout / "scripts/hftctl", "ps", path=bare_path, HFTD_PYTHON="/none")
    assert (code, out) == (69, "")
    assert err == "hftd set-up: HFTD_PYTHON names /none, which is no Python 3.11, 3.12 or 3.13\n"


def test_what_lies_in_a_home_is_told_by_where_its_files_are() -> None:
    """By the probe itself, run by the Python of the tests."""
    text = (ROOT / "scripts/_setup.sh").read_text()
    probe = text.partition("setup_probe='")[2].partition("'\n")[0]
    in_home = os.path.realpath(sys.base_prefix).startswith(("/home/", "/root/"))
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 2 * in_home
    lies = f"import sys; sys.base_prefix = '/home/x/python'\n{probe}"
    assert subprocess.run([sys.executable, "-c", lies], check=False).returncode == 2
    lies = f"import sys; sys.version_info = (3, 10)\n{probe}"
    assert subprocess.run([sys.executable, "-c", lies], check=False).returncode == 1


def test_a_missing_lock_is_said(checkout: Path, bare_path: Path) -> None:
    """Half a checkout is named as such."""
    (checkout / "requirements.lock").unlink()
    code, _, err = _run(checkout / "scripts/hftd", path=bare_path)
    assert code == 69
    assert "requirements.lock is missing: this is no whole checkout" in err


def test_set_up_runs_once_and_repairs_itself(
    checkout: Path, bare_path: Path, tmp_path: Path
) -> None:
    """The first run makes the environment, the next is silent, an unfinished one is made anew."""
    linked = tmp_path / "hftctl"
    linked.symlink_to(checkout / "scripts/hftctl")
    code, out, err = _run(linked, "status", path=bare_path, HFTD_PYTHON=sys.executable)
    assert (code, out) == (3, "hftctl status\n"), err
    assert "installing what hftd runs with" in err
    assert _run(checkout / "scripts/hftd", "start", path=bare_path) == (3, "hftd start\n", "")

    # What a set-up that died half way leaves: its mark, half a package, no stamp.
    (checkout / ".venv/hftd-run.stamp").unlink()
    (checkout / ".venv/hftd-unfinished").touch()
    half = next((checkout / ".venv/lib").glob("python*")) / "site-packages/half.py"
    half.touch()
    code, out, err = _run(linked, "status", path=bare_path, HFTD_PYTHON=sys.executable)
    assert (code, out) == (3, "hftctl status\n"), err
    assert not half.exists()
    assert _run(linked, "ps", path=bare_path) == (3, "hftctl ps\n", "")


def test_two_set_ups_at_once_wait_for_each_other(checkout: Path, bare_path: Path) -> None:
    """The second says that it waits, and finds the work done when the first is through."""
    held = os.open(checkout, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(held, fcntl.LOCK_EX)
    with subprocess.Popen(
        [checkout / "scripts/hftctl", "ps"],
        env={"PATH": str(bare_path), "HFTD_PYTHON": sys.executable},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as second:  # fmt: skip
        assert second.stderr is not None
        assert second.stderr.readline().endswith("is running; waiting for it\n")
        _pretend_ready(checkout)
        os.close(held)
        out, err = second.communicate(timeout=60)
    assert (second.returncode, out) == (0, "ran ps\n")
    assert err == "hftd set-up: made by another set-up in the meantime\n"


def test_the_wheel_holds_all_that_travels(tmp_path: Path) -> None:
    """Profiles, units, tape and migrations are inside, and both commands are declared."""
    source = tmp_path / "source"
    source.mkdir()
    skipped = shutil.ignore_patterns("__pycache__")
    for folder in ("hftd", "profiles", "systemd"):
        shutil.copytree(ROOT / folder, source / folder, symlinks=True, ignore=skipped)
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    (source / "README.md").write_text("# hftd\n")
    answer = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index",
         "--wheel-dir", tmp_path, source],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        held = set(opened.namelist())
        entries = next(name for name in held if name.endswith("entry_points.txt"))
        commands = opened.read(entries).decode()
    assert "hftd = hftd.cli.hftd:main" in commands
    assert "hftctl = hftd.cli.hftctl:main" in commands
    wanted = {f"hftd/_shipped/profiles/{path.name}" for path in (ROOT / "profiles").iterdir()}
    wanted |= {f"hftd/_shipped/systemd/{path.name}" for path in (ROOT / "systemd").iterdir()}
    for path in (ROOT / "hftd").rglob("*"):
        if path.is_file() and not path.is_symlink() and "__pycache__" not in path.parts:
            wanted.add(str(path.relative_to(ROOT)))
    assert wanted <= held, f"add to package-data in pyproject.toml: {sorted(wanted - held)}"
