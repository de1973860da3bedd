"""hftd kill-offline where no daemon runs: what rests at the exchange, and what is refused."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hftd.cli.kill_offline import told
from hftd.control.connection import Peer
from hftd.control.faults import Refused, TooBusy
from hftd.domain.codes import TradingState
from hftd.runtime.identity import read_latch, tag
from hftd.runtime.lock import InstanceLock
from hftd.runtime.offline import Order, Outcome
from hftd.runtime.offline_sweep import Swept
from tests.cli.command import ROOT, Ran, hftd
from tests.cli.lone_exchange import lone_exchange, open_ids, own_id, place
from tests.control.small_daemon import SmallDaemon

NAME = "canary"
OURS = [own_id(tag(NAME), seq) for seq in (1, 2)]
FAST = {"HFTD__VENUE__RECV_WINDOW_MS": "500"}  # What a kill waits for orders under way.
HALTS_WHILE_IT_STOPS = """
import signal, sys
from pathlib import Path
from hftd.runtime.identity import Latch, write_latch
from hftd.runtime.lock import InstanceLock
state = Path(sys.argv[1])
def stop(*_):
    write_latch(state / "latch.json", Latch(5, 41, 1))
    sys.exit()
with InstanceLock(state / "lock"):
    signal.signal(signal.SIGTERM, stop)
    print("held", flush=True)
    signal.pause()
"""
OTHERS = ["by-hand", own_id(tag("another"), 1)]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state folder of an instance that has been started once."""
    folder = tmp_path / "state" / "hftd" / NAME
    folder.mkdir(parents=True)
    (folder / "epoch").write_text("1700000000\n")
    return folder


@pytest.fixture
def port(state: Path) -> Iterator[int]:
    """An exchange on that folder, with two orders of ours and two of others."""
    with lone_exchange(state) as port:
        for name in OURS + OTHERS:
            place(port, name)
        yield port


def kill(state: Path, *arguments: str, **environ: str) -> Ran:
    """Run kill-offline for the instance with its folders by the XDG rules."""
    root = state.parents[1]
    return hftd(
        root.parent, "kill-offline", *arguments, XDG_STATE_HOME=str(root), **FAST, **environ
    )


def is_killed(state: Path) -> bool:
    """Say whether the latch stands."""
    return read_latch(state / "latch.json").state == TradingState.KILLED


def test_ours_are_canceled_and_the_others_left(state: Path, port: int) -> None:
    """Without journal and engine: tag and profile by name, exit 0, latched, the reason kept."""
    ended = kill(state, NAME, "--json", "--reason", "drill")
    assert ended.code == 0, ended.err
    assert open_ids(port) == sorted(OTHERS)
    assert is_killed(state)
    told = json.loads(ended.out)
    assert told["complete"] and told["open_orders_left"] == [] and told["reason"] == "drill"
    assert "2 of our orders canceled, 0 left, 2 of others not touched" in ended.err
    assert json.loads((state / "kill-offline.json").read_text()) == told


