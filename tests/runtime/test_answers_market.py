"""The ladder with our orders in it, and the chain of conditions of each side."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hftd.domain.codes import BookState, Code, TradingState
from hftd.domain.order import OrderState, Side
from hftd.engine import signals, targets
from tests.engine.scene import BUY, MS, SECOND, SELL, put_order, show_market
from tests.runtime.answers_desk import Desk, a_desk

BIDS, ASKS = {5_999_000: 200, 5_998_000: 300}, {6_001_000: 100, 6_002_000: 5}


def ladder(desk: Desk, side: str, depth: int = 10) -> list[tuple[str, str, str]]:
    """Return a side of the book as (price, quantity, ours)."""
    levels = desk.ask("book", depth=depth)[side]
    return [(level["price"], level["qty"], level["own_qty"]) for level in levels]


def test_the_ladder_has_our_orders_in_it_and_marked() -> None:
    """An order that the venue's level holds is not added to it a second time."""
    desk = a_desk()
    show_market(desk.scene, BIDS, ASKS)
    put_order(desk.scene, 0, BUY, 5_999_000, 50)
    put_order(desk.scene, 1, SELL, 6_001_000, 20, state=OrderState.PENDING_CANCEL)
    put_order(desk.scene, 2, SELL, 6_002_000, 20, state=OrderState.PENDING_NEW)
    assert ladder(desk, "bids") == [("59990", "0.002", "0.0005"), ("59980", "0.003", "0")]
    assert ladder(desk, "asks") == [("60010", "0.001", "0.0002"), ("60020", "0.00005", "0")]
    assert ladder(desk, "bids", depth=1) == [("59990", "0.002", "0.0005")]


def test_an_order_that_the_book_cannot_hold_yet_is_added() -> None:
    """One sent after the level was told, and any on a tape, comes on top of it."""
    desk = a_desk()
    show_market(desk.scene, BIDS, ASKS)
    order = put_order(desk.scene, 0, BUY, 5_999_000, 50)
    order["sent_ns"] = desk.scene.core["now_ns"] + 1
    assert ladder(desk, "bids")[0] == ("59990", "0.0025", "0.0005")
    order["sent_ns"] = 0
    desk.scene.instrument["own_in_book"] = 0
    assert ladder(desk, "bids")[0] == ("59990", "0.0025", "0.0005")
    order["price_ticks"] = 5_998_500
    assert ladder(desk, "bids", depth=1) == [("59990", "0.002", "0")]
    order["price_ticks"] = 5_999_500
    assert ladder(desk, "bids")[:2] == [("59995", "0.0005", "0.0005"), ("59990", "0.002", "0")]


def test_a_newer_touch_makes_void_what_depth_still_shows() -> None:
    """After a bookTicker the ladder begins at its price; the spread is shown with ours and not."""
    desk = a_desk()
    show_market(desk.scene, BIDS, ASKS)
    desk.scene.instrument["bid_ticks"], desk.scene.instrument["bid_lots"] = 5_998_500, 7
    put_order(desk.scene, 0, BUY, 5_998_500, 7)
    signals.update(desk.scene.state, 0)
    assert ladder(desk, "bids") == [("59985", "0.00007", "0.00007"), ("59980", "0.003", "0")]
    book = desk.ask("book")
    assert (book["best_bid"], book["best_ask"], book["mid"]) == ("59985", "60010", "59995")
    assert (book["spread_bps"], book["spread_bps_without_own"]) == ("4.1668", "5.0004")


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(5_990_000, 5_999_999), st.integers(1, 50)), max_size=5),
    st.lists(st.tuples(st.integers(5_990_000, 5_999_999), st.integers(1, 50)), max_size=5),
)
def test_the_ladder_less_ours_is_the_market_that_signals_see(
    levels: list[tuple[int, int]], own: list[tuple[int, int]]
) -> None:
    """The best level with anything of others in it is the engine's own market bid."""
    desk = a_desk()
    show_market(desk.scene, dict(levels), ASKS)
    for slot, (price, lots) in enumerate(own):
        put_order(desk.scene, slot, BUY, price, lots)
    signals.update(desk.scene.state, 0)
    others = [price for price, qty, ours in ladder(desk, "bids") if qty != ours]
    bid = int(desk.scene.instrument["market_bid_ticks"])
    assert others[:1] == ([f"{bid / 100:.2f}".rstrip("0").rstrip(".")] if bid else [])


