"""WS API replies: each request's good, refused and doubtful outcome."""

from __future__ import annotations

import json

import pytest

from hftd.domain.codes import VenueCode
from hftd.domain.events import EventKind, Link
from hftd.domain.order import OrderState
from tests.venues.binance.fixtures import (
    ID,
    KEY,
    NOW_NS,
    OLD,
    OLD_ID,
    OLD_TAIL,
    TAIL,
    Wire,
    order,
    refused,
    reply,
)

PLACE, CANCEL, QUERY = f"p0.{TAIL}", f"c0.{OLD_TAIL}", f"q0.{TAIL}.rs"
REPLACE = f"r0.{TAIL}.{OLD_TAIL}"
TRANSACT_NS = 1_700_000_100_001_000_000
ACCEPTED = {
    "kind": EventKind.ACCEPTED, "order_key": KEY, "venue_order_id": 28,
    "exch_ts_ns": TRANSACT_NS,
}  # fmt: skip
CANCELED = {
    "kind": EventKind.CANCELED, "order_key": OLD, "venue_order_id": 27,
    "exch_ts_ns": TRANSACT_NS, "cum_qty_lots": 300,
}  # fmt: skip


END = {"until_ns": 1_000}  # "rs" in base 36, when these lists were asked for.


def canceled_order():
    """Return the cancel reply of the old order, 0.003 of it filled."""
    return order(
        orderId=27, origClientOrderId=OLD_ID, clientOrderId="x", status="CANCELED",
        executedQty="0.00300000",
    )  # fmt: skip


def test_a_placed_order_is_accepted():
    """The reply to order.place names the venue's id; fills are left to the reports."""
    wire = Wire()
    assert wire.order(reply(PLACE, order())) == [ACCEPTED]
    assert wire.order(reply(PLACE, order(status="FILLED", executedQty="0.01"))) == [ACCEPTED]


def test_an_ioc_that_ended_in_its_reply_is_accepted_and_expired():
    """The final state of an IOC comes with how much of it was filled."""
    ended = order(status="EXPIRED", executedQty="0.00400000")
    assert Wire().order(reply(PLACE, ended)) == [
        ACCEPTED,
        ACCEPTED | {"kind": EventKind.EXPIRED, "cum_qty_lots": 400},
    ]


@pytest.mark.parametrize("code", [-2010, -1013, -1021, -1111, -1100])
def test_a_definite_error_rejects_the_order(code):
    """An error that tells the order never stood is REJECTED with the venue's code."""
    expected = {"kind": EventKind.REJECTED, "order_key": KEY, "code": code}
    assert Wire().order(refused(PLACE, code)) == [expected]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Order would immediately match and take.", VenueCode.WOULD_MATCH),
        ("Account has insufficient balance for requested action.", VenueCode.INSUFFICIENT_BALANCE),
        ("Duplicate order sent.", VenueCode.DUPLICATE_ID),
        ("Market is closed.", VenueCode.MARKET_CLOSED),
        ("This symbol is not permitted for this account.", -2010),
    ],
)
def test_a_new_order_rejection_is_told_apart_by_its_text(text, code):
    """-2010 says too little: a missed post-only is not an empty purse; in either leg too."""
    answer = {"id": PLACE, "status": 400, "error": {"code": -2010, "msg": text}}
    expected = {"kind": EventKind.REJECTED, "order_key": KEY, "code": code}
    assert Wire().order(answer) == [expected]
    data = {
        "cancelResult": "SUCCESS", "newOrderResult": "FAILURE",
        "cancelResponse": canceled_order(), "newOrderResponse": {"code": -2010, "msg": text},
    }  # fmt: skip
    assert Wire().order(refused(REPLACE, -2021, 409, **data)) == [CANCELED, expected]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (500, -2010),
        (500, -1000),
        (503, -1001),
        (504, -1007),
        (400, -1006),
        (400, -1007),
        (400, -1001),
    ],
)
def test_an_error_that_proves_nothing_leaves_the_order_unknown(status, code):
    """5xx and the codes of unknown outcome are no rejection."""
    expected = {"kind": EventKind.OUTCOME_UNKNOWN, "order_key": KEY, "code": code}
    assert Wire().order(refused(PLACE, code, status)) == [expected]


