"""Account endpoints: balances, orders, trades, rates and counts of the one who asks.

Owns their parameters and answers; changes nothing.
"""

from __future__ import annotations

from hftd.simex import refusals, render
from hftd.simex.endpoint import Answer, Call, rate_text
from hftd.simex.numbers import text_of

_DAY_MS = 24 * 3600 * 1000


def account(call: Call) -> Answer:
    """Answer balances, rates and rights."""
    omit_zero = call.params.flag("omitZeroBalances", default=False)
    call.params.done()
    fees = call.exchange.fees
    rates = {
        "maker": rate_text(fees.maker),
        "taker": rate_text(fees.taker),
        "buyer": rate_text(0),
        "seller": rate_text(0),
    }
    return {
        "makerCommission": fees.maker // 10_000,
        "takerCommission": fees.taker // 10_000,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": rates,
        "canTrade": True,
        "canWithdraw": call.account in call.desk.withdrawing,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": render.ms(call.ts_ns),
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": text_of(balance.free), "locked": text_of(balance.locked)}
            for asset, balance in call.exchange.accounts.assets(call.account).items()
            if balance.free or balance.locked or not omit_zero
        ],
        "permissions": ["SPOT"],
        "uid": call.account,
    }


def restrictions(call: Call) -> Answer:
    """Answer what the key may do."""
    call.params.done()
    return {
        "ipRestrict": True,
        "createTime": 0,
        "enableReading": True,
        "enableSpotAndMarginTrading": True,
        "enableWithdrawals": call.account in call.desk.withdrawing,
        "enableInternalTransfer": False,
        "permitsUniversalTransfer": False,
        "enableMargin": False,
        "enableFutures": False,
    }


def commission(call: Call) -> Answer:
    """Answer the commission rates of a symbol."""
    listing = call.required_listing()
    call.params.done()
    fees, zero = call.exchange.fees, rate_text(0)
    none = {"maker": zero, "taker": zero, "buyer": zero, "seller": zero}
    return {
        "symbol": listing.spec.symbol,
        "standardCommission": {
            **none,
            "maker": rate_text(fees.maker),
            "taker": rate_text(fees.taker),
        },
        "specialCommission": none,
        "taxCommission": none,
        "discount": {
            "enabledForAccount": False,
            "enabledForSymbol": False,
            "discountAsset": "BNB",
            "discount": zero,
        },
    }


def order_counts(call: Call) -> Answer:
    """Answer the counts of unfilled orders."""
    call.params.done()
    return call.desk.limits.render_orders(call.account, call.ts_ns)


def order(call: Call) -> Answer:
    """Answer one order, open or final."""
    params = call.params
    listing = call.required_listing()
    symbol = listing.spec.symbol
    order_id, client_id = params.integer("orderId", -1), params.text("origClientOrderId")
    params.done()
    if order_id < 0 and client_id is None:
        return refusals.ALL_OR_ONE_ID
    book = call.exchange.bookkeeping(call.account)
    if order_id >= 0:
        found = book.find(symbol, order_id)
        if found is None and book.is_archived(symbol, order_id):
            return refusals.ARCHIVED
        if found is not None and client_id not in (None, found.client_order_id):
            return refusals.ID_MISMATCH
    else:
        assert client_id is not None
        found = book.find_by_client_id(symbol, client_id)
    return refusals.NO_SUCH_ORDER if found is None else render.order_query(listing, found)


def amendments(call: Call) -> Answer:
    """Answer the amendments of one order, oldest first."""
    params = call.params
    listing = call.required_listing()
    params.required("orderId")
    order_id, from_id = params.integer("orderId", -1), params.integer("fromExecutionId", 0)
    limit = min(params.integer("limit", 500), 1000)
    params.done()
    found = call.exchange.bookkeeping(call.account).find(listing.spec.symbol, order_id)
    if found is None:
        return refusals.NO_SUCH_ORDER
    return [
        render.amendment(listing, found, change)
        for change in found.amendments
        if change.exec_id >= from_id
    ][:limit]


def open_orders_weight(values: dict[str, str]) -> int:
    """Return the weight of asking for open orders: of one symbol 6, of all 80."""
    return 6 if values.get("symbol") else 80


def open_orders(call: Call) -> Answer:
    """Answer the open orders of a symbol, or of all."""
    symbol = call.params.text("symbol")
    call.params.done()
    if symbol is not None:
        call.desk.listing(symbol)
    orders = call.exchange.bookkeeping(call.account).open_orders(symbol)
    return [render.order_query(call.desk.listing(each.symbol), each) for each in orders]


