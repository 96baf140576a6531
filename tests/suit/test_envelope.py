from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import suit
from cose import cbor, sign1
from suit import Digest, Manifest, SuitError, SuitReason, parse_envelope
from suit.digest import of_element
from suit.envelope import MAX_PAYLOADS, MAX_SIZE_WITH_IMAGE, assemble
from suit.numbers import DigestAlgorithm, ManifestKey, SuitTag
from suit.stores.memory import MemoryStore
from tests.suit.samples import DEVICE, EDWARDS_KEY, KEY, NEW, OLD, SETTINGS, reset, signed, update, update_envelope


def _reason(raw: bytes, max_size: int = MAX_SIZE_WITH_IMAGE) -> SuitReason:
    with pytest.raises(SuitError) as caught:
        parse_envelope(raw, max_size).verify(KEY.public_key())
    return caught.value.reason


def _envelope(fields: Any, tag: int = SuitTag.ENVELOPE) -> bytes:
    return cbor.encode(cbor.Tagged(tag, fields))


def _parts() -> dict[int, bytes]:
    fields: dict[int, bytes] = cbor.decode(suit.sign(update(), KEY, {suit.IMAGE_URI: NEW})).value
    return fields


def test_what_is_in_an_envelope() -> None:
    envelope = update_envelope()
    assert envelope.sequence_number == 4
    assert envelope.payloads == {suit.IMAGE_URI: NEW}
    assert envelope.digest == update().digest
    assert envelope.manifest == update()


@pytest.mark.parametrize("key", [KEY, EDWARDS_KEY], ids=["ESP256", "Ed25519"])
def test_both_kinds_of_keys_sign(key: Any) -> None:
    envelope = parse_envelope(suit.sign(update(), key, {suit.IMAGE_URI: NEW}))
    assert envelope.verify(key.public_key()).digest == envelope.digest
    protected = sign1.Sign1.parse(envelope.signatures[0], max_size=200).protected
    assert protected == {1: -9 if key is KEY else -19}


def test_one_good_signature_among_others_is_enough() -> None:
    manifest = update()
    theirs, ours = (sign1.create(manifest.digest.encode(), k, protected={}, detached=True) for k in (EDWARDS_KEY, KEY))
    raw = assemble(manifest.encode(), manifest.digest, [b"\xa0", theirs, ours], {suit.IMAGE_URI: NEW})
    assert parse_envelope(raw).verify(KEY.public_key())


def test_sizes_are_those_the_design_aims_at() -> None:
    assert len(update_envelope().raw) - len(NEW) <= 282
    assert len(signed(reset(), {suit.CONFIGURATION_URI: SETTINGS}).raw) <= 425


def test_a_payload_of_one_mebibyte() -> None:
    image = bytes(1 << 20)
    envelope = update_envelope(image=image)
    assert envelope.payloads[suit.IMAGE_URI] == image
    assert _reason(envelope.raw, max_size=1 << 20) is SuitReason.TOO_LARGE


def test_referenced_payloads_must_be_given() -> None:
    with pytest.raises(SuitError) as caught:
        suit.sign(reset(install_image=True), KEY)
    assert caught.value.reason is SuitReason.PAYLOAD_MISSING
    assert "#configuration, #image" in str(caught.value)


def test_a_severed_sequence_travels_in_the_envelope() -> None:
    manifest = update()
    install = suit.parse_envelope(suit.sign(manifest, KEY, {suit.IMAGE_URI: NEW})).verify(KEY.public_key())
    element = b"\x82\x03\x0f"
    severed = suit.Manifest(
        manifest.sequence_number, manifest.components, manifest.shared, {ManifestKey.INSTALL: of_element(element)}
    )
    raw = suit.sign(severed, KEY, severed={ManifestKey.INSTALL: element})
    envelope = parse_envelope(raw).verify(KEY.public_key())
    assert len(envelope.sequence(ManifestKey.INSTALL)) == 1
    assert envelope.digest != install.digest
    with pytest.raises(SuitError) as caught:
        suit.sign(severed, KEY, severed={ManifestKey.INSTALL: element + b"\0"})
    assert caught.value.reason is SuitReason.DIGEST


