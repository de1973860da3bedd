"""What the doctor looks at on this machine: folders, disk, limits, instances, ledger, versions.

Owns each question and its remedy. Asks the venue nothing, and makes and changes nothing: a
folder that does not exist yet is judged by the one that it would be made in.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
import shutil
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import hftd
from hftd.config.load import LoadedProfile
from hftd.config.secrets import resolve
from hftd.control import instances
from hftd.domain.codes import Code, TradingState
from hftd.errors import HftdError, InstanceLocked, JournalDamaged
from hftd.runtime.identity import read_latch
from hftd.runtime.paths import InstancePaths

OLDEST, NEWEST = (3, 11), (3, 13)
LEAST_FILES = 256  # Sockets, segments, a ledger and its recorder take some forty.
LIBRARIES = ("numba", "numpy", "picows", "aiohttp", "cryptography", "sqlalchemy")
MB = 1 << 20


class Finding(NamedTuple):
    """One line: what was looked at, how it stands, what to do, and the exit code of a failure."""

    check: str
    verdict: str
    told: str
    remedy: str = ""
    exit_code: int = 0


def ok(check: str, told: str) -> Finding:
    """Return a finding that is as it should be."""
    return Finding(check, "ok", told)


def warn(check: str, told: str, remedy: str) -> Finding:
    """Return a finding to know of, which stops nothing."""
    return Finding(check, "warn", told, remedy)


def fail(check: str, told: str, remedy: str, exit_code: int = 1) -> Finding:
    """Return a finding with which there is no start."""
    return Finding(check, "FAIL", told, remedy, exit_code)


def host_findings(
    loaded: LoadedProfile, name: str, environ: Mapping[str, str]
) -> Iterator[Finding]:
    """Look at the machine, for an instance of that name."""
    yield versions()
    yield open_files()
    try:
        paths = InstancePaths.locate(name, environ)
    except HftdError as error:
        yield fail("sockets", str(error), "", error.exit_code)
        return
    yield socket_folder(paths)
    yield from state_folder(paths, loaded.profile.journal.disk_floor_mb)
    yield from others(paths, environ)
    if not os.access(_nearest(paths.state_dir), os.R_OK | os.X_OK, effective_ids=True):
        return  # Somebody else's; nothing in it can be looked at.
    yield running(paths)
    yield from latch(paths)
    yield ledger(loaded, paths, environ)


def versions() -> Finding:
    """Look at the interpreter and the libraries that prices pass through."""
    parts = [f"hftd {hftd.__version__}", f"Python {platform.python_version()}"]
    try:
        parts += [f"{each} {importlib.metadata.version(each)}" for each in LIBRARIES]
    except importlib.metadata.PackageNotFoundError as missing:
        return fail("versions", f"the package {missing.name} is not installed", "scripts/hftd")
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        return warn("versions", ", ".join(parts), "Python 3.11 to 3.13 are tested")
    return ok("versions", ", ".join(parts))


def open_files() -> Finding:
    """Look at what a process may open and lock."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    locked, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    unlimited = resource.RLIM_INFINITY
    memory = "unlimited" if locked == unlimited else f"{locked // 1024} kB (hftd locks none)"
    told = f"open files {'unlimited' if files == unlimited else files}, locked memory {memory}"
    if files != unlimited and files < LEAST_FILES:
        return fail("limits", told, f"ulimit -n {LEAST_FILES}, or LimitNOFILE= in the unit")
    return ok("limits", told)


def socket_folder(paths: InstancePaths) -> Finding:
    """Look at the folder of the control socket: who may enter it may ask."""
    folder = paths.runtime_dir
    if not folder.is_dir():
        above = _nearest(folder)
        if os.access(above, os.W_OK | os.X_OK):
            return ok("sockets", f"{folder} will be made, for its owner alone")
        return fail("sockets", f"{above} is not ours to write", "set XDG_RUNTIME_DIR", 64)
    found = folder.stat()
    mode = stat.S_IMODE(found.st_mode)
    if found.st_uid != os.geteuid():
        return fail("sockets", f"{folder} is owned by uid {found.st_uid}", "run as that user", 64)
    if mode & 0o002 or mode & 0o020:
        told = f"{folder} has mode {mode:04o}: others may put a socket of theirs there"
        return fail("sockets", told, f"chmod 700 {folder}", 64)
    return ok("sockets", f"{folder}, mode {mode:04o}")


