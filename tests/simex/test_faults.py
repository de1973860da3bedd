"""Each fault on demand, through the venue: what the client sees, and what is true all the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from hftd.errors import UsageError
from hftd.simex.events import Fees
from hftd.simex.fault_kinds import FRAME, KINDS, MOMENT, REQUEST
from hftd.simex.fault_requests import NO_REPLY
from hftd.simex.faults import MAX_FAULTS, Fault, FaultScript, read_script
from hftd.simex.faulty_venue import MAX_LATE, FaultyVenue
from hftd.simex.matching import MatchingMarket
from hftd.simex.orders import Status
from hftd.simex.venue import AccountConfig, VenueConfig
from tests.simex.desk_client import KEY, OTHER_KEY, OTHER_SECRET, SECRET, T0, Client, sign
from tests.simex.quiet import SPEC, QuietFlow

MS = 1_000_000
SECOND = 1000 * MS
LIMIT = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
BID = {**LIMIT, "price": "59000.00", "quantity": "0.01"}
SHOWN = ("59000.00000000", "0.01000000")


class Scene(Client):
    """A client on a venue that commits faults; ``fires`` says which did."""

    def __init__(self, *faults: Fault, seed: int = 1) -> None:
        balances = {"USDT": "100000", "BTC": "1"}
        accounts = [
            AccountConfig(KEY, SECRET, balances),
            AccountConfig(OTHER_KEY, OTHER_SECRET, balances),
        ]
        config = VenueConfig(accounts, Fees(), identity="quiet")
        self.faulty = FaultyVenue(config, lambda: [MatchingMarket(SPEC, [QuietFlow()])], seed)
        self.faulty.start(T0)
        super().__init__(self.faulty)
        self.arm(*faults)

    def arm(self, *faults: Fault) -> None:
        for fault in faults:
            self.faulty.script.arm(fault, self.ts_ns)

    def fires(self) -> list[str]:
        return [each["fault"] for each in self.faulty.script.take_log()]

    def bid(self, price: str = "59000.00", **more: object) -> tuple[int, Any]:
        return self.limit("BUY", price, "0.01", **more)

    def raw(self, connection: int) -> list[bytes]:
        return [frame for number, frame in self.venue.take() if number == connection]

    def open_ids(self) -> list[int]:
        return [order.order_id for order in self.venue.exchange.bookkeeping(1).open_orders(None)]

    def moment(self, kind: str, **more: Any) -> None:
        self.arm(Fault(kind, **more))
        self.wait_ns(0)


# --- requests -----------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "live"), [("error_accepted", 1), ("error_not_accepted", 0)])
def test_5xx_says_nothing_of_the_order(kind: str, live: int) -> None:
    """The same 503 and -1007 come whether the order was taken or not; both roads."""
    scene = Scene(Fault(kind, match={"request": "order.place"}, times=2))
    assert scene.bid()[0] == 503
    assert len(scene.open_ids()) == live
    connection = scene.log_on()
    reply = scene.call(connection, "order.place", **scene.stamped(**BID))
    assert (reply["status"], reply["error"]["code"]) == (503, -1007)
    assert len(scene.open_ids()) == 2 * live
    told = [frame["event"]["e"] for frame in scene.heard(connection)]
    assert told == ["executionReport", "outboundAccountPosition"] * live
    assert scene.fires() == [kind] * 2
    assert scene.bid(newClientOrderId="x")[0] == 200


def test_an_ack_is_lost() -> None:
    """The order lives, its events come, its answer never does."""
    scene = Scene(Fault("ack_lost", match={"request": "order.place"}, times=2))
    connection = scene.log_on()
    scene.send(connection, {"id": 9, "method": "order.place", "params": scene.stamped(**BID)})
    frames = scene.heard(connection)
    assert [frame["event"]["e"] for frame in frames] == [
        "executionReport",
        "outboundAccountPosition",
    ]
    payload_status, *_ = scene.venue.http(
        "POST", _signed_target(scene), {"X-MBX-APIKEY": KEY}, b"", scene.ts_ns
    )
    assert payload_status == NO_REPLY
    assert len(scene.open_ids()) == 2


def _signed_target(scene: Scene) -> str:
    wish = {**BID, "timestamp": scene.ts_ns // MS}
    payload = "&".join(f"{name}={value}" for name, value in wish.items())
    return f"/api/v3/order?{payload}&signature={sign(payload)}"


def test_an_order_is_accepted_late() -> None:
    """It is unknown at first and comes to life within its window."""
    scene = Scene(Fault("accept_late", match={"request": "order.place"}, for_ms=700))
    assert scene.bid()[0] == 503
    assert scene.open_ids() == []
    scene.wait_ns(699 * MS)
    assert scene.open_ids() == []
    scene.wait_ns(1 * MS)
    assert len(scene.open_ids()) == 1


def test_a_live_order_is_not_found() -> None:
    """The query says -2013 for once, and the truth is another."""
    scene = Scene(Fault("not_found"))
    _, order = scene.bid()
    query = f"symbol=BTCUSDT&orderId={order['orderId']}"
    assert scene.signed("GET", "order", query)[1]["code"] == -2013
    assert scene.signed("GET", "order", query)[1]["status"] == "NEW"


def test_open_orders_are_stale() -> None:
    """The answer of the time before comes again, by REST and by the WS API."""
    scene = Scene(Fault("stale_answer"))
    assert scene.signed("GET", "openOrders", "symbol=BTCUSDT")[1] == []
    scene.bid()
    assert scene.signed("GET", "openOrders", "symbol=BTCUSDT")[1] == []
    assert len(scene.signed("GET", "openOrders", "symbol=BTCUSDT")[1]) == 1
    assert "stale_answer" in scene.fires()


def test_a_snapshot_is_older_than_the_deltas() -> None:
    """depth answers what it answered before, though the book went on."""
    scene = Scene(Fault("stale_snapshot"))
    _, old = scene.get("/api/v3/depth", "symbol=BTCUSDT")
    scene.bid()
    scene.wait_ns(SECOND)
    assert scene.get("/api/v3/depth", "symbol=BTCUSDT")[1] == old
    assert scene.get("/api/v3/depth", "symbol=BTCUSDT")[1]["lastUpdateId"] > old["lastUpdateId"]


def test_a_cancel_is_refused_because_it_was_filled() -> None:
    """-2011, and the fill stands among the trades."""
    scene = Scene(Fault("fill_before_cancel"))
    _, order = scene.bid("60000.00")
    query = f"symbol=BTCUSDT&orderId={order['orderId']}"
    assert scene.signed("DELETE", "order", query)[1]["code"] == -2011
    assert scene.signed("GET", "order", query)[1]["status"] == "FILLED"


@pytest.mark.parametrize(
    ("kind", "status"), [("too_many_requests", 429), ("ban", 418), ("firewall", 403)]
)
def test_refusals_of_the_gate(kind: str, status: int) -> None:
    """429 and 418 say when to come back; the firewall speaks no JSON."""
    scene = Scene(
        Fault(kind, times=2) if kind == "firewall" else Fault(kind, times=2, for_ms=30_000)
    )
    got, headers, body = scene.venue.http("GET", "/api/v3/time", {}, b"", scene.ts_ns)
    assert got == status
    if status == 403:
        assert body.startswith(b"<html>")
    else:
        assert (headers["Retry-After"], json.loads(body)["code"]) == ("30", -1003)
    connection = scene.open("/ws-api/v3")
    assert scene.call(connection, "time")["status"] == status
    assert scene.get("/api/v3/time")[0] == 200


# --- frames -------------------------------------------------------------------------------


def streaming(*faults: Fault, stream: str = "btcusdt@bookTicker") -> tuple[Scene, int]:
    """Return a scene and a connection to a stream."""
    scene = Scene(*faults)
    return scene, scene.open(f"/ws/{stream}")


def told(scene: Scene, connection: int, *prices: str) -> list[str]:
    """Bid at each price; return the bids that the connection was told, in order."""
    for price in prices:
        scene.bid(price)
    return [frame["b"] for frame in scene.heard(connection)]


RISING = ("59999.50", "59999.60", "59999.70")
FULL = [f"{price}000000" for price in RISING]


@pytest.mark.parametrize(
    ("fault", "wanted"),
    [
        (Fault("drop"), FULL[1:]),
        (Fault("drop", after=1, times=0), FULL[:1]),
        (Fault("drop", probability="0"), FULL),
        (Fault("duplicate"), [FULL[0], *FULL]),
        (Fault("half_open"), []),
        (Fault("silent_stream"), []),
        (Fault("drop", match={"b": FULL[1]}), [FULL[0], FULL[2]]),
        (Fault("drop", from_s=5), FULL),
    ],
)
def test_frames_are_lost_or_doubled(fault: Fault, wanted: list[str]) -> None:
    """By count, by probability, by a match and by time."""
    scene, connection = streaming(fault)
    assert told(scene, connection, *RISING) == wanted


def test_a_delayed_frame_is_passed_by_others() -> None:
    """It comes for_ms later, and the venue asks to be woken for it."""
    scene, connection = streaming(Fault("delay", for_ms=50))
    assert told(scene, connection, *RISING) == FULL[1:]
    assert scene.venue.next_ns() == scene.ts_ns + 50 * MS
    scene.wait_ns(50 * MS)
    assert told(scene, connection) == FULL[:1]


def test_frames_change_places() -> None:
    """A frame goes behind the next one of its connection."""
    scene, connection = streaming(Fault("reorder"))
    assert told(scene, connection, *RISING) == [FULL[1], FULL[0], FULL[2]]


def test_a_silent_stream_leaves_the_others() -> None:
    """One kind of frame is mute on one connection; the rest goes on, and so do others."""
    scene, connection = streaming(
        Fault("silent_stream", match={"event": "bookTicker"}),
        stream="btcusdt@bookTicker/btcusdt@depth@100ms",
    )
    other = scene.open("/ws/btcusdt@bookTicker")
    scene.bid(RISING[0])
    scene.wait_ns(SECOND)
    assert [frame["e"] for frame in scene.heard(connection)] == ["depthUpdate"]
    assert len(scene.heard(other)) == 1


def test_a_half_open_connection_hears_nothing_either() -> None:
    """What the client sends is lost as well."""
    scene, connection = streaming(Fault("half_open"))
    scene.bid(RISING[0])
    scene.send(connection, {"method": "LIST_SUBSCRIPTIONS", "id": 1})
    assert scene.heard(connection) == []


def test_a_connection_breaks_in_mid_frame() -> None:
    """The driver is told to break it, once."""
    scene, connection = streaming(Fault("reset"))
    assert told(scene, connection, *RISING) == []
    assert scene.faulty.take_cut() == [connection]
    assert scene.faulty.take_cut() == []


def test_a_gap_in_the_sequence() -> None:
    """An event of the book is missing: the next one does not join."""
    scene, connection = streaming(Fault("sequence_gap", after=1), stream="btcusdt@depth@100ms")
    for price in RISING:
        scene.bid(price)
        scene.wait_ns(SECOND)
    first, third = scene.heard(connection)
    assert third["U"] > first["u"] + 1


def test_a_crossed_book() -> None:
    """A bid above the asks is told that is not in the book."""
    scene, connection = streaming(Fault("crossed_book"), stream="btcusdt@depth@100ms")
    scene.bid(RISING[0])
    scene.wait_ns(SECOND)
    (event,) = scene.heard(connection)
    assert float(event["b"][0][0]) > 60_002
    _, book = scene.get("/api/v3/depth", "symbol=BTCUSDT")
    assert float(book["bids"][0][0]) < float(book["asks"][0][0])


def test_corrupt_and_oversize_frames() -> None:
    """Half a JSON, and one with a field of ten megabytes."""
    scene, connection = streaming(Fault("truncate"), Fault("oversize", size=10_000_000))
    scene.bid(RISING[0])
    scene.bid(RISING[1])
    half, huge = scene.raw(connection)
    with pytest.raises(json.JSONDecodeError):
        json.loads(half)
    assert len(json.loads(huge)["pad"]) == 10_000_000


def test_a_fill_is_told_before_its_ack() -> None:
    """The answer comes behind the order's own events."""
    scene = Scene(Fault("fill_before_ack"))
    connection = scene.log_on()
    scene.send(
        connection,
        {"id": 7, "method": "order.place", "params": scene.stamped(**{**BID, "price": "60001.00"})},
    )
    frames = scene.heard(connection)
    kinds = [frame.get("id") or frame["event"].get("x", "balance") for frame in frames]
    assert kinds[-1] == 7
    assert "TRADE" in kinds


