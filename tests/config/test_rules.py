"""Rules of single sections: inventory, limits of instruments, storage, canary."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.config.profile_files import HEAD, load, refusal, risk_text, write


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Return a complete profile."""
    return write(tmp_path, HEAD + risk_text())


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        ("inventory.target_base=opning", "inventory.target_base", "opening, or a size of 0"),
        ("inventory.target_base=-1", "inventory.target_base", "opening, or a size of 0"),
        ("inventory.target_base=1e3", "inventory.target_base", "opening, or a size of 0"),
        ("inventory.reserve_base=-1", "inventory.reserve_base", "at least 0, was -1"),
        ("canary.enabled=yes", "canary.enabled", "true or false, was yes"),
        ("canary.size_factor=0", "canary.size_factor", "more than 0, was 0"),
        ("canary.size_factor=1.1", "canary.size_factor", "at most 1, was 1.1"),
        ("canary.size_factor=0.0000001", "canary.size_factor", "at most 6 decimals"),
        ("storage.url=mysql://localhost/x", "storage.url", "sqlite:///… or postgresql"),
        ("storage.url=sqlite:///ledger.db", "storage.url", "a whole path behind"),
        ("storage.url=sqlite:///", "storage.url", "a whole path behind"),
        ("storage.url=sqlite:///:memory:", "storage.url", "a whole path behind"),
        ("storage.url=postgresql+psycopg://h:abc/x", "storage.url", "a port from 0"),
        (
            "risk.max_position_base=10000000001",
            "risk.max_position_base",
            "at most 10000000000, was 10000000001",
        ),
        ("risk.reject_storm_count=65", "risk.reject_storm_count", "at most 64, was 65"),
        ("risk.collar_breach_count=65", "risk.collar_breach_count", "at most 64, was 65"),
        (
            "strategy={kind: market_making, order_size_base: 0.01, quote: offset, "
            "half_spread_bps: 500}",
            "strategy.half_spread_bps",
            "below max_quote_distance_bps of BTC-USDT, 500",
        ),
        ("venue.fees.maker_bps=-1", "venue.fees.maker_bps", "at least 0, was -1"),
        ("venue.recv_window_ms=60000", "venue.recv_window_ms", "at most 5000, was 60000"),
        (
            "venue.market={source: tape, preset: x}",
            "venue.market.preset",
            "are source, path, speed",
        ),
        ("venue.market={source: live}", "venue.market.url", "is required"),
        (
            "venue.market={source: live, url: example.com}",
            "venue.market.url",
            "https://HOST[:PORT] or http://HOST[:PORT]",
        ),
        ("venue.market={source: live, url: 'http://a', speed: 2}", "venue.market.speed", "no such"),
        ("venue.market={source: agents, speed: 2}", "venue.market.speed", "did you mean seed?"),
        ("venue.market.seed=2", "venue.market.source", "is required: where the market comes from"),
        ("risk.day_starts_utc=24:00", "risk.day_starts_utc", 'such as "00:00", was 24:00'),
        ("description=", "description", "at least 1 character, was empty"),
        ("instrument_limits={ETH-USDT: {}}", "instrument_limits.ETH-USDT", "one of instruments"),
        ("instrument_limits={BTC: {}}", "instrument_limits.BTC", "such as BTC-USDT"),
        (
            "instrument_limits={BTC-USDT: {max_positon_base: 1}}",
            "instrument_limits.BTC-USDT.max_positon_base",
            "did you mean max_position_base?",
        ),
        (
            "instrument_limits={BTC-USDT: {max_order_size_base: 0.001}}",
            "strategy.order_size_base",
            "max_order_size_base of BTC-USDT, 0.001",
        ),
    ],
)
def test_each_rule_names_its_key(mine: Path, text: str, key: str, says: str) -> None:
    """A value outside its section's rule is refused under its own dotted key."""
    error = refusal(mine, text)
    assert error.key == key
    assert says in str(error)


def test_a_target_may_be_the_opening_or_a_figure(mine: Path) -> None:
    """Both forms of the inventory's target are read."""
    assert load(mine).profile.inventory.target_base == "opening"
    profile = load(mine, "inventory.target_base=0.5").profile
    assert profile.inventory.target_base == Decimal("0.5")


def test_a_figure_is_the_target_of_one_instrument_alone(mine: Path) -> None:
    """Half a coin of each would be two quantities; nothing of each is one thing."""
    several = (
        "instruments=[BTC-USDT, ETH-USDT]",
        "venue.opening_balances={BTC: 1, ETH: 1, USDT: 100000}",
    )
    error = refusal(mine, *several, "inventory.target_base=0.5")
    assert (error.key, "opening or 0" in str(error)) == ("inventory.target_base", True)
    assert load(mine, *several, "inventory.target_base=0").profile.inventory.target_base == 0


def test_a_long_value_is_cut_in_its_message(mine: Path) -> None:
    """A line of a terminal holds the message whatever was pasted into the value."""
    assert len(str(refusal(mine, "mode=" + "x" * 5_000))) < 160


def test_control_characters_do_not_reach_the_terminal(mine: Path) -> None:
    """An escape sequence in a value is shown as what it is not."""
    message = str(refusal(mine, "mode=\x1b[31mred"))
    assert "\x1b" not in message
    assert "\ufffd[31mred" in message
