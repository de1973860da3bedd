"""As a service: what systemd is told, one process an instance, latches, and a fresh start."""

from __future__ import annotations

import json
import signal
import socket
import urllib.request
from contextlib import suppress
from pathlib import Path

from tests.e2e.daemon import START_S, WITHIN_S, Instance, free_port, until


def _heard_until(ear: socket.socket, word: str, within_s: float) -> list[str]:
    ear.settimeout(within_s)
    heard: list[str] = []
    while not any(word in message for message in heard):
        heard.append(ear.recv(4096).decode())
    return heard


def _empty(ear: socket.socket) -> None:
    ear.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            ear.recv(4096)


def test_systemd_is_told_and_a_second_process_is_refused(
    instance: Instance, tmp_path: Path
) -> None:
    """READY after recovery, then WATCHDOG; a second start exits 75; STOPPING before the end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "n"))
        daemon = instance.start(environ={"NOTIFY_SOCKET": str(tmp_path / "n")})
        before = _heard_until(ear, "READY=1", START_S)
        assert "STATUS=RECOVERING" in "\n".join(before)
        assert "STATUS=RUNNING" in before[-1] or "STATUS=RUNNING" in "\n".join(before)
        _heard_until(ear, "WATCHDOG=1", WITHIN_S)

        second = instance.run("hftd", "start")
        assert second.returncode == 75 and f"pid {daemon.pid}" in second.stderr, second.stderr
        assert instance.state_name() == "RUNNING"

        # As systemd reads on: a queue of ten that nobody empties takes no more words.
        _empty(ear)
        daemon.signal(signal.SIGTERM)
        assert _heard_until(ear, "STOPPING=1", WITHIN_S)
        assert daemon.wait() == 0


def test_a_loss_halts_for_good_and_a_new_account_is_no_way_around(instance: Instance) -> None:
    """The daily loss HALTs by itself, alarms, outlives a restart, and ``--fresh`` too."""
    told, port = instance.home / "told", free_port()
    # With a limit this small, the fees and the spread of the first fills are enough.
    tight = (
        "--set", "risk.max_daily_loss_quote=0.01", "--set", "venue.fees.maker_bps=2",
        "--set", "canary.size_factor=1", "--set", f"metrics.listen=127.0.0.1:{port}",
        "--set", f"alerts.critical.command=[/bin/sh, -c, 'cat > {told}.$$ && mv {told}.$$ {told}']",
    )  # fmt: skip
    daemon = instance.start(*tight)
    daemon.await_line(r"HALTED \(DAILY_LOSS\)")
    instance.await_state("HALTED")
    until(told.exists, "the alert of the halt", START_S)
    assert "(DAILY_LOSS: loss=" in json.loads(told.read_text())["text"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as reply:
        metrics = reply.read().decode()
    assert 'hftd_state{state="HALTED"} 1.0' in metrics and "hftd_up 1.0" in metrics
    assert 'hftd_health_check{check="latch",instrument=""} 0.0' in metrics
    checks = {check["name"]: check["ok"] for check in instance.ask("health")["checks"]}
    assert checks["alerts"] and not checks["latch"]
    assert instance.hftctl("resume").returncode == 1
    assert daemon.stop() == 0

    daemon = instance.start(*tight)
    daemon.await_line("HALTED")
    assert instance.await_state("HALTED")["orders"]["submitted"] == 0
    assert instance.venue().trades() != []
    assert daemon.stop() == 0

    daemon = instance.start("--fresh")
    daemon.await_line("HALTED")
    assert instance.venue().trades() == [] and instance.venue().balances()["BTC"] == (1, 0)
    assert list(instance.state.glob("before-*/journal")), "the old one is kept aside"
    assert instance.hftctl("reset", "--reason", "seen").returncode == 1  # Nobody has seen it yet.
    assert instance.hftctl("ack").returncode == 0
    assert instance.hftctl("reset", "--reason", "seen").returncode == 0
    assert instance.hftctl("resume").returncode == 0
    instance.await_state("RUNNING")
    assert daemon.stop() == 0
