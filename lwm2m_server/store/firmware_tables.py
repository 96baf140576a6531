"""The tables of firmware: images, and how far the update of each component of each device is.

Devices are named by their endpoint. Times are seconds since 1970. Digests are kept raw.
"""

from sqlalchemy import Boolean, Column, Float, Index, Integer, LargeBinary, String, Table, Text

from lwm2m_server.store.metadata import metadata

images = Table(
    "images",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("kind", String(8), nullable=False),
    Column("name", String(64), nullable=False),
    Column("sha256", LargeBinary(32), nullable=False),
    Column("size", Integer, nullable=False),
    Column("sequence_number", Integer),
    Column("added_at", Integer, nullable=False),
)
"""Images of firmware. `digest` names one: a SUIT envelope by its manifest's, any other by that of its bytes. The bytes
are in a file by `sha256`."""

firmware_updates = Table(
    "firmware_updates",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("endpoint", String(255), nullable=False),
    Column("object", Integer, nullable=False),
    Column("instance", Integer, nullable=False),
    Column("digest", LargeBinary(32), nullable=False, index=True),
    Column("method", String(8), nullable=False),
    Column("install", Boolean, nullable=False),
    Column("severity", Integer),
    Column("deferrable", Integer),
    Column("batch", Integer, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("phase", String(16), nullable=False),
    Column("since", Float, nullable=False),
    Column("size", Integer, nullable=False),
    Column("left_out", Text, nullable=False, server_default="[]"),
    Column("saved", Integer, nullable=False, server_default="0"),
    Column("whole", Boolean, nullable=False, server_default="0"),
    Column("transferred", Integer, nullable=False),
    Column("progress_at", Float, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("way", String(16)),
    Column("result", Integer),
    Column("failure", String(16)),
    Column("detail", Text, nullable=False),
    Column("token", LargeBinary(32)),
    Index("ix_firmware_updates_endpoint_phase", "endpoint", "phase"),
    sqlite_autoincrement=True,
)
"""The update of one component of one device. `left_out`: URIs, a JSON list. `token`: SHA-256 of the token in the URI
the device fetches from."""