def test_a_report_comes_twice() -> None:
    """The same fill, byte for byte."""
    scene = Scene(Fault("duplicate_report", match={"x": "TRADE"}))
    connection = scene.log_on()
    scene.bid("60001.00")
    frames = [frame for frame in scene.raw(connection) if b'"x":"TRADE"' in frame]
    assert len(frames) == 2
    assert frames[0] == frames[1]


def test_a_fill_is_told_after_the_cancel() -> None:
    """The partial fill is known only when the order is gone."""
    scene = Scene(Fault("fill_after_cancel", for_ms=5000))
    connection = scene.log_on()
    _, order = scene.bid("60000.00")
    scene.moment("partial_fill", size=300)
    scene.signed("DELETE", "order", f"symbol=BTCUSDT&orderId={order['orderId']}")
    reports = [frame["event"] for frame in scene.heard(connection)]
    order_told = [(each["x"], each["z"]) for each in reports if each["e"] == "executionReport"]
    assert order_told == [
        ("NEW", "0.00000000"),
        ("CANCELED", "0.00300000"),
        ("TRADE", "0.00300000"),
    ]


# --- moments ------------------------------------------------------------------------------


def test_partial_fills_by_a_stranger() -> None:
    """So many lots of the oldest order are taken, behind all that stands before it."""
    scene = Scene()
    _, order = scene.bid("59998.00")
    scene.moment("partial_fill", size=7)
    _, now = scene.signed("GET", "order", f"symbol=BTCUSDT&orderId={order['orderId']}")
    assert (now["status"], now["executedQty"]) == ("PARTIALLY_FILLED", "0.00007000")
    _, book = scene.get("/api/v3/ticker/bookTicker", "symbol=BTCUSDT")
    assert book["bidPrice"] == "59998.00000000"


