"""The papers' formulas beside the papers' own figures, and beside exact solutions.

Avellaneda & Stoikov print their simulation's parameters and, in tables 1 to 3, the average spread
and the results of a thousand sessions. Guéant, Lehalle & Fernandez-Tapia print the parameters of
their figures, the closed form, and the matrix whose lowest eigenvector it approximates, no table:
here that eigenvector is computed, so no figure is read off a drawing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hftd.strategies import avellaneda_stoikov as paper
from hftd.strategies import elementary, glft

S0, SIGMA, T, K, A, DT = 100.0, 2.0, 1.0, 1.5, 140.0, 0.005


@given(st.floats(1e-12, 1e12))
@settings(max_examples=200, deadline=None)
def test_logarithm_is_the_librarys(value: float) -> None:
    """Within a few units of a double's last place of what the C library says."""
    assert elementary.ln(value) == pytest.approx(math.log(value), rel=4e-15, abs=4e-16)


@given(st.floats(-0.49, 1e6))
@settings(max_examples=200, deadline=None)
def test_logarithm_near_one_loses_nothing(value: float) -> None:
    """ln(1 + x) of a small x keeps its digits."""
    assert elementary.ln_1p(value) == pytest.approx(math.log1p(value), rel=4e-15)


@given(st.floats(-500, 500))
@settings(max_examples=200, deadline=None)
def test_exponential_is_the_librarys(value: float) -> None:
    """By its series and squarings, to twelve digits at least."""
    assert elementary.exp(value) == pytest.approx(math.exp(value), rel=1e-12)


@given(st.floats(1e-6, 10), st.floats(1e-6, 100), st.floats(1e-3, 100), st.floats(1e-3, 1e3))
@settings(max_examples=200, deadline=None)
def test_compiled_and_uncompiled_agree_to_the_last_bit(
    gamma: float, variance: float, decay: float, rate: float
) -> None:
    """A replay may run either: the numbers that become prices are the same bits."""
    if decay / gamma > 1e4:
        return
    for function, numbers in (
        (paper.optimal_spread, (gamma, variance, 1.0, decay)),
        (glft.base_distance, (gamma, decay)),
        (glft.inventory_distance, (gamma, variance, decay, rate)),
    ):
        plain = getattr(function, "py_func", function)
        assert function(*numbers) == plain(*numbers)  # type: ignore[operator]


@pytest.mark.parametrize(("gamma", "published"), [(0.1, 1.49), (0.01, 1.35), (1.0, 3.02)])
def test_the_average_spread_is_the_papers(gamma: float, published: float) -> None:
    """Average over the session of the optimal spread, as tables 1 to 3 print it."""
    steps = round(T / DT)
    spreads = [paper.optimal_spread(gamma, SIGMA**2, T - at * DT, K) for at in range(steps)]
    assert sum(spreads) / steps == pytest.approx(published, abs=0.015)


def test_the_reservation_price_is_below_mid_while_long() -> None:
    """One unit at the session's beginning: gamma sigma^2 T = 0.4 below."""
    assert paper.reservation_shift(1.0, 0.1, SIGMA**2, T) == pytest.approx(0.4)
    assert paper.reservation_shift(-3.0, 0.1, SIGMA**2, T / 2) == pytest.approx(-0.6)


def sessions(gamma: float, by_inventory: bool, count: int = 2_000) -> tuple[Any, Any]:
    """Play the paper's sessions (3.3) with our formulas; return profits and final inventories.

    ``by_inventory`` False is its benchmark: the same average spread, always around mid.
    """
    random = np.random.default_rng(20080403)
    steps = round(T / DT)
    fixed = sum(paper.optimal_spread(gamma, SIGMA**2, T - at * DT, K) for at in range(steps))
    price, cash, held = np.full(count, S0), np.zeros(count), np.zeros(count)
    for at in range(steps):
        left = T - at * DT
        half, unit = fixed / steps / 2, 0.0
        if by_inventory:
            half = paper.optimal_spread(gamma, SIGMA**2, left, K) / 2
            unit = paper.reservation_shift(1.0, gamma, SIGMA**2, left)
        below, above = half + held * unit, half - held * unit
        bought = random.random(count) < A * np.exp(-K * below) * DT
        sold = random.random(count) < A * np.exp(-K * above) * DT
        cash += sold * (price + above) - bought * (price - below)
        held += bought.astype(int) - sold.astype(int)
        price += SIGMA * math.sqrt(DT) * np.where(random.random(count) < 0.5, 1, -1)
    return cash + held * price, held


