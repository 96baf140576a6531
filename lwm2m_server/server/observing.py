"""Observations at work: begun, stored, kept alive over restarts and new sessions, and told to whoever listens."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any, Final
from weakref import WeakValueDictionary

import structlog

from lwm2m_server.clock import Clock
from lwm2m_server.protocol import observations
from lwm2m_server.protocol.errors import AnswerUnusable, DeviceError, DeviceRefused
from lwm2m_server.protocol.observations import DUTIES, MAX_PER_DEVICE, Duty, Moment, State, Subject
from lwm2m_server.protocol.operations import Target
from lwm2m_server.protocol.registrations import Registration
from lwm2m_server.protocol.samples import Sample
from lwm2m_server.server.admission import NOBODY, identity_of
from lwm2m_server.server.counters import ReportCounters
from lwm2m_server.server.events import Deregistered, Event, Events, Expired, Registered, Updated
from lwm2m_server.server.latest import LatestValues
from lwm2m_server.server.sessions import DeviceOffline, Sessions
from lwm2m_server.server.standing import Standing, StandingObservations
from lwm2m_server.server.steps import run
from lwm2m_server.server.subscriptions import BACKLOG, Notification, Subscription
from lwm2m_server.server.targets import Targets
from lwm2m_server.store import observations as store
from lwm2m_server.store.database import Database
from lwm2m_server.store.observations import StoredObservation
from objects.errors import ObjectsError
from secure_coap.association import Association
from secure_coap.errors import TransportError
from secure_coap.exchange import Request, Response
from secure_coap.observation import Observation

log = structlog.get_logger()


PATIENCE: Final = 5.0
"""Seconds a device gets to hear that it need not notify any more; then its next notification is rejected."""


class TooManyObservations(Exception):
    """A device has as many observations as one may have; cancel one first."""


class Observing:
    """All observations of all devices. What happens to a device's registration reaches it through the events."""

    def __init__(
        self,
        database: Database,
        sessions: Sessions,
        targets: Targets,
        latest: LatestValues,
        *,
        registration: Callable[[str], Registration | None],
        events: Events,
        clock: Clock,
        counters: ReportCounters,
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._targets = targets
        self._latest = latest
        self._registration = registration
        self._events = events
        self._clock = clock
        self._counters = counters
        self._standing = StandingObservations()
        self._end_of_updates: Callable[[], None] | None = None
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[None]] = set()
        events.on(Registered, partial(self._happened, Moment.REGISTERED))
        events.on(Expired, partial(self._happened, Moment.EXPIRED))
        events.on(Deregistered, partial(self._happened, Moment.DEREGISTERED))

    async def resume(self) -> None:
        """Take up what was observed before a restart; notifications are taken from when a device's session is known."""
        async with self._database.reading() as connection:
            for stored in await store.everything(connection):
                self._standing.add(Standing(stored))
        self._listen_to_updates()

    async def close(self) -> None:
        """Stop; the observations stand."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for standing in self._standing:
            for listener in standing.listeners:
                listener.end()

    def __len__(self) -> int:
        return len(self._standing)

    def of(self, endpoint: str) -> tuple[StoredObservation, ...]:
        """The observations of a device."""
        return tuple(one.stored for one in self._standing.of(endpoint))

    def state(self, endpoint: str, number: int) -> State:
        """How an observation stands. Raises UnknownObservation."""
        return self._state(self._standing.get(endpoint, number))

    async def begin(self, endpoint: str, subject: Subject, *, timeout: float | None = None) -> Subscription:  # noqa: ASYNC109
        """Observe, or listen to what is observed already; the present values come first.

        Raises TooManyObservations, what an operation raises, and NotObservable.
        """
        async with self._lock(endpoint):
            known = self._standing.find(endpoint, subject)
            if known is not None and known.stored.subject == subject and self._state(known) is State.LIVE:
                return self._listen(known)
            if known is None and len(self._standing.of(endpoint)) >= MAX_PER_DEVICE:
                raise TooManyObservations(f"{endpoint} has {MAX_PER_DEVICE} observations; cancel one first")
            standing = known or Standing(StoredObservation(0, endpoint, subject))
            listener = self._listen(standing)
            try:
                await self._establish(standing, subject, timeout=timeout)
            except BaseException:
                listener.close()
                raise
            return listener

    def listen(self, endpoint: str, number: int) -> Subscription:
        """Listen to an observation there is. Raises UnknownObservation."""
        return self._listen(self._standing.get(endpoint, number))

    async def cancel(self, endpoint: str, number: int) -> None:
        """End an observation here, and on the device if it can be reached. Raises UnknownObservation."""
        async with self._lock(endpoint):
            standing = self._standing.get(endpoint, number)
            await self._forget(standing)
            if standing.live is None:
                return
            try:
                await self._sessions.appear(endpoint, 0)
                async with asyncio.timeout(PATIENCE):
                    await standing.live.cancel()
            except (DeviceOffline, TransportError, TimeoutError):
                standing.live.forget()
                log.info("observation_not_cancelled", endpoint=endpoint, reason="its next notification is rejected")

    def claim(self, association: Association, token: bytes) -> None:
        """A notification came that nothing waits for: after a restart it may be the first that is heard of a device.

        Its session has to be as good as one that updates the registration.
        """
        standing = self._standing.by_token(token)
        if standing is None:
            return
        endpoint = standing.stored.endpoint
        registration, identity = self._registration(endpoint), identity_of(association)
        if registration is None or registration.credential != identity.credential:
            return
        if identity.owner == NOBODY and self._sessions.is_online(endpoint):
            return  # without security the device is where it registered or updated
        self._sessions.attach(endpoint, association)
        self._adopt(standing)

    # ---- one observation ----------------------------------------------------------------------

    async def _establish(
        self,
        standing: Standing,
        subject: Subject,
        *,
        token: bytes | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> None:
        """Send the Observe; store what it brought. Nothing is changed when the device refuses."""
        endpoint = standing.stored.endpoint
        target = await self._targets.of(endpoint)
        live: Observation | None = None
        early: deque[Callable[[], None]] | None = deque(maxlen=BACKLOG)

        async def send(request: Request) -> Response:
            nonlocal live
            if request.observe is None:
                return await self._sessions.request(endpoint, request, timeout=timeout)

            def notified(outcome: Response | TransportError) -> None:
                news = partial(self._notified, standing, target, request.accept, outcome)
                if early is None:
                    news()
                else:
                    early.append(news)

            if live is not None:
                live.forget()  # answered in a format that could not be read
            response, live = await self._sessions.observe(endpoint, request, notified, token=token, timeout=timeout)
            return response

        begun = await run(observations.observe(target, subject, self._clock.now()), send)
        assert live is not None, "the operation ends with the answer to an Observe"
        try:
            await self._store(standing, subject, live, begun.content_format)
        except BaseException:
            live.forget()
            raise
        self._publish(standing, begun.samples)
        # What came while the observation was being stored is newer than the first values.
        waiting, early = early, None
        for news in waiting or ():
            news()
        await self._targets.keep(endpoint)

    async def _store(self, standing: Standing, subject: Subject, live: Observation, content_format: int) -> None:
        former, standing.live, standing.refused = standing.live, live, False
        if former is not None and former is not live and former.token != live.token:
            former.forget()
        now = self._clock.now()
        async with self._database.transaction() as connection:
            stored = standing.stored
            if not stored.id:
                stored = await store.add(connection, stored.endpoint, subject)
            await store.began(connection, stored.id, subject, live.token, content_format=content_format, at=now)
        began = replace(stored, subject=subject, token=live.token, content_format=content_format, began_at=now)
        if standing.stored.id:
            self._standing.change(standing, began)
        else:
            standing.stored = began
            self._standing.add(standing)
            self._listen_to_updates()

    def _notified(
        self, standing: Standing, target: Target, asked: int | None, outcome: Response | TransportError
    ) -> None:
        """A notification, or why there is none; when the session has ended the next one adopts the token."""
        if isinstance(outcome, TransportError):
            log.info("notification_lost", endpoint=standing.stored.endpoint, reason=str(outcome))
            return
        assert asked is not None, "every Observe asks for a format"
        stored = standing.stored
        try:
            samples = observations.samples(target, stored.subject, outcome, asked, self._clock.now())
        except DeviceRefused as refused:
            log.warning("observation_ended", endpoint=stored.endpoint, subject=str(stored.subject), reason=str(refused))
            self._counters.ended += 1
            standing.refused = True
        except AnswerUnusable as error:
            self._counters.unusable += 1
            log.warning("notification_unusable", endpoint=stored.endpoint, reason=str(error))
        else:
            self._counters.notified += 1
            self._publish(standing, samples)

    def _publish(self, standing: Standing, samples: tuple[Sample, ...]) -> None:
        stored = standing.stored
        notification = Notification(stored.endpoint, stored.id, samples, self._clock.now())
        standing.newest = notification
        self._latest.keep(stored.endpoint, samples)
        self._events.emit(notification)
        for listener in tuple(standing.listeners):
            listener.put(notification)

    def _listen(self, standing: Standing) -> Subscription:
        async def cancel() -> None:
            if standing in self._standing.of(standing.stored.endpoint):
                await self.cancel(standing.stored.endpoint, standing.stored.id)

        listener = Subscription(standing.listeners.discard, cancel)
        standing.listeners.add(listener)
        if standing.newest is not None:
            listener.put(standing.newest)
        return listener

    async def _forget(self, standing: Standing) -> None:
        async with self._database.transaction() as connection:
            await store.remove(connection, standing.stored.id)
        self._standing.remove(standing)
        self._listen_to_updates()
        for listener in standing.listeners:
            listener.end()

    # ---- what happens to the device -----------------------------------------------------------

    def _listen_to_updates(self) -> None:
        """Updates are many: they are listened to only while something is observed."""
        if self._standing and self._end_of_updates is None:
            self._end_of_updates = self._events.on(Updated, partial(self._happened, Moment.HEARD))
        elif not self._standing and self._end_of_updates is not None:
            self._end_of_updates()
            self._end_of_updates = None

    def _happened(self, moment: Moment, event: Event) -> None:
        if any(DUTIES[moment, self._state(one)] is not Duty.NOTHING for one in self._standing.of(event.endpoint)):
            self._spawn(self._attend(event.endpoint, moment))

    async def _attend(self, endpoint: str, moment: Moment) -> None:
        """Do for each observation what the moment asks for, one after the other."""
        async with self._lock(endpoint):
            for standing in self._standing.of(endpoint):
                try:
                    await self._do(DUTIES[moment, self._state(standing)], standing)
                except DeviceOffline:
                    return  # the next contact begins again
                except (DeviceError, ObjectsError) as error:
                    standing.refused = True
                    if standing.live is not None:
                        standing.live.forget()
                    subject = str(standing.stored.subject)
                    log.warning("observation_refused", endpoint=endpoint, subject=subject, reason=str(error))

    async def _do(self, duty: Duty, standing: Standing) -> None:
        stored = standing.stored
        match duty:
            case Duty.NOTHING:
                pass
            case Duty.BEGIN:
                self._standing.change(standing, replace(stored, token=None))
                await self._establish(standing, stored.subject)
            case Duty.ADOPT:
                self._adopt(standing)
                await self._establish(standing, stored.subject, token=stored.token)
            case Duty.LET_GO:
                if standing.live is not None:
                    standing.live.forget()
                self._standing.change(standing, replace(stored, token=None))
            case Duty.END:
                if standing.live is not None:
                    standing.live.forget()
                await self._forget(standing)

    def _adopt(self, standing: Standing) -> None:
        """Take notifications over the present session at once, whatever comes of the refreshing."""
        stored = standing.stored
        assert stored.token is not None and stored.content_format is not None, "only what has begun is adopted"
        target = self._targets.view(stored.endpoint)
        request = observations.request_of(stored.subject, stored.content_format, target)

        def notified(outcome: Response | TransportError) -> None:
            self._notified(standing, target, stored.content_format, outcome)

        standing.live = self._sessions.adopt(stored.endpoint, stored.token, request, notified)

    def _state(self, standing: Standing) -> State:
        if standing.refused:
            return State.REFUSED
        if standing.stored.token is None:
            return State.NOT_BEGUN
        present = self._sessions.session(standing.stored.endpoint)
        live = standing.live
        return State.LIVE if live is not None and live.active and live.association is present else State.APART

    # ---- shared -------------------------------------------------------------------------------

    def _lock(self, endpoint: str) -> asyncio.Lock:
        return self._locks.setdefault(endpoint, asyncio.Lock())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("observing_failed", exc_info=error)
