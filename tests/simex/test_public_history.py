"""Aggregates, candles and tickers as clients see them, by REST, by the WS API and as streams."""

from __future__ import annotations

from typing import Any

import pytest

from hftd.simex.limits import Limits
from tests.simex.desk_client import T0, Client, quiet_venue, sign

MS = 1_000_000
SECOND = 1000 * MS
SWEEP = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1.5"}


def swept(stream: str = "") -> tuple[Client, int]:
    """Return a client that bought through two levels, and its connection to a stream."""
    client = Client(quiet_venue())
    connection = client.open(f"/ws/{stream}")
    client.limit("SELL", "60001.00", "0.1")
    client.heard(connection)
    status, _ = client.signed("POST", "order", **SWEEP)
    assert status == 200
    return client, connection


def test_aggregates_join_a_takers_trades_at_one_price() -> None:
    """Two makers at one price are one aggregate; another price is another; REST has the same."""
    client, stream = swept("btcusdt@aggTrade")
    first, second = client.heard(stream)
    now_ms = client.ts_ns // MS
    assert first == {
        "e": "aggTrade",
        "E": now_ms,
        "s": "BTCUSDT",
        "a": 1,
        "p": "60001.00000000",
        "q": "1.10000000",
        "f": 1,
        "l": 2,
        "T": now_ms,
        "m": False,
        "M": True,
    }
    assert (second["a"], second["f"], second["l"], second["q"]) == (2, 3, 3, "0.40000000")
    bare = [{k: v for k, v in each.items() if k not in "eEs"} for each in (first, second)]
    path = "/api/v3/aggTrades"
    assert client.get(path, "symbol=BTCUSDT") == (200, bare)
    assert client.get(path, "symbol=BTCUSDT&fromId=2") == (200, bare[1:])
    assert client.get(path, f"symbol=BTCUSDT&startTime={now_ms}&limit=1") == (200, bare[:1])
    assert client.get(path, f"symbol=BTCUSDT&endTime={now_ms - 1}") == (200, [])
    assert client.get(path, "symbol=BTCUSDT&fromId=2&startTime=1")[1]["code"] == -1128


def test_old_trades_by_id() -> None:
    """historicalTrades goes on from an id."""
    client, _ = swept()
    _, all_trades = client.get("/api/v3/trades", "symbol=BTCUSDT")
    status, later = client.get("/api/v3/historicalTrades", "symbol=BTCUSDT&fromId=2&limit=1")
    assert (status, later) == (200, all_trades[1:2])
    assert client.get("/api/v3/historicalTrades", "symbol=BTCUSDT&limit=0")[1]["code"] == -1130


def test_klines_over_rest() -> None:
    """A candle has twelve fields, and the ones after it are flat."""
    client, _ = swept()
    client.wait_ns(2 * SECOND)
    status, (candle, flat, _) = client.get("/api/v3/klines", "symbol=BTCUSDT&interval=1s")
    opened = client.ts_ns // MS // 1000 * 1000 - 2000
    assert (status, candle) == (
        200,
        [
            opened,
            "60001.00000000",
            "60002.00000000",
            "60001.00000000",
            "60002.00000000",
            "1.50000000",
            opened + 999,
            "90001.90000000",
            3,
            "1.50000000",
            "90001.90000000",
            "0",
        ],
    )
    assert flat[1:6] == ["60002.00000000"] * 4 + ["0.00000000"]
    query = f"symbol=BTCUSDT&interval=1s&startTime={opened + 1000}&limit=1"
    assert client.get("/api/v3/klines", query) == (200, [flat])
    assert client.get("/api/v3/klines", "symbol=BTCUSDT&interval=2s")[1]["code"] == -1120


def test_a_candle_on_its_stream() -> None:
    """It is told once a second while it goes on, once as closed, and then the next one."""
    client, stream = swept("btcusdt@kline_1m")
    client.wait_ns(2 * SECOND)
    (event,) = client.heard(stream)
    assert (event["e"], event["s"], event["k"]["i"], event["k"]["x"]) == (
        "kline",
        "BTCUSDT",
        "1m",
        False,
    )
    assert (event["k"]["f"], event["k"]["L"], event["k"]["n"]) == (1, 3, 3)
    assert (event["k"]["o"], event["k"]["c"]) == ("60001.00000000", "60002.00000000")
    assert client.heard(stream) == []
    client.wait_ns(60 * SECOND)
    closed, after = client.heard(stream)
    assert (closed["k"]["t"], closed["k"]["x"]) == (event["k"]["t"], True)
    assert (after["k"]["t"], after["k"]["x"], after["k"]["n"]) == (event["k"]["T"] + 1, False, 0)


