"""REST as a client sees it: shapes, refusals, limits."""

from __future__ import annotations

from typing import Any

import pytest

from hftd.simex.limits import Limits
from tests.simex.desk_client import OTHER_KEY, OTHER_SECRET, SECRET, T0, Client, quiet_venue, sign

SECOND = 1_000_000_000
LIMIT = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC"
MARKET = "symbol=BTCUSDT&side=BUY&type=MARKET"


def code(answer: tuple[int, Any]) -> tuple[int, int]:
    """Return status and error code."""
    return answer[0], answer[1]["code"]


def test_ping_and_time() -> None:
    """The venue answers its own clock, which is the time it is told."""
    client = Client(quiet_venue())
    assert client.get("/api/v3/ping") == (200, {})
    assert client.get("/api/v3/time") == (200, {"serverTime": client.ts_ns // 1_000_000})
    assert client.headers["X-MBX-USED-WEIGHT-1M"] == "2"


def test_exchange_info_says_the_rules() -> None:
    """PRICE_FILTER stands first, permissions is a list, and every documented key is there."""
    status, info = Client(quiet_venue()).get("/api/v3/exchangeInfo", "symbol=BTCUSDT")
    assert status == 200
    symbol = info["symbols"][0]
    assert symbol["filters"][0] == {
        "filterType": "PRICE_FILTER",
        "minPrice": "0.01000000",
        "maxPrice": "1000000.00000000",
        "tickSize": "0.01000000",
    }
    assert symbol["permissions"] == []
    assert {"baseAssetPrecision", "quotePrecision", "icebergAllowed", "allowTrailingStop"} <= set(
        symbol
    )
    assert [each["rateLimitType"] for each in info["rateLimits"]] == [
        "REQUEST_WEIGHT",
        "ORDERS",
        "ORDERS",
        "RAW_REQUESTS",
    ]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("symbols=%5B%22BTCUSDT%22%5D", 200),
        ('symbols=["BTCUSDT"]', 200),
        ("symbols=BTCUSDT", -1100),
        ("symbol=NOPE", -1121),
        ("symbol=btcusdt", -1121),
        ('symbol=BTCUSDT&symbols=["BTCUSDT"]', -1128),
        ("", 200),
    ],
)
def test_exchange_info_by_symbols(query: str, wanted: int) -> None:
    """Symbols may come alone, as an encoded list, or not at all."""
    status, answer = Client(quiet_venue()).get("/api/v3/exchangeInfo", query)
    assert wanted in (status, answer.get("code"))


def test_depth_is_cut_on_an_event_boundary() -> None:
    """The snapshot is the book as of the last depth event's end; limit counts levels."""
    client = Client(quiet_venue())
    client.limit("BUY", "59000.00", "0.001")
    status, book = client.get("/api/v3/depth", "symbol=BTCUSDT&limit=1")
    assert (status, book) == (
        200,
        {
            "lastUpdateId": 4,
            "bids": [["59999.00000000", "1.00000000"]],
            "asks": [["60001.00000000", "1.00000000"]],
        },
    )
    client.wait_ns(SECOND)
    status, book = client.get("/api/v3/depth", "symbol=BTCUSDT")
    assert (book["lastUpdateId"], len(book["bids"])) == (5, 3)


@pytest.mark.parametrize(
    ("limit", "weight"), [(1, 5), (100, 5), (101, 25), (500, 25), (1000, 50), (5000, 250)]
)
def test_depth_weighs_by_its_limit(limit: int, weight: int) -> None:
    """Deeper snapshots cost more weight."""
    client = Client(quiet_venue())
    client.get("/api/v3/depth", f"symbol=BTCUSDT&limit={limit}")
    assert client.headers["X-MBX-USED-WEIGHT-1M"] == str(weight)


def test_book_ticker_alone_and_of_all() -> None:
    """With a symbol an object comes, without one a list."""
    client = Client(quiet_venue())
    ticker = {
        "symbol": "BTCUSDT",
        "bidPrice": "59999.00000000",
        "bidQty": "1.00000000",
        "askPrice": "60001.00000000",
        "askQty": "1.00000000",
    }
    assert client.get("/api/v3/ticker/bookTicker", "symbol=BTCUSDT") == (200, ticker)
    assert client.get("/api/v3/ticker/bookTicker") == (200, [ticker])


