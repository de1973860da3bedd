"""The recorder as a process of its own: it catches up, drains, answers, and may be killed."""

import contextlib
import json
import os
import select
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import select as sql_select
from sqlalchemy import text

from hftd.control.client import Client
from hftd.control.faults import Refused
from hftd.domain.order import client_order_id, order_key
from hftd.journal.cursor import published
from hftd.journal.reader import JournalReader
from hftd.store import tables
from hftd.store.database import migrate, open_database
from hftd.store.projector import rebuild
from tests.store.days_work import EPOCH, DaysWork, whole_day


def command_line(state):
    """Return the command line of a recorder that tells its lines on stdout."""
    return [
        sys.executable, "-m", "hftd.runtime.recorder_start", "--name", "canary",
        "--state", str(state), "--runtime", str(state / "run"), "--console", "json",
    ]  # fmt: skip


@contextlib.contextmanager
def recording(state, command=None):
    """Run a recorder; it is killed at the end where it has not ended by itself."""
    command = command or command_line(state)
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield child
    finally:
        child.kill()
        child.wait(10)
        child.stdout.close()
        child.stderr.close()


def read_until(child, event, count=1):
    """Read the recorder's lines until so many of an event were there; return the last."""
    for raw in child.stdout:
        line = json.loads(raw)
        count -= line["event"] == event
        if count == 0:
            return line
    raise AssertionError(f"no {event}: {child.stderr.read().decode()}")


def until(look, what, within_s=20.0):
    """Look again and again until something is so."""
    deadline, pause = time.monotonic() + within_s, threading.Event()
    while not look():
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        pause.wait(0.02)


def drain(state):
    """Run a recorder to the journal's end; return its exit code."""
    with recording(state) as child:
        read_until(child, "run_started")
        child.send_signal(signal.SIGTERM)
        child.stdout.read()
        return child.wait(20)


def contents(url):
    """Return all rows of all tables."""
    engine = open_database(url)
    with engine.connect() as connection:
        found = {
            table.name: [
                tuple(row) for row in connection.execute(sql_select(table).order_by(*table.c))
            ]
            for table in tables.METADATA.sorted_tables
        }
    engine.dispose()
    return found


def rebuilt(state):
    """Return the tables of a ledger that is made anew from the journal."""
    url = f"sqlite:///{state / 'rebuilt.db'}"
    engine = open_database(url)
    migrate(engine)
    rebuild(engine, JournalReader(state / "journal").records())
    engine.dispose()
    found = contents(url)
    del found["cursor"]
    return found


def end(child):
    """Tell a recorder to end, and see that it did so by itself."""
    child.send_signal(signal.SIGTERM)
    child.stdout.read()
    assert child.wait(20) == 0


def ledger(state):
    """Return the tables that the recorder made."""
    found = contents(f"sqlite:///{state / 'hftd.db'}")
    del found["cursor"]
    return found


def logged(state):
    """Return the lines of the log, each parsed alone."""
    return [json.loads(raw) for raw in (state / "logs/hftd.jsonl").read_bytes().splitlines()]


def test_recorder_within_somebodys_session_leaves_its_weight(tmp_path):
    """A recorder that a shell or a test began makes that session no nicer."""
    weight = Path("/proc/self/autogroup")
    if not weight.exists():
        pytest.skip("this kernel groups no processes by session")
    before = weight.read_text()
    whole_day(tmp_path / "journal").end()
    with recording(tmp_path) as child:
        read_until(child, "run_started")
        assert weight.read_text() == before


def test_recorder_is_never_less_nice_than_it_was_begun():
    """It gives way to the usual weight, and whoever was nicer may stay so without any right."""
    ask = """if True:
        import os
        from hftd.runtime.recorder_start import NICENESS, give_way
        give_way()
        first = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, 0, 15)
        give_way()
        print(first == NICENESS, os.getpriority(os.PRIO_PROCESS, 0))
    """
    begin = [sys.executable, "-c", ask]
    done = subprocess.run(begin, capture_output=True, text=True, check=True, start_new_session=True)
    assert done.stdout.split() == ["True", "15"]


