"""Addresses and stream names."""

from __future__ import annotations

from hftd.venues.binance.endpoints import LIVE, TESTNET, loopback, market_stream_url
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