def all_orders(call: Call) -> Answer:
    """Answer orders from an id or a time on, or the newest; open and final."""
    params = call.params
    listing = call.required_listing()
    from_id, limit = params.integer("orderId", -1), min(params.integer("limit", 500), 1000)
    start_ms, end_ms = params.integer("startTime", -1), params.integer("endTime", -1)
    params.done()
    if start_ms >= 0 and end_ms >= 0 and end_ms - start_ms > _DAY_MS:
        return refusals.TOO_LONG_SPAN
    if limit == 0:
        return refusals.invalid("limit")
    last_ms = end_ms if end_ms >= 0 else 2**63 - 1
    orders = [
        order
        for order in call.exchange.bookkeeping(call.account).all_orders(
            listing.spec.symbol, from_id
        )
        if start_ms <= render.ms(order.created_ns) <= last_ms
    ]
    begins = from_id >= 0 or start_ms >= 0
    return [
        render.order_query(listing, each)
        for each in (orders[:limit] if begins else orders[-limit:])
    ]


def my_trades_weight(values: dict[str, str]) -> int:
    """Return the weight of asking for own trades: of one order 5, else 20."""
    return 5 if values.get("orderId") else 20


def my_trades(call: Call) -> Answer:
    """Answer own trades: from an id on, of one order, of a span, or the newest."""
    params = call.params
    listing = call.required_listing()
    order_id, from_id = params.integer("orderId", -1), params.integer("fromId", -1)
    start_ms, end_ms = params.integer("startTime", -1), params.integer("endTime", -1)
    limit = min(params.integer("limit", 500), 1000)
    params.done()
    timed = start_ms >= 0 or end_ms >= 0
    if timed and (order_id >= 0 or from_id >= 0):
        return refusals.BAD_COMBINATION
    if start_ms >= 0 and end_ms >= 0 and end_ms - start_ms > _DAY_MS:
        return refusals.TOO_LONG_SPAN
    if limit == 0:
        return refusals.invalid("limit")
    book = call.exchange.bookkeeping(call.account)
    if timed or order_id >= 0:
        last_ms = end_ms if end_ms >= 0 else 2**63 - 1
        trades = [
            trade
            for trade in book.trades.get(listing.spec.symbol, [])
            if order_id in (-1, trade.order_id)
            and trade.trade_id >= from_id
            and start_ms <= render.ms(trade.ts_ns) <= last_ms
        ][:limit]
    else:
        trades = book.trades_from(listing.spec.symbol, from_id, limit)
    return [render.account_trade(listing, trade) for trade in trades]


def prevented_matches_weight(values: dict[str, str]) -> int:
    """Return the weight of asking for prevented matches: of one order 20, for one match 2."""
    return 20 if values.get("orderId") else 2


def prevented_matches(call: Call) -> Answer:
    """Answer one prevented match, or those of one order from an id on."""
    params = call.params
    listing = call.required_listing()
    match_id, order_id = params.integer("preventedMatchId", -1), params.integer("orderId", -1)
    from_id, limit = params.integer("fromPreventedMatchId", -1), params.integer("limit", 500)
    params.done()
    # Either the one match, or an order; from an id on only within an order.
    if (match_id >= 0) == (order_id >= 0) or (match_id >= 0 and from_id >= 0):
        return refusals.BAD_COMBINATION
    matches = call.exchange.bookkeeping(call.account).prevented.get(listing.spec.symbol, [])
    return [
        render.prevented_match(listing, match)
        for match in matches
        if (
            match.match_id == match_id
            or (
                order_id in (match.taker_order_id, match.maker_order_id)
                and match.match_id >= from_id
            )
        )
    ][: min(limit, 1000)]


def trade_fee(call: Call) -> Answer:
    """Answer the rates of one symbol, or of all, as fractions."""
    symbol = call.params.text("symbol")
    call.params.done()
    listings = call.exchange.listings
    symbols = list(listings) if symbol is None else [call.desk.listing(symbol).spec.symbol]
    fees = call.exchange.fees
    return [
        {
            "symbol": each,
            "makerCommission": rate_text(fees.maker),
            "takerCommission": rate_text(fees.taker),
        }
        for each in symbols
    ]


def nothing(call: Call) -> Answer:
    """Answer an empty list, whatever was asked for."""
    call.params.ignore(*call.params.values)
    return []


# --- listen keys --------------------------------------------------------------------------


def start_listen_key(call: Call) -> Answer:
    """Answer the listen key of the account."""
    call.params.done()
    return {"listenKey": call.desk.listen_keys.start(call.account, call.ts_ns)}


def keep_listen_key(call: Call) -> Answer:
    """Let a listen key live for another hour."""
    key = call.params.required("listenKey")
    call.params.done()
    known = call.desk.listen_keys.keep(call.account, key, call.ts_ns)
    return {} if known else refusals.BAD_LISTEN_KEY


def end_listen_key(call: Call) -> Answer:
    """End a listen key."""
    key = call.params.required("listenKey")
    call.params.done()
    known = call.desk.listen_keys.end(call.account, key, call.ts_ns)
    return {} if known else refusals.BAD_LISTEN_KEY
