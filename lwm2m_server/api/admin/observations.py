"""Observations, what devices notify and send, and the newest values of each."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Final

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import Field

from lwm2m_server.api.admin.access import Reach
from lwm2m_server.api.admin.common import Number
from lwm2m_server.api.admin.operations import PathsOrder, model_of
from lwm2m_server.api.admin.values import Json, attributes_of, sampled
from lwm2m_server.protocol.observations import Subject
from lwm2m_server.server.sending import Sent
from lwm2m_server.server.server import Lwm2mServer
from lwm2m_server.server.subscriptions import Notification
from objects.model import ObjectModel

router = APIRouter()

LINES: Final = "application/x-ndjson"


class ObserveOrder(PathsOrder):
    """What to observe."""

    composite: bool = Field(default=False, description="all paths together; LwM2M 1.1 and later")
    attributes: dict[str, str | int | float | bool | None] = Field(
        default_factory=dict, description="when to notify, as for write-attributes"
    )


@router.post("/devices/{endpoint:path}/observe")
async def observe(reach: Reach, endpoint: str, order: ObserveOrder) -> Json:
    """Observe; the observation stands until it is cancelled. One there is already is answered with its number."""
    places = order.places
    await order.device(reach, endpoint, places)
    subject = Subject.of(*places, composite=order.composite, attributes=attributes_of(order.attributes))
    observing = reach.server.observing
    before = {one.id for one in observing.of(endpoint)}
    subscription = await observing.begin(endpoint, subject, timeout=order.timeout)
    first = await anext(subscription)
    subscription.close()
    model = await model_of(reach, endpoint)
    return {
        "observation": first.observation,
        "new": first.observation not in before,
        "values": sampled(first.samples, model),
    }


@router.get("/devices/{endpoint:path}/observations")
async def list_observations(reach: Reach, endpoint: str) -> list[Json]:
    """The observations of a device. `state`: live, apart (until the device is heard again), not_begun, refused."""
    await reach.check(endpoint)
    observing = reach.server.observing
    return [
        {
            "observation": one.id,
            "paths": [str(path) for path in one.subject.paths],
            "composite": one.subject.composite,
            "attributes": list(one.subject.attributes.query()),
            "state": observing.state(endpoint, one.id).name.lower(),
            "began_at": one.began_at,
        }
        for one in observing.of(endpoint)
    ]


@router.delete("/devices/{endpoint:path}/observations/{number}")
async def cancel(reach: Reach, endpoint: str, number: Number) -> Json:
    """End an observation, on the device too if it can be reached."""
    await reach.check(endpoint)
    await reach.server.observing.cancel(endpoint, number)
    return {"cancelled": number}


@router.get("/devices/{endpoint:path}/notifications")
async def notifications(reach: Reach, endpoint: str, observation: int | None = None) -> StreamingResponse:
    """A stream, one JSON object a line: all that the device notifies and sends, or one observation's alone.

    That of one observation begins with its present values, and ends with it.
    """
    await reach.check(endpoint)
    model = await model_of(reach, endpoint)
    if observation is None:
        return StreamingResponse(_everything(reach.server, endpoint, model), media_type=LINES)
    subscription = reach.server.observing.listen(endpoint, observation)

    async def lines() -> AsyncIterator[bytes]:
        try:
            async for notification in subscription:
                yield _line(notification, model)
        finally:
            subscription.close()

    return StreamingResponse(lines(), media_type=LINES)


async def _everything(server: Lwm2mServer, endpoint: str, model: ObjectModel) -> AsyncIterator[bytes]:
    async for event in server.events.stream(Notification, Sent):
        assert isinstance(event, Notification | Sent), "what was asked for"
        if event.endpoint == endpoint:
            yield _line(event, model)


def _line(event: Notification | Sent, model: ObjectModel) -> bytes:
    number = event.observation if isinstance(event, Notification) else None
    line = {"endpoint": event.endpoint, "observation": number, "values": sampled(event.samples, model)}
    return json.dumps(line).encode() + b"\n"


@router.get("/devices/{endpoint:path}/values")
async def newest_values(reach: Reach, endpoint: str) -> list[Json]:
    """The newest value of each resource the device has notified or sent, with its moment."""
    await reach.check(endpoint)
    return sampled(await reach.server.latest.of(endpoint), reach.server.model)
