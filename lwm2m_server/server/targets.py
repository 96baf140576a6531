"""What operations need to know of a device: its view of the object definitions, and its formats as far as known."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lwm2m_server.protocol.content_formats import FormatChoice
from lwm2m_server.protocol.object_links import links_of
from lwm2m_server.protocol.operations import Target
from lwm2m_server.protocol.registrations import Registration
from lwm2m_server.server.sessions import DeviceOffline
from lwm2m_server.store import device_formats as store
from lwm2m_server.store.database import Database
from objects.core_versions import core_versions
from objects.model import ObjectModel

KEPT: Final = 4096
"""Devices whose target is kept in memory."""


@dataclass(slots=True)
class _Entry:
    version: str
    links: str
    target: Target
    stored: str


class Targets:
    """Targets by endpoint name, made when a device is first operated; what was learned of formats is kept in the store.

    `registration`: the device's registration, None without one.
    """

    def __init__(
        self, database: Database, model: ObjectModel, registration: Callable[[str], Registration | None]
    ) -> None:
        self._database = database
        self._model = model
        self._registration = registration
        self._known: OrderedDict[str, _Entry] = OrderedDict()

    def view(self, endpoint: str) -> Target:
        """The device as it is registered now, without what was learned of it. Raises DeviceOffline when it is not."""
        registration = self._registered(endpoint)
        return target_of(registration.version, registration.links, self._model)

    async def of(self, endpoint: str) -> Target:
        """The device as it is registered now. Raises DeviceOffline when it is not."""
        registration = self._registered(endpoint)
        entry = self._known.get(endpoint)
        if entry is None or (entry.version, entry.links) != (registration.version, registration.links):
            entry = await self._make(registration)
            self._known[endpoint] = entry
        self._known.move_to_end(endpoint)
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return entry.target

    def _registered(self, endpoint: str) -> Registration:
        registration = self._registration(endpoint)
        if registration is None:
            raise DeviceOffline(f"{endpoint} is not registered; it is reached when it registers")
        return registration

    async def _make(self, registration: Registration) -> _Entry:
        target = target_of(registration.version, registration.links, self._model)
        async with self._database.reading() as connection:
            stored = await store.get(connection, registration.endpoint)
        if stored is not None:
            target.formats.recall(stored)
        return _Entry(registration.version, registration.links, target, target.formats.dump())

    async def keep(self, endpoint: str) -> None:
        """Store what an operation has taught about the device's formats."""
        entry = self._known.get(endpoint)
        if entry is None or (known := entry.target.formats.dump()) == entry.stored:
            return
        entry.stored = known
        async with self._database.transaction() as connection:
            await store.put(connection, endpoint, known)


def target_of(version: str, links: str, model: ObjectModel) -> Target:
    """The target a registration makes before anything is learned."""
    listed = links_of(links)
    meant = core_versions(version)
    versions = {number: named or meant.get(number, "1.0") for number, named in listed.versions.items()}
    formats = FormatChoice(version, frozenset(listed.content_formats) or None)
    return Target(model.selecting(versions), formats, listed.root)
