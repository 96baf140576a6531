"""Operations on one device (LwM2M Core 1.2, 6.3). Paths are written `/3/0/1`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Final

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from lwm2m_server.api.admin.access import Access, Reach
from lwm2m_server.api.admin.values import Json, attributes_of, kind_of, listed, name_of, tree_at, value_at
from lwm2m_server.protocol.operations import MAX_PATHS
from lwm2m_server.protocol.trees import flat
from lwm2m_server.server.device import Device
from objects.model import ObjectModel
from objects.path import Path

router = APIRouter()

MAX_WAIT: Final = 120.0
MAX_TIMEOUT: Final = 300.0

PathText = Annotated[str, Field(max_length=32)]
_PATH: Final = "`/object/instance/resource`, or less or more of it"


class Order(BaseModel):
    """What every operation takes."""

    model_config = ConfigDict(extra="forbid")

    wait: float = Field(default=0, ge=0, le=MAX_WAIT, description="seconds to wait for a device that is not connected")
    timeout: float | None = Field(
        default=None,
        gt=0,
        le=MAX_TIMEOUT,
        description="seconds to wait for its answer; else as long as CoAP does",
    )

    async def device(self, reach: Access, endpoint: str, paths: Iterable[Path]) -> Device:
        """The device it is for."""
        return await reach.device(endpoint, paths, wait=self.wait, timeout=self.timeout)


class PathOrder(Order):
    """An operation at one path."""

    path: PathText = Field(description=_PATH)

    @property
    def where(self) -> Path:
        """The path. Raises InvalidPath."""
        return Path.parse(self.path)


class WriteOrder(PathOrder):
    """Values to write at one path."""

    value: Any = Field(description="one value, or an object of them by id; opaque ones in hex, links as `66:0`")
    type: str | None = Field(default=None, description="their type where no definition says it, such as `Float`")


class ExecuteOrder(PathOrder):
    """A resource to run."""

    arguments: list[str] = Field(default_factory=list, max_length=10, description="arguments 0, 1, …")


class DiscoverOrder(PathOrder):
    """Where to look."""

    depth: int | None = Field(default=None, description="levels to show, 0 to 3; for devices of LwM2M 1.2")


class AttributesOrder(PathOrder):
    """When to notify of what is at one path."""

    attributes: dict[str, str | int | float | bool | None] = Field(description="by name; null takes one away")


class PathsOrder(Order):
    """Several paths at once."""

    paths: list[PathText] = Field(min_length=1, max_length=MAX_PATHS, description="objects, instances, resources")

    @property
    def places(self) -> list[Path]:
        """The paths. Raises InvalidPath."""
        return [Path.parse(path) for path in self.paths]


class ValuesOrder(Order):
    """Values of several resources."""

    values: dict[PathText, Any] = Field(
        min_length=1, max_length=MAX_PATHS, description="by path; null removes a resource instance"
    )


async def model_of(reach: Access, endpoint: str) -> ObjectModel:
    """The definitions as the device has them."""
    return (await reach.server.targets.of(endpoint)).model


@router.post("/devices/{endpoint:path}/read")
async def read(reach: Reach, endpoint: str, order: PathOrder) -> Json:
    """Read whatever is at a path; opaque values are hex digits."""
    path = order.where
    tree = await (await order.device(reach, endpoint, [path])).read(path)
    return {"values": listed(flat(path, tree), await model_of(reach, endpoint))}


@router.post("/devices/{endpoint:path}/write")
async def write(reach: Reach, endpoint: str, order: WriteOrder) -> Json:
    """Replace a resource, a resource instance, or a whole object instance."""
    path = order.where
    device = await order.device(reach, endpoint, [path])
    await device.write(path, tree_at(path, order.value, await model_of(reach, endpoint), kind_of(order.type)))
    return {"written": str(path)}


@router.post("/devices/{endpoint:path}/update")
async def update(reach: Reach, endpoint: str, order: WriteOrder) -> Json:
    """Change what is named in an object instance or a multiple resource; the rest stays."""
    path = order.where
    device = await order.device(reach, endpoint, [path])
    await device.update(path, tree_at(path, order.value, await model_of(reach, endpoint), kind_of(order.type)))
    return {"updated": str(path)}


@router.post("/devices/{endpoint:path}/execute")
async def execute(reach: Reach, endpoint: str, order: ExecuteOrder) -> Json:
    """Execute a resource."""
    path = order.where
    await (await order.device(reach, endpoint, [path])).execute(path, *order.arguments)
    return {"executed": str(path)}


@router.post("/devices/{endpoint:path}/create")
async def create(reach: Reach, endpoint: str, order: WriteOrder) -> Json:
    """Make an object instance at /object, numbered by the device, or at /object/instance; says where it is."""
    path = order.where
    device = await order.device(reach, endpoint, [path])
    # The types of resources are the same in every instance.
    beneath = path if path.level > 1 else path.child(0)
    values = tree_at(beneath, order.value, await model_of(reach, endpoint), kind_of(order.type))
    return {"created": str(await device.create(path, values))}


@router.post("/devices/{endpoint:path}/delete")
async def delete(reach: Reach, endpoint: str, order: PathOrder) -> Json:
    """Remove an object instance, or from LwM2M 1.2 on a resource instance."""
    path = order.where
    await (await order.device(reach, endpoint, [path])).delete(path)
    return {"deleted": str(path)}


@router.post("/devices/{endpoint:path}/discover")
async def discover(reach: Reach, endpoint: str, order: DiscoverOrder) -> Json:
    """What is at a path, with the attributes in force."""
    path = order.where
    found = await (await order.device(reach, endpoint, [path])).discover(path, order.depth)
    model = await model_of(reach, endpoint)
    return {
        "links": [
            {"path": str(one.path), "name": name_of(one.path, model), "attributes": one.attributes.link()}
            for one in found
        ]
    }


@router.post("/devices/{endpoint:path}/write-attributes")
async def write_attributes(reach: Reach, endpoint: str, order: AttributesOrder) -> Json:
    """Set when the device notifies of what is at a path: pmin, pmax, gt, lt, st, epmin, epmax, edge, con, hqmax."""
    path = order.where
    await (await order.device(reach, endpoint, [path])).write_attributes(path, attributes_of(order.attributes))
    return {"attributes": str(path)}


@router.post("/devices/{endpoint:path}/read-composite")
async def read_composite(reach: Reach, endpoint: str, order: PathsOrder) -> Json:
    """Read what is at several paths in one exchange (LwM2M 1.1 and later)."""
    places = order.places
    values = await (await order.device(reach, endpoint, places)).read_composite(*places)
    return {"values": listed(values, await model_of(reach, endpoint))}


@router.post("/devices/{endpoint:path}/write-composite")
async def write_composite(reach: Reach, endpoint: str, order: ValuesOrder) -> Json:
    """Write several resources at once, all or none (LwM2M 1.1 and later)."""
    places = {Path.parse(path): value for path, value in order.values.items()}
    device = await order.device(reach, endpoint, places)
    model = await model_of(reach, endpoint)
    values = {path: None if value is None else value_at(path, value, model) for path, value in places.items()}
    await device.write_composite(values)
    return {"written": [str(path) for path in values]}
