"""Transfers of the store, as every service of the fleet needs them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_server.fleet.errors import Contradiction, NotReady, Unknown
from lwm2m_server.store import fleet as fleet_store
from lwm2m_server.store import transfers as store
from lwm2m_server.store.transfers import Kind, Transfer
from trust_transfer.messages.device_update_info import DeviceInfo, DeviceUpdateInfo


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


async def listed_devices(connection: AsyncConnection, chunks: Sequence[DeviceUpdateInfo]) -> dict[str, DeviceInfo]:
    """What a device list says, by endpoint name.

    A device that the list names by its certificate alone is left out unless that certificate is stored here: with its
    old provider always, with the new one once the list is accepted.
    """
    entries = [entry for chunk in chunks for entry in chunk.entries]
    prints = await asyncio.to_thread(lambda: [entry.fingerprint or b"" for entry in entries])
    known = await fleet_store.endpoints_of(connection, prints)
    named = ((entry.info.endpoint or known.get(one), entry.info) for entry, one in zip(entries, prints, strict=True))
    return {endpoint: info for endpoint, info in named if endpoint is not None}
