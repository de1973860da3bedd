"""Avellaneda-Stoikov: quote around a reservation price that inventory moves.

Owns the paper's two formulas. Must not know how their numbers are estimated or rounded.

    r(s, q, t) = s - q gamma sigma^2 (T - t)                              reservation price
    spread     = gamma sigma^2 (T - t) + (2 / gamma) ln(1 + gamma / k)    around it

s is the mid, q the inventory in orders. Source: M. Avellaneda and S. Stoikov, High-frequency
trading in a limit order book, Quantitative Finance 8(3), 2008, 217-224, section 3: the price is
s + sigma W, orders reach a distance d with intensity A exp(-k d), utility is -exp(-gamma x).
Prices are counted in bps of mid here. The paper's session ends at T; a market that never closes
has none, so T - t stays at `horizon_s`: the time over which inventory is thought to be held.
"""

from __future__ import annotations

from typing import Any

from hftd.domain.kernel import kernel
from hftd.domain.layout import Records
from hftd.strategies import model_quotes
from hftd.strategies.elementary import ln_1p
from hftd.strategies.estimates import watch
from hftd.strategies.model_quotes import decay, inventory, quote_side, seen, variance

PARAMS = model_quotes.PARAMS
MEMORY = model_quotes.MEMORY
build_params = model_quotes.build_params
fit_instruments = model_quotes.fit_instruments


@kernel
def reservation_shift(inventory: float, gamma: float, variance: float, left_s: float) -> float:
    """Return s - r: how far inventory moves the price around which is quoted.

    Units: those of the mid, as sigma is. Source: equation 29 (3.4 in the preprint).
    """
    return inventory * gamma * variance * left_s


@kernel
def optimal_spread(gamma: float, variance: float, left_s: float, decay: float) -> float:
    """Return the distance between both quotes. Source: equation 30."""
    return gamma * variance * left_s + 2.0 / gamma * ln_1p(gamma / decay)


@kernel
def quotes(world: Any, params: Records, memory: Records, _outs: Any) -> None:
    """Fill both targets of every dirty instrument.

    Shapes: world (1,) State; params, memory (instruments,); outs (1,) Out.
    """
    state = world[0]
    for index in range(state.core[0]["instruments"]):
        if state.instruments[index]["dirty"] == 0:
            continue
        given, kept = params[index], memory[index]
        watch(state.instruments[index], given, kept, state.core[0]["now_ns"])
        known = seen(given, kept, False)
        half, shift = 0.0, 0.0
        if known[0] >= known[1]:
            gamma, sigma2, left_s = (
                given["risk_aversion"],
                variance(given, kept),
                given["horizon_s"],
            )
            half = optimal_spread(gamma, sigma2, left_s, decay(given, kept)) / 2.0
            shift = reservation_shift(inventory(state, given, index), gamma, sigma2, left_s)
        quote_side(state, given, index, 0, known, half + shift)
        quote_side(state, given, index, 1, known, half - shift)
