"""Manifests on this device: kept only when the firmware authority signed them, processed by the one SUIT processor."""

from __future__ import annotations

from collections.abc import Mapping

from cose.keys import public_key_of
from device_client.emulator.log import Logger
from device_client.emulator.storage.software import SoftwareStore
from device_client.emulator.storage.vault import Vault
from suit.digest import Digest
from suit.envelope import VerifiedEnvelope, parse_envelope
from suit.errors import FetchNeeded, SuitError, SuitReason
from suit.numbers import DigestAlgorithm
from suit.processor import ProcessResult, process
from suit.recipient import DeviceDescription
from suit.records import Log
from suit.report import Report, report_of
from trust_transfer.messages.values import SuitDigest


class Software:
    """Installs and resets the device's software."""

    def __init__(self, store: SoftwareStore, vault: Vault, device: DeviceDescription, log: Logger) -> None:
        self._store = store
        self._vault = vault
        self._device = device
        self._log = log
        self._verified: dict[tuple[bytes, bytes], Digest] = {}

    @property
    def running(self) -> SuitDigest:
        """Digest of the manifest whose image runs."""
        return _suit_digest(self._store.state.running.manifest)

    def keep(self, raw: bytes, authority: bytes) -> VerifiedEnvelope:
        """Verify an envelope under this authority key and store it. Raises SuitError; nothing is stored then."""
        envelope = parse_envelope(raw).verify(public_key_of(authority))
        self._vault.keep_manifest(envelope.digest.digest, raw, pinned={self._store.state.running.manifest.digest})
        return envelope

    def signed_by(self, authority: bytes) -> frozenset[SuitDigest]:
        """Digests of the stored manifests that this authority key has signed."""
        found: set[SuitDigest] = set()
        for name in self._vault.manifest_names():
            digest = self._verified.get((name, authority)) or self._verify(name, authority)
            if digest is not None:
                self._verified[name, authority] = digest
                found.add(_suit_digest(digest))
        return frozenset(found)

    @property
    def report(self) -> Report | None:
        """What became of the manifest that was installed last, or should have been."""
        encoded = self._store.report()
        return None if encoded is None else Report.decode(encoded)

    def install(
        self, digest: bytes, authority: bytes, *, beside: bool, fetched: Mapping[str, bytes] | None = None
    ) -> ProcessResult:
        """Process a stored manifest and keep the report on it; `beside`: what runs now is kept as the agreed state.

        Raises SuitError; FetchNeeded, about which there is nothing to report yet, until `fetched` has all payloads.
        """
        log = Log()
        self._store.beside_agreed(beside)
        try:
            result = self._process(digest, authority, self._store.state.sequence, fetched, log)
        except FetchNeeded:
            raise
        except SuitError as error:
            self.report_failure(digest, error, log)
            raise
        finally:
            self._store.beside_agreed(keep=False)
        self._store.keep_report(report_of(result.digest, log, None).encode())
        self._store.erase_unused()
        return result

    def report_failure(self, digest: bytes, error: SuitError, log: Log | None = None) -> None:
        """Keep the report that this manifest was not installed."""
        named = Digest(DigestAlgorithm.SHA_256, digest)
        self._store.keep_report(report_of(named, log or Log(), error).encode())

    def reset(self, agreed: SuitDigest, authority: bytes) -> None:
        """Bring the agreed state back: its components and no others. Raises SuitError, StorageError."""
        self._store.return_to_agreed()
        self._process(agreed.digest, authority, None)
        self._store.keep_only(self._envelope(agreed.digest, authority).manifest.components)
        self._store.change(package=None, updating=False, result=0)
        self._store.forget_report()
        self._store.erase_unused()

    def return_to_agreed(self) -> None:
        """Start the agreed image again; what was beside it is erased."""
        self._store.return_to_agreed()
        self._store.change(package=None, updating=False)
        self._store.erase_unused()

    def settle(self) -> None:
        """What runs now is the device's own: there is nothing to return to any more."""
        self._store.change(agreed=None)
        self._store.erase_unused()

    def _process(
        self,
        digest: bytes,
        authority: bytes,
        last_sequence: int | None,
        fetched: Mapping[str, bytes] | None = None,
        log: Log | None = None,
    ) -> ProcessResult:
        result = process(
            self._envelope(digest, authority),
            device=self._device,
            store=self._store,
            last_sequence=last_sequence,
            fetched=fetched,
            log=log,
        )
        self._log.info("manifest_processed", digest=digest.hex(), changed=result.changed)
        return result

    def _envelope(self, digest: bytes, authority: bytes) -> VerifiedEnvelope:
        raw = self._vault.manifest(digest)
        if raw is None:
            raise SuitError(SuitReason.PAYLOAD_MISSING, "the manifest is not on the device")
        return parse_envelope(raw).verify(public_key_of(authority))

    def _verify(self, name: bytes, authority: bytes) -> Digest | None:
        try:
            return self._envelope(name, authority).digest
        except SuitError:
            return None


def _suit_digest(digest: Digest) -> SuitDigest:
    return SuitDigest(digest.alg, digest.digest)
