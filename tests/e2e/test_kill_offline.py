"""The kill that needs no daemon, after one that quoted: dead, and with a full disk."""

from __future__ import annotations

import resource
import subprocess
import sys

from hftd.runtime.exchange_state import read_listening
from hftd.runtime.identity import tag
from tests.cli.lone_exchange import open_ids, own_id, place
from tests.e2e.daemon import ROOT, START_S, Instance

FAST = ("--set", "venue.recv_window_ms=1000")  # What a kill waits for orders under way.
NAME = "canary"


def test_dead_with_a_full_disk(instance: Instance) -> None:
    """Killed by kill -9, then without room for a latch: no order of ours is left, and 6 says what.

    A latch that could not be written lets the next start trade, as was said.
    """
    daemon = instance.start(*FAST).running()
    instance.await_quotes()
    daemon.crash()
    port = _port(instance)
    # What it had open when it died is for chance to say: on a busy machine it may have paused.
    for name in (own_id(tag(NAME), 1), "by-hand"):
        place(port, name)
    ended = subprocess.run(
        [sys.executable, "-m", "hftd.cli.hftd", "kill-offline", NAME],
        cwd=ROOT, env=instance.environ, capture_output=True, text=True, timeout=START_S,
        check=False, preexec_fn=_without_room,
    )  # fmt: skip
    assert ended.returncode == 6, ended.stdout + ended.stderr
    assert "CRITICAL: the latch cannot be written" in ended.stderr
    assert open_ids(port) == ["by-hand"]
    assert not (instance.state / "latch.json").exists()


def _port(instance: Instance) -> int:
    listening = read_listening(instance.state / "simex")
    assert listening is not None
    return listening.port


def _without_room() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
