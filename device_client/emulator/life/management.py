"""Normal operation: hold a certificate, be registered, do what the server orders, report a decision.

Runs whenever the device obeys a provider; from a transfer's reset to its decision it only waits. Every failure is
answered by a growing pause and another try, without end.
"""

from __future__ import annotations

import asyncio

from device_client.emulator.life.credentials import Issued
from device_client.emulator.life.housekeeping import erase_left_behind
from device_client.emulator.life.links import Link, Relation
from device_client.emulator.life.parts import Parts
from device_client.emulator.life.renewal import MAX_WAIT, Renewal
from device_client.emulator.life.sessions import TEMPORARY, wait_of
from device_client.emulator.life.trust import Identity, Peer, beneath_permanent
from device_client.emulator.life.updates import Updates
from device_client.emulator.orders import Order
from device_client.emulator.settings import Pauses
from device_client.emulator.transport.channel import HandshakeRefused
from device_pki.path import PathError
from device_pki.roles import Role
from enrollment.est.client import EstAnswerError
from secure_coap.errors import CoapError, Forbidden, Unauthorized
from trust_transfer.device.events import OldErased
from trust_transfer.device.record import UNDECIDED
from trust_transfer.messages.numbers import AnchorRole, State

REFUSALS_BEFORE_RENEWAL = 3
"""Handshakes in a row the server must refuse before the device asks its CA for another certificate."""

FAILURES: tuple[type[Exception], ...] = (*TEMPORARY, CoapError, EstAnswerError, PathError)
"""What a try can end with; anything else is a defect and restarts the device."""
REFUSALS: tuple[type[Exception], ...] = (HandshakeRefused, Unauthorized, Forbidden)
"""Those that say that a server does not take the device's certificate."""


