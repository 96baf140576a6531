"""What the DER structures of this package share."""

from __future__ import annotations

from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier


@asn1.sequence
class Algorithm:
    """AlgorithmIdentifier without parameters."""

    algorithm: ObjectIdentifier


@asn1.sequence
class _Around:
    item: asn1.TLV


@asn1.sequence
class _Items:
    items: list[asn1.TLV]


def tlv(encoded: bytes) -> asn1.TLV:
    """Return DER as an element of another structure; raise ValueError for other bytes."""
    return asn1.decode_der(asn1.TLV, encoded)


def items_of(sequence: bytes) -> list[asn1.TLV]:
    """Return the elements of a SEQUENCE OF anything; raise ValueError for other bytes."""
    return asn1.decode_der(_Items, asn1.encode_der(_Around(item=tlv(sequence)))).items
