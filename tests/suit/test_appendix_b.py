"""The draft's own examples: every byte of the thirteen envelopes, every digest, every signature."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from suit import Digest, SuitError, SuitReason, parse_envelope
from suit.commands import encode_sequence
from suit.envelope import assemble
from suit.manifest import Manifest
from suit.numbers import ManifestKey, ParameterKey
from suit.parameters import ParameterValue
from suit.templates import IMAGE_MATCH, INVOKE, download, identity_check
from tests.suit.samples import CLASS, KEY, SHARED, VENDOR, Example, appendix_b

EXAMPLES, PUBLIC_KEY = appendix_b()
BY_NAME = {example.name: example for example in EXAMPLES}
IMAGE: dict[ParameterKey, ParameterValue] = {
    ParameterKey.IMAGE_DIGEST: Digest(
        -16, bytes.fromhex("00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210")
    ),
    ParameterKey.IMAGE_SIZE: 34768,
}


def test_all_are_here() -> None:
    assert (len(EXAMPLES), sum(example.signatures for example in EXAMPLES)) == (13, 7)


@pytest.mark.parametrize("file", sorted(SHARED.glob("*.suit")), ids=lambda f: f.stem)
def test_our_copy_is_the_collection(file: Path) -> None:
    assert BY_NAME[file.stem].raw == file.read_bytes()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.name)
def test_parsed_and_written_again(example: Example) -> None:
    envelope = parse_envelope(example.raw)
    manifest = envelope.manifest
    assert manifest.sequence_number == example.sequence_number == envelope.sequence_number
    assert len(envelope.signatures) == example.signatures
    assert manifest.encode() == envelope.manifest_bytes
    assert manifest.digest == envelope.digest
    members: dict[Any, bytes] = {**envelope.severed, **envelope.payloads}
    assert assemble(manifest.encode(), manifest.digest, list(envelope.signatures), members) == example.raw


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e.signatures], ids=lambda e: e.name)
def test_signatures(example: Example) -> None:
    verified = parse_envelope(example.raw).verify(PUBLIC_KEY)
    assert verified.raw == example.raw
    with pytest.raises(SuitError) as caught:
        parse_envelope(example.raw).verify(KEY.public_key())
    assert caught.value.reason is SuitReason.SIGNATURE


@pytest.mark.parametrize("example", [e for e in EXAMPLES if not e.signatures], ids=lambda e: e.name)
def test_unsigned_is_not_verified(example: Example) -> None:
    with pytest.raises(SuitError) as caught:
        parse_envelope(example.raw).verify(PUBLIC_KEY)
    assert caught.value.reason is SuitReason.SIGNATURE


def test_severed_elements() -> None:
    whole = parse_envelope(BY_NAME["example2_2_signed"].raw).verify(PUBLIC_KEY)
    assert set(whole.severed) == {ManifestKey.INSTALL, ManifestKey.TEXT}
    assert encode_sequence(whole.sequence(ManifestKey.INSTALL)) == whole.severed[ManifestKey.INSTALL]
    removed = parse_envelope(BY_NAME["example2_1_signed-severed-removed"].raw).verify(PUBLIC_KEY)
    assert removed.sequence(ManifestKey.VALIDATE) == IMAGE_MATCH
    with pytest.raises(SuitError) as caught:
        removed.sequence(ManifestKey.INSTALL)
    assert caught.value.reason is SuitReason.SEVERED


def test_a_changed_severed_element_is_found() -> None:
    whole = parse_envelope(BY_NAME["example2_2_signed"].raw)
    text = whole.severed[ManifestKey.TEXT]
    forged = parse_envelope(whole.raw.replace(text, bytes([text[0], text[1] ^ 1]) + text[2:]))
    with pytest.raises(SuitError) as caught:
        forged.verify(PUBLIC_KEY)
    assert caught.value.reason is SuitReason.DIGEST


def test_our_templates_make_example_0() -> None:
    manifest = Manifest(
        sequence_number=0,
        components=((b"\0",),),
        shared=identity_check(VENDOR, CLASS, IMAGE),
        sequences={ManifestKey.VALIDATE: IMAGE_MATCH, ManifestKey.INVOKE: INVOKE},
    )
    assert assemble(manifest.encode(), manifest.digest, [], {}) == BY_NAME["example0_0_unsigned"].raw


def test_our_templates_make_example_1() -> None:
    manifest = Manifest(
        sequence_number=1,
        components=((b"\0",),),
        shared=identity_check(VENDOR, CLASS, IMAGE),
        sequences={
            ManifestKey.VALIDATE: IMAGE_MATCH,
            ManifestKey.INSTALL: download("http://example.com/file.bin"),
        },
    )
    assert assemble(manifest.encode(), manifest.digest, [], {}) == BY_NAME["example1_0_unsigned"].raw


@pytest.mark.parametrize("file", sorted(SHARED.glob("PROVENANCE.json")), ids=lambda f: f.stem)
def test_the_collection_says_the_same_about_itself(file: Path) -> None:
    vectors = json.loads(file.read_text())["vectors"]
    assert {v["name"].removesuffix(".suit"): v["seq"] for v in vectors} == {
        name: example.sequence_number for name, example in BY_NAME.items()
    }
