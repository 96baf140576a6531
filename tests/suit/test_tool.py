"""`suit-tool`: the draft's inputs give the draft's bytes; everything made is read, verified, severed and simulated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typer.testing import CliRunner

from cose.recipients import RecipientKey
from suit import edn
from suit.encryption import decrypt
from suit.envelope import parse_envelope
from suit.tool.cli import app
from suit.tool.inputs import InvalidDescription, load, parse
from tests.suit.samples import SHARED, appendix_b
from tests.tokens import Token

INPUTS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "suit-extensions" / "inputs.json").read_text()
)
EXPECTED = {example.name: example.raw for example in appendix_b()[0]}
VENDOR, CLASS = "fa6b4a53-d5ad-5fdf-be9d-e663e4d41ffe", "1492af14-2569-5e48-bf42-9b2d51f2ab45"


def tool(*words: object, exit_code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == exit_code, result.output
    return result.output


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A signed update of one image, with its description, keys and device beside it."""
    (tmp_path / "new.bin").write_bytes(b"new image" * 50)
    (tmp_path / "old.bin").write_bytes(b"old image")
    component = {
        "install-id": ["image"],
        "file": "new.bin",
        "uri": "#image",
        "vendor-id": VENDOR,
        "class-id": CLASS,
        "bootable": True,
    }
    described = {
        "components": [component],
        "manifest-version": 1,
        "manifest-sequence-number": 4,
        "payloads": {"#image": "new.bin"},
    }
    (tmp_path / "update.yaml").write_text(yaml.safe_dump(described))
    device = {"vendor-id": VENDOR, "class-id": CLASS, "sequence": 3, "components": {"image": "old.bin"}}
    (tmp_path / "device.json").write_text(json.dumps(device))
    tool("keygen", "-o", tmp_path / "key.pem")
    tool("pubkey", "-k", tmp_path / "key.pem", "-o", tmp_path / "public.pem")
    tool("create", "-i", tmp_path / "update.yaml", "-o", tmp_path / "unsigned.suit")
    tool("sign", "-m", tmp_path / "unsigned.suit", "-k", tmp_path / "key.pem", "-o", tmp_path / "signed.suit")
    return tmp_path


@pytest.mark.parametrize("name", INPUTS)
def test_the_inputs_of_the_draft_give_its_bytes(name: str, tmp_path: Path) -> None:
    source = tmp_path / "input.json"
    source.write_text(json.dumps(INPUTS[name]))
    tool("create", "-i", source, "-o", tmp_path / "whole.suit")
    tool("sever", "-m", tmp_path / "whole.suit", "-o", tmp_path / "out.suit")
    assert (tmp_path / "out.suit").read_bytes() == EXPECTED[f"{name}_0_unsigned"]


def test_the_severed_elements_are_those_of_the_draft(tmp_path: Path) -> None:
    source = tmp_path / "input.json"
    source.write_text(json.dumps(INPUTS["example2"]))
    tool("create", "-i", source, "-o", tmp_path / "whole.suit")
    ours = parse_envelope((tmp_path / "whole.suit").read_bytes())
    theirs = parse_envelope(EXPECTED["example2_2_signed"])
    assert ours.severed == theirs.severed
    assert ours.manifest_bytes == theirs.manifest_bytes


def test_our_copies_of_the_inputs_are_the_drafts() -> None:
    for name, item in INPUTS.items():
        theirs = SHARED / f"{name}.json"
        assert not SHARED.exists() or json.loads(theirs.read_text()) == item


def test_signed_verified_parsed_and_simulated(example: Path) -> None:
    assert "sequence number 4" in tool("verify", "-m", example / "signed.suit", "-k", example / "public.pem")
    assert "/ condition-image-match / 3, 15" in tool("parse", "-m", example / "signed.suit")
    assert "override-parameters" in tool("parse", "-m", example / "signed.suit", "--as", "table")
    told = tool("simulate", "-m", example / "signed.suit", "-d", example / "device.json", "-k", example / "public.pem")
    assert "the device is in the manifest's state" in told
    assert "450 bytes" in told


def test_a_simulation_that_fails_says_where(example: Path) -> None:
    device = json.loads((example / "device.json").read_text())
    (example / "device.json").write_text(json.dumps(device | {"class-id": VENDOR}))
    words = ("simulate", "-m", example / "signed.suit", "-d", example / "device.json", "-k", example / "public.pem")
    done = json.loads(tool(*words, "--json", exit_code=1))
    assert done["steps"][-1]["command"] == "condition-class-identifier"
    assert "another class" in done["outcome"]
    assert done["components"]["image"].startswith("9 bytes")


