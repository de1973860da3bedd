"""Builds the agents of a preset: house makers and takers around one seeded fundamental.

Knows the presets and the flows; must not know the venue, accounts of users or the protocol.
The market is a model: floats are nowhere in it, and prices, sizes and times are integers, so
the same seed and the same requests give the same market on every machine.
"""

from __future__ import annotations

from msgspec.structs import replace

from hftd.simex.flow_fundamental import Walked
from hftd.simex.flow_makers import Maker
from hftd.simex.flow_noise import Noise
from hftd.simex.flow_takers import Takers
from hftd.simex.market import OrderFlow
from hftd.simex.presets import SYMBOLS, Preset

UNINFORMED_ACCOUNT = -1
INFORMED_ACCOUNT = -2
MAKER_ACCOUNT = -10
"""The first maker's; the others count down from it."""


def agents(preset: Preset, symbol: str, seed: int) -> list[OrderFlow]:
    """Return the order flow of a preset for one symbol.

    Args: a preset's numbers, a key of ``SYMBOLS``, any seed. Two symbols of one seed have
    paths of their own.
    """
    house = SYMBOLS[symbol]
    path = replace(preset.path, start=house.start_ticks * 1_000_000)
    seed = symbol_seed(seed, symbol)
    walked: Walked = {}
    makers: list[OrderFlow] = [
        Maker(MAKER_ACCOUNT - index, preset.maker, path, seed, offset, house.size_lots, walked)
        for index, offset in enumerate(preset.maker_offsets)
    ]
    return [
        *makers,
        Takers(UNINFORMED_ACCOUNT, preset.uninformed, path, seed, house.size_lots, walked),
        Takers(INFORMED_ACCOUNT, preset.informed, path, seed, house.size_lots, walked),
    ]


def symbol_seed(seed: int, symbol: str) -> int:
    """Return a seed of the symbol's own, the same under any PYTHONHASHSEED."""
    noise = Noise(seed)
    for letter in symbol.encode():
        noise = Noise(noise.bits() ^ letter)
    return noise.bits()
