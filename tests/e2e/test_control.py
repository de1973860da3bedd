"""Hostile callers and every act of an operator, on one daemon that goes on trading."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

import pytest

from tests.e2e.daemon import ROOT, WITHIN_S, Daemon, Instance, until


@pytest.fixture(scope="module")
def daemon(shared: Instance) -> Daemon:
    """A daemon that trades."""
    return shared.start().running()


def _send(instance: Instance, data: bytes) -> bytes:
    """Return what comes back until the daemon closes, or has answered a whole line."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(WITHIN_S)
        link.connect(str(instance.control))
        try:
            link.sendall(data)
            answer = b""
            while not answer.endswith(b"\n") and (part := link.recv(65536)):
                answer += part
        except (BrokenPipeError, ConnectionResetError):
            return b""
    return answer


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x00\xff\x16\x03\x01 junk\n", -32700),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "sell_all", "params": {}}\n', -32601),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "kill"', None),
        (b"x" * 1_000_000, None),
        (b"", None),
    ],
    ids=["junk", "unknown method", "half a line", "a megabyte", "nothing"],
)
def test_a_bad_connection_is_answered_or_closed(
    shared: Instance, daemon: Daemon, data: bytes, code: int | None
) -> None:
    """A JSON-RPC error or a close; status still answers and new orders still leave."""
    if data:
        answer = _send(shared, data)
        if code is not None or answer:
            assert json.loads(answer)["error"]["code"] == (
                code or json.loads(answer)["error"]["code"]
            )
    else:
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(str(shared.control))
    before = shared.ask("status")
    assert before["state"] == "RUNNING" and before["pid"] == daemon.pid
    assert shared.hftctl("cancel-all").returncode == 0
    until(
        lambda: shared.ask("status")["orders"]["submitted"] > before["orders"]["submitted"],
        "quotes after it",
    )


def test_pause_and_resume(shared: Instance, daemon: Daemon) -> None:
    """Pause leaves nothing open and says how to go on; a resume while running is refused."""
    shared.await_quotes()
    paused = shared.hftctl("pause", "--reason", "lunch")
    assert paused.returncode == 0 and "hftctl resume" in paused.stdout
    assert shared.venue().open_orders() == []
    assert shared.ask("status")["state_reason"]
    explained = shared.hftctl("explain")
    assert explained.returncode == 0 and "PAUSED" in explained.stdout
    assert shared.hftctl("resume").returncode == 0
    shared.await_state("RUNNING")
    refused = shared.hftctl("resume")
    assert refused.returncode == 1 and "RUNNING" in refused.stdout + refused.stderr


def test_one_order_is_canceled(shared: Instance, daemon: Daemon) -> None:
    """Cancel ID ends that order; an id of nobody is refused."""
    shared.await_quotes()
    order = shared.ask("orders")["orders"][0]["client_order_id"]
    assert shared.hftctl("cancel", order).returncode == 0
    open_now = [each["client_order_id"] for each in shared.ask("orders")["orders"]]
    assert order not in open_now
    assert shared.hftctl("cancel", order).returncode == 1
    assert shared.hftctl("cancel", "web_123").returncode == 2


def test_flatten_closes_the_position(shared: Instance, daemon: Daemon) -> None:
    """Refused while it quotes; from PAUSED it leads to position 0, and sells nothing else."""
    until(lambda: shared.ask("status")["instruments"][0]["position_base"] != "0", "a fill", 120.0)
    refused = shared.hftctl("flatten")
    assert refused.returncode == 1 and "pause first" in refused.stdout + refused.stderr
    assert shared.hftctl("pause").returncode == 0
    flat = shared.hftctl("flatten")
    assert flat.returncode == 0, flat.stdout + flat.stderr
    venue = shared.venue()
    assert venue.position() == 0 and venue.open_orders() == []
    assert shared.hftctl("resume").returncode == 0


def test_logs_follow_one_stage(shared: Instance, daemon: Daemon) -> None:
    """``logs -f --stage`` shows lines of that stage while they are written."""
    follower = subprocess.Popen(
        [
            sys.executable, "-m", "hftd.cli.hftctl", "--socket", str(shared.control), "--json",
            "logs", "-f", "--stage", "execution",
        ],
        cwd=ROOT, env=shared.environ, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert follower.stdout is not None
        lines = [json.loads(follower.stdout.readline()) for _ in range(3)]
    finally:
        follower.terminate()
        follower.wait(WITHIN_S)
        follower.stdout.close()
    assert {line["stage"] for line in lines} == {"execution"}
    assert all({"ts", "level", "event", "instance", "seq", "run"} <= set(line) for line in lines)


def test_stop_by_the_socket_ends_it(shared: Instance, daemon: Daemon) -> None:
    """``hftctl stop`` answers with its last line, and the process ends with 0."""
    shared.await_quotes()
    stopped = shared.hftctl("stop")
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr
    assert stopped.stdout.startswith("STOPPED in ") and "0 open orders" in stopped.stdout
    assert daemon.wait() == 0
    assert shared.hftctl("status").returncode == 3
