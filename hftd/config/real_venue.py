"""The venue section of a profile that trades on Binance Spot, or on a server of its protocol.

Owns its keys, and which addresses may be named: plain text only on loopback, since keys and
orders would be read on the way; production hosts only where the mode says so. Must not know
sockets or certificates. Pure.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from hftd.config.values import (
    NonNegativeBps,
    PositiveMs,
    SecretReference,
    Section,
    matching,
    misplaced,
)

_HOST: Final = r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:]{2,39}\])(?::[0-9]{1,5})?"
_LOOPBACK: Final = r"(?:127(?:\.[0-9]{1,3}){3}|localhost|\[::1\])(?::[0-9]{1,5})?"
_PATH: Final = r"(?:/[A-Za-z0-9._/-]{0,100})?"
_PRODUCTION: Final = re.compile(r"(?:.*\.)?binance\.(?:com|us)")

RestAddress = Annotated[
    str,
    matching(
        re.compile(f"https://{_HOST}|http://{_LOOPBACK}"),
        "https://HOST[:PORT] (http:// on loopback alone)",
    ),
]
StreamAddress = Annotated[
    str,
    matching(
        re.compile(f"wss://{_HOST}|ws://{_LOOPBACK}"),
        "wss://HOST[:PORT] (ws:// on loopback alone)",
    ),
]
OrderAddress = Annotated[
    str,
    matching(
        re.compile(f"wss://{_HOST}{_PATH}|ws://{_LOOPBACK}{_PATH}"),
        "wss://HOST[:PORT]/PATH (ws:// on loopback alone)",
    ),
]


class AccountFees(Section):
    """Fee rates of the account; doctor compares them with what the venue says."""

    maker_bps: Annotated[NonNegativeBps, Field(le=1_000)] = Decimal(10)
    """Fee of an order that rested; the edge check counts on it."""
    taker_bps: Annotated[NonNegativeBps, Field(le=1_000)] = Decimal(10)
    """Fee of an order that crossed."""


class BinanceVenue(Section):
    """Binance Spot: the test hosts or production, as the mode says; or a server like it."""

    kind: Literal["binance"]
    """Which venue this is."""
    api_key: SecretReference
    """Key by reference; it may trade and read, and must not be able to withdraw."""
    api_secret: SecretReference
    """HMAC secret, or Ed25519 private key in PEM (the better one), by reference."""
    rest_url: RestAddress | None = None
    """REST address in place of the mode's own host; a rehearsal says https://127.0.0.1:8900."""
    market_url: StreamAddress | None = None
    """Address of the market streams; default: the host of rest_url."""
    order_url: OrderAddress | None = None
    """Address of the WS API; default: /ws-api/v3 on the host of rest_url."""
    tls_ca: str | None = Field(default=None, min_length=1, max_length=4096)
    """Certificates (PEM) to trust in place of the system's, relative to the file naming it."""
    fees: AccountFees = AccountFees()
    """What the account pays."""
    recv_window_ms: Annotated[PositiveMs, Field(ge=100, le=5_000)] = 2_000
    """How late a request may reach the matching engine; bounds every unknown outcome."""
    account: Literal["shared", "dedicated"] = "shared"
    """Whether others trade on this account; kill sweeps whole symbols only if dedicated."""

    @model_validator(mode="after")
    def _addresses_agree(self) -> Self:
        for key in ("market_url", "order_url"):
            if self.rest_url is None and getattr(self, key) is not None:
                raise misplaced("rest_url", f"is required where {key} is given")
        return self

    @property
    def addresses(self) -> dict[str, str]:
        """The addresses that are given, by key."""
        named = {key: getattr(self, key) for key in ("rest_url", "market_url", "order_url")}
        return {key: url for key, url in named.items() if url is not None}


def is_loopback(url: str) -> bool:
    """Tell whether an address is on this machine."""
    return re.fullmatch(f"[a-z]+://{_LOOPBACK}{_PATH}", url) is not None


def is_production(url: str) -> bool:
    """Tell whether an address is a host where money is at stake."""
    return _PRODUCTION.fullmatch(urlsplit(url).hostname or "") is not None


def check_mode(mode: str, venue: BinanceVenue) -> None:
    """Refuse a venue whose hosts are not those of the mode."""
    if mode == "paper":
        raise misplaced("mode", "testnet or live, as venue.kind binance simulates nothing")
    for key, url in venue.addresses.items():
        if mode == "testnet" and is_production(url):
            raise misplaced(f"venue.{key}", "a test host, as mode testnet demands")
        if mode == "live" and not is_loopback(url):
            raise misplaced(f"venue.{key}", "on loopback: live is refused elsewhere")
