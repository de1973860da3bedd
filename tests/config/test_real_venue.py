"""The venue section of a profile that trades where others run the exchange."""

from __future__ import annotations

from pathlib import Path

import pytest

from hftd.config.real_venue import is_loopback, is_production
from hftd.config.schema import CONTROLS_MISSING_FOR_LIVE
from hftd.venues.binance.endpoints import LIVE, TESTNET
from tests.config.profile_files import HEAD, load, refusal, risk_text, write

TESTNET_HEAD = HEAD.replace("mode: paper", "mode: testnet").replace(
    "venue: {kind: simex}", "venue: {kind: binance, api_key: env:K, api_secret: env:S}"
)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Return a complete profile for the test hosts."""
    return write(tmp_path, TESTNET_HEAD + risk_text())


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        ("mode=paper", "mode", "testnet or live, as venue.kind binance simulates nothing"),
        ("venue.api_key=abc", "venue.api_key", "a secret never stands in a profile"),
        ("venue.rest_url=https://api.binance.com", "venue.rest_url", "a test host"),
        ("venue.rest_url=http://example.com", "venue.rest_url", "http:// on loopback alone"),
        ("venue.rest_url=https://a/api", "venue.rest_url", "https://HOST[:PORT]"),
        ("venue.rest_url=https://me:pw@a", "venue.rest_url", "https://HOST[:PORT]"),
        ("venue.market_url=wss://a", "venue.rest_url", "is required where market_url is given"),
        ("venue.tls_ca=none.pem", "venue.tls_ca", "certificates in PEM that exists"),
        ("venue.market.source=agents", "venue.market", "no such key"),
        ("mode=live", "mode", CONTROLS_MISSING_FOR_LIVE),
    ],
)
def test_each_rule_names_its_key(mine: Path, text: str, key: str, says: str) -> None:
    """What cannot be is refused under its own key, with 78."""
    error = refusal(mine, text)
    assert error.key == key
    assert says in str(error)


def test_a_key_is_not_repeated(mine: Path) -> None:
    """Who writes the key itself into the profile does not find it in the message."""
    assert "Vq8key" not in str(refusal(mine, "venue.api_secret=Vq8key"))


def test_live_may_be_rehearsed_on_loopback_alone(mine: Path) -> None:
    """Every address must be on this machine, and a crash must wait for a person."""
    sets = ["mode=live", "venue.rest_url=https://127.0.0.1:8900"]
    assert refusal(mine, *sets).key == "on_crash"
    assert load(mine, *sets, "on_crash=halt").profile.mode == "live"
    assert refusal(mine, *sets, "on_crash=halt", "venue.order_url=wss://a/x").key == (
        "venue.order_url"
    )


def test_a_certificate_lies_beside_the_profile_that_names_it(mine: Path) -> None:
    """Relative to that file, whatever the working folder is."""
    (mine.parent / "ca.pem").touch()
    mine.write_text(mine.read_text().replace("env:S}", "env:S, tls_ca: ca.pem}"))
    assert load(mine).profile.model_dump()["venue"]["tls_ca"] == str(mine.parent / "ca.pem")


def test_production_hosts_are_told_from_others() -> None:
    """All of the venue's own addresses, and none that only looks alike."""
    for url in (LIVE.rest_url, LIVE.market_url, LIVE.order_url, "https://api1.binance.com"):
        assert is_production(url)
    for url in (TESTNET.rest_url, TESTNET.market_url, "https://binance.com.example.org"):
        assert not is_production(url)
    assert is_loopback("wss://127.0.0.1:80/ws-api/v3")
    assert not is_loopback("https://127.0.0.1.example.org")
