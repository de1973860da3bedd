"""PnL as shown: two identities to the last unit, through the engine's own bookkeeping."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hftd.domain.order import FeeAsset, Side
from hftd.engine import position, recovery
from hftd.engine.day import DAY_NS
from hftd.engine.state import in_use
from hftd.runtime.answers_view import look
from tests.engine.scene import an_event
from tests.runtime.answers_desk import BTC, ETH, STARTED_NS, TAG, Desk, a_desk

E8 = 10**8
BIG_FEE = 10**6


class Fill(NamedTuple):
    """One fill of ours, or one flow of the account where it has no quantity."""

    index: int
    side: int
    price_ticks: int
    qty_lots: int
    fee_asset: int
    fee_atoms: int
    flow_atoms: int


PRICES = st.integers(5_500_000, 6_500_000)
FILLS = st.lists(
    st.builds(
        Fill,
        st.integers(0, 1),
        st.sampled_from([int(side) for side in Side]),
        PRICES,
        st.integers(1, 2_000),
        st.sampled_from([int(asset) for asset in FeeAsset]),
        st.integers(0, BIG_FEE),
        st.integers(-BIG_FEE, BIG_FEE),
    ),
    max_size=12,
)


def book_fill(desk: Desk, fill: Fill) -> None:
    """Let the engine book a fill, and let a flow of the base asset come beside it."""
    event = an_event(
        side=fill.side,
        price_ticks=fill.price_ticks,
        qty_lots=fill.qty_lots,
        fee_asset=fill.fee_asset,
        fee_atoms=fill.fee_atoms,
    )
    position.apply_fill(desk.scene.state, fill.index, event)
    desk.scene.state.balances[1 + fill.index]["flow_atoms"] += fill.flow_atoms


def show_mids(desk: Desk, *half_ticks: int) -> None:
    """Put a believed mid into each instrument."""
    for record, mid in zip(in_use(desk.scene.world).instruments, half_ticks, strict=True):
        record["market_valid"] = 1
        record["mid_half_ticks"] = mid


def in_quote(text: str) -> Fraction:
    """Return a text of the answer as an exact number."""
    return Fraction(text)


class Reference(NamedTuple):
    """What fills come to, by hand in fractions of the quote asset."""

    cash: Fraction
    held: Fraction
    fees: Fraction


def reference(fills: list[Fill], mids: tuple[int, int]) -> Reference:
    """Add up cash, holdings at mid, and at mid the fees in the profile's own assets."""
    cash, held, fees = Fraction(0), Fraction(0), Fraction(0)
    for fill in fills:
        instrument = (BTC, ETH)[fill.index]
        mid = Fraction(mids[fill.index] * instrument.tick_e8, 2 * E8)
        sign = 1 if fill.side == Side.BUY else -1
        qty = Fraction(fill.qty_lots * instrument.lot_e8, E8)
        cash -= sign * qty * Fraction(fill.price_ticks * instrument.tick_e8, E8)
        held += sign * qty * mid
        if fill.fee_asset == FeeAsset.BASE:
            fees += Fraction(fill.fee_atoms, E8) * mid
        elif fill.fee_asset == FeeAsset.QUOTE:
            fees += Fraction(fill.fee_atoms, E8)
    return Reference(cash, held, fees)


@settings(max_examples=80)
@given(FILLS, PRICES, PRICES)
def test_both_identities_hold_to_the_last_unit(
    fills: list[Fill], btc_ticks: int, eth_ticks: int
) -> None:
    """Over any fills, fees and flows, at any mid: of the texts, against fractions by hand."""
    desk, mids = a_desk(two=True), (2 * btc_ticks + 1, 2 * eth_ticks)
    desk.scene.core["taker_fee_bps_e2"] = 500
    for fill in fills:
        book_fill(desk, fill)
    show_mids(desk, *mids)
    pnl, by_hand = desk.ask("pnl"), reference(fills, mids)
    # How a fee in a third asset is estimated is the engine's affair.
    estimated = Fraction(int(desk.scene.state.instruments["other_fee_atoms"].sum()), E8)
    total = in_quote(pnl["total_quote"])
    assert total == by_hand.cash + by_hand.held - by_hand.fees - estimated
    parts = [in_quote(pnl[f"{name}_quote"]) for name in ("realized", "unrealized", "fees")]
    assert total == parts[0] + parts[1] - parts[2]
    assert parts[2] == by_hand.fees + estimated

    baseline = Fraction(100_000)
    for at, mid in enumerate(mids):
        balance = desk.scene.state.balances[1 + at]
        atoms = int(balance["opening_atoms"]) + int(balance["flow_atoms"])
        baseline += Fraction(atoms, E8) * Fraction(mid, 200)
    assert in_quote(pnl["equity_quote"]) - baseline == total + estimated

    rows = desk.ask("positions")["positions"]
    for name in ("realized", "unrealized", "fees"):
        assert sum(in_quote(row[f"{name}_quote"]) for row in rows) == in_quote(pnl[f"{name}_quote"])


