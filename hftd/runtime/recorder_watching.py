"""What the engine's process tells the recorder of alerts, heartbeat and metrics.

Owns the form in which it passes: JSON in one environment variable, since addresses are secrets
and argv is public. A module without SQL, for whoever starts a recorder. No message repeats an
address: of a URL no more than the host is ever shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

import msgspec

from hftd.config.schema import Profile
from hftd.config.secrets import resolve
from hftd.config.watching import AlertRoad
from hftd.errors import CredentialsError

WATCHING_VARIABLE = "HFTD_RECORDER_WATCHING"
LEVELS = ("info", "warning", "critical")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


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


def watching_of(profile: Profile, environ: Mapping[str, str]) -> Watching:
    """Resolve what a profile says; a level without a road takes that of the next one below.

    Raises: CredentialsError for an address that cannot be had, or that would go in the clear.
    """
    roads: dict[str, Road] = {}
    below: Road | None = None
    for level in LEVELS:
        said: AlertRoad | None = getattr(profile.alerts, level)
        below = _road(said, environ) if said is not None else below
        # Whoever asked for news of the day is told of trouble; not the other way round.
        if below is not None:
            roads[level] = below
    heartbeat = profile.heartbeat_url
    return Watching(
        roads,
        _address(heartbeat, environ) if heartbeat is not None else "",
        profile.metrics.listen or "",
    )


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


def _road(said: AlertRoad, environ: Mapping[str, str]) -> Road:
    if said.command is not None:
        return Road(command=said.command)
    assert said.webhook is not None, "the schema wants one of the two"
    return Road(url=_address(said.webhook, environ))


def _address(reference: str, environ: Mapping[str, str]) -> str:
    url = resolve(reference, environ).reveal()
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and url.isprintable() and " " not in url and _port_is(parts)
    except ValueError:
        usable = False
    if not usable or parts.scheme not in ("https", "http"):
        raise CredentialsError(f"{reference}: must be a URL https://HOST/…")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise CredentialsError(f"{reference}: must be https://…, since http goes in the clear")
    return url


def _port_is(parts: SplitResult) -> bool:
    return parts.port is None or parts.port > 0
