"""The abstract machine that runs command sequences (draft-ietf-suit-manifest-37, sections 6.4 and 6.5).

Every command is one row of a table: conditions (`suit.conditions`) and directives (`suit.directives`) work on one
component, the steering ones below on the frame. A dependency is run by a machine of its own that shares the run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from suit import conditions, dependencies, directives
from suit.applicability import check_applies
from suit.commands import (
    Alternatives,
    Command,
    CommandSequence,
    CopyParameters,
    Index,
    Nested,
    Override,
    OverrideMultiple,
    alternative_offset,
    nested_offset,
    offset_of,
)
from suit.common import ComponentId
from suit.envelope import VerifiedEnvelope
from suit.errors import ConditionFailed, SuitError, SuitReason
from suit.manifest import Manifest
from suit.numbers import CommandCode, ManifestKey, ParameterKey, ReportPolicy
from suit.ordering import AnyOrder, check_isolated
from suit.parameters import ParameterValue
from suit.records import Record, Step, SystemProperties
from suit.run import Run
from suit.target import Measured, Target


@dataclass(slots=True)
class _Frame:
    """What belongs to one running sequence.

    `soft_failure` is None where the draft forbids to set it. `any_order` is there while Strict Order is false. `begin`
    says where the sequence begins in its section, in bytes; it is only asked when a record is made.
    """

    section: ManifestKey
    indices: tuple[int, ...] | None
    soft_failure: bool | None = None
    any_order: AnyOrder | None = None
    begin: Callable[[], int] = field(default=lambda: 0)


class Machine:
    """Runs the sections of one manifest. Parameters belong to the run: they last as long as it does.

    `path` is the walk from the root manifest to this one, `prefix` what its component identifiers begin with, `outer`
    where the envelopes of the manifests above it lie.
    """

    def __init__(
        self,
        run: Run,
        envelope: VerifiedEnvelope,
        *,
        path: tuple[int, ...] = (),
        prefix: ComponentId = (),
        outer: frozenset[ComponentId] = frozenset(),
    ) -> None:
        self.run_ = run
        self.manifest: Manifest = envelope.manifest
        self.envelope = envelope
        self.path = path
        self.prefix = prefix
        self.envelopes = outer | {self.component(number) for number in self.manifest.dependencies}
        """Where the envelopes lie that this manifest, and those it is a dependency of, depend on."""
        self.processed: set[tuple[int, ManifestKey]] = set()
        """Which sections of which dependencies have been processed."""

    def run(self, section: ManifestKey) -> None:
        """Run the shared sequence and then a section, if the manifest has it. Raises SuitError, OSError."""
        sequence = self.envelope.sequence(section)
        if not sequence:
            return
        self._run(self.manifest.shared, self._begin(ManifestKey.COMMON))
        self._run(sequence, self._begin(section))
        dependencies.check_processed(self, section)

    def check(self) -> None:
        """Run the shared sequence alone, in which nothing changes anything; it leaves no records when it succeeds.

        Raises SuitError, OSError.
        """
        with self.run_.log.only_if_failed():
            self._run(self.manifest.shared, self._begin(ManifestKey.COMMON))

    def _begin(self, section: ManifestKey) -> _Frame:
        """With several components every sequence must say first which one it means."""
        return _Frame(section, (0,) if self.manifest.common.count == 1 else None)

    def _run(self, sequence: CommandSequence, frame: _Frame) -> None:
        for number, command in enumerate(sequence):
            steering = _STEERING.get(command.code)
            if steering is not None:
                self.run_.count()
                steering(self, sequence, number, frame)
                continue
            for index in self._current(frame):
                self.run_.count()
                self._act(sequence, number, frame, index)

    def _act(self, sequence: CommandSequence, number: int, frame: _Frame, index: int) -> None:
        """One condition or directive on one component, with what its reporting policy asks for."""
        command = sequence[number]
        policy = command.argument
        assert isinstance(policy, ReportPolicy)
        target = Target(self, index, frame.section)
        try:
            if frame.any_order is not None:
                frame.any_order.note(command.code, target)
            measured = _COMMANDS[command.code](target)
        except SuitError as error:
            self.run_.log.trace(self._step(target, command.code, str(error)))
            self.run_.log.failure = self._record(sequence, number, frame, index, error.measured)
            self._report(policy, ReportPolicy.RECORD_ON_FAILURE, self.run_.log.failure)
            self._inform(policy, ReportPolicy.SYSINFO_ON_FAILURE, target, error.measured)
            raise
        self.run_.log.trace(self._step(target, command.code, None))
        if policy & ReportPolicy.RECORD_ON_SUCCESS and self.run_.log.has_room:
            self.run_.log.add(self._record(sequence, number, frame, index, measured or {}))
        self._inform(policy, ReportPolicy.SYSINFO_ON_SUCCESS, target, measured or {})

    def _step(self, target: Target, code: CommandCode, failure: str | None) -> Step:
        return Step(self.path, target.section, code, target.component, failure)

    def _record(self, sequence: CommandSequence, number: int, frame: _Frame, index: int, measured: Measured) -> Record:
        return Record(self.path, frame.section, frame.begin() + offset_of(sequence, number), index, measured)

    def _report(self, policy: ReportPolicy, wanted: ReportPolicy, record: Record) -> None:
        if policy & wanted:
            self.run_.log.add(record)

    def _inform(self, policy: ReportPolicy, wanted: ReportPolicy, target: Target, measured: Measured) -> None:
        if policy & wanted and measured:
            self.run_.log.add(SystemProperties(target.component, measured))

    def _current(self, frame: _Frame) -> tuple[int, ...]:
        if frame.indices is None:
            raise SuitError(SuitReason.COMPONENT_INDEX, "a sequence begins without set-component-index")
        return frame.indices

    # ---- steering -------------------------------------------------------------------------------

    def set_index(self, sequence: CommandSequence, number: int, frame: _Frame) -> None:
        """Choose the components the next commands apply to."""
        argument = sequence[number].argument
        assert isinstance(argument, Index)
        count = self.manifest.common.count
        numbers = tuple(range(count)) if argument.all else argument.numbers
        if any(index >= count for index in numbers):
            raise SuitError(SuitReason.COMPONENT_INDEX, f"{numbers} of {count} components")
        frame.indices = numbers

    def override(self, sequence: CommandSequence, number: int, frame: _Frame) -> None:
        """Set parameters of the current components; soft failure is the frame's."""
        values = self._settable(sequence[number], frame)
        for index in self._current(frame):
            self.run_.parameters(self.component(index)).update(values)

    def set_parameters(self, sequence: CommandSequence, number: int, frame: _Frame) -> None:
        """Set those parameters of the current components that have no value yet."""
        values = self._settable(sequence[number], frame)
        for index in self._current(frame):
            known = self.run_.parameters(self.component(index))
            known.update({key: value for key, value in values.items() if key not in known})

    def _settable(self, command: Command, frame: _Frame) -> dict[ParameterKey, ParameterValue]:
        assert isinstance(command.argument, Override)
        values: dict[ParameterKey, ParameterValue] = dict(command.argument.values)
        soft_failure = values.pop(ParameterKey.SOFT_FAILURE, None)
        if soft_failure is not None:
            if frame.soft_failure is None:
                raise SuitError(SuitReason.SOFT_FAILURE_MISPLACED)
            frame.soft_failure = bool(soft_failure)
        if ParameterKey.STRICT_ORDER in values:
            frame.any_order = None if values[ParameterKey.STRICT_ORDER] else AnyOrder()
        return values

    def override_multiple(self, sequence: CommandSequence, number: int, frame: _Frame) -> None:
        """Set parameters of named components, whichever the current one is."""
        argument = sequence[number].argument
        assert isinstance(argument, OverrideMultiple)
        for index, values in argument.components.items():
            if ParameterKey.SOFT_FAILURE in values:
                raise SuitError(SuitReason.SOFT_FAILURE_MISPLACED)
            self.run_.parameters(self.component(index)).update(values)

    def copy_parameters(self, sequence: CommandSequence, number: int, frame: _Frame) -> None:
        """Take over parameters of other components."""
        argument = sequence[number].argument
        assert isinstance(argument, CopyParameters)
        for source, keys in argument.sources.items():
            known = self.run_.parameters(self.component(source))
            missing = [key.name for key in keys if key not in known]
            if missing:
                raise SuitError(SuitReason.PARAMETER_MISSING, f"{', '.join(missing)} of component {source}")
            values = {key: known[key] for key in keys}
            for index in self._current(frame):
                self.run_.parameters(self.component(index)).update(values)

    def try_each(self, sequence: CommandSequence, number: int, frame: _Frame) -> None:
        """For each current component run the alternatives until one succeeds."""
        argument = sequence[number].argument
        assert isinstance(argument, Alternatives)
        for index in self._current(frame):
            self._try(sequence, number, frame, index)

    def _try(self, sequence: CommandSequence, number: int, frame: _Frame, index: int) -> None:
        argument = sequence[number].argument
        assert isinstance(argument, Alternatives)
        failures = []
        for which, alternative in enumerate(argument.sequences):
            begin = _Begin(frame, sequence, number, which)
            inner = _Frame(frame.section, (index,), soft_failure=True, begin=begin)
            try:
                self._run(alternative or (), inner)
            except ConditionFailed as failure:
                if not inner.soft_failure:
                    raise
                failures.append(failure.reason.name)
            else:
                self.run_.log.failure = None
                return
        raise ConditionFailed(SuitReason.NO_ALTERNATIVE, ", ".join(failures))

    def run_sequence(self, sequence: CommandSequence, number: int, frame: _Frame) -> None:
        """Run the argument once for each current component."""
        argument = sequence[number].argument
        assert isinstance(argument, Nested)
        if frame.any_order is not None:
            check_isolated(argument.sequence, single=len(self._current(frame)) == 1)
        for index in self._current(frame):
            inner = _Frame(frame.section, (index,), soft_failure=False, begin=_Begin(frame, sequence, number, None))
            try:
                self._run(argument.sequence, inner)
            except ConditionFailed:
                if not inner.soft_failure:
                    raise
                self.run_.log.failure = None

    def scope(self, number: int) -> ComponentId:
        """What a dependency is about: the prefix of its components, empty for none of its own."""
        own = self.manifest.dependencies.get(number)
        return self.prefix + own if own else self.prefix

    def child(self, number: int, envelope: VerifiedEnvelope) -> Machine:
        """The machine of a dependency. Raises SuitError when the dependency is not for this device.

        Whom only a prefix is entrusted to cannot touch what the manifests above have named as their dependencies.
        """
        prefix = self.scope(number)
        reserved = self.envelopes if envelope.authority != self.run_.authority else ()
        check_applies(envelope.manifest, self.run_.device, self.run_.store, prefix=prefix, reserved=reserved)
        return Machine(self.run_, envelope, path=(*self.path, number), prefix=prefix, outer=self.envelopes)

    def component(self, number: int) -> ComponentId:
        """The whole identifier at an index. Raises SuitError COMPONENT_INDEX."""
        return self.prefix + self.manifest.common.identifier(number)


