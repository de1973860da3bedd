"""Opening the ledger's database and bringing it to this version's tables.

Knows the two dialects' peculiarities: SQLite is told to write ahead and to wait for a lock,
and migrates itself; other databases are migrated by the operator.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url

from hftd.errors import UsageError

_MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_MS = 10_000
CONNECT_SECONDS = 5


def open_database(url: str | URL) -> Engine:
    """Return an engine for the ledger; the folder of a SQLite file is made.

    SQLite writes ahead with synchronous=NORMAL: a loss of power may cost the last commits,
    never the file, and the cursor goes back with them, so the journal gives them again.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        with contextlib.suppress(OSError):  # Whoever connects is told what is wrong there.
            Path(parsed.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(parsed)
    else:
        # A connection of before a restart is found dead before it is used, and one that cannot
        # be made is no reason to wait for ever.
        wait = {"connect_timeout": CONNECT_SECONDS}
        engine = create_engine(parsed, pool_pre_ping=True, connect_args=wait)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


# Python's own SQLite module begins no transaction before a CREATE TABLE, so that a process
# killed within a migration would leave half of it: it is told to leave transactions to us.
def _set_up_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def migrate(engine: Engine) -> None:
    """Bring the tables to this version, from none or from those of an older one.

    Raises: UsageError where a newer version has made them.
    """
    config = _config()
    with engine.begin() as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
        known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
        if revision is not None and revision not in known:
            raise UsageError(
                f"the ledger {engine.url.render_as_string()} is of a newer version of hftd: "
                f"newest known revision is {known[0]}, was {revision}"
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def is_current(engine: Engine) -> bool:
    """Tell whether the tables are those of this version."""
    with engine.connect() as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
    return revision == ScriptDirectory.from_config(_config()).get_current_head()


def missing_grant(engine: Engine) -> str | None:
    """Return the GRANT without which the role cannot write the ledger, None where it has it.

    Rows reach Postgres through temporary tables (``bulk``), which a server may allow to few.
    """
    if engine.dialect.name != "postgresql":
        return None
    asked = "SELECT has_database_privilege(current_database(), 'TEMPORARY'), current_database(), "
    with engine.connect() as connection:
        may, *names = connection.exec_driver_sql(f"{asked} current_user").one()
    database, role = map(engine.dialect.identifier_preparer.quote, names)
    return None if may else f"GRANT TEMPORARY ON DATABASE {database} TO {role}"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config