def test_a_resting_order_through_its_life() -> None:
    """Placed, queried, listed, canceled: names, amounts and states as documented."""
    client = Client(quiet_venue())
    status, placed = client.limit("BUY", "59000.00", "0.01", newClientOrderId="one")
    now_ms = client.ts_ns // 1_000_000
    assert (status, placed) == (
        200,
        {
            "symbol": "BTCUSDT",
            "orderId": 5,
            "orderListId": -1,
            "clientOrderId": "one",
            "transactTime": now_ms,
            "price": "59000.00000000",
            "origQty": "0.01000000",
            "executedQty": "0.00000000",
            "origQuoteOrderQty": "0.00000000",
            "cummulativeQuoteQty": "0.00000000",
            "status": "NEW",
            "timeInForce": "GTC",
            "type": "LIMIT",
            "side": "BUY",
            "workingTime": now_ms,
            "selfTradePreventionMode": "NONE",
            "fills": [],
        },
    )
    assert client.headers["X-MBX-ORDER-COUNT-10S"] == "1"
    assert client.balances()["USDT"] == ("99410.00000000", "590.00000000")
    _, open_orders = client.signed("GET", "openOrders", "symbol=BTCUSDT")
    _, order = client.signed("GET", "order", "symbol=BTCUSDT&origClientOrderId=one")
    assert open_orders == [order]
    assert (order["isWorking"], order["stopPrice"]) == (True, "0.00000000")
    status, canceled = client.signed(
        "DELETE", "order", "symbol=BTCUSDT&orderId=5&newClientOrderId=gone"
    )
    assert status == 200
    assert (canceled["origClientOrderId"], canceled["clientOrderId"]) == ("one", "gone")
    assert canceled["status"] == "CANCELED"
    assert client.signed("GET", "openOrders") == (200, [])
    assert client.balances()["USDT"] == ("100000.00000000", "0.00000000")
    assert client.signed("GET", "order", "symbol=BTCUSDT&orderId=5")[1]["status"] == "CANCELED"


def test_a_market_order_and_its_trade() -> None:
    """The fee is taken in what was received, and the trade is in both histories."""
    client = Client(quiet_venue())
    status, order = client.signed("POST", "order", MARKET + "&quantity=0.01")
    assert (status, order["status"], order["price"]) == (200, "FILLED", "0.00000000")
    assert order["fills"] == [
        {
            "price": "60001.00000000",
            "qty": "0.01000000",
            "commission": "0.00001000",
            "commissionAsset": "BTC",
            "tradeId": 1,
        }
    ]
    assert client.balances() == {
        "USDT": ("99399.99000000", "0.00000000"),
        "BTC": ("1.00999000", "0.00000000"),
    }
    _, trades = client.signed("GET", "myTrades", "symbol=BTCUSDT&fromId=1")
    assert trades == [
        {
            "symbol": "BTCUSDT",
            "id": 1,
            "orderId": 5,
            "orderListId": -1,
            "price": "60001.00000000",
            "qty": "0.01000000",
            "quoteQty": "600.01000000",
            "commission": "0.00001000",
            "commissionAsset": "BTC",
            "time": client.ts_ns // 1_000_000,
            "isBuyer": True,
            "isMaker": False,
            "isBestMatch": True,
        }
    ]
    assert client.signed("GET", "myTrades", "symbol=BTCUSDT&fromId=2") == (200, [])
    assert client.signed("GET", "myTrades", "symbol=BTCUSDT&orderId=4") == (200, [])
    public = client.get("/api/v3/trades", "symbol=BTCUSDT")[1]
    assert [(each["id"], each["isBuyerMaker"]) for each in public] == [(1, False)]


def test_market_by_quote_quantity() -> None:
    """600 USDT buy what they buy at the prices of the book, and no more is spent."""
    client = Client(quiet_venue())
    _, order = client.signed("POST", "order", MARKET + "&quoteOrderQty=600")
    assert (order["status"], order["origQuoteOrderQty"]) == ("FILLED", "600.00000000")
    assert order["executedQty"] == "0.00999000"
    assert client.balances()["USDT"] == ("99400.59001000", "0.00000000")


