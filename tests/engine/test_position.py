"""Position, cost, fees and PnL in integers against a Fraction reference."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hftd.domain.codes import BookState
from hftd.domain.events import EventKind as E
from hftd.domain.facts import FactKind as F
from hftd.domain.order import FeeAsset, Side
from hftd.engine import position
from tests.engine.scene import BUY, SELL, Scene, a_scene, an_event

UNIT = 1_000
LOT_ATOMS = 1_000

fills = st.lists(
    st.tuples(st.sampled_from([BUY, SELL]), st.integers(1, 10_000), st.integers(1, 50)),
    min_size=1,
    max_size=30,
)


class Reference:
    """Average cost in exact fractions."""

    def __init__(self) -> None:
        """Begin flat."""
        self.lots = 0
        self.cost = Fraction(0)
        self.realized = Fraction(0)

    def trade(self, side: int, price: int, lots: int) -> None:
        """Book one execution, through zero in two parts."""
        sign = 1 if side == BUY else -1
        if self.lots * sign < 0:
            closed = min(lots, abs(self.lots))
            share = self.cost * closed / abs(self.lots)
            self.realized += -sign * closed * price * UNIT - share
            self.cost -= share
            self.lots += sign * closed
            lots -= closed
        self.cost += sign * lots * price * UNIT
        self.lots += sign * lots


def booked(scene: Scene, trades: list[tuple[int, int, int]]) -> Reference:
    """Book trades in the scene and in the reference."""
    reference = Reference()
    for side, price, lots in trades:
        reference.trade(side, price, lots)
        event = an_event(kind=int(E.FILL), side=side, price_ticks=price, qty_lots=lots)
        event["fee_asset"] = int(FeeAsset.QUOTE)
        position.apply_fill(scene.state, 0, event)
    return reference


@given(fills)
def test_cost_and_realized_follow_fractions(trades: list[tuple[int, int, int]]) -> None:
    """Position is exact; cost and realized differ by rounding of each closing only."""
    scene = a_scene()
    reference = booked(scene, trades)
    record = scene.instrument
    assert record["position_lots"] == reference.lots
    assert abs(int(record["cost_atoms"]) - reference.cost) <= len(trades)
    assert abs(int(record["realized_atoms"]) - reference.realized) <= len(trades)
    if reference.lots == 0:
        assert record["cost_atoms"] == 0


@given(fills, st.integers(1, 10_000), st.integers(1, 200))
def test_the_identities_hold_to_the_atom(
    trades: list[tuple[int, int, int]], bid: int, spread: int
) -> None:
    """Realized + unrealized is the cash that came in plus the position at its mark, exactly."""
    scene = a_scene()
    booked(scene, trades)
    record = scene.instrument
    record["market_valid"] = 1
    record["market_bid_ticks"], record["market_ask_ticks"] = bid, bid + spread
    position.mark(scene.state, 0)
    lots = int(record["position_lots"])
    mark = bid if lots >= 0 else bid + spread
    cash = sum((1 if side == SELL else -1) * p * q * UNIT for side, p, q in trades)
    total = int(record["realized_atoms"]) + int(record["unrealized_atoms"])
    assert total == cash + lots * mark * UNIT
    quote, base = scene.state.balances["traded_atoms"][:2]
    assert (int(quote), int(base)) == (cash, lots * LOT_ATOMS)


@given(st.integers(-(10**15), 10**15), st.integers(1, 10**6), st.data())
def test_a_share_of_the_cost_is_rounded_toward_zero(
    cost: int, lots: int, data: st.DataObject
) -> None:
    """The share of a closing is the exact one without its fraction."""
    closed = data.draw(st.integers(1, lots))
    exact = Fraction(cost * closed, lots)
    assert position.cost_share(cost, closed, lots) == int(exact)


def test_a_fill_through_zero_opens_the_rest_at_its_own_price() -> None:
    """Long 10 at 100, sell 25 at 110: 10 are closed with profit, short 15 cost 110 each."""
    scene = a_scene()
    booked(scene, [(BUY, 100, 10), (SELL, 110, 25)])
    record = scene.instrument
    assert record["position_lots"] == -15
    assert record["realized_atoms"] == 10 * 10 * UNIT
    assert record["cost_atoms"] == -15 * 110 * UNIT


def test_fees_are_kept_apart_by_asset() -> None:
    """Base and quote fees leave their balances; a third asset counts at the full rate, up."""
    scene = a_scene()
    scene.core["taker_fee_bps_e2"] = 1_000
    for fee_asset in (FeeAsset.BASE, FeeAsset.QUOTE, FeeAsset.OTHER):
        event = an_event(kind=int(E.FILL), side=int(Side.BUY), price_ticks=100, qty_lots=10)
        event["fee_asset"], event["fee_atoms"] = int(fee_asset), 7
        position.apply_fill(scene.state, 0, event)
    record = scene.instrument
    assert (record["base_fee_atoms"], record["quote_fee_atoms"]) == (7, 7)
    assert record["other_fee_atoms"] == 1_000  # Of 1,000,000 atoms, 10 bps.
    quote, base = scene.state.balances["traded_atoms"][:2]
    assert (int(quote), int(base)) == (-3 * 100 * 10 * UNIT - 7, 3 * 10 * LOT_ATOMS - 7)
    position.mark(scene.state, 0)
    assert record["fees_atoms"] == 7 * 100 * UNIT // LOT_ATOMS + 7 + 1_000


def test_a_base_fee_is_valued_against_us() -> None:
    """What does not divide is rounded up."""
    scene = a_scene()
    scene.instrument["lot_atoms"] = 1_001
    assert position.fee_quote_atoms(scene.instrument, 1, 1) == 1
    assert position.fee_quote_atoms(scene.instrument, 1_001, 3) == 3 * UNIT


@example(2**40, 10**5, 10**9)
@given(st.integers(0, 2**40), st.integers(1, 10**5), st.sampled_from([1_001, 10**6, 10**8, 10**9]))
def test_all_fees_of_a_ledger_are_valued_within_int64(fee: int, price: int, lot: int) -> None:
    """Worth what fractions say, rounded up, however coarse the lot: no sum of fees wraps."""
    scene = a_scene()
    record = scene.instrument
    record["lot_atoms"], record["base_fee_atoms"], record["market_valid"] = lot, fee, 1
    record["market_bid_ticks"], record["market_ask_ticks"] = price, price + 1
    position.mark(scene.state, 0)
    assert int(record["fees_atoms"]) == -(-fee * price * UNIT // lot)


def test_the_last_valid_mark_holds_while_there_is_none() -> None:
    """A market that is gone changes no mark; a fill meanwhile is valued at the last one."""
    scene = a_scene()
    booked(scene, [(BUY, 100, 10)])
    record = scene.instrument
    record["market_valid"], record["market_bid_ticks"], record["market_ask_ticks"] = 1, 90, 92
    position.mark(scene.state, 0)
    assert record["unrealized_atoms"] == -10 * 10 * UNIT
    record["market_valid"], record["market_bid_ticks"], record["market_ask_ticks"] = 0, 0, 0
    booked(scene, [(SELL, 80, 4)])
    position.mark(scene.state, 0)
    assert record["unrealized_atoms"] == -6 * 10 * UNIT
    assert position.total_atoms(scene.state) == -4 * 20 * UNIT - 6 * 10 * UNIT


@pytest.mark.parametrize(
    ("state", "bid", "ask", "marks"),
    [
        ("SYNCED", 0, 89, (89, 89)), ("SYNCED", 0, 90, (90, 90)), ("SYNCED", 93, 0, (93, 93)),
        ("SYNCED", 92, 0, (92, 92)), ("SYNCED", 0, 91, (90, 91)), ("SYNCED", 91, 0, (91, 92)),
        ("SYNCED", 0, 95, (90, 95)), ("SYNCED", 80, 0, (80, 92)), ("SYNCED", 0, 0, None),
        ("SYNCED", 89, 89, None), ("STALE", 0, 89, None), ("STALE", 93, 0, None),
    ],
)  # fmt: skip
def test_the_side_that_is_left_is_marked_and_bounds_the_other(
    state: str, bid: int, ask: int, marks: tuple[int, int] | None
) -> None:
    """What is there can be had, up or down; a book in doubt marks nothing, and is no newer."""
    scene = a_scene()
    record, book = scene.instrument, scene.book
    record["mark_bid_ticks"], record["mark_ask_ticks"], record["mark_ns"] = 90, 92, 5
    record["market_valid"], record["market_bid_ticks"], record["market_ask_ticks"] = 0, bid, ask
    record["touch_ns"], book["depth_ns"], book["state"] = 7, 8, BookState[state]
    position.take_mark(scene.state, 0)
    told = (record["mark_bid_ticks"], record["mark_ask_ticks"], record["mark_ns"])
    assert told == ((90, 92, 5) if marks is None else (*marks, 8))


def test_a_position_fact_carries_all_numbers() -> None:
    """The fact's total is realized + unrealized - fees of the record."""
    scene = a_scene()
    booked(scene, [(BUY, 100, 10), (SELL, 120, 4)])
    scene.begin()
    position.mark(scene.state, 0)
    position.position_fact(scene.state, scene.out, 0)
    (fact,) = scene.facts()
    assert fact["kind"] == F.POSITION
    assert fact["total_atoms"] == 4 * 20 * UNIT + 6 * 0
    assert fact["position_lots"] == 6


