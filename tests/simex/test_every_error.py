"""Every error in the table of ``refusals``, each produced through the wire."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from hftd.simex import refusals
from hftd.simex.faults import Fault
from hftd.simex.limits import Limits
from hftd.simex.listing import SymbolStatus
from hftd.simex.refusals import Refusal
from tests.simex.desk_client import Client, quiet_venue
from tests.simex.test_faults import Scene

MANY = 10**9
BTC = "symbol=BTCUSDT"
BID = f"{BTC}&side=BUY&type=LIMIT&timeInForce=GTC&price=59000&quantity=0.01"
KLINES = f"{BTC}&interval=1m"
Answer = tuple[int, Any]


def client(**limits: int) -> Client:
    """Return a client of a quiet venue, whose limits are out of reach unless given."""
    whole = {"weight_per_minute": MANY, "raw_requests_per_5min": MANY, **limits}
    return Client(quiet_venue(Limits(**whole)))


def post(query: str) -> Answer:
    """Place an order."""
    return client().signed("POST", "order", query)


def after_a_bid(method: str, path: str, query: str) -> Answer:
    """Do something after one bid rests, as order 5 with the client id ``mine``."""
    one = client()
    assert one.signed("POST", "order", f"{BID}&newClientOrderId=mine")[0] == 200
    return one.signed(method, path, query)


def over_ws(method: str, *before: str, **params: object) -> Answer:
    """Ask over the WS API after some other methods without parameters."""
    one = client()
    connection = one.log_on(subscribe=False)
    for each in before:
        one.call(connection, each)
    reply = one.call(connection, method, **params)
    return reply["status"], reply["error"]


def by_fault(kind: str) -> Answer:
    """Let a fault answer."""
    scene = Scene(Fault(kind))
    connection = scene.open("/ws-api/v3")
    reply = scene.call(connection, "time")
    return reply["status"], reply["error"]


def twice(first: str, **limits: int) -> Answer:
    """Ask for the same twice, which is once too often."""
    one = client(**limits)
    assert one.get(first)[0] == 200
    return one.get(first)


def unsigned(key: str, suffix: str) -> Answer:
    """Ask for the account with a key, and something in place of a signature."""
    one = client()
    target = f"/api/v3/account?timestamp={one.ts_ns // 1_000_000}{suffix}"
    return one.http("GET", target, {"X-MBX-APIKEY": key})


def banned() -> Answer:
    """Go on past 429."""
    one = client(weight_per_minute=1, refusals_before_ban=1)
    for _ in range(3):
        one.get("/api/v3/ping")
    return one.get("/api/v3/ping")


def too_many_orders() -> Answer:
    """Place one order more than fits."""
    one = client(orders_per_10s=1)
    assert one.signed("POST", "order", BID)[0] == 200
    return one.signed("POST", "order", BID)


def archived() -> Answer:
    """Ask for an order that is older than what is kept."""
    one = client()
    one.venue.exchange.bookkeeping(1).archived["BTCUSDT"] = 100
    return one.signed("GET", "order", f"{BTC}&orderId=7")


def too_many_subscriptions() -> Answer:
    """Use up the numbers of one connection."""
    one = client()
    connection = one.log_on(subscribe=False)
    for _ in range(1000):
        one.call(connection, "userDataStream.subscribe")
        one.call(connection, "userDataStream.unsubscribe")
        one.heard(connection)
    reply = one.call(connection, "userDataStream.subscribe")
    return reply["status"], reply["error"]


def halted() -> Answer:
    """Order while the symbol is halted."""
    scene = Scene()
    scene.moment("halt")
    return scene.bid()


def replace(mode: str) -> Answer:
    """Replace an order that is not there."""
    query = f"{BID}&cancelReplaceMode={mode}&cancelOrderId=999"
    return client().signed("POST", "order/cancelReplace", query)


def would_trigger() -> Answer:
    """Send a stop order that the last trade has reached."""
    one = client()
    market = f"{BTC}&side=BUY&type=MARKET&quantity=0.01"
    assert one.signed("POST", "order", market)[0] == 200
    return one.signed("POST", "order", STOP + "&stopPrice=60000")


def amend(quantity: str, ids: str = "&orderId=5") -> Answer:
    """Amend a bid of 0.01 with the client id ``mine``."""
    one = client()
    assert one.signed("POST", "order", f"{BID}&newClientOrderId=mine")[0] == 200
    away = BID.replace("59000", "58000")
    if "other" in ids:
        assert one.signed("POST", "order", f"{away}&newClientOrderId=other")[0] == 200
    return one.signed("PUT", "order/amend/keepPriority", f"{BTC}{ids}&newQty={quantity}")


def too_many_amends() -> Answer:
    """Make an order smaller once too often."""
    one = client()
    assert one.signed("POST", "order", BID)[0] == 200
    for step in range(10):
        query = f"{BTC}&orderId=5&newQty=0.00{99 - step}"
        assert one.signed("PUT", "order/amend/keepPriority", query)[0] == 200
    return one.signed("PUT", "order/amend/keepPriority", f"{BTC}&orderId=5&newQty=0.008")


def amend_while_closed() -> Answer:
    """Amend while orders can be canceled only."""
    one = client()
    assert one.signed("POST", "order", BID)[0] == 200
    one.venue.set_status("BTCUSDT", SymbolStatus.CANCEL_ONLY, one.ts_ns)
    return one.signed("PUT", "order/amend/keepPriority", f"{BTC}&orderId=5&newQty=0.005")


def broken_json() -> Answer:
    """Send half a frame."""
    one = client()
    connection = one.open("/ws-api/v3")
    one.send(connection, "{")
    (reply,) = one.heard(connection)
    return reply["status"], reply["error"]


def listen_key() -> Answer:
    """Keep a key alive that nobody has."""
    one = client()
    target = "/api/v3/userDataStream?listenKey=none"
    return one.http("PUT", target, {"X-MBX-APIKEY": one.key})


def time_unit() -> Answer:
    """Ask for seconds."""
    return client().http("GET", "/api/v3/time", {"X-MBX-TIME-UNIT": "SECOND"})


def timestamp(offset_ms: int) -> Answer:
    """Sign with a time that is off."""
    one = client()
    return one.signed("GET", "account", timestamp=one.ts_ns // 1_000_000 + offset_ms)


def get(path: str) -> Answer:
    """Ask a public endpoint."""
    return client().get(path)


ENGINE_WORDS = ("WOULD_TAKE", "WOULD_TRIGGER")
"""Entries that are words of a market: code and text, to which the exchange adds the status."""
IOC = BID.replace("GTC", "IOC")
STOP = f"{BTC}&side=BUY&type=STOP_LOSS&quantity=0.01"
CANCEL = f"{BTC}&orderId=5"
SPAN = f"{BTC}&startTime=0&endTime=86400001"
REPLACE = f"{BID}&cancelReplaceMode=STOP_ON_FAILURE"
MAKER = BID.replace("LIMIT&timeInForce=GTC", "LIMIT_MAKER")
TABLE: dict[str, tuple[int, int, Callable[[], Answer]]] = {
    "WOULD_TAKE": (400, -2010, lambda: post(MAKER.replace("59000", "60001"))),
    "WOULD_TRIGGER": (400, -2010, would_trigger),
    "BAD_COMPOSITION": (400, -1014, lambda: post(IOC + "&icebergQty=0.001")),
    "STP_NOT_ALLOWED": (400, -1013, lambda: post(BID + "&selfTradePreventionMode=TRANSFER")),
    "STOP_OR_TRAILING": (400, -1102, lambda: post(STOP)),
    "BAD_STRATEGY_TYPE": (400, -1134, lambda: post(BID + "&strategyType=999999")),
    "ICEBERG_TOO_LARGE": (400, -2010, lambda: post(BID + "&icebergQty=0.01")),
    "AMEND_UNKNOWN": (400, -2038, lambda: amend("0.005", "&orderId=6")),
    "AMEND_DUPLICATE": (400, -2038, lambda: amend("0.005", "&orderId=5&newClientOrderId=other")),
    "AMEND_WHILE_CLOSED": (400, -2038, amend_while_closed),
    "AMEND_INCREASE": (400, -2038, lambda: amend("0.02")),
    "AMEND_NOTHING": (400, -2038, lambda: amend("0.01")),
    "TOO_MANY_AMENDS": (400, -2038, too_many_amends),
    "STATUS_UNKNOWN": (503, -1007, lambda: by_fault("error_not_accepted")),
    "FIREWALL": (403, -1000, lambda: by_fault("firewall")),
    "UNSUPPORTED": (400, -1020, lambda: over_ws("sor.order.place")),
    "BAD_TIMESTAMP_LATE": (400, -1021, lambda: timestamp(-5001)),
    "BAD_TIMESTAMP_EARLY": (400, -1021, lambda: timestamp(1000)),
    "BAD_SIGNATURE": (400, -1022, lambda: unsigned("alice-key", "&signature=00")),
    "ALL_OR_ONE_ID": (400, -1102, lambda: after_a_bid("GET", "order", BTC)),
    "CANCEL_REPLACE_ID": (400, -1102, lambda: after_a_bid("POST", "order/cancelReplace", REPLACE)),
    "QUANTITY_OR_QUOTE": (400, -1102, lambda: post(f"{BTC}&side=BUY&type=MARKET")),
    "BAD_TIF": (400, -1115, lambda: post(BID.replace("GTC", "DAY"))),
    "BAD_KIND": (400, -1116, lambda: post(BID.replace("LIMIT", "PEG"))),
    "BAD_SIDE": (400, -1117, lambda: post(BID.replace("BUY", "HOLD"))),
    "BAD_INTERVAL": (400, -1120, lambda: get("/api/v3/klines?" + KLINES.replace("1m", "7m"))),
    "BAD_SYMBOL": (400, -1121, lambda: get("/api/v3/depth?symbol=NOPE")),
    "BAD_LISTEN_KEY": (400, -1125, listen_key),
    "TOO_LONG_SPAN": (400, -1127, lambda: after_a_bid("GET", "myTrades", SPAN)),
    "BAD_COMBINATION": (
        400,
        -1128,
        lambda: get(f"/api/v3/aggTrades?{BTC}&fromId=1&startTime=1"),
    ),
    "BAD_JSON": (400, -1135, broken_json),
    "BAD_RESTRICTION": (
        400,
        -1145,
        lambda: after_a_bid("DELETE", "order", f"{CANCEL}&cancelRestrictions=ONLY_OLD"),
    ),
    "DUPLICATE_SYMBOLS": (
        400,
        -1151,
        lambda: get('/api/v3/ticker/price?symbols=["BTCUSDT","BTCUSDT"]'),
    ),
    "BAD_TIME_UNIT": (400, -1194, time_unit),
    "MARKET_CLOSED": (400, -2010, halted),
    "INSUFFICIENT_BALANCE": (400, -2010, lambda: post(BID.replace("0.01", "100"))),
    "DUPLICATE_ORDER": (
        400,
        -2010,
        lambda: after_a_bid("POST", "order", f"{BID}&newClientOrderId=mine"),
    ),
    "UNKNOWN_ORDER": (400, -2011, lambda: client().signed("DELETE", "order", CANCEL)),
    "CANCEL_RESTRICTED": (
        400,
        -2011,
        lambda: after_a_bid(
            "DELETE", "order", f"{CANCEL}&cancelRestrictions=ONLY_PARTIALLY_FILLED"
        ),
    ),
    "NO_SUCH_ORDER": (400, -2013, lambda: client().signed("GET", "order", CANCEL)),
    "BAD_KEY_FORMAT": (401, -2014, lambda: unsigned("", "")),
    "BAD_KEY": (401, -2015, lambda: unsigned("nobody", "")),
    "ARCHIVED": (400, -2026, archived),
    "ALREADY_SUBSCRIBED": (
        400,
        -2035,
        lambda: over_ws("userDataStream.subscribe", "userDataStream.subscribe"),
    ),
    "NOT_SUBSCRIBED": (400, -2036, lambda: over_ws("userDataStream.unsubscribe")),
    "TOO_MANY_SUBSCRIPTIONS": (400, -2042, too_many_subscriptions),
    "ID_MISMATCH": (
        400,
        -2039,
        lambda: after_a_bid("GET", "order", f"{CANCEL}&origClientOrderId=other"),
    ),
    "replace_failed": (400, -2022, lambda: replace("STOP_ON_FAILURE")),
    "replace_half_failed": (409, -2021, lambda: replace("ALLOW_FAILURE")),
    "mandatory": (400, -1102, lambda: post(BTC)),
    "duplicate": (400, -1101, lambda: get(f"/api/v3/depth?{BTC}&{BTC}")),
    "unread": (400, -1104, lambda: get("/api/v3/ping?x=1")),
    "too_large": (400, -1102, lambda: post(f"{BID}&recvWindow=60001")),
    "no_such_path": (404, -5000, lambda: get("/api/v3/nowhere")),
    "unsupported": (400, -2010, lambda: post(STOP + "&trailingDelta=100")),
    "not_required": (400, -1106, lambda: post(f"{BID}&stopPrice=1")),
    "illegal": (400, -1100, lambda: post(f"{BID}&newClientOrderId=a*b")),
    "too_precise": (400, -1111, lambda: post(BID.replace("0.01", "0.000000001"))),
    "invalid": (400, -1130, lambda: get(f"/api/v3/trades?{BTC}&limit=0")),
    "filter_failure": (400, -1013, lambda: post(BID.replace("59000", "59000.001"))),
    "too_much_weight": (429, -1003, lambda: twice("/api/v3/ping", weight_per_minute=1)),
    "banned": (418, -1003, banned),
    "too_many_requests": (429, -1003, lambda: twice("/api/v3/ping", raw_requests_per_5min=1)),
    "too_many_orders": (429, -1015, too_many_orders),
}
"""By its name in ``refusals``: status, code, and how it comes about."""


@pytest.mark.parametrize("name", TABLE)
def test_the_error_comes_about(name: str) -> None:
    """Status, code and text are those of the table."""
    status, code, produce = TABLE[name]
    got, error = produce()
    assert (got, error["code"]) == (status, code)
    entry = getattr(refusals, name)
    if isinstance(entry, Refusal):
        assert (entry.code, entry.msg) == (error["code"], error["msg"])
    elif name in ENGINE_WORDS:
        assert entry == (error["code"], error["msg"])


def test_nothing_is_missing() -> None:
    """What can be refused stands in the table, and nothing else does."""
    members = vars(refusals).items()
    known = {
        name
        for name, each in members
        if isinstance(each, Refusal)
        or (inspect.isfunction(each) and each.__annotations__.get("return") == "Refusal")
    }
    assert set(TABLE) == {*known, *ENGINE_WORDS}
