"""What a profile opens to others or names twice: refused unless it says so itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from hftd.config import own_strategy
from tests.config.profile_files import HEAD, load, refusal, risk_text, write


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Return a complete profile."""
    return write(tmp_path, HEAD + risk_text())


def listening(host: str, more: str = "") -> str:
    """Return the override with which the metrics are served at a host."""
    return f"metrics={{listen: '{host}:9100'{more}}}"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "[::1]", "localhost"])
def test_metrics_may_listen_on_loopback(mine: Path, host: str) -> None:
    """By any of its names."""
    assert load(mine, listening(host)).profile.metrics.listen == f"{host}:9100"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "[::]", "example.com"])
def test_metrics_listen_elsewhere_only_where_the_profile_allows_it(mine: Path, host: str) -> None:
    """A name that is none of loopback's is refused as an address of others is."""
    refused = refusal(mine, listening(host))
    assert "metrics.listen" in str(refused)
    assert "loopback, or metrics.allow_remote: true" in str(refused)
    loaded = load(mine, listening(host, ", allow_remote: true"))
    assert loaded.profile.metrics.listen == f"{host}:9100"


def test_a_port_beyond_the_last_is_refused(mine: Path) -> None:
    """It would be found out by a recorder that cannot listen."""
    assert "at most 65535" in str(refusal(mine, "metrics.listen=127.0.0.1:65536"))
    assert load(mine, "metrics.listen=127.0.0.1:65535").profile.metrics.listen


@pytest.mark.parametrize(
    "road", ["{}", "{command: [/bin/true], webhook: 'env:HOOK'}"], ids=["none", "both"]
)
def test_an_alert_takes_one_road(mine: Path, road: str) -> None:
    """Neither none, which nobody would hear, nor two, of which one may fail unseen."""
    refused = str(refusal(mine, f"alerts.critical={road}"))
    assert "alerts.critical.command" in refused
    assert "a command or a webhook, one of them" in refused


def test_all_instruments_have_one_strategy(mine: Path) -> None:
    """Their parameters may differ, their kind may not."""
    sets = (
        "instruments=[BTC-USDT, ETH-USDT]",
        "venue.opening_balances={BTC: 1, ETH: 10, USDT: 100000}",
    )
    other = "instrument_strategy={ETH-USDT: {kind: order_book_imbalance, order_size_base: '0.1'}}"
    refused = str(refusal(mine, *sets, other))
    assert "instrument_strategy.ETH-USDT" in refused
    assert "market_making, as strategy.kind says for all instruments" in refused


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\xff\xfe", "as Python in UTF-8"),
        (b"#" * (own_strategy.MAX_SOURCE_BYTES + 1), f"at most {own_strategy.MAX_SOURCE_BYTES}"),
    ],
    ids=["no text", "too long"],
)
def test_a_strategy_file_that_is_no_source_is_refused(mine: Path, data: bytes, says: str) -> None:
    """Before anything of it runs, in one line."""
    (mine.parent / "mine.py").write_bytes(data)
    path = mine.parent / "mine.py"
    refused = refusal(mine, f"strategy={{kind: '{path}:Mine', order_size_base: '0.01'}}")
    assert says in str(refused)


@pytest.mark.parametrize("extends", ["[a, b]", "''"])
def test_what_is_extended_is_one_name(tmp_path: Path, extends: str) -> None:
    """A list or nothing names no profile."""
    path = write(tmp_path, f"extends: {extends}\n" + HEAD + risk_text())
    assert "the name of a profile" in str(refusal(path))
