"""Commands in any order: what a manifest may not do while Strict Order is false (sections 6.6 and 8.4.8.15).

Commands are run one after the other here, which is always allowed. A manifest that says they may run in any order and
means one order is refused all the same: elsewhere it would end otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from suit.commands import Alternatives, Command, CommandSequence, Nested
from suit.common import ComponentId
from suit.errors import SuitError, SuitReason
from suit.numbers import CommandCode, ParameterKey
from suit.target import Target

_WRITING: Final = frozenset(
    {
        CommandCode.DIRECTIVE_WRITE,
        CommandCode.DIRECTIVE_FETCH,
        CommandCode.DIRECTIVE_COPY,
        CommandCode.DIRECTIVE_SWAP,
    }
)
_READING: Final = frozenset({CommandCode.DIRECTIVE_COPY, CommandCode.DIRECTIVE_SWAP})


class AnyOrder:
    """What a sequence has written and read since it set Strict Order to false."""

    def __init__(self) -> None:
        self._targets: set[ComponentId] = set()
        self._sources: set[ComponentId] = set()

    def note(self, code: CommandCode, target: Target) -> None:
        """Before a command is run. Raises SuitError ORDER when a component is both a target and a source."""
        if code in _WRITING:
            self._targets.add(target.component)
        if code in _READING:
            source = target.required(ParameterKey.SOURCE_COMPONENT, int)
            self._sources.add(target.machine.component(source))
        if self._targets & self._sources:
            raise SuitError(SuitReason.ORDER, f"{target.name} is written and read")


def check_isolated(sequence: CommandSequence, *, single: bool) -> None:
    """Raise SuitError ORDER unless an argument of run-sequence keeps to one component.

    `single`: it is run for a `single` component, which it must name itself, and first.
    """
    codes = [command.code for command in _all(sequence)]
    named = codes[:1] == [CommandCode.DIRECTIVE_SET_COMPONENT_INDEX]
    if single and not named:
        raise SuitError(SuitReason.ORDER, "a sequence does not begin with set-component-index")
    if codes.count(CommandCode.DIRECTIVE_SET_COMPONENT_INDEX) > single:
        raise SuitError(SuitReason.ORDER, "a sequence changes to another component")


def _all(sequence: CommandSequence) -> Iterator[Command]:
    """The commands of a sequence and of those inside of it."""
    for command in sequence:
        yield command
        match command.argument:
            case Nested(inner):
                yield from _all(inner)
            case Alternatives(sequences):
                for alternative in sequences:
                    yield from _all(alternative or ())
