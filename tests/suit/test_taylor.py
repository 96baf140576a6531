"""An independent implementation, taylor-suit, beside ours: its bytes are ours, and its signed envelopes install here.

It writes manifests and does not read any, so the way back is that both make the same bytes of the same manifest. What
it cannot express is in docs/reference/suit-interoperability.md, and is tried here too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import taylor
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import suit
from suit import Digest, Manifest
from suit.commands import Alternatives, Argument, Command, CommandSequence, Index, Nested, Override
from suit.numbers import CommandCode, ManifestKey, ParameterKey, ReportPolicy
from suit.templates import command, download, identity_check, image_parameters, override
from tests.suit.samples import CLASS, KEY, NEW, OLD, VENDOR, run
from tests.suit.stores import MemoryStore

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "suit-interoperability.md"
IMAGE_DIGEST = Digest.of(NEW)
VENDOR_TEXT, CLASS_TEXT = "fa6b4a53-d5ad-5fdf-be9d-e663e4d41ffe", "1492af14-2569-5e48-bf42-9b2d51f2ab45"
ABORT = command(CommandCode.CONDITION_ABORT)
ABORT_THERE = {"suit-condition-abort": 15}

PARAMETERS: dict[ParameterKey, tuple[str, Any, Any]] = {
    ParameterKey.VENDOR_IDENTIFIER: ("vendor-id", VENDOR_TEXT, VENDOR),
    ParameterKey.CLASS_IDENTIFIER: ("class-id", CLASS_TEXT, CLASS),
    ParameterKey.DEVICE_IDENTIFIER: ("device-id", CLASS_TEXT, CLASS),
    ParameterKey.IMAGE_DIGEST: (
        "image-digest",
        {"algorithm": "sha256", "digest": IMAGE_DIGEST.digest.hex()},
        IMAGE_DIGEST,
    ),
    ParameterKey.IMAGE_SIZE: ("image-size", 5, 5),
    ParameterKey.COMPONENT_SLOT: ("component-slot", 1, 1),
    ParameterKey.STRICT_ORDER: ("strict-order", True, True),
    ParameterKey.SOFT_FAILURE: ("soft-failure", True, True),
    ParameterKey.CONTENT: ("content", "0102", b"\1\2"),
    ParameterKey.URI: ("uri", "http://example.com/x", "http://example.com/x"),
    ParameterKey.SOURCE_COMPONENT: ("source-component", 1, 1),
    ParameterKey.INVOKE_ARGS: ("invoke-args", "2d76", b"-v"),
    ParameterKey.FETCH_ARGUMENTS: ("fetch-arguments", "00", b"\0"),
}
ARGUMENTS: dict[CommandCode, tuple[Any, Argument]] = {
    CommandCode.DIRECTIVE_SET_COMPONENT_INDEX: (1, Index((1,))),
    CommandCode.DIRECTIVE_OVERRIDE_PARAMETERS: ({"image-size": 5}, Override({ParameterKey.IMAGE_SIZE: 5})),
    CommandCode.DIRECTIVE_SET_PARAMETERS: ({"image-size": 5}, Override({ParameterKey.IMAGE_SIZE: 5})),
    CommandCode.DIRECTIVE_TRY_EACH: ([[ABORT_THERE], [ABORT_THERE]], Alternatives(((ABORT,), (ABORT,)))),
    CommandCode.DIRECTIVE_RUN_SEQUENCE: ([ABORT_THERE], Nested((ABORT,))),
}
SECTIONS = {
    ManifestKey.PAYLOAD_FETCH: "payload-fetch",
    ManifestKey.INSTALL: "payload-installation",
    ManifestKey.VALIDATE: "image-validation",
    ManifestKey.LOAD: "suit-load",
    ManifestKey.INVOKE: "suit-invoke",
}


def theirs(section: str, commands: list[dict[str, Any]], shared: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    common = {"suit-components": [["00"], ["01"]], "suit-shared-sequence": shared or [ABORT_THERE]}
    return {"version": 1, "sequence-number": 7, "suit-common": common, "sequence": {section: commands}}


def ours(section: ManifestKey, commands: CommandSequence) -> Manifest:
    return Manifest(7, ((b"\0",), (b"\1",)), (ABORT,), {section: commands})


def encoded(manifest: dict[str, Any]) -> bytes:
    """Their manifest, without the head of the byte string around it."""
    found = suit.decoding.decode(taylor.encode_manifest(json.dumps(manifest)), "manifest")
    assert isinstance(found, bytes)
    return found


def rows(kind: str) -> dict[str, bool]:
    """What the page says about each command, parameter or section: whether it is the same on both sides."""
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.read_text().splitlines() if "|" in line]
    return {cell[1].strip("`"): cell[2] == "the same bytes" for cell in cells if len(cell) == 3 and cell[0] == kind}


def test_the_page_lists_everything() -> None:
    assert set(rows("command")) == {code.name for code in CommandCode}
    assert set(rows("parameter")) == {key.name for key in ParameterKey}
    assert set(rows("section")) == {key.name for key in suit.manifest.SEQUENCE_KEYS}


@pytest.mark.parametrize("name", [code.name for code in CommandCode])
def test_commands(name: str) -> None:
    code = CommandCode[name]
    their_argument, argument = ARGUMENTS.get(code, (15, ReportPolicy.ALL))
    manifest = theirs("image-validation", [{f"suit-{name.lower().replace('_', '-')}": their_argument}])
    if rows("command")[name]:
        assert encoded(manifest) == ours(ManifestKey.VALIDATE, (Command(code, argument),)).encode()
    else:
        with pytest.raises(taylor.ManifestError):
            encoded(manifest)


@pytest.mark.parametrize("name", [key.name for key in ParameterKey])
def test_parameters(name: str) -> None:
    key = ParameterKey[name]
    if not rows("parameter")[name]:
        with pytest.raises(taylor.ManifestError):
            encoded(theirs("image-validation", [{"suit-directive-override-parameters": {name.lower(): 1}}]))
        return
    their_name, their_value, value = PARAMETERS[key]
    manifest = theirs("image-validation", [{"suit-directive-override-parameters": {their_name: their_value}}])
    assert encoded(manifest) == ours(ManifestKey.VALIDATE, (override({key: value}),)).encode()


@pytest.mark.parametrize("name", [key.name for key in suit.manifest.SEQUENCE_KEYS])
def test_sections(name: str) -> None:
    key = ManifestKey[name]
    if rows("section")[name]:
        assert encoded(theirs(SECTIONS[key], [ABORT_THERE])) == ours(key, (ABORT,)).encode()
    else:
        with pytest.raises(taylor.ManifestError):
            encoded(theirs(f"suit-{name.lower().replace('_', '-')}", [ABORT_THERE]))


UPDATE = {
    "version": 1,
    "sequence-number": 7,
    "suit-common": {
        "suit-components": [[b"image".hex()]],
        "suit-shared-sequence": [
            {"suit-directive-override-parameters": {"vendor-id": VENDOR_TEXT}},
            {"suit-directive-override-parameters": {"class-id": CLASS_TEXT}},
            {
                "suit-directive-override-parameters": {
                    "image-digest": {"algorithm": "sha256", "digest": IMAGE_DIGEST.digest.hex()},
                    "image-size": len(NEW),
                }
            },
            {"suit-condition-vendor-identifier": 15},
            {"suit-condition-class-identifier": 15},
        ],
    },
    "sequence": {
        "payload-installation": [
            {"suit-directive-override-parameters": {"uri": "http://example.com/new"}},
            {"suit-directive-fetch": 2},
            {"suit-condition-image-match": 15},
        ]
    },
}


def test_a_whole_update_has_the_same_bytes() -> None:
    identity, *conditions = identity_check(VENDOR, CLASS)
    assert isinstance(identity.argument, Override)
    overrides = [override({key: value}) for key, value in identity.argument.values.items()]
    shared = (*overrides, override(image_parameters(NEW)), *conditions)
    sections = {ManifestKey.INSTALL: download("http://example.com/new")}
    assert encoded(UPDATE) == Manifest(7, ((b"image",),), shared, sections).encode()


def test_what_they_sign_installs_here() -> None:
    pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    verified = suit.parse_envelope(taylor.build_envelope(UPDATE, key_pem=pem)).verify(KEY.public_key())
    store = MemoryStore({(b"image",): OLD})
    with pytest.raises(suit.SuitError):
        run(verified, store, last=6)
    fetched = {"http://example.com/new": NEW}
    device = suit.DeviceDescription(VENDOR, CLASS)
    suit.process(verified, device=device, store=store, last_sequence=6, fetched=fetched)
    assert store.components[b"image",] == NEW


def test_their_order_of_keys_is_the_alphabet() -> None:
    """Whoever has to have both in one map is refused here: what is signed has one encoding."""
    both = {"vendor-id": VENDOR_TEXT, "class-id": CLASS_TEXT}
    with pytest.raises(suit.SuitError, match="order"):
        suit.parse_manifest(encoded(theirs("image-validation", [{"suit-directive-override-parameters": both}])))


def test_an_empty_sequence_of_theirs_is_none() -> None:
    """The grammar of the draft wants at least one command; they write an empty array."""
    manifest = theirs("image-validation", [ABORT_THERE])
    manifest["suit-common"]["suit-shared-sequence"] = []
    with pytest.raises(suit.SuitError, match="pairs"):
        suit.parse_manifest(encoded(manifest))
