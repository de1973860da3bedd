"""Where Binance Spot is served: production, testnet, or a server of the same protocol.

Owns host names and stream names. Must not know sockets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hftd.domain.instrument import Instrument


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Base addresses, without a path except the WS API's own."""

    rest_url: str
    market_url: str
    order_url: str


LIVE = Endpoints(
    "https://api.binance.com",
    "wss://stream.binance.com:9443",
    "wss://ws-api.binance.com:443/ws-api/v3",
)
TESTNET = Endpoints(
    "https://testnet.binance.vision",
    "wss://stream.testnet.binance.vision",
    "wss://ws-api.testnet.binance.vision/ws-api/v3",
)


def loopback(port: int) -> Endpoints:
    """Return the endpoints of a simulated exchange on this machine."""
    authority = f"127.0.0.1:{port}"
    return Endpoints(f"http://{authority}", f"ws://{authority}", f"ws://{authority}/ws-api/v3")


def market_stream_url(endpoints: Endpoints, instruments: Sequence[Instrument]) -> str:
    """Return the combined stream of depth, trades and touch of each instrument.

    Streams named in the address need no subscription message, so a reconnect is one step.
    """
    streams = []
    for instrument in instruments:
        symbol = instrument.symbol.lower()
        streams += [f"{symbol}@depth@100ms", f"{symbol}@trade", f"{symbol}@bookTicker"]
    return f"{endpoints.market_url}/stream?streams={'/'.join(streams)}"
