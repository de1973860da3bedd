"""Faults of requests and of moments, kind by kind: armed, provoked, and seen by the client."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from functools import partial

from hftd.simex.fault_requests import NO_REPLY
from hftd.simex.orders import Status
from hftd.simex.truth import books, truth
from tests.simex.fault_stage import MS, SECOND, Stage

Scene = Callable[[Stage], None]
SCENES: dict[str, Scene] = {}
PLACE = {"request": "order.place"}


def shows(*kinds: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Enter a scene into the table under the kinds it shows."""

    def enter(scene: Callable[..., None]) -> Callable[..., None]:
        for kind in kinds:
            SCENES[kind] = scene if len(kinds) == 1 else partial(scene, kind=kind)
        return scene

    return enter


# --- requests -------------------------------------------------------------------------------


@shows("error_not_accepted", "error_accepted")
def _errors(stage: Stage, kind: str) -> None:
    stage.arm(kind, match=PLACE, times=2)
    wish = stage.wish()
    status, _, body = stage.ask("POST", "order", **wish)
    assert (status, json.loads(body)["code"]) == (503, -1007)
    connection = stage.log_on()
    stage.send_order(connection)
    (reply,) = [frame for frame in stage.heard(connection) if "id" in frame]
    assert (reply["status"], reply["error"]["code"]) == (503, -1007)
    assert stage.live() == (2 if kind == "error_accepted" else 0)


@shows("ack_lost")
def _ack_lost(stage: Stage) -> None:
    stage.arm("ack_lost", match=PLACE, times=2)
    assert stage.ask("POST", "order", **stage.wish())[0] == NO_REPLY
    connection = stage.log_on()
    stage.send_order(connection)
    assert stage.kinds(connection) == ["NEW", "outboundAccountPosition"]
    assert stage.live() == 2


@shows("accept_late")
def _accept_late(stage: Stage) -> None:
    # Once within its window, and once beyond it: then it is refused where nobody hears it.
    stage.arm("accept_late", match=PLACE, for_ms=700)
    assert stage.ask("POST", "order", **stage.wish())[0] == 503
    stage.wait_ns(699 * MS)
    assert stage.live() == 0
    stage.wait_ns(MS)
    assert stage.live() == 1
    stage.arm("accept_late", match=PLACE, for_ms=1500)
    assert stage.ask("POST", "order", recvWindow=1000, **stage.wish())[0] == 503
    stage.wait_ns(2 * SECOND)
    assert stage.live() == 1


@shows("answer_late")
def _answer_late(stage: Stage) -> None:
    connection = stage.log_on()
    stage.arm("answer_late", match=PLACE, for_ms=300, times=2)
    late = stage.ask("POST", "order", **stage.wish())
    assert stage.kinds(connection) == ["NEW", "outboundAccountPosition"]
    stage.send_order(connection, 71)
    assert stage.kinds(connection) == ["NEW", "outboundAccountPosition"]
    assert stage.answered(late) is None
    stage.wait_ns(300 * MS)
    answer = stage.answered(late)
    assert answer is not None
    assert json.loads(answer[2])["status"] == "NEW"
    assert stage.kinds(connection) == [71]


@shows("slow_reader")
def _slow_reader(stage: Stage) -> None:
    connection = stage.log_on()
    stage.arm("slow_reader", match=PLACE, for_ms=300, times=2)
    late = stage.ask("POST", "order", **stage.wish())
    stage.send_order(connection, 71)
    stage.send(connection, {"id": 72, "method": "time"})
    assert (stage.live(), stage.kinds(connection)) == (0, [])
    stage.wait_ns(300 * MS)
    assert stage.answered(late) is not None
    assert stage.live() == 2
    assert [kind for kind in stage.kinds(connection) if kind in (71, 72)] == [71, 72]


