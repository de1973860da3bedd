"""Flatten's slices, number by number: price, size, funds, dust, and what each of them waits for.

What a flatten means for a session is test_flatten.py's.
"""

from __future__ import annotations

import pytest

from hftd.domain.actions import ActionKind as A
from hftd.domain.codes import Code, TradingState
from hftd.domain.order import Side, TimeInForce
from hftd.engine import flatten
from tests.engine.scene import BUY, MS, SELL, Scene, put_order
from tests.engine.test_stopping import NOW, a_stage, rows


def a_position(lots: int, target: int = 0) -> Scene:
    """Return a killed scene whose second instrument is flattened from a position."""
    scene = a_stage(TradingState.KILLED)
    record = scene.state.instruments[1]
    record["flatten"], record["position_lots"], record["target_position_lots"] = 1, lots, target
    record["last_trade_ticks"], record["last_trade_ns"] = 1_000, NOW
    record["collar_bps_e2"] = 5_000
    record["max_order_lots_reduce"], record["max_order_notional_atoms_reduce"] = 100, 10**12
    return scene


@pytest.mark.parametrize(
    ("position", "side", "price"), [(30, Side.SELL, 995), (-30, Side.BUY, 1_005)]
)
def test_a_slice_is_a_whole_wish(position: int, side: Side, price: int) -> None:
    """Reduce-only, IOC, at the collar's bound, of its instrument; the next one in 250 ms."""
    scene = a_position(position)
    flatten.wishes(scene.state, scene.out)
    (wish,) = scene.wishes()
    common = {"ts_ns": NOW, "decision_seq": 9}
    wanted = {
        "kind": A.SUBMIT, "instrument": 1, "side": side, "time_in_force": TimeInForce.IOC,
        "reduce_only": 1, "price_ticks": price, "qty_lots": 30, **common,
    }  # fmt: skip
    assert {name: value for name, value in wish.items() if value or name in wanted} == wanted
    record = scene.state.instruments[1]
    assert (int(record["flatten_next_ns"]), int(record["flatten"])) == (NOW + 250 * MS, 1)
    for now_ns, count in ((NOW + 250 * MS - 1, 0), (NOW + 250 * MS, 1)):
        scene.begin(now_ns)
        flatten.wishes(scene.state, scene.out)
        assert len(scene.wishes()) == count


@pytest.mark.parametrize("field", ["order_up", "user_up", "recovery_clean"])
def test_a_slice_waits_for_links_and_books(field: str) -> None:
    """Each of them alone keeps it back, and none of them ends it."""
    scene = a_position(30)
    scene.core[field] = 0
    flatten.wishes(scene.state, scene.out)
    assert (scene.wishes(), int(scene.state.instruments[1]["flatten"])) == ([], 1)


def test_a_slice_waits_for_the_open_orders_of_its_instrument_alone() -> None:
    """Not for the other's; and where nothing is left to do it is over."""
    scene = a_position(30)
    put_order(scene, 0, BUY, 100, 5, instrument=1)
    flatten.wishes(scene.state, scene.out)
    assert (scene.wishes(), int(scene.state.instruments[1]["flatten"])) == ([], 1)
    scene.state.orders[0]["instrument"] = 0
    flatten.wishes(scene.state, scene.out)
    assert len(scene.wishes()) == 1
    done = a_position(20, target=20)
    flatten.wishes(done.state, done.out)
    assert (done.wishes(), done.facts(), int(done.state.instruments[1]["flatten"])) == ([], [], 0)


@pytest.mark.parametrize(
    ("reference", "collar", "buy", "sell"),
    [(2_000, 5_000, 1_005, 995), (2_001, 5_000, 1_005, 996), (2_001, 5_500, 1_006, 995),
     (1, 0, 0, 1), (0, 5_000, 0, 0)],
)  # fmt: skip
def test_a_slices_price_is_rounded_inside_its_collar(
    reference: int, collar: int, buy: int, sell: int
) -> None:
    """Half ticks and the collar's own fraction go against us, never beyond the bound."""
    scene = a_stage()
    record = scene.instrument
    record["mid_half_ticks"], record["market_valid"] = reference, 1
    record["collar_bps_e2"] = collar
    prices = [flatten.slice_price_ticks(scene.state, 0, side) for side in (BUY, SELL)]
    assert prices == [buy, sell]


@pytest.mark.parametrize(
    ("side", "free", "reserve", "lots"),
    [(BUY, 400_000, 0, 4), (BUY, 399_999, 0, 3), (BUY, 500_000, 100_000, 4), (BUY, 10**9, 0, 5),
     (SELL, 4_000, 0, 4), (SELL, 3_999, 0, 3), (SELL, 5_000, 1_000, 4), (SELL, 10**9, 0, 5)],
)  # fmt: skip
def test_a_slice_is_within_the_funds_above_the_reserve(
    side: int, free: int, reserve: int, lots: int
) -> None:
    """A buy by quote at its price, a sell by the coins of its own instrument."""
    scene = a_stage()
    scene.state.balances["opening_atoms"] = 0
    asset = 0 if side == BUY else 2
    balance = scene.state.balances[asset]
    balance["opening_atoms"], balance["reserve_atoms"] = free, reserve
    assert flatten.funded_lots(scene.state, 1, side, 100, 5) == lots


def test_what_the_venue_would_refuse_is_dust() -> None:
    """Fewer lots than its least, or worth less; each exactly is enough, and nothing never is."""
    scene = a_stage()
    record = scene.instrument
    for least, notional, lots, dust in ((3, 0, 2, True), (3, 0, 3, False), (0, 0, 0, True),
                                        (0, 0, 1, False), (1, 300_000, 3, False),
                                        (1, 300_001, 3, True)):  # fmt: skip
        record["min_qty_lots"], record["min_notional_atoms"] = least, notional
        assert bool(flatten.is_dust(scene.state, 0, lots, 100)) is dust


@pytest.mark.parametrize(
    ("held", "code", "lots"), [(10**9, Code.SIZE_ZERO, 3), (1_000, Code.BALANCE_SHORT, 1)]
)
def test_dust_ends_a_flatten_and_says_what_was_missing(held: int, code: Code, lots: int) -> None:
    """The position itself is too small, or what the reserve leaves of it."""
    scene = a_position(3)
    scene.state.balances["opening_atoms"] = [10**9, 10**9, held]
    scene.state.instruments["min_qty_lots"] = 4
    flatten.wishes(scene.state, scene.out)
    told = ("instrument", "code", "value", "bound")
    assert rows(scene.facts(), *told) == [(1, code, lots, 3)]
    assert (scene.wishes(), int(scene.state.instruments[1]["flatten"])) == ([], 0)
