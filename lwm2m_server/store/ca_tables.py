"""The tables of the CA role. Times are seconds since 1970; serial numbers 40 hex digits (SQLite ends at 63 bit)."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
)

from lwm2m_server.store.metadata import metadata

labels = Table(
    "ca_labels",
    metadata,
    Column("label", String(22), primary_key=True),
    Column("provider", String(64), nullable=False),
    Column("uuid", String(36), nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("max_devices", Integer),
    Column("max_keys", Integer, nullable=False, server_default="16"),
    Column("not_after", Integer),
    Column("server_keys", Boolean, nullable=False, server_default="0"),
    Column("device_rate", Integer, nullable=False, server_default="60"),
    Column("label_rate", Integer, nullable=False, server_default="0"),
    UniqueConstraint("provider", "uuid"),
)

entries = Table(
    "ca_entries",
    metadata,
    Column("label", ForeignKey(labels.c.label), primary_key=True),
    Column("fingerprint", LargeBinary(32), primary_key=True),
    Column("endpoint", String(64), nullable=False),
    Column("certificate", LargeBinary, nullable=False),
    Column("open", Boolean, nullable=False),
    Column("changed_at", Integer, nullable=False),
    Index(None, "fingerprint"),
    Index(None, "endpoint"),
)

keys = Table(
    "ca_keys",
    metadata,
    Column("label", String(22), primary_key=True),
    Column("fingerprint", LargeBinary(32), primary_key=True),
    Column("thumbprint", LargeBinary(32), primary_key=True),
    Column("certificate", LargeBinary(32)),
    Column("not_after", Integer),
    Column("released", Boolean, nullable=False),
    ForeignKeyConstraint(["label", "fingerprint"], [entries.c.label, entries.c.fingerprint]),
)
"""Keys of a device under a label. `certificate`: fingerprint of the one that answers repeated requests."""

certificates = Table(
    "ca_certificates",
    metadata,
    Column("fingerprint", LargeBinary(32), primary_key=True),
    Column("serial_number", String(40), nullable=False, unique=True),
    Column("label", String(22), nullable=False),
    Column("device", LargeBinary(32), nullable=False),
    Column("thumbprint", LargeBinary(32), nullable=False),
    Column("der", LargeBinary, nullable=False),
    Column("issued_at", Integer, nullable=False),
    Column("not_after", Integer, nullable=False),
    ForeignKeyConstraint(["label", "device"], [entries.c.label, entries.c.fingerprint]),
    Index(None, "label", "device"),
    Index(None, "device"),
    Index(None, "issued_at", "fingerprint"),
)

revocations = Table(
    "ca_revocations",
    metadata,
    Column("mark", Integer, primary_key=True, autoincrement=True),
    Column("serial_number", String(40), nullable=False, unique=True),
    Column("revoked_at", Integer, nullable=False),
    Column("not_after", Integer, nullable=False),
    sqlite_autoincrement=True,
)

lists = Table(
    "ca_revocation_lists",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("mark", Integer, nullable=False),
    Column("der", LargeBinary, nullable=False),
    Column("this_update", Integer, nullable=False),
    Column("next_update", Integer, nullable=False),
)
"""Only the newest list is kept."""

factory_certificates = Table(
    "ca_factory_certificates",
    metadata,
    Column("thumbprint", LargeBinary(32), primary_key=True),
    Column("endpoint", String(64), nullable=False, unique=True),
    Column("der", LargeBinary, nullable=False),
    Column("issued_at", Integer, nullable=False),
    Column("serial_number", String(40), nullable=False, server_default=""),
    Index(None, "serial_number"),
)
"""What a permanent CA issued at the factory, by the device's key."""