@shows("not_found")
def _not_found(stage: Stage) -> None:
    order = stage.place()
    query = f"symbol=BTCUSDT&orderId={order['orderId']}"
    stage.arm("not_found")
    assert stage.signed("GET", "order", query)[1]["code"] == -2013
    assert stage.signed("GET", "order", query)[1]["status"] == "NEW"


@shows("stale_answer")
def _stale_answer(stage: Stage) -> None:
    connection = stage.log_on()
    stage.arm("stale_answer", times=2)
    before = stage.signed("GET", "openOrders", "symbol=BTCUSDT")
    empty = stage.call(connection, "openOrders.status", **stage.stamped(symbol="BTCUSDT"))
    stage.place()
    assert stage.signed("GET", "openOrders", "symbol=BTCUSDT") == before == (200, [])
    reply = stage.call(connection, "openOrders.status", **stage.stamped(symbol="BTCUSDT"))
    assert reply["result"] == empty["result"] == []
    assert len(stage.signed("GET", "openOrders", "symbol=BTCUSDT")[1]) == 1


@shows("stale_balances")
def _stale_balances(stage: Stage) -> None:
    stage.arm("stale_balances")
    before = stage.balances()
    stage.place()
    assert stage.balances() == before
    assert stage.balances()["USDT"][1] != before["USDT"][1]


@shows("stale_snapshot")
def _stale_snapshot(stage: Stage) -> None:
    stage.arm("stale_snapshot")
    _, old = stage.get("/api/v3/depth", "symbol=BTCUSDT")
    stage.wait_ns(3 * SECOND)
    assert stage.get("/api/v3/depth", "symbol=BTCUSDT")[1] == old
    assert stage.get("/api/v3/depth", "symbol=BTCUSDT")[1]["lastUpdateId"] > old["lastUpdateId"]


@shows("fill_before_cancel")
def _fill_before_cancel(stage: Stage) -> None:
    order = stage.place(off="0.9999")
    stage.arm("fill_before_cancel")
    query = f"symbol=BTCUSDT&orderId={order['orderId']}"
    assert stage.signed("DELETE", "order", query)[1]["code"] == -2011
    assert stage.order(order["orderId"]).status is Status.FILLED
    # The other half of a cancelReplace: the new order stands, the old one was filled.
    order = stage.place(off="0.9999")
    stage.arm("fill_before_cancel", match={"request": "order.cancelReplace"})
    wish = {"cancelReplaceMode": "ALLOW_FAILURE", "cancelOrderId": order["orderId"]}
    status, _, body = stage.ask("POST", "order/cancelReplace", **stage.wish(), **wish)
    answer = json.loads(body)
    assert (status, answer["code"], stage.live()) == (409, -2021, 1)
    assert answer["data"]["newOrderResult"] == "SUCCESS"


@shows("replace_half")
def _replace_half(stage: Stage) -> None:
    order = stage.place()
    stage.arm("replace_half")
    wish = {"cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": order["orderId"]}
    status, _, body = stage.ask("POST", "order/cancelReplace", **stage.wish(), **wish)
    answer = json.loads(body)
    assert (status, answer["code"]) == (409, -2021)
    assert (answer["data"]["cancelResult"], answer["data"]["newOrderResult"]) == (
        "SUCCESS",
        "FAILURE",
    )
    assert stage.live() == 0
    stage.place()


@shows("too_many_requests", "ban", "firewall")
def _gate(stage: Stage, kind: str) -> None:
    stage.arm(kind, times=2)
    status = {"too_many_requests": 429, "ban": 418, "firewall": 403}[kind]
    got, headers, body = stage.ask("GET", "openOrders")
    assert (got, headers.get("Retry-After")) == (status, None if kind == "firewall" else "1")
    assert body.startswith(b"<html>" if kind == "firewall" else b'{"code":-1003')
    assert stage.call(stage.open("/ws-api/v3"), "time")["status"] == status
    assert stage.ask("GET", "openOrders")[0] == 200


# --- moments: orders ------------------------------------------------------------------------