def test_tickers_of_24_hours() -> None:
    """The REST ticker, its short form and both streams tell the same day."""
    client, stream = swept("btcusdt@ticker/btcusdt@miniTicker/!miniTicker@arr")
    status, full = client.get("/api/v3/ticker/24hr", "symbol=BTCUSDT")
    assert status == 200
    assert {
        name: full[name] for name in ("openPrice", "highPrice", "lastPrice", "volume", "count")
    } == {
        "openPrice": "60001.00000000",
        "highPrice": "60002.00000000",
        "lastPrice": "60002.00000000",
        "volume": "1.50000000",
        "count": 3,
    }
    assert (full["priceChange"], full["priceChangePercent"]) == ("1.00000000", "0.001")
    assert (full["askPrice"], full["lastQty"]) == ("60002.00000000", "0.40000000")
    _, (mini,) = client.get("/api/v3/ticker/24hr", "type=MINI")
    assert mini.items() <= full.items()
    client.wait_ns(SECOND)
    ticker, short, every = client.heard(stream)
    assert (ticker["e"], ticker["o"], ticker["c"], ticker["n"], ticker["w"]) == (
        "24hrTicker",
        full["openPrice"],
        full["lastPrice"],
        3,
        full["weightedAvgPrice"],
    )
    assert (short["e"], short["v"], short["q"]) == ("24hrMiniTicker", "1.50000000", ticker["q"])
    assert every == [short]
    client.wait_ns(5 * SECOND)
    assert client.heard(stream) == []


def test_average_price_and_an_empty_day() -> None:
    """Before the first trade the day is zero and the average is the mid; after it, weighted."""
    client = Client(quiet_venue())
    _, average = client.get("/api/v3/avgPrice", "symbol=BTCUSDT")
    assert (average["mins"], average["price"]) == (5, "60000.00000000")
    _, day = client.get("/api/v3/ticker/24hr", "symbol=BTCUSDT")
    assert (day["count"], day["lastPrice"], day["firstId"]) == (0, "0.00000000", -1)
    client, _ = swept()
    _, average = client.get("/api/v3/avgPrice", "symbol=BTCUSDT")
    assert average["price"] == "60001.26666666"


def test_the_ws_api_has_the_same() -> None:
    """Each public method answers what REST answers."""
    client, _ = swept()
    connection = client.open("/ws-api/v3")
    pairs = [
        ("trades.aggregate", "aggTrades", {"symbol": "BTCUSDT"}),
        ("trades.historical", "historicalTrades", {"symbol": "BTCUSDT"}),
        ("klines", "klines", {"symbol": "BTCUSDT", "interval": "1m"}),
        ("ticker.24hr", "ticker/24hr", {"symbol": "BTCUSDT"}),
        ("avgPrice", "avgPrice", {"symbol": "BTCUSDT"}),
    ]
    for method, path, params in pairs:
        query = "&".join(f"{name}={value}" for name, value in params.items())
        reply = client.call(connection, method, **params)
        assert (reply["status"], reply["result"]) == client.get(f"/api/v3/{path}", query)


# --- listen keys, what is empty, times, limits ----------------------------------------------


def keyed(client: Client, method: str, query: str = "") -> tuple[int, Any]:
    """Send a request of the listen key with the API key alone."""
    target = "/api/v3/userDataStream" + (f"?{query}" if query else "")
    return client.http(method, target, {"X-MBX-APIKEY": client.key})


@pytest.mark.parametrize("path", ["/ws/{key}", "/stream?streams={key}"])
def test_a_listen_key_carries_the_users_events(path: str) -> None:
    """Raw on /ws, wrapped on /stream, as long as the key lives; then -1125."""
    client = Client(quiet_venue())
    _, answer = keyed(client, "POST")
    key = answer["listenKey"]
    assert len(key) == 64
    assert keyed(client, "POST")[1] == {"listenKey": key}
    connection = client.open(path.format(key=key))
    client.limit("BUY", "59000.00", "0.01")
    events = client.heard(connection)
    if "stream" in path:
        assert {each["stream"] for each in events} == {key}
        events = [each["data"] for each in events]
    assert [each["e"] for each in events] == ["executionReport", "outboundAccountPosition"]
    client.wait_ns(40 * 60 * SECOND)
    assert keyed(client, "PUT", f"listenKey={key}") == (200, {})
    client.wait_ns(40 * 60 * SECOND)
    assert keyed(client, "DELETE", f"listenKey={key}") == (200, {})
    client.signed("DELETE", "openOrders", "symbol=BTCUSDT")
    assert client.heard(connection) == []
    for method in ("PUT", "DELETE"):
        assert keyed(client, method, f"listenKey={key}")[1]["code"] == -1125


def test_a_listen_key_lives_for_an_hour() -> None:
    """Without a sign of life it ends."""
    client = Client(quiet_venue())
    key = keyed(client, "POST")[1]["listenKey"]
    client.wait_ns(61 * 60 * SECOND)
    assert keyed(client, "PUT", f"listenKey={key}")[1]["code"] == -1125
    assert keyed(client, "POST")[1]["listenKey"] != key


