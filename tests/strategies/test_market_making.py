"""When, where, whether and how much: each rule of market making, at its boundaries."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hftd.config.strategy_parameters import MarketMaking
from hftd.domain.codes import BookState, Code, TradingState
from hftd.domain.instrument import Instrument, InstrumentStatus
from hftd.engine import signals
from hftd.strategies import market_making
from tests.engine.scene import BUY, SELL, Scene, a_scene, put_order, show_market

INSTRUMENT = Instrument(
    name="BTC-USDT",
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick_e8=1_000_000,
    lot_e8=1_000,
    min_price_ticks=1,
    max_price_ticks=10**9,
    min_qty_lots=1,
    max_qty_lots=10**9,
    min_notional_atoms=0,
    max_notional_atoms=10**18,
    max_open_orders=200,
)


class Maker:
    """A market maker on the first of two instruments: bid 9,990, ask 10,010."""

    def __init__(self, **keys: Any) -> None:
        defaults = {"kind": "market_making", "order_size_base": "0.001", "min_spread_bps": "0"}
        strategy = MarketMaking.model_validate(defaults | keys)
        self.scene: Scene = a_scene()
        self.params = market_making.build_params(strategy, [INSTRUMENT, INSTRUMENT])
        self.memory = np.zeros(2, market_making.MEMORY)
        market_making.fit_instruments(strategy, self.scene.state.instruments)
        self.scene.instrument["unit_atoms"] = INSTRUMENT.unit_atoms
        self.scene.instrument["lot_atoms"] = INSTRUMENT.lot_e8
        self.market()

    def market(self, bid: int = 9_990, ask: int = 10_010, lots: tuple[int, int] = (50, 50)) -> None:
        """Show another market."""
        show_market(self.scene, {bid: lots[0]}, {ask: lots[1]})

    def decide(self) -> tuple[Any, Any]:
        """Run signals and strategy; return both targets."""
        self.scene.instrument["dirty"] = 1
        signals.update(self.scene.state, 0)
        market_making.quotes(self.scene.world, self.params, self.memory, self.scene.outs)
        return self.scene.state.targets[0, BUY], self.scene.state.targets[0, SELL]

    def prices(self) -> tuple[int, int]:
        """Return both prices; both sides must be wanted."""
        buy, sell = self.decide()
        assert (buy["wanted"], sell["wanted"]) == (1, 1)
        return int(buy["price_ticks"]), int(sell["price_ticks"])

    def sizes(self) -> tuple[int, int]:
        """Return both sizes."""
        buy, sell = self.decide()
        return int(buy["qty_lots"]), int(sell["qty_lots"])

    def verdict(self, side: int) -> tuple[int, int, int]:
        """Return why a side is not wanted: code, value, bound."""
        target = self.decide()[side]
        assert target["wanted"] == 0
        return int(target["code"]), int(target["value"]), int(target["bound"])


# When.


def test_the_default_quotes_the_touch_over_five_bps() -> None:
    """Buy at mid - spread/2 and sell at mid + spread/2, only when the spread is over 5 bps."""
    maker = Maker(min_spread_bps="5")
    maker.market(9_998, 10_004)
    assert maker.prices() == (9_998, 10_004)
    maker = Maker(min_spread_bps="20")
    assert maker.verdict(BUY) == (Code.SPREAD_TOO_NARROW, 2_000, 2_000)
    assert maker.verdict(SELL) == (Code.SPREAD_TOO_NARROW, 2_000, 2_000)
    maker.market(9_990, 10_011)
    assert maker.prices() == (9_990, 10_011)


def test_quoting_stops_only_below_the_exit_spread() -> None:
    """Once open it stays open down to the exit bound itself; then it needs the entry again."""
    maker = Maker(min_spread_bps="20", min_spread_exit_bps="10")
    wanted = []
    for half in (10, 11, 10, 5, 4, 5, 10, 11):
        maker.market(10_000 - half, 10_000 + half)
        wanted.append(int(maker.decide()[BUY]["wanted"]))
    assert wanted == [0, 1, 1, 1, 0, 0, 0, 1]


def test_a_spread_far_below_a_hundredth_of_a_bp_is_still_over_zero() -> None:
    """One tick of 0.0016 bps shows as 0, and is not 0."""
    maker = Maker()
    maker.market(6_000_000, 6_000_001)
    buy, _ = maker.decide()
    assert buy["wanted"] == 1
    assert maker.scene.instrument["spread_bps_e2"] == 0


# Where.


def test_improve_is_one_tick_inside_when_there_is_room() -> None:
    """With fewer than three ticks both quotes inside would lock each other."""
    maker = Maker(quote="improve")
    for ask, prices in ((103, (101, 102)), (102, (100, 102)), (101, (100, 101))):
        maker.market(100, ask)
        assert maker.prices() == prices


@settings(max_examples=60)
@given(
    st.integers(1_000, 10**7),
    st.integers(1, 400),
    st.integers(1, 10_000),
    st.integers(-1_000, 1_000),
    st.integers(0, 2_000),
)
def test_offset_prices_are_exact(
    bid: int, spread: int, half_e2: int, position: int, skew_e2: int
) -> None:
    """Against fractions: away from mid, skewed, never nearer than the edge, never crossing."""
    maker = Maker(
        quote="offset",
        half_spread_bps=str(Decimal(half_e2) / 100),
        skew_bps_at_limit=str(Decimal(skew_e2) / 100),
    )
    maker.market(bid, bid + spread)
    instrument = maker.scene.instrument
    instrument["position_lots"] = position
    maker.scene.core["maker_fee_bps_e2"] = -100_000
    signals.update(maker.scene.state, 0)
    mid_half = 2 * bid + spread
    away = ceil(Fraction(half_e2 * mid_half, 1_000_000))
    least = min(away, ceil(Fraction(-100_000 * mid_half, 1_000_000)))
    at_limit = mid_half * skew_e2 // 1_000_000
    shift = at_limit * (abs(position) * 1_000) // 1_000_000 * (1 if position > 0 else -1)
    for side, sign in ((BUY, 1), (SELL, -1)):
        outward = away + sign * shift
        if abs(position) == 1_000 and (position > 0) == (side == SELL):
            outward = min(outward, spread)
        outward = max(outward, least)
        price = market_making.price_ticks(instrument, maker.params[0], side, -100_000)
        if side == BUY:
            assert price == min(floor(Fraction(mid_half - outward, 2)), bid + spread - 1)
        else:
            assert price == max(ceil(Fraction(mid_half + outward, 2)), bid + 1)


def test_no_quote_crosses_the_touch_with_our_own_orders_in_it() -> None:
    """Our own ask stands inside the market: the buy stays below it."""
    maker = Maker(skew_bps_at_limit="100", min_edge_bps="-100")
    show_market(maker.scene, {9_990: 50}, {9_992: 5, 10_010: 50})
    put_order(maker.scene, 0, SELL, 9_992, 5)
    maker.scene.instrument["position_lots"] = -500
    assert maker.prices()[0] == 9_991


# Inventory.


@pytest.mark.parametrize(
    ("position", "prices"),
    [(0, (9_990, 10_010)), (500, (9_985, 10_005)), (-500, (9_995, 10_015)), (50, (9_989, 10_010))],
)
def test_inventory_shifts_both_quotes_against_itself(
    position: int, prices: tuple[int, int]
) -> None:
    """Ten bps at the limit of 1,000 lots, in proportion, rounded away from mid."""
    maker = Maker(skew_bps_at_limit="10")
    maker.scene.instrument["position_lots"] = position
    assert maker.prices() == prices


def test_the_skew_never_spends_the_edge() -> None:
    """The reducing quote stops where min_edge after the fee is just kept."""
    maker = Maker(skew_bps_at_limit="100", min_edge_bps="2")
    maker.scene.core["maker_fee_bps_e2"] = 300
    maker.scene.instrument["position_lots"] = 900
    assert maker.prices() == (9_900, 10_005)
    maker.scene.instrument["position_lots"] = -900
    assert maker.prices() == (9_995, 10_100)


def test_at_the_limit_the_increasing_side_is_off_and_the_other_at_the_touch() -> None:
    """One lot of room is enough to quote; an offset quote comes to the touch, not beyond."""
    maker = Maker(quote="offset", half_spread_bps="50", skew_bps_at_limit="0")
    instrument = maker.scene.instrument
    instrument["position_lots"] = 999
    assert maker.prices() == (9_950, 10_050)
    assert maker.sizes() == (1, 100)
    instrument["position_lots"] = 1_000
    assert maker.verdict(BUY) == (Code.POSITION_FULL, 1_000, 1_000)
    assert maker.decide()[SELL]["price_ticks"] == 10_010
    instrument["position_lots"] = -1_000
    assert maker.verdict(SELL) == (Code.POSITION_FULL, -1_000, 1_000)
    assert maker.decide()[BUY]["price_ticks"] == 9_990


def test_position_counts_from_its_target() -> None:
    """Skew and limit are of what is held beyond the target."""
    maker = Maker(skew_bps_at_limit="10")
    maker.scene.instrument["target_position_lots"] = 5_000
    maker.scene.instrument["position_lots"] = 5_500
    assert maker.prices() == (9_985, 10_005)


# Whether.


@pytest.mark.parametrize(("fee_e2", "wanted"), [(500, 1), (501, 0)])
def test_the_edge_after_the_maker_fee_is_at_least_the_minimum(fee_e2: int, wanted: int) -> None:
    """Ten bps from mid less the fee against five bps."""
    maker = Maker(min_edge_bps="5")
    maker.scene.core["maker_fee_bps_e2"] = fee_e2
    buy, sell = maker.decide()
    assert (buy["wanted"], sell["wanted"]) == (wanted, wanted)
    if not wanted:
        assert maker.verdict(SELL) == (Code.NO_EDGE, 499, 500)


# How much.


@pytest.mark.parametrize(
    ("lots", "sizes"),
    [
        ((50, 50), (100, 100)),
        ((62, 38), (100, 100)),
        ((63, 37), (125, 75)),
        ((87, 13), (125, 75)),
        ((88, 12), (150, 50)),
        ((10_000, 1), (150, 50)),
        ((37, 63), (75, 125)),
    ],
)
def test_sizes_lean_with_the_imbalance_in_steps(
    lots: tuple[int, int], sizes: tuple[int, int]
) -> None:
    """Weight 0.5 in steps of a quarter: to the nearest step, an eighth is up."""
    maker = Maker()
    maker.market(lots=lots)
    assert maker.sizes() == sizes


def test_a_capped_size_only_shrinks() -> None:
    """cap_size: never more than order_size_base."""
    maker = Maker(cap_size=True)
    maker.market(lots=(90, 10))
    assert maker.sizes() == (100, 50)


def test_steps_never_pass_the_weight() -> None:
    """The largest order is what the profile was checked for: 0.5 in steps of 0.3 is 0.3."""
    maker = Maker(size_step_pct=30)
    maker.market(lots=(10_000, 1))
    assert maker.sizes() == (130, 70)


def test_the_position_limit_caps_the_size_at_the_canarys_scale() -> None:
    """Room for 5 lots at a factor of 0.1 is a size of 50 before it."""
    maker = Maker()
    maker.scene.core["canary_size_e6"] = 100_000
    maker.scene.instrument["position_lots"] = 995
    assert maker.sizes() == (50, 100)


def test_a_size_below_the_venues_minimum_is_not_quoted() -> None:
    """By quantity and by notional, at the canary's scale."""
    maker = Maker()
    instrument = maker.scene.instrument
    instrument["min_qty_lots"] = 100
    assert maker.sizes() == (100, 100)
    instrument["min_qty_lots"] = 101
    assert maker.verdict(BUY) == (Code.SIZE_ZERO, 100, 101)
    instrument["min_qty_lots"] = 1
    instrument["min_notional_atoms"] = 9_990 * 10 * 100
    assert maker.decide()[BUY]["wanted"] == 1
    instrument["min_notional_atoms"] += 1
    assert maker.verdict(BUY) == (Code.SIZE_ZERO, 100, 101)
    assert maker.decide()[SELL]["wanted"] == 1


