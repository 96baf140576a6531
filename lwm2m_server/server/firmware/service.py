"""Firmware put together: images, ways to bring them to devices, and the updates under way.

firmware = Firmware(server, Path("data/firmware"))
image = await firmware.images.add(chunks, "meter 2.1")
await firmware.order([Order("ep", OBJECT_5, image.digest)])
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path as FilePath
from typing import Final

import structlog

from lwm2m_server.protocol.firmware import ADVANCED, FIRMWARE, Order, Push, Update
from lwm2m_server.protocol.firmware_table import Patience
from lwm2m_server.server.admission import identity_of
from lwm2m_server.server.device import Device
from lwm2m_server.server.firmware.errors import UnknownFirmware, WrongOrder
from lwm2m_server.server.firmware.images import Images
from lwm2m_server.server.firmware.packages import Packages
from lwm2m_server.server.firmware.payloads import Payloads, names_payload
from lwm2m_server.server.firmware.pulls import PATH, Pulls
from lwm2m_server.server.firmware.transfers import Transfers
from lwm2m_server.server.firmware.updates import FirmwareProgress, Updates
from lwm2m_server.server.pending import Pending
from lwm2m_server.server.server import Lwm2mServer
from lwm2m_server.server.sessions import DeviceOffline
from lwm2m_server.server.workers import Workers
from lwm2m_server.settings import FirmwareSettings
from lwm2m_server.store import firmware as store
from lwm2m_server.store import images as image_store
from objects.firmware import PullProtocol
from objects.path import Path
from secure_coap.association import Association, Transport
from secure_coap.exchange import Request, Response

log = structlog.get_logger()

OBJECT_5: Final = Path(FIRMWARE.id, 0)
"""The one component of a device that has object 5."""
LIFETIME: Final = 30 * 86_400.0
"""Seconds an order stands when its author names no time."""
MAX_LIFETIME: Final = 365 * 86_400.0
MAX_COMPONENTS: Final = 16
LONGEST_PAUSE: Final = 10.0
"""Seconds between two looks at a device that is at it."""


class Firmware:
    """All firmware of a server. `folder`: where images are kept.

    `wake` is told of devices for which something has changed, and `run` is called for them then. Without it workers
    of this object's own look after every device, and call `afterwards` once its updates have ended.
    """

    def __init__(
        self,
        server: Lwm2mServer,
        folder: FilePath,
        settings: FirmwareSettings | None = None,
        *,
        wake: Callable[[str], None] | None = None,
        afterwards: Callable[[Device], Awaitable[None]] | None = None,
    ) -> None:
        settings = settings or FirmwareSettings()
        self._keep = settings.keep_days * 86_400.0
        self._server = server
        self._database = server.database
        self.images = Images(server.database, folder, server.clock, max_size=settings.max_image)
        packages = Packages(server.database, self.images)
        self.pulls = Pulls(packages, server.clock, bases_of(settings), self._belongs)
        self._transfers = Transfers(
            self.images,
            packages,
            self.pulls,
            server.clock,
            transport=self._transport,
            authenticated=self._authenticated,
            concurrent=settings.concurrent,
        )
        self._updates = Updates(
            server.database,
            self._transfers,
            self.pulls,
            server.clock,
            patience=Patience(settings.attempts, settings.stall_timeout, settings.install_timeout),
            registered_at=self._registered_at,
            on_progress=self._progressed,
        )
        self._workers = Workers(self._work, LONGEST_PAUSE)
        self.ended: Counter[str] = Counter()
        self._wake = wake or self._workers.wake
        self._afterwards = afterwards
        self._pending = Pending(server.events, self._wake_online) if wake is None else None
        self.payloads = Payloads(server.database, self.images)
        server.route(PATH, self._fetched)

    def _fetched(self, request: Request, association: Association) -> Response | Awaitable[Response]:
        if names_payload(request):
            return self.payloads.handle(request, association)
        return self.pulls.handle(request, association)

    # --- life ---

    async def resume(self) -> None:
        """Serve again what devices were fetching when the process ended, and look after who can be reached."""
        async with self._database.reading() as connection:
            waiting = await store.open_updates(connection)
            for update in waiting:
                self._restore(update, await image_store.get(connection, update.order.digest))
        for endpoint in {update.order.endpoint for update in waiting}:
            self.look_after(endpoint)

    def _restore(self, update: Update, image: image_store.Image | None) -> None:
        if update.token is None or image is None or update.way is None or isinstance(update.way, Push):
            return
        try:
            self.pulls.restore(update.token, update, image, update.way)
        except OSError:
            log.exception("image_unreadable", digest=image.digest.hex())

    async def close(self) -> None:
        """Stop; every update goes on after the next start."""
        await self._workers.close()

    def look_after(self, endpoint: str) -> None:
        """Something waits for a device, now or when it registers or updates."""
        if self._pending is not None:
            self._pending.add(endpoint)
        self._wake_online(endpoint)

    def _wake_online(self, endpoint: str) -> None:
        if self._server.sessions.is_online(endpoint):
            self._wake(endpoint)

    async def _work(self, endpoint: str) -> bool:
        try:
            return await self._pass(self._server.device(endpoint))
        except DeviceOffline as offline:
            log.info("device_offline", endpoint=endpoint, reason=str(offline))
            return False

    async def _pass(self, device: Device) -> bool:
        if await self.run(device):
            return True
        if self._afterwards is not None:
            await self._afterwards(device)
        async with self._database.reading() as connection:
            if self._pending is not None and not await store.open_updates(connection, device.endpoint):
                self._pending.discard(device.endpoint)
        return False

    async def run(self, device: Device) -> bool:
        """One pass over a device's updates; True when it has to be looked after again. Raises `DeviceOffline`."""
        return await self._updates.run(device)

    # --- orders ---

    async def order(
        self, orders: Sequence[Order], *, expires_in: float = LIFETIME, again: bool = False
    ) -> list[Update]:
        """Update the named components of one device together; nothing when the same is ordered or done already.

        Raises `UnknownFirmware` for an image, `WrongOrder`.
        """
        _check(orders, expires_in)
        now = self._server.clock.now()
        async with self._database.transaction() as connection:
            for one in orders:
                if await image_store.get(connection, one.digest) is None:
                    raise UnknownFirmware(f"image {one.digest.hex()} is not known here; add it first")
            updates = await store.order(connection, orders, now=now, expires_at=now + expires_in, again=again)
        self.look_after(orders[0].endpoint)
        return updates

    async def cancel(self, *numbers: int) -> list[Update]:
        """Take updates back. Raises `UnknownFirmware`."""
        changed = await self._updates.cancel(numbers)
        for endpoint in {one.order.endpoint for one in changed}:
            self._wake_online(endpoint)
        return changed

    async def updates(self, *, endpoint: str | None = None, digest: bytes | None = None) -> list[Update]:
        """All updates, or those of a device, or with an image; with the bytes that are there by now."""
        async with self._database.reading() as connection:
            return await store.updates(connection, endpoint=endpoint, digest=digest)

    async def update(self, number: int) -> Update:
        """One update. Raises `UnknownFirmware`."""
        async with self._database.reading() as connection:
            found = await store.get(connection, number)
        if found is None:
            raise UnknownFirmware(f"firmware update {number} is not known here")
        return found

    def progress(self, update: Update) -> tuple[int, float]:
        """Bytes of the image the device has by now, and bytes per second of the transfer under way, else 0."""
        return self._transfers.progress(update)

    async def tidy(self) -> None:
        """Delete what ended long enough ago."""
        async with self._database.transaction() as connection:
            await store.forget(connection, self._server.clock.now() - self._keep)

    # --- what the parts ask ---

    def _registered_at(self, endpoint: str) -> float:
        registration = self._server.registrations.get(endpoint)
        return 0.0 if registration is None else registration.registered_at

    def _transport(self, endpoint: str) -> Transport | None:
        session = self._server.sessions.session(endpoint)
        return None if session is None else session.transport

    def _authenticated(self, endpoint: str) -> bool:
        session = self._server.sessions.session(endpoint)
        return session is not None and session.peer is not None

    def _belongs(self, association: Association, endpoint: str) -> bool:
        """Whether that device is behind an authenticated association, its own session or another one."""
        registration = self._server.registrations.get(endpoint)
        owner = identity_of(association).owner
        return owner == endpoint if registration is None else owner == registration.owner

    def _progressed(self, progress: FirmwareProgress) -> None:
        if not progress.update.phase.open:
            self.ended[progress.update.phase.value] += 1
        self._server.events.emit(progress)


