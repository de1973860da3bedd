"""A venue at a distance: what is under way, in memory and in simulated time."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hftd.simex.events import Fees
from hftd.simex.late_venue import LateVenue
from hftd.simex.latency import Constant, Latencies, LogNormal, Model, Way
from hftd.simex.limits import Limits
from hftd.simex.matching import MatchingMarket
from hftd.simex.venue import AccountConfig, VenueConfig
from tests.simex.desk_client import KEY, OTHER_KEY, OTHER_SECRET, SECRET, T0, Client
from tests.simex.quiet import SPEC, QuietFlow

MS = 1_000_000
FAR: Model = Constant(80 * MS)
ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}


def venue_with(latencies: Latencies, limits: Limits | None = None) -> LateVenue:
    """Return a started venue on the quiet market with two accounts."""
    balances = {"USDT": "100000", "BTC": "1"}
    accounts = [AccountConfig(KEY, SECRET, balances), AccountConfig(OTHER_KEY, OTHER_SECRET, {})]
    config = VenueConfig(accounts, Fees(), limits or Limits(), "quiet")
    venue = LateVenue(config, lambda: [MatchingMarket(SPEC, [QuietFlow()])], latencies=latencies)
    venue.start(T0)
    return venue


def order_frame(client: Client, number: int, price: str = "50000.00") -> dict[str, Any]:
    """Return a signed order of the WS API."""
    params = client.with_signature(**ORDER, price=price, quantity="0.001")
    return {"id": number, "method": "order.place", "params": params}


def drive(client: Client, until_ns: int, connection: int) -> list[tuple[int, Any]]:
    """Let time pass to each due time in turn; return (time after the start of it, frame)."""
    heard: list[tuple[int, Any]] = []
    begun_ns = client.ts_ns
    while (due_ns := client.venue.next_ns()) is not None and due_ns <= until_ns:
        client.wait_ns(max(0, due_ns - client.ts_ns))
        heard += [(client.ts_ns - begun_ns, frame) for frame in client.heard(connection)]
    return heard


def test_an_order_takes_its_way_there_and_back() -> None:
    """Entry 80 ms, response 20 ms: accepted after 80, told after 100."""
    ways = {Way.ENTRY: FAR, Way.RESPONSE: Constant(20 * MS)}
    client = Client(venue_with(Latencies(ways)))
    connection = client.open("/ws-api/v3")
    sent_ns = client.ts_ns
    client.send(connection, order_frame(client, 1))
    assert client.heard(connection) == []
    ((took_ns, reply),) = drive(client, sent_ns + 200 * MS, connection)
    assert took_ns == 100 * MS
    assert reply["result"]["transactTime"] == (sent_ns + 80 * MS) // MS


def test_the_feed_is_late_and_in_order() -> None:
    """Book tickers leave 30 ms after what they tell of; no one overtakes another."""
    late = Latencies({Way.FEED: LogNormal(30 * MS, Decimal(1))}, seed=5)
    client = Client(venue_with(late))
    connection = client.open("/ws/btcusdt@bookTicker")
    for _ in range(40):
        client.signed("POST", "order", **ORDER, price="60000.00", quantity="0.001")
        client.signed("DELETE", "openOrders", symbol="BTCUSDT")
        client.wait_ns(MS)
    ids = [frame["u"] for frame in client.heard(connection)]
    ids += [frame["u"] for _, frame in drive(client, client.ts_ns + 10_000 * MS, connection)]
    assert len(ids) == 80
    assert ids == sorted(ids)


def test_orders_of_one_connection_keep_their_order() -> None:
    """A hundred orders, each with a delay of its own, arrive as they were sent."""
    late = Latencies({Way.ENTRY: LogNormal(30 * MS, Decimal(1))}, seed=5)
    client = Client(venue_with(late, Limits(orders_per_10s=1_000, weight_per_minute=100_000)))
    connection = client.open("/ws-api/v3")
    for number in range(100):
        client.send(connection, order_frame(client, number))
        client.wait_ns(MS // 10)
    heard = client.heard(connection)
    heard += [frame for _, frame in drive(client, client.ts_ns + 10_000 * MS, connection)]
    assert [frame["id"] for frame in heard] == list(range(100))
    assert [frame["result"]["orderId"] for frame in heard] == sorted(
        frame["result"]["orderId"] for frame in heard
    )


def test_the_nearer_account_is_served_first() -> None:
    """Two orders sent at one time: the key that stands 80 ms away comes second.

    It is told by the key in the request, and after the logon by the session.
    """
    for log_on in (False, True):
        venue = venue_with(Latencies(accounts={1: {Way.ENTRY: FAR}}))
        far, near = Client(venue), Client(venue, OTHER_KEY, OTHER_SECRET)
        first, second = far.open("/ws-api/v3"), near.open("/ws-api/v3")
        if log_on:
            far.send(first, {"id": 0, "method": "session.logon", "params": far.with_signature()})
            far.wait_ns(100 * MS)
            near.ts_ns = far.ts_ns
            assert [reply["status"] for reply in far.heard(first)] == [200]
        sent_ns = far.ts_ns
        frame = order_frame(far, 1)
        if log_on:
            frame["params"] = far.stamped(**ORDER, price="50000.00", quantity="0.001")
        far.send(first, frame)
        near.send(second, {"id": 2, "method": "time"})
        assert [reply["id"] for reply in near.heard(second)] == [2]
        assert [took for took, _ in drive(far, sent_ns + 100 * MS, first)] == [80 * MS]


def test_rest_is_told_how_long_to_wait() -> None:
    """Each REST request draws its two ways by its key."""
    late = Latencies({Way.RESPONSE: Constant(MS)}, {2: {Way.ENTRY: FAR}})
    venue = venue_with(late)
    assert venue.rest_delays_ns({}) == (0, MS)
    assert venue.rest_delays_ns({"X-MBX-APIKEY": KEY}) == (0, MS)
    assert venue.rest_delays_ns({"X-MBX-APIKEY": OTHER_KEY}) == (80 * MS, MS)


def test_what_is_under_way_is_out_before_the_end() -> None:
    """A venue that closes, and a connection that is hung up, lose no frame."""
    venue = venue_with(Latencies({Way.RESPONSE: FAR, Way.FEED: FAR}))
    client = Client(venue)
    connection = client.open("/ws-api/v3")
    client.send(connection, {"id": 1, "method": "time"})
    stream = client.open("/ws/btcusdt@trade")
    for number in range(6):
        client.send(stream, {"id": number, "method": "LIST_SUBSCRIPTIONS"})
    assert client.heard(connection) == []
    assert venue.take_hung_up() == []  # Six messages in a second: over the limit of five.
    client.wait_ns(80 * MS)
    assert len(client.heard(stream)) == 5
    assert venue.take_hung_up() == [stream]
    client.send(connection, {"id": 2, "method": "time"})
    venue.shut_down(client.ts_ns)
    told = client.heard(connection)
    assert [frame.get("id", frame.get("e")) for frame in told[-2:]] == [2, "serverShutdown"]


def test_one_seed_and_one_story_are_one_stream_of_bytes() -> None:
    """The same calls give the same frames at the same times, delays included."""
    stories = []
    for _ in range(2):
        ways: dict[Way, Model] = dict.fromkeys(Way, LogNormal(20 * MS, Decimal("0.7")))
        client = Client(venue_with(Latencies(ways, seed=11)))
        connection = client.open("/ws-api/v3")
        for number in range(10):
            client.send(connection, order_frame(client, number, f"{50_000 + number}.00"))
            client.wait_ns(5 * MS)
        stories.append(drive(client, client.ts_ns + 5_000 * MS, connection))
    assert stories[0] == stories[1]
    assert len(stories[0]) > 0