@given(fills, st.integers(1, 5_000), st.integers(1, 50), st.integers(0, 10**7), st.integers(0, 999))
def test_equity_less_the_trading_total_is_what_was_there_at_the_same_mid(
    trades: list[tuple[int, int, int]], bid: int, spread: int, opening: int, fee: int
) -> None:
    """However long or short, with fees in base and less than a lot of it: to some atoms."""
    scene = a_scene()
    state, record = scene.state, scene.instrument
    state.balances["opening_atoms"] = 0
    quote, base = scene.core["quote_asset"], record["base_asset"]
    state.balances["opening_atoms"][quote], state.balances["opening_atoms"][base] = 10**9, opening
    state.balances["flow_atoms"][base] = 17
    for side, price, lots in trades:
        event = an_event(kind=int(E.FILL), side=side, price_ticks=price, qty_lots=lots)
        event["fee_asset"], event["fee_atoms"] = int(FeeAsset.BASE), fee
        position.apply_fill(state, 0, event)
    mid = 2 * bid + spread
    record["mid_half_ticks"] = mid
    scene.begin()
    position.equity_fact(state, scene.out)
    (fact,) = scene.facts()
    held = 10**9 + Fraction((opening + 17) * mid * UNIT, 2 * LOT_ATOMS)
    assert abs(int(fact["equity_atoms"]) - int(fact["total_atoms"]) - held) <= 4
    assert fact["total_atoms"] == (
        fact["realized_atoms"] + fact["unrealized_atoms"] - fact["fees_atoms"]
    )


def test_equity_is_not_known_without_an_opening_or_a_mark() -> None:
    """It is 0 then, and never the part that is known; the last mark of a boot before will do."""
    scene = a_scene()
    state, record = scene.state, scene.instrument
    state.balances["opening_known"] = state.balances["opening_atoms"] = 0
    state.balances["opening_atoms"][record["base_asset"]] = 5 * LOT_ATOMS
    state.balances["opening_atoms"][scene.core["quote_asset"]] = 700
    record["mid_half_ticks"] = 20
    assert position.equity_atoms(state) == 0
    state.balances["opening_known"] = 1
    assert position.equity_atoms(state) == 700 + 5 * 10 * UNIT
    record["mid_half_ticks"] = 0
    assert position.equity_atoms(state) == 0
    record["mark_bid_ticks"], record["mark_ask_ticks"] = 9, 12
    assert position.equity_atoms(state) == 700 + 5 * 21 * UNIT // 2