def test_a_cancel_that_nobody_asked_for() -> None:
    """The oldest order goes, its owner hears of it, its money is free again."""
    scene = Scene()
    connection = scene.log_on()
    scene.bid()
    scene.heard(connection)
    scene.moment("cancel_unasked")
    report, position = (frame["event"] for frame in scene.heard(connection))
    assert report["x"] == "CANCELED"
    assert position["B"] == [{"a": "USDT", "f": "100000.00000000", "l": "0.00000000"}]


def test_a_symbol_is_halted() -> None:
    """No order is taken until it goes on; cancels are."""
    scene = Scene()
    _, order = scene.bid()
    scene.moment("halt", for_ms=2000)
    assert scene.bid()[1] == {"code": -2010, "msg": "Market is closed."}
    _, info = scene.get("/api/v3/exchangeInfo")
    assert info["symbols"][0]["status"] == "HALT"
    assert scene.signed("DELETE", "order", f"symbol=BTCUSDT&orderId={order['orderId']}")[0] == 200
    scene.wait_ns(2 * SECOND)
    assert scene.bid()[0] == 200


def test_a_symbol_trades_again_when_somebody_says_so() -> None:
    """A status for good lasts until the status TRADING is armed."""
    scene = Scene()
    scene.moment("halt", value="CANCEL_ONLY", for_ms=0)
    scene.wait_ns(100 * SECOND)
    assert scene.bid()[1]["msg"] == "Market is closed."
    scene.moment("halt", value="TRADING", for_ms=0)
    assert scene.bid()[0] == 200


