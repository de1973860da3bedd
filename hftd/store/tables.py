"""The tables of the ledger; knows no fact and opens no database.

Numbers stand twice: as integers (ticks, lots, 1e-8 atoms, ns), which are exact and can be
summed, and as decimal text, so that a person with a SQL prompt understands a row. Every row
carries the run and the journal sequence that it was last made from, so that projecting a
record again changes nothing.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text

METADATA = MetaData(
    naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_name)s"}
)


def _text(name: str, *, key: bool = False, needed: bool = False) -> Column[str]:
    return Column(name, String(64), primary_key=key, nullable=not (key or needed))


def _number(name: str, *, key: bool = False, needed: bool = False) -> Column[int]:
    return Column(
        name, BigInteger, primary_key=key, nullable=not (key or needed), autoincrement=False
    )


def _flag(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False)


# When, by the event's clock: for people and for arithmetic.
def _when(prefix: str = "") -> list[Column[Any]]:
    return [_text(f"{prefix}ts", needed=True), _number(f"{prefix}ts_ns", needed=True)]


def _price(name: str = "price") -> list[Column[Any]]:
    return [_text(name), _number(f"{name}_ticks")]


def _qty(name: str) -> list[Column[Any]]:
    return [_text(name), _number(f"{name}_lots")]


def _quote(*names: str) -> list[Column[Any]]:
    return [
        column for name in names for column in (_text(f"{name}_quote"), _number(f"{name}_atoms"))
    ]


# The record that a row is of, as its key: one record holds several facts.
def _origin() -> list[Column[Any]]:
    return [_text("run", key=True), _number("seq", key=True), _number("part", key=True)]


# The record that a row was last changed by, where something else is its key.
def _latest(run_is_key: bool = False) -> list[Column[Any]]:
    return [_text("run", key=run_is_key, needed=True), _number("seq", needed=True)]


CURSOR = Table(
    "cursor", METADATA, _number("id", key=True), _text("run"), _number("seq", needed=True)
)

RUNS = Table(
    "runs",
    METADATA,
    _text("run", key=True),
    _number("seq", needed=True),
    *_when("started_"),
    _text("ended_ts"),
    _number("ended_ts_ns"),
    Column("end_reason", Text),
    Column("profile", Text),
    _text("mode"),
    _text("version"),
    _text("config_hash"),
    _number("epoch"),
    Column("header", Text, nullable=False),
)

ORDERS = Table(
    "orders",
    METADATA,
    _text("client_order_id", key=True),
    *_latest(),
    *_when("created_"),
    *_when("updated_"),
    _text("instrument", needed=True),
    _text("side", needed=True),
    *_price(),
    *_qty("qty"),
    *_qty("cum_qty"),
    *_qty("leaves_qty"),
    _text("state", needed=True),
    _text("code"),
    _text("time_in_force"),
    _flag("post_only"),
    _flag("reduce_only"),
    _number("venue_order_id"),
    _number("order_key", needed=True),
    _number("decision_seq"),
    Column("strategy", Text),  # One of a user's own is named by its path.
    _text("config_hash"),
    _number("book_update_id"),
    _text("book_ts"),
    Index("ix_orders_created_ts_ns", "created_ts_ns"),
)

ORDER_EVENTS = Table(
    "order_events",
    METADATA,
    *_origin(),
    *_when(),
    _text("client_order_id"),
    _text("instrument"),
    _text("side"),
    _text("event", needed=True),
    _text("state_from"),
    _text("state_to"),
    *_price(),
    *_qty("qty"),
    *_qty("cum_qty"),
    *_qty("leaves_qty"),
    _text("code"),
    _number("venue_code"),
    _text("mid"),
    _number("decision_seq"),
    Index("ix_order_events_client_order_id", "client_order_id"),
)

FILLS = Table(
    "fills",
    METADATA,
    _text("instrument", key=True),
    _number("trade_id", key=True),
    _text("client_order_id", key=True),
    *_latest(),
    _number("part", needed=True),
    *_when(),
    _text("exch_ts"),
    _text("side", needed=True),
    *_price(),
    *_qty("qty"),
    *_quote("notional"),
    _text("fee"),
    _number("fee_atoms"),
    _text("fee_asset"),
    _text("liquidity"),
    _text("mid"),
    _number("venue_order_id"),
    _number("decision_seq"),
    Index("ix_fills_seq", "seq"),
)

POSITIONS = Table(
    "positions",
    METADATA,
    *_latest(run_is_key=True),
    _text("instrument", key=True),
    *_when(),
    _text("position_base"),
    _number("position_lots", needed=True),
    _number("base_fee_atoms"),
    _text("avg_price"),
    *_quote("cost", "realized", "unrealized", "fees", "total"),
    _text("mid"),
)

BALANCES = Table(
    "balances",
    METADATA,
    *_latest(run_is_key=True),
    _text("asset", key=True),
    *_when(),
    _text("free"),
    _number("free_atoms"),
    _text("locked"),
    _number("locked_atoms"),
    _text("expected"),
    _number("expected_atoms"),
)

FLOWS = Table(
    "flows", METADATA, *_origin(), *_when(), _text("asset"), _text("delta"), _number("delta_atoms")
)

DIFFERENCES = Table(
    "differences",
    METADATA,
    *_origin(),
    *_when(),
    _text("instrument"),
    _text("asset"),
    _text("code", needed=True),
    _number("ours"),
    _number("venues"),
    _text("client_order_id"),
)

REFUSALS = Table(
    "refusals",
    METADATA,
    *_origin(),
    *_when(),
    _text("instrument"),
    _text("side"),
    *_price(),
    *_qty("qty"),
    _text("code", needed=True),
    Column("reason", Text, nullable=False),
    _number("value"),
    _number("bound"),
    _number("decision_seq"),
)

STATE_CHANGES = Table(
    "state_changes",
    METADATA,
    *_origin(),
    *_when(),
    _text("subject", needed=True),
    _text("instrument"),
    _text("state_from"),
    _text("state_to"),
    _text("code"),
    Column("reason", Text),
)

COMMANDS = Table(
    "commands",
    METADATA,
    *_origin(),
    *_when(),
    _text("command", needed=True),
    _number("uid"),
    Column("reason", Text),
    _text("outcome"),
    _number("outcome_seq"),
    _text("state"),
)

LATENCY = Table(
    "latency",
    METADATA,
    _text("run", key=True),
    _text("minute", key=True),
    _text("stage", key=True),
    _number("seq", needed=True),
    _number("count", needed=True),
    _number("sum_ns", needed=True),
    _number("p50_ns_worst_second", needed=True),
    _number("p99_ns_worst_second", needed=True),
    _number("max_ns", needed=True),
    _number("target_ns", needed=True),
)

EQUITY = Table(
    "equity",
    METADATA,
    *_origin(),
    *_when(),
    *_quote("equity", "realized", "unrealized", "fees", "total"),
    *_quote("day_loss", "drawdown", "turnover"),
    Index("ix_equity_ts_ns", "ts_ns"),
)
