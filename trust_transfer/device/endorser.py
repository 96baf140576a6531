"""Whom a device believes when a message says that the next provider agreed (registry.md "endorser")."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography import x509

from cose.keys import UnusableKey, authority_key
from device_pki.certificates import MAX_CERTIFICATE_SIZE, CertificateError, load_certificate
from device_pki.keys import KeyKindError, public_key
from device_pki.path import PathError, verify_path
from device_pki.roles import Role
from trust_transfer.device.context import Context
from trust_transfer.device.record import Endorser
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.numbers import Result


def read_endorser(certificate: bytes, context: Context) -> Endorser:
    """The endorser a certificate (DER) names, if the permanent anchor itself issued it for transfer signing.

    An anchor a provider added counts for nothing here (security rule 7). Without a trusted clock the certificate only
    must not have ended by the time floor. MessageError: malformed, too large, endorsement invalid.
    """
    if len(certificate) > MAX_CERTIFICATE_SIZE:
        raise MessageError(Result.TOO_LARGE, f"a certificate has at most {MAX_CERTIFICATE_SIZE} bytes")
    try:
        leaf = load_certificate(certificate)
        permanent = load_certificate(context.facts.permanent_anchor)
    except CertificateError as error:
        raise MessageError(Result.MALFORMED, str(error)) from error
    try:
        verify_path(leaf, (), anchors=[permanent], role=Role.TRANSFER_SIGNER, now=_moment(leaf, context))
        key = authority_key(public_key(leaf))
    except (PathError, KeyKindError, UnusableKey) as error:
        raise MessageError(Result.ENDORSEMENT_INVALID, f"endorser certificate: {error}") from error
    return Endorser(key, int(leaf.not_valid_after_utc.timestamp()))


def _moment(leaf: x509.Certificate, context: Context) -> datetime:
    time = datetime.fromtimestamp(context.time, UTC)
    return time if context.facts.clock_trusted else max(time, leaf.not_valid_before_utc)
