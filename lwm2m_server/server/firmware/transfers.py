"""Bringing an image to a device: choosing the way, pushing with bounded concurrency, resuming, having it fetched."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from lwm2m_server.clock import Clock
from lwm2m_server.protocol.errors import DeviceRefused
from lwm2m_server.protocol.firmware import Method, Phase, Push, Update, Way, ways
from lwm2m_server.server.firmware.component import Component
from lwm2m_server.server.firmware.images import Images
from lwm2m_server.server.firmware.packages import Package, Packages
from lwm2m_server.server.firmware.pulls import Pulls
from objects.firmware import DeliveryMethod, PullProtocol, UpdateResult, UpdateState
from secure_coap.association import Transport
from secure_coap.errors import RequestEntityIncomplete
from secure_coap.exchange import Upload

_TAG_BYTES: Final = 8
DISLIKED: Final = frozenset({UpdateResult.INVALID_URI, UpdateResult.UNSUPPORTED_PROTOCOL})
"""Results that are about the URI."""


class NoWay(Exception):
    """No way of delivery is left that the device, the order and this server have in common."""


@dataclass(slots=True)
class _Upload:
    """A push of the package with this SHA-256: how far it is, how far it ever was, and the task that is at it."""

    upload: Upload
    sha256: bytes
    began_at: float
    furthest: int = 0
    task: asyncio.Task[None] | None = None


class Transfers:
    """`transport`: a device's; `authenticated`: whether its session is; `concurrent`: pushes at the same time."""

    def __init__(
        self,
        images: Images,
        packages: Packages,
        pulls: Pulls,
        clock: Clock,
        *,
        transport: Callable[[str], Transport | None],
        authenticated: Callable[[str], bool],
        concurrent: int,
    ) -> None:
        self._images = images
        self._packages = packages
        self._pulls = pulls
        self._clock = clock
        self._transport = transport
        self._authenticated = authenticated
        self._slots = asyncio.Semaphore(concurrent)
        self._uploads: dict[int, _Upload] = {}
        self._uris: dict[int, str] = {}

    async def prepare(self, update: Update, component: Component) -> Update:
        """The update with its way and its package; for a pull that is served from now on. Raises `NoWay`, OSError."""
        order = update.order
        delivery = await component.delivery()
        pushed = delivery is not DeliveryMethod.PULL and order.method is not Method.PULL
        supported = () if pushed else await component.protocols()
        # What is fetched by OSCORE goes by the URIs of plain CoAP, from where nothing is said without it.
        oscore = self._transport(order.endpoint) is Transport.OSCORE
        bases = self._pulls.bases_for(oscore=oscore)
        authenticated = self._authenticated(order.endpoint) and not oscore
        open_ways = ways(order.method, delivery, supported, bases, authenticated=authenticated)
        way = _choose(update, open_ways)
        if way is None:
            raise NoWay(
                f"the device takes images by {delivery.name.lower()}, protocols {list(supported)}; this server "
                f"offers push and {[protocol.scheme for protocol in bases]}, ordered is {order.method}"
            )
        await component.describe(order.severity, order.deferrable)
        update = await self._packages.decide(update)
        if isinstance(way, Push):
            return replace(update, way=way, token=None)
        image = await self._images.get(order.digest)
        try:
            uri, token = self._pulls.open(update, image, way, oscore=oscore)
        except ValueError as error:
            raise NoWay(str(error)) from error
        self._uris[update.id] = uri
        return replace(update, way=way, token=token)

    async def pull(self, update: Update, component: Component) -> None:
        """Tell the device where to fetch it. Raises `DeviceRefused`, `DeviceOffline`."""
        await component.fetch(self._uris.pop(update.id))

    async def push(self, update: Update, component: Component, state: UpdateState) -> bool:
        """Write the image, going on where an earlier push of this process stopped if the device is still there.

        False when the operator cancelled it meanwhile. Raises `DeviceRefused`, `DeviceOffline`.
        """
        image = await self._images.get(update.order.digest)
        async with self._slots:
            with self._packages.holding(image, update.left_out) as package:
                known = await self._upload_of(update, package, component, state)
                known.task = asyncio.ensure_future(self._write(component, package.body, known))
                try:
                    await asyncio.wait({known.task})
                finally:
                    known.task.cancel()
                return not known.task.cancelled() and known.task.result() is None

    async def _upload_of(self, update: Update, package: Package, component: Component, state: UpdateState) -> _Upload:
        """The push that goes on, or a new one on a device that was set back."""
        known = self._uploads.get(update.id)
        if known is not None and known.sha256 == package.sha256 and state is UpdateState.DOWNLOADING:
            return known
        furthest = known.furthest if known is not None and known.sha256 == package.sha256 else 0
        known = self._uploads[update.id] = _Upload(_begin(), package.sha256, self._clock.now(), furthest)
        if state is not UpdateState.IDLE:
            await component.reset(update.way)
        return known

    async def _write(self, component: Component, body: bytes, known: _Upload) -> None:
        if known.upload.acknowledged:
            try:
                await component.push(body, known.upload)
            except DeviceRefused as refused:
                if refused.code is not RequestEntityIncomplete.CODE:
                    raise
                known.upload = _begin()  # it has forgotten the beginning
            else:
                return
        await component.push(body, known.upload)
        known.upload.acknowledged = len(body)

    def pushed(self, update: Update) -> Update:
        """The update after a push, however that ended. One that came further than any before counts as no attempt:
        whatever the loss, the image arrives in the end, and a device that runs in circles does not.
        """
        known = self._uploads[update.id]
        now_at = known.upload.acknowledged
        further = known.furthest < now_at < update.size
        known.furthest = max(known.furthest, now_at)
        return replace(
            update,
            transferred=now_at,
            progress_at=self._clock.now() if now_at else update.progress_at,
            attempt=max(0, update.attempt - 1) if further else update.attempt,
        )

    def stop(self, number: int) -> None:
        """Interrupt a push that is cancelled."""
        known = self._uploads.get(number)
        if known is not None and known.task is not None:
            known.task.cancel()

    def forget(self, number: int) -> None:
        """The update has ended."""
        self._uploads.pop(number, None)
        self._uris.pop(number, None)

    def progress(self, update: Update) -> tuple[int, float]:
        """Bytes that are there by now, also while they are on their way; bytes per second since the attempt began."""
        known = self._uploads.get(update.id)
        fetched = self._pulls.progress(update.token) if known is None else known.upload.acknowledged
        if fetched is None or update.phase is not Phase.TRANSFERRING:
            return update.transferred, 0.0
        elapsed = self._clock.now() - (self._pulls.opened_at(update.token) if known is None else known.began_at)
        return fetched, round(fetched / elapsed, 1) if elapsed > 0 else 0.0


def _begin() -> Upload:
    return Upload(secrets.token_bytes(_TAG_BYTES))


def _choose(update: Update, open_ways: tuple[Way, ...]) -> Way | None:
    """The way of the last attempt again, or the next one when the device dislikes it."""
    if not isinstance(update.way, PullProtocol) or update.result not in DISLIKED:
        return update.way if update.way in open_ways else next(iter(open_ways), None)
    if update.way not in open_ways:
        return next(iter(open_ways), None)
    return next(iter(open_ways[open_ways.index(update.way) + 1 :]), None)
