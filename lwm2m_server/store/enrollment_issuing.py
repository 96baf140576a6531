"""What every enrollment asks of the register and writes to it, as calls for `Grouped` (protocol.md rule 11)."""

from __future__ import annotations

import sqlite3
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Final

from cryptography import x509

from device_pki.fingerprints import der, fingerprint
from enrollment.register import DeviceEntry, EnrollmentRefused, IssuedCertificate, LabelPolicy, RefusalReason

_POLICY: Final = ", ".join(f"ca_labels.{field.name}" for field in fields(LabelPolicy))
_ENTRY: Final = (
    f"SELECT ca_entries.endpoint, ca_entries.certificate, ca_entries.open, {_POLICY} FROM ca_entries "  # noqa: S608
    "JOIN ca_labels ON ca_labels.label = ca_entries.label "
    "WHERE ca_entries.label = ? AND ca_entries.fingerprint = ?"
)
_KEY: Final = (
    "SELECT ca_keys.released, ca_keys.not_after, ca_certificates.der FROM ca_keys "
    "LEFT JOIN ca_certificates ON ca_certificates.fingerprint = ca_keys.certificate "
    "WHERE ca_keys.label = ? AND ca_keys.fingerprint = ? AND ca_keys.thumbprint = ?"
)
_LIVE: Final = "SELECT count(*) FROM ca_keys WHERE label = ? AND fingerprint = ? AND not_after >= ?"
_CERTIFICATE: Final = (
    "INSERT INTO ca_certificates (fingerprint, serial_number, label, device, thumbprint, der, issued_at, not_after) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_KEEP_KEY: Final = (
    "INSERT INTO ca_keys (label, fingerprint, thumbprint, certificate, not_after, released) VALUES (?, ?, ?, ?, ?, 0) "
    "ON CONFLICT (label, fingerprint, thumbprint) DO UPDATE SET "
    "certificate = excluded.certificate, not_after = excluded.not_after"
)
_ISSUED: Final = (
    "SELECT c.fingerprint, c.serial_number, c.label, c.device, c.thumbprint, c.der, c.not_after, r.revoked_at "
    "FROM ca_certificates c LEFT JOIN ca_revocations r ON r.serial_number = c.serial_number WHERE c.fingerprint = ?"
)
_OPEN_LABELS: Final = (
    "SELECT ca_labels.label FROM ca_labels JOIN ca_entries ON ca_entries.label = ca_labels.label "
    "WHERE ca_entries.fingerprint = ? AND ca_entries.open ORDER BY ca_labels.created_at DESC, ca_labels.label"
)


def find_entry(connection: sqlite3.Connection, label: str, device: bytes) -> DeviceEntry:
    """Return a device's entry with its label's policy; raise `EnrollmentRefused`."""
    row = connection.execute(_ENTRY, (label, device)).fetchone()
    if row is None:
        raise EnrollmentRefused(RefusalReason.UNKNOWN)
    endpoint, certificate, is_open, *policy = row
    return DeviceEntry(label, device, endpoint, certificate, bool(is_open), _policy(policy))


def open_labels(connection: sqlite3.Connection, device: bytes) -> list[str]:
    """Return the labels in which a device has an open entry, the newest first."""
    return [label for (label,) in connection.execute(_OPEN_LABELS, (device,))]


def certificate_for(connection: sqlite3.Connection, entry: DeviceEntry, key: bytes, now: datetime) -> bytes | None:
    """The rules of the register, in one place: an open entry and label, a key not released, few enough live keys."""
    current = find_entry(connection, entry.label, entry.fingerprint)
    if not current.open:
        raise EnrollmentRefused(RefusalReason.CLOSED)
    if current.policy.not_after is not None and now >= current.policy.not_after:
        raise EnrollmentRefused(RefusalReason.EXPIRED)
    own = (entry.label, entry.fingerprint)
    seconds = int(now.timestamp())
    released, not_after, known = connection.execute(_KEY, (*own, key)).fetchone() or (False, None, None)
    if released:
        raise EnrollmentRefused(RefusalReason.RELEASED)
    if not_after is not None and not_after >= seconds:
        return bytes(known or b"")
    (live,) = connection.execute(_LIVE, (*own, seconds)).fetchone()
    if live >= current.policy.max_keys:
        raise EnrollmentRefused(RefusalReason.TOO_MANY_KEYS)
    return None


def record(
    connection: sqlite3.Connection, entry: DeviceEntry, key: bytes, *, certificate: x509.Certificate, now: datetime
) -> bytes:
    """Store a certificate and make it the answer for its key; return the one that counts."""
    known = certificate_for(connection, entry, key, now)
    if known is not None:
        return known
    encoded, name = der(certificate), fingerprint(certificate)
    issued_at, not_after = int(now.timestamp()), int(certificate.not_valid_after_utc.timestamp())
    own, serial = (entry.label, entry.fingerprint, key), f"{certificate.serial_number:040x}"
    connection.execute(_CERTIFICATE, (name, serial, *own, encoded, issued_at, not_after))
    connection.execute(_KEEP_KEY, (*own, name, not_after))
    return encoded


def find_issued(connection: sqlite3.Connection, certificate: bytes) -> IssuedCertificate:
    """Return an operational certificate of this CA; raise `EnrollmentRefused`."""
    row = connection.execute(_ISSUED, (certificate,)).fetchone()
    if row is None:
        raise EnrollmentRefused(RefusalReason.UNKNOWN)
    name, serial, label, device, key, encoded, not_after, revoked_at = row
    return IssuedCertificate(
        fingerprint=name,
        serial_number=int(serial, 16),
        label=label,
        device=device,
        key_thumbprint=key,
        certificate=encoded,
        not_after=_time(not_after),
        revoked_at=None if revoked_at is None else _time(revoked_at),
    )


def _policy(columns: list[Any]) -> LabelPolicy:
    max_devices, max_keys, not_after, server_keys, device_rate, label_rate = columns
    end = None if not_after is None else _time(not_after)
    return LabelPolicy(max_devices, max_keys, end, bool(server_keys), device_rate, label_rate)


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
