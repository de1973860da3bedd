"""The first ledger.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "balances",
        sa.Column("run", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("asset", sa.String(length=64), nullable=False),
        sa.Column("ts", sa.String(length=64), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("free", sa.String(length=64), nullable=True),
        sa.Column("free_atoms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("locked", sa.String(length=64), nullable=True),
        sa.Column("locked_atoms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("expected", sa.String(length=64), nullable=True),
        sa.Column("expected_atoms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("run", "asset", name=op.f("pk_balances")),
    )
    op.create_table(
        "commands",
        sa.Column("run", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("part", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ts", sa.String(length=64), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("command", sa.String(length=64), nullable=False),
        sa.Column("uid", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("outcome", sa.String(length=64), nullable=True),
        sa.Column("outcome_seq", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("state", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("run", "seq", "part", name=op.f("pk_commands")),
    )
    op.create_table(
        "cursor",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("run", sa.String(length=64), nullable=True),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cursor")),
    )
    op.create_table(
        "differences",
        sa.Column("run", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("part", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ts", sa.String(length=64), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("instrument", sa.String(length=64), nullable=True),
        sa.Column("asset", sa.String(length=64), nullable=True),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("ours", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("venues", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("run", "seq", "part", name=op.f("pk_differences")),
    )
    op.create_table(
        "equity",
        sa.Column("run", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("part", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ts", sa.String(length=64), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("equity_quote", sa.String(length=64), nullable=True),
        sa.Column("equity_atoms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("realized_quote", sa.String(length=64), nullable=True),
        sa.Column("realized_atoms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("unrealized_quote", sa.String(length=64), nullable=True),
        sa.Column("unrealized_atoms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("fees_quote", sa.String(length=64), nullable=True),
        sa.Column("fees_atoms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("total_quote", sa.String(length=64), nullable=True),
        sa.Column("total_atoms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("day_loss_quote", sa.String(length=64), nullable=True),
        sa.Column("day_loss_atoms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("drawdown_quote", sa.String(length=64), nullable=True),
        sa.Column("drawdown_atoms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("turnover_quote", sa.String(length=64), nullable=True),
        sa.Column("turnover_atoms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("run", "seq", "part", name=op.f("pk_equity")),
    )
    with op.batch_alter_table("equity", schema=None) as batch_op:
        batch_op.create_index("ix_equity_ts_ns", ["ts_ns"], unique=False)

    op.create_table(
        "fills",
        sa.Column("instrument", sa.String(length=64), nullable=False),
        sa.Column("trade_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("client_order_id", sa.String(length=64), nullable=False),
        sa.Column("run", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("part", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ts", sa.String(length=64), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("exch_ts", sa.String(length=64), nullable=True),
        sa.Column("side", sa.String(length=64), nullable=False),
        sa.Column("price", sa.String(length=64), nullable=True),
        sa.Column("price_ticks", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("qty", sa.String(length=64), nullable=True),
        sa.Column("qty_lots", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("notional_quote", sa.String(length=64), nullable=True),
        sa.Column("notional_atoms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("fee", sa.String(length=64), nullable=True),
        sa.Column("fee_atoms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("fee_asset", sa.String(length=64), nullable=True),
        sa.Column("liquidity", sa.String(length=64), nullable=True),
        sa.Column("mid", sa.String(length=64), nullable=True),
        sa.Column("venue_order_id", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("decision_seq", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("instrument", "trade_id", "client_order_id", name=op.f("pk_fills")),
    )
    with op.batch_alter_table("fills", schema=None) as batch_op:
        batch_op.create_index("ix_fills_seq", ["seq"], unique=False)

    op.create_table(
        "flows",
        sa.Column("run", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("part", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ts", sa.String(length=64), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("asset", sa.String(length=64), nullable=True),
        sa.Column("delta", sa.String(length=64), nullable=True),
        sa.Column("delta_atoms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("run", "seq", "part", name=op.f("pk_flows")),
    )
    op.create_table(
        "latency",
        sa.Column("run", sa.String(length=64), nullable=False),
        sa.Column("minute", sa.String(length=64), nullable=False),
        sa.Column("stage", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("count", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sum_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("p50_ns_worst_second", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("p99_ns_worst_second", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("max_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("target_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("run", "minute", "stage", name=op.f("pk_latency")),
    )
    op.create_table(
        "order_events",
        sa.Column("run", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("part", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ts", sa.String(length=64), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("client_order_id", sa.String(length=64), nullable=True),
        sa.Column("instrument", sa.String(length=64), nullable=True),
        sa.Column("side", sa.String(length=64), nullable=True),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("state_from", sa.String(length=64), nullable=True),
        sa.Column("state_to", sa.String(length=64), nullable=True),
        sa.Column("price", sa.String(length=64), nullable=True),
        sa.Column("price_ticks", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("qty", sa.String(length=64), nullable=True),
        sa.Column("qty_lots", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("cum_qty", sa.String(length=64), nullable=True),
        sa.Column("cum_qty_lots", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("leaves_qty", sa.String(length=64), nullable=True),
        sa.Column("leaves_qty_lots", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("code", sa.String(length=64), nullable=True),
        sa.Column("venue_code", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("mid", sa.String(length=64), nullable=True),
        sa.Column("decision_seq", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("run", "seq", "part", name=op.f("pk_order_events")),
    )
    with op.batch_alter_table("order_events", schema=None) as batch_op:
        batch_op.create_index("ix_order_events_client_order_id", ["client_order_id"], unique=False)

    op.create_table(
        "orders",
        sa.Column("client_order_id", sa.String(length=64), nullable=False),
        sa.Column("run", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("created_ts", sa.String(length=64), nullable=False),
        sa.Column("created_ts_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("updated_ts", sa.String(length=64), nullable=False),
        sa.Column("updated_ts_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("instrument", sa.String(length=64), nullable=False),
        sa.Column("side", sa.String(length=64), nullable=False),
        sa.Column("price", sa.String(length=64), nullable=True),
        sa.Column("price_ticks", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("qty", sa.String(length=64), nullable=True),
        sa.Column("qty_lots", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("cum_qty", sa.String(length=64), nullable=True),
        sa.Column("cum_qty_lots", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("leaves_qty", sa.String(length=64), nullable=True),
        sa.Column("leaves_qty_lots", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=True),
        sa.Column("time_in_force", sa.String(length=64), nullable=True),
        sa.Column("post_only", sa.Integer(), nullable=False),
        sa.Column("reduce_only", sa.Integer(), nullable=False),
        sa.Column("venue_order_id", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("order_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("decision_seq", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("client_order_id", name=op.f("pk_orders")),
    )
    with op.batch_alter_table("orders", schema=None) as batch_op:
        batch_op.create_index("ix_orders_created_ts_ns", ["created_ts_ns"], unique=False)

    op.create_table(
        "positions",
        sa.Column("run", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("instrument", sa.String(length=64), nullable=False),
        sa.Column("ts", sa.String(length=64), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position_base", sa.String(length=64), nullable=True),
        sa.Column("position_lots", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("base_fee_atoms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("avg_price", sa.String(length=64), nullable=True),
        sa.Column("cost_quote", sa.String(length=64), nullable=True),
        sa.Column("cost_atoms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("realized_quote", sa.String(length=64), nullable=True),
        sa.Column("realized_atoms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("unrealized_quote", sa.String(length=64), nullable=True),
        sa.Column("unrealized_atoms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("fees_quote", sa.String(length=64), nullable=True),
        sa.Column("fees_atoms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("total_quote", sa.String(length=64), nullable=True),
        sa.Column("total_atoms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("mid", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("run", "instrument", name=op.f("pk_positions")),
    )
    op.create_table(
        "refusals",
        sa.Column("run", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("part", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ts", sa.String(length=64), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("instrument", sa.String(length=64), nullable=True),
        sa.Column("side", sa.String(length=64), nullable=True),
        sa.Column("price", sa.String(length=64), nullable=True),
        sa.Column("price_ticks", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("qty", sa.String(length=64), nullable=True),
        sa.Column("qty_lots", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("bound", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("decision_seq", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("run", "seq", "part", name=op.f("pk_refusals")),
    )
    op.create_table(
        "runs",
        sa.Column("run", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("started_ts", sa.String(length=64), nullable=False),
        sa.Column("started_ts_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ended_ts", sa.String(length=64), nullable=True),
        sa.Column("ended_ts_ns", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.Column("profile", sa.Text(), nullable=True),
        sa.Column("mode", sa.String(length=64), nullable=True),
        sa.Column("version", sa.String(length=64), nullable=True),
        sa.Column("config_hash", sa.String(length=64), nullable=True),
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("header", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run", name=op.f("pk_runs")),
    )
    op.create_table(
        "state_changes",
        sa.Column("run", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("part", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ts", sa.String(length=64), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("instrument", sa.String(length=64), nullable=True),
        sa.Column("state_from", sa.String(length=64), nullable=True),
        sa.Column("state_to", sa.String(length=64), nullable=True),
        sa.Column("code", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("run", "seq", "part", name=op.f("pk_state_changes")),
    )


def downgrade() -> None:
    op.drop_table("state_changes")
    op.drop_table("runs")
    op.drop_table("refusals")
    op.drop_table("positions")
    with op.batch_alter_table("orders", schema=None) as batch_op:
        batch_op.drop_index("ix_orders_created_ts_ns")

    op.drop_table("orders")
    with op.batch_alter_table("order_events", schema=None) as batch_op:
        batch_op.drop_index("ix_order_events_client_order_id")

    op.drop_table("order_events")
    op.drop_table("latency")
    op.drop_table("flows")
    with op.batch_alter_table("fills", schema=None) as batch_op:
        batch_op.drop_index("ix_fills_seq")

    op.drop_table("fills")
    with op.batch_alter_table("equity", schema=None) as batch_op:
        batch_op.drop_index("ix_equity_ts_ns")

    op.drop_table("equity")
    op.drop_table("differences")
    op.drop_table("cursor")
    op.drop_table("commands")
    op.drop_table("balances")
