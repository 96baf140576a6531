"""Which content format to speak with a device, decided by one table and what the device has answered (Core 1.2, 7.4).

A device says which formats it takes (`ct` of its registration) or leaves it to its version. What it then refuses goes
to the end of the line, what it answers to comes first the next time. Every candidate comes once, so trying ends.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from objects.model import ObjectModel
from objects.nodes import Node, Resource, ResourceInstance
from objects.path import Path
from objects.values import ResourceType
from secure_coap.errors import BadOption, NotAcceptable, UnsupportedContentFormat
from secure_coap.numbers.content_formats import ContentFormat

REFUSALS: Final = frozenset({NotAcceptable.CODE, UnsupportedContentFormat.CODE, BadOption.CODE})
"""Answers that mean: not in this format. Accept is a critical option, so 4.02 is one of them (RFC 7252 5.10.4)."""


class Use(Enum):
    """What a format is needed for."""

    READ_VALUE = "read value"
    READ_OPAQUE = "read opaque"
    READ_TREE = "read tree"
    WRITE_VALUE = "write value"
    WRITE_OPAQUE = "write opaque"
    WRITE_TREE = "write tree"
    COMPOSITE = "composite"


_SENML: Final = (ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON)
_WRITABLE: Final = (ContentFormat.LWM2M_CBOR, *_SENML, ContentFormat.LWM2M_TLV)
_READABLE: Final = (*_WRITABLE, ContentFormat.LWM2M_JSON)
_ORDER: Final[Mapping[Use, tuple[ContentFormat, ...]]] = {
    Use.READ_VALUE: (ContentFormat.TEXT, ContentFormat.CBOR, *_READABLE),
    Use.READ_OPAQUE: (ContentFormat.OCTET_STREAM, ContentFormat.CBOR, *_READABLE),
    Use.READ_TREE: _READABLE,
    Use.WRITE_VALUE: (ContentFormat.TEXT, ContentFormat.CBOR, *_WRITABLE),
    Use.WRITE_OPAQUE: (ContentFormat.OCTET_STREAM, ContentFormat.CBOR, *_WRITABLE),
    Use.WRITE_TREE: _WRITABLE,
    Use.COMPOSITE: (ContentFormat.LWM2M_CBOR, *_SENML),
}
"""The formats of each use, the smallest on the wire first. The legacy JSON is read, never written."""

_SINGLE: Final = frozenset({ContentFormat.TEXT, ContentFormat.OCTET_STREAM})
"""Formats of one value; every version has them, and devices do not list them."""
_TREE_OF_VERSION: Final[Mapping[str, frozenset[ContentFormat]]] = {
    "1.0": frozenset({ContentFormat.LWM2M_TLV, ContentFormat.LWM2M_JSON}),
    "1.1": frozenset({*_SENML, ContentFormat.LWM2M_TLV}),
    "1.2": frozenset({*_SENML, ContentFormat.LWM2M_TLV}),
}
"""What a device that lists no formats is taken to know."""


def candidates(
    use: Use,
    version: str,
    listed: Collection[int] | None = None,
    answered: int | None = None,
    refused: Collection[int] = (),
) -> tuple[ContentFormat, ...]:
    """The formats to try for `use`, each once, the most promising first.

    `listed`: the `ct` of the device's registration, None when it has none. `answered`: the format it answered to last
    time. `refused`: formats it has refused.
    """
    expected = _SINGLE | (_TREE_OF_VERSION.get(version, _TREE_OF_VERSION["1.2"]) if listed is None else set(listed))
    return tuple(sorted(_ORDER[use], key=lambda one: (one != answered, one in refused, one not in expected)))


def for_reading(path: Path, model: ObjectModel) -> Use:
    """What reading `path` needs. Without a definition only a format that shows types will do."""
    definition = model.resource(path)
    if definition is None or path.level != (4 if definition.multiple else 3):
        return Use.READ_TREE
    return Use.READ_OPAQUE if definition.type is ResourceType.OPAQUE else Use.READ_VALUE


def for_writing(path: Path, node: Node, model: ObjectModel) -> Use:
    """What writing `node` at `path` needs."""
    if not isinstance(node, Resource | ResourceInstance):
        return Use.WRITE_TREE
    if isinstance(node.value, bytes):
        return Use.WRITE_OPAQUE
    return Use.WRITE_VALUE if model.resource(path) is not None else Use.WRITE_TREE


@dataclass(slots=True)
class FormatChoice:
    """What is known of one device's formats; it grows with the answers."""

    version: str
    listed: frozenset[int] | None = None
    answered: dict[Use, int] = field(default_factory=dict)
    refused: set[int] = field(default_factory=set)

    def candidates(self, use: Use) -> tuple[ContentFormat, ...]:
        """The formats to try, in order."""
        return candidates(use, self.version, self.listed, self.answered.get(use), self.refused)

    def learn(self, use: Use, answered: int, refused: Collection[int] = ()) -> None:
        """The device took `answered`, after it had refused others in the same operation."""
        self.answered[use] = answered
        self.refused |= set(refused)
        self.refused.discard(answered)

    def dump(self) -> str:
        """As text for the store; it counts only for a device of the same version and list."""
        return json.dumps(
            {
                "version": self.version,
                "listed": None if self.listed is None else sorted(self.listed),
                "answered": {use.value: number for use, number in self.answered.items()},
                "refused": sorted(self.refused),
            }
        )

    def recall(self, text: str) -> None:
        """Take over what `dump` stored, unless the device has become another since."""
        stored = json.loads(text)
        listed = None if stored["listed"] is None else frozenset(stored["listed"])
        if (stored["version"], listed) == (self.version, self.listed):
            self.answered = {Use(name): number for name, number in stored["answered"].items()}
            self.refused = set(stored["refused"])