def test_what_is_not_filled_expires() -> None:
    """IOC and FOK answer 200 and EXPIRED, with the reason."""
    client = Client(quiet_venue())
    _, ioc = client.limit("BUY", "60001.00", "1.5", timeInForce="IOC")
    assert (ioc["status"], ioc["executedQty"]) == ("EXPIRED", "1.00000000")
    assert ioc["expiryReason"] == "UNFILLED_IOC_QUANTITY_EXPIRED"
    _, fok = client.limit("SELL", "59999.00", "1.5", timeInForce="FOK")
    assert (fok["status"], fok["executedQty"]) == ("EXPIRED", "0.00000000")
    assert fok["expiryReason"] == "UNFILLED_FOK_ORDER_EXPIRED"
    assert all(locked == "0.00000000" for _, locked in client.balances().values())


@pytest.mark.parametrize(("form", "has"), [("ACK", 5), ("RESULT", 16), ("FULL", 17)])
def test_reply_forms(form: str, has: int) -> None:
    """The client chooses how much it is told."""
    query = f"{LIMIT}&price=59000.00&quantity=0.01&newOrderRespType={form}"
    assert len(Client(quiet_venue()).signed("POST", "order", query)[1]) == has


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", -1102),
        ("symbol=NOPE&side=BUY&type=LIMIT", -1121),
        ("symbol=BTCUSDT&type=LIMIT", -1102),
        ("symbol=BTCUSDT&side=UP&type=LIMIT", -1117),
        ("symbol=BTCUSDT&side=BUY&type=ODD", -1116),
        ("symbol=BTCUSDT&side=BUY&type=STOP_LOSS&quantity=1", -1102),
        ("symbol=BTCUSDT&side=BUY&type=STOP_LOSS&quantity=1&trailingDelta=100", -2010),
        ("symbol=BTCUSDT&side=BUY&type=TAKE_PROFIT&quantity=1&stopPrice=1&price=1", -1106),
        ("symbol=BTCUSDT&side=BUY&type=STOP_LOSS&quantity=1&stopPrice=1&icebergQty=1", -1106),
        ("symbol=BTCUSDT&side=BUY&type=LIMIT&price=1&quantity=1", -1102),
        (f"{LIMIT}&price=59000", -1102),
        (f"{LIMIT}&price=59000&quantity=", -1102),
        ("symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTX&price=1&quantity=1", -1115),
        (f"{LIMIT}&price=59000&quantity=0.01&quoteOrderQty=1", -1106),
        (f"{LIMIT}&price=59000&quantity=0.01&stopPrice=1", -1106),
        (f"{LIMIT}&price=59000&quantity=0.01&icebergQty=0.01", -2010),
        (f"{LIMIT}&price=59000&quantity=0.01&icebergQty=0.0001", -1013),
        (f"{LIMIT}&price=59000&quantity=0.01&selfTradePreventionMode=TRANSFER", -1013),
        (f"{LIMIT}&price=59000&quantity=0.01&unheard=1", -1104),
        (f"{LIMIT}&price=59000&quantity=0.01&price=59000", -1101),
        (f"{LIMIT}&price=1e5&quantity=0.01", -1100),
        (f"{LIMIT}&price=-1&quantity=0.01", -1100),
        (f"{LIMIT}&price=0&quantity=0.01", -1130),
        (f"{LIMIT}&price=59000.123456789&quantity=0.01", -1111),
        (f"{LIMIT}&price=59000&quantity=0.01&newClientOrderId=a%20b", -1100),
        (f"{LIMIT}&price=59000&quantity=0.01&selfTradePreventionMode=ODD", -1130),
        (f"{LIMIT}&price=59000&quantity=0.01&newOrderRespType=ODD", -1130),
        (f"{LIMIT}&price=59000&quantity=2", -2010),
        (MARKET, -1102),
        (f"{MARKET}&quantity=1&price=1", -1106),
        (f"{MARKET}&quantity=1&quoteOrderQty=1", -1106),
    ],
)
def test_refused_orders(query: str, wanted: int) -> None:
    """Each malformed order has its code; nothing is placed, nothing locked."""
    client = Client(quiet_venue())
    assert code(client.signed("POST", "order", query)) == (400, wanted)
    assert client.signed("GET", "openOrders") == (200, [])
    assert client.balances()["USDT"] == ("100000.00000000", "0.00000000")


