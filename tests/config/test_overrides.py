"""Overrides by the environment and by --set: their forms and their mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from hftd.config.schema import AgentsMarket, SimexVenue
from hftd.errors import UsageError
from tests.config.profile_files import HEAD, load, refusal, risk_text, write


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Return a complete profile."""
    return write(tmp_path, HEAD + risk_text())


def test_lists_and_mappings_are_overridden_whole(mine: Path) -> None:
    """JSON in a variable and flow YAML in --set carry what is no single value."""
    balances = '{"ETH": "5", "BTC": "1", "USDT": "9"}'
    environ = {
        "HFTD__INSTRUMENTS": '["ETH-USDT", "BTC-USDT"]',
        "HFTD__VENUE__OPENING_BALANCES": balances,
    }
    loaded = load(mine, **environ)
    assert loaded.profile.instruments == ("ETH-USDT", "BTC-USDT")
    assert loaded.origins["instruments.0"] == "HFTD__INSTRUMENTS"
    assert loaded.origins["venue.opening_balances.ETH"] == "HFTD__VENUE__OPENING_BALANCES"
    again = load(mine, "instruments=[ETH-USDT, BTC-USDT]", f"venue.opening_balances={balances}")
    assert again.profile == loaded.profile


def test_a_deep_key_is_overridden_alone(mine: Path) -> None:
    """What stands beside an overridden key stays."""
    loaded = load(mine, HFTD__VENUE__MARKET__SOURCE="agents", HFTD__VENUE__MARKET__SEED="8")
    assert isinstance(loaded.profile.venue, SimexVenue)
    assert loaded.profile.venue.market == AgentsMarket(source="agents", seed=8)


def test_an_instrument_or_asset_in_a_variable_is_upper_case_again(mine: Path) -> None:
    """Variables are compared in lower case; instruments and assets are not."""
    name = "HFTD__INSTRUMENT_LIMITS__BTC-USDT__MAX_OPEN_ORDERS"
    assert load(mine, **{name: "2"}).profile.limits("BTC-USDT").max_open_orders == 2
    balances = {
        "HFTD__VENUE__OPENING_BALANCES__BTC": "3",
        "HFTD__VENUE__OPENING_BALANCES__USDT": "4",
    }
    loaded = load(mine, **balances)
    assert isinstance(loaded.profile.venue, SimexVenue)
    assert loaded.profile.venue.opening_balances == {"BTC": 3, "USDT": 4}
    assert loaded.origins["venue.opening_balances.BTC"] == "HFTD__VENUE__OPENING_BALANCES__BTC"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("HFTD__RISK__MAX_POSITON_BASE", "1", "did you mean max_position_base?"),
        ("HFTD__RSK__MAX_POSITION_BASE", "1", "rsk: no such key; did you mean risk?"),
        ("HFTD__RISK__MAX_POSITION_BASE", "0", "max_position_base: more than 0, was 0"),
        ("HFTD__RISK__", "0", "HFTD__SECTION__KEY with both parts"),
        ("HFTD__INSTRUMENTS", "BTC-USDT", "JSON for a list"),
        ("HFTD__INSTRUMENTS", "[1.5]", "instruments.0: an instrument such as BTC-USDT"),
        ("HFTD__EXTENDS", "x.yaml", "no such key"),
        ("HFTD__RUNTIME__SPIN", "yes", "runtime.spin: true or false, was yes"),
        ("HFTD__VENUE__API_SECRET", "hunter2", "a secret never stands in a profile"),
    ],
)
def test_a_mistake_in_a_variable_names_the_variable(
    mine: Path, name: str, value: str, says: str
) -> None:
    """The environment has no lines; its variables' names take their place."""
    error = refusal(mine, **{name: value})
    assert str(error).startswith(f"{name}: ")
    assert says in str(error)
    assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("risk.max_positon_base=1", "did you mean max_position_base?"),
        ("risc.max_position_base=1", "did you mean risk?"),
        ("risk=1", "risk: a mapping of keys, was 1"),
        ("mode.x=paper", "mode: paper, testnet or live, was a mapping"),
        ("risk.max_open_orders.x=1", "max_open_orders: a whole number"),
        ("instruments=[BTC-USDT", "instruments: YAML, was"),
        ("instruments=[&a BTC-USDT]", "instruments: no anchor"),
        ("extends=canary", "no such key"),
        ("mode=", "mode: paper, testnet or live, was empty"),
        ("on_crash=stop", "on_crash: resume or halt, was stop"),
    ],
)
def test_a_mistake_in_set_names_the_option_and_the_key(mine: Path, text: str, says: str) -> None:
    """A wrong --set is told like a wrong line in the file."""
    error = refusal(mine, text)
    assert str(error).startswith("--set: ")
    assert says in str(error)


@pytest.mark.parametrize("text", ["hunter2", "risk.max_open_orders", "=hunter2", "risk..x=hunter2"])
def test_what_is_no_pair_is_a_usage_error_that_repeats_nothing(mine: Path, text: str) -> None:
    """The form of --set is the command line's matter, and what was given may be a secret."""
    with pytest.raises(UsageError, match="KEY=VALUE with a dotted key") as caught:
        load(mine, text)
    assert caught.value.exit_code == 64
    assert "hunter2" not in str(caught.value)


def test_a_variable_in_two_spellings_is_refused(mine: Path) -> None:
    """Names are read without case: which of two limits holds must not hang on their order."""
    names = {"HFTD__RISK__MAX_OPEN_ORDERS": "4", "HFTD__risk__max_open_orders": "6"}
    error = refusal(mine, **names)
    assert "each variable once, was HFTD__RISK__MAX_OPEN_ORDERS as well" in str(error)


def test_a_variable_may_name_an_instruments_own_strategy(mine: Path) -> None:
    """Its name is upper case in a profile, and lower where pydantic-settings has read it."""
    name = "HFTD__INSTRUMENT_STRATEGY__BTC-USDT__ORDER_SIZE_BASE"
    profile = load(mine, **{name: "0.005"}).profile
    assert str(profile.strategy_of("BTC-USDT").order_size_base) == "0.005"
