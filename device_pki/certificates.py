"""Loading certificates, with one typed error for everything that is none."""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

MAX_CERTIFICATE_SIZE: Final = 4096
"""Octets of the largest certificate taken from outside."""

PARSE_ERRORS: Final = (
    ValueError,
    TypeError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    UnsupportedAlgorithm,
)
"""What the X.509 parser raises on bad input; not all of it is a ValueError."""


class CertificateError(ValueError):
    """Bytes that are not the DER of an X.509 certificate, or too many of them."""


def load_certificate(data: bytes, max_size: int = MAX_CERTIFICATE_SIZE) -> x509.Certificate:
    """Return the certificate in the DER `data`, its names and validity readable; raise `CertificateError`."""
    if len(data) > max_size:
        raise CertificateError(f"{len(data)} octets, at most {max_size} are taken")
    try:
        certificate = x509.load_der_x509_certificate(data)
        # these are parsed only when read
        _ = certificate.subject, certificate.issuer, certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except PARSE_ERRORS as error:
        raise CertificateError("not the DER of an X.509 certificate") from error
    return certificate
