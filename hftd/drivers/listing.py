"""The instruments as the venue lists them, asked once before anything is built on them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hftd.config.schema import Profile
from hftd.domain.instrument import Instrument
from hftd.errors import HftdError
from hftd.runtime.clock import Clock
from hftd.runtime.rest import RestAnswer, RestClient
from hftd.runtime.tls import client_context
from hftd.venues.binance.endpoints import Endpoints
from hftd.venues.binance.signing import Signer


async def listed_instruments(
    profile: Profile,
    endpoints: Endpoints,
    signer: Signer | None,
    clock: Clock,
    say: Callable[[str], None],
) -> list[Instrument]:
    """Return the profile's instruments with the venue's steps and filters.

    A venue that wants to hear nothing for a while (429, 418) is left alone for as long.
    Raises: HftdError where the venue does not answer; ProfileError for one that it has not.
    """
    tls = client_context(endpoints)
    rest = RestClient(endpoints.rest_url, signer, clock, tls=tls)
    try:
        listing = await rest.listing(profile.instruments)
        while isinstance(listing, RestAnswer) and listing.retry_after_s:
            say(f"the venue {endpoints.name} does not list its instruments: {listing.told()}")
            await asyncio.sleep(listing.retry_after_s)
            listing = await rest.listing(profile.instruments)
    finally:
        await rest.close()
    if isinstance(listing, RestAnswer):
        raise HftdError(f"the venue {endpoints.name} did not answer: {listing.told()}")
    return list(listing.instruments)
