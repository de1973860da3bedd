"""What is known of a profile's market before any exchange runs: filters, a price, spreads.

Owns the way from a profile to the market's own numbers and the reading of touches from a
recording. Asks nobody over a socket, save a venue that others run, and the server that a live
market follows.
"""

from __future__ import annotations

import asyncio
import gzip
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from hftd.config.economics import Filters
from hftd.config.load import LoadedProfile, tape_path
from hftd.config.schema import AgentsMarket, LiveMarket, SimexVenue
from hftd.errors import HftdError, ProfileError, UsageError, reason_of
from hftd.simex.market import SymbolSpec
from hftd.simex.presets import SYMBOLS
from hftd.simex.tape import BTCUSDT_SPEC
from hftd.simex.tape_lines import spec_on


@dataclass(frozen=True, slots=True)
class MarketFacts:
    """An instrument's filters and a price, with the source of the price in words."""

    instrument: str
    filters: Filters
    price: Decimal
    source: str


@dataclass(frozen=True, slots=True)
class Touch:
    """Best bid and ask as a recording has them."""

    ts_ns: int
    symbol: str
    best_bid: Decimal
    best_ask: Decimal


def market_facts(loaded: LoadedProfile) -> list[MarketFacts]:
    """Return the facts of each instrument of the profile, in its order.

    Raises: ProfileError for an instrument that the market does not have; HftdError where a
    venue that others run does not answer.
    """
    if not isinstance(loaded.profile.venue, SimexVenue):
        return asyncio.run(_venue_facts(loaded))
    return [_facts(loaded, instrument) for instrument in loaded.profile.instruments]


def priced(facts: MarketFacts, url: str) -> MarketFacts:
    """Return the facts at the price of a market that runs; raises UsageError without one."""
    from hftd.runtime.market_follower import fetch_mid, source_of

    server = source_of(url)
    price = fetch_mid(server, facts.instrument.replace("-", ""))
    return replace(facts, price=price, source=f"now at {server.name}")


def touches(path: Path) -> Iterator[Touch]:
    """Yield every bookTicker of a recording: lines of ``<receive time, ns> <JSON>``.

    Raises: UsageError where the file is no such recording.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            for line in lines:
                if b"@bookTicker" in line:
                    yield touch_of(line)
    except OSError as error:
        reason = reason_of(error)
        raise UsageError(f"tape {path} cannot be read: {reason}") from None
    except (EOFError, zlib.error, ValueError, KeyError, TypeError, msgspec.DecodeError):
        raise UsageError(
            f"tape {path} is no recording: lines of a time in ns and a frame are needed"
        ) from None


def touch_of(line: bytes) -> Touch:
    """Return the touch of a recording's line."""
    ts_ns, _, frame = line.partition(b" ")
    content: dict[str, Any] = msgspec.json.decode(frame)["data"]
    return Touch(int(ts_ns), content["s"], Decimal(content["b"]), Decimal(content["a"]))


def _facts(loaded: LoadedProfile, instrument: str) -> MarketFacts:
    assert isinstance(loaded.profile.venue, SimexVenue)
    market = loaded.profile.venue.market
    symbol = instrument.replace("-", "")
    if isinstance(market, AgentsMarket):
        house = SYMBOLS.get(symbol)
        if house is None:
            known = ", ".join(f"{h.spec.base}-{h.spec.quote}" for h in SYMBOLS.values())
            raise _unknown(loaded, instrument, f"one of {known}, which the agents make")
        filters = _filters(house.spec)
        price = house.start_ticks * filters.tick_size
        return MarketFacts(instrument, filters, price, f"start of preset {market.preset}")
    if isinstance(market, LiveMarket):
        from hftd.runtime.exchange_live import listed_spec
        from hftd.runtime.market_follower import fetch_listing, fetch_mid, source_of

        server = source_of(market.url)
        spec = listed_spec(fetch_listing(server, [symbol]), symbol)
        mid = fetch_mid(server, symbol)
        return MarketFacts(instrument, _filters(spec), mid, f"now at {server.name}")
    path = tape_path(loaded.profile)
    assert path is not None, "a market without agents is a tape"
    for touch in touches(path):
        if touch.symbol == symbol:
            mid = (touch.best_bid + touch.best_ask) / 2
            spec = spec_on([path], symbol) or BTCUSDT_SPEC
            return MarketFacts(instrument, _filters(spec), mid, f"start of {path.name}")
    raise _unknown(loaded, instrument, f"an instrument on the tape {path.name}")


async def _venue_facts(loaded: LoadedProfile) -> list[MarketFacts]:
    from hftd.drivers.listing import listed_instruments
    from hftd.runtime.clock import Clock
    from hftd.runtime.rest import RestClient
    from hftd.runtime.tls import client_context
    from hftd.runtime.venue_host import venue_endpoints
    from hftd.runtime.venue_look import Look

    def tell(text: str) -> None:
        print(f"hftd: {text}", file=sys.stderr)

    served = venue_endpoints(loaded.profile)
    found = await listed_instruments(loaded.profile, served, None, Clock(), tell)
    rest = RestClient(served.rest_url, None, Clock(), tls=client_context(served))
    try:
        prices = [await Look(rest).price(each.symbol) for each in found]
    except HftdError as error:
        raise HftdError(f"the venue {served.name} did not answer: {error}") from None
    finally:
        await rest.close()
    return [
        MarketFacts(each.name, Filters.of(each), price, f"now at {served.name}")
        for each, price in zip(found, prices, strict=True)
    ]


def _filters(spec: SymbolSpec) -> Filters:
    lot = Decimal(spec.lot_size)
    return Filters(Decimal(spec.tick_size), lot, lot, Decimal(spec.min_notional))


def _unknown(loaded: LoadedProfile, instrument: str, expected: str) -> ProfileError:
    index = loaded.profile.instruments.index(instrument)
    key = f"instruments.{index}"
    return ProfileError(expected, path=loaded.origins[key], key=key, was=instrument)
