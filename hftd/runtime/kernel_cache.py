"""Where compiled kernels are kept, so that an edit is never answered with old machine code.

Owns the cache folder and the key of each file's machine code. Must not know any kernel, and must
not import Numba: `prepare` comes before that.

Numba keeps compiled functions beside a stamp of the file each is written in. It does not notice
an edit in a callee of another file, nor another NUMBA_BOUNDSCHECK. So each file of kernels gets
a folder of its own, named by a hash of everything that its machine code depends on: the file,
all that it imports of ours, to the end, the versions of Numba, llvmlite, NumPy and Python, the
CPU, and Numba's own switches. One folder for all kernels would be right as well, but there are
hundreds of them, and an edit in one room would compile every other room's again. Never is a
folder of one version written by another, so processes of two versions may run side by side.

Machine code in a folder is run as ours: a folder that others could have written is refused.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
import shutil
import stat
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import platformdirs

import hftd
from hftd.errors import HftdError, InvariantBroken

# About six versions of all kernels.
KEPT_FOLDERS = 128
# Of LLVM, where Numba itself takes 3: a first start compiles in three quarters of the time, and
# what it makes is as fast (frames of 5, 20 and 200 levels, and steps, within a hundredth).
OPTIMIZE = "1"

LOCATOR = "hftd.runtime.kernel_locator.KernelLocator"
# Of the files as the locator writes them: another number, and nobody reads those of another form.
_FORM = 2

# A file that applies the decorator has this line; tests/test_tidy.py holds the form.
_USES_KERNEL = re.compile(r"^from hftd\.domain\.kernel import kernel$", re.MULTILINE)
_IMPORTS = re.compile(
    r"^[ \t]*(?:from[ \t]+(hftd[\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n]*)"
    r"|import[ \t]+(hftd[\w.]*))",
    re.MULTILINE,
)

# These say where to keep code and whether to make any, not what code to make.
_NOT_CODEGEN = frozenset({"NUMBA_CACHE_DIR", "NUMBA_CACHE_LOCATOR_CLASSES", "NUMBA_DISABLE_JIT"})


def prepare() -> Path:
    """Make the cache's folder, tell Numba of it, drop the oldest folders in it; return it.

    Call it before anything imports Numba; a second call changes nothing. Raises HftdError where
    the folder cannot be made or is not ours alone.
    """
    os.environ.setdefault("NUMBA_OPT", OPTIMIZE)
    root = cache_root(os.environ)
    if "numba" in sys.modules and os.environ.get("NUMBA_CACHE_DIR") != str(root):
        raise InvariantBroken("numba was imported before kernel_cache.prepare()")
    _make_private(root)
    current = kernel_keys()
    _drop_oldest(root, keep=set(current.values()))
    os.environ["NUMBA_CACHE_DIR"] = str(root)
    os.environ["NUMBA_CACHE_LOCATOR_CLASSES"] = LOCATOR
    return root


def cache_root(environ: Mapping[str, str]) -> Path:
    """Return the folder of all cache folders: $CACHE_DIRECTORY (systemd) or the user's cache."""
    given = environ.get("CACHE_DIRECTORY", "").split(":", 1)[0]
    base = Path(given) if given else platformdirs.user_cache_path("hftd")
    return base / "kernels"


@functools.cache
def kernel_keys() -> Mapping[Path, str]:
    """Return the folder's name for each kernel file of the package, as the files are now.

    Read once for a process, before any of them is imported: an edit while they are being
    imported must not put code of the old text under the name of the new one.
    """
    sources = Sources(Path(hftd.__file__).parent)
    facts = machine_facts(os.environ)
    return {
        path: sources.key_of(path, facts)
        for path, text in sources.texts.items()
        if _USES_KERNEL.search(text)
    }


class Sources:
    """The text of all files of the package, and which of them each imports."""

    def __init__(self, package: Path, *others: Path) -> None:
        """Read the package, and ``others`` outside it that hold kernels too."""
        self._package = package
        paths = (*package.rglob("*.py"), *others)
        self.texts = {path: path.read_text("utf-8") for path in paths}
        self._imported = functools.cache(self._find_imported)

    def key_of(self, path: Path, facts: str) -> str:
        """Return the name of the folder for the kernels of one file."""
        digest = hashlib.sha256(facts.encode())
        for source in self.reached_from(path):
            text = self.texts[source].encode()
            digest.update(f"{self._short(source)} {len(text)}\n".encode())
            digest.update(text)
        return f"{self._short(path)}-{digest.hexdigest()[:20]}"

    def reached_from(self, path: Path) -> list[Path]:
        """Return all files whose text can end up in the machine code of ``path``, sorted.

        These are the file and what it imports of ours, to the end: a kernel takes in the
        callees, constants and record layouts of the modules that it imports.
        """
        reached: set[Path] = set()
        waiting = [path]
        while waiting:
            source = waiting.pop()
            if source not in reached:
                reached.add(source)
                waiting += self._imported(source)
        return sorted(reached)

    def _find_imported(self, path: Path) -> tuple[Path, ...]:
        found: list[Path] = []
        for match in _IMPORTS.finditer(self.texts[path]):
            module = match[1] or match[3]
            stem = self._package.parent.joinpath(*module.split("."))
            # `from hftd.engine import book` names a module, `… .book import Book` a part of one.
            names = re.findall(r"\w+", match[2] or "")
            found += [stem.with_suffix(".py"), *(stem / f"{name}.py" for name in names)]
        return tuple(place for place in found if place in self.texts)

    def _short(self, path: Path) -> str:
        if path.is_relative_to(self._package):
            return ".".join(path.relative_to(self._package).with_suffix("").parts)
        return path.stem


def machine_facts(environ: Mapping[str, str]) -> str:
    """Return what machine code depends on beside our text: versions, CPU, Numba's switches.

    And in what form it is kept.
    """
    form = f"form {_FORM}"
    versions = [f"{name} {metadata.version(name)}" for name in ("numba", "llvmlite", "numpy")]
    switches = [
        f"{name}={environ[name]}"
        for name in sorted(environ)
        if name.startswith("NUMBA_") and name not in _NOT_CODEGEN
    ]
    return "\n".join([form, *versions, sys.version, platform.machine(), _cpu(), *switches])


def _cpu() -> str:
    # The model and its features choose the instructions; the other lines change by the second.
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return ""
    first = text.split("\n\n", 1)[0]
    wanted = ("vendor_id", "cpu family", "model", "flags", "Features", "CPU ")
    return "\n".join(line for line in first.splitlines() if line.startswith(wanted))


def _make_private(folder: Path) -> None:
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise HftdError(
            f"kernel cache {folder} cannot be made: {error.strerror}; "
            "set XDG_CACHE_HOME to a folder of yours"
        ) from error
    writable_by_others = stat.S_IMODE(status.st_mode) & 0o022
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or writable_by_others:
        raise HftdError(
            f"kernel cache {folder} must be a folder of uid {os.geteuid()} that nobody else can "
            f"write, was uid {status.st_uid}, mode {stat.filemode(status.st_mode)}; remove it"
        )
    if stat.S_IMODE(status.st_mode) != 0o700:
        folder.chmod(0o700)


def _drop_oldest(root: Path, keep: set[str]) -> None:
    # Another process may drop the same ones, or use one that we drop: it then compiles again.
    others = [path for path in root.iterdir() if path.name not in keep and path.is_dir()]
    others.sort(key=_last_used_ns, reverse=True)
    for path in others[max(KEPT_FOLDERS - len(keep), 0) :]:
        shutil.rmtree(path, ignore_errors=True)


def _last_used_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
