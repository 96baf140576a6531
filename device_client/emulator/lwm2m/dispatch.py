"""A server's request to the right object: Read, Discover, Write, Execute (LwM2M Core 1.2, 6.3).

Create, Delete, Write-Attributes and the composite operations are not offered: 4.05. An Observe is answered as the Read
it also is, which tells the server that no notifications follow (RFC 7641 section 2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from device_client.emulator.lwm2m.access import Operation, refused
from device_client.emulator.lwm2m.device_object import INSTANCE, DeviceObject
from objects import arguments, formats
from objects.errors import FormatError, FormatReason, InvalidPath, ObjectsError
from objects.formats.link_format import Link, render
from objects.model import MODEL
from objects.nodes import (
    AnyResource,
    MultipleResource,
    Node,
    ObjectInstance,
    ObjectNode,
    Resource,
    ResourceInstance,
)
from objects.path import Path
from objects.values import ResourceType
from secure_coap.errors import (
    BadRequest,
    CoapError,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    UnsupportedContentFormat,
)
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat
from trust_transfer.device.actions import Answer
from trust_transfer.device.events import Source
from trust_transfer.messages.numbers import State

_DEFAULT_FORMAT: Final = ContentFormat.SENML_CBOR
_METHODS: Final = frozenset({Code.GET, Code.PUT, Code.POST})
"""Of all operations that are offered; a composite one comes without a path."""


class Dispatcher:
    """The objects of one device behind CoAP requests."""

    def __init__(self, objects: Iterable[DeviceObject], state: Callable[[], State]) -> None:
        self._objects: Mapping[int, DeviceObject] = {one.id: one for one in objects}
        self._state = state

    def handle(self, request: Request, source: Source) -> Response:
        """Answer one request of `source`; everything wrong with it becomes its response code."""
        try:
            if request.method not in _METHODS:
                raise MethodNotAllowed(f"{request.method.name} is not offered")
            path = Path.from_segments(request.path)
            return self._operation(request, path, source)
        except CoapError as error:
            return Response.of_error(error)
        except InvalidPath as error:
            return Response.of_error(NotFound(str(error)))
        except ObjectsError as error:
            return Response.of_error(BadRequest(str(error)))

    def links(self) -> tuple[Link, ...]:
        """The registration payload: objects with their versions, then instances."""
        root = Link("/", {"rt": "oma.lwm2m", "ct": str(int(_DEFAULT_FORMAT))})
        versions = [
            Link(f"/{one.id}", {"ver": one.definition.version})
            for one in self._objects.values()
            if one.definition.version != "1.0"
        ]
        return (root, *versions, *(Link(f"/{one.id}/{INSTANCE}") for one in self._objects.values()))

    def _operation(self, request: Request, path: Path, source: Source) -> Response:
        match request.method:
            case Code.GET if request.accept == ContentFormat.LINK_FORMAT:
                return self._allowed(Operation.READ, path, source) or self._discover(path)
            case Code.GET:
                return self._allowed(Operation.READ, path, source) or self._read(path, request.accept)
            case Code.POST if path.level == 3 and self._object(path).executable(path.ids[2]):
                return self._allowed(Operation.EXECUTE, path, source) or self._execute(request, path, source)
            case Code.PUT | Code.POST if path.level >= 2:
                return self._allowed(Operation.WRITE, path, source) or self._write(request, path, source)
            case _:
                raise MethodNotAllowed(f"{request.method.name} is not offered at {path}")

    def _allowed(self, operation: Operation, path: Path, source: Source) -> Response | None:
        answer = refused(source, operation, path, self._state())
        return None if answer is None else response_of(answer)

    def _object(self, path: Path) -> DeviceObject:
        found = self._objects.get(path.object)
        if found is None or path.instance not in (None, INSTANCE):
            raise NotFound(f"{path} is not on this device")
        return found

    def _read(self, path: Path, accept: int | None) -> Response:
        node = self._node(path)
        content_format = accept if accept is not None else _format_for(path, node)
        try:
            payload = formats.encode(content_format, path, node, MODEL)
        except FormatError as error:
            if error.reason is FormatReason.UNSUPPORTED:
                raise NotAcceptable(str(error)) from error
            raise
        return Response(Code.CONTENT, payload, content_format=content_format)

    def _node(self, path: Path) -> Node:
        found = self._object(path)
        if path.resource is None:
            instance = found.read_all()
            return instance if path.instance is not None else ObjectNode(found.id, {INSTANCE: instance})
        node = found.read(path.resource)
        if path.resource_instance is None:
            return node
        if not isinstance(node, MultipleResource) or path.resource_instance not in node.instances:
            raise NotFound(f"{path} is not there")
        return ResourceInstance(path.resource_instance, node.instances[path.resource_instance])

    def _discover(self, path: Path) -> Response:
        found = self._object(path)
        base = f"/{found.id}/{INSTANCE}"
        resources = [f"{base}/{number}" for number in found.resource_ids()]
        if path.level >= 3:
            targets = [target for target in resources if target == f"{base}/{path.resource}"]
        else:
            targets = [*([f"/{found.id}"] if path.level == 1 else []), base, *resources]
        if not targets:
            raise NotFound(f"{path} is not there")
        payload = render(Link(target) for target in targets).encode()
        return Response(Code.CONTENT, payload, content_format=ContentFormat.LINK_FORMAT)

    def _write(self, request: Request, path: Path, source: Source) -> Response:
        if request.content_format is None and request.query:
            raise MethodNotAllowed("Write-Attributes is not offered")
        if request.content_format is None:
            raise UnsupportedContentFormat("a Write names its content format")
        try:
            node = formats.decode(request.content_format, path, request.payload, MODEL)
        except FormatError as error:
            if error.reason is FormatReason.UNSUPPORTED:
                raise UnsupportedContentFormat(str(error)) from error
            raise
        # Writing one instance of a resource leaves the others as they are, whatever the method (LwM2M Core 1.2, 6.3.3).
        replace = request.method is Code.PUT and path.level < 4
        return response_of(self._object(path).write(_resources(path, node), source, replace=replace))

    def _execute(self, request: Request, path: Path, source: Source) -> Response:
        if request.content_format not in (None, ContentFormat.TEXT):
            raise UnsupportedContentFormat("arguments of Execute are plain text")
        parsed = arguments.parse(request.payload)
        return response_of(self._object(path).execute(path.ids[2], parsed, source))


def response_of(answer: Answer) -> Response:
    """The state table's answer as a response."""
    return Response(Code(int(answer.code)), payload=answer.diagnostic.encode())


def _resources(path: Path, node: Node) -> Mapping[int, AnyResource]:
    match node:
        case ObjectInstance():
            return node.resources
        case Resource() | MultipleResource():
            return {path.ids[2]: node}
        case ResourceInstance():
            return {path.ids[2]: MultipleResource(path.ids[2], {node.id: node.value})}
        case ObjectNode():
            raise MethodNotAllowed("an object cannot be written as a whole")


def _format_for(path: Path, node: Node) -> int:
    """What a Read without Accept gets: one opaque value as it is, one other value as text, more as SenML CBOR."""
    if not isinstance(node, Resource | ResourceInstance):
        return _DEFAULT_FORMAT
    definition = MODEL.resource(path)
    opaque = definition is not None and definition.type is ResourceType.OPAQUE
    return ContentFormat.OCTET_STREAM if opaque else ContentFormat.TEXT
