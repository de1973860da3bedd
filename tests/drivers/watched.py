"""A world without faults that all checkers watch, for tests that break it by hand."""

from __future__ import annotations

from pathlib import Path

from hftd import wiring
from hftd.config.load import load_profile
from hftd.drivers.checkers import all_checkers
from hftd.drivers.memory import Builders
from hftd.drivers.simulate_network import Delay, Latency
from hftd.drivers.simulate_restarts import RestartingWorld
from hftd.drivers.watch import Watch

BUILD = Builders(wiring.build_engine, wiring.build_codec)


def watched_world(
    folder: Path, seed: int, *sets: str, profile: str = "market-making"
) -> RestartingWorld:
    """Return a world whose state folder is ``folder``; it is not booted yet."""
    loaded = load_profile(profile, sets=[*sets, f"venue.market.seed={seed}"], environ={})
    latency = Latency(order=Delay(2_000_000, 3_000_000))
    return RestartingWorld(loaded, BUILD, seed, folder, Watch(seed, all_checkers), latency)
