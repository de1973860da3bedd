"""The composition root: the only file that knows every concrete class.

A new strategy or venue is one line here. Nothing is decided in this file.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hftd.config.schema import Profile
from hftd.domain.instrument import Instrument
from hftd.drivers.books import assets_of, build_world
from hftd.engine.engine import Engine
from hftd.engine.strategy import Strategy
from hftd.strategies import market_making, order_book_imbalance
from hftd.venues.binance.codec import BinanceCodec

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
