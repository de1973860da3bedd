"""What orders are judged by: references of the price, sums over open orders, what is free."""

from __future__ import annotations

import pytest

from hftd.domain.actions import ActionKind
from hftd.domain.codes import BookState
from hftd.engine import exposure, reports, signals, step
from hftd.engine.state import WINDOW_CAPACITY
from tests.engine.scene import BUY, SECOND, SELL, a_scene, an_event, put_order
from tests.engine.test_risk import ASK, BID, LOTS, UNIT, a_desk, allowed, judged, wish


def test_c05_without_any_reference_nothing_is_priced() -> None:
    """A touch is fresh enough to reduce by, but no mid, no print, no median says what is fair."""
    scene = a_desk()
    scene.instrument["position_lots"] = LOTS
    scene.book["state"] = BookState.STALE
    signals.update(scene.state, 0)
    reading = judged(scene, SELL, BID, LOTS, reduce_only=1, post_only=0)
    assert reading == "REFERENCE_STALE: age=0 ms, max=2000 ms"
    scene.instrument["last_trade_ticks"] = BID
    assert not allowed(scene, SELL, BID, LOTS, reduce_only=1, post_only=0), "of long ago"
    scene.instrument["last_trade_ns"] = 100 * SECOND
    assert allowed(scene, SELL, BID, LOTS, reduce_only=1, post_only=0)


@pytest.mark.parametrize(
    ("age_ns", "reference"), [(0, 150), (60 * SECOND, 150), (60 * SECOND + 1, 100)]
)
def test_c05_a_trade_of_long_ago_prices_nothing_and_may_still_stop(
    age_ns: int, reference: int
) -> None:
    """The mid went on without one, and the collar with it; how far they are apart is told."""
    scene = a_scene()
    record = scene.instrument
    scene.core["now_ns"] = 100 * SECOND
    record["mid_half_ticks"], record["market_valid"] = 100, 1
    record["last_trade_ticks"], record["last_trade_ns"] = 100, 100 * SECOND - age_ns
    assert exposure.reference_half_ticks(scene.state, 0) == reference
    assert exposure.reference_spread_bps_e2(scene.state, 0) == 1_000_000


@pytest.mark.parametrize(
    ("mid", "last", "median", "reference"),
    [
        (100, 0, 0, 100), (0, 50, 0, 100), (100, 60, 0, 110), (0, 50, 52, 102), (100, 0, 52, 102),
        (100, 60, 55, 110), (130, 60, 55, 120), (105, 60, 50, 105), (0, 0, 0, 0), (101, 60, 0, 110),
    ],
)  # fmt: skip
def test_c05_the_reference_of_three_two_and_one(
    mid: int, last: int, median: int, reference: int
) -> None:
    """The middle one of three, the mean of two rounded down, the only one; in half ticks."""
    scene = a_scene()
    record = scene.instrument
    record["mid_half_ticks"], record["market_valid"] = mid, int(mid > 0)
    record["last_trade_ticks"] = last
    if median:
        record["trade_window_ticks"][0], record["trade_window_ns"][0] = median, SECOND
        record["trade_window_next"] = 1
    assert exposure.reference_half_ticks(scene.state, 0) == reference
    known = [each for each in (mid, 2 * last, 2 * median) if each]
    apart = (max(known) - min(known)) * 1_000_000 // min(known) if known else 0
    assert exposure.reference_spread_bps_e2(scene.state, 0) == apart


def test_c05_a_mid_of_a_market_that_is_not_valid_is_no_reference() -> None:
    """Neither for what is fair nor for whether the references agree."""
    scene = a_scene()
    record = scene.instrument
    record["mid_half_ticks"], record["last_trade_ticks"] = 200, 60
    assert exposure.reference_half_ticks(scene.state, 0) == 120
    assert exposure.reference_spread_bps_e2(scene.state, 0) == 0


@pytest.mark.parametrize(
    ("refuse", "locked", "others", "fits"),
    [(0, 12, 7, True), (0, 13, 8, False), (0, 4, 0, True), (1, 13, 0, True)],
)
def test_c11_what_the_venue_has_locked_for_others_is_not_spent(
    refuse: int, locked: int, others: int, fits: bool
) -> None:
    """Where their orders are only reported: all that is locked beyond what ours set aside."""
    scene = a_desk()
    scene.core["refuse_foreign"] = refuse
    scene.state.balances[1]["opening_atoms"] = LOTS * 1_000 + 12
    put_order(scene, 0, SELL, ASK + 3, 1, reserved_atoms=5)
    told = an_event(asset=1, locked_atoms=locked)
    reports.apply_balance(scene.state, told, scene.out)
    assert scene.state.balances[1]["others_atoms"] == others
    assert allowed(scene, SELL, ASK) is fits


