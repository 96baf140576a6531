"""COSE_Sign1 examples: our own copies always, the working group's folder where it lies beside the checkout."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from cose.keys import PublicKey

OWN = Path(__file__).parents[1] / "vectors"
SHARED = Path(__file__).parents[2].parent / "shared" / "vectors"
_CURVES: dict[str, type[ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1]] = {
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
}


@dataclass(frozen=True)
class Example:
    """One signed message and what is known of it; `key` None where the curve is not supported here."""

    name: str
    message: bytes
    payload: bytes
    to_be_signed: bytes
    key: PublicKey | None


def public_key(curve: str, x: bytes, y: bytes | None) -> PublicKey | None:
    if curve == "Ed25519":
        return ed25519.Ed25519PublicKey.from_public_bytes(x)
    if curve not in _CURVES or y is None:
        return None
    numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), _CURVES[curve]())
    return numbers.public_key()


def own_examples(*path: str) -> list[dict[str, Any]]:
    examples: list[dict[str, Any]] = json.loads(OWN.joinpath(*path).read_text())
    return examples


def own(record: dict[str, Any]) -> Example:
    y = bytes.fromhex(record["y"]) if "y" in record else None
    return Example(
        record["reference"],
        bytes.fromhex(record["message"]),
        bytes.fromhex(record["payload"]),
        bytes.fromhex(record["to_be_signed"]),
        public_key(record["curve"], bytes.fromhex(record["x"]), y),
    )


def shared(*folders: str) -> Iterator[Example]:
    """Every example of the shared folders that has a single signer; nothing when they are absent."""
    for folder in folders:
        for path in sorted((SHARED / folder).glob("*.json")):
            record = json.loads(path.read_text())
            if "sign0" in record.get("input", {}):
                yield _shared_example(path.stem, record)


def _shared_example(name: str, record: dict[str, Any]) -> Example:
    given, key = record["input"], record["input"]["sign0"]["key"]
    payload = bytes.fromhex(given["plaintext_hex"]) if "plaintext_hex" in given else given["plaintext"].encode()
    x = _coordinate(key, "x")
    assert x is not None
    return Example(
        name,
        bytes.fromhex(record["output"]["cbor"]),
        payload,
        bytes.fromhex(record["intermediates"]["ToBeSign_hex"]),
        public_key(key["crv"], x, _coordinate(key, "y")),
    )


def _coordinate(key: dict[str, str], name: str) -> bytes | None:
    if f"{name}_hex" in key:
        return bytes.fromhex(key[f"{name}_hex"])
    return urlsafe_b64decode(key[name] + "==") if name in key else None
