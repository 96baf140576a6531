"""Registrations of devices with any identity or none, each change a new row.

Those that are there stay good: their handles and the certificates they belong to are carried over.
"""

from hashlib import sha256

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    connection = op.get_bind()
    columns = "endpoint, handle, certificate, lifetime, version, binding, links, registered_at, updated_at"
    known = connection.execute(sa.text(f"SELECT {columns} FROM registrations")).mappings().all()  # noqa: S608
    op.drop_table("registrations")
    table = op.create_table(
        "registrations",
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("endpoint", sa.String(length=255), nullable=False),
        sa.Column("handle", sa.String(length=32), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("credential", sa.LargeBinary(length=32), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("transport", sa.String(length=8), nullable=False),
        sa.Column("lifetime", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(length=8), nullable=False),
        sa.Column("binding", sa.String(length=8), nullable=False),
        sa.Column("queue_mode", sa.Boolean(), nullable=False),
        sa.Column("links", sa.Text(), nullable=False),
        sa.Column("registered_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_registrations")),
    )
    if known:
        op.bulk_insert(table, [_carried_over(dict(row)) for row in known])


def _carried_over(row: dict[str, object]) -> dict[str, object]:
    handle, certificate, binding = row["handle"], row.pop("certificate"), str(row["binding"])
    assert isinstance(handle, bytes) and isinstance(certificate, bytes)
    return row | {
        "handle": handle.hex(),
        "owner": row["endpoint"],
        "credential": sha256(certificate).digest(),
        "address": "",
        "port": 0,
        "transport": "dtls",
        "binding": binding.replace("Q", "") or "U",
        "queue_mode": "Q" in binding,
    }
