"""SUIT envelopes as packages of a component: verified and kept when they arrive, processed when Update is executed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from device_client.emulator.log import Logger
from device_client.emulator.lwm2m.firmware.packages import PackageRefused
from device_client.emulator.software.software import Software
from objects.firmware import UpdateResult
from suit.digest import Digest
from suit.envelope import parse_envelope
from suit.errors import FetchNeeded, SuitError, SuitReason

Fetch: TypeAlias = Callable[[str], Awaitable[bytes]]
"""Gets the payload behind a URI. Raises PackageRefused."""

_RESULTS: Final = {
    SuitReason.DIGEST: UpdateResult.INTEGRITY_CHECK_FAILED,
    SuitReason.SIGNATURE: UpdateResult.INTEGRITY_CHECK_FAILED,
    SuitReason.PAYLOAD_DIGEST: UpdateResult.INTEGRITY_CHECK_FAILED,
    SuitReason.MALFORMED: UpdateResult.UNSUPPORTED_PACKAGE,
    SuitReason.VERSION: UpdateResult.UNSUPPORTED_PACKAGE,
    SuitReason.TOO_LARGE: UpdateResult.UNSUPPORTED_PACKAGE,
    SuitReason.STORE: UpdateResult.NOT_ENOUGH_STORAGE,
}
"""What Update Result has a word for; anything else is a failed update, and the SUIT report says why."""


class SuitPackages:
    """See `Packages`.

    `authority` gives the firmware authority key a package must be signed by now; `beside`: whether what runs now is
    kept as the agreed state.
    """

    def __init__(
        self,
        software: Software,
        authority: Callable[[], bytes],
        fetch: Fetch,
        log: Logger,
        beside: Callable[[], bool] = lambda: False,
    ) -> None:
        self._software = software
        self._authority = authority
        self._fetch = fetch
        self._log = log
        self._beside = beside

    def accept(self, package: bytes) -> None:
        """Verify and keep the envelope. Raises PackageRefused, StorageError."""
        try:
            envelope = self._software.keep(package, self._authority())
        except SuitError as error:
            raise PackageRefused(_result(error), str(error)) from error
        self._log.info("package_kept", digest=envelope.digest.digest.hex(), sequence=envelope.sequence_number)

    async def install(self, package: bytes) -> str:
        """Process the manifest; gives its sequence number. Raises PackageRefused, StorageError."""
        try:
            return await self._install(parse_envelope(package).digest)
        except SuitError as error:
            raise PackageRefused(_result(error), str(error)) from error

    async def _install(self, digest: Digest) -> str:
        """Fetch what is asked for and begin again, as often as the manifest has payloads."""
        fetched: dict[str, bytes] = {}
        while True:
            try:
                done = self._software.install(digest, self._authority(), beside=self._beside(), fetched=fetched)
            except FetchNeeded as needed:
                try:
                    fetched[needed.uri] = await self._fetch(needed.uri)
                except PackageRefused:
                    self._software.report_failure(digest, needed)
                    raise
            else:
                return str(done.sequence_number)


def _result(error: SuitError) -> UpdateResult:
    return _RESULTS.get(error.reason, UpdateResult.UPDATE_FAILED)
