"""The data model as plain Python: a value, or a dict by id of what lies one level deeper.

/3/0/0 is "Example Ltd", /3/0 is {0: "Example Ltd", 7: {0: 3700}}, /3 is {0: {0: "Example Ltd", 7: {0: 3700}}}.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from objects.errors import InvalidPath, InvalidValue
from objects.nodes import MultipleResource, Node, ObjectInstance, ObjectNode, Resource, ResourceInstance, resource, walk
from objects.path import Path
from objects.values import ObjectLink, Value, is_unicode

Tree: TypeAlias = "Value | dict[int, Tree]"
"""What reading returns."""
AnyTree: TypeAlias = "Value | Mapping[int, AnyTree]"
"""What writing takes."""


def plain(node: Node) -> Tree:
    """The node as plain values."""
    match node:
        case Resource() | ResourceInstance():
            return node.value
        case MultipleResource():
            return dict(node.instances)
        case ObjectInstance():
            return {number: plain(one) for number, one in node.resources.items()}
        case ObjectNode():
            return {number: plain(one) for number, one in node.instances.items()}


def flat(path: Path, tree: Tree) -> dict[Path, Value]:
    """Every single value of what was read at `path`, by its own path."""
    return dict(walk(path, node_at(path, tree)))


def node_at(path: Path, tree: AnyTree) -> Node:
    """The node these values make at `path`. Raises InvalidValue when their depth does not fit it."""
    number = path.ids[-1]
    match path.level:
        case 1:
            return ObjectNode(number, {i: _instance(path.child(i), one) for i, one in _inside(path, tree).items()})
        case 2:
            return _instance(path, tree)
        case 3:
            return _resource(path, tree)
        case _:
            return ResourceInstance(number, _value(path, tree))


def _instance(path: Path, tree: AnyTree) -> ObjectInstance:
    return ObjectInstance(path.ids[-1], {i: _resource(path.child(i), one) for i, one in _inside(path, tree).items()})


def _resource(path: Path, tree: AnyTree) -> Resource | MultipleResource:
    if isinstance(tree, Mapping):
        return resource(path.ids[-1], {i: _value(path.child(i), one) for i, one in _inside(path, tree).items()})
    return Resource(path.ids[-1], _value(path, tree))


def _inside(path: Path, tree: AnyTree) -> Mapping[int, AnyTree]:
    """What lies beneath `path`; every key must be an id."""
    if not isinstance(tree, Mapping):
        raise InvalidValue(str(path), f"needs values by id, not {type(tree).__name__}")
    for number in tree:
        if isinstance(number, bool) or not isinstance(number, int):
            raise InvalidValue(str(path), f"is numbered by integers, not {number!r}")
        try:
            path.child(number)
        except InvalidPath as error:
            raise InvalidValue(str(path), str(error)) from error
    return tree


def _value(path: Path, tree: AnyTree) -> Value:
    if not isinstance(tree, str | int | float | bytes | ObjectLink):
        raise InvalidValue(str(path), f"takes one value, not {type(tree).__name__}")
    if isinstance(tree, str) and not is_unicode(tree):
        raise InvalidValue(str(path), "takes Unicode text; half a surrogate pair is none")
    return tree
