"""Envelopes of another author, through the commands: verified, shown, and run to the state they name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyhsslms
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.suit import other_author as other
from tests.suit.other_author import MAC_KEY, encode, envelope, manifest, sequence
from tests.suit.samples import CLASS, VENDOR
from tests.suit.test_tool import tool

AUTHOR, SECOND = (ec.derive_private_key(number, ec.SECP256R1()) for number in (11, 12))
P384, EDWARDS = ec.derive_private_key(13, ec.SECP384R1()), ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
STATEFUL = pyhsslms.HssPrivateKey(1, pyhsslms.lms_sha256_m32_h5, pyhsslms.lmots_sha256_n32_w4)
DEVICE = ec.derive_private_key(14, ec.SECP256R1())
KEK = bytes(reversed(range(16)))
IMAGE, RADIO, OLD = b"image of another author" * 9, b"radio firmware" * 7, b"old"
IDENTITY = (20, {1: VENDOR, 2: CLASS}, 1, 15, 2, 15)
TEXT = encode({"en": {1: "an update", -3: "of our own", (b"image",): {1: "vendor", -1: "colour"}}})


def named(image: bytes) -> dict[int, Any]:
    return {3: other.digest(image), 14: len(image)}


def update(number: int = 5, **elements: Any) -> bytes:
    """One image that lies in the envelope."""
    common = {2: [[b"image"]], 4: sequence(*IDENTITY, 20, named(IMAGE))}
    install = sequence(20, {21: "#image"}, 21, 2, 3, 15)
    return manifest(number, common, **{"_7": sequence(3, 15), "_9": sequence(23, 2), "_20": install, **elements})


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Keys and an old device."""
    keys: dict[str, Any] = {"author": AUTHOR, "second": SECOND, "p384": P384, "edwards": EDWARDS, "device": DEVICE}
    for name, key in keys.items():
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (tmp_path / f"{name}.pem").write_bytes(public)
    (tmp_path / "author.hss").write_bytes(STATEFUL.publicKey().serialize())
    private = DEVICE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for name, secret in {
        "mine.pem": private.decode(),
        "shared.mac": MAC_KEY.hex(),
        "group.kek": KEK.hex(),
        "group-256.kek": MAC_KEY.hex(),
    }.items():
        (tmp_path / name).write_text(secret)
        (tmp_path / name).chmod(0o600)
    (tmp_path / "old.bin").write_bytes(OLD)
    return tmp_path


def simulated(desk: Path, raw: bytes, key: str, payloads: tuple[str, ...] = (), **device: Any) -> dict[str, Any]:
    """Verified, shown both ways, and run."""
    (desk / "other.suit").write_bytes(raw)
    described = {"vendor-id": VENDOR.hex(), "class-id": CLASS.hex(), "sequence": 4, "components": {"image": "old.bin"}}
    (desk / "device.json").write_text(json.dumps(described | device))
    tool("verify", "-m", desk / "other.suit", "-k", desk / key)
    assert "/ manifest / 3: << {" in tool("parse", "-m", desk / "other.suit")
    tool("parse", "-m", desk / "other.suit", "--as", "table")
    given = [word for payload in payloads for word in ("--payload", payload)]
    words = ("simulate", "-m", desk / "other.suit", "-d", desk / "device.json", "-k", desk / key, *given, "--json")
    done: dict[str, Any] = json.loads(tool(*words))
    return done


def holds(done: dict[str, Any], component: str, content: bytes) -> bool:
    return bool(done["components"][component].startswith(f"{len(content)} bytes, SHA-256 {_sha(content)}"))


def _sha(content: bytes) -> str:
    return other.digest(content)[4:].hex()[:16]


@pytest.mark.parametrize(
    ("maker", "key"),
    [
        (other.sign1(AUTHOR, {1: -9}), "author.pem"),
        (other.sign1(AUTHOR, {4: b"kid", 1: -9}, {3: 0}), "author.pem"),
        (other.sign1(AUTHOR, {1: -7}, {4: b"kid"}), "author.pem"),
        (other.sign1(P384, {1: -51}), "p384.pem"),
        (other.sign1(P384, {1: -35}), "p384.pem"),
        (other.sign1(EDWARDS, {1: -19}), "edwards.pem"),
        (other.sign1(EDWARDS, {1: -8}), "edwards.pem"),
        (other.sign1(STATEFUL, {1: -46}), "author.hss"),
        (other.sign((SECOND, {1: -9}), (AUTHOR, {16: 0, 1: -9})), "author.pem"),
        (other.mac0(MAC_KEY), "shared.mac"),
        (other.mac0(MAC_KEY, {4: b"kid"}), "shared.mac"),
        (other.mac(other.wrapped(bytes(16), MAC_KEY), other.wrapped(KEK, MAC_KEY, b"group")), "group.kek"),
        (other.mac(other.agreed(DEVICE.public_key(), MAC_KEY, None, b"device")), "mine.pem"),
    ],
)
def test_whoever_vouches(desk: Path, maker: Any, key: str) -> None:
    raw = envelope(update(), maker, image=IMAGE)
    done = simulated(desk, raw, key)
    assert done["outcome"] == "the device is in the manifest's state"
    assert holds(done, "image", IMAGE)


