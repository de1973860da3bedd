"""Kernel cache: an edit is never answered with old machine code; the folder is ours alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hftd
from hftd.errors import HftdError
from hftd.runtime import kernel_cache

PACKAGE = Path(hftd.__file__).parent

CALLEE = """
from hftd.domain.kernel import kernel
from hftd.engine.constants import STEP

@kernel
def advance(x: int) -> int:
    return x + STEP * 1
"""
CALLER = """
from hftd.domain.kernel import kernel
from hftd.engine.callee import advance

@kernel
def twice(x: int) -> int:
    return advance(advance(x))
"""
PROGRAM = """
from hftd.runtime import kernel_cache
print(kernel_cache.prepare().name)
from hftd.engine.caller import twice
print(twice(0))
print(sum(twice.stats.cache_hits.values()))
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A small package of the same name, with the real decorator and the real cache."""
    copy = tmp_path / "hftd"
    for name in ("__init__.py", "errors.py", "domain/__init__.py", "domain/kernel.py"):
        _copy(name, copy)
    for name in ("runtime/__init__.py", "runtime/kernel_cache.py", "engine/__init__.py"):
        _copy(name, copy)
    (copy / "engine/constants.py").write_text("STEP = 1\n")
    (copy / "engine/callee.py").write_text(CALLEE)
    (copy / "engine/caller.py").write_text(CALLER)
    (copy / "engine/face.py").write_text("from hftd.engine.caller import twice\n")
    return copy


def _copy(name: str, copy: Path) -> None:
    (copy / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(PACKAGE / name, copy / name)


def _run(package: Path) -> tuple[str, int, int]:
    """Run the caller in a process of its own: folder's name, result, hits in the cache."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    environ |= {"PYTHONPATH": str(package.parent), "CACHE_DIRECTORY": str(package.parent / "c")}
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environ, cwd=package.parent, text=True, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    folder, result, hits = answer.stdout.split()
    return folder, int(result), int(hits)


def test_an_edit_in_a_callee_of_another_file_is_seen(package: Path) -> None:
    """The caller's file is unchanged, and yet the callee's new behaviour comes out."""
    folder, result, hits = _run(package)
    assert (result, hits) == (2, 0)
    assert _run(package) == (folder, 2, 1), "a second run must find the first one's code"

    (package / "engine/callee.py").write_text(CALLEE.replace("* 1", "* 7"))
    edited, result, _ = _run(package)
    assert result == 14
    assert edited != folder

    (package / "engine/constants.py").write_text("STEP = 3\n")
    assert _run(package)[1] == 42, "a constant is compiled in as well"


def test_sources_are_the_kernels_and_all_that_they_import(package: Path) -> None:
    """A file without kernels counts if a kernel imports it, and not if it imports a kernel."""
    names = {str(path.relative_to(package)) for path in kernel_cache.kernel_sources(package)}
    assert names == {
        "engine/callee.py", "engine/caller.py", "engine/constants.py", "domain/kernel.py",
    }  # fmt: skip


def test_the_key_follows_switches_and_extra_files(package: Path, tmp_path: Path) -> None:
    """Bounds checks and a user's own kernel change the machine code, so they change the name."""
    own = tmp_path / "own.py"
    own.write_text("x = 1\n")
    plain = kernel_cache.cache_key(package, (), {})
    assert kernel_cache.cache_key(package, (), {"NUMBA_CACHE_DIR": "/x", "HOME": "/y"}) == plain
    assert kernel_cache.cache_key(package, (), {"NUMBA_BOUNDSCHECK": "1"}) != plain
    with_own = kernel_cache.cache_key(package, (own,), {})
    own.write_text("x = 2\n")
    assert len({plain, with_own, kernel_cache.cache_key(package, (own,), {})}) == 3


def test_the_folder_is_private_and_the_oldest_go(tmp_path: Path) -> None:
    """A folder is made with mode 0700, and only the last few are kept, ours among them."""
    root = kernel_cache.cache_root({"CACHE_DIRECTORY": str(tmp_path)})
    for age in range(kernel_cache.KEPT_FOLDERS + 3):
        old = root / f"old{age}"
        old.mkdir(parents=True)
        os.utime(old, ns=(10**9 * (100 - age), 10**9 * (100 - age)))
    root.chmod(0o755)
    folder = _prepare(tmp_path)
    assert folder.parent == root
    assert folder.stat().st_mode & 0o777 == 0o700
    assert root.stat().st_mode & 0o777 == 0o700
    kept = {path.name for path in root.iterdir()}
    assert kept == {folder.name} | {f"old{age}" for age in range(kernel_cache.KEPT_FOLDERS - 1)}


@pytest.mark.parametrize("spoil", ["writable by others", "a link", "foreign"])
def test_a_folder_that_is_not_ours_alone_is_refused(tmp_path: Path, spoil: str) -> None:
    """Machine code that somebody else could have written is never run."""
    root = kernel_cache.cache_root({"CACHE_DIRECTORY": str(tmp_path)})
    if spoil == "a link":
        (tmp_path / "elsewhere").mkdir()
        root.symlink_to(tmp_path / "elsewhere")
    else:
        root.mkdir()
        root.chmod(0o777 if spoil == "writable by others" else 0o700)
    if spoil == "foreign":
        if os.geteuid() != 0:
            pytest.skip("only root can give a folder away")
        os.chown(root, 12345, 12345)
    with pytest.raises(HftdError, match="nobody else can write"):
        _prepare(tmp_path)


def _prepare(cache: Path) -> Path:
    # In a process of its own: here Numba may be imported already.
    code = "from hftd.runtime import kernel_cache as k\ntry: print(k.prepare())\n"
    code += "except k.HftdError as e: print('refused', e)"
    answer = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"CACHE_DIRECTORY": str(cache), "PYTHONPATH": str(PACKAGE.parent)},
        text=True, capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    if answer.stdout.startswith("refused"):
        raise HftdError(answer.stdout)
    return Path(answer.stdout.strip())
