"""The venue's listing before a start."""

from __future__ import annotations

import time

from aiohttp import web

from hftd.config.load import load_profile
from hftd.drivers.listing import listed_instruments
from hftd.runtime.clock import Clock
from hftd.venues.binance.endpoints import loopback
from tests.runtime.scripted_venue import ScriptedVenue, run


class Busy(ScriptedVenue):
    """A venue that wants a second without requests first."""

    async def _rest(self, request: web.Request) -> web.Response:
        if not self.rest_targets:
            self.rest_targets.append(request.raw_path)
            return web.json_response({"code": -1003}, status=418, headers={"Retry-After": "1"})
        return await super()._rest(request)


def test_a_start_waits_for_as_long_as_the_venue_said() -> None:
    """After 418 nothing is asked before Retry-After is over; then the listing is taken."""
    told: list[tuple[str, float]] = []

    async def work() -> None:
        async with Busy().serving() as venue:
            profile = load_profile("canary", environ={}).profile

            def say(text: str) -> None:
                told.append((text, time.monotonic()))

            found = await listed_instruments(profile, loopback(venue.port), None, Clock(), say)
            assert [each.name for each in found] == ["BTC-USDT"]
            assert time.monotonic() - told[0][1] >= 1.0
            assert len(venue.rest_targets) == 2

    run(work)
    assert len(told) == 1
    assert "it answered 418 (code -1003), and 1 s without requests" in told[0][0]
