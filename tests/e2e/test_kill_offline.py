"""The kill that needs no daemon, against one that quotes: dead, stopped, and with a full disk."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys

from hftd.runtime.exchange_state import read_listening
from hftd.runtime.identity import tag
from tests.cli.lone_exchange import open_ids, place
from tests.e2e.daemon import ROOT, START_S, Instance

FAST = ("--set", "venue.recv_window_ms=1000")  # What a kill waits for orders under way.
NAME = "canary"


def test_whatever_state_the_daemon_is_in(instance: Instance) -> None:
    """Killed by kill -9 with a full disk, then stopped by SIGSTOP: no order of ours is left.

    One instance for both, in the order in which each shows what the other left: a latch that
    could not be written lets the next start trade, as was said; one that was written does not.
    """
    _dead_with_a_full_disk(instance)
    daemon = instance.start(*FAST).running()
    instance.await_quotes()
    port = _port(instance)
    place(port, "by-hand")
    daemon.signal(signal.SIGSTOP)
    ended = instance.run("hftctl", "kill", "--name", NAME, "--reason", "drill")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "running hftd kill-offline canary" in ended.stderr
    assert f"pid {daemon.pid} ended by SIGKILL" in ended.stderr
    assert ended.stdout.startswith("KILLED offline in ") and "0 open orders" in ended.stdout
    assert open_ids(port) == ["by-hand"]
    assert daemon.wait() == -signal.SIGKILL

    instance.start(*FAST).await_line("KILLED")
    assert instance.await_state("KILLED")["orders"]["submitted"] == 0
    assert open_ids(port) == ["by-hand"]


def _dead_with_a_full_disk(instance: Instance) -> None:
    daemon = instance.start(*FAST).running()
    instance.await_quotes()
    daemon.crash()
    port = _port(instance)
    assert any(name.startswith(f"h1-{tag(NAME)}-") for name in open_ids(port))
    ended = subprocess.run(
        [sys.executable, "-m", "hftd.cli.hftd", "kill-offline", NAME],
        cwd=ROOT, env=instance.environ, capture_output=True, text=True, timeout=START_S,
        check=False, preexec_fn=_without_room,
    )  # fmt: skip
    assert ended.returncode == 6, ended.stdout + ended.stderr
    assert "CRITICAL: the latch cannot be written" in ended.stderr
    assert open_ids(port) == []
    assert not (instance.state / "latch.json").exists()


def _port(instance: Instance) -> int:
    listening = read_listening(instance.state / "simex")
    assert listening is not None
    return listening.port


def _without_room() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