def test_c32_a_kill_of_a_dead_daemon_takes_this_path(state: Path, port: int) -> None:
    """Nobody listens: hftctl says so, runs kill-offline and ends with its line and code."""
    root = state.parents[1]
    ended = subprocess.run(
        [sys.executable, "-m", "hftd.cli.hftctl", "kill", "--name", NAME, "--reason", "it hangs"],
        env={"PATH": os.environ["PATH"], "HOME": str(root), "XDG_STATE_HOME": str(root), **FAST},
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "path: hftd kill-offline canary, since instance canary does not listen" in ended.stderr
    assert ended.stdout.startswith("KILLED offline in ") and "0 open orders" in ended.stdout
    assert open_ids(port) == sorted(OTHERS)
    assert json.loads((state / "kill-offline.json").read_text())["reason"] == "it hangs"


@pytest.mark.parametrize("fault", [ZeroDivisionError("a bug"), TooBusy("no place"), Refused("no")])
def test_c31_a_kill_that_the_daemon_fails_at_takes_this_path(
    state: Path, port: int, fault: Exception
) -> None:
    """It answers, but not that it has killed: nothing of ours is left open, and it is latched."""
    root = state.parents[1]

    def dispatch(method: str, params: dict[str, Any], peer: Peer) -> object:
        raise fault

    # Short, because a socket's path has 107 bytes at most.
    with (
        tempfile.TemporaryDirectory(prefix="hftd-") as run,
        SmallDaemon(Path(run) / "hftd" / NAME / "control.sock", dispatch),
    ):
        ended = subprocess.run(
            [sys.executable, "-m", "hftd.cli.hftctl", "kill", "--name", NAME],
            env={"PATH": os.environ["PATH"], "HOME": str(root), "XDG_STATE_HOME": str(root),
                 "XDG_RUNTIME_DIR": run, **FAST},
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "path: hftd kill-offline canary, since" in ended.stderr
    assert open_ids(port) == sorted(OTHERS) and is_killed(state)


def test_an_exchange_that_is_gone_is_woken(state: Path) -> None:
    """Its account is on the disk: it is started, asked, ended, and what was open is canceled."""
    with lone_exchange(state) as port:
        place(port, OURS[0])
    ended = kill(state, NAME)
    assert ended.code == 0, ended.err
    assert "is started for this" in ended.err
    assert "1 of our orders canceled, 0 left" in ended.err
    with InstanceLock(state / "simex" / "exchange.lock"):
        pass


@pytest.mark.parametrize("strange", [None, "soon", [], 10**400, "NaN"])
def test_an_order_in_words_that_are_none_is_told(strange: Any) -> None:
    """What the venue says of an order that is left keeps nothing from being told."""
    fields = ("symbol", "orderId", "price", "origQty", "executedQty", "status", "side", "time")
    left = [{"clientOrderId": OURS[0], **dict.fromkeys(fields, strange)}]
    swept = Swept(False, 0, 0, 0, left, "it refuses")
    words = told(Order(NAME), Outcome([], ["1 order is open"], swept, 6, 1.0))
    assert words["open_orders_left"][0]["client_order_id"] == OURS[0]
    assert words["open_orders_left"][0]["age_ms"] == 0.0 and json.dumps(words)


def test_a_name_without_an_instance(state: Path) -> None:
    """3 for what does not exist, 64 for what is no name; nothing is made."""
    assert kill(state, "nobody").code == 3
    assert kill(state, "../canary").code == 64
    assert not (state.parent / "nobody").exists() and not is_killed(state)


def test_credentials_that_cannot_be_read(state: Path, tmp_path: Path) -> None:
    """Exit 4 with the command that may; the latch stands all the same."""
    profile = tmp_path / "keyed.yaml"
    profile.write_text(
        "schema_version: 1\ndescription: Keys of its own.\nextends: canary.yaml\n"
        "venue: {kind: simex, api_key: 'env:OUR_KEY', api_secret: 'env:OUR_SECRET'}\n"
    )
    ended = kill(state, NAME, "--profile", str(profile))
    assert ended.code == 4, ended.err
    assert "env:OUR_" in ended.err and f"run: hftd kill-offline {NAME}" in ended.err
    assert ended.out.startswith("CRITICAL: kill-offline NOT COMPLETE")
    assert is_killed(state)


def test_after_a_crash_leftovers_go_and_no_latch_comes(state: Path, port: int) -> None:
    """As ExecStopPost after kill -9: canceled, verified, and on_crash decides what is next."""
    ended = kill(state, "--after-stop", NAME, SERVICE_RESULT="signal", EXIT_CODE="killed")
    assert ended.code == 0, ended.err
    assert open_ids(port) == sorted(OTHERS)
    assert not is_killed(state)


def test_after_an_orderly_end_no_exchange_is_started(state: Path) -> None:
    """The engine asked the venue, and the simulated one ended with it: nothing is done."""
    ended = kill(state, "--after-stop", NAME, SERVICE_RESULT="success", EXIT_CODE="exited")
    assert ended.code == 0, ended.err
    assert not (state / "simex").exists() and not is_killed(state)
    assert kill(state, "--after-stop", "nobody").code == 0


def test_after_stop_leaves_a_running_instance_alone(state: Path, port: int) -> None:
    """Exit 75 runs ExecStopPost too: what another process holds is not ours to cancel."""
    with InstanceLock(state / "lock"):
        ended = kill(state, "--after-stop", NAME, SERVICE_RESULT="exit-code", EXIT_STATUS="75")
    assert ended.code == 0 and "nothing is done" in ended.err
    assert open_ids(port) == sorted(OURS + OTHERS)


def test_a_halt_that_trips_while_the_engine_ends_takes_no_kill_back(state: Path, port: int) -> None:
    """It writes its latch last, over ours: KILLED stands there all the same."""
    command = [sys.executable, "-c", HALTS_WHILE_IT_STOPS, str(state)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdout is not None and engine.stdout.readline() == "held\n"
        ended = kill(state, NAME)
    assert ended.code == 0 and "ended by SIGTERM" in ended.err, ended.err
    assert is_killed(state) and open_ids(port) == sorted(OTHERS)


def test_a_pid_that_is_not_the_holder_lives(state: Path, port: int) -> None:
    """A lock file that names a process which does not hold it: nobody is ended, exit 6."""
    with (
        subprocess.Popen(["sleep", "600"]) as bystander,
        open(state / "lock", "w") as lock,
    ):
        lock.write(f"{bystander.pid}\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = kill(state, NAME)
        assert bystander.poll() is None
        bystander.kill()
    assert ended.code == 6 and "may still trade" in ended.err
    assert open_ids(port) == sorted(OTHERS)