def test_c05_a_breach_is_counted_for_the_breaker() -> None:
    """Only a price beyond the collar is one; its time stands in the window's next place."""
    scene = a_desk()
    for price, count in ((10_055, 0), (10_056, 1), (10_057, 2)):
        scene.begin()
        wish(scene, BUY, price, post_only=0)
        step.judge(scene.state, scene.out)
        assert scene.core["breach_next"] == count
    assert list(scene.core["breach_ns"][:3]) == [100 * SECOND, 100 * SECOND, 0]
    scene.core["breach_next"] = WINDOW_CAPACITY + 1
    scene.core["now_ns"] += 5
    scene.begin()
    wish(scene, BUY, 10_056, post_only=0)
    step.judge(scene.state, scene.out)
    assert list(scene.core["breach_ns"][:3]) == [100 * SECOND, 100 * SECOND + 5, 0]


def test_a_replacement_of_nothing_lends_nothing() -> None:
    """C08, C11: the order that it names is gone, so neither its lots nor its funds are free."""
    scene = a_desk()
    gone = {"kind": int(ActionKind.CANCEL_REPLACE), "target_key": 999}
    scene.state.balances[0]["opening_atoms"] = BID * LOTS * UNIT - 1
    assert judged(scene, **gone) == "FUNDS: needed=1 USDT, free=0.99999999 USDT"
    scene.instrument["position_lots"] = 30
    put_order(scene, 0, SELL, ASK + 5, 30)
    reading = judged(scene, SELL, ASK, 1, reduce_only=1, **gone)
    assert reading == "REDUCE_ONLY: qty=31, reducible=30"


def test_c08_a_replacement_that_reduces_takes_the_place_of_the_old_one() -> None:
    """What the old order would have sold the new one may sell, and no lot more."""
    scene = a_desk()
    scene.instrument["position_lots"] = 30
    old = put_order(scene, 0, SELL, ASK + 5, 20)
    put_order(scene, 1, SELL, ASK + 6, 5)
    replaced = {"kind": int(ActionKind.CANCEL_REPLACE), "target_key": int(old["key"])}
    assert allowed(scene, SELL, ASK, 25, reduce_only=1, **replaced)
    reading = judged(scene, SELL, ASK, 26, reduce_only=1, **replaced)
    assert reading == "REDUCE_ONLY: qty=31, reducible=30"


def test_c13_each_instrument_counts_by_its_own_worst_side() -> None:
    """The other one's position and orders at its own mid; without a mid, by what it cost."""
    scene = a_desk()
    other = scene.state.instruments[1]
    other["position_lots"], other["cost_atoms"] = -7, -5_000
    wanted = wish(scene, BUY, BID, LOTS)
    mine = LOTS * (BID + ASK) * UNIT // 2
    assert exposure.gross_exposure_atoms(scene.state, wanted) == mine + 5_000
    other["mid_half_ticks"] = 300
    assert exposure.gross_exposure_atoms(scene.state, wanted) == mine + 7 * 300 * UNIT // 2
    put_order(scene, 0, SELL, 100, 4, instrument=1)
    put_order(scene, 1, BUY, 100, 90, instrument=1)
    long = (90 - 7) * 300 * UNIT // 2
    assert exposure.gross_exposure_atoms(scene.state, wanted) == mine + long
    sells = wish(scene, SELL, ASK, LOTS)
    put_order(scene, 2, SELL, ASK, 3)
    both = (LOTS + 3) * (BID + ASK) * UNIT // 2
    assert exposure.gross_exposure_atoms(scene.state, sells) == both + long


def test_c14_counts_the_instruments_own_orders_and_the_value_of_all() -> None:
    """The number is one instrument's; the notional is the account's."""
    scene = a_desk()
    put_order(scene, 0, BUY, 50, 3, instrument=1)
    put_order(scene, 1, SELL, ASK + 7, 2)
    assert exposure.open_count(scene.state, 0) == exposure.open_count(scene.state, 1) == 1
    assert exposure.open_count(scene.state, -1) == 2
    assert exposure.open_notional_atoms(scene.state) == (3 * 50 + 2 * (ASK + 7)) * UNIT
    assert exposure.open_lots(scene.state, 1, BUY) == 3
    assert exposure.open_lots(scene.state, 1, SELL) == exposure.open_lots(scene.state, 0, BUY) == 0
    scene.instrument["max_open_orders"] = 2
    assert allowed(scene)


def test_c11_an_asset_is_reserved_by_the_orders_that_spend_it() -> None:
    """Buys of any instrument spend quote, sells their own base; nothing else is taken off."""
    scene = a_scene()
    scene.state.balances["opening_atoms"] = 1_000
    put_order(scene, 0, BUY, 50, 3, reserved_atoms=10)
    put_order(scene, 1, BUY, 50, 3, instrument=1, reserved_atoms=20)
    put_order(scene, 2, SELL, 50, 3, reserved_atoms=40)
    put_order(scene, 3, SELL, 50, 3, instrument=1, reserved_atoms=80)
    scene.state.balances[2]["reserve_atoms"] = 500
    assert [exposure.free_atoms(scene.state, asset) for asset in range(3)] == [970, 960, 420]
