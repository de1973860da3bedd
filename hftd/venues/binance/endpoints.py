"""Where Binance Spot is served: production, testnet, or a server of the same protocol.

Owns host names and stream names. Must not know sockets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from hftd.domain.instrument import Instrument


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Base addresses, without a path except the WS API's own.

    ``tls_ca`` is a file of certificates to trust in place of the system's; empty for those.
    ``hmac_logon`` says that an HMAC key may open a session; at Binance only Ed25519 keys may,
    and with others each request is signed.
    """

    rest_url: str
    market_url: str
    order_url: str
    tls_ca: str = ""
    hmac_logon: bool = False

    @property
    def name(self) -> str:
        """What a message calls the server."""
        return urlsplit(self.rest_url).netloc

    @property
    def is_secure(self) -> bool:
        """Whether any of it is reached by TLS; the simulated exchange on loopback is not."""
        addresses = (self.rest_url, self.market_url, self.order_url)
        return any(urlsplit(address).scheme in ("https", "wss") for address in addresses)


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
    return replace(served_at(f"http://{authority}"), hmac_logon=True)


def served_at(
    rest_url: str, market_url: str | None = None, order_url: str | None = None, tls_ca: str = ""
) -> Endpoints:
    """Return the endpoints of a server; streams and WS API are on its own host unless given."""
    parts = urlsplit(rest_url)
    host = f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}"
    return Endpoints(rest_url, market_url or host, order_url or f"{host}/ws-api/v3", tls_ca)


def endpoints_of(mode: str, addresses: Mapping[str, str | None], tls_ca: str = "") -> Endpoints:
    """Return the mode's own hosts, or those of ``addresses`` where a rest_url is among them."""
    rest_url = addresses.get("rest_url")
    if rest_url is None:
        return replace(LIVE if mode == "live" else TESTNET, tls_ca=tls_ca)
    return served_at(rest_url, addresses.get("market_url"), addresses.get("order_url"), tls_ca)


def market_stream_url(endpoints: Endpoints, instruments: Sequence[Instrument]) -> str:
    """Return the combined stream of depth, trades and touch of each instrument.

    Streams named in the address need no subscription message, so a reconnect is one step.
    """
    streams = []
    for instrument in instruments:
        symbol = instrument.symbol.lower()
        streams += [f"{symbol}@depth@100ms", f"{symbol}@trade", f"{symbol}@bookTicker"]
    return f"{endpoints.market_url}/stream?streams={'/'.join(streams)}"
