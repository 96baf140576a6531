"""The table of what waits for devices. Devices are named by their endpoint; times are seconds since 1970."""

from sqlalchemy import Column, Float, Index, Integer, LargeBinary, String, Table, Text

from lwm2m_server.store.metadata import metadata

queue_entries = Table(
    "queue_entries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("endpoint", String(255), nullable=False),
    Column("operation", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("ended_at", Float),
    Column("code", Integer),
    Column("detail", Text),
    Column("answer", LargeBinary),
    Index("ix_queue_entries_endpoint_id", "endpoint", "id"),
    Index("ix_queue_entries_ended_at_expires_at", "ended_at", "expires_at"),
    sqlite_autoincrement=True,
)
"""Operations for devices. `code`, `detail`, `answer`: what the device said, once it has."""