@settings(max_examples=40)
@given(FILLS)
def test_realized_is_average_cost(fills: list[Fill]) -> None:
    """Within an atom a fill of exact average cost: the rest of a share stays with the position."""
    desk = a_desk(two=True)
    held, cost, realized = Fraction(0), Fraction(0), Fraction(0)
    for fill in fills:
        fill = fill._replace(index=0)
        book_fill(desk, fill)
        signed = fill.qty_lots if fill.side == Side.BUY else -fill.qty_lots
        closed = min(abs(held), abs(signed)) if held * signed < 0 else 0
        if closed:
            share = cost * closed / abs(held)
            sign = 1 if held > 0 else -1
            realized += sign * closed * fill.price_ticks * BTC.unit_atoms - share
            held, cost = held - sign * closed, cost - share
            signed += sign * closed
        held, cost = held + signed, cost + signed * fill.price_ticks * BTC.unit_atoms
    told = in_quote(desk.ask("positions")["positions"][0]["realized_quote"])
    assert abs(told * E8 - realized) <= len(fills)


def a_fill(**changes: int) -> Fill:
    """Return a buy of 0.01 BTC at 60000 with a fee of 10 bps in base."""
    fill = Fill(0, Side.BUY, 6_000_000, 1_000, FeeAsset.BASE, 1_000, 0)
    return fill._replace(**changes)


def test_a_buy_brings_less_than_it_bought() -> None:
    """The position is shown less its fee in base; what is below a lot is dust."""
    desk = a_desk()
    book_fill(desk, a_fill(fee_atoms=1_100))
    show_mids(desk, 2 * 6_010_000)
    row = desk.ask("positions")["positions"][0]
    assert (row["position_base"], row["dust_base"]) == ("0.009989", "0.000009")
    assert (row["avg_price"], row["mark"], row["mark_source"]) == ("60000", "60100", "mid")
    assert (row["unrealized_quote"], row["fees_quote"]) == ("1", "0.6611")


@pytest.mark.parametrize(
    ("lots", "fee_atoms", "dust"),
    [(8, 0, "0.00008"), (9, 0, "0"), (9, 900, "0.000081"), (0, 210, "-0.0000021"), (0, 0, "0")],
)
def test_dust_is_what_the_venue_would_not_trade(lots: int, fee_atoms: int, dust: str) -> None:
    """Below a lot, or all of it below the least notional of 5 USDT at 60000."""
    desk = a_desk()
    desk.scene.instrument["position_lots"] = lots
    desk.scene.instrument["base_fee_atoms"] = fee_atoms
    show_mids(desk, 2 * 6_000_000)
    assert desk.ask("positions")["positions"][0]["dust_base"] == dust


def test_dust_may_be_below_the_least_quantity() -> None:
    """Where the venue's least quantity is several lots, less is dust whatever it costs."""
    desk = a_desk()
    desk.scene.instrument["min_qty_lots"] = 50
    desk.scene.instrument["position_lots"] = -49
    show_mids(desk, 2 * 6_000_000)
    assert desk.ask("positions")["positions"][0]["dust_base"] == "-0.00049"
    desk.scene.instrument["position_lots"] = -50
    assert desk.ask("positions")["positions"][0]["dust_base"] == "0"


def test_opening_holdings_gain_by_price_apart_from_trading() -> None:
    """The engine keeps the first mid since the opening; a later one moves nothing of it."""
    desk = a_desk()
    assert desk.ask("pnl")["opening_holdings_gain_quote"] is None
    show_mids(desk, 2 * 6_000_000)
    recovery.learn_opening_mids(desk.scene.state)
    show_mids(desk, 2 * 6_010_000 + 1)
    recovery.learn_opening_mids(desk.scene.state)
    book_fill(desk, a_fill())
    pnl = desk.ask("pnl")
    assert pnl["opening_holdings_gain_quote"] == "100.005"
    opening = Fraction(100_000) + Fraction(60_000)
    gained = in_quote(pnl["opening_holdings_gain_quote"]) + in_quote(pnl["total_quote"])
    assert in_quote(pnl["equity_quote"]) == opening + gained


