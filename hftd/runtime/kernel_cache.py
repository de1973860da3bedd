"""Where compiled kernels are kept, so that an edit is never answered with old machine code.

Owns the cache folder. Must not know any kernel, and must not import Numba: `prepare` comes
before that.

Numba keeps compiled functions beside a stamp of the file each is written in. It does not notice
an edit in a callee of another file, nor another NUMBA_BOUNDSCHECK. So the folder is named by a
hash of everything that machine code depends on: all files that use the kernel decorator and all
that they import of ours, what else may be compiled in (``extra``), the versions of Numba,
llvmlite, NumPy and Python, the CPU, and Numba's own switches. Machine code in a folder is run as
ours, so a folder that others could have written is refused.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import stat
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

import platformdirs

import hftd
from hftd.errors import HftdError, InvariantBroken

# A few: switching between two versions, or between checked and unchecked, costs no compile.
KEPT_FOLDERS = 8

# A file that applies the decorator has this line; tests/test_tidy.py holds the form.
_USES_KERNEL = re.compile(r"^from hftd\.domain\.kernel import kernel$", re.MULTILINE)
_IMPORTS = re.compile(
    r"^[ \t]*(?:from[ \t]+(hftd[\w.]*)[ \t]+import|import[ \t]+(hftd[\w.]*))", re.MULTILINE
)

# These say where to keep code and whether to make any, not what code to make.
_NOT_CODEGEN = frozenset({"NUMBA_CACHE_DIR", "NUMBA_DISABLE_JIT"})


def prepare(extra: Iterable[Path] = (), environ: Mapping[str, str] = os.environ) -> Path:
    """Make this code's cache folder, tell Numba of it, drop the oldest others; return it.

    Call it before anything imports Numba, once per process. ``extra`` names files outside the
    package whose kernels are compiled too. Raises HftdError where the folder cannot be made or
    is not ours alone.
    """
    package = Path(hftd.__file__).parent
    root = cache_root(environ)
    folder = root / cache_key(package, extra, environ)
    if "numba" in sys.modules and os.environ.get("NUMBA_CACHE_DIR") != str(folder):
        raise InvariantBroken("numba was imported before kernel_cache.prepare()")
    for private in (root, folder):
        _make_private(private)
    os.utime(folder)
    _drop_oldest(root, keep=folder)
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    return folder


def cache_root(environ: Mapping[str, str]) -> Path:
    """Return the folder of all cache folders: $CACHE_DIRECTORY (systemd) or the user's cache."""
    given = environ.get("CACHE_DIRECTORY", "").split(":", 1)[0]
    base = Path(given) if given else platformdirs.user_cache_path("hftd")
    return base / "kernels"


def cache_key(package: Path, extra: Iterable[Path], environ: Mapping[str, str]) -> str:
    """Return the name of the folder for these sources, versions, CPU and switches."""
    digest = hashlib.sha256()
    for path in (*kernel_sources(package), *sorted(extra)):
        source = path.read_bytes()
        name = path.relative_to(package) if path.is_relative_to(package) else path
        digest.update(f"{name} {len(source)}\n".encode())
        digest.update(source)
    for fact in _machine_facts(environ):
        digest.update(fact.encode() + b"\n")
    return digest.hexdigest()[:20]


def kernel_sources(package: Path) -> list[Path]:
    """Return all files below ``package`` whose text can end up in machine code, sorted.

    These are the files that use the kernel decorator and what they import of ours, to the end:
    a kernel takes in the constants and record layouts of the modules that it imports.
    """
    texts = {path: path.read_text("utf-8") for path in package.rglob("*.py")}
    reached: set[Path] = set()
    waiting = [path for path, text in texts.items() if _USES_KERNEL.search(text)]
    while waiting:
        path = waiting.pop()
        if path in reached:
            continue
        reached.add(path)
        for match in _IMPORTS.finditer(texts[path]):
            waiting += _files_of(match[1] or match[2], package, texts)
    return sorted(reached)


def _files_of(module: str, package: Path, texts: Mapping[Path, str]) -> list[Path]:
    stem = package.parent.joinpath(*module.split("."))
    if stem.with_suffix(".py") in texts:
        return [stem.with_suffix(".py")]
    # `from hftd.domain import units`: which of the room's files is meant is not worth parsing.
    # The package itself and a name that is not there have none.
    return [path for path in texts if path.parent == stem] if stem != package else []


def _machine_facts(environ: Mapping[str, str]) -> list[str]:
    versions = [f"{name} {metadata.version(name)}" for name in ("numba", "llvmlite", "numpy")]
    switches = [
        f"{name}={environ[name]}"
        for name in sorted(environ)
        if name.startswith("NUMBA_") and name not in _NOT_CODEGEN
    ]
    return [*versions, sys.version, platform.machine(), _cpu(), *switches]


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


def _drop_oldest(root: Path, keep: Path) -> None:
    # Another process may drop the same ones, or use one that we drop: it then compiles again.
    others = [path for path in root.iterdir() if path != keep and path.is_dir()]
    others.sort(key=_last_used_ns, reverse=True)
    for path in others[KEPT_FOLDERS - 1 :]:
        shutil.rmtree(path, ignore_errors=True)


def _last_used_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