@pytest.mark.parametrize(
    "result",
    [
        None,
        {},
        order(symbol="NOPE"),
        order(orderId=-1),
        order(orderId=2**63),
        order(status="ODD"),
        order(status="EXPIRED", executedQty="0.000001"),
        [order()],
    ],
)
def test_an_unreadable_good_reply_leaves_the_order_unknown(result):
    """A reply that says 200 and nothing we understand is no acceptance."""
    wire = Wire()
    expected = {"kind": EventKind.OUTCOME_UNKNOWN, "order_key": KEY}
    assert wire.order(reply(PLACE, result)) == [expected]
    assert (wire.codec.broken, wire.codec.unfit) == (0, 1)


def test_a_truncated_reply_leaves_its_own_request_in_doubt_and_nothing_else():
    """Cut where its id can still be read the order is UNKNOWN, before that the stream is lost."""
    wire = Wire()
    whole = json.dumps(reply(PLACE, order())).encode()
    id_end = whole.index(b",")
    for length in range(len(whole)):
        (event,) = wire.decode(Link.ORDER, whole[:length])
        if length < id_end:
            assert event == {"kind": EventKind.USER_STREAM_ENDED, "link": Link.USER}
        else:
            assert event == {"kind": EventKind.OUTCOME_UNKNOWN, "order_key": KEY}


def test_cancel_replies():
    """A cancel ends the order with the venue's cum, is refused, or is in doubt."""
    wire = Wire()
    assert wire.order(reply(CANCEL, canceled_order())) == [CANCELED]
    rejected = {"kind": EventKind.CANCEL_REJECTED, "order_key": OLD, "code": -2011}
    assert wire.order(refused(CANCEL, -2011)) == [rejected]
    unknown = {"kind": EventKind.CANCEL_UNKNOWN, "order_key": OLD, "code": -1007}
    assert wire.order(refused(CANCEL, -1007, 504)) == [unknown]
    assert wire.order(reply(CANCEL, {})) == [{"kind": EventKind.CANCEL_UNKNOWN, "order_key": OLD}]


@pytest.mark.parametrize(
    "odd",
    [
        {"status": "NEW"},
        {"status": "PARTIALLY_FILLED"},
        {"status": "PENDING_CANCEL"},
        {"status": "REJECTED"},
        {"origClientOrderId": ID},
        {"origClientOrderId": "web_1"},
        {"origClientOrderId": "", "clientOrderId": ID},
    ],
)
def test_a_cancel_is_believed_where_it_tells_the_end_of_that_order(odd):
    """Of an order that lives, or of another one, it proves nothing: the order is asked for."""
    wire = Wire()
    unknown = {"kind": EventKind.CANCEL_UNKNOWN, "order_key": OLD}
    assert wire.order(reply(CANCEL, canceled_order() | odd)) == [unknown]
    both = {"cancelResponse": canceled_order() | odd, "newOrderResponse": order()}
    kinds = [event["kind"] for event in wire.order(reply(REPLACE, both))]
    assert kinds == [EventKind.CANCEL_UNKNOWN, EventKind.OUTCOME_UNKNOWN]
    assert (wire.codec.broken, wire.codec.unfit) == (0, 2)


def test_an_answer_about_another_order_accepts_and_owns_nothing():
    """Who has placed one order is not told of another; nor whose a trade is."""
    unknown = {"kind": EventKind.OUTCOME_UNKNOWN, "order_key": KEY}
    assert Wire().order(reply(PLACE, order(clientOrderId=OLD_ID))) == [unknown]
    assert Wire().order(reply("f0.s.rs", order(orderId=29))) == [{"kind": EventKind.QUERY_FAILED}]


def test_a_cancel_replace_that_went_well_gives_both_legs():
    """The old order is CANCELED, then the new one ACCEPTED."""
    both = {
        "cancelResult": "SUCCESS", "newOrderResult": "SUCCESS",
        "cancelResponse": canceled_order(), "newOrderResponse": order(),
    }  # fmt: skip
    assert Wire().order(reply(REPLACE, both)) == [CANCELED, ACCEPTED]


