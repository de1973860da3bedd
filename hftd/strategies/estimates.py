"""What the formulas of market making need, estimated from the market: sigma, A and k.

Owns the fields of memory below. Must not know which formula uses them, nor a price of ours.

**sigma**, the volatility in bps of mid per square root of a second: the mean of the squared
moves of mid over a second (or as long as nothing happened), newer ones weighing more, half as
much after `half_life_s`. While few are known each weighs the same. Nothing is taken of what lies
between two looks more than `LONGEST_NS` apart (a restart, a market that was away): what moved
there moved in hours, or in a market that nobody saw.

**A and k** of the intensity A exp(-k d) with which orders arrive that reach a distance d from
mid on one side: of all public trades that are not ours, those on one side of mid between two
decisions count as one order that reaches as far as the farthest of them. Counted at sixteen
distances, `step_bps` apart, with the same half-life; then ln(rate) is fitted by a straight line
in d, each distance weighing as much as its count. Distances that every order reaches, inside the
touch, say nothing of k and are left out. (Avellaneda & Stoikov 2008, 2.4 and 3, has the law; the
fit by distances is the usual one for it.)

Floats, by the four operations, square root and `elementary.py`: an opinion, which becomes ticks
where a formula makes a price of it.
"""

from __future__ import annotations

from typing import Any

from hftd.domain.kernel import kernel
from hftd.domain.layout import Field
from hftd.engine.state import TRADE_WINDOW_CAPACITY
from hftd.strategies.elementary import LN_2, exp, ln

DISTANCES = 16
SAMPLE_NS = 1_000_000_000
LONGEST_NS = 60_000_000_000
LEAST_SAMPLES = 30
LEAST_ORDERS = 30
PLATEAU = 0.95  # A distance that this part of all orders reaches is inside the touch.
LEAST_COUNT = 1.0
BPS = 10_000.0

MEMORY_FIELDS = (
    Field("mid_half_ticks", "i8", "mid at the last decision, 0 before the first"),
    Field("sampled_half_ticks", "i8", "mid at the last sample"),
    Field("sampled_ns", "i8", "when that was"),
    Field("samples", "i8", "moves of mid seen"),
    Field("variance_bps2", "f8", "squared moves a second, weighted"),
    Field("trades_kept", "i8", "public trades that the window had ever kept when last counted"),
    Field("orders", "i8", "orders of others seen"),
    Field("watched_s", "f8", "time that the counts below are of, weighted"),
    Field("reached", f"({DISTANCES},)f8", "orders that reached each distance, weighted"),
    Field("arrival_rate", "f8", "A: orders a second and side, at distance 0"),
    Field("arrival_decay", "f8", "k, per bps; 0 before the first fit"),
)


@kernel
def watch(instrument: Any, params: Any, memory: Any, now_ns: int) -> None:
    """Take what has happened since the last decision; once a second, estimate anew.

    Args: params with ``half_life_s`` and ``step_bps``, floats.
    """
    if instrument["market_valid"] == 0:
        return
    if memory["sampled_ns"] == 0 or now_ns - memory["sampled_ns"] > LONGEST_NS:
        memory["sampled_ns"] = now_ns
        memory["sampled_half_ticks"] = instrument["mid_half_ticks"]
        memory["trades_kept"] = instrument["trade_window_next"]
    else:
        count_orders(instrument, params, memory)
    memory["mid_half_ticks"] = instrument["mid_half_ticks"]
    if now_ns - memory["sampled_ns"] >= SAMPLE_NS:
        sample(instrument, params, memory, now_ns)


@kernel
def count_orders(instrument: Any, params: Any, memory: Any) -> None:
    """Count the public trades since the last decision as at most one order a side.

    The newest in the window, by how many it has kept: a venue's ids may begin anew, and a boot
    begins with none. What has turned out to be a fill of ours was taken out of it.
    """
    mid_half, kept = memory["mid_half_ticks"], instrument["trade_window_next"]
    fresh = kept - memory["trades_kept"] if kept >= memory["trades_kept"] else kept
    above, below = 0, 0
    for back in range(min(fresh, TRADE_WINDOW_CAPACITY)):
        price_ticks = instrument["trade_window_ticks"][(kept - 1 - back) % TRADE_WINDOW_CAPACITY]
        if price_ticks == 0:
            continue
        away = 2 * price_ticks - mid_half
        above = max(above, away)
        below = max(below, -away)
    memory["trades_kept"] = kept
    for away in (above, below):
        if away > 0:
            memory["orders"] += 1
            reach(params, memory, away * BPS / mid_half)


@kernel
def reach(params: Any, memory: Any, distance_bps: float) -> None:
    """Count an order at every distance that it reached."""
    for at in range(DISTANCES):
        if distance_bps >= (at + 1) * params["step_bps"]:
            memory["reached"][at] += 1.0


@kernel
def sample(instrument: Any, params: Any, memory: Any, now_ns: int) -> None:
    """Take the move of mid since the last sample, let what is old weigh less, fit A and k."""
    passed_s = (now_ns - memory["sampled_ns"]) / SAMPLE_NS
    before = memory["sampled_half_ticks"]
    move_bps = (instrument["mid_half_ticks"] - before) * BPS / before
    memory["samples"] += 1
    share = min(passed_s * LN_2 / params["half_life_s"], 1.0)
    newest = max(share, 1.0 / memory["samples"])
    memory["variance_bps2"] += newest * (move_bps * move_bps / passed_s - memory["variance_bps2"])
    memory["sampled_ns"] = now_ns
    memory["sampled_half_ticks"] = instrument["mid_half_ticks"]
    fit(params, memory, passed_s)
    memory["watched_s"] *= 1.0 - share
    for at in range(DISTANCES):
        memory["reached"][at] *= 1.0 - share


@kernel
def fit(params: Any, memory: Any, passed_s: float) -> None:
    """Fit A exp(-k d) to the counts; keep the last fit where they carry none."""
    memory["watched_s"] += passed_s
    reached = memory["reached"]
    weight, sum_d, sum_y, sum_dd, sum_dy = 0.0, 0.0, 0.0, 0.0, 0.0
    for at in range(DISTANCES):
        inside = at + 1 < DISTANCES and reached[at + 1] >= PLATEAU * reached[0]
        if inside or reached[at] < LEAST_COUNT:
            continue
        distance = (at + 1) * params["step_bps"]
        rate = ln(reached[at] / (2.0 * memory["watched_s"]))
        weight += reached[at]
        sum_d += reached[at] * distance
        sum_y += reached[at] * rate
        sum_dd += reached[at] * distance * distance
        sum_dy += reached[at] * distance * rate
    spread = weight * sum_dd - sum_d * sum_d
    if spread <= 0.0:
        return
    decay = -(weight * sum_dy - sum_d * sum_y) / spread
    height = (sum_y + decay * sum_d) / weight if weight > 0.0 else 0.0
    if decay > 0.0 and abs(height) < 20.0:
        memory["arrival_decay"] = decay
        memory["arrival_rate"] = exp(height)
