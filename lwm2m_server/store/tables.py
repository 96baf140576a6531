"""The tables of a service provider.

Bodies of signed messages are kept byte for byte. Times are seconds since 1970. Digests, fingerprints and transfer ids
are kept raw, not as text.
"""

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from lwm2m_server.store.metadata import metadata

operator_tokens = Table(
    "operator_tokens",
    metadata,
    Column("sha256", LargeBinary(32), primary_key=True),
    Column("created_at", Integer, nullable=False),
)

groups = Table("device_groups", metadata, Column("name", String(64), primary_key=True))

group_members = Table(
    "group_members",
    metadata,
    Column("endpoint", String(255), primary_key=True),
    Column("group_name", ForeignKey(groups.c.name), nullable=False, index=True),
)
"""Groups of devices that are in no provider's books: those of a plain device-management server."""

devices = Table(
    "devices",
    metadata,
    Column("endpoint", String(64), primary_key=True),
    Column("fingerprint", LargeBinary(32), nullable=False, unique=True),
    Column("certificate", LargeBinary, nullable=False),
    Column("group_name", ForeignKey(groups.c.name), index=True),
    Column("label", String(36), nullable=False),
    Column("ca_uri", Text),
    Column("book", LargeBinary, nullable=False),
    Column("partner_duty", Boolean, nullable=False, index=True),
    Column("ca_duty", Boolean, nullable=False, index=True),
    Column("window_begin", Integer, index=True),
    Column("window_end", Integer, index=True),
    Column("state", Integer),
    Column("result", Integer),
)
"""Every device this provider has to do with, and its book of it. `partner_duty`, `ca_duty`: the book holds such duties;
`window_begin`, `window_end`: of its open offers, the times at which duties towards the device arise by themselves.
`state`, `result`: resources 33001/1 and /2 as last read."""

registrations = Table(
    "registrations",
    metadata,
    Column("serial", Integer, primary_key=True),
    Column("endpoint", String(255), nullable=False),
    Column("handle", String(32), nullable=False),
    Column("owner", String(255), nullable=False),
    Column("credential", LargeBinary(32), nullable=False),
    Column("address", String(64), nullable=False),
    Column("port", Integer, nullable=False),
    Column("transport", String(8), nullable=False),
    Column("lifetime", Integer, nullable=False),
    Column("version", String(8), nullable=False),
    Column("binding", String(8), nullable=False),
    Column("queue_mode", Boolean, nullable=False),
    Column("links", Text, nullable=False),
    Column("registered_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
)
"""A copy of `protocol.registrations.RegistrationTable`, which answers every question; read once, at the start. Of
several rows of one endpoint that with the highest serial number counts."""

credentials = Table(
    "credentials",
    metadata,
    Column("identity", String(128), primary_key=True),
    Column("endpoint", String(255), nullable=False),
    Column("key", LargeBinary(64), nullable=False),
    Column("created_at", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""Pre-shared keys. `server.credentials.Credentials` answers every question; read once, at the start."""

oscore_contexts = Table(
    "oscore_contexts",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("endpoint", String(255), nullable=False),
    Column("master_secret", LargeBinary(64), nullable=False),
    Column("master_salt", LargeBinary(64), nullable=False),
    Column("sender_id", LargeBinary(7), nullable=False),
    Column("recipient_id", LargeBinary(7), nullable=False),
    Column("id_context", LargeBinary(64)),
    Column("algorithm", Integer, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    Column("created_at", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""OSCORE contexts devices were given; `sender_id` is ours, and numbers below `reserved` may have been used.
`server.oscore_contexts.OscoreContexts` answers every question; read once, at the start."""

partners = Table(
    "partners",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("https_fingerprint", LargeBinary(32), nullable=False, unique=True),
    Column("profile", Text, nullable=False),
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

messages = Table(
    "transfer_messages",
    metadata,
    Column("transfer_id", ForeignKey(transfers.c.transfer_id), primary_key=True),
    Column("endpoint", ForeignKey(devices.c.endpoint), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("start", Boolean, nullable=False),
    Index(None, "endpoint", "start"),
)
"""Every TransferMessage made here, as evidence. `start`: the operator wants it begun as soon as its window is open."""

bootstrap_profiles = Table(
    "bootstrap_profiles",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("profile", Text, nullable=False),
)

bootstrap_assignments = Table(
    "bootstrap_assignments",
    metadata,
    Column("subject", String(272), primary_key=True),
    Column("profile", ForeignKey(bootstrap_profiles.c.name), nullable=False),
)
"""Who gets which profile: `device <endpoint>`, `group <name>`, or `*`."""

bootstrap_outcomes = Table(
    "bootstrap_outcomes",
    metadata,
    Column("endpoint", String(255), primary_key=True),
    Column("profile", String(64), nullable=False),
    Column("at", Integer, nullable=False),
    Column("success", Boolean, nullable=False),
    Column("detail", Text, nullable=False),
)
