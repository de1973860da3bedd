"""Notifier: what systemd reads on its socket, played by a real datagram socket."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from hftd.runtime.notify import Notifier


@pytest.mark.parametrize("abstract", [False, True])
def test_the_life_of_a_service(tmp_path: Path, abstract: bool) -> None:
    """Ready with a status, status, watchdog, stopping: each is one datagram, in order."""
    name = f"@hftd-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(5)
        manager.bind("\0" + name[1:] if abstract else name)
        notifier = Notifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "2000000"})
        notifier.ready("RUNNING: quoting BTC-USDT")
        notifier.status("PAUSED\nby the operator")
        notifier.watchdog()
        notifier.extend_timeout(5_000_000)
        notifier.stopping()
        notifier.close()
        notifier.watchdog()
        assert [manager.recv(1024).decode() for _ in range(5)] == [
            "READY=1\nSTATUS=RUNNING: quoting BTC-USDT",
            "STATUS=PAUSED by the operator",
            "WATCHDOG=1",
            "EXTEND_TIMEOUT_USEC=5000000",
            "STOPPING=1",
        ]
        assert notifier.dropped == 0


@pytest.mark.parametrize(
    ("environ", "interval_ns"),
    [
        ({"WATCHDOG_USEC": "2000000"}, 1_000_000_000),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": str(os.getpid())}, 1_000_000_000),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_interval_is_half_of_the_units(
    environ: dict[str, str], interval_ns: int | None
) -> None:
    """The interval is for the process that systemd started, and None where none is asked."""
    notifier = Notifier({"NOTIFY_SOCKET": "/run/nobody/notify", **environ})
    assert notifier.watchdog_interval_ns == interval_ns
    notifier.close()


def test_without_a_service_manager_nothing_happens() -> None:
    """On a terminal there is no socket, and each call does nothing."""
    notifier = Notifier({"WATCHDOG_USEC": "2000000"})
    notifier.ready()
    notifier.watchdog()
    notifier.close()
    assert (notifier.dropped, notifier.watchdog_interval_ns) == (0, None)


def test_a_manager_that_is_gone_or_does_not_read_costs_nothing(tmp_path: Path) -> None:
    """What cannot be sent is counted; the caller neither waits nor fails."""
    gone = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    gone.watchdog()
    assert gone.dropped == 1
    gone.close()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "deaf"))
        deaf = Notifier({"NOTIFY_SOCKET": str(tmp_path / "deaf")})
        for _ in range(5000):
            deaf.watchdog()
        assert deaf.dropped > 0
        deaf.close()
