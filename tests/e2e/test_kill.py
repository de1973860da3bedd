"""Kill, and what it takes to trade again, on the daemon that quotes."""

from __future__ import annotations

import re

from tests.e2e.daemon import Daemon, Instance, until

LAST_LINE = re.compile(
    r"KILLED in \d+ ms\. 0 open orders \(venue checked \d\d:\d\d:\d\d\.\d{3}Z\)\. "
    r"(Position [+-][\d.]+ BTC \(about [\d.]+ USDT\) remains\. Close it: hftctl flatten\. |"
    r"Position 0 BTC\. )?Trade again: hftctl reset --reason …"
)


def test_kill_holds_until_reset_and_resume(instance: Instance) -> None:
    """Nothing is open after a kill; a restart stays KILLED; reset and resume lead back."""
    instance.start().running()
    instance.await_quotes()
    compared = instance.ask("reconcile")
    assert (compared["agrees"], compared["differences"]) == (True, [])
    killed = instance.hftctl("kill", "--reason", "drill")
    assert killed.returncode == 0, killed.stdout + killed.stderr
    assert LAST_LINE.fullmatch(killed.stdout.splitlines()[-1]), killed.stdout
    assert instance.venue().open_orders() == []
    assert instance.state_name() == "KILLED"
    assert instance.hftctl("resume").returncode == 1
    assert _stop(instance) == 0

    daemon = instance.start()
    daemon.await_line("KILLED")
    until(lambda: instance.ask("health")["checks"][4]["detail"].startswith("SYNCED"), "a book")
    status = instance.await_state("KILLED")
    assert status["orders"]["submitted"] == 0 and instance.venue().open_orders() == []
    assert instance.hftctl("reset").returncode == 2
    assert instance.hftctl("resume").returncode == 1
    reset = instance.hftctl("reset", "--reason", "drill is over")
    assert reset.returncode == 0, reset.stdout + reset.stderr
    assert instance.state_name() == "PAUSED"
    assert instance.ask("status")["orders"]["submitted"] == 0
    assert instance.hftctl("resume").returncode == 0
    instance.await_state("RUNNING")
    instance.await_quotes()

    assert _stop(instance) == 0
    told = instance.sql("SELECT command, reason, outcome FROM commands ORDER BY seq")
    assert ("KILL", "drill") in [row[:2] for row in told]
    assert ("RESET", "drill is over") in [row[:2] for row in told]


def _stop(instance: Instance) -> int:
    assert isinstance(instance.daemon, Daemon)
    return instance.daemon.stop()
