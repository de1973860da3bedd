"""The simulated exchange's folder: what it wrote down before anybody heard of it.

Owns the files below ``--state DIR``. Knows no format of what it stores and no sockets.

    accounts.json             snapshot of all accounts; names the generation of its log
    accounts.<generation>.log what happened to accounts since, a line a call
    archive.jsonl             orders and trades that memory no longer holds, a line each
    archive.old.jsonl         the archive before it, when it had grown to ARCHIVE_BYTES
    markets.json              snapshot of the markets' own states, some seconds old
    doubt.json                what accounts are worth more by an optimistic queue, where followed
    exchange.json             host, port and pid while it listens
    port                      the port it last listened on: a restart takes it again if it can
    exchange.lock             held while it runs

Appends go to the page cache before a reply leaves, so that ``kill -9`` loses nothing that was
acknowledged; a power cut may lose the last seconds of a simulated account. A snapshot is
written beside its place, synced and renamed, with the log of its generation begun before: one that
was renamed alone may be empty after a power cut, and an exchange without it knows no free trade id.
"""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import msgspec

from hftd.errors import JournalDamaged
from hftd.runtime.lock import InstanceLock
from hftd.runtime.paths import EXCHANGE_FILES, check_files

COMPACT_BYTES = 32_000_000
"""Length of the log at which a new snapshot is due: some 40,000 events."""

ARCHIVE_BYTES = 256_000_000
"""Length at which an archive becomes the old one: some 500,000 orders. Older ones go."""


class Listening(msgspec.Struct):
    """Where the exchange listens, for those who find it by its folder."""

    host: str
    port: int
    pid: int


class StateFolder:
    """The files of one exchange; a context that holds the folder's lock."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = InstanceLock(folder / "exchange.lock")
        self._log_fd = -1
        self._log_bytes = 0
        self._archive = folder / "archive.jsonl"
        self._markets_lock = threading.Lock()
        self.generation = 0

    def __enter__(self) -> StateFolder:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_files(self._folder, EXCHANGE_FILES)
        self._lock.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        if self._log_fd >= 0:
            os.close(self._log_fd)
            self._log_fd = -1
        self._lock.release()

    def read_accounts(self) -> bytes | None:
        """Return the account snapshot, None in a new folder."""
        return _read(self._folder / "accounts.json")

    def read_log(self, generation: int) -> bytes:
        """Return the log that goes on from the snapshot of a generation."""
        return _read(self._log_path(generation)) or b""

    def read_markets(self) -> bytes:
        """Return the snapshot of the markets; it is there whenever the accounts' is.

        Raises: JournalDamaged where it is not.
        """
        markets = _read(self._folder / "markets.json")
        if markets is None:
            raise JournalDamaged(f"{self._folder}: markets.json is needed beside accounts.json")
        return markets

    def begin(self, generation: int, accounts: bytes, markets: bytes) -> None:
        """Write both snapshots, open a new log, and drop the logs before it."""
        self.write_markets(markets)
        fd = os.open(
            self._log_path(generation), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600
        )
        _replace(self._folder / "accounts.json", accounts, durable=True)
        if self._log_fd >= 0:
            os.close(self._log_fd)
        self._log_fd, self._log_bytes, self.generation = fd, 0, generation
        for path in self._folder.glob("accounts.*.log"):
            if path != self._log_path(generation):
                path.unlink()

    def append(self, log: bytes, archived: bytes) -> None:
        """Append to log and archive; an OSError means that nothing of it may be told to anybody.

        The archive is opened for each of its appends: what leaves memory is rare.
        """
        rest = memoryview(log)
        while rest:
            rest = rest[os.write(self._log_fd, rest) :]
        self._log_bytes += len(log)
        if archived:
            self._write_archive(archived)

    def _write_archive(self, lines: bytes) -> None:
        with self._archive.open("ab") as file:
            file.write(lines)
            grown = file.tell() >= ARCHIVE_BYTES
        if grown:
            self._archive.replace(self._archive.with_name("archive.old.jsonl"))

    @property
    def is_full(self) -> bool:
        """Return whether a new snapshot is due."""
        return self._log_bytes >= COMPACT_BYTES

    def write_markets(self, markets: bytes) -> None:
        """Replace the snapshot of the markets."""
        with self._markets_lock:
            _replace(self._folder / "markets.json", markets, durable=True)

    async def keep_markets(self, markets: bytes) -> None:
        """Replace the snapshot of the markets while others are served: a sync takes its time."""
        await asyncio.to_thread(self.write_markets, markets)

    def write_doubt(self, doubt: bytes) -> None:
        """Replace what is told of queues in doubt; nothing is told where it is empty."""
        if doubt:
            _replace(self._folder / "doubt.json", doubt, durable=False)

    def announce(self, host: str, port: int) -> None:
        """Say where the exchange listens."""
        _replace(self._folder / "port", str(port).encode(), durable=False)
        listening = msgspec.json.encode(Listening(host, port, os.getpid()))
        _replace(self._folder / "exchange.json", listening, durable=False)

    def last_port(self) -> int:
        """Return the port of the process before this one, 0 where there was none."""
        text = _read(self._folder / "port") or b""
        return int(text) if text.isdigit() and len(text) <= 5 and int(text) < 1 << 16 else 0

    def withdraw(self) -> None:
        """Take the announcement back: nobody listens any more."""
        (self._folder / "exchange.json").unlink(missing_ok=True)

    def _log_path(self, generation: int) -> Path:
        return self._folder / f"accounts.{generation}.log"


def read_doubt(folder: Path) -> bytes | None:
    """Return what the exchange of a state folder told of queues in doubt, None where nothing."""
    return _read(folder / "doubt.json")


def read_listening(folder: Path) -> Listening | None:
    """Return where the exchange of a state folder said it listens, None where it says nothing.

    The process may have died since: ask its ping before trusting it. What cannot be read says
    nothing.
    """
    data = _read(folder / "exchange.json")
    try:
        return None if data is None else msgspec.json.decode(data, type=Listening)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _replace(path: Path, data: bytes, *, durable: bool) -> None:
    beside = path.with_name(path.name + ".new")
    with beside.open("wb") as file:
        file.write(data)
        if durable:
            file.flush()
            os.fdatasync(file.fileno())
    beside.replace(path)
