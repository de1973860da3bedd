"""What a boot keeps, told by the instruments of today: in their steps and places, without others'.

Owns the arithmetic on the engine's records. Must not know which fields outlive a boot, nor what
keeps one from being taken over (memory.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hftd.domain.instrument import Instrument
from hftd.domain.layout import Records
from hftd.engine.state import State


def take_steps(orders: Records, index: int, before: Instrument, after: Instrument) -> None:
    """Tell the open orders of an instrument in its new tick and lot, as the codec tells a list's.

    In the fewest steps that cover price and quantity; what is filled in whole lots.
    """
    mine = (orders["instrument"] == index) & (orders["key"] != 0)
    for name, old_e8, new_e8 in (
        ("price_ticks", before.tick_e8, after.tick_e8),
        ("qty_lots", before.lot_e8, after.lot_e8),
    ):
        orders[name][mine] = -(-orders[name][mine] * old_e8 // new_e8)
    for name in ("cum_lots", "venue_cum_lots", "listed_cum_lots"):
        orders[name][mine] = orders[name][mine] * before.lot_e8 // after.lot_e8
    orders["leaves_lots"][mine] = (orders["qty_lots"] - orders["cum_lots"])[mine]


def leave_out(old: State, new: State, places: dict[int, int]) -> None:
    """Take what the instruments that are no more traded ever made out of the totals.

    All by as much, so that the day's loss and the drawdown are as they were: the sums of the
    instruments that are left know nothing of those, and the limits would judge by the difference.
    """
    made = old.instruments["realized_atoms"] + old.instruments["unrealized_atoms"]
    made = made - old.instruments["fees_atoms"]
    gone = sum(int(made[index]) for index in range(len(made)) if index not in places)
    for name in ("total_atoms", "day_open_equity_atoms", "peak_equity_atoms"):
        new.core[0][name] -= gone


def carry_ring(before: Records, after: Records, total: int, places: dict[int, int]) -> int:
    """Carry a ring of ``total`` records over; return how many it holds or ever held then.

    Those of an instrument that is no more traded are left out: the venue's ids are counted by
    symbol, and would name orders and trades of another instrument.
    """
    capacity = len(before)
    order = np.arange(max(0, total - capacity), total) % capacity
    known = np.isin(before["instrument"][order], list(places))
    kept = order[known]
    if known.all():
        after[:] = before
        after["instrument"] = renumbered(before["instrument"], places)
        return total
    after[: len(kept)] = before[kept]
    after["instrument"][: len(kept)] = renumbered(before["instrument"][kept], places)
    return len(kept)


def renumbered(indices: Any, places: dict[int, int]) -> Any:
    """Return the places that instruments have now; 0 of what is none of them."""
    now = np.zeros_like(indices)
    for old, new in places.items():
        now[indices == old] = new
    return now
