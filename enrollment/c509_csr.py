"""C509 certification requests of devices (draft-ietf-cose-cbor-encoded-cert-20, 4), as narrow as their PKCS#10 ones.

Possession of the key is tied to the session in one of two ways (draft-ietf-ace-coap-est-oscore-11):

- by a MAC under the secret of the new key and the ephemeral key of the EDHOC responder, which has the session's half of
  the agreement and no other (RFC 6955 6): 34 bytes, and nothing else is needed;
- by a signature, with a challengePassword that begins the session's channel binding: 80 bytes.

A subject with nothing in it asks for the name the session is authenticated with.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding

from cose.keys import PrivateKey, thumbprint
from device_pki.c509 import C509Csr, C509Error, C509Reason, decode_csr, request_by_mac, request_natively
from device_pki.names import device_subject
from enrollment.csr import (
    MAX_CSR_SIZE,
    CheckedCsr,
    CsrError,
    CsrReason,
    attributes_of,
    check_endpoint,
    name_of,
    only_challenge,
)

BINDING_SIZE: Final = 8
"""Octets of the channel binding that a challengePassword carries: finding another session with the same takes 2^64
handshakes with the server."""
_MAC_SIZE: Final = 32
_NO_NAME: Final = x509.Name([])


@dataclass(frozen=True, slots=True)
class Possession:
    """What a session offers to tie the possession of a key to it."""

    channel_binding: bytes
    responder_key: ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey | None = None
    """The ephemeral key of the EDHOC responder: its private half at the server, its public half at the device."""

    @classmethod
    def of(cls, association: object) -> Possession:
        """What an association offers; one without EDHOC on P-256 has no responder's key."""
        key = getattr(association, "responder_key", None)
        usable = isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey)
        return cls(getattr(association, "channel_binding", b""), key if usable else None)


def build_c509_csr(key: PrivateKey, possession: Possession, endpoint: str | None = None) -> bytes:
    """Return the shortest request that the session allows; without `endpoint` for the session's own name."""
    subject = _NO_NAME if endpoint is None else device_subject(endpoint)
    recipient = possession.responder_key
    if isinstance(recipient, ec.EllipticCurvePublicKey) and isinstance(key, ec.EllipticCurvePrivateKey):
        secret = key.exchange(ec.ECDH(), recipient)
        return request_by_mac(key, subject, lambda data: _mac(secret, data)).encoded
    password = _challenge(possession.channel_binding)
    return request_natively(key, subject, challenge_password=password).encoded


def check_c509_csr(data: bytes, *, endpoint: str, possession: Possession) -> CheckedCsr:
    """Return what the CBOR `data` asks for; raise `CsrError` unless it is for `endpoint` and made in this session."""
    csr = parse_c509(data)
    attributes = attributes_of(csr.view)
    only_challenge(attributes)
    if list(csr.subject):
        check_endpoint(name_of(csr.view), endpoint)
    try:
        key = csr.public_key
    except C509Error as error:
        raise CsrError(CsrReason.KEY_KIND, str(error)) from error
    mac = csr.possession_mac
    if mac is None:
        _check_signature(csr, possession)
    else:
        _check_mac(csr, mac, possession)
    pkcs10 = None if csr.native else csr.view.public_bytes(Encoding.DER)
    return CheckedCsr(endpoint, key, thumbprint(key), pkcs10)


def check_factory_c509_csr(data: bytes) -> CheckedCsr:
    """Return what a request made at the factory, outside any session, asks for; raise `CsrError` otherwise."""
    csr = parse_c509(data)
    if attributes_of(csr.view):
        raise CsrError(CsrReason.ATTRIBUTE, "a factory request holds no attributes")
    name = name_of(csr.view)
    try:
        key = csr.public_key
        csr.verify_possession()
    except C509Error as error:
        reason = CsrReason.KEY_KIND if error.reason is C509Reason.KEY else CsrReason.SIGNATURE
        raise CsrError(reason, str(error)) from error
    pkcs10 = None if csr.native else csr.view.public_bytes(Encoding.DER)
    return CheckedCsr(name, key, thumbprint(key), pkcs10)


def parse_c509(data: bytes) -> C509Csr:
    """Return the request in `data`, its possession not verified; raise `CsrError`."""
    if len(data) > MAX_CSR_SIZE:
        raise CsrError(CsrReason.TOO_LARGE, f"{len(data)} octets, at most {MAX_CSR_SIZE} are taken")
    try:
        return decode_csr(data)
    except C509Error as error:
        reason = CsrReason.KEY_KIND if error.reason is C509Reason.KEY else CsrReason.MALFORMED
        raise CsrError(reason, str(error)) from error


def _check_signature(csr: C509Csr, possession: Possession) -> None:
    expected = _challenge(possession.channel_binding)
    if not possession.channel_binding or not hmac.compare_digest(csr.challenge_password or "", expected):
        raise CsrError(CsrReason.POSSESSION, "challengePassword is not the beginning of this session's channel binding")
    try:
        csr.verify_possession()
    except C509Error as error:
        raise CsrError(CsrReason.SIGNATURE, "the request is not signed by the key it holds") from error


def _check_mac(csr: C509Csr, mac: bytes, possession: Possession) -> None:
    key, own = csr.public_key, possession.responder_key
    if not isinstance(own, ec.EllipticCurvePrivateKey) or not isinstance(key, ec.EllipticCurvePublicKey):
        raise CsrError(CsrReason.POSSESSION, "a MAC needs EDHOC on P-256 in this session, and a key on that curve")
    if key.curve.name != own.curve.name:
        raise CsrError(CsrReason.POSSESSION, "the key is on another curve than this session's")
    if not hmac.compare_digest(mac, _mac(own.exchange(ec.ECDH(), key), csr.proven)):
        raise CsrError(CsrReason.SIGNATURE, "the MAC was not made with the key the request holds, in this session")


def _challenge(channel_binding: bytes) -> str:
    """The text that ties a request to a session: base64url without padding."""
    return base64.urlsafe_b64encode(channel_binding[:BINDING_SIZE]).rstrip(b"=").decode()


def _mac(secret: bytes, data: bytes) -> bytes:
    """RFC 6955 6 with HKDF and HMAC of OSCORE. An ephemeral key has no certificate, hence no names to mix in."""
    key = HKDF(hashes.SHA256(), _MAC_SIZE, salt=None, info=None).derive(secret)
    return hmac.digest(key, data, "sha256")
