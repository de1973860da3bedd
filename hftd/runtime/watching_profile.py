"""From a profile's words on alerts, heartbeat and metrics to what the recorder is told.

Owns which road a level takes and what an address must be. No message repeats an address.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from hftd.config.schema import Profile
from hftd.config.secrets import resolve
from hftd.config.watching import AlertRoad
from hftd.errors import CredentialsError
from hftd.runtime.recorder_watching import LEVELS, Road, Watching

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


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
