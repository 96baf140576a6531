"""The collections our fixtures were taken from, file by file, where they are at hand; no kind of file is left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from cose import encrypt, mac, sign1
from suit import parse_envelope
from suit.digest import of_element
from suit.edn import envelope as shown
from tests.suit.samples import SHARED, appendix_b
from tests.suit.test_extensions import DOMAINS, ENCRYPTED, MANIFESTS
from tests.suit.test_tool import INPUTS

COLLECTIONS = SHARED.parent
FILES = sorted(path for path in COLLECTIONS.glob("suit-*/*") if path.is_file())
ENVELOPES = {f"{example.name}.suit": example.raw for example in appendix_b()[0]}
TEXTS_ABOUT_THEM = {".diag", ".cddl", ".md", ".json"}
"""What people read of the drafts: their notation of the same bytes, grammars, descriptions."""


@pytest.mark.parametrize("file", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_file(file: Path) -> None:
    name = file.name
    if name.endswith(".suit"):
        assert file.read_bytes() == ENVELOPES[name]
    elif name.endswith(".hex.signed"):
        assert bytes.fromhex(file.read_text()) == MANIFESTS[name.removesuffix(".hex.signed")]
    elif name.startswith("encrypted-payload-"):
        example = ENCRYPTED[name.removeprefix("encrypted-payload-").removesuffix(".hex")]
        assert bytes.fromhex(file.read_text()) == bytes.fromhex(example["ciphertext"])
    elif name.startswith("suit-encryption-info-") and name.endswith(".hex"):
        example = ENCRYPTED[name.removeprefix("suit-encryption-info-").removesuffix(".hex")]
        assert bytes.fromhex(file.read_text()) == bytes.fromhex(example["info"])
    elif name.endswith(".hex"):
        assert bytes.fromhex(file.read_text()) == DOMAINS[name.removesuffix(".hex")]
    elif name.endswith(".pem"):
        _check_key(file.read_bytes())
    elif file.stem in INPUTS:
        assert json.loads(file.read_text()) == INPUTS[file.stem]
    else:
        assert {file.suffix, Path(file.stem).suffix} & TEXTS_ABOUT_THEM


def _check_key(pem: bytes) -> None:
    if b"PRIVATE" in pem:
        key = load_pem_private_key(pem, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        assert key.public_key() == appendix_b()[1]
    else:
        assert load_pem_public_key(pem) == appendix_b()[1]


RAW: dict[str, bytes] = {
    **ENVELOPES,
    **{f"{name}.hex": raw for name, raw in DOMAINS.items()},
    **{f"{name}.hex.signed": raw for name, raw in MANIFESTS.items()},
}
CLAIMS: list[tuple[str, Any]] = [
    (folder.name, vector)
    for folder in sorted(COLLECTIONS.glob("suit-*"))
    for vector in json.loads((folder / "PROVENANCE.json").read_text())["vectors"]
    if (folder / vector["name"]).exists()
]


@pytest.mark.parametrize(("folder", "vector"), CLAIMS, ids=[f"{folder}/{v['name']}" for folder, v in CLAIMS])
def test_what_the_collection_says_of_it(folder: str, vector: Any) -> None:
    """Size, sequence number, elements, digest and algorithms, as whoever collected them found them."""
    name = vector["name"]
    if "content_alg" in vector:
        info = bytes.fromhex(ENCRYPTED[name.removeprefix("suit-encryption-info-").removesuffix(".hex")]["info"])
        parsed = encrypt.Encrypt.parse(info, max_size=len(info))
        assert (parsed.alg, parsed.recipients[0].alg) == (vector["content_alg"], vector["recipient_alg"])
        return
    raw = RAW[name]
    envelope = parse_envelope(raw)
    assert len(raw) == vector["size"]
    assert envelope.sequence_number == vector["seq"]
    assert envelope.digest.alg == vector["digest_alg"]
    assert (of_element(envelope.manifest_bytes) == envelope.digest) is vector["digest_ok"]
    assert [_algorithm(block) for block in envelope.signatures] == [one[1] for one in vector["auth"]]
    assert shown(raw)


def _algorithm(block: bytes) -> int:
    parsed = sign1.Sign1 if block[0] == 0xD2 else mac.Mac
    found: int = parsed.parse(block, max_size=len(block)).protected[1]
    return found
