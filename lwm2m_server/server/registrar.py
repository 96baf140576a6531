"""The registration interface at work: admission, the table, its durable copy, and the device's session.

What a device is told was stored before. Answers that need nothing stored are given at once; the others when the store
says so, without a task of their own unless the admission has to wait for something.
"""

from __future__ import annotations

import asyncio
import time
from base64 import urlsafe_b64encode
from collections.abc import Awaitable
from secrets import token_bytes
from typing import Final

import structlog

from lwm2m_server.clock import Clock
from lwm2m_server.protocol import registration as interface
from lwm2m_server.protocol.registration import Deregister, Register, Update
from lwm2m_server.protocol.registration_rate import RegistrationRate
from lwm2m_server.protocol.registrations import Registration, RegistrationTable
from lwm2m_server.server.admission import NOBODY, Admission, identity_of
from lwm2m_server.server.events import Deregistered, Event, Events, Expired, Registered, Updated
from lwm2m_server.server.sessions import Sessions
from lwm2m_server.store.registrations import FLUSH, RegistrationStore
from secure_coap.association import Association
from secure_coap.errors import Forbidden, NotFound, TooManyRequests
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code

log = structlog.get_logger()

HANDLE_SIZE: Final = 16
"""Random bytes of a handle: without security it is all that proves whose registration an Update is about."""
_CHANGED: Final = Response(Code.CHANGED)
_DELETED: Final = Response(Code.DELETED)


