"""The abstract machine that runs command sequences (draft-ietf-suit-manifest-37, sections 6.4 and 6.5).

Every command is one row of a table: conditions and directives work on one component, the steering ones on the frame.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from suit.commands import Alternatives, Command, CommandSequence, Index, Nested, Override
from suit.digest import Digest
from suit.envelope import VerifiedEnvelope
from suit.errors import ConditionFailed, SuitError, SuitReason
from suit.manifest import ComponentId, Manifest
from suit.numbers import CommandCode, ManifestKey, ParameterKey
from suit.parameters import ParameterValue
from suit.store import ComponentStore, DeviceDescription

MAX_STEPS: Final = 1024
"""Commands run in one procedure, counted for each component they apply to."""


@dataclass(slots=True)
class _Frame:
    """What belongs to one running sequence. `soft_failure` is None where the draft forbids to set it."""

    indices: tuple[int, ...] | None
    soft_failure: bool | None = None


class Machine:
    """Runs the sections of one procedure. Parameters begin empty and last as long as the machine."""

    def __init__(self, envelope: VerifiedEnvelope, device: DeviceDescription, store: ComponentStore) -> None:
        self.manifest: Manifest = envelope.manifest
        self.envelope = envelope
        self.device = device
        self.store = store
        self.invoked: list[ComponentId] = []
        self._parameters: list[dict[ParameterKey, ParameterValue]] = [{} for _ in self.manifest.components]
        self._steps = 0

    def run(self, section: ManifestKey) -> None:
        """Run the shared sequence and then a section, if the manifest has it. Raises SuitError, OSError."""
        sequence = self.envelope.sequence(section)
        if not sequence:
            return
        # With several components every sequence must say first which one it means.
        first = (0,) if len(self._parameters) == 1 else None
        self._run(self.manifest.shared, _Frame(first))
        self._run(sequence, _Frame(first))

    def _run(self, sequence: CommandSequence, frame: _Frame) -> None:
        for command in sequence:
            steering = _STEERING.get(command.code)
            if steering is not None:
                self._count()
                steering(self, command, frame)
                continue
            for number in self._current(frame):
                self._count()
                _COMMANDS[command.code](Target(self, number))

    def _count(self) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise SuitError(SuitReason.LIMIT, f"more than {MAX_STEPS} steps")

    def _current(self, frame: _Frame) -> tuple[int, ...]:
        if frame.indices is None:
            raise SuitError(SuitReason.COMPONENT_INDEX, "a sequence begins without set-component-index")
        return frame.indices

    def set_index(self, command: Command, frame: _Frame) -> None:
        """Choose the components the next commands apply to."""
        assert isinstance(command.argument, Index)
        everything = tuple(range(len(self._parameters)))
        numbers = everything if command.argument.all else command.argument.numbers
        if any(number not in everything for number in numbers):
            raise SuitError(SuitReason.COMPONENT_INDEX, f"{numbers} of {len(everything)} components")
        frame.indices = numbers

    def override(self, command: Command, frame: _Frame) -> None:
        """Set parameters of the current components; soft failure is the frame's."""
        assert isinstance(command.argument, Override)
        values = dict(command.argument.values)
        soft_failure = values.pop(ParameterKey.SOFT_FAILURE, None)
        if soft_failure is not None:
            if frame.soft_failure is None:
                raise SuitError(SuitReason.SOFT_FAILURE_MISPLACED)
            frame.soft_failure = bool(soft_failure)
        for number in self._current(frame):
            self._parameters[number].update(values)

    def try_each(self, command: Command, frame: _Frame) -> None:
        """For each current component run the alternatives until one succeeds."""
        assert isinstance(command.argument, Alternatives)
        for number in self._current(frame):
            self._try(command.argument, number)

    def _try(self, alternatives: Alternatives, number: int) -> None:
        failures = []
        for sequence in alternatives.sequences:
            inner = _Frame((number,), soft_failure=True)
            try:
                self._run(sequence or (), inner)
            except ConditionFailed as failure:
                if not inner.soft_failure:
                    raise
                failures.append(failure.reason.name)
            else:
                return
        raise ConditionFailed(SuitReason.NO_ALTERNATIVE, ", ".join(failures))

    def run_sequence(self, command: Command, frame: _Frame) -> None:
        """Run the argument once for each current component."""
        assert isinstance(command.argument, Nested)
        for number in self._current(frame):
            inner = _Frame((number,), soft_failure=False)
            try:
                self._run(command.argument.sequence, inner)
            except ConditionFailed:
                if not inner.soft_failure:
                    raise

    def component(self, number: int) -> ComponentId:
        """The identifier at an index. Raises SuitError COMPONENT_INDEX."""
        if not 0 <= number < len(self.manifest.components):
            raise SuitError(SuitReason.COMPONENT_INDEX, str(number))
        return self.manifest.components[number]

    def parameters(self, number: int) -> Mapping[ParameterKey, ParameterValue]:
        """The parameters of a component as they stand."""
        return self._parameters[number]


class Target:
    """The component a command works on, with its parameters."""

    __slots__ = ("component", "machine", "parameters")

    def __init__(self, machine: Machine, number: int) -> None:
        self.machine = machine
        self.component = machine.component(number)
        self.parameters = machine.parameters(number)

    @property
    def name(self) -> str:
        """For errors."""
        return "/".join(part.decode(errors="backslashreplace") for part in self.component)

    def required(self, key: ParameterKey) -> ParameterValue:
        """A parameter the command needs. Raises ConditionFailed PARAMETER_MISSING."""
        if key not in self.parameters:
            raise ConditionFailed(SuitReason.PARAMETER_MISSING, f"{key.name} of {self.name}")
        return self.parameters[key]

    def octets(self, key: ParameterKey) -> bytes:
        """A byte string parameter the command needs."""
        value = self.required(key)
        assert isinstance(value, bytes)
        return value

    def digest(self) -> Digest:
        """The image digest the command needs."""
        value = self.required(ParameterKey.IMAGE_DIGEST)
        assert isinstance(value, Digest)
        return value


