"""The canary order, the break-even distance and the survey of spreads."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from hftd.config.economics import (
    EdgeRule,
    Filters,
    SpreadSurvey,
    break_even,
    canary_order,
    formula_half_spread_bps,
    least_distance_bps,
    require_tradable,
)
from hftd.config.load import LoadedProfile, load_profile
from hftd.config.schema import Profile
from hftd.config.strategy_parameters import AvellanedaStoikov, Glft, MarketMaking
from hftd.domain.instrument import Instrument
from hftd.errors import ProfileError
from hftd.strategies import avellaneda_stoikov, glft

BTC = Filters(Decimal("0.01"), Decimal("0.00001"), Decimal("0.00001"), Decimal(5))
PRICE = Decimal(60_000)


def loaded(*sets: str) -> LoadedProfile:
    """Return the shipped canary with overrides."""
    return load_profile("canary", sets=sets, environ={})


def profile(*sets: str) -> Profile:
    """Return its profile alone."""
    return loaded(*sets).profile


CANARY = profile()


def test_the_canary_order_is_scaled_and_rounded_down_to_lots() -> None:
    """A tenth of 0.01 is a thousandth; a factor that divides no lot loses the rest."""
    order = canary_order(profile(), "BTC-USDT", BTC, PRICE)
    assert (order.qty_base, order.notional_quote) == (Decimal("0.001"), Decimal(60))
    uneven = canary_order(profile("canary.size_factor=0.1239"), "BTC-USDT", BTC, PRICE)
    assert uneven.qty_base == Decimal("0.00123")


def test_an_order_under_the_least_names_the_smallest_factor_that_trades() -> None:
    """5 USDT at 60,000 are 9 lots of 0.00001: a factor of 0.009 reaches them."""
    small = loaded("canary.size_factor=0.008")
    order = canary_order(small.profile, "BTC-USDT", BTC, PRICE)
    assert not order.trades
    with pytest.raises(ProfileError) as caught:
        require_tradable(order, small)
    assert caught.value.exit_code == 78
    message = str(caught.value)
    assert message.startswith('--set: canary.size_factor: at least "0.009"')
    assert "was an order of 0.00008 (4.8 USDT)" in message
    enough = loaded("canary.size_factor=0.009")
    require_tradable(canary_order(enough.profile, "BTC-USDT", BTC, PRICE), enough)


def test_a_full_size_under_the_least_blames_the_size() -> None:
    """No factor up to one helps an order that is too small unscaled."""
    tiny = loaded("strategy.order_size_base=0.00001")
    order = canary_order(tiny.profile, "BTC-USDT", BTC, PRICE)
    assert order.smallest_factor is None
    with pytest.raises(ProfileError, match=r"strategy.order_size_base: at least 0.00009"):
        require_tradable(order, tiny)


def test_an_order_over_the_profiles_own_limit_is_refused() -> None:
    """An order that C04 would deny each time is found before the first one."""
    rich = Decimal(260_000)
    order = canary_order(profile(), "BTC-USDT", BTC, rich)
    assert not order.trades
    with pytest.raises(ProfileError, match="max_order_notional_quote, 250 in force, at 260000"):
        require_tradable(order, loaded())
    assert canary_order(profile(), "BTC-USDT", BTC, Decimal(250_000)).trades


@given(
    factor=st.decimals("0.0001", "1", places=4),
    size=st.decimals("0.00001", "0.01", places=5),
    price=st.decimals("0.01", "200000", places=2),
    notional=st.decimals("0", "100", places=2),
)
def test_the_smallest_factor_trades_and_a_smaller_one_does_not(
    factor: Decimal, size: Decimal, price: Decimal, notional: Decimal
) -> None:
    """The factor that the message names is the boundary, judged by exact fractions."""
    filters = Filters(Decimal("0.01"), Decimal("0.00001"), Decimal("0.00001"), notional)
    canary = CANARY.canary.model_copy(update={"size_factor": factor})
    strategy = CANARY.strategy.model_copy(update={"order_size_base": size})
    drawn = CANARY.model_copy(update={"canary": canary, "strategy": strategy})
    order = canary_order(drawn, "BTC-USDT", filters, price)

    def trades(by: Decimal) -> bool:
        lots = Fraction(size) * Fraction(by) // Fraction("0.00001")
        qty = lots * Fraction("0.00001")
        return lots >= 1 and qty * Fraction(price) >= Fraction(notional)

    assert order.trades == trades(factor)
    smallest = order.smallest_factor
    assert (smallest is not None) == trades(Decimal(1))
    assume(smallest is not None and smallest > Decimal("0.0001"))
    assert trades(smallest)
    assert not trades(smallest - Decimal("0.0001"))


def test_filters_come_from_an_instrument_unchanged() -> None:
    """The daemon's instrument and the check speak of the same steps."""
    instrument = Instrument(
        name="BTC-USDT",
        symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
        tick_e8=1_000_000,
        lot_e8=1_000,
        min_price_ticks=1,
        max_price_ticks=10**8,
        min_qty_lots=1,
        max_qty_lots=10**9,
        min_notional_atoms=5 * 10**8,
        max_notional_atoms=9 * 10**14,
        max_open_orders=200,
    )
    assert Filters.of(instrument) == BTC