def test_a_cancel_replace_that_half_failed_tells_each_leg():
    """409: the old order is gone and the new one refused, by its own code."""
    data = {
        "cancelResult": "SUCCESS", "newOrderResult": "FAILURE",
        "cancelResponse": canceled_order(), "newOrderResponse": {"code": -2010, "msg": "no"},
    }  # fmt: skip
    rejected = {"kind": EventKind.REJECTED, "order_key": KEY, "code": -2010}
    assert Wire().order(refused(REPLACE, -2021, 409, **data)) == [CANCELED, rejected]
    data["newOrderResponse"] = {"code": -1007, "msg": "timeout"}
    unknown = {"kind": EventKind.OUTCOME_UNKNOWN, "order_key": KEY, "code": -1007}
    assert Wire().order(refused(REPLACE, -2021, 409, **data)) == [CANCELED, unknown]


def test_a_cancel_replace_that_failed_leaves_the_old_order_and_never_made_the_new():
    """400: the cancel was refused, so the new order was not attempted."""
    data = {
        "cancelResult": "FAILURE", "newOrderResult": "NOT_ATTEMPTED",
        "cancelResponse": {"code": -2011, "msg": "Unknown order sent."}, "newOrderResponse": None,
    }  # fmt: skip
    assert Wire().order(refused(REPLACE, -2022, **data)) == [
        {"kind": EventKind.CANCEL_REJECTED, "order_key": OLD, "code": -2011},
        {"kind": EventKind.REJECTED, "order_key": KEY, "code": VenueCode.NOT_ATTEMPTED},
    ]


def test_a_cancel_replace_refused_as_a_whole_touched_neither_leg():
    """A filter failure names no legs: both are refused with its code."""
    assert Wire().order(refused(REPLACE, -1013)) == [
        {"kind": EventKind.CANCEL_REJECTED, "order_key": OLD, "code": -1013},
        {"kind": EventKind.REJECTED, "order_key": KEY, "code": -1013},
    ]


def test_a_cancel_replace_whose_new_order_stands_all_the_same_is_told_so():
    """Each leg by its own result, whatever the whole was called."""
    data = {
        "cancelResult": "FAILURE", "newOrderResult": "SUCCESS",
        "cancelResponse": {"code": -1007, "msg": ""}, "newOrderResponse": order(),
    }  # fmt: skip
    assert Wire().order(refused(REPLACE, -2021, 409, **data)) == [
        {"kind": EventKind.CANCEL_UNKNOWN, "order_key": OLD, "code": -1007},
        ACCEPTED,
    ]


def test_an_order_that_was_placed_and_rejected_in_one_breath_is_rejected():
    """A reply of status 200 may hold a status REJECTED."""
    rejected = ACCEPTED | {"kind": EventKind.REJECTED}
    assert Wire().order(reply(PLACE, order(status="REJECTED"))) == [rejected]


def test_a_cancel_replace_in_doubt_leaves_both_legs_in_doubt():
    """A 5xx may have done either half."""
    assert Wire().order(refused(REPLACE, -1007, 504)) == [
        {"kind": EventKind.CANCEL_UNKNOWN, "order_key": OLD, "code": -1007},
        {"kind": EventKind.OUTCOME_UNKNOWN, "order_key": KEY, "code": -1007},
    ]


def test_query_replies():
    """A query finds the order with its state, does not find it, or fails."""
    wire = Wire()
    found = order(status="PARTIALLY_FILLED", executedQty="0.00100000", updateTime=5)
    assert wire.order(reply(QUERY, found)) == [
        {
            "kind": EventKind.ORDER_STATUS, "order_key": KEY, "venue_order_id": 28, "found": 1,
            "status": OrderState.PARTIALLY_FILLED, "side": 1, "price_ticks": 6_000_000,
            "qty_lots": 1_000, "cum_qty_lots": 100, "exch_ts_ns": 5_000_000,
        }
    ]  # fmt: skip
    missing = {"kind": EventKind.ORDER_STATUS, "order_key": KEY, "code": -2013}
    assert wire.order(refused(QUERY, -2013)) == [missing]
    failed = {"kind": EventKind.QUERY_FAILED, "order_key": KEY, "code": -1007}
    assert wire.order(refused(QUERY, -1007, 504)) == [failed]
    strange = [{"kind": EventKind.QUERY_FAILED, "order_key": KEY}]
    assert wire.order(reply(QUERY, order(clientOrderId=OLD_ID))) == strange, "another order of ours"
    (event,) = wire.order(reply(QUERY, order(clientOrderId="x", status="CANCELED")))
    assert (event["order_key"], event["status"]) == (KEY, OrderState.CANCELED), "its cancel's id"
    assert wire.order(refused(QUERY, -1021)) == [failed | {"code": -1021}]


