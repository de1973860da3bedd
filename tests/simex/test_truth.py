"""The truth that is told to judges: all of it, and the same that clients can ask for."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from hftd.simex.requests import Side
from hftd.simex.truth import books, truth
from tests.simex.fault_stage import MARKETS, SECOND, Stage

LIES: dict[str, dict[str, str | int | bool]] = {
    "error_accepted": {"request": "order.place"},
    "crossed_book": {},
    "drop": {},
    "duplicate_report": {},
    "corrupt": {},
}


def traded(market: str) -> Stage:
    """Return a stage on which orders were filled, canceled, expired, and left."""
    stage = Stage(market)
    for number in range(4):
        side, off = ("BUY", "1.01") if number % 2 else ("SELL", "0.99")
        stage.place(side, qty="0.002", off=off)
        stage.place(off=f"0.9{number}")
        stage.wait_ns(SECOND)
    stage.arm("cancel_unasked")
    stage.arm("expire_unasked")
    stage.arm("partial_fill", size=3)
    stage.place(off="0.9")
    return stage


@pytest.mark.parametrize("market", MARKETS)
def test_truth_is_what_clients_are_told(market: str) -> None:
    """Balances, every order and every trade of an account, as REST answers them."""
    stage = traded(market)
    account = truth(stage.faulty)["accounts"][stage.key]
    assert {
        asset: (each["free"], each["locked"]) for asset, each in account["balances"].items()
    } == stage.balances()
    assert account["orders"] == stage.signed("GET", "allOrders", "symbol=BTCUSDT")[1]
    assert account["trades"] == stage.signed("GET", "myTrades", "symbol=BTCUSDT")[1]
    assert {order["status"] for order in account["orders"]} == {
        *("FILLED", "CANCELED", "EXPIRED", "PARTIALLY_FILLED", "NEW")
    }


def test_truth_adds_up() -> None:
    """What was paid and received is what the balances differ by, and the fees are somebody's."""
    stage = traded("agents")
    told = truth(stage.faulty)
    account, sums = told["accounts"][stage.key], {"USDT": Decimal(0), "BTC": Decimal(0)}
    fees = {"USDT": Decimal(0), "BTC": Decimal(0)}
    for trade in account["trades"]:
        sign = 1 if trade["isBuyer"] else -1
        sums["BTC"] += sign * Decimal(trade["qty"])
        sums["USDT"] -= sign * Decimal(trade["quoteQty"])
        fees[trade["commissionAsset"]] += Decimal(trade["commission"])
    for asset, opening in (("USDT", 100_000), ("BTC", 1)):
        balance = account["balances"][asset]
        held = Decimal(balance["free"]) + Decimal(balance["locked"])
        assert held == opening + sums[asset] - fees[asset]
        assert Decimal(told["fees"][asset]["free"]) == fees[asset]


@pytest.mark.parametrize("market", MARKETS)
def test_lies_leave_the_truth_alone(market: str) -> None:
    """Whatever clients were told, truth and books are those of an exchange that told no lie."""

    def run(*lies: str) -> Any:
        stage = Stage(market)
        connection = stage.log_on()
        stage.open("/ws/btcusdt@depth@100ms")
        for lie in lies:
            stage.arm(lie, times=0, probability="0.5", match=LIES[lie])
        stage.ask("POST", "order", newClientOrderId="a", **stage.wish(off="0.9999"))
        stage.send_order(connection, 71, newClientOrderId="b")
        stage.wait_ns(5 * SECOND)
        return json.dumps([truth(stage.faulty), books(stage.faulty)])

    assert run() == run(*LIES)


@pytest.mark.parametrize("market", MARKETS)
def test_books_are_whole(market: str) -> None:
    """Every level of both sides, best first, with our own orders among them."""
    stage = Stage(market)
    order = stage.place(off="0.97")
    told = books(stage.faulty)["BTCUSDT"]
    assert told["status"] == "TRADING"
    bids, asks = ([Decimal(price) for price, _ in told[name]] for name in ("bids", "asks"))
    assert bids == sorted(bids, reverse=True) and asks == sorted(asks)
    assert bids[0] < asks[0]
    levels = list(stage.faulty.exchange.listings["BTCUSDT"].market.levels(Side.BUY))
    assert len(bids) == len(levels)
    # On a tape our orders queue beside what is displayed.
    assert (Decimal(order["price"]) in bids) or stage.is_tape