def test_a_book_that_is_not_believed_has_no_mid() -> None:
    """What is not known is null; the levels last heard stay to be seen."""
    desk = a_desk()
    show_market(desk.scene, BIDS, ASKS)
    desk.scene.book["state"] = BookState.STALE
    signals.update(desk.scene.state, 0)
    desk.clock.now_ns += 1_500 * MS
    book = desk.ask("book")
    assert (book["state"], book["age_ms"], book["best_bid"]) == ("STALE", 1500.0, "59990")
    assert (book["mid"], book["imbalance"], book["spread_bps_without_own"]) == (None, None, None)
    empty = a_desk().ask("book")
    assert (empty["bids"], empty["best_bid"], empty["spread_bps"], empty["age_ms"]) == (
        [],
        None,
        None,
        None,
    )


def test_an_open_order_is_told_whole() -> None:
    """Ids, quantities, state and age; what the venue has not told is null."""
    desk = a_desk()
    put_order(desk.scene, 9, SELL, 6_001_050, 50, cum_lots=20, leaves_lots=30, post_only=1)
    desk.scene.state.orders[9]["sent_ns"] = desk.scene.core["now_ns"] - 1_234_567
    put_order(desk.scene, 4, BUY, 5_999_000, 10, venue_order_id=4711, reduce_only=1)
    buy, sell = desk.ask("orders")["orders"]
    assert sell == {
        "client_order_id": "h1-k3x9qa-1-a",
        "venue_order_id": None,
        "instrument": "BTC-USDT",
        "side": "SELL",
        "price": "60010.5",
        "qty": "0.0005",
        "cum_qty": "0.0002",
        "leaves_qty": "0.0003",
        "state": "NEW",
        "age_ms": 1.235,
        "reduce_only": False,
        "post_only": True,
    }
    assert (buy["venue_order_id"], buy["reduce_only"], buy["side"]) == ("4711", True, "BUY")


def chain(desk: Desk, side: str) -> list[dict[str, Any]]:
    """Return the conditions of a side of the first instrument."""
    conditions: list[dict[str, Any]] = desk.ask("explain")["instruments"][0]["sides"][side]
    return conditions


def failing(desk: Desk, side: str) -> dict[str, Any]:
    """Return the first condition of a side that fails."""
    return next(one for one in chain(desk, side) if not one["ok"])


def test_the_daemons_own_conditions_come_first() -> None:
    """State, book and gate are said once, ahead of the strategy's own chain."""
    desk = a_desk()
    show_market(desk.scene, BIDS, ASKS)
    target = desk.scene.state.targets[0, BUY]
    for code in (Code.NOT_RUNNING, Code.BOOK_NOT_SYNCED):
        targets.condition(target, int(code), True, 1, 1)
    targets.condition(target, int(Code.SPREAD_TOO_NARROW), True, 333, 300)
    targets.condition(target, int(Code.NO_EDGE), False, -12, 50)
    target["quoted_code"] = Code.NO_EDGE
    target["reason_since_ns"] = desk.scene.core["now_ns"] - 12 * SECOND
    told = chain(desk, "buy")
    names = ["NOT_RUNNING", "BOOK_NOT_SYNCED", "GATE_CLOSED", "SPREAD_TOO_NARROW", "NO_EDGE"]
    assert [one["condition"] for one in told] == names
    assert [one["ok"] for one in told] == [True, True, True, True, False]
    assert (told[3]["value"], told[3]["bound"], told[3]["detail"]) == ("3.33 bps", "3 bps", None)
    assert (told[4]["value"], told[4]["bound"]) == ("-0.12 bps", "0.5 bps")
    assert told[4]["detail"] == "NO_EDGE: edge=-0.12 bps, min=0.5 bps; for 12.0 s"


@pytest.mark.parametrize(
    ("code", "value", "bound", "side", "texts"),
    [
        (Code.BALANCE_SHORT, 5 * 10**7, 10**8, "buy", ("0.5 USDT", "1 USDT")),
        # A sell spends base.
        (Code.BALANCE_SHORT, 5 * 10**7, 10**8, "sell", ("0.5 BTC", "1 BTC")),
        (Code.POSITION_FULL, -210, 200, "sell", ("-0.0021 BTC", "0.002 BTC")),
        (Code.POST_ONLY_CROSS, 5_999_000, 5_998_950, "buy", ("59990", "59989.5")),
        (Code.NO_SIGNAL, 333_333, 600_000, "buy", ("0.333333", "0.6")),
        (Code.HOLDING, 1_500_000_000, 5 * SECOND, "sell", ("1500 ms", "5000 ms")),
        (Code.NOT_TRADING, 2, 0, "buy", ("BREAK", "TRADING")),
        (Code.TRADED_THROUGH, 123, 0, "buy", (None, None)),
    ],
)
def test_a_condition_has_the_units_of_its_code(
    code: Code, value: int, bound: int, side: str, texts: tuple[str | None, str | None]
) -> None:
    """What is judged in lots is shown in base, in ticks as a price, in time as milliseconds."""
    desk = a_desk()
    show_market(desk.scene, BIDS, ASKS)
    targets.condition(
        desk.scene.state.targets[0, Side[side.upper()]], int(code), False, value, bound
    )
    told = failing(desk, side)
    assert (told["condition"], (told["value"], told["bound"])) == (code.name, texts)
    assert told["detail"]