def test_find_replies():
    """An order found by the venue's id: with our key, with none, not at all, or nobody knows."""
    wire, find = Wire(), "f0.s.rs"
    words = {
        "kind": EventKind.ORDER_OWNER, "venue_order_id": 28, "found": 1,
        "status": OrderState.FILLED, "side": 1, "price_ticks": 6_000_000, "qty_lots": 1_000,
        "cum_qty_lots": 1_000,
    }  # fmt: skip
    filled = {"status": "FILLED", "executedQty": "0.01"}
    assert wire.order(reply(find, order(**filled))) == [words | {"order_key": KEY}]
    assert wire.order(reply(find, order(clientOrderId="web_1", **filled))) == [words]
    missing = {"kind": EventKind.ORDER_OWNER, "venue_order_id": 28, "code": -2013}
    assert wire.order(refused(find, -2013)) == [missing]
    failed = {"kind": EventKind.QUERY_FAILED, "code": -1007}
    assert wire.order(refused(find, -1007, 504)) == [failed]
    for odd in ("f0", "f0.s", "f0.!.rs", "f0.rs." + 13 * "z", "f0." + 13 * "z" + ".rs"):
        assert wire.order(refused(odd, -2013)) == []


@pytest.mark.parametrize(("depth", "known"), [(60, True), (70, False)])
def test_what_is_nested_too_deep_is_unreadable_however_much_stack_is_left(depth, known):
    """By a rule of ours and not by the decoder's room, or a replay would read it otherwise."""
    tower: list[object] = []
    for _ in range(depth - 2):
        tower = [tower]
    frame = {"deep": tower} | reply(QUERY, order(status="FILLED"))
    kinds = [event["kind"] for event in Wire().order(frame)]
    assert kinds == [EventKind.ORDER_STATUS if known else EventKind.QUERY_FAILED]


def test_open_orders_tell_ours_and_others_apart_and_end():
    """Each order of our tag is a status, any other is foreign; the end counts ours."""
    events = Wire().order(
        reply(
            "o0.rs", [order(), order(orderId=29, clientOrderId="web_1", side="BUY", status="NEW")]
        )
    )
    assert [event["kind"] for event in events] == [
        EventKind.ORDER_STATUS, EventKind.FOREIGN_ORDER, EventKind.OPEN_ORDERS_END,
    ]  # fmt: skip
    assert events[0]["order_key"] == KEY
    assert "order_key" not in events[1]
    assert events[1]["venue_order_id"] == 29
    assert events[2]["order_count"] == 1


def test_no_open_orders_is_an_end_without_orders():
    """The end comes for the instrument asked for, even with nothing before it."""
    end = {"kind": EventKind.OPEN_ORDERS_END, "instrument": 1, **END}
    assert Wire().order(reply("o1.rs", [])) == [end]


def test_own_trades_become_fills_without_a_key_and_end_with_the_last_id():
    """The list of trades knows the venue's order id only."""
    trade = {
        "symbol": "BTCUSDT", "id": 41, "orderId": 28, "orderListId": -1, "price": "60000.01",
        "qty": "0.00500", "quoteQty": "300.00005", "commission": "0.15000002",
        "commissionAsset": "USDT", "time": 1_700_000_000_001, "isBuyer": True, "isMaker": False,
        "isBestMatch": True,
    }  # fmt: skip
    events = Wire().order(reply("t0.rs", [trade, trade | {"id": 42, "commissionAsset": "BNB"}]))
    assert events[0] == {
        "kind": EventKind.FILL, "exch_ts_ns": 1_700_000_000_001_000_000, "venue_order_id": 28,
        "trade_id": 41, "price_ticks": 6_000_001, "qty_lots": 500, "fee_atoms": 15_000_002,
        "fee_asset": 1, "liquidity": 1,
    }  # fmt: skip
    assert (events[1]["trade_id"], events[1]["fee_asset"]) == (42, 2)
    assert events[2] == {"kind": EventKind.TRADES_END, "order_count": 2, "trade_id": 42, **END}


