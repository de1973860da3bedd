"""The table of endpoints, by REST route and by WS-API method, and how one is answered.

Owns which names exist, their weights and who may call them. Knows no connections.
"""

from __future__ import annotations

from hftd.simex import endpoints_account as account
from hftd.simex import endpoints_market as market
from hftd.simex import endpoints_trade as trade
from hftd.simex.endpoint import KEYED, SIGNED, Answer, Call, Endpoint
from hftd.simex.refusals import Refused

_PING = Endpoint(market.ping, 1)
_TIME = Endpoint(market.server_time, 1)
_INFO = Endpoint(market.exchange_info, 20)
_DEPTH = Endpoint(market.depth, market.depth_weight)
_TRADES = Endpoint(market.trades, 25)
_HISTORICAL = Endpoint(market.historical_trades, 25)
_AGG_TRADES = Endpoint(market.agg_trades, 4)
_KLINES = Endpoint(market.klines, 2)
_AVERAGE = Endpoint(market.average_price, 2)
_DAY_TICKER = Endpoint(market.day_ticker, market.day_ticker_weight)
_BOOK_TICKER = Endpoint(market.book_ticker, market.all_symbols_weight)
_PRICE = Endpoint(market.price_ticker, market.all_symbols_weight)
_PLACE = Endpoint(trade.place, 1, SIGNED, places_order=True)
_TEST = Endpoint(trade.test, 1, SIGNED)
_CANCEL = Endpoint(trade.cancel, 1, SIGNED)
_CANCEL_ALL = Endpoint(trade.cancel_all, 1, SIGNED)
_REPLACE = Endpoint(trade.cancel_replace, 1, SIGNED, places_order=True)
_AMEND = Endpoint(trade.amend, 4, SIGNED)
_AMENDMENTS = Endpoint(account.amendments, 4, SIGNED)
_ORDER = Endpoint(account.order, 4, SIGNED)
_OPEN_ORDERS = Endpoint(account.open_orders, account.open_orders_weight, SIGNED)
_ALL_ORDERS = Endpoint(account.all_orders, 20, SIGNED)
_ACCOUNT = Endpoint(account.account, 20, SIGNED)
_COMMISSION = Endpoint(account.commission, 20, SIGNED)
_MY_TRADES = Endpoint(account.my_trades, account.my_trades_weight, SIGNED)
_PREVENTED = Endpoint(account.prevented_matches, account.prevented_matches_weight, SIGNED)
_RESTRICTIONS = Endpoint(account.restrictions, 1, SIGNED)
_ORDER_COUNTS = Endpoint(account.order_counts, 40, SIGNED)
_KEY_START = Endpoint(account.start_listen_key, 2, KEYED)
_KEY_KEEP = Endpoint(account.keep_listen_key, 2, KEYED)
_KEY_END = Endpoint(account.end_listen_key, 2, KEYED)
_TRADE_FEE = Endpoint(account.trade_fee, 1, SIGNED)
_NOTHING_SIGNED = Endpoint(account.nothing, 10, SIGNED)
_NOTHING_KEYED = Endpoint(account.nothing, 1, KEYED)

ROUTES: dict[tuple[str, str], Endpoint] = {
    ("GET", "/api/v3/ping"): _PING,
    ("GET", "/api/v3/time"): _TIME,
    ("GET", "/api/v3/exchangeInfo"): _INFO,
    ("GET", "/api/v3/depth"): _DEPTH,
    ("GET", "/api/v3/trades"): _TRADES,
    ("GET", "/api/v3/historicalTrades"): _HISTORICAL,
    ("GET", "/api/v3/aggTrades"): _AGG_TRADES,
    ("GET", "/api/v3/klines"): _KLINES,
    ("GET", "/api/v3/uiKlines"): _KLINES,
    ("GET", "/api/v3/avgPrice"): _AVERAGE,
    ("GET", "/api/v3/ticker/24hr"): _DAY_TICKER,
    ("GET", "/api/v3/ticker/bookTicker"): _BOOK_TICKER,
    ("GET", "/api/v3/ticker/price"): _PRICE,
    ("POST", "/api/v3/order"): _PLACE,
    ("POST", "/api/v3/order/test"): _TEST,
    ("DELETE", "/api/v3/order"): _CANCEL,
    ("GET", "/api/v3/order"): _ORDER,
    ("POST", "/api/v3/order/cancelReplace"): _REPLACE,
    ("PUT", "/api/v3/order/amend/keepPriority"): _AMEND,
    ("GET", "/api/v3/order/amendments"): _AMENDMENTS,
    ("GET", "/api/v3/openOrders"): _OPEN_ORDERS,
    ("DELETE", "/api/v3/openOrders"): _CANCEL_ALL,
    ("GET", "/api/v3/allOrders"): _ALL_ORDERS,
    ("GET", "/api/v3/account"): _ACCOUNT,
    ("GET", "/api/v3/account/commission"): _COMMISSION,
    ("GET", "/api/v3/myTrades"): _MY_TRADES,
    ("GET", "/api/v3/myPreventedMatches"): _PREVENTED,
    ("GET", "/api/v3/rateLimit/order"): _ORDER_COUNTS,
    ("POST", "/api/v3/userDataStream"): _KEY_START,
    ("PUT", "/api/v3/userDataStream"): _KEY_KEEP,
    ("DELETE", "/api/v3/userDataStream"): _KEY_END,
    ("GET", "/sapi/v1/asset/tradeFee"): _TRADE_FEE,
    ("GET", "/sapi/v1/account/apiRestrictions"): _RESTRICTIONS,
    # What programs ask while they load instruments, and this venue has none of.
    ("GET", "/sapi/v1/capital/config/getall"): _NOTHING_SIGNED,
    ("GET", "/sapi/v1/margin/allPairs"): _NOTHING_KEYED,
    ("GET", "/sapi/v1/margin/isolated/allPairs"): _NOTHING_SIGNED,
}

METHODS: dict[str, Endpoint] = {
    "ping": _PING,
    "time": _TIME,
    "exchangeInfo": _INFO,
    "depth": _DEPTH,
    "trades.recent": _TRADES,
    "trades.historical": _HISTORICAL,
    "trades.aggregate": _AGG_TRADES,
    "klines": _KLINES,
    "uiKlines": _KLINES,
    "avgPrice": _AVERAGE,
    "ticker.24hr": _DAY_TICKER,
    "ticker.book": _BOOK_TICKER,
    "ticker.price": _PRICE,
    "order.place": _PLACE,
    "order.test": _TEST,
    "order.cancel": _CANCEL,
    "order.cancelReplace": _REPLACE,
    "order.amend.keepPriority": _AMEND,
    "order.amendments": _AMENDMENTS,
    "order.status": _ORDER,
    "openOrders.status": _OPEN_ORDERS,
    "openOrders.cancelAll": _CANCEL_ALL,
    "allOrders": _ALL_ORDERS,
    "account.status": _ACCOUNT,
    "account.commission": _COMMISSION,
    "account.rateLimits.orders": _ORDER_COUNTS,
    "myTrades": _MY_TRADES,
    "myPreventedMatches": _PREVENTED,
    "userDataStream.start": _KEY_START,
    "userDataStream.ping": _KEY_KEEP,
    "userDataStream.stop": _KEY_END,
}


def answer(endpoint: Endpoint, call: Call) -> Answer:
    """Return what the endpoint answers, its parameters' refusals included."""
    try:
        return endpoint.handler(call)
    except Refused as refused:
        return refused.refusal
