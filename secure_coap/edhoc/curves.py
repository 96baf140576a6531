"""Ephemeral and static Diffie-Hellman keys: X25519, and P-256 by its x-coordinate (RFC 9528 section 3.7).

The secret depends on x alone, so it does not matter which of the two points with that x is taken.
"""

from __future__ import annotations

from typing import Any, Final, Protocol, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec, x25519

from secure_coap.edhoc.errors import EdhocError, EdhocReason

SIZE: Final = 32
"""Bytes of a public key on the wire, on both curves."""

DhPrivateKey: TypeAlias = x25519.X25519PrivateKey | ec.EllipticCurvePrivateKey
DhPublicKey: TypeAlias = x25519.X25519PublicKey | ec.EllipticCurvePublicKey


class Curve(Protocol):
    """One curve."""

    def generate(self) -> DhPrivateKey:
        """A fresh key pair."""

    def encode(self, key: DhPublicKey) -> bytes:
        """A public key as messages carry it."""

    def decode(self, data: bytes) -> DhPublicKey:
        """Raises `EdhocError` KEY for what is no point of the curve."""

    def holds(self, key: Any) -> bool:
        """Whether a private or public key is on this curve."""

    def agree(self, own: DhPrivateKey, peer: DhPublicKey) -> bytes:
        """The shared secret. Raises `EdhocError` KEY for a point of low order."""


def fresh_key(curve: Curve) -> DhPrivateKey:
    """An ephemeral key of the operating system's randomness."""
    return curve.generate()


class _X25519:
    """RFC 7748."""

    def generate(self) -> DhPrivateKey:
        return x25519.X25519PrivateKey.generate()

    def encode(self, key: DhPublicKey) -> bytes:
        assert isinstance(key, x25519.X25519PublicKey)
        return key.public_bytes_raw()

    def decode(self, data: bytes) -> DhPublicKey:
        if len(data) != SIZE:
            raise EdhocError(EdhocReason.KEY, f"{len(data)} bytes")
        return x25519.X25519PublicKey.from_public_bytes(data)

    def holds(self, key: Any) -> bool:
        return isinstance(key, x25519.X25519PrivateKey | x25519.X25519PublicKey)

    def agree(self, own: DhPrivateKey, peer: DhPublicKey) -> bytes:
        assert isinstance(own, x25519.X25519PrivateKey)
        assert isinstance(peer, x25519.X25519PublicKey)
        try:
            return own.exchange(peer)
        except ValueError as error:
            raise EdhocError(EdhocReason.KEY, "a point of low order") from error


class _P256:
    """NIST P-256, by x-coordinate with leading zeros."""

    def generate(self) -> DhPrivateKey:
        return ec.generate_private_key(ec.SECP256R1())

    def encode(self, key: DhPublicKey) -> bytes:
        assert isinstance(key, ec.EllipticCurvePublicKey)
        return key.public_numbers().x.to_bytes(SIZE, "big")

    def decode(self, data: bytes) -> DhPublicKey:
        if len(data) != SIZE:
            raise EdhocError(EdhocReason.KEY, f"{len(data)} bytes")
        try:
            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x02" + data)
        except ValueError as error:
            raise EdhocError(EdhocReason.KEY, "no point of P-256") from error

    def holds(self, key: Any) -> bool:
        known = isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey)
        return known and isinstance(key.curve, ec.SECP256R1)

    def agree(self, own: DhPrivateKey, peer: DhPublicKey) -> bytes:
        assert isinstance(own, ec.EllipticCurvePrivateKey)
        assert isinstance(peer, ec.EllipticCurvePublicKey)
        return own.exchange(ec.ECDH(), peer)


X25519: Final[Curve] = _X25519()
P256: Final[Curve] = _P256()