# As tables 1 to 3 print them (pp. 222 and 223): profit, its deviation, that of the inventory left.
INVENTORY = {0.1: (65.0, 6.6, 2.9), 0.01: (68.6, 8.7, 5.1), 1.0: (31.4, 5.0, 1.7)}
SYMMETRIC = {0.1: (68.4, 12.7, 8.4), 0.01: (68.8, 12.8, 8.7), 1.0: (44.0, 11.0, 5.1)}


@pytest.mark.parametrize("gamma", [0.1, 0.01, 1.0])
@pytest.mark.parametrize("by_inventory", [True, False])
def test_sessions_come_out_as_the_paper_prints_them(gamma: float, by_inventory: bool) -> None:
    """All six rows, within the noise of the paper's thousand sessions and of ours."""
    published = (INVENTORY if by_inventory else SYMMETRIC)[gamma]
    profit, held = sessions(gamma, by_inventory)
    assert profit.mean() == pytest.approx(published[0], abs=published[1] / 8)
    assert profit.std() == pytest.approx(published[1], rel=0.12)
    assert held.std() == pytest.approx(published[2], rel=0.12)


# Of the 2013 paper's figures: 1 to 3, then 4 and 5, left and right. Ticks and seconds; k is 0.3.
FIGURES = {"1-3": (0.3, 0.9), "4-5 left": (0.4, 0.9), "4-5 right": (1.0, 0.2)}
GAMMA, DECAY = 0.01, 0.3


def exact_quotes(sigma: float, rate: float, bound: int = 60) -> dict[int, tuple[float, float]]:
    """Return the asymptotic bid and ask distances by inventory, from the system's eigenvector.

    f of the lowest eigenvalue of alpha q^2 on the diagonal and -eta beside it;
    delta_b = c1 + ln(f(q) / f(q + 1)) / k, delta_a = c1 + ln(f(q) / f(q - 1)) / k, with
    alpha = k gamma sigma^2 / 2 and eta = A (1 + gamma / k)^-(1 + k / gamma).
    """
    alpha = DECAY * GAMMA * sigma**2 / 2
    eta = rate * (1 + GAMMA / DECAY) ** -(1 + DECAY / GAMMA)
    inventory = np.arange(-bound, bound + 1)
    matrix = np.diag(alpha * inventory**2.0)
    matrix -= eta * (np.eye(len(inventory), k=1) + np.eye(len(inventory), k=-1))
    lowest = np.abs(np.linalg.eigh(matrix)[1][:, 0])
    base = math.log(1 + GAMMA / DECAY) / GAMMA
    middle, found = bound, {}
    for held in range(-10, 11):
        at = middle + held
        bid = math.log(lowest[at] / lowest[at + 1]) / DECAY + base
        ask = math.log(lowest[at] / lowest[at - 1]) / DECAY + base
        found[held] = (bid, ask)
    return found


@pytest.mark.parametrize(
    ("figure", "near"), [("1-3", 0.003), ("4-5 left", 0.006), ("4-5 right", 0.3)]
)
def test_closed_form_is_near_the_exact_quotes_of_the_papers_figures(
    figure: str, near: float
) -> None:
    """Up to ten orders of inventory within so many ticks of the exact quotes; worse, as the
    paper says, where volatility is large beside arrivals. Symmetric, always.
    """
    sigma, rate = FIGURES[figure]
    base = glft.base_distance(GAMMA, DECAY)
    step = glft.inventory_distance(GAMMA, sigma**2, DECAY, rate)
    for held, (bid, ask) in exact_quotes(sigma, rate).items():
        assert glft.bid_distance(held, base, step) == pytest.approx(bid, abs=near)
        assert glft.ask_distance(held, base, step) == pytest.approx(ask, abs=near)
        mirrored = glft.ask_distance(-held, base, step)
        assert glft.bid_distance(held, base, step) == pytest.approx(mirrored)


def test_figures_of_the_2013_paper_in_numbers() -> None:
    """Worked out by hand from the closed form at figure 1's parameters: c1, c2."""
    assert glft.base_distance(GAMMA, DECAY) == pytest.approx(3.278982, abs=1e-6)
    assert glft.inventory_distance(GAMMA, 0.09, DECAY, 0.9) == pytest.approx(0.067866, abs=1e-6)


@pytest.mark.parametrize("held", [-5, 0, 5])
def test_spread_does_not_depend_on_inventory(held: int) -> None:
    """2 c1 + c2, the paper's psi."""
    base, step = glft.base_distance(0.01, 0.3), glft.inventory_distance(0.01, 0.09, 0.3, 0.9)
    spread = glft.bid_distance(held, base, step) + glft.ask_distance(held, base, step)
    assert spread == pytest.approx(2 * base + step)
