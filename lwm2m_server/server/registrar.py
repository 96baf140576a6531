"""The registration interface at work: admission, limits, the table, its durable copy, and the device's session.

What a device is told was stored before. Answers that need nothing stored are given at once; the others when the store
says so, without a task of their own unless the admission has to wait for something. An Update that changes nothing is
what a fleet sends most: it touches memory only.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Final

from lwm2m_server.clock import Clock
from lwm2m_server.protocol import registration as interface
from lwm2m_server.protocol.registration import Deregister, Register, Update
from lwm2m_server.protocol.registration_limits import Refusal, RegistrationGuard, RegistrationLimits
from lwm2m_server.protocol.registrations import Registration, RegistrationTable
from lwm2m_server.server.admission import Admission, Identity, identity_of
from lwm2m_server.server.counters import RegistrationCounters
from lwm2m_server.server.events import Deregistered, Event, Events, Expired, Registered, Updated
from lwm2m_server.server.handles import Handles
from lwm2m_server.server.sessions import Sessions
from lwm2m_server.store.registrations import FLUSH, RegistrationStore, Stored
from secure_coap.association import Association
from secure_coap.errors import CoapError, Forbidden, NotFound, ServiceUnavailable, TooManyRequests
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code

RETRY_AFTER: Final = 60
"""Seconds a device that met a limit is asked to wait (Max-Age)."""
_CREATED: Final = Code.CREATED
_CHANGED: Final = Response(Code.CHANGED)
_DELETED: Final = Response(Code.DELETED)

Answer = Response | Awaitable[Response]


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
        limits: RegistrationLimits,
        clock: Clock,
    ) -> None:
        self._table = table
        self._store = store
        self._sessions = sessions
        self._events = events
        self._admission = admission
        self._now = clock.source
        self._guard = RegistrationGuard(limits)
        self._handles = Handles()
        self.counters = RegistrationCounters()

    def handle(self, request: Request, association: Association) -> Answer:
        """Answer one request of a device; raises `CoapError` for a refusal."""
        try:
            self._admission.check(association)
            asked = interface.parse(request)
            if isinstance(asked, Update):
                return self._update(asked, association)
            if isinstance(asked, Register):
                return self._register(asked, association)
            return self._deregister(asked, association)
        except CoapError as error:
            self._refused(error)
            raise

    async def _later(self, answer: Awaitable[Response]) -> Response:
        """An answer that is decided by what is stored, with its refusals counted."""
        try:
            return await answer
        except CoapError as error:
            self._refused(error)
            raise

    def _refused(self, error: CoapError) -> None:
        self.counters.refused[error.code.name.lower()] += 1

    # ---- Register ---------------------------------------------------------------------------

    def _register(self, asked: Register, association: Association) -> Answer:
        identity = identity_of(association)
        if identity.owner:
            self._limit(identity.owner, association)
        name = self._admission.admit(asked, association)
        if isinstance(name, str):
            return self._registered(name, identity, asked, association)
        return self._later(self._register_when_admitted(name, identity, asked, association))

    async def _register_when_admitted(
        self, name: Awaitable[str], identity: Identity, asked: Register, association: Association
    ) -> Response:
        return await self._registered(await name, identity, asked, association)

    def _registered(
        self, endpoint: str, identity: Identity, asked: Register, association: Association
    ) -> asyncio.Future[Response]:
        former = self._table.get(endpoint)
        if former is not None and former.owner and former.owner != identity.owner:
            raise Forbidden("this name is registered under another identity")
        if not identity.owner:
            self._limit(endpoint, association)
        remote, now = association.remote, self._now()
        registration = Registration(
            endpoint,
            self._handles.make(),
            endpoint if identity.owner == endpoint else identity.owner,
            identity.credential,
            remote,
            association.transport,
            asked.lifetime,
            asked.version,
            asked.binding,
            asked.queue_mode,
            asked.links,
            now,
            now,
        )
        if former is not None:
            self._guard.ended(former.remote[0])
        self._guard.began(remote[0])
        self._table.put(registration)
        self.counters.registered += 1
        answer, stored = self._when_stored(
            Response(_CREATED, location_path=(interface.PATH, registration.handle)),
            registration,
            association,
            Registered,
        )
        self._store.put(registration, stored, former=former)
        return answer

    def _limit(self, name: str, association: Association) -> None:
        registered = len(self._table) if self._table.get(name) is None else None
        refusal = self._guard.refusal(name, association.remote[0], registered, time.monotonic())
        if refusal is None:
            return
        self.counters.refused[refusal.value] += 1
        if refusal is Refusal.SERVER_FULL:
            raise ServiceUnavailable("this server has as many devices as it takes", max_age=RETRY_AFTER)
        raise TooManyRequests("too many registrations", max_age=RETRY_AFTER)

    def _when_stored(
        self, response: Response, registration: Registration, association: Association, event: type[Event] | None
    ) -> tuple[asyncio.Future[Response], Stored]:
        """The answer, and what gives it when the store has stored; `event` then tells that the device is there."""
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

        def stored(failure: Exception | None) -> None:
            if failure is not None:
                if not answer.done():
                    answer.set_exception(failure)
                return
            if event is not None and self._table.by_handle(registration.handle) is registration:
                self._heard(registration, association, event)
            if not answer.done():
                answer.set_result(response)

        return answer, stored

    def _heard(self, registration: Registration, association: Association, event: type[Event]) -> None:
        self._sessions.attach(registration.endpoint, association)
        if self._events.wanted(event):
            self._events.emit(event(registration))

    # ---- Update and Deregister --------------------------------------------------------------

    def _update(self, asked: Update, association: Association) -> Answer:
        now = self._now()
        registration = self._own(asked.handle, association, now)
        kept = self._admission.keeps(registration, association)
        if kept is True and registration.remote is association.remote and asked.changes_nothing:
            return self._still_there(registration, association, now)
        if isinstance(kept, bool):
            return self._updated(registration, asked, association, now, kept=kept)
        return self._later(self._update_when_kept(kept, registration, asked, association, now))

    async def _update_when_kept(
        self, kept: Awaitable[bool], registration: Registration, asked: Update, association: Association, now: float
    ) -> Response:
        answer = self._updated(registration, asked, association, now, kept=await kept)
        return answer if isinstance(answer, Response) else await answer

    def _updated(
        self, registration: Registration, asked: Update, association: Association, now: float, *, kept: bool
    ) -> Response | asyncio.Future[Response]:
        if self._table.by_handle(asked.handle) is not registration:  # it ended while the admission looked
            raise NotFound("no such registration")
        if not kept:
            self._end(registration, Deregistered)
            raise NotFound("no such registration")
        moved = self._follow(registration, association)
        if asked.changes_nothing:
            if moved:
                self._store.put(registration)
            return self._still_there(registration, association, now)
        self.counters.updated += 1
        queue_mode = asked.queue_mode or (asked.queue_mode if registration.version == "1.0" else None)
        self._table.update(registration, now, asked.lifetime, asked.binding, queue_mode, asked.links)
        answer, stored = self._when_stored(_CHANGED, registration, association, Updated)
        self._store.put(registration, stored)
        return answer

    def _still_there(self, registration: Registration, association: Association, now: float) -> Response:
        """What a fleet sends most."""
        self.counters.updated += 1
        self._table.touch(registration, now)
        self._store.touch(registration)
        self._heard(registration, association, Updated)
        return _CHANGED

    def _follow(self, registration: Registration, association: Association) -> bool:
        """Note from where the device was heard; True when it has moved."""
        remote = association.remote
        if registration.remote is remote or (
            registration.remote == remote and registration.transport is association.transport
        ):
            return False
        self._guard.moved(registration.remote[0], remote[0])
        registration.remote, registration.transport = remote, association.transport
        return True

    def _deregister(self, asked: Deregister, association: Association) -> asyncio.Future[Response]:
        registration = self._own(asked.handle, association, self._now())
        self.counters.deregistered += 1
        answer, stored = self._when_stored(_DELETED, registration, association, None)
        self._end(registration, Deregistered, stored)
        return answer

    def _own(self, handle: str, association: Association, now: float) -> Registration:
        """The registration of this very device; another's handle is answered like an unknown one.

        Over the session it was last heard over a device need not prove anew who it is.
        """
        registration = self._table.by_handle(handle)
        if registration is None or registration.updated_at + registration.lifetime < now:
            raise NotFound("no such registration")
        if self._sessions.session(registration.endpoint) is association:
            return registration
        if identity_of(association).credential != registration.credential:
            raise NotFound("no such registration")
        return registration

    # ---- time -------------------------------------------------------------------------------

    async def restore(self) -> None:
        """After a start: take up the registrations of before. Their last Updates may not have been stored any more."""
        for registration in await self._store.load():
            registration.updated_at += FLUSH
            self._table.put(registration)
            self._guard.began(registration.remote[0])

    def expire(self) -> None:
        """End registrations whose lifetime has passed."""
        for registration in self._table.expire(self._now()):
            self.counters.expired += 1
            self._end(registration, Expired)

    def _end(self, registration: Registration, event: type[Event], stored: Stored | None = None) -> None:
        self._table.remove(registration)
        self._guard.ended(registration.remote[0])
        self._store.remove(registration, stored)
        self._sessions.forget(registration.endpoint)
        self._events.emit(event(registration))