# Money.


def test_a_side_that_the_balance_forbids_is_not_quoted() -> None:
    """Free against needed, each in its own asset; the reserve is not to spend."""
    maker = Maker()
    quote, base = maker.scene.state.balances[0], maker.scene.state.balances[1]
    needed = 9_990 * 10 * 100
    quote["opening_atoms"] = needed + 7
    quote["reserve_atoms"] = 7
    base["opening_atoms"] = 100 * 1_000
    buy, sell = maker.decide()
    assert (buy["wanted"], sell["wanted"]) == (1, 1)
    quote["reserve_atoms"] = 8
    base["reserve_atoms"] = 1
    assert maker.verdict(BUY) == (Code.BALANCE_SHORT, needed - 1, needed)
    assert maker.verdict(SELL) == (Code.BALANCE_SHORT, 99_999, 100_000)


def test_what_our_own_quote_holds_is_there_for_the_next() -> None:
    """It would be replaced; what another side or instrument holds is not."""
    maker = Maker()
    base = maker.scene.state.balances[1]
    base["opening_atoms"] = 100_000
    put_order(maker.scene, 0, SELL, 10_020, 60, reserved_atoms=60_000)
    assert maker.decide()[SELL]["wanted"] == 1
    maker.scene.state.balances[0]["opening_atoms"] = 9_990 * 10 * 100
    put_order(maker.scene, 1, BUY, 9_000, 1, instrument=1, reserved_atoms=1)
    assert maker.verdict(BUY)[0] == Code.BALANCE_SHORT


