"""Alembic's entry point: runs on the connection, and in the transaction, that `upgrade` was given."""

from alembic import context

from lwm2m_server.store import ca_tables, device_tables, firmware_tables, queue_tables, suit_tables, tables
from lwm2m_server.store.metadata import metadata

assert ca_tables and device_tables and firmware_tables and queue_tables
assert suit_tables and tables, "so that metadata knows every table"

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