def test_a_state_that_does_not_trade_is_the_first_to_fail() -> None:
    """PAUSED says by whom; REDUCE_ONLY lets the reducing side alone go on."""
    desk = a_desk()
    core = desk.scene.core
    core["state"], core["state_code"] = TradingState.PAUSED, Code.OPERATOR
    core["pause_mask"], core["state_since_ns"] = 1, core["now_ns"]
    told = failing(desk, "buy")
    assert (told["condition"], told["value"]) == ("NOT_RUNNING", "PAUSED")
    assert told["detail"] == "OPERATOR, since 12:00:10.000Z"
    show_market(desk.scene, BIDS, ASKS)
    core["state"] = TradingState.REDUCE_ONLY
    desk.scene.instrument["position_lots"] = 5
    target = desk.scene.state.targets[0, SELL]
    target["reduce_only"] = target["wanted"] = 1
    assert [one["ok"] for one in chain(desk, "sell")] == [True, True, True]
    assert [one["ok"] for one in chain(desk, "buy")] == [False, True, False]


def test_a_side_that_was_refused_says_how_long_it_waits() -> None:
    """The wait stands last, and is gone when it is over."""
    desk = a_desk()
    show_market(desk.scene, BIDS, ASKS)
    target = desk.scene.state.targets[0, SELL]
    target["denied_until_ns"] = desk.scene.core["now_ns"] + 640 * MS
    targets.condition(target, int(Code.DENIED_RECENTLY), False, 1, 2)
    told = chain(desk, "sell")[-1]
    assert (told["condition"], told["value"]) == ("DENIED_RECENTLY", "640 ms")
    assert len(chain(desk, "sell")) == 4
    desk.clock.now_ns += 640 * MS
    target["wanted"] = 1
    assert all(one["ok"] for one in chain(desk, "sell"))


def test_a_side_without_a_target_is_not_called_quoted() -> None:
    """Where every condition holds and nothing is wanted, the strategy has not spoken."""
    desk = a_desk()
    show_market(desk.scene, BIDS, ASKS)
    assert failing(desk, "buy")["condition"] == "STARTING_UP"
    desk.scene.state.targets[0, BUY]["wanted"] = 1
    assert all(one["ok"] for one in chain(desk, "buy"))


@pytest.mark.parametrize(
    ("field", "value", "detail"),
    [
        ("order_up", 0, "ORDER_LINK_DOWN"),
        ("journal_failed", 1, "JOURNAL"),
        ("user_up", 0, "USER_STREAM_STALE: age=0 ms, max=30000 ms"),
        ("recovery_clean", 0, "no clean reconciliation"),
        ("rate_limited_until_ns", 1 << 62, "RATE_LIMITED"),
    ],
)
def test_what_closes_the_gate_is_named(field: str, value: int, detail: str) -> None:
    """A link that is down closes it as a state does."""
    desk = a_desk()
    show_market(desk.scene, BIDS, ASKS)
    desk.scene.core[field] = value
    told = failing(desk, "buy")
    assert (told["condition"], told["value"]) == ("GATE_CLOSED", "closed")
    assert told["detail"].startswith(detail)


def test_explain_tells_what_the_last_refusal_judged() -> None:
    """A side that waits after a refusal says which limit it met, with both numbers."""
    desk = a_desk()
    target = desk.scene.state.targets[0, BUY]
    target["denied_until_ns"] = desk.clock.now_ns + 300 * MS
    target["denied_code"], target["denied_value"] = Code.OPEN_ORDERS, 9
    target["denied_bound"] = 8
    (instrument,) = desk.ask("explain")["instruments"]
    denied = next(one for one in instrument["sides"]["buy"] if one["value"] == "300 ms")
    assert "OPEN_ORDERS: open=9, max=8" in denied["detail"]
