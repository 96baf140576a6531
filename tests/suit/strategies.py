"""Manifests of every kind: all commands, all parameters, all elements, as hypothesis makes them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from cose.cbor import Tagged
from suit import Digest, Manifest
from suit.commands import (
    Alternatives,
    Command,
    CommandSequence,
    CopyParameters,
    Index,
    Nested,
    Override,
    OverrideMultiple,
)
from suit.common import NOT_SHARED
from suit.metadata import ComponentMetadata, FileType, Permission
from suit.numbers import (
    CommandCode,
    ComponentTextKey,
    ManifestKey,
    ParameterKey,
    ReportPolicy,
    ReportReason,
    SuitTag,
    TextKey,
    VersionComparison,
    WaitEvent,
)
from suit.records import Record, SystemProperties
from suit.report import Capabilities, Failure, Report
from suit.text import Text, encode_text
from suit.versions import VersionMatch
from suit.waiting import OtherDevice

STEERING = frozenset(
    {
        CommandCode.DIRECTIVE_SET_COMPONENT_INDEX,
        CommandCode.DIRECTIVE_OVERRIDE_PARAMETERS,
        CommandCode.DIRECTIVE_SET_PARAMETERS,
        CommandCode.DIRECTIVE_OVERRIDE_MULTIPLE,
        CommandCode.DIRECTIVE_COPY_PARAMETERS,
        CommandCode.DIRECTIVE_TRY_EACH,
        CommandCode.DIRECTIVE_RUN_SEQUENCE,
    }
)
UINT = st.integers(0, 2**64 - 1)
INT = st.integers(-(2**63), 2**63)
UUID = st.binary(min_size=16, max_size=16)
BYTES = st.binary(max_size=20)
DIGESTS = st.builds(Digest, st.sampled_from([-16, -44, -99]), st.binary(max_size=64))
VERSIONS = st.tuples(UINT) | st.tuples(UINT, INT) | st.tuples(UINT, INT, INT)
MATCHES = st.builds(VersionMatch, st.sampled_from(VersionComparison), VERSIONS)
COMPONENT_IDS = st.lists(st.binary(max_size=4), max_size=3).map(tuple)
PERMISSIONS = st.integers(0, 2 * max(Permission) - 1).map(Permission)
ACTORS = st.dictionaries(BYTES | st.text(max_size=5) | INT, PERMISSIONS, max_size=2)
METADATA = st.builds(
    ComponentMetadata,
    st.none() | PERMISSIONS,
    ACTORS,
    ACTORS,
    ACTORS,
    st.none() | st.sampled_from(FileType),
    st.none() | UINT,
    st.none() | UINT,
    st.none() | BYTES | st.text(max_size=5) | INT,
)
_OTHERS = st.builds(OtherDevice, BYTES, st.lists(MATCHES, min_size=1, max_size=2).map(tuple))
WAITS = st.dictionaries(st.sampled_from(WaitEvent), UINT.map(lambda n: n // 4), min_size=1, max_size=3).flatmap(
    lambda events: _OTHERS.map(
        lambda other: {e: other if e is WaitEvent.OTHER_DEVICE_VERSION else v for e, v in events.items()}
    )
)
_VALUES: dict[ParameterKey, st.SearchStrategy[Any]] = {
    ParameterKey.VENDOR_IDENTIFIER: UUID | st.binary(max_size=8).map(lambda b: Tagged(SuitTag.PEN, b)),
    ParameterKey.CLASS_IDENTIFIER: UUID,
    ParameterKey.DEVICE_IDENTIFIER: UUID,
    ParameterKey.IMAGE_DIGEST: DIGESTS,
    ParameterKey.IMAGE_SIZE: UINT,
    ParameterKey.COMPONENT_SLOT: UINT,
    ParameterKey.CONTENT: BYTES,
    ParameterKey.URI: st.sampled_from(["#here", "coaps://elsewhere", ""]),
    ParameterKey.SOURCE_COMPONENT: st.integers(0, 3) | UINT,
    ParameterKey.INVOKE_ARGS: BYTES,
    ParameterKey.FETCH_ARGUMENTS: BYTES,
    ParameterKey.STRICT_ORDER: st.booleans(),
    ParameterKey.SOFT_FAILURE: st.booleans(),
    ParameterKey.ENCRYPTION_INFO: BYTES,
    ParameterKey.USE_BEFORE: UINT,
    ParameterKey.MINIMUM_BATTERY: UINT,
    ParameterKey.UPDATE_PRIORITY: INT,
    ParameterKey.VERSION: MATCHES,
    ParameterKey.WAIT_INFO: WAITS,
    ParameterKey.COMPONENT_METADATA: METADATA,
}
PARAMETERS = st.dictionaries(st.sampled_from(sorted(_VALUES)), st.none(), min_size=1, max_size=3).flatmap(
    lambda keys: st.fixed_dictionaries({key: _VALUES[key] for key in keys})
)
INDICES = st.integers(0, 3) | UINT
POLICIES = st.integers(0, 15).map(ReportPolicy)
_BY_INDEX = st.dictionaries(INDICES, PARAMETERS, min_size=1, max_size=2)
_COPIES = st.dictionaries(
    INDICES, st.lists(st.sampled_from(ParameterKey), max_size=3).map(tuple), min_size=1, max_size=2
)


def codes_of(sequence: CommandSequence) -> set[CommandCode]:
    """Every command of a sequence and of those inside it."""
    found: set[CommandCode] = set()
    for command in sequence:
        found.add(command.code)
        match command.argument:
            case Alternatives(sequences):
                found = found.union(*(codes_of(one) for one in sequences if one is not None))
            case Nested(one):
                found |= codes_of(one)
            case _:
                pass
    return found


def _commands(inner: st.SearchStrategy[CommandSequence] | None) -> st.SearchStrategy[CommandSequence]:
    index = st.lists(INDICES, min_size=1, max_size=3).map(lambda n: Index(tuple(n))) | st.just(Index(all=True))
    arguments: dict[CommandCode, st.SearchStrategy[Any]] = {
        CommandCode.DIRECTIVE_SET_COMPONENT_INDEX: index,
        CommandCode.DIRECTIVE_OVERRIDE_PARAMETERS: st.builds(Override, PARAMETERS),
        CommandCode.DIRECTIVE_SET_PARAMETERS: st.builds(Override, PARAMETERS),
        CommandCode.DIRECTIVE_OVERRIDE_MULTIPLE: st.builds(OverrideMultiple, _BY_INDEX),
        CommandCode.DIRECTIVE_COPY_PARAMETERS: st.builds(CopyParameters, _COPIES),
    }
    if inner is not None:
        arguments[CommandCode.DIRECTIVE_TRY_EACH] = st.tuples(inner, st.none() | inner).map(Alternatives)
        arguments[CommandCode.DIRECTIVE_RUN_SEQUENCE] = st.builds(Nested, inner)
    plain = st.builds(Command, st.sampled_from(sorted(set(CommandCode) - STEERING)), POLICIES)
    steering = [st.builds(Command, st.just(code), argument) for code, argument in arguments.items()]
    return st.lists(plain | st.one_of(steering), min_size=1, max_size=4).map(tuple)


SEQUENCES = _commands(_commands(None))
SHARED = SEQUENCES.filter(lambda sequence: codes_of(sequence).isdisjoint(NOT_SHARED))
SEVERABLE = SEQUENCES | DIGESTS
TEXTS = st.dictionaries(
    st.sampled_from(["en", "de-AT", "zh"]),
    st.builds(
        Text,
        st.dictionaries(st.sampled_from(TextKey), st.text(max_size=8), max_size=2),
        st.dictionaries(
            COMPONENT_IDS,
            st.dictionaries(st.sampled_from(ComponentTextKey), st.text(max_size=8), max_size=2),
            max_size=2,
        ),
    ),
    min_size=1,
)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    """Any manifest. Dependencies are some of its components, and perhaps one beyond them."""
    components = tuple(draw(st.lists(COMPONENT_IDS, max_size=4)))
    numbers = draw(st.sets(st.integers(0, len(components)), max_size=2))
    sections = {
        ManifestKey.VALIDATE: SEQUENCES,
        ManifestKey.LOAD: SEQUENCES,
        ManifestKey.INVOKE: SEQUENCES,
        ManifestKey.UNINSTALL: SEQUENCES,
        ManifestKey.DEPENDENCY_RESOLUTION: SEVERABLE,
        ManifestKey.PAYLOAD_FETCH: SEVERABLE,
        ManifestKey.CANDIDATE_VERIFICATION: SEVERABLE,
        ManifestKey.INSTALL: SEVERABLE,
    }
    chosen = draw(st.sets(st.sampled_from(sorted(sections)), max_size=3))
    return Manifest(
        draw(UINT),
        components,
        draw(SHARED | st.just(())),
        {key: draw(sections[key]) for key in sorted(chosen)},
        draw(st.none() | st.text(max_size=20)),
        draw(st.none() | TEXTS.map(encode_text) | DIGESTS),
        draw(st.none() | BYTES | DIGESTS),
        draw(st.none() | COMPONENT_IDS),
        draw(st.none() | VERSIONS),
        {number: draw(st.none() | COMPONENT_IDS) for number in sorted(numbers)},
    )


MANIFESTS = manifests()
RECORDS = st.builds(
    Record, st.lists(UINT, max_size=2).map(tuple), st.sampled_from(ManifestKey), UINT, UINT, PARAMETERS | st.just({})
)
REPORTS = st.builds(
    Report,
    DIGESTS,
    st.text(max_size=20),
    st.none() | st.binary(max_size=64),
    st.lists(RECORDS | st.builds(SystemProperties, COMPONENT_IDS, PARAMETERS), max_size=3).map(tuple),
    st.none() | st.builds(Failure, st.sampled_from(ReportReason), INT, RECORDS),
    st.none()
    | st.builds(
        Capabilities,
        st.lists(st.tuples(COMPONENT_IDS, st.booleans()), max_size=2).map(tuple),
        st.lists(INT, max_size=3).map(tuple),
    ),
)
