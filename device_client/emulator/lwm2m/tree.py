"""The objects of one device as the tree that paths lead into."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping

from device_client.emulator.lwm2m.caller import Access, Caller, Operation
from device_client.emulator.lwm2m.device_object import DeviceObject
from device_client.emulator.lwm2m.instance import Instance
from device_client.emulator.signal import Signal
from objects.model import MODEL, ObjectModel
from objects.nodes import MultipleResource, Node, ObjectInstance, ObjectNode, ResourceInstance, walk
from objects.path import Path
from objects.values import Value
from secure_coap.errors import CoapError, NotFound


class ObjectTree:
    """Finds and reads what is on the device; what a caller may not read is not there for it."""

    def __init__(self, objects: Iterable[DeviceObject], access: Access, model: ObjectModel = MODEL) -> None:
        """`model` holds the versions of the objects this device has."""
        self._objects: Mapping[int, DeviceObject] = {one.id: one for one in objects}
        self.access = access
        self.model = model
        self.watchers: set[Callable[[], None]] = set()
        """Called by `touch`."""
        self.reshaped = Signal()
        """Fires when an instance has come or gone: the servers' lists of links are not right any more."""

    def touch(self) -> None:
        """Something on the device may have changed."""
        for watcher in tuple(self.watchers):
            watcher()

    def __iter__(self) -> Iterator[DeviceObject]:
        return iter(self._objects.values())

    def object(self, path: Path) -> DeviceObject:
        """Raises NotFound."""
        found = self._objects.get(path.object)
        if found is None:
            raise NotFound(f"/{path.object} is not on this device")
        return found

    def instance(self, path: Path) -> Instance:
        """The instance at or above `path`. Raises NotFound."""
        return self.object(path).instance(path.ids[1])

    def read(self, path: Path, caller: Caller, *, made: bool = True) -> Node:
        """What is at `path`; of an object the instances this caller may read.

        Without `made` resources whose reading makes a new value are left out, and one by itself is not found. Raises
        NotFound, MethodNotAllowed.
        """
        if path.instance is None:
            found = self.object(path)
            readable = (n for n in found.instances if not self._refused(caller, path.child(n)))
            return ObjectNode(
                found.id, {n: ObjectInstance(n, found.instances[n].read_all(made=made)) for n in sorted(readable)}
            )
        instance = self.instance(path)
        if path.resource is None:
            return ObjectInstance(path.instance, instance.read_all(made=made))
        if not made and instance.made_by_reading(path.resource):
            raise NotFound(f"{path} is made by reading it")
        node = instance.read(path.resource)
        if path.resource_instance is None:
            return node
        if not isinstance(node, MultipleResource) or path.resource_instance not in node.instances:
            raise NotFound(f"{path} is not there")
        return ResourceInstance(path.resource_instance, node.instances[path.resource_instance])

    def values(self, paths: Iterable[Path], caller: Caller, *, made: bool = True) -> dict[Path, Value]:
        """Every single value at and beneath these paths that is there and that this caller may read."""
        found: dict[Path, Value] = {}
        for path in paths:
            if not self._refused(caller, path):
                with contextlib.suppress(CoapError):
                    found.update(walk(path, self.read(path, caller, made=made)))
        return found

    def _refused(self, caller: Caller, path: Path) -> bool:
        return self.access.refused(caller, Operation.READ, path) is not None
