"""What the engine's process tells the recorder of alerts, heartbeat and metrics.

Owns the form in which it passes: JSON in one environment variable, since addresses are secrets
and argv is public. Knows no profile, which a recorder need not load, and no SQL, which its
starter need not. Of a URL no more than the host is ever shown.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

WATCHING_VARIABLE = "HFTD_RECORDER_WATCHING"
LEVELS = ("info", "warning", "critical")


class Road(msgspec.Struct, frozen=True):
    """A command's words, or a webhook's URL in their place."""

    command: tuple[str, ...] = ()
    url: str = ""

    @property
    def shown(self) -> str:
        """Return what may be told of it: the program, or the host."""
        return self.command[0] if self.command else shown_host(self.url)


class Watching(msgspec.Struct, frozen=True):
    """Roads by level, as resolved for those levels that have one; the empty text is none."""

    roads: dict[str, Road] = {}
    heartbeat_url: str = ""
    metrics_listen: str = ""


def encode(watching: Watching) -> str:
    """Return the variable's text."""
    return msgspec.json.encode(watching).decode()


def take(environ: dict[str, str]) -> Watching:
    """Read the variable and remove it, so that no child process inherits it."""
    text = environ.pop(WATCHING_VARIABLE, "")
    return msgspec.json.decode(text, type=Watching) if text else Watching()


def shown_host(url: str) -> str:
    """Return the host of a URL, the one part of it that may be told."""
    return urlsplit(url).hostname or "?"
