"""certs-only PKCS#7 (RFC 5652 degenerate SignedData): how EST carries certificates in content format 281."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import serialize_certificates

from device_pki.certificates import PARSE_ERRORS, load_certificate

MAX_BUNDLE_SIZE: Final = 16384
"""Octets of the largest bundle taken."""
MAX_CERTIFICATES: Final = 8
"""Certificates of the largest bundle taken."""

_DATA: Final = x509.ObjectIdentifier("1.2.840.113549.1.7.1")
_SIGNED_DATA: Final = x509.ObjectIdentifier("1.2.840.113549.1.7.2")


class Pkcs7Error(ValueError):
    """A byte string that is no certs-only bundle, or too large a one."""


@asn1.sequence
class _Content:
    content_type: x509.ObjectIdentifier


@asn1.sequence
class _SignedData:
    version: int
    digest_algorithms: asn1.SetOf[asn1.TLV]
    content: _Content
    # a list and no SetOf: other servers leave the set in the order of the chain
    certificates: Annotated[list[asn1.TLV], asn1.Implicit(0)]
    revocation_lists: Annotated[asn1.SetOf[asn1.TLV] | None, asn1.Implicit(1)]
    signers: asn1.SetOf[asn1.TLV]


@asn1.sequence
class _Bundle:
    content_type: x509.ObjectIdentifier
    signed_data: Annotated[_SignedData, asn1.Explicit(0)]


def encode_certs_only(certificates: Sequence[x509.Certificate]) -> bytes:
    """Return the DER of a bundle; DER sorts a SET, so the order is not kept."""
    return serialize_certificates(list(certificates), Encoding.DER)


def decode_certs_only(data: bytes) -> list[x509.Certificate]:
    """Return the certificates of a bundle, in no order that means anything; raise `Pkcs7Error` for anything else."""
    if len(data) > MAX_BUNDLE_SIZE:
        raise Pkcs7Error(f"{len(data)} octets, at most {MAX_BUNDLE_SIZE} are taken")
    try:
        bundle = asn1.decode_der(_Bundle, data)
        signed = bundle.signed_data
        items = [asn1.encode_der(item) for item in signed.certificates]
    except PARSE_ERRORS as error:
        raise Pkcs7Error("not the DER of a PKCS#7 bundle") from error
    if (bundle.content_type, signed.content.content_type) != (_SIGNED_DATA, _DATA) or signed.signers.as_list():
        raise Pkcs7Error("not a certs-only bundle: it holds signatures or other content")
    if not 1 <= len(items) <= MAX_CERTIFICATES:
        raise Pkcs7Error(f"{len(items)} certificates, 1 to {MAX_CERTIFICATES} are taken")
    try:
        return [load_certificate(item) for item in items]
    except ValueError as error:
        raise Pkcs7Error(str(error)) from error
