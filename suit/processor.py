"""Processing of a verified manifest: the checks before it, the update, and the start of what was installed.

Sans-IO: the device's flash is a `ComponentStore`. A run that was cut anywhere is simply repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from suit.digest import Digest
from suit.envelope import Envelope, VerifiedEnvelope
from suit.errors import ConditionFailed, SuitError, SuitReason
from suit.machine import Machine
from suit.manifest import ComponentId, Manifest
from suit.numbers import CommandCode, ManifestKey
from suit.store import ComponentStore, DeviceDescription, storage_errors

MAX_SEQUENCE_STEP: Final = 65536
"""How far ahead of the last one a sequence number may be, so that one manifest cannot use them all up."""

_UPDATE: Final = (ManifestKey.PAYLOAD_FETCH, ManifestKey.INSTALL, ManifestKey.VALIDATE)
_INVOCATION: Final = (ManifestKey.VALIDATE, ManifestKey.LOAD, ManifestKey.INVOKE)
_IDENTITY_CHECKS: Final = {CommandCode.CONDITION_VENDOR_IDENTIFIER, CommandCode.CONDITION_CLASS_IDENTIFIER}


@dataclass(frozen=True, slots=True)
class ProcessResult:
    """What processing did. `changed` is False when the device already was in the manifest's state."""

    digest: Digest
    sequence_number: int
    changed: bool
    invoked: tuple[ComponentId, ...]


def process(
    envelope: Envelope,
    *,
    device: DeviceDescription,
    store: ComponentStore,
    last_sequence: int | None,
) -> ProcessResult:
    """Bring the device into the manifest's state and start it: update procedure, commit, invocation procedure.

    `last_sequence` is the highest sequence number the device has taken; None skips that check, for a reset to a state
    agreed on before. The manifest the store names as installed is no rollback: it is validated, repaired if need be.

    Raises SuitError for the rule that is broken; until the commit nothing has changed then.
    """
    verified = _verified(envelope)
    with storage_errors():
        repeated = store.installed() == verified.digest
        if not repeated:
            check_sequence(verified.sequence_number, last_sequence)
        _check_applies(verified.manifest, store)
        store.discard()
        changed = not (repeated and _is_valid(verified, device, store))
        if changed:
            _update(verified, device, store)
        return _invocation(verified, device, store, changed=changed)


def invoke(envelope: Envelope, *, device: DeviceDescription, store: ComponentStore) -> ProcessResult:
    """Validate and start what this manifest has installed, as after a restart: the invocation procedure alone.

    Raises SuitError.
    """
    verified = _verified(envelope)
    with storage_errors():
        _check_applies(verified.manifest, store)
        return _invocation(verified, device, store, changed=False)


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


def _check_applies(manifest: Manifest, store: ComponentStore) -> None:
    if not {command.code for command in manifest.shared} >= _IDENTITY_CHECKS:
        raise SuitError(SuitReason.IDENTITY_UNCHECKED)
    for component in manifest.components:
        if not store.supports(component):
            raise SuitError(SuitReason.COMPONENT_UNKNOWN, repr(component))


def _is_valid(envelope: VerifiedEnvelope, device: DeviceDescription, store: ComponentStore) -> bool:
    try:
        Machine(envelope, device, store).run(ManifestKey.VALIDATE)
    except ConditionFailed:
        return False
    return True


def _update(envelope: VerifiedEnvelope, device: DeviceDescription, store: ComponentStore) -> None:
    machine = Machine(envelope, device, store)
    try:
        for section in _UPDATE:
            machine.run(section)
        store.commit(envelope.digest, envelope.sequence_number)
    except SuitError:
        store.discard()
        raise


def _invocation(
    envelope: VerifiedEnvelope, device: DeviceDescription, store: ComponentStore, *, changed: bool
) -> ProcessResult:
    machine = Machine(envelope, device, store)
    for section in _INVOCATION:
        machine.run(section)
    return ProcessResult(envelope.digest, envelope.sequence_number, changed, tuple(machine.invoked))
