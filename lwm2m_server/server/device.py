"""Operations on one device, in terms of its data model (LwM2M Core 1.2, 6.3).

device = server.device("ep")
await device.read("/3/0/0")                            # "Example Ltd"
await device.write("/3/0/14", "+02")
await device.update("/3/0", {14: "+02", 15: "Europe/Helsinki"})
await device.execute("/3/0/4")
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from lwm2m_server.protocol import operations
from lwm2m_server.protocol.errors import DeviceRefused
from lwm2m_server.protocol.observations import Subject
from lwm2m_server.protocol.operations import Found, Steps, Target
from lwm2m_server.protocol.order_values import make_order
from lwm2m_server.protocol.orders import Operation
from lwm2m_server.protocol.trees import AnyTree, node_at, plain
from lwm2m_server.server.observing import Observing
from lwm2m_server.server.queueing import Queued, Queues
from lwm2m_server.server.sessions import Sessions
from lwm2m_server.server.steps import run
from lwm2m_server.server.subscriptions import Subscription
from lwm2m_server.server.targets import Targets
from objects.attributes import Attributes
from objects.definition import ResourceDefinition
from objects.errors import InvalidPath
from objects.nodes import ObjectInstance
from objects.path import UNASSIGNED, Path
from objects.values import Value
from secure_coap.errors import NotFound
from secure_coap.exchange import Request, Response, Upload

T = TypeVar("T")
PathLike = TypeVar("PathLike", str, Path)
Place: TypeAlias = str | Path | ResourceDefinition
"""A path, written `/3/0/1` or as a value, or a resource of an object's instance 0."""