def test_break_even_is_the_fee_in_whole_ticks() -> None:
    """10 bps of 60,000 are 60: six ticks of ten, and the rule at 5 bps of spread loses."""
    fees = "venue.fees={maker_bps: 10, taker_bps: 10}"
    calm = Filters(Decimal(10), Decimal("0.00001"), Decimal("0.00001"), Decimal(5))
    found = break_even(profile(fees), "BTC-USDT", calm, PRICE)
    assert (found.half_spread_bps, found.ticks) == (Decimal(10), 6)
    assert found.edge_bps == Decimal("-7.5")
    offset = profile("strategy.quote=offset", "strategy.half_spread_bps=12", fees)
    assert break_even(offset, "BTC-USDT", calm, PRICE).edge_bps == Decimal(2)


def test_the_survey_counts_time_by_the_rules_own_hysteresis() -> None:
    """On above 5 bps, kept down to 4, off below: three of four seconds are quoted."""
    survey = SpreadSurvey(Decimal(5), Decimal(4))
    for second, spread in enumerate(("6.1", "4.5", "4.0", "3.9", "4.5")):
        half = Decimal(spread) * 10_000 / 20_000
        survey.add(second * 10**9, Decimal(10_000) - half, Decimal(10_000) + half)
    assert survey.updates == 5
    assert survey.over == 1
    assert survey.quoted_share == 0.75
    assert survey.quantile_bps(0.5) == 4.5
    assert survey.quantile_bps(1.0) == 6.1


@given(
    st.sampled_from(["touch", "improve", "offset"]),
    st.integers(1, 60),
    st.integers(0, 1_000),
    st.integers(-500, 500),
)
@example("improve", 2, 0, 100)
@example("improve", 3, 0, 100)
def test_the_edge_is_the_strategys_own(where: str, ticks: int, fee: int, least: int) -> None:
    """Distance from mid by the place that the strategy names, less the fee, exactly."""
    fee_bps, least_bps = Decimal(fee) / 100, Decimal(least) / 100
    named = {"quote": where, "min_edge_bps": least_bps, "half_spread_bps": Decimal(3)}
    strategy = CANARY.strategy.model_copy(update=named)
    assert isinstance(strategy, MarketMaking)
    rule = EdgeRule(strategy, fee_bps, Decimal(10))
    half_ticks = {"touch": ticks, "improve": ticks - 2 if ticks >= 3 else ticks}.get(where)
    mid = Fraction(60_000)
    distance = Fraction(3) if half_ticks is None else Fraction(10 * half_ticks, 2) / mid * 10_000
    edge = distance - Fraction(fee_bps)
    assume(abs(edge - Fraction(least_bps)) > Fraction(1, 10**12))
    assert rule.holds(Decimal(10 * ticks), Decimal(60_000)) == (edge >= Fraction(least_bps))


def test_the_survey_leaves_out_a_crossed_touch() -> None:
    """A touch without a spread changes nothing."""
    survey = SpreadSurvey(Decimal(0), Decimal(0))
    survey.add(1, Decimal(2), Decimal(1))
    assert (survey.updates, survey.quoted_share, survey.quantile_bps(0.5)) == (0, 0.0, 0.0)


@pytest.mark.parametrize("gamma", ["0.01", "0.3"])
def test_a_formulas_distance_is_that_of_the_strategy(gamma: str) -> None:
    """Where sigma, k and A are given: the strategies' own formulas, flat; else it is not known."""
    given_ = {"kind": "glft", "order_size_base": "1", "risk_aversion_per_bps": gamma}
    assert formula_half_spread_bps(Glft.model_validate(given_)) is None
    given_ |= {"volatility_bps": "0.7", "arrival_decay_per_bps": "0.2"}
    assert formula_half_spread_bps(Glft.model_validate(given_)) is None
    strategy = Glft.model_validate(given_ | {"arrival_rate_per_s": "0.4"})
    step = glft.inventory_distance(float(gamma), 0.7**2, 0.2, 0.4)
    half = glft.bid_distance(0.0, glft.base_distance(float(gamma), 0.2), step)
    assert formula_half_spread_bps(strategy) == Decimal(f"{half:.2f}")
    older = AvellanedaStoikov.model_validate(
        given_ | {"kind": "avellaneda_stoikov", "horizon_s": 60}
    )
    spread = avellaneda_stoikov.optimal_spread(float(gamma), 0.7**2, 60.0, 0.2)
    assert formula_half_spread_bps(older) == Decimal(f"{spread / 2:.2f}")


@pytest.mark.parametrize(("fee", "edge", "least"), [("0", "0", 0), ("10", "1", 11), ("-2", "1", 0)])
def test_the_nearest_quote_of_a_formula_pays_the_fee(fee: str, edge: str, least: int) -> None:
    """The fee and the edge away from mid, and never beyond it."""
    words = {"kind": "glft", "order_size_base": "1", "risk_aversion_per_bps": "1"}
    strategy = Glft.model_validate(words | {"min_edge_bps": edge})
    assert least_distance_bps(strategy, Decimal(fee)) == least
