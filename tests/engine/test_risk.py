"""Each control of the gate: what it lets through, what it refuses, and the limit exactly.

The scene stands just inside every limit; a test moves one number. Readings are
``CODE: key=value`` as `hftd/domain/refusals.py` prints them.
"""

from __future__ import annotations

from typing import Any

import pytest

from hftd.domain.actions import ActionKind
from hftd.domain.codes import BookState, Code, TradingState
from hftd.domain.facts import FactKind
from hftd.domain.instrument import InstrumentStatus
from hftd.domain.order import OrderState
from hftd.domain.refusals import reason_text
from hftd.engine import boot, risk, risk_market, signals, step
from hftd.engine.emit import add_wish
from hftd.engine.state import N_WISHES, ORDERS_CAPACITY
from tests.engine.scene import BUY, MS, SECOND, SELL, Scene, a_scene, put_order, show_market
from tests.playbook import BTC_USDT

UNIT = 1_000
BID, ASK = 10_000, 10_010  # Ticks; the mid is 20,010 half ticks.
LOTS = 10


def a_desk() -> Scene:
    """Return a RUNNING, reconciled scene with a market and limits that a usual order keeps."""
    scene = a_scene()
    core, record = scene.core, scene.instrument
    core["now_ns"] = 100 * SECOND
    core["order_up"] = core["user_up"] = core["recovery_clean"] = 1
    core["max_turnover_atoms"] = core["max_gross_exposure_atoms"] = 10**12
    core["max_open_notional_atoms"] = 10**12
    core["order_interval_ns"], core["order_burst_ns"] = 200 * MS, 800 * MS
    record["max_order_lots"] = record["max_order_lots_reduce"] = 100
    record["max_order_notional_atoms"] = record["max_order_notional_atoms_reduce"] = 10**11
    record["max_open_orders"] = 8
    record["collar_bps_e2"] = 5_000  # 50 bps: 100 half ticks.
    record["max_quote_distance_bps_e2"] = 50_000  # 500 bps: 1,000 half ticks.
    show_market(scene, {BID: 50}, {ASK: 50})
    signals.update(scene.state, 0)
    return scene


def wish(scene: Scene, side: int = BUY, price: int = BID, lots: int = LOTS, **more: int) -> Any:
    """Return a wish, by default for a resting buy at the best bid."""
    add_wish(scene.state, scene.out, int(ActionKind.SUBMIT), 0)
    row = scene.out.wishes[scene.out.counts[N_WISHES] - 1]  # Compiled code hands out a copy.
    row["side"], row["price_ticks"], row["qty_lots"] = side, price, lots
    row["post_only"] = 1
    for name, value in more.items():
        row[name] = value
    return row


def judged(scene: Scene, side: int = BUY, price: int = BID, lots: int = LOTS, **more: int) -> str:
    """Return NONE or the refusal's reading of such a wish.

    What the scene put into the table counts as sent, and its position as held from before.
    """
    scene.begin()
    boot.open_account(scene.state, 0)
    code = risk.check(scene.state, wish(scene, side, price, lots, **more))
    value, bound = int(scene.core["verdict_value"]), int(scene.core["verdict_bound"])
    return reason_text(code, value, bound, "USDT") if code else "NONE"


def allowed(scene: Scene, *wanted: int, **more: int) -> bool:
    """Tell whether the gate lets such a wish through."""
    return judged(scene, *wanted, **more) == "NONE"


def test_a_usual_order_passes() -> None:
    """Inside every limit nothing is refused, on either side."""
    scene = a_desk()
    assert allowed(scene)
    assert allowed(scene, SELL, ASK)


@pytest.mark.parametrize("state", [s for s in TradingState if s != TradingState.RUNNING])
def test_gate_only_running_creates(state: TradingState) -> None:
    """C31, C34: outside RUNNING only reduce-only passes, and that in the stopped states only."""
    scene = a_desk()
    scene.core["state"] = state
    assert judged(scene) == f"GATE_CLOSED: state={state.name}, needed=RUNNING"
    scene.instrument["position_lots"] = LOTS
    reducing = allowed(scene, SELL, ASK, LOTS, reduce_only=1)
    stopped = ("REDUCE_ONLY", "PAUSED", "HALTED", "KILLED")
    assert reducing == (state.name in stopped)


