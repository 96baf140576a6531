"""The tables of a service provider.

Bodies of signed messages are kept byte for byte. Times are seconds since 1970. Digests, fingerprints and transfer ids
are kept raw, not as text.
"""

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, true

from lwm2m_server.store.metadata import metadata

operator_tokens = Table(
    "operator_tokens",
    metadata,
    Column("sha256", LargeBinary(32), primary_key=True),
    Column("created_at", Integer, nullable=False),
)

groups = Table("device_groups", metadata, Column("name", String(64), primary_key=True))

devices = Table(
    "devices",
    metadata,
    Column("endpoint", String(64), primary_key=True),
    Column("fingerprint", LargeBinary(32), nullable=False, unique=True),
    Column("certificate", LargeBinary, nullable=False),
    Column("group_name", ForeignKey(groups.c.name), index=True),
    Column("label", String(36), nullable=False),
    Column("ca_uri", Text),
    Column("owned", Boolean, nullable=False, server_default=true()),
    Column("sequence", Integer),
    Column("reenroll_after", Integer),
)
"""Devices of this provider's own: added by its operator, or received and owned. `sequence`: 33001/6 as last read.
`reenroll_after`: the device fell back then; its factory certificate is let in until a newer certificate was."""

registrations = Table(
    "registrations",
    metadata,
    Column("endpoint", String(64), primary_key=True),
    Column("handle", LargeBinary(16), nullable=False, unique=True),
    Column("identity", String(16), nullable=False),
    Column("certificate", LargeBinary, nullable=False),
    Column("lifetime", Integer, nullable=False),
    Column("version", String(8), nullable=False),
    Column("binding", String(8), nullable=False),
    Column("links", Text, nullable=False),
    Column("registered_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
)

partners = Table(
    "partners",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("https_fingerprint", LargeBinary(32), nullable=False, unique=True),
    Column("profile", Text, nullable=False),
)

firmware = Table(
    "firmware",
    metadata,
    Column("digest", LargeBinary(64), primary_key=True),
    Column("envelope", LargeBinary, nullable=False),
    Column("sequence_number", Integer, nullable=False),
    Column("added_at", Integer, nullable=False),
)

pushes = Table(
    "firmware_pushes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("endpoint", ForeignKey(devices.c.endpoint), nullable=False),
    Column("digest", ForeignKey(firmware.c.digest), nullable=False),
    Column("install", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("result", Integer),
    Column("changed_at", Integer, nullable=False),
    Index(None, "endpoint", "state"),
)

transfers = Table(
    "transfers",
    metadata,
    Column("transfer_id", LargeBinary(16), primary_key=True),
    Column("outgoing", Boolean, nullable=False),
    Column("partner", ForeignKey(partners.c.name), nullable=False),
    Column("group_name", String(64)),
    Column("form", Integer),
    Column("agreed_state", LargeBinary),
    Column("update_first", LargeBinary),
    Column("label", String(36)),
    Column("created_at", Integer, nullable=False),
)

documents = Table(
    "documents",
    metadata,
    Column("transfer_id", ForeignKey(transfers.c.transfer_id), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("outgoing", Boolean, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("jws", Text),
    Column("stored_at", Integer, nullable=False),
    Column("acknowledged_at", Integer),
)
"""Everything that goes between providers. An outgoing row without `acknowledged_at` is a duty to send."""

books = Table(
    "books",
    metadata,
    Column("transfer_id", ForeignKey(transfers.c.transfer_id), primary_key=True),
    Column("endpoint", String(64), primary_key=True),
    Column("fingerprint", LargeBinary(32), nullable=False, index=True),
    Column("record", LargeBinary, nullable=False),
    Column("settled", Boolean, nullable=False),
    Column("batch", Integer),
    Index(None, "endpoint", "settled"),
)
"""A provider's book of one device in one transfer. `batch`: the receipts or releases document that carries it."""
