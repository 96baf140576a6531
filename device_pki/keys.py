"""The kinds of keys certificates may carry: P-256, P-384 and Ed25519 (security rule 21), and nothing else.

The kind is read from the algorithm identifier before the key itself is decoded, so that an RSA key of 16384 bit or a
point off its curve costs no arithmetic.
"""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import PublicKeyAlgorithmOID, SignatureAlgorithmOID

from cose.keys import PrivateKey, PublicKey
from device_pki.certificates import PARSE_ERRORS

KEY_ALGORITHMS: Final = frozenset({PublicKeyAlgorithmOID.EC_PUBLIC_KEY, PublicKeyAlgorithmOID.ED25519})
SIGNATURE_ALGORITHMS: Final = frozenset(
    {
        SignatureAlgorithmOID.ECDSA_WITH_SHA256,
        SignatureAlgorithmOID.ECDSA_WITH_SHA384,
        SignatureAlgorithmOID.ED25519,
    }
)
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1)


class KeyKindError(ValueError):
    """A key of a kind that certificates may not carry, or a damaged one."""


def public_key(holder: x509.Certificate | x509.CertificateSigningRequest) -> PublicKey:
    """Return the public key of a certificate or request; raise `KeyKindError` unless its kind is allowed."""
    if isinstance(holder, x509.Certificate) and holder.public_key_algorithm_oid not in KEY_ALGORITHMS:
        raise KeyKindError("the key is none of P-256, P-384, Ed25519")
    try:
        key = holder.public_key()
    except PARSE_ERRORS as error:
        raise KeyKindError("the public key is none of P-256, P-384, Ed25519, or is damaged") from error
    return check_key(key)


def check_key(key: object) -> PublicKey:
    """Return `key` when its kind is allowed; raise `KeyKindError` otherwise."""
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES):
        return key
    raise KeyKindError("the key is none of P-256, P-384, Ed25519")


def signature_hash(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | None:
    """Return the hash a key of this kind signs with: as wide as the curve, none for Ed25519."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    return hashes.SHA384() if isinstance(key.curve, ec.SECP384R1) else hashes.SHA256()