def test_a_trade_whose_fee_has_no_asset_is_a_trade():
    """A fee of nothing may name none; one unreadable trade would hide the whole list for ever."""
    trade = {
        "symbol": "BTCUSDT", "id": 41, "orderId": 28, "price": "60000.00", "qty": "0.005",
        "commission": "0", "commissionAsset": None, "time": 1, "isBuyer": True, "isMaker": True,
    }  # fmt: skip
    fill, end = Wire().order(reply("t0.rs", [trade]))
    assert (fill["kind"], fill["trade_id"], end["kind"]) == (
        EventKind.FILL, 41, EventKind.TRADES_END,
    )  # fmt: skip


def test_a_trade_from_before_a_change_of_steps_keeps_its_id_alone():
    """It makes no list unreadable, and no money of it is rounded."""
    trade = {
        "symbol": "BTCUSDT", "id": 41, "orderId": 28, "price": "60000.01", "qty": "0.005",
        "commission": "0.1", "commissionAsset": "USDT", "time": 1, "isBuyer": True,
        "isMaker": True,
    }  # fmt: skip
    bare = {
        "kind": EventKind.FILL, "trade_id": 41, "venue_order_id": 28, "exch_ts_ns": 1_000_000,
        "fee_asset": 1,
    }  # fmt: skip
    for odd in ({"price": "60000.015"}, {"qty": "0.005001"}, {"commission": "1e-9"}):
        wire = Wire()
        events = wire.order(reply("t0.rs", [trade | odd, trade | {"id": 42}]))
        assert events[0] == bare
        assert events[1]["qty_lots"] == 500
        assert events[2] == {"kind": EventKind.TRADES_END, "order_count": 2, "trade_id": 42, **END}
        assert (wire.codec.broken, wire.codec.unfit) == (0, 0)


def test_an_order_from_before_a_change_of_steps_is_told_in_what_covers_it():
    """Of others or ours: it can be seen and canceled, and counts for no less than it is."""
    odd = order(price="60000.011", origQty="0.010001", executedQty="0.000019")
    words = {"price_ticks": 6_000_002, "qty_lots": 1_001, "cum_qty_lots": 1}
    ours, others, _ = Wire().order(reply("o0.rs", [odd, odd | {"clientOrderId": "web_1"}]))
    for event in (ours, others, *Wire().order(reply(QUERY, odd))):
        assert words.items() <= event.items()
    assert (ours["kind"], others["kind"]) == (EventKind.ORDER_STATUS, EventKind.FOREIGN_ORDER)
    for name in ("price", "origQty", "executedQty"):
        assert Wire().order(reply("o0.rs", [odd | {name: "-1"}])) == [
            {"kind": EventKind.QUERY_FAILED}
        ]
    strange = odd | {"clientOrderId": "web_1", "status": "PENDING_X", "price": None}
    assert Wire().order(reply("o0.rs", [strange]))[0]["kind"] == EventKind.FOREIGN_ORDER


def test_balances_come_for_each_asset_of_the_profile_even_if_unlisted():
    """Assets that the venue omits hold nothing; those outside the profile are left out."""
    account = {
        "balances": [
            {"asset": "USDT", "free": "100.5", "locked": "0.25"},
            {"asset": "DOGE", "free": "1", "locked": "0"},
        ]
    }
    assert Wire().order(reply("a0.rs", account)) == [
        {"kind": EventKind.BALANCE},
        {"kind": EventKind.BALANCE, "asset": 1},
        {
            "kind": EventKind.BALANCE, "asset": 2, "free_atoms": 10_050_000_000,
            "locked_atoms": 25_000_000,
        },
        {"kind": EventKind.BALANCES_END, **END},
    ]  # fmt: skip


