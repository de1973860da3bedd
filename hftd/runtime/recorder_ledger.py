"""The recorder's road into SQL: a thread that projects the journal, however the database is.

Owns the database's moods: not there, not migrated, gone in between, slow, started again, read-only,
damaged, set back to an older copy, its file removed. None of them ends the recorder, which has a
log to write. A thread, so that log lines, syncs and the socket never wait for SQL; one that nobody
has to wait for at the process's end. Must not write a log line itself: it is not the log's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import URL, Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from hftd.control.faults import ControlError
from hftd.errors import HftdError, UsageError
from hftd.journal.reader import JournalReader
from hftd.journal.record import Record, Stream
from hftd.store.database import is_current, migrate, missing_grant, open_database
from hftd.store.projector import LedgerMoved, Projector

BATCH_RECORDS = 5000
TURN_SECONDS = 0.05
RETRY_SECONDS = 1.0
SAY_AGAIN_SECONDS = 60.0
MAX_TOLD = 100

# What a database that is not there, or not any more, looks like; the next try may find it.
GONE = (OperationalError, InterfaceError)


class Told(NamedTuple):
    """What the thread has to say for the log."""

    level: str
    event: str
    detail: str


class LedgerThread:
    """Follow one journal into one database; ``seq`` is what the database holds."""

    def __init__(self, database: URL, journal: Path) -> None:
        self.engine: Engine = open_database(database)
        self.seq = 0
        self.is_ready = False  # Whether the tables are there to be asked.
        self.failure: BaseException | None = None
        self._journal = journal
        self._finish = threading.Event()
        self._told: deque[Told] = deque(maxlen=MAX_TOLD)
        self._said, self._said_s = "", 0.0
        self._projector: Projector
        self._file: tuple[int, int] | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self) -> None:
        """Read what is there and end; a database that is away is not waited for."""
        self._finish.set()

    @property
    def is_done(self) -> bool:
        """Whether it has ended, of itself or by ``failure``."""
        return not self._thread.is_alive()

    def take_told(self) -> list[Told]:
        """Return what it had to say since the last call."""
        return [self._told.popleft() for _ in range(len(self._told))]

    def _run(self) -> None:
        try:
            self._until_there(self._prepare)
            self._follow()
        except HftdError as error:
            self.failure = error
        except BaseException as error:
            self.failure = error
            raise  # A bug of ours: its traceback is told here, and the process ends.

    def _until_there(self, work: Callable[[], Told | None]) -> None:
        """Do something with the database until it does not say any more what it waits for."""
        while True:
            try:
                waits = work()
                if waits is None:
                    break
                self._say(*waits)
            except GONE as error:
                self._say("error", "ledger_unreachable", _first_line(error))
            except DBAPIError as error:  # Read-only, damaged, a right that was taken: to be mended.
                self._say("error", "ledger_refuses", _first_line(error))
            if self._finish.is_set():
                raise HftdError("the ledger was not there before the recorder had to end")
            self._finish.wait(RETRY_SECONDS)
        if self._said:
            self._say("info", "ledger_is_back", f"at seq {self.seq}")
            self._said = ""

    # Once, and again each minute: a database that is away for a night fills no log.
    def _say(self, level: str, event: str, detail: str) -> None:
        if event == self._said and time.monotonic() - self._said_s < SAY_AGAIN_SECONDS:
            return
        self._said, self._said_s = event, time.monotonic()
        self._told.append(Told(level, event, detail))

    def _prepare(self) -> Told | None:
        if self.engine.dialect.name == "sqlite":
            migrate(self.engine)
        if not is_current(self.engine):
            return Told("error", "ledger_not_migrated", "its tables wait for: hftd db upgrade")
        grant = missing_grant(self.engine)
        if grant is not None:
            return Told("error", "ledger_not_granted", f"it may make no temporary table: {grant}")
        self._file = self._file_now()
        self._projector = Projector(self.engine)
        self._check_same_journal()
        self.seq = self._projector.seq
        self.is_ready = True
        return None

    # A ledger that goes on with another journal would pass over its first records in silence.
    def _check_same_journal(self) -> None:
        words = self._projector.words
        runs = JournalReader(self._journal).runs_back()
        if words is not None and all(words.run != run.name for run in runs):
            raise UsageError(
                f"the ledger is of another journal: its last run {words.run} is not in "
                f"{self._journal}; move one of them aside, or bring the other back"
            )

    def _file_now(self) -> tuple[int, int] | None:
        # None for a server's database, and where SQLite's file is not there.
        url = self.engine.url
        with contextlib.suppress(OSError):
            if url.get_backend_name() == "sqlite" and url.database:
                status = os.stat(url.database)
                return status.st_dev, status.st_ino
        return None

    def _lets_go(self) -> bool:
        """Leave a file of SQLite's that bears the name no more, for whoever reads it is elsewhere.

        Returns whether it was so.
        """
        if self._file_now() == self._file:
            return False
        self._say("warning", "ledger_moved", "its file was removed or replaced")
        self.engine.dispose()
        return True

    def _follow(self) -> None:
        """Project from where the database is; from there again where it has gone back."""
        while not self._follow_from(self._projector.seq + 1):
            pass

    def _follow_from(self, seq: int) -> bool:
        """Project until there is no more and the end is due; False where to begin anew."""
        tail = JournalReader(self._journal).tail(seq, (Stream.ORDERS,))
        while True:
            finishing = self._finish.is_set()
            records = tail.read(BATCH_RECORDS)
            if records:
                self._project(records)
                if self._projector.seq < records[-1].seq:
                    return False
            elif finishing:
                return True
            else:
                self._finish.wait(TURN_SECONDS)

    def _project(self, records: list[Record]) -> None:
        """Bring a batch into SQL, once, whatever becomes of the database meanwhile.

        Whether a commit whose answer was lost was carried out is told by the cursor in the
        database, and by nothing else: it is read again before the batch is tried again. Where it
        is before the batch (a standby took over, or a backup was put in place) nothing is written.
        """
        begun, is_first = self._projector.seq, True

        def work() -> Told | None:
            nonlocal is_first
            waits = None if is_first and not self._lets_go() else self._prepare()
            if waits is None and self._projector.seq >= begun:
                is_first = False
                try:
                    self._projector.project(records)
                except LedgerMoved as moved:
                    return Told("warning", "ledger_moved", str(moved))
            return waits

        self._until_there(work)
        self.seq = self._projector.seq


async def in_daemon_thread(work: Callable[[], Any]) -> Any:
    """Do something that may hang, in a thread that the process's end does not wait for."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)

    def run() -> None:
        result: Any = None
        error: BaseException | None = None
        try:
            result = work()
        except (ControlError, SQLAlchemyError) as raised:
            error = raised
        except BaseException as raised:
            loop.call_soon_threadsafe(settle, None, raised)
            raise
        loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, daemon=True).start()
    return await done


def _first_line(error: DBAPIError) -> str:
    return (str(error.orig).strip().splitlines() or [type(error.orig).__name__])[0]
