"""Groups of any device, bootstrap profiles, who gets which, and how the last bootstrap of each device ended."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "group_members",
        sa.Column("endpoint", sa.String(length=255), nullable=False),
        sa.Column("group_name", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_name"], ["device_groups.name"], name=op.f("fk_group_members_group_name_device_groups")
        ),
        sa.PrimaryKeyConstraint("endpoint", name=op.f("pk_group_members")),
    )
    op.create_index(op.f("ix_group_members_group_name"), "group_members", ["group_name"])
    op.create_table(
        "bootstrap_outcomes",
        sa.Column("endpoint", sa.String(length=255), nullable=False),
        sa.Column("profile", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Integer(), nullable=False),
        sa.Column("success", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("endpoint", name=op.f("pk_bootstrap_outcomes")),
    )
    op.create_table(
        "bootstrap_profiles",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_bootstrap_profiles")),
    )
    op.create_table(
        "bootstrap_assignments",
        sa.Column("subject", sa.String(length=272), nullable=False),
        sa.Column("profile", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["profile"], ["bootstrap_profiles.name"], name=op.f("fk_bootstrap_assignments_profile_bootstrap_profiles")
        ),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_bootstrap_assignments")),
    )
