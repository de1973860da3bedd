"""The venue's order-side messages as typed records: WS API replies and user data events.

Owns the field names of the wire and the bounds of its numbers. Must not know events. A
message that lacks a field, or whose number would not fit int64, fails to decode: but of a reply's
envelope and of an error what is no word of ours to act on may be anything, lest it hide the status.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Raw, Struct, field

Id = Annotated[int, Meta(ge=0, le=2**63 - 1)]
TradeId = Annotated[int, Meta(ge=-1, le=2**63 - 1)]
Millis = Annotated[int, Meta(ge=0, le=9_000_000_000_000)]
ErrorCode = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
Status = Annotated[int, Meta(ge=0, le=999)]


class Wait(Struct, rename="camel"):
    """When to come back, beside an error of limits."""

    server_time: Millis
    retry_after: Millis


class Legs(Struct, rename="camel"):
    """Both legs of a cancel-replace, beside its error."""

    cancel_result: str = ""
    new_order_result: str = ""
    cancel_response: Raw = Raw(b"null")
    new_order_response: Raw = Raw(b"null")


class VenueError(Struct):
    """An error of the venue, in a reply or as a REST body."""

    code: ErrorCode
    msg: Any = ""
    data: Raw = Raw(b"null")


class RateLimit(Struct, rename="camel"):
    """One of the venue's limits and how much of it is used."""

    rate_limit_type: str
    interval: str
    interval_num: Annotated[int, Meta(ge=1, le=1_000)]
    limit: Id
    count: Id = 0


class Reply(Struct, rename="camel"):
    """What comes over the WS API connection: a reply (status) or a user event (event)."""

    id: Any = None
    status: Status = 0
    result: Raw = Raw(b"null")
    error: Raw = Raw(b"null")
    rate_limits: Raw = Raw(b"[]")
    event: Raw = Raw(b"")


class OrderReply(Struct, rename="camel"):
    """An order as placed, canceled, queried or listed."""

    symbol: str
    order_id: Id
    client_order_id: str
    orig_client_order_id: str = ""
    transact_time: Millis = 0
    update_time: Millis = 0
    price: str | None = "0"
    orig_qty: str = "0"
    executed_qty: str = "0"
    status: str = "NEW"
    side: str = "BUY"


class CancelReplaceReply(Struct, rename="camel"):
    """Both legs of a cancel-replace that went well."""

    cancel_response: OrderReply
    new_order_response: OrderReply


class TradeReply(Struct, rename="camel"):
    """One execution of ours as myTrades lists it."""

    symbol: str
    id: Id
    order_id: Id
    price: str
    qty: str
    commission: str
    commission_asset: str | None
    time: Millis
    is_buyer: bool
    is_maker: bool


class BalanceReply(Struct):
    """What one asset holds, as account.status says it."""

    asset: str
    free: str
    locked: str


class AccountReply(Struct):
    """The account; assets that hold nothing may be absent."""

    balances: list[BalanceReply]


class TouchReply(Struct, rename="camel"):
    """REST bookTicker."""

    symbol: str
    bid_price: str
    bid_qty: str
    ask_price: str
    ask_qty: str


class UserEvent(Struct):
    """The head of a user data event."""

    e: str


class ExecutionReport(Struct):
    """What happened to an order; one-letter names are the wire's (see BINANCE names)."""

    symbol: str = field(name="s")
    client_order_id: str = field(name="c")
    orig_client_order_id: str = field(name="C")
    side: str = field(name="S")
    price: str = field(name="p")
    order_qty: str = field(name="q")
    execution_type: str = field(name="x")
    order_status: str = field(name="X")
    venue_order_id: Id = field(name="i")
    last_qty: str = field(name="l")
    last_price: str = field(name="L")
    cum_qty: str = field(name="z")
    trade_id: TradeId = field(name="t")
    is_maker: bool = field(name="m")
    transaction_time: Millis = field(name="T")
    reason: str = field(name="r", default="NONE")
    fee: str = field(name="n", default="0")
    fee_asset: str | None = field(name="N", default=None)


class PositionBalance(Struct):
    """One asset of outboundAccountPosition."""

    asset: str = field(name="a")
    free: str = field(name="f")
    locked: str = field(name="l")


class AccountPosition(Struct):
    """Balances that may have changed."""

    event_time: Millis = field(name="E")
    balances: list[PositionBalance] = field(name="B")


class BalanceUpdate(Struct):
    """A deposit, withdrawal or transfer."""

    event_time: Millis = field(name="E")
    asset: str = field(name="a")
    delta: str = field(name="d")
