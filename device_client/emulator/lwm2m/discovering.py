"""Discover, and the links of a registration: what is on the device, with the attributes a server has set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from device_client.emulator.lwm2m.attributes import AttributeStore
from device_client.emulator.lwm2m.caller import Caller
from device_client.emulator.lwm2m.device_object import DeviceObject
from device_client.emulator.lwm2m.tree import ObjectTree
from objects.formats.link_format import Link
from objects.path import Path
from secure_coap.errors import NotFound

NEVER_REGISTERED = frozenset({0, 21})
"""Security and OSCORE: their instances are secrets between the device and bootstrap (LwM2M Core 1.2, 6.2.1)."""


def registration_links(tree: ObjectTree, formats: str) -> tuple[Link, ...]:
    """The registration payload: objects with their versions, then instances; `formats` is the ct attribute."""
    root = Link("/", {"rt": "oma.lwm2m", "ct": formats})
    return (root, *(link for one in tree if one.id not in NEVER_REGISTERED for link in _object_links(one)))


def _object_links(one: DeviceObject) -> Iterator[Link]:
    version = {} if one.definition.version == "1.0" else {"ver": one.definition.version}
    if version or not one.instances:
        yield Link(f"/{one.id}", version)
    yield from (Link(f"/{one.id}/{number}") for number in sorted(one.instances))


def discover(
    tree: ObjectTree, attributes: AttributeStore, path: Path, caller: Caller, depth: int | None
) -> tuple[Link, ...]:
    """The links at and beneath `path`. Of an object without a given `depth` instances and resources too.

    `depth`: how many levels below `path` (LwM2M Core 1.2, 6.3.2); None is the default of the path's level: from an
    object and an instance down to the resources, from a resource to its instances. Raises NotFound.
    """
    deepest = path.level + (depth if depth is not None else 2 if path.level == 1 else 1)
    return tuple(
        Link(str(place), dict(_described(tree, attributes, place, caller, inherited=place == path)))
        for place in _places(tree, path)
        if place.level <= deepest
    )


def _described(
    tree: ObjectTree, attributes: AttributeStore, place: Path, caller: Caller, *, inherited: bool
) -> Iterator[tuple[str, str | None]]:
    if place.level == 1:
        version = tree.object(place).definition.version
        if version != "1.0":
            yield "ver", version
    if place.level == 3 and (size := _dimension(tree, place)) is not None:
        yield "dim", str(size)
    rules = attributes.effective(caller.server, place) if inherited else attributes.own(caller.server, place)
    yield from rules.link().items()


def _dimension(tree: ObjectTree, place: Path) -> int | None:
    """How many instances a multiple resource has; None for any other."""
    instance = tree.instance(place)
    if not instance.resource_definition(place.ids[2]).multiple:
        return None
    content = instance.content(place.ids[2])
    return len(content) if isinstance(content, Mapping) else 0


def _places(tree: ObjectTree, path: Path) -> Iterator[Path]:
    """Everything at and beneath `path` that exists, values read or not."""
    if path.level == 1:
        yield path
        for number in sorted(tree.object(path).instances):
            yield from _places(tree, path.child(number))
        return
    instance = tree.instance(path)
    if path.level == 2:
        yield path
        for number in instance.resource_ids():
            yield from _places(tree, path.child(number))
        return
    if path.ids[2] not in instance.resource_ids():
        raise NotFound(f"{path} is not there")
    content = None if instance.made_by_reading(path.ids[2]) else instance.content(path.ids[2])
    numbers = sorted(content) if isinstance(content, Mapping) else []
    if path.level == 4:
        if path.ids[3] not in numbers:
            raise NotFound(f"{path} is not there")
        yield path
        return
    yield path
    yield from (path.child(number) for number in numbers)