def test_recorder_gives_way_before_it_imports_what_takes_long():
    """The module that it begins in has neither SQL nor logs with it."""
    ask = "import sys, hftd.runtime.recorder_start as _; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert {"sqlalchemy", "structlog", "asyncio"}.isdisjoint(done.stdout.split())


def test_recorder_drains_the_journal_and_ends_when_told(tmp_path):
    """After SIGTERM all that was written is in SQL, in the log and on the disk; exit 0."""
    day = whole_day(tmp_path / "journal")
    with recording(tmp_path) as child:
        read_until(child, "fill", 12)
        day.end()
        end(child)
    assert ledger(tmp_path) == rebuilt(tmp_path)
    assert len(ledger(tmp_path)["fills"]) == 12
    assert logged(tmp_path)[-1]["event"] == "run_ended"
    cursor = published(tmp_path / "journal")
    assert (cursor.seq, cursor.synced_seq) == (day.writer.seq, day.writer.seq)
    assert (cursor.pid, cursor.sync_errno) == (child.pid, 0)


def test_killed_recorder_catches_up(tmp_path):
    """However often it is killed while the engine writes on, SQL and log end complete."""
    day = DaysWork(tmp_path / "journal")
    day.begin()
    for _ in range(4):
        with recording(tmp_path) as child:
            for _ in range(30):
                day.quote()
            read_until(child, "fill", 20)
            child.send_signal(signal.SIGKILL)
            for _ in range(10):
                day.quote()
    day.end()
    with recording(tmp_path) as child:
        read_until(child, "run_ended")
        end(child)
    assert ledger(tmp_path) == rebuilt(tmp_path)
    assert len(ledger(tmp_path)["fills"]) == 320
    dropped = sum(line["count"] for line in logged(tmp_path) if line["event"] == "lines_dropped")
    assert dropped == 0
    told = {line["exec_id"] for line in logged(tmp_path) if line["event"] == "fill"}
    assert told == {str(number) for number in range(1, 321)}


def test_ledger_that_was_lost_is_made_anew_without_logging_twice(tmp_path):
    """Without its SQL file the recorder begins again at the journal's first record, silently."""
    day = whole_day(tmp_path / "journal")
    assert drain(tmp_path) == 0
    before = logged(tmp_path)
    for path in tmp_path.glob("hftd.db*"):
        path.unlink()
    day.quote()
    with recording(tmp_path) as child:
        read_until(child, "fill", 2)
        end(child)
    assert ledger(tmp_path) == rebuilt(tmp_path)
    assert logged(tmp_path)[: len(before)] == before
    assert [line["event"] for line in logged(tmp_path)].count("fill") == 14


