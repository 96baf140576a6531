"""A manifest as a table: sections, their commands in order, what each is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from suit.commands import (
    Alternatives,
    CommandSequence,
    CopyParameters,
    Index,
    Nested,
    Override,
    OverrideMultiple,
    decode_sequence,
)
from suit.digest import Digest
from suit.edn import name, plain
from suit.envelope import Envelope
from suit.numbers import ManifestKey
from suit.parameters import Parameters

Row = tuple[str, str, str]


def steps_of(envelope: Envelope) -> list[Row]:
    """Section, command and argument of every command. Raises SuitError."""
    manifest = envelope.manifest
    rows = list(_rows("shared", manifest.shared))
    for key, sequence in manifest.sequences.items():
        if isinstance(sequence, Digest):
            rows += _severed(envelope, key, sequence)
        else:
            rows += _rows(name(key), sequence)
    return rows


def _severed(envelope: Envelope, key: ManifestKey, digest: Digest) -> Iterator[Row]:
    if key in envelope.severed:
        yield from _rows(f"{name(key)} (severed)", decode_sequence(envelope.severed[key], key.name))
    else:
        yield name(key), "severed and left out", digest.digest.hex()


def _rows(section: str, sequence: CommandSequence, indent: str = "") -> Iterator[Row]:
    for command in sequence:
        match command.argument:
            case Alternatives(sequences):
                yield section, f"{indent}{name(command.code)}", f"{len(sequences)} alternatives"
                for number, one in enumerate(sequences, 1):
                    yield section, f"{indent}  alternative {number}", "" if one else "nothing"
                    yield from _rows(section, one or (), f"{indent}    ")
            case Nested(inner):
                yield section, f"{indent}{name(command.code)}", ""
                yield from _rows(section, inner, f"{indent}  ")
            case argument:
                yield section, f"{indent}{name(command.code)}", _argument(argument)


def _argument(argument: Any) -> str:
    match argument:
        case Index(all=True):
            return "all"
        case Index(numbers=numbers):
            return ", ".join(map(str, numbers))
        case Override(values):
            return _values(values)
        case OverrideMultiple(components):
            return "; ".join(f"{number}: {_values(values)}" for number, values in components.items())
        case CopyParameters(sources):
            return "; ".join(f"from {number}: {', '.join(map(name, keys))}" for number, keys in sources.items())
    return f"report {int(argument)}"


def _values(values: Parameters) -> str:
    return ", ".join(f"{name(key)}={_value(value)}" for key, value in values.items())


def _value(value: Any) -> str:
    if isinstance(value, Digest):
        return f"{value.digest.hex()[:16]}…"
    shown = plain(value) if isinstance(value, bytes | str | int | bool) else str(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}…"
