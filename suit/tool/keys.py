"""Keys of the `suit-tool` command: PEM files, keys in a token, shared keys in hex files, HSS/LMS public keys."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from cose import cbor
from cose.hss_lms import HssLmsPublicKey
from cose.keys import PrivateKey, PublicKey, UnusableKey, load_private_key, load_public_key, read_private
from cose.numbers import Curve, KeyParameter, KeyType
from cose.recipients import SealedFor
from cose.token_keys import SCHEME, load_token_key
from suit.authentication import Authority, MacKey

_HSS_SUFFIX: Final = ".hss"
_MAC_SUFFIX: Final = ".mac"


def load_author(name: str) -> PrivateKey | MacKey:
    """What signs: a private key, or a shared key (`*.mac`, hex). Raises `UnusableKey`, OSError."""
    return _shared(Path(name)) if name.endswith(_MAC_SUFFIX) else load_private(name)


def load_private(name: str) -> PrivateKey:
    """A private key: a PEM file, or what a `pkcs11:` URI names. Raises `UnusableKey`, OSError."""
    return load_token_key(name) if name.startswith(SCHEME) else load_private_key(Path(name))


def load_authority(path: Path) -> Authority:
    """What verifies: a public key (PEM), a shared key (`*.mac`, hex), an HSS/LMS key (`*.hss`, raw)."""
    if path.suffix == _MAC_SUFFIX:
        return _shared(path)
    if path.suffix == _HSS_SUFFIX:
        return HssLmsPublicKey(path.read_bytes())
    return load_public_key(path)


def _shared(path: Path) -> MacKey:
    try:
        return MacKey(bytes.fromhex(read_private(path).decode("ascii").strip()))
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
    """Whom to encrypt for: a P-256 or X25519 public key (PEM); the file's name without its ending is the key's name.

    Raises `UnusableKey`, OSError.
    """
    try:
        key = load_pem_public_key(path.read_bytes())
    except ValueError as error:
        raise UnusableKey(f"{path} is not a PEM public key; export it again") from error
    if not isinstance(key, ec.EllipticCurvePublicKey | x25519.X25519PublicKey):
        raise UnusableKey(f"{path}: payloads are encrypted for P-256 or X25519 keys")
    return SealedFor(key, path.stem.encode())
