"""Keys: their three names, and files that keep a secret."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from cose.keys import (
    KeyKind,
    UnusableKey,
    authority_key,
    generate_private_key,
    kid,
    load_private_key,
    load_public_key,
    public_key_of,
    same_key,
    save_private_key,
    save_public_key,
    thumbprint,
)

KINDS = pytest.mark.parametrize("kind", KeyKind, ids=lambda kind: kind.value)


@KINDS
def test_names_of_a_key(kind: KeyKind) -> None:
    public = generate_private_key(kind).public_key()
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert thumbprint(public) == hashlib.sha256(der).digest()
    assert kid(public) == thumbprint(public)[:8]
    assert len(authority_key(public)) == {KeyKind.P256: 33, KeyKind.ED25519: 32}[kind]
    assert same_key(public_key_of(authority_key(public)), public)
    assert not same_key(generate_private_key(kind).public_key(), public)


def test_a_point_has_one_thumbprint_however_it_came() -> None:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    compressed = public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    again = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), compressed)
    assert thumbprint(again) == thumbprint(public)


@pytest.mark.parametrize("data", [b"", bytes(31), bytes(33), b"\x02" + b"\xff" * 32, b"\x04" + bytes(32), bytes(65)])
def test_what_is_no_authority_key(data: bytes) -> None:
    with pytest.raises(UnusableKey):
        public_key_of(data)


def test_only_p256_and_ed25519_are_authorities() -> None:
    with pytest.raises(UnusableKey, match="P-256"):
        authority_key(ec.generate_private_key(ec.SECP384R1()).public_key())


@KINDS
def test_a_saved_key_is_readable_by_its_owner_only(kind: KeyKind, tmp_path: Path) -> None:
    key = generate_private_key(kind)
    path = tmp_path / "signing.pem"
    save_private_key(path, key)
    assert path.stat().st_mode & 0o777 == 0o600
    assert same_key(load_private_key(path).public_key(), key.public_key())
    assert [child.name for child in tmp_path.iterdir()] == ["signing.pem"]


@KINDS
def test_public_keys_are_files_too(kind: KeyKind, tmp_path: Path) -> None:
    key = generate_private_key(kind).public_key()
    save_public_key(tmp_path / "key.pem", key)
    assert same_key(load_public_key(tmp_path / "key.pem"), key)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o610])
def test_a_key_others_can_reach_is_not_used(mode: int, tmp_path: Path) -> None:
    """Security test 45: a key with mode 0644 is not loaded, and the error says what to do."""
    path = tmp_path / "signing.pem"
    save_private_key(path, generate_private_key())
    path.chmod(mode)
    with pytest.raises(UnusableKey, match="chmod 600"):
        load_private_key(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(b"not a key")
    path.chmod(0o600)
    with pytest.raises(UnusableKey):
        load_private_key(path)
    with pytest.raises(UnusableKey):
        load_public_key(path)


def test_other_kinds_of_key_are_refused(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    private, public = tmp_path / "rsa.pem", tmp_path / "rsa.pub"
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    private.chmod(0o600)
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    with pytest.raises(UnusableKey, match="another kind"):
        load_private_key(private)
    with pytest.raises(UnusableKey, match="another kind"):
        load_public_key(public)


def test_a_failed_write_leaves_the_old_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key.pem"
    old = generate_private_key()
    save_private_key(path, old)

    def fail(descriptor: int) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr("cose.keys.os.fsync", fail)
    with pytest.raises(OSError, match="no space"):
        save_private_key(path, generate_private_key())
    assert same_key(load_private_key(path).public_key(), old.public_key())
    assert [child.name for child in tmp_path.iterdir()] == ["key.pem"]
