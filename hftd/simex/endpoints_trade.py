"""Trading endpoints: place, test, amend, cancel, cancel and replace.

Owns their parameters and answers. Money, matching and history are the exchange's.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from hftd.simex import refusals, render
from hftd.simex.endpoint import Answer, Call
from hftd.simex.events import NewOrder, Placed
from hftd.simex.orders import OPEN, Order, Status
from hftd.simex.refusals import Refusal, Refused
from hftd.simex.requests import AT_MARKET, STOPS, Kind, Side, Stp, TimeInForce

MIN_STRATEGY_TYPE = 1_000_000
_BAD_STP = refusals.invalid("selfTradePreventionMode")
_BAD_FORM = refusals.invalid("newOrderRespType")


class ReplyForm(Enum):
    """How much of a placed order the reply shows."""

    ACK = "ACK"
    RESULT = "RESULT"
    FULL = "FULL"


class Restrictions(Enum):
    """In which state an order must be for a cancel to go through."""

    ONLY_NEW = "ONLY_NEW"
    ONLY_PARTIALLY_FILLED = "ONLY_PARTIALLY_FILLED"


class ReplaceMode(Enum):
    """Whether a failed cancel stops a replacement."""

    STOP_ON_FAILURE = "STOP_ON_FAILURE"
    ALLOW_FAILURE = "ALLOW_FAILURE"


class RateExceeded(Enum):
    """What a replacement does where the order limit is reached."""

    DO_NOTHING = "DO_NOTHING"
    CANCEL_ONLY = "CANCEL_ONLY"


def place(call: Call) -> Answer:
    """Place an order."""
    new, form = _read_order(call)
    call.params.done()
    placed = _place(call, new)
    return placed if isinstance(placed, Refusal) else _render(call, placed, form)


def test(call: Call) -> Answer:
    """Check an order without placing it."""
    new, _ = _read_order(call)
    call.params.ignore("computeCommissionRates")
    call.params.done()
    return call.exchange.check(new) or {}


def _place(call: Call, new: NewOrder, *, replaces: bool = False) -> Placed | Refusal:
    refusal = call.desk.limits.check_order(call.account, call.ts_ns)
    if refusal is not None:
        return refusal
    placed = call.exchange.place(new, call.ts_ns, replaces=replaces)
    if isinstance(placed, Placed):
        # What filled at once is not unfilled: its place in the window is given back.
        call.desk.limits.count_order(call.account, 0 if placed.trades else 1, call.ts_ns)
    return placed


def _render(call: Call, placed: Placed, form: ReplyForm) -> dict[str, Any]:
    listing = call.desk.listing(placed.order.symbol)
    if form is ReplyForm.ACK:
        return render.order_ack(placed.order)
    if form is ReplyForm.RESULT:
        return render.order_result(listing, placed.order)
    return render.order_full(listing, placed)


def _read_order(call: Call) -> tuple[NewOrder, ReplyForm]:
    # Presence and enumerations first, then what the type may not have, as the venue does.
    params = call.params
    symbol = call.required_listing().spec.symbol
    side = params.choice("side", Side, None, refusals.BAD_SIDE)
    kind = params.choice("type", Kind, None, refusals.BAD_KIND)
    stp = params.choice("selfTradePreventionMode", Stp, Stp.NONE, _BAD_STP)
    tif, price, qty, quote = _read_terms(call, kind)
    stop, iceberg = _read_stop(call, kind), _read_iceberg(call, kind, tif)
    strategy_id, strategy_type = _read_strategy(call)
    default = ReplyForm.FULL if kind in (Kind.LIMIT, Kind.MARKET) else ReplyForm.ACK
    form = params.choice("newOrderRespType", ReplyForm, default, _BAD_FORM)
    client_id = call.client_id("newClientOrderId")
    new = NewOrder(
        call.account,
        symbol,
        side,
        kind,
        tif,
        price,
        qty,
        quote,
        client_id,
        stp,
        stop,
        iceberg,
        strategy_id,
        strategy_type,
    )
    return new, form


def _read_terms(call: Call, kind: Kind) -> tuple[TimeInForce, int, int, int]:
    # Returns time in force, price, quantity and quote quantity as the type wants them.
    params = call.params
    if kind is Kind.MARKET:
        params.forbid("timeInForce", "price")
        qty, quote = params.atoms("quantity"), params.atoms("quoteOrderQty")
        if not qty and not quote:
            raise Refused(refusals.QUANTITY_OR_QUOTE)
        if qty and quote:
            raise Refused(refusals.not_required("quoteOrderQty"))
        return TimeInForce.GTC, 0, qty, quote
    params.forbid("quoteOrderQty")
    params.required("quantity")
    if kind in AT_MARKET:
        params.forbid("timeInForce", "price")
        return TimeInForce.GTC, 0, params.atoms("quantity"), 0
    if kind is Kind.LIMIT_MAKER:
        params.forbid("timeInForce")
        tif = TimeInForce.GTC
    else:
        tif = params.choice("timeInForce", TimeInForce, None, refusals.BAD_TIF)
    params.required("price")
    return tif, params.atoms("price"), params.atoms("quantity"), 0


def _read_stop(call: Call, kind: Kind) -> int:
    # Returns the stop price; no symbol here allows one that trails.
    params = call.params
    if kind not in STOPS:
        params.forbid("stopPrice", "trailingDelta")
        return 0
    if params.text("trailingDelta") is not None:
        raise Refused(refusals.unsupported("Trailing stop"))
    stop = params.atoms("stopPrice")
    if not stop:
        raise Refused(refusals.STOP_OR_TRAILING)
    return stop


def _read_iceberg(call: Call, kind: Kind, tif: TimeInForce) -> int:
    iceberg = call.params.atoms("icebergQty")
    if iceberg and kind in AT_MARKET:
        raise Refused(refusals.not_required("icebergQty"))
    if iceberg and tif is not TimeInForce.GTC:
        raise Refused(refusals.BAD_COMPOSITION)
    return iceberg


def _read_strategy(call: Call) -> tuple[int | None, int | None]:
    strategy_id = call.params.integer("strategyId", -1)
    strategy_type = call.params.integer("strategyType", -1)
    if 0 <= strategy_type < MIN_STRATEGY_TYPE:
        raise Refused(refusals.BAD_STRATEGY_TYPE)
    return (
        strategy_id if strategy_id >= 0 else None,
        strategy_type if strategy_type >= 0 else None,
    )


# --- amend --------------------------------------------------------------------------------


def amend(call: Call) -> Answer:
    """Make an order smaller without losing its place in the queue."""
    params = call.params
    symbol = call.required_listing().spec.symbol
    order_id, client_id = params.integer("orderId", -1), params.text("origClientOrderId")
    if order_id < 0 and client_id is None:
        return refusals.ALL_OR_ONE_ID
    params.required("newQty")
    qty = params.atoms("newQty")
    new_client_id = call.client_id("newClientOrderId")
    params.done()
    order = _find_open(call, symbol, order_id, client_id)
    if order is refusals.UNKNOWN_ORDER:
        return refusals.AMEND_UNKNOWN
    if isinstance(order, Refusal):
        return order
    amended = call.exchange.amend(order, qty, new_client_id, call.ts_ns)
    if isinstance(amended, Refusal):
        return amended
    return render.order_amended(call.desk.listing(symbol), amended)


# --- cancel -------------------------------------------------------------------------------


def cancel(call: Call) -> Answer:
    """Cancel one order by its id, its client id, or both."""
    params = call.params
    symbol = call.required_listing().spec.symbol
    order_id, client_id = params.integer("orderId", -1), params.text("origClientOrderId")
    if order_id < 0 and client_id is None:
        return refusals.ALL_OR_ONE_ID
    request_id = call.client_id("newClientOrderId")
    restrictions = _read_restrictions(call)
    params.done()
    order = _find_open(call, symbol, order_id, client_id)
    if isinstance(order, Refusal):
        return order
    return _cancel(call, order, request_id, restrictions)


def cancel_all(call: Call) -> Answer:
    """Cancel all open orders of a symbol; refuse where none is open."""
    symbol = call.required_listing().spec.symbol
    call.params.done()
    orders = call.exchange.bookkeeping(call.account).open_orders(symbol)
    if not orders:
        return refusals.UNKNOWN_ORDER
    request_id = call.desk.mint_client_id(call.ts_ns)
    return [_cancel(call, order, request_id, None) for order in orders]


def _read_restrictions(call: Call) -> Restrictions | None:
    if call.params.text("cancelRestrictions") is None:
        return None
    return call.params.choice("cancelRestrictions", Restrictions, None, refusals.BAD_RESTRICTION)


def _find_open(call: Call, symbol: str, order_id: int, client_id: str | None) -> Order | Refusal:
    # With both ids the order is looked up by its id, and the client id must match.
    book = call.exchange.bookkeeping(call.account)
    if order_id >= 0:
        order = book.find(symbol, order_id)
        if order is not None and client_id not in (None, order.client_order_id):
            return refusals.ID_MISMATCH
    else:
        assert client_id is not None
        order = book.open_by_client_id(symbol, client_id)
    if order is None or order.status not in OPEN:
        return refusals.UNKNOWN_ORDER
    return order


def _cancel(
    call: Call, order: Order, request_id: str, restrictions: Restrictions | None
) -> dict[str, Any] | Refusal:
    wanted = Status.NEW if restrictions is Restrictions.ONLY_NEW else Status.PARTIALLY_FILLED
    if restrictions is not None and order.status is not wanted:
        return refusals.CANCEL_RESTRICTED
    canceled = call.exchange.cancel(order, request_id, call.ts_ns)
    return render.order_canceled(call.desk.listing(order.symbol), canceled, request_id)


# --- cancel and replace -------------------------------------------------------------------


def cancel_replace(call: Call) -> Answer:
    """Cancel one order and place another in one request; the new one joins the back."""
    params = call.params
    mode = params.choice(
        "cancelReplaceMode", ReplaceMode, None, refusals.invalid("cancelReplaceMode")
    )
    exceeded = params.choice(
        "orderRateLimitExceededMode",
        RateExceeded,
        RateExceeded.DO_NOTHING,
        refusals.invalid("orderRateLimitExceededMode"),
    )
    order_id = params.integer("cancelOrderId", -1)
    client_id = params.text("cancelOrigClientOrderId")
    request_id = call.client_id("cancelNewClientOrderId")
    restrictions = _read_restrictions(call)
    new, form = _read_order(call)
    params.done()
    if order_id < 0 and client_id is None:
        return refusals.CANCEL_REPLACE_ID
    limited = call.desk.limits.check_order(call.account, call.ts_ns)
    if limited is not None and exceeded is RateExceeded.DO_NOTHING:
        return limited
    order = _find_open(call, new.symbol, order_id, client_id)
    # Filters are looked at before anything is canceled.
    refusal = call.exchange.check(new, replaced=None if isinstance(order, Refusal) else order)
    if refusal is not None:
        return refusal
    canceled: dict[str, Any] | Refusal = (
        order if isinstance(order, Refusal) else _cancel(call, order, request_id, restrictions)
    )
    if isinstance(canceled, Refusal) and mode is ReplaceMode.STOP_ON_FAILURE:
        return _outcome(canceled, None)
    placed = _place(call, new, replaces=not isinstance(canceled, Refusal))
    return _outcome(
        canceled, placed if isinstance(placed, Refusal) else _render(call, placed, form)
    )


def _outcome(canceled: dict[str, Any] | Refusal, placed: dict[str, Any] | Refusal | None) -> Answer:
    # Both done: the plain answer; one of them: 409 and -2021; none: 400 and -2022.
    cancel_failed, place_failed = isinstance(canceled, Refusal), isinstance(placed, Refusal)
    result = {
        "cancelResult": "FAILURE" if cancel_failed else "SUCCESS",
        "newOrderResult": "NOT_ATTEMPTED"
        if placed is None
        else ("FAILURE" if place_failed else "SUCCESS"),
        "cancelResponse": _inner(canceled),
        "newOrderResponse": None if placed is None else _inner(placed),
    }
    if not cancel_failed and not place_failed:
        return result
    if cancel_failed and (place_failed or placed is None):
        return refusals.replace_failed(result)
    return refusals.replace_half_failed(result)


def _inner(answer: dict[str, Any] | Refusal) -> dict[str, Any]:
    if isinstance(answer, Refusal):
        return {"code": answer.code, "msg": answer.msg}
    return answer
