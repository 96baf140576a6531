"""What may exist: definitions of objects and resources, as the OMA registry describes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Flag

from objects.errors import InvalidValue, UnknownDefinition
from objects.path import Path
from objects.ranges import Range
from objects.values import ResourceType, Value, type_rule_broken


class Operations(Flag):
    """What a server may do with a resource."""

    NONE = 0
    READ = 1
    WRITE = 2
    EXECUTE = 4


@dataclass(frozen=True, slots=True)
class ResourceDefinition:
    """One resource of an object. `units` is the unit's symbol or empty."""

    object_id: int
    object_name: str
    id: int
    name: str
    operations: Operations
    multiple: bool
    mandatory: bool
    type: ResourceType
    range: Range
    units: str
    description: str

    def path(self, instance: int = 0, resource_instance: int | None = None) -> Path:
        """Where it lies in that instance of its object."""
        return Path(self.object_id, instance, self.id, resource_instance)

    def check_type(self, value: Value) -> None:
        """Raise InvalidValue unless `value` has the resource's type."""
        if rule := type_rule_broken(self.type, value):
            raise InvalidValue(str(self), rule)

    def check(self, value: Value) -> None:
        """Raise InvalidValue unless `value` has the resource's type and lies in its range."""
        self.check_type(value)
        if rule := self.range.rule_broken(value):
            raise InvalidValue(str(self), rule)

    def __str__(self) -> str:
        return f"{self.object_name}/{self.name} (/{self.object_id}/*/{self.id})"


@dataclass(frozen=True, slots=True)
class ObjectDefinition:
    """One version of an object. `resources` by id."""

    id: int
    version: str
    name: str
    urn: str
    multiple: bool
    mandatory: bool
    description: str
    resources: Mapping[int, ResourceDefinition]

    def resource(self, key: int | str) -> ResourceDefinition:
        """By id or exact name. Raises UnknownDefinition."""
        if isinstance(key, int):
            found = self.resources.get(key)
        else:
            found = next((r for r in self.resources.values() if r.name == key), None)
        if found is None:
            raise UnknownDefinition(f"object {self.id} {self.name!r} version {self.version} has no resource {key!r}")
        return found

    def __getitem__(self, key: int | str) -> ResourceDefinition:
        return self.resource(key)

    def path(self, instance: int | None = None) -> Path:
        """The object's path, or that of one instance."""
        return Path(self.id, instance)
