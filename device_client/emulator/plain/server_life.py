"""The device's life with one server: register, stay registered, notify, do as ordered (LwM2M Core 1.2, 6.2).

A session that ends takes nothing with it: the registration goes on over the next one by an Update from a new address,
and only a server that does not know it any more (4.04) is registered with again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final

from device_client.emulator.log import Logger
from device_client.emulator.lwm2m.caller import Caller
from device_client.emulator.lwm2m.dispatch import Dispatcher
from device_client.emulator.lwm2m.observing import Observations
from device_client.emulator.lwm2m.registration import Registration
from device_client.emulator.lwm2m.sending import send_request
from device_client.emulator.orders import Order, Orders
from device_client.emulator.plain.accounts import Account
from device_client.emulator.plain.sessions import open_session
from device_client.emulator.plain.settings import ClientSettings
from device_client.emulator.requests import ServerRequests
from device_client.emulator.settings import Pauses
from device_client.emulator.signal import Signal
from device_client.emulator.transport.channel import ChannelError
from device_client.emulator.transport.coap import CoapSession, Origin, SessionLost
from device_client.emulator.transport.wire import WireMeter
from objects.attributes import Attributes
from objects.formats.link_format import Link
from secure_coap.errors import CoapError
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code

FAILURES: Final = (ChannelError, SessionLost, OSError, CoapError)
"""What a try can end with; anything else is a defect and restarts the device."""
_TRY_AGAIN: Final = frozenset({Code.REQUEST_ENTITY_INCOMPLETE, Code.TOO_MANY_REQUESTS})
FOREVER: Final = 1e9
"""Seconds until the Update of a lifetime of 0, which is one without end (resource 1/x/1)."""
UPDATE_EARLY: Final = 0.5
"""An Update is sent after this part of the lifetime."""


class ServerLife:
    """Keeps the device registered with the server of one account."""

    def __init__(
        self,
        *,
        endpoint: str,
        account: Callable[[], Account | None],
        server: int,
        dispatcher: Dispatcher,
        settings: ClientSettings,
        pauses: Pauses,
        failed: Callable[[], None],
        meter: WireMeter,
        log: Logger,
    ) -> None:
        """`account` says what the account of this `server` is now, None once it is gone; `failed` is called after each
        try that did not end in a registration."""
        self._endpoint = endpoint
        self._account_now = account
        self._server = server
        self._dispatcher = dispatcher
        self._settings = settings
        self._pauses = pauses
        self._failed = failed
        self._meter = meter
        self._log = log.bind(server=server)
        self._clock = asyncio.get_running_loop().time
        self._registration: Registration | None = None
        self._told_links: tuple[Link, ...] = ()
        self._told_lifetime = 0
        self._contact = 0.0
        self._awake_until = 0.0
        self.failures = 0
        """Tries in a row that did not end in a registration."""
        self.orders = Orders()
        self._stirred = Signal()
        """Fires when the device wakes by itself."""
        self.observations = Observations(
            dispatcher,
            lambda: Caller(server=server),
            clock=self._clock,
            now=time.time,
            defaults=self._default_periods,
            storing=lambda: (account := self._account_now()) is not None and account.storing,
        )

    async def run(self) -> None:
        """For ever, or until the account is gone."""
        try:
            async with asyncio.TaskGroup() as tasks:
                beside = (tasks.create_task(self.observations.run()), tasks.create_task(self._send_regularly()))
                await self._while_there_is_an_account()
                for one in beside:
                    one.cancel()
        finally:
            self.observations.reach(None)

    async def _while_there_is_an_account(self) -> None:
        while self._account_now() is not None:
            try:
                await self._stay_registered()
            except FAILURES as failure:
                self.failures += 1
                self._log.warning("connection_failed", problem=str(failure), failures=self.failures)
                await self._lose_session()
                self._failed()
                await asyncio.sleep(self._pauses.next())

    async def leave(self) -> None:
        """Deregister and close the session; `run` has ended. Waits for the server's answer: bound that."""
        registration, self._registration = self._registration, None
        if registration is None or registration.session.closed.is_set():
            return
        registration.session.sleep(asleep=False)
        try:
            with contextlib.suppress(*FAILURES):
                await registration.deregister()
        finally:
            await registration.session.close()

    def abandon(self) -> None:
        """Let go of the session without a word, as in a power cut."""
        if self._registration is not None:
            self._registration.session.abandon()

    def notify(self, origin: Origin, response: Response, *, confirmable: bool, gone: Callable[[], None]) -> None:
        """Send a notification; a sleeping device wakes for it, so that it hears what the server says to it."""
        if self._registration is not None:
            self._wake(self._registration.session)
            self._stirred.fire()
            self._registration.session.notify(origin, response, confirmable=confirmable, gone=gone)

    @property
    def session(self) -> CoapSession | None:
        """The one the registration goes over at present."""
        return None if self._registration is None else self._registration.session

    @property
    def registered(self) -> bool:
        return self._registration is not None and not self._registration.session.closed.is_set()

    async def _stay_registered(self) -> None:
        """One step: connect, or wait for what comes next and do it."""
        if not self.registered:
            await self._connect()
        elif self.orders.take(Order.DISABLE):
            await self._disable()
        elif self.orders.take(Order.UPDATE) or await self._until_update():
            await self._update()

    async def _connect(self) -> None:
        account, before = self._account(), self._registration
        if before is None and account.hold_off:
            await asyncio.sleep(account.hold_off)
        requests = ServerRequests(self._answer, self._log)
        session = await open_session(
            account, self._settings.run, self._meter, requests, insecure=self._settings.insecure
        )
        try:
            if before is None:
                await self._register(session, account)
            else:
                self._registration = before.over(session)
                await self._update()
        except BaseException:
            await session.close()
            raise
        self.failures = 0
        self._pauses.reset()
        self.observations.reach(self)

    async def _register(self, session: CoapSession, account: Account) -> None:
        links = self._dispatcher.links()
        if not account.storing:
            self.observations.clear()
        self._registration = await Registration.register(
            session,
            self._endpoint,
            account.lifetime,
            links,
            version=self._settings.version,
            queue_mode=self._settings.queue_mode,
        )
        self._told(links, account.lifetime)
        self._log.info("registered", uri=account.uri)

    async def _update(self) -> None:
        """Update, or register anew when the server does not know the device any more."""
        registration, account, links = self._registration, self._account(), self._dispatcher.links()
        assert registration is not None
        self._wake(registration.session)
        try:
            await registration.update(
                account.lifetime if account.lifetime != self._told_lifetime else None,
                links if links != self._told_links else None,
            )
        except CoapError as refusal:
            if refusal.code in _TRY_AGAIN or refusal.code.code_class == 5:
                raise
            self._log.info("registration_unknown", code=refusal.code.dotted)
            self._registration = None
            try:
                await self._register(registration.session, account)
            except BaseException:
                await registration.session.close()
                raise
            return
        self._told(links, account.lifetime)

    async def _send_regularly(self) -> None:
        """Tell the server what it is to be told, as long as it does not mute the device."""
        while self._settings.send:
            await asyncio.sleep(self._settings.send_every)
            registration, account = self._registration, self._account_now()
            if registration is None or account is None or account.mute_send or not self.registered:
                continue
            request = send_request(
                self._dispatcher.tree, self._settings.send, Caller(server=self._server), int(time.time())
            )
            if request is not None:
                self._wake(registration.session)
                try:
                    (await registration.session.request(request)).raise_for_code()
                except FAILURES as failure:
                    self._log.warning("send_failed", problem=str(failure))

    async def _disable(self) -> None:
        account = self._account()
        self._log.info("disabled", seconds=account.disable_timeout)
        self.observations.reach(None)
        await self.leave()
        if not account.storing:
            self.observations.clear()
        await asyncio.sleep(account.disable_timeout)

    async def _until_update(self) -> bool:
        """Wait until the next Update is due; False when there is something else to look at first."""
        registration = self._registration
        assert registration is not None
        session, clock = registration.session, self._clock()
        due = self._contact + (self._told_lifetime * UPDATE_EARLY if self._told_lifetime > 0 else FOREVER)
        falls_asleep = self._awake_until if self._settings.queue_mode and not session.asleep else due
        reshaped = self._dispatcher.tree.reshaped.next()
        closed = asyncio.ensure_future(session.closed.wait())
        happened = (self.orders.given.next(), self._stirred.next(), reshaped, closed)
        try:
            pause = max(0.0, min(due, falls_asleep) - clock)
            done, _ = await asyncio.wait(happened, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in happened:
                one.cancel()
        if session.closed.is_set():
            raise SessionLost("the session has ended")
        if not done and falls_asleep < due and self._awake_until <= self._clock():
            session.sleep(asleep=True)
        return reshaped in done or (not done and self._clock() >= due)

    async def _lose_session(self) -> None:
        self.observations.reach(None)
        if self._registration is not None:
            await self._registration.session.close()

    def _answer(self, request: Request, origin: Origin) -> Response:
        self._awake_until = self._clock() + self._settings.awake
        return self.observations.answer(request, origin)

    def _wake(self, session: CoapSession) -> None:
        session.sleep(asleep=False)
        self._awake_until = self._clock() + self._settings.awake

    def _told(self, links: tuple[Link, ...], lifetime: int) -> None:
        self._told_links, self._told_lifetime = links, lifetime
        self._contact = self._clock()
        self._awake_until = self._contact + self._settings.awake

    def _account(self) -> Account:
        account = self._account_now()
        if account is None:
            raise SessionLost("the account of this server is gone")
        return account

    def _default_periods(self) -> Attributes:
        account = self._account_now()
        if account is None:
            return Attributes()
        return Attributes(pmin=account.default_pmin, pmax=account.default_pmax)
