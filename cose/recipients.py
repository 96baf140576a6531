"""How a content key reaches its recipients: AES Key Wrap, directly or under an ECDH secret (RFC 9053, 6.2 and 6.4).

A recipient is found by its `kid`, or tried when it names none; an unwrap that fails says only that this is not the key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cose import cbor
from cose.errors import CoseError, CoseReason
from cose.headers import HeaderMap, check_headers, header_map, protected_map
from cose.numbers import Algorithm, Curve, Header, KeyParameter, KeyType

MAX_RECIPIENTS: Final = 256
_MAX_PROTECTED: Final = 256
_KEY_WRAP: Final = {Algorithm.A128KW: 16, Algorithm.A192KW: 24, Algorithm.A256KW: 32}
"""Bytes of the key that wraps."""
_AGREEMENT: Final = {
    Algorithm.ECDH_ES_A128KW: Algorithm.A128KW,
    Algorithm.ECDH_ES_A192KW: Algorithm.A192KW,
    Algorithm.ECDH_ES_A256KW: Algorithm.A256KW,
}

AgreementPrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | x25519.X25519PrivateKey
AgreementPublicKey: TypeAlias = ec.EllipticCurvePublicKey | x25519.X25519PublicKey


@dataclass(frozen=True, slots=True)
class Recipient:
    """One recipient of a message, as it was sent."""

    protected_bytes: bytes
    protected: Mapping[int | str, Any]
    unprotected: Mapping[int | str, Any]
    wrapped: bytes

    @property
    def alg(self) -> int | None:
        """The algorithm; in AES Key Wrap it is in the unprotected header (RFC 9053 section 6.2.1)."""
        found = self.protected.get(Header.ALG, self.unprotected.get(Header.ALG))
        return found if isinstance(found, int) and not isinstance(found, bool) else None

    @property
    def kid(self) -> bytes | None:
        """Which key it is for."""
        found = self.protected.get(Header.KID, self.unprotected.get(Header.KID))
        return found if isinstance(found, bytes) else None


@dataclass(frozen=True, slots=True, repr=False)
class RecipientKey:
    """What one recipient holds: a key-encryption key, or the private key of an agreement.

    `context` is SuppPubInfo's `other` where a profile fixes one (SUIT: `SUIT Payload Encryption`).
    """

    key: bytes | AgreementPrivateKey
    kid: bytes | None = None
    context: bytes = b""


@dataclass(frozen=True, slots=True, repr=False)
class SealedFor:
    """Whom a sender wraps a content key for: a key-encryption key both hold, or the recipient's public key."""

    key: bytes | AgreementPublicKey
    kid: bytes | None = None
    context: bytes = b""

    def wrap(self, content_key: bytes) -> list[Any]:
        """The COSE_recipient. Raises `CoseError` KEY."""
        named = {} if self.kid is None else {Header.KID: self.kid}
        if isinstance(self.key, bytes):
            algorithm = next((alg for alg, size in _KEY_WRAP.items() if size == len(self.key)), None)
            if algorithm is None:
                raise CoseError(CoseReason.KEY, "a key-encryption key has 16, 24 or 32 bytes")
            return [b"", {Header.ALG: algorithm, **named}, aes_key_wrap(self.key, content_key)]
        protected = cbor.encode({Header.ALG: Algorithm.ECDH_ES_A128KW})
        private, ephemeral = _ephemeral(self.key)
        kek = _kek(_agree(private, self.key), Algorithm.ECDH_ES_A128KW, protected, self.context)
        return [protected, {Header.EPHEMERAL_KEY: ephemeral, **named}, aes_key_wrap(kek, content_key)]


def parse_recipients(items: list[Any]) -> tuple[Recipient, ...]:
    """The recipients of a message. Raises `CborError`, `CoseError`."""
    if not 1 <= len(items) <= MAX_RECIPIENTS:
        raise CoseError(CoseReason.STRUCTURE, f"1 to {MAX_RECIPIENTS} recipients")
    return tuple(_recipient(item) for item in items)


def _recipient(item: Any) -> Recipient:
    match item:
        case [bytes(protected_bytes), dict(unprotected), bytes(wrapped)]:
            protected = protected_map(protected_bytes, _MAX_PROTECTED)
            headers = header_map(unprotected, CoseReason.UNPROTECTED_HEADER)
            check_headers(protected, headers)
            return Recipient(protected_bytes, protected, headers, wrapped)
    raise CoseError(CoseReason.STRUCTURE, "a recipient is an array of protected, unprotected and wrapped key")


def unwrap(recipients: Sequence[Recipient], key: RecipientKey) -> bytes:
    """The content key.

    What is wrong with one recipient, whoever's it is, does not keep the others from being opened. Raises `CoseError`:
    RECIPIENT when none can be opened with `key`, or what was wrong with the last one.
    """
    own = [one for one in recipients if key.kid is None or one.kid is None or one.kid == key.kid]
    refusal = CoseError(CoseReason.RECIPIENT)
    for recipient in own:
        try:
            found = _unwrap(recipient, key)
        except CoseError as error:
            refusal = error
            continue
        if found is not None:
            return found
    raise refusal


