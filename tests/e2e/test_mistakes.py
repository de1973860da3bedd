"""Mistakes and misfortune at run time: one clear line, the right exit code, nothing lost."""

from __future__ import annotations

import os
import re
import resource
import socket
import subprocess
import sys
import zlib
from pathlib import Path

from tests.e2e.daemon import ROOT, START_S, Instance, until

HOUR_MS = 3_600_000


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a program said last."""
    return done.stderr.rstrip("\n").rpartition("\n")[2]


def test_a_state_folder_that_cannot_be_written(instance: Instance) -> None:
    """The folder is named before anything is started; 64."""
    locked = Path("/sys/hftd-state") if os.geteuid() == 0 else instance.home / "locked" / "state"
    if os.geteuid() != 0:
        locked.parent.mkdir(mode=0o500)
    instance.environ["STATE_DIRECTORY"] = str(locked)
    done = instance.run("hftd", "start")
    assert done.returncode == 64
    assert last_line(done).startswith(f"hftd: folder {locked} cannot be made: ")
    instance.environ["STATE_DIRECTORY"] = str(instance.state)


def test_a_disk_without_room_for_a_journal(instance: Instance) -> None:
    """No file may grow past a megabyte: the journal's file is named, no order was sent."""
    done = subprocess.run(
        [sys.executable, "-m", "hftd.cli.hftd", "start"],
        cwd=ROOT, env=instance.environ, capture_output=True, text=True, timeout=START_S,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)),
    )  # fmt: skip
    assert done.returncode == 1
    assert re.match(
        r"hftd: the journal cannot be written: .*/orders-00000001\.hj: ", last_line(done)
    )
    assert instance.exchange_pid() is None


def test_a_port_that_is_taken(instance: Instance) -> None:
    """The exchange names address and port; 64."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = instance.run("hftd", "exchange", "--port", str(port))
    assert done.returncode == 64
    assert last_line(done).startswith(f"hftd: cannot listen on 127.0.0.1 port {port}: ")


def test_a_clock_off_by_an_hour_pauses_then_halts(instance: Instance) -> None:
    """Every quote is pulled, the state names the clock; nothing is placed until a reset (C24)."""
    daemon = instance.start("--set", "risk.clock_halt_after_ms=1500").running()
    instance.await_quotes()
    instance.arm(fault="clock_skew", skew_ms=HOUR_MS)
    daemon.await_line(r"(PAUSED|HALTED) \(CLOCK\)")
    status = instance.await_state("HALTED")
    assert "CLOCK" in status["state_reason"]
    until(lambda: not instance.truly_open(), "no open order")


def test_files_of_a_newer_version_are_left_alone(instance: Instance) -> None:
    """A ledger: trading goes on, the recorder says so. A journal: 65 with the file; both stay."""
    daemon = instance.start().running()
    instance.recorded()
    daemon.stop()
    instance.sql("update alembic_version set version_num = '9999'")
    daemon = instance.start().running()
    told = daemon.await_line(r"newer version of hftd.*was 9999")
    assert told
    assert instance.state_name() == "RUNNING"
    daemon.stop()
    rebuilt = instance.run("hftd", "db", "rebuild")
    assert rebuilt.returncode != 0 and "9999" in last_line(rebuilt), rebuilt.stderr

    path = sorted((instance.state / "journal").glob("orders-*.hj"))[-1]
    head = bytearray(path.read_bytes()[:40])
    before = path.stat().st_size
    old = bytes(head)
    head[8] = 2
    head[36:40] = zlib.crc32(head[:36]).to_bytes(4, "little")
    with path.open("r+b") as file:
        file.write(head)
    done = instance.run("hftd", "start")
    assert done.returncode == 65
    assert path.name in last_line(done) and "newest known" in last_line(done), done.stderr
    assert path.stat().st_size == before
    with path.open("r+b") as file:
        file.write(old)
