"""``hftd db``: tables made anew, exported and upgraded, as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from hftd.journal.reader import JournalReader
from hftd.journal.record import RecordType, Stream, encode_json
from hftd.journal.writer import JournalWriter
from hftd.runtime.kernel_cache import cache_root
from hftd.runtime.lock import InstanceLock
from hftd.store.database import is_current, migrate, open_database
from hftd.store.projector import Projector
from tests.cli.command import ROOT, Ran, hftd
from tests.postgres import Postgres
from tests.store.contents import contents
from tests.store.days_work import BEGIN_NS, header, whole_day


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Return the state folder of an instance whose ledger grew with its journal."""
    return _worked(tmp_path / "state", 5)


def _worked(state: Path, quotes: int) -> Path:
    whole_day(state / "journal", quotes)
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


def test_rebuild_from_a_damaged_journal_touches_no_row(state: Path) -> None:
    """What the ledger holds is more than such a journal could make: 65, and all is there."""
    live = contents(_url(state))
    path = state / "journal" / "orders-00000001.hj"
    spoiled = bytearray(path.read_bytes())
    spoiled[3000] ^= 1
    path.write_bytes(spoiled)
    ran = _db(state, "rebuild")
    assert ran.code == 65 and ran.err.count("\n") == 1, ran.err
    assert contents(_url(state)) == live


def test_rebuild_keeps_a_ledger_that_knows_more_than_a_repaired_journal(state: Path) -> None:
    """It is refused in one line; into an empty ledger the journal is still read."""
    live = contents(_url(state))
    writer = JournalWriter(state / "journal", segment_bytes=1 << 16, disk_floor_bytes=0)
    writer.open(header(), BEGIN_NS)
    writer.append(RecordType.REPAIR, BEGIN_NS, encode_json({"lost": [], "unused": 0}))
    writer.close()
    ran = _db(state, "rebuild")
    assert ran.code == 64 and "was repaired" in ran.err and ran.err.count("\n") == 1, ran.err
    assert contents(_url(state)) == live
    fresh = f"sqlite:///{state / 'fresh.db'}"
    assert _db(state, "rebuild", "--set", f"storage.url={fresh}").code == 0
    assert contents(fresh)["fills"] == live["fills"]


def test_rebuild_keeps_a_ledger_whose_journals_first_segments_are_elsewhere(state: Path) -> None:
    """As whoever needs the disk's room moves them; once they are back the tables are made anew."""
    writer = JournalWriter(state / "journal", segment_bytes=1 << 16, disk_floor_bytes=0)
    writer.open(header(), BEGIN_NS)
    for _ in range(3):
        writer.append(RecordType.TELEMETRY, BEGIN_NS, b"{" + b" " * 30_000 + b"}")
    writer.close()
    (first, *others) = sorted((state / "journal").glob("orders-*"))
    assert others
    live = contents(_url(state))
    first.rename(state / first.name)
    ran = _db(state, "rebuild")
    assert ran.code == 64 and "begins at seq" in ran.err and ran.err.count("\n") == 1, ran.err
    assert contents(_url(state)) == live
    (state / first.name).rename(first)
    assert _db(state, "rebuild").code == 0
    assert contents(_url(state))["fills"] == live["fills"]


def test_a_ledger_that_is_no_database_is_one_line(state: Path) -> None:
    """Every verb says so, and none touches the file."""
    for path in state.glob("hftd.db*"):
        path.unlink()
    (state / "hftd.db").write_bytes(b"no database" * 1000)
    for verb in (("upgrade",), ("rebuild",), ("export", "fills")):
        ran = _db(state, *verb)
        assert ran.code == 1 and "not a database" in ran.err, ran.err
        assert ran.err.count("\n") == 1, ran.err
    assert (state / "hftd.db").read_bytes() == b"no database" * 1000


def test_half_an_export_is_not_left(tmp_path: Path) -> None:
    """A disk that is full on the way: one line, and no file that looks whole."""
    state, room = _worked(tmp_path / "state", 200), 1 << 16  # SQLite has half of that itself.
    out = state / "fills.csv"
    limited = (
        "import resource, sys; from hftd.cli.hftd import run; "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room})); sys.exit(run(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, "db", "export", "fills", "--out", str(out)],
        env=os.environ | {"STATE_DIRECTORY": str(state), "HOME": str(state.parent)},
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 64 and "file too large" in done.stderr.lower(), done.stderr
    assert not out.exists()


def test_a_fresh_account_is_refused_beside_a_ledger_that_cannot_be_put_aside(state: Path) -> None:
    """A ledger on a server, or elsewhere, would go on with another journal: 64, nothing moved."""
    elsewhere = state.parent / "elsewhere.db"
    (state / "hftd.db").rename(elsewhere)
    before = sorted(path.name for path in (state / "journal").iterdir())
    ran = hftd(
        state.parent, "start", "--fresh", "--set", f"storage.url=sqlite:///{elsewhere}",
        STATE_DIRECTORY=str(state), RUNTIME_DIRECTORY=str(state.parent / "run"),
        CACHE_DIRECTORY=str(cache_root(os.environ).parent),
    )  # fmt: skip
    assert ran.code == 64 and "holds the account of before" in ran.err, ran.err
    assert ran.err.count("\n") == 1
    assert sorted(path.name for path in (state / "journal").iterdir()) == before


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
        (("export", "fills", "--since", "9999-12-31"), "a year from 1971 to 2261"),
        (("export", "fills", "--since", "0001-01-01T00:00+23:00"), "a year from 1971 to 2261"),
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
