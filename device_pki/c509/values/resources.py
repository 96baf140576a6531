"""Internet number resources: address blocks and autonomous systems (RFC 3779, RFC 8360).

Numbers in a row are written as the difference to the one before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

from cryptography.hazmat import asn1

from device_pki.c509.der import element, read_inside, write_inside
from device_pki.c509.errors import malformed, unsupported
from device_pki.c509.items import array, integer, octets, unsigned

_MAX_INTEGER_OCTETS: Final = 8
"""Octets of the longest address, unused bits included, that is written as an integer."""
_INHERIT: Final = asn1.encode_der(asn1.Null())
"""The choice to have what the issuer has."""


@asn1.sequence
class _AsRange:
    min: int
    max: int


@asn1.sequence
class _AsList:
    numbers: list[int | _AsRange]


@asn1.sequence
class _AsIdentifiers:
    asnum: Annotated[asn1.TLV, asn1.Explicit(0)]


@asn1.sequence
class _AddressRange:
    min: asn1.BitString
    max: asn1.BitString


@asn1.sequence
class _AddressList:
    addresses: list[asn1.BitString | _AddressRange]


@asn1.sequence
class _AddressFamily:
    family: bytes
    choice: asn1.TLV


@asn1.sequence
class _AddressBlocks:
    families: list[_AddressFamily]


def as_identifiers_item(value: bytes) -> list[Any] | None:
    """AS identifiers: null when inherited, else numbers and ranges; only without routing domain identifiers."""
    choice = asn1.encode_der(asn1.decode_der(_AsIdentifiers, value).asnum)
    if choice == _INHERIT:
        return None
    numbers = read_inside(_AsList, choice).numbers
    return _differences([number if isinstance(number, int) else (number.min, number.max) for number in numbers])


def as_identifiers_der(item: Any) -> bytes:
    """The DER of the identifiers."""
    if item is None:
        return asn1.encode_der(_AsIdentifiers(asnum=element(_INHERIT)))
    numbers: list[int | _AsRange] = [
        number if isinstance(number, int) else _AsRange(min=number[0], max=number[1]) for number in _sums(item)
    ]
    if any(isinstance(number, int) and number < 0 for number in numbers):
        raise malformed("a negative number")
    return asn1.encode_der(_AsIdentifiers(asnum=element(write_inside(_AsList(numbers=numbers)))))


def _differences(numbers: Sequence[int | tuple[int, int]]) -> list[Any]:
    items: list[Any] = []
    before = 0
    for number in numbers:
        if isinstance(number, int):
            items.append(number - before)
            before = number
        else:
            items.append([number[0] - before, number[1] - number[0]])
            before = number[1]
    if not items:
        raise unsupported("no number")
    return items


def _sums(item: Any) -> list[int | tuple[int, int]]:
    numbers: list[int | tuple[int, int]] = []
    before = 0
    for difference in array(item):
        if isinstance(difference, list):
            low, high = array(difference, 2)
            minimum = before + integer(low)
            before = minimum + integer(high)
            numbers.append((minimum, before))
        else:
            before += integer(difference)
            numbers.append(before)
    return numbers


def address_blocks_item(value: bytes) -> list[Any]:
    """IPAddrBlocks: address family, subsequent family or null, and addresses by turns; null when inherited."""
    items: list[Any] = []
    for family in read_inside(_AddressBlocks, value).families:
        if len(family.family) not in {2, 3}:
            raise unsupported("an address family of another size")
        items += (
            int.from_bytes(family.family[:2], "big"),
            family.family[2] if len(family.family) == 3 else None,
            _choice_item(asn1.encode_der(family.choice)),
        )
    if not items:
        raise unsupported("no address family")
    return items


def _choice_item(choice: bytes) -> list[Any] | None:
    """As integers if every address fits into eight octets, else as byte strings."""
    if choice == _INHERIT:
        return None
    addresses = read_inside(_AddressList, choice).addresses
    blocks = [
        _block(address) if isinstance(address, asn1.BitString) else (_block(address.min), _block(address.max))
        for address in addresses
    ]
    if not blocks:
        raise unsupported("no address")
    every = [block for address in blocks for block in ((address,) if isinstance(address, bytes) else address)]
    if max(len(block) for block in every) <= _MAX_INTEGER_OCTETS:
        return _differences(
            [_number(block) if isinstance(block, bytes) else (_number(block[0]), _number(block[1])) for block in blocks]
        )
    return [block if isinstance(block, bytes) else list(block) for block in blocks]


def _block(address: asn1.BitString) -> bytes:
    return bytes((address.padding_bits(),)) + address.as_bytes()


def _number(block: bytes) -> int:
    """The first octet is one more than the unused bits, so that it is not zero."""
    return int.from_bytes(bytes((block[0] + 1,)) + block[1:], "big")


def address_blocks_der(item: Any) -> bytes:
    """The DER of the address blocks."""
    items = array(item)
    if len(items) % 3:
        raise malformed("address families come in threes")
    families = [_family(*items[place : place + 3]) for place in range(0, len(items), 3)]
    return write_inside(_AddressBlocks(families=families))


def _family(family: Any, subsequent: Any, addresses: Any) -> _AddressFamily:
    try:
        octets_of_family = unsigned(family).to_bytes(2, "big")
        octets_of_family += b"" if subsequent is None else unsigned(subsequent).to_bytes(1, "big")
    except OverflowError as error:
        raise malformed("no address family") from error
    choice = _INHERIT if addresses is None else write_inside(_AddressList(addresses=_addresses(array(addresses))))
    return _AddressFamily(family=octets_of_family, choice=element(choice))


def _addresses(items: list[Any]) -> list[asn1.BitString | _AddressRange]:
    first = items[0][0] if items and isinstance(items[0], list) and items[0] else (items[0] if items else None)
    if isinstance(first, int):
        return [
            _bits(_of_number(number))
            if isinstance(number, int)
            else _AddressRange(min=_bits(_of_number(number[0])), max=_bits(_of_number(number[1])))
            for number in _sums(items)
        ]
    return [_range(item) if isinstance(item, list) else _bits(octets(item)) for item in items]


def _range(item: Any) -> _AddressRange:
    low, high = array(item, 2)
    return _AddressRange(min=_bits(octets(low)), max=_bits(octets(high)))


def _of_number(number: int) -> bytes:
    block = number.to_bytes((number.bit_length() + 7) // 8, "big") if number > 0 else b""
    if not block:
        raise malformed("no address")
    return bytes((block[0] - 1,)) + block[1:]


def _bits(block: bytes) -> asn1.BitString:
    if not block:
        raise malformed("no address")
    return asn1.BitString(block[1:], block[0])
