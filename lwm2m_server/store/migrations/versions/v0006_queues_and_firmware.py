"""Queues of devices; images of any kind, in files beside the database; updates of components instead of pushes."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import sqlalchemy as sa
from alembic import op

from cose.files import write_durably

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

LIFETIME = 365 * 86_400.0
_PHASE = {"pending": "pending", "installing": "installing", "installed": "installed", "kept": "kept"}


def upgrade() -> None:
    """Apply. The envelopes become files named by the digest of their bytes."""
    connection = op.get_bind()
    envelopes = connection.execute(sa.text("SELECT * FROM firmware")).mappings().all()
    pushes = connection.execute(sa.text("SELECT * FROM firmware_pushes ORDER BY id")).mappings().all()
    op.drop_table("firmware_pushes")
    op.drop_table("firmware")
    _create_queue_entries()
    images, updates = _create_images(), _create_updates()
    if envelopes:
        folder = _folder(connection)
        for row in envelopes:
            write_durably(folder / sha256(row["envelope"]).hexdigest(), row["envelope"], 0o600)
        op.bulk_insert(images, [_image(row) for row in envelopes])
    sizes = {row["digest"]: len(row["envelope"]) for row in envelopes}
    if pushes:
        op.bulk_insert(updates, [_update(row, sizes[row["digest"]]) for row in pushes])


def _folder(connection: sa.Connection) -> Path:
    """`firmware` beside the database's file."""
    name = connection.execute(sa.text("PRAGMA database_list")).mappings().first()
    assert name is not None and name["file"], "a database in a file"
    folder = Path(name["file"]).parent / "firmware"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _image(row: sa.RowMapping) -> dict[str, object]:
    return {
        "digest": row["digest"],
        "kind": "suit",
        "name": "",
        "sha256": sha256(row["envelope"]).digest(),
        "size": len(row["envelope"]),
        "sequence_number": row["sequence_number"],
        "added_at": row["added_at"],
    }


def _update(row: sa.RowMapping, size: int) -> dict[str, object]:
    failed = row["state"] == "failed"
    return {
        "id": row["id"],
        "endpoint": row["endpoint"],
        "object": 5,
        "instance": 0,
        "digest": row["digest"],
        "method": "push",
        "install": row["install"],
        "batch": row["id"],
        "expires_at": row["changed_at"] + LIFETIME,
        "phase": _PHASE.get(row["state"], "failed"),
        "since": row["changed_at"],
        "size": size,
        "transferred": 0,
        "progress_at": row["changed_at"],
        "attempt": 0,
        "way": "PUSH",
        "result": row["result"],
        "failure": "result" if failed else None,
        "detail": "",
    }


def _create_queue_entries() -> None:
    op.create_table(
        "queue_entries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("endpoint", sa.String(length=255), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queue_entries")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_queue_entries_endpoint_id", "queue_entries", ["endpoint", "id"])
    op.create_index("ix_queue_entries_ended_at_expires_at", "queue_entries", ["ended_at", "expires_at"])


def _create_images() -> sa.Table:
    return op.create_table(
        "images",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sequence_number", sa.Integer(), nullable=True),
        sa.Column("added_at", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_images")),
    )


def _create_updates() -> sa.Table:
    table = op.create_table(
        "firmware_updates",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("endpoint", sa.String(length=255), nullable=False),
        sa.Column("object", sa.Integer(), nullable=False),
        sa.Column("instance", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("method", sa.String(length=8), nullable=False),
        sa.Column("install", sa.Boolean(), nullable=False),
        sa.Column("severity", sa.Integer(), nullable=True),
        sa.Column("deferrable", sa.Integer(), nullable=True),
        sa.Column("batch", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("phase", sa.String(length=16), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("transferred", sa.Integer(), nullable=False),
        sa.Column("progress_at", sa.Float(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("way", sa.String(length=16), nullable=True),
        sa.Column("result", sa.Integer(), nullable=True),
        sa.Column("failure", sa.String(length=16), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("token", sa.LargeBinary(length=32), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_firmware_updates")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_firmware_updates_digest", "firmware_updates", ["digest"])
    op.create_index("ix_firmware_updates_endpoint_phase", "firmware_updates", ["endpoint", "phase"])
    return table