class Management:
    """Keeps one device managed."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        settings = parts.outside.settings

        def pauses() -> Pauses:
            return Pauses(settings.retry_min, settings.retry_max, parts.outside.rng)

        self._pauses = pauses()
        clock = asyncio.get_running_loop().time
        self._renewal = Renewal(parts.credentials.renewal_in, pauses(), clock)
        self._updates = Updates(parts.lifetime, pauses(), clock)
        self._refusals = 0
        self._ca_gave_nothing = False

    async def run(self) -> None:
        """For ever."""
        while True:
            if self._parts.host.record.state in UNDECIDED:
                await self._parts.host.changed.next()
            else:
                await self._until_transfer(asyncio.ensure_future(self._try()))

    async def _until_transfer(self, work: asyncio.Future[None]) -> None:
        """Wait for `work`, and end it when a reset begins: from then on the device obeys neither provider."""
        try:
            while not work.done():
                changed = self._parts.host.changed.next()
                await asyncio.wait({work, changed}, return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
                if self._parts.host.record.state in UNDECIDED:
                    work.cancel()
                    await asyncio.wait({work})
        finally:
            work.cancel()
        if not work.cancelled():
            work.result()

    async def _try(self) -> None:
        try:
            async with self._parts.conversation:
                await self._stay_managed()
        except FAILURES as failure:
            if isinstance(failure, REFUSALS):
                self._refusals += 1
            self._parts.log.warning("connection_failed", problem=str(failure), refusals=self._refusals)
            await self._parts.links.drop()
            await self._parts.host.changed.wait(max(self._pauses.next(), min(wait_of(failure), MAX_WAIT)))

    async def _stay_managed(self) -> None:
        """One look at what is to be done, and doing it."""
        parts = self._parts
        link = parts.links.own
        if link is None or not link.alive:
            await self._connect()
        elif parts.orders.take(Order.REBOOT):
            await self._restart()
        elif parts.orders.take(Order.FIRMWARE):
            await self._install()
        elif parts.orders.take(Order.ENROLL):
            self._renewal.order()
        elif self._renewal.due_in() == 0:
            await self._renew()
        elif parts.orders.take(Order.UPDATE):
            await self._update(link, parts.lifetime())
        elif await self._nothing_happens(link):
            await self._update(link)
        self._pauses.reset()

    async def _connect(self) -> None:
        """Register with the present provider; without a certificate that works, get one first."""
        parts, record = self._parts, self._parts.host.record
        identity = parts.credentials.operational()
        if identity is None and record.state is State.FELL_BACK:
            await self._register(parts.credentials.factory(), None, record.fallback_uri)
        elif identity is None or identity.expired(parts.outside.now()):
            await self._become_certified(came_back=identity is None and record.burned > 0)
        elif self._refusals >= REFUSALS_BEFORE_RENEWAL:
            # A refusal of the new certificate is one, that of the old one the next: they are tried in turn.
            self._refusals = REFUSALS_BEFORE_RENEWAL - 2
            await self._replace(parts.credentials.factory(), renew=False)
        else:
            await self._register(identity, record.account.credential, record.account.server_uri)

    async def _become_certified(self, *, came_back: bool) -> None:
        """Ask the CA. One that gives nothing must not make a device unreachable that came back from a transfer: in turn
        it goes to fallbackURI, where its factory certificate counts until then (rule 17), and asks the CA from there.
        """
        factory = self._parts.credentials.factory()
        if came_back and self._ca_gave_nothing:
            self._ca_gave_nothing = False
            self._renewal.order()
            self._renewal.failed()
            await self._register(factory, None, self._parts.host.record.fallback_uri)
            return
        self._ca_gave_nothing = True
        self._adopt(await self._obtain(factory, renew=False))

    async def _register(self, identity: Identity, credential: bytes | None, uri: str) -> None:
        parts, account = self._parts, self._parts.host.record.account
        peer = Peer(uri, Role.SERVER, account.anchors_for(AnchorRole.UPDATE), beneath_permanent(account.anchors))
        link = await parts.links.open(Relation.ACCOUNT, peer, identity, credential, parts.lifetime())
        await parts.links.take(link)
        self._updates.contacted()
        self._refusals = 0

    async def _renew(self) -> None:
        """A new certificate for a new key, while the link that works stays as it is."""
        current = self._parts.credentials.operational()
        try:
            if current is None or current.expired(self._parts.outside.now()):
                await self._replace(self._parts.credentials.factory(), renew=False)
            else:
                await self._replace(current, renew=True)
        except FAILURES as failure:
            self._parts.log.warning("renewal_failed", problem=str(failure))
            self._renewal.failed(wait_of(failure))

    async def _replace(self, identity: Identity, *, renew: bool) -> None:
        """Make before break: the old key and certificate stay until the server has taken the new ones.

        A server that refuses them leaves the device with what it has; the next try asks for the same key again, and
        after some refusals for another one.
        """
        issued = await self._obtain(identity, renew=renew)
        try:
            await self._register(issued.identity, issued.key, self._parts.host.record.account.server_uri)
        except REFUSALS:
            self._parts.credentials.refused()
            raise
        self._adopt(issued)

    async def _obtain(self, identity: Identity, *, renew: bool) -> Issued:
        try:
            return await self._parts.credentials.obtain(identity, renew=renew)
        except CoapError as refusal:
            self._parts.log.warning("enrollment_refused", code=refusal.code.dotted, problem=refusal.diagnostic)
            raise

    def _adopt(self, issued: Issued) -> None:
        self._parts.credentials.adopt(issued)
        record = self._parts.host.record
        erase_left_behind(self._parts, record.referenced_keys, record.truststore)
        self._parts.host.handle(OldErased())
        self._refusals = 0
        self._ca_gave_nothing = False
        self._renewal.done()
        self._parts.log.info("certificate_adopted", key=issued.key.hex())

    async def _install(self) -> None:
        if self._parts.firmware.updating and await self._parts.firmware.install():
            await self._restart()

    async def _restart(self) -> None:
        """What a restart means to others: the session is gone, and so is everything volatile."""
        self._parts.forget_volatile()
        await self._parts.links.drop()
        self._parts.log.info("restarted", running=self._parts.software.running.digest.hex())

    async def _nothing_happens(self, link: Link) -> bool:
        """Wait until a registration update is due; False when something else is to be looked at first."""
        due = self._updates.due_in(self._parts.host.record.report)
        renewal = self._renewal.due_in()
        happened = (
            self._parts.host.changed.next(),
            self._parts.orders.given.next(),
            asyncio.ensure_future(link.session.closed.wait()),
        )
        try:
            pause = due if renewal is None else min(due, renewal)
            done, _ = await asyncio.wait(happened, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in happened:
                one.cancel()
        return not done and pause == due

    async def _update(self, link: Link, lifetime: int | None = None) -> None:
        await link.registration.update(lifetime)
        self._updates.contacted()
