"""The words of the simulated exchange: what enters a market and what it reports back.

Owns the records between the venue and its markets. Knows no protocol text beyond the enum
values, no balances and no connections. Prices are ticks, quantities lots, money atoms
(1e-8 of the asset), times ``*_ns`` of the venue's clock; all are plain integers.

Grammar of the reports that answer one request (also what ``Market.advance`` yields, many
times over, in order of time):

    place    Rejected
             | Accepted work? (Triggered work)*          a stop order waits: no work of its own
    work     (Trade | Prevented)* Expired?               what ends the order itself comes last
    cancel   Canceled | CancelRejected
    amend    Amended
    then     TouchChanged?                               once, if the touch differs from before
    cut      DepthChanged                                never inside the reports of a request
"""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

from msgspec import Struct

FEE_ACCOUNT = 0
"""The account that receives all fees. Users are numbered from 1, house accounts below 0."""

TAPE_ACCOUNT = -1_000_000
"""The house account that stands for the recorded crowd of a tape."""


class Side(Enum):
    """The side of an order."""

    BUY = "BUY"
    SELL = "SELL"

    # There is one of each, and Enum's own hash of the name takes half a microsecond.
    __hash__ = object.__hash__


class Kind(Enum):
    """The order types that the venue matches."""

    LIMIT = "LIMIT"
    LIMIT_MAKER = "LIMIT_MAKER"
    MARKET = "MARKET"
    STOP_LOSS = "STOP_LOSS"
    STOP_LOSS_LIMIT = "STOP_LOSS_LIMIT"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT_LIMIT"


AT_MARKET = (Kind.MARKET, Kind.STOP_LOSS, Kind.TAKE_PROFIT)
"""Types without a limit: their price is 0."""

STOPS = (Kind.STOP_LOSS, Kind.STOP_LOSS_LIMIT, Kind.TAKE_PROFIT, Kind.TAKE_PROFIT_LIMIT)
"""Types that wait for a trade at their stop price; the venue calls them algo orders."""


def rises_to(kind: Kind, side: Side) -> bool:
    """Return whether a stop order waits above the market; else it waits below."""
    return (kind in (Kind.STOP_LOSS, Kind.STOP_LOSS_LIMIT)) == (side is Side.BUY)


class TimeInForce(Enum):
    """The lifetime of an order: rest, take what is there, or all at once."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class Stp(Enum):
    """Self-trade prevention; the mode of the taker decides.

    TRANSFER needs accounts in trade groups, which this venue has none of: it allows the others.
    """

    NONE = "NONE"
    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"
    DECREMENT = "DECREMENT"
    TRANSFER = "TRANSFER"


class ExpiryReason(Enum):
    """Why an order ended without being canceled or filled."""

    IOC = "UNFILLED_IOC_QUANTITY_EXPIRED"
    FOK = "UNFILLED_FOK_ORDER_EXPIRED"
    NO_LIQUIDITY = "INSUFFICIENT_LIQUIDITY"


# --- requests -----------------------------------------------------------------------------


class Place(Struct, frozen=True, gc=False):
    """Ask a market to match an order and rest what is left.

    ``order_id`` comes from the market's own ``next_order_id()``: one axis per symbol.
    ``price_ticks`` is 0 for the types of ``AT_MARKET``. ``budget`` bounds their BUY: the sum of
    price_ticks * qty_lots over its trades may not pass it; 0 means no bound. ``stop_ticks`` is
    above 0 for the types of ``STOPS`` while they wait. Of an order with ``iceberg_lots`` above 0
    at most so many rest in sight.
    """

    order_id: int
    account: int
    side: Side
    price_ticks: int
    qty_lots: int
    kind: Kind = Kind.LIMIT
    tif: TimeInForce = TimeInForce.GTC
    stp: Stp = Stp.NONE
    budget: int = 0
    stop_ticks: int = 0
    iceberg_lots: int = 0


class Cancel(Struct, frozen=True, gc=False):
    """Ask a market to take an order off the book."""

    order_id: int


# --- reports ------------------------------------------------------------------------------


class Accepted(Struct, frozen=True, gc=False):
    """The order passed the market's own checks; its trades, if any, follow."""

    order_id: int
    account: int
    ts_ns: int


