"""Serial numbers of factory certificates, which OCSP is asked about."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from cryptography import x509

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_BATCH = 1000


def upgrade() -> None:
    """Apply."""
    column = sa.Column("serial_number", sa.String(length=40), nullable=False, server_default="")
    op.add_column("ca_factory_certificates", column)
    _fill(op.get_bind())
    op.create_index(op.f("ix_ca_factory_certificates_serial_number"), "ca_factory_certificates", ["serial_number"])


def _fill(connection: sa.Connection) -> None:
    """Read them from the certificates that were issued before."""
    names = ("thumbprint", "der", "serial_number")
    certificates = sa.table("ca_factory_certificates", *(sa.column(name) for name in names))
    missing = sa.select(certificates.c.thumbprint, certificates.c.der).where(certificates.c.serial_number == "")
    while rows := connection.execute(missing.limit(_BATCH)).all():
        for row in rows:
            serial = f"{x509.load_der_x509_certificate(row.der).serial_number:040x}"
            own = certificates.c.thumbprint == row.thumbprint
            connection.execute(certificates.update().where(own).values(serial_number=serial))
