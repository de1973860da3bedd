"""User data events: what each execution type, balance and flow becomes."""

from __future__ import annotations

import pytest

from hftd.domain.codes import VenueCode
from hftd.domain.events import EventKind, Link
from tests.venues.binance.fixtures import ID, KEY, Wire, report

COMMON = {
    "order_key": KEY, "venue_order_id": 28, "side": 1, "exch_ts_ns": 1_700_000_100_001_000_000,
}  # fmt: skip
FILL = {"x": "TRADE", "X": "PARTIALLY_FILLED", "l": "0.00200000", "L": "60000.10000000",
        "z": "0.00500000", "t": 77, "n": "0.00000200", "N": "BTC", "m": True}  # fmt: skip


def test_a_new_order_is_accepted():
    """NEW is an acceptance with the venue's id."""
    assert Wire().user(report()) == [{"kind": EventKind.ACCEPTED} | COMMON]


@pytest.mark.parametrize(
    ("asset", "fee_asset"), [("BTC", 0), ("USDT", 1), (None, 1), ("BNB", 2), ("ETH", 2)]
)
def test_a_trade_is_a_fill_with_its_fee(asset, fee_asset):
    """TRADE carries trade id, last and cumulative quantity, fee, its asset and liquidity."""
    expected = {
        "kind": EventKind.FILL, "trade_id": 77, "price_ticks": 6_000_010, "qty_lots": 200,
        "cum_qty_lots": 500, "fee_atoms": 200,
    } | COMMON  # fmt: skip
    if fee_asset:
        expected["fee_asset"] = fee_asset
    if asset == "ETH":  # Another instrument's base: it leaves that balance.
        expected["asset"] = 1
    assert Wire().user(report(**FILL | {"N": asset})) == [expected]
    taker = Wire().user(report(**FILL | {"N": asset, "m": False}))
    assert taker == [expected | {"liquidity": 1}]


def test_a_trade_of_another_order_is_a_fill_without_a_key():
    """Whoever traded on this account, the position moved."""
    (event,) = Wire().user(report(c="web_1", **FILL))
    assert event["kind"] == EventKind.FILL
    assert "order_key" not in event
    assert event["venue_order_id"] == 28


def test_a_cancel_names_the_order_in_the_original_id():
    """On a cancel the order's own id stands in C, the cancel's in c."""
    expected = {"kind": EventKind.CANCELED, "cum_qty_lots": 300} | COMMON
    asked = report(x="CANCELED", X="CANCELED", C=ID, c="cancel-1", z="0.003")
    assert Wire().user(asked) == [expected]
    by_the_venue = report(x="CANCELED", X="CANCELED", C="", c=ID, z="0.003")
    assert Wire().user(by_the_venue) == [expected]


def test_expiries_and_rejections():
    """EXPIRED ends the order; TRADE_PREVENTION does only where the status says so."""
    wire = Wire()
    expired = {"kind": EventKind.EXPIRED, "cum_qty_lots": 100} | COMMON
    assert wire.user(report(x="EXPIRED", X="EXPIRED", z="0.001")) == [expired]
    prevented = report(x="TRADE_PREVENTION", X="EXPIRED_IN_MATCH", z="0.001")
    assert wire.user(prevented) == [expired]
    assert wire.user(report(x="TRADE_PREVENTION", X="NEW")) == []
    assert wire.user(report(x="REPLACED", X="NEW")) == []
    rejected = {"kind": EventKind.REJECTED, "code": -2010} | COMMON
    assert wire.user(report(x="REJECTED", X="REJECTED")) == [rejected]
    missed = report(x="REJECTED", X="REJECTED", r="WOULD_MATCH_IMMEDIATELY")
    assert wire.user(missed) == [rejected | {"code": VenueCode.WOULD_MATCH}]


def test_orders_of_others_are_foreign_when_they_appear():
    """A new order without our tag is told with side, price and size; its end is not ours."""
    wire = Wire()
    (event,) = wire.user(report(c="web_1"))
    assert event["kind"] == EventKind.FOREIGN_ORDER
    assert (event["side"], event["price_ticks"], event["qty_lots"]) == (1, 6_000_000, 1_000)
    assert wire.user(report(c="web_1", x="CANCELED", X="CANCELED")) == []
    (event,) = wire.user(report(c="web_1", p="60000.011", q="0.010001"))
    assert (event["price_ticks"], event["qty_lots"]) == (6_000_002, 1_001)


def test_symbols_and_assets_outside_the_profile_are_left_out():
    """What the profile does not name is not our business."""
    wire = Wire()
    assert wire.user(report(s="DOGEUSDT")) == []
    assert wire.user({"e": "balanceUpdate", "E": 1, "a": "DOGE", "d": "1", "T": 1}) == []
    assert wire.user({"e": "listStatus"}) == []
    assert wire.codec.broken == 0


def test_balances_and_flows_are_in_atoms():
    """outboundAccountPosition gives balances as they are, balanceUpdate a signed flow."""
    wire = Wire()
    position = {
        "e": "outboundAccountPosition", "E": 5, "u": 5,
        "B": [{"a": "ETH", "f": "10000.000001", "l": "0.5"}, {"a": "DOGE", "f": "1", "l": "0"}],
    }  # fmt: skip
    assert wire.user(position) == [
        {
            "kind": EventKind.BALANCE, "asset": 1, "free_atoms": 1_000_000_000_100,
            "locked_atoms": 50_000_000, "exch_ts_ns": 5_000_000,
        }
    ]  # fmt: skip
    flow = {"e": "balanceUpdate", "E": 5, "a": "USDT", "d": "-2.50000000", "T": 5}
    assert wire.user(flow) == [
        {"kind": EventKind.EXTERNAL_FLOW, "asset": 2, "delta_atoms": -250_000_000,
         "exch_ts_ns": 5_000_000}
    ]  # fmt: skip


@pytest.mark.parametrize(
    "event",
    [
        {"e": "eventStreamTerminated", "E": 1},
        report(x="TRADE", l="0.01", L="1.00", t=-1),
        report(**FILL | {"l": "0.00000"}),
        report(**FILL | {"L": "60000.001"}),
        report(**FILL | {"z": "-1"}),
        report(**FILL | {"n": "1e5"}),
        report(S="HOLD"),
        report(x="EXPLODED"),
        report(x="TRADE_PREVENTION", X="ODD"),
        report(x="ODD"),
        report(i=2**64),
        {"e": "executionReport"},
        {"e": 5},
        [],
    ],
)
def test_an_unreadable_report_and_the_end_of_the_stream_are_the_same(event):
    """A report that cannot be read may have been a fill: the stream is not to be trusted."""
    expected = {"kind": EventKind.USER_STREAM_ENDED, "link": Link.USER}
    assert Wire().order({"subscriptionId": 0, "event": event}) == [expected]
