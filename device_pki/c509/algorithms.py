"""Algorithm identifiers of C509: a registered number, an object identifier, or one with parameters.

Registered are whole AlgorithmIdentifiers, parameters included (draft-ietf-cose-cbor-encoded-cert-20, 8.14 and 8.15).
"""

from __future__ import annotations

import enum
from functools import cache
from typing import Any, Final, Self

from cryptography import x509
from cryptography.hazmat import asn1

from device_pki.c509.der import SEQUENCE, octets_of_oid, oid_of_octets, tlv
from device_pki.c509.errors import malformed
from device_pki.c509.items import array, integer, octets

_ABSENT: Final = b""
_NULL: Final = b"\x05\x00"
_EC_PUBLIC_KEY: Final = "1.2.840.10045.2.1"
_RSASSA_PSS: Final = "1.2.840.113549.1.1.10"


def _named_curve(oid: str) -> bytes:
    return asn1.encode_der(x509.ObjectIdentifier(oid))


def _pss(hash_number: int, salt: int) -> bytes:
    """RSASSA-PSS-params with one of the SHA-2 hashes of NIST's arc, for the mask too (RFC 4055 3.1)."""
    digest = tlv(SEQUENCE, asn1.encode_der(x509.ObjectIdentifier(f"2.16.840.1.101.3.4.2.{hash_number}")) + _NULL)
    mask = tlv(SEQUENCE, asn1.encode_der(x509.ObjectIdentifier("1.2.840.113549.1.1.8")) + digest)
    return tlv(SEQUENCE, tlv(0xA0, digest) + tlv(0xA1, mask) + tlv(0xA2, asn1.encode_der(salt)))


class Algorithm(enum.IntEnum):
    """A number for one AlgorithmIdentifier."""

    der: bytes
    """The DER of the AlgorithmIdentifier."""

    def __new__(cls, value: int, oid: str, parameters: bytes = _ABSENT) -> Self:
        member = int.__new__(cls, value)
        member._value_ = value
        member.der = tlv(SEQUENCE, asn1.encode_der(x509.ObjectIdentifier(oid)) + parameters)
        return member

    @classmethod
    def numbered(cls, number: int) -> Self | None:
        """Return the member of a number, or None."""
        return cls._value2member_map_.get(number)  # type: ignore[return-value]  # the map holds members of cls

    @classmethod
    @cache
    def by_der(cls) -> dict[bytes, Self]:
        """Return the members by the DER of what they stand for."""
        return {member.der: member for member in cls}


class SignatureAlgorithm(Algorithm):
    """Signature algorithms, and algorithms that prove possession by a MAC (8.14)."""

    RSA_SHA1 = -256, "1.2.840.113549.1.1.5", _NULL
    ECDSA_SHA1 = -255, "1.2.840.10045.4.1"
    ECDSA_SHA256 = 0, "1.2.840.10045.4.3.2"
    ECDSA_SHA384 = 1, "1.2.840.10045.4.3.3"
    ECDSA_SHA512 = 2, "1.2.840.10045.4.3.4"
    ECDSA_SHAKE128 = 3, "1.3.6.1.5.5.7.6.32"
    ECDSA_SHAKE256 = 4, "1.3.6.1.5.5.7.6.33"
    UNSIGNED = 5, "1.3.6.1.5.5.7.6.36"
    SM2_SM3 = 8, "1.2.156.10197.1.501"
    ED25519 = 12, "1.3.101.112"
    ED448 = 13, "1.3.101.113"
    ECDH_POP_SHA256 = 14, "1.3.6.1.5.5.7.6.26"
    ECDH_POP_SHA384 = 15, "1.3.6.1.5.5.7.6.27"
    ECDH_POP_SHA512 = 16, "1.3.6.1.5.5.7.6.28"
    RSA_SHA256 = 23, "1.2.840.113549.1.1.11", _NULL
    RSA_SHA384 = 24, "1.2.840.113549.1.1.12", _NULL
    RSA_SHA512 = 25, "1.2.840.113549.1.1.13", _NULL
    PSS_SHA256 = 26, _RSASSA_PSS, _pss(1, 32)
    PSS_SHA384 = 27, _RSASSA_PSS, _pss(2, 48)
    PSS_SHA512 = 28, _RSASSA_PSS, _pss(3, 64)
    PSS_SHAKE128 = 29, "1.3.6.1.5.5.7.6.30"
    PSS_SHAKE256 = 30, "1.3.6.1.5.5.7.6.31"


