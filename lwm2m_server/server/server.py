"""The LwM2M server: CoAP endpoints, the interfaces behind them, and devices to talk to.

async with Lwm2mServer.open(Path("data")) as server:
    await server.bind("127.0.0.1", 5683)
    await server.device("ep").read("/3/0/0")
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import structlog

from device_pki.identity import OscoreIdentity, Peer, PeerIdentity, PskIdentity
from lwm2m_server.clock import Clock
from lwm2m_server.protocol import registration, send
from lwm2m_server.protocol.registration_limits import RegistrationLimits
from lwm2m_server.protocol.registrations import Registration, RegistrationTable
from lwm2m_server.protocol.wakefulness import Wakefulness
from lwm2m_server.server.admission import NOBODY, Admission, EndpointAdmission
from lwm2m_server.server.carrying_out import carry_out
from lwm2m_server.server.counters import RegistrationCounters, ReportCounters
from lwm2m_server.server.credentials import Credentials
from lwm2m_server.server.device import Device
from lwm2m_server.server.endpoints import CoapEndpoints
from lwm2m_server.server.events import Events
from lwm2m_server.server.latest import LatestValues
from lwm2m_server.server.observing import Observing
from lwm2m_server.server.oscore_contexts import OscoreContexts
from lwm2m_server.server.queueing import Presence, Queues
from lwm2m_server.server.registrar import Registrar
from lwm2m_server.server.revocation import DeviceRevocation, SessionRefusal
from lwm2m_server.server.sending import Sending, Sent
from lwm2m_server.server.sessions import Sessions
from lwm2m_server.server.subscriptions import Notification
from lwm2m_server.server.targets import Targets
from lwm2m_server.settings import EndpointRule, QueueSettings
from lwm2m_server.store.database import Database
from lwm2m_server.store.registrations import RegistrationStore
from objects.model import MODEL, ObjectModel
from secure_coap.association import Association, Transport
from secure_coap.channels.dtls import DtlsServerConfig
from secure_coap.channels.oscore import OscoreServerConfig
from secure_coap.errors import NotFound
from secure_coap.exchange import Request, Response
from secure_coap.handlers import Handler
from secure_coap.numbers.parameters import STANDARD, TransmissionParameters

log = structlog.get_logger()

DATABASE: Final = "server.db"
"""The store's file in the data folder."""
UNKNOWN: Final = "unknown"
UPKEEP: Final = 1.0
"""Seconds between two looks for expired registrations."""
AT_ONCE: Final = 500
"""Sessions looked at in one go; then others have their turn."""


def _at_once(_peer: Peer | None) -> None:
    """Nothing to wait for."""


async def _after(waiting: Awaitable[None], route: Handler, request: Request, association: Association) -> Response:
    await waiting
    response = route(request, association)
    return response if isinstance(response, Response) else await response


