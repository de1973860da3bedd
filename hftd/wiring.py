"""The composition root: the only file that knows every concrete class.

A new strategy or venue is one line here. Nothing is decided in this file.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence

import numpy as np

from hftd.config import own_strategy
from hftd.config.load import LoadedProfile
from hftd.config.real_venue import BinanceVenue
from hftd.config.schema import Profile
from hftd.config.secrets import Credentials, resolve, secret_variables
from hftd.config.strategy_parameters import OwnStrategy
from hftd.domain.instrument import Instrument
from hftd.domain.layout import Records
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
from hftd.runtime.recorder_watching import WATCHING_VARIABLE, encode
from hftd.runtime.venue_host import RemoteVenue, VenueHost, venue_endpoints
from hftd.runtime.watching_profile import watching_of
from hftd.strategies import avellaneda_stoikov, glft, market_making, order_book_imbalance
from hftd.venues.binance.codec import BinanceCodec
from hftd.venues.binance.signing import signer_of

STRATEGIES = {
    "market_making": market_making,
    "order_book_imbalance": order_book_imbalance,
    "avellaneda_stoikov": avellaneda_stoikov,
    "glft": glft,
}


def build_strategy(profile: Profile, instruments: Sequence[Instrument]) -> Strategy:
    """Return a built-in strategy with each instrument's parameters and empty memory."""
    kind = profile.strategy.kind
    module = STRATEGIES[kind]
    params = [
        module.build_params(profile.strategy_of(instrument.name), [instrument])
        for instrument in instruments
    ]
    memory = np.zeros(len(instruments), module.MEMORY)
    return Strategy(kind, module.quotes, np.concatenate(params), memory)


def build_own_strategy(
    profile: Profile, instruments: Sequence[Instrument], records: Records, source: str | None
) -> Strategy:
    """Return the user's own strategy with each instrument's parameters and empty memory."""
    from hftd.strategies import own_calls

    strategies: list[own_calls.Own] = []
    for index, instrument in enumerate(instruments):
        held = profile.strategy_of(instrument.name)
        assert isinstance(held, OwnStrategy), "all instruments have one kind of strategy"
        strategy = own_strategy.rebuilt(held, source)
        assert isinstance(strategy, own_calls.Own)
        own_calls.fit_instruments(strategy, records[index : index + 1])
        strategies.append(strategy)
    calls = own_calls.Calls(strategies, instruments)
    params = own_calls.build_params(strategies, instruments)
    memory = np.zeros(len(instruments), own_calls.memory_layout(strategies[0]))
    return Strategy(profile.strategy.kind, calls.quotes, params, memory, calls.take_failures)


def build_engine(
    profile: Profile, instruments: Sequence[Instrument], source: str | None = None
) -> Engine:
    """Return an engine with the profile's limits and strategy in place.

    ``source`` is the text of the user's own strategy as a run's header keeps it; without it the
    file has to be the one that the profile was loaded with.
    """
    world = build_world(profile, instruments)
    records = world[0].instruments
    if isinstance(profile.strategy, OwnStrategy):
        return Engine(world, build_own_strategy(profile, instruments, records, source))
    for index, instrument in enumerate(instruments):
        strategy = profile.strategy_of(instrument.name)
        STRATEGIES[strategy.kind].fit_instruments(strategy, records[index : index + 1])
    return Engine(world, build_strategy(profile, instruments))


def build_codec(profile: Profile, instruments: Sequence[Instrument], tag: str) -> BinanceCodec:
    """Return the codec of the profile's venue."""
    return BinanceCodec(instruments, assets_of(instruments), tag, profile.venue.recv_window_ms)


def recorder_arguments(loaded: LoadedProfile, paths: InstancePaths) -> list[str]:
    """Return the recorder's command line; it holds no secret."""
    log, url = loaded.profile.log, loaded.profile.storage.url
    return [
        sys.executable, "-m", "hftd.runtime.recorder_start", "--name", paths.name,
        "--parent", str(os.getpid()),
        "--state", str(paths.state_dir), "--runtime", str(paths.runtime_dir),
        "--database", url, "--level", log.level, "--console", "auto",
        "--max-lines-per-second", str(log.max_lines_per_second),
        "--rotate-mb", str(log.rotate_mb), "--rotate-count", str(log.rotate_count),
    ]  # fmt: skip


def recorder_environment(loaded: LoadedProfile, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the recorder's environment: ours, the ledger's password, and who is to be told.

    Not what the profile's secrets come from: a command that an alert runs inherits the rest.
    """
    profile = loaded.profile
    hidden = secret_variables(profile)
    environment = {name: value for name, value in environ.items() if name not in hidden}
    environment[WATCHING_VARIABLE] = encode(watching_of(profile, environ))
    if profile.storage.password is not None:
        environment[PASSWORD_VARIABLE] = resolve(profile.storage.password, environ).reveal()
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
        recorder=lambda it: (recorder_arguments(it, paths), recorder_environment(it, os.environ)),
        read=read,
        venue_host=build_venue_host(loaded, paths, say),
    )

    async def run() -> int:
        return await Live(loaded, paths, parts, notifier, say).run()

    return run
