"""What the last reconciliation found, read from the state that it leaves.

Owns how a comparison is told; must not run one (engine/reconcile.py does).
"""

from __future__ import annotations

from hftd.control import shapes
from hftd.domain.order import client_order_id
from hftd.engine.state import KIND_BALANCES, KIND_ORDERS, KIND_TRADES, RECONCILED_KINDS
from hftd.runtime.answers_money import expected_atoms
from hftd.runtime.answers_view import View, atoms_text, clock_text

TWICE = 2  # What only one answer contradicts is a suspect yet.
NAMES = {KIND_ORDERS: "orders", KIND_TRADES: "trades", KIND_BALANCES: "balances"}


def checks(view: View) -> list[shapes.ReconcileCheck]:
    """Return each kind of comparison with its verdict."""
    done, differed = view.core["check_done_ns"], view.core["check_differed"]
    return [
        {
            "name": NAMES[kind],
            "agrees": int(differed[kind]) == 0,
            "checked": clock_text(int(done[kind])) if done[kind] else None,
        }
        for kind in range(RECONCILED_KINDS)
    ]


def differences(view: View) -> list[shapes.Difference]:
    """Return what differs by now; a fill whose report was lost is booked, and is none."""
    found: list[shapes.Difference] = []
    for order in view.orders:
        if order["disagreed"] < TWICE:
            continue
        instrument = view.instruments[order["instrument"]]
        listed = order["listed_seq"] > view.records[order["instrument"]]["orders_asked_seq"]
        venues_lots = order["qty_lots"] - order["listed_cum_lots"] if listed else 0
        ours = f"{instrument.qty_text(order['leaves_lots'])} {instrument.base} open"
        venues = f"{instrument.qty_text(venues_lots)} {instrument.base} open"
        name = client_order_id(view.tag, order["key"])
        found.append({"what": name, "ours": ours, "venues": venues})
    for at, balance in enumerate(view.balances):
        told = balance["free_atoms"] + balance["locked_atoms"]
        expected = expected_atoms(balance)
        if balance["known"] and balance["opening_known"] and told != expected:
            ours, venues = atoms_text(expected), atoms_text(told)
            found.append({"what": view.assets[at], "ours": ours, "venues": venues})
    return found
