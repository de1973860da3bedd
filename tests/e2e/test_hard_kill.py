"""Kill, when it is hardest: ten cases, each ended by nothing open at the exchange, or by name.

What is open is asked of the exchange's truth, past every fault. An answer of 0 means that
nothing is; 6 comes with a CRITICAL line that names what is left, and never without.
"""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.e2e.daemon import Instance

# What an offline kill waits for orders under way; and each order waits for the disk.
FAST = ("--set", "venue.recv_window_ms=1000", "--set", "journal.gate=synced")
NAME = "canary"
Killed = subprocess.CompletedProcess[str]


@pytest.fixture
def desk(shared: Instance) -> Iterator[Instance]:
    """One instance for all cases; after each nothing ails it any more."""
    yield shared
    if shared.exchange_pid() is not None:
        shared.disarm()


def _kill(instance: Instance, *options: str) -> Killed:
    return instance.run("hftctl", "kill", "--name", NAME, "--reason", "drill", *options)


def _nothing_left(instance: Instance, killed: Killed, path: str) -> None:
    """The exchange holds no order of ours, the kill says so, and by which road it went."""
    told = killed.stdout + killed.stderr
    assert killed.returncode == 0, told
    assert "0 open orders" in killed.stdout and f"path: {path}" in killed.stderr, told
    assert instance.truly_open() == []
    assert "CRITICAL" not in told


BY_DAEMON, OFFLINE = "the daemon", "hftd kill-offline"


def test_1_the_loop_is_blocked(desk: Instance) -> None:
    """A codec that never comes back: SIGTERM is not heard, so the process is ended."""
    trigger, ready = desk.home / "now", desk.home / "ready"
    ready.write_text("block")
    daemon = desk.start_module("tests.e2e.faulty_daemon", str(trigger), FAST[1]).running()
    desk.await_quotes()
    ready.rename(trigger)
    _nothing_left(desk, _kill(desk), OFFLINE)
    assert daemon.wait() == -signal.SIGKILL


def test_c32_2_the_process_is_stopped(desk: Instance) -> None:
    """SIGSTOP: it hears nothing, and does not come back to trade."""
    daemon = desk.trading(*FAST)
    daemon.signal(signal.SIGSTOP)
    _nothing_left(desk, _kill(desk), OFFLINE)
    assert daemon.wait() == -signal.SIGKILL


def test_3_the_disk_is_full(desk: Instance) -> None:
    """No file can grow by a byte: all is canceled, and what the latch lacks is named."""
    daemon = desk.trading(*FAST)
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (0, 0))
    killed = _kill(desk)
    assert desk.truly_open() == []
    assert killed.returncode == 6, killed.stdout + killed.stderr
    assert "CRITICAL" in killed.stdout and "latch" in killed.stdout
    assert "path: the daemon" in killed.stderr and desk.state_name() == "KILLED"
    daemon.end()


def test_4_sql_is_down(desk: Instance) -> None:
    """Somebody locks the ledger: the kill needs none."""
    desk.trading(*FAST)
    desk.recorded()
    with closing(sqlite3.connect(desk.state / "hftd.db", isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        _nothing_left(desk, _kill(desk), BY_DAEMON)
        connection.execute("ROLLBACK")


def test_5_the_recorder_is_dead(desk: Instance) -> None:
    """Killed and not yet started again."""
    desk.trading(*FAST)
    os.kill(desk.recorder_pid(), signal.SIGKILL)
    _nothing_left(desk, _kill(desk), BY_DAEMON)


def test_6_the_exchange_is_slow_by_5_s(desk: Instance) -> None:
    """Each frame of the exchange comes 5 s late: the daemon waits for what it says."""
    desk.trading(*FAST)
    desk.arm(fault="delay", for_ms=5000)
    _nothing_left(desk, _kill(desk), BY_DAEMON)
    assert desk.fired()


def test_7_the_exchange_answers_429(desk: Instance) -> None:
    """Every request is refused with 429 for a while: nothing is sent before it is over."""
    desk.trading(*FAST)
    desk.arm(fault="too_many_requests", for_ms=3000, until_s=3)
    _nothing_left(desk, _kill(desk), BY_DAEMON)
    assert desk.fired()


def test_8_the_exchange_restarts(desk: Instance) -> None:
    """It dies with our orders in its account, and comes back with them."""
    desk.trading(*FAST)
    exchange = desk.exchange_pid()
    assert exchange is not None and desk.truly_open() != []
    os.kill(exchange, signal.SIGKILL)
    _nothing_left(desk, _kill(desk), BY_DAEMON)


def test_9_acks_are_lost(desk: Instance) -> None:
    """No order or cancel is answered, and no report of it comes: what was done is asked for."""
    desk.trading(*FAST)
    desk.arm(fault="ack_lost", match={"request": "order.cancel"})
    desk.arm(fault="ack_lost", match={"request": "order.place"})
    desk.arm(fault="ack_lost", match={"request": "order.cancelReplace"})
    desk.arm(fault="drop", match={"event": "executionReport"})
    _nothing_left(desk, _kill(desk), BY_DAEMON)
    assert desk.fired()


def test_10_the_rate_budget_is_spent(desk: Instance) -> None:
    """Somebody on our address has used up the minute: the rest is named, and canceled after it."""
    desk.trading(*FAST)
    desk.venue().spend_budget()
    killed = _kill(desk)
    told = killed.stdout + killed.stderr
    left = desk.truly_open()
    assert killed.returncode in (0, 6), told
    assert ("CRITICAL" in killed.stdout) is (killed.returncode == 6), told
    assert not left or killed.returncode == 6, told
    assert all(name in killed.stdout for name in left), told
