"""What users ask of the exchange, and what happens to them in answer.

Owns the records between the exchange, its memory and its dialect. Knows no protocol text beyond
the enum values. Events hold copies: nothing in them changes later, and no cycle can form.
OrderEvent and BalanceEvent are a user's truth, to be logged before anybody hears of it;
MarketEvent is public.
"""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

from msgspec import Struct

from hftd.simex.orders import AccountTrade, Order, PreventedMatch
from hftd.simex.requests import DepthChanged, Kind, Side, Stp, TimeInForce, TouchChanged, Trade


class ExecType(Enum):
    """What happened to an order, in the protocol's words."""

    NEW = "NEW"
    TRADE = "TRADE"
    CANCELED = "CANCELED"
    REPLACED = "REPLACED"
    EXPIRED = "EXPIRED"
    TRADE_PREVENTION = "TRADE_PREVENTION"
    REJECTED = "REJECTED"


class RejectReason(Enum):
    """Why the market or the account refused an order, in the word of the report."""

    FUNDS = "INSUFFICIENT_BALANCES"
    TAKES = "WOULD_MATCH_IMMEDIATELY"
    TRIGGERS = "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY"


class NewOrder(Struct, frozen=True, gc=False):
    """A user's wish; prices and quantities in atoms, 0 where not given."""

    account: int
    symbol: str
    side: Side
    kind: Kind
    tif: TimeInForce
    price_atoms: int
    qty_atoms: int
    quote_order_atoms: int
    client_order_id: str
    stp: Stp = Stp.NONE
    stop_atoms: int = 0
    iceberg_atoms: int = 0
    strategy_id: int | None = None
    strategy_type: int | None = None


class OrderEvent(Struct, frozen=True, gc=False, tag="order"):
    """One change of a user's order.

    ``request_id`` is the client id of a cancel itself; where the order was REPLACED it is the
    client id that the order bore before. ``reason`` is of a REJECTED order, which never was.
    """

    exec_type: ExecType
    order: Order
    exec_id: int
    ts_ns: int
    trade: AccountTrade | None = None
    request_id: str = ""
    prevented: PreventedMatch | None = None
    reason: RejectReason | None = None


class BalanceEvent(Struct, frozen=True, gc=False, tag="balance"):
    """Balances of one account after a change: (asset, free, locked) in atoms."""

    account: int
    ts_ns: int
    balances: list[tuple[str, int, int]]


class MarketEvent(Struct, frozen=True, gc=False):
    """A public report of one symbol."""

    symbol: str
    report: Trade | TouchChanged | DepthChanged


Event: TypeAlias = OrderEvent | BalanceEvent | MarketEvent


class Placed(Struct, frozen=True, gc=False):
    """An order as it stood when its request was done, and what it did at once as a taker."""

    order: Order
    trades: list[AccountTrade]
    prevented: list[PreventedMatch]


class Fees(Struct, frozen=True):
    """Commission rates in 1e-8 of the received amount; one basis point is 10,000."""

    maker: int = 0
    taker: int = 0
