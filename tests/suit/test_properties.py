"""Any manifest goes through its encoding and back; any other bytes end in SuitError."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

import suit
from suit import Digest, Manifest, SuitError, parse_envelope, parse_manifest
from suit.commands import decode_sequence
from suit.encryption import decrypt
from suit.metadata import ComponentMetadata
from suit.report import Report, verify_report
from suit.text import TextMap, decode_text, encode_text
from suit.versions import VersionMatch
from suit.waiting import WaitInfo, decode_wait, encode_wait
from tests.suit.samples import CLASS, KEY, NEW, VENDOR, appendix_b, update, update_envelope
from tests.suit.stores import MemoryStore
from tests.suit.strategies import MANIFESTS, REPORTS, TEXTS, WAITS

ENVELOPES = [suit.sign(update(), KEY, {suit.IMAGE_URI: NEW[:40]}), *(e.raw for e in appendix_b()[0])]


LAX = suit.DeviceDescription(VENDOR, CLASS, strict=False)
PARSERS: tuple[Callable[[bytes], object], ...] = (
    parse_envelope,
    parse_manifest,
    Digest.decode,
    lambda data: decode_sequence(data, "test"),
    ComponentMetadata.decode,
    VersionMatch.decode,
    decode_wait,
    decode_text,
    Report.decode,
    lambda data: verify_report(data, KEY.public_key()),
    lambda data: decrypt(data, b"", []),
)


@given(MANIFESTS)
def test_manifests_both_ways(manifest: Manifest) -> None:
    assert parse_manifest(manifest.encode()) == manifest


@given(MANIFESTS)
def test_any_manifest_is_processed_or_refused(manifest: Manifest) -> None:
    envelope = parse_envelope(suit.sign(manifest, KEY, {"#here": b""})).verify(KEY.public_key())
    store = MemoryStore({envelope.manifest.common.identifier(n): b"" for n in range(manifest.common.count)})
    before = dict(store.components)
    try:
        suit.process(envelope, device=LAX, store=store, last_sequence=None)
    except SuitError:
        assert store.components == before or store.manifest == envelope.digest
        assert not store.staged or store.manifest == envelope.digest


@given(REPORTS)
def test_reports_both_ways(report: Report) -> None:
    assert Report.decode(report.encode()) == report
    assert verify_report(report.sign(KEY), KEY.public_key()) == report


@given(TEXTS, WAITS)
def test_texts_and_waits_both_ways(texts: TextMap, events: WaitInfo) -> None:
    assert decode_text(encode_text(texts)) == texts
    assert decode_wait(encode_wait(events)) == events


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    for parse in PARSERS:
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