def test_what_is_no_envelope() -> None:
    parts = _parts()
    digest = update().digest.encode()
    wrapper = cbor.encode([digest])
    cases: list[tuple[bytes, SuitReason]] = [
        (b"", SuitReason.MALFORMED),
        (b"\xff", SuitReason.MALFORMED),
        (cbor.encode(parts), SuitReason.MALFORMED),
        (_envelope(parts, 108), SuitReason.MALFORMED),
        (_envelope([]), SuitReason.MALFORMED),
        (_envelope({**parts, 1: b""}), SuitReason.MALFORMED),
        (_envelope({**parts, b"x": b""}), SuitReason.MALFORMED),
        (_envelope({**parts, "#x": 1}), SuitReason.MALFORMED),
        (_envelope({3: parts[3]}), SuitReason.MALFORMED),
        (_envelope({2: parts[2]}), SuitReason.MALFORMED),
        (_envelope({**parts, 2: cbor.encode([])}), SuitReason.LIMIT),
        (_envelope({**parts, 2: cbor.encode([digest] * 10)}), SuitReason.LIMIT),
        (_envelope({**parts, 2: cbor.encode([1])}), SuitReason.MALFORMED),
        (_envelope({**parts, 2: cbor.encode([cbor.encode([-16])])}), SuitReason.MALFORMED),
        (_envelope({**parts, **{f"#{i}": b"" for i in range(MAX_PAYLOADS)}}), SuitReason.LIMIT),
        (_envelope({**parts, 2: wrapper}), SuitReason.SIGNATURE),
        (_envelope({**parts, 3: parts[3] + b"\0"}), SuitReason.DIGEST),
        (_envelope({**parts, 20: b"\x82\x03\x0f"}), SuitReason.MALFORMED),
        (_envelope({**parts, 2: cbor.encode([cbor.encode([-1, bytes(32)])])}), SuitReason.ALGORITHM),
    ]
    for raw, reason in cases:
        assert _reason(raw) is reason, raw.hex()[:80]


def test_nothing_is_parsed_of_a_manifest_nobody_signed() -> None:
    raw = assemble(b"not a manifest", of_element(b"not a manifest"), [], {})
    assert _reason(raw) is SuitReason.SIGNATURE


def test_an_attached_payload_is_no_signature_of_the_digest() -> None:
    manifest = update()
    attached = sign1.create(manifest.digest.encode(), KEY, protected={})
    assert _reason(assemble(manifest.encode(), manifest.digest, [attached], {})) is SuitReason.SIGNATURE


@pytest.mark.parametrize("algorithm", DigestAlgorithm)
def test_digest_algorithms(algorithm: DigestAlgorithm) -> None:
    digest = Digest.of(b"abc", algorithm)
    assert digest.matches(b"abc")
    assert not digest.matches(b"abd")
    assert Digest.decode(digest.encode()) == digest


def test_a_digest_of_another_algorithm_is_taken() -> None:
    manifest = update()
    digest = of_element(manifest.encode(), DigestAlgorithm.SHA_512)
    block = sign1.create(digest.encode(), KEY, protected={}, detached=True)
    raw = assemble(manifest.encode(), digest, [block], {suit.IMAGE_URI: NEW})
    assert parse_envelope(raw).verify(KEY.public_key()).digest.alg == DigestAlgorithm.SHA_512


@pytest.mark.parametrize("severed", [False, True])
def test_everything_is_decoded_before_anything_begins(severed: bool) -> None:
    """An authentic manifest with a malformed section is known by its number, and that is all that happens."""
    broken = b"\x81\x03"
    manifest = Manifest(5, ((b"image",),), sequences={ManifestKey.INSTALL: of_element(broken)})
    encoded = manifest.encode() if severed else cbor.encode(cbor.decode(manifest.encode()) | {20: broken})
    digest = of_element(encoded)
    block = sign1.create(digest.encode(), KEY, protected={}, detached=True)
    raw = assemble(encoded, digest, [block], {ManifestKey.INSTALL: broken} if severed else {})
    verified, store = parse_envelope(raw).verify(KEY.public_key()), MemoryStore({(b"image",): OLD})
    assert verified.sequence_number == 5
    with pytest.raises(SuitError) as caught:
        suit.process(verified, device=replace(DEVICE, strict=False), store=store, last_sequence=4)
    assert caught.value.reason is SuitReason.MALFORMED
    assert store.attempted() is None
    assert store.components == {(b"image",): OLD}


def test_an_old_manifest_is_refused_by_its_number_alone() -> None:
    fields = cbor.decode(update(4).encode()) | {20: b"no sequence"}
    encoded = cbor.encode(fields)
    block = sign1.create(of_element(encoded).encode(), KEY, protected={}, detached=True)
    verified = parse_envelope(assemble(encoded, of_element(encoded), [block], {})).verify(KEY.public_key())
    with pytest.raises(SuitError) as caught:
        suit.process(verified, device=DEVICE, store=MemoryStore({}), last_sequence=4)
    assert caught.value.reason is SuitReason.SEQUENCE_TOO_LOW


def test_true_is_no_version() -> None:
    encoded = cbor.encode(cbor.decode(update().encode()) | {1: True})
    with pytest.raises(SuitError) as caught:
        suit.parse_manifest(encoded)
    assert caught.value.reason is SuitReason.VERSION
