"""Orders of plain values: making one, checked as far as the definitions are known, and reading what a device answered.

Values are kept in SenML CBOR with the server's definitions; what is sent later follows the device's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from lwm2m_server.protocol.orders import Operation, Order
from lwm2m_server.protocol.queue import Answer
from lwm2m_server.protocol.trees import AnyTree, Tree, node_at, plain
from objects import checks
from objects.attributes import Attributes
from objects.errors import InvalidPath, InvalidValue
from objects.formats import Format, composite, decode, encode
from objects.model import ObjectModel
from objects.nodes import ObjectInstance, ObjectNode
from objects.path import UNASSIGNED, Path
from objects.values import Value

MAX_PATHS: Final = 64
_COMPOSITE: Final = frozenset({Operation.READ_COMPOSITE, Operation.WRITE_COMPOSITE, Operation.OBSERVE_COMPOSITE})
_WRITING: Final = frozenset({Operation.WRITE, Operation.UPDATE, Operation.CREATE, Operation.WRITE_COMPOSITE})


def make_order(
    model: ObjectModel,
    operation: Operation,
    paths: Sequence[Path],
    value: AnyTree | Mapping[Path, Value | None] | None = None,
    *,
    arguments: Sequence[str | int | None] = (),
    attributes: str = "",
) -> Order:
    """An order, checked against the definitions as far as they are known. Raises `ObjectsError`.

    `value`: what Write, Update and Create carry; of Write-Composite the values by path, which are its paths.
    """
    if operation is Operation.WRITE_COMPOSITE:
        if not isinstance(value, Mapping) or not all(isinstance(one, Path) for one in value):
            raise InvalidValue("write-composite", "takes values by path")
        paths = tuple(value)  # type: ignore[arg-type]
    _check_paths(operation, paths)
    if (value is None) is (operation in _WRITING):
        raise InvalidValue(operation.value, "takes a value" if value is None else "takes no value")
    given = {digit: None if one is None else str(one) for digit, one in enumerate(arguments)}
    match operation:
        case Operation.READ | Operation.READ_COMPOSITE | Operation.OBSERVE | Operation.OBSERVE_COMPOSITE:
            for path in paths:
                checks.read(path, model)
        case Operation.EXECUTE:
            checks.execute(paths[0], given, model)
        case Operation.WRITE_ATTRIBUTES:
            attributes_of(attributes).check(paths[0], model)
        case _:
            pass
    content = b"" if value is None else _content(model, operation, paths, value)
    return Order(operation, tuple(paths), content, given, attributes)


def _check_paths(operation: Operation, paths: Sequence[Path]) -> None:
    most = MAX_PATHS if operation in _COMPOSITE else 1
    if not 1 <= len(paths) <= most:
        raise InvalidPath(f"{operation} takes {'one path' if most == 1 else f'1 to {most} paths'}, not {len(paths)}")
    if operation is Operation.CREATE and paths[0].level > 2:
        raise InvalidPath(f"an instance is created at /object or /object/instance, not at {paths[0]}")


def _content(model: ObjectModel, operation: Operation, paths: Sequence[Path], value: Any) -> bytes:
    if operation is Operation.WRITE_COMPOSITE:
        for path, one in value.items():
            if one is not None:
                checks.write(path, node_at(path, one), model)
        return composite.encode_values(Format.SENML_CBOR, value, model)
    path = paths[0]
    if operation is Operation.CREATE:
        instance = node_at(instance_path(path), value)
        assert isinstance(instance, ObjectInstance), "of a path of two levels"
        number = UNASSIGNED if path.level == 1 else instance.id
        created = ObjectNode(path.object, {number: ObjectInstance(number, instance.resources)})
        checks.create(Path(path.object), created, model)
        return encode(Format.SENML_CBOR, instance_path(path), instance, model)
    node = node_at(path, value)
    checks.write(path, node, model, replace=operation is Operation.WRITE)
    return encode(Format.SENML_CBOR, path, node, model)


def instance_path(path: Path) -> Path:
    """Where an instance to create is kept while the device has not numbered it."""
    return path if path.level == 2 else path.child(0)


def attributes_of(query: str) -> Attributes:
    """The attributes an order carries as a query. Raises `ObjectsError`."""
    return Attributes.parse(query.split("&"))


Answered: TypeAlias = "Tree | dict[Path, Value | None] | list[Any] | None"


def answered_value(order: Order, answer: Answer, model: ObjectModel) -> Answered:
    """What a device answered with success: values, links, the path of what it created; None when there is nothing."""
    if not answer.content:
        return None
    match order.operation:
        case Operation.READ:
            return plain(decode(Format.SENML_CBOR, order.path, answer.content, model))
        case Operation.CREATE:
            return answer.content.decode()
        case Operation.DISCOVER:
            links: list[Any] = json.loads(answer.content)
            return links
        case _:
            return composite.decode_values(Format.SENML_CBOR, answer.content, model)
