"""What each label of a CA allows, and indexes to find devices and certificates by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    for column in (
        sa.Column("max_devices", sa.Integer(), nullable=True),
        sa.Column("max_keys", sa.Integer(), nullable=False, server_default="16"),
        sa.Column("not_after", sa.Integer(), nullable=True),
        sa.Column("server_keys", sa.Boolean(), nullable=False, server_default="0"),
        sa.Column("device_rate", sa.Integer(), nullable=False, server_default="60"),
        sa.Column("label_rate", sa.Integer(), nullable=False, server_default="0"),
    ):
        op.add_column("ca_labels", column)
    op.create_index(op.f("ix_ca_entries_fingerprint"), "ca_entries", ["fingerprint"])
    op.create_index(op.f("ix_ca_entries_endpoint"), "ca_entries", ["endpoint"])
    op.create_index(op.f("ix_ca_certificates_device"), "ca_certificates", ["device"])
    op.create_index(op.f("ix_ca_certificates_issued_at_fingerprint"), "ca_certificates", ["issued_at", "fingerprint"])
