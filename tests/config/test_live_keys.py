"""What may change while the daemon runs, and what of two profiles is in force between them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from hftd.config.live_keys import LIMIT_KEYS, Taker, changes_between, in_force, taker_of
from hftd.config.load import flatten
from hftd.config.risk_limits import InstrumentLimits, RiskLimits
from hftd.domain.limits import Limit
from tests.config.profile_files import HEAD, load, risk_text, write


def profile(folder: Path) -> Path:
    """Write a profile that has every required key and no other."""
    return write(folder, HEAD + risk_text())


def test_every_limit_of_the_engine_has_a_key_of_the_profile() -> None:
    """Each number of C38 names a key that exists, under risk and for an instrument's own."""
    assert set(LIMIT_KEYS) == set(Limit)
    assert set(LIMIT_KEYS.values()) <= set(RiskLimits.model_fields)
    own = {key for limit, key in LIMIT_KEYS.items() if limit >= Limit.ORDER_LOTS}
    assert own == set(InstrumentLimits.model_fields)


@pytest.mark.parametrize(
    ("key", "taker"),
    [
        ("risk.max_position_base", Taker.ENGINE),
        ("instrument_limits.BTC-USDT.max_open_orders", Taker.ENGINE),
        ("log.level", Taker.RECORDER),
        ("risk.reset_dwell_ms", Taker.START),
        ("canary.size_factor", Taker.START),
        ("strategy.order_size_base", Taker.START),
        ("venue.recv_window_ms", Taker.START),
    ],
)
def test_a_key_is_live_or_waits(key: str, taker: Taker) -> None:
    """Limits and the recorder's keys are live; sizes, dwell times and the venue wait."""
    assert taker_of(key) is taker


def test_only_live_values_come_into_force(tmp_path: Path) -> None:
    """Of two changed keys the live one holds; the hash follows what is in force."""
    path = profile(tmp_path)
    old = load(path)
    new = load(path, "risk.max_position_base=0.05", "risk.reset_dwell_ms=9", "log.level=debug")
    found = {one.key: one for one in changes_between(old, new)}
    assert {key: (one.old, one.new, one.taker) for key, one in found.items()} == {
        "risk.max_position_base": ("0.1", "0.05", Taker.ENGINE),
        "risk.reset_dwell_ms": ("5000", "9", Taker.START),
        "log.level": ("info", "debug", Taker.RECORDER),
    }
    assert {one.origin for one in found.values()} == {"--set"}
    force = in_force(old, new)
    assert force.profile.risk.max_position_base == Decimal("0.05")
    assert force.profile.risk.reset_dwell_ms == 5_000
    assert force.profile.log.level == "debug"
    assert force.config_hash not in (old.config_hash, new.config_hash)
    assert set(force.origins) == {key for key, _ in flatten(force.profile)}
    assert [one.key for one in changes_between(force, new)] == ["risk.reset_dwell_ms"]


def test_a_default_that_follows_another_limit_changes_with_it(tmp_path: Path) -> None:
    """max_open_notional_quote is max_gross_exposure_quote where nobody wrote it."""
    path = profile(tmp_path)
    changes = changes_between(load(path), load(path, "risk.max_gross_exposure_quote=900"))
    assert [(one.key, one.origin) for one in changes] == [
        ("risk.max_gross_exposure_quote", "--set"),
        ("risk.max_open_notional_quote", "default"),
    ]


def test_between_the_venues_rate_and_a_figure_lies_a_start(tmp_path: Path) -> None:
    """From 5 to 4 orders a second is live; from or to ``venue`` the gate counts otherwise."""
    path = profile(tmp_path)
    rate = "risk.max_orders_per_second"
    five, four, venue = load(path, f"{rate}=5"), load(path, f"{rate}=4"), load(path)
    assert changes_between(five, four)[0].taker is Taker.ENGINE
    for old, new in ((five, venue), (venue, five)):
        assert changes_between(old, new)[0].taker is Taker.START
        risk = in_force(old, new).profile.risk
        assert risk.max_orders_per_second == old.profile.risk.max_orders_per_second


def test_an_instruments_own_limit_comes_and_goes(tmp_path: Path) -> None:
    """One that was written is in force, one that was taken out falls back to the profile's."""
    path = profile(tmp_path)
    own = load(path, 'instrument_limits={BTC-USDT: {max_open_orders: "2"}}')
    plain = load(path)
    assert in_force(plain, own).profile.limits("BTC-USDT").max_open_orders == 2
    assert in_force(own, plain).profile.limits("BTC-USDT").max_open_orders == 8
    gone = [one for one in changes_between(own, plain) if one.old != "none"]
    assert [(one.key, one.old, one.new) for one in gone] == [
        ("instrument_limits.BTC-USDT.max_open_orders", "2", "none")
    ]
