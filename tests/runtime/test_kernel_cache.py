"""Kernel cache: an edit is never answered with old machine code; the folder is ours alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hftd
from hftd.errors import HftdError
from hftd.runtime import kernel_cache
from hftd.runtime.kernel_locator import WholeFiles

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
OTHER = """
from hftd.domain.kernel import kernel

@kernel
def other(x: int) -> int:
    return x
"""
PROGRAM = """
from hftd.runtime import kernel_cache
kernel_cache.prepare()
from hftd.engine.caller import twice
from hftd.engine.other import other
print(twice(0), sum(twice.stats.cache_hits.values()))
print(other(0), sum(other.stats.cache_hits.values()))
"""

# Like a world of so many instruments: a record of arrays, whose parts stand behind each other.
SHAPES = """
import numpy as np
from hftd.domain.kernel import kernel

@kernel
def count(worlds):
    return count_items(worlds[0])

@kernel
def count_items(world):
    return world.items.shape[0] * 1000 + world.last[0]

def answer(items):
    fields = [("items", np.int64, (items,)), ("last", np.int64, (1,))]
    worlds = np.zeros(1, np.dtype((np.record, np.dtype(fields))))
    worlds["last"] = 7
    return int(count(worlds))
"""
SHAPES_PROGRAM = """
import sys
from hftd.runtime import kernel_cache
kernel_cache.prepare()
from hftd.engine.shapes import answer, count
print(*[answer(int(items)) for items in sys.argv[1:]])
print(len({overload.fndesc.mangled_name for overload in count.overloads.values()}))
"""


class Run(NamedTuple):
    """What a process of its own said: the caller's result, and what came from the cache."""

    result: int
    caller_hits: int
    other_hits: int


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A small package of the same name, with the real decorator and the real cache."""
    copy = tmp_path / "hftd"
    for name in ("__init__.py", "errors.py", "domain/__init__.py", "domain/kernel.py"):
        _copy(name, copy)
    for name in ("runtime/__init__.py", "runtime/kernel_cache.py", "runtime/kernel_locator.py"):
        _copy(name, copy)
    _copy("engine/__init__.py", copy)
    (copy / "engine/constants.py").write_text("STEP = 1\n")
    (copy / "engine/callee.py").write_text(CALLEE)
    (copy / "engine/caller.py").write_text(CALLER)
    (copy / "engine/other.py").write_text(OTHER)
    return copy


def _copy(name: str, copy: Path) -> None:
    (copy / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(PACKAGE / name, copy / name)


def _run(package: Path, **switches: str) -> Run:
    """Run the kernels in a process of its own."""
    result, caller_hits, _, other_hits = _numbers(package, PROGRAM, **switches)
    return Run(result, caller_hits, other_hits)


def _numbers(package: Path, program: str, *arguments: str, **switches: str) -> list[int]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    environ |= {"PYTHONPATH": str(package.parent), "CACHE_DIRECTORY": str(package.parent / "c")}
    answer = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environ | switches,
        cwd=package.parent, text=True, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    return [int(word) for word in answer.stdout.split()]


def test_what_a_loss_of_power_left_is_compiled_anew(package: Path) -> None:
    """Machine code with zeros where it was not on the disk yet, and an index without a byte."""
    assert _run(package) == Run(2, 0, 0)
    for kind, spoil in (("nbc", _zeros_within), ("nbi", _nothing)):
        files = list((package.parent / "c/kernels").glob(f"engine.caller-*/*.{kind}"))
        assert files
        for file in files:
            file.write_bytes(spoil(file.read_bytes()))
        assert _run(package) == Run(2, 0, 1), kind
    assert _run(package) == Run(2, 1, 1), "it must be whole again"


def _zeros_within(content: bytes) -> bytes:
    return content[:64] + bytes(len(content) - 128) + content[-64:]


def _nothing(_content: bytes) -> bytes:
    return b""


@given(st.sampled_from([".nbi", ".1.nbc"]), st.integers(0, 1 << 16), st.integers(0, 255))
def test_a_file_that_is_not_as_it_was_written_is_none(kind: str, place: int, mask: int) -> None:
    """Whatever byte is another one, or wherever it ends, and it is written anew."""
    with tempfile.TemporaryDirectory() as folder:
        files = WholeFiles(folder, "base", "stamp")
        files.save("key", bytes(100))
        spoiled = Path(folder, f"base{kind}")
        content = bytearray(spoiled.read_bytes())
        if mask:
            content[place % len(content)] ^= mask
        else:
            del content[place % len(content) :]
        spoiled.write_bytes(content)
        assert files.load("key") is None
        files.save("key", b"anew")
        assert files.load("key") == b"anew"


def test_machine_code_made_for_other_arguments_is_none(tmp_path: Path) -> None:
    """Two processes compile for two shapes at once: each takes the first file for its own."""
    ours, theirs = (WholeFiles(str(tmp_path), "base", "stamp") for _ in range(2))
    ours.save("our shape", b"ours")
    index = (tmp_path / "base.nbi").read_bytes()
    (tmp_path / "base.nbi").unlink()
    theirs.save("their shape", b"theirs")
    (tmp_path / "base.nbi").write_bytes(index)
    assert ours.load("our shape") is None


def test_an_edit_in_a_callee_of_another_file_is_seen(package: Path) -> None:
    """The caller's file is unchanged, and yet the callee's new behaviour comes out."""
    assert _run(package) == Run(2, 0, 0)
    assert _run(package) == Run(2, 1, 1), "a second run must find the first one's code"

    (package / "engine/callee.py").write_text(CALLEE.replace("* 1", "* 7"))
    assert _run(package) == Run(14, 0, 1), "what does not use the callee stays compiled"

    (package / "engine/constants.py").write_text("STEP = 3\n")
    assert _run(package).result == 42, "a constant is compiled in as well"

    (package / "engine/callee.py").write_text(CALLEE)
    (package / "engine/constants.py").write_text("STEP = 1\n")
    assert _run(package) == Run(2, 1, 1), "going back finds the first version's code"
    for name in ("callee", "caller", "other"):
        os.utime(package / f"engine/{name}.py", (1, 1))
    assert _run(package) == Run(2, 1, 1), "a date says nothing: a fresh checkout compiles nothing"
    assert _run(package, NUMBA_BOUNDSCHECK="1") == Run(2, 0, 0), "checked code is other code"


def test_worlds_of_two_shapes_live_in_one_process(package: Path) -> None:
    """Code that two processes compiled for records of their own bears two names in a third.

    One name for both lets the linker take a kernel of the wrong shape.
    """
    (package / "engine/shapes.py").write_text(SHAPES)
    assert _numbers(package, SHAPES_PROGRAM, "2") == [2007, 1]
    assert _numbers(package, SHAPES_PROGRAM, "3") == [3007, 1]
    assert _numbers(package, SHAPES_PROGRAM, "2", "3") == [2007, 3007, 2]


def test_sources_are_what_a_file_imports_to_the_end(tmp_path: Path) -> None:
    """Every form of import of ours is followed; what merely imports the file is not."""
    package = tmp_path / "hftd"
    (package / "room").mkdir(parents=True)
    for name, text in {
        "a.py": "from hftd.room import (\n    b,\n    c as renamed,\n)\nimport numpy\n",
        "room/b.py": "import hftd.room.d\n",
        "room/c.py": "def f():\n    from hftd.room.e import thing\n",
        "room/d.py": "from hftd.a import again\n",
        "room/e.py": "",
        "room/unused.py": "from hftd.a import again\n",
    }.items():
        (package / name).write_text(text)
    found = kernel_cache.Sources(package).reached_from(package / "a.py")
    assert [path.stem for path in found] == ["a", "b", "c", "d", "e"]


def test_switches_change_the_facts_and_folders_do_not() -> None:
    """What changes the machine code counts; where it is kept does not."""
    plain = kernel_cache.machine_facts({})
    assert kernel_cache.machine_facts({"NUMBA_CACHE_DIR": "/x", "HOME": "/y"}) == plain
    assert kernel_cache.machine_facts({"NUMBA_BOUNDSCHECK": "1"}) != plain
    assert metadata.version("numba") in plain


def test_every_kernel_of_the_package_has_a_key() -> None:
    """The search by text finds the files that the decorator is really used in."""
    used = {
        path
        for path in PACKAGE.rglob("*.py")
        if re.search(r"^@kernel(\.borrowing)?$", path.read_text(), re.MULTILINE)
    }
    assert used
    assert set(kernel_cache.kernel_keys()) >= used


def test_the_folder_is_private_and_the_oldest_go(tmp_path: Path) -> None:
    """The folder has mode 0700; of others' code only the last used is kept."""
    root = kernel_cache.cache_root({"CACHE_DIRECTORY": str(tmp_path)})
    for age in range(kernel_cache.KEPT_FOLDERS + 3):
        old = root / f"old-{age}"
        old.mkdir(parents=True)
        os.utime(old, ns=(10**9 * (1000 - age), 10**9 * (1000 - age)))
    root.chmod(0o755)
    assert _prepare(tmp_path) == root
    assert root.stat().st_mode & 0o777 == 0o700
    room = kernel_cache.KEPT_FOLDERS - len(kernel_cache.kernel_keys())
    assert {path.name for path in root.iterdir()} == {f"old-{age}" for age in range(room)}


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
