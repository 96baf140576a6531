"""The structure of manifests: what is refused, and with which reason."""

from __future__ import annotations

from typing import Any

import pytest

from cose import cbor
from cose.cbor import Tagged
from suit import Manifest, SuitError, SuitReason, parse_manifest
from suit.commands import Alternatives, Command, Index, Nested, decode_sequence, encode_sequence
from suit.common import MAX_COMPONENTS
from suit.numbers import CommandCode, ManifestKey, ParameterKey
from suit.templates import IMAGE_MATCH, command, override
from tests.suit.samples import VENDOR, reset, update

COMMON = cbor.encode({2: [[b"image"]]})
MINIMAL: dict[Any, Any] = {1: 1, 2: 7, 3: COMMON}


def _sequence(*items: Any) -> bytes:
    return cbor.encode(list(items))


def _reason(fields: Any) -> SuitReason:
    with pytest.raises(SuitError) as caught:
        parse_manifest(cbor.encode(fields))
    return caught.value.reason


@pytest.mark.parametrize("manifest", [update(), reset(), reset(install_image=True)])
def test_ours_are_read_as_they_were_written(manifest: Manifest) -> None:
    assert parse_manifest(manifest.encode()) == manifest


def test_every_kind_of_command_and_parameter() -> None:
    values = override(
        {
            ParameterKey.VENDOR_IDENTIFIER: Tagged(112, b"\x8a\x22"),
            ParameterKey.DEVICE_IDENTIFIER: VENDOR,
            ParameterKey.COMPONENT_SLOT: 1,
            ParameterKey.STRICT_ORDER: True,
            ParameterKey.SOFT_FAILURE: False,
            ParameterKey.SOURCE_COMPONENT: 0,
            ParameterKey.INVOKE_ARGS: b"-v",
            ParameterKey.FETCH_ARGUMENTS: b"",
        }
    )
    plain = tuple(command(CommandCode(code)) for code in (1, 2, 3, 5, 6, 14, 18, 21, 22, 23, 24, 31))
    sequence = (
        Command(CommandCode.DIRECTIVE_SET_COMPONENT_INDEX, Index((0, 1))),
        Command(CommandCode.DIRECTIVE_SET_COMPONENT_INDEX, Index(all=True)),
        values,
        *plain,
        Command(CommandCode.DIRECTIVE_TRY_EACH, Alternatives((IMAGE_MATCH, None))),
        Command(CommandCode.DIRECTIVE_RUN_SEQUENCE, Nested(IMAGE_MATCH)),
    )
    assert decode_sequence(encode_sequence(sequence), "test") == sequence


def test_optional_elements() -> None:
    manifest = Manifest(1, (), (), {}, reference_uri="https://example.com/m", text=cbor.encode({}))
    assert parse_manifest(manifest.encode()) == manifest


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ([], SuitReason.MALFORMED),
        ({}, SuitReason.VERSION),
        ({**MINIMAL, 1: 2}, SuitReason.VERSION),
        ({1: 1, 3: COMMON}, SuitReason.MALFORMED),
        ({**MINIMAL, 2: -1}, SuitReason.MALFORMED),
        ({**MINIMAL, 2: True}, SuitReason.MALFORMED),
        ({1: 1, 2: 7}, SuitReason.MALFORMED),
        ({**MINIMAL, 5: b""}, SuitReason.MALFORMED),
        ({**MINIMAL, "x": b""}, SuitReason.MALFORMED),
        ({**MINIMAL, 4: b"uri"}, SuitReason.MALFORMED),
        ({**MINIMAL, 4: "u" * 3000}, SuitReason.LIMIT),
        ({**MINIMAL, 23: 1}, SuitReason.MALFORMED),
        ({**MINIMAL, 3: cbor.encode({1: 1})}, SuitReason.MALFORMED),
        ({**MINIMAL, 3: cbor.encode({2: [[b"x"]] * (MAX_COMPONENTS + 1)})}, SuitReason.LIMIT),
        ({**MINIMAL, 3: cbor.encode({2: ["x"]})}, SuitReason.MALFORMED),
        ({**MINIMAL, 3: cbor.encode({2: [["x"]]})}, SuitReason.MALFORMED),
        ({**MINIMAL, 7: [-16, bytes(32)]}, SuitReason.MALFORMED),
        ({**MINIMAL, 7: b"\x18\x01"}, SuitReason.MALFORMED),
        ({**MINIMAL, 7: _sequence()}, SuitReason.MALFORMED),
        ({**MINIMAL, 7: _sequence(3)}, SuitReason.MALFORMED),
        ({**MINIMAL, 7: _sequence(3, 16)}, SuitReason.MALFORMED),
        ({**MINIMAL, 7: _sequence(3, None)}, SuitReason.MALFORMED),
        ({**MINIMAL, 7: _sequence(*[3, 0] * 257)}, SuitReason.LIMIT),
        ({**MINIMAL, 7: _sequence(9, 0)}, SuitReason.COMMAND_UNSUPPORTED),
        ({**MINIMAL, 7: _sequence(-300, 0)}, SuitReason.COMMAND_UNSUPPORTED),
        ({**MINIMAL, 7: _sequence(True, 0)}, SuitReason.COMMAND_UNSUPPORTED),
        ({**MINIMAL, 7: _sequence(12, False)}, SuitReason.MALFORMED),
        ({**MINIMAL, 7: _sequence(12, [])}, SuitReason.LIMIT),
        ({**MINIMAL, 7: _sequence(12, ["x"])}, SuitReason.MALFORMED),
        ({**MINIMAL, 7: _sequence(15, [b"\x82\x03\x0f"])}, SuitReason.MALFORMED),
        ({**MINIMAL, 7: _sequence(15, [None, b"\x82\x03\x0f"])}, SuitReason.MALFORMED),
        ({**MINIMAL, 7: _sequence(32, 1)}, SuitReason.MALFORMED),
        ({**MINIMAL, 7: _sequence(20, {})}, SuitReason.MALFORMED),
        ({**MINIMAL, 7: _sequence(20, {99: 1})}, SuitReason.PARAMETER_UNSUPPORTED),
        ({**MINIMAL, 7: _sequence(20, {1: b"short"})}, SuitReason.MALFORMED),
        ({**MINIMAL, 7: _sequence(20, {1: Tagged(113, b"")})}, SuitReason.MALFORMED),
        ({**MINIMAL, 7: _sequence(20, {3: b"\xff"})}, SuitReason.MALFORMED),
        ({**MINIMAL, 7: _sequence(20, {13: 1})}, SuitReason.MALFORMED),
        ({**MINIMAL, 7: _sequence(20, {14: "x"})}, SuitReason.MALFORMED),
        ({**MINIMAL, 7: _sequence(20, {21: b"x"})}, SuitReason.MALFORMED),
    ],
)
def test_other_structures_are_refused(fields: Any, reason: SuitReason) -> None:
    assert _reason(fields) is reason


def test_nesting_is_bounded() -> None:
    sequence = b"\x82\x03\x0f"
    for _ in range(4):
        sequence = _sequence(32, sequence)
    assert _reason({**MINIMAL, 7: sequence}) is SuitReason.LIMIT


def test_severable_sequences_may_be_digests() -> None:
    manifest = parse_manifest(cbor.encode({**MINIMAL, 20: [-16, bytes(32)]}))
    assert manifest.sequences[ManifestKey.INSTALL] != ()