def test_what_programs_ask_while_they_load() -> None:
    """Rates of all symbols, and empty lists of what the venue does not have."""
    client = Client(quiet_venue())
    stamp = f"timestamp={client.ts_ns // MS}"
    signature = f"{stamp}&signature={sign(stamp)}"
    headers = {"X-MBX-APIKEY": client.key}
    fee = {"symbol": "BTCUSDT", "makerCommission": "0.00100000", "takerCommission": "0.00100000"}
    for path, wanted in (
        ("asset/tradeFee", [fee]),
        ("capital/config/getall", []),
        ("margin/allPairs", []),
        ("margin/isolated/allPairs", []),
    ):
        assert client.http("GET", f"/sapi/v1/{path}?{signature}", headers) == (200, wanted)


def test_times_in_microseconds() -> None:
    """The header and the query of a connection make every time a thousand times larger."""
    client, _ = swept()
    header = {"X-MBX-TIME-UNIT": "MICROSECOND"}
    now_us = client.ts_ns // MS * 1000
    assert client.http("GET", "/api/v3/time", header) == (200, {"serverTime": now_us})
    _, trades = client.http("GET", "/api/v3/trades?symbol=BTCUSDT", header)
    assert (trades[0]["id"], trades[0]["time"]) == (1, now_us)
    _, ((opened, *_, last),) = client.http(
        "GET", "/api/v3/klines?symbol=BTCUSDT&interval=1m", header
    )
    assert (opened, last) == (now_us // 60_000_000 * 60_000_000, "0")
    assert client.http("GET", "/api/v3/time", {"X-MBX-TIME-UNIT": "NANO"})[1]["code"] == -1194
    stream = client.open("/ws/btcusdt@trade?timeUnit=MICROSECOND")
    api = client.open("/ws-api/v3?timeUnit=MICROSECOND")
    assert client.call(api, "time")["result"] == {"serverTime": now_us}
    client.signed("POST", "order", **{**SWEEP, "quantity": "0.1"})
    (event,) = client.heard(stream)
    assert (event["t"], event["E"], event["T"]) == (4, now_us, now_us)


def test_going_on_past_429_is_a_ban() -> None:
    """After so many refusals every request is a 418 with its end, until it is over."""
    client = Client(quiet_venue(Limits(weight_per_minute=1, refusals_before_ban=3)))
    statuses = [client.get("/api/v3/ping")[0] for _ in range(6)]
    assert statuses == [200, 429, 429, 429, 418, 418]
    status, refusal = client.get("/api/v3/ping")
    assert (status, refusal["code"]) == (418, -1003)
    until_ms = int(refusal["msg"].split(" until ")[1].split(".")[0])
    assert until_ms == client.ts_ns // MS + 120_000
    assert client.headers["Retry-After"] == "120"
    client.wait_ns(120 * SECOND)
    assert client.get("/api/v3/ping")[0] == 200


def test_too_many_messages_end_a_stream_connection() -> None:
    """The sixth control frame of a second is not answered: the venue hangs up."""
    client = Client(quiet_venue())
    connection = client.open("/ws")
    for number in range(6):
        client.send(connection, {"method": "LIST_SUBSCRIPTIONS", "id": number})
    assert len(client.heard(connection)) == 5
    assert client.venue.take_hung_up() == [connection]
    assert client.venue.take_hung_up() == []


def test_a_connection_lives_for_a_day() -> None:
    """After 24 hours it hears serverShutdown and is hung up; younger ones go on."""
    client = Client(quiet_venue())
    old = client.open("/ws")
    client.wait_ns(SECOND)
    client.open("/ws-api/v3")
    day_ns = 24 * 3600 * SECOND
    assert client.venue.next_ns() == T0 + SECOND + day_ns
    client.wait_ns(day_ns - SECOND)
    assert client.heard(old) == [{"e": "serverShutdown", "E": client.ts_ns // MS}]
    assert client.venue.take_hung_up() == [old]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("permissions=SPOT", 1),
        ("permissions=MARGIN", 0),
        ('permissions=["MARGIN","SPOT"]', 1),
        ("permissions=[1]", -1130),
        ("symbolStatus=TRADING", 1),
        ("symbolStatus=HALT", 0),
        ("symbolStatus=NAPPING", -1130),
        ("symbol=BTCUSDT&permissions=SPOT", -1128),
        ('symbols=["BTCUSDT","BTCUSDT"]', -1151),
        ("showPermissionSets=false", 1),
    ],
)
def test_exchange_info_variants(query: str, wanted: int) -> None:
    """Symbols may be asked for by permission or status, alone."""
    _, info = Client(quiet_venue()).get("/api/v3/exchangeInfo", query)
    assert info.get("code", len(info.get("symbols", []))) == wanted
