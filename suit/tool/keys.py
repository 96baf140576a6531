"""Keys of the `suit-tool` command, told apart by the names of their files.

| file | holds |
| --- | --- |
| `*.mac` | a shared MAC key, hex |
| `*.kek` | a shared key-encryption key of 16, 24 or 32 bytes, hex |
| `*.hss` | a raw HSS/LMS public key |
| `pkcs11:…` | a private key in a token |
| any other | PEM, public or private |
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from cose import cbor
from cose.hss_lms import HssLmsPublicKey
from cose.keys import PrivateKey, PublicKey, UnusableKey, load_private_key, load_public_key, read_private
from cose.numbers import Curve, KeyParameter, KeyType
from cose.recipients import RecipientKey, SealedFor
from cose.token_keys import SCHEME, load_token_key
from suit.authentication import Author, Authority, MacKey

_HSS_SUFFIX: Final = ".hss"
_MAC_SUFFIX: Final = ".mac"
_KEK_SUFFIX: Final = ".kek"
_PRIVATE: Final = b"PRIVATE KEY-----"
_KEK_SIZES: Final = (16, 24, 32)


def load_author(name: str) -> Author:
    """What signs: a private key, or a shared key. Raises `UnusableKey`, OSError."""
    if name.endswith(_MAC_SUFFIX):
        return MacKey(_shared(Path(name)))
    return [load_recipient(Path(name))] if name.endswith(_KEK_SUFFIX) else load_private(name)


def load_private(name: str) -> PrivateKey:
    """A private key: a PEM file, or what a `pkcs11:` URI names. Raises `UnusableKey`, OSError."""
    return load_token_key(name) if name.startswith(SCHEME) else load_private_key(Path(name))


def load_authority(path: Path) -> Authority:
    """What verifies: a public key, a shared key, or what opens the key of a MAC. Raises `UnusableKey`, OSError."""
    if path.suffix == _MAC_SUFFIX:
        return MacKey(_shared(path))
    if path.suffix == _HSS_SUFFIX:
        return HssLmsPublicKey(path.read_bytes())
    if path.suffix == _KEK_SUFFIX or _PRIVATE in path.read_bytes():
        return load_opening(path)
    return load_public_key(path)


def load_opening(path: Path) -> RecipientKey:
    """What opens a key that was sent: a shared key (`*.kek`), or a private key on P-256 or X25519 (PEM, 0600).

    Raises `UnusableKey`, OSError.
    """
    if path.suffix == _KEK_SUFFIX:
        return RecipientKey(_kek(path))
    try:
        key = load_pem_private_key(read_private(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnusableKey(f"{path} is not an unencrypted PEM private key; generate it again") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | x25519.X25519PrivateKey):
        raise UnusableKey(f"{path}: keys are agreed on with P-256 or X25519 keys")
    return RecipientKey(key)


def _kek(path: Path) -> bytes:
    key = _shared(path)
    if len(key) not in _KEK_SIZES:
        raise UnusableKey(f"{path}: a key-encryption key has 16, 24 or 32 bytes, not {len(key)}")
    return key


def _shared(path: Path) -> bytes:
    try:
        return bytes.fromhex(read_private(path).decode("ascii").strip())
    except (ValueError, UnicodeDecodeError):
        raise UnusableKey(f"{path} does not hold a shared key in hex") from None


def cose_key(key: PublicKey) -> bytes:
    """The public key as a COSE_Key (RFC 9053 section 7)."""
    if isinstance(key, ed25519.Ed25519PublicKey):
        raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return cbor.encode({KeyParameter.KTY: KeyType.OKP, KeyParameter.CRV: Curve.ED25519, KeyParameter.X: raw})
    curve = {"secp256r1": Curve.P_256, "secp384r1": Curve.P_384, "secp521r1": Curve.P_521}[key.curve.name]
    numbers, size = key.public_numbers(), (key.curve.key_size + 7) // 8
    x, y = (value.to_bytes(size, "big") for value in (numbers.x, numbers.y))
    return cbor.encode({KeyParameter.KTY: KeyType.EC2, KeyParameter.CRV: curve, KeyParameter.X: x, KeyParameter.Y: y})


def c_array(key: PublicKey) -> str:
    """The raw public key as a C array, to compile into firmware: an uncompressed point, or 32 bytes of Ed25519."""
    form = PublicFormat.UncompressedPoint if isinstance(key, ec.EllipticCurvePublicKey) else PublicFormat.Raw
    encoding = Encoding.X962 if isinstance(key, ec.EllipticCurvePublicKey) else Encoding.Raw
    raw = key.public_bytes(encoding, form)
    lines = [", ".join(f"0x{byte:02x}" for byte in raw[at : at + 12]) for at in range(0, len(raw), 12)]
    return f"const uint8_t public_key[{len(raw)}] = {{\n    " + ",\n    ".join(lines) + "\n};\n"


def load_recipient(path: Path) -> SealedFor:
    """Whom to encrypt for: a P-256 or X25519 public key (PEM), or a shared key (`*.kek`).

    The file's name without its ending is the key's name. Raises `UnusableKey`, OSError.
    """
    if path.suffix == _KEK_SUFFIX:
        return SealedFor(_kek(path), path.stem.encode())
    try:
        key = load_pem_public_key(path.read_bytes())
    except ValueError as error:
        raise UnusableKey(f"{path} is not a PEM public key; export it again") from error
    if not isinstance(key, ec.EllipticCurvePublicKey | x25519.X25519PublicKey):
        raise UnusableKey(f"{path}: payloads are encrypted for P-256 or X25519 keys")
    return SealedFor(key, path.stem.encode())
