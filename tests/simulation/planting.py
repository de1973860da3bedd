"""How a bug is planted in a copy of the package, and how its hunt is run in a process of its own.

Owns the copy, the edits and the child process. A kernel that is edited is compiled honestly: the
copy has a kernel cache of its own, which begins as a copy of the shared one, so that only the
files behind the edit are compiled anew.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import msgspec
from msgspec.structs import replace

from hftd.runtime import kernel_cache
from tests.simulation.planted import Bug

ROOT = Path(__file__).parents[2]
CACHE = Path(tempfile.gettempdir(), f"hftd-planted-{os.getuid()}")
HUNT_CPU_SECONDS = 900  # Not of the wall's clock: a hunt in the idle class waits for long.
_COPYING = Lock()


class Hunt(msgspec.Struct, frozen=True):
    """What came of a hunt; ``seeds`` is how many were run, the finding one included."""

    found: bool
    seeds: int
    invariant: str = ""
    words: str = ""
    simulated_s: float = 0.0
    seconds: float = 0.0


def planted_source(bug: Bug, package: Path) -> None:
    """Make the edits of a bug in a package. Raises: AssertionError where a text is not there."""
    for edit in bug.edits:
        path = package / edit.path
        text = path.read_text("utf-8")
        count = text.count(edit.old)
        assert count == 1, f"{bug.name}: {edit.path} holds its text {count} times, was to hold once"
        path.write_text(text.replace(edit.old, edit.new), "utf-8")


@contextmanager
def planted_copy(bug: Bug | None) -> Iterator[Path]:
    """Give a folder with the package and its profiles, the bug planted; None: as it is."""
    with tempfile.TemporaryDirectory(prefix="hftd-planted-") as name:
        folder = Path(name)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "hftd", folder / "hftd", ignore=ignored)
        shutil.copytree(ROOT / "profiles", folder / "profiles")
        if bug is not None:
            planted_source(bug, folder / "hftd")
        yield folder


def own_cache() -> Path:
    """Return the cache folder of planted copies, which holds what is compiled of the original."""
    kernels = CACHE / "kernels"
    CACHE.mkdir(mode=0o700, exist_ok=True)
    kernels.mkdir(mode=0o700, exist_ok=True)
    shared = kernel_cache.cache_root(os.environ)
    with _COPYING:
        for key in kernel_cache.kernel_keys().values():
            if (shared / key).is_dir() and not (kernels / key).exists():
                shutil.copytree(shared / key, kernels / key)
    return CACHE


def hunt(
    bug: Bug, seeds: int, minutes: float, faults: str = "", *, control: bool = True,
    compiled: bool = True,
) -> Hunt:  # fmt: skip
    """Run seeds from 0 on until one finds the bug.

    ``faults`` are those that are on in all seeds; without, each seed draws its own. A seed proves
    a bug where it breaks the package with it and not the package as it is: ``control`` runs it
    there too. Without ``compiled`` kernels run as Python: the same bytes, ten times as slow a
    seed, and none of the minute that an edit in them takes to be compiled.

    Raises: AssertionError where the hunter itself does not come to an end.
    """
    first, simulated_s, seconds = 0, 0.0, 0.0
    while True:
        with planted_copy(bug) as folder:
            result = run_hunter(folder, range(first, seeds), minutes, faults, compiled=compiled)
        simulated_s += result.simulated_s
        seconds += result.seconds
        result = replace(result, simulated_s=simulated_s, seconds=round(seconds, 1))
        first = result.seeds
        if not result.found or not control or not breaks_anyway(first - 1, minutes, faults):
            return result
        if first == seeds:
            return replace(result, found=False)


def breaks_anyway(seed: int, minutes: float, faults: str) -> bool:
    """Tell whether a seed breaks the package as it is: then it proves no bug."""
    with planted_copy(None) as folder:
        return run_hunter(folder, range(seed, seed + 1), minutes, faults).found


def run_hunter(
    folder: Path, seeds: range, minutes: float, faults: str, *, compiled: bool = True
) -> Hunt:
    """Run seeds through the package in a folder, in a process of its own."""
    done = run_in(
        folder, "tests.simulation.hunter", str(seeds.start), str(seeds.stop), str(minutes),
        ",".join(faults.split()), str(HUNT_CPU_SECONDS), compiled=compiled,
    )  # fmt: skip
    assert done.returncode == 0, f"the hunter ended with {done.returncode}: {done.stderr[-2000:]}"
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Hunt)


def simulate(folder: Path, *arguments: str) -> tuple[list[str], int]:
    """Run ``hftd simulate`` with the package of a folder; return its lines and its exit code."""
    done = run_in(folder, "hftd.cli.hftd", "simulate", *arguments)
    return done.stdout.splitlines(), done.returncode


def run_in(
    folder: Path, module: str, *arguments: str, compiled: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a module in a process of its own, the package of a folder before that of the checkout."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{folder}:{ROOT}",
        "CACHE_DIRECTORY": str(own_cache()),
        "NUMBA_DISABLE_JIT": str(int(not compiled)),
    }
    return subprocess.run(
        [sys.executable, "-P", "-m", module, *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