# ---- conditions ---------------------------------------------------------------------------------


def _require(holds: bool, reason: SuitReason, target: Target) -> None:
    if not holds:
        raise ConditionFailed(reason, target.name)


def _vendor(target: Target) -> None:
    found = target.required(ParameterKey.VENDOR_IDENTIFIER)
    _require(found == target.machine.device.vendor_id, SuitReason.WRONG_VENDOR, target)


def _class(target: Target) -> None:
    found = target.required(ParameterKey.CLASS_IDENTIFIER)
    _require(found == target.machine.device.class_id, SuitReason.WRONG_CLASS, target)


def _device(target: Target) -> None:
    found = target.required(ParameterKey.DEVICE_IDENTIFIER)
    _require(found == target.machine.device.device_id, SuitReason.WRONG_DEVICE, target)


def _image_match(target: Target) -> None:
    digest = target.digest()
    data = target.machine.store.read(target.component)
    _require(data is not None and digest.matches(data), SuitReason.IMAGE_MISMATCH, target)


def _check_content(target: Target) -> None:
    content = target.octets(ParameterKey.CONTENT)
    data = target.machine.store.read(target.component)
    _require(data is not None and hmac.compare_digest(data, content), SuitReason.CONTENT_MISMATCH, target)


def _slot(target: Target) -> None:
    found = target.required(ParameterKey.COMPONENT_SLOT)
    _require(found == target.machine.store.slot(target.component), SuitReason.WRONG_SLOT, target)


def _abort(target: Target) -> None:
    raise ConditionFailed(SuitReason.ABORTED, target.name)


# ---- directives ---------------------------------------------------------------------------------


def _fetch(target: Target) -> None:
    """Store the integrated payload of the URI, once it is known to be the image the manifest names."""
    uri = target.required(ParameterKey.URI)
    data = target.machine.envelope.payloads.get(str(uri))
    if data is None:
        raise SuitError(SuitReason.PAYLOAD_MISSING, f"{str(uri)[:80]} for {target.name}")
    _store_image(target, data)


def _copy(target: Target) -> None:
    _, data = _source(target)
    _store_image(target, data)


def _swap(target: Target) -> None:
    source, data = _source(target)
    own = target.machine.store.read(target.component)
    if own is None:
        raise SuitError(SuitReason.STORE, f"{target.name} is empty")
    _store_image(target, data)
    target.machine.store.write(source, own)


def _write(target: Target) -> None:
    target.machine.store.write(target.component, target.octets(ParameterKey.CONTENT))


def _invoke(target: Target) -> None:
    arguments = target.parameters.get(ParameterKey.INVOKE_ARGS)
    target.machine.store.invoke(target.component, arguments if isinstance(arguments, bytes) else None)
    target.machine.invoked.append(target.component)


def _source(target: Target) -> tuple[ComponentId, bytes]:
    number = target.required(ParameterKey.SOURCE_COMPONENT)
    assert isinstance(number, int)
    source = target.machine.component(number)
    data = target.machine.store.read(source)
    if data is None:
        raise SuitError(SuitReason.STORE, f"source component {number} is empty")
    return source, data


def _store_image(target: Target, data: bytes) -> None:
    """Nothing enters the store that does not have the digest, and the size if one is named."""
    digest = target.digest()
    size = target.parameters.get(ParameterKey.IMAGE_SIZE)
    if size is not None and len(data) != size:
        raise SuitError(SuitReason.PAYLOAD_SIZE, f"{target.name}: {len(data)} bytes, not {size!r}")
    if not digest.matches(data):
        raise SuitError(SuitReason.PAYLOAD_DIGEST, target.name)
    target.machine.store.write(target.component, data)


_COMMANDS: Final[Mapping[CommandCode, Callable[[Target], None]]] = {
    CommandCode.CONDITION_VENDOR_IDENTIFIER: _vendor,
    CommandCode.CONDITION_CLASS_IDENTIFIER: _class,
    CommandCode.CONDITION_DEVICE_IDENTIFIER: _device,
    CommandCode.CONDITION_IMAGE_MATCH: _image_match,
    CommandCode.CONDITION_CHECK_CONTENT: _check_content,
    CommandCode.CONDITION_COMPONENT_SLOT: _slot,
    CommandCode.CONDITION_ABORT: _abort,
    CommandCode.DIRECTIVE_FETCH: _fetch,
    CommandCode.DIRECTIVE_COPY: _copy,
    CommandCode.DIRECTIVE_SWAP: _swap,
    CommandCode.DIRECTIVE_WRITE: _write,
    CommandCode.DIRECTIVE_INVOKE: _invoke,
}

_STEERING: Final[Mapping[CommandCode, Callable[[Machine, Command, _Frame], None]]] = {
    CommandCode.DIRECTIVE_SET_COMPONENT_INDEX: Machine.set_index,
    CommandCode.DIRECTIVE_OVERRIDE_PARAMETERS: Machine.override,
    CommandCode.DIRECTIVE_TRY_EACH: Machine.try_each,
    CommandCode.DIRECTIVE_RUN_SEQUENCE: Machine.run_sequence,
}
