"""What an endpoint is: the one shape that REST and the WS API share.

Owns the record of an endpoint, what its handler gets, and helpers on parameters that several
endpoints read. Knows no paths and no connections.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

from msgspec import Struct

from hftd.simex import refusals
from hftd.simex.exchange import Exchange
from hftd.simex.limits import RateLimits
from hftd.simex.listen_keys import ListenKeys
from hftd.simex.listing import Listing
from hftd.simex.market import ATOMS
from hftd.simex.params import Params
from hftd.simex.prints import Prints
from hftd.simex.refusals import Refusal, Refused

PUBLIC, KEYED, SIGNED = "PUBLIC", "KEYED", "SIGNED"

_CLIENT_ID = re.compile(r"[a-zA-Z0-9\-_.:/]{1,36}")
_LEGAL_CLIENT_ID = "^[a-zA-Z0-9-_.:/]{1,36}$"


class Desk:
    """All that handlers work with: the exchange, its limits, and what the public was shown."""

    def __init__(self, exchange: Exchange, limits: RateLimits) -> None:
        self.exchange = exchange
        self.limits = limits
        self.prints = {symbol: Prints() for symbol in exchange.listings}
        self.listen_keys = ListenKeys()
        self.skew_ns = 0
        """How far the clock that clients see is off: a fault, else 0."""
        self.withdrawing: frozenset[int] = frozenset()
        """Accounts whose keys say that they may withdraw."""
        self._minted = 0

    def listing(self, symbol: str) -> Listing:
        """Return a symbol's listing, or refuse."""
        listing = self.exchange.listings.get(symbol)
        if listing is None:
            raise Refused(refusals.BAD_SYMBOL)
        return listing

    def mint_client_id(self, ts_ns: int) -> str:
        """Return a client id for a request that brought none."""
        self._minted += 1  # From 1 again after a restart; reports and milliseconds go on.
        return f"simex-{ts_ns // 1_000_000}-{self.exchange.exec_id}-{self._minted}"


class Call(Struct, frozen=True):
    """One request on its way to a handler; ``account`` is 0 for public ones."""

    desk: Desk
    params: Params
    account: int
    ts_ns: int

    @property
    def exchange(self) -> Exchange:
        """Return the exchange."""
        return self.desk.exchange

    def required_listing(self) -> Listing:
        """Return the listing of the mandatory parameter ``symbol``."""
        return self.desk.listing(self.params.required("symbol"))

    def client_id(self, name: str) -> str:
        """Return a new client id: the one sent, checked, or a minted one."""
        value = self.params.text(name)
        if value is None:
            return self.desk.mint_client_id(self.ts_ns)
        if _CLIENT_ID.fullmatch(value) is None:
            raise Refused(refusals.illegal(name, _LEGAL_CLIENT_ID))
        return value


Answer: TypeAlias = dict[str, Any] | list[Any] | Refusal
Handler: TypeAlias = Callable[[Call], Answer]
Weight: TypeAlias = int | Callable[[dict[str, str]], int]


class Endpoint(Struct, frozen=True):
    """One method of the protocol: who may call it, what it weighs, what it does."""

    handler: Handler
    weight: Weight
    security: str = PUBLIC
    places_order: bool = False

    def weigh(self, values: dict[str, str]) -> int:
        """Return the weight of one call."""
        return self.weight if isinstance(self.weight, int) else self.weight(values)


def rate_text(rate: int) -> str:
    """Return a commission rate of 1e-8 as text with eight decimals."""
    return f"{rate // ATOMS}.{rate % ATOMS:08d}"