# The daemon, the venue, the book.


@pytest.mark.parametrize("trading", [s for s in TradingState if s != TradingState.RUNNING])
def test_only_a_running_daemon_wants_quotes(trading: TradingState) -> None:
    """Any other state is the reason; REDUCE_ONLY without a position too."""
    maker = Maker()
    maker.scene.core["state"] = trading
    expected = (Code.NOT_RUNNING, trading, TradingState.RUNNING)
    assert (maker.verdict(BUY), maker.verdict(SELL)) == (expected, expected)


def test_in_reduce_only_the_reducing_side_stays() -> None:
    """Marked, and not larger than what there is to reduce, at the canary's scale."""
    maker = Maker()
    maker.scene.core["state"] = TradingState.REDUCE_ONLY
    maker.scene.core["canary_size_e6"] = 100_000
    maker.scene.instrument["position_lots"] = 7
    assert maker.verdict(BUY)[0] == Code.NOT_RUNNING
    sell = maker.decide()[SELL]
    assert (sell["wanted"], sell["reduce_only"], sell["qty_lots"]) == (1, 1, 70)


def test_venue_book_and_verbs_come_before_the_strategy() -> None:
    """Each with its code, in the order that explain shows."""
    maker = Maker()
    instrument = maker.scene.instrument
    maker.scene.book["count"][SELL] = instrument["ask_ticks"] = 0
    assert maker.verdict(BUY) == (Code.ONE_SIDED, 0, 1)
    maker.scene.book["state"] = BookState.STALE
    assert maker.verdict(BUY) == (Code.BOOK_NOT_SYNCED, BookState.STALE, BookState.SYNCED)
    instrument["status"] = InstrumentStatus.HALT
    assert maker.verdict(BUY) == (Code.NOT_TRADING, InstrumentStatus.HALT, 0)
    instrument["flatten"] = 1
    assert maker.verdict(BUY) == (Code.OPERATOR, 1, 0)