def test_several_blocks_of_several_kinds(desk: Path) -> None:
    makers = (other.unknown, other.mac0(bytes(32)), other.sign1(SECOND, {1: -9}), other.sign1(AUTHOR, {1: -9}))
    for key in ("author.pem", "second.pem"):
        assert holds(simulated(desk, envelope(update(), *makers, image=IMAGE), key), "image", IMAGE)
    told = tool("verify", "-m", desk / "other.suit", "-k", desk / "edwards.pem", exit_code=1)
    assert "-49" in told


def test_texts_and_sections_severed_or_left_out(desk: Path) -> None:
    install, coswid = sequence(20, {21: "#image"}, 21, 2, 3, 15), b"\xa1\x00\x01"
    named_elements: dict[str, Any] = {
        f"_{key}": cbor_digest(value) for key, value in ((14, coswid), (20, install), (23, TEXT))
    }
    whole = update(**named_elements, _4="https://example.com/manifest", _5=[b"root"], _6=encode([1, 2, 0, -1, 3]))
    maker = other.sign1(AUTHOR, {1: -9})
    done = simulated(desk, envelope(whole, maker, _14=coswid, _20=install, _23=TEXT, image=IMAGE), "author.pem")
    assert holds(done, "image", IMAGE)
    assert holds(simulated(desk, envelope(whole, maker, _20=install, image=IMAGE), "author.pem"), "image", IMAGE)
    tool("sever", "-m", desk / "other.suit", "-o", desk / "small.suit")
    tool("verify", "-m", desk / "small.suit", "-k", desk / "author.pem")
    words = ("simulate", "-m", desk / "small.suit", "-d", desk / "device.json", "-k", desk / "author.pem")
    assert "severed" in tool(*words, exit_code=1)


def cbor_digest(element: bytes) -> list[Any]:
    """A SUIT_Digest over a severed element, with its head."""
    return [-16, other.digest(encode(element))[4:]]


@pytest.mark.parametrize("algorithm", [1, -65534])
@pytest.mark.parametrize("key", ["mine.pem", "group.kek"])
@pytest.mark.parametrize("fetched", [False, True])
def test_encrypted_payloads(desk: Path, algorithm: int, key: str, fetched: bool) -> None:
    recipients = (
        other.wrapped(KEK, other.CONTENT_KEY, b"group"),
        other.agreed(DEVICE.public_key(), other.CONTENT_KEY, b"SUIT Payload Encryption", b"device"),
    )
    info, ciphertext = other.encrypted(IMAGE, algorithm, *recipients)
    uri = "https://example.com/image" if fetched else "#image"
    install = sequence(20, {19: info, 21: uri}, 21, 2, 3, 15)
    maker = other.sign1(AUTHOR, {1: -9})
    raw = envelope(update(_20=install), maker, **({} if fetched else {"image": ciphertext}))
    (desk / "image.enc").write_bytes(ciphertext)
    payloads = (f"{uri}={desk / 'image.enc'}",) if fetched else ()
    assert holds(simulated(desk, raw, "author.pem", payloads, keys=[key]), "image", IMAGE)


@pytest.mark.parametrize(
    ("maker", "vouches", "exchange", "cipher"),
    [
        (other.mac0(MAC_KEY), "shared.mac", -3, -65534),
        (other.sign1(AUTHOR, {1: -9}), "author.pem", -29, -65534),
        (other.sign1(EDWARDS, {1: -19}), "edwards.pem", -29, -65534),
        (other.sign1(AUTHOR, {1: -9}), "author.pem", -29, 1),
        (other.sign1(EDWARDS, {1: -19}), "edwards.pem", -29, 24),
        (other.sign1(STATEFUL, {1: -46}), "author.hss", -5, -65532),
    ],
)
def test_all_profiles_of_suit_mti(desk: Path, maker: Any, vouches: str, exchange: int, cipher: int) -> None:
    """SHA-256, and what each profile has beside it: authentication, key exchange, encryption."""
    content_key = other.content_key(cipher)
    if exchange == -29:
        agreed = other.agreed(DEVICE.public_key(), content_key, b"SUIT Payload Encryption", b"device")
        recipient, opens = agreed, "mine.pem"
    else:
        kek, opens = (KEK, "group.kek") if exchange == -3 else (MAC_KEY, "group-256.kek")
        recipient = other.wrapped(kek, content_key)
    info, ciphertext = other.encrypted(IMAGE, cipher, recipient)
    install = sequence(20, {19: info, 21: "#image"}, 21, 2, 3, 15)
    raw = envelope(update(_20=install), maker, image=ciphertext)
    assert holds(simulated(desk, raw, vouches, keys=[opens]), "image", IMAGE)


