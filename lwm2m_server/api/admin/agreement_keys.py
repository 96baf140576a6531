"""Keys that firmware is encrypted for: of devices, and of groups whose devices share one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from cose.cbor import CborError
from cose.errors import CoseError
from cose.shared_keys import MAX_ENCODED, SharedKey
from lwm2m_server.api.admin.common import Server, View, hex_value, targets
from lwm2m_server.fleet.device_keys import DeviceKeys, named_key
from lwm2m_server.fleet.errors import FleetError, Rejected, Unknown
from lwm2m_server.protocol.errors import DeviceError
from lwm2m_server.server.sessions import DeviceOffline
from lwm2m_server.store import agreement_keys as store
from lwm2m_server.store.agreement_keys import AgreementKey, Holder

router = APIRouter()

_CONCURRENT: Final = 50
"""Devices that are asked at the same time."""


class HolderName(BaseModel):
    """A device by its endpoint name, or a group."""

    model_config = ConfigDict(extra="forbid")

    device: str | None = Field(default=None, min_length=1, max_length=255)
    group: str | None = Field(default=None, min_length=1, max_length=64)

    def named(self) -> tuple[Holder, str]:
        """Raises `Rejected` unless exactly one is named."""
        if self.device is not None and self.group is None:
            return Holder.DEVICE, self.device
        if self.group is not None and self.device is None:
            return Holder.GROUP, self.group
        raise Rejected("name a device or a group")


class NewKey(HolderName):
    """`public_key`: P-256 or X25519, PEM."""

    public_key: str = Field(max_length=4096)


@router.get("/agreement-keys")
async def list_keys(server: Server) -> list[View]:
    """All keys, of every holder the oldest first."""
    async with server.database.reading() as connection:
        return [_view(key) for key in await store.everything(connection)]


@router.post("/agreement-keys", status_code=HTTPStatus.CREATED)
async def add_key(server: Server, key: NewKey) -> View:
    """Add a key beside those its holder has: from now on payloads are encrypted for all of them."""
    kind, name = key.named()
    kid, public = _public(key.public_key)
    added = AgreementKey(kind, name, kid, public, server.clock.seconds())
    async with server.database.transaction() as connection:
        await store.add(connection, added)
    return _view(added)


@router.delete("/agreement-keys/{kid}")
async def remove_key(server: Server, kid: str, device: str | None = None, group: str | None = None) -> View:
    """Forget a key, once its holder has the next one."""
    kind, name = HolderName(device=device, group=group).named()
    async with server.database.transaction() as connection:
        removed = await store.remove(connection, kind, name, _kid(kid))
    if not removed:
        raise Unknown("this key of that device or group")
    return {"kid": kid, kind.value: name}


class FetchOrder(HolderName):
    """Whose keys are read; `renew`: each device makes another one first, and gives up the one before the last."""

    renew: bool = False


class GroupKeyOrder(HolderName):
    """`key`: a COSE_Key of type Symmetric with a kid, in hex."""

    key: str = Field(max_length=2 * MAX_ENCODED)


@router.post("/agreement-keys/fetch")
async def fetch_keys(server: Server, request: Request, order: FetchOrder) -> list[View]:
    """Read the agreement keys of a device or of a group's devices, over their own sessions; says of each what came."""
    keys = DeviceKeys(server)

    async def fetch(endpoint: str) -> View:
        return {"kids": [key.kid.hex() for key in await keys.fetch(endpoint, renew=order.renew)]}

    return await _each(await _endpoints(request, order), fetch)


@router.post("/agreement-keys/group-key")
async def give_group_key(server: Server, request: Request, order: GroupKeyOrder) -> list[View]:
    """Write a key that a group's devices share to a device, or to each of a group; it is not kept here."""
    try:
        key = SharedKey.decode(hex_value(order.key, "a key"))
    except (CborError, CoseError) as error:
        raise Rejected(str(error), "key") from error
    keys = DeviceKeys(server)

    async def give(endpoint: str) -> View:
        await keys.give(endpoint, key.encode())
        return {"kids": [key.kid.hex()]}

    return await _each(await _endpoints(request, order), give)


async def _endpoints(request: Request, holder: HolderName) -> list[str]:
    kind, name = holder.named()
    return await targets(request, [name] if kind is Holder.DEVICE else None, holder.group)


async def _each(endpoints: list[str], work: Callable[[str], Awaitable[View]]) -> list[View]:
    """What came of it on every device; some at the same time."""
    slots = asyncio.Semaphore(_CONCURRENT)

    async def one(endpoint: str) -> View:
        async with slots:
            try:
                return {"endpoint": endpoint, **await work(endpoint), "problem": None}
            except (DeviceOffline, DeviceError, FleetError) as error:
                return {"endpoint": endpoint, "kids": [], "problem": str(error)}

    return list(await asyncio.gather(*map(one, endpoints)))


@router.get("/agreement-keys/recipients")
async def list_recipients(
    server: Server, request: Request, device: str | None = None, group: str | None = None
) -> list[View]:
    """The keys to encrypt for so that every owned device of a group, or one device, can decrypt.

    422 when a device has no key, neither its own nor its group's: it could not install what is made.
    """
    kind, name = HolderName(device=device, group=group).named()
    endpoints = await targets(request, [name] if kind is Holder.DEVICE else None, group)
    async with server.database.reading() as connection:
        keys = await store.recipients(connection, group=group, endpoints=endpoints)
    shared = any(key.holder_kind is Holder.GROUP for key in keys)
    without = set(endpoints) - {key.holder for key in keys if key.holder_kind is Holder.DEVICE}
    if without and not shared:
        raise Rejected(f"{sorted(without)[0]} has no agreement key; add it with `lwm2m-server firmware keys add`")
    return [_view(key) for key in keys]


def _public(pem: str) -> tuple[bytes, bytes]:
    """The kid, and the key. Raises `Rejected`."""
    try:
        return named_key(load_pem_public_key(pem.encode()))
    except ValueError as error:
        raise Rejected("a public key in PEM is expected") from error


def _kid(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise Unknown("a key of that name") from error


def _view(key: AgreementKey) -> View:
    pem = load_der_public_key(key.public_key).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {
        "kid": key.kid.hex(),
        "holder": key.holder_kind.value,
        "name": key.holder,
        "added_at": key.added_at,
        "public_key": pem.decode(),
    }