PARENT = """
import os, subprocess, sys
command = [*sys.argv[1:], "--parent", str(os.getpid())]
child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_recorder_ends_when_its_parent_is_gone(tmp_path):
    """Left alone, the recorder reads the journal to its end and goes."""
    day = whole_day(tmp_path / "journal")
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, *command_line(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    ended = os.pidfd_open(int(parent.stdout.readline()))
    parent.kill()
    parent.wait(10)
    parent.stdin.close()
    parent.stdout.close()
    try:
        assert select.select([ended], [], [], 20)[0]
    finally:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(ended, signal.SIGKILL)
        os.close(ended)
    assert published(tmp_path / "journal").seq == day.writer.seq


def test_next_recorder_waits_for_the_one_before(tmp_path):
    """Two recorders never write at once: the second begins when the first has ended."""
    day = whole_day(tmp_path / "journal")
    with recording(tmp_path) as first, recording(tmp_path) as second:
        # Whichever came first holds the lock; the other has nothing to say until it ends.
        ready, _, _ = select.select([first.stdout, second.stdout], [], [], 20)
        if ready == [second.stdout]:
            first, second = second, first
        read_until(first, "fill", 12)
        day.quote()
        read_until(first, "fill", 2)
        first.send_signal(signal.SIGTERM)
        first.stdout.read()
        assert first.wait(20) == 0
        day.quote()
        read_until(second, "fill", 2)
        second.send_signal(signal.SIGTERM)
        second.stdout.read()
        assert second.wait(20) == 0
    assert ledger(tmp_path) == rebuilt(tmp_path)
    assert [line["event"] for line in logged(tmp_path)].count("fill") == 16


def test_ledger_of_a_newer_version_ends_the_recorder_with_one_line(tmp_path):
    """Exit 64 and one line on stderr that names the revision."""
    whole_day(tmp_path / "journal")
    engine = open_database(f"sqlite:///{tmp_path / 'hftd.db'}")
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    engine.dispose()
    done = subprocess.run(command_line(tmp_path), capture_output=True, timeout=30, text=True)
    assert done.returncode == 64
    assert "newer version of hftd" in done.stderr
    assert done.stderr.count("\n") == 1


def test_ledger_of_another_journal_is_not_written_to(tmp_path):
    """Where the journal was taken away and the ledger kept, the recorder refuses to guess."""
    whole_day(tmp_path / "journal")
    assert drain(tmp_path) == 0
    (tmp_path / "journal").rename(tmp_path / "elsewhere")
    DaysWork(tmp_path / "journal").begin(EPOCH + 500)
    done = subprocess.run(command_line(tmp_path), capture_output=True, timeout=30, text=True)
    assert done.returncode == 64
    assert "the ledger is of another journal" in done.stderr


def test_ledger_that_cannot_be_opened_is_waited_for(tmp_path):
    """While the database is not there the recorder says so, logs on, and then catches up."""
    whole_day(tmp_path / "journal")
    (tmp_path / "hftd.db").mkdir()
    with recording(tmp_path) as child:
        line = read_until(child, "ledger_unreachable")
        assert line["level"] == "error"
        assert "unable to open" in line["detail"]
        (tmp_path / "hftd.db").rmdir()
        read_until(child, "ledger_is_back")
        end(child)
    assert ledger(tmp_path) == rebuilt(tmp_path)


def test_ledger_that_an_older_copy_replaced_is_made_whole(tmp_path):
    """A copy of before, put in place while it records: it goes back there and on from there."""
    day = DaysWork(tmp_path / "journal")
    day.begin()
    day.quote()
    with recording(tmp_path) as child, contextlib.closing(sqlite3.connect(":memory:")) as copy:
        until(lambda: published(tmp_path / "journal").seq == day.writer.seq, "the first quote")
        with contextlib.closing(sqlite3.connect(tmp_path / "hftd.db", timeout=10)) as live:
            live.backup(copy)
            day.quote()
            until(lambda: published(tmp_path / "journal").seq == day.writer.seq, "the second")
            copy.backup(live)
        day.quote()
        read_until(child, "ledger_is_back")
        day.end()
        end(child)
    assert ledger(tmp_path) == rebuilt(tmp_path)
    assert len(ledger(tmp_path)["fills"]) == 6


@pytest.mark.parametrize("has_backup", [False, True])
def test_ledger_whose_file_goes_while_it_records_is_made_whole(tmp_path, has_backup):
    """Removed, or a backup moved to its place: what bears the name is the ledger, and whole."""
    path, backup = tmp_path / "hftd.db", tmp_path / "backup.db"
    day = DaysWork(tmp_path / "journal")
    day.begin()
    day.quote()
    with recording(tmp_path) as child:
        until(lambda: published(tmp_path / "journal").seq == day.writer.seq, "the first quote")
        with (
            contextlib.closing(sqlite3.connect(backup)) as copy,
            contextlib.closing(sqlite3.connect(path, timeout=10)) as live,
        ):
            live.backup(copy)
        for left in tmp_path.glob("hftd.db*"):
            left.unlink()
        if has_backup:
            backup.rename(path)
        day.quote()
        assert "removed or replaced" in read_until(child, "ledger_moved")["detail"]
        read_until(child, "ledger_is_back")
        day.end()
        end(child)
    assert ledger(tmp_path) == rebuilt(tmp_path)
    assert len(ledger(tmp_path)["fills"]) == 4


def test_ledger_that_is_no_database_ends_no_recorder(tmp_path):
    """A spoiled file is told, the log goes on, and once it is moved away all is made anew."""
    whole_day(tmp_path / "journal")
    (tmp_path / "hftd.db").write_bytes(b"no database" * 1000)
    with recording(tmp_path) as child:
        line = read_until(child, "ledger_refuses")
        assert "not a database" in line["detail"]
        with Client(tmp_path / "run/recorder.sock") as client:
            assert list(client.stream("logs", {"lines": 1}))
        (tmp_path / "hftd.db").unlink()
        read_until(child, "ledger_is_back")
        end(child)
    assert ledger(tmp_path) == rebuilt(tmp_path)


def test_ledger_whose_folder_cannot_be_made_is_waited_for(tmp_path):
    """A mount that is not there yet, say."""
    whole_day(tmp_path / "journal")
    (tmp_path / "disk").write_text("in the way")
    command = [*command_line(tmp_path), "--database", f"sqlite:///{tmp_path}/disk/ledger.db"]
    with recording(tmp_path, command) as child:
        read_until(child, "ledger_unreachable")
        (tmp_path / "disk").unlink()
        (tmp_path / "disk").mkdir()
        read_until(child, "ledger_is_back")
        end(child)
    assert (tmp_path / "disk/ledger.db").exists()


@pytest.fixture
def recorder_of_a_day(tmp_path):
    """Return the state folder of a recorder that has read a whole day, and the day."""
    day = whole_day(tmp_path / "journal")
    with recording(tmp_path) as child:
        read_until(child, "fill", 12)
        until(lambda: published(tmp_path / "journal").seq == day.writer.seq, "the ledger")
        yield tmp_path, day


def test_socket_answers_fills_and_journeys(recorder_of_a_day):
    """Fills and an order's journey come from the ledger by JSON-RPC; an unknown id is refused."""
    state, _ = recorder_of_a_day
    wanted = client_order_id("abc123", order_key(EPOCH, 3))
    with Client(state / "run/recorder.sock") as client:
        fills = client.call("fills", {"limit": 2})["fills"]
        journey = client.call("order", {"id": wanted})
        lines = list(client.stream("logs", {"lines": 3, "stage": "risk"}))
        with pytest.raises(Refused, match="knows no order"):
            client.call("order", {"id": "h1-abc123-0-0"})
    assert [fill["exec_id"] for fill in fills] == ["11", "12"]
    assert [event["event"] for event in journey["events"]][:2] == ["submitted", "accepted"]
    assert [line["stage"] for line in lines] == ["risk"] * 3


def test_socket_follows_the_log(recorder_of_a_day):
    """Who follows gets the last lines first, then each new one that passes the filter."""
    state, day = recorder_of_a_day
    with Client(state / "run/recorder.sock") as client:
        params = {"lines": 1, "stage": "execution", "level": "info", "follow": True}
        lines = client.stream("logs", params)
        assert next(lines)["event"] == "order_fill_full"
        day.quote()
        told = [next(lines) for _ in range(6)]
    assert [line["event"] for line in told] == [
        "order_submitted", "order_accepted", "fill", "order_fill_partial", "fill",
        "order_fill_full",
    ]  # fmt: skip
    assert [line["exec_id"] for line in told if line["event"] == "fill"] == ["13", "14"]
