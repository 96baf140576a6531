"""Any manifest goes through its encoding and back; any other bytes end in SuitError."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

import suit
from suit import Digest, Manifest, SuitError, parse_envelope, parse_manifest
from suit.commands import Alternatives, Command, CommandSequence, Index, Nested, Override, decode_sequence
from suit.common import NOT_SHARED
from suit.numbers import CommandCode, ManifestKey, ParameterKey, ReportPolicy
from tests.suit.samples import KEY, NEW, appendix_b, run, update, update_envelope
from tests.suit.stores import MemoryStore

STEERING = {
    CommandCode.DIRECTIVE_SET_COMPONENT_INDEX,
    CommandCode.DIRECTIVE_OVERRIDE_PARAMETERS,
    CommandCode.DIRECTIVE_SET_PARAMETERS,
    CommandCode.DIRECTIVE_OVERRIDE_MULTIPLE,
    CommandCode.DIRECTIVE_COPY_PARAMETERS,
    CommandCode.DIRECTIVE_TRY_EACH,
    CommandCode.DIRECTIVE_RUN_SEQUENCE,
}
UINT = st.integers(0, 2**64 - 1)
DIGESTS = st.builds(Digest, st.integers(-50, 50), st.binary(max_size=64))
PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        ParameterKey.VENDOR_IDENTIFIER: st.binary(min_size=16, max_size=16),
        ParameterKey.IMAGE_DIGEST: DIGESTS,
        ParameterKey.IMAGE_SIZE: UINT,
        ParameterKey.CONTENT: st.binary(max_size=40),
        ParameterKey.URI: st.sampled_from(["#here", "coaps://elsewhere", ""]),
        ParameterKey.SOFT_FAILURE: st.booleans(),
        ParameterKey.SOURCE_COMPONENT: UINT,
    },
).filter(bool)


def _codes(sequence: CommandSequence) -> set[CommandCode]:
    """Every command of a sequence and of those inside it."""
    found: set[CommandCode] = set()
    for command in sequence:
        found.add(command.code)
        match command.argument:
            case Alternatives(sequences):
                found = found.union(*(_codes(one) for one in sequences if one is not None))
            case Nested(one):
                found |= _codes(one)
            case _:
                pass
    return found


def _commands(inner: st.SearchStrategy[CommandSequence] | None) -> st.SearchStrategy[CommandSequence]:
    plain = st.builds(
        Command, st.sampled_from(sorted(set(CommandCode) - STEERING)), st.integers(0, 15).map(ReportPolicy)
    )
    indices = st.lists(UINT, min_size=1, max_size=3).map(lambda n: Index(tuple(n))) | st.just(Index(all=True))
    choices = [
        plain,
        st.builds(Command, st.just(CommandCode.DIRECTIVE_SET_COMPONENT_INDEX), indices),
        st.builds(Command, st.just(CommandCode.DIRECTIVE_OVERRIDE_PARAMETERS), st.builds(Override, PARAMETERS)),
    ]
    if inner is not None:
        alternatives = st.tuples(inner, st.none() | inner).map(Alternatives)
        choices.append(st.builds(Command, st.just(CommandCode.DIRECTIVE_TRY_EACH), alternatives))
        choices.append(st.builds(Command, st.just(CommandCode.DIRECTIVE_RUN_SEQUENCE), st.builds(Nested, inner)))
    return st.lists(st.one_of(choices), min_size=1, max_size=4).map(tuple)


SEQUENCES = _commands(_commands(None))
SHARED = SEQUENCES.filter(lambda sequence: _codes(sequence).isdisjoint(NOT_SHARED))
MANIFESTS = st.builds(
    Manifest,
    UINT,
    st.lists(st.lists(st.binary(max_size=8), max_size=3).map(tuple), max_size=4).map(tuple),
    SHARED | st.just(()),
    st.fixed_dictionaries(
        {},
        optional={
            ManifestKey.VALIDATE: SEQUENCES,
            ManifestKey.INVOKE: SEQUENCES,
            ManifestKey.INSTALL: SEQUENCES | DIGESTS,
        },
    ),
    st.none() | st.text(max_size=20),
    st.none() | st.binary(max_size=20) | DIGESTS,
)
ENVELOPES = [suit.sign(update(), KEY, {suit.IMAGE_URI: NEW[:40]}), *(e.raw for e in appendix_b()[0])]


@given(MANIFESTS)
def test_manifests_both_ways(manifest: Manifest) -> None:
    assert parse_manifest(manifest.encode()) == manifest


@given(MANIFESTS)
def test_any_manifest_is_processed_or_refused(manifest: Manifest) -> None:
    envelope = parse_envelope(suit.sign(manifest, KEY, {"#here": b""}))
    try:
        run(envelope.verify(KEY.public_key()), MemoryStore(dict.fromkeys(manifest.components, b"")))
    except SuitError:
        return


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    for parse in (parse_envelope, parse_manifest, Digest.decode, lambda d: decode_sequence(d, "test")):
        try:
            parse(data)
        except SuitError:
            continue


@given(st.sampled_from(ENVELOPES), st.data())
def test_mutated_envelopes(raw: bytes, draw: st.DataObject) -> None:
    data = bytearray(raw)
    for _ in range(draw.draw(st.integers(1, 3))):
        at = draw.draw(st.integers(0, len(data)))
        data[at : at + draw.draw(st.integers(0, 2))] = draw.draw(st.binary(max_size=2))
    try:
        envelope = parse_envelope(bytes(data))
        parse_manifest(envelope.manifest_bytes)
        envelope.verify(KEY.public_key())
    except SuitError:
        return


@given(st.integers(0, 10**6), st.integers(0, 7))
def test_no_single_bit_of_what_is_signed_can_change(position: int, bit: int) -> None:
    envelope = update_envelope()
    manifest = bytearray(envelope.manifest_bytes)
    manifest[position % len(manifest)] ^= 1 << bit
    raw = envelope.raw.replace(envelope.manifest_bytes, bytes(manifest))
    try:
        parse_envelope(raw).verify(KEY.public_key())
    except SuitError:
        return
    raise AssertionError("a changed manifest verified")
