"""The daemon with its ledger on a server: trading goes on without it, and nothing is missing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.daemon import Instance, until
from tests.postgres import Postgres
from tests.store.contents import contents, rebuilt


@pytest.fixture
def server(postgres: Postgres) -> Iterator[Postgres]:
    """Return the server; after the test it runs again."""
    yield postgres
    postgres.start()


def test_a_server_away_stops_no_trading_and_loses_no_row(
    instance: Instance, server: Postgres
) -> None:
    """Not upgraded at the start, then stopped while it quotes, then back: SQL ends complete."""
    url = server.database()
    storage = ("--set", f"storage.url={url}")
    daemon = instance.start(*storage).running()
    instance.await_quotes()
    until(lambda: "hftd db upgrade" in _log(instance), "word of what the ledger waits for")
    upgraded = instance.run("hftd", "db", "upgrade", *storage)
    assert upgraded.returncode == 0, upgraded.stdout + upgraded.stderr
    instance.recorded()

    server.stop()
    submitted = instance.ask("status")["orders"]["submitted"]
    until(lambda: "ledger_unreachable" in _log(instance), "word of the server")
    until(lambda: instance.ask("status")["orders"]["submitted"] > submitted, "orders without it")
    assert instance.state_name() == "RUNNING"
    server.start()
    instance.recorded()
    assert daemon.stop() == 0
    assert contents(url) == rebuilt(instance.state)
    assert contents(url)["orders"]


def _log(instance: Instance) -> str:
    path = instance.state / "logs" / "hftd.jsonl"
    return path.read_text() if path.exists() else ""
