"""OSCORE contexts of devices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "oscore_contexts",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("endpoint", sa.String(length=255), nullable=False),
        sa.Column("master_secret", sa.LargeBinary(length=64), nullable=False),
        sa.Column("master_salt", sa.LargeBinary(length=64), nullable=False),
        sa.Column("sender_id", sa.LargeBinary(length=7), nullable=False),
        sa.Column("recipient_id", sa.LargeBinary(length=7), nullable=False),
        sa.Column("id_context", sa.LargeBinary(length=64), nullable=True),
        sa.Column("algorithm", sa.Integer(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_oscore_contexts")),
        sqlite_with_rowid=False,
    )