class Lwm2mServer:
    """An LwM2M server on a store. Enter it before binding: registrations of before a restart are known then.

    `model` holds the object definitions, `limits` bounds registrations. Who may register under
    which name follows `endpoint_rule` unless another `admission` decides; with `revocation` only certificates that it
    knows to be good. `ready` names what to wait for before a request of a peer is looked at.
    """

    def __init__(
        self,
        database: Database,
        *,
        admission: Admission | None = None,
        endpoint_rule: EndpointRule = EndpointRule.CERTIFICATE,
        revocation: DeviceRevocation | None = None,
        ready: Callable[[Peer | None], Awaitable[None] | None] = _at_once,
        limits: RegistrationLimits | None = None,
        model: ObjectModel = MODEL,
        clock: Clock | None = None,
        parameters: TransmissionParameters = STANDARD,
        queue: QueueSettings | None = None,
    ) -> None:
        queue = queue or QueueSettings()
        self.database = database
        self.model = model
        self.clock = clock or Clock()
        self.events = Events()
        self.registrations = RegistrationTable()
        self.wakefulness = Wakefulness(self.registrations, queue.awake_time)
        self.sessions = Sessions(
            lambda name: self.wakefulness.asleep(name, self.clock.now()), self._heard, self._recall
        )
        self.credentials = Credentials(database, self.clock)
        self.oscore_contexts = OscoreContexts(database, self.clock)
        self._store = RegistrationStore(database)
        self._routes: dict[str, Handler] = {}
        self._ready = ready if revocation is None else revocation.ready
        self.requests: Counter[str] = Counter()
        """Requests by interface; those to none as `UNKNOWN`."""
        self._upkeep: asyncio.Task[None] | None = None
        self._admission = admission or EndpointAdmission(self.protects, endpoint_rule, revocation)
        self._registrar = Registrar(
            self.registrations,
            self._store,
            self.sessions,
            self.events,
            admission=self._admission,
            limits=limits or RegistrationLimits(),
            clock=self.clock,
        )
        self.report_counters = ReportCounters()
        self.targets = Targets(database, model, self.registrations.get)
        self.latest = LatestValues(database, self.events)
        self.observing = Observing(
            database,
            self.sessions,
            self.targets,
            self.latest,
            registration=self.registrations.get,
            events=self.events,
            clock=self.clock,
            counters=self.report_counters,
        )
        self.queues = Queues(
            database,
            self.events,
            self.clock,
            carry_out=lambda name, order: carry_out(self.device(name), order, model),
            presence=self._presence,
            model=model,
            settings=queue,
        )
        self.events.on(Sent, self._on_sent)
        self.events.on(Notification, self._on_sent)
        self._sending = Sending(
            self.targets,
            self.latest,
            self.events,
            clock=self.clock,
            sender=self._sender,
            counters=self.report_counters,
        )
        self._coap = CoapEndpoints(
            self._dispatch, parameters, on_close=self.sessions.detach, on_stray=self.observing.claim
        )
        self.route(registration.PATH, self._registrar.handle)
        self.route(send.PATH, self._sending.handle)

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, **options: Any) -> AsyncIterator[Self]:
        """A server on the store in `folder`, made if it is not there; both are closed with the block.

        `options` are those of the constructor.
        """
        database = await Database.open(folder / DATABASE)
        try:
            async with cls(database, **options) as server:
                yield server
        finally:
            await database.close()

    async def __aenter__(self) -> Self:
        await self.credentials.load()
        await self.oscore_contexts.load()
        await self._registrar.restore()
        await self.latest.resume()
        await self.observing.resume()
        await self.queues.resume()
        self._upkeep = asyncio.create_task(self._keep_up(), name="registrations")
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._upkeep is not None:
            self._upkeep.cancel()
            await asyncio.gather(self._upkeep, return_exceptions=True)
        await self.queues.close()
        await self.observing.close()
        await self._coap.close()
        await self.latest.flush()
        await self._store.flush()

    async def bind(
        self,
        host: str,
        port: int,
        *,
        dtls: DtlsServerConfig | None = None,
        oscore: OscoreServerConfig | None = None,
        nosec_anywhere: bool = False,
    ) -> tuple[str, int]:
        """Listen on a UDP address, with DTLS, with OSCORE or without security; returns the address.

        Without security it must be a loopback address unless `nosec_anywhere` is set. Raises OSError, or ValueError
        for a bad configuration.
        """
        coap = await self._coap.bind(host, port, dtls, oscore, nosec_anywhere=nosec_anywhere)
        self.sessions.add(coap)
        return coap.address

    async def bind_tcp(
        self, host: str, port: int, *, tls: DtlsServerConfig | None = None, nosec_anywhere: bool = False
    ) -> tuple[str, int]:
        """Listen on a TCP address, with TLS (by certificates only) or without security; see `bind`."""
        coap = await self._coap.bind_tcp(host, port, tls, nosec_anywhere=nosec_anywhere)
        self.sessions.add(coap)
        return coap.address

    def route(self, segment: str, handler: Handler) -> None:
        """Have `handler` answer the requests whose path begins with `segment`."""
        self._routes[segment] = handler

    @property
    def registration_counters(self) -> RegistrationCounters:
        """What the registration interface has done."""
        return self._registrar.counters

    @property
    def store_waiting(self) -> int:
        """Registrations on their way to the disk."""
        return self._store.waiting

    def coap_counters(self) -> Counter[str]:
        """What all CoAP endpoints have counted together."""
        return self._coap.counters()

    @property
    def associations(self) -> Collection[Association]:
        """Every open association."""
        return self._coap.associations

    def drop(self, association: Association) -> None:
        """Close an association."""
        self._coap.drop(association)

    def protects(self, name: str) -> bool:
        """Whether a key is stored for a device of this name."""
        return self.credentials.protects(name) or self.oscore_contexts.protects(name)

    async def withdraw_context(self, name: str) -> bool:
        """Forget an OSCORE context and end its association; False when there is none."""
        if not await self.oscore_contexts.remove(name):
            return False
        for association in self.associations:
            if isinstance(association.peer, OscoreIdentity) and association.peer.context == name:
                self.drop(association)
        return True

    async def withdraw_key(self, identity: str) -> bool:
        """Forget a pre-shared key and end the sessions it opened; False when there is none."""
        if not await self.credentials.remove(identity):
            return False
        for association in self.associations:
            if isinstance(association.peer, PskIdentity) and association.peer.identity == identity:
                self.drop(association)
        return True

    async def end_refused(self, refusal: Callable[[PeerIdentity], SessionRefusal | None]) -> None:
        """Close open sessions whose certificate no longer counts (security test 27)."""
        for position, association in enumerate(tuple(self.associations)):
            if position % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)
            peer = association.peer
            found = refusal(peer) if isinstance(peer, PeerIdentity) else None
            if found is not None and peer is not None:
                log.warning("session_ended", endpoint=peer.endpoint, reason=found.reason)
                self.drop(association)

    def device(self, endpoint: str, *, wait: float = 0, timeout: float | None = None) -> Device:
        """A device to operate on.

        `wait`: seconds to wait for it when it is not connected. `timeout`: seconds to wait for an answer; without it
        as long as CoAP does (about 90 s when nothing comes at all).
        """
        return Device(endpoint, self.sessions, self.targets, self.observing, self.queues, wait=wait, timeout=timeout)

    def devices(self) -> list[Registration]:
        """Every registered device, by endpoint name."""
        return sorted(self.registrations, key=lambda registration: registration.endpoint)

    def _dispatch(self, request: Request, association: Association) -> Response | Awaitable[Response]:
        segment = request.path[0] if request.path else ""
        route = self._routes.get(segment)
        if route is None:
            self.requests[UNKNOWN] += 1
            raise NotFound("no such interface")
        self.requests[segment] += 1
        waiting = self._ready(association.peer)
        return route(request, association) if waiting is None else _after(waiting, route, request, association)

    def _sender(self, association: Association) -> Registration | None:
        self._admission.check(association)
        endpoint = self.sessions.endpoint_of(association)
        return None if endpoint is None else self.registrations.get(endpoint)

    def _heard(self, endpoint: str) -> None:
        """A device has answered, which keeps one in queue mode awake."""
        self.wakefulness.heard(endpoint, self.clock.now())

    def _recall(self, endpoint: str) -> Association | None:
        """Without security a device is where it registered or updated, also after a restart of this server."""
        known = self.registrations.get(endpoint)
        if known is None or known.owner != NOBODY or known.transport is not Transport.UDP:
            return None
        return self._coap.associate(known.remote)

    def _on_sent(self, event: Sent | Notification) -> None:
        self._heard(event.endpoint)
        self.queues.heard(event.endpoint)

    def _presence(self, endpoint: str) -> Presence | None:
        session = self.sessions.session(endpoint)
        if session is None or not self._admission.takes_orders(session):
            return None
        return Presence(self.wakefulness.last_heard(endpoint), self.wakefulness.awake_time(endpoint))

    async def _keep_up(self) -> None:
        while True:
            await asyncio.sleep(UPKEEP)
            try:
                self._registrar.expire()
            except Exception:
                log.exception("upkeep_failed")
