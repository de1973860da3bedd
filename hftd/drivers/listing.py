"""The instruments as the venue lists them, asked once before anything is built on them."""

from __future__ import annotations

from hftd.config.schema import Profile
from hftd.domain.instrument import Instrument
from hftd.errors import HftdError
from hftd.runtime.clock import Clock
from hftd.runtime.rest import RestAnswer, RestClient
from hftd.venues.binance.signing import Signer


async def listed_instruments(
    profile: Profile, rest_url: str, signer: Signer, clock: Clock
) -> list[Instrument]:
    """Return the profile's instruments with the venue's steps and filters.

    Raises: HftdError where the venue does not answer; ProfileError for one that it has not.
    """
    rest = RestClient(rest_url, signer, clock)
    try:
        listing = await rest.listing(profile.instruments)
    finally:
        await rest.close()
    if isinstance(listing, RestAnswer):
        raise HftdError(f"the venue did not list its instruments: status {listing.status}")
    return list(listing.instruments)