def test_a_second_signature_and_a_mac(example: Path) -> None:
    tool("keygen", "-o", example / "shared.mac", "-t", "hmac")
    tool("sign", "-m", example / "signed.suit", "-k", example / "shared.mac", "-o", example / "both.suit")
    for key in ("public.pem", "shared.mac"):
        tool("verify", "-m", example / "both.suit", "-k", example / key)
    tool("keygen", "-o", example / "other.mac", "-t", "hmac")
    assert "no signature" in tool("verify", "-m", example / "both.suit", "-k", example / "other.mac", exit_code=1)


def test_a_difference_is_shown(example: Path) -> None:
    assert tool("diff", example / "signed.suit", example / "signed.suit") == ""
    assert "+" in tool("diff", example / "unsigned.suit", example / "signed.suit", exit_code=1)


def test_a_payload_for_two_devices(example: Path) -> None:
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(3)]
    for number, key in enumerate(keys):
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (example / f"dev-{number}.pem").write_bytes(pem)
    tool(
        *("encrypt", "-i", example / "new.bin", "-r", example / "dev-0.pem", "-r", example / "dev-1.pem"),
        *("-o", example / "new.enc", "--info", example / "new.info"),
    )
    info, ciphertext = (example / "new.info").read_bytes(), (example / "new.enc").read_bytes()
    for number, key in enumerate(keys[:2]):
        plaintext, _ = decrypt(info, ciphertext, [RecipientKey(key, f"dev-{number}".encode())])
        assert plaintext == (example / "new.bin").read_bytes()


@pytest.mark.parametrize("form", ["pem", "cose", "c"])
@pytest.mark.parametrize("kind", ["secp256r1", "ed25519"])
def test_public_keys(tmp_path: Path, kind: str, form: str) -> None:
    tool("keygen", "-o", tmp_path / "key.pem", "-t", kind)
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600
    tool("pubkey", "-k", tmp_path / "key.pem", "-f", form, "-o", tmp_path / "public")
    assert (tmp_path / "public").stat().st_size > 30
    assert "exists" in tool("keygen", "-o", tmp_path / "key.pem", exit_code=2)


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ([], "object"),
        ({}, "components"),
        ({"components": []}, "manifest-sequence-number"),
        ({"components": [{}], "manifest-sequence-number": 1}, "install-id"),
        ({"components": [{"install-id": ["00"], "install-size": -1}], "manifest-sequence-number": 1}, "install-size"),
        ({"components": [{"install-id": ["00"], "vendor-id": "x"}], "manifest-sequence-number": 1}, "vendor-id"),
        (
            {
                "components": [{"install-id": ["00"], "install-digest": {"digest-bytes": "zz"}}],
                "manifest-sequence-number": 1,
            },
            "digest-bytes",
        ),
        ({"components": [], "manifest-sequence-number": 1, "manifest-version": 2}, "manifest-version"),
    ],
)
def test_wrong_descriptions_name_the_entry(item: Any, told: str) -> None:
    with pytest.raises(InvalidDescription, match=told):
        parse(item, Path())


def test_yaml_aliases_are_not_expanded() -> None:
    with pytest.raises(InvalidDescription, match="aliases"):
        load(b"a: &a [1]\nb: [*a, *a]\n", "bomb")
    with pytest.raises(InvalidDescription):
        load(b"a: !!python/object/apply:os.system [ls]\n", "code")


def test_every_example_can_be_shown() -> None:
    for raw in EXPECTED.values():
        assert edn.envelope(raw).startswith("/ SUIT_Envelope_Tagged / 107({")


def test_files_that_are_no_envelopes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\x00")
    for words in (("parse", "-m"), ("verify", "-k", tmp_path / "x", "-m"), ("sever", "-o", tmp_path / "y", "-m")):
        tool(*words, tmp_path / "x", exit_code=1)
        tool(*words, tmp_path / "missing", exit_code=2)


def test_a_key_in_a_token_signs(example: Path, token: Token) -> None:
    tool("pubkey", "-k", token.uri(), "-o", example / "token.pem")
    tool("sign", "-m", example / "unsigned.suit", "-k", token.uri(), "-o", example / "token.suit")
    tool("verify", "-m", example / "token.suit", "-k", example / "token.pem")
    told = tool("sign", "-m", example / "unsigned.suit", "-k", "pkcs11:token=signing", "-o", example / "x", exit_code=1)
    assert "module-path" in told
