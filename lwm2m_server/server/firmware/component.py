"""One component of a device: object 5, or an instance of 33629, in terms of what an update needs of it."""

from __future__ import annotations

import structlog

from lwm2m_server.protocol.errors import DeviceError, DeviceRefused
from lwm2m_server.protocol.firmware import ADVANCED, FIRMWARE, Way
from lwm2m_server.server.device import Device
from objects.definition import ResourceDefinition
from objects.firmware import DeliveryMethod, PullProtocol, Severity, UpdateState
from objects.path import Path
from objects.values import ObjectLink
from secure_coap.exchange import Upload

log = structlog.get_logger()


class ComponentUnusable(Exception):
    """The device has no such component, or shows a State or Update Result that is none."""


class Component:
    """Every method raises `DeviceOffline` and `DeviceRefused` as `Device` does."""

    def __init__(self, device: Device, path: Path) -> None:
        self._device = device
        self._path = path
        self._definition = FIRMWARE if path.object == FIRMWARE.id else ADVANCED

    async def look(self) -> tuple[UpdateState, int]:
        """State and Update Result. Raises `ComponentUnusable`."""
        state, result = await self._number("State"), await self._number("Update Result")
        if state not in UpdateState.__members__.values():
            raise ComponentUnusable(f"State {state} of {self._path} is none of 0..3")
        return UpdateState(state), result

    async def _number(self, name: str) -> int:
        value = await self._device.read_value(self._definition[name], self._instance)
        if value is None:
            raise ComponentUnusable(f"the device has no {name} at {self._path}")
        if isinstance(value, bool) or not isinstance(value, int):
            raise ComponentUnusable(f"{name} of {self._path} is no integer")
        return value

    async def delivery(self) -> DeliveryMethod:
        """How it takes images. Devices that do not say are pushed to."""
        try:
            method = await self._device.read_value(self._definition["Firmware Update Delivery Method"], self._instance)
        except DeviceError:
            return DeliveryMethod.PUSH
        known = method in DeliveryMethod.__members__.values()
        return DeliveryMethod(method) if known else DeliveryMethod.PUSH  # type: ignore[arg-type]

    async def protocols(self) -> tuple[int, ...]:
        """What it fetches with; empty when it does not say."""
        try:
            protocols = await self._device.read_values(
                self._definition["Firmware Update Protocol Support"], self._instance
            )
        except DeviceError:
            protocols = {}
        return tuple(value for value in protocols.values() if isinstance(value, int))

    async def describe(self, severity: Severity | None, deferrable: int | None) -> None:
        """Say how urgent the image is, and how long a user may put it off, to a device that wants to know."""
        for number, value in ((ADVANCED["Severity"].id, severity), (ADVANCED["Maximum Defer Period"].id, deferrable)):
            if value is None:
                continue
            try:
                await self._device.write(self._path.child(number), int(value))
            except DeviceRefused as refused:
                log.info("not_described", component=str(self._path), resource=number, error=str(refused))

    async def push(self, image: bytes, upload: Upload) -> None:
        """Write the package, going on where `upload` stands."""
        await self._device.upload(self._at("Package"), image, upload)

    async def fetch(self, uri: str) -> None:
        """Have the device fetch the package."""
        await self._device.write(self._at("Package URI"), uri)

    async def reset(self, way: Way | None) -> None:
        """Take the package off the device: an empty one after a push, an empty URI after a pull, or else the other."""
        empty: list[tuple[Path, bytes | str]] = [(self._at("Package"), b""), (self._at("Package URI"), "")]
        if isinstance(way, PullProtocol):
            empty.reverse()
        try:
            await self._device.write(*empty[0])
            if (await self.look())[0] in {UpdateState.IDLE, UpdateState.UPDATING}:
                return
        except DeviceRefused as refused:
            log.info("not_reset", component=str(self._path), path=str(empty[0][0]), error=str(refused))
        await self._device.write(*empty[1])

    async def cancel(self, way: Way | None) -> None:
        """Cancel, or for who does not know Cancel, reset."""
        try:
            await self._device.execute(self._path.child(ADVANCED["Cancel"].id))
        except DeviceRefused:
            await self.reset(way)

    async def update(self, together: tuple[Path, ...]) -> None:
        """Install, with other components: argument 0 names them, and says "this one only" without a value."""
        if self._path.object == FIRMWARE.id:
            await self._device.execute(self._at("Update"))
            return
        links = ",".join(f"<{path}>" for path in together)
        await self._device.execute(self._at("Update"), links or None)

    async def conflicts(self) -> tuple[Path, ...]:
        """The instances that stand in the way, as an instance of 33629 names them."""
        if self._path.object == FIRMWARE.id:
            return ()
        try:
            links = await self._device.read_values(ADVANCED["Conflicting Instances"], self._instance)
        except DeviceError:
            return ()
        return tuple(Path(link.object, link.instance) for link in links.values() if isinstance(link, ObjectLink))

    @property
    def _instance(self) -> int:
        assert self._path.instance is not None, "a component is an object instance"
        return self._path.instance

    def _at(self, name: str) -> Path:
        resource: ResourceDefinition = self._definition[name]
        return self._path.child(resource.id)
