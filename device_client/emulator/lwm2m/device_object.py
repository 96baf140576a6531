"""One object of the device: its definition and the instances that are there now."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final, TypeAlias

from device_client.emulator.lwm2m.instance import Executor, Instance, Reader, TableInstance, Writer
from objects.definition import ObjectDefinition
from objects.errors import InvalidValue
from objects.model import MODEL, ObjectModel
from objects.nodes import AnyResource
from objects.path import MAX_ID
from secure_coap.errors import BadRequest, MethodNotAllowed, NotFound, ServiceUnavailable

MAX_INSTANCES: Final = 64
"""Instances of one object; a Create beyond them is answered 5.03."""

Make: TypeAlias = Callable[[int, Mapping[int, AnyResource]], Instance]
"""A new instance with this id and these values. Raises BadRequest for values it cannot be made of."""


class DeviceObject:
    """An object. `make` makes instances for a server's Create; without it servers can neither create nor delete."""

    def __init__(
        self, definition: ObjectDefinition, instances: Mapping[int, Instance], make: Make | None = None
    ) -> None:
        self.definition = definition
        self.instances = dict(instances)
        self._make = make

    @classmethod
    def single(
        cls,
        name: str,
        *,
        readers: Mapping[str, Reader] | None = None,
        writers: Mapping[str, Writer] | None = None,
        replacers: Mapping[str, Writer] | None = None,
        executors: Mapping[str, Executor] | None = None,
        made_by_reading: Collection[str] = (),
        model: ObjectModel = MODEL,
    ) -> DeviceObject:
        """An object with instance 0 alone, given by tables (see TableInstance)."""
        definition = model[name]
        instance = TableInstance(
            definition,
            readers=readers,
            writers=writers,
            replacers=replacers,
            executors=executors,
            made_by_reading=made_by_reading,
        )
        return cls(definition, {0: instance})

    @property
    def id(self) -> int:
        return self.definition.id

    def instance(self, number: int) -> Instance:
        """Raises NotFound."""
        found = self.instances.get(number)
        if found is None:
            raise NotFound(f"/{self.id}/{number} is not on this device")
        return found

    def create(self, number: int | None, resources: Mapping[int, AnyResource]) -> int:
        """Make an instance and return its id; the lowest free one unless `number` is given.

        Raises MethodNotAllowed, BadRequest (the id is taken, or the values are wrong), ServiceUnavailable.
        """
        if self._make is None:
            raise MethodNotAllowed(f"instances of object {self.id} cannot be created")
        if len(self.instances) >= MAX_INSTANCES:
            raise ServiceUnavailable(f"{MAX_INSTANCES} instances at most: delete one first")
        if number is None:
            number = next(n for n in range(MAX_ID) if n not in self.instances)
        if number in self.instances:
            raise BadRequest(f"/{self.id}/{number} is there already")
        try:
            self.instances[number] = self._make(number, resources)
        except InvalidValue as error:
            raise BadRequest(str(error)) from error
        return number

    def delete(self, number: int) -> None:
        """Raises NotFound, MethodNotAllowed."""
        self.instance(number)
        if self._make is None:
            raise MethodNotAllowed(f"instances of object {self.id} cannot be deleted")
        del self.instances[number]
