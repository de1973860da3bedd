"""Owns the numbers of the agents markets: symbols, fees, and how each preset behaves.

``calm``      a quiet day: a maker earns the spread and pays a part of it to the informed.
``trending``  the worth drifts for minutes on end, more takers know: a maker's stock loses.
``crash``     calm, then a slide that fills the bids, then a fall of over a tenth.

Must not know how agents act; the numbers were found with ``tests/bench/maker.py``.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from hftd.simex.flow_fundamental import MICRO, PathSpec, Plunge
from hftd.simex.flow_makers import MakerSpec
from hftd.simex.flow_takers import TakerSpec
from hftd.simex.market import SymbolSpec

_SECOND = 1_000_000_000
_BEATS_A_SECOND = 4
_MINUTE_BEATS = 60 * _BEATS_A_SECOND


class HouseSymbol(Struct, frozen=True):
    """A symbol of the agents markets: where it starts and what a usual order is."""

    spec: SymbolSpec
    start_ticks: int
    size_lots: int


class Preset(Struct, frozen=True):
    """One kind of market. ``path.start`` is set per symbol. Fees are of users' fills."""

    path: PathSpec
    maker: MakerSpec
    maker_offsets: tuple[int, ...]
    uninformed: TakerSpec
    informed: TakerSpec
    maker_fee_bps: str = "0"
    taker_fee_bps: str = "5"


def _house(base: str, tick_size: str, lot_size: str, start_ticks: int, size: int) -> HouseSymbol:
    spec = SymbolSpec(f"{base}USDT", base, "USDT", tick_size, lot_size)
    return HouseSymbol(spec, start_ticks, size)


# A tick is about 1.7 bps at the start, a usual order about 5,000 USDT.
SYMBOLS = {
    house.spec.symbol: house
    for house in (
        _house("BTC", "10.00", "0.00001", 6_000, 8_000),
        _house("ETH", "0.50", "0.0001", 6_000, 16_000),
        _house("SOL", "0.025", "0.001", 6_000, 32_000),
    )
}

_PATH = PathSpec(
    start=0,
    deviation=150_000,
    jump_odds=75 * _BEATS_A_SECOND,
    jump_low=2 * MICRO,
    jump_high=4 * MICRO,
    half_low=800_000,
    half_high=3_500_000,
    half_deviation=100_000,
)

_CALM = Preset(
    path=_PATH,
    maker=MakerSpec(
        ladder=8,
        lag_beats=24,
        alarm=8 * MICRO,
        alarm_widen=2,
        press=150_000,
        press_beats=32,
        patience=300_000,
        lean_percent=80,
        lean_cap_percent=60,
        churn_percent=13,
    ),
    maker_offsets=(0, 100_000, 300_000, 600_000),
    uninformed=TakerSpec(wait_ns=9 * _SECOND, cluster=3, within_ns=_SECOND // 2, size_percent=140),
    informed=TakerSpec(
        wait_ns=21 * _SECOND,
        cluster=3,
        within_ns=_SECOND // 2,
        size_percent=140,
        sees=True,
        threshold=MICRO // 2,
        hurry=4,
    ),
)

_TRENDING = replace(
    _CALM,
    path=replace(_PATH, trend_per_beat=45_000, trend_beats=8 * _MINUTE_BEATS),
    uninformed=replace(_CALM.uninformed, follow_percent=93),
    informed=replace(_CALM.informed, wait_ns=10 * _SECOND),
)

# Minute two and three slide by 0.6 % and fill a maker's bids; then, in 12 seconds, everybody
# who knows sells into them; then 1.2 % go in two seconds, and a tenth in a minute and a half.
_SLIDE_FROM = 60 * _BEATS_A_SECOND
_RUSH_FROM = 180 * _BEATS_A_SECOND
_FALL_FROM = 192 * _BEATS_A_SECOND
_SAG_FROM = 194 * _BEATS_A_SECOND
_PLUNGES = (
    Plunge(_SLIDE_FROM, _RUSH_FROM, 80_000),
    Plunge(_RUSH_FROM, _FALL_FROM, MICRO // 2),
    Plunge(_FALL_FROM, _SAG_FROM, 9 * MICRO),
    Plunge(_SAG_FROM, _SAG_FROM + 90 * _BEATS_A_SECOND, 2 * MICRO),
)
_CRASH = replace(
    _CALM,
    path=replace(_PATH, plunges=_PLUNGES),
    uninformed=replace(_CALM.uninformed, wait_ns=4 * _SECOND, size_percent=200, follow_percent=97),
    informed=replace(_CALM.informed, hurry=64),
)

PRESETS = {"calm": _CALM, "trending": _TRENDING, "crash": _CRASH}
