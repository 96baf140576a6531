"""Keys and values the message tests share: SP1, SP2, a device, and one transfer between them."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import NameOID

from cose.keys import KeyKind, PrivateKey, authority_key, generate_private_key
from cose.numbers import Algorithm
from trust_transfer.messages.device_update_info import DeviceEntry, DeviceInfo, DeviceUpdateInfo, SoftwareState
from trust_transfer.messages.numbers import AnchorRole, CertificateKind, Form, KeyOrigin, Result, State
from trust_transfer.messages.receipts import Receipt
from trust_transfer.messages.report import TransferReport
from trust_transfer.messages.template import TransferTemplate
from trust_transfer.messages.transfer_message import Terms, endorsed_message, plain_message
from trust_transfer.messages.values import Anchor, Authorities, Destination, EnrollmentProfile, SuitDigest

SP1_TRANSFER = generate_private_key()
SP1_FIRMWARE = generate_private_key()
SP1_DOCUMENT = generate_private_key()
SP2_TRANSFER = generate_private_key()
SP2_FIRMWARE = generate_private_key(KeyKind.ED25519)
FACTORY = generate_private_key()
ATTACKER = generate_private_key()

NOW = 1_800_000_000
DAY = 86400
ENDPOINT = "urn:dev:ops:acme-sensor-0001"
SEQ = 65537
ENROLL_URI = "coaps://ca2.example/est/abcdefghijklmnopqrstuv"
UPDATE_URI = "coaps://sp2.example:5684"
FALLBACK_URI = "coaps://sp1.example:5684"


def sha(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


TRANSFER_ID = sha("transfer")[:16]
DIGEST = SuitDigest(Algorithm.SHA_256, sha("agreed state"))
DESTINATION = Destination(
    enroll_uri=ENROLL_URI,
    update_uri=UPDATE_URI,
    update_first=False,
    ra_uri=None,
    agreed_state=DIGEST,
    anchors=(Anchor(AnchorRole.ENROLL | AnchorRole.UPDATE, sha("CA2")),),
    profile=EnrollmentProfile(0, 0, 0),
    authorities=Authorities(authority_key(SP2_TRANSFER.public_key()), authority_key(SP2_FIRMWARE.public_key())),
)
TEMPLATE = TransferTemplate(
    issuer="sp2.example",
    audience="sp1.example",
    not_before=NOW,
    not_after=NOW + 30 * DAY,
    issued_at=NOW - DAY,
    transfer_id=TRANSFER_ID,
    destination=DESTINATION,
)
TERMS = Terms(audience=ENDPOINT, seq=SEQ, fallback_uri=FALLBACK_URI)
COMMITTED = TransferReport(
    endpoint=ENDPOINT,
    issued_at=NOW,
    transfer_id=TRANSFER_ID,
    seq=SEQ,
    state=State.COMMITTED,
    result=Result.NONE,
    running=DIGEST,
    anchors=(sha("permanent"), sha("CA2")),
    attempt_key=sha("attempt key"),
    authorities=(sha("transfer authority"), sha("firmware authority")),
)
FELL_BACK = TransferReport(
    endpoint=ENDPOINT,
    issued_at=None,
    transfer_id=TRANSFER_ID,
    seq=SEQ,
    state=State.FELL_BACK,
    result=Result.ENROLLMENT_REFUSED,
    attempt_key=sha("attempt key"),
)
PROGRESS = TransferReport(ENDPOINT, NOW, TRANSFER_ID, SEQ, State.ENROLLING, Result.NONE, running=DIGEST)
REPORTS = (COMMITTED, FELL_BACK, PROGRESS)
DEVICES = DeviceUpdateInfo(
    entries=(
        DeviceEntry(
            CertificateKind.X509,
            b"certificate",
            DeviceInfo(NOW, NOW + DAY, (0,), ENDPOINT, bytes(7), 3, SEQ, KeyOrigin.DEVICE),
        ),
        DeviceEntry(CertificateKind.C509, b"c509", DeviceInfo(NOW, NOW)),
        DeviceEntry(CertificateKind.FINGERPRINT, sha("certificate"), DeviceInfo(NOW, NOW + DAY)),
    ),
    issued_at=NOW,
    software_states=(SoftwareState(DIGEST, "https://sp1.example/fw", 3), SoftwareState(DIGEST)),
    group="sensors",
    chunk=(0, 1),
)


def signed_template(template: TransferTemplate = TEMPLATE, key: PrivateKey = SP2_TRANSFER) -> bytes:
    return template.sign(key)


def message(form: Form, key: PrivateKey = SP1_TRANSFER, template: TransferTemplate = TEMPLATE, **terms: Any) -> bytes:
    chosen = dataclasses.replace(TERMS, **terms)
    if form is Form.PLAIN:
        return plain_message(template, chosen, key)
    return endorsed_message(signed_template(template), chosen, key)


def receipts() -> tuple[Receipt, ...]:
    return (Receipt(sha("certificate"), NOW, COMMITTED.sign(FACTORY)),)


def certificate(key: PrivateKey) -> x509.Certificate:
    """A self-signed certificate: pinned as data, so nothing in it but the key matters."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "documents")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=3650))
    )
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
