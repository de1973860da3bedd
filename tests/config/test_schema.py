"""The schema alone: the canary's scaling, an instrument's limits, and what Python may hand in."""

from __future__ import annotations

from decimal import Decimal

import pytest
from pydantic import ValidationError

from hftd.config.load import load_profile
from hftd.config.risk_limits import CANARY_SCALED, RiskLimits, scale
from hftd.config.schema import Profile, scaled_limits
from hftd.config.values import Section
from tests.config.profile_files import REQUIRED_LIMITS


def test_c37_the_canary_scales_sizes_and_money_and_nothing_else() -> None:
    """Every limit of size or money is a tenth; counts, rates, bps and ages keep their size."""
    limits = RiskLimits.model_validate(REQUIRED_LIMITS)
    scaled = scale(limits, Decimal("0.10"))
    for key, value in limits:
        expected = value * Decimal("0.10") if key in CANARY_SCALED else value
        assert getattr(scaled, key) == expected
    money_or_size = [key for key in RiskLimits.model_fields if key.endswith(("_base", "_quote"))]
    assert sorted(money_or_size) == sorted(CANARY_SCALED)


def test_an_instruments_own_limits_stand_before_the_profiles() -> None:
    """What an instrument says holds for it, scaled; the rest is the profile's."""
    sets = (
        "instruments=[BTC-USDT, ETH-USDT]",
        "venue.opening_balances={BTC: 1, ETH: 10, USDT: 100000}",
        "instrument_limits={ETH-USDT: {max_position_base: 2, max_open_orders: 3}}",
    )
    profile = load_profile("canary", sets=sets, environ={}).profile
    limits = scaled_limits(profile)
    assert limits["ETH-USDT"].max_position_base == Decimal("0.2")
    assert limits["ETH-USDT"].max_open_orders == 3
    assert limits["BTC-USDT"].max_position_base == Decimal("0.01")
    assert limits["ETH-USDT"].max_order_size_base == Decimal("0.002")


def test_a_canary_that_is_off_scales_nothing() -> None:
    """Full size means that the limits in force are the limits written."""
    profile = load_profile("market-making", environ={}).profile
    assert scaled_limits(profile)["BTC-USDT"] == profile.risk


@pytest.mark.parametrize("value", [0.5, True, None, "0.5 ", "+0.5", "٣"])
def test_a_decimal_is_text_whole_number_or_decimal_alone(value: object) -> None:
    """A float is no decimal: 0.1 is not a tenth."""
    with pytest.raises(ValidationError):
        RiskLimits.model_validate({**REQUIRED_LIMITS, "max_position_base": value})


def test_a_live_profile_says_halt() -> None:
    """A restart with money on the table waits for its operator."""
    written = load_profile("canary", environ={}).profile.model_dump() | {"mode": "live"}
    with pytest.raises(ValidationError, match="halt, as mode live demands"):
        Profile.model_validate(written)


def test_a_profile_is_frozen() -> None:
    """Nobody loosens a limit on an object that others hold."""
    profile = load_profile("canary", environ={}).profile
    with pytest.raises(ValidationError):
        profile.risk.max_open_orders = 9  # type: ignore[misc]


def _sections(section: type[Section]) -> list[type[Section]]:
    found = [section]
    for field in section.model_fields.values():
        for part in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(part, type) and issubclass(part, Section):
                found += _sections(part)
    return found


def test_every_key_says_what_it_is() -> None:
    """Each key of each section has a description, for editors and for messages."""
    sections = _sections(Profile)
    assert len(sections) > 10
    for section in sections:
        for key, field in section.model_fields.items():
            assert field.description, f"{section.__name__}.{key}"
            assert field.description.endswith((".", "1")), f"{section.__name__}.{key}"
