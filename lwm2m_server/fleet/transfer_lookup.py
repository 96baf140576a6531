"""Transfers of the store, as every service of the fleet needs them."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_server.fleet.errors import Contradiction, NotReady, Unknown
from lwm2m_server.store import transfers as store
from lwm2m_server.store.transfers import Kind, Transfer
from trust_transfer.messages.device_update_info import (
    DeviceUpdateInfo,
)


async def find_transfer(connection: AsyncConnection, cti: bytes, *, outgoing: bool) -> Transfer:
    """A transfer of that direction; raises `Unknown` or `Contradiction`."""
    transfer = await store.get_transfer(connection, cti)
    if transfer is None:
        raise Unknown(f"transfer {cti.hex()}")
    if transfer.outgoing is not outgoing:
        raise Contradiction(f"transfer {cti.hex()} {'comes from' if outgoing else 'goes to'} {transfer.partner}")
    return transfer


async def complete_list(connection: AsyncConnection, cti: bytes) -> list[DeviceUpdateInfo]:
    """The chunks of a transfer's device list; raises `NotReady` while some are missing."""
    documents = await store.find_documents(connection, cti, Kind.DEVICES)
    chunks = [DeviceUpdateInfo.decode(document.body) for document in documents]
    count = (chunks[0].chunk or (0, 1))[1] if chunks else 1
    if len(chunks) != count:
        raise NotReady(f"{len(chunks)} of {count} chunks of the device list are here; wait for the rest")
    return chunks
