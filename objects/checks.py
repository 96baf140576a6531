"""A whole request against the definitions, before it is sent: operations, what is mandatory, types, ranges, instances.

checks.write(Path(3, 0, 14), Resource(14, "+02:00"), MODEL)

Each raises InvalidValue, which names the resource and the rule. `unknown` says whether objects and resources without a
definition pass; a server lets them, so that a device's own objects can be used without their file.
"""

from __future__ import annotations

from collections.abc import Mapping

from objects.definition import ObjectDefinition, Operations, ResourceDefinition
from objects.errors import InvalidValue
from objects.model import ObjectModel
from objects.nodes import AnyResource, MultipleResource, Node, ObjectInstance, ObjectNode, Resource, ResourceInstance
from objects.path import UNASSIGNED, Path


def read(path: Path, model: ObjectModel, *, unknown: bool = True) -> None:
    """Read, Observe, Discover's kin: the resource, if the path has one, is readable."""
    _operation(path, model, Operations.READ, "cannot be read", unknown)


def execute(path: Path, arguments: Mapping[int, str | None], model: ObjectModel, *, unknown: bool = True) -> None:
    """Execute: an executable resource, arguments 0 to 9 of printable ASCII without quotes (Core 1.2, 6.3.5)."""
    if path.level != 3:
        raise InvalidValue(str(path), "only a resource is executed")
    _operation(path, model, Operations.EXECUTE, "cannot be executed", unknown)
    for number, value in arguments.items():
        if not 0 <= number <= 9:
            raise InvalidValue(str(path), f"arguments are numbered 0 to 9, not {number}")
        if value is not None and not (value.isascii() and value.isprintable() and "'" not in value):
            raise InvalidValue(str(path), f"argument {number} must be printable ASCII without quotation marks")


def write(
    path: Path,
    node: Node,
    model: ObjectModel,
    *,
    replace: bool = False,
    bootstrap: bool = False,
    unknown: bool = True,
) -> None:
    """Write of a resource or an instance. `replace`: the instance as a whole, so nothing mandatory may be missing.

    `bootstrap`: Bootstrap-Write, which may set what is not executable, and whole objects too (Core 1.2, 6.1.7.5).
    """
    match node:
        case ObjectNode() if bootstrap:
            _instances(path, node, model, bootstrap, unknown)
        case ObjectNode():
            raise InvalidValue(str(path), "an object cannot be written as a whole")
        case ObjectInstance():
            _number(path, node, model)
            _instance(path, node, model, bootstrap=bootstrap, unknown=unknown)
            if replace or bootstrap:
                _complete(path, node, model, bootstrap)
        case Resource() | MultipleResource():
            _resource(path, node, model, bootstrap=bootstrap, unknown=unknown)
        case ResourceInstance():
            several = MultipleResource(path.ids[2], {node.id: node.value})
            _resource(Path.of(path.ids[:3]), several, model, bootstrap=bootstrap, unknown=unknown)


def create(path: Path, node: ObjectNode, model: ObjectModel, *, unknown: bool = True) -> None:
    """Create of instances of the object at `path`, numbered or UNASSIGNED."""
    if path.level != 1:
        raise InvalidValue(str(path), "instances are created beneath an object")
    _instances(path, node, model, False, unknown)


def _instances(path: Path, node: ObjectNode, model: ObjectModel, bootstrap: bool, unknown: bool) -> None:
    for number, instance in sorted(node.instances.items()):
        below = path.child(number)
        _number(below, instance, model)
        _instance(below, instance, model, bootstrap=bootstrap, unknown=unknown)
        _complete(below, instance, model, bootstrap)


def _number(path: Path, node: ObjectInstance, model: ObjectModel) -> None:
    definition = _object(path, model)
    if definition is not None and not definition.multiple and node.id not in (0, UNASSIGNED):
        raise InvalidValue(f"{definition.name} ({path})", "has one instance, number 0")


def _instance(path: Path, node: ObjectInstance, model: ObjectModel, *, bootstrap: bool, unknown: bool) -> None:
    for number, resource in sorted(node.resources.items()):
        _resource(path.child(number), resource, model, bootstrap=bootstrap, unknown=unknown)


def _complete(path: Path, node: ObjectInstance, model: ObjectModel, bootstrap: bool) -> None:
    """Nothing mandatory is missing of what the sender, not the device, has to provide."""
    definition = _object(path, model)
    for resource in definition.resources.values() if definition else ():
        ours = Operations.WRITE in resource.operations or (bootstrap and Operations.EXECUTE not in resource.operations)
        if resource.mandatory and ours and resource.id not in node.resources:
            raise InvalidValue(str(resource), "is mandatory and missing")


def _resource(path: Path, node: AnyResource, model: ObjectModel, *, bootstrap: bool, unknown: bool) -> None:
    definition = _known(path, model, unknown)
    if definition is None:
        return
    if Operations.EXECUTE in definition.operations or not (bootstrap or Operations.WRITE in definition.operations):
        raise InvalidValue(str(definition), "cannot be written")
    if isinstance(node, MultipleResource) != definition.multiple:
        raise InvalidValue(str(definition), "has any number of instances" if definition.multiple else "has one value")
    for value in node.instances.values() if isinstance(node, MultipleResource) else (node.value,):
        definition.check(value)


def _operation(path: Path, model: ObjectModel, operation: Operations, rule: str, unknown: bool) -> None:
    definition = _known(path, model, unknown)
    if definition is not None and operation not in definition.operations:
        raise InvalidValue(str(definition), rule)


def _known(path: Path, model: ObjectModel, unknown: bool) -> ResourceDefinition | None:
    definition = model.resource(path)
    if not unknown and (path.object not in model or (definition is None and path.resource is not None)):
        raise InvalidValue(str(path), "has no definition; add the object's XML file to the definitions folder")
    return definition


def _object(path: Path, model: ObjectModel) -> ObjectDefinition | None:
    return model.get(path.object)
