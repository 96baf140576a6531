"""What waits for devices."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from lwm2m_server.api.admin.access import Reach
from lwm2m_server.api.admin.common import Number, Server, View
from lwm2m_server.api.admin.values import shown, tree_at, value_at
from lwm2m_server.protocol.order_values import Answered, answered_value
from lwm2m_server.protocol.orders import Operation
from lwm2m_server.protocol.queue import Entry, EntryState
from lwm2m_server.server.queueing import MAX_PRIORITY
from lwm2m_server.server.server import Lwm2mServer
from objects.path import Path

router = APIRouter()
_QUEUE = "/devices/{endpoint:path}/queue"


class QueuedOperation(BaseModel):
    """An operation to carry out when the device is awake. `expires_in`: seconds after which it is not begun any more.

    `paths`: one, or for composite operations several. `value`: of write, update and create; of write-composite an
    object of values by path, without `paths`. `attributes`: of write-attributes and observe, as `pmin=10&pmax=60`.
    """

    model_config = ConfigDict(extra="forbid")

    operation: Operation
    paths: list[str] = Field(default_factory=list, max_length=64)
    value: Any = None
    arguments: list[str | int | None] = Field(default_factory=list, max_length=10)
    attributes: str = Field(default="", max_length=255)
    priority: int = Field(default=0, ge=0, le=MAX_PRIORITY)
    expires_in: float | None = Field(default=None, gt=0)


@router.post(_QUEUE, status_code=HTTPStatus.CREATED)
async def enqueue(server: Server, reach: Reach, endpoint: str, queued: QueuedOperation) -> View:
    """Store an operation for a device; it is delivered at once if the device is awake. Answers with its number."""
    await reach.check(endpoint)
    paths = [Path.parse(text) for text in queued.paths]
    value = queued.value
    if queued.operation is Operation.WRITE_COMPOSITE and isinstance(value, dict):
        places = {Path.parse(text): one for text, one in value.items()}
        value = {path: None if one is None else value_at(path, one, server.model) for path, one in places.items()}
    elif value is not None and paths:
        value = tree_at(paths[0], value, server.model)
    added = await server.device(endpoint).enqueue(
        queued.operation,
        *paths,
        value=value,
        arguments=queued.arguments,
        attributes=queued.attributes,
        priority=queued.priority,
        expires_in=queued.expires_in,
    )
    return _view(server, await server.queues.get(endpoint, added.id))


@router.get(_QUEUE)
async def list_queue(server: Server, endpoint: str, limit: Annotated[int, Query(ge=1, le=10_000)] = 1000) -> list[View]:
    """A device's entries, the newest first: what waits, and outcomes that are still kept."""
    return [_view(server, entry) for entry in await server.queues.entries(endpoint, limit)]


@router.get(f"{_QUEUE}/{{number}}")
async def show_entry(server: Server, endpoint: str, number: Number) -> View:
    """One entry, with what the device answered."""
    return _view(server, await server.queues.get(endpoint, number))


@router.delete(f"{_QUEUE}/{{number}}")
async def cancel_entry(server: Server, endpoint: str, number: Number) -> View:
    """Take an entry back; one that is on its way or has ended stays as it is, which the answer shows."""
    return _view(server, await server.queues.cancel(endpoint, number))


def _view(server: Lwm2mServer, entry: Entry) -> View:
    answer, done = entry.answer, entry.state is EntryState.DONE
    return {
        "id": entry.id,
        "operation": entry.order.operation.value,
        "paths": [str(path) for path in entry.order.paths],
        "state": entry.state.value,
        "priority": entry.priority,
        "created_at": int(entry.created_at),
        "expires_at": int(entry.expires_at),
        "attempts": entry.attempts,
        "ended_at": None if entry.ended_at is None else int(entry.ended_at),
        "code": None if answer is None or answer.code is None else answer.code.dotted,
        "detail": "" if answer is None else answer.detail,
        "answer": _plain(answered_value(entry.order, answer, server.model)) if answer and done else None,
    }


def _plain(answered: Answered) -> Any:
    """Trees as objects by id, values by their paths, links as they are."""
    if isinstance(answered, Mapping):
        return {str(key): _plain(one) for key, one in answered.items()}
    return answered if answered is None or isinstance(answered, list) else shown(answered)
