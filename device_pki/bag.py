"""x5bag: an unordered bag of X.509 certificates in CBOR (RFC 9360, COSE_X509).

One certificate alone is a bare byte string; two or more are an array of byte strings. Each form is required exactly
where it applies, so that a bag has one encoding.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

from cryptography import x509

from cose.cbor import CborError, decode, encode
from device_pki.certificates import MAX_CERTIFICATE_SIZE, CertificateError, load_certificate


class BagReason(enum.Enum):
    """Why a bag was refused."""

    MALFORMED = "malformed"
    EMPTY = "empty"
    TOO_MANY = "too many certificates"
    CERTIFICATE = "not a certificate"


class BagError(ValueError):
    """A byte string that is no x5bag."""

    def __init__(self, reason: BagReason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason


def encode_x5bag(ders: Sequence[bytes]) -> bytes:
    """Return the x5bag of the given DER certificates, in their order. Raises `BagError` when there are none."""
    if not ders:
        raise BagError(BagReason.EMPTY, "a bag holds at least one certificate")
    return encode(ders[0] if len(ders) == 1 else list(ders))


def decode_x5bag(data: bytes, max_items: int) -> list[x509.Certificate]:
    """Return the certificates of an x5bag in the order of the bag; raise `BagError` for anything else."""
    items = _items(data, max_items)
    if len(items) > max_items:
        raise BagError(BagReason.TOO_MANY, f"{len(items)} certificates, at most {max_items} are taken; split the bag")
    return [_certificate(item) for item in items]


def _items(data: bytes, max_items: int) -> list[object]:
    try:
        value = decode(data, max_size=max_items * (MAX_CERTIFICATE_SIZE + 3) + 9, max_depth=2)
    except CborError as error:
        raise BagError(BagReason.MALFORMED, str(error)) from error
    if isinstance(value, bytes):
        return [value]
    if not isinstance(value, list):
        raise BagError(BagReason.MALFORMED, "neither a byte string nor an array of byte strings")
    if len(value) == 1:
        raise BagError(BagReason.MALFORMED, "one certificate alone is a bare byte string (RFC 9360)")
    if not value:
        raise BagError(BagReason.EMPTY, "a bag holds at least one certificate")
    return list(value)


def _certificate(item: object) -> x509.Certificate:
    if not isinstance(item, bytes):
        raise BagError(BagReason.CERTIFICATE, "an item is no byte string")
    try:
        return load_certificate(item)
    except CertificateError as error:
        raise BagError(BagReason.CERTIFICATE, str(error)) from error
