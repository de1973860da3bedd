"""Orders, trades and books in the protocol's JSON shapes.

Owns field names and their order. Knows no endpoint, no connection and no account rules.
Times on the wire are milliseconds; amounts are text with eight decimals.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from hftd.simex.events import ExecType, OrderEvent, Placed
from hftd.simex.exchange import Listing
from hftd.simex.numbers import text_of
from hftd.simex.orders import OPEN, AccountTrade, Order
from hftd.simex.requests import ExpiryReason, Kind, Side, Stp, TouchChanged, Trade

Json: TypeAlias = dict[str, Any]

ZERO = text_of(0)


def ms(ts_ns: int) -> int:
    """Return a time as the wire has it."""
    return ts_ns // 1_000_000


def price_text(listing: Listing, price_ticks: int) -> str:
    """Return a price."""
    return text_of(price_ticks * listing.filters.tick)


def qty_text(listing: Listing, qty_lots: int) -> str:
    """Return a quantity."""
    return text_of(qty_lots * listing.filters.lot)


def levels(listing: Listing, side: list[tuple[int, int]]) -> list[list[str]]:
    """Return book levels as pairs of text."""
    tick, lot = listing.filters.tick, listing.filters.lot
    return [[text_of(price * tick), text_of(qty * lot)] for price, qty in side]


# --- replies to order requests ------------------------------------------------------------


def order_ack(order: Order) -> Json:
    """Return the ACK form of a placed order."""
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
        "transactTime": ms(order.updated_ns),
    }


def order_result(listing: Listing, order: Order) -> Json:
    """Return the RESULT form: the ACK and how the order stands."""
    result = {**order_ack(order), **_amounts(listing, order), **_terms(order)}
    result["workingTime"] = ms(order.created_ns)
    result["selfTradePreventionMode"] = order.stp.value
    if order.expiry is not None and order.expiry is not ExpiryReason.SELF_TRADE:
        result["expiryReason"] = order.expiry.value
    return {**result, **_prevented(listing, order)}


def order_full(listing: Listing, placed: Placed) -> Json:
    """Return the FULL form: the RESULT and the trades done at once."""
    result = order_result(listing, placed.order)
    result["fills"] = [
        {
            "price": price_text(listing, trade.price_ticks),
            "qty": qty_text(listing, trade.qty_lots),
            "commission": text_of(trade.fee_atoms),
            "commissionAsset": trade.fee_asset,
            "tradeId": trade.trade_id,
        }
        for trade in placed.trades
    ]
    return result


def order_canceled(listing: Listing, order: Order, request_id: str) -> Json:
    """Return the reply to a cancel whose own client id is ``request_id``."""
    return {
        "symbol": order.symbol,
        "origClientOrderId": order.client_order_id,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": request_id,
        "transactTime": ms(order.updated_ns),
        **_amounts(listing, order),
        **_terms(order),
        "selfTradePreventionMode": order.stp.value,
        **_prevented(listing, order),
    }


def order_query(listing: Listing, order: Order) -> Json:
    """Return an order as queries show it."""
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
        **_amounts(listing, order),
        **_terms(order),
        "stopPrice": ZERO,
        "icebergQty": ZERO,
        "time": ms(order.created_ns),
        "updateTime": ms(order.updated_ns),
        "isWorking": True,
        "workingTime": ms(order.created_ns),
        "selfTradePreventionMode": order.stp.value,
        **_prevented(listing, order),
    }


def _prevented(listing: Listing, order: Order) -> Json:
    if not order.prevented_lots:
        return {}
    return {"preventedQuantity": qty_text(listing, order.prevented_lots)}


def _amounts(listing: Listing, order: Order) -> Json:
    return {
        "price": price_text(listing, order.price_ticks),
        "origQty": qty_text(listing, order.qty_lots),
        "executedQty": qty_text(listing, order.cum_lots),
        "origQuoteOrderQty": text_of(order.quote_order_atoms),
        "cummulativeQuoteQty": text_of(order.cum_quote_atoms),
    }


def _terms(order: Order) -> Json:
    return {
        "status": order.status.value,
        "timeInForce": order.tif.value,
        "type": order.kind.value,
        "side": order.side.value,
    }


def account_trade(listing: Listing, trade: AccountTrade) -> Json:
    """Return one of the account's own trades."""
    return {
        "symbol": trade.symbol,
        "id": trade.trade_id,
        "orderId": trade.order_id,
        "orderListId": -1,
        "price": price_text(listing, trade.price_ticks),
        "qty": qty_text(listing, trade.qty_lots),
        "quoteQty": text_of(trade.quote_atoms),
        "commission": text_of(trade.fee_atoms),
        "commissionAsset": trade.fee_asset,
        "time": ms(trade.ts_ns),
        "isBuyer": trade.is_buyer,
        "isMaker": trade.is_maker,
        "isBestMatch": True,
    }


