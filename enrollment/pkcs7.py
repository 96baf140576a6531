"""certs-only PKCS#7 (RFC 5652 degenerate SignedData): how EST carries certificates in content format 281."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import load_der_pkcs7_certificates, serialize_certificates

from device_pki.certificates import PARSE_ERRORS, load_certificate
from device_pki.fingerprints import der

MAX_BUNDLE_SIZE: Final = 16384
"""Octets of the largest bundle taken."""
MAX_CERTIFICATES: Final = 8
"""Certificates of the largest bundle taken."""


class Pkcs7Error(ValueError):
    """A byte string that is no certs-only bundle, or too large a one."""


def encode_certs_only(certificates: Sequence[x509.Certificate]) -> bytes:
    """Return the DER of a bundle; DER sorts a SET, so the order is not kept."""
    return serialize_certificates(list(certificates), Encoding.DER)


def decode_certs_only(data: bytes) -> list[x509.Certificate]:
    """Return the certificates of a bundle, in no order that means anything; raise `Pkcs7Error` for anything else."""
    if len(data) > MAX_BUNDLE_SIZE:
        raise Pkcs7Error(f"{len(data)} octets, at most {MAX_BUNDLE_SIZE} are taken")
    try:
        certificates = [load_certificate(der(item)) for item in load_der_pkcs7_certificates(data)]
    except PARSE_ERRORS as error:
        raise Pkcs7Error("not a certs-only PKCS#7 bundle") from error
    if not 1 <= len(certificates) <= MAX_CERTIFICATES:
        raise Pkcs7Error(f"{len(certificates)} certificates, 1 to {MAX_CERTIFICATES} are taken")
    return certificates
