"""COSE_Sign1 (RFC 9052 section 4.2), and the one profile of it that this product's messages use.

`create` and `Sign1.parse` are the standard's structure, as SUIT needs it (detached payloads, other headers). `sign` and
`parse_profile` are the profile of the transfer messages: tag 18, payload attached, external_aad and unprotected header
empty, protected header exactly `{1: alg, 4: kid, 16: typ}`.

Parsing decides nothing about trust: nothing of a `Sign1` may be believed before `verify` returned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cose import cbor
from cose.algorithms import SIGNATURE_ALGORITHMS, UnsuitableKey, VerificationKey, algorithm_for
from cose.errors import CoseError, CoseReason, SignatureInvalid
from cose.headers import HeaderMap, algorithm_of, check_headers, header_map, protected_map
from cose.keys import KID_SIZE, PrivateKey, kid
from cose.numbers import Algorithm, Header, Tag

PROFILE_ALGORITHMS: Final = frozenset({Algorithm.ESP256, Algorithm.ED25519, Algorithm.ES256, Algorithm.EDDSA})
_PROFILE_LABELS: Final = frozenset({Header.ALG, Header.KID, Header.TYP})
_MAX_TYP: Final = 65535
_CONTEXT: Final = b"\x84" + cbor.encode("Signature1")
"""How the Sig_structure begins (RFC 9052 section 4.4)."""
_NO_EXTERNAL_AAD: Final = cbor.encode_bytes(b"")
_ONLY_ALGORITHM: Final = {alg: cbor.encode({Header.ALG: alg}) for alg in SIGNATURE_ALGORITHMS}
"""Protected headers that say nothing else."""
_USUAL_SIZE: Final = 64
"""Bytes of a signature with P-256 or Ed25519."""
_USUAL_HEADS: Final = {
    alg: cbor.encode(cbor.Tagged(Tag.COSE_SIGN1, [header, {}, None, bytes(_USUAL_SIZE)]))[:-_USUAL_SIZE]
    for alg, header in _ONLY_ALGORITHM.items()
}
"""What stands before the signature when a payload is detached and the headers name the algorithm alone: of that message
there is one encoding, which is neither decoded nor built anew."""
_USUAL: Final = {
    _USUAL_HEADS[alg]: (header, protected_map(header, len(header))) for alg, header in _ONLY_ALGORITHM.items()
}


@dataclass(frozen=True, slots=True)
class Sign1:
    """A parsed, still unverified COSE_Sign1. `payload` is None when it is detached."""

    raw: bytes
    protected_bytes: bytes
    protected: Mapping[int | str, Any]
    unprotected: Mapping[int | str, Any]
    payload: bytes | None
    signature: bytes

    @classmethod
    def parse(cls, data: bytes, *, max_size: int, any_order: bool = False) -> Sign1:
        """Parse a tagged COSE_Sign1 of at most `max_size` bytes; `any_order` is for header parameters, as others send.

        Raises `CborError` when it is not deterministic CBOR, `CoseError` when it is not a COSE_Sign1 with a known
        algorithm in its protected header, or demands (crit) what nobody here understands.
        """
        usual = _USUAL.get(data[:-_USUAL_SIZE]) if len(data) <= max_size else None
        if usual is not None:
            return cls(data, *usual, {}, None, data[-_USUAL_SIZE:])
        protected_bytes, unprotected, payload, signature = _members(
            cbor.decode(data, max_size=max_size, any_order=any_order)
        )
        protected = protected_map(protected_bytes, max_size, any_order=any_order)
        check_headers(protected, unprotected)
        algorithm_of(protected, SIGNATURE_ALGORITHMS)
        return cls(bytes(data), protected_bytes, protected, unprotected, payload, signature)

    @property
    def alg(self) -> Algorithm:
        """The protected algorithm."""
        return Algorithm(self.protected[Header.ALG])

    @property
    def kid(self) -> bytes | None:
        """The protected key identifier: a hint which pinned key to try."""
        value = self.protected.get(Header.KID)
        return value if isinstance(value, bytes) else None

    @property
    def typ(self) -> int | str | None:
        """The protected type of the whole message (RFC 9596)."""
        value = self.protected.get(Header.TYP)
        return value if isinstance(value, int | str) else None

    def verify(self, key: VerificationKey, *, detached_payload: bytes | None = None) -> bytes:
        """Return the payload `key` has signed.

        Raises `SignatureInvalid`; `CoseError` when the key is of another kind than the algorithm, or the payload is
        neither attached nor given (or both).
        """
        if (self.payload is None) == (detached_payload is None):
            raise CoseError(CoseReason.PAYLOAD)
        payload = self.payload if detached_payload is None else detached_payload
        assert payload is not None
        try:
            algorithm = SIGNATURE_ALGORITHMS[self.protected[Header.ALG]]
            valid = algorithm.verify(key, self.signature, _signed_bytes(self.protected_bytes, payload))
        except UnsuitableKey as error:
            raise CoseError(CoseReason.KEY, str(error)) from error
        if not valid:
            raise SignatureInvalid
        return payload


def create(
    payload: bytes,
    key: PrivateKey,
    *,
    protected: Mapping[int, Any],
    unprotected: Mapping[int, Any] | None = None,
    detached: bool = False,
) -> bytes:
    """Sign `payload`; the protected header gets the key's fully specified algorithm unless it names one."""
    named = protected[Header.ALG] if Header.ALG in protected else algorithm_for(key)
    protected_bytes = cbor.encode({Header.ALG: named, **protected}) if protected else _ONLY_ALGORITHM[named]
    signature = SIGNATURE_ALGORITHMS[named].sign(key, _signed_bytes(protected_bytes, payload))
    if detached and not protected and not unprotected and len(signature) == _USUAL_SIZE:
        return _USUAL_HEADS[named] + signature
    members = [protected_bytes, unprotected or {}, None if detached else payload, signature]
    return cbor.encode(cbor.Tagged(Tag.COSE_SIGN1, members))