class Rejected(Struct, frozen=True, gc=False):
    """The market refused the order, and nothing changed.

    A LIMIT_MAKER that would take, or a stop order whose price is reached already.
    """

    order_id: int
    account: int
    code: int
    msg: str
    ts_ns: int


class Trade(Struct, frozen=True, gc=False):
    """One execution. Order id 0 and ``TAPE_ACCOUNT`` stand for the recorded crowd.

    ``public`` says whether it is printed on the trade stream. A matching market prints every
    trade. A tape prints the recorded ones (both order ids 0: nothing is settled) and does not
    print our own fills (one order id is ours: settled). ``trade_id`` of printed trades grows
    by exactly one; the unprinted fills of a tape have an increasing axis of their own.
    """

    trade_id: int
    ts_ns: int
    price_ticks: int
    qty_lots: int
    taker_side: Side
    maker_order_id: int
    taker_order_id: int
    maker_account: int
    taker_account: int
    public: bool = True


class Canceled(Struct, frozen=True, gc=False):
    """The order left the book on request; ``leaves_lots`` were not filled."""

    order_id: int
    account: int
    leaves_lots: int
    ts_ns: int


class CancelRejected(Struct, frozen=True, gc=False):
    """No such order rests here."""

    order_id: int
    ts_ns: int


class Expired(Struct, frozen=True, gc=False):
    """The order ended by its own terms; ``leaves_lots`` were not filled."""

    order_id: int
    account: int
    leaves_lots: int
    reason: ExpiryReason
    ts_ns: int


class Triggered(Struct, frozen=True, gc=False):
    """A trade reached the price of a stop order: from here on it works like any other."""

    order_id: int
    account: int
    ts_ns: int


class Amended(Struct, frozen=True, gc=False):
    """A resting or waiting order became smaller and kept its place."""

    order_id: int
    account: int
    leaves_lots: int
    ts_ns: int


class Prevented(Struct, frozen=True, gc=False):
    """Two orders of one account met and did not trade.

    ``lots`` at ``price_ticks`` are what they would have traded; ``taker_lots`` and
    ``maker_lots`` what each lost of its quantity, 0 where the mode spares it. An order that
    has nothing left is over. ``match_id`` grows by one within the symbol.
    """

    match_id: int
    ts_ns: int
    price_ticks: int
    lots: int
    mode: Stp
    account: int
    taker_order_id: int
    maker_order_id: int
    taker_lots: int
    maker_lots: int


class TouchChanged(Struct, frozen=True, gc=False):
    """Best bid or ask changed in price or quantity. A missing side is 0 ticks, 0 lots.

    ``update_id`` lies on the axis of the depth events: after the depth event that ends at u,
    the rebuilt touch equals the last TouchChanged with ``update_id`` at or below u.
    """

    update_id: int
    ts_ns: int
    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int


class DepthChanged(Struct, frozen=True, gc=False):
    """One cut of the differential book stream, 100 ms of changes conflated.

    ``first_update_id`` is one more than the cut before ended with. ``bids`` and ``asks`` are
    (price_ticks, qty_lots) with the absolute quantity; 0 lots deletes the level.
    """

    first_update_id: int
    last_update_id: int
    ts_ns: int
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]


class DepthSnapshot(Struct, frozen=True, gc=False):
    """The book as of the last cut, best level first on both sides."""

    update_id: int
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]


OrderReport: TypeAlias = (
    Accepted
    | Rejected
    | Trade
    | Canceled
    | CancelRejected
    | Expired
    | Triggered
    | Amended
    | Prevented
)
Report: TypeAlias = OrderReport | TouchChanged | DepthChanged