def test_a_level_traded_through_is_pulled_alone() -> None:
    """The other side goes on."""
    maker = Maker()
    maker.scene.instrument["through_ask_ns"] = 5
    assert maker.verdict(SELL)[0] == Code.TRADED_THROUGH
    assert maker.decide()[BUY]["wanted"] == 1
    maker.scene.instrument["through_ask_ns"] = 0
    maker.scene.instrument["through_bid_ns"] = 5
    assert maker.verdict(BUY)[0] == Code.TRADED_THROUGH
    assert maker.decide()[SELL]["wanted"] == 1


def test_after_a_would_cross_miss_one_tick_away_after_one_update() -> None:
    """It waits for a newer touch, then stands one tick away until an order was wished for."""
    maker = Maker()
    for side, price in ((BUY, 9_989), (SELL, 10_011)):
        target = maker.scene.state.targets[0, side]
        target["miss_away_ticks"] = 1
        assert maker.verdict(side)[0] == Code.POST_ONLY_CROSS
        assert maker.verdict(side)[0] == Code.POST_ONLY_CROSS
        maker.scene.instrument["touch_update_id"] += 1
        assert maker.decide()[side]["price_ticks"] == price


def test_the_chain_of_conditions_stands_for_explain() -> None:
    """All that held in order, then the first that failed with its numbers."""
    maker = Maker(min_edge_bps="11")
    buy, _ = maker.decide()
    count = int(buy["checks"])
    assert [Code(code) for code in buy["check_code"][:count]] == [
        Code.NOT_RUNNING,
        Code.OPERATOR,
        Code.NOT_TRADING,
        Code.BOOK_NOT_SYNCED,
        Code.ONE_SIDED,
        Code.TRADED_THROUGH,
        Code.SPREAD_TOO_NARROW,
        Code.POST_ONLY_CROSS,
        Code.NO_EDGE,
    ]
    assert list(buy["check_ok"][:count]) == [1] * (count - 1) + [0]
    assert (buy["check_value"][count - 1], buy["check_bound"][count - 1]) == (1_000, 1_100)


