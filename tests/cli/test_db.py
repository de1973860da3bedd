"""``hftd db``: tables made anew, exported and upgraded, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from hftd.journal.reader import JournalReader
from hftd.journal.record import Stream
from hftd.runtime.lock import InstanceLock
from hftd.store.database import is_current, migrate, open_database
from hftd.store.projector import Projector
from tests.cli.command import Ran, hftd
from tests.postgres import Postgres
from tests.store.contents import contents
from tests.store.days_work import whole_day


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Return the state folder of an instance whose ledger grew with its journal."""
    state = tmp_path / "state"
    whole_day(state / "journal")
    engine = open_database(_url(state))
    migrate(engine)
    tail = JournalReader(state / "journal").tail(1, (Stream.ORDERS,))
    projector = Projector(engine)
    while records := tail.read(7):
        projector.project(records)
    engine.dispose()
    return state


def _url(state: Path) -> str:
    return f"sqlite:///{state / 'hftd.db'}"


def _db(state: Path, *arguments: str) -> Ran:
    folders = {"STATE_DIRECTORY": str(state), "RUNTIME_DIRECTORY": str(state.parent / "run")}
    return hftd(state.parent, "db", *arguments, **folders)


def test_rebuild_gives_the_live_tables_row_by_row(state: Path) -> None:
    """Every row of every table is as it grew, the cursor too, whatever was spoiled."""
    live = contents(_url(state))
    assert len(live["fills"]) == 12
    engine = open_database(_url(state))
    with engine.begin() as connection:
        connection.execute(text("update fills set price = 'spoiled'"))
        connection.execute(text("delete from orders"))
    engine.dispose()
    ran = _db(state, "rebuild")
    assert ran.code == 0 and "rebuilt from" in ran.out, ran.err
    assert contents(_url(state)) == live


def test_rebuild_waits_for_no_daemon(state: Path) -> None:
    """While somebody holds the instance or its journal it is 75, and nothing is touched."""
    live = contents(_url(state))
    for lock in (state / "lock", state / "journal" / "recorder.lock"):
        with InstanceLock(lock):
            ran = _db(state, "rebuild")
        assert ran.code == 75 and ran.err.count("\n") == 1, ran.err
    assert contents(_url(state)) == live


def test_export_to_stdout_and_to_a_file(state: Path) -> None:
    """The same rows by both roads; a file that exists is not overwritten."""
    ran = _db(state, "export", "fills", "--format", "jsonl")
    assert ran.code == 0, ran.err
    assert [json.loads(line)["trade_id"] for line in ran.out.splitlines()] == list(range(1, 13))
    out = state / "fills.jsonl"
    assert _db(state, "export", "fills", "--format", "jsonl", "--out", str(out)).code == 0
    assert out.read_text() == ran.out
    again = _db(state, "export", "fills", "--out", str(out))
    assert again.code == 64 and "not overwritten" in again.err
    assert out.read_text() == ran.out
    late = _db(state, "export", "orders", "--since", "2031-01-01")
    assert late.code == 0 and late.out.startswith("client_order_id,") and late.out.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("export", "trades"), "fills or orders"),
        (("export", "fills", "--format", "parquet"), "csv or jsonl"),
        (("export", "fills", "--since", "yesterday"), "2026-11-22T09:30"),
        (("rebuild", "--name", "nobody"), "nobody"),
    ],
)
def test_what_cannot_be_done_is_64_in_one_line(
    state: Path, arguments: tuple[str, ...], word: str
) -> None:
    """The line says what would be right."""
    folders = {} if "nobody" in arguments else {"STATE_DIRECTORY": str(state)}
    ran = hftd(state.parent, "db", *arguments, **folders)
    assert ran.code == 64 and word in ran.err and ran.err.count("\n") == 1, ran.err


def test_upgrade_makes_the_tables_of_a_server(state: Path, postgres: Postgres) -> None:
    """An empty Postgres gets its tables, the journal fills them; a server away is one line."""
    url = postgres.database()
    server = ("--set", f"storage.url={url}")
    early = _db(state, "export", "fills", *server)
    assert early.code == 64 and "hftd db upgrade" in early.err
    ran = _db(state, "upgrade", *server)
    assert ran.code == 0, ran.err
    engine = open_database(url)
    assert is_current(engine)
    engine.dispose()
    assert "already" in _db(state, "upgrade", *server).out
    assert _db(state, "rebuild", *server).code == 0
    assert contents(url) == contents(_url(state))
    away = _db(state, "upgrade", "--set", "storage.url=postgresql+psycopg://x@127.0.0.1:1/x")
    assert away.code == 1 and away.err.count("\n") == 1 and "cannot be used" in away.err, away.err


def test_a_role_without_temporary_tables_is_told_its_grant(
    state: Path, postgres: Postgres, tmp_path: Path
) -> None:
    """A rebuild is refused before a row is gone; it and the doctor say what to grant, to whom."""
    url = postgres.database()
    name = make_url(url).database
    engine = open_database(url)
    migrate(engine)
    with engine.begin() as connection:
        for statement in (
            f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC",
            'CREATE ROLE "no-temp" LOGIN',
            'GRANT ALL ON ALL TABLES IN SCHEMA public TO "no-temp"',
            "UPDATE cursor SET seq = 7",
            "INSERT INTO cursor (id, seq) SELECT 1, 7 WHERE NOT EXISTS (SELECT 1 FROM cursor)",
        ):
            connection.execute(text(statement))
    engine.dispose()
    server = ("--set", f"storage.url={make_url(url).set(username='no-temp')}")
    grant = f'GRANT TEMPORARY ON DATABASE {name} TO "no-temp"'
    ran = _db(state, "rebuild", *server)
    assert ran.code == 64 and grant in ran.err, ran.err
    assert contents(url)["cursor"] == [(1, None, 7)]
    folders = {"STATE_DIRECTORY": str(tmp_path / "new"), "RUNTIME_DIRECTORY": str(tmp_path / "run")}
    asked = hftd(tmp_path, "doctor", "--profile", "canary", *server, **folders)
    assert f"it may make no temporary table -> {grant}" in " ".join(asked.out.split()), asked.out
