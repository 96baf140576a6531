"""The drafts' own examples of trust domains and encrypted payloads, processed to the end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

import suit
from cose.recipients import RecipientKey
from suit.authentication import MacKey
from suit.encryption import decrypt
from suit.errors import FetchNeeded, SuitError, SuitReason
from suit.recipient import DeviceDescription
from suit.stores.memory import MemoryStore
from tests.suit.samples import CLASS, VENDOR, appendix_b

FOLDER = Path(__file__).parents[1] / "vectors" / "suit-extensions"
LAX = DeviceDescription(VENDOR, CLASS, strict=False)
MAC_KEY = MacKey(b"a" * 32)
DEPENDENCY, DEPENDENT = (b"dependent.suit",), (b"10",)


def examples(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / name).read_text())
    return found


ENCRYPTED = {example["name"]: example for example in examples("encryption.json")}
MANIFESTS = {example["name"]: bytes.fromhex(example["hex"]) for example in examples("encrypted_manifests.json")}
DOMAINS = {example["name"]: bytes.fromhex(example["hex"]) for example in examples("trust_domains.json")}


def key_of(example: dict[str, Any]) -> RecipientKey:
    kid = bytes.fromhex(example["kid"])
    if "kek" in example:
        return RecipientKey(bytes.fromhex(example["kek"]), kid)
    return RecipientKey(ec.derive_private_key(int(example["d"], 16), ec.SECP256R1()), kid)


KEYS = (key_of(ENCRYPTED["aes-kw-aes-gcm"]), key_of(ENCRYPTED["es-ecdh-aes-gcm"]))
PLAINTEXT = bytes.fromhex(ENCRYPTED["aes-kw-aes-gcm"]["plaintext"])


@pytest.mark.parametrize("name", ENCRYPTED)
def test_payloads_decrypt(name: str) -> None:
    example = ENCRYPTED[name]
    info, ciphertext = bytes.fromhex(example["info"]), bytes.fromhex(example["ciphertext"])
    assert decrypt(info, ciphertext, [key_of(example)]) == (PLAINTEXT, name.endswith("gcm"))
    with pytest.raises(SuitError) as caught:
        decrypt(info, ciphertext, [])
    assert caught.value.reason is SuitReason.NOT_A_RECIPIENT


@pytest.mark.parametrize("name", MANIFESTS)
def test_encrypted_manifests_install_the_plaintext(name: str) -> None:
    envelope = suit.parse_envelope(MANIFESTS[name])
    verified = envelope.verify(MAC_KEY if "aes-kw" in name else appendix_b()[1])
    assert verified.manifest.encode() == verified.manifest_bytes
    target = verified.manifest.components[0]
    store = MemoryStore(dict.fromkeys(verified.manifest.components))
    device = replace(LAX, keys=KEYS)
    fetched = {"coaps://example.com/encrypted-firmware": bytes.fromhex(ENCRYPTED["aes-kw-aes-gcm"]["ciphertext"])}
    suit.process(verified, device=device, store=store, last_sequence=0, fetched=fetched)
    assert store.components[target] == PLAINTEXT
    with pytest.raises(SuitError) as caught:
        suit.process(
            verified,
            device=replace(LAX, keys=()),
            store=MemoryStore(dict.fromkeys(store.components)),
            last_sequence=0,
            fetched=fetched,
        )
    assert caught.value.reason is SuitReason.NOT_A_RECIPIENT


@pytest.mark.parametrize("name", DOMAINS)
def test_trust_domains_through_their_encoding(name: str) -> None:
    verified = suit.parse_envelope(DOMAINS[name]).verify(appendix_b()[1])
    assert verified.manifest.encode() == verified.manifest_bytes


@pytest.mark.parametrize("name", ["example1_process", "example2_integrated"])
def test_a_dependency_is_fetched_checked_and_processed(name: str) -> None:
    verified = suit.parse_envelope(DOMAINS[name]).verify(appendix_b()[1])
    store = MemoryStore({DEPENDENT: None, DEPENDENCY: None, (*DEPENDENCY, b"00"): None})
    fetched: dict[str, bytes] = {}
    try:
        suit.process(verified, device=LAX, store=store, last_sequence=None, fetched=fetched)
    except FetchNeeded as needed:
        assert needed.uri == "http://example.com/dependent.suit"
        assert needed.size == len(DOMAINS["example0_dependent"])
        assert all(content is None for content in store.components.values())
        fetched[needed.uri] = DOMAINS["example0_dependent"]
        suit.process(verified, device=LAX, store=store, last_sequence=None, fetched=fetched)
    assert store.components[DEPENDENT] == b" in multiple trust domains"
    assert store.components[*DEPENDENCY, b"00"] == b"hello world"
    assert store.started == [(DEPENDENT, b"cat 00 10")]


def test_the_examples_are_not_for_strict_devices() -> None:
    verified = suit.parse_envelope(DOMAINS["example2_integrated"]).verify(appendix_b()[1])
    with pytest.raises(SuitError) as caught:
        suit.process(verified, device=replace(LAX, strict=True), store=MemoryStore({}), last_sequence=None)
    assert caught.value.reason is SuitReason.IDENTITY_UNCHECKED
