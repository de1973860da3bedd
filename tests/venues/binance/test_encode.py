"""Actions into frames, and the replies that their ids lead back to."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hftd.domain.actions import ActionKind
from hftd.domain.events import EventKind
from hftd.domain.order import SEQ_MAX, Side, TimeInForce, client_order_id, order_key, to_base36
from hftd.venues.binance.request_id import parse_request_id
from hftd.venues.binance.session import request_id_of
from tests.venues.binance.fixtures import (
    BTC,
    ID,
    KEY,
    NOW_NS,
    OLD,
    OLD_ID,
    OLD_TAIL,
    TAG,
    TAIL,
    Wire,
    action,
    order,
    reply,
)

SUBMIT = {
    "order_key": KEY, "side": Side.SELL, "post_only": 1, "price_ticks": 6_000_050,
    "qty_lots": 1_200,
}  # fmt: skip
TIMESTAMP_MS = 1_700_000_100_250
WHEN = to_base36(NOW_NS)
ORDER_PARAMS = {
    "symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT_MAKER", "quantity": "0.012",
    "price": "60000.5", "newClientOrderId": ID, "newOrderRespType": "RESULT",
    "selfTradePreventionMode": "EXPIRE_TAKER", "recvWindow": 2000, "timestamp": TIMESTAMP_MS,
}  # fmt: skip


def request(kind: ActionKind, **fields: int) -> dict:
    """Return the frame of an action as JSON, the venue's clock 250 ms ahead."""
    frame = Wire().codec.encode(action(kind, **fields), 250_000_000)
    assert frame is not None
    message = json.loads(frame)
    assert request_id_of(frame) == message["id"]
    assert len(message["id"]) <= 36
    return message


def test_a_post_only_order_is_a_limit_maker():
    """LIMIT_MAKER takes no time in force; decimals are exact; the time is the venue's."""
    assert request(ActionKind.SUBMIT, **SUBMIT) == {
        "id": f"p0.{TAIL}", "method": "order.place", "params": ORDER_PARAMS,
    }  # fmt: skip


@pytest.mark.parametrize("time_in_force", TimeInForce)
def test_other_orders_are_limits_with_their_lifetime(time_in_force):
    """An order that may take says how long it lives."""
    fields = SUBMIT | {"post_only": 0, "time_in_force": time_in_force}
    params = request(ActionKind.SUBMIT, **fields)["params"]
    assert (params["type"], params["timeInForce"]) == ("LIMIT", time_in_force.name)


def test_cancel_and_query_name_the_order_by_its_client_id():
    """Both act on the target key."""
    cancel = request(ActionKind.CANCEL, target_key=OLD)
    params = {
        "symbol": "BTCUSDT", "origClientOrderId": OLD_ID, "recvWindow": 2000,
        "timestamp": TIMESTAMP_MS,
    }  # fmt: skip
    assert cancel == {"id": f"c0.{OLD_TAIL}", "method": "order.cancel", "params": params}
    query = request(ActionKind.QUERY_ORDER, target_key=OLD)
    assert query == {"id": f"q0.{OLD_TAIL}.{WHEN}", "method": "order.status", "params": params}


def test_an_order_without_a_key_is_found_by_the_venue_s_id():
    """What a trade names is asked for as it names it; the request's id says it again."""
    assert request(ActionKind.QUERY_ORDER, instrument=1, venue_order_id=1_300) == {
        "id": f"f1.104.{WHEN}", "method": "order.status",
        "params": {
            "symbol": "ETHUSDT", "orderId": 1_300, "recvWindow": 2000, "timestamp": TIMESTAMP_MS,
        },
    }  # fmt: skip


def test_cancel_replace_stops_on_failure():
    """The new order is not attempted where the old one could not be canceled."""
    assert request(ActionKind.CANCEL_REPLACE, target_key=OLD, **SUBMIT) == {
        "id": f"r0.{TAIL}.{OLD_TAIL}", "method": "order.cancelReplace",
        "params": ORDER_PARAMS
        | {"cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrigClientOrderId": OLD_ID},
    }  # fmt: skip


