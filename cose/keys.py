"""Signing keys: kinds, names (thumbprint, kid, authority key) and files.

A key has three names, all derived from the public key alone:

* *thumbprint*: SHA-256 of the DER SubjectPublicKeyInfo (32 B); P-256 points are uncompressed there, however they came.
* *kid*: the first 8 bytes of the thumbprint. It selects among pinned keys and proves nothing.
* *authority key*: the raw Ed25519 key (32 B) or the compressed P-256 point (33 B), as messages carry it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from enum import Enum
from pathlib import Path
from typing import Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from cose.files import write_durably

PublicKey: TypeAlias = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

KID_SIZE: Final = 8
ED25519_SIZE: Final = 32
P256_COMPRESSED_SIZE: Final = 33
_MAX_KEY_FILE: Final = 16384
_FORBIDDEN_MODE: Final = stat.S_IRWXG | stat.S_IRWXO


class KeyKind(Enum):
    """The kinds of key pair this product makes."""

    P256 = "P-256"
    ED25519 = "Ed25519"


class UnusableKey(ValueError):
    """A key or key file that cannot be used; the text names the remedy."""


def generate_private_key(kind: KeyKind = KeyKind.P256) -> PrivateKey:
    """Make a fresh key pair from the operating system's randomness."""
    if kind is KeyKind.ED25519:
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1())


def thumbprint(key: PublicKey) -> bytes:
    """SHA-256 of the DER SubjectPublicKeyInfo, 32 bytes."""
    return hashlib.sha256(
        key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    ).digest()


def kid(key: PublicKey) -> bytes:
    """First 8 bytes of the thumbprint: a hint which pinned key to try."""
    return thumbprint(key)[:KID_SIZE]


def same_key(one: PublicKey, other: PublicKey) -> bool:
    """Whether both are the same public key; takes the same time either way."""
    return hmac.compare_digest(thumbprint(one), thumbprint(other))


def authority_key(key: PublicKey) -> bytes:
    """The key as messages carry it: 32 bytes for Ed25519, the 33-byte compressed point for P-256."""
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key.public_bytes_raw()
    if not isinstance(key.curve, ec.SECP256R1):
        raise UnusableKey(f"an authority key is P-256 or Ed25519, not {key.curve.name}; generate a P-256 key")
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)


def public_key_of(data: bytes) -> PublicKey:
    """The public key of an authority key. Raises `UnusableKey` for another length or a point off the curve."""
    try:
        if len(data) == ED25519_SIZE:
            return ed25519.Ed25519PublicKey.from_public_bytes(data)
        if len(data) == P256_COMPRESSED_SIZE:
            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), data)
    except ValueError as error:
        raise UnusableKey("not a point on P-256; ask the signer for its key again") from error
    raise UnusableKey(f"an authority key has 32 (Ed25519) or 33 (P-256) bytes, not {len(data)}")


# ---- files --------------------------------------------------------------------------------------


def save_private_key(path: Path, key: PrivateKey) -> None:
    """Write `key` as PKCS#8 PEM, readable by the owner only; the file is there whole, or as it was before."""
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_durably(path, pem, 0o600)


def save_public_key(path: Path, key: PublicKey) -> None:
    """Write `key` as SubjectPublicKeyInfo PEM."""
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    write_durably(path, pem, 0o644)


def read_private(path: Path) -> bytes:
    """A file nobody but its owner can read. Raises `UnusableKey` with the remedy for any other; `OSError`."""
    with path.open("rb") as file:
        # The open file is judged, not its name: nobody can swap it in between.
        if os.fstat(file.fileno()).st_mode & _FORBIDDEN_MODE:
            raise UnusableKey(f"{path} can be read by others than its owner; run: chmod 600 '{path}'")
        return file.read(_MAX_KEY_FILE)


def load_private_key(path: Path) -> PrivateKey:
    """Read a private key that nobody but its owner can read.

    Raises `UnusableKey` with the remedy when group or others have any right on the file, and for a file that holds no
    P-256, P-384, P-521 or Ed25519 key; `OSError` when it cannot be opened.
    """
    pem = read_private(path)
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnusableKey(f"{path} is not an unencrypted PEM private key; generate it again") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise UnusableKey(f"{path} holds another kind of key; generate a P-256 or Ed25519 key")
    return key


def load_public_key(path: Path) -> PublicKey:
    """Read a SubjectPublicKeyInfo PEM. Raises `UnusableKey` for anything but an elliptic-curve or Ed25519 key."""
    with path.open("rb") as file:
        pem = file.read(_MAX_KEY_FILE)
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnusableKey(f"{path} is not a PEM public key; export it again") from error
    if not isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
        raise UnusableKey(f"{path} holds another kind of key; use a P-256 or Ed25519 key")
    return key
