"""Certification request templates: what a CA expects a request to hold (draft-ietf-cose-cbor-encoded-cert-20, 4.4).

A field that is not given is the requester's to choose. Names and extensions are kept as items: they may be given,
partly given, or left open (`UNDEFINED`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from cose.cbor import UNDEFINED, decode, encode
from device_pki.c509.algorithms import Algorithm, PublicKeyAlgorithm, SignatureAlgorithm
from device_pki.c509.errors import C509Error, C509Reason, malformed, reading
from device_pki.c509.items import array, integer, unsigned
from device_pki.c509.registry import Attribute, Extension, RequestType

MAX_SIZE: Final = 1024
"""Octets of the largest template taken."""
_MAX_DEPTH: Final = 6
_SIMPLE: Final = 0
_FIELDS: Final = 7

_Algorithm = TypeVar("_Algorithm", bound=Algorithm)
_Registered = TypeVar("_Registered")


@dataclass(frozen=True, slots=True)
class AttributeTemplate:
    """An attribute of the subject: how often it may be there, and its value if that is given."""

    attribute: Attribute
    min_occurs: int = 1
    max_occurs: int = 1
    value: Any = UNDEFINED
    """The item of the value, as names have it."""


@dataclass(frozen=True, slots=True)
class ExtensionTemplate:
    """An extension of the certificate: whether it may be left out, and its value if that is given."""

    extension: Extension
    optional: bool = False
    value: Any = UNDEFINED
    """The item of the value, which may have open fields in it."""


@dataclass(frozen=True, slots=True)
class RequestTemplate:
    """What a request shall be. Of several algorithms or types the requester chooses one; None: any."""

    types: Sequence[RequestType] | None = None
    signature_algorithms: Sequence[SignatureAlgorithm] | None = None
    subject: Sequence[AttributeTemplate] | None = None
    key_algorithms: Sequence[PublicKeyAlgorithm] | None = None
    extensions: Sequence[ExtensionTemplate] | None = None

    def encode(self) -> bytes:
        """Return the C509CertificationRequestTemplate."""
        subject = None
        if self.subject is not None:
            fields = [(int(one.attribute), one.min_occurs, one.max_occurs, one.value) for one in self.subject]
            subject = [item for field in fields for item in field]
        extensions = None
        if self.extensions is not None:
            extensions = [item for one in self.extensions for item in (int(one.extension), one.optional, one.value)]
        return encode(
            [
                _SIMPLE,
                _numbers(self.types),
                _numbers(self.signature_algorithms),
                UNDEFINED if subject is None else subject,
                _numbers(self.key_algorithms),
                UNDEFINED,
                UNDEFINED if extensions is None else extensions,
            ]
        )


def decode_template(data: bytes) -> RequestTemplate:
    """Return the template in a C509CertificationRequestTemplate.

    Raises `C509Error` (TOO_LARGE, TYPE, MALFORMED), also for algorithms, attributes and extensions that have no number.
    """
    if len(data) > MAX_SIZE:
        raise C509Error(C509Reason.TOO_LARGE, f"{len(data)} octets, at most {MAX_SIZE} are taken")
    with reading():
        items = array(decode(data, max_size=MAX_SIZE, max_depth=_MAX_DEPTH, undefined=True), _FIELDS)
        kind, types, signature_algorithms, subject, key_algorithms, key, extensions = items
        if integer(kind) != _SIMPLE:
            raise C509Error(C509Reason.TYPE, f"{kind} is no template type")
        if key is not UNDEFINED:
            raise malformed("a template with a public key")
        return RequestTemplate(
            types=None if types is UNDEFINED else [RequestType(integer(one)) for one in _some(types)],
            signature_algorithms=_algorithms(signature_algorithms, SignatureAlgorithm),
            subject=None if subject is UNDEFINED else [_attribute(*one) for one in _groups(subject, 4)],
            key_algorithms=_algorithms(key_algorithms, PublicKeyAlgorithm),
            extensions=None if extensions is UNDEFINED else [_extension(*one) for one in _groups(extensions, 3)],
        )


def _numbers(values: Sequence[int] | None) -> Any:
    return UNDEFINED if values is None else [int(value) for value in values]


def _some(item: Any) -> list[Any]:
    if not array(item):
        raise malformed("nothing to choose from")
    return array(item)


def _algorithms(item: Any, registry: type[_Algorithm]) -> list[_Algorithm] | None:
    if item is UNDEFINED:
        return None
    return [_registered(registry.numbered(integer(one)), one) for one in _some(item)]


def _registered(found: _Registered | None, number: Any) -> _Registered:
    if found is None:
        raise malformed(f"{number} is not registered")
    return found


def _groups(item: Any, size: int) -> list[list[Any]]:
    items = array(item)
    if len(items) % size:
        raise malformed(f"items in groups of {size}, and {len(items) % size} left over")
    return [items[place : place + size] for place in range(0, len(items), size)]


def _attribute(kind: Any, min_occurs: Any, max_occurs: Any, value: Any) -> AttributeTemplate:
    if not 0 <= unsigned(min_occurs) <= unsigned(max_occurs) or max_occurs == 0:
        raise malformed("an attribute that must occur more often than it may")
    attribute = _registered(Attribute.numbered(unsigned(kind)), kind)
    return AttributeTemplate(attribute, min_occurs, max_occurs, value)


def _extension(kind: Any, optional: Any, value: Any) -> ExtensionTemplate:
    if not isinstance(optional, bool):
        raise malformed("neither optional nor not")
    return ExtensionTemplate(_registered(Extension.numbered(unsigned(kind)), kind), optional, value)
