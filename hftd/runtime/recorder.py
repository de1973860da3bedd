"""The recorder: a process that follows the journal into SQL, log lines and onto the disk.

    python -m hftd.runtime.recorder_start --name canary --parent PID --database URL --level info

Trading does not need it: it may die at any moment and catches up from the ledger's cursor.
It ends on SIGTERM, or when the engine, its parent, is gone, once it has read all that there is;
on SIGHUP it ends where it is, for a successor with other arguments.
A database's password comes by the environment variable HFTD_STORAGE_PASSWORD, alerts and metrics
by HFTD_RECORDER_WATCHING. One
recorder works on a journal at a time; the next one waits for the lock until the last has read
the journal to its end.

Log lines and syncs never wait for SQL: the ledger is a thread's (``recorder_ledger``). Order of
one turn: read, log, sync, publish. So a line may be logged twice where the recorder was killed
between logging and publishing, never be lost; a row is projected once.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import URL, make_url

from hftd.errors import HftdError, InstanceLocked, reason_of
from hftd.journal.cursor import RecorderCursor, overwrite, publish, published
from hftd.journal.reader import BOTH, JournalReader
from hftd.journal.record import Record, RecordType, Stream, decode_json
from hftd.runtime.alert_desk import END_SECONDS, AlertDesk
from hftd.runtime.engine_asked import EngineAsked
from hftd.runtime.lock import InstanceLock
from hftd.runtime.logs import LEVELS, Line, Logs, LogSettings
from hftd.runtime.metrics_counted import Counted
from hftd.runtime.paths import InstancePaths
from hftd.runtime.recorder_ledger import LedgerThread
from hftd.runtime.recorder_lines import LineMaker, context
from hftd.runtime.recorder_password import PASSWORD_VARIABLE
from hftd.runtime.recorder_socket import RecorderSocket
from hftd.runtime.recorder_sync import SegmentSync
from hftd.runtime.recorder_watching import Watching, take
from hftd.store.words import RunWords

if TYPE_CHECKING:
    from hftd.runtime.metrics_families import Around
    from hftd.runtime.metrics_server import MetricsServer

BATCH_RECORDS = 1000
# How late a line may be, and half of what passes between two syncs. In a calm market each turn
# finds something, so that turns are most of what the recorder takes of a core.
TURN_SECONDS = 0.025
IDLE_TURN_SECONDS = 0.05
IDLE_AFTER_TURNS = 40
# What a loss of power may take; what was synced costs the engine's next write a page fault.
SYNC_SECONDS, MARKET_SYNC_SECONDS = 0.05, 1.0
LEDGER_END_SECONDS = 8.0  # Below what the engine allows the recorder for its end.


@dataclass(frozen=True)
class Options:
    """What a recorder is told by whoever starts it."""

    name: str
    parent: int
    journal: Path
    database: URL
    socket: Path
    control_socket: Path
    logs: LogSettings
    watching: Watching
    environ: dict[str, str]  # What a command that is run may know.


class Recorder:
    """Follow one journal."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._stopping = self._relieved = False
        self._logs = Logs(options.logs)
        self._maker = LineMaker(debug=options.logs.level == "debug")
        self._ledger = LedgerThread(options.database, options.journal)
        self._orders = SegmentSync(options.journal, Stream.ORDERS)
        self._market = SegmentSync(options.journal, Stream.MARKET)
        self._synced_s = self._market_synced_s = 0.0
        self._orders_seq = 0
        self._logged_seq = 0
        self._logged_ts_ns = 0
        self._cursor = RecorderCursor()
        self._cursor_fault = ""
        self._words: RunWords | None = None
        self._is_run_open = False
        self._engine = EngineAsked(options.control_socket)
        self._desk = AlertDesk(
            options.name, options.watching, options.environ, self._tell, self._engine.is_healthy
        )
        self._counted = Counted() if options.watching.metrics_listen else None
        self._metrics: MetricsServer | None = None
        self._serving: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Record until told to end, or left alone, with nothing left to read.

        Raises: JournalDamaged, UsageError and other HftdErrors, which end the process.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._leave)
        lock = InstanceLock(self._options.journal / "recorder.lock")
        await self._acquire(lock)
        socket = RecorderSocket(
            self._options.socket, self._ledger, self._logs, self._options.logs.path, self._desk
        )
        try:
            await socket.start()
            self._begin()
            self._desk.start()
            self._serve_metrics()
            await self._follow()
        finally:
            await self._desk.close()
            if self._serving is not None and self._metrics is not None:
                self._serving.cancel()
                await self._metrics.close()
            await socket.close()
            self._logs.close()
            lock.release()

    def _serve_metrics(self) -> None:
        if self._counted is None:
            return
        # Imported where it is needed: a recorder without metrics serves no HTTP.
        from hftd.runtime.metrics_server import MetricsServer

        options = self._options
        self._metrics = MetricsServer(
            options.watching.metrics_listen, self._counted, self._around, self._engine,
            options.parent,
        )  # fmt: skip
        self._serving = asyncio.create_task(self._metrics.run())

    def _around(self) -> Around:
        from hftd.runtime.metrics_families import Around

        disk, desk = os.statvfs(self._options.journal), self._desk
        return Around(
            self._ledger.seq, self._logged_seq, disk.f_bavail * disk.f_frsize, self._logs.total,
            self._logs.total_dropped, desk.raised, desk.delivered, desk.failed,
        )  # fmt: skip

    def _stop(self) -> None:
        self._stopping = True

    def _leave(self) -> None:
        """Make room for a recorder with other arguments, while the engine goes on."""
        self._relieved = True

    def _may_end(self) -> bool:
        return self._stopping or self._relieved or os.getppid() != self._options.parent

    async def _acquire(self, lock: InstanceLock) -> None:
        self._options.journal.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            try:
                lock.acquire()
                return
            except InstanceLocked:  # The recorder before this one still reads to the end.
                if self._may_end():
                    raise
                await asyncio.sleep(IDLE_TURN_SECONDS)

    def _begin(self) -> None:
        """Go on where the lines end, in the words of the run that they are of."""
        before = published(self._options.journal)
        self._cursor = msgspec.structs.replace(before, pid=os.getpid(), faults={})
        self._logged_seq = self._cursor.logged_seq or self._cursor.seq
        runs = JournalReader(self._options.journal).runs_back()
        begun = next((run for run in runs if run.seq <= self._logged_seq), None)
        self._words = RunWords(begun.header) if begun else None
        self._is_run_open = begun is not None
        self._ledger.start()

    async def _follow(self) -> None:
        streams = BOTH if self._options.logs.level == "debug" else (Stream.ORDERS,)
        tail = JournalReader(self._options.journal).tail(self._logged_seq + 1, streams)
        idle_turns, deadline_s = 0, 0.0
        while True:
            may_end = self._may_end()
            # Who is relieved reads no more: what comes now is its successor's.
            records = [] if self._relieved else tail.read(BATCH_RECORDS)
            self._record(records)
            idle_turns = 0 if records else idle_turns + 1
            self._hear_ledger()
            self._desk.revive()
            self._publish_faults()
            self._sync_when_due(time.monotonic())
            if may_end and not records:
                if not deadline_s:
                    deadline_s = time.monotonic() + LEDGER_END_SECONDS
                    self._last_words()
                if self._has_ended(deadline_s):
                    return
            if len(records) < BATCH_RECORDS:
                idle = idle_turns > IDLE_AFTER_TURNS
                await asyncio.sleep(IDLE_TURN_SECONDS if idle else TURN_SECONDS)
            else:
                await asyncio.sleep(0)

    def _last_words(self) -> None:
        """Let ledger and alerts come to their ends; say so where the engine had no last word."""
        if self._is_run_open and not self._relieved:
            detail = (
                "the run ended without its last record: orders may be open, "
                f"hftd kill-offline {self._options.name} cancels them"
            )
            self._tell("engine_gone", detail, "critical")
        self._ledger.finish()
        self._desk.finish()

    def _has_ended(self, deadline_s: float) -> bool:
        alerts_late = time.monotonic() > deadline_s - LEDGER_END_SECONDS + END_SECONDS
        if self._ledger.is_done and (self._desk.is_done or alerts_late):
            self._hear_ledger()
            self._sync(market=True)
            return True
        if time.monotonic() > deadline_s and not self._ledger.is_done:
            raise HftdError("the ledger did not answer before the recorder had to end")
        return False

    def _record(self, records: list[Record]) -> None:
        for record in records:
            self._log(record)
        orders = [record.seq for record in records if record.stream is Stream.ORDERS]
        self._orders_seq = max([self._orders_seq, *orders])
        if records:
            self._logged_seq, self._logged_ts_ns = records[-1].seq, records[-1].ts_ns

    def _hear_ledger(self) -> None:
        """Say what the ledger has to say; publish how far it is, and the lines."""
        for told in self._ledger.take_told():
            self._tell(told.event, told.detail, told.level)
        if self._ledger.failure is not None:
            raise self._ledger.failure
        in_sql = self._ledger.seq
        if (in_sql, self._logged_seq) != (self._cursor.seq, self._cursor.logged_seq):
            self._publish(
                msgspec.structs.replace(
                    self._cursor,
                    seq=in_sql,
                    logged_seq=self._logged_seq,
                    ts_ns=self._logged_ts_ns or self._cursor.ts_ns,
                )
            )

    def _publish_faults(self) -> None:
        """Publish what fails beside log and ledger: the engine shows it as health checks."""
        alerts = "; ".join(f"{level}: {why}" for level, why in self._desk.faults.items())
        told = {
            "alerts": alerts,
            "metrics": self._metrics.fault if self._metrics else "",
            "cursor": self._cursor_fault,
        }
        faults = {name: why for name, why in told.items() if why}
        if "metrics" in faults and "metrics" not in self._cursor.faults:
            self._tell("metrics_failed", faults["metrics"])
        if faults != self._cursor.faults or self._cursor_fault:  # That one is tried again.
            self._publish(msgspec.structs.replace(self._cursor, faults=faults))

    def _log(self, record: Record) -> None:
        if record.record_type == RecordType.HEADER:
            self._words = RunWords(decode_json(record.payload))
            self._is_run_open = True
        elif record.record_type == RecordType.RUN_END:
            self._is_run_open = False
        if self._counted is not None:
            self._counted.add(self._words, record)
        if self._words is None:
            return
        common, now_ns = context(self._options.name, self._words), time.time_ns()
        for line in self._maker.lines(self._words, record):
            self._logs.write(line, common)
            self._desk.see(line, common, now_ns)

    def _sync_when_due(self, now_s: float) -> None:
        if now_s - self._synced_s > SYNC_SECONDS:
            self._synced_s = now_s
            self._sync(market=now_s - self._market_synced_s > MARKET_SYNC_SECONDS)

    def _sync(self, *, market: bool) -> None:
        seq = max(self._orders_seq, self._cursor.synced_seq)
        if self._cursor.synced_seq == seq and not market:
            return
        try:
            self._orders.sync()
            if market:
                self._market.sync()
                self._market_synced_s = time.monotonic()
        except OSError as error:
            self._tell("sync_failed", str(error))
            self._publish(msgspec.structs.replace(self._cursor, sync_errno=error.errno or 0))
            return
        if self._cursor.synced_seq != seq:
            self._publish(msgspec.structs.replace(self._cursor, synced_seq=seq))

    def _publish(self, cursor: RecorderCursor) -> None:
        """Publish a cursor; a disk that refuses it is a fault, and no reason to end."""
        self._cursor = cursor
        try:
            publish(self._options.journal, cursor)
        except OSError as error:
            why = reason_of(error)
            if not self._cursor_fault:
                self._tell("cursor_failed", why)
            self._cursor_fault = why
            with contextlib.suppress(OSError):  # Nor this: the engine sees an old cursor.
                faults = {**cursor.faults, "cursor": why}
                overwrite(self._options.journal, msgspec.structs.replace(cursor, faults=faults))
        else:
            if self._cursor_fault:
                self._cursor_fault = ""
                self._tell("cursor_is_back", "published again", "info")

    # What the recorder has to say of itself has no record, and the recorder's own time.
    def _tell(self, event: str, detail: str, level: str = "error") -> None:
        line = Line(level, event, "recorder", time.time_ns(), {"detail": detail})
        common = {"instance": self._options.name}
        self._logs.write(line, common)
        self._desk.see(line, common, line.ts_ns)


