"""The old provider's first step: the signed device list of a group (life cycle, step 5)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from cose.numbers import Algorithm
from lwm2m_server.clock import Clock
from lwm2m_server.fleet.errors import Rejected, Unknown
from lwm2m_server.fleet.factory_certificates import Carriage, bags, list_entry
from lwm2m_server.fleet.manifests import manifest_of
from lwm2m_server.fleet.partners import PartnerProfile
from lwm2m_server.fleet.transfer_lookup import complete_list
from lwm2m_server.provider_keys import Credential
from lwm2m_server.store import fleet as fleet_store
from lwm2m_server.store import partners as partner_store
from lwm2m_server.store import transfers as store
from lwm2m_server.store.database import Database
from lwm2m_server.store.fleet import Device
from lwm2m_server.store.transfers import Document, Kind, Transfer
from trust_transfer.messages.device_update_info import (
    DeviceEntry,
    DeviceInfo,
    DeviceUpdateInfo,
    SoftwareState,
    split,
    transfer_id,
)
from trust_transfer.messages.jws import sign_detached
from trust_transfer.messages.numbers import Form, JwsTyp
from trust_transfer.messages.values import SuitDigest, seq_value

log = structlog.get_logger()

MAX_LIST: Final = 4 * 1024 * 1024
"""Bytes of one chunk made here; half of what a partner must read."""


@dataclass(frozen=True, slots=True)
class Window:
    """When a device may switch over; seconds since 1970."""

    earliest: int
    latest: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What an operator orders with `transfer prepare`. `device_windows` replaces the window for some devices."""

    group: str
    partner: str
    agreed_state: bytes
    window: Window
    form: Form = Form.ENDORSED
    carriage: Carriage = Carriage.X509
    device_windows: Mapping[str, Window] = field(default_factory=dict)


class DeviceLists:
    """Makes device lists. `wake_partner` hears of a list that is to be sent."""

    def __init__(
        self,
        database: Database,
        document_key: Credential,
        clock: Clock,
        wake_partner: Callable[[str], None],
    ) -> None:
        self._database = database
        self._key = document_key
        self._clock = clock
        self._wake_partner = wake_partner

    async def prepare(self, plan: Plan) -> bytes:
        """Make and sign the device list of a group and have it sent; returns the transfer id."""
        async with self._database.transaction() as connection:
            profile = await self._check_plan(connection, plan)
            devices = await _transferable(connection, plan)
            entries = await asyncio.to_thread(lambda: tuple(_entry(device, plan) for device in devices))
            known = await _same_list(connection, plan, entries)
            if known is not None:
                return known
            documents = await self._list_documents(connection, plan, entries)
            cti = documents[0].transfer_id
            await store.add_transfer(connection, self._transfer(cti, plan, profile))
            for document in documents:
                await store.add_document(connection, document)
            for number, bag in enumerate(await asyncio.to_thread(_bags, devices, plan)):
                now = self._clock.seconds()
                await store.add_document(connection, Document(cti, Kind.BAG, number, True, bag, None, now, None))
        log.info("transfer_prepared", transfer=cti.hex(), partner=plan.partner, devices=len(devices))
        self._wake_partner(plan.partner)
        return cti

    async def _check_plan(self, connection: AsyncConnection, plan: Plan) -> PartnerProfile:
        profile = await partner_store.find(connection, plan.partner)
        if profile is None:
            raise Unknown(f"partner {plan.partner!r} (add its profile with `partners add`)")
        if plan.agreed_state not in profile.agreed_states:
            raise Rejected("the agreed state is not in the partner's profile: agree on it first", "agreed_state")
        if await manifest_of(connection, plan.agreed_state) is None:
            raise Unknown("the agreed state's manifest (add it with `firmware add`)")
        for window in (plan.window, *plan.device_windows.values()):
            if not self._clock.seconds() < window.latest or not window.earliest < window.latest:
                raise Rejected("a window begins before it ends, and ends in the future", "window")
        return profile

    def _transfer(self, cti: bytes, plan: Plan, profile: PartnerProfile) -> Transfer:
        return Transfer(
            transfer_id=cti,
            outgoing=True,
            partner=profile.name,
            group_name=plan.group,
            form=plan.form,
            agreed_state=plan.agreed_state,
            update_first=None,
            label=None,
            created_at=self._clock.seconds(),
        )

    async def _list_documents(
        self, connection: AsyncConnection, plan: Plan, entries: Sequence[DeviceEntry]
    ) -> list[Document]:
        manifest = await manifest_of(connection, plan.agreed_state)
        assert manifest is not None and manifest.sequence_number is not None, "checked with the plan"
        state = SoftwareState(
            SuitDigest(Algorithm.SHA_256, plan.agreed_state), sequence_number=manifest.sequence_number
        )
        now, key = self._clock.seconds(), self._key
        chunks = list_chunks(entries, state, plan.group, now)
        cti = transfer_id(chunks)
        documents = []
        for number, chunk in enumerate(chunks):
            jws = sign_detached(chunk, key.private_key, key.certificate, JwsTyp.DEVICES)
            documents.append(Document(cti, Kind.DEVICES, number, True, chunk, jws, now, None))
        return documents


def list_chunks(entries: Sequence[DeviceEntry], state: SoftwareState, group: str, now: int) -> list[bytes]:
    """The chunks of a list whose devices all are to be reset to `state`. `now`: seconds since 1970."""
    parts = split(entries, MAX_LIST)
    return [
        DeviceUpdateInfo(part, now, (state,), None, group, (number, len(parts))).encode()
        for number, part in enumerate(parts)
    ]


async def _transferable(connection: AsyncConnection, plan: Plan) -> list[Device]:
    devices = [device for device in await fleet_store.find_devices(connection, group=plan.group) if device.book.tenure]
    if not devices:
        raise Unknown(f"an owned device in group {plan.group!r}")
    if foreign := plan.device_windows.keys() - {device.endpoint for device in devices}:
        raise Unknown(f"device {min(foreign)!r} in group {plan.group!r}")
    return devices


def _entry(device: Device, plan: Plan) -> DeviceEntry:
    window = plan.device_windows.get(device.endpoint, plan.window)
    tenure = device.book.owned_tenure()
    info = DeviceInfo(window.earliest, window.latest, seq=seq_value(tenure.epoch, tenure.last_n))
    return list_entry(device.certificate, plan.carriage, info)


def _bags(devices: Sequence[Device], plan: Plan) -> list[bytes]:
    return bags([device.certificate for device in devices], plan.carriage)


async def _same_list(connection: AsyncConnection, plan: Plan, entries: tuple[DeviceEntry, ...]) -> bytes | None:
    """The transfer that was prepared with the very same plan, if there is one."""
    for transfer in await store.all_transfers(connection):
        same = (transfer.outgoing, transfer.partner, transfer.group_name, transfer.form, transfer.agreed_state)
        if same == (True, plan.partner, plan.group, plan.form, plan.agreed_state):
            chunks = await complete_list(connection, transfer.transfer_id)
            if tuple(entry for chunk in chunks for entry in chunk.entries) == entries:
                return transfer.transfer_id
    return None
