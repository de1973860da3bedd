"""Mistakes and misfortune at run time: one clear line, the right exit code, nothing lost.

A clock off by an hour and an exchange that is gone stand in test_testnet and test_crash.
"""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import zlib
from pathlib import Path

from hftd.journal.record import FORMAT
from tests.e2e.daemon import ROOT, START_S, Instance


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
    """No file may grow past a megabyte: kernels first, then the journal; no order was sent."""
    cold = {**instance.environ, "CACHE_DIRECTORY": str(instance.home / "cache")}
    done = limited(cold, 4096)
    assert done.returncode == 1
    assert last_line(done).startswith("hftd: compiled kernels cannot be kept in "), done.stderr
    assert instance.run("hftd", "warmup").returncode == 0
    done = limited(instance.environ, 1 << 20)
    assert done.returncode == 1
    assert "the journal cannot be written: " in last_line(done)
    assert "/orders-00000001.hj: " in last_line(done)
    assert instance.exchange_pid() is None


def limited(environ: dict[str, str], file_bytes: int) -> subprocess.CompletedProcess[str]:
    """Run ``hftd start`` where no file may grow past a size.

    Python itself (3.11) would leave a cut file of bytecode there, for good.
    """
    limit = (file_bytes, file_bytes)
    return subprocess.run(
        [sys.executable, "-m", "hftd.cli.hftd", "start"],
        cwd=ROOT, env={**environ, "PYTHONDONTWRITEBYTECODE": "1"}, timeout=START_S, check=False,
        capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
    )  # fmt: skip


def test_a_port_that_is_taken(instance: Instance) -> None:
    """The exchange names address and port; 64."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = instance.run("hftd", "exchange", "--port", str(port))
    assert done.returncode == 64
    assert last_line(done).startswith(f"hftd: cannot listen on 127.0.0.1 port {port}: ")


def test_a_spoiled_account_of_the_exchange_is_named_with_its_mend(instance: Instance) -> None:
    """65 and the folder: what the exchange knows of us is not guessed; a new account is one word.

    A loss of power can take what was written of a simulated account.
    """
    assert instance.start().running().stop() == 0
    (instance.state / "simex/accounts.json").write_bytes(b"")
    done = instance.run("hftd", "start")
    assert done.returncode == 65 and "hftd start --fresh" in last_line(done), done.stderr
    assert f"{instance.state}/simex" in last_line(done)
    assert instance.exchange_pid() is None
    daemon = instance.start("--fresh").running()
    assert daemon.stop() == 0


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

    # The newest segment that is in use; behind it a spare one may lie ready, all zeros.
    segments = sorted((instance.state / "journal").glob("orders-*.hj"))
    path = next(each for each in reversed(segments) if any(each.read_bytes()[:40]))
    written = path.read_bytes()
    head = bytearray(written[:40])
    head[8] = FORMAT + 1
    head[36:40] = zlib.crc32(head[:36]).to_bytes(4, "little")
    path.write_bytes(bytes(head) + written[40:])
    done = instance.run("hftd", "start")
    assert done.returncode == 65
    assert path.name in last_line(done) and "newest known" in last_line(done), done.stderr
    assert path.read_bytes() == bytes(head) + written[40:]
    path.write_bytes(written)
