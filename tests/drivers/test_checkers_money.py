"""The judge's own average cost, held against exact fractions."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from hftd.drivers.checkers_money import gains
from hftd.simex.orders import AccountTrade

UNIT = 7  # Atoms of a lot at one tick.


def trade(number: int, *, buys: bool, price_ticks: int, lots: int) -> AccountTrade:
    """Return an execution; what it costs follows from price and quantity."""
    paid = price_ticks * lots * UNIT
    return AccountTrade(number, 1, "BTCUSDT", price_ticks, lots, paid, 0, "USDT", 0, buys, True)


def exact_gains(trades: list[AccountTrade]) -> Fraction:
    """Return gains lot by lot: each lot that is let go of has the average cost of all."""
    held, cost, gained = 0, Fraction(0), Fraction(0)
    for each in trades:
        sign = 1 if each.is_buyer else -1
        for _ in range(each.qty_lots):
            paid = Fraction(sign * each.price_ticks * UNIT)
            if held * sign < 0:
                share = cost / abs(held)
                gained -= paid + share
                cost -= share
            else:
                cost += paid
            held += sign
    return gained


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 10**6), st.integers(1, 12)), max_size=12))
def test_gains_by_average_cost_are_exact_to_an_atom(rows: list[tuple[bool, int, int]]) -> None:
    """Long, short and through zero; the slack is one atom and one for each part taken."""
    trades = [
        trade(number, buys=buys, price_ticks=ticks, lots=lots)
        for number, (buys, ticks, lots) in enumerate(rows)
    ]
    realized, off = gains(trades)
    assert abs(realized - exact_gains(trades)) <= 1
    assert 1 <= off <= 1 + len(trades)


def test_nothing_is_off_once_the_position_was_flat() -> None:
    """Bought at 3 and 4, sold at 5 and 6: 4 ticks of gain; a third sale begins anew."""
    bought = [trade(i, buys=True, price_ticks=ticks, lots=1) for i, ticks in enumerate((3, 4))]
    sold = [trade(9 + i, buys=False, price_ticks=5 + i, lots=1) for i in range(3)]
    assert gains([*bought, sold[0]]) == ((5 * 2 - 7) * UNIT // 2, 2)
    assert gains([*bought, *sold]) == (4 * UNIT, 1)
