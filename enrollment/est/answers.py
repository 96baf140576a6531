"""Answers of EST in the content format a client asked for (RFC 9148 4.3, table 3)."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509

from device_pki.fingerprints import der
from enrollment.est.service import ServerMadeKey
from enrollment.multipart import Part, encode_multipart
from enrollment.pkcs7 import encode_certs_only
from secure_coap.numbers import ContentFormat


def authorities(chain: Sequence[x509.Certificate], accept: int | None) -> Part:
    """Return the CA's certificates; as a bare certificate (287) that of the issuing CA alone."""
    if accept == ContentFormat.PKIX_CERT:
        return ContentFormat.PKIX_CERT, der(chain[0])
    return ContentFormat.PKCS7_CERTS_ONLY, encode_certs_only(chain)


def certificate(issued: bytes, accept: int | None) -> Part:
    """Return an issued certificate, bare or in a bundle."""
    if accept == ContentFormat.PKIX_CERT:
        return ContentFormat.PKIX_CERT, issued
    return ContentFormat.PKCS7_CERTS_ONLY, encode_certs_only([x509.load_der_x509_certificate(issued)])


def server_made_key(made: ServerMadeKey, *, bare: bool) -> bytes:
    """Return the private key and its certificate as multipart-core (RFC 9148 4.8)."""
    key = ContentFormat.PKCS7_SERVER_KEYGEN if made.enveloped else ContentFormat.PKCS8
    asked = ContentFormat.PKIX_CERT if bare else ContentFormat.PKCS7_CERTS_ONLY
    return encode_multipart([(key, made.private_key), certificate(made.certificate, asked)])
