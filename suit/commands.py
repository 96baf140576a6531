"""Command sequences: immutable values, and a table of how each command's argument is encoded (section 8.4.6).

A new command is one number, one row here and one row in `suit.machine`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

from cose import cbor
from suit import decoding, parameters
from suit.errors import SuitError, SuitReason
from suit.numbers import CommandCode, ReportPolicy
from suit.parameters import Parameters

MAX_COMMANDS: Final = 256
"""Commands of one sequence."""
MAX_NESTING: Final = 4
"""Sequences inside sequences."""
MAX_INDICES: Final = 64

CommandSequence: TypeAlias = tuple["Command", ...]


@dataclass(frozen=True, slots=True)
class Override:
    """Argument of override-parameters."""

    values: Parameters


@dataclass(frozen=True, slots=True)
class Alternatives:
    """Argument of try-each; None, last, is the alternative that does nothing."""

    sequences: tuple[CommandSequence | None, ...]


@dataclass(frozen=True, slots=True)
class Nested:
    """Argument of run-sequence."""

    sequence: CommandSequence


@dataclass(frozen=True, slots=True)
class Index:
    """Argument of set-component-index: numbers in the list of components, or all of them."""

    numbers: tuple[int, ...] = ()
    all: bool = False


Argument: TypeAlias = ReportPolicy | Index | Override | Alternatives | Nested


@dataclass(frozen=True, slots=True)
class Command:
    """One condition or directive with its argument."""

    code: CommandCode
    argument: Argument


def decode_sequence(data: bytes, what: str, nesting: int = MAX_NESTING) -> CommandSequence:
    """The commands of an encoded sequence. Raises SuitError: MALFORMED, LIMIT, COMMAND_UNSUPPORTED, …"""
    if nesting == 0:
        raise SuitError(SuitReason.LIMIT, f"{what}: sequences nested deeper than {MAX_NESTING}")
    items = decoding.array(decoding.decode(data, what), what)
    if len(items) > 2 * MAX_COMMANDS:
        raise SuitError(SuitReason.LIMIT, f"{what}: more than {MAX_COMMANDS} commands")
    if not items or len(items) % 2:
        raise SuitError(SuitReason.MALFORMED, f"{what}: commands and arguments come in pairs")
    return tuple(_parse(items[i], items[i + 1], nesting) for i in range(0, len(items), 2))


def encode_sequence(sequence: CommandSequence) -> bytes:
    """The encoded sequence."""
    items: list[Any] = []
    for command in sequence:
        items += [int(command.code), _codec(command.code).item(command.argument)]
    return cbor.encode(items)


def _parse(code: Any, argument: Any, nesting: int) -> Command:
    known = decoding.registered(code, CommandCode)
    if known is None:
        raise SuitError(SuitReason.COMMAND_UNSUPPORTED, f"{code!r}")
    return Command(known, _codec(known).parse(argument, nesting))


class _Codec(NamedTuple):
    parse: Callable[[Any, int], Argument]
    item: Callable[[Any], Any]


def _policy(item: Any, _nesting: int) -> ReportPolicy:
    value = decoding.integer(item, "reporting policy")
    if value > ReportPolicy.ALL:
        raise SuitError(SuitReason.MALFORMED, f"reporting policy {value}")
    return ReportPolicy(value)


def _index(item: Any, _nesting: int) -> Index:
    if item is True:
        return Index(all=True)
    if isinstance(item, list):
        if not 1 <= len(item) <= MAX_INDICES:
            raise SuitError(SuitReason.LIMIT, f"1 to {MAX_INDICES} component indices")
        return Index(tuple(decoding.integer(i, "component index") for i in item))
    return Index((decoding.integer(item, "component index"),))


def _index_item(index: Index) -> Any:
    if index.all:
        return True
    return index.numbers[0] if len(index.numbers) == 1 else list(index.numbers)


def _override(item: Any, _nesting: int) -> Override:
    return Override(parameters.parse(item))


def _alternatives(item: Any, nesting: int) -> Alternatives:
    members = decoding.array(item, "try-each")
    if len(members) < 2 or len(members) > MAX_COMMANDS or None in members[:-1]:
        raise SuitError(SuitReason.MALFORMED, "try-each takes two or more sequences, only the last may be nil")
    return Alternatives(tuple(None if m is None else _nested(m, nesting).sequence for m in members))


def _alternatives_item(alternatives: Alternatives) -> Any:
    return [None if sequence is None else encode_sequence(sequence) for sequence in alternatives.sequences]


def _nested(item: Any, nesting: int) -> Nested:
    return Nested(decode_sequence(decoding.octets(item, "sequence"), "sequence", nesting - 1))


_POLICY: Final = _Codec(_policy, int)
_OTHERS: Final[Mapping[CommandCode, _Codec]] = {
    CommandCode.DIRECTIVE_SET_COMPONENT_INDEX: _Codec(_index, _index_item),
    CommandCode.DIRECTIVE_OVERRIDE_PARAMETERS: _Codec(_override, lambda argument: parameters.to_item(argument.values)),
    CommandCode.DIRECTIVE_TRY_EACH: _Codec(_alternatives, _alternatives_item),
    CommandCode.DIRECTIVE_RUN_SEQUENCE: _Codec(_nested, lambda argument: encode_sequence(argument.sequence)),
}


def _codec(code: CommandCode) -> _Codec:
    """Every command but those that steer takes a reporting policy."""
    return _OTHERS.get(code, _POLICY)
