"""The composition root: the only file that knows every concrete class.

A new strategy or venue is one line here. Nothing is decided in this file.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine, Sequence

import numpy as np

from hftd.config.load import LoadedProfile
from hftd.config.real_venue import BinanceVenue
from hftd.config.schema import Profile
from hftd.config.secrets import Credentials, resolve
from hftd.domain.instrument import Instrument
from hftd.drivers.books import assets_of, build_world
from hftd.drivers.live import Live, Parts, Say
from hftd.drivers.memory import Builders
from hftd.drivers.reload import Read
from hftd.engine.engine import Engine
from hftd.engine.strategy import Strategy
from hftd.runtime.children import ExchangeProcess
from hftd.runtime.notify import Notifier
from hftd.runtime.paths import InstancePaths
from hftd.runtime.recorder_password import PASSWORD_VARIABLE
from hftd.runtime.recorder_watching import WATCHING_VARIABLE, encode, watching_of
from hftd.runtime.venue_host import RemoteVenue, VenueHost, venue_endpoints
from hftd.strategies import market_making, order_book_imbalance
from hftd.venues.binance.codec import BinanceCodec
from hftd.venues.binance.signing import signer_of

STRATEGIES = {
    "market_making": market_making,
    "order_book_imbalance": order_book_imbalance,
}


def build_strategy(profile: Profile, instruments: Sequence[Instrument]) -> Strategy:
    """Return the profile's strategy with its parameters and empty memory."""
    kind = profile.strategy.kind
    module = STRATEGIES[kind]
    return Strategy(
        name=kind,
        quotes=module.quotes,
        params=module.build_params(profile.strategy, instruments),
        memory=np.zeros(len(instruments), module.MEMORY),
    )


def build_engine(profile: Profile, instruments: Sequence[Instrument]) -> Engine:
    """Return an engine with the profile's limits and strategy in place."""
    world = build_world(profile, instruments)
    STRATEGIES[profile.strategy.kind].fit_instruments(profile.strategy, world[0].instruments)
    return Engine(world, build_strategy(profile, instruments))


def build_codec(profile: Profile, instruments: Sequence[Instrument], tag: str) -> BinanceCodec:
    """Return the codec of the profile's venue."""
    return BinanceCodec(instruments, assets_of(instruments), tag, profile.venue.recv_window_ms)


def recorder_arguments(loaded: LoadedProfile, paths: InstancePaths) -> list[str]:
    """Return the recorder's command line; it holds no secret."""
    log, url = loaded.profile.log, loaded.profile.storage.url
    return [
        sys.executable, "-m", "hftd.runtime.recorder", "--name", paths.name,
        "--parent", str(os.getpid()),
        "--state", str(paths.state_dir), "--runtime", str(paths.runtime_dir),
        "--database", url, "--level", log.level, "--console", "auto",
        "--max-lines-per-second", str(log.max_lines_per_second),
        "--rotate-mb", str(log.rotate_mb), "--rotate-count", str(log.rotate_count),
    ]  # fmt: skip


def recorder_environment(loaded: LoadedProfile) -> dict[str, str]:
    """Return the recorder's environment: ours, the ledger's password, and who is to be told."""
    environment = dict(os.environ)
    environment[WATCHING_VARIABLE] = encode(watching_of(loaded.profile, os.environ))
    reference = loaded.profile.storage.password
    if reference is not None:
        environment[PASSWORD_VARIABLE] = resolve(reference, os.environ).reveal()
    return environment


def build_venue_host(loaded: LoadedProfile, paths: InstancePaths, say: Say) -> VenueHost:
    """Return who serves the profile's venue: a process of ours, or others."""
    profile = loaded.profile
    if isinstance(profile.venue, BinanceVenue):
        return RemoteVenue(venue_endpoints(profile))
    return ExchangeProcess(profile, paths.simex_dir, paths.state_dir / "exchange.log", say)


def build_live(
    loaded: LoadedProfile,
    paths: InstancePaths,
    credentials: Credentials,
    notifier: Notifier,
    say: Say,
    read: Read,
) -> Callable[[], Coroutine[None, None, int]]:
    """Return the live driver's run, to be called inside the event loop that it will use."""
    signer = signer_of(credentials.api_key.reveal(), credentials.api_secret.reveal())
    parts = Parts(
        build=Builders(build_engine, build_codec),
        signer=signer,
        recorder=lambda it: (recorder_arguments(it, paths), recorder_environment(it)),
        read=read,
        venue_host=build_venue_host(loaded, paths, say),
    )

    async def run() -> int:
        return await Live(loaded, paths, parts, notifier, say).run()

    return run
