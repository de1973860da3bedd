"""Addresses and stream names."""

from __future__ import annotations

from dataclasses import replace

from hftd.venues.binance.endpoints import (
    LIVE,
    TESTNET,
    Endpoints,
    endpoints_of,
    loopback,
    market_stream_url,
)
from tests.venues.binance.fixtures import BTC, ETH


def test_three_streams_per_instrument_in_one_address():
    """Symbols are lower case in stream names."""
    assert market_stream_url(loopback(80), [BTC, ETH]) == (
        "ws://127.0.0.1:80/stream?streams=btcusdt@depth@100ms/btcusdt@trade/btcusdt@bookTicker/"
        "ethusdt@depth@100ms/ethusdt@trade/ethusdt@bookTicker"
    )


def test_real_money_and_test_money_share_no_host():
    """Nothing of the testnet leads to production."""
    live = {LIVE.rest_url, LIVE.market_url, LIVE.order_url}
    assert live.isdisjoint({TESTNET.rest_url, TESTNET.market_url, TESTNET.order_url})
    assert all(url.startswith(("https://", "wss://")) for url in live)


def test_the_mode_names_the_hosts_unless_an_address_does():
    """Test hosts and production by the mode; streams and WS API follow the REST address."""
    assert endpoints_of("testnet", {}) == TESTNET
    assert endpoints_of("live", {}, "ca.pem") == replace(LIVE, tls_ca="ca.pem")
    own = endpoints_of("testnet", {"rest_url": "https://127.0.0.1:8900"}, "ca.pem")
    assert own == Endpoints(
        "https://127.0.0.1:8900", "wss://127.0.0.1:8900", "wss://127.0.0.1:8900/ws-api/v3", "ca.pem"
    )
    apart = endpoints_of("testnet", {"rest_url": "https://a", "market_url": "wss://b"})
    assert (apart.market_url, apart.order_url) == ("wss://b", "wss://a/ws-api/v3")
    assert not own.hmac_logon
    assert loopback(80).hmac_logon
