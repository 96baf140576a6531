"""Manifests that depend on others (draft-ietf-suit-trust-domains): integrity, processing in lockstep, unlinking.

A dependency is believed on the word of the root manifest's authority, or, where it has a prefix, of the authorities of
that prefix. Its component identifiers begin with the prefix, so that such an authority reaches nothing outside of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from suit.authentication import Authority
from suit.envelope import VerifiedEnvelope, parse_envelope
from suit.errors import ConditionFailed, SuitError, SuitReason
from suit.numbers import CommandCode, ManifestKey
from suit.run import MAX_DEPENDENCY_DEPTH
from suit.target import Measured, Target

if TYPE_CHECKING:
    from suit.machine import Machine


def _is_dependency(target: Target) -> Measured:
    if not target.is_dependency:
        raise ConditionFailed(SuitReason.NOT_A_DEPENDENCY, target.name)
    return {}


def _integrity(target: Target) -> Measured:
    _verified(target)
    return {}


def _process(target: Target) -> Measured:
    """The same section of the dependency. Its integrity is checked if no condition has done so before."""
    if not target.is_dependency:
        raise SuitError(SuitReason.NOT_A_DEPENDENCY, target.name)
    if target.section is ManifestKey.COMMON:
        raise SuitError(SuitReason.COMMAND_MISPLACED, "process-dependency in the shared sequence")
    machine = target.machine
    if len(machine.path) >= MAX_DEPENDENCY_DEPTH:
        raise SuitError(SuitReason.LIMIT, f"dependencies deeper than {MAX_DEPENDENCY_DEPTH}")
    machine.processed.add((target.index, target.section))
    machine.child(target.index, _verified(target)).run(target.section)
    return {}


def _unlink(target: Target) -> Measured:
    """A manifest that is unlinked is uninstalled first, as its own sequence says."""
    if target.is_dependency and target.run.store.read(target.component) is not None:
        target.machine.child(target.index, _verified(target)).run(ManifestKey.UNINSTALL)
    target.run.store.unlink(target.component)
    return {}


def _verified(target: Target) -> VerifiedEnvelope:
    """The envelope at a component, once it is the one that is named and somebody believed vouches for it."""
    data = target.run.store.read(target.component)
    if data is None:
        raise SuitError(SuitReason.DEPENDENCY_MISSING, target.name)
    known = target.run.trusted.get(target.component)
    if known is not None and known.raw == data and known.authority in _authorities(target):
        return known
    envelope = parse_envelope(data)
    if (known is None or known.digest != envelope.digest) and envelope.digest != target.digest():
        raise SuitError(SuitReason.DEPENDENCY_INTEGRITY, f"{target.name}: another manifest than the one named")
    target.run.trusted[target.component] = verified = _vouched(target, envelope.verify)
    return verified


def _vouched(target: Target, verify: Callable[[Authority], VerifiedEnvelope]) -> VerifiedEnvelope:
    refusals: list[SuitError] = []
    for authority in _authorities(target):
        try:
            return verify(authority).decoded()
        except SuitError as error:
            if error.reason not in (SuitReason.SIGNATURE, SuitReason.ALGORITHM):
                raise
            refusals.append(error)
    raise SuitError(SuitReason.DEPENDENCY_INTEGRITY, f"{target.name}: {refusals[-1]}")


def _authorities(target: Target) -> Sequence[Authority]:
    prefix = target.machine.scope(target.index)
    return (target.run.authority, *(target.run.device.domains.get(prefix, ()) if prefix else ()))


def check_processed(machine: Machine, section: ManifestKey) -> None:
    """At the end of a section every dependency that has it must have been processed (trust domains, 5.1).

    The draft's own examples leave out the invocation of a dependency, which changes nothing that is installed.
    """
    if section is ManifestKey.INVOKE:
        return
    for index in machine.manifest.dependencies:
        component = machine.component(index)
        known = machine.run_.trusted.get(component)
        if known is None or (index, section) in machine.processed or machine.run_.store.read(component) is None:
            continue
        if section in known.manifest.sequences:
            raise SuitError(SuitReason.DEPENDENCY_UNPROCESSED, f"{section.name} of {component!r}")


TABLE: Final[Mapping[CommandCode, Callable[[Target], Measured | None]]] = {
    CommandCode.CONDITION_IS_DEPENDENCY: _is_dependency,
    CommandCode.CONDITION_DEPENDENCY_INTEGRITY: _integrity,
    CommandCode.DIRECTIVE_PROCESS_DEPENDENCY: _process,
    CommandCode.DIRECTIVE_UNLINK: _unlink,
}
