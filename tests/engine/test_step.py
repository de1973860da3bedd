"""The whole decision: events in, actions and facts out, from boot to two resting quotes."""

from __future__ import annotations

from hftd.domain.actions import ActionKind as A
from hftd.domain.codes import TradingState
from hftd.domain.order import OrderState, Side
from tests.playbook import Playbook


def test_from_boot_to_two_quotes() -> None:
    """After a clean reconciliation and a market, one post-only order rests on each side."""
    play = Playbook().run()
    assert play.state == TradingState.RUNNING
    buy = play.expect(A.SUBMIT, side=Side.BUY)
    sell = play.expect(A.SUBMIT, side=Side.SELL)
    assert (buy["price_ticks"], sell["price_ticks"]) == (5990, 6010)
    assert buy["post_only"] == sell["post_only"] == 1
    assert (buy["qty_lots"], sell["qty_lots"]) == (1000, 1000)
    play.accept(buy["order_key"], sell["order_key"])
    assert [order["state"] for order in play.orders()] == [OrderState.NEW] * 2
