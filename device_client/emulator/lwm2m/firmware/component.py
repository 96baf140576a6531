"""One updatable component: the state machine of object 5, and of each instance of object 33629.

Its state is durable at each change, so that a download goes on and an update is finished after a power cut.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, Final

from cose import cbor
from device_client.emulator.log import Logger
from device_client.emulator.lwm2m.firmware.fetching import FetchInterrupted, OpenSource, Progress, fetch, parse_uri
from device_client.emulator.lwm2m.firmware.packages import PackageRefused, Packages, Scratch
from device_client.emulator.settings import Pauses
from device_client.emulator.signal import Signal
from device_client.emulator.storage.files import Files, StorageError
from objects.firmware import UpdateResult, UpdateState

FOLDER: Final = "firmware"
"""Where components keep their state and their packages."""
TRIES: Final = 8
"""Interrupted tries in a row, without a byte in between, after which a download has failed."""
STEPS: Final = 10
"""Parts of a package whose arrival is worth a line in the log."""


@dataclass(frozen=True, slots=True)
class ComponentState:
    """What must survive a power cut."""

    state: UpdateState = UpdateState.IDLE
    result: UpdateResult = UpdateResult.INITIAL
    uri: str = ""
    etag: bytes = b""
    version: str = "0"
    changed_at: int = 0
    """Seconds since 1970."""


class Component:
    """A piece of firmware by its `name`."""

    def __init__(
        self,
        name: str,
        *,
        packages: Packages,
        open_source: OpenSource,
        pauses: Callable[[], Pauses],
        now: Callable[[], int],
        touch: Callable[[], None],
        log: Logger,
        files: Files,
        ordered: Callable[[], None] = lambda: None,
    ) -> None:
        """`touch` is called at each change that a server may observe, `ordered` when Update is executed."""
        self.name = name
        self._file = f"{FOLDER}/{name}.cbor"
        self._scratch = Scratch(files, f"{FOLDER}/{name}.package")
        self._packages = packages
        self._open_source = open_source
        self._pauses = pauses
        self._now = now
        self._touch = touch
        self._log = log.bind(component=self.name)
        self._files = files
        self._tell = ordered
        self._changed = Signal()
        self.now = self._load()
        if self.now.state is UpdateState.IDLE and self._scratch.size():
            self._scratch.clear()

    async def run(self, install_in: float, restart: Callable[[], None]) -> None:
        """Download and install whatever is ordered, for ever; an update takes `install_in` seconds, then a restart."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.run_downloads())
            while True:
                if self.updating:
                    await asyncio.sleep(install_in)
                    if await self.install():
                        restart()
                else:
                    await self._changed.next()

    async def run_downloads(self) -> None:
        """Download whatever is ordered, for ever."""
        while True:
            if self.now.state is UpdateState.DOWNLOADING:
                await self._until_changed(self._download())
            else:
                await self._changed.next()

    @property
    def updating(self) -> bool:
        """Whether Update was executed, and the package is not yet installed."""
        return self.now.state is UpdateState.UPDATING

    def take(self, package: bytes) -> None:
        """A package was written; an empty one sets the component back. Raises PackageRefused, StorageError."""
        if not package:
            self.reset(UpdateResult.INITIAL)
            return
        self._scratch.clear()
        try:
            self._scratch.append(package)
            self._packages.accept(package)
        except PackageRefused as refusal:
            self._log.warning("package_refused", problem=str(refusal))
            self.reset(refusal.result)
            raise
        except StorageError:
            self.reset(UpdateResult.NOT_ENOUGH_STORAGE)
            raise
        self._change(state=UpdateState.DOWNLOADED, result=UpdateResult.INITIAL, uri="")

    def fetch_from(self, uri: str) -> None:
        """A Package URI was written; an empty one sets the component back. Raises PackageRefused."""
        self.reset(UpdateResult.INITIAL)
        if not uri:
            return
        try:
            parse_uri(uri)
            self._open_source(uri)
        except PackageRefused as refusal:
            self.reset(refusal.result)
            raise
        self._change(state=UpdateState.DOWNLOADING, uri=uri)

    def update(self) -> None:
        """Update was executed in state DOWNLOADED."""
        self._change(state=UpdateState.UPDATING)
        self._tell()

    async def install(self) -> bool:
        """Install the package that Update ordered; whether it is installed now, and the device is to be restarted."""
        try:
            version = await self._packages.install(self._scratch.read())
        except PackageRefused as refusal:
            self._log.warning("update_failed", problem=str(refusal))
            self.reset(refusal.result)
            return False
        except StorageError as problem:
            self._log.warning("update_failed", problem=str(problem))
            self.reset(UpdateResult.NOT_ENOUGH_STORAGE)
            return False
        # The state first: a package without an order is rubbish, an order without a package would be a failure.
        self._change(state=UpdateState.IDLE, result=UpdateResult.SUCCESS, uri="", etag=b"", version=version)
        self._scratch.clear()
        self._log.info("updated", version=version)
        return True

    def reset(self, result: UpdateResult) -> None:
        """Back to idle with this result, and nothing of a package left."""
        self._change(state=UpdateState.IDLE, result=result, uri="", etag=b"")
        self._scratch.clear()

    def fail(self, result: UpdateResult) -> None:
        """Say why an Update did not begin; the package stays."""
        self._change(result=result)

    async def _until_changed(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for `work`, and end it when something else is ordered meanwhile."""
        ordered, working = self._changed.next(), asyncio.ensure_future(work)
        try:
            await asyncio.wait({ordered, working}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ordered.cancel()
            working.cancel()
        if working.done() and not working.cancelled():
            working.result()

    async def _download(self) -> None:
        pauses, tries, uri = self._pauses(), 0, self.now.uri
        while True:
            before = self._scratch.size()
            try:
                await fetch(self._open_source(uri), self._scratch, self.now.etag, self._progress())
                self._packages.accept(self._scratch.read())
            except FetchInterrupted as problem:
                tries = 1 if self._scratch.size() > before else tries + 1
                self._log.warning("download_interrupted", problem=str(problem), bytes=self._scratch.size(), tries=tries)
                if tries >= TRIES:
                    self.reset(UpdateResult.CONNECTION_LOST)
                    return
                await asyncio.sleep(pauses.next())
            except PackageRefused as refusal:
                self._log.warning("package_refused", problem=str(refusal))
                self.reset(refusal.result)
                return
            except StorageError as problem:
                self._log.warning("package_refused", problem=str(problem))
                self.reset(UpdateResult.NOT_ENOUGH_STORAGE)
                return
            else:
                self._log.info("package_fetched", bytes=self._scratch.size())
                self._change(state=UpdateState.DOWNLOADED)
                return

    def _progress(self) -> Progress:
        said = 0

        def progress(etag: bytes, there: int, total: int | None) -> None:
            nonlocal said
            if etag != self.now.etag:
                self._store(replace(self.now, etag=etag))
            if total and there * STEPS // total > said:
                said = there * STEPS // total
                self._log.info("download_progress", bytes=there, total=total)

        return progress

    def _change(self, **changes: Any) -> None:
        changed = replace(self.now, **changes)
        if changed.state is not self.now.state:
            changed = replace(changed, changed_at=self._now())
        self._store(changed)
        self._changed.fire()
        self._touch()

    def _store(self, changed: ComponentState) -> None:
        if changed != self.now:
            members = [int(changed.state), int(changed.result), changed.uri, changed.etag]
            self._files.write(self._file, cbor.encode([*members, changed.version, changed.changed_at]))
        self.now = changed

    def _load(self) -> ComponentState:
        if not self._files.exists(self._file):
            return ComponentState()
        try:
            state, result, uri, etag, version, changed_at = cbor.decode(self._files.read(self._file), max_size=4096)
            return ComponentState(UpdateState(state), UpdateResult(result), uri, etag, version, changed_at)
        except (ValueError, TypeError) as error:
            raise StorageError(f"{self._file} is damaged: remove it, the firmware can be loaded again") from error
