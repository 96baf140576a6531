"""The tables of SUIT: who signed a manifest, and what devices reported about it. Digests are kept raw."""

from sqlalchemy import Column, Integer, LargeBinary, String, Table

from lwm2m_server.store.metadata import metadata

manifests = Table(
    "manifests",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("signer", LargeBinary(32), nullable=False),
    Column("signer_role", String(16), nullable=False),
    Column("texts", LargeBinary),
)
"""`signer`: thumbprint of the key that was verified. `texts`: severed texts for people, which devices are not sent."""

suit_reports = Table(
    "suit_reports",
    metadata,
    Column("update_id", Integer, primary_key=True, autoincrement=False),
    Column("endpoint", String(255), nullable=False, index=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("reason", Integer),
    Column("code", Integer),
    Column("received_at", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
"""What a device has signed about an update, byte for byte. `reason` and `code` are the report's, NULL after success."""

agreement_keys = Table(
    "agreement_keys",
    metadata,
    Column("holder_kind", String(8), primary_key=True),
    Column("holder", String(255), primary_key=True),
    Column("kid", LargeBinary(8), primary_key=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("added_at", Integer, nullable=False),
)
"""Public keys of ECDH that payloads are encrypted for (SPKI). A holder, a device or a group, has several while it
changes from one to the next."""

report_keys = Table(
    "report_keys",
    metadata,
    Column("endpoint", String(255), primary_key=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("added_at", Integer, nullable=False),
)
"""Public keys (SPKI) of devices whose session proves none: what they sign reports with."""
