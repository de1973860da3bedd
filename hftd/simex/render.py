"""Orders, trades and books in the protocol's JSON shapes.

Owns field names and their order. Knows no endpoint, no connection and no account rules.
Times on the wire are milliseconds; amounts are text with eight decimals.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from hftd.simex.events import Placed
from hftd.simex.listing import STP_MODES, Listing
from hftd.simex.numbers import text_of
from hftd.simex.orders import AccountTrade, Amendment, Order, PreventedMatch
from hftd.simex.requests import Side, TouchChanged, Trade

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
    result["workingTime"] = working_time(order)
    result["selfTradePreventionMode"] = order.stp.value
    return {**result, **_conditional(listing, order)}


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
    if placed.prevented:
        result["preventedMatches"] = [
            {
                "preventedMatchId": match.match_id,
                "makerSymbol": match.symbol,
                "makerOrderId": match.maker_order_id,
                "price": price_text(listing, match.price_ticks),
                **_prevented_quantities(listing, match),
            }
            for match in placed.prevented
        ]
    return result


def _prevented_quantities(listing: Listing, match: PreventedMatch) -> Json:
    quantities = {}
    if match.taker_lots:
        quantities["takerPreventedQuantity"] = qty_text(listing, match.taker_lots)
    if match.maker_lots:
        quantities["makerPreventedQuantity"] = qty_text(listing, match.maker_lots)
    return quantities


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
        **_conditional(listing, order),
    }


def order_amended(listing: Listing, order: Order) -> Json:
    """Return the reply to an amendment, the newest of the order's."""
    amendment = order.amendments[-1]
    return {
        "transactTime": ms(amendment.ts_ns),
        "executionId": amendment.exec_id,
        "amendedOrder": {
            "symbol": order.symbol,
            "orderId": order.order_id,
            "orderListId": -1,
            "origClientOrderId": amendment.client_id_before,
            "clientOrderId": order.client_order_id,
            "price": price_text(listing, order.price_ticks),
            "qty": qty_text(listing, order.qty_lots),
            "executedQty": qty_text(listing, order.cum_lots),
            "preventedQty": qty_text(listing, order.prevented_lots),
            "quoteOrderQty": text_of(order.quote_order_atoms),
            "cumulativeQuoteQty": text_of(order.cum_quote_atoms),
            **_terms(order),
            "workingTime": working_time(order),
            "selfTradePreventionMode": order.stp.value,
            **_stop_and_iceberg(listing, order),
        },
    }


def amendment(listing: Listing, order: Order, change: Amendment) -> Json:
    """Return one amendment as queries show it."""
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "executionId": change.exec_id,
        "origClientOrderId": change.client_id_before,
        "newClientOrderId": change.client_order_id,
        "origQty": qty_text(listing, change.qty_lots_before),
        "newQty": qty_text(listing, change.qty_lots),
        "time": ms(change.ts_ns),
    }


def prevented_match(listing: Listing, match: PreventedMatch) -> Json:
    """Return one prevented match as queries show it; nobody here is in a trade group."""
    return {
        "symbol": match.symbol,
        "preventedMatchId": match.match_id,
        "takerOrderId": match.taker_order_id,
        "makerSymbol": match.symbol,
        "makerOrderId": match.maker_order_id,
        "tradeGroupId": -1,
        "selfTradePreventionMode": match.mode.value,
        "price": price_text(listing, match.price_ticks),
        **_prevented_quantities(listing, match),
        "transactTime": ms(match.ts_ns),
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
        "isWorking": order.working_ns != 0,
        "workingTime": working_time(order),
        "selfTradePreventionMode": order.stp.value,
        **_conditional(listing, order),
    }


def working_time(order: Order) -> int:
    """Return since when an order works, -1 while it waits for its stop price."""
    return ms(order.working_ns) if order.working_ns else -1


def _conditional(listing: Listing, order: Order) -> Json:
    # Fields that only orders have to which they apply.
    fields = _stop_and_iceberg(listing, order)
    if order.strategy_id is not None:
        fields["strategyId"] = order.strategy_id
    if order.strategy_type is not None:
        fields["strategyType"] = order.strategy_type
    if order.prevented_lots:
        fields["preventedMatchId"] = order.prevented_match_id
        fields["preventedQuantity"] = qty_text(listing, order.prevented_lots)
    if order.expiry is not None:
        fields["expiryReason"] = order.expiry.value
    return fields


def _stop_and_iceberg(listing: Listing, order: Order) -> Json:
    fields = {}
    if order.stop_ticks:
        fields["stopPrice"] = price_text(listing, order.stop_ticks)
    if order.iceberg_lots:
        fields["icebergQty"] = qty_text(listing, order.iceberg_lots)
    return fields


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
        "status": listing.shown_status.value,
        "baseAsset": spec.base,
        "baseAssetPrecision": 8,
        "quoteAsset": spec.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": [kind.value for kind in listing.kinds],
        "icebergAllowed": listing.market.takes_all_orders,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": listing.filters.render(),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": [mode.value for mode in STP_MODES],
    }