def parse_options(arguments: Sequence[str], environ: Mapping[str, str]) -> Options:
    """Return what the command line and the environment say."""
    own = dict(environ)
    watching = take(own)
    password = own.pop(PASSWORD_VARIABLE, None)
    parser = argparse.ArgumentParser("hftd recorder", description="Follow an instance's journal.")
    parser.add_argument("--name", required=True, help="the instance")
    parser.add_argument(
        "--parent", type=int, default=os.getppid(), help="pid of the engine, without which to end"
    )
    parser.add_argument("--state", type=Path, help="its state folder, where it is not the usual")
    parser.add_argument("--runtime", type=Path, help="its runtime folder, likewise")
    parser.add_argument("--database", default="sqlite:///{state}/hftd.db", help="without password")
    parser.add_argument("--level", default="info", choices=LEVELS)
    parser.add_argument("--console", default="none", choices=("auto", "none", "json", "text"))
    parser.add_argument("--max-lines-per-second", type=int, default=200)
    parser.add_argument("--rotate-mb", type=int, default=50)
    parser.add_argument("--rotate-count", type=int, default=5)
    said = parser.parse_args(arguments)
    paths = InstancePaths.locate(said.name, environ)
    paths = replace(
        paths,
        state_dir=said.state or paths.state_dir,
        runtime_dir=said.runtime or paths.runtime_dir,
    )
    database = make_url(said.database.replace("{state}", str(paths.state_dir)))
    if password is not None:
        database = database.set(password=password)
    logs = LogSettings(
        paths.log_path,
        said.level,
        _console(environ) if said.console == "auto" else said.console,
        said.max_lines_per_second,
        said.rotate_mb << 20,
        said.rotate_count,
    )
    return Options(
        said.name, said.parent, paths.journal_dir, database, paths.recorder_socket,
        paths.control_socket, logs, watching, own,
    )  # fmt: skip


# Text for a person at a terminal, JSON for systemd's journal, nothing into a file or a pipe.
def _console(environ: Mapping[str, str]) -> str:
    if sys.stdout.isatty():
        return "text"
    return "json" if "JOURNAL_STREAM" in environ else "none"


def main() -> int:
    """Run the recorder; return the exit code."""
    try:
        asyncio.run(Recorder(parse_options(sys.argv[1:], os.environ)).run())
    except HftdError as error:
        print(f"recorder: {error}", file=sys.stderr)  # noqa: T201 the last words of a process
        return error.exit_code
    return 0
