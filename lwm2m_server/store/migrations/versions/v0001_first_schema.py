"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "ca_factory_certificates",
        sa.Column("thumbprint", sa.LargeBinary(length=32), nullable=False),
        sa.Column("endpoint", sa.String(length=64), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("issued_at", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("thumbprint", name=op.f("pk_ca_factory_certificates")),
        sa.UniqueConstraint("endpoint", name=op.f("uq_ca_factory_certificates_endpoint")),
    )
    op.create_table(
        "ca_labels",
        sa.Column("label", sa.String(length=22), nullable=False),
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("label", name=op.f("pk_ca_labels")),
        sa.UniqueConstraint("provider", "uuid", name=op.f("uq_ca_labels_provider_uuid")),
    )
    op.create_table(
        "ca_revocation_lists",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("mark", sa.Integer(), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("this_update", sa.Integer(), nullable=False),
        sa.Column("next_update", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_ca_revocation_lists")),
    )
    op.create_table(
        "ca_revocations",
        sa.Column("mark", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("serial_number", sa.String(length=40), nullable=False),
        sa.Column("revoked_at", sa.Integer(), nullable=False),
        sa.Column("not_after", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("mark", name=op.f("pk_ca_revocations")),
        sa.UniqueConstraint("serial_number", name=op.f("uq_ca_revocations_serial_number")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "device_groups",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_device_groups")),
    )
    op.create_table(
        "firmware",
        sa.Column("digest", sa.LargeBinary(length=64), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("sequence_number", sa.Integer(), nullable=False),
        sa.Column("added_at", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_firmware")),
    )
    op.create_table(
        "operator_tokens",
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_operator_tokens")),
    )
    op.create_table(
        "partners",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("https_fingerprint", sa.LargeBinary(length=32), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_partners")),
        sa.UniqueConstraint("https_fingerprint", name=op.f("uq_partners_https_fingerprint")),
    )
    op.create_table(
        "registrations",
        sa.Column("endpoint", sa.String(length=64), nullable=False),
        sa.Column("handle", sa.LargeBinary(length=16), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("lifetime", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(length=8), nullable=False),
        sa.Column("binding", sa.String(length=8), nullable=False),
        sa.Column("links", sa.Text(), nullable=False),
        sa.Column("registered_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("endpoint", name=op.f("pk_registrations")),
        sa.UniqueConstraint("handle", name=op.f("uq_registrations_handle")),
    )
    op.create_table(
        "ca_entries",
        sa.Column("label", sa.String(length=22), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(length=32), nullable=False),
        sa.Column("endpoint", sa.String(length=64), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("changed_at", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["label"], ["ca_labels.label"], name=op.f("fk_ca_entries_label_ca_labels")),
        sa.PrimaryKeyConstraint("label", "fingerprint", name=op.f("pk_ca_entries")),
    )
    op.create_table(
        "devices",
        sa.Column("endpoint", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(length=32), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("group_name", sa.String(length=64), nullable=True),
        sa.Column("label", sa.String(length=36), nullable=False),
        sa.Column("ca_uri", sa.Text(), nullable=True),
        sa.Column("book", sa.LargeBinary(), nullable=False),
        sa.Column("partner_duty", sa.Boolean(), nullable=False),
        sa.Column("ca_duty", sa.Boolean(), nullable=False),
        sa.Column("window_begin", sa.Integer(), nullable=True),
        sa.Column("window_end", sa.Integer(), nullable=True),
        sa.Column("state", sa.Integer(), nullable=True),
        sa.Column("result", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["group_name"], ["device_groups.name"], name=op.f("fk_devices_group_name_device_groups")
        ),
        sa.PrimaryKeyConstraint("endpoint", name=op.f("pk_devices")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_devices_fingerprint")),
    )
    with op.batch_alter_table("devices", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_devices_ca_duty"), ["ca_duty"], unique=False)
        batch_op.create_index(batch_op.f("ix_devices_group_name"), ["group_name"], unique=False)
        batch_op.create_index(batch_op.f("ix_devices_partner_duty"), ["partner_duty"], unique=False)
        batch_op.create_index(batch_op.f("ix_devices_window_begin"), ["window_begin"], unique=False)
        batch_op.create_index(batch_op.f("ix_devices_window_end"), ["window_end"], unique=False)

    op.create_table(
        "transfers",
        sa.Column("transfer_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("outgoing", sa.Boolean(), nullable=False),
        sa.Column("partner", sa.String(length=64), nullable=False),
        sa.Column("group_name", sa.String(length=64), nullable=True),
        sa.Column("form", sa.Integer(), nullable=True),
        sa.Column("agreed_state", sa.LargeBinary(), nullable=True),
        sa.Column("update_first", sa.LargeBinary(), nullable=True),
        sa.Column("label", sa.String(length=36), nullable=True),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["partner"], ["partners.name"], name=op.f("fk_transfers_partner_partners")),
        sa.PrimaryKeyConstraint("transfer_id", name=op.f("pk_transfers")),
    )
    op.create_table(
        "ca_certificates",
        sa.Column("fingerprint", sa.LargeBinary(length=32), nullable=False),
        sa.Column("serial_number", sa.String(length=40), nullable=False),
        sa.Column("label", sa.String(length=22), nullable=False),
        sa.Column("device", sa.LargeBinary(length=32), nullable=False),
        sa.Column("thumbprint", sa.LargeBinary(length=32), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("issued_at", sa.Integer(), nullable=False),
        sa.Column("not_after", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["label", "device"],
            ["ca_entries.label", "ca_entries.fingerprint"],
            name=op.f("fk_ca_certificates_label_device_ca_entries"),
        ),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_ca_certificates")),
        sa.UniqueConstraint("serial_number", name=op.f("uq_ca_certificates_serial_number")),
    )
    with op.batch_alter_table("ca_certificates", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ca_certificates_label_device"), ["label", "device"], unique=False)

    op.create_table(
        "ca_keys",
        sa.Column("label", sa.String(length=22), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(length=32), nullable=False),
        sa.Column("thumbprint", sa.LargeBinary(length=32), nullable=False),
        sa.Column("certificate", sa.LargeBinary(length=32), nullable=True),
        sa.Column("not_after", sa.Integer(), nullable=True),
        sa.Column("released", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["label", "fingerprint"],
            ["ca_entries.label", "ca_entries.fingerprint"],
            name=op.f("fk_ca_keys_label_fingerprint_ca_entries"),
        ),
        sa.PrimaryKeyConstraint("label", "fingerprint", "thumbprint", name=op.f("pk_ca_keys")),
    )
    op.create_table(
        "documents",
        sa.Column("transfer_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("outgoing", sa.Boolean(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("jws", sa.Text(), nullable=True),
        sa.Column("stored_at", sa.Integer(), nullable=False),
        sa.Column("acknowledged_at", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["transfer_id"], ["transfers.transfer_id"], name=op.f("fk_documents_transfer_id_transfers")
        ),
        sa.PrimaryKeyConstraint("transfer_id", "kind", "number", name=op.f("pk_documents")),
    )
    op.create_table(
        "firmware_pushes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("endpoint", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=64), nullable=False),
        sa.Column("install", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("result", sa.Integer(), nullable=True),
        sa.Column("changed_at", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["firmware.digest"], name=op.f("fk_firmware_pushes_digest_firmware")),
        sa.ForeignKeyConstraint(["endpoint"], ["devices.endpoint"], name=op.f("fk_firmware_pushes_endpoint_devices")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_firmware_pushes")),
    )
    with op.batch_alter_table("firmware_pushes", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_firmware_pushes_endpoint_state"), ["endpoint", "state"], unique=False)

    op.create_table(
        "transfer_messages",
        sa.Column("transfer_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("endpoint", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("start", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["endpoint"], ["devices.endpoint"], name=op.f("fk_transfer_messages_endpoint_devices")),
        sa.ForeignKeyConstraint(
            ["transfer_id"], ["transfers.transfer_id"], name=op.f("fk_transfer_messages_transfer_id_transfers")
        ),
        sa.PrimaryKeyConstraint("transfer_id", "endpoint", "seq", name=op.f("pk_transfer_messages")),
    )
    with op.batch_alter_table("transfer_messages", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_transfer_messages_endpoint_start"), ["endpoint", "start"], unique=False)