@pytest.mark.parametrize("identity", ["o1.rs", "t1.rs", "a1.rs"])
def test_a_failed_list_is_a_failed_query(identity):
    """Recovery hears that the venue refused, or said what cannot be read."""
    failed = {"kind": EventKind.QUERY_FAILED, "instrument": 1}
    assert Wire().order(refused(identity, -1003, 400))[-1] == failed | {"code": -1003}
    assert Wire().order(reply(identity, "nonsense")) == [failed]


def test_more_orders_than_rows_fail_the_query():
    """A list that does not fit is not delivered in part."""
    assert Wire().order(reply("o0.rs", [order()] * 2_000)) == [{"kind": EventKind.QUERY_FAILED}]


@pytest.mark.parametrize(("status", "code"), [(429, -1015), (418, -1003), (403, -1000)])
def test_a_rate_limit_rejects_and_says_until_when(status, code):
    """The venue's own retry time is carried to our clock, and told before what it refused."""
    answer = refused(PLACE, code, status, serverTime=1_000_000, retryAfter=1_003_500)
    events = Wire().order(answer)
    expected = {"kind": EventKind.RATE_LIMITED, "code": status, "until_ns": NOW_NS + 3_500_000_000}
    assert events[0] == expected
    assert events[1]["order_key"] == KEY


def test_a_rate_limit_without_a_time_waits_by_default():
    """Where the venue names no time, 429 holds back for ten seconds."""
    limited = Wire().order(refused(PLACE, -1015, 429))[0]
    assert limited["until_ns"] == NOW_NS + 10_000_000_000


@pytest.mark.parametrize(
    "answer",
    [
        refused(PLACE, -1003, 429, serverTime=1, retryAfter=None),
        refused(PLACE, -1003, 429, serverTime=1, retryAfter="5"),
        refused(PLACE, -1003, 429, serverTime=1, retryAfter=1.5),
        refused(PLACE, -1003, 429, serverTime=1, retryAfter=10**18),
        refused(PLACE, -1003, 429) | {"error": {"code": -1003, "msg": None, "data": "soon"}},
        refused(PLACE, -1003, 429) | {"error": {"code": "-1003"}},
        refused(PLACE, -1003, 429) | {"error": "slow down"},
        {"id": PLACE, "status": 429},
        {"id": None, "status": 429, "error": {"code": -1003, "data": {"retryAfter": None}}},
        {"status": 429},
        {"id": 7.5, "status": 429, "error": {"code": -1003}},
    ],
)
def test_a_rate_limit_is_obeyed_whatever_stands_beside_its_status(answer):
    """Details that do not fit cost neither the wait nor the connection."""
    wire = Wire()
    limited = {
        "kind": EventKind.RATE_LIMITED, "code": 429, "until_ns": NOW_NS + 10_000_000_000,
    }  # fmt: skip
    assert limited in wire.order(answer)
    assert wire.codec.broken == 0


def test_a_rate_limit_is_seen_in_a_frame_that_cannot_be_read():
    """A ban is obeyed first of all."""
    cut = json.dumps(refused(CANCEL, -1003, 418)).encode()[:-1]
    limited, unknown = Wire().decode(Link.ORDER, cut)
    assert (limited["kind"], limited["code"]) == (EventKind.RATE_LIMITED, 418)
    assert unknown == {"kind": EventKind.CANCEL_UNKNOWN, "order_key": OLD}


DEEP = b"[" * 99 + b"]" * 99
NAMED = {"serverTime": 1_700_000_000_000, "retryAfter": 1_700_000_036_000}


