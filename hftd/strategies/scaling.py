"""From a profile's decimals to a strategy's integers.

Knows no strategy. Pure.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

from hftd.domain.instrument import Instrument
from hftd.domain.units import E8


def bps_e2(bps: Decimal | int) -> int:
    """Return basis points in hundredths; what is finer is rounded up."""
    return int((Decimal(bps) * 100).to_integral_value(ROUND_CEILING))


def millionths(ratio: Decimal) -> int:
    """Return a ratio in millionths; what is finer is cut off."""
    return int(ratio * 1_000_000)


def lots_of(size_base: Decimal, instrument: Instrument) -> int:
    """Return a size in whole lots, rounded down."""
    return int(size_base * E8) // instrument.lot_e8
