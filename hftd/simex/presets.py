"""Owns the numbers of the agents markets: the symbols, and what a preset's file comes to.

A preset says ticks, seconds and percent (``hftd.config.market_preset``); agents count in
micro-ticks, beats and nanoseconds, all integers. The shipped presets stand in
``hftd/data/presets``; their numbers were found with ``tests/bench/maker.py``. Must not know how
agents act, nor where files are.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from hftd.config import market_preset
from hftd.config.market_preset import MarketPreset
from hftd.config.values import plain
from hftd.simex.flow_fundamental import BEAT_NS, MICRO, PathSpec, Plunge
from hftd.simex.flow_makers import MakerSpec
from hftd.simex.flow_takers import TakerSpec
from hftd.simex.market import SymbolSpec

_SECOND_NS = 1_000_000_000
_MS_NS = 1_000_000


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
    maker_fee_bps: str
    taker_fee_bps: str


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


def preset_of(file: MarketPreset) -> Preset:
    """Return the agents' numbers of a preset's file."""
    worth, makers, informed = file.worth, file.makers, file.informed
    path = PathSpec(
        start=0,
        deviation=_micro(worth.step_ticks),
        jump_odds=_beats(worth.jump_every_s),
        jump_low=_micro(worth.jump_min_ticks),
        jump_high=_micro(worth.jump_max_ticks),
        half_low=_micro(makers.half_spread_min_ticks),
        half_high=_micro(makers.half_spread_max_ticks),
        half_deviation=_micro(makers.half_spread_step_ticks),
        trend_per_beat=_micro(worth.trend_ticks_per_beat),
        trend_beats=_beats(worth.trend_every_s),
        plunges=tuple(
            Plunge(_beats(each.from_s), _beats(each.until_s), _micro(each.ticks_per_beat))
            for each in worth.plunges
        ),
    )
    maker = MakerSpec(
        ladder=makers.ladder_levels,
        lag_beats=makers.lag_beats,
        alarm=_micro(makers.alarm_ticks),
        alarm_widen=makers.alarm_widen,
        press=_micro(makers.press_ticks),
        press_beats=makers.press_beats,
        patience=_micro(makers.patience_ticks),
        lean_percent=makers.lean_pct_per_tick,
        lean_cap_percent=makers.lean_cap_pct,
        churn_percent=makers.churn_pct,
    )
    return Preset(
        path,
        maker,
        tuple(_micro(offset) for offset in makers.offsets_ticks),
        _takers(file.uninformed, follow_percent=file.uninformed.follow_trend_pct),
        _takers(
            informed, sees=True, threshold=_micro(informed.threshold_ticks), hurry=informed.hurry
        ),
        plain(file.fees.maker_bps),
        plain(file.fees.taker_bps),
    )


def _takers(
    file: market_preset.Takers,
    *,
    sees: bool = False,
    threshold: int = 0,
    hurry: int = 1,
    follow_percent: int = 50,
) -> TakerSpec:
    return TakerSpec(
        wait_ns=file.wait_ms * _MS_NS,
        cluster=file.cluster_orders,
        within_ns=file.within_ms * _MS_NS,
        size_percent=file.size_pct,
        sees=sees,
        threshold=threshold,
        hurry=hurry,
        follow_percent=follow_percent,
    )


def _micro(ticks: Decimal) -> int:
    return int(ticks * MICRO)


def _beats(seconds: int) -> int:
    return seconds * _SECOND_NS // BEAT_NS
