"""A venue that has forgotten us: what shows it, and how its state is taken as new.

Test hosts are wiped about once a month: our orders, trades and balances are gone, and ids begin
anew below ours. Owns what ``reset --venue-wiped`` forgets. Must not halt, and never forgets by
itself: what looks like a wipe (balances differ, and no own trade is listed from our last one on,
itself included: recovery.py) is HALTED until a person says that it is one. An order that the venue
denies is no wipe yet (chase.py).
"""

from __future__ import annotations

from typing import Any

from hftd.domain.codes import Code
from hftd.domain.kernel import kernel
from hftd.domain.order import OrderEvent, OrderState
from hftd.engine import orders, strays
from hftd.engine.state import STRAYS_CAPACITY, Out, State

# What ``venue_remembers`` holds of the last comparison whose balances differ for good.
NOT_ASKED, REMEMBERS, FORGOT = 0, 1, 2


@kernel
def has_trades(state: State) -> bool:
    """Tell whether there is an own trade that a venue which remembers us would list."""
    for index in range(state.core[0]["instruments"]):
        if state.instruments[index]["own_trade_id"] > 0:
            return True
    return False


@kernel
def may_remember(state: State) -> bool:
    """Tell whether trades of ours may be listed: nobody has asked yet, or some are."""
    return has_trades(state) and state.core[0]["venue_remembers"] != FORGOT


@kernel
def forget(state: State, out: Out) -> None:
    """Take the venue's state as new, as that of a new account: the recovery that follows fills it.

    Orders end, position and PnL begin at zero, the opening is what the account holds then, and no
    id of the venue is known. Ids of our own are unique for life and go on; so does the day's
    turnover. Where the venue was not wiped after all, an order that it lists is adopted and
    canceled by the same recovery.
    """
    for slot in range(state.core[0]["orders_end"]):
        if state.orders[slot]["key"] != 0:
            expired = OrderState.EXPIRED
            orders.end(state, out, slot, OrderEvent.EXPIRED, expired, Code.VENUE_RESET)
    state.rings[:] = 0  # Tombstones and trades are found by the venue's ids as well.
    for place in range(STRAYS_CAPACITY):
        strays.forget(state, place)
    for index in range(state.core[0]["instruments"]):
        forget_instrument(state.instruments[index])
    for asset in range(state.core[0]["assets"]):
        balance = state.balances[asset]
        balance["opening_known"] = 0
        balance["traded_atoms"] = 0
        balance["flow_atoms"] = 0
        balance["disagreed"] = 0
    core = state.core[0]
    core["day_open_equity_atoms"] = 0
    core["day_start_equity_atoms"] = 0
    core["peak_equity_atoms"] = 0
    core["loss_seen_ns"] = 0
    core["venue_remembers"] = NOT_ASKED


@kernel
def forget_instrument(instrument: Any) -> None:
    """Begin an instrument's position, PnL, own trades and conservation (C21) at zero."""
    instrument["position_lots"] = 0
    instrument["cost_atoms"] = 0
    instrument["realized_atoms"] = 0
    instrument["unrealized_atoms"] = 0
    instrument["base_fee_atoms"] = 0
    instrument["quote_fee_atoms"] = 0
    instrument["other_fee_atoms"] = 0
    instrument["fees_atoms"] = 0
    instrument["opening_mid_half_ticks"] = 0
    instrument["own_trade_id"] = 0
    instrument["missing_trade_id"] = 0
    instrument["forgotten_trade_id"] = 0
    instrument["checked_trade_id"] = 0
    instrument["foreign_seen_id"] = 0
    instrument["boot_position_lots"] = 0
    instrument["sent_lots"][:] = 0
    instrument["filled_lots"][:] = 0
    instrument["released_lots"][:] = 0
    instrument["flatten"] = 0
