"""What is asked of the ledger, in the shapes that are shown; writes nothing.

Shapes of Fill, OrderEvent and OrderJourney are those of ``hftd/control/shapes.py``.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, select

from hftd.store.tables import EQUITY, FILLS, LATENCY, ORDER_EVENTS, ORDERS

Answer = dict[str, Any]


def newest_fills(connection: Connection, limit: int) -> list[Answer]:
    """Return the newest fills, the very newest last."""
    newest = select(FILLS).order_by(FILLS.c.seq.desc(), FILLS.c.part.desc()).limit(limit)
    return [_fill(row) for row in reversed(_rows(connection, newest))]


def newest_orders(connection: Connection, limit: int) -> list[Answer]:
    """Return the newest orders with their latest state, the very newest last."""
    newest = select(ORDERS).order_by(ORDERS.c.created_ts_ns.desc(), ORDERS.c.order_key.desc())
    return _rows(connection, newest.limit(limit))[::-1]


def order_journey(connection: Connection, client_order_id: str) -> Answer | None:
    """Return an order with all that happened to it, None where the ledger does not know it.

    The latency of an event is the time since the order's first, which is its submission.
    """
    orders = _rows(connection, select(ORDERS).where(ORDERS.c.client_order_id == client_order_id))
    if not orders:
        return None
    order = orders[0]
    events = _rows(
        connection,
        select(ORDER_EVENTS)
        .where(ORDER_EVENTS.c.client_order_id == client_order_id)
        .order_by(ORDER_EVENTS.c.seq, ORDER_EVENTS.c.part),
    )
    fills = _rows(
        connection,
        select(FILLS)
        .where(FILLS.c.client_order_id == client_order_id)
        .order_by(FILLS.c.seq, FILLS.c.part),
    )
    first_ns = events[0]["ts_ns"] if events else order["created_ts_ns"]
    return {
        "client_order_id": client_order_id,
        "venue_order_id": _id_text(order["venue_order_id"]),
        "instrument": order["instrument"],
        "side": order["side"],
        "price": order["price"],
        "qty": order["qty"],
        "cum_qty": order["cum_qty"],
        "state": order["state"],
        "decision_seq": order["decision_seq"],
        "events": [_event(row, first_ns) for row in events],
        "fills": [_fill(row) for row in fills],
    }


def pnl_history(connection: Connection, since_ns: int, limit: int) -> list[Answer]:
    """Return the newest equity rows since a time, the very newest last."""
    newest = select(EQUITY).where(EQUITY.c.ts_ns >= since_ns).order_by(EQUITY.c.ts_ns.desc())
    return _rows(connection, newest.limit(limit))[::-1]


def latency_history(connection: Connection, stage: str, limit: int) -> list[Answer]:
    """Return the newest minutes of one stage, the very newest last."""
    newest = select(LATENCY).where(LATENCY.c.stage == stage).order_by(LATENCY.c.seq.desc())
    return _rows(connection, newest.limit(limit))[::-1]


def _rows(connection: Connection, query: Select[Any]) -> list[Answer]:
    return [dict(row._mapping) for row in connection.execute(query)]


def _id_text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _fill(row: Answer) -> Answer:
    same = ("ts", "instrument", "client_order_id", "side", "price", "qty", "fee", "fee_asset")
    return {
        "exec_id": str(row["trade_id"]),
        **{name: row[name] for name in same},
        "liquidity": row["liquidity"],
    }


def _event(row: Answer, first_ns: int) -> Answer:
    detail = [text for text in (row["code"], _venue_text(row["venue_code"])) if text]
    return {
        "ts": row["ts"],
        "seq": row["seq"],
        "event": row["event"].lower(),
        "state": row["state_to"],
        "price": row["price"],
        "qty": row["qty"],
        "cum_qty": row["cum_qty"],
        "latency_us": (row["ts_ns"] - first_ns) / 1000,
        "detail": ", ".join(detail) or None,
    }


def _venue_text(venue_code: int | None) -> str:
    return "" if venue_code is None else f"venue code {venue_code}"
