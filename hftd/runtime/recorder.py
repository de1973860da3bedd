"""The recorder: a process that follows the journal into SQL, log lines and onto the disk.

    python -m hftd.runtime.recorder --name canary --parent PID --database URL --level info

Trading does not need it: it may die at any moment and catches up from the ledger's cursor.
It ends on SIGTERM, or when the engine, its parent, is gone, once it has read all that there is.
A database's password comes by the environment variable HFTD_STORAGE_PASSWORD. One
recorder works on a journal at a time; the next one waits for the lock until the last has read
the journal to its end.

Order of one turn: read, log, project with the cursor, sync, publish. So a line may be logged
twice where the recorder was killed between logging and publishing, never be lost.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from sqlalchemy import URL, Engine, make_url
from sqlalchemy.exc import OperationalError

from hftd.errors import HftdError, InstanceLocked, UsageError
from hftd.journal.cursor import RecorderCursor, publish, published
from hftd.journal.reader import BOTH, JournalReader
from hftd.journal.record import Record, RecordType, Stream, decode_json
from hftd.runtime.lock import InstanceLock
from hftd.runtime.logs import LEVELS, Line, Logs, LogSettings
from hftd.runtime.paths import InstancePaths
from hftd.runtime.recorder_lines import LineMaker, context
from hftd.runtime.recorder_password import PASSWORD_VARIABLE
from hftd.runtime.recorder_socket import RecorderSocket
from hftd.runtime.recorder_sync import SegmentSync
from hftd.store.database import is_current, migrate, open_database
from hftd.store.projector import Projector
from hftd.store.words import RunWords

NICENESS = 19
BATCH_RECORDS = 1000
TURN_SECONDS = 0.01
IDLE_TURN_SECONDS = 0.05
IDLE_AFTER_TURNS = 100
MARKET_SYNC_SECONDS = 1.0
DATABASE_RETRY_SECONDS = 1.0


@dataclass(frozen=True)
class Options:
    """What a recorder is told by whoever starts it."""

    name: str
    parent: int
    journal: Path
    database: URL
    socket: Path
    logs: LogSettings


class Recorder:
    """Follow one journal."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._stopping = False
        self._logs = Logs(options.logs)
        self._maker = LineMaker()
        self._engine: Engine = open_database(options.database)
        self._orders = SegmentSync(options.journal, Stream.ORDERS)
        self._market = SegmentSync(options.journal, Stream.MARKET)
        self._market_synced_s = 0.0
        self._orders_seq = 0
        self._cursor = RecorderCursor()
        self._projector: Projector
        self._words: RunWords | None = None

    async def run(self) -> None:
        """Record until told to end, or left alone, with nothing left to read.

        Raises: JournalDamaged, UsageError and other HftdErrors, which end the process.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        lock = InstanceLock(self._options.journal / "recorder.lock")
        await self._acquire(lock)
        socket = RecorderSocket(
            self._options.socket, self._engine, self._logs, self._options.logs.path
        )
        try:
            await self._prepare()
            await socket.start()
            await self._follow()
        finally:
            await socket.close()
            self._engine.dispose()
            self._logs.close()
            lock.release()

    def _stop(self) -> None:
        self._stopping = True

    def _may_end(self) -> bool:
        return self._stopping or os.getppid() != self._options.parent

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

    async def _prepare(self) -> None:
        while True:
            try:
                if self._engine.dialect.name == "sqlite":
                    migrate(self._engine)
                if is_current(self._engine):
                    self._projector = Projector(self._engine)
                    return
                self._tell("ledger_not_migrated", "its tables wait for: hftd db upgrade")
            except OperationalError as error:
                self._tell("ledger_unreachable", str(error.orig))
            if self._may_end():
                raise HftdError("the ledger was not ready before the recorder had to end")
            await asyncio.sleep(DATABASE_RETRY_SECONDS)

    async def _follow(self) -> None:
        # A cursor of a ledger that was lost says nothing about which lines were logged.
        self._cursor = msgspec.structs.replace(published(self._options.journal), pid=os.getpid())
        self._words = self._projector.words
        self._check_same_journal()
        streams = BOTH if self._options.logs.level == "debug" else (Stream.ORDERS,)
        tail = JournalReader(self._options.journal).tail(self._projector.seq + 1, streams)
        idle_turns = 0
        while True:
            may_end = self._may_end()
            records = tail.read(BATCH_RECORDS)
            if records:
                await self._record(records)
                idle_turns = 0
            elif may_end:
                self._sync(market=True)
                return
            else:
                idle_turns += 1
            self._sync(market=time.monotonic() - self._market_synced_s > MARKET_SYNC_SECONDS)
            if len(records) < BATCH_RECORDS:
                idle = idle_turns > IDLE_AFTER_TURNS
                await asyncio.sleep(IDLE_TURN_SECONDS if idle else TURN_SECONDS)
            else:
                await asyncio.sleep(0)

    # A ledger that goes on with another journal would pass over its first records in silence.
    def _check_same_journal(self) -> None:
        runs = JournalReader(self._options.journal).runs()
        if self._words is not None and self._words.run not in [run.name for run in runs]:
            raise UsageError(
                f"the ledger is of another journal: its last run {self._words.run} is not in "
                f"{self._options.journal}; move one of them aside, or bring the other back"
            )

    async def _record(self, records: list[Record]) -> None:
        for record in records:
            self._log(record)
        while True:
            try:
                self._projector.project(records)
                break
            except OperationalError as error:
                self._tell("ledger_unreachable", str(error.orig))
                if self._may_end():
                    raise HftdError("the ledger was lost before the journal was read") from error
                await asyncio.sleep(DATABASE_RETRY_SECONDS)
        orders = [record.seq for record in records if record.stream is Stream.ORDERS]
        self._orders_seq = max([self._orders_seq, *orders])
        last = records[-1]
        # While a lost ledger is made anew, the cursor stays where the lines are.
        if last.seq > self._cursor.seq:
            self._publish(msgspec.structs.replace(self._cursor, seq=last.seq, ts_ns=last.ts_ns))

    def _log(self, record: Record) -> None:
        if record.record_type == RecordType.HEADER:
            self._words = RunWords(decode_json(record.payload))
        if self._words is None or record.seq <= self._cursor.seq:
            return
        common = context(self._options.name, self._words)
        for line in self._maker.lines(self._words, record):
            self._logs.write(line, common)

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
        self._cursor = cursor
        publish(self._options.journal, cursor)

    # What the recorder has to say of itself has no record, and the recorder's own time.
    def _tell(self, event: str, detail: str) -> None:
        line = Line("error", event, "recorder", time.time_ns(), {"detail": detail})
        self._logs.write(line, {"instance": self._options.name})


def parse_options(arguments: Sequence[str], environ: Mapping[str, str]) -> Options:
    """Return what the command line and the environment say."""
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
    if PASSWORD_VARIABLE in environ:
        database = database.set(password=environ[PASSWORD_VARIABLE])
    logs = LogSettings(
        paths.log_path,
        said.level,
        _console(environ) if said.console == "auto" else said.console,
        said.max_lines_per_second,
        said.rotate_mb << 20,
        said.rotate_count,
    )
    return Options(said.name, said.parent, paths.journal_dir, database, paths.recorder_socket, logs)


# Text for a person at a terminal, JSON for systemd's journal, nothing into a file or a pipe.
def _console(environ: Mapping[str, str]) -> str:
    if sys.stdout.isatty():
        return "text"
    return "json" if "JOURNAL_STREAM" in environ else "none"


def main() -> int:
    """Run the recorder; return the exit code."""
    os.nice(NICENESS)
    try:
        asyncio.run(Recorder(parse_options(sys.argv[1:], os.environ)).run())
    except HftdError as error:
        print(f"recorder: {error}", file=sys.stderr)  # noqa: T201 the last words of a process
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