class PublicKeyAlgorithm(Algorithm):
    """Public key algorithms (8.15)."""

    RSA = 0, "1.2.840.113549.1.1.1", _NULL
    EC_P256 = 1, _EC_PUBLIC_KEY, _named_curve("1.2.840.10045.3.1.7")
    EC_P384 = 2, _EC_PUBLIC_KEY, _named_curve("1.3.132.0.34")
    EC_P521 = 3, _EC_PUBLIC_KEY, _named_curve("1.3.132.0.35")
    EC_SM2P256 = 6, _EC_PUBLIC_KEY, _named_curve("1.2.156.10197.1.301")
    X25519 = 8, "1.3.101.110"
    X448 = 9, "1.3.101.111"
    ED25519 = 12, "1.3.101.112"
    ED448 = 13, "1.3.101.113"
    EC_BRAINPOOL_P256 = 24, _EC_PUBLIC_KEY, _named_curve("1.3.36.3.3.2.8.1.1.7")
    EC_BRAINPOOL_P384 = 25, _EC_PUBLIC_KEY, _named_curve("1.3.36.3.3.2.8.1.1.11")
    EC_BRAINPOOL_P512 = 26, _EC_PUBLIC_KEY, _named_curve("1.3.36.3.3.2.8.1.1.13")
    EC_FRP256 = 27, _EC_PUBLIC_KEY, _named_curve("1.2.250.1.223.101.256.1")


ECDSA: Final = frozenset(
    {
        SignatureAlgorithm.ECDSA_SHA1,
        SignatureAlgorithm.ECDSA_SHA256,
        SignatureAlgorithm.ECDSA_SHA384,
        SignatureAlgorithm.ECDSA_SHA512,
        SignatureAlgorithm.ECDSA_SHAKE128,
        SignatureAlgorithm.ECDSA_SHAKE256,
        SignatureAlgorithm.SM2_SM3,
    }
)
"""Signature algorithms whose value is two numbers."""

PROOFS_BY_MAC: Final = frozenset(
    {
        SignatureAlgorithm.ECDH_POP_SHA256,
        SignatureAlgorithm.ECDH_POP_SHA384,
        SignatureAlgorithm.ECDH_POP_SHA512,
    }
)
"""Proofs of possession that only the holder of a Diffie-Hellman key can check (RFC 6955)."""


@asn1.sequence
class _Plain:
    algorithm: x509.ObjectIdentifier


@asn1.sequence
class _WithParameters:
    algorithm: x509.ObjectIdentifier
    parameters: asn1.TLV


def algorithm_item(der: bytes, registry: type[Algorithm]) -> Any:
    """Return the item of the AlgorithmIdentifier in `der`: int, ~oid, or [~oid, parameters]."""
    registered = registry.by_der().get(der)
    if registered is not None:
        return int(registered)
    try:
        return octets_of_oid(asn1.decode_der(_Plain, der).algorithm)
    except ValueError:
        known = asn1.decode_der(_WithParameters, der)
        return [octets_of_oid(known.algorithm), asn1.encode_der(known.parameters)]


def algorithm_der(item: Any, registry: type[Algorithm]) -> bytes:
    """Return the DER of the AlgorithmIdentifier that an item stands for."""
    if isinstance(item, bytes):
        return asn1.encode_der(_Plain(algorithm=oid_of_octets(item)))
    if isinstance(item, list):
        oid, parameters = array(item, 2)
        value = asn1.decode_der(asn1.TLV, octets(parameters))
        return asn1.encode_der(_WithParameters(algorithm=oid_of_octets(octets(oid)), parameters=value))
    registered = registry.numbered(integer(item))
    if registered is None:
        raise malformed(f"{item} is no registered algorithm")
    return registered.der
