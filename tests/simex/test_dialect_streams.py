"""Market streams as a client sees them: subscriptions, wrapping, and one axis of ids."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.simex.desk_client import Client, quiet_venue

MS = 1_000_000
SECOND = 1000 * MS


def test_raw_and_combined() -> None:
    """/ws sends plain events, /stream wraps them, and a property switches between."""
    client = Client(quiet_venue())
    raw = client.open("/ws/btcusdt@bookTicker")
    combined = client.open("/stream?streams=btcusdt@bookTicker/btcusdt@trade")
    client.limit("BUY", "60000.00", "0.01")
    plain = {
        "u": 5,
        "s": "BTCUSDT",
        "b": "60000.00000000",
        "B": "0.01000000",
        "a": "60001.00000000",
        "A": "1.00000000",
    }
    assert client.heard(raw) == [plain]
    assert client.heard(combined) == [{"stream": "btcusdt@bookTicker", "data": plain}]
    client.send(raw, {"method": "SET_PROPERTY", "params": ["combined", True], "id": 1})
    client.send(raw, {"method": "GET_PROPERTY", "params": ["combined"], "id": 2})
    assert client.heard(raw) == [{"result": None, "id": 1}, {"result": True, "id": 2}]


def test_one_event_in_every_form_for_its_readers() -> None:
    """Who reads it wrapped, or in microseconds, or both, hears the same event in that form."""
    client = Client(quiet_venue())
    unit = "timeUnit=MICROSECOND"
    paths = {
        ("raw", "ms"): "/ws/btcusdt@trade",
        ("raw", "us"): f"/ws/btcusdt@trade?{unit}",
        ("combined", "ms"): "/stream?streams=btcusdt@trade",
        ("combined", "us"): f"/stream?streams=btcusdt@trade&{unit}",
    }
    readers = {form: [client.open(path), client.open(path)] for form, path in paths.items()}
    client.limit("BUY", "60001.00", "0.01")
    plain = client.heard(readers["raw", "ms"][0])
    assert [each["e"] for each in plain] == ["trade"]
    for (wrap, time), connections in readers.items():
        expected = plain[0]
        if time == "us":
            expected = {**expected, "E": expected["E"] * 1000, "T": expected["T"] * 1000}
        if wrap == "combined":
            expected = {"stream": "btcusdt@trade", "data": expected}
        heard = plain if (wrap, time) == ("raw", "ms") else client.heard(connections[0])
        assert heard == client.heard(connections[1]) == [expected]


@pytest.mark.parametrize("path", ["/ws", "/ws/0", "/ws/", "/stream", "/ws/anything"])
def test_paths_without_streams_are_subscribed_later(path: str) -> None:
    """A path token is no stream; SUBSCRIBE, LIST and UNSUBSCRIBE follow."""
    client = Client(quiet_venue())
    connection = client.open(path)
    names = ["btcusdt@trade", "nosuch@thing"]
    client.send(connection, {"method": "SUBSCRIBE", "params": names, "id": "a"})
    client.send(connection, {"method": "LIST_SUBSCRIPTIONS", "id": 2})
    client.send(connection, {"method": "UNSUBSCRIBE", "params": names[:1], "id": 3})
    client.send(connection, {"method": "LIST_SUBSCRIPTIONS", "id": 4})
    assert client.heard(connection) == [
        {"result": None, "id": "a"},
        {"result": names, "id": 2},
        {"result": None, "id": 3},
        {"result": names[1:], "id": 4},
    ]


def test_other_paths_are_not_served() -> None:
    """No stream is opened where none is."""
    client = Client(quiet_venue())
    assert client.venue.open("/wsx", client.ts_ns) is None
    assert client.venue.open("/api/v3/ping", client.ts_ns) is None


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("{", 3),
        ("{}", 2),
        ('{"method":"DANCE","id":1}', 2),
        ('{"method":"SUBSCRIBE","params":[1],"id":1}', 2),
        ('{"method":"SUBSCRIBE","id":1}', 2),
        ('{"method":"GET_PROPERTY","params":["x"],"id":1}', 0),
        ('{"method":"SET_PROPERTY","params":["combined","x"],"id":1}', 1),
    ],
)
def test_malformed_control_frames(frame: str, code: int) -> None:
    """Each has its code, and the connection lives on."""
    client = Client(quiet_venue())
    connection = client.open("/ws")
    client.send(connection, frame)
    assert client.heard(connection)[0]["code"] == code
    client.send(connection, {"method": "LIST_SUBSCRIPTIONS", "id": 1})
    assert client.heard(connection) == [{"result": [], "id": 1}]


def test_trades_are_printed_with_the_makers_side() -> None:
    """m says that the buyer was the maker; ids grow by one."""
    client = Client(quiet_venue())
    stream = client.open("/ws/btcusdt@trade")
    for side in ("BUY", "SELL"):
        order = {"symbol": "BTCUSDT", "side": side, "type": "MARKET", "quantity": "0.01"}
        client.signed("POST", "order", **order)
    first, second = client.heard(stream)
    now_ms = client.ts_ns // MS
    assert first == {
        "e": "trade",
        "E": now_ms,
        "s": "BTCUSDT",
        "t": 1,
        "p": "60001.00000000",
        "q": "0.01000000",
        "T": now_ms,
        "m": False,
        "M": True,
    }
    assert (second["t"], second["m"], second["p"]) == (2, True, "59999.00000000")


def _follow(client: Client, stream: int) -> list[Any]:
    # Orders at several prices over three seconds, one of them canceled within its cut.
    heard = []
    for number in range(30):
        client.limit("BUY", f"{59000 + number % 7}.00", "0.001", newClientOrderId=f"o{number}")
        if number % 3 == 0:
            query = f"symbol=BTCUSDT&origClientOrderId=o{number}"
            client.signed("DELETE", "order", query)
        client.wait_ns(97 * MS)
        heard += client.heard(stream)
    client.wait_ns(2 * SECOND)
    return heard + client.heard(stream)


@pytest.mark.parametrize(("stream", "grid_ns"), [("depth@100ms", 100 * MS), ("depth", SECOND)])
def test_depth_streams_rebuild_the_book(stream: str, grid_ns: int) -> None:
    """Snapshot and diffs by the documented rule give the book; U follows u; E is on the grid."""
    client = Client(quiet_venue())
    connection = client.open(f"/ws/btcusdt@{stream}")
    client.limit("SELL", "61000.00", "0.002")
    _, snapshot = client.get("/api/v3/depth", "symbol=BTCUSDT")
    events = _follow(client, connection)
    book = {side: dict(snapshot[side]) for side in ("bids", "asks")}
    local = snapshot["lastUpdateId"]
    assert events[0]["U"] <= local + 1 <= events[0]["u"]
    for event in events:
        assert event["U"] <= local + 1
        assert event["E"] * MS % grid_ns == 0
        local = event["u"]
        for side, key in (("bids", "b"), ("asks", "a")):
            for price, quantity in event[key]:
                if quantity == "0.00000000":
                    book[side].pop(price, None)
                else:
                    book[side][price] = quantity
    _, now = client.get("/api/v3/depth", "symbol=BTCUSDT&limit=5000")
    assert now["lastUpdateId"] == local
    assert book == {side: dict(now[side]) for side in ("bids", "asks")}


@pytest.mark.parametrize("stream", ["depth5@100ms", "depth20"])
def test_partial_depth(stream: str) -> None:
    """The best levels come whole, with the id they stand at."""
    client = Client(quiet_venue())
    connection = client.open(f"/ws/btcusdt@{stream}")
    for price in range(10):
        client.limit("BUY", f"{59000 + price}.00", "0.001")
    client.wait_ns(SECOND)
    (event,) = client.heard(connection)
    assert event["lastUpdateId"] == 14
    assert len(event["bids"]) == (5 if stream == "depth5@100ms" else 12)
    assert event["bids"][0] == ["59999.00000000", "1.00000000"]


def test_many_streams_have_a_limit() -> None:
    """Beyond 1,024 streams a connection takes no more, and goes on."""
    client = Client(quiet_venue())
    connection = client.open("/ws")
    for part in range(3):
        names = [f"s{part}x{number}@trade" for number in range(400)]
        client.send(connection, {"method": "SUBSCRIBE", "params": names, "id": part})
    client.send(connection, {"method": "LIST_SUBSCRIPTIONS", "id": 9})
    assert len(client.heard(connection)[-1]["result"]) == 1024


def test_shut_down_is_said_to_all() -> None:
    """Every connection hears serverShutdown, plain."""
    client = Client(quiet_venue())
    connections = [client.open(path) for path in ("/ws", "/stream", "/ws-api/v3")]
    client.venue.shut_down(client.ts_ns)
    expected = {"e": "serverShutdown", "E": client.ts_ns // MS}
    assert [client.heard(connection) for connection in connections] == [[expected]] * 3


def test_same_calls_give_the_same_bytes() -> None:
    """The venue is deterministic down to the frame."""

    def frames() -> list[tuple[int, bytes]]:
        client = Client(quiet_venue())
        client.open("/stream?streams=btcusdt@depth@100ms/btcusdt@bookTicker")
        client.limit("BUY", "60000.00", "0.01")
        client.venue.advance(client.ts_ns + SECOND)
        return client.venue.take()

    first = frames()
    assert first == frames()
    assert len(first) == 2
    assert json.loads(first[0][1])["stream"] == "btcusdt@bookTicker"


def test_a_closed_connection_is_forgotten() -> None:
    """Nothing is sent to who left; who stays hears on."""
    client = Client(quiet_venue())
    gone, stays = (client.open("/ws/btcusdt@bookTicker") for _ in range(2))
    client.venue.close(gone)
    client.limit("BUY", "60000.00", "0.01")
    assert [number for number, _ in client.venue.take()] == [stays]
    client.venue.close(stays)
    client.limit("BUY", "60000.50", "0.01")
    assert client.venue.take() == []