@pytest.mark.parametrize(
    ("price", "quantity", "name"),
    [
        ("59000.001", "0.01", "PRICE_FILTER"),
        ("1000000.01", "0.01", "PRICE_FILTER"),
        ("59000", "0.000001", "LOT_SIZE"),
        ("59000", "0.010001", "LOT_SIZE"),
        ("59000", "9001", "LOT_SIZE"),
        ("59000", "0.00008", "NOTIONAL"),
        ("11999.99", "0.01", "PERCENT_PRICE_BY_SIDE"),
        ("300000.01", "0.001", "PERCENT_PRICE_BY_SIDE"),
    ],
)
def test_filters(price: str, quantity: str, name: str) -> None:
    """Each filter refuses with -1013 and its name."""
    status, answer = Client(quiet_venue()).limit("BUY", price, quantity)
    assert (status, answer) == (400, {"code": -1013, "msg": f"Filter failure: {name}"})


def test_market_lot_size_and_number_of_orders() -> None:
    """A market order has a bound of its own, and open orders are counted."""
    client = Client(quiet_venue(Limits(orders_per_10s=1000)))
    answer = client.signed("POST", "order", MARKET + "&quantity=101")
    assert answer == (400, {"code": -1013, "msg": "Filter failure: MARKET_LOT_SIZE"})
    for _ in range(200):
        assert client.limit("BUY", "12000.00", "0.001")[0] == 200
    answer = client.limit("BUY", "12000.00", "0.001")
    assert answer == (400, {"code": -1013, "msg": "Filter failure: MAX_NUM_ORDERS"})


def test_post_only_and_duplicate_ids() -> None:
    """A LIMIT_MAKER that would take is refused; a client id is free again after a cancel."""
    client = Client(quiet_venue())
    maker = "symbol=BTCUSDT&side=BUY&type=LIMIT_MAKER&quantity=0.01&newClientOrderId=a"
    status, answer = client.signed("POST", "order", maker + "&price=60001")
    assert (status, answer["msg"]) == (400, "Order would immediately match and take.")
    assert client.signed("POST", "order", maker + "&price=60000")[0] == 200
    status, answer = client.signed("POST", "order", maker + "&price=60000")
    assert (answer["code"], answer["msg"]) == (-2010, "Duplicate order sent.")
    assert client.signed("DELETE", "order", "symbol=BTCUSDT&origClientOrderId=a")[0] == 200
    assert client.signed("POST", "order", maker + "&price=60000")[0] == 200


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("symbol=BTCUSDT", -1102),
        ("symbol=BTCUSDT&orderId=99", -2011),
        ("symbol=BTCUSDT&orderId=1", -2011),
        ("symbol=BTCUSDT&origClientOrderId=none", -2011),
        ("symbol=BTCUSDT&orderId=5&origClientOrderId=none", -2039),
        ("symbol=BTCUSDT&orderId=5&cancelRestrictions=ONLY_PARTIALLY_FILLED", -2011),
        ("symbol=BTCUSDT&orderId=5&cancelRestrictions=ODD", -1145),
        ("symbol=BTCUSDT&orderId=five", -1100),
    ],
)
def test_refused_cancels(query: str, wanted: int) -> None:
    """An order that is not there, or somebody else's, cannot be canceled."""
    client = Client(quiet_venue())
    assert client.limit("BUY", "59000", "0.01")[1]["orderId"] == 5
    assert code(client.signed("DELETE", "order", query)) == (400, wanted)
    assert len(client.signed("GET", "openOrders")[1]) == 1


def test_cancel_all() -> None:
    """All of a symbol go at once; none open is refused."""
    client = Client(quiet_venue())
    assert code(client.signed("DELETE", "openOrders", "symbol=BTCUSDT")) == (400, -2011)
    client.limit("BUY", "59000", "0.01")
    client.limit("SELL", "61000", "0.01")
    status, canceled = client.signed("DELETE", "openOrders", "symbol=BTCUSDT")
    assert (status, [each["status"] for each in canceled]) == (200, ["CANCELED", "CANCELED"])
    assert all(locked == "0.00000000" for _, locked in client.balances().values())


REPLACE = f"{LIMIT}&quantity=0.01&cancelReplaceMode="