def bases_of(settings: FirmwareSettings) -> dict[PullProtocol, str]:
    """What Package URIs begin with, for each protocol images are served over."""
    http = PullProtocol.HTTP if settings.http_certificate is None else PullProtocol.HTTPS
    uris = {
        PullProtocol.COAP: settings.coap_uri,
        PullProtocol.COAPS: settings.coaps_uri,
        PullProtocol.COAP_TCP: settings.coap_tcp_uri,
        PullProtocol.COAPS_TCP: settings.coaps_tcp_uri,
        http: settings.http_uri,
    }
    return {protocol: uri for protocol, uri in uris.items() if uri}


def _check(orders: Sequence[Order], expires_in: float) -> None:
    if not 1 <= len(orders) <= MAX_COMPONENTS:
        raise WrongOrder(f"an update has 1 to {MAX_COMPONENTS} components")
    if len({one.endpoint for one in orders}) != 1 or len({one.component for one in orders}) != len(orders):
        raise WrongOrder("an update is for one device, and names each component once")
    if len({one.install for one in orders}) != 1:
        raise WrongOrder("components are either all installed or all only delivered")
    for one in orders:
        if one.component.level != 2 or one.component.object not in {FIRMWARE.id, ADVANCED.id}:
            raise WrongOrder(f"a component is {OBJECT_5} or an instance of /{ADVANCED.id}, not {one.component}")
    if len(orders) > 1 and any(one.component.object == FIRMWARE.id for one in orders):
        raise WrongOrder(f"{OBJECT_5} is updated alone; several components are instances of /{ADVANCED.id}")
    if not 0 < expires_in <= MAX_LIFETIME:
        raise WrongOrder(f"an order stands for at most {MAX_LIFETIME:.0f} seconds, more than 0")
