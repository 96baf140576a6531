"""Keys that payloads are encrypted for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "agreement_keys",
        sa.Column("holder_kind", sa.String(length=8), nullable=False),
        sa.Column("holder", sa.String(length=255), nullable=False),
        sa.Column("kid", sa.LargeBinary(length=8), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("added_at", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("holder_kind", "holder", "kid", name=op.f("pk_agreement_keys")),
    )
