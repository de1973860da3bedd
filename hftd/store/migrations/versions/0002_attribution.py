"""Orders name strategy, configuration and book; differences name the order.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("orders", schema=None) as batch_op:
        batch_op.add_column(sa.Column("strategy", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("config_hash", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("book_update_id", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("book_ts", sa.String(length=64), nullable=True))
    with op.batch_alter_table("differences", schema=None) as batch_op:
        batch_op.add_column(sa.Column("client_order_id", sa.String(length=64), nullable=True))