@shows("partial_fill")
def _partial_fill(stage: Stage) -> None:
    order = stage.place(off="0.9999")
    connection = stage.log_on()
    stage.arm("partial_fill", size=7)
    assert stage.order(order["orderId"]).cum_lots == 7
    (report,) = [
        frame["event"] for frame in stage.heard(connection) if frame["event"].get("x") == "TRADE"
    ]
    assert Decimal(report["l"]) == 7 * stage.lot


@shows("dribble")
def _dribble(stage: Stage) -> None:
    # All 200 lots stand behind others on agents; the stranger takes those as well.
    order = stage.place(off="0.9999", qty="0.002")
    connection = stage.log_on()
    stage.arm("dribble", size=5, for_ms=10)
    assert stage.order(order["orderId"]).cum_lots == 1
    stage.wait_ns(100 * MS)
    found = stage.order(order["orderId"])
    assert found.cum_lots >= 5
    fills = [each for each in stage.heard(connection) if each["event"].get("x") == "TRADE"]
    assert [Decimal(each["event"]["l"]) for each in fills[:5]] == [stage.lot] * 5


@shows("cancel_unasked", "expire_unasked", "stp_expiry")
def _ends_unasked(stage: Stage, kind: str) -> None:
    order = stage.place()
    connection = stage.log_on()
    stage.arm(kind)
    told = {
        "cancel_unasked": ("CANCELED", "CANCELED"),
        "expire_unasked": ("EXPIRED", "EXPIRED"),
        "stp_expiry": ("TRADE_PREVENTION", "EXPIRED_IN_MATCH"),
    }[kind]
    report, position = (frame["event"] for frame in stage.heard(connection))
    assert (report["x"], report["X"]) == told
    assert position["B"][0]["l"] == "0.00000000"
    assert stage.order(order["orderId"]).status.value == told[1]


@shows("foreign_order", "foreign_trade")
def _foreign(stage: Stage, kind: str) -> None:
    connection = stage.log_on()
    stage.arm(kind)
    reports = [frame["event"] for frame in stage.heard(connection)]
    assert reports[0]["c"].startswith("web_")
    assert [each.get("x") for each in reports].count("TRADE") == (kind == "foreign_trade")
    assert stage.live() == (kind == "foreign_order")


@shows("fee_asset")
def _fee_asset(stage: Stage) -> None:
    totals = stage.faulty.exchange.accounts.totals()
    stage.arm("fee_asset", size=250)
    stage.place(off="1.01")
    trades = stage.signed("GET", "myTrades", "symbol=BTCUSDT")[1]
    assert {(each["commissionAsset"], each["commission"]) for each in trades} == {
        ("BNB", "0.00000250")
    }
    assert Decimal(stage.balances()["BNB"][0]) == 1 - len(trades) * Decimal("0.00000250")
    assert stage.faulty.exchange.accounts.totals() == totals


# --- moments: markets -----------------------------------------------------------------------


@shows("flash_move")
def _flash_move(stage: Stage) -> None:
    bid, _ = stage.touch()
    order = stage.place(off="0.9999")
    stage.arm("flash_move", size=1)
    if stage.is_tape:
        return  # A recording is what it is; the log names what tells it otherwise.
    assert stage.order(order["orderId"]).status is Status.FILLED
    assert stage.touch()[0] <= bid * Decimal("0.9901")


@shows("halt")
def _halt(stage: Stage) -> None:
    order = stage.place()
    stage.arm("halt", value="BREAK", for_ms=2000)
    assert json.loads(stage.ask("POST", "order", **stage.wish())[2])["code"] == -2010
    _, info = stage.get("/api/v3/exchangeInfo")
    assert info["symbols"][0]["status"] == books(stage.faulty)["BTCUSDT"]["status"] == "BREAK"
    query = f"symbol=BTCUSDT&orderId={order['orderId']}"
    assert stage.signed("DELETE", "order", query)[0] == 200
    # A restart does not open the market.
    stage.arm("restart")
    assert stage.ask("POST", "order", **stage.wish())[0] == 400
    stage.wait_ns(2 * SECOND)
    stage.place()


