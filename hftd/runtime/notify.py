"""What we tell systemd: ready, how it goes, alive, stopping (sd_notify(3), sd_watchdog_enabled(3)).

Owns the notify socket. Must not know when any of it is true: the loop says so, after its health
predicate. Without NOTIFY_SOCKET every call does nothing. A service manager that does not listen
is no reason to stop trading, so a message that cannot be sent is counted and dropped.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

_STATUS_LIMIT_CHARS = 200


class Notifier:
    """The service manager's ear; made once, at the start."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._socket: socket.socket | None = None
        if self._address is not None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            # The trading loop sends these: it may not wait for a slow reader.
            self._socket.setblocking(False)
        self.watchdog_interval_ns = _watchdog_interval_ns(environ) if self._socket else None
        """How often `watchdog` has to be called: half of what the unit allows, or None."""
        self.dropped = 0
        """How many messages could not be sent."""

    def ready(self, status: str = "") -> None:
        """Say that recovery is done and the control socket answers."""
        self._send("READY=1" + (f"\nSTATUS={_one_line(status)}" if status else ""))

    def status(self, text: str) -> None:
        """Show one line in ``systemctl status``."""
        self._send(f"STATUS={_one_line(text)}")

    def watchdog(self) -> None:
        """Say that the loop is healthy; silence for longer than the unit allows is an abort."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the shutdown has begun."""
        self._send("STOPPING=1")

    def extend_timeout(self, usec: int) -> None:
        """Ask for ``usec`` microseconds more for the start or the stop that is under way."""
        self._send(f"EXTEND_TIMEOUT_USEC={usec}")

    def close(self) -> None:
        """Close the socket; later calls do nothing."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, message: str) -> None:
        if self._socket is None or self._address is None:
            return
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError:
            self.dropped += 1


def _address(value: str) -> str | None:
    if value.startswith("@"):
        # An abstract name begins with a zero byte; '@' is how the environment writes it.
        return "\0" + value[1:]
    return value if value.startswith("/") else None


def _watchdog_interval_ns(environ: Mapping[str, str]) -> int | None:
    usec = environ.get("WATCHDOG_USEC", "")
    pid = environ.get("WATCHDOG_PID", "")
    # The variable is inherited; it is meant for the process that systemd started.
    if not usec.isdigit() or int(usec) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(usec) * 1000 // 2


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_STATUS_LIMIT_CHARS]