def test_lists_are_asked_for_by_instrument():
    """Open orders and trades per symbol, balances for the account."""
    times = {"recvWindow": 2000, "timestamp": TIMESTAMP_MS}
    assert request(ActionKind.ASK_OPEN_ORDERS, instrument=1) == {
        "id": f"o1.{WHEN}", "method": "openOrders.status", "params": {"symbol": "ETHUSDT"} | times,
    }  # fmt: skip
    assert request(ActionKind.ASK_TRADES, instrument=1, trade_id=43) == {
        "id": f"t1.{WHEN}", "method": "myTrades",
        "params": {"symbol": "ETHUSDT", "fromId": 43, "limit": 500} | times,
    }  # fmt: skip
    assert request(ActionKind.ASK_BALANCES) == {
        "id": f"a0.{WHEN}", "method": "account.status", "params": times,
    }  # fmt: skip


def test_a_question_asked_again_has_another_id_and_an_order_keeps_its_own():
    """So the late answer to the first is not taken for the answer to the second."""
    wire = Wire()
    for kind in (
        ActionKind.QUERY_ORDER, ActionKind.ASK_OPEN_ORDERS, ActionKind.ASK_TRADES,
        ActionKind.ASK_BALANCES,
    ):  # fmt: skip
        for fields in ({"target_key": OLD}, {"venue_order_id": 2**63 - 1}):
            ids = set()
            for ts_ns in (NOW_NS, NOW_NS + 1):
                frame = wire.codec.encode(action(kind, ts_ns=ts_ns, **fields), 0)
                assert frame is not None
                ids.add(json.loads(frame)["id"])
                asked = parse_request_id(json.loads(frame)["id"], 2)
                assert asked is not None
                assert asked.asked_ns == ts_ns
            assert len(ids) == 2
            assert max(map(len, ids)) <= 36


def test_snapshots_and_touches_are_rest_request_lines():
    """What REST answers is asked for by a request line without a secret."""
    encode = Wire().codec.encode
    assert encode(action(ActionKind.RESYNC, instrument=1), 0) == (
        b"GET /api/v3/depth?symbol=ETHUSDT&limit=1000"
    )
    assert encode(action(ActionKind.ASK_TOUCH), 0) == (
        b"GET /api/v3/ticker/bookTicker?symbol=BTCUSDT"
    )


@pytest.mark.parametrize("kind", [ActionKind.LATCH, ActionKind.EXIT, ActionKind.RECONNECT])
def test_actions_that_ask_the_venue_nothing_have_no_frame(kind):
    """The performer does these by itself."""
    assert Wire().codec.encode(action(kind), 0) is None


keys = st.builds(order_key, st.integers(1, 2**32 - 1), st.integers(0, SEQ_MAX))


@settings(max_examples=200, deadline=None)
@given(key=keys, target=keys, ticks=st.integers(1, 10**8), lots=st.integers(1, 9 * 10**8))
def test_what_is_encoded_comes_back_exactly(key, target, ticks, lots):
    """Price, quantity, ids and the request id of any order survive the round trip."""
    wire = Wire()
    fields = {"order_key": key, "target_key": target, "price_ticks": ticks, "qty_lots": lots}
    frame = wire.codec.encode(action(ActionKind.CANCEL_REPLACE, **fields), 0)
    assert frame is not None
    message = json.loads(frame)
    params = message["params"]
    assert (params["price"], params["quantity"]) == (BTC.price_text(ticks), BTC.qty_text(lots))
    assert params["newClientOrderId"] == client_order_id(TAG, key)
    assert params["cancelOrigClientOrderId"] == client_order_id(TAG, target)
    asked = parse_request_id(message["id"], 2)
    assert asked is not None
    assert (asked.order_key, asked.target_key) == (key, target)
    (status,) = wire.order(
        reply(
            message["id"].replace("r", "q", 1).rpartition(".")[0] + ".rs",
            order(
                price=params["price"],
                origQty=params["quantity"],
                clientOrderId=params["newClientOrderId"],
            ),
        )
    )
    assert status["kind"] == EventKind.ORDER_STATUS
    assert (status["order_key"], status["price_ticks"], status["qty_lots"]) == (key, ticks, lots)
