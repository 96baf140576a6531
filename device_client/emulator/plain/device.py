"""One standard client: from power on to power off."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Any, Final

from device_client.emulator.log import Logger
from device_client.emulator.lwm2m.dispatch import Dispatcher
from device_client.emulator.lwm2m.reading import BY_VERSION
from device_client.emulator.lwm2m.standard.simulation import Simulation
from device_client.emulator.lwm2m.tree import ObjectTree
from device_client.emulator.orders import Order
from device_client.emulator.plain.access_control import AccessControl
from device_client.emulator.plain.accounts import Account, Accounts
from device_client.emulator.plain.bootstrap.procedure import FAILURES, Bootstrap
from device_client.emulator.plain.downloads import Downloads
from device_client.emulator.plain.equipment import Workshop
from device_client.emulator.plain.first_accounts import first_accounts
from device_client.emulator.plain.server_life import ServerLife
from device_client.emulator.plain.settings import ClientSettings
from device_client.emulator.plain.signing import SigningKey
from device_client.emulator.settings import Pauses
from device_client.emulator.signal import Signal
from device_client.emulator.storage.files import DeviceFiles, Files
from device_client.emulator.storage.memory import MemoryFiles
from device_client.emulator.transport.wire import WireMeter
from objects.core_versions import core_versions
from objects.model import MODEL

FAILURES_BEFORE_BOOTSTRAP: Final = 3
"""Tries in a row that every server must fail before the bootstrap server is asked."""
GOODBYE: Final = 2.0
"""Seconds a device gets to deregister when it is switched off."""


class PlainDevice:
    """The client with this name; `files` keeps its accounts, or nothing does."""

    def __init__(
        self, endpoint: str, settings: ClientSettings, log: Logger, rng: random.Random, files: DeviceFiles | None = None
    ) -> None:
        self._endpoint = endpoint
        self._settings = settings
        self._log = log
        self._rng = rng
        self._meter = WireMeter()
        self._rebooting = asyncio.Event()
        self.model = MODEL.selecting(core_versions(settings.version))
        self.accounts = Accounts(self.model, self._ordered)
        first_accounts(self.accounts, settings)
        self._files = files
        if files is not None:
            files.make()
            self.accounts.keep_in(files)
        kept: Files = MemoryFiles() if files is None else files
        signing = SigningKey(kept, lambda: next(iter(self.accounts.servers()), None))
        workshop = Workshop(
            settings,
            self.model,
            meter=self._meter,
            downloads=Downloads(lambda: next(iter(self.accounts.servers()), None), settings, self._meter),
            rng=rng,
            touch=self._touch,
            log=log,
            files=kept,
            signs=signing.get,
        )
        self._equipment = workshop.equip(endpoint, self._rebooting.set)
        objects = (*self.accounts.objects.values(), *self._equipment.objects)
        tree = ObjectTree(objects, AccessControl(self.accounts), self.model)
        self.dispatcher = Dispatcher(tree, content_formats=BY_VERSION[settings.version])
        self._lives: dict[int, ServerLife] = {}
        self.started = False
        """Whether the device could begin to live."""
        self._bootstrap_wanted = Signal()

    async def run(self, off: asyncio.Event) -> None:
        """Live until `off` is set, then deregister and end. Cancelled, it ends at once, like a power cut.

        Raises StorageError when another process runs the client of this directory.
        """
        with contextlib.nullcontext() if self._files is None else self._files.alone():
            await self._run(off)

    async def _run(self, off: asyncio.Event) -> None:
        switched_off = asyncio.ensure_future(off.wait())
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._rng.random() * self._settings.jitter):
                    await asyncio.shield(switched_off)
            while not off.is_set():
                await self._live(switched_off)
        finally:
            switched_off.cancel()

    async def _live(self, switched_off: asyncio.Future[Any]) -> None:
        """From a start to the next one, or to the end."""
        self._rebooting.clear()
        self._equipment.restarted()
        self._log.info("started")
        self.started = True
        life: asyncio.Future[Any] = asyncio.ensure_future(self._work())
        rebooting: asyncio.Future[Any] = asyncio.ensure_future(self._rebooting.wait())
        try:
            await asyncio.wait({life, switched_off, rebooting}, return_when=asyncio.FIRST_COMPLETED)
            if life.done():
                life.result()
            else:
                life.cancel()
                await asyncio.wait({life})
                if switched_off.done():
                    await self._leave_servers()
                self._log.info("stopped" if switched_off.done() else "restarted")
        finally:
            rebooting.cancel()
            life.cancel()
            for one in self._lives.values():
                one.abandon()
            life.add_done_callback(lambda ended: ended.cancelled() or ended.exception())

    async def _work(self) -> None:
        simulation = Simulation(self._endpoint, self._equipment.steps, self._touch, self._settings.period)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(simulation.run())
            for component in self._equipment.components:
                tasks.create_task(component.run(self._settings.install_seconds, self._rebooting.set))
            tasks.create_task(self._purge())
            while True:
                if not self.accounts.servers():
                    await self._bootstrap_until_it_works()
                self._lives = {one.server: self._life(one.server) for one in self.accounts.servers()}
                lives = [tasks.create_task(life.run()) for life in self._lives.values()]
                await self._until_bootstrapped_anew()
                for life in lives:
                    life.cancel()
                await asyncio.wait(lives)
                await self._leave_servers()

    async def _bootstrap_until_it_works(self) -> None:
        pauses = self._pauses()
        while True:
            if await self._bootstrap():
                return
            await asyncio.sleep(pauses.next())

    async def _until_bootstrapped_anew(self) -> None:
        """Servers go on being served while a bootstrap runs, and after one that failed."""
        while True:
            await self._bootstrap_wanted.next()
            if await self._bootstrap():
                return

    async def _bootstrap(self) -> bool:
        """One try; whether the accounts are new ones."""
        account = self.accounts.bootstrap()
        if account is None:
            self._log.warning("bootstrap_failed", problem="no account of a bootstrap server")
            return False
        await asyncio.sleep(account.hold_off)
        bootstrap = Bootstrap(
            endpoint=self._endpoint,
            accounts=self.accounts,
            tree=self.dispatcher.tree,
            settings=self._settings,
            meter=self._meter,
            log=self._log,
        )
        try:
            await bootstrap.run(account)
        except FAILURES as failure:
            self._log.warning("bootstrap_failed", problem=str(failure))
            return False
        return True

    async def _purge(self) -> None:
        """Forget the bootstrap server's account when its time is over."""
        account = self.accounts.bootstrap()
        if account is not None and account.purge_after:
            await asyncio.sleep(account.purge_after)
            self.accounts.forget_bootstrap()
            self._log.info("bootstrap_account_purged")

    def _failed(self) -> None:
        """A server could not be registered with: when that goes for all of them, bootstrap may know better."""
        lost = all(life.failures >= FAILURES_BEFORE_BOOTSTRAP for life in self._lives.values())
        if lost and self.accounts.bootstrap() and any(one.bootstrap_on_failure for one in self.accounts.servers()):
            self._bootstrap_wanted.fire()

    def _pauses(self) -> Pauses:
        return Pauses(self._settings.run.retry_min, self._settings.run.retry_max, self._rng)

    def _life(self, server: int) -> ServerLife:
        return ServerLife(
            endpoint=self._endpoint,
            account=self._account(server),
            server=server,
            dispatcher=self.dispatcher,
            settings=self._settings,
            pauses=self._pauses(),
            failed=self._failed,
            meter=self._meter,
            log=self._log,
        )

    def _account(self, server: int) -> Callable[[], Account | None]:
        return lambda: next((one for one in self.accounts.servers() if one.server == server), None)

    async def _leave_servers(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE):
                await asyncio.gather(*(life.leave() for life in self._lives.values()))

    def _ordered(self, server: int, order: Order) -> None:
        if order is Order.BOOTSTRAP:
            self._bootstrap_wanted.fire()
            return
        life = self._lives.get(server)
        if life is not None:
            life.orders.give(order)

    def _touch(self) -> None:
        self.dispatcher.tree.touch()