def sign(payload: bytes, key: PrivateKey, typ: int) -> bytes:
    """Sign `payload` in the profile of the transfer messages.

    Raises `CoseError` for a key that is neither P-256 nor Ed25519.
    """
    algorithm = algorithm_for(key)
    if algorithm not in PROFILE_ALGORITHMS:
        raise CoseError(CoseReason.ALGORITHM, f"{algorithm.name}: messages are signed with P-256 or Ed25519 keys")
    return create(payload, key, protected={Header.KID: kid(key.public_key()), Header.TYP: typ})


def parse_profile(data: bytes, *, max_size: int) -> Sign1:
    """Parse a message in the profile of the transfer messages; see `Sign1.parse` for the errors.

    A returned value has an attached payload, an 8-byte `kid` and an integer `typ`; whether they are the expected ones
    is the caller's to say.
    """
    message = Sign1.parse(data, max_size=max_size)
    if message.unprotected:
        raise CoseError(CoseReason.UNPROTECTED_HEADER, "it must be empty")
    if message.protected.keys() != _PROFILE_LABELS:
        raise CoseError(CoseReason.PROTECTED_HEADER, "it must hold exactly alg, kid and typ")
    if message.alg not in PROFILE_ALGORITHMS:
        raise CoseError(CoseReason.ALGORITHM, message.alg.name)
    if message.kid is None or len(message.kid) != KID_SIZE:
        raise CoseError(CoseReason.PROTECTED_HEADER, f"kid must be {KID_SIZE} bytes")
    if not _is_typ(message.protected[Header.TYP]):
        raise CoseError(CoseReason.PROTECTED_HEADER, "typ must be a number of 16 bits")
    if message.payload is None:
        raise CoseError(CoseReason.PAYLOAD, "it must be attached")
    return message


def _is_typ(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_TYP


def _members(item: Any) -> tuple[bytes, HeaderMap, bytes | None, bytes]:
    if not isinstance(item, cbor.Tagged) or item.tag != Tag.COSE_SIGN1:
        raise CoseError(CoseReason.STRUCTURE, "tag 18 expected")
    if type(item.value) is list and len(item.value) == 4:
        protected, unprotected, payload, signature = item.value
        if type(protected) is type(signature) is bytes and (payload is None or type(payload) is bytes):
            return protected, header_map(unprotected, CoseReason.UNPROTECTED_HEADER), payload, signature
    raise CoseError(CoseReason.STRUCTURE, "an array of protected, unprotected, payload and signature expected")


def _signed_bytes(protected: bytes, payload: bytes) -> bytes:
    """Sig_structure with an empty external_aad (RFC 9052 section 4.4)."""
    return _CONTEXT + cbor.encode_bytes(protected) + _NO_EXTERNAL_AAD + cbor.encode_bytes(payload)
