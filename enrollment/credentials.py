"""Certificates as credentials of EDHOC: how ours is named, and how a peer's is found and judged (RFC 9528 section 3.5).

One certificate, two encodings: where it can be re-encoded exactly it travels as C509, else as X.509. A reference is
enough for who holds the certificate already. One that fits several certificates names none: then the peer is asked
for the certificate itself, because eight bytes of a hash can be made to collide, and a signature cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec

from cose.keys import PrivateKey, public_key_of, thumbprint
from device_pki.c509 import C509Certificate, C509Error, decode_certificate, encode_certificate
from device_pki.certificates import CertificateError, load_certificate
from device_pki.directory import CertificateDirectory, Entry
from device_pki.encodings import Certificate, as_signed, fields, signed_bytes
from device_pki.identity import PeerIdentity, RawKeyIdentity
from device_pki.keys import public_key
from device_pki.path import MAX_PATH_CERTIFICATES
from device_pki.references import UnusableReference
from secure_coap.edhoc import EdhocIdentity, IdCred, ResolvedCredential, UnknownCredential
from secure_coap.edhoc.credentials import c509_credential, ccs, x509_credential
from secure_coap.edhoc.numbers import CredentialHeader

Verify: TypeAlias = Callable[[Sequence[Certificate]], PeerIdentity]
"""The identity that a chain, leaf first, proves; raises PathError."""
PINNED_KID: Final = b"\x00"
"""How a CA names the key that a TransferMessage pins (key 12): the only one of its kind, so the shortest name does."""
_PINNED_SUBJECT: Final = "est"
CERTIFICATE_EXPECTED: Final = 112
"""Bytes of a device's first datagram to a server that shows its certificate: a third of what such an answer takes."""


def certificate_identity(private_key: PrivateKey, chain: Sequence[Certificate], *, by_reference: bool) -> EdhocIdentity:
    """How we show ourselves: the certificate of `private_key` is the first of `chain`, the CAs above it follow."""
    shown = chain[:1] if by_reference else chain
    try:
        encoded = [_sequence(one) for one in shown]
    except C509Error:
        ders = [signed_bytes(one) for one in shown]
        id_cred = IdCred.of_x5t(ders[0]) if by_reference else IdCred.of_x5chain(ders)
        return EdhocIdentity(private_key, x509_credential(ders[0]), id_cred)
    id_cred = IdCred.of_c5t(encoded[0]) if by_reference else IdCred.of_c5c(encoded)
    return EdhocIdentity(private_key, c509_credential(encoded[0]), id_cred)


def pinned_identity(private_key: ec.EllipticCurvePrivateKey) -> EdhocIdentity:
    """A CA's key for static Diffie-Hellman, which devices know from the message that sent them here (method 3)."""
    return EdhocIdentity(private_key, _pinned(private_key.public_key()), IdCred.of_kid(PINNED_KID))


def resolve_pinned(id_cred: IdCred, authority_key: bytes) -> ResolvedCredential:
    """The credential of a pinned key (compressed P-256 point, 33 bytes). Raises `UnknownCredential` for another one."""
    key = public_key_of(authority_key)
    if id_cred.kid != PINNED_KID or not isinstance(key, ec.EllipticCurvePublicKey):
        raise UnknownCredential("not the pinned key")
    return ResolvedCredential(_pinned(key), key, RawKeyIdentity(thumbprint(key), None))


class CertificateResolver:
    """Takes a peer's certificate by value, or finds it in `known`, and has `verify` judge it."""

    def __init__(self, verify: Verify, known: CertificateDirectory) -> None:
        self._verify = verify
        self._known = known

    def resolve(self, id_cred: IdCred, now: datetime) -> ResolvedCredential:
        """Raises `UnknownCredential` for what is not found, and PathError. `verify` has its own clock."""
        credential, chain = self._found(id_cred)
        peer = self._verify(chain)
        return ResolvedCredential(credential, public_key(fields(chain[0])), peer)

    def _found(self, id_cred: IdCred) -> tuple[bytes, list[Certificate]]:
        """CRED_x, and the certificates to verify, leaf first."""
        try:
            if presented := id_cred.presented(CredentialHeader.C5C):
                return c509_credential(presented[0]), [as_signed(decode_certificate(one)) for one in _few(presented)]
            if presented := id_cred.presented(CredentialHeader.X5CHAIN):
                return x509_credential(presented[0]), [load_certificate(one) for one in _few(presented)]
            return self._referenced(id_cred)
        except (C509Error, CertificateError, UnusableReference) as error:
            raise UnknownCredential(f"what names the certificate cannot be used: {error}") from error

    def _referenced(self, id_cred: IdCred) -> tuple[bytes, list[Certificate]]:
        headers = id_cred.headers
        if (reference := headers.get(CredentialHeader.C5T)) is not None:
            entry = _only(self._known.find_c5t(reference))
            return c509_credential(entry.encoded), [entry.certificate]
        if (reference := headers.get(CredentialHeader.X5T)) is not None:
            entry = _only(self._known.find_x5t(reference))
            return x509_credential(entry.encoded), [entry.certificate]
        raise UnknownCredential("neither a certificate nor a reference to one")


def _only(found: Sequence[Entry]) -> Entry:
    if len(found) != 1:
        raise UnknownCredential(f"{len(found)} certificates are known by this reference: send it by value")
    return found[0]


def _sequence(certificate: Certificate) -> bytes:
    return certificate.encoded if isinstance(certificate, C509Certificate) else encode_certificate(certificate)


def _pinned(key: ec.EllipticCurvePublicKey) -> bytes:
    return ccs(_PINNED_SUBJECT, PINNED_KID, key)


def _few(presented: Sequence[bytes]) -> Sequence[bytes]:
    if len(presented) > MAX_PATH_CERTIFICATES:
        raise UnknownCredential(f"more than {MAX_PATH_CERTIFICATES} certificates")
    return presented
