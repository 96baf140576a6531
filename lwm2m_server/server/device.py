"""Operations on one device, in terms of the data model instead of CoAP."""

from __future__ import annotations

from collections.abc import Mapping

from lwm2m_server.protocol import operations
from lwm2m_server.server.sessions import Sessions
from objects.definition import ObjectDefinition, ResourceDefinition
from objects.formats import Format, decode, encode
from objects.formats.link_format import Link, parse
from objects.model import MODEL
from objects.nodes import MultipleResource, Node, ObjectInstance, Resource, walk
from objects.path import Path
from objects.values import ResourceType, Value
from secure_coap.errors import CoapError, NotFound
from secure_coap.exchange import Request, Response
from secure_coap.numbers.content_formats import ContentFormat

TRANSFER: ObjectDefinition = MODEL["Trust Transfer"]
ENROLLMENT: ObjectDefinition = MODEL["Enrollment"]
FIRMWARE: ObjectDefinition = MODEL["Firmware Update"]


class DeviceRefused(Exception):
    """The device answered with an error code; its state is as its object says."""

    def __init__(self, error: CoapError) -> None:
        super().__init__(str(error))
        self.code = error.code
        self.diagnostic = error.diagnostic


class Device:
    """One device. Every method raises `DeviceOffline` without an answer and `DeviceRefused` for an error answer.

    `wait`: seconds to wait for the device when it has no session.
    """

    def __init__(self, sessions: Sessions, endpoint: str, *, wait: float = 0) -> None:
        self._sessions = sessions
        self._endpoint = endpoint
        self._wait = wait

    async def read(self, path: Path) -> Node:
        """Read whatever is at `path`."""
        definition = MODEL.resource(path)
        accept = _format(definition) if definition is not None and not definition.multiple else Format.TLV
        response = await self._request(operations.read(path, ContentFormat(accept)))
        used = accept if response.content_format is None else response.content_format
        return decode(used, path, response.payload, MODEL)

    async def read_value(self, resource: ResourceDefinition, instance: int = 0) -> Value | None:
        """Read a single resource; None when the device does not have it now."""
        try:
            node = await self.read(resource.path(instance))
        except DeviceRefused as refused:
            if refused.code is NotFound.CODE:
                return None
            raise
        return node.value if isinstance(node, Resource) else None

    async def read_values(self, resource: ResourceDefinition, instance: int = 0) -> dict[int, Value]:
        """Read a multiple resource: values by resource-instance id; empty when the device has none."""
        try:
            node = await self.read(resource.path(instance))
        except DeviceRefused as refused:
            if refused.code is NotFound.CODE:
                return {}
            raise
        return {path.ids[-1]: value for path, value in walk(resource.path(instance), node)}

    async def write(self, resource: ResourceDefinition, value: Value, instance: int = 0) -> None:
        """Write a single resource; raises `InvalidValue` for a value of another type or out of range."""
        resource.check(value)
        path = resource.path(instance)
        chosen = _format(resource)
        payload = encode(chosen, path, Resource(resource.id, value), MODEL)
        await self._request(operations.write(path, payload, ContentFormat(chosen)))

    async def add_values(self, resource: ResourceDefinition, values: Mapping[int, Value], instance: int = 0) -> None:
        """Add instances to a multiple resource; those that are there stay."""
        path = Path(resource.object_id, instance)
        node = ObjectInstance(instance, {resource.id: MultipleResource(resource.id, dict(values))})
        payload = encode(Format.TLV, path, node, MODEL)
        await self._request(operations.write_partial(path, payload, ContentFormat.LWM2M_TLV))

    async def execute(self, path: Path, *arguments: str) -> None:
        """Execute a resource with arguments 0, 1, …"""
        await self._request(operations.execute(path, dict(enumerate(arguments))))

    async def discover(self, path: Path) -> tuple[Link, ...]:
        """What is at `path`."""
        return parse((await self._request(operations.discover(path))).payload)

    async def _request(self, request: Request) -> Response:
        response = await self._sessions.request(self._endpoint, request, wait=self._wait)
        try:
            return response.raise_for_code()
        except CoapError as error:
            raise DeviceRefused(error) from error


def _format(resource: ResourceDefinition) -> Format:
    return Format.OPAQUE if resource.type is ResourceType.OPAQUE else Format.TEXT
