"""COSE_Sign: several signatures over one payload (RFC 9052 section 4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cose import cbor
from cose.algorithms import SIGNATURE_ALGORITHMS, UnsuitableKey, VerificationKey
from cose.errors import CoseError, CoseReason, SignatureInvalid
from cose.headers import algorithm_of, check_headers, header_map, protected_map
from cose.numbers import Algorithm, Tag

MAX_SIGNATURES: Final = 8
_CONTEXT: Final = "Signature"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signer's part, unverified."""

    protected_bytes: bytes
    alg: Algorithm
    unprotected: Mapping[int | str, Any]
    signature: bytes


@dataclass(frozen=True, slots=True)
class Sign:
    """A parsed, still unverified COSE_Sign. `payload` is None when it is detached."""

    protected_bytes: bytes
    payload: bytes | None
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, data: bytes, *, max_size: int) -> Sign:
        """Parse a tagged COSE_Sign of at most `max_size` bytes. Raises `CborError`, `CoseError`."""
        item = cbor.decode(data, max_size=max_size, any_order=True)
        if not isinstance(item, cbor.Tagged) or item.tag != Tag.COSE_SIGN:
            raise CoseError(CoseReason.STRUCTURE, "tag 98 expected")
        match item.value:
            case [bytes(protected_bytes), dict(unprotected), (bytes() | None) as payload, list(signatures)]:
                protected = protected_map(protected_bytes, max_size)
                check_headers(protected, header_map(unprotected, CoseReason.UNPROTECTED_HEADER))
                if not 1 <= len(signatures) <= MAX_SIGNATURES:
                    raise CoseError(CoseReason.STRUCTURE, f"1 to {MAX_SIGNATURES} signatures")
                return cls(protected_bytes, payload, tuple(_signature(one, max_size) for one in signatures))
        raise CoseError(CoseReason.STRUCTURE, "an array of protected, unprotected, payload and signatures expected")

    def verify(self, key: VerificationKey, *, detached_payload: bytes | None = None) -> bytes:
        """The payload `key` has signed beside others. Raises `SignatureInvalid` when none of the signatures is its."""
        if (self.payload is None) == (detached_payload is None):
            raise CoseError(CoseReason.PAYLOAD)
        payload = self.payload if detached_payload is None else detached_payload
        assert payload is not None
        if not any(self._verifies(one, key, payload) for one in self.signatures):
            raise SignatureInvalid
        return payload

    def _verifies(self, signature: Signature, key: VerificationKey, payload: bytes) -> bool:
        signed = cbor.encode([_CONTEXT, self.protected_bytes, signature.protected_bytes, b"", payload])
        try:
            return SIGNATURE_ALGORITHMS[signature.alg].verify(key, signature.signature, signed)
        except UnsuitableKey:
            return False


def _signature(item: Any, max_size: int) -> Signature:
    match item:
        case [bytes(protected_bytes), dict(unprotected), bytes(signature)]:
            protected = protected_map(protected_bytes, max_size)
            headers = header_map(unprotected, CoseReason.UNPROTECTED_HEADER)
            check_headers(protected, headers)
            return Signature(protected_bytes, algorithm_of(protected, SIGNATURE_ALGORITHMS), headers, signature)
    raise CoseError(CoseReason.STRUCTURE, "a signature is an array of protected, unprotected and signature")