class Device:
    """One device. Every method raises `DeviceOffline` without an answer, `DeviceRefused` for an error answer and
    `AnswerUnusable` for one that cannot be understood; what is wrong with a value or path raises `ObjectsError` before
    anything is sent.

    `wait`: seconds to wait for the device when it is not reachable now. `timeout`: seconds to wait for its answer.
    """

    def __init__(
        self,
        endpoint: str,
        sessions: Sessions,
        targets: Targets,
        observing: Observing,
        queues: Queues,
        *,
        wait: float = 0,
        timeout: float | None = None,
    ) -> None:
        self.endpoint = endpoint
        self._sessions = sessions
        self._targets = targets
        self._observing = observing
        self._queues = queues
        self._wait = wait
        self._timeout = timeout

    async def read(self, path: Place) -> Any:
        """What is at `path`: the value of a single resource, in the type of its definition; else a dict by id."""
        where = _path(path)
        return plain(await self._run(lambda target: operations.read(target, where)))

    async def write(self, path: Place, value: AnyTree) -> None:
        """Replace a resource, a resource instance, or a whole object instance."""
        where = _path(path)
        await self._run(lambda target: operations.write(target, where, node_at(where, value)))

    async def update(self, path: Place, values: AnyTree) -> None:
        """Change what `values` names in an object instance or a multiple resource; the rest stays."""
        where = _path(path)
        await self._run(lambda target: operations.update(target, where, node_at(where, values)))

    async def upload(self, path: Place, body: bytes, how_far: Upload) -> None:
        """Write an opaque resource that is large: `body` is not copied, and a failed transfer goes on by `how_far`."""
        where = _path(path)
        await self._run(lambda target: operations.upload(target, where, body, how_far))

    async def execute(self, path: Place, *arguments: str | int | None) -> None:
        """Run a resource with arguments 0, 1, …; None: an argument without a value."""
        where = _path(path)
        given = {number: None if one is None else str(one) for number, one in enumerate(arguments)}
        await self._run(lambda target: operations.execute(target, where, given))

    async def create(self, path: Place, values: AnyTree) -> Path:
        """Make an object instance: `path` is its object's, and the device numbers it, or its own. Returns its path."""
        where = _path(path)
        if where.level > 2:
            raise InvalidPath(f"an instance is created at /object or /object/instance, not at {where}")
        place = where if where.level == 2 else where.child(UNASSIGNED)
        instance = node_at(place, values)
        assert isinstance(instance, ObjectInstance), "of a path of two levels"
        return await self._run(lambda target: operations.create(target, where.object, instance))

    async def delete(self, path: Place) -> None:
        """Remove an object instance, or from LwM2M 1.2 on a resource instance."""
        where = _path(path)
        await self._run(lambda target: operations.delete(target, where))

    async def discover(self, path: Place, depth: int | None = None) -> tuple[Found, ...]:
        """What is beneath `path`, and the attributes in force. `depth`: levels, for devices of LwM2M 1.2."""
        where = _path(path)
        return await self._run(lambda target: operations.discover(target, where, depth))

    async def write_attributes(self, path: Place, attributes: Attributes) -> None:
        """Set how the device notifies of what is at `path`."""
        where = _path(path)
        await self._run(lambda target: operations.write_attributes(target, where, attributes))

    async def read_composite(self, *paths: Place) -> dict[Path, Value | None]:
        """The values at and beneath several paths in one exchange, by path."""
        places = [_path(path) for path in paths]
        return await self._run(lambda target: operations.read_composite(target, places))

    async def write_composite(self, values: Mapping[PathLike, Value | None]) -> None:
        """Write several resources at once: all or none. None removes a resource instance."""
        given = {_path(path): value for path, value in values.items()}
        await self._run(lambda target: operations.write_composite(target, given))

    async def observe(self, path: Place, attributes: Attributes | None = None) -> Subscription:
        """Be told of every change at `path`: an iterator of notifications, the present value first.

        The observation stands, over restarts and registrations, until the subscription or the device cancels it.
        """
        return await self._observe(Subject.of(_path(path), attributes=attributes))

    async def observe_composite(self, *paths: Place, attributes: Attributes | None = None) -> Subscription:
        """Be told of changes at several paths, together."""
        return await self._observe(Subject.of(*map(_path, paths), composite=True, attributes=attributes))

    async def enqueue(
        self,
        operation: Operation | str,
        *paths: Place,
        value: AnyTree | Mapping[Path, Value | None] | None = None,
        arguments: Sequence[str | int | None] = (),
        attributes: str = "",
        priority: int = 0,
        expires_in: float | None = None,
    ) -> Queued:
        """Have an operation carried out when the device is awake, at once if it is; awaiting the result waits for it.

        It outlives this process. `priority`: 0..100, higher goes first. `expires_in`: seconds after which it is not
        begun any more. Raises `QueueFull`, `WrongEntry`, and `ObjectsError` for what can never be carried out.
        """
        order = make_order(
            self._queues.model,
            Operation(operation),
            [_path(path) for path in paths],
            value,
            arguments=arguments,
            attributes=attributes,
        )
        return await self._queues.add(self.endpoint, order, priority=priority, expires_in=expires_in)

    async def read_value(self, resource: ResourceDefinition, instance: int = 0) -> Value | None:
        """The value of a single resource; None when the device does not have it now."""
        value: Value | None = await self._read_or_none(resource.path(instance))
        return value

    async def read_values(self, resource: ResourceDefinition, instance: int = 0) -> dict[int, Value]:
        """The values of a multiple resource by resource-instance id; empty when the device has none."""
        values: dict[int, Value] | None = await self._read_or_none(resource.path(instance))
        return values or {}

    async def _read_or_none(self, path: Path) -> Any:
        try:
            return await self.read(path)
        except DeviceRefused as refused:
            if refused.code is NotFound.CODE:
                return None
            raise

    async def _observe(self, subject: Subject) -> Subscription:
        await self._sessions.appear(self.endpoint, self._wait)
        return await self._observing.begin(self.endpoint, subject, timeout=self._timeout)

    async def _run(self, operation: Callable[[Target], Steps[T]]) -> T:
        await self._sessions.appear(self.endpoint, self._wait)
        target = await self._targets.of(self.endpoint)
        try:
            return await run(operation(target), self._send)
        finally:
            await self._targets.keep(self.endpoint)

    async def _send(self, request: Request) -> Response:
        return await self._sessions.request(self.endpoint, request, timeout=self._timeout)


def _path(place: Place) -> Path:
    if isinstance(place, ResourceDefinition):
        return place.path()
    return place if isinstance(place, Path) else Path.parse(place)
