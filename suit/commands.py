"""Command sequences: immutable values, and a table of how each command's argument is encoded (section 8.4.6).

A new command is one number, one row here and one row in `suit.machine`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

from cose import cbor
from suit import decoding, parameters
from suit.errors import SuitError, SuitReason
from suit.numbers import CommandCode, ParameterKey, ReportPolicy
from suit.parameters import Parameters

MAX_COMMANDS: Final = 256
"""Commands of one sequence."""
MAX_NESTING: Final = 4
"""Sequences inside sequences."""
MAX_INDICES: Final = 64

CommandSequence: TypeAlias = tuple["Command", ...]


@dataclass(frozen=True, slots=True)
class Override:
    """Argument of override-parameters, and of set-parameters."""

    values: Parameters


@dataclass(frozen=True, slots=True)
class OverrideMultiple:
    """Argument of override-multiple: parameters by component index."""

    components: Mapping[int, Parameters]


@dataclass(frozen=True, slots=True)
class CopyParameters:
    """Argument of copy-parameters: which parameters to take from which component index."""

    sources: Mapping[int, tuple[ParameterKey, ...]]


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


Argument: TypeAlias = ReportPolicy | Index | Override | OverrideMultiple | CopyParameters | Alternatives | Nested


@dataclass(frozen=True, slots=True)
class Command:
    """One condition or directive with its argument."""

    code: CommandCode
    argument: Argument


def decode_sequence(
    data: bytes, what: str, nesting: int = MAX_NESTING, excluded: Collection[CommandCode] = ()
) -> CommandSequence:
    """The commands of an encoded sequence, in which those of `excluded` have no place.

    Raises SuitError: MALFORMED, LIMIT, COMMAND_UNSUPPORTED, COMMAND_MISPLACED, …
    """
    if nesting == 0:
        raise SuitError(SuitReason.LIMIT, f"{what}: sequences nested deeper than {MAX_NESTING}")
    items = decoding.array(decoding.decode(data, what), what)
    if len(items) > 2 * MAX_COMMANDS:
        raise SuitError(SuitReason.LIMIT, f"{what}: more than {MAX_COMMANDS} commands")
    if not items or len(items) % 2:
        raise SuitError(SuitReason.MALFORMED, f"{what}: commands and arguments come in pairs")
    turns = iter(items)
    return tuple([_parse(code, next(turns), nesting, excluded) for code in turns])


def encode_sequence(sequence: CommandSequence) -> bytes:
    """The encoded sequence."""
    items: list[Any] = []
    for command in sequence:
        items += command.code, _ROWS[command.code].codec.item(command.argument)
    return cbor.encode(items)


def offset_of(sequence: CommandSequence, number: int) -> int:
    """Where command `number` begins in the encoded sequence, in bytes."""
    return len(cbor.array_head(2 * len(sequence))) + sum(len(encode_command(command)) for command in sequence[:number])


def nested_offset(command: Command) -> int:
    """Where the sequence of run-sequence begins, in bytes from its command."""
    assert isinstance(command.argument, Nested)
    return len(encode_command(command)) - len(encode_sequence(command.argument.sequence))


def alternative_offset(command: Command, number: int) -> int:
    """Where an alternative of try-each begins, in bytes from its command."""
    assert isinstance(command.argument, Alternatives)
    following = [cbor.encode(item) for item in _alternatives_item(command.argument)[number + 1 :]]
    own = command.argument.sequences[number]
    size = 0 if own is None else len(encode_sequence(own))
    return len(encode_command(command)) - sum(map(len, following)) - size


def encode_command(command: Command) -> bytes:
    """One command and its argument, as they stand in a sequence."""
    return cbor.encode(command.code) + cbor.encode(_ROWS[command.code].codec.item(command.argument))


def uris(*sequences: CommandSequence) -> set[str]:
    """Every URI these commands set, also those inside other commands."""
    return {uri for sequence in sequences for command in sequence for uri in _uris_of(command.argument)}


def _uris_of(argument: Argument) -> Iterator[str]:
    match argument:
        case Override(values):
            yield from (uri for uri in (values.get(ParameterKey.URI),) if isinstance(uri, str))
        case OverrideMultiple(components):
            for values in components.values():
                yield from _uris_of(Override(values))
        case Alternatives(sequences):
            yield from uris(*(sequence for sequence in sequences if sequence is not None))
        case Nested(sequence):
            yield from uris(sequence)
        case _:
            pass


def _parse(code: Any, argument: Any, nesting: int, excluded: Collection[CommandCode]) -> Command:
    row = _ROWS.get(code) if type(code) is int else None
    if row is None:
        raise SuitError(SuitReason.COMMAND_UNSUPPORTED, f"{code!r:.40}")
    if code in excluded:
        raise SuitError(SuitReason.COMMAND_MISPLACED, row.code.name)
    if type(argument) is int and argument in row.ready:
        return row.ready[argument]
    return Command(row.code, row.codec.parse(argument, nesting, excluded))


class _Codec(NamedTuple):
    parse: Callable[[Any, int, Collection[CommandCode]], Argument]
    item: Callable[[Any], Any]


def _policy(item: Any, _nesting: int, _excluded: Collection[CommandCode]) -> ReportPolicy:
    if type(item) is not int or not 0 <= item <= ReportPolicy.ALL:
        raise SuitError(SuitReason.MALFORMED, f"reporting policy {item!r:.40}")
    return ReportPolicy(item)


def _index(item: Any, _nesting: int, _excluded: Collection[CommandCode]) -> Index:
    if item is True:
        return Index(all=True)
    if isinstance(item, list):
        if not 1 <= len(item) <= MAX_INDICES:
            raise SuitError(SuitReason.LIMIT, f"1 to {MAX_INDICES} component indices")
        return Index(tuple([decoding.integer(i, "component index") for i in item]))
    return Index((decoding.integer(item, "component index"),))


def _index_item(index: Index) -> Any:
    if index.all:
        return True
    return index.numbers[0] if len(index.numbers) == 1 else list(index.numbers)


def _override(item: Any, _nesting: int, _excluded: Collection[CommandCode]) -> Override:
    return Override(parameters.parse(item))


def _alternatives(item: Any, nesting: int, excluded: Collection[CommandCode]) -> Alternatives:
    members = decoding.array(item, "try-each")
    if len(members) < 2 or len(members) > MAX_COMMANDS or None in members[:-1]:
        raise SuitError(SuitReason.MALFORMED, "try-each takes two or more sequences, only the last may be nil")
    return Alternatives(tuple(None if m is None else _nested(m, nesting, excluded).sequence for m in members))


def _alternatives_item(alternatives: Alternatives) -> Any:
    return [None if sequence is None else encode_sequence(sequence) for sequence in alternatives.sequences]


def _nested(item: Any, nesting: int, excluded: Collection[CommandCode]) -> Nested:
    data = decoding.octets(item, "sequence")
    return Nested(decode_sequence(data, "sequence", nesting - 1, excluded))


def _override_multiple(item: Any, _nesting: int, _excluded: Collection[CommandCode]) -> OverrideMultiple:
    fields = _by_index(item, "override-multiple")
    return OverrideMultiple({number: parameters.parse(values) for number, values in fields.items()})


def _copy_parameters(item: Any, _nesting: int, _excluded: Collection[CommandCode]) -> CopyParameters:
    fields = _by_index(item, "copy-parameters")
    return CopyParameters(
        {
            number: tuple(_parameter(key) for key in decoding.array(keys, "copy-parameters"))
            for number, keys in fields.items()
        }
    )


def _by_index(item: Any, what: str) -> dict[int, Any]:
    fields = decoding.mapping(item, what)
    if not 1 <= len(fields) <= MAX_INDICES:
        raise SuitError(SuitReason.LIMIT, f"{what}: 1 to {MAX_INDICES} component indices")
    return {decoding.integer(number, "component index"): value for number, value in fields.items()}


def _parameter(item: Any) -> ParameterKey:
    known = decoding.registered(item, ParameterKey)
    if known is None:
        raise SuitError(SuitReason.PARAMETER_UNSUPPORTED, f"{item!r:.40}")
    return known


def _parameters_item(argument: Override) -> dict[int, Any]:
    return parameters.to_item(argument.values)


def _multiple_item(argument: OverrideMultiple) -> dict[int, Any]:
    return {number: parameters.to_item(values) for number, values in argument.components.items()}


def _copy_item(argument: CopyParameters) -> dict[int, Any]:
    return {number: [int(key) for key in keys] for number, keys in argument.sources.items()}


_POLICY: Final = _Codec(_policy, int)
_OTHERS: Final[Mapping[CommandCode, _Codec]] = {
    CommandCode.DIRECTIVE_SET_COMPONENT_INDEX: _Codec(_index, _index_item),
    CommandCode.DIRECTIVE_OVERRIDE_PARAMETERS: _Codec(_override, _parameters_item),
    CommandCode.DIRECTIVE_SET_PARAMETERS: _Codec(_override, _parameters_item),
    CommandCode.DIRECTIVE_OVERRIDE_MULTIPLE: _Codec(_override_multiple, _multiple_item),
    CommandCode.DIRECTIVE_COPY_PARAMETERS: _Codec(_copy_parameters, _copy_item),
    CommandCode.DIRECTIVE_TRY_EACH: _Codec(_alternatives, _alternatives_item),
    CommandCode.DIRECTIVE_RUN_SEQUENCE: _Codec(_nested, lambda argument: encode_sequence(argument.sequence)),
}


class _Row(NamedTuple):
    """A command: how its argument is encoded, and the command itself with each small number as its argument."""

    code: CommandCode
    codec: _Codec
    ready: Mapping[int, Command]


def _row(code: CommandCode) -> _Row:
    """Every command but those that steer takes a reporting policy."""
    codec = _OTHERS.get(code, _POLICY)
    if codec.parse not in (_policy, _index):
        return _Row(code, codec, {})
    arguments = {number: codec.parse(number, 0, ()) for number in range(ReportPolicy.ALL + 1)}
    return _Row(code, codec, {number: Command(code, argument) for number, argument in arguments.items()})


_ROWS: Final[Mapping[int, _Row]] = {int(code): _row(code) for code in CommandCode}