def test_an_instrument_that_is_not_dirty_keeps_its_targets() -> None:
    """Nothing changed that the decision depends on."""
    maker = Maker()
    maker.decide()
    maker.scene.core["state"] = TradingState.PAUSED
    maker.scene.instrument["dirty"] = 0
    market_making.quotes(maker.scene.world, maker.params, maker.memory, maker.scene.outs)
    assert maker.scene.state.targets[0, BUY]["wanted"] == 1


def test_parameters_become_integers_to_the_safe_side() -> None:
    """Basis points in hundredths, finer ones up; sizes in lots, rounded down."""
    strategy = MarketMaking(
        kind="market_making",
        order_size_base=Decimal("0.000019"),
        min_spread_bps=Decimal("5"),
        quote="offset",
        half_spread_bps=Decimal("2.5"),
        imbalance_levels=7,
        price_tolerance_ticks=3,
        min_quote_life_ms=250,
    )
    record = market_making.build_params(strategy, [INSTRUMENT])[0]
    assert record["order_size_lots"] == 1
    assert record["min_spread_bps_e2"] == record["min_spread_exit_bps_e2"] == 500
    assert (record["where"], record["half_spread_bps_e2"]) == (market_making.Where.OFFSET, 250)
    scene = a_scene()
    market_making.fit_instruments(strategy, scene.state.instruments)
    assert scene.instrument["imbalance_levels"] == 7
    assert scene.instrument["price_tolerance_ticks"] == 3
    assert scene.instrument["min_quote_life_ns"] == 250_000_000
