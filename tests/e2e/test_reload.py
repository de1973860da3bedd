"""A profile changed while the daemon trades: reload, set and SIGHUP, and what is refused (C38)."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.daemon import Daemon, Instance, until

PROFILE = """\
schema_version: 1
description: A profile that changes.
extends: canary.yaml
risk: {max_position_base: "POSITION", pause_dwell_ms: DWELL}
log: {level: LEVEL}
"""


def write(path: Path, position: str = "0.06", dwell: str = "2000", level: str = "info") -> None:
    """Write the profile with these values."""
    text = PROFILE.replace("POSITION", position).replace("DWELL", dwell).replace("LEVEL", level)
    path.write_text(text)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the profile is."""
    return tmp_path_factory.mktemp("profile") / "mine.yaml"


@pytest.fixture(scope="module")
def daemon(shared: Instance, path: Path) -> Daemon:
    """A daemon that trades by a profile that its user goes on writing."""
    write(path)
    return shared.start("--profile", str(path), "--name", "mine").running()


def held(instance: Instance) -> str:
    """Return the position limit as the gate holds it, scaled by the canary."""
    rows = instance.ask("risk")["limits"]
    return str(next(row["limit"] for row in rows if row["name"] == "max_position_base"))


def given(instance: Instance, *words: str) -> tuple[int, Any]:
    """Give hftctl a command; return its exit code and the result, or the fault's message."""
    done = instance.hftctl(*words, "--json")
    answer = json.loads(done.stdout)
    return done.returncode, answer["error"]["message"] if "error" in answer else answer


def test_c38_a_reload_tightens_at_once_and_names_what_waits(
    shared: Instance, daemon: Daemon, path: Path
) -> None:
    """--check changes nothing; the limit then holds, the ledger says by whom; the rest waits."""
    assert given(shared, "reload")[1]["changes"] == []
    write(path, position="0.05", dwell="2001")
    for words, holds in ((("reload", "--check"), "0.006"), (("reload",), "0.005")):
        code, result = given(shared, *words)
        assert code == 0
        changes = [(one["key"], one["old"], one["new"], one["takes"]) for one in result["changes"]]
        assert changes == [
            ("risk.max_position_base", "0.06", "0.05", "now"),
            ("risk.pause_dwell_ms", "2000", "2001", "start"),
        ]
        assert result["changes"][0]["origin"].endswith("mine.yaml:4:27")
        assert held(shared) == holds
    shared.recorded()
    rows = shared.sql("select uid, reason, outcome from commands where command = 'SET_LIMITS'")
    assert len(rows) == 1
    assert rows[0][0] is not None
    assert "risk.max_position_base 0.06 -> 0.05" in rows[0][1]
    assert result["config_hash"] in rows[0][1]
    assert rows[0][2] == "DONE"
    assert shared.ask("status")["state"] == "RUNNING"


def test_c38_a_reload_that_loosens_waits_for_a_halt(
    shared: Instance, daemon: Daemon, path: Path
) -> None:
    """Refused while it trades, with the key and both values; taken after a kill."""
    before = held(shared)
    write(path, position="0.08", level="info")
    code, message = given(shared, "reload")
    assert code == 1
    assert message.startswith("LIMIT_LOOSENED: state=RUNNING; risk.max_position_base ")
    assert "-> 0.08 allows more" in message
    assert held(shared) == before
    assert shared.hftctl("kill").returncode == 0
    code, _ = given(shared, "reload")
    assert code == 0
    assert held(shared) == "0.008"
    shared.trading()


def test_c38_an_invalid_file_keeps_what_runs(shared: Instance, daemon: Daemon, path: Path) -> None:
    """One line with file, line, key and what would be right; nothing has changed."""
    before = held(shared)
    write(path, position="0.05 BTC")
    code, message = given(shared, "reload")
    assert code == 1
    assert "mine.yaml:4:27: risk.max_position_base: a plain decimal" in message
    assert message.endswith("the running profile stays as it is")
    assert held(shared) == before
    write(path, position="0.08")


def test_c38_a_single_key_is_set_until_the_next_start(
    shared: Instance, daemon: Daemon, path: Path
) -> None:
    """A live key is taken, a reload leaves it on top; others, and a file that moved, refuse."""
    code, result = given(shared, "set", "risk.max_open_orders=3")
    assert (code, result["changes"][0]["origin"]) == (0, "--set")
    assert given(shared, "reload")[1]["changes"] == []
    for change, says in (
        ("strategy.order_size_base=0.005", "is taken at a start alone"),
        ("risk.max_open_order=2", "did you mean max_open_orders?"),
        ("nonsense", "KEY=VALUE with a dotted key"),
        ("risk.max_open_orders=0", "risk.max_open_orders"),
        ("heartbeat_url=env:NOPE", "env:NOPE: the environment has no NOPE"),
    ):
        code, message = given(shared, "set", change)
        assert (code, says in message) == (1, True), message
    write(path, position="0.07")
    code, message = given(shared, "set", "risk.max_open_orders=2")
    assert code == 1
    assert "have changed since they were read (risk.max_position_base)" in message
    assert given(shared, "reload")[0] == 0


def test_a_hangup_reloads_and_the_recorder_takes_its_own(
    shared: Instance, daemon: Daemon, path: Path
) -> None:
    """SIGHUP does what reload does; for a log level the recorder starts again, trading goes on."""
    before, recorder = daemon.pid, shared.recorder_pid()
    write(path, position="0.07", level="debug")
    daemon.signal(signal.SIGHUP)
    daemon.await_line(r"SIGHUP: 1 changed")
    until(lambda: shared.recorder_pid() != recorder, "another recorder")
    shared.recorded()
    write(path, position="0.09")
    daemon.signal(signal.SIGHUP)
    daemon.await_line(r"SIGHUP: refused: LIMIT_LOOSENED")
    assert (daemon.pid, shared.ask("status")["state"]) == (before, "RUNNING")


def test_a_secret_that_is_missing_refuses_the_reload(
    shared: Instance, daemon: Daemon, path: Path
) -> None:
    """--check says so too; after SIGHUP, twice, the daemon trades on with the recorder it had."""
    before, recorder = daemon.pid, shared.recorder_pid()
    write(path, position="0.07", level="debug")
    path.write_text(path.read_text() + 'alerts: {critical: {webhook: "env:HOOK"}}\n')
    refused = "env:HOOK: the environment has no HOOK"
    code, message = given(shared, "reload", "--check")
    assert (code, message.partition(";")[0]) == (1, refused)
    for _ in range(2):
        told = daemon.text.count(refused)
        daemon.signal(signal.SIGHUP)
        until(lambda told=told: daemon.text.count(refused) > told, "a refusal")  # type: ignore[misc]
    assert (daemon.pid, shared.ask("status")["state"]) == (before, "RUNNING")
    assert shared.recorder_pid() == recorder