def test_without_a_market_the_last_mid_stands_and_is_called_so() -> None:
    """A mark is never passed off as fresher than it is."""
    desk = a_desk()
    book_fill(desk, a_fill())
    assert desk.ask("positions")["positions"][0]["mark"] == "60000"  # The fill's own.
    show_mids(desk, 2 * 6_010_000)
    desk.scene.instrument["market_valid"] = 0
    row = desk.ask("positions")["positions"][0]
    assert (row["mark"], row["mark_source"]) == ("60100", "last mid")


def test_without_any_mark_what_the_books_carried_is_shown() -> None:
    """After a restart the position is there before the market is."""
    desk = a_desk()
    book_fill(desk, a_fill())
    for name in ("mark_bid_ticks", "mark_ask_ticks"):
        desk.scene.instrument[name] = 0
    desk.scene.instrument["unrealized_atoms"] = 5 * E8
    desk.scene.instrument["fees_atoms"] = 6 * E8 // 10
    pnl, row = desk.ask("pnl"), desk.ask("positions")["positions"][0]
    assert (pnl["unrealized_quote"], pnl["fees_quote"], pnl["total_quote"]) == ("5", "0.6", "4.4")
    assert (row["mark"], row["mark_source"], pnl["equity_quote"]) == (None, None, None)


def test_a_total_in_doubt_has_an_optimistic_end() -> None:
    """None where no fill is in doubt; else the total and what an optimistic queue adds."""
    desk = a_desk()
    book_fill(desk, a_fill())
    pnl = desk.ask("pnl")
    assert pnl["optimistic_total_quote"] is None
    desk.around.doubt_atoms = -64 * E8 // 100
    again = desk.ask("pnl")
    assert in_quote(again["optimistic_total_quote"]) == in_quote(pnl["total_quote"]) - Fraction(
        64, 100
    )


def test_the_day_is_told_by_its_start() -> None:
    """Null before the first day was opened; then the start by the profile's own hour."""
    desk = a_desk()
    assert desk.ask("pnl")["day_start"] is None
    core = desk.scene.core
    core["day"] = STARTED_NS // DAY_NS
    core["day_loss_atoms"], core["drawdown_atoms"] = 225 * E8 // 10, 3
    core["day_starts_ns"] = 90 * 60 * 10**9
    pnl: dict[str, Any] = desk.ask("pnl")
    assert pnl["day_start"] == "2026-11-22T01:30:00Z"
    assert (pnl["daily_loss_used_quote"], pnl["daily_loss_limit_quote"]) == ("22.5", "250")
    assert (pnl["drawdown_quote"], pnl["drawdown_limit_quote"]) == ("0.00000003", "250")


def test_an_unknown_opening_has_no_equity() -> None:
    """Before the first reconciliation nobody knows what the account held."""
    desk = a_desk()
    show_mids(desk, 2 * 6_000_000)
    assert desk.ask("pnl")["equity_quote"] == "160000"
    desk.scene.state.balances[1]["opening_known"] = 0
    pnl = desk.ask("pnl")
    assert (pnl["equity_quote"], pnl["opening_holdings_gain_quote"]) == (None, None)


def test_a_balance_that_was_not_told_is_left_out() -> None:
    """What the venue has not said in this boot is not shown as zero."""
    desk = a_desk()
    desk.scene.state.balances[1]["known"] = 0
    assert desk.ask("positions")["balances"] == [{"asset": "USDT", "free": "100000", "locked": "0"}]


def test_a_view_holds_plain_integers() -> None:
    """Sums of an answer cannot leave int64, since nothing in it is of NumPy's integers."""
    desk = a_desk()
    view = look(desk.scene.state, [BTC], ["USDT", "BTC"], TAG, STARTED_NS, 0)
    for numbers in (view.core, *view.records, *view.balances, *view.orders):
        assert all(type(value) is int or value.ndim for value in numbers.values())
    assert view.now_ns == view.core["now_ns"]
