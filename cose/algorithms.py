"""COSE signature algorithms as one table (RFC 9053 section 2, RFC 9864).

ECDSA signatures are r and s, each as long as the curve's field, one after the other. ES256, ES384 and ES512 are
accepted only with the curve of the same strength, which makes them the same algorithms as ESP256, ESP384 and ESP512.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from cose.hss_lms import HssLmsPublicKey
from cose.keys import PrivateKey, PublicKey
from cose.numbers import Algorithm

VerificationKey: TypeAlias = PublicKey | HssLmsPublicKey
"""What signatures are verified with. HSS/LMS keys are only that: nothing here signs with a stateful key."""


class UnsuitableKey(ValueError):
    """The key is not of the kind the algorithm needs."""


class SignatureAlgorithm(Protocol):
    """What signs and verifies; `verify` raises only `UnsuitableKey`."""

    def sign(self, key: PrivateKey, data: bytes) -> bytes: ...

    def verify(self, key: VerificationKey, signature: bytes, data: bytes) -> bool: ...


@dataclass(frozen=True, slots=True)
class Ecdsa:
    """ECDSA on one curve with one hash (`scheme`); `size` is the length of r and of s in bytes."""

    curve: type[ec.EllipticCurve]
    scheme: ec.ECDSA
    size: int

    def sign(self, key: PrivateKey, data: bytes) -> bytes:
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, self.curve):
            raise UnsuitableKey(f"a key on {self.curve.name} is needed")
        r, s = decode_dss_signature(key.sign(data, self.scheme))
        return r.to_bytes(self.size, "big") + s.to_bytes(self.size, "big")

    def verify(self, key: VerificationKey, signature: bytes, data: bytes) -> bool:
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, self.curve):
            raise UnsuitableKey(f"a key on {self.curve.name} is needed")
        if len(signature) != 2 * self.size:
            return False
        r, s = int.from_bytes(signature[: self.size], "big"), int.from_bytes(signature[self.size :], "big")
        try:
            key.verify(encode_dss_signature(r, s), data, self.scheme)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Ed25519:
    """Pure Ed25519 (RFC 8032)."""

    def sign(self, key: PrivateKey, data: bytes) -> bytes:
        if not isinstance(key, ed25519.Ed25519PrivateKey):
            raise UnsuitableKey("an Ed25519 key is needed")
        return key.sign(data)

    def verify(self, key: VerificationKey, signature: bytes, data: bytes) -> bool:
        if not isinstance(key, ed25519.Ed25519PublicKey):
            raise UnsuitableKey("an Ed25519 key is needed")
        try:
            key.verify(signature, data)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class HssLms:
    """HSS/LMS (RFC 8554, RFC 8778): verified, never made; its private keys count their uses."""

    def sign(self, key: PrivateKey, data: bytes) -> bytes:
        raise UnsuitableKey("HSS/LMS signatures are made where the key's state is kept, not here")

    def verify(self, key: VerificationKey, signature: bytes, data: bytes) -> bool:
        if not isinstance(key, HssLmsPublicKey):
            raise UnsuitableKey("an HSS/LMS key is needed")
        return key.verifies(signature, data)


_P256: Final = Ecdsa(ec.SECP256R1, ec.ECDSA(hashes.SHA256()), 32)
_P384: Final = Ecdsa(ec.SECP384R1, ec.ECDSA(hashes.SHA384()), 48)
_P521: Final = Ecdsa(ec.SECP521R1, ec.ECDSA(hashes.SHA512()), 66)
_ED25519: Final = Ed25519()

SIGNATURE_ALGORITHMS: Final[Mapping[int, SignatureAlgorithm]] = MappingProxyType(
    {
        Algorithm.ESP256: _P256,
        Algorithm.ES256: _P256,
        Algorithm.ESP384: _P384,
        Algorithm.ES384: _P384,
        Algorithm.ESP512: _P521,
        Algorithm.ES512: _P521,
        Algorithm.ED25519: _ED25519,
        Algorithm.EDDSA: _ED25519,
        Algorithm.HSS_LMS: HssLms(),
    }
)

_BY_CURVE: Final = {"secp256r1": Algorithm.ESP256, "secp384r1": Algorithm.ESP384, "secp521r1": Algorithm.ESP512}


def algorithm_for(key: PublicKey | PrivateKey) -> Algorithm:
    """The fully specified algorithm (RFC 9864) this product signs with under `key`, or its private half."""
    if isinstance(key, ed25519.Ed25519PublicKey | ed25519.Ed25519PrivateKey):
        return Algorithm.ED25519
    algorithm = _BY_CURVE.get(key.curve.name)
    if algorithm is None:
        raise UnsuitableKey(f"no signature algorithm for {key.curve.name}")
    return algorithm
