"""Observations, the newest values devices have reported, and the content formats they answer to."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "observations",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("endpoint", sa.String(length=255), nullable=False),
        sa.Column("paths", sa.Text(), nullable=False),
        sa.Column("composite", sa.Boolean(), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("token", sa.LargeBinary(length=8), nullable=True),
        sa.Column("content_format", sa.Integer(), nullable=True),
        sa.Column("began_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_observations")),
        sa.UniqueConstraint("endpoint", "paths", "composite", name=op.f("uq_observations_endpoint_paths_composite")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "latest_values",
        sa.Column("endpoint", sa.String(length=255), nullable=False),
        sa.Column("path", sa.String(length=24), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("endpoint", "path", name=op.f("pk_latest_values")),
    )
    op.create_table(
        "device_formats",
        sa.Column("endpoint", sa.String(length=255), nullable=False),
        sa.Column("known", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("endpoint", name=op.f("pk_device_formats")),
    )