@pytest.mark.parametrize(
    ("field", "value", "code", "numbers"),
    [
        ("journal_failed", 1, Code.JOURNAL, (1, 0)),
        ("order_up", 0, Code.ORDER_LINK_DOWN, (0, 1)),
        (
            "rate_limited_until_ns",
            100 * SECOND + 1,
            Code.RATE_LIMITED,
            (100 * SECOND, 100 * SECOND + 1),
        ),
        ("user_up", 0, Code.USER_STREAM_STALE, (30 * SECOND, 20 * SECOND)),
        ("recovery_clean", 0, Code.GATE_CLOSED, (TradingState.RECOVERING, TradingState.RUNNING)),
    ],
)
def test_gate_blind_or_dumb_sends_nothing(
    field: str, value: int, code: Code, numbers: tuple[int, int]
) -> None:
    """C23, C26, C30, C34: each closes the gate, for reduce-only orders as well."""
    scene = a_desk()
    scene.core["user_alive_ns"], scene.core["user_stream_timeout_ns"] = 70 * SECOND, 20 * SECOND
    scene.core[field] = value
    assert risk.gate(scene.state, wish(scene)) == code
    assert (scene.core["verdict_value"], scene.core["verdict_bound"]) == numbers
    scene.instrument["position_lots"] = LOTS
    assert judged(scene).split(":")[0] == code.name
    assert judged(scene, SELL, ASK, LOTS, reduce_only=1).split(":")[0] == code.name


def test_gate_opens_when_the_quiet_is_over() -> None:
    """C30: at the time that the venue named, and not a nanosecond before."""
    scene = a_desk()
    scene.core["rate_limited_until_ns"] = 100 * SECOND
    assert allowed(scene)


@pytest.mark.parametrize("status", list(InstrumentStatus))
def test_c02_status(status: InstrumentStatus) -> None:
    """Only TRADING trades."""
    scene = a_desk()
    scene.instrument["status"] = status
    want = f"NOT_TRADING: status={status.name}, needed=TRADING"
    assert judged(scene) == ("NONE" if status == InstrumentStatus.TRADING else want)


def test_c03_order_size() -> None:
    """The limit exactly passes, one lot more does not, nor does nothing."""
    scene = a_desk()
    scene.instrument["max_position_lots"] = 1_000
    assert allowed(scene, BUY, BID, 100)
    assert judged(scene, BUY, BID, 101) == "ORDER_SIZE: qty=101, max=100"
    assert judged(scene, BUY, BID, 0) == "ORDER_SIZE: qty=0, max=100"
    assert judged(scene, BUY, BID, -1) == "ORDER_SIZE: qty=-1, max=100"


def test_c03_reduce_only_uses_the_unscaled_limit() -> None:
    """A full-size position can be unwound under the canary's smaller limit."""
    scene = a_desk()
    scene.instrument["max_order_lots"] = 10
    scene.instrument["position_lots"] = 100
    assert not allowed(scene, SELL, ASK, 11)
    assert allowed(scene, SELL, ASK, 100, reduce_only=1)
    scene.instrument["position_lots"] = 200
    assert judged(scene, SELL, ASK, 101, reduce_only=1) == "ORDER_SIZE: qty=101, max=100"


def test_c04_order_notional() -> None:
    """Price times size at the limit price: exactly the limit passes, an atom less does not."""
    scene = a_desk()
    exact = BID * LOTS * UNIT
    scene.instrument["max_order_notional_atoms"] = exact
    assert allowed(scene)
    scene.instrument["max_order_notional_atoms"] = exact - 1
    assert judged(scene) == "ORDER_NOTIONAL: notional=1 USDT, max=0.99999999 USDT"
    scene.instrument["position_lots"] = -LOTS
    assert allowed(scene, BUY, BID, LOTS, reduce_only=1)


def test_c05_collar_holds_the_aggressive_side() -> None:
    """A taking buy may stand 50 bps above the reference, and not a tick more; so a sell."""
    scene = a_desk()
    assert allowed(scene, BUY, 10_055, post_only=0)
    assert judged(scene, BUY, 10_056, post_only=0) == "PRICE_COLLAR: price=10056, bound=10055"
    assert allowed(scene, SELL, 9_955, post_only=0)
    assert judged(scene, SELL, 9_954, post_only=0) == "PRICE_COLLAR: price=9954, bound=9955"


