"""The recorder and a real Postgres that is not ready, stopped, held up and started again."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from hftd.journal.cursor import published
from hftd.store.database import migrate, open_database
from tests.e2e.daemon import until
from tests.postgres import Postgres
from tests.store.contents import contents, rebuilt
from tests.store.days_work import DaysWork, whole_day

Child = subprocess.Popen[bytes]


@pytest.fixture
def server(postgres: Postgres) -> Iterator[Postgres]:
    """Return the server; after the test it runs again."""
    yield postgres
    postgres.go_on()
    postgres.start()


@contextlib.contextmanager
def _recording(state: Path, url: str) -> Iterator[Child]:
    child = subprocess.Popen(
        [sys.executable, "-m", "hftd.runtime.recorder_start", "--name", "canary",
         "--state", str(state), "--runtime", str(state / "run"), "--console", "json",
         "--database", url],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield child
    finally:
        child.kill()
        child.wait(10)
        assert child.stdout is not None
        child.stdout.close()


def _read_until(child: Child, event: str, count: int = 1) -> dict[str, object]:
    assert child.stdout is not None
    for raw in child.stdout:
        line: dict[str, object] = json.loads(raw)
        count -= line["event"] == event
        if count == 0:
            return line
    raise AssertionError(f"the recorder ended without {event}")


def _sql(url: str, *statements: str) -> None:
    engine = open_database(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def _end(child: Child) -> int:
    child.send_signal(signal.SIGTERM)
    assert child.stdout is not None
    child.stdout.read()
    return child.wait(20)


def test_a_server_that_is_not_ready_is_waited_for(server: Postgres, tmp_path: Path) -> None:
    """Away, without tables, without a right: each is said, and the log goes on meanwhile."""
    url = server.database()
    _sql(
        url,
        f"REVOKE TEMPORARY ON DATABASE {make_url(url).database} FROM PUBLIC",
        "CREATE ROLE clerk LOGIN",
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO clerk",
    )
    server.stop()
    whole_day(tmp_path / "journal")
    with _recording(tmp_path, str(make_url(url).set(username="clerk"))) as child:
        _read_until(child, "ledger_unreachable")
        server.start()
        assert "hftd db upgrade" in str(_read_until(child, "ledger_not_migrated")["detail"])
        engine = open_database(url)
        migrate(engine)
        engine.dispose()
        told = str(_read_until(child, "ledger_not_granted")["detail"])
        _sql(url, told[told.index("GRANT ") :])
        _read_until(child, "ledger_is_back")
        assert _end(child) == 0
    assert contents(url) == rebuilt(tmp_path)
    lines = (tmp_path / "logs/hftd.jsonl").read_text().splitlines()
    events = [json.loads(line)["event"] for line in lines]
    assert events.count("fill") == 12
    assert events.index("fill") < events.index("ledger_is_back")


def test_a_standby_that_may_not_be_written_is_waited_for(server: Postgres, tmp_path: Path) -> None:
    """A database that refuses ends no recorder: it says so, logs on, and catches up."""
    url = server.database()
    engine = open_database(url)
    migrate(engine)
    engine.dispose()
    alter = f"ALTER DATABASE {make_url(url).database} SET default_transaction_read_only ="
    _sql(url, f"{alter} on")
    whole_day(tmp_path / "journal")
    with _recording(tmp_path, url) as child:
        assert "read-only" in str(_read_until(child, "ledger_refuses")["detail"])
        _sql(url, "SET TRANSACTION READ WRITE", f"{alter} off")
        _sql(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> "
             "pg_backend_pid() AND datname = current_database()")  # fmt: skip
        _read_until(child, "ledger_is_back")
        assert _end(child) == 0
    assert contents(url) == rebuilt(tmp_path)


def test_a_server_held_up_stopped_and_started_loses_and_doubles_nothing(
    server: Postgres, tmp_path: Path
) -> None:
    """Slow beyond all bounds, then gone, then back, while the engine writes on: SQL ends equal."""
    url = server.database()
    engine = open_database(url)
    migrate(engine)
    engine.dispose()
    day = DaysWork(tmp_path / "journal")
    day.begin()
    with _recording(tmp_path, url) as child:
        day.quote()
        _read_until(child, "fill", 2)
        until(lambda: published(tmp_path / "journal").seq == day.writer.seq, "the first quote")
        server.hold_up()
        seq = day.writer.seq
        for _ in range(20):
            day.quote()
        _read_until(child, "fill", 40)  # The log does not wait for SQL.
        until(lambda: published(tmp_path / "journal").synced_seq == day.writer.seq, "a sync")
        assert published(tmp_path / "journal").seq <= seq
        server.go_on()
        until(lambda: published(tmp_path / "journal").seq == day.writer.seq, "what it missed")
        server.stop()
        day.quote()
        _read_until(child, "ledger_unreachable")
        day.quote()
        server.start()
        _read_until(child, "ledger_is_back")
        day.end()
        assert _end(child) == 0
    assert contents(url) == rebuilt(tmp_path)
    assert len(contents(url)["fills"]) == 46