def _unwrap(recipient: Recipient, key: RecipientKey) -> bytes | None:
    alg = recipient.alg
    if alg in _KEY_WRAP:
        if recipient.protected:
            raise CoseError(CoseReason.PROTECTED_HEADER, "AES Key Wrap protects no header")
        kek = key.key if isinstance(key.key, bytes) else b""
        expected = _KEY_WRAP[Algorithm(alg)]
    elif alg in _AGREEMENT:
        if isinstance(key.key, bytes):
            return None
        public = _public_key(recipient.unprotected.get(Header.EPHEMERAL_KEY), key.key)
        kek = _kek(_agree(key.key, public), Algorithm(alg), recipient.protected_bytes, key.context)
        expected = len(kek)
    else:
        raise CoseError(CoseReason.ALGORITHM, f"{alg!r} of a recipient")
    if len(kek) != expected or len(recipient.wrapped) % 8 or not 24 <= len(recipient.wrapped) <= 72:
        return None
    try:
        return aes_key_unwrap(kek, recipient.wrapped)
    except InvalidUnwrap:
        return None


def _kek(secret: bytes, algorithm: Algorithm, protected: bytes, other: bytes) -> bytes:
    """HKDF-SHA-256 over the COSE_KDF_Context without party names (RFC 9053 section 5.2)."""
    wrap = _AGREEMENT[algorithm]
    size = _KEY_WRAP[wrap]
    nobody = [None, None, None]
    public = [8 * size, protected, *([other] if other else [])]
    info = cbor.encode([int(wrap), nobody, nobody, public])
    return HKDF(hashes.SHA256(), size, salt=None, info=info).derive(secret)


def _ephemeral(public: AgreementPublicKey) -> tuple[AgreementPrivateKey, HeaderMap]:
    """A fresh key on the recipient's curve, and its COSE_Key."""
    if isinstance(public, x25519.X25519PublicKey):
        okp = x25519.X25519PrivateKey.generate()
        x = okp.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return okp, {KeyParameter.KTY: KeyType.OKP, KeyParameter.CRV: Curve.X25519, KeyParameter.X: x}
    if not isinstance(public.curve, ec.SECP256R1):
        raise CoseError(CoseReason.KEY, f"keys are agreed on with P-256 or X25519, not {public.curve.name}")
    private = ec.generate_private_key(ec.SECP256R1())
    numbers = private.public_key().public_numbers()
    x, y = (value.to_bytes(32, "big") for value in (numbers.x, numbers.y))
    return private, {
        KeyParameter.KTY: KeyType.EC2,
        KeyParameter.CRV: Curve.P_256,
        KeyParameter.X: x,
        KeyParameter.Y: y,
    }


def _public_key(item: Any, own: AgreementPrivateKey) -> AgreementPublicKey:
    """A peer's COSE_Key on our own key's curve. Raises `CoseError` KEY for anything else, a point off the curve too."""
    if not isinstance(item, dict):
        raise CoseError(CoseReason.KEY, "the ephemeral key is missing")
    kind = item.get(KeyParameter.KTY), item.get(KeyParameter.CRV)
    x, y = item.get(KeyParameter.X), item.get(KeyParameter.Y)
    if not isinstance(x, bytes):
        raise CoseError(CoseReason.KEY, "the ephemeral key has no x")
    try:
        if kind == (KeyType.OKP, Curve.X25519) and isinstance(own, x25519.X25519PrivateKey):
            return x25519.X25519PublicKey.from_public_bytes(x)
        if kind == (KeyType.EC2, Curve.P_256) and _is_p256(own):
            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _point(x, y))
    except ValueError as error:
        raise CoseError(CoseReason.KEY, "the ephemeral key is no point of its curve") from error
    raise CoseError(CoseReason.KEY, "the ephemeral key is on another curve than ours")


def _is_p256(key: AgreementPrivateKey) -> bool:
    return isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1)


def _point(x: bytes, y: Any) -> bytes:
    """SEC 1 form; `y` may be the sign bit alone (RFC 9053 section 7.1.1)."""
    if isinstance(y, bool):
        return bytes((3 if y else 2,)) + x
    if not isinstance(y, bytes):
        raise ValueError("y is a byte string or a sign")  # noqa: TRY004 - a wrong encoding, not a caller's mistake
    return b"\x04" + x + y


def _agree(own: AgreementPrivateKey, peer: AgreementPublicKey) -> bytes:
    if isinstance(own, x25519.X25519PrivateKey) and isinstance(peer, x25519.X25519PublicKey):
        try:
            return own.exchange(peer)
        except ValueError as error:  # a point of small order
            raise CoseError(CoseReason.KEY, "the ephemeral key gives no secret") from error
    if isinstance(own, ec.EllipticCurvePrivateKey) and isinstance(peer, ec.EllipticCurvePublicKey):
        return own.exchange(ec.ECDH(), peer)
    raise CoseError(CoseReason.KEY, "two keys on one curve are needed")
