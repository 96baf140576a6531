"""Processing of a verified manifest: the checks before it, the update, and the start of what was installed.

Sans-IO: the device's flash is a `ComponentStore`. A run that was cut anywhere is simply repeated; so is one that ends
in `FetchNeeded` or `WaitNeeded`, with the payload in `fetched`, or when the events have happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from suit.applicability import check_applies
from suit.common import ComponentId
from suit.digest import Digest
from suit.envelope import Envelope, VerifiedEnvelope
from suit.errors import ConditionFailed, SuitError, SuitReason
from suit.machine import Machine
from suit.numbers import ManifestKey
from suit.recipient import DeviceDescription
from suit.records import Log
from suit.run import Run, Stock, nothing_in_stock
from suit.store import ComponentStore, storage_errors

MAX_SEQUENCE_STEP: Final = 65536
"""How far ahead of the last one a sequence number may be, so that one manifest cannot use them all up."""

_UPDATE: Final = (
    ManifestKey.DEPENDENCY_RESOLUTION,
    ManifestKey.PAYLOAD_FETCH,
    ManifestKey.CANDIDATE_VERIFICATION,
    ManifestKey.INSTALL,
    ManifestKey.VALIDATE,
)
_INVOCATION: Final = (ManifestKey.VALIDATE, ManifestKey.LOAD, ManifestKey.INVOKE)
_UNINSTALLATION: Final = (ManifestKey.UNINSTALL,)


@dataclass(frozen=True, slots=True)
class ProcessResult:
    """What processing did. `changed` is False when the device already was in the manifest's state."""

    digest: Digest
    sequence_number: int
    changed: bool
    invoked: tuple[ComponentId, ...]


@dataclass(frozen=True, slots=True)
class _Procedure:
    """One manifest on one device; each `run` is a procedure with parameters of its own."""

    envelope: VerifiedEnvelope
    device: DeviceDescription
    store: ComponentStore
    fetched: Mapping[str, bytes]
    log: Log
    stock: Stock = nothing_in_stock

    def check(self) -> None:
        """Raise SuitError unless the manifest is for this device: nothing is remembered of one that is not."""
        check_applies(self.envelope.manifest, self.device, self.store)
        self._machine().check()

    def run(self, sections: tuple[ManifestKey, ...]) -> Run:
        machine = self._machine()
        for section in sections:
            machine.run(section)
        return machine.run_

    def _machine(self) -> Machine:
        authority = self.envelope.authority
        run = Run(self.device, self.store, authority, fetched=self.fetched, stock=self.stock, log=self.log)
        return Machine(run, self.envelope)


def process(
    envelope: Envelope,
    *,
    device: DeviceDescription,
    store: ComponentStore,
    last_sequence: int | None,
    fetched: Mapping[str, bytes] | None = None,
    stock: Stock = nothing_in_stock,
    log: Log | None = None,
) -> ProcessResult:
    """Bring the device into the manifest's state and start it: update procedure, commit, invocation procedure.

    `last_sequence` is the highest sequence number the device has taken; None skips that check, for a reset to a state
    agreed on before. The manifest the store names as installed, or as tried last, is no rollback: it is validated and
    repaired, or tried again. `fetched` are payloads by their URI; what is in `stock` is not asked for; `log` collects
    what a report says.

    Raises SuitError for the rule that is broken; until the commit nothing has changed then but the sequence number.
    """
    verified = _verified(envelope)
    procedure = _Procedure(verified, device, store, fetched or {}, log or Log(), stock)
    with storage_errors():
        repeated = store.installed() == verified.digest
        if not repeated and store.attempted() != verified.digest:
            check_sequence(verified.sequence_number, last_sequence)
        verified.decoded()
        store.discard()
        procedure.check()
        changed = not (repeated and _is_valid(procedure))
        if changed:
            _update(procedure)
        return _result(procedure, _INVOCATION, changed=changed)


def invoke(
    envelope: Envelope, *, device: DeviceDescription, store: ComponentStore, log: Log | None = None
) -> ProcessResult:
    """Validate and start what this manifest has installed, as after a restart: the invocation procedure alone.

    Raises SuitError.
    """
    verified = _verified(envelope).decoded()
    with storage_errors():
        check_applies(verified.manifest, device, store)
        return _result(_Procedure(verified, device, store, {}, log or Log()), _INVOCATION, changed=False)


def uninstall(
    envelope: Envelope, *, device: DeviceDescription, store: ComponentStore, log: Log | None = None
) -> ProcessResult:
    """Remove what this manifest has installed, as its uninstall sequence says (trust domains, section 6).

    Raises SuitError, NOT_INSTALLED when it is not what the device has; nothing has changed then.
    """
    verified = _verified(envelope).decoded()
    procedure = _Procedure(verified, device, store, {}, log or Log())
    with storage_errors():
        if store.installed() != verified.digest:
            raise SuitError(SuitReason.NOT_INSTALLED)
        check_applies(verified.manifest, device, store)
        store.discard()
        try:
            result = _result(procedure, _UNINSTALLATION, changed=True)
            store.commit(verified.digest, verified.sequence_number)
        except SuitError:
            store.discard()
            raise
        return result


def check_sequence(number: int, last: int | None) -> None:
    """Raise SuitError unless last < number <= last + 65536; without a last one every number passes."""
    if last is None:
        return
    if number <= last:
        raise SuitError(SuitReason.SEQUENCE_TOO_LOW, f"{number}, the device has {last}")
    if number > last + MAX_SEQUENCE_STEP:
        raise SuitError(SuitReason.SEQUENCE_TOO_HIGH, f"{number}, the device has {last}")


def _verified(envelope: Envelope) -> VerifiedEnvelope:
    if not isinstance(envelope, VerifiedEnvelope):
        raise SuitError(SuitReason.NOT_VERIFIED)
    return envelope


def _is_valid(procedure: _Procedure) -> bool:
    try:
        procedure.run((ManifestKey.VALIDATE,))
    except ConditionFailed:
        return False
    return True


def _update(procedure: _Procedure) -> None:
    envelope, store = procedure.envelope, procedure.store
    store.begin(envelope.digest, envelope.sequence_number)
    try:
        _check_complete(procedure.run(_UPDATE))
        store.commit(envelope.digest, envelope.sequence_number)
    except SuitError:
        store.discard()
        raise


def _check_complete(run: Run) -> None:
    if run.unchecked and run.device.strict:
        raise SuitError(SuitReason.PAYLOAD_UNCHECKED, ", ".join(map(repr, sorted(run.unchecked))))


def _result(procedure: _Procedure, sections: tuple[ManifestKey, ...], *, changed: bool) -> ProcessResult:
    run = procedure.run(sections)
    envelope = procedure.envelope
    return ProcessResult(envelope.digest, envelope.sequence_number, changed, tuple(run.invoked))