@dataclass(frozen=True, slots=True)
class _Begin:
    """Where a sequence inside another one begins; `which` of the alternatives of try-each."""

    outer: _Frame
    sequence: CommandSequence
    number: int
    which: int | None

    def __call__(self) -> int:
        command = self.sequence[self.number]
        inside = nested_offset(command) if self.which is None else alternative_offset(command, self.which)
        return self.outer.begin() + offset_of(self.sequence, self.number) + inside


_COMMANDS: Final[Mapping[CommandCode, Callable[[Target], Measured | None]]] = {
    **conditions.TABLE,
    **directives.TABLE,
    **dependencies.TABLE,
}

_STEERING: Final[Mapping[CommandCode, Callable[[Machine, CommandSequence, int, _Frame], None]]] = {
    CommandCode.DIRECTIVE_SET_COMPONENT_INDEX: Machine.set_index,
    CommandCode.DIRECTIVE_SET_PARAMETERS: Machine.set_parameters,
    CommandCode.DIRECTIVE_OVERRIDE_PARAMETERS: Machine.override,
    CommandCode.DIRECTIVE_OVERRIDE_MULTIPLE: Machine.override_multiple,
    CommandCode.DIRECTIVE_COPY_PARAMETERS: Machine.copy_parameters,
    CommandCode.DIRECTIVE_TRY_EACH: Machine.try_each,
    CommandCode.DIRECTIVE_RUN_SEQUENCE: Machine.run_sequence,
}
"""Commands whose argument is more than a reporting policy."""
