"""Who signed a manifest, and what devices reported about it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. Who signed the manifests that are there already is not known; they keep their digest."""
    op.create_table(
        "manifests",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("signer", sa.LargeBinary(length=32), nullable=False),
        sa.Column("signer_role", sa.String(length=16), nullable=False),
        sa.Column("texts", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_manifests")),
    )
    op.create_table(
        "suit_reports",
        sa.Column("update_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("endpoint", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("reason", sa.Integer(), nullable=True),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("received_at", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("update_id", name=op.f("pk_suit_reports")),
    )
    op.create_index("ix_suit_reports_endpoint", "suit_reports", ["endpoint"])
