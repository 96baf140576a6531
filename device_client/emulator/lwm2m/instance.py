"""What every instance of an object can do, and the two kinds there are: behaviour given by tables, and stored values.

Names are those of the object's XML definition; no number is repeated here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from enum import Enum
from typing import TypeAlias

from objects.definition import ObjectDefinition, Operations, ResourceDefinition
from objects.errors import InvalidValue
from objects.nodes import AnyResource, MultipleResource, resource
from objects.values import Value
from secure_coap.errors import BadRequest, MethodNotAllowed, NotFound
from trust_transfer.device.actions import SUCCESS, Answer
from trust_transfer.device.events import Source

Content: TypeAlias = Value | Mapping[int, Value]
"""A value, or the values of a multiple resource by resource-instance id."""
Arguments: TypeAlias = Mapping[int, str | None]
"""Of Execute, by their digit."""
Reader: TypeAlias = Callable[[], Content | None]
"""The present value; None while the resource does not exist."""
Writer: TypeAlias = Callable[[Content, Source], Answer | None]
"""Takes a value of the right type and range; None means success."""
Executor: TypeAlias = Callable[[Arguments, Source], Answer | None]


class WriteMode(Enum):
    """What a Write does with what it does not name (LwM2M Core 1.2, 6.3.3)."""

    UPDATE = "leave it"
    REPLACE_RESOURCE = "remove the other instances of the resource"
    REPLACE_INSTANCE = "remove the other writable resources too"


class Instance(ABC):
    """One instance of an object on this device."""

    def __init__(self, definition: ObjectDefinition) -> None:
        self.definition = definition

    @abstractmethod
    def resource_ids(self) -> list[int]:
        """Resources that exist now, in order of their ids."""

    @abstractmethod
    def content(self, number: int) -> Content | None:
        """The present value of a resource; None while it does not exist."""

    @abstractmethod
    def prepare(self, number: int, content: Content, mode: WriteMode) -> Callable[[Source], Answer | None]:
        """What writes this value, which has the right type and range. Raises MethodNotAllowed; changes nothing yet."""

    @abstractmethod
    def execute(self, number: int, arguments: Arguments, source: Source) -> Answer:
        """Raises NotFound, MethodNotAllowed."""

    def made_by_reading(self, number: int) -> bool:
        """Whether reading this resource makes a new value, so that it is read only when a server asks."""
        return False

    @abstractmethod
    def leave_only(self, numbers: Collection[int]) -> None:
        """After a Write with Replace of the whole instance: optional writable resources it did not name go."""

    def read(self, number: int) -> AnyResource:
        """One resource. Raises NotFound, MethodNotAllowed."""
        definition = self.resource_definition(number)
        if Operations.READ not in definition.operations:
            raise MethodNotAllowed(f"{definition} cannot be read")
        content = self.content(number)
        if content is None:
            raise NotFound(f"{definition} is not there")
        return resource(number, content)

    def read_all(self, *, made: bool = True) -> Mapping[int, AnyResource]:
        """Every readable resource that exists now; without those made by reading unless `made`."""
        readable = {
            number: self.content(number)
            for number in self.resource_ids()
            if Operations.READ in self.resource_definition(number).operations
            and (made or not self.made_by_reading(number))
        }
        return {number: resource(number, content) for number, content in readable.items() if content is not None}

    def write(self, resources: Mapping[int, AnyResource], source: Source, mode: WriteMode) -> Answer:
        """Check all values, then apply them in order of their ids; the first refusal ends it."""
        apply = self.prepare_all(resources, mode)
        for one in apply:
            answer = one(source)
            if answer is not None and not answer.success:
                return answer
        if mode is WriteMode.REPLACE_INSTANCE:
            self.leave_only(resources)
        return SUCCESS

    def prepare_all(
        self, resources: Mapping[int, AnyResource], mode: WriteMode
    ) -> list[Callable[[Source], Answer | None]]:
        """Check these values; what is returned writes them. Raises NotFound, MethodNotAllowed, BadRequest."""
        prepared = []
        for number, node in sorted(resources.items()):
            definition = self.resource_definition(number)
            if Operations.WRITE not in definition.operations:
                raise MethodNotAllowed(f"{definition} cannot be written")
            prepared.append(self.prepare(number, checked(definition, node), mode))
        return prepared

    def executable(self, number: int) -> bool:
        return Operations.EXECUTE in self.resource_definition(number).operations

    def resource_definition(self, number: int) -> ResourceDefinition:
        """Raises NotFound."""
        definition = self.definition.resources.get(number)
        if definition is None:
            raise NotFound(f"object {self.definition.id} has no resource {number}")
        return definition


def checked(definition: ResourceDefinition, node: AnyResource) -> Content:
    """The content of a resource that keeps its definition. Raises BadRequest naming the rule it breaks."""
    multiple = isinstance(node, MultipleResource)
    if multiple != definition.multiple:
        raise BadRequest(f"{definition} has {'many values' if definition.multiple else 'one value'}")
    values = list(node.instances.values()) if isinstance(node, MultipleResource) else [node.value]
    try:
        for value in values:
            definition.check(value)
    except InvalidValue as error:
        raise BadRequest(str(error)) from error
    return node.instances if isinstance(node, MultipleResource) else node.value


class TableInstance(Instance):
    """An instance whose behaviour is given by tables: resource name -> what reads, writes or executes it."""

    def __init__(
        self,
        definition: ObjectDefinition,
        *,
        readers: Mapping[str, Reader] | None = None,
        writers: Mapping[str, Writer] | None = None,
        replacers: Mapping[str, Writer] | None = None,
        executors: Mapping[str, Executor] | None = None,
        made_by_reading: Collection[str] = (),
    ) -> None:
        """`replacers`: resources that a Write with Replace changes otherwise than one with Partial Update.

        `made_by_reading`: resources that always exist and whose reader must run for a Read only.
        """
        super().__init__(definition)
        self._made = {definition[key].id for key in made_by_reading}
        self._readers = {definition[key].id: reader for key, reader in (readers or {}).items()}
        self._writers = {definition[key].id: writer for key, writer in (writers or {}).items()}
        self._replacers = {definition[key].id: writer for key, writer in (replacers or {}).items()}
        self._executors = {definition[key].id: executor for key, executor in (executors or {}).items()}

    def resource_ids(self) -> list[int]:
        readable = {n for n, reader in self._readers.items() if n not in self._made and reader() is not None}
        return sorted(readable | self._made | set(self._writers) | set(self._executors))

    def content(self, number: int) -> Content | None:
        reader = self._readers.get(number)
        return None if reader is None else reader()

    def made_by_reading(self, number: int) -> bool:
        return number in self._made

    def leave_only(self, numbers: Collection[int]) -> None:
        """What tables give does not go."""

    def prepare(self, number: int, content: Content, mode: WriteMode) -> Callable[[Source], Answer | None]:
        replacing = mode is not WriteMode.UPDATE and number in self._replacers
        writer = self._replacers[number] if replacing else self._writers.get(number)
        if writer is None:
            raise MethodNotAllowed(f"{self.resource_definition(number)} cannot be written")
        return lambda source: writer(content, source)

    def execute(self, number: int, arguments: Arguments, source: Source) -> Answer:
        definition = self.resource_definition(number)
        executor = self._executors.get(number)
        if executor is None:
            raise MethodNotAllowed(f"{definition} cannot be executed")
        return executor(arguments, source) or SUCCESS


class StoredInstance(Instance):
    """An instance that keeps the values it is given, whatever resources its definition has; some can be executed."""

    def __init__(
        self,
        definition: ObjectDefinition,
        values: Mapping[str, Content] | None = None,
        executors: Mapping[str, Executor] | None = None,
        changed: Callable[[int], None] = lambda number: None,
    ) -> None:
        """`changed` is called with the id of a resource that a server has written."""
        super().__init__(definition)
        self._changed = changed
        self.values: dict[int, Content] = {definition[key].id: value for key, value in (values or {}).items()}
        self._executors = {definition[key].id: executor for key, executor in (executors or {}).items()}

    def __getitem__(self, name: str) -> Content | None:
        return self.values.get(self.definition[name].id)

    def __setitem__(self, name: str, content: Content) -> None:
        self.values[self.definition[name].id] = content

    def resource_ids(self) -> list[int]:
        return sorted({*self.values, *self._executors})

    def content(self, number: int) -> Content | None:
        return self.values.get(number)

    def prepare(self, number: int, content: Content, mode: WriteMode) -> Callable[[Source], Answer | None]:
        def apply(source: Source) -> None:
            self.put(number, content, mode)
            self._changed(number)

        return apply

    def put(self, number: int, content: Content, mode: WriteMode) -> None:
        """Keep a value of the right type, whether or not servers may write this resource."""
        before = self.values.get(number)
        if mode is WriteMode.UPDATE and isinstance(content, Mapping) and isinstance(before, Mapping):
            content = {**before, **content}
        self.values[number] = content

    def put_all(self, resources: Mapping[int, AnyResource]) -> None:
        """Keep these values, whether or not servers may write them; resources the object does not know are left out."""
        for number, node in sorted(resources.items()):
            if number in self.definition.resources:
                content = node.instances if isinstance(node, MultipleResource) else node.value
                self.put(number, content, WriteMode.REPLACE_RESOURCE)

    def leave_only(self, numbers: Collection[int]) -> None:
        for number in set(self.values) - set(numbers):
            definition = self.definition.resources[number]
            if Operations.WRITE in definition.operations and not definition.mandatory:
                del self.values[number]

    def execute(self, number: int, arguments: Arguments, source: Source) -> Answer:
        definition = self.resource_definition(number)
        executor = self._executors.get(number)
        if executor is None:
            raise MethodNotAllowed(f"{definition} cannot be executed")
        return executor(arguments, source) or SUCCESS
