"""The bootstrap interface at work: who asks, which profile it gets, one session per device, how each ended.

A device proves its name here as it does when it registers; its profile is looked up by that name only. Bootstrap
reaches objects 0, 1, 2 and 21: everything else is the business of the device's servers (security rule 17).
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from lwm2m_server.protocol.bootstrap import interface
from lwm2m_server.protocol.bootstrap.instances import SERVER
from lwm2m_server.protocol.bootstrap.interface import BootstrapRequest
from lwm2m_server.protocol.bootstrap.pack import pack
from lwm2m_server.protocol.bootstrap.profile import Oscore, Profile
from lwm2m_server.protocol.bootstrap.session import MAX_SECONDS, BootstrapSession, Outcome
from lwm2m_server.protocol.errors import DeviceRefused
from lwm2m_server.protocol.object_links import links_of
from lwm2m_server.protocol.registration_limits import PerMinute
from lwm2m_server.server.admission import EndpointAdmission
from lwm2m_server.server.revocation import DeviceRevocation
from lwm2m_server.server.server import Lwm2mServer
from lwm2m_server.settings import EndpointRule
from lwm2m_server.store import bootstrap as store
from objects.formats import Format
from objects.model import MODEL
from objects.path import Path
from secure_coap.association import Association
from secure_coap.errors import (
    Forbidden,
    MethodNotAllowed,
    NotFound,
    ServiceUnavailable,
    TooManyRequests,
    TransportError,
)
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code

log = structlog.get_logger()

MAX_SESSIONS: Final = 256
"""Devices bootstrapped at the same time; others are asked to come again."""
REQUESTS_PER_MINUTE: Final = 10
"""Of one device."""
_TRIGGER: Final = MODEL["LwM2M Server"]["Bootstrap-Request Trigger"].id
_NO_TRIGGER: Final = frozenset({NotFound.CODE, MethodNotAllowed.CODE})


class NoProfile(Forbidden):
    """There is nothing to bootstrap this device with."""


class TooManyBootstraps(ServiceUnavailable):
    """As many devices as may are being bootstrapped now."""


class Bootstrapper:
    """Answers `/bs` and `/bspack` of a server."""

    def __init__(
        self,
        server: Lwm2mServer,
        rule: EndpointRule = EndpointRule.CERTIFICATE,
        revocation: DeviceRevocation | None = None,
    ) -> None:
        self._server = server
        self._admission = EndpointAdmission(server.protects, rule, revocation)
        self._rate = PerMinute(REQUESTS_PER_MINUTE)
        self._conversing: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        for path in interface.PATHS:
            server.route(path, self.handle)

    async def handle(self, request: Request, association: Association) -> Response:
        """Answer one request of a device; raises `CoapError` for a refusal."""
        self._admission.check(association)
        asked = interface.parse(request)
        endpoint = self._admission.name(asked.endpoint, association)
        if not self._rate.admit(endpoint, self._server.clock.now()):
            raise TooManyRequests("too many bootstrap requests", max_age=60)
        name, profile = await self._profile(endpoint)
        if isinstance(asked, BootstrapRequest):
            self._start(endpoint, name, profile, association, asked.preferred)
            return Response(Code.CHANGED)
        payload = pack(profile, asked.accept, self._server.model)
        await self._ended(endpoint, name, Outcome(success=True, detail="pack"))
        return Response(Code.CONTENT, payload, content_format=int(asked.accept))

    async def trigger(self, endpoint: str, *, wait: float = 0) -> bool:
        """Have a registered device bootstrap again: it is asked to; one of 1.0, which cannot be asked, is bootstrapped.

        True when it was asked. Raises `DeviceOffline`, `DeviceRefused`, `NoProfile`, and `TooManyBootstraps`.
        """
        name, profile = await self._profile(endpoint)
        device = self._server.device(endpoint, wait=wait)
        try:
            await device.execute(Path(SERVER, self._server_instance(endpoint), _TRIGGER))
        except DeviceRefused as refused:
            if refused.code not in _NO_TRIGGER:
                raise
            association = await self._server.sessions.appear(endpoint, wait)
            self._start(endpoint, name, profile, association, None)
            return False
        return True

    def _server_instance(self, endpoint: str) -> int:
        """The device's account of a server, as it registered it."""
        registration = self._server.registrations.get(endpoint)
        instances = () if registration is None else links_of(registration.links).instances_of(SERVER)
        return min(instances, default=0)

    async def _profile(self, endpoint: str) -> tuple[str, Profile]:
        """The device's profile, with its own key where that is asked for."""
        async with self._server.database.reading() as connection:
            found = await store.profile_of(connection, endpoint)
        if found is None:
            log.warning("bootstrap_refused", endpoint=endpoint, reason="no profile")
            raise NoProfile("no bootstrap profile for this device; assign one to it, its group or everyone")
        name, profile = found
        if profile.needs_credential:
            own = self._server.credentials.of(endpoint)
            if not own:
                log.warning("bootstrap_refused", endpoint=endpoint, profile=name, reason="no credential in the store")
                raise NoProfile("its profile gives every device its own key, and this one has none; add a credential")
            profile = profile.with_credential(own[-1].identity, own[-1].key)
        if profile.needs_context:
            profile = profile.with_context(await self._context(endpoint))
        return name, profile

    async def _context(self, endpoint: str) -> Oscore:
        """A new OSCORE context for each bootstrap: a device that begins again has forgotten what it had used."""
        made = await self._server.oscore_contexts.make(endpoint)
        return Oscore(
            master_secret=made.master_secret,
            master_salt=made.master_salt,
            sender_id=made.recipient_id,
            recipient_id=made.sender_id,
            aead=int(made.algorithm),
        )

    def _start(
        self, endpoint: str, name: str, profile: Profile, association: Association, preferred: Format | None
    ) -> None:
        """Begin a session; an earlier one of the device has lost its meaning."""
        previous = self._conversing.pop(endpoint, None)
        if previous is not None:
            previous.cancel()
        elif len(self._tasks) >= MAX_SESSIONS:
            raise TooManyBootstraps("many devices are being bootstrapped", max_age=30)
        session = BootstrapSession(profile, self._server.model, preferred)
        task = asyncio.create_task(self._run(endpoint, name, session, association), name=f"bootstrap {endpoint}")
        self._conversing[endpoint] = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, endpoint: str, name: str, session: BootstrapSession, association: Association) -> None:
        """Only the conversation is ever cancelled, never the storing of how it ended."""
        outcome = await self._converse(endpoint, session, association)
        del self._conversing[endpoint]
        await self._ended(endpoint, name, outcome)

    async def _converse(self, endpoint: str, session: BootstrapSession, association: Association) -> Outcome:
        try:
            async with asyncio.timeout(MAX_SECONDS):
                return await self._until_the_end(session, association)
        except TransportError as error:
            why = str(error)
        except TimeoutError:
            why = f"not done within {MAX_SECONDS:.0f} s"
        except Exception:
            log.exception("bootstrap_failed", endpoint=endpoint)
            why = "a defect of the server; see its log"
        return Outcome(success=False, detail=f"{session.step.value}: {why}")

    async def _until_the_end(self, session: BootstrapSession, association: Association) -> Outcome:
        while session.outcome is None:
            session.answered(await self._server.sessions.request_over(association, session.request))
        return session.outcome

    async def _ended(self, endpoint: str, name: str, outcome: Outcome) -> None:
        log.info("bootstrapped", endpoint=endpoint, profile=name, success=outcome.success, detail=outcome.detail)
        row = store.Outcome(endpoint, name, self._server.clock.seconds(), outcome.success, outcome.detail)
        async with self._server.database.transaction() as connection:
            await store.put_outcome(connection, row)

    async def close(self) -> None:
        """End all sessions; the devices ask again."""
        for task in self._conversing.values():
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
