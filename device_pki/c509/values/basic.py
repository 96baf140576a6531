"""Extensions whose value is a number, bytes or nothing (draft-ietf-cose-cbor-encoded-cert-20, 3.3)."""

from __future__ import annotations

from typing import Annotated, Any, Final

from cryptography.hazmat import asn1

from device_pki.c509.der import read_inside, write_inside
from device_pki.c509.errors import malformed, unsupported
from device_pki.c509.items import array, integer, octets, unsigned

_NO_CA: Final = -2
_CA_WITHOUT_LIMIT: Final = -1
_MAX_BITS: Final = 16
"""More than any named bit list of RFC 5280 has."""


@asn1.sequence
class _BasicConstraints:
    ca: Annotated[bool, asn1.Default(False)]
    path_length: int | None


@asn1.sequence
class _PolicyConstraints:
    require_explicit_policy: Annotated[int | None, asn1.Implicit(0)]
    inhibit_policy_mapping: Annotated[int | None, asn1.Implicit(1)]


@asn1.sequence
class _Features:
    features: list[int]


def octet_string_item(value: bytes) -> bytes:
    """SubjectKeyIdentifier: the octets."""
    return asn1.decode_der(bytes, value)


def octet_string_der(item: Any) -> bytes:
    """The DER of the octets."""
    return asn1.encode_der(octets(item))


def bits_number(bits: asn1.BitString) -> int:
    """Return a named bit list as a number: bit n counts 2 to the n."""
    data = bits.as_bytes()
    return sum(1 << n for n in range(8 * len(data)) if data[n // 8] >> (7 - n % 8) & 1)


def number_bits(number: int) -> asn1.BitString:
    """Return the named bit list of a number, without trailing zero bits (X.690 11.2.2)."""
    length = number.bit_length()
    if length > _MAX_BITS:
        raise malformed(f"a named bit list of {length} bits")
    data = bytearray((length + 7) // 8)
    for n in range(length):
        data[n // 8] |= (number >> n & 1) << (7 - n % 8)
    return asn1.BitString(bytes(data), -length % 8)


def named_bits_item(value: bytes) -> int:
    """KeyUsage: the sum of its bits."""
    return bits_number(asn1.decode_der(asn1.BitString, value))


def named_bits_der(item: Any) -> bytes:
    """The DER of the bits."""
    return asn1.encode_der(number_bits(unsigned(item)))


def basic_constraints_item(value: bytes) -> int:
    """BasicConstraints: -2 for no CA, -1 for a CA without limit, else its path length."""
    constraints = asn1.decode_der(_BasicConstraints, value)
    if not constraints.ca:
        return _NO_CA
    return _CA_WITHOUT_LIMIT if constraints.path_length is None else constraints.path_length


def basic_constraints_der(item: Any) -> bytes:
    """The DER of what the number says."""
    number = integer(item)
    if number < _NO_CA:
        raise malformed("no path length")
    return asn1.encode_der(
        _BasicConstraints(ca=number != _NO_CA, path_length=None if number in {_NO_CA, _CA_WITHOUT_LIMIT} else number)
    )


def policy_constraints_item(value: bytes) -> list[int | None]:
    """PolicyConstraints: [requireExplicitPolicy, inhibitPolicyMapping], each a number or null."""
    constraints = asn1.decode_der(_PolicyConstraints, value)
    return [constraints.require_explicit_policy, constraints.inhibit_policy_mapping]


def policy_constraints_der(item: Any) -> bytes:
    """The DER of both numbers."""
    explicit, mapping = (None if number is None else unsigned(number) for number in array(item, 2))
    return asn1.encode_der(_PolicyConstraints(require_explicit_policy=explicit, inhibit_policy_mapping=mapping))


def number_item(value: bytes) -> int:
    """InhibitAnyPolicy: the number."""
    return asn1.decode_der(int, value)


def number_der(item: Any) -> bytes:
    """The DER of the number."""
    return asn1.encode_der(unsigned(item))


def null_item(value: bytes) -> None:
    """Extensions that say all by being there: null."""
    asn1.decode_der(asn1.Null, value)


def null_der(item: Any) -> bytes:
    """The DER of NULL."""
    if item is not None:
        raise malformed("not null")
    return asn1.encode_der(asn1.Null())


def features_item(value: bytes) -> list[int]:
    """TLS features (RFC 7633): the numbers of TLS extensions."""
    features = read_inside(_Features, value).features
    if any(feature < 0 for feature in features):
        raise unsupported("a negative number")
    return features


def features_der(item: Any) -> bytes:
    """The DER of the numbers."""
    return write_inside(_Features(features=[unsigned(feature) for feature in array(item)]))
