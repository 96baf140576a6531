"""Tables of what is known of devices beyond their registration: observations, latest values, content formats.

Times are seconds since 1970.
"""

from sqlalchemy import Boolean, Column, Float, Integer, LargeBinary, String, Table, Text, UniqueConstraint

from lwm2m_server.store.metadata import metadata

observations = Table(
    "observations",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("endpoint", String(255), nullable=False),
    Column("paths", Text, nullable=False),
    Column("composite", Boolean, nullable=False),
    Column("attributes", Text, nullable=False),
    Column("token", LargeBinary(8)),
    Column("content_format", Integer),
    Column("began_at", Float),
    UniqueConstraint("endpoint", "paths", "composite"),
    sqlite_autoincrement=True,
)
"""`paths`: separated by blanks. `attributes`: as a query string. `token`, `content_format`, `began_at`: of the Observe
the device answered last; none while it has not yet."""

latest_values = Table(
    "latest_values",
    metadata,
    Column("endpoint", String(255), primary_key=True),
    Column("path", String(24), primary_key=True),
    Column("value", LargeBinary, nullable=False),
    Column("at", Float, nullable=False),
)
"""The newest value a device has sent or notified of each resource; `value` in CBOR."""

device_formats = Table(
    "device_formats",
    metadata,
    Column("endpoint", String(255), primary_key=True),
    Column("known", Text, nullable=False),
)
"""Which content formats a device answers to, as `FormatChoice` writes it."""