@pytest.mark.parametrize("kind", [name for name, each in KINDS.items() if each.site == MOMENT])
def test_moments_in_a_closed_market(kind: str) -> None:
    """While a symbol is halted nothing trades, whatever happens; a stop that waits is no prey."""
    scene = Scene()
    scene.bid("60000.00")
    stop = {"type": "STOP_LOSS_LIMIT", "stopPrice": "50000.00", "price": "49999.00"}
    assert scene.signed("POST", "order", **{**BID, **stop, "side": "SELL"})[0] == 200
    scene.moment("halt", for_ms=5000)
    scene.moment(kind)
    scene.wait_ns(3 * SECOND)
    if kind != "restart_without_memory":
        book = scene.faulty.exchange.bookkeeping(1)
        assert sum(order.cum_lots for order in (*book.open.values(), *book.final.values())) == 0
    scene.faulty.script.take_log()
    scene.wait_ns(5 * SECOND)
    scene.moment("partial_fill", size=3)
    (fired,) = scene.faulty.script.take_log()
    gone = ("cancel_unasked", "expire_unasked", "stp_expiry", "restart_without_memory")
    assert ("without_effect" in fired) == (kind in gone)


def test_the_tick_grows() -> None:
    """Prices must keep to the new tick, which exchangeInfo shows."""
    scene = Scene()
    scene.moment("tick_size", size=100)
    _, info = scene.get("/api/v3/exchangeInfo")
    assert info["symbols"][0]["filters"][0]["tickSize"] == "1.00000000"
    assert scene.bid("59000.50")[1]["msg"] == "Filter failure: PRICE_FILTER"
    assert scene.bid("59001.00")[0] == 200


