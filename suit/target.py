"""The component a command works on, with its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from suit.common import ComponentId
from suit.digest import Digest
from suit.errors import ConditionFailed, SuitReason
from suit.numbers import ManifestKey, ParameterKey
from suit.parameters import Parameters, ParameterValue
from suit.run import Run

if TYPE_CHECKING:
    from suit.machine import Machine

Measured: TypeAlias = Parameters
"""What a command found, for the report."""

Kind = TypeVar("Kind")


class Target:
    """One command's view: the machine it runs in, the section, one component."""

    __slots__ = ("component", "index", "machine", "parameters", "section")

    def __init__(self, machine: Machine, index: int, section: ManifestKey) -> None:
        self.machine = machine
        self.index = index
        self.section = section
        self.component: ComponentId = machine.component(index)
        self.parameters: Mapping[ParameterKey, ParameterValue] = machine.run_.parameters(self.component)

    @property
    def run(self) -> Run:
        """The run this command is part of."""
        return self.machine.run_

    @property
    def is_dependency(self) -> bool:
        """Whether the component is the envelope of another manifest."""
        return self.index in self.machine.manifest.dependencies

    @property
    def name(self) -> str:
        """For errors."""
        return "/".join(part.decode(errors="backslashreplace") for part in self.component)

    def required(self, key: ParameterKey, kind: type[Kind]) -> Kind:
        """A parameter the command needs. Raises ConditionFailed PARAMETER_MISSING."""
        value = self.parameters.get(key)
        if value is None:
            raise ConditionFailed(SuitReason.PARAMETER_MISSING, f"{key.name} of {self.name}")
        assert isinstance(value, kind), "the codec of the parameter made it so"
        return value

    def optional(self, key: ParameterKey, kind: type[Kind]) -> Kind | None:
        """A parameter the command uses where it is set."""
        return self.required(key, kind) if key in self.parameters else None

    def digest(self) -> Digest:
        """The image digest the command needs."""
        return self.required(ParameterKey.IMAGE_DIGEST, Digest)