class Registrar:
    """Answers Register, Update and Deregister."""

    def __init__(
        self,
        table: RegistrationTable,
        store: RegistrationStore,
        sessions: Sessions,
        events: Events,
        *,
        admission: Admission,
        clock: Clock,
    ) -> None:
        self._table = table
        self._store = store
        self._sessions = sessions
        self._events = events
        self._admission = admission
        self._clock = clock
        self._rate = RegistrationRate()

    def handle(self, request: Request, association: Association) -> Response | Awaitable[Response]:
        """Answer one request of a device; raises `CoapError` for a refusal."""
        self._admission.check(association)
        asked = interface.parse(request)
        if isinstance(asked, Update):
            return self._update(asked, association)
        if isinstance(asked, Register):
            return self._register(asked, association)
        return self._deregister(asked, association)

    # ---- Register ---------------------------------------------------------------------------

    def _register(self, asked: Register, association: Association) -> Response | Awaitable[Response]:
        identity = identity_of(association)
        if identity.owner is not NOBODY:
            self._limit_rate(identity.owner)
        name = self._admission.admit(asked, association)
        if isinstance(name, str):
            return self._registered(name, asked, association)
        return self._register_when_admitted(name, asked, association)

    async def _register_when_admitted(
        self, name: Awaitable[str], asked: Register, association: Association
    ) -> Response:
        return await self._registered(await name, asked, association)

    def _registered(self, endpoint: str, asked: Register, association: Association) -> asyncio.Future[Response]:
        identity = identity_of(association)
        former = self._table.get(endpoint)
        if former is not None and former.owner != identity.owner and former.expires_at >= self._clock.now():
            log.warning("registration_refused", endpoint=endpoint, reason="registered under another identity")
            raise Forbidden("this name is registered under another identity")
        if identity.owner is NOBODY:
            self._limit_rate(endpoint)
        now = self._clock.now()
        registration = Registration(
            endpoint,
            urlsafe_b64encode(token_bytes(HANDLE_SIZE))[:-2].decode(),
            identity.owner,
            identity.credential,
            association.remote[0],
            association.transport,
            asked.lifetime,
            asked.version,
            asked.binding,
            asked.queue_mode,
            asked.links,
            now,
            now,
        )
        self._table.put(registration)
        created = Response(Code.CREATED, location_path=(interface.PATH, registration.handle))
        return self._answer_when_stored(created, registration, association, Registered)

    def _limit_rate(self, identity: str) -> None:
        if not self._rate.admit(identity, time.monotonic()):
            raise TooManyRequests("too many registrations", max_age=60)

    def _answer_when_stored(
        self, response: Response, registration: Registration, association: Association, event: type[Event]
    ) -> asyncio.Future[Response]:
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

        def stored(failure: Exception | None) -> None:
            if failure is None:
                self._heard(registration, association, event)
            if answer.done():
                return
            if failure is None:
                answer.set_result(response)
            else:
                answer.set_exception(failure)

        self._store.put(registration, stored)
        return answer

    def _heard(self, registration: Registration, association: Association, event: type[Event]) -> None:
        """Tell that the device is there, unless its registration has been replaced meanwhile."""
        if self._table.by_handle(registration.handle) is not registration:
            return
        self._sessions.attach(registration.endpoint, association)
        if self._events.wanted(event):
            self._events.emit(event(registration))

    # ---- Update and Deregister --------------------------------------------------------------

    def _update(self, asked: Update, association: Association) -> Response | Awaitable[Response]:
        registration = self._own(asked.handle, association)
        kept = self._admission.keeps(registration, association)
        if isinstance(kept, bool):
            return self._updated(registration, asked, association, kept=kept)
        return self._update_when_kept(kept, registration, asked, association)

    async def _update_when_kept(
        self, kept: Awaitable[bool], registration: Registration, asked: Update, association: Association
    ) -> Response:
        answer = self._updated(registration, asked, association, kept=await kept)
        return answer if isinstance(answer, Response) else await answer

    def _updated(
        self, registration: Registration, asked: Update, association: Association, *, kept: bool
    ) -> Response | asyncio.Future[Response]:
        if not kept:
            self._end(registration)
            raise NotFound("no such registration")
        now = self._clock.now()
        if self._sessions.session(registration.endpoint) is not association:
            registration.address, registration.transport = association.remote[0], association.transport
        if asked.changes_nothing:
            self._table.update(registration, now)
            self._store.touch(registration)
            self._heard(registration, association, Updated)
            return _CHANGED
        queue_mode = asked.queue_mode or (asked.queue_mode if registration.version == "1.0" else None)
        self._table.update(registration, now, asked.lifetime, asked.binding, queue_mode, asked.links)
        return self._answer_when_stored(_CHANGED, registration, association, Updated)

    def _deregister(self, asked: Deregister, association: Association) -> asyncio.Future[Response]:
        registration = self._own(asked.handle, association)
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

        def stored(failure: Exception | None) -> None:
            if answer.done():
                return
            if failure is None:
                answer.set_result(_DELETED)
            else:
                answer.set_exception(failure)

        self._table.remove(registration)
        self._store.remove(registration, stored)
        self._sessions.forget(registration.endpoint)
        self._events.emit(Deregistered(registration))
        return answer

    def _own(self, handle: str, association: Association) -> Registration:
        """The registration of this very device; another's handle is answered like an unknown one.

        Over the session it was last heard over a device need not prove anew who it is.
        """
        registration = self._table.by_handle(handle)
        if registration is None or registration.expires_at < self._clock.now():
            raise NotFound("no such registration")
        known = self._sessions.session(registration.endpoint) is association
        if not known and identity_of(association).credential != registration.credential:
            raise NotFound("no such registration")
        return registration

    # ---- time -------------------------------------------------------------------------------

    async def restore(self) -> None:
        """After a start: take up the registrations of before. Their last Updates may not have been stored any more."""
        for registration in await self._store.load():
            registration.updated_at += FLUSH
            self._table.put(registration)

    def expire(self) -> None:
        """End registrations whose lifetime has passed."""
        for registration in self._table.expire(self._clock.now()):
            self._store.remove(registration)
            self._sessions.forget(registration.endpoint)
            self._events.emit(Expired(registration))

    def _end(self, registration: Registration) -> None:
        if self._table.remove(registration):
            self._store.remove(registration)
            self._sessions.forget(registration.endpoint)
            self._events.emit(Deregistered(registration))
