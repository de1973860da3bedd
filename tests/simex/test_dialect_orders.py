"""Amendments, stop orders, icebergs, prevented matches and statuses, as programs see them."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from hftd.errors import UsageError
from hftd.simex.events import Fees
from hftd.simex.listing import SymbolStatus
from tests.simex.desk_client import OTHER_KEY, OTHER_SECRET, Client, quiet_venue

BTC = "symbol=BTCUSDT"
AMEND = "order/amend/keepPriority"


def _alice() -> Client:
    return Client(quiet_venue(fees=Fees()))


def _bob(alice: Client) -> Client:
    return Client(alice.venue, OTHER_KEY, OTHER_SECRET)


def _reports(client: Client, connection: int) -> list[Any]:
    events = [frame["event"] for frame in client.heard(connection) if "event" in frame]
    return [event for event in events if event["e"] == "executionReport"]


def _order(client: Client, order_id: int) -> Any:
    status, order = client.signed("GET", "order", f"{BTC}&orderId={order_id}")
    assert status == 200
    return order


def _market(client: Client, side: str, quantity: str) -> Any:
    query = f"{BTC}&side={side}&type=MARKET&quantity={quantity}"
    status, order = client.signed("POST", "order", query)
    assert status == 200
    return order


# --- amend --------------------------------------------------------------------------------


def test_an_amended_order_keeps_its_place_and_says_so() -> None:
    """Reply, REPLACED report, query, money and queue after an order was made smaller."""
    alice = _alice()
    bob = _bob(alice)
    connection = alice.log_on()
    alice.limit("BUY", "60000.00", "0.05", newClientOrderId="first")
    bob.limit("BUY", "60000.00", "0.05")
    alice.heard(connection)
    terms = f"{BTC}&origClientOrderId=first&newQty=0.02&newClientOrderId=second"
    status, reply = alice.signed("PUT", AMEND, terms)
    assert status == 200
    assert reply["executionId"] == 3
    amended = reply["amendedOrder"]
    assert (amended["origClientOrderId"], amended["clientOrderId"]) == ("first", "second")
    assert (amended["qty"], amended["executedQty"], amended["status"]) == (
        "0.02000000",
        "0.00000000",
        "NEW",
    )
    assert set(amended) == {
        *("symbol", "orderId", "orderListId", "origClientOrderId", "clientOrderId", "price"),
        *("qty", "executedQty", "preventedQty", "quoteOrderQty", "cumulativeQuoteQty"),
        *("status", "timeInForce", "type", "side", "workingTime", "selfTradePreventionMode"),
    }
    (report,) = _reports(alice, connection)
    assert (report["x"], report["X"], report["I"]) == ("REPLACED", "NEW", 3)
    assert (report["c"], report["C"], report["q"]) == ("second", "first", "0.02000000")
    assert alice.balances()["USDT"] == ("98800.00000000", "1200.00000000")
    _market(bob, "SELL", "0.02")
    assert _order(alice, amended["orderId"])["status"] == "FILLED"


def test_amendments_can_be_asked_for() -> None:
    """Each amendment of an order, oldest first, from an execution id on."""
    alice = _alice()
    _, order = alice.limit("BUY", "59000.00", "0.05", newClientOrderId="a")
    for quantity in ("0.04", "0.03"):
        query = f"{BTC}&orderId={order['orderId']}&newQty={quantity}&newClientOrderId=a"
        assert alice.signed("PUT", AMEND, query)[0] == 200
    status, found = alice.signed("GET", "order/amendments", f"{BTC}&orderId={order['orderId']}")
    assert status == 200
    assert [(each["origQty"], each["newQty"]) for each in found] == [
        ("0.05000000", "0.04000000"),
        ("0.04000000", "0.03000000"),
    ]
    assert set(found[0]) == {
        *("symbol", "orderId", "executionId", "origClientOrderId", "newClientOrderId"),
        *("origQty", "newQty", "time"),
    }
    from_id = found[1]["executionId"]
    query = f"{BTC}&orderId={order['orderId']}&fromExecutionId={from_id}"
    assert alice.signed("GET", "order/amendments", query) == (200, found[1:])
    assert alice.signed("GET", "order/amendments", f"{BTC}&orderId=99")[1]["code"] == -2013


def test_an_amendment_costs_no_order_and_works_over_the_ws_api() -> None:
    """The count of unfilled orders stays; a client id not given is made anew."""
    alice = _alice()
    connection = alice.log_on(subscribe=False)
    _, order = alice.limit("SELL", "61000.00", "0.05", newClientOrderId="mine")
    params = alice.stamped(symbol="BTCUSDT", orderId=order["orderId"], newQty="0.01")
    reply = alice.call(connection, "order.amend.keepPriority", **params)
    assert reply["result"]["amendedOrder"]["clientOrderId"].startswith("simex-")
    counts = alice.call(connection, "account.rateLimits.orders", **alice.stamped())["result"]
    assert [count["count"] for count in counts] == [1, 1]
    params = alice.stamped(symbol="BTCUSDT", orderId=order["orderId"])
    assert len(alice.call(connection, "order.amendments", **params)["result"]) == 1
    assert alice.balances()["BTC"] == ("0.99000000", "0.01000000")


def test_what_is_filled_cannot_be_amended_away() -> None:
    """A new quantity must leave something to work; the order stays as it was."""
    alice = _alice()
    _, order = alice.limit("BUY", "60000.00", "0.05")
    _market(_bob(alice), "SELL", "0.02")
    query = f"{BTC}&orderId={order['orderId']}"
    assert alice.signed("PUT", AMEND, f"{query}&newQty=0.02")[1]["code"] == -1013
    status, reply = alice.signed("PUT", AMEND, f"{query}&newQty=0.03")
    assert (status, reply["amendedOrder"]["status"]) == (200, "PARTIALLY_FILLED")
    assert alice.balances()["USDT"] == ("98200.00000000", "600.00000000")


# --- stop orders --------------------------------------------------------------------------

STOP_LIMIT = f"{BTC}&type=STOP_LOSS_LIMIT&timeInForce=GTC&quantity=0.01"


def test_a_stop_order_waits_is_triggered_and_works() -> None:
    """From its entry it locks money and does not work; a trade at its price sets it to work."""
    alice = _alice()
    bob = _bob(alice)
    connection = alice.log_on()
    _market(bob, "SELL", "0.001")
    query = f"{STOP_LIMIT}&side=BUY&price=60010&stopPrice=60001"
    status, placed = alice.signed("POST", "order", query)
    assert (status, set(placed)) == (
        200,
        {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"},
    )
    order_id = placed["orderId"]
    waiting = _order(alice, order_id)
    assert (waiting["isWorking"], waiting["workingTime"]) == (False, -1)
    assert (waiting["stopPrice"], waiting["status"]) == ("60001.00000000", "NEW")
    assert alice.balances()["USDT"] == ("99399.90000000", "600.10000000")
    (new,) = _reports(alice, connection)
    assert (new["x"], new["w"], new["P"]) == ("NEW", False, "60001.00000000")
    assert "W" not in new
    alice.wait_ns(5_000_000)
    bob.ts_ns = alice.ts_ns
    _market(bob, "BUY", "0.001")
    triggered, filled = _reports(alice, connection)
    assert (triggered["x"], triggered["X"], triggered["w"]) == ("NEW", "NEW", True)
    assert triggered["W"] == triggered["T"] == new["T"] + 5
    assert (filled["x"], filled["X"], filled["o"]) == ("TRADE", "FILLED", "STOP_LOSS_LIMIT")
    done = _order(alice, order_id)
    assert (done["isWorking"], done["workingTime"]) == (True, triggered["W"])
    assert alice.balances()["USDT"] == ("99399.99000000", "0.00000000")


def test_a_stop_order_at_market_spends_no_more_than_it_locked() -> None:
    """It locks its stop price and 5 percent, buys at the market, and gives the rest back."""
    alice = _alice()
    bob = _bob(alice)
    query = f"{BTC}&side=BUY&type=STOP_LOSS&quantity=0.1&stopPrice=60001&newOrderRespType=FULL"
    status, placed = alice.signed("POST", "order", query)
    assert (status, placed["fills"], placed["stopPrice"]) == (200, [], "60001.00000000")
    assert alice.balances()["USDT"][1] == "6300.10500000"
    _market(bob, "BUY", "0.001")
    done = _order(alice, placed["orderId"])
    assert (done["status"], done["executedQty"]) == ("FILLED", "0.10000000")
    assert done["cummulativeQuoteQty"] == "6000.10000000"
    assert alice.balances()["USDT"] == ("93999.90000000", "0.00000000")


def test_stop_orders_are_counted_by_their_filter() -> None:
    """Five may wait; a replacement counts once; a cancel makes room."""
    alice = _alice()
    terms = f"{BTC}&side=SELL&type=TAKE_PROFIT&quantity=0.01&stopPrice=61000"
    placed = [alice.signed("POST", "order", terms)[1]["orderId"] for _ in range(5)]
    status, refused = alice.signed("POST", "order", terms)
    assert (status, refused["msg"]) == (400, "Filter failure: MAX_NUM_ALGO_ORDERS")
    replace = f"{terms}&cancelReplaceMode=STOP_ON_FAILURE&cancelOrderId={placed[0]}"
    assert alice.signed("POST", "order/cancelReplace", replace)[0] == 200
    status, canceled = alice.signed("DELETE", "order", f"{BTC}&orderId={placed[1]}")
    assert (status, canceled["stopPrice"]) == (200, "61000.00000000")
    assert alice.signed("POST", "order", terms)[0] == 200


def test_a_waiting_stop_order_can_be_made_smaller() -> None:
    """What it locks shrinks with it, and it is triggered with what is left."""
    alice = _alice()
    query = f"{BTC}&side=BUY&type=STOP_LOSS&quantity=0.1&stopPrice=60001"
    _, placed = alice.signed("POST", "order", query)
    query = f"{BTC}&orderId={placed['orderId']}&newQty=0.02"
    status, reply = alice.signed("PUT", AMEND, query)
    assert (status, reply["amendedOrder"]["workingTime"]) == (200, -1)
    assert alice.balances()["USDT"][1] == "1260.02100000"
    _market(_bob(alice), "BUY", "0.001")
    assert _order(alice, placed["orderId"])["executedQty"] == "0.02000000"


# --- icebergs -----------------------------------------------------------------------------


def test_the_public_sees_one_part_of_an_iceberg() -> None:
    """Depth shows what is in sight, before and after the next part came; the owner sees all."""
    alice = _alice()
    _, order = alice.limit("BUY", "60000.00", "0.10", icebergQty="0.03")
    assert order["icebergQty"] == "0.03000000"
    alice.wait_ns(200_000_000)
    _, depth = alice.get("/api/v3/depth", f"{BTC}&limit=5")
    assert depth["bids"][0] == ["60000.00000000", "0.03000000"]
    assert alice.balances()["USDT"][1] == "6000.00000000"
    bob = _bob(alice)
    bob.ts_ns = alice.ts_ns
    _market(bob, "SELL", "0.04")
    alice.wait_ns(200_000_000)
    _, depth = alice.get("/api/v3/depth", f"{BTC}&limit=5")
    assert depth["bids"][0] == ["60000.00000000", "0.02000000"]
    assert _order(alice, order["orderId"])["executedQty"] == "0.04000000"


def test_icebergs_are_counted_and_their_parts_too() -> None:
    """At most five icebergs, of at most fifty parts each, each part a lot size of its own."""
    alice = _alice()
    fifty_one = f"{BTC}&side=BUY&type=LIMIT&timeInForce=GTC&price=59000&quantity=0.051"
    refused = alice.signed("POST", "order", f"{fifty_one}&icebergQty=0.001")[1]
    assert refused["msg"] == "Filter failure: ICEBERG_PARTS"
    for _ in range(5):
        assert alice.limit("BUY", "59000.00", "0.01", icebergQty="0.005")[0] == 200
    status, refused = alice.limit("BUY", "59000.00", "0.01", icebergQty="0.005")
    assert (status, refused["msg"]) == (400, "Filter failure: MAX_NUM_ICEBERG_ORDERS")
    status, refused = alice.limit("BUY", "59000.00", "0.01", icebergQty="0.0000001")
    assert (status, refused["msg"]) == (400, "Filter failure: LOT_SIZE")


# --- self-trade prevention ----------------------------------------------------------------


def test_a_prevented_match_is_reported_to_both_orders_and_recorded() -> None:
    """Reply, both reports and the query name the match, the other order and what was lost."""
    alice = _alice()
    connection = alice.log_on()
    _, maker = alice.limit("BUY", "60000.00", "0.03")
    alice.heard(connection)
    mode = {"selfTradePreventionMode": "EXPIRE_BOTH"}
    _, taker = alice.limit("SELL", "60000.00", "0.05", **mode)
    ids = (maker["orderId"], taker["orderId"])
    assert (taker["status"], taker["preventedQuantity"]) == ("EXPIRED_IN_MATCH", "0.05000000")
    assert taker["preventedMatches"] == [
        {
            "preventedMatchId": 0,
            "makerSymbol": "BTCUSDT",
            "makerOrderId": ids[0],
            "price": "60000.00000000",
            "takerPreventedQuantity": "0.05000000",
            "makerPreventedQuantity": "0.03000000",
        }
    ]
    _, of_maker, of_taker = _reports(alice, connection)
    assert [each["x"] for each in (of_maker, of_taker)] == ["TRADE_PREVENTION"] * 2
    assert (of_maker["i"], of_maker["U"], of_maker["A"], of_maker["B"]) == (
        *ids,
        "0.03000000",
        "0.03000000",
    )
    assert (of_taker["i"], of_taker["U"], of_taker["B"]) == (ids[1], ids[0], "0.05000000")
    assert (of_taker["pl"], of_taker["pL"], of_taker["pY"]) == (
        "0.03000000",
        "60000.00000000",
        "1800.00000000",
    )
    assert (of_taker["v"], of_taker["Cs"], of_taker["u"]) == (0, "BTCUSDT", -1)
    for which in (f"preventedMatchId={0}", f"orderId={ids[0]}", f"orderId={ids[1]}"):
        status, (match,) = alice.signed("GET", "myPreventedMatches", f"{BTC}&{which}")
        assert status == 200
        assert (match["takerOrderId"], match["makerOrderId"]) == (ids[1], ids[0])
        assert match["selfTradePreventionMode"] == "EXPIRE_BOTH"
    assert alice.signed("GET", "myPreventedMatches", BTC)[1]["code"] == -1128
    assert alice.balances() == {
        "USDT": ("100000.00000000", "0.00000000"),
        "BTC": ("1.00000000", "0.00000000"),
    }


@pytest.mark.parametrize(
    ("mode", "of_maker", "of_taker", "keys"),
    [
        ("EXPIRE_TAKER", "NEW", "EXPIRED_IN_MATCH", {"takerPreventedQuantity"}),
        ("EXPIRE_MAKER", "EXPIRED_IN_MATCH", "NEW", {"makerPreventedQuantity"}),
        (
            "DECREMENT",
            "EXPIRED_IN_MATCH",
            "NEW",
            {"takerPreventedQuantity", "makerPreventedQuantity"},
        ),
    ],
)
def test_each_mode_spares_what_it_should(
    mode: str, of_maker: str, of_taker: str, keys: set[str]
) -> None:
    """Who ends, and whose lost quantity is told, follows from the mode of the taker."""
    alice = _alice()
    _, maker = alice.limit("BUY", "60000.00", "0.03", selfTradePreventionMode="EXPIRE_BOTH")
    _, taker = alice.limit("SELL", "60000.00", "0.05", selfTradePreventionMode=mode)
    assert (taker["status"], _order(alice, maker["orderId"])["status"]) == (of_taker, of_maker)
    (match,) = taker["preventedMatches"]
    assert {key for key in match if key.endswith("PreventedQuantity")} == keys


# --- replacements -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ("type=LIMIT&timeInForce=GTC&price=59000&quantity=9", "INSUFFICIENT_BALANCES"),
        ("type=LIMIT_MAKER&price=60001&quantity=0.01", "WOULD_MATCH_IMMEDIATELY"),
        (
            "type=STOP_LOSS&stopPrice=60000&quantity=0.01",
            "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY",
        ),
    ],
)
def test_the_new_half_of_a_replacement_is_reported_when_it_fails(terms: str, reason: str) -> None:
    """After a cancel that went through, a refused order is REJECTED, and never was."""
    alice = _alice()
    _market(alice, "BUY", "0.001")
    _, old = alice.limit("BUY", "59000.00", "0.01")
    connection = alice.log_on()
    query = f"{BTC}&side=BUY&{terms}&cancelReplaceMode=STOP_ON_FAILURE"
    replace = f"{query}&cancelOrderId={old['orderId']}&newClientOrderId=new"
    assert alice.signed("POST", "order/cancelReplace", replace)[1]["code"] == -2021
    canceled, rejected = _reports(alice, connection)
    assert (canceled["x"], canceled["i"]) == ("CANCELED", old["orderId"])
    assert (rejected["x"], rejected["X"], rejected["r"]) == ("REJECTED", "REJECTED", reason)
    assert (rejected["c"], rejected["w"], rejected["z"]) == ("new", False, "0.00000000")
    query = f"{BTC}&origClientOrderId=new"
    assert alice.signed("GET", "order", query)[1]["code"] == -2013
    assert alice.balances()["USDT"][1] == "0.00000000"
    # Without a cancel before it, a refusal is an answer and no report.
    alice.signed("POST", "order", f"{BTC}&side=BUY&{terms}")
    assert _reports(alice, connection) == []


# --- status -------------------------------------------------------------------------------


@pytest.mark.parametrize("status", list(SymbolStatus)[1:])
def test_while_a_symbol_does_not_trade_orders_can_be_canceled(status: SymbolStatus) -> None:
    """Creates and replacements are refused, a cancel is not; exchangeInfo names the status."""
    alice = _alice()
    _, order = alice.limit("BUY", "59000.00", "0.01")
    alice.venue.set_status("BTCUSDT", status, alice.ts_ns)
    _, info = alice.get("/api/v3/exchangeInfo", BTC)
    assert info["symbols"][0]["status"] == status.value
    refused = alice.limit("BUY", "59000.00", "0.01")[1]
    assert (refused["code"], refused["msg"]) == (-2010, "Market is closed.")
    assert alice.signed("DELETE", "order", f"{BTC}&orderId={order['orderId']}")[0] == 200
    alice.venue.set_status("BTCUSDT", SymbolStatus.TRADING, alice.ts_ns)
    assert alice.limit("BUY", "59000.00", "0.01")[0] == 200
    with pytest.raises(UsageError, match="must be one of BTCUSDT, was NOPE"):
        alice.venue.set_status("NOPE", status, alice.ts_ns)


def test_a_strategy_is_told_back() -> None:
    """Its id and type stand in replies, queries and reports of orders that bear them."""
    alice = _alice()
    connection = alice.log_on()
    _, order = alice.limit("BUY", "59000.00", "0.01", strategyId=7, strategyType=1_000_001)
    assert (order["strategyId"], order["strategyType"]) == (7, 1_000_001)
    assert _order(alice, order["orderId"])["strategyId"] == 7
    (report,) = _reports(alice, connection)
    assert (report["j"], report["J"]) == (7, 1_000_001)


def test_a_market_order_by_quote_keeps_to_a_lot_that_was_changed() -> None:
    """What its money buys is rounded down to the step in force, as every quantity has to be."""
    client = _alice()
    listing = client.venue.exchange.listings["BTCUSDT"]
    listing.filters = replace(listing.filters, qty_step=100_000)
    wish = BTC + "&side=BUY&type=MARKET&quoteOrderQty=100"
    status, bought = client.signed("POST", "order", wish)
    assert (status, bought["executedQty"]) == (200, "0.00100000")
