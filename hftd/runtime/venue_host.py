"""Who serves the venue: a process of ours, or somebody else.

Owns what the live driver may ask of either. A venue that somebody else runs is not started,
not watched and not stopped: it has its addresses, and that is all.
"""

from __future__ import annotations

from typing import Protocol

from hftd.config.real_venue import BinanceVenue
from hftd.config.schema import Profile
from hftd.venues.binance.endpoints import Endpoints, endpoints_of


def venue_endpoints(profile: Profile) -> Endpoints:
    """Return where a venue that others run is served, by the profile."""
    venue = profile.venue
    assert isinstance(venue, BinanceVenue), "the simulated exchange takes any free port"
    return endpoints_of(profile.mode, venue.addresses, venue.tls_ca or "")


class VenueHost(Protocol):
    """What the live driver asks of the venue's server."""

    @property
    def attached(self) -> bool:
        """Tell whether it ran before us, so that it is not ours to end after a failed start."""
        ...

    async def open(self) -> Endpoints:
        """Return where it is served, once it is."""
        ...

    async def supervise(self) -> None:
        """Keep it up for as long as that is ours to do."""

    async def stop(self) -> None:
        """End it where it is ours."""

    def doubt_atoms(self, quote_asset: str) -> int | None:
        """Return what an optimistic queue would have earned more; None with real fills."""
        ...


class RemoteVenue:
    """A venue that somebody else runs."""

    attached = True

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    async def open(self) -> Endpoints:
        """Return its addresses; nothing is asked yet."""
        return self._endpoints

    async def supervise(self) -> None:
        """Do nothing: the links notice when it is gone."""

    async def stop(self) -> None:
        """Leave it as it is."""

    def doubt_atoms(self, quote_asset: str) -> int | None:
        """Return None: its fills are no estimates."""
        return None
