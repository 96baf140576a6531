"""Sessions with device management servers: who speaks on one, and which of them is the device's own now."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from enum import Enum

from device_client.emulator.life.host import TransferHost
from device_client.emulator.life.sessions import Sessions
from device_client.emulator.life.trust import Identity, Peer
from device_client.emulator.log import Logger
from device_client.emulator.lwm2m.caller import Caller
from device_client.emulator.lwm2m.dispatch import Dispatcher
from device_client.emulator.lwm2m.observing import Observations
from device_client.emulator.lwm2m.registration import Registration
from device_client.emulator.requests import ServerRequests
from device_client.emulator.transport.coap import CoapSession
from trust_transfer.device.events import Source


class Relation(Enum):
    """What the device opened a session for. The epoch it was opened in is the other half of who may do what."""

    ACCOUNT = "the provider the device belongs to"
    NEXT = "the provider it is moving to"
    UPDATE = "the next provider's update before enrollment"


class Link:
    """A registration over its session, and what the server observes there."""

    def __init__(
        self, registration: Registration, credential: bytes | None, observations: Observations, log: Logger
    ) -> None:
        self.registration = registration
        self.credential = credential
        """Thumbprint of the operational key it was opened with; None: the factory key."""
        observations.reach(registration.session)
        self._log = log
        self._observing = asyncio.ensure_future(observations.run())
        self._observing.add_done_callback(self._observing_ended)

    @property
    def session(self) -> CoapSession:
        return self.registration.session

    @property
    def alive(self) -> bool:
        return not self.session.closed.is_set()

    def _observing_ended(self, done: asyncio.Future[None]) -> None:
        """A defect costs the server its notifications and nothing else; the log has it."""
        if not done.cancelled() and (defect := done.exception()) is not None:
            self._log.error("observing_stopped_by_defect", exc_info=defect)

    async def close(self) -> None:
        self._observing.cancel()
        await self.session.close()

    def abandon(self) -> None:
        """Let go without a word, as in a power cut."""
        self._observing.cancel()
        self.session.abandon()


class Links:
    """Opens links and holds the one that is the device's own; the others belong to whoever opened them."""

    def __init__(
        self, endpoint: str, host: TransferHost, sessions: Sessions, dispatcher: Dispatcher, log: Logger
    ) -> None:
        self._endpoint = endpoint
        self._host = host
        self._sessions = sessions
        self._dispatcher = dispatcher
        self._log = log
        self.own: Link | None = None

    async def open(
        self, relation: Relation, peer: Peer, identity: Identity, credential: bytes | None, lifetime: int
    ) -> Link:
        """Shake hands and register. Raises one of sessions.TEMPORARY, or the CoapError of a refusal."""
        source = self.source(relation, self._host.record.epoch)
        clock = asyncio.get_running_loop().time
        observations = Observations(self._dispatcher, lambda: Caller(source()), clock=clock, now=time.time)
        handler = ServerRequests(observations.answer, self._log)
        session = await self._sessions.open(peer, identity, handler)
        try:
            links = self._dispatcher.links()
            registration = await Registration.register(session, self._endpoint, lifetime, links)
        except BaseException:
            await session.close()
            raise
        finally:
            self._sessions.report_wire()
        kind = "factory" if credential is None else "operational"
        self._log.info("registered", server=peer.uri, certificate=kind, relation=relation.name.lower())
        return Link(registration, credential, observations, self._log)

    async def take(self, link: Link) -> None:
        """Make this link the device's own; the one before it is closed."""
        before, self.own = self.own, link
        if before is not None and before is not link:
            await before.close()

    async def drop(self, *, deregister: bool = False) -> None:
        """Close the device's own link, if there is one."""
        link, self.own = self.own, None
        if link is None:
            return
        if deregister and link.alive:
            with contextlib.suppress(Exception):
                await link.registration.deregister()
        await link.close()
        self._sessions.report_wire()

    def abandon(self) -> None:
        """Let go of the device's own link without a word, as in a power cut."""
        link, self.own = self.own, None
        if link is not None:
            link.abandon()

    def source(self, relation: Relation, epoch: int) -> Callable[[], Source]:
        """Who speaks on a link of this epoch: it follows the record, for a commit changes whose device this is."""

        def source() -> Source:
            if relation is Relation.UPDATE:
                return Source.UPDATE_SESSION if self._host.record.epoch == epoch else Source.STRANGER
            belongs = epoch if relation is Relation.ACCOUNT else epoch + 1
            return Source.SERVER if self._host.record.epoch == belongs else Source.STRANGER

        return source
