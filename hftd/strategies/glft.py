"""Guéant-Lehalle-Fernandez-Tapia: the optimal quotes far from any end of the session.

Owns the paper's closed-form approximation. Must not know how its numbers are estimated or
rounded.

    c1         = (1 / gamma) ln(1 + gamma / k)
    c2         = sqrt(sigma^2 gamma / (2 k A) (1 + gamma / k)^(1 + k / gamma))
    delta_b(q) = c1 + (2 q + 1) / 2 c2        bid below mid
    delta_a(q) = c1 - (2 q - 1) / 2 c2        ask above mid

Source: O. Guéant, C.-A. Lehalle, J. Fernandez-Tapia, Dealing with the inventory risk: a solution
to the market making problem, Mathematics and Financial Economics 7, 2013, 477-507, section 4
(asymptotic behaviour and closed-form approximations). The model is that of Avellaneda and
Stoikov with a bound on inventory; q is the inventory in orders, prices are in bps of mid here.
"""

from __future__ import annotations

import math
from typing import Any

from hftd.domain.kernel import kernel
from hftd.domain.layout import Records
from hftd.strategies import model_quotes
from hftd.strategies.elementary import exp, ln_1p
from hftd.strategies.estimates import watch
from hftd.strategies.model_quotes import decay, inventory, quote_side, rate, seen, variance

PARAMS = model_quotes.PARAMS
MEMORY = model_quotes.MEMORY
build_params = model_quotes.build_params
fit_instruments = model_quotes.fit_instruments


@kernel
def base_distance(gamma: float, decay: float) -> float:
    """Return c1: how far from mid each quote stands for being met at all."""
    return ln_1p(gamma / decay) / gamma


@kernel
def inventory_distance(gamma: float, variance: float, decay: float, rate: float) -> float:
    """Return c2: how far one more order in inventory moves the quotes."""
    power = exp((1.0 + decay / gamma) * ln_1p(gamma / decay))
    return math.sqrt(variance * gamma / (2.0 * decay * rate) * power)


@kernel
def bid_distance(inventory: float, base: float, step: float) -> float:
    """Return delta_b: how far the bid stands below mid."""
    return base + (2.0 * inventory + 1.0) / 2.0 * step


@kernel
def ask_distance(inventory: float, base: float, step: float) -> float:
    """Return delta_a: how far the ask stands above mid."""
    return base - (2.0 * inventory - 1.0) / 2.0 * step


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
        known = seen(given, kept, True)
        held, base, step = inventory(state, given, index), 0.0, 0.0
        if known[0] >= known[1]:
            gamma, fall = given["risk_aversion"], decay(given, kept)
            base = base_distance(gamma, fall)
            step = inventory_distance(gamma, variance(given, kept), fall, rate(given, kept))
        quote_side(state, given, index, 0, known, bid_distance(held, base, step))
        quote_side(state, given, index, 1, known, ask_distance(held, base, step))
