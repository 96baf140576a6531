"""Check every message a run has kept: CDDL by an independent validator, signatures by the bare algorithms.

Nothing of the product is used here: what it wrote has to satisfy a stranger.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import cbor2
import pycddl
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

CDDL = (Path(__file__).parents[2] / "docs" / "reference" / "transfer.cddl").read_text(encoding="utf-8")
SIGN1_TAG = 18
Key = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


def _schema(start: str) -> pycddl.Schema:
    return pycddl.Schema(f"root = {start}\n{CDDL}")


def _keys(folder: Path) -> dict[bytes, Key]:
    """The public keys of the folder by the first 8 bytes of their thumbprints."""
    keys: dict[bytes, Key] = {}
    for path in folder.glob("*.pem"):
        key = load_pem_public_key(path.read_bytes())
        assert isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey), path
        keys[_thumbprint(key)[:8]] = key
    return keys


def _thumbprint(key: Key) -> bytes:
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def _verify(key: Key, signature: bytes, data: bytes) -> None:
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, data)
        return
    half = len(signature) // 2
    r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    key.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))


def _claims(raw: bytes, keys: dict[bytes, Key], typ: int) -> bytes:
    message = cbor2.loads(raw)
    assert message.tag == SIGN1_TAG
    protected_bytes, unprotected, payload, signature = message.value
    protected = cbor2.loads(protected_bytes)
    assert set(protected) == {1, 4, 16}
    assert unprotected == {}
    assert protected[16] == typ
    _verify(keys[protected[4]], signature, cbor2.dumps(["Signature1", protected_bytes, b"", payload]))
    return bytes(payload)


def _check_cwts(folder: Path, pattern: str, rule: str, typ: int, keys: dict[bytes, Key]) -> list[bytes]:
    schema = _schema(rule)
    payloads = []
    for path in sorted(folder.glob(pattern)):
        payload = _claims(path.read_bytes(), keys, typ)
        schema.validate_cbor(payload)
        payloads.append(payload)
    return payloads


def _check_documents(folder: Path, pattern: str, rule: str, keys: dict[bytes, Key]) -> list[Any]:
    schema = _schema(rule)
    documents = []
    for path in sorted(folder.glob(pattern)):
        payload = path.read_bytes()
        schema.validate_cbor(payload)
        protected, empty, signature = path.with_suffix(".jws").read_text().strip().split(".")
        assert empty == ""
        header = json.loads(_unbase64(protected))
        assert set(header) == {"alg", "b64", "crit", "typ", "x5t#S256"}
        signing_input = protected.encode() + b"." + payload
        certificate = _certificate(folder, _unbase64(header["x5t#S256"]))
        key = certificate.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey)
        assert _thumbprint(key)[:8] in keys
        _verify(key, _unbase64(signature), signing_input)
        documents.append(cbor2.loads(payload))
    return documents


def _certificate(folder: Path, fingerprint: bytes) -> x509.Certificate:
    for path in folder.glob("*.der"):
        if hashlib.sha256(path.read_bytes()).digest() == fingerprint:
            return x509.load_der_x509_certificate(path.read_bytes())
    raise AssertionError(f"no kept certificate has the fingerprint {fingerprint.hex()}")


def _unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def check_messages(folder: Path, *, devices: int) -> None:
    """Three devices end otherwise than committed; the cancelled and the late one make no report."""
    keys = _keys(folder)
    assert len(_check_cwts(folder, "transfer-template.cwt", "TransferTemplate", 65001, keys)) == 1
    assert len(_check_cwts(folder, "transfer-message-*.cwt", "TransferMessage", 65002, keys)) == devices
    for path in folder.glob("*.der"):
        certificate = x509.load_der_x509_certificate(path.read_bytes())
        key = certificate.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey)
        keys[_thumbprint(key)[:8]] = key
    reports = _check_cwts(folder, "transfer-report-*.cwt", "TransferReport", 65003, keys)
    assert len(reports) == devices - 2
    chunks = _check_documents(folder, "devices-*.cbor", "DeviceUpdateInfo", keys)
    assert sum(len(chunk[1]) for chunk in chunks) == devices
    receipts = _check_documents(folder, "receipts-*.cbor", "TransferReceipts", keys)
    assert sum(len(document[2]) for document in receipts) == devices - 3
    releases = _check_documents(folder, "releases-*.cbor", "TransferReleases", keys)
    assert sum(len(document[2]) for document in releases) == 1
    assert list(folder.glob("manifest-*.suit"))
    assert list(folder.glob("*.x5bag"))
