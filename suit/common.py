"""The common data: components, dependencies, what is run before each sequence (section 8.4.5; trust domains, 5.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from cose import cbor
from suit import decoding
from suit.commands import CommandSequence, decode_sequence, encode_sequence
from suit.errors import SuitError, SuitReason
from suit.numbers import CommandCode, CommonKey, DependencyKey

MAX_COMPONENTS: Final = 16
"""Components and dependencies of one manifest."""
MAX_PARTS: Final = 16
"""Byte strings of one component identifier."""

ComponentId: TypeAlias = tuple[bytes, ...]
"""A component's identifier: a path of byte strings."""

NOT_SHARED: Final = frozenset(
    {
        CommandCode.DIRECTIVE_WRITE,
        CommandCode.DIRECTIVE_FETCH,
        CommandCode.DIRECTIVE_COPY,
        CommandCode.DIRECTIVE_INVOKE,
        CommandCode.DIRECTIVE_SWAP,
        CommandCode.DIRECTIVE_PROCESS_DEPENDENCY,
        CommandCode.DIRECTIVE_UNLINK,
    }
)
"""Directives that change something: they have no place in the shared sequence."""


@dataclass(frozen=True, slots=True)
class Common:
    """`dependencies` maps a component index to the prefix of what the dependency is about; None: no prefix.

    An index within `components` says that this component is an envelope; one beyond them adds it to the numbering.
    """

    components: tuple[ComponentId, ...] = ()
    shared: CommandSequence = ()
    dependencies: Mapping[int, ComponentId | None] = field(default_factory=dict)

    def encode(self) -> bytes:
        """The encoded map."""
        common: dict[int, Any] = {}
        if self.dependencies:
            common[CommonKey.DEPENDENCIES] = {number: _prefix_item(p) for number, p in self.dependencies.items()}
        if self.components:
            common[CommonKey.COMPONENTS] = [list(component) for component in self.components]
        if self.shared:
            common[CommonKey.SHARED_SEQUENCE] = encode_sequence(self.shared)
        return cbor.encode(common)

    @classmethod
    def decode(cls, data: bytes) -> Common:
        """From its encoding. Raises SuitError."""
        fields = decoding.known_keys(decoding.mapping(decoding.decode(data, "common"), "common"), CommonKey, "common")
        components = decoding.array(fields.get(CommonKey.COMPONENTS, []), "components")
        dependencies = _parse_dependencies(fields.get(CommonKey.DEPENDENCIES))
        if len(components) + len(dependencies) > MAX_COMPONENTS:
            raise SuitError(SuitReason.LIMIT, f"more than {MAX_COMPONENTS} components")
        found = cls(
            tuple(map(parse_component, components)),
            _parse_shared(fields.get(CommonKey.SHARED_SEQUENCE)),
            dependencies,
        )
        if found.dependencies and max(found.dependencies) >= found.count:
            raise SuitError(SuitReason.COMPONENT_INDEX, "a dependency's index leaves a gap after the components")
        return found

    @property
    def count(self) -> int:
        """How many indices there are."""
        return len(self.components) + sum(number >= len(self.components) for number in self.dependencies)

    def identifier(self, number: int) -> ComponentId:
        """The identifier at an index; a dependency beyond the components is named by its prefix. Raises SuitError."""
        if 0 <= number < len(self.components):
            return self.components[number]
        prefix = self.dependencies.get(number)
        if number not in self.dependencies:
            raise SuitError(SuitReason.COMPONENT_INDEX, f"{number} of {self.count}")
        return prefix or (b"dependency", str(number).encode())


def parse_component(item: Any, what: str = "component identifier") -> ComponentId:
    """A component identifier from its decoded array. Raises SuitError."""
    parts = decoding.array(item, what)
    if len(parts) > MAX_PARTS:
        raise SuitError(SuitReason.LIMIT, f"{what} of more than {MAX_PARTS} parts")
    return tuple([decoding.octets(part, what) for part in parts])


def _prefix_item(prefix: ComponentId | None) -> dict[int, Any]:
    return {} if prefix is None else {DependencyKey.PREFIX: list(prefix)}


def _parse_dependencies(item: Any) -> dict[int, ComponentId | None]:
    if item is None:
        return {}
    fields = decoding.mapping(item, "dependencies")
    if not fields:
        raise SuitError(SuitReason.MALFORMED, "an empty map of dependencies")
    return {decoding.integer(number, "dependency index"): _parse_prefix(value) for number, value in fields.items()}


def _parse_prefix(item: Any) -> ComponentId | None:
    known = decoding.known_keys(decoding.mapping(item, "dependency"), DependencyKey, "dependency")
    return parse_component(known[DependencyKey.PREFIX]) if DependencyKey.PREFIX in known else None


def _parse_shared(item: Any) -> CommandSequence:
    if item is None:
        return ()
    return decode_sequence(decoding.octets(item, "shared sequence"), "shared sequence", excluded=NOT_SHARED)