def test_cancel_replace() -> None:
    """Both halves done: 200; the first refused: 400 and nothing attempted; the second: 409."""
    client = Client(quiet_venue())
    client.limit("BUY", "59000", "0.01", newClientOrderId="a")
    status, answer = client.signed(
        "POST", "order/cancelReplace", REPLACE + "STOP_ON_FAILURE&price=59001&cancelOrderId=5"
    )
    assert (status, answer["cancelResult"], answer["newOrderResult"]) == (200, *2 * ("SUCCESS",))
    assert answer["cancelResponse"]["origClientOrderId"] == "a"
    assert answer["newOrderResponse"]["price"] == "59001.00000000"
    status, answer = client.signed(
        "POST", "order/cancelReplace", REPLACE + "STOP_ON_FAILURE&price=59002&cancelOrderId=5"
    )
    assert (status, answer["code"]) == (400, -2022)
    assert answer["data"] == {
        "cancelResult": "FAILURE",
        "newOrderResult": "NOT_ATTEMPTED",
        "cancelResponse": {"code": -2011, "msg": "Unknown order sent."},
        "newOrderResponse": None,
    }
    status, answer = client.signed(
        "POST", "order/cancelReplace", REPLACE + "ALLOW_FAILURE&price=59002&cancelOrderId=5"
    )
    assert (status, answer["code"]) == (409, -2021)
    assert answer["data"]["newOrderResult"] == "SUCCESS"
    rich = REPLACE.replace("0.01", "5") + "STOP_ON_FAILURE&price=59003&cancelOrderId=6"
    status, answer = client.signed("POST", "order/cancelReplace", rich)
    assert (status, answer["code"], answer["data"]["cancelResult"]) == (409, -2021, "SUCCESS")
    assert answer["data"]["newOrderResponse"]["code"] == -2010
    assert [each["price"] for each in client.signed("GET", "openOrders")[1]] == ["59002.00000000"]


def test_filters_are_looked_at_before_the_cancel() -> None:
    """A replacement that a filter refuses leaves the old order where it is."""
    client = Client(quiet_venue())
    client.limit("BUY", "59000", "0.01")
    answer = client.signed(
        "POST", "order/cancelReplace", REPLACE + "STOP_ON_FAILURE&price=1.001&cancelOrderId=5"
    )
    assert code(answer) == (400, -1013)
    assert len(client.signed("GET", "openOrders")[1]) == 1


def test_accounts_are_apart() -> None:
    """One account sees nothing of another, and cannot touch it; their orders meet."""
    venue = quiet_venue()
    alice, bob = Client(venue), Client(venue, OTHER_KEY, OTHER_SECRET)
    alice.limit("BUY", "60000.00", "0.01")
    assert bob.signed("GET", "openOrders") == (200, [])
    assert code(bob.signed("DELETE", "order", "symbol=BTCUSDT&orderId=5")) == (400, -2011)
    _, sold = bob.limit("SELL", "60000.00", "0.01")
    assert sold["status"] == "FILLED"
    assert sold["fills"][0]["commissionAsset"] == "USDT"
    assert alice.signed("GET", "myTrades", "symbol=BTCUSDT")[1][0]["isMaker"] is True


def test_parameters_may_come_in_query_body_or_both() -> None:
    """The signature covers query and body without a separator; the query wins on a name."""
    client = Client(quiet_venue())
    query = f"{LIMIT}&price=59000"
    body = f"quantity=0.01&price=58000&timestamp={client.ts_ns // 1_000_000}"
    body += f"&signature={sign(query + body)}"
    headers = {"x-mbx-apikey": client.key, "Content-Type": "application/x-www-form-urlencoded"}
    status, order = client.http("POST", f"/api/v3/order?{query}", headers, body)
    assert (status, order["price"]) == (200, "59000.00000000")


def test_an_empty_json_body_is_not_read() -> None:
    """Clients send a JSON content type with nothing in it."""
    client = Client(quiet_venue())
    payload = f"symbol=BTCUSDT&timestamp={client.ts_ns // 1_000_000}"
    target = f"/api/v3/openOrders?{payload}&signature={sign(payload)}"
    headers = {"X-MBX-APIKEY": client.key, "Content-Type": "application/json"}
    assert client.http("GET", target, headers)[0] == 200


@pytest.mark.parametrize(
    ("headers", "suffix", "wanted"),
    [
        ({}, "", (401, -2014)),
        ({"X-MBX-APIKEY": "nobody"}, "", (401, -2015)),
        ({"X-MBX-APIKEY": "alice-key"}, "", (400, -1102)),
        ({"X-MBX-APIKEY": "alice-key"}, "&signature=00", (400, -1022)),
    ],
)
def test_who_asks_is_checked(headers: dict[str, str], suffix: str, wanted: tuple[int, int]) -> None:
    """Key and signature are verified on every signed request."""
    client = Client(quiet_venue())
    target = f"/api/v3/account?timestamp={client.ts_ns // 1_000_000}{suffix}"
    assert code(client.http("GET", target, headers)) == wanted


