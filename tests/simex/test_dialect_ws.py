"""The WS API as a client sees it: sessions, replies, and the user's own events."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hftd.simex.limits import Limits
from hftd.simex.matching import MatchingMarket
from hftd.simex.venue import AccountConfig, Venue, VenueConfig
from tests.simex.desk_client import OTHER_KEY, OTHER_SECRET, T0, Client, quiet_venue
from tests.simex.quiet import SPEC, QuietFlow

BUY = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}


def events(client: Client, connection: int) -> list[Any]:
    """Return the user events a connection heard, without their subscription."""
    return [frame["event"] for frame in client.heard(connection)]


def test_replies_carry_id_status_result_and_limits() -> None:
    """The id comes back as it was sent, whatever it was, and limits can be hidden."""
    client = Client(quiet_venue())
    connection = client.open("/ws-api/v3")
    for request_id in ("7", '"a-b"', "null"):
        client.send(connection, '{"method":"time","params":{},"id":' + request_id + "}")
        (reply,) = client.heard(connection)
        assert json.dumps(reply["id"]) == request_id
        assert (reply["status"], reply["result"]["serverTime"]) == (200, client.ts_ns // 1_000_000)
        assert reply["rateLimits"][0]["rateLimitType"] == "REQUEST_WEIGHT"
    assert "rateLimits" not in client.call(connection, "ping", returnRateLimits=False)
    quiet = client.open("/ws-api/v3?returnRateLimits=false")
    assert client.call(quiet, "v3/ping") == {"id": 2, "status": 200, "result": {}}


def test_logon_and_status() -> None:
    """A session knows its key after a logon, and forgets it after a logout."""
    client = Client(quiet_venue())
    connection = client.open("/ws-api/v3")
    assert client.call(connection, "session.status")["result"]["apiKey"] is None
    logon = client.call(connection, "session.logon", **client.with_signature())["result"]
    assert logon["apiKey"] == client.key
    assert logon["authorizedSince"] == client.ts_ns // 1_000_000
    assert client.call(connection, "account.status", **client.stamped())["status"] == 200
    assert client.call(connection, "account.status")["error"]["code"] == -1102
    assert client.call(connection, "session.logout")["result"]["apiKey"] is None
    assert client.call(connection, "account.status", **client.stamped())["status"] == 401


def test_logon_with_an_ed25519_key() -> None:
    """An account with a public key signs in base64."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    config = VenueConfig([AccountConfig("ed-key", pem, {"USDT": "5"})])
    venue = Venue(config, [MatchingMarket(SPEC, [QuietFlow()])])
    venue.start(T0)
    client = Client(venue, "ed-key")
    connection = client.open("/ws-api/v3")
    params = {"apiKey": "ed-key", "timestamp": client.ts_ns // 1_000_000}
    payload = f"apiKey=ed-key&timestamp={params['timestamp']}".encode()
    signature = base64.b64encode(private.sign(payload)).decode()
    reply = client.call(connection, "session.logon", **params, signature=signature)
    assert reply["status"] == 200


def test_a_request_may_be_signed_by_itself() -> None:
    """Without a logon each request brings key and signature; both are verified."""
    client = Client(quiet_venue())
    connection = client.open("/ws-api/v3")
    wish = {**BUY, "price": 59000, "quantity": 0.01}
    signed = client.with_signature(**wish)
    assert client.call(connection, "order.place", **signed)["result"]["status"] == "NEW"
    signed["price"] = 59001
    refused = client.call(connection, "order.place", **signed)
    assert (refused["status"], refused["error"]["code"]) == (400, -1022)


def test_numbers_are_signed_in_their_literal_form() -> None:
    """A JSON number counts as it was written: 0.10 is not 0.1."""
    client = Client(quiet_venue())
    connection = client.open("/ws-api/v3")
    params = {**BUY, "price": "59000", "quantity": "0.010"}
    text = json.dumps({"id": 1, "method": "order.place", "params": client.with_signature(**params)})
    client.send(connection, text.replace('"0.010"', "0.010"))
    assert client.heard(connection)[0]["status"] == 200
    client.send(connection, text.replace('"0.010"', "0.01"))
    assert client.heard(connection)[0]["error"]["code"] == -1022


def test_an_order_and_its_events() -> None:
    """A placed order is told with every documented key, and then the balances."""
    client = Client(quiet_venue())
    connection = client.log_on()
    wish = {**BUY, "price": "59000.00", "quantity": "0.01", "newClientOrderId": "mine"}
    reply = client.call(connection, "order.place", **client.stamped(**wish))
    assert [each["rateLimitType"] for each in reply["rateLimits"]] == [
        "ORDERS",
        "ORDERS",
        "REQUEST_WEIGHT",
    ]
    now_ms = client.ts_ns // 1_000_000
    report, position = events(client, connection)
    assert report == {
        "e": "executionReport",
        "E": now_ms,
        "s": "BTCUSDT",
        "c": "mine",
        "S": "BUY",
        "o": "LIMIT",
        "f": "GTC",
        "q": "0.01000000",
        "p": "59000.00000000",
        "P": "0.00000000",
        "F": "0.00000000",
        "g": -1,
        "C": "",
        "x": "NEW",
        "X": "NEW",
        "r": "NONE",
        "i": 5,
        "l": "0.00000000",
        "z": "0.00000000",
        "L": "0.00000000",
        "n": "0",
        "N": None,
        "T": now_ms,
        "t": -1,
        "I": 1,
        "w": True,
        "m": False,
        "M": False,
        "O": now_ms,
        "Z": "0.00000000",
        "Y": "0.00000000",
        "Q": "0.00000000",
        "W": now_ms,
        "V": "NONE",
    }
    assert position == {
        "e": "outboundAccountPosition",
        "E": now_ms,
        "u": now_ms,
        "B": [{"a": "USDT", "f": "99410.00000000", "l": "590.00000000"}],
    }


def test_a_cancel_and_its_events() -> None:
    """On a cancel c is the cancel's own client id and C the order's; the money is free again."""
    client = Client(quiet_venue())
    connection = client.log_on()
    wish = {**BUY, "price": "59000.00", "quantity": "0.01", "newClientOrderId": "mine"}
    client.call(connection, "order.place", **client.stamped(**wish))
    events(client, connection)
    cancel = {"symbol": "BTCUSDT", "origClientOrderId": "mine", "newClientOrderId": "off"}
    reply = client.call(connection, "order.cancel", **client.stamped(**cancel))
    assert reply["result"]["status"] == "CANCELED"
    report, position = events(client, connection)
    assert (report["x"], report["X"], report["c"], report["C"]) == (
        "CANCELED",
        "CANCELED",
        "off",
        "mine",
    )
    assert position["B"] == [{"a": "USDT", "f": "100000.00000000", "l": "0.00000000"}]


def test_fills_of_both_sides() -> None:
    """Maker and taker each hear of the same trade, with their own role and fee."""
    venue = quiet_venue()
    alice, bob = Client(venue), Client(venue, OTHER_KEY, OTHER_SECRET)
    maker = alice.log_on()
    wish = {**BUY, "price": "60000.00", "quantity": "0.02"}
    alice.call(maker, "order.place", **alice.stamped(**wish))
    events(alice, maker)
    taker = bob.log_on()
    sell = {**wish, "side": "SELL", "quantity": "0.01"}
    bob.call(taker, "order.place", **bob.stamped(**sell))
    heard = bob.heard(taker)
    taken = [frame["event"] for frame in heard if frame["event"].get("x") == "TRADE"]
    # Bob's client took everything out of the one outbox; Alice's frames wait with him.
    made = [json.loads(frame)["event"] for frame in bob._heard[maker] if b'"x":"TRADE"' in frame]
    assert (taken[0]["t"], taken[0]["m"], taken[0]["X"]) == (1, False, "FILLED")
    assert (made[0]["t"], made[0]["m"], made[0]["X"]) == (1, True, "PARTIALLY_FILLED")
    assert (taken[0]["w"], made[0]["w"]) == (False, True)
    assert (taken[0]["N"], taken[0]["n"]) == ("USDT", "0.60000000")
    assert (made[0]["N"], made[0]["n"]) == ("BTC", "0.00001000")
    assert (made[0]["l"], made[0]["z"], made[0]["Y"]) == (
        "0.01000000",
        "0.01000000",
        "600.00000000",
    )


def test_self_trade_prevention_is_told() -> None:
    """A taker that would meet its own order expires in match, and says so."""
    client = Client(quiet_venue())
    connection = client.log_on()
    wish = {**BUY, "price": "60000.00", "quantity": "0.01"}
    client.call(connection, "order.place", **client.stamped(**wish))
    events(client, connection)
    cross = {**wish, "side": "SELL", "selfTradePreventionMode": "EXPIRE_TAKER"}
    reply = client.call(connection, "order.place", **client.stamped(**cross))
    assert reply["result"]["status"] == "EXPIRED_IN_MATCH"
    kinds = [each.get("x") for each in events(client, connection)]
    assert kinds == ["NEW", None, "TRADE_PREVENTION", None]


def test_decrement_takes_from_both_and_trades_nothing() -> None:
    """Both lose what they have in common; the smaller is over, the larger goes on."""
    client = Client(quiet_venue())
    connection = client.log_on()
    wish = {**BUY, "price": "60000.00", "quantity": "0.03", "newClientOrderId": "large"}
    client.call(connection, "order.place", **client.stamped(**wish))
    events(client, connection)
    cross = {**wish, "side": "SELL", "quantity": "0.01", "newClientOrderId": "small"}
    mode = {"selfTradePreventionMode": "DECREMENT"}
    reply = client.call(connection, "order.place", **client.stamped(**cross, **mode))
    result = reply["result"]
    assert (result["status"], result["executedQty"]) == ("EXPIRED_IN_MATCH", "0.00000000")
    assert (result["preventedQuantity"], result["fills"]) == ("0.01000000", [])
    told = [each for each in events(client, connection) if each.get("x") == "TRADE_PREVENTION"]
    assert [(each["c"], each["X"], each["A"]) for each in told] == [
        ("large", "NEW", "0.01000000"),
        ("small", "EXPIRED_IN_MATCH", "0.01000000"),
    ]
    assert client.balances() == {
        "USDT": ("98800.00000000", "1200.00000000"),
        "BTC": ("1.00000000", "0.00000000"),
    }
    client.signed("DELETE", "openOrders", "symbol=BTCUSDT")
    assert client.balances()["USDT"] == ("100000.00000000", "0.00000000")


def test_queries_answer_as_rest_does() -> None:
    """Open orders, one order, trades and the account have the shapes of REST."""
    client = Client(quiet_venue())
    connection = client.log_on(subscribe=False)
    wish = {**BUY, "price": "59000.00", "quantity": "0.01", "newClientOrderId": "q"}
    client.call(connection, "order.place", **client.stamped(**wish))
    symbol = {"symbol": "BTCUSDT"}
    pairs = [
        ("openOrders.status", symbol, "openOrders"),
        ("order.status", {**symbol, "orderId": "5"}, "order"),
        ("myTrades", symbol, "myTrades"),
        ("allOrders", symbol, "allOrders"),
        ("account.status", {}, "account"),
    ]
    for method, params, path in pairs:
        reply = client.call(connection, method, **client.stamped(**params))
        assert (200, reply["result"]) == client.signed("GET", path, **params)
    public = [
        ("exchangeInfo", symbol, "exchangeInfo"),
        ("depth", {**symbol, "limit": "5"}, "depth"),
        ("ticker.book", symbol, "ticker/bookTicker"),
    ]
    for method, params, path in public:
        reply = client.call(connection, method, **params)
        query = "&".join(f"{name}={value}" for name, value in params.items())
        assert (200, reply["result"]) == client.get(f"/api/v3/{path}", query)


def test_cancel_replace_and_cancel_all() -> None:
    """Half a replacement is a 409 with both answers inside; then all go."""
    client = Client(quiet_venue())
    connection = client.log_on(subscribe=False)
    wish = {**BUY, "price": "59000.00", "quantity": "0.01"}
    client.call(connection, "order.place", **client.stamped(**wish))
    replace = {**wish, "quantity": "5", "cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": 5}
    reply = client.call(connection, "order.cancelReplace", **client.stamped(**replace))
    assert (reply["status"], reply["error"]["code"]) == (409, -2021)
    assert reply["error"]["data"]["cancelResult"] == "SUCCESS"
    client.call(connection, "order.place", **client.stamped(**wish))
    done = client.call(connection, "openOrders.cancelAll", **client.stamped(symbol="BTCUSDT"))
    assert [each["status"] for each in done["result"]] == ["CANCELED"]


def test_subscriptions() -> None:
    """One subscription per account; unsubscribing ends the stream in so many words."""
    client = Client(quiet_venue())
    connection = client.open("/ws-api/v3")
    assert client.call(connection, "userDataStream.subscribe")["status"] == 401
    signed = client.with_signature()
    reply = client.call(connection, "userDataStream.subscribe.signature", **signed)
    assert reply["result"] == {"subscriptionId": 0}
    again = client.call(connection, "userDataStream.subscribe.signature", **signed)
    assert again["error"]["code"] == -2035
    assert client.call(connection, "session.subscriptions")["result"] == [{"subscriptionId": 0}]
    assert client.call(connection, "userDataStream.unsubscribe", subscriptionId="0")["result"] == {}
    assert events(client, connection)[0]["e"] == "eventStreamTerminated"
    gone = client.call(connection, "userDataStream.unsubscribe", subscriptionId=0)
    assert gone["error"]["code"] == -2036


def test_events_end_with_the_connection() -> None:
    """A closed connection hears nothing, and its orders stay."""
    client = Client(quiet_venue())
    connection = client.log_on()
    wish = {**BUY, "price": "59000.00", "quantity": "0.01"}
    client.call(connection, "order.place", **client.stamped(**wish))
    events(client, connection)
    client.venue.close(connection)
    client.signed("DELETE", "openOrders", "symbol=BTCUSDT")
    assert events(client, connection) == []


@pytest.mark.parametrize(
    ("frame", "status", "code"),
    [
        ("{", 400, -1135),
        ("7", 400, -1135),
        ('{"id":1}', 400, -1135),
        ('{"id":1,"method":"time","params":[]}', 400, -1135),
        ('{"id":1,"method":"sor.order.place"}', 400, -1020),
        ('{"id":1,"method":"order.place","params":{}}', 401, -2014),
        ('{"id":1,"method":"depth","params":{}}', 400, -1102),
        ('{"id":1,"method":"depth","params":{"symbol":["BTCUSDT"]}}', 400, -1121),
        ('{"id":1,"method":"time","params":{"x":1}}', 400, -1104),
    ],
)
def test_malformed_requests(frame: str, status: int, code: int) -> None:
    """Each broken frame has an answer, and the connection lives on."""
    client = Client(quiet_venue())
    connection = client.open("/ws-api/v3")
    client.send(connection, frame)
    (reply,) = client.heard(connection)
    assert (reply["status"], reply["error"]["code"]) == (status, code)
    assert client.call(connection, "ping")["status"] == 200


def test_weight_runs_out_here_too() -> None:
    """429 comes with when to try again, in epoch milliseconds."""
    client = Client(quiet_venue(Limits(weight_per_minute=3)))
    connection = client.open("/ws-api/v3")
    assert client.call(connection, "ping")["status"] == 200
    reply = client.call(connection, "ping")
    assert (reply["status"], reply["error"]["code"]) == (429, -1003)
    wait_ms = reply["error"]["data"]["retryAfter"] - client.ts_ns // 1_000_000
    assert 0 < wait_ms <= 60_000