def state_folder(paths: InstancePaths, floor_mb: int) -> Iterator[Finding]:
    """Look at the state folder and the room on its disk (C26)."""
    folder, above = paths.state_dir, _nearest(paths.state_dir)
    if not os.access(above, os.W_OK | os.X_OK, effective_ids=True):
        yield fail("state", f"{above} is not ours to write", "set XDG_STATE_HOME", 64)
    elif folder.is_dir() and stat.S_IMODE(folder.stat().st_mode) & 0o022:
        yield fail("state", f"others may write {folder}", f"chmod 700 {folder}", 64)
    else:
        yield ok("state", str(folder))
    free_mb = shutil.disk_usage(above).free // MB
    told = f"{free_mb} MB free, trading halts under {floor_mb} MB"
    if free_mb <= floor_mb:
        yield fail("disk", told, "make room, or lower journal.disk_floor_mb")
    elif free_mb < 2 * floor_mb:
        yield warn("disk", told, "make room")
    else:
        yield ok("disk", told)


def running(paths: InstancePaths) -> Finding:
    """Look whether this instance runs already (C39)."""
    from hftd.runtime.offline_engine import is_locked

    if paths.lock_path.exists() and is_locked(paths.lock_path):
        pid = paths.lock_path.read_text().strip() or "unknown"
        told = f"{paths.name} runs already as pid {pid}"
        return fail(
            "instance", told, f"hftctl --name {paths.name} status", InstanceLocked.exit_code
        )
    return ok("instance", f"no other process is {paths.name}")


def others(paths: InstancePaths, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Name the other instances on this host."""
    names = [each.name for each in instances.running(environ) if each.name != paths.name]
    if names:
        told = f"also running here: {', '.join(names)}"
        yield warn("others", told, "see that none of them trades on this account")


def latch(paths: InstancePaths) -> Iterator[Finding]:
    """Say that a start would come up latched."""
    try:
        found = read_latch(paths.latch_path)
    except (JournalDamaged, OSError) as error:
        yield fail("latch", str(error), f"look at {paths.latch_path}", 65)
        return
    if found.state:
        since = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(found.ts_ns // 1_000_000_000))
        told = f"{TradingState(found.state).name} ({Code(found.code).name}) since {since}"
        yield warn("latch", told, "start, hftctl ack, hftctl reset --reason …, hftctl resume")


def ledger(loaded: LoadedProfile, paths: InstancePaths, environ: Mapping[str, str]) -> Finding:
    """Look at the ledger's tables: SQLite makes its own, a server's are made by an operator."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import SQLAlchemyError

    from hftd.store.database import is_current, missing_grant, open_database

    storage = loaded.profile.storage
    url = make_url(storage.url.replace("{state}", str(paths.state_dir)))
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        return ok("ledger", f"{url.database} will be made")
    try:
        if storage.password is not None:
            url = url.set(password=resolve(storage.password, environ).reveal())
        engine = open_database(url)
        try:
            current, grant = is_current(engine), missing_grant(engine)
        finally:
            engine.dispose()
    except SQLAlchemyError as error:
        why = str(error.args[0]).splitlines()[0] if error.args else type(error).__name__
        return fail("ledger", f"{url.render_as_string()}: {why}", "trading would go on without it")
    except HftdError as error:
        return fail("ledger", str(error), "storage.password", error.exit_code)
    if grant is not None:
        return fail("ledger", f"{url.render_as_string()}: it may make no temporary table", grant)
    if current:
        return ok("ledger", f"{url.render_as_string()}, tables of this version")
    if url.get_backend_name() == "sqlite":
        return ok("ledger", f"{url.database}: tables of another version, a start sees to them")
    return fail("ledger", f"{url.render_as_string()}: no tables of this version", "hftd db upgrade")


def _nearest(folder: Path) -> Path:
    """Return the folder itself, or the nearest above that exists."""
    while not folder.is_dir():
        folder = folder.parent
    return folder
