"""Keys, devices and envelopes the tests share."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import load_der_public_key

import suit
from cose.keys import PublicKey
from suit import ComponentStore, DeviceDescription, Manifest, ProcessResult, VerifiedEnvelope
from suit.commands import CommandSequence
from suit.numbers import ManifestKey
from suit.templates import identity_check

VECTORS: Final = Path(__file__).parents[1] / "vectors" / "suit-manifest"
SHARED: Final = Path(__file__).parents[2].parent / "shared" / "vectors" / "suit-manifest"

VENDOR: Final = bytes.fromhex("fa6b4a53d5ad5fdfbe9de663e4d41ffe")
CLASS: Final = bytes.fromhex("1492af1425695e48bf429b2d51f2ab45")
DEVICE: Final = DeviceDescription(VENDOR, CLASS)
KEY: Final = ec.derive_private_key(0xC0FFEE, ec.SECP256R1())
EDWARDS_KEY: Final = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OLD: Final = b"old image"
NEW: Final = b"new image" * 100
SETTINGS: Final = b'{"interval":60}'


@dataclass(frozen=True)
class Example:
    """One envelope of the draft's Appendix B."""

    name: str
    raw: bytes
    sequence_number: int
    signatures: int


def appendix_b() -> tuple[list[Example], PublicKey]:
    """Our copy of the thirteen envelopes, and their key."""
    data = json.loads((VECTORS / "appendix_b.json").read_text())
    key = load_der_public_key(bytes.fromhex(data["public_key_spki"]))
    assert isinstance(key, ec.EllipticCurvePublicKey)
    rows = data["envelopes"]
    return [Example(r["name"], bytes.fromhex(r["hex"]), r["sequence_number"], r["signatures"]) for r in rows], key


def update(sequence_number: int = 4, image: bytes = NEW) -> Manifest:
    return suit.Manifest.firmware_update(sequence_number=sequence_number, image=image, vendor_id=VENDOR, class_id=CLASS)


def reset(sequence_number: int = 2, image: bytes = OLD, *, install_image: bool = False) -> Manifest:
    return suit.Manifest.reset_to(
        sequence_number=sequence_number,
        image=image,
        configuration=SETTINGS,
        vendor_id=VENDOR,
        class_id=CLASS,
        install_image=install_image,
    )


def signed(manifest: Manifest, payloads: dict[str, bytes] | None = None) -> VerifiedEnvelope:
    return suit.parse_envelope(suit.sign(manifest, KEY, payloads)).verify(KEY.public_key())


def update_envelope(sequence_number: int = 4, image: bytes = NEW) -> VerifiedEnvelope:
    return signed(update(sequence_number, image), {suit.IMAGE_URI: image})


def custom(
    sections: dict[ManifestKey, CommandSequence],
    payloads: dict[str, bytes] | None = None,
    components: tuple[suit.ComponentId, ...] = ((b"image",),),
    shared: CommandSequence = (),
) -> VerifiedEnvelope:
    """A manifest of these commands, after the identity check."""
    manifest = Manifest(9, components, (*identity_check(VENDOR, CLASS), *shared), sections)
    return signed(manifest, payloads)


def run(envelope: VerifiedEnvelope, store: ComponentStore, last: int | None = None) -> ProcessResult:
    return suit.process(envelope, device=DEVICE, store=store, last_sequence=last)