@pytest.mark.parametrize("skew_ms", [10_000, -10_000])
def test_the_clock_is_off(skew_ms: int) -> None:
    """Who keeps the true time is refused with -1021, who follows the venue's is not."""
    scene = Scene()
    scene.moment("clock_skew", skew_ms=skew_ms, for_ms=60_000)
    _, time = scene.get("/api/v3/time")
    assert time["serverTime"] == scene.ts_ns // MS + skew_ms
    assert scene.bid()[1]["code"] == -1021
    assert scene.bid(timestamp=time["serverTime"])[0] == 200
    scene.wait_ns(60 * SECOND)
    assert scene.bid(newClientOrderId="later")[0] == 200


def test_disarming_ends_what_lasts() -> None:
    """A clock off for good, a halt for good and a fee asset for good are over."""
    scene = Scene()
    scene.moment("clock_skew", skew_ms=10_000, for_ms=0)
    scene.moment("fee_asset", value="BNB", size=1, for_ms=0)
    scene.moment("halt", value="HALT", for_ms=60_000)
    assert scene.bid()[0] == 400
    scene.faulty.disarm(scene.ts_ns)
    assert scene.bid()[0] == 200
    assert scene.faulty.exchange.settlement.third_fee is None
    scene.moment("halt", value="BREAK", for_ms=0)
    scene.wait_ns(60 * SECOND)  # The end of a halt that is over ends no other one.
    assert scene.bid(newClientOrderId="later")[1]["code"] == -2010


@pytest.mark.parametrize(("kind", "kept"), [("restart", 1), ("restart_without_memory", 0)])
def test_the_venue_restarts(kind: str, kept: int) -> None:
    """All connections break; orders and balances come back, or a new account opens."""
    scene = Scene()
    connection = scene.log_on()
    scene.bid()
    scene.moment(kind)
    assert scene.faulty.take_cut() == [connection]
    assert (scene.faulty.take_restarted(), scene.faulty.take_restarted()) == (True, False)
    scene.send(connection, {"id": 1, "method": "time"})
    scene.venue.close(connection)
    assert scene.heard(connection) == []
    assert len(scene.open_ids()) == kept
    assert scene.balances()["USDT"] == (
        ("99410.00000000", "590.00000000") if kept else ("100000.00000000", "0.00000000")
    )
    assert scene.open("/ws") > connection
    assert scene.bid(newClientOrderId="new")[0] == 200


def test_a_restart_loses_nothing_of_the_archive() -> None:
    """What had left memory and was not yet written down is handed out afterwards, once."""
    scene = Scene()
    scene.bid()
    (order,) = scene.faulty.exchange.bookkeeping(1).open_orders(None)
    for number in range(1, scene.faulty.config.history.final_orders + 6):
        old = replace(order, order_id=-number, status=Status.CANCELED)
        scene.faulty.exchange.bookkeeping(1).put(old)
    scene.moment("restart")
    assert scene.faulty.take_archive().count(b"\n") == 5
    assert scene.faulty.take_archive() == b""


# --- scripts ------------------------------------------------------------------------------


def test_same_seed_same_faults() -> None:
    """By probability: the same seed fires at the same occasions, another at others."""

    def fired(seed: int) -> list[bool]:
        script = FaultScript(seed)
        script.arm(Fault("drop", probability="0.3", times=0), 0)
        return [script.choose(FRAME, {"event": "x"}, 0) is not None for _ in range(200)]

    assert fired(1) == fired(1) != fired(2)
    assert 30 < sum(fired(1)) < 90


