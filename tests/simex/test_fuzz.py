"""Whatever comes in, the venue answers in its protocol and goes on."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hftd.simex.endpoints import METHODS, ROUTES
from hftd.simex.faults import Fault
from hftd.simex.limits import Limits
from tests.simex.desk_client import KEY, T0, Client, quiet_venue, sign
from tests.simex.fuzz_traffic import Fuzzer, quiet_faulty_venue

NO_LIMITS = Limits(10**9, 10**9, 10**9, 10**9)
NAMES = (
    *("symbol", "side", "type", "timeInForce", "quantity", "quoteOrderQty", "price", "limit"),
    *("newClientOrderId", "orderId", "origClientOrderId", "fromId", "startTime", "endTime"),
    *("symbols", "cancelReplaceMode", "cancelOrderId", "recvWindow", "newOrderRespType"),
    *("selfTradePreventionMode", "cancelRestrictions", "subscriptionId"),
)
VALUES = st.one_of(
    st.sampled_from(
        ["BTCUSDT", "BUY", "SELL", "LIMIT", "MARKET", "GTC", "FOK", "0.01", "60000", "1", ""]
    ),
    st.text(max_size=8),
    st.integers(-10, 2**70).map(str),
)
PARAMETERS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8)


@given(st.sampled_from(sorted(ROUTES)), PARAMETERS)
@settings(max_examples=500, deadline=None)
def test_signed_nonsense_over_rest(route: tuple[str, str], values: dict[str, str]) -> None:
    """Any mixture of parameters gets a JSON answer, and money stays what it was in sum."""
    client = Client(quiet_venue(NO_LIMITS))
    totals = client.venue.exchange.accounts.totals()
    payload = urlencode({**values, "timestamp": client.ts_ns // 1_000_000})
    target = f"{route[1]}?{payload}&signature={sign(payload)}"
    status, answer = client.http(route[0], target, {"X-MBX-APIKEY": KEY})
    assert status == 200 or {"code", "msg"} <= set(answer)
    assert client.venue.exchange.accounts.totals() == totals
    client.wait_ns(10**9)


@given(st.sampled_from(sorted(METHODS)), PARAMETERS)
@settings(max_examples=500, deadline=None)
def test_logged_on_nonsense_over_the_ws_api(method: str, values: dict[str, str]) -> None:
    """The same over the WS API: a result or an error with its id."""
    client = Client(quiet_venue(NO_LIMITS))
    connection = client.log_on()
    reply = client.call(connection, method, **client.stamped(**values))
    assert ("result" in reply) == (reply["status"] == 200)
    assert ("error" in reply) == (reply["status"] != 200)


@given(
    st.text(st.characters(), max_size=40),
    st.binary(max_size=60),
    st.sampled_from(["GET", "POST", "DELETE"]),
)
@settings(max_examples=300, deadline=None)
def test_broken_http(target: str, body: bytes, method: str) -> None:
    """A target or body that means nothing is answered."""
    venue = quiet_venue(NO_LIMITS)
    for path in (target, f"/api/v3/order?{target}"):
        status, _, content = venue.http(method, path, {"X-MBX-APIKEY": KEY}, body, T0)
        assert status in (400, 401, 404)
        assert json.loads(content)["code"] < 0


def test_text_that_is_no_unicode() -> None:
    """Bytes beyond UTF-8 in a target, and half a surrogate in a frame, are answered."""
    client = Client(quiet_venue(NO_LIMITS))
    raw = b"a\xff=1&a\xff=2".decode("utf-8", "surrogateescape")
    assert client.get(f"/api/v3/ping{raw}")[0] == 404
    assert client.get("/api/v3/depth", raw)[1]["code"] == -1101
    target = f"/api/v3/account?timestamp={client.ts_ns // 10**6}&signature={raw[:2]}"
    assert client.http("GET", target, {"X-MBX-APIKEY": KEY})[1]["code"] == -1022
    assert client.signed("GET", "account", "symbol=%ff%fe")[1]["code"] == -1104
    connection = client.log_on()
    for name in ("symbol", "apiKey", "newClientOrderId"):
        text = '{"id":1,"method":"order.place","params":{"%s":"\\ud800"}}' % name  # noqa: UP031
        client.send(connection, text)
        assert client.heard(connection)[0]["status"] in (400, 401)
    for path in ("/ws-api/v3", "/ws"):
        # An id is echoed as it came: only one that is text or a whole number is.
        connection = client.open(path)
        for identity in (b'"\xff"', b"1e999", b"[1]", b"true"):
            client.venue.receive(connection, b'{"id":%b,"method":"x"}' % identity, client.ts_ns)
            (told,) = client.heard(connection)
            assert told.get("id") is None


FRAME = json.dumps(
    {
        "id": 1,
        "method": "order.place",
        "params": {"symbol": "BTCUSDT", "side": "BUY", "price": 1.5, "list": [None, {}]},
    }
).encode()


@given(st.lists(st.tuples(st.integers(0, len(FRAME) - 1), st.integers(0, 255)), max_size=5))
@settings(max_examples=500, deadline=None)
def test_mutated_frames(changes: list[tuple[int, int]]) -> None:
    """A frame with bytes changed is answered on every kind of connection."""
    venue = quiet_venue(NO_LIMITS)
    frame = bytearray(FRAME)
    for position, value in changes:
        frame[position] = value
    for path in ("/ws-api/v3", "/ws"):
        connection = venue.open(path, T0)
        assert connection is not None
        venue.receive(connection, bytes(frame), T0)
        ((number, reply),) = venue.take()
        assert number == connection
        assert isinstance(json.loads(reply), dict)


@pytest.mark.parametrize(("count", "faulty"), [(80_000, False), (15_000, True)])
def test_a_long_mixture_of_sound_and_broken_traffic(count: int, *, faulty: bool) -> None:
    """Requests and frames, sound and spoiled, one account trading: money, book and stream hold.

    With faults armed as well, what comes back may be anything; what is true stays true.
    """
    fuzzer = Fuzzer(1, faulty=faulty)
    for _ in range(count):
        fuzzer.step()
    assert fuzzer.venue.exchange.exec_id > count // 100


DEEP = {
    "a list": "[" * 100_000 + "]" * 100_000,
    "an object": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "just too deep": "[" * 1_500 + "]" * 1_500,
}


@pytest.mark.parametrize("deep", DEEP.values(), ids=DEEP)
@pytest.mark.parametrize(
    "frame",
    [
        "%s",
        '{"id":%s,"method":"ping"}',
        '{"id":1,"method":"order.place","params":{"symbol":%s}}',
        '{"id":1,"method":"SUBSCRIBE","params":[%s]}',
        '{"id":1,"method":"time","x":%s}',
    ],
)
def test_json_that_is_nested_too_deep(frame: str, deep: str) -> None:
    """It is refused as JSON that cannot be read, whatever watches requests."""
    venue = quiet_faulty_venue(1)
    venue.start(T0)
    venue.arm(Fault("ack_lost", match={"request": "nothing"}), T0)
    for path in ("/ws-api/v3", "/ws"):
        connection = venue.open(path, T0)
        assert connection is not None
        venue.receive(connection, (frame % deep).encode(), T0)
        ((_, reply),) = venue.take()
        told = json.loads(reply)
        assert told.get("status", 400) == 400
        assert "code" in told.get("error", told)
    status, _, _ = venue.http("GET", f"/api/v3/exchangeInfo?symbols={deep}", {}, b"", T0)
    assert status == 400