def test_update_management(desk: Path) -> None:
    """Every command and parameter of the extension in one manifest, which swaps two slots."""
    wait = encode({1: 3, 2: 50, 4: [b"other", [[2, [1, 0]]]], 5: 1_700_000_000, 6: 3600, 7: 1, 8: 7200, 9: 0})
    metadata = encode({1: 0o7, 2: {b"user": 3}, 5: 1, 6: other.moment(1), 7: other.moment(1), 8: "author"})
    shared = sequence(
        *(12, 0, *IDENTITY),
        *(34, {0: {14: len(IMAGE)}, 1: {3: other.digest(IMAGE), 14: len(IMAGE)}}),
        *(35, {1: [3, 14]}),
    )
    install = sequence(
        *(12, 0, 20, {4: 1_900_000_000, 26: 100, 27: -1, 28: encode([2, [1, 0]]), 30: metadata}),
        *(4, 15, 26, 15, 27, 15, 28, 15),
        *(12, 1, 20, {21: "#image"}, 21, 2, 3, 15, 12, 0, 25, 15),
        *(20, {22: 1}, 31, 2, 3, 15),
    )
    common = {2: [[b"image"], [b"slot", b"\x01"]], 4: shared}
    raw = envelope(manifest(5, common, _20=install), other.sign1(AUTHOR, {1: -9}), image=IMAGE)
    done = simulated(
        desk,
        raw,
        "author.pem",
        components={"image": "old.bin", "slot/01": None},
        now=1_800_000_000,
        battery=200,
        versions={"image": [1, 4]},
    )
    assert holds(done, "image", IMAGE)
    assert holds(done, "slot/01", OLD)
    waiting = sequence(20, {21: "#image", 29: wait}, 29, 15, 21, 2, 3, 15)
    assert holds(
        simulated(desk, envelope(update(_20=waiting), other.mac0(MAC_KEY), image=IMAGE), "shared.mac"), "image", IMAGE
    )


def test_trust_domains(desk: Path) -> None:
    """A dependency of another signer for its own prefix, in every section, and integrated."""
    radio = {2: [[b"firmware"]], 4: sequence(*IDENTITY, 20, named(RADIO))}
    get, remove = sequence(20, {21: "#radio"}, 21, 2, 3, 15), sequence(33, 2)
    inner = manifest(1, radio, _7=sequence(3, 15), _9=sequence(23, 2), _20=get, _24=remove)
    dependency = envelope(inner, other.sign1(SECOND, {1: -9}), radio=RADIO)
    common = {
        1: {1: {1: [b"radio"]}},
        2: [[b"image"], [b"radio"]],
        4: sequence(12, 0, *IDENTITY, 20, named(IMAGE), 12, 1, 20, {3: other.digest(encode(inner))}),
    }
    steps = sequence(12, 1, 8, 15, 7, 15, 11, 2)
    outer = manifest(
        5,
        common,
        _5=[b"root"],
        _15=sequence(12, 1, 20, {21: "#dependency"}, 21, 2, 7, 15),
        _20=sequence(12, 0, 20, {21: "#image"}, 21, 2, 3, 15, 12, 1, 8, 15, 7, 15, 11, 2),
        _7=sequence(12, 0, 3, 15, 12, 1, 8, 15, 7, 15, 11, 2),
        _9=steps,
        _24=sequence(12, 1, 33, 2),
    )
    raw = envelope(outer, other.sign1(AUTHOR, {1: -9}), image=IMAGE, dependency=dependency)
    components = {"image": "old.bin", "radio": None, "radio/firmware": None}
    done = simulated(desk, raw, "author.pem", components=components, domains={"radio": ["second.pem"]})
    assert holds(done, "image", IMAGE)
    assert holds(done, "radio/firmware", RADIO)
    words = ("simulate", "-m", desk / "other.suit", "-d", desk / "device.json", "-k", desk / "author.pem")
    removed = json.loads(tool(*words, "--uninstall", "--json"))
    assert removed["components"]["radio"] == removed["components"]["radio/firmware"] == "empty"
    assert holds(removed, "image", IMAGE)
    stranger = json.dumps(json.loads((desk / "device.json").read_text()) | {"domains": {}})
    (desk / "device.json").write_text(stranger)
    assert "dependency" in tool(*words, exit_code=1)
