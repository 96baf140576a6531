"""Pre-shared keys of devices. A key is shown once, when it is made, and never again."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from lwm2m_server.api.admin.common import Server, hex_value
from lwm2m_server.fleet.errors import Unknown
from lwm2m_server.store.credentials import StoredKey

router = APIRouter()

View = dict[str, Any]


class NewKey(BaseModel):
    """A device's key. `endpoint`: its endpoint name, by default the identity; `key`: in hex, made when not given."""

    model_config = ConfigDict(extra="forbid")

    endpoint: str | None = Field(default=None, min_length=1, max_length=255)
    key: str | None = Field(default=None, max_length=128, repr=False)


@router.get("/credentials")
async def list_keys(server: Server, endpoint: str | None = None) -> list[View]:
    """PSK identities and the endpoint names they prove; all, or those of one device."""
    keys = server.credentials if endpoint is None else server.credentials.of(endpoint)
    return [_view(stored) for stored in keys]


@router.put("/credentials/{identity:path}")
async def put_key(server: Server, identity: str, new: NewKey) -> View:
    """Store a key for a PSK identity; one that is there is replaced. The answer has the key if it was made here."""
    given = None if new.key is None else hex_value(new.key, "a key")
    stored = await server.credentials.put(identity, new.endpoint or identity, given)
    return _view(stored) if given is not None else _view(stored) | {"key": stored.key.hex()}


@router.delete("/credentials/{identity:path}")
async def remove_key(server: Server, identity: str) -> View:
    """Forget a key, and end the sessions it opened."""
    if not await server.withdraw_key(identity):
        raise Unknown(f"a key of {identity!r}")
    return {"removed": identity}


def _view(stored: StoredKey) -> View:
    return {"identity": stored.identity, "endpoint": stored.endpoint, "created_at": stored.created_at}
