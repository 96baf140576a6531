"""Object 5 (Firmware Update): a SUIT envelope is written, verified at once, kept, and processed on Update.

The kept manifest stays in the device's store when the object is set back to idle: a transfer's agreed state must be on
the device before the message that names it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from device_client.emulator.life.software import Software
from device_client.emulator.log import Logger
from device_client.emulator.lwm2m.device_object import DeviceObject
from device_client.emulator.lwm2m.firmware.packages import PackageRefused
from device_client.emulator.lwm2m.instance import Arguments, Content
from device_client.emulator.storage.files import StorageError
from device_client.emulator.storage.software import SoftwareStore
from objects.firmware import DeliveryMethod, UpdateResult, UpdateState
from secure_coap.errors import BadRequest, InternalServerError, MethodNotAllowed
from suit.errors import FetchNeeded, SuitError, SuitReason
from trust_transfer.device.actions import Answer
from trust_transfer.device.events import Source

Fetch: TypeAlias = Callable[[str], Awaitable[bytes]]
"""Gets the payload behind a URI. Raises PackageRefused."""

_VERIFICATION = frozenset({SuitReason.DIGEST, SuitReason.SIGNATURE})


class Firmware:
    """The state machine of object 5 and what it orders.

    `authority` gives the firmware authority key a package must be signed by when it is written or processed now.
    """

    def __init__(
        self,
        store: SoftwareStore,
        software: Software,
        authority: Callable[[], bytes],
        ordered: Callable[[], None],
        log: Logger,
    ) -> None:
        self._store = store
        self._software = software
        self._authority = authority
        self._ordered = ordered
        self._log = log

    @property
    def state(self) -> UpdateState:
        if self._store.state.package is None:
            return UpdateState.IDLE
        return UpdateState.UPDATING if self._store.state.updating else UpdateState.DOWNLOADED

    def object(self) -> DeviceObject:
        return DeviceObject.single(
            "Firmware Update",
            readers={
                "State": lambda: int(self.state),
                "Update Result": lambda: self._store.state.result,
                "Package URI": lambda: "",
                "Firmware Update Delivery Method": lambda: int(DeliveryMethod.PUSH),
            },
            writers={"Package": self._write, "Package URI": self._write_uri},
            executors={"Update": self._update},
        )

    async def process(self, fetch: Fetch, *, beside: bool) -> bool:
        """Process the package that Update ordered; whether it is installed now. Nothing ordered: False.

        `fetch` gets the payloads that are not in the envelope.
        """
        package = self._store.state.package
        if package is None or not self._store.state.updating:
            return False
        try:
            await self._install(package, fetch, beside=beside)
        except (SuitError, StorageError, PackageRefused) as error:
            self._log.warning("update_failed", problem=str(error))
            self._store.change(package=None, updating=False, result=int(_failure(error)))
            return False
        self._store.change(package=None, updating=False, result=int(UpdateResult.SUCCESS))
        return True

    async def _install(self, package: bytes, fetch: Fetch, *, beside: bool) -> None:
        """Fetch what is asked for and begin again, as often as the manifest has payloads."""
        fetched: dict[str, bytes] = {}
        while True:
            try:
                self._software.install(package, self._authority(), beside=beside, fetched=fetched)
            except FetchNeeded as needed:
                try:
                    fetched[needed.uri] = await fetch(needed.uri)
                except PackageRefused:
                    self._software.report_failure(package, needed)
                    raise
            else:
                return

    def _write(self, content: Content, source: Source) -> Answer | None:
        assert isinstance(content, bytes)
        if self.state is UpdateState.UPDATING:
            raise MethodNotAllowed("an update is running")
        if not content:
            self._store.change(package=None, result=int(UpdateResult.INITIAL))
            return None
        try:
            envelope = self._software.keep(content, self._authority())
        except StorageError as error:
            self._store.change(package=None, result=int(UpdateResult.NOT_ENOUGH_STORAGE))
            raise InternalServerError("the package cannot be stored") from error
        except SuitError as error:
            self._log.warning("package_refused", problem=str(error))
            self._store.change(package=None, result=int(_failure(error)))
            raise BadRequest(str(error)) from error
        self._store.change(package=envelope.digest.digest, result=int(UpdateResult.INITIAL))
        self._log.info("package_kept", digest=envelope.digest.digest.hex(), sequence=envelope.sequence_number)
        return None

    def _write_uri(self, content: Content, source: Source) -> Answer | None:
        result = UpdateResult.UNSUPPORTED_PROTOCOL if content else UpdateResult.INITIAL
        self._store.change(package=None, updating=False, result=int(result))
        return None

    def _update(self, arguments: Arguments, source: Source) -> Answer | None:
        if self.state is not UpdateState.DOWNLOADED:
            raise MethodNotAllowed("write a package first")
        self._store.change(updating=True)
        self._ordered()
        return None


def _failure(error: SuitError | StorageError | PackageRefused) -> UpdateResult:
    if isinstance(error, PackageRefused):
        return error.result
    if isinstance(error, StorageError) or error.reason is SuitReason.STORE:
        return UpdateResult.NOT_ENOUGH_STORAGE
    if error.reason in _VERIFICATION:
        return UpdateResult.INTEGRITY_CHECK_FAILED
    if error.reason in {SuitReason.MALFORMED, SuitReason.VERSION, SuitReason.TOO_LARGE}:
        return UpdateResult.UNSUPPORTED_PACKAGE
    return UpdateResult.UPDATE_FAILED
