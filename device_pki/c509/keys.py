"""Public keys and signature values (draft-ietf-cose-cbor-encoded-cert-20, 3.2).

Points may be compressed. We compress those of NIST's curves, as the draft's examples do, and take either from others.
In a re-encoded structure 0xFE and 0xFD mark a point that DER carries uncompressed; 0x02 and 0x03 are what DER has too.
"""

from __future__ import annotations

from typing import Any, Final

from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from device_pki.c509.algorithms import ECDSA, PublicKeyAlgorithm
from device_pki.c509.errors import C509Error, C509Reason, malformed, unsupported
from device_pki.c509.items import array, octets

_CURVES: Final[dict[int, ec.EllipticCurve]] = {
    PublicKeyAlgorithm.EC_P256: ec.SECP256R1(),
    PublicKeyAlgorithm.EC_P384: ec.SECP384R1(),
    PublicKeyAlgorithm.EC_P521: ec.SECP521R1(),
    PublicKeyAlgorithm.EC_BRAINPOOL_P256: ec.BrainpoolP256R1(),
    PublicKeyAlgorithm.EC_BRAINPOOL_P384: ec.BrainpoolP384R1(),
    PublicKeyAlgorithm.EC_BRAINPOOL_P512: ec.BrainpoolP512R1(),
}
_COMPRESSED: Final = frozenset({PublicKeyAlgorithm.EC_P256, PublicKeyAlgorithm.EC_P384, PublicKeyAlgorithm.EC_P521})
_UNCOMPRESSED: Final = 0x04
_NATIVE: Final = (0x02, 0x03)
_RE_ENCODED: Final = (0xFE, 0xFD)
_F4: Final = 65537
_WIDTHS: Final = (20, 24, 28, 32, 48, 64, 66)
"""Octets of the group orders that ECDSA is used with."""


@asn1.sequence
class _RsaPublicKey:
    modulus: int
    public_exponent: int


@asn1.sequence
class _EcdsaSignature:
    r: int
    s: int


def key_item(algorithm: Any, key: bytes, *, native: bool, compressed: bool | None = None) -> Any:
    """Return the item of a subjectPublicKey, given its octets and the item of its algorithm.

    Points are compressed or not as `compressed` says, or as is usual.
    """
    if algorithm == PublicKeyAlgorithm.RSA and isinstance(algorithm, int):
        rsa = asn1.decode_der(_RsaPublicKey, key)
        modulus = number_octets(rsa.modulus)
        return modulus if rsa.public_exponent == _F4 else [modulus, number_octets(rsa.public_exponent)]
    if compressed is None:
        compressed = algorithm in _COMPRESSED if isinstance(algorithm, int) else False
    if compressed and _curve(algorithm) and key[:1] == _octet(_UNCOMPRESSED):
        half = len(key) // 2
        return _octet((_NATIVE if native else _RE_ENCODED)[key[-1] & 1]) + key[1 : 1 + half]
    return key


def key_octets(algorithm: Any, item: Any, *, native: bool) -> bytes:
    """Return the octets of the subjectPublicKey that an item stands for, as DER carries them."""
    if algorithm == PublicKeyAlgorithm.RSA and isinstance(algorithm, int):
        modulus, exponent = (item, number_octets(_F4)) if isinstance(item, bytes) else array(item, 2)
        return asn1.encode_der(_RsaPublicKey(modulus=octets_number(modulus), public_exponent=octets_number(exponent)))
    key, curve = octets(item), _curve(algorithm)
    if curve is None:
        return key
    marks = _NATIVE if native else _RE_ENCODED
    if key[:1] not in map(_octet, (*marks, *_NATIVE, _UNCOMPRESSED)):
        raise malformed("no encoded point")
    if key[0] not in marks:
        return key
    try:
        point = ec.EllipticCurvePublicKey.from_encoded_point(curve, _octet(_NATIVE[marks.index(key[0])]) + key[1:])
    except ValueError as error:
        raise C509Error(C509Reason.KEY, f"no point on {curve.name}") from error
    return point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def is_compressed(item: Any) -> bool:
    """Whether a key item spares the second coordinate; a sender may choose not to."""
    return not isinstance(item, bytes) or item[:1] != _octet(_UNCOMPRESSED)


def _octet(value: int) -> bytes:
    return bytes((value,))


def _curve(algorithm: Any) -> ec.EllipticCurve | None:
    return _CURVES.get(algorithm) if isinstance(algorithm, int) else None


def signature_item(algorithm: Any, signature: bytes) -> bytes:
    """Return the item of a signatureValue: for ECDSA both numbers, each as wide as the order of the group.

    The issuer's curve is not in a certificate: its width is the smallest that holds both numbers.
    """
    if not _is_ecdsa(algorithm):
        return signature
    value = asn1.decode_der(_EcdsaSignature, signature)
    needed = max(len(number_octets(value.r)), len(number_octets(value.s)))
    width = next((width for width in _WIDTHS if width >= needed), None)
    if width is None:
        raise unsupported(f"an ECDSA signature of {needed} octets a number")
    return value.r.to_bytes(width, "big") + value.s.to_bytes(width, "big")


def signature_octets(algorithm: Any, item: Any) -> bytes:
    """Return the octets of the signatureValue that an item stands for, as DER carries them."""
    value = octets(item)
    if not _is_ecdsa(algorithm):
        return value
    if len(value) % 2:
        raise malformed("an ECDSA signature of an odd size")
    half = len(value) // 2
    return asn1.encode_der(
        _EcdsaSignature(r=int.from_bytes(value[:half], "big"), s=int.from_bytes(value[half:], "big"))
    )


def _is_ecdsa(algorithm: Any) -> bool:
    return isinstance(algorithm, int) and algorithm in ECDSA


def number_octets(number: int) -> bytes:
    """Return a number that is not negative as ~biguint: big-endian without leading zeros."""
    if number < 0:
        raise unsupported("a negative number")
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def octets_number(item: Any) -> int:
    """Return the number of a ~biguint."""
    return int.from_bytes(octets(item), "big")
