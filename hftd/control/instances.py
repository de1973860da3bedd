"""Where an instance's folders and sockets are, and which instances are alive.

Owns the rules by which daemon and hftctl find each other without speaking. Must not know what
is said over the sockets, and imports the standard library and errors alone, because hftctl has
to start fast; `hftd/runtime/paths.py` builds the daemon's side on it.

| folder  | rule, first that applies                                                       |
| ------- | ------------------------------------------------------------------------------ |
| state   | $STATE_DIRECTORY (systemd), else $XDG_STATE_HOME/hftd/NAME, else               |
|         | ~/.local/state/hftd/NAME                                                       |
| runtime | $RUNTIME_DIRECTORY (systemd), else /run/hftd/NAME where we may write, else     |
|         | $XDG_RUNTIME_DIR/hftd/NAME, else {state}/run                                   |
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from hftd.errors import UsageError

CONTROL_SOCKET = "control.sock"
RECORDER_SOCKET = "recorder.sock"
LOCK = "lock"  # In the state folder; its holder is the daemon, and has written its pid into it.
SYSTEM_RUNTIME_ROOT = Path("/run/hftd")

# A name is a folder's name, a unit's instance and a label in metrics: the intersection of the
# three, and short enough for a socket's path.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,47}")

# A live daemon accepts at once; a full backlog is busy, which is alive too.
_PROBE_SECONDS = 0.5


class Instance(NamedTuple):
    """A daemon that listens: its name and its control socket."""

    name: str
    control_socket: Path


class Silent(NamedTuple):
    """A daemon that lives and does not listen: it starts up, or somebody removed its socket."""

    name: str
    pid: int


def check_name(name: str) -> str:
    """Return ``name`` where it can name an instance; raise UsageError where it cannot."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            "instance name must be 1 to 48 letters, digits, dots, underscores or dashes, "
            f"beginning with a letter or a digit, was {name!r}"
        )
    return name


def state_root(environ: Mapping[str, str]) -> Path:
    """Return the folder that holds one state folder per instance, outside systemd."""
    configured = environ.get("XDG_STATE_HOME", "")
    # The XDG rules say that a relative path there is to be ignored.
    base = Path(configured) if configured.startswith("/") else _home(environ) / ".local/state"
    return base / "hftd"


def state_dir(name: str, environ: Mapping[str, str]) -> Path:
    """Return the folder of what must outlive a boot; it may not exist yet."""
    given = _first(environ.get("STATE_DIRECTORY", ""))
    return given if given is not None else state_root(environ) / check_name(name)


def runtime_dirs(name: str, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return where the sockets of ``name`` may be, best first; none need exist."""
    check_name(name)
    given = _first(environ.get("RUNTIME_DIRECTORY", ""))
    session = environ.get("XDG_RUNTIME_DIR", "")
    dirs = [given] if given is not None else []
    dirs.append(SYSTEM_RUNTIME_ROOT / name)
    if session.startswith("/"):
        dirs.append(Path(session) / "hftd" / name)
    dirs.append(state_dir(name, environ) / "run")
    return tuple(dirs)


def find_socket(
    name: str, environ: Mapping[str, str], socket_name: str = CONTROL_SOCKET
) -> Path | None:
    """Return the socket of instance ``name``: a live one if any, else one that exists, or None.

    One that exists and does not answer is returned too, so that the caller can say that the
    daemon behind it is dead, or that permission is missing, rather than that it never was.
    """
    found = [
        path
        for path in (folder / socket_name for folder in runtime_dirs(name, environ))
        if _exists(path)
    ]
    for path in found:
        if is_live(path):
            return path
    return found[0] if found else None


def running(environ: Mapping[str, str]) -> tuple[Instance, ...]:
    """Return the instances of this host that listen and that we may see, sorted by name."""
    alive: dict[str, Instance] = {}
    for path in _candidate_sockets(environ):
        name = path.parent.parent.name if path.parent.name == "run" else path.parent.name
        if name not in alive and is_live(path):
            alive[name] = Instance(name, path)
    return tuple(alive[name] for name in sorted(alive))


def silent(environ: Mapping[str, str], alive: Iterable[Instance]) -> tuple[Silent, ...]:
    """Return the daemons of ours that hold their instance's lock and do not listen, by name.

    A logout may remove the folder of the sockets ($XDG_RUNTIME_DIR), and the daemon trades on.
    ``alive`` are those that do listen, as ``running`` found them: to ask each takes time.
    """
    heard = {one.name for one in alive}
    given = _first(environ.get("STATE_DIRECTORY", ""))
    locks = _globbed(state_root(environ), f"*/{LOCK}")
    found: dict[str, Silent] = {}
    for path in locks if given is None else [given / LOCK, *locks]:
        name, pid = path.parent.name, _holder(path)
        if pid and name not in heard:
            found[name] = Silent(name, pid)
    return tuple(found[name] for name in sorted(found))


def has_open(pid: int, path: Path) -> bool:
    """Say whether a process has a file open, which proves a pid in a lock to be its holder's.

    Raises: PermissionError where the process is another user's; FileNotFoundError where there is
        no such file.
    """
    file = os.stat(path)
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except (FileNotFoundError, ProcessLookupError):
        return False
    for name in names:
        try:
            opened = os.stat(f"/proc/{pid}/fd/{name}")
        except (FileNotFoundError, ProcessLookupError):
            continue  # Closed since the list was made.
        if os.path.samestat(opened, file):
            return True
    return False


def _holder(lock_path: Path) -> int:
    # 0 for none, or none that we may look at: another user's daemon is not ours to end.
    try:
        text = lock_path.read_text("ascii", "replace").strip()
        pid = int(text) if text.isdecimal() and len(text) < 10 else 0
        return pid if pid and has_open(pid, lock_path) else 0
    except OSError:
        return 0


def is_live(path: Path) -> bool:
    """Say whether somebody listens at ``path``; one that we may not ask counts as alive."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_SECONDS)
        try:
            probe.connect(str(path))
        except (PermissionError, BlockingIOError, TimeoutError):
            return True
        except OSError:
            return False
    return True


def _candidate_sockets(environ: Mapping[str, str]) -> Iterator[Path]:
    given = _first(environ.get("RUNTIME_DIRECTORY", ""))
    if given is not None:
        yield given / CONTROL_SOCKET
    yield from _globbed(SYSTEM_RUNTIME_ROOT, f"*/{CONTROL_SOCKET}")
    session = environ.get("XDG_RUNTIME_DIR", "")
    if session.startswith("/"):
        yield from _globbed(Path(session) / "hftd", f"*/{CONTROL_SOCKET}")
    yield from _globbed(state_root(environ), f"*/run/{CONTROL_SOCKET}")


def _globbed(root: Path, pattern: str) -> list[Path]:
    try:
        return sorted(root.glob(pattern))
    except OSError:
        # A folder that we may not read holds no instance that we may reach.
        return []


def _exists(path: Path) -> bool:
    try:
        path.lstat()
    except PermissionError:
        # Something is there that we may not see: the caller will be told so by connecting.
        return True
    except OSError:
        return False
    return True


def _first(value: str) -> Path | None:
    # systemd lists several folders with colons; the first is the one that the unit names first.
    head = value.split(":", 1)[0]
    return Path(head) if head.startswith("/") else None


def _home(environ: Mapping[str, str]) -> Path:
    home = environ.get("HOME", "")
    return Path(home) if home.startswith("/") else Path(os.path.expanduser("~"))
