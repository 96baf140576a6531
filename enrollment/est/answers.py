"""Answers of EST in the content format a client asked for (RFC 9148 4.3; EST over OSCORE, draft -11, 4.3)."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509

from cose.cbor import encode
from device_pki.bag import encode_c5b
from device_pki.c509 import C509Error, encode_certificate, encode_private_key
from device_pki.fingerprints import der
from device_pki.references import c5t
from enrollment.est.service import ServerMadeKey
from enrollment.multipart import Part, encode_multipart
from enrollment.pkcs7 import encode_certs_only
from secure_coap.errors import NotAcceptable
from secure_coap.numbers import C509Formats, ContentFormat


def authorities(chain: Sequence[x509.Certificate], accept: int | None, c509: C509Formats) -> Part:
    """Return the CA's certificates; as a bare certificate (287) that of the issuing CA alone."""
    if accept == ContentFormat.PKIX_CERT:
        return ContentFormat.PKIX_CERT, der(chain[0])
    if accept in {c509.certificate, c509.chain}:
        return int(accept or 0), encode_c5b([_c509(one) for one in chain])
    return ContentFormat.PKCS7_CERTS_ONLY, encode_certs_only(chain)


def certificate(issued: bytes, asked: int | None, c509: C509Formats) -> Part:
    """Return an issued certificate: bare, in a bundle, as C509, as a reference to its C509, or as the last two.

    Raises `NotAcceptable` for one that cannot be written as C509.
    """
    if asked == ContentFormat.PKIX_CERT:
        return ContentFormat.PKIX_CERT, issued
    loaded = x509.load_der_x509_certificate(issued)
    if asked not in {c509.certificate, c509.reference, ContentFormat.MULTIPART}:
        return ContentFormat.PKCS7_CERTS_ONLY, encode_certs_only([loaded])
    encoded = _c509(loaded)
    parts = {c509.reference: encode(c5t(encoded)), c509.certificate: encode_c5b([encoded])}
    if asked == ContentFormat.MULTIPART:
        return ContentFormat.MULTIPART, encode_multipart(list(parts.items()))
    return int(asked or 0), parts[int(asked or 0)]


def server_made_key(made: ServerMadeKey, asked: int, c509: C509Formats) -> bytes:
    """Return the private key and its certificate, in the format `asked`, as multipart-core (RFC 9148 4.8)."""
    key: Part
    if asked == c509.certificate:
        key = c509.private_key, encode_private_key(made.key)
    elif made.envelope is not None:
        key = ContentFormat.PKCS7_SERVER_KEYGEN, made.envelope
    else:
        key = ContentFormat.PKCS8, made.pkcs8
    return encode_multipart([key, certificate(made.certificate, asked, c509)])


def _c509(loaded: x509.Certificate) -> bytes:
    try:
        return encode_certificate(loaded)
    except C509Error as error:
        raise NotAcceptable("this certificate has no C509 form: ask for 287") from error
