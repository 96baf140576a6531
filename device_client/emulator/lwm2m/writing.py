"""Write, Write-Composite, Create, Delete and Execute (LwM2M Core 1.2, 6.3.3 to 6.3.7 and 6.3.9)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from device_client.emulator.lwm2m.caller import Caller
from device_client.emulator.lwm2m.instance import WriteMode
from device_client.emulator.lwm2m.tree import ObjectTree
from objects import arguments, formats
from objects.errors import FormatError, FormatReason
from objects.formats import composite
from objects.model import ObjectModel
from objects.nodes import AnyResource, MultipleResource, Node, ObjectInstance, ObjectNode, Resource, ResourceInstance
from objects.path import UNASSIGNED, Path
from objects.values import Value
from secure_coap.errors import BadRequest, MethodNotAllowed, NotFound, UnsupportedContentFormat
from secure_coap.exchange import Request
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat
from trust_transfer.device.actions import SUCCESS, Answer
from trust_transfer.device.events import Source


def write(tree: ObjectTree, request: Request, path: Path, caller: Caller) -> Answer:
    """Write to an instance, a resource or a resource instance: PUT replaces, POST updates."""
    node = decoded(request, path, tree.model)
    mode = WriteMode.UPDATE
    if request.method is Code.PUT and path.level < 4:
        # Writing one instance of a resource leaves the others as they are, whatever the method (6.3.3).
        mode = WriteMode.REPLACE_INSTANCE if path.level == 2 else WriteMode.REPLACE_RESOURCE
    return tree.instance(path).write(resources_of(path, node), caller.source, mode)


def write_composite(values: Mapping[Path, Value], tree: ObjectTree, caller: Caller) -> Answer:
    """All or nothing: every value is checked before the first one is written."""
    prepared: list[Callable[[Source], Answer | None]] = []
    for place, resources in _by_instance(values).items():
        prepared += tree.instance(place).prepare_all(resources, WriteMode.UPDATE)
    for apply in prepared:
        answer = apply(caller.source)
        if answer is not None and not answer.success:
            return answer
    return SUCCESS


def composite_values(request: Request, model: ObjectModel) -> Mapping[Path, Value]:
    """The values of a Write-Composite. Raises UnsupportedContentFormat, BadRequest, MethodNotAllowed, FormatError."""
    try:
        decoded_values = composite.decode_values(_format(request), request.payload, model)
    except FormatError as error:
        raise _unsupported(error) from error
    values: dict[Path, Value] = {}
    for path, value in decoded_values.items():
        if value is None:
            raise MethodNotAllowed(f"a Write-Composite removes nothing here: {path} has no value")
        values[path] = value
    return values


def create(tree: ObjectTree, request: Request, path: Path) -> Path:
    """The place of the new instance. Raises what DeviceObject.create raises."""
    node = decoded(request, path, tree.model)
    if not isinstance(node, ObjectNode) or len(node.instances) > 1:
        raise BadRequest("a Create makes one instance")
    found = tree.object(path)
    instance = next(iter(node.instances.values()), ObjectInstance(UNASSIGNED))
    # A single object's only instance is 0, also when the payload leaves the id out.
    number = None if instance.id == UNASSIGNED else instance.id
    return path.child(found.create(number, instance.resources))


def execute(tree: ObjectTree, request: Request, path: Path, caller: Caller) -> Answer:
    """Raises UnsupportedContentFormat, FormatError for arguments that are none."""
    if request.content_format not in (None, ContentFormat.TEXT):
        raise UnsupportedContentFormat("arguments of Execute are plain text")
    parsed = arguments.parse(request.payload)
    return tree.instance(path).execute(path.ids[2], parsed, caller.source)


def decoded(request: Request, path: Path, model: ObjectModel) -> Node:
    """What the body says about `path`. Raises UnsupportedContentFormat, FormatError."""
    try:
        return formats.decode(_format(request), path, request.payload, model)
    except FormatError as error:
        raise _unsupported(error) from error


def resources_of(path: Path, node: Node) -> Mapping[int, AnyResource]:
    """The resources of one instance a node at or beneath it holds. Raises MethodNotAllowed for a whole object."""
    match node:
        case ObjectInstance():
            return node.resources
        case Resource() | MultipleResource():
            return {path.ids[2]: node}
        case ResourceInstance():
            return {path.ids[2]: MultipleResource(path.ids[2], {node.id: node.value})}
        case ObjectNode():
            raise MethodNotAllowed("an object cannot be written as a whole")


def _by_instance(values: Mapping[Path, Value]) -> Mapping[Path, Mapping[int, AnyResource]]:
    found: dict[Path, dict[int, AnyResource]] = {}
    for path, value in values.items():
        if path.level < 3:
            raise NotFound(f"{path} has no value")
        resources = found.setdefault(Path.of(path.ids[:2]), {})
        number = path.ids[2]
        if path.level == 3:
            resources[number] = Resource(number, value)
        else:
            before = resources.get(number)
            others = before.instances if isinstance(before, MultipleResource) else {}
            resources[number] = MultipleResource(number, {**others, path.ids[3]: value})
    return found


def _format(request: Request) -> int:
    if request.content_format is None:
        raise UnsupportedContentFormat("a body names its content format")
    return request.content_format


def _unsupported(error: FormatError) -> Exception:
    """A format that carries no values here is 4.15; anything else wrong with a body stays what it is."""
    return UnsupportedContentFormat(str(error)) if error.reason is FormatReason.UNSUPPORTED else error
