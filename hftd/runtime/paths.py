"""The daemon's folders and files: what each is called and with which rights it is made.

Owns the layout of an instance's state and runtime folders, and the way to what is shipped with
the code. Must not know what stands in the files. The rules by which folders are found are in
`hftd/control/instances.py`, which hftctl shares.

    {state}/journal/          the journal's segments          {state}/epoch   boot epoch
    {state}/simex/            the simulated account           {state}/lock    held while running
    {state}/logs/hftd.jsonl   JSON log                        {state}/hftd.db ledger (SQLite)
    {state}/latch.json        the kill or halt latch
    {runtime}/control.sock    the engine's socket             {runtime}/recorder.sock  read-only
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import hftd
from hftd.control import instances
from hftd.errors import JournalDamaged, UsageError

# sockaddr_un holds 108 bytes, one of them the closing zero (unix(7)).
SOCKET_PATH_LIMIT_BYTES = 107
SYSTEM_STATE_ROOT = Path("/var/lib/hftd")  # Where the unit's StateDirectory lies.
# What is read or written in the folder of a simulated exchange, each of it a file.
EXCHANGE_FILES = ("arguments", "port", "*.json", "*.jsonl", "*.lock", "accounts.*.log")
# And what a start reads or writes below the state folder.
STATE_FILES = (
    "lock", "epoch", "latch.json", "kill-offline.json", "exchange.log", "hftd.db",
    "logs/hftd.jsonl", "journal/recorder.*", "journal/sync_failed", "journal/*.hj",
    *(f"simex/{name}" for name in EXCHANGE_FILES),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class InstancePaths:
    """The folders of one instance and every file in them; making one touches nothing."""

    name: str
    state_dir: Path
    runtime_dir: Path

    @classmethod
    def locate(cls, name: str, environ: Mapping[str, str] = os.environ) -> InstancePaths:
        """Return where instance ``name`` lives, by the environment.

        Raises UsageError for a name that is none, or for a socket path that is too long.
        """
        paths = cls(
            instances.check_name(name),
            instances.state_dir(name, environ),
            _choose_runtime_dir(name, environ),
        )
        paths._check_socket_length()
        return paths

    @classmethod
    def of_existing(
        cls,
        name: str,
        environ: Mapping[str, str] = os.environ,
        system_root: Path = SYSTEM_STATE_ROOT,
    ) -> InstancePaths:
        """Return where instance ``name`` lives, for who looks at what it left.

        Where we have none of that name it may be systemd's, whose folder its user alone may enter.

        Raises: UsageError as `locate`, and where that folder is another user's, be we root: what
            root writes there the daemon could not.
        """
        paths = cls.locate(name, environ)
        folder = system_root / paths.name
        if paths.state_dir.is_dir() or "STATE_DIRECTORY" in environ or not os.path.isdir(folder):
            return paths
        if (uid := folder.stat().st_uid) != os.geteuid():
            raise UsageError(f"{folder} is of uid {uid}: run this as that user, sudo -u '#{uid}' …")
        return replace(paths, state_dir=folder)

    @property
    def journal_dir(self) -> Path:
        """The journal's segments."""
        return self.state_dir / "journal"

    @property
    def simex_dir(self) -> Path:
        """The simulated exchange's account, and its port and pid."""
        return self.state_dir / "simex"

    @property
    def log_path(self) -> Path:
        """The JSON log that the recorder writes and rotates."""
        return self.state_dir / "logs" / "hftd.jsonl"

    @property
    def ledger_path(self) -> Path:
        """The SQLite ledger, where the profile names no other database."""
        return self.state_dir / "hftd.db"

    @property
    def latch_path(self) -> Path:
        """The latch that keeps a killed or halted instance so over restarts."""
        return self.state_dir / "latch.json"

    @property
    def epoch_path(self) -> Path:
        """The boot epoch in client order ids."""
        return self.state_dir / "epoch"

    @property
    def lock_path(self) -> Path:
        """The lock that one process at a time holds."""
        return self.state_dir / instances.LOCK

    @property
    def control_socket(self) -> Path:
        """The engine's socket."""
        return self.runtime_dir / instances.CONTROL_SOCKET

    @property
    def recorder_socket(self) -> Path:
        """The recorder's read-only socket."""
        return self.runtime_dir / instances.RECORDER_SOCKET

    def create(self) -> None:
        """Make the folders, readable by nobody else.

        Folders that exist keep their mode: systemd has made them with the unit's. Raises
        UsageError where one cannot be made or written.
        """
        for folder in (
            self.state_dir,
            self.journal_dir,
            self.simex_dir,
            self.log_path.parent,
            self.runtime_dir,
        ):
            try:
                _make_private(folder)
            except OSError as error:
                raise UsageError(
                    f"folder {folder} cannot be made: {error.strerror}; "
                    "XDG_STATE_HOME and XDG_RUNTIME_DIR say where folders go"
                ) from error
            if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
                raise UsageError(f"folder {folder} is not ours to write; is it another user's?")

    def check_files(self) -> None:
        """Refuse a state folder in which something else stands in the place of a file of ours.

        Raises: JournalDamaged with its path.
        """
        check_files(self.state_dir, STATE_FILES)

    def _check_socket_length(self) -> None:
        for path in (self.control_socket, self.recorder_socket):
            length = len(os.fsencode(path))
            if length > SOCKET_PATH_LIMIT_BYTES:
                raise UsageError(
                    f"socket path {path} must be at most {SOCKET_PATH_LIMIT_BYTES} bytes, "
                    f"was {length}; set XDG_RUNTIME_DIR to a shorter folder"
                )


def check_files(folder: Path, patterns: Iterable[str]) -> None:
    """Refuse a folder where what the patterns find is no file, or none that we may use.

    Raises: JournalDamaged with its path.
    """
    for pattern in patterns:
        # A file may go meanwhile: the exchange of an instance outlives its engine, and goes on.
        for path in sorted(folder.glob(pattern)):
            if not path.is_file() and path.exists():
                kind = "a folder" if path.is_dir() else "something else"
                raise JournalDamaged(f"{path}: a file is needed, was {kind}")
            if not os.access(path, os.R_OK | os.W_OK) and path.exists():
                raise JournalDamaged(
                    f"{path}: a file that is ours to read and write is needed; is it another "
                    "user's?"
                )


def shipped(name: str) -> Path:
    """Return the folder ``profiles``, ``systemd`` or ``data`` that travels with the code.

    It is found alike in a checkout, where the first two are the repository's own folders, and
    in an install, where they are files of the package.
    """
    package = Path(hftd.__file__).parent
    folder = package / "data" if name == "data" else package / "_shipped" / name
    return folder.resolve()


def _choose_runtime_dir(name: str, environ: Mapping[str, str]) -> Path:
    candidates = instances.runtime_dirs(name, environ)
    for folder in candidates:
        # The root's own folder is taken only where this user may use it; what the environment
        # names, or what lies in our state folder, is meant.
        if folder.parent != instances.SYSTEM_RUNTIME_ROOT or _writable(folder):
            return folder
    return candidates[-1]


def _writable(folder: Path) -> bool:
    if folder.is_dir():
        return os.access(folder, os.W_OK | os.X_OK)
    nearest = folder.parent
    while not nearest.exists():
        nearest = nearest.parent
    return os.access(nearest, os.W_OK | os.X_OK)


def _make_private(folder: Path) -> None:
    # Path.mkdir gives missing parents the default mode; ours are private all the way up to
    # the first folder that exists already.
    if folder.is_dir():
        return
    if not folder.parent.is_dir():
        _make_private(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
