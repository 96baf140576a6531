"""The general builder: what it builds is what the device becomes, also with dependencies and encrypted payloads."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

import suit
from cose.recipients import RecipientKey, SealedFor
from suit.digest import Digest
from suit.encryption import encrypt
from suit.errors import FetchNeeded, SuitError, SuitReason
from suit.numbers import ManifestKey, TextKey
from suit.stores.memory import MemoryStore
from suit.text import Text, encode_text
from tests.suit.samples import CLASS, DEVICE, KEY, NEW, OLD, VENDOR, signed

OTHER = ec.derive_private_key(0xBEEF, ec.SECP256R1())
RADIO = (b"radio", b"firmware")


def builder(number: int = 4) -> suit.Builder:
    build = suit.Builder(number)
    build.for_devices(VENDOR, CLASS)
    return build


def radio_update(key: ec.EllipticCurvePrivateKey = OTHER) -> bytes:
    build = builder()
    image = build.component("firmware")
    build.install(image, b"radio image", uri="#radio")
    build.start(image)
    return suit.sign(build.manifest(), key, {"#radio": b"radio image"})


def test_several_components() -> None:
    build = builder()
    image, settings, memory = (build.component(name) for name in ("image", "settings", "ram"))
    build.install(image, NEW, uri="#image")
    build.write(settings, b"interval=60")
    build.load(memory, image, Digest.of(NEW))
    build.start(memory, b"-v")
    build.describe({"en": Text({TextKey.UPDATE_DESCRIPTION: "faster"})})
    envelope = signed(build.manifest(), {"#image": NEW})
    assert suit.parse_manifest(envelope.manifest_bytes) == build.manifest()
    assert envelope.manifest.texts == {"en": Text({TextKey.UPDATE_DESCRIPTION: "faster"})}
    store = MemoryStore({(b"image",): OLD, (b"settings",): None, (b"ram",): None})
    result = suit.process(envelope, device=DEVICE, store=store, last_sequence=3)
    assert store.components[b"image",] == NEW
    assert store.components[b"settings",] == b"interval=60"
    assert store.started == [((b"ram",), b"-v")]
    assert result.changed


def test_texts_of_an_application_and_of_a_component_that_is_not_there() -> None:
    own = {"en": Text({TextKey.UPDATE_DESCRIPTION: "faster", -1: "ours"}, {(b"image",): {-7: "also ours"}})}
    manifest = suit.Manifest(1, ((b"image",),), text=encode_text(own))
    assert suit.parse_manifest(manifest.encode()).texts == own
    elsewhere = replace(manifest, components=((b"radio",),))
    with pytest.raises(SuitError) as caught:
        _ = elsewhere.texts
    assert caught.value.reason is SuitReason.MALFORMED


def test_a_dependency_of_another_trust_domain() -> None:
    dependency = suit.parse_envelope(radio_update())
    build = builder(7)
    image = build.component("image")
    build.install(image, NEW, uri="#image")
    build.depends_on(dependency, uri="coaps://fw.example/radio", prefix=("radio",))
    build.start(image)
    envelope = signed(build.manifest(), {"#image": NEW})
    store = MemoryStore({(b"image",): OLD, (b"radio",): None, RADIO: None})
    device = replace(DEVICE, domains={(b"radio",): (OTHER.public_key(),)})
    with pytest.raises(FetchNeeded) as needed:
        suit.process(envelope, device=device, store=store, last_sequence=3)
    assert store.components[b"image",] == OLD
    fetched = {needed.value.uri: dependency.raw}
    result = suit.process(envelope, device=device, store=store, last_sequence=3, fetched=fetched)
    assert (store.components[b"image",], store.components[RADIO]) == (NEW, b"radio image")
    assert {component for component, _ in store.started} == {(b"image",), RADIO}
    assert result.sequence_number == 7


@pytest.mark.parametrize("domains", [{}, {(b"radio",): (KEY.public_key(),)}, {(b"modem",): (OTHER.public_key(),)}])
def test_a_dependency_nobody_believed_vouches_for(
    domains: dict[suit.ComponentId, tuple[ec.EllipticCurvePublicKey]],
) -> None:
    dependency = suit.parse_envelope(radio_update())
    build = builder()
    build.depends_on(dependency, uri="#radio", prefix=("radio",))
    envelope = signed(build.manifest(), {"#radio": dependency.raw})
    store = MemoryStore({(b"radio",): None, RADIO: None})
    with pytest.raises(SuitError) as caught:
        suit.process(envelope, device=replace(DEVICE, domains=domains), store=store, last_sequence=3)
    assert caught.value.reason is SuitReason.DEPENDENCY_INTEGRITY
    assert store.components[RADIO] is None


def test_another_manifest_in_the_dependencys_place() -> None:
    build = builder()
    build.depends_on(suit.parse_envelope(radio_update()), uri="#radio", prefix=("radio",))
    other = builder(5)
    other.write(other.component("firmware"), b"evil")
    envelope = signed(build.manifest(), {"#radio": suit.sign(other.manifest(), KEY)})
    store = MemoryStore({(b"radio",): None, RADIO: None})
    with pytest.raises(SuitError) as caught:
        suit.process(envelope, device=DEVICE, store=store, last_sequence=3)
    assert caught.value.reason is SuitReason.PAYLOAD_DIGEST


def test_a_payload_for_some_devices_only() -> None:
    own, stranger = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    info, ciphertext = encrypt(NEW, [SealedFor(own.public_key(), b"dev-1")])
    build = builder()
    image = build.component("image")
    build.install(image, NEW, uri="#image", encryption_info=info)
    envelope = signed(build.manifest(), {"#image": ciphertext})
    store = MemoryStore({(b"image",): OLD})
    with pytest.raises(SuitError) as caught:
        device = replace(DEVICE, keys=(RecipientKey(stranger, b"dev-2"),))
        suit.process(envelope, device=device, store=store, last_sequence=3)
    assert caught.value.reason is SuitReason.NOT_A_RECIPIENT
    assert store.components[b"image",] == OLD
    device = replace(DEVICE, keys=(RecipientKey(stranger, b"dev-2"), RecipientKey(own, b"dev-1")))
    suit.process(envelope, device=device, store=store, last_sequence=3)
    assert store.components[b"image",] == NEW


CONTENTS = st.dictionaries(st.binary(min_size=1, max_size=4), st.binary(max_size=40), min_size=1, max_size=6)


@given(CONTENTS, st.booleans())
def test_whatever_is_built_is_what_the_device_becomes(contents: dict[bytes, bytes], fetch: bool) -> None:
    build = builder()
    for name, content in contents.items():
        component = build.component(name)
        if fetch:
            build.install(component, content, uri=f"#{name.hex()}")
        else:
            build.write(component, content)
    payloads = {f"#{name.hex()}": content for name, content in contents.items()} if fetch else {}
    envelope = signed(build.manifest(), payloads)
    assert suit.parse_manifest(envelope.manifest_bytes) == build.manifest()
    assert ManifestKey.INSTALL in envelope.manifest.sequences
    store = MemoryStore({(name,): None for name in contents})
    suit.process(envelope, device=DEVICE, store=store, last_sequence=3)
    assert store.components == {(name,): content for name, content in contents.items()}
