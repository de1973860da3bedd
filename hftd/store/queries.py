"""What is asked of the ledger, in the shapes that are shown; writes nothing.

Shapes of Fill, OrderEvent, OrderJourney and of histories are those of ``hftd/control/shapes.py``.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, func, select

from hftd.store.tables import EQUITY, FILLS, LATENCY, ORDER_EVENTS, ORDERS

Answer = dict[str, Any]
MINUTE_NS = 60_000_000_000
MAX_NS = (1 << 63) - 1


def newest_fills(connection: Connection, limit: int) -> list[Answer]:
    """Return the newest fills, the very newest last."""
    newest = select(FILLS).order_by(FILLS.c.seq.desc(), FILLS.c.part.desc()).limit(limit)
    return [_fill(row) for row in reversed(_rows(connection, newest))]


def orders_history(connection: Connection, limit: int) -> list[Answer]:
    """Return the newest orders with their latest state, the very newest last."""
    newest = select(ORDERS).order_by(ORDERS.c.created_ts_ns.desc(), ORDERS.c.order_key.desc())
    same = ("client_order_id", "instrument", "side", "price", "qty", "cum_qty", "state")
    return [
        {"ts": row["created_ts"], **{name: row[name] for name in same}}
        for row in _rows(connection, newest.limit(limit))[::-1]
    ]


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


def pnl_history(connection: Connection, limit: int) -> list[Answer]:
    """Return the account at the end of each of the newest minutes, the very newest last.

    The ends are looked up one by one, for a ledger of months has a row for each of its seconds.
    """
    ends_ns: list[int] = []
    newest = select(func.max(EQUITY.c.ts_ns))
    while len(ends_ns) < limit:
        begin_ns = ends_ns[-1] // MINUTE_NS * MINUTE_NS if ends_ns else MAX_NS
        end_ns = connection.scalar(newest.where(EQUITY.c.ts_ns < begin_ns))
        if end_ns is None:
            break
        ends_ns.append(end_ns)
    names = ("equity", "realized", "unrealized", "fees", "total", "drawdown")
    order = (EQUITY.c.ts_ns, EQUITY.c.seq, EQUITY.c.part)
    found = _rows(connection, select(EQUITY).where(EQUITY.c.ts_ns.in_(ends_ns)).order_by(*order))
    return [
        {"ts": row["ts"], **{f"{name}_quote": row[f"{name}_quote"] for name in names}}
        for row in {row["ts_ns"]: row for row in found}.values()  # A new day tells it twice.
    ]


def latency_history(connection: Connection, limit: int) -> list[Answer]:
    """Return the newest minutes of all stages, the very newest last."""
    newest = select(LATENCY).order_by(LATENCY.c.seq.desc(), LATENCY.c.stage).limit(limit)
    return [
        {
            "minute": row["minute"],
            "stage": row["stage"],
            "count": row["count"],
            "mean_us": row["sum_ns"] / row["count"] / 1000,
            "worst_second_p50_us": row["p50_ns_worst_second"] / 1000,
            "worst_second_p99_us": row["p99_ns_worst_second"] / 1000,
            "max_us": row["max_ns"] / 1000,
        }
        for row in _rows(connection, newest)[::-1]
    ]


HISTORIES = {"orders": orders_history, "pnl": pnl_history, "latency": latency_history}


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
