"""Bags and chains of certificates in CBOR: X.509 (x5bag, x5chain; RFC 9360) and C509 (c5b, c5c; its section 3.4).

One certificate alone is a bare byte string; two or more are an array of byte strings. Each form is required exactly
where it applies, so that a bag has one encoding. A chain has the same form, its order counts.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

from cryptography import x509

from cose.cbor import CborError, decode, encode
from device_pki.c509 import C509Certificate, C509Error, decode_certificate
from device_pki.certificates import MAX_CERTIFICATE_SIZE, CertificateError, load_certificate


class BagReason(enum.Enum):
    """Why a bag was refused."""

    MALFORMED = "malformed"
    EMPTY = "empty"
    TOO_MANY = "too many certificates"
    CERTIFICATE = "not a certificate"


class BagError(ValueError):
    """A byte string that is no bag."""

    def __init__(self, reason: BagReason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason


def encode_x5bag(ders: Sequence[bytes]) -> bytes:
    """Return the x5bag of the given DER certificates, in their order. Raises `BagError` when there are none."""
    return _bag(ders)


def decode_x5bag(data: bytes, max_items: int) -> list[x509.Certificate]:
    """Return the certificates of an x5bag in the order of the bag; raise `BagError` for anything else."""
    return [_certificate(item) for item in _items(data, max_items)]


def encode_c5b(certificates: Sequence[bytes]) -> bytes:
    """Return the c5b (or c5c) of C509 certificates, in their order. Raises `BagError` when there are none."""
    return _bag(certificates)


def decode_c5b(data: bytes, max_items: int) -> list[C509Certificate]:
    """Return the certificates of a c5b (or c5c) in their order; raise `BagError` for anything else."""
    return [_c509_certificate(item) for item in _items(data, max_items)]


def _bag(certificates: Sequence[bytes]) -> bytes:
    if not certificates:
        raise BagError(BagReason.EMPTY, "a bag holds at least one certificate")
    return encode(certificates[0] if len(certificates) == 1 else list(certificates))


def _items(data: bytes, max_items: int) -> list[bytes]:
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
    if len(value) > max_items:
        raise BagError(BagReason.TOO_MANY, f"{len(value)} certificates, at most {max_items} are taken; split the bag")
    if not all(isinstance(item, bytes) for item in value):
        raise BagError(BagReason.CERTIFICATE, "an item is no byte string")
    return list(value)


def _c509_certificate(item: bytes) -> C509Certificate:
    try:
        return decode_certificate(item)
    except C509Error as error:
        raise BagError(BagReason.CERTIFICATE, str(error)) from error


def _certificate(item: bytes) -> x509.Certificate:
    try:
        return load_certificate(item)
    except CertificateError as error:
        raise BagError(BagReason.CERTIFICATE, str(error)) from error
