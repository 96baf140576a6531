"""Signatures over natively encoded structures, made and verified by the kinds of keys certificates may carry."""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import SignatureAlgorithmOID

from cose.keys import PrivateKey, PublicKey
from device_pki.c509.errors import C509Error, C509Reason
from device_pki.keys import signature_hash

_HASHES: Final = {
    SignatureAlgorithmOID.ECDSA_WITH_SHA256: hashes.SHA256(),
    SignatureAlgorithmOID.ECDSA_WITH_SHA384: hashes.SHA384(),
}


def sign(key: PrivateKey, data: bytes) -> bytes:
    """Return a signature over `data` as DER carries it."""
    algorithm = signature_hash(key)
    if isinstance(key, ec.EllipticCurvePrivateKey) and algorithm is not None:
        return key.sign(data, ec.ECDSA(algorithm))
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    raise C509Error(C509Reason.KEY, "the key is none of P-256, P-384, Ed25519")


def verify_signature(key: PublicKey, algorithm: x509.ObjectIdentifier, signature: bytes, data: bytes) -> None:
    """Raise `C509Error` (SIGNATURE) unless `signature`, as DER carries it, is one of `key` over `data`."""
    try:
        if isinstance(key, ed25519.Ed25519PublicKey) and algorithm == SignatureAlgorithmOID.ED25519:
            return key.verify(signature, data)
        if isinstance(key, ec.EllipticCurvePublicKey) and algorithm in _HASHES:
            return key.verify(signature, data, ec.ECDSA(_HASHES[algorithm]))
    except InvalidSignature as error:
        raise C509Error(C509Reason.SIGNATURE, "not made by this key over these bytes") from error
    raise C509Error(C509Reason.SIGNATURE, f"{algorithm.dotted_string} is no signature algorithm of this kind of key")
