"""One object of the device as tables: resource name -> what reads, writes or executes it.

Names are those of the object's XML definition; no number is repeated here. Every object of this device has exactly one
instance, number 0.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final, TypeAlias

from objects.definition import Operations, ResourceDefinition
from objects.errors import InvalidValue
from objects.model import MODEL
from objects.nodes import AnyResource, MultipleResource, ObjectInstance, resource
from objects.values import Value
from secure_coap.errors import BadRequest, MethodNotAllowed, NotFound
from trust_transfer.device.actions import SUCCESS, Answer
from trust_transfer.device.events import Source

INSTANCE: Final = 0

Content: TypeAlias = Value | Mapping[int, Value]
"""A value, or the values of a multiple resource by resource-instance id."""

Reader: TypeAlias = Callable[[], Content | None]
"""The present value; None while the resource does not exist."""
Writer: TypeAlias = Callable[[Content, Source], Answer | None]
"""Takes a value of the right type and range; None means success."""
Executor: TypeAlias = Callable[[Mapping[int, str | None], Source], Answer | None]


class DeviceObject:
    """An object whose behaviour is given by three tables."""

    def __init__(
        self,
        name: str,
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
        self.definition = MODEL[name]
        self._made = {self.definition[key].id for key in made_by_reading}
        self._readers = {self.definition[key].id: reader for key, reader in (readers or {}).items()}
        self._writers = {self.definition[key].id: writer for key, writer in (writers or {}).items()}
        self._replacers = {self.definition[key].id: writer for key, writer in (replacers or {}).items()}
        self._executors = {self.definition[key].id: executor for key, executor in (executors or {}).items()}

    @property
    def id(self) -> int:
        return self.definition.id

    def resource_ids(self) -> list[int]:
        """Resources that exist now, in order of their ids."""
        readable = {n for n, reader in self._readers.items() if n not in self._made and reader() is not None}
        return sorted(readable | self._made | set(self._writers) | set(self._executors))

    def read(self, number: int) -> AnyResource:
        """One resource. Raises NotFound, MethodNotAllowed."""
        definition = self._definition(number)
        if Operations.READ not in definition.operations:
            raise MethodNotAllowed(f"{definition} cannot be read")
        reader = self._readers.get(number)
        content = None if reader is None else reader()
        if content is None:
            raise NotFound(f"{definition} is not there")
        return resource(number, content)

    def read_all(self) -> ObjectInstance:
        """Every readable resource that exists now."""
        contents = {number: reader() for number, reader in self._readers.items()}
        present = {number: content for number, content in contents.items() if content is not None}
        return ObjectInstance.of(INSTANCE, present)

    def write(self, resources: Mapping[int, AnyResource], source: Source, *, replace: bool = False) -> Answer:
        """Check all values, then apply them in order of their ids; the first refusal ends it."""
        writers = {**self._writers, **self._replacers} if replace else self._writers
        checked = [
            (self._writer(number, writers), self._checked(number, node)) for number, node in sorted(resources.items())
        ]
        for writer, content in checked:
            answer = writer(content, source)
            if answer is not None and not answer.success:
                return answer
        return SUCCESS

    def execute(self, number: int, arguments: Mapping[int, str | None], source: Source) -> Answer:
        """Raises NotFound, MethodNotAllowed."""
        definition = self._definition(number)
        executor = self._executors.get(number)
        if executor is None:
            raise MethodNotAllowed(f"{definition} cannot be executed")
        return executor(arguments, source) or SUCCESS

    def executable(self, number: int) -> bool:
        return Operations.EXECUTE in self._definition(number).operations

    def _definition(self, number: int) -> ResourceDefinition:
        definition = self.definition.resources.get(number)
        if definition is None:
            raise NotFound(f"object {self.id} has no resource {number}")
        return definition

    def _writer(self, number: int, writers: Mapping[int, Writer]) -> Writer:
        writer = writers.get(number)
        if writer is None:
            raise MethodNotAllowed(f"{self._definition(number)} cannot be written")
        return writer

    def _checked(self, number: int, node: AnyResource) -> Content:
        definition = self._definition(number)
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
