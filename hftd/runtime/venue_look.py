"""What a venue says before anything is sent: its listing, prices, our account, our key, others.

Owns the questions of ``hftd check``, ``hftd doctor`` and of a start, asked once over REST and
read into values; a question that fails is an answer too. Sends no order and keeps no connection.
Must not judge: what an answer means for money is the caller's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple, TypeVar

import msgspec

from hftd.errors import HftdError, VenueProtocolError
from hftd.runtime.rest import RestAnswer, RestClient, error_code
from hftd.venues.binance.exchange_info import Listing, symbol_of
from hftd.venues.binance.session import KEY_REFUSED, refusal_text

RECENT_ORDERS = 50
NOT_SERVED = frozenset({404, 405, 501})

_OUR_ID = re.compile(r"h1-([0-9a-z]{6})-")

Found = TypeVar("Found")


class Balance(msgspec.Struct):
    """What the account holds of an asset."""

    asset: str
    free: Decimal
    locked: Decimal


class Rates(msgspec.Struct):
    """Fee rates as fractions."""

    maker: Decimal
    taker: Decimal


class Account(msgspec.Struct, rename="camel"):
    """The account behind the key."""

    can_trade: bool
    can_withdraw: bool
    balances: list[Balance]
    commission_rates: Rates | None = None


class Restrictions(msgspec.Struct, rename="camel"):
    """What the key may do, where the venue tells."""

    enable_withdrawals: bool
    enable_spot_and_margin_trading: bool = True
    ip_restrict: bool = True


class Order(msgspec.Struct, rename="camel"):
    """An order of the account, ours or not."""

    client_order_id: str
    status: str
    time: int = 0
    update_time: int = 0


class _Touch(msgspec.Struct, rename="camel"):
    bid_price: Decimal
    ask_price: Decimal


class _Last(msgspec.Struct):
    price: Decimal


class Stranger(NamedTuple):
    """Who else has orders on the account: another instance by its tag, others by none."""

    tag: str
    is_open: bool
    newest_ms: int


class Look:
    """Questions to one venue; ``offset_ns`` is its clock less ours, once it is known."""

    def __init__(self, rest: RestClient) -> None:
        self._rest = rest
        self.offset_ns = 0

    async def listing(self, names: Sequence[str]) -> Listing:
        """Return the instruments as listed. Raises: HftdError for any other answer."""
        listing = await self._rest.listing(names)
        if isinstance(listing, RestAnswer):
            raise HftdError(listing.told())
        return listing

    async def price(self, symbol: str) -> Decimal:
        """Return the mid, the last price where a side of the book is empty.

        Raises: HftdError where there is neither.
        """
        touch = _read(await self._rest.get(f"/api/v3/ticker/bookTicker?symbol={symbol}"), _Touch)
        if touch.bid_price > 0 and touch.ask_price > 0:
            return (touch.bid_price + touch.ask_price) / 2
        last = _read(await self._rest.get(f"/api/v3/ticker/price?symbol={symbol}"), _Last)
        if last.price <= 0:
            raise HftdError(f"{symbol} has no price yet")
        return last.price

    async def account(self) -> Account | RestAnswer:
        """Return the account, or what the venue said instead."""
        return await self._signed("/api/v3/account", {"omitZeroBalances": "true"}, Account)

    async def restrictions(self) -> Restrictions | RestAnswer:
        """Return what the key may do, or what the venue said instead."""
        return await self._signed("/sapi/v1/account/apiRestrictions", {}, Restrictions)

    async def strangers(self, names: Sequence[str], tag: str) -> list[Stranger] | RestAnswer:
        """Return who else has orders among the open ones and the newest of the instruments.

        Orders without a tag of ours count only where they are open: what somebody did by hand
        some time ago is no sign of a second program.
        """
        newest: dict[str, Stranger] = {}
        for name in names:
            params: dict[str, str | int] = {"symbol": symbol_of(name), "limit": RECENT_ORDERS}
            orders = await self._signed("/api/v3/allOrders", params, list[Order])
            if isinstance(orders, RestAnswer):
                return orders
            for order in orders:
                _note(newest, order, tag)
        return list(newest.values())

    async def _signed(
        self, path: str, params: Mapping[str, str | int], kind: type[Found]
    ) -> Found | RestAnswer:
        answer = await self._rest.get_signed(path, params, self.offset_ns)
        return _read(answer, kind) if answer.status == 200 else answer


def key_refusal(answer: RestAnswer) -> str | None:
    """Return why the venue refused the key, None where it did not."""
    code = error_code(answer.body)
    return refusal_text(code) if code in KEY_REFUSED else None


def _note(newest: dict[str, Stranger], order: Order, tag: str) -> None:
    found = _OUR_ID.match(order.client_order_id)
    of = found[1] if found else ""
    is_open = order.status in ("NEW", "PARTIALLY_FILLED", "PENDING_NEW")
    if of == tag or (not of and not is_open):
        return
    seen = newest.get(of, Stranger(of, False, 0))
    at_ms = max(order.time, order.update_time, seen.newest_ms)
    newest[of] = Stranger(of, is_open or seen.is_open, at_ms)


def _read(answer: RestAnswer, kind: type[Found]) -> Found:
    if answer.status != 200:
        raise HftdError(answer.told())
    try:
        return msgspec.json.decode(answer.body, type=kind, strict=False)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise VenueProtocolError("it answered what cannot be read") from None