def test_old_and_early_requests() -> None:
    """The timing rule stands on the wire in both directions."""
    client = Client(quiet_venue())
    now_ms = client.ts_ns // 1_000_000
    late = client.signed("GET", "account", timestamp=now_ms - 5001)
    early = client.signed("GET", "account", timestamp=now_ms + 1000)
    assert (code(late), code(early)) == ((400, -1021), (400, -1021))
    assert "recvWindow" in late[1]["msg"]
    assert "ahead" in early[1]["msg"]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/v3/nope"), ("PUT", "/api/v3/order"), ("GET", "/")]
)
def test_unknown_paths(method: str, path: str) -> None:
    """What does not exist is a 404 in JSON."""
    assert code(Client(quiet_venue()).http(method, path)) == (404, -5000)


def test_weight_runs_out_and_comes_back() -> None:
    """Over the limit 429 says when the window ends, and the next window is new."""
    client = Client(quiet_venue(Limits(weight_per_minute=3)))
    client.ts_ns = T0 + 45 * SECOND
    answers = [client.get("/api/v3/ping")[0] for _ in range(4)]
    assert answers == [200, 200, 200, 429]
    assert client.headers["Retry-After"] == "15"
    client.ts_ns = T0 + 60 * SECOND
    assert client.get("/api/v3/ping")[0] == 200


def test_orders_are_counted_until_they_fill() -> None:
    """Unfilled orders fill the window; a taker's fill gives its own place back."""
    client = Client(quiet_venue(Limits(orders_per_10s=2)))
    assert client.signed("POST", "order", MARKET + "&quantity=0.01")[0] == 200
    assert client.headers["X-MBX-ORDER-COUNT-10S"] == "0"
    for _ in range(2):
        assert client.limit("BUY", "59000", "0.01")[0] == 200
    status, answer = client.limit("BUY", "59000", "0.01")
    assert (status, answer["code"]) == (429, -1015)
    assert answer["msg"] == "Too many new orders; current limit is 2 orders per 10 SECOND."
    _, counts = client.signed("GET", "rateLimit/order")
    assert [(each["interval"], each["count"]) for each in counts] == [("SECOND", 2), ("DAY", 2)]


def test_order_test_places_nothing() -> None:
    """The test endpoint checks and forgets."""
    client = Client(quiet_venue())
    assert client.signed("POST", "order/test", f"{LIMIT}&price=59000&quantity=0.01") == (200, {})
    assert code(client.signed("POST", "order/test", f"{LIMIT}&price=1.001&quantity=0.01")) == (
        400,
        -1013,
    )
    assert client.signed("GET", "openOrders") == (200, [])


def test_commission_and_account_show_the_same_rates() -> None:
    """Ten basis points are 0.001 in both places."""
    client = Client(quiet_venue())
    _, account = client.signed("GET", "account", "omitZeroBalances=true")
    _, commission = client.signed("GET", "account/commission", "symbol=BTCUSDT")
    assert account["takerCommission"] == 10
    assert account["commissionRates"]["taker"] == "0.00100000"
    assert commission["standardCommission"]["taker"] == "0.00100000"


def test_secrets_never_come_back() -> None:
    """No reply and no representation of the venue's parts bears a secret."""
    client = Client(quiet_venue())
    answers = [client.signed("GET", "account"), client.get("/api/v3/exchangeInfo")]
    assert SECRET not in repr(answers)
    assert SECRET not in repr(client.venue.config)
    assert SECRET.encode() not in client.venue.dump_accounts(1)


