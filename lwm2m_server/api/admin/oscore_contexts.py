"""OSCORE contexts of devices (LwM2M object 21). A master secret is shown once, when it is made, and never again."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from lwm2m_server.api.admin.common import Server, hex_value
from lwm2m_server.fleet.errors import Unknown
from secure_coap.channels.oscore import PresharedContext

router = APIRouter()

View = dict[str, Any]


class GivenContext(BaseModel):
    """A context made elsewhere, as the device has it; all in hex."""

    model_config = ConfigDict(extra="forbid")

    master_secret: str = Field(max_length=128, repr=False)
    master_salt: str = Field(default="", max_length=128, repr=False)
    sender_id: str = Field(max_length=14)
    recipient_id: str = Field(max_length=14)
    id_context: str | None = Field(default=None, max_length=128)


class NewContext(BaseModel):
    """The context of a device; one is made when none is given."""

    model_config = ConfigDict(extra="forbid")

    endpoint: str = Field(min_length=1, max_length=255)
    context: GivenContext | None = None


@router.get("/oscore-contexts")
async def list_contexts(server: Server, endpoint: str | None = None) -> list[View]:
    """Contexts and the endpoint names they prove; all, or those of one device."""
    contexts = server.oscore_contexts if endpoint is None else server.oscore_contexts.of(endpoint)
    return [_view(context) for context in contexts]


@router.post("/oscore-contexts")
async def add_context(server: Server, new: NewContext) -> View:
    """Store a context for a device, or make one: then the answer has its secret."""
    given = new.context
    if given is None:
        made = await server.oscore_contexts.make(new.endpoint)
        return _view(made) | {"master_secret": made.master_secret.hex(), "master_salt": made.master_salt.hex()}
    context = await server.oscore_contexts.put(
        new.endpoint,
        hex_value(given.master_secret, "a master secret"),
        hex_value(given.recipient_id, "an identifier"),
        hex_value(given.sender_id, "an identifier"),
        hex_value(given.master_salt, "a master salt"),
        None if given.id_context is None else hex_value(given.id_context, "an ID context"),
    )
    return _view(context)


@router.delete("/oscore-contexts/{name}")
async def remove_context(server: Server, name: str) -> View:
    """Forget a context, and end its association."""
    if not await server.withdraw_context(name):
        raise Unknown(f"an OSCORE context {name!r}")
    return {"removed": name}


def _view(context: PresharedContext) -> View:
    """The device's identifiers are those of its own side: what we receive is what it sends."""
    id_context = None if context.id_context is None else context.id_context.hex()
    return {
        "name": context.name,
        "endpoint": context.endpoint,
        "sender_id": context.recipient_id.hex(),
        "recipient_id": context.sender_id.hex(),
        "id_context": id_context,
    }