def public_trade(listing: Listing, trade: Trade) -> Json:
    """Return a printed trade as REST shows it."""
    return {
        "id": trade.trade_id,
        "price": price_text(listing, trade.price_ticks),
        "qty": qty_text(listing, trade.qty_lots),
        "quoteQty": text_of(trade.price_ticks * trade.qty_lots * listing.atoms_per_tick_lot),
        "time": ms(trade.ts_ns),
        "isBuyerMaker": trade.taker_side is Side.SELL,
        "isBestMatch": True,
    }


# --- events -------------------------------------------------------------------------------


def execution_report(listing: Listing, event: OrderEvent) -> Json:
    """Return the user event of one change of an order.

    On a cancel ``c`` is the cancel's own client id and ``C`` the order's.
    """
    order, trade = event.order, event.trade
    canceled = event.exec_type is ExecType.CANCELED
    report = {
        "e": "executionReport",
        "E": ms(event.ts_ns),
        "s": order.symbol,
        "c": event.request_id if canceled else order.client_order_id,
        "S": order.side.value,
        "o": order.kind.value,
        "f": order.tif.value,
        "q": qty_text(listing, order.qty_lots),
        "p": price_text(listing, order.price_ticks),
        "P": ZERO,
        "F": ZERO,
        "g": -1,
        "C": order.client_order_id if canceled else "",
        "x": event.exec_type.value,
        "X": order.status.value,
        "r": "NONE",
        "i": order.order_id,
        "l": ZERO if trade is None else qty_text(listing, trade.qty_lots),
        "z": qty_text(listing, order.cum_lots),
        "L": ZERO if trade is None else price_text(listing, trade.price_ticks),
        "n": "0" if trade is None else text_of(trade.fee_atoms),
        "N": None if trade is None else trade.fee_asset,
        "T": ms(event.ts_ns),
        "t": -1 if trade is None else trade.trade_id,
        "I": event.exec_id,
        "w": order.status in OPEN and order.kind is not Kind.MARKET,
        "m": trade is not None and trade.is_maker,
        "M": trade is not None,
        "O": ms(order.created_ns),
        "Z": text_of(order.cum_quote_atoms),
        "Y": ZERO if trade is None else text_of(trade.quote_atoms),
        "Q": text_of(order.quote_order_atoms),
        "W": ms(order.created_ns),
        "V": order.stp.value,
    }
    if order.expiry is not None and order.expiry is not ExpiryReason.SELF_TRADE:
        report["eR"] = order.expiry.value
    if order.prevented_lots:
        report["A"] = qty_text(listing, order.prevented_lots)
    return report


def account_position(ts_ns: int, balances: list[tuple[str, int, int]]) -> Json:
    """Return the user event of changed balances."""
    return {
        "e": "outboundAccountPosition",
        "E": ms(ts_ns),
        "u": ms(ts_ns),
        "B": [
            {"a": asset, "f": text_of(free), "l": text_of(locked)}
            for asset, free, locked in balances
        ],
    }


def trade_event(listing: Listing, trade: Trade) -> Json:
    """Return a printed trade as the stream shows it."""
    return {
        "e": "trade",
        "E": ms(trade.ts_ns),
        "s": listing.spec.symbol,
        "t": trade.trade_id,
        "p": price_text(listing, trade.price_ticks),
        "q": qty_text(listing, trade.qty_lots),
        "T": ms(trade.ts_ns),
        "m": trade.taker_side is Side.SELL,
        "M": True,
    }


def book_ticker_event(listing: Listing, touch: TouchChanged) -> Json:
    """Return the touch as the stream shows it."""
    return {
        "u": touch.update_id,
        "s": listing.spec.symbol,
        "b": price_text(listing, touch.bid_ticks),
        "B": qty_text(listing, touch.bid_lots),
        "a": price_text(listing, touch.ask_ticks),
        "A": qty_text(listing, touch.ask_lots),
    }


def book_ticker(listing: Listing) -> Json:
    """Return the touch as REST shows it."""
    touch = listing.market.best() or TouchChanged(0, 0, 0, 0, 0, 0)
    return {
        "symbol": listing.spec.symbol,
        "bidPrice": price_text(listing, touch.bid_ticks),
        "bidQty": qty_text(listing, touch.bid_lots),
        "askPrice": price_text(listing, touch.ask_ticks),
        "askQty": qty_text(listing, touch.ask_lots),
    }


def symbol_rules(listing: Listing) -> Json:
    """Return the symbol's entry of exchangeInfo."""
    spec = listing.spec
    return {
        "symbol": spec.symbol,
        "status": listing.status,
        "baseAsset": spec.base,
        "baseAssetPrecision": 8,
        "quoteAsset": spec.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": False,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": listing.filters.render(),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": [mode.value for mode in Stp],
    }