def test_c05_fat_fingers() -> None:
    """Ten times the price, a tenth of it, nothing and less than nothing are all refused."""
    scene = a_desk()
    scene.instrument["max_order_notional_atoms"] = 10**15
    for price in (10 * BID, BID // 10, 0, -BID):
        assert not allowed(scene, BUY, price, post_only=0)
        assert not allowed(scene, SELL, price, post_only=0)


def test_c05_distance_holds_the_passive_side() -> None:
    """A resting order may stand 500 bps from the reference, and not a tick more."""
    scene = a_desk()
    assert allowed(scene, BUY, 9_505)
    assert judged(scene, BUY, 9_504) == "QUOTE_DISTANCE: price=9504, bound=9505"
    assert allowed(scene, SELL, 10_505)
    assert judged(scene, SELL, 10_506) == "QUOTE_DISTANCE: price=10506, bound=10505"


def test_c05_the_reference_is_the_median() -> None:
    """One strange print moves the reference by nothing while mid and the median of trades hold."""
    scene = a_desk()
    record = scene.instrument
    record["trade_window_ticks"][:3], record["trade_window_ns"][:3] = BID + 5, 100 * SECOND
    record["trade_window_next"] = 3
    record["last_trade_ticks"], record["last_trade_ns"] = 10 * BID, 100 * SECOND
    assert allowed(scene, BUY, 10_055, post_only=0)
    assert not allowed(scene, BUY, 10_056, post_only=0)


@pytest.mark.parametrize(
    ("field", "value", "reading"),
    [
        ("min_price_ticks", BID, "NONE"),
        ("min_price_ticks", BID + 1, "FILTER_PRICE: price=10000, bound=10001"),
        ("max_price_ticks", BID, "NONE"),
        ("max_price_ticks", BID - 1, "FILTER_PRICE: price=10000, bound=9999"),
        ("min_qty_lots", LOTS, "NONE"),
        ("min_qty_lots", LOTS + 1, "FILTER_LOT_SIZE: qty=10, bound=11"),
        ("max_qty_lots", LOTS, "NONE"),
        ("max_qty_lots", LOTS - 1, "FILTER_LOT_SIZE: qty=10, bound=9"),
        ("min_notional_atoms", 10**8, "NONE"),
        (
            "min_notional_atoms",
            10**8 + 1,
            "FILTER_NOTIONAL: notional=1 USDT, bound=1.00000001 USDT",
        ),
        ("max_notional_atoms", 10**8, "NONE"),
        (
            "max_notional_atoms",
            10**8 - 1,
            "FILTER_NOTIONAL: notional=1 USDT, bound=0.99999999 USDT",
        ),
    ],
)
def test_c06_filters(field: str, value: int, reading: str) -> None:
    """Each filter of the venue, exactly met and missed by one."""
    scene = a_desk()
    scene.instrument[field] = value
    assert judged(scene) == reading


def test_c06_number_of_orders() -> None:
    """The venue's own limit of open orders, as many open and one below."""
    scene = a_desk()
    scene.instrument["venue_max_orders"] = 2
    put_order(scene, 0, BUY, BID - 5, 1)
    assert allowed(scene)
    put_order(scene, 1, BUY, BID - 6, 1)
    assert judged(scene) == "FILTER_MAX_ORDERS: open=2, max=2"


def test_c07_age() -> None:
    """A reference exactly as old as the limit passes, a nanosecond older does not."""
    scene = a_desk()
    scene.core["now_ns"] += 2 * SECOND
    assert allowed(scene)
    scene.core["now_ns"] += 1
    assert judged(scene) == "REFERENCE_STALE: age=2000 ms, max=2000 ms"


@pytest.mark.parametrize("state", [BookState.STALE, BookState.RESYNCING])
def test_c07_book_in_doubt(state: BookState) -> None:
    """Outside SYNCED nothing is created, but a reduction by a touch not older than a second."""
    scene = a_desk()
    scene.instrument["last_trade_ticks"], scene.instrument["last_trade_ns"] = BID, 100 * SECOND
    scene.instrument["position_lots"] = LOTS
    scene.book["state"] = state
    signals.update(scene.state, 0)
    assert judged(scene).startswith("REFERENCE_STALE")
    scene.core["now_ns"] += SECOND
    assert allowed(scene, SELL, BID, LOTS, reduce_only=1, post_only=0)
    scene.core["now_ns"] += 1
    assert not allowed(scene, SELL, BID, LOTS, reduce_only=1, post_only=0)


@pytest.mark.parametrize(
    ("bid", "ask", "fresh"), [(1, 2, True), (0, 2, False), (2, 2, False), (3, 2, False)]
)
def test_c07_a_touch_that_reduces_has_two_sides(bid: int, ask: int, fresh: bool) -> None:
    """From the lowest price that there is, and uncrossed; a book in doubt needs no more."""
    scene = a_desk()
    scene.book["state"] = BookState.STALE
    scene.instrument["bid_ticks"], scene.instrument["ask_ticks"] = bid, ask
    code = risk_market.c07_fresh(scene.state, wish(scene, SELL, reduce_only=1))
    assert (code == Code.NONE) is fresh


def test_c07_one_sided_and_crossed() -> None:
    """A book without a side, or crossed, is no reference."""
    for bids, asks in (({BID: 50}, {}), ({}, {ASK: 50}), ({ASK: 50}, {ASK: 50})):
        scene = a_desk()
        show_market(scene, bids, asks)
        signals.update(scene.state, 0)
        assert judged(scene, BUY, BID - 20).startswith("REFERENCE_STALE")


def test_c08_post_only_does_not_cross() -> None:
    """One tick before the other side passes, at it does not; taking orders may."""
    scene = a_desk()
    assert allowed(scene, BUY, ASK - 1)
    assert judged(scene, BUY, ASK) == f"POST_ONLY_CROSS: price={ASK}, touch={ASK}"
    assert allowed(scene, SELL, BID + 1)
    assert judged(scene, SELL, BID) == f"POST_ONLY_CROSS: price={BID}, touch={BID}"
    assert allowed(scene, BUY, ASK, post_only=0)


def test_c08_reduce_only_cannot_flip() -> None:
    """As much as the position passes, a lot more does not; open ones of the side count."""
    scene = a_desk()
    scene.instrument["position_lots"] = 30
    assert allowed(scene, SELL, ASK, 30, reduce_only=1)
    assert judged(scene, SELL, ASK, 31, reduce_only=1) == "REDUCE_ONLY: qty=31, reducible=30"
    assert not allowed(scene, BUY, BID, 1, reduce_only=1)
    put_order(scene, 0, SELL, ASK + 5, 20, state=int(OrderState.PENDING_NEW))
    assert allowed(scene, SELL, ASK, 10, reduce_only=1)
    assert judged(scene, SELL, ASK, 11, reduce_only=1) == "REDUCE_ONLY: qty=31, reducible=30"


def test_c08_reduces_toward_the_target() -> None:
    """Where the profile names a holding, position 0 is that holding."""
    scene = a_desk()
    scene.instrument["position_lots"] = 30
    scene.instrument["target_position_lots"] = 20
    assert allowed(scene, SELL, ASK, 10, reduce_only=1)
    assert not allowed(scene, SELL, ASK, 11, reduce_only=1)


@pytest.mark.parametrize(
    "state", [OrderState.NEW, OrderState.PENDING_NEW, OrderState.UNKNOWN, OrderState.PENDING_CANCEL]
)
def test_c09_self_trade(state: OrderState) -> None:
    """A buy at our own sell is refused whatever that one is doing; a tick below it passes."""
    scene = a_desk()
    put_order(scene, 0, SELL, ASK, LOTS, state=int(state))
    assert judged(scene, BUY, ASK, post_only=0) == f"SELF_TRADE: price={ASK}, own={ASK}"
    assert allowed(scene, BUY, ASK - 1)


def test_c09_defers_while_the_own_order_leaves() -> None:
    """With its cancel in flight the wish waits: no order, no refusal, and it is asked again."""
    scene = a_desk()
    order = put_order(scene, 0, SELL, ASK, LOTS, state=int(OrderState.PENDING_CANCEL))
    scene.begin()
    scene.instrument["dirty"] = 0
    wish(scene, BUY, ASK, post_only=0)
    step.judge(scene.state, scene.out)
    assert (scene.actions(), scene.facts(), int(scene.instrument["dirty"])) == ([], [], 1)
    order["state"] = int(OrderState.NEW)
    scene.begin()
    wish(scene, BUY, ASK, post_only=0)
    step.judge(scene.state, scene.out)
    (fact,) = scene.facts()
    assert (fact["kind"], fact["code"]) == (FactKind.REFUSAL, Code.SELF_TRADE)


def test_c10_duplicate() -> None:
    """A twin is refused however long it has rested; another size or price is none."""
    scene = a_desk()
    put_order(scene, 0, BUY, BID, LOTS, sent_ns=1)
    assert judged(scene) == "DUPLICATE: twins=1, max=0"
    assert allowed(scene, BUY, BID, LOTS + 1)
    assert allowed(scene, BUY, BID - 1)


def test_c10_lets_a_quote_replace_itself() -> None:
    """A partly filled quote comes back at its price and size; beside a third one it does not."""
    scene = a_desk()
    old = put_order(scene, 0, BUY, BID, LOTS, sent_ns=99 * SECOND + 1)
    replaced = {"kind": int(ActionKind.CANCEL_REPLACE), "target_key": int(old["key"])}
    assert allowed(scene, **replaced)
    put_order(scene, 1, BUY, BID, LOTS, sent_ns=99 * SECOND + 1)
    assert "DUPLICATE" in judged(scene, **replaced)


def test_c11_funds_of_a_buy() -> None:
    """What is free after reservations and reserve pays the notional, or not by one atom."""
    scene = a_desk()
    put_order(scene, 0, BUY, BID - 3, 1, reserved_atoms=7)
    scene.state.balances[0]["reserve_atoms"] = 5
    scene.state.balances[0]["opening_atoms"] = BID * LOTS * UNIT + 12
    assert allowed(scene)
    scene.state.balances[0]["opening_atoms"] -= 1
    assert judged(scene) == "FUNDS: needed=1 USDT, free=0.99999999 USDT"


def test_c11_funds_of_a_sell() -> None:
    """A sell needs its base; coins below the reserve are not touched."""
    scene = a_desk()
    scene.state.balances[1]["opening_atoms"] = LOTS * 1_000
    assert allowed(scene, SELL, ASK)
    scene.state.balances[1]["reserve_atoms"] = 1
    assert judged(scene, SELL, ASK).startswith("FUNDS")


def test_c11_a_replaced_order_lends_its_funds() -> None:
    """The venue cancels before it places, so what the old leg holds is there for the new."""
    scene = a_desk()
    old = put_order(scene, 0, BUY, BID - 1, LOTS, reserved_atoms=BID * LOTS * UNIT)
    scene.state.balances[0]["opening_atoms"] = BID * LOTS * UNIT
    replaced = {"kind": int(ActionKind.CANCEL_REPLACE), "target_key": int(old["key"])}
    assert not allowed(scene)
    assert allowed(scene, **replaced)
    scene.state.balances[0]["opening_atoms"] += 1
    scene.state.balances[0]["reserve_atoms"] = 1  # What fills first would be spent as well.
    assert not allowed(scene, **replaced)


@pytest.mark.parametrize(
    "state", [OrderState.NEW, OrderState.PENDING_NEW, OrderState.PENDING_CANCEL]
)
def test_c12_worst_case_position(state: OrderState) -> None:
    """Position, everything open of the side whatever its state, and the wish keep the limit."""
    scene = a_desk()
    scene.instrument["max_position_lots"] = 100
    scene.instrument["position_lots"] = 60
    put_order(scene, 0, BUY, BID - 5, 30, state=int(state))
    assert allowed(scene, BUY, BID, 10)
    assert judged(scene, BUY, BID, 11) == "POSITION_LIMIT: worst=101, max=100"
    scene.instrument["position_lots"] = -60
    put_order(scene, 0, SELL, ASK + 5, 30, state=int(state))
    assert allowed(scene, SELL, ASK, 10)
    assert judged(scene, SELL, ASK, 11) == "POSITION_LIMIT: worst=101, max=100"


def test_c12_unknown_orders_count() -> None:
    """An UNKNOWN buy counts as if it had filled, for all that nobody has told of it."""
    scene = a_desk()
    scene.instrument["max_position_lots"] = 100
    put_order(scene, 0, BUY, BID - 5, 95, state=int(OrderState.UNKNOWN))
    assert judged(scene, BUY, BID, 6).startswith("SIDE_IN_DOUBT")
    assert allowed(scene, SELL, ASK, 100)
    scene.state.orders[0]["state"] = int(OrderState.PENDING_NEW)
    assert judged(scene, BUY, BID, 6) == "POSITION_LIMIT: worst=101, max=100"


def test_c13_gross_exposure() -> None:
    """The larger worst-case side at the mid, the wish included: exactly the limit, and beyond."""
    scene = a_desk()
    scene.instrument["position_lots"] = 20
    put_order(scene, 0, BUY, BID - 5, 5)
    exact = (20 + 5 + LOTS) * (BID + ASK) * UNIT // 2
    scene.core["max_gross_exposure_atoms"] = exact
    assert allowed(scene)
    scene.core["max_gross_exposure_atoms"] = exact - 1
    assert judged(scene).startswith("GROSS_EXPOSURE: exposure=3.50175 USDT, max=3.50174999")
    assert allowed(scene, SELL, ASK, LOTS)  # Which brings the larger side no further.


@pytest.mark.parametrize("sign", [1, -1])
def test_c13_a_price_over_the_limit_leaves_the_way_back(sign: int) -> None:
    """A position worth more than the limit by now is quoted down, but not to its mirror."""
    scene = a_desk()
    scene.instrument["position_lots"] = sign * 20
    scene.core["max_gross_exposure_atoms"] = 20 * (BID + ASK) * UNIT // 2 - 1
    back, on = ((SELL, ASK), (BUY, BID)) if sign > 0 else ((BUY, BID), (SELL, ASK))
    assert allowed(scene, *back, 39)
    assert judged(scene, *back, 40).startswith("GROSS_EXPOSURE")
    assert judged(scene, *on, 1).startswith("GROSS_EXPOSURE")


def test_c14_open_orders() -> None:
    """One below the limit passes, at the limit not; a replacement adds none."""
    scene = a_desk()
    scene.instrument["max_open_orders"] = 1
    assert allowed(scene)
    old = put_order(scene, 0, BUY, BID - 5, LOTS)
    assert judged(scene) == "OPEN_ORDERS: open=2, max=1"
    replaced = {"kind": int(ActionKind.CANCEL_REPLACE), "target_key": int(old["key"])}
    assert allowed(scene, **replaced)


def test_c14_the_table_is_full() -> None:
    """Our own capacity is a refusal like any other."""
    scene = a_desk()
    scene.instrument["max_open_orders"] = 1_000
    for slot in range(ORDERS_CAPACITY):
        put_order(scene, slot, BUY, BID - 5, 1)
    assert judged(scene) == "ORDER_TABLE_FULL: open=257, max=256"
    scene.state.orders[7]["key"] = 0
    assert allowed(scene)


def test_c14_open_notional() -> None:
    """All open orders and the wish by value: exactly the limit, and an atom beyond."""
    scene = a_desk()
    put_order(scene, 0, SELL, ASK + 5, 10)
    exact = (ASK + 5) * 10 * UNIT + BID * LOTS * UNIT
    scene.core["max_open_notional_atoms"] = exact
    assert allowed(scene)
    scene.core["max_open_notional_atoms"] = exact - 1
    assert judged(scene).startswith("OPEN_NOTIONAL: open=2.0015 USDT")


def test_c16_turnover() -> None:
    """The day's turnover with the wish: exactly the cap, beyond it, and reducing always."""
    scene = a_desk()
    scene.core["max_turnover_atoms"] = 5 * 10**8
    scene.core["turnover_atoms"] = 4 * 10**8
    assert allowed(scene)
    scene.core["turnover_atoms"] += 1
    assert judged(scene) == "TURNOVER: turnover=5.00000001 USDT, max=5 USDT"
    scene.instrument["position_lots"] = LOTS
    assert allowed(scene, SELL, ASK, LOTS, reduce_only=1)


def test_c16_what_is_open_may_trade_as_well() -> None:
    """Resting and in flight, of both sides: exactly the cap, and the atom beyond it."""
    scene = a_desk()
    put_order(scene, 0, SELL, ASK + 5, 10)
    put_order(scene, 1, BUY, BID - 20, 20, state=int(OrderState.PENDING_NEW))
    open_atoms = ((ASK + 5) * 10 + (BID - 20) * 20) * UNIT
    scene.core["turnover_atoms"] = 4 * 10**8
    scene.core["max_turnover_atoms"] = 4 * 10**8 + open_atoms + BID * LOTS * UNIT
    assert allowed(scene)
    scene.core["turnover_atoms"] += 1
    assert judged(scene).startswith("TURNOVER: ")


def test_c17_a_burst_of_a_second_and_no_more() -> None:
    """Five a second: five at once, the sixth refused, one more each 200 ms; cancels are free."""
    scene = a_desk()
    scene.instrument["max_position_lots"] = 10_000
    for turn in range(5):
        scene.begin()
        wish(scene, BUY, BID - 10 * turn)
        step.judge(scene.state, scene.out)
        assert len(scene.actions()) == 1
    assert judged(scene, BUY, BID - 1) == "ORDER_RATE: ahead=1000 ms, burst=800 ms"
    scene.begin()
    cancel = wish(scene, kind=int(ActionKind.CANCEL))
    cancel["target_key"] = scene.state.orders[0]["key"]
    step.judge(scene.state, scene.out)
    assert [row["kind"] for row in scene.actions()] == [ActionKind.CANCEL]
    scene.core["now_ns"] += 200 * MS - 1
    assert not allowed(scene, BUY, BID - 1)
    scene.core["now_ns"] += 1
    assert allowed(scene, BUY, BID - 1)


def test_c27_doubt_blocks_its_side() -> None:
    """An UNKNOWN buy blocks buys, not sells."""
    scene = a_desk()
    put_order(scene, 0, BUY, BID - 5, 1, state=int(OrderState.UNKNOWN))
    assert judged(scene) == "SIDE_IN_DOUBT: unknown=1, max=0"
    assert allowed(scene, SELL, ASK)


def test_c27_an_order_that_ended_short_of_its_fills_blocks_its_side() -> None:
    """What it traded for is not known yet: its side waits for the fills, the other does not."""
    scene = a_desk()
    ended = {"state": int(OrderState.PENDING_CANCEL), "final_state": int(OrderState.FILLED)}
    put_order(scene, 0, BUY, BID - 5, 1, **ended)
    assert judged(scene) == "SIDE_IN_DOUBT: unknown=1, max=0"
    assert allowed(scene, SELL, ASK)


def test_a_refusal_is_counted_told_and_waited_for() -> None:
    """The fact holds the order as wanted with code, value and bound; its side waits a second."""
    scene = a_desk()
    scene.begin()
    wish(scene, BUY, BID, 101)
    step.judge(scene.state, scene.out)
    (fact,) = scene.facts()
    assert (fact["code"], fact["value"], fact["bound"]) == (Code.ORDER_SIZE, 101, 100)
    assert (fact["price_ticks"], fact["qty_lots"]) == (BID, 101)
    assert scene.core["denied"] == scene.core["denied_by_code"][Code.ORDER_SIZE] == 1
    assert scene.state.targets[0, BUY]["denied_until_ns"] == 101 * SECOND
    assert scene.state.targets[0, SELL]["denied_until_ns"] == 0


def test_a_reading_carries_units() -> None:
    """With its instrument known a refusal reads in prices and coins."""
    reading = reason_text(Code.POSITION_LIMIT, 1_100, 1_000, "USDT", BTC_USDT)
    assert reading == "POSITION_LIMIT: worst=0.011 BTC, max=0.01 BTC"
    reading = reason_text(Code.PRICE_COLLAR, 6_060, 6_030, "USDT", BTC_USDT)
    assert reading == "PRICE_COLLAR: price=60600, bound=60300"