def test_moments_come_again_and_come_after_requests() -> None:
    """By time, every so often, so many times; by a match, after so many requests; by chance."""
    scene = Scene(Fault("partial_fill", from_s=1, every_s=2, times=3))
    _, order = scene.bid("60000.00")
    filled = []
    for _ in range(10):
        scene.wait_ns(SECOND)
        found = scene.faulty.exchange.bookkeeping(1).find("BTCUSDT", order["orderId"])
        assert found is not None
        filled.append(found.cum_lots)
    assert filled == [1, 1, 2, 2, 3, 3, 3, 3, 3, 3]
    match: dict[str, str | int | bool] = {"request": "order.place", "side": "BUY"}
    scene = Scene(Fault("cancel_unasked", match=match, after=2, times=2))
    connection = scene.log_on()
    counts = []
    for number in range(6):
        scene.limit("SELL", "61000.00", "0.01")
        wish = {**BID, "newClientOrderId": str(number)}
        scene.send(connection, {"id": 9, "method": "order.place", "params": scene.stamped(**wish)})
        counts.append(len(scene.open_ids()))
    assert counts == [2, 4, 5, 6, 8, 10]
    scene = Scene(Fault("cancel_unasked", every_s=1, times=0, until_s=200, probability=0.25))
    scene.wait_ns(300 * SECOND)
    assert 30 < len(scene.faulty.script.take_log()) < 70
    assert scene.faulty.script.is_idle


def test_what_is_put_off_is_bounded() -> None:
    """A client that floods a slow reader has its requests done early; faults do not pile up."""
    scene = Scene(Fault("slow_reader", match={"request": "time"}, for_ms=60_000))
    connection = scene.log_on()
    scene.send(connection, {"id": 0, "method": "time"})
    for number in range(MAX_LATE + 5):
        scene.send(connection, {"id": number, "method": "ping"})
    assert len(scene.heard(connection)) == 6
    scene.moment("clock_drift", skew_ms=1000, for_ms=0)
    scene.bid("60000.00")
    scene.moment("dribble", size=10**6, for_ms=1)
    scene.wait_ns(61 * SECOND)
    replies = [frame for frame in scene.heard(connection) if "id" in frame]
    assert len(replies) == MAX_LATE


def test_a_script_ends_with_its_time() -> None:
    """Outside its time a fault is not met; disarmed, none is."""
    scene, connection = streaming(Fault("drop", until_s=1, times=0))
    assert told(scene, connection, RISING[0]) == []
    scene.wait_ns(2 * SECOND)
    assert told(scene, connection, RISING[1]) == FULL[1:2]
    scene.arm(Fault("drop", times=0))
    assert [each["fault"] for each in scene.faulty.script.armed()] == ["drop", "drop"]
    scene.faulty.script.disarm()
    assert told(scene, connection, RISING[2]) == FULL[2:]


@pytest.mark.parametrize(
    "script",
    [
        [{"fault": "nap"}],
        [{"fault": "drop", "colour": "red"}],
        [{"fault": "drop", "probability": "2"}],
        [{"fault": "drop"}] * 201,
        {"fault": "nap"},
        "drop",
        [{"fault": "drop", "for_ms": 5}],
        [{"fault": "drop", "every_s": 1}],
        [{"fault": "halt", "value": "SHUT"}],
        [{"fault": "halt", "every_s": 0.0001}],
        [{"fault": "halt", "for_ms": -2}],
        [{"fault": "drop", "match": {"price": 50000.5}}],
    ],
)
def test_a_script_that_means_nothing_is_refused(script: object) -> None:
    """With what was wrong."""
    with pytest.raises(UsageError):
        read_script(script)


def test_the_oldest_gives_way_where_no_more_can_be_armed() -> None:
    """One more is refused; who makes room first arms it, and loses the oldest alone."""
    script = FaultScript(1)
    script.make_room()
    script.arm(Fault("restart"), 0)
    for _ in range(MAX_FAULTS - 1):
        script.arm(Fault("drop"), 0)
    with pytest.raises(UsageError, match="at most 200, was one more"):
        script.arm(Fault("drop"), 0)
    assert script.next_ns() == 0
    script.make_room()
    script.arm(Fault("drop"), 0)
    assert script.next_ns() is None
    with pytest.raises(UsageError):
        script.arm(Fault("drop"), 0)


def test_the_script_in_the_readme_reads() -> None:
    """A newcomer's first script is one."""
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    block = next(each for each in readme.split("```yaml\n") if each.startswith("- {fault"))
    assert len(read_script(yaml.safe_load(block.split("```")[0]))) == 5


def test_every_fault_says_what_it_does() -> None:
    """Each has a place, and a sentence."""
    assert {kind.site for kind in KINDS.values()} == {REQUEST, FRAME, MOMENT}
    assert all(kind.does for kind in KINDS.values())