@pytest.mark.parametrize(
    ("spoil", "wait_s"),
    [
        (lambda whole: whole[:-1], 36),
        (lambda whole: whole.replace(b'{"serverTime', b'{"deep":' + DEEP + b',"serverTime'), 36),
        (lambda whole: whole[: whole.index(b"36000")], 10),
        (lambda whole: whole[: whole.index(b"}")], 10),
        (lambda whole: whole.replace(b"36000}", b"36000}}}"), 36),
        (lambda whole: whole[:-1].replace(b"1700000036", b"1600000036"), 10),
    ],
)
def test_the_time_of_a_limit_is_obeyed_in_a_frame_that_cannot_be_read(spoil, wait_s):
    """As far as both times stand there whole, or else by default."""
    wire = Wire()
    whole = json.dumps(refused(PLACE, -1003, 429, **NAMED)).encode()
    limited = wire.decode(Link.ORDER, spoil(whole))[0]
    assert limited["until_ns"] == NOW_NS + wait_s * 1_000_000_000
    assert wire.codec.broken == 1


def test_no_wait_is_longer_than_a_week():
    """No ban of the venue is; a slip of a digit must not silence us for a year."""
    answer = refused(PLACE, -1003, 418, serverTime=1, retryAfter=8_000_000_000_000)
    assert Wire().order(answer)[0]["until_ns"] == NOW_NS + 7 * 86_400 * 10**9


def test_a_good_reply_stands_whatever_is_said_of_the_limits():
    """The counts beside an answer are not the answer."""
    odd = [None, "none", [None], [{"rateLimitType": "ORDERS", "interval": 1}]]
    for limits in odd:
        wire = Wire()
        assert wire.order(reply(PLACE, order(), rateLimits=limits)) == [ACCEPTED]
        assert (wire.codec.broken, wire.codec.unfit) == (0, 0)


def test_a_half_done_replacement_whose_legs_cannot_be_read_is_in_doubt():
    """Neither leg is guessed; where nothing was attempted an odd detail changes nothing."""
    odd = {"id": REPLACE, "status": 409, "error": {"code": -2021, "msg": "", "data": "x"}}
    kinds = [event["kind"] for event in Wire().order(odd)]
    assert kinds == [EventKind.CANCEL_UNKNOWN, EventKind.OUTCOME_UNKNOWN]
    odd["error"]["code"] = -1013
    kinds = [event["kind"] for event in Wire().order(odd | {"status": 400})]
    assert kinds == [EventKind.CANCEL_REJECTED, EventKind.REJECTED]


def test_order_counts_are_reported():
    """The venue's own count of orders comes behind the outcome, per window."""
    limits = [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1,
         "limit": 6000, "count": 3},
        {"rateLimitType": "ORDERS", "interval": "FORTNIGHT", "intervalNum": 1, "limit": 1},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 50,
         "count": 12},
    ]  # fmt: skip
    assert Wire().order(reply(PLACE, order(), rateLimits=limits)) == [
        ACCEPTED,
        {
            "kind": EventKind.RATE_STATUS, "order_count": 12, "order_limit": 50,
            "window_ns": 10_000_000_000,
        },
    ]  # fmt: skip


def test_an_error_about_the_connection_ends_the_user_stream():
    """A revoked key has no request id; nothing on this connection can be trusted after it."""
    revoked = {"id": None, "status": 401, "error": {"code": -2015, "msg": "no"}}
    ended = {"kind": EventKind.USER_STREAM_ENDED, "link": Link.USER, "code": -2015}
    assert Wire().order(revoked) == [ended]


@pytest.mark.parametrize(
    "identity",
    [
        "x0",
        "p",
        "p9.a-1",
        "p0",
        "p0.a",
        "p0.-",
        "p0.0-1",
        "c0.1-1.1-1",
        "o0",
        "o0.1-1",
        "o0.1.1",
        "q0.1-1",
        "r0.1-1",
        5,
        "",
    ],
)
def test_replies_to_ids_that_are_not_ours_give_nothing(identity):
    """A stray id is counted, not believed."""
    wire = Wire()
    assert wire.order(reply(identity, order())) == []
    assert wire.codec.unknown == 1


def test_a_client_order_id_of_another_tag_is_foreign():
    """Only ids that bear our tag are ours."""
    assert ID.startswith("h1-abc123-")
    events = Wire().order(reply("o0.rs", [order(clientOrderId=ID.replace("abc123", "abc124"))]))
    assert events[0]["kind"] == EventKind.FOREIGN_ORDER
