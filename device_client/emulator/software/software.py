"""Manifests on this device: kept only when the firmware authority signed them, processed by the one SUIT processor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from cose import cbor
from cose.keys import public_key_of
from cose.recipients import RecipientKey
from device_client.emulator.log import Logger
from device_client.emulator.storage.manifests import Manifests
from device_client.emulator.storage.software import SoftwareStore
from suit.digest import Digest
from suit.envelope import VerifiedEnvelope, assemble, manifest_in, parse_envelope
from suit.errors import FetchNeeded, SuitError, SuitReason
from suit.numbers import DigestAlgorithm
from suit.payloads import INTEGRATED, named_payloads
from suit.processor import ProcessResult, process
from suit.recipient import DeviceDescription
from suit.records import Log
from suit.report import Report, report_of


class Software:
    """Installs and resets the device's software, or that of one of its components."""

    def __init__(
        self,
        store: SoftwareStore,
        manifests: Manifests,
        device: DeviceDescription,
        keys: Callable[[], tuple[RecipientKey, ...]],
        log: Logger,
    ) -> None:
        """`keys` gives what opens encrypted payloads."""
        self._store = store
        self._manifests = manifests
        self._device = device
        self._keys = keys
        self._log = log
        self._verified: dict[tuple[bytes, bytes], Digest] = {}

    @property
    def running(self) -> Digest:
        """Digest of the manifest whose image runs."""
        return self._store.state.running.manifest

    def keep(self, raw: bytes, authority: bytes) -> VerifiedEnvelope:
        """Verify an envelope under this authority key and store it, with what is known of its payloads already.

        Raises SuitError: nothing is stored then but the report, where the manifest has a name.
        """
        envelope = parse_envelope(raw)
        try:
            verified = self._completed(envelope.verify(public_key_of(authority)).decoded())
            self._check_payloads(verified)
        except SuitError as error:
            self.report_failure(envelope.digest, error)
            raise
        self._manifests.keep(verified.digest.digest, verified.raw, pinned={self.running.digest})
        return verified

    def _completed(self, envelope: VerifiedEnvelope) -> VerifiedEnvelope:
        """With the payloads of the same manifest that came before: it may come again without them."""
        kept = self._manifests.get(envelope.digest.digest)
        earlier = {} if kept is None else parse_envelope(kept).payloads
        if all(uri in envelope.payloads for uri in earlier):
            return envelope
        members = envelope.members
        for uri, payload in earlier.items():
            members.setdefault(uri, payload)
        raw = assemble(envelope.manifest_bytes, envelope.digest, list(envelope.signatures), members)
        return parse_envelope(raw).verify(envelope.authority)

    def _check_payloads(self, envelope: VerifiedEnvelope) -> None:
        """Raise SuitError PAYLOAD_MISSING for one that belongs in the envelope and is nowhere on the device."""
        for uri, digest in named_payloads(envelope).items():
            if uri.startswith(INTEGRATED) and uri not in envelope.payloads and self._in_stock(digest) is None:
                raise SuitError(SuitReason.PAYLOAD_MISSING, uri[:80])

    def _in_stock(self, digest: Digest | None) -> bytes | None:
        """What the device has with this digest: a content, a payload of a kept envelope, or by its manifest's an
        envelope."""
        if digest is None or digest.alg != DigestAlgorithm.SHA_256:
            return None
        content = self._store.content(digest.digest)
        if content is not None:
            return content
        kept = [raw for name in self._manifests.names() if (raw := self._manifests.get(name)) is not None]
        payloads = [payload for raw in kept for payload in parse_envelope(raw).payloads.values()]
        if (found := next(filter(digest.matches, payloads), None)) is not None:
            return found
        return next((raw for raw in (*kept, *payloads, *self._store.dependencies()) if _is_envelope(raw, digest)), None)

    def signed_by(self, authority: bytes) -> frozenset[Digest]:
        """Digests of the stored manifests that this authority key has signed."""
        found: set[Digest] = set()
        for name in self._manifests.names():
            digest = self._verified.get((name, authority)) or self._verify(name, authority)
            if digest is not None:
                self._verified[name, authority] = digest
                found.add(digest)
        return frozenset(found)

    @property
    def report(self) -> Report | None:
        """What became of the manifest that was installed last, or should have been."""
        encoded = self._store.report()
        return None if encoded is None else Report.decode(encoded)

    @property
    def reported_at(self) -> int:
        """Orders reports of several components; 0 without one."""
        return self._store.reported_at()

    def install(
        self, digest: Digest, authority: bytes, *, beside: bool, fetched: Mapping[str, bytes] | None = None
    ) -> ProcessResult:
        """Process a stored manifest and keep the report on it; `beside`: what runs now is kept as the agreed state.

        Raises SuitError; FetchNeeded, about which there is nothing to report yet, until `fetched` has all payloads.
        """
        log = Log()
        self._store.beside_agreed(beside)
        try:
            result = self._process(digest.digest, authority, self._store.state.sequence, fetched, log)
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

    def report_failure(self, digest: Digest, error: SuitError, log: Log | None = None) -> None:
        """Keep the report that this manifest was not installed."""
        self._store.keep_report(report_of(digest, log or Log(), error).encode())

    def reset(self, agreed: bytes, authority: bytes) -> None:
        """Bring the agreed state back: its components and no others. Raises SuitError, StorageError."""
        self._store.return_to_agreed()
        self._process(agreed, authority, None)
        self._store.keep_only(self._envelope(agreed, authority).manifest.components)
        self._store.forget_report()
        self._store.erase_unused()

    def return_to_agreed(self) -> None:
        """Start the agreed image again; what was beside it is erased."""
        self._store.return_to_agreed()
        self._store.erase_unused()

    def settle(self) -> None:
        """What runs now is the device's own: there is nothing to return to any more."""
        self._store.settle()
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
            device=replace(self._device, keys=self._keys()),
            store=self._store,
            last_sequence=last_sequence,
            fetched=fetched,
            stock=self._in_stock,
            log=log,
        )
        self._log.info("manifest_processed", digest=digest.hex(), changed=result.changed)
        return result

    def _envelope(self, digest: bytes, authority: bytes) -> VerifiedEnvelope:
        raw = self._manifests.get(digest)
        if raw is None:
            raise SuitError(SuitReason.PAYLOAD_MISSING, "the manifest is not on the device")
        return parse_envelope(raw).verify(public_key_of(authority)).decoded()

    def _verify(self, name: bytes, authority: bytes) -> Digest | None:
        try:
            return self._envelope(name, authority).digest
        except SuitError:
            return None


def _is_envelope(data: bytes, digest: Digest) -> bool:
    """Whether this is an envelope with the manifest of that digest."""
    try:
        return digest.matches(cbor.encode(manifest_in(data)))
    except SuitError:
        return False