@pytest.mark.parametrize(
    ("path", "query", "wanted"),
    [
        ("order", "symbol=BTCUSDT", -1102),
        ("order", "symbol=BTCUSDT&orderId=99", -2013),
        ("order", "symbol=BTCUSDT&orderId=5&origClientOrderId=none", -2039),
        ("openOrders", "symbol=NOPE", -1121),
        ("myTrades", "", -1102),
        ("myTrades", "symbol=BTCUSDT&fromId=1&startTime=1", -1128),
        ("myTrades", "symbol=BTCUSDT&startTime=1&endTime=86400002", -1127),
        ("myTrades", "symbol=BTCUSDT&limit=0", -1130),
        ("account", "omitZeroBalances=perhaps", -1130),
    ],
)
def test_refused_queries(path: str, query: str, wanted: int) -> None:
    """What cannot be asked has its code."""
    client = Client(quiet_venue())
    client.limit("BUY", "59000", "0.01")
    assert code(client.signed("GET", path, query)) == (400, wanted)


@pytest.mark.parametrize(
    ("path", "query", "wanted"),
    [
        ("depth", "symbol=BTCUSDT&limit=0", -1130),
        ("depth", "symbol=BTCUSDT&limit=99999999999999999999", -1130),
        ("trades", "symbol=BTCUSDT&limit=0", -1130),
        ("ticker/price", 'symbol=BTCUSDT&symbols=["BTCUSDT"]', -1128),
        ("exchangeInfo", "symbolStatus=OPEN", -1130),
        ("ping", "a=1", -1104),
    ],
)
def test_refused_public_queries(path: str, query: str, wanted: int) -> None:
    """So has what cannot be asked in public."""
    assert code(Client(quiet_venue()).get(f"/api/v3/{path}", query)) == (400, wanted)


def test_trades_of_a_time_span_and_orders_from_an_id() -> None:
    """History can be asked for by time, by order and by id."""
    client = Client(quiet_venue())
    for _ in range(3):
        client.signed("POST", "order", MARKET + "&quantity=0.01")
        client.wait_ns(SECOND)
    start_ms = T0 // 1_000_000 + 2000
    _, late = client.signed("GET", "myTrades", f"symbol=BTCUSDT&startTime={start_ms}")
    assert [trade["id"] for trade in late] == [2, 3]
    _, one = client.signed("GET", "myTrades", "symbol=BTCUSDT&orderId=6")
    assert [trade["id"] for trade in one] == [2]
    _, orders = client.signed("GET", "allOrders", "symbol=BTCUSDT&orderId=6")
    assert [order["orderId"] for order in orders] == [6, 7]
    _, orders = client.signed(
        "GET", "allOrders", f"symbol=BTCUSDT&startTime={T0 // 1_000_000}&limit=2"
    )
    assert [order["orderId"] for order in orders] == [5, 6]
    _, orders = client.signed("GET", "allOrders", f"symbol=BTCUSDT&endTime={start_ms - 1}&limit=1")
    assert [order["orderId"] for order in orders] == [5]
    span = f"symbol=BTCUSDT&startTime={T0 // 1_000_000}&endTime={T0 // 1_000_000 + 86_400_001}"
    assert code(client.signed("GET", "allOrders", span)) == (400, -1127)
    assert client.get("/api/v3/ticker/price", "symbol=BTCUSDT")[1]["price"] == "60001.00000000"
    assert client.get("/api/v3/exchangeInfo", "symbolStatus=HALT")[1]["symbols"] == []


def test_a_replacement_may_cancel_only_at_the_order_limit() -> None:
    """With the order window full, DO_NOTHING refuses whole and CANCEL_ONLY still cancels."""
    client = Client(quiet_venue(Limits(orders_per_10s=1)))
    client.limit("BUY", "59000", "0.01")
    wish = REPLACE + "STOP_ON_FAILURE&price=59001&cancelOrderId=5"
    assert code(client.signed("POST", "order/cancelReplace", wish)) == (429, -1015)
    wish += "&orderRateLimitExceededMode=CANCEL_ONLY"
    status, answer = client.signed("POST", "order/cancelReplace", wish)
    assert (status, answer["code"], answer["data"]["cancelResult"]) == (409, -2021, "SUCCESS")
    assert client.signed("GET", "openOrders") == (200, [])


def test_days_and_raw_requests_have_windows_too() -> None:
    """The other two limits refuse by their own names."""
    client = Client(quiet_venue(Limits(orders_per_day=1)))
    client.limit("BUY", "59000", "0.01")
    assert "1 DAY" in client.limit("BUY", "59000", "0.01")[1]["msg"]
    client = Client(quiet_venue(Limits(raw_requests_per_5min=1)))
    client.get("/api/v3/ping")
    assert "requests per 5 MINUTE" in client.get("/api/v3/ping")[1]["msg"]
