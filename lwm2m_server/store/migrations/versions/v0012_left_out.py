"""Payloads that devices have already and are not sent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    for column in (
        sa.Column("left_out", sa.Text(), nullable=False, server_default="[]"),
        sa.Column("saved", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("whole", sa.Boolean(), nullable=False, server_default="0"),
    ):
        op.add_column("firmware_updates", column)
