"""A series makes what building each manifest whole would make, byte for byte."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import suit
from suit import Manifest, SuitError, SuitReason
from suit.authentication import MacKey
from suit.numbers import ManifestKey, ParameterKey
from suit.parameters import Parameters
from suit.series import Series
from suit.stores.memory import MemoryStore
from suit.templates import CHECK_CONTENT, WRITE, override, select
from tests.suit.samples import CLASS, DEVICE, KEY, VENDOR
from tests.suit.strategies import MANIFESTS, PARAMETERS, UINT

SHARED_KEY = MacKey(bytes(range(32)))


def whole(manifest: Manifest, number: int, own: Mapping[int, Parameters]) -> Manifest:
    """The manifest with the parameters of one device at the end of its shared sequence."""
    shared = list(manifest.shared)
    for index in sorted(own):
        shared += [] if manifest.common.count == 1 else [select(index)]
        shared.append(override(dict(own[index])))
    return replace(manifest, sequence_number=number, shared=tuple(shared))


@given(MANIFESTS, UINT, st.data())
def test_the_same_bytes(manifest: Manifest, number: int, data: st.DataObject) -> None:
    count = manifest.common.count
    own = data.draw(st.dictionaries(st.integers(0, count - 1), PARAMETERS, max_size=2)) if count else {}
    expected = whole(manifest, number, own)
    series = Series(manifest)
    assert series.encode(number, own) == expected.encode()
    payloads = {"#here": b"payload"}
    assert series.sign(SHARED_KEY, number, own, payloads) == suit.sign(expected, SHARED_KEY, payloads)


def settings() -> tuple[Series, suit.Component]:
    build = suit.Builder(1)
    build.for_devices(VENDOR, CLASS)
    component = build.component("settings")
    build.add(ManifestKey.INSTALL, component, WRITE, CHECK_CONTENT)
    return Series(build.manifest()), component


def test_each_device_gets_its_own() -> None:
    series, component = settings()
    for number in (1, 23, 24, 65536):
        content = b"device=%d" % number
        raw = series.sign(KEY, number, {component.index: {ParameterKey.CONTENT: content}})
        store = MemoryStore({(b"settings",): None})
        verified = suit.parse_envelope(raw).verify(KEY.public_key())
        suit.process(verified, device=DEVICE, store=store, last_sequence=number - 1)
        assert store.components[b"settings",] == content


def test_what_a_series_refuses() -> None:
    series, _ = settings()
    with pytest.raises(SuitError) as caught:
        series.encode(1, {1: {ParameterKey.CONTENT: b""}})
    assert caught.value.reason is SuitReason.COMPONENT_INDEX
    with pytest.raises(SuitError) as caught:
        series.sign(KEY, 1, {0: {ParameterKey.URI: "#missing"}})
    assert caught.value.reason is SuitReason.PAYLOAD_MISSING