@shows("tick_size", "lot_size")
def _steps(stage: Stage, kind: str) -> None:
    stage.arm(kind, size=100)
    stage.arm("restart")
    at, name, step = (
        (0, "tickSize", stage.tick) if kind == "tick_size" else (1, "stepSize", stage.lot)
    )
    rules = stage.get("/api/v3/exchangeInfo")[1]["symbols"][0]["filters"][at]
    assert Decimal(rules[name]) == 100 * step
    price = int(stage.touch()[0]) // 1000 * 1000
    wish = {**stage.wish(), "price": price, "quantity": 100 * stage.lot}
    finer = {"price": price + stage.tick} if kind == "tick_size" else {"quantity": 101 * stage.lot}
    broken = b"PRICE_FILTER" if kind == "tick_size" else b"LOT_SIZE"
    assert broken in stage.ask("POST", "order", **{**wish, **finer})[2]
    assert stage.ask("POST", "order", **wish)[0] == 200


@shows("clock_skew", "clock_drift")
def _clock(stage: Stage, kind: str) -> None:
    # Both ways: who keeps the true time is too late, then too early; who asks is right.
    for skew_ms, msg in ((9000, "outside of the recvWindow"), (-9000, "ahead of the server")):
        stage.arm(kind, skew_ms=skew_ms, for_ms=60_000)
        stage.wait_ns(SECOND)
        _, time = stage.get("/api/v3/time")
        off_ms = time["serverTime"] - stage.ts_ns // MS
        assert abs(off_ms - skew_ms) <= 1000
        answer = json.loads(stage.ask("POST", "order", **stage.wish())[2])
        assert (answer["code"], msg in answer["msg"]) == (-1021, True)
        status, _ = stage.signed("GET", "openOrders", timestamp=time["serverTime"])
        assert status == 200
        stage.arm("restart")
        assert stage.ask("POST", "order", **stage.wish())[0] == 400
        stage.wait_ns(60 * SECOND)
        stage.place()


# --- moments: connections -------------------------------------------------------------------


@shows("server_shutdown")
def _server_shutdown(stage: Stage) -> None:
    connections = [stage.open("/ws"), stage.open("/ws-api/v3")]
    stage.arm("server_shutdown")
    told = [(number, json.loads(frame)["e"]) for number, frame in stage.faulty.take()]
    assert told == [(number, "serverShutdown") for number in connections]
    assert stage.faulty.take_hung_up() == connections


@shows("reconnect_storm")
def _reconnect_storm(stage: Stage) -> None:
    first = stage.open("/ws")
    stage.arm("reconnect_storm", for_ms=3000)
    assert stage.faulty.take_cut() == [first]
    stage.faulty.close(first)
    second = stage.open("/ws-api/v3")
    assert stage.faulty.take_cut() == [second]
    assert stage.ask("GET", "openOrders")[0] == 200
    stage.wait_ns(3 * SECOND)
    stage.open("/ws")
    assert stage.faulty.take_cut() == []


@shows("restart", "restart_without_memory")
def _restart(stage: Stage, kind: str) -> None:
    order = stage.place()
    connection = stage.log_on()
    stage.arm("partial_fill", match={"request": "never"})
    stage.arm(kind, for_ms=500)
    assert stage.faulty.take_cut() == [connection]
    assert stage.faulty.take_restarted()
    assert stage.ask("GET", "openOrders")[0] == NO_REPLY
    stage.wait_ns(500 * MS)
    kept = kind == "restart"
    assert stage.live() == kept
    account = truth(stage.faulty)["accounts"][stage.key]
    assert [each["orderId"] for each in account["orders"]] == [order["orderId"]] * kept
    # What is armed stays armed.
    assert [each["fault"] for each in stage.faulty.script.armed()] == ["partial_fill"]
    assert stage.place()["orderId"] > order["orderId"] * kept
